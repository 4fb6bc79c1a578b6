//! Files on a node: written atomically, kept in the instance's directory, removed with it.

use super::link::Link;
use super::look::{self, Root, Script};
use crate::domain::{InstanceId, shell_quoted};
use crate::node::printable::printable_line;
use crate::node::supervisor::{self, directory};
use crate::node::{Command, Ending, FileWrite, NodeError};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::time::Duration;

/// How long writing one file may take.
const WRITING: Duration = Duration::from_secs(120);

/// How long removing an instance may take: it ends what still runs first.
const REMOVING: Duration = Duration::from_secs(120);

/// Writes standard input to `path`, beside it first. `length` guards against a link that broke halfway.
const WRITE: &str = r#"
set -u
umask 077
fail() { printf '%s\n' "$1" >&2; exit 1; }
asked=$path
path=$(readlink -f -- "$asked") || fail "$asked: no such directory"
[ ! -d "$path" ] || fail "$path is a directory"
new=$(mktemp -- "$path.labctl-XXXXXX") || exit 1
trap 'rm -f -- "$new"' EXIT
trap 'exit 1' HUP INT TERM
cat >"$new" || exit 1
[ "$(stat -c %s -- "$new")" = "$length" ] || fail "$path: not all of it arrived"
if [ -e "$path" ]; then
    cp -a --attributes-only -- "$path" "$new" || exit 1
    touch -- "$new"
    [ "$(stat -c %u:%g -- "$new")" = "$(stat -c %u:%g -- "$path")" ] || fail "$path: its owner cannot be kept"
else
    chmod 0644 -- "$new" || exit 1
fi
[ -z "$mode" ] || chmod "$mode" -- "$new" || exit 1
sync -- "$new" || exit 1
mv -fT -- "$new" "$path" || exit 1
sync -- "${path%/*}/"
"#;

async fn run_shell(link: &Link, root: Root, text: String, script: Script<'_>) -> Result<Vec<u8>, NodeError> {
    let command = Command::Shell(text);
    let script = Script {
        command: &command,
        ..script
    };
    let looked = look::run(link, root, &script).await?;
    match looked.ending {
        Ending::Exited { code: 0 } => Ok(looked.stdout),
        ending => {
            let said = printable_line(&looked.stderr);
            Err(link.fault(&if said.is_empty() { ending.to_string() } else { said }))
        }
    }
}

fn script<'a>(command: &'a Command, payload: &'a [u8], as_root: bool, deadline: Duration) -> Script<'a> {
    Script {
        command,
        payload,
        as_root,
        deadline,
        keep: 64 << 10,
    }
}

/// Writes a file as `write` says, where `home` is the login user's.
pub(super) async fn write_file(link: &Link, root: Root, home: &str, write: &FileWrite) -> Result<(), NodeError> {
    let path = directory(Some(&write.path), home);
    if !path.starts_with('/') || path.ends_with('/') || path.contains('\0') {
        return Err(link.fault(&format!("{path:?} cannot be the path of a file")));
    }
    let mode = write.mode.map_or_else(String::new, |mode| format!("{mode:04o}"));
    let (path, length) = (shell_quoted(&path), write.content.len());
    let text = format!("path={path} mode='{mode}' length={length}\n{WRITE}");
    let nothing = Command::Argv(Vec::new());
    let script = script(&nothing, &write.content, write.as_root, WRITING);
    run_shell(link, root, text, script).await.map(|_| ())
}

/// Keeps `content` as `name` in the instance's `directory`.
pub(super) async fn keep(link: &Link, root: Root, place: (&str, &str), content: &[u8]) -> Result<(), NodeError> {
    let (directory, name) = place;
    let plain = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || "._-@+:".contains(c))
    };
    if !name.split('/').all(plain) {
        return Err(link.fault(&format!("{name:?} cannot be the name of something kept")));
    }
    let (path, length) = (format!("{directory}/{name}"), content.len());
    let text = format!(
        "[ -d {directory} ] || {{ echo 'no such instance on this node: {directory}' >&2; exit 1; }}\n\
         path={path} mode=0600 length={length}\numask 077\nmkdir -p -- \"${{path%/*}}\" || exit 1\n{WRITE}"
    );
    let nothing = Command::Argv(Vec::new());
    run_shell(link, root, text, script(&nothing, content, true, WRITING))
        .await
        .map(|_| ())
}

/// Makes the instance's `directory` below `parent`, which may hold no other instance, and puts the supervisor there. One
/// that is there already is not written again: a full disk must not stand in the way of taking things back.
pub(super) async fn open_instance(link: &Link, root: Root, parent: &str, directory: &str) -> Result<(), NodeError> {
    let program = supervisor::SCRIPT.as_bytes();
    let mut hash = String::new();
    for byte in Sha256::digest(program) {
        // Writing to a String cannot fail.
        let _ = write!(hash, "{byte:02x}");
    }
    let text = format!(
        "umask 077\n\
         for tool in setsid stat mktemp mkfifo head tail grep sed timeout setpriv sync readlink flock sha256sum; do\n\
         command -v $tool >/dev/null || {{ echo \"$tool is missing; install coreutils, grep, sed and util-linux\" >&2; exit 1; }}\n\
         done\n\
         setsid --help 2>&1 | grep -q -- --fork || {{ echo 'setsid is too old: util-linux 2.32 is needed' >&2; exit 1; }}\n\
         mkdir -p -m 0700 -- {parent} && exec 9<{parent} || exit 1\n\
         flock -w 10 9 || {{ echo 'another labctl is changing {parent}' >&2; exit 1; }}\n\
         for other in {parent}/*/; do\n\
         [ \"$other\" = {directory}/ ] || [ ! -d \"$other\" ] || {{ echo \"another labctl has its instance there: ${{other%/}}\" >&2; exit 1; }}\n\
         done\n\
         [ -d {directory} ] || mkdir -m 0700 -- {directory} || exit 1\n\
         chmod 0700 -- {directory} || exit 1\n\
         exec 9<&-\n\
         path={directory}/supervisor mode=0700 length={}\n\
         [ ! -f $path ] || [ \"$(sha256sum <$path)\" != '{hash}  -' ] || exit 0\n{WRITE}",
        program.len()
    );
    let nothing = Command::Argv(Vec::new());
    run_shell(link, root, text, script(&nothing, program, true, WRITING))
        .await
        .map(|_| ())
}

/// Ends what still runs of `instance` and removes its directory below `parent`.
pub(super) async fn close_instance(
    link: &Link,
    root: Root,
    parent: &str,
    instance: &InstanceId,
) -> Result<(), NodeError> {
    // The name's type admits neither a slash nor a dot at the start.
    let directory = format!("{parent}/{instance}");
    let text = format!(
        "[ -d {directory} ] || exit 0\n\
         [ ! -f {directory}/supervisor ] || /bin/sh {directory}/supervisor close\n\
         rm -rf -- {directory} || exit 1\n\
         rmdir -- {parent} 2>/dev/null\n\
         exit 0\n"
    );
    let nothing = Command::Argv(Vec::new());
    run_shell(link, root, text, script(&nothing, b"", true, REMOVING))
        .await
        .map(|_| ())
}
