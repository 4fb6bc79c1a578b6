//! The one script that gathers a node's facts, and its answer: `name<TAB>value` lines, a name as often as it has values.

use crate::domain::{Command, Ending, ProbeError};
use crate::node::{Look, Transport};
use std::collections::BTreeMap;
use std::time::Duration;

// All of it only looks. Root's part is asked for with `sudo -n`, so that a node without it still has its other facts.

/// What the parts stand on.
const FUNCTIONS: &str = r#"
export LC_ALL=C PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
# Most facts are one short line, which needs no process to be said.
tab=$(printf '\t')
say() {
    case $2 in
    *"$tab"* | *'
'*) ;;
    *) if [ ${#2} -le 4096 ]; then
        printf '%s\t%s\n' "$1" "$2"
        return
    fi ;;
    esac
    printf '%s\t%s\n' "$1" "$(printf '%s' "$2" | tr '\t\n' '  ' | head -c 4096)"
}
first() { "$@" 2>/dev/null </dev/null | head -n 1; }
own_uid=$(id -u)
root() { if [ "$own_uid" = 0 ]; then "$@"; else sudo -n -- "$@"; fi; }
# Without a message bus only root may ask systemd.
systemd() { systemctl "$@" 2>/dev/null || root systemctl "$@" 2>/dev/null; }
# The engine's unit with its drop-ins, lines that go on in the next joined.
unit() { systemd cat docker.service | sed -e :more -e '/\\$/{N;s/\\\n[[:space:]]*//;b more' -e '}'; }
"#;

/// Where the engine reads its options, and which it has.
const OPTIONS: &str = r#"
say init "$(cat /proc/1/comm 2>/dev/null)"
if [ -e /etc/init.d/docker ]; then
    say init_script yes
    if grep -q '/etc/default/' /etc/init.d/docker; then say init_script_reads_defaults yes; fi
fi
if [ -d /run/systemd/system ]; then
    say unit_path "$(systemd show -p FragmentPath --value docker.service)"
    unit | sed -n 's/^ExecStart[[:space:]]*=[[:space:]]*\(..*\)/\1/p' | tail -n 1 |
        while IFS= read -r line; do say unit_exec "$line"; done
    unit | sed -n 's/^EnvironmentFile[[:space:]]*=[[:space:]]*-\{0,1\}//p' |
        while IFS= read -r line; do say unit_environment "$line"; done
fi
options='/^[[:space:]]*\(export[[:space:]]\{1,\}\)\{0,1\}DOCKER_OPTS=/p'
{ root sed -n "$options" /etc/default/docker || sed -n "$options" /etc/default/docker; } 2>/dev/null |
    while IFS= read -r line; do say docker_opts "$line"; done
if [ -e /etc/default/docker ] && ! { root test -r /etc/default/docker || test -r /etc/default/docker; } 2>/dev/null; then
    say defaults_unread yes
fi
pid=$(pidof dockerd 2>/dev/null | cut -d' ' -f1)
if [ -n "$pid" ]; then
    root cat "/proc/$pid/cmdline" 2>/dev/null | tr '\0' '\n' | while IFS= read -r word; do say running "$word"; done
fi
if root test -e /etc/docker/daemon.json 2>/dev/null; then
    say daemon_json yes
    root cat /etc/docker/daemon.json 2>/dev/null | head -c 65536 | base64 | tr -d '\n' |
        { IFS= read -r text || :; printf 'daemon_json_text\t%s\n' "$text"; }
fi
:
"#;

/// Everything else.
const SCRIPT: &str = r#"
say user "$(id -un)"
say uid "$(id -u)"
say home "$HOME"
if root true 2>/dev/null; then say root yes; fi
if [ -r /var/run/docker.sock ] && [ -w /var/run/docker.sock ]; then say may_use_engine yes; fi
if [ -r /etc/os-release ]; then
    (. /etc/os-release; say os_id "${ID-}"; say os_version "${VERSION_ID-}"; say os_name "${PRETTY_NAME-}")
fi
# A name of the node's own often leads to 127.0.1.1 there; others reach an interface that is no bridge of the engine's: a private
# address, in doubt the one that ssh came in by.
own=$(ip -o -4 addr show 2>/dev/null | awk '$2 !~ /^(lo|docker|br-|veth)/ { sub("/.*", "", $4); print $4 }')
came_in_by=${SSH_CONNECTION-}; came_in_by=${came_in_by% *}; came_in_by=${came_in_by##* }
is_own() { case " $(printf '%s' "$own" | tr '\n' ' ') " in *" $1 "*) true ;; *) false ;; esac; }
is_private() { case $1 in 10.* | 192.168.* | 172.1[6-9].* | 172.2?.* | 172.3[01].*) true ;; *) false ;; esac; }
for address in $(getent ahostsv4 "$1" 2>/dev/null | cut -d' ' -f1 | uniq); do
    if is_own "$address"; then say private_address "$address"; break; fi
done
for address in $came_in_by $own; do
    if is_own "$address" && is_private "$address"; then say private_address "$address"; break; fi
done
say private_address "$came_in_by"
say arch "$(uname -m)"
say kernel "$(uname -r)"
say docker "$(first docker --version)"
# Compose 1 is a Python program that takes half a second to say its version; the script that starts it names it. The plugin counts
# only where there is no program.
compose=$(head -c 4096 "$(command -v docker-compose)" 2>/dev/null |
    sed -n "s/^__requires__ = 'docker-compose==\([0-9][0-9.]*\)'.*/\1/p" | head -n 1)
if [ -z "$compose" ]; then compose=$(first docker-compose version --short); fi
if [ -n "$compose" ]; then say compose "$compose"; else say compose_plugin "$(first docker compose version --short)"; fi
say git "$(first git --version)"
say tree "$(first tree --version)"
say curl "$(first curl --version)"
say docker_host "$(first "${SHELL:-/bin/sh}" -lc 'printf %s "$DOCKER_HOST"')"
say free_disk "$(df -Pk /var/lib/docker 2>/dev/null | awk 'NR == 2 { print $4 }')"
if root true 2>/dev/null; then
    say may_list_instances yes
    root ls -1 /var/lib/labctl 2>/dev/null | while IFS= read -r name; do say instance "$name"; done
fi
:
"#;

/// How long gathering may take: a login shell with a slow profile is part of it.
const PATIENCE: Duration = Duration::from_secs(45);

/// What the script said.
#[derive(Debug, Default)]
pub(super) struct FactLines(BTreeMap<String, Vec<String>>);

impl FactLines {
    /// Runs the whole script on the node that others call `private_ip`.
    pub(super) async fn gather(transport: &dyn Transport, private_ip: &str) -> Result<Self, ProbeError> {
        Self::ask(transport, &[FUNCTIONS, OPTIONS, SCRIPT].concat(), private_ip).await
    }

    /// Asks for the engine's options alone: the versions of programs take their time.
    pub(super) async fn gather_options(transport: &dyn Transport) -> Result<Self, ProbeError> {
        Self::ask(transport, &[FUNCTIONS, OPTIONS].concat(), "").await
    }

    async fn ask(transport: &dyn Transport, script: &str, argument: &str) -> Result<Self, ProbeError> {
        let command = Command::Argv(["sh", "-c", script, "sh", argument].map(str::to_owned).to_vec());
        let look = Look {
            command,
            as_root: false,
            deadline: PATIENCE,
            keep: 256 * 1024,
        };
        let looked = transport.look(&look).await?;
        if looked.ending != (Ending::Exited { code: 0 }) {
            let said = String::from_utf8_lossy(&looked.stderr).trim().to_owned();
            let reason = format!("the facts could not be gathered: {}: {said}", looked.ending);
            return Err(ProbeError::CannotLook { reason, hint: None });
        }
        Ok(Self::parse(&looked.stdout))
    }

    fn parse(answer: &[u8]) -> Self {
        let mut lines = Self::default();
        for line in String::from_utf8_lossy(answer).lines() {
            if let Some((name, value)) = line.split_once('\t') {
                lines.0.entry(name.to_owned()).or_default().push(value.to_owned());
            }
        }
        lines
    }

    /// Returns all values of `name`.
    pub(super) fn all(&self, name: &str) -> &[String] {
        self.0.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// Returns the value of `name` where it is not empty.
    pub(super) fn one(&self, name: &str) -> Option<String> {
        self.all(name).first().filter(|value| !value.is_empty()).cloned()
    }

    /// Says whether `name` was said.
    pub(super) fn has(&self, name: &str) -> bool {
        self.one(name).is_some()
    }
}
