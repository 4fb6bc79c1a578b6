//! What stands at a path.

use crate::domain::{Command, Ending, FileKind, FileSeen, Observation, ProbeError};
use crate::node::{Look, Transport};
use std::time::Duration;

/// How many bytes of content are taken.
const CONTENT: usize = 1 << 20;

/// Knows the login user's home also where root looks. Prints `absent`, or a line of numbers and names, a line with the hash or the link's target, and the content.
const LOOK_AT: &str = r#"
p=$1
home=$HOME
[ -z "${SUDO_USER-}" ] || home=$(getent passwd "$SUDO_USER" | cut -d: -f6)
case $p in '~/'*) p=$home/${p#'~/'} ;; esac
if [ ! -e "$p" ] && [ ! -L "$p" ]; then echo absent; exit 0; fi
stat -c '%f %s %U %G' -- "$p" || exit 1
if [ -L "$p" ]; then readlink -- "$p"
elif [ -d "$p" ]; then echo -; ls -A -- "$p" | LC_ALL=C sort
elif [ -f "$p" ]; then sha256sum <"$p" | cut -c1-64; head -c 1048576 <"$p"
else echo -
fi
"#;

pub(super) async fn observe_file(
    transport: &dyn Transport,
    path: &str,
    as_root: bool,
) -> Result<Observation, ProbeError> {
    let words = ["sh", "-c", LOOK_AT, "sh", path].map(str::to_owned).to_vec();
    let look = Look {
        command: Command::Argv(words),
        as_root,
        deadline: Duration::from_secs(30),
        keep: CONTENT + 64 * 1024,
    };
    let looked = transport.look(&look).await?;
    let cannot = |reason: String| ProbeError::CannotLook {
        reason: format!("{path}: {reason}"),
        hint: None,
    };
    if looked.ending != (Ending::Exited { code: 0 }) {
        return Err(cannot(String::from_utf8_lossy(&looked.stderr).trim().to_owned()));
    }
    if looked.stdout == b"absent\n" {
        return Ok(Observation::File { file: None });
    }
    let file = parse(&looked.stdout).ok_or_else(|| cannot("the node's answer makes no sense".to_owned()))?;
    Ok(Observation::File { file: Some(file) })
}

fn split_line(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    Some((std::str::from_utf8(&bytes[..end]).ok()?, &bytes[end + 1..]))
}

fn parse(answer: &[u8]) -> Option<FileSeen> {
    let (numbers, rest) = split_line(answer)?;
    let mut fields = numbers.split(' ');
    let raw_mode = u32::from_str_radix(fields.next()?, 16).ok()?;
    let size = fields.next()?.parse().ok()?;
    let (owner, group) = (fields.next()?.to_owned(), fields.next()?.to_owned());
    let kind = match raw_mode & 0o170_000 {
        0o100_000 => FileKind::File,
        0o040_000 => FileKind::Directory,
        0o120_000 => FileKind::Link,
        _ => FileKind::Other,
    };
    let (second, content) = split_line(rest)?;
    Some(FileSeen {
        kind,
        size,
        mode: raw_mode & 0o7777,
        owner,
        group,
        sha256: (kind == FileKind::File).then(|| second.to_owned()),
        content: content.to_vec(),
        target: (kind == FileKind::Link).then(|| second.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_whatever_the_content_is() {
        let seen = parse(b"81a4 3 root docker\nabc\n\xff\n\n").unwrap();
        assert_eq!((seen.kind, seen.size, seen.mode), (FileKind::File, 3, 0o644));
        assert_eq!((seen.owner.as_str(), seen.group.as_str()), ("root", "docker"));
        assert_eq!(seen.content, b"\xff\n\n");
        assert!(parse(b"nonsense").is_none());
    }
}
