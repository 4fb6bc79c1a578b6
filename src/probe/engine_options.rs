//! Where a node's engine reads its options, and which it runs with.

use crate::domain::{Command, Ending, EngineOptions, InitSystem, OptionsSource, ProbeError};
use crate::node::{Look, LookAt, NodeError, NodeErrorKind, Process, Request, SeenKind, Transport};
use labctl_agent::Answer;
use std::time::Duration;

/// The file of options that init scripts, and some units, read.
const DEFAULTS: &str = "/etc/default/docker";

/// How many bytes of a file of options are read.
const OPTIONS: u64 = 256 << 10;

/// How many bytes of daemon.json are read.
const DAEMON_JSON: u64 = 64 << 10;

/// How long systemd may take to show a unit.
const SYSTEMD: Duration = Duration::from_secs(10);

/// How many bytes of a unit are read.
const UNIT: usize = 256 << 10;

/// What starts the engine on a node.
pub(super) struct Starter {
    pub(super) init: InitSystem,
    /// The unit with its drop-ins, where systemd runs.
    pub(super) unit: Option<String>,
    pub(super) script_reads_defaults: bool,
}

/// Returns what starts services on the node, and where its engine reads its options.
pub(super) async fn init_and_options(transport: &dyn Transport) -> Result<(InitSystem, EngineOptions), ProbeError> {
    let (starter, defaults, daemon_json, running) = tokio::join!(
        starter(transport),
        read_as_root(transport, DEFAULTS, OPTIONS),
        read_as_root(transport, "/etc/docker/daemon.json", DAEMON_JSON),
        running(transport),
    );
    let (starter, defaults, daemon_json) = (starter?, defaults?, daemon_json?);
    let options = EngineOptions {
        source: source(&starter),
        docker_opts: match &defaults {
            Text::Read(text) => docker_opts(text),
            Text::Absent | Text::Unreadable => Vec::new(),
        },
        defaults_unread: matches!(defaults, Text::Unreadable),
        daemon_json: !matches!(daemon_json, Text::Absent),
        daemon_json_keys: match &daemon_json {
            Text::Read(text) => keys(text),
            Text::Absent | Text::Unreadable => Vec::new(),
        },
        running: running?,
    };
    Ok((starter.init, options))
}

/// Returns where the node's engine reads its options, and which it runs with.
pub(super) async fn engine_options(transport: &dyn Transport) -> Result<EngineOptions, ProbeError> {
    init_and_options(transport).await.map(|(_, options)| options)
}

async fn starter(transport: &dyn Transport) -> Result<Starter, ProbeError> {
    let look = |path: &str, content| LookAt {
        path: path.to_owned(),
        content,
        ..LookAt::default()
    };
    let (first, script, systemd) = tokio::join!(
        transport.read_file(false, "/proc/1/comm", 64),
        transport.look_at(false, look("/etc/init.d/docker", 64 << 10)),
        transport.look_at(false, look("/run/systemd/system", 0)),
    );
    let first = first?.map(|first| String::from_utf8_lossy(&first.bytes).trim().to_owned());
    let script = script?;
    let has_systemd = systemd?.is_some_and(|seen| seen.kind == SeenKind::Directory);
    let init = match first.as_deref() {
        Some("systemd") => InitSystem::Systemd,
        Some("init") => InitSystem::Sysvinit,
        _ if script.is_some() => InitSystem::Sysvinit,
        _ => InitSystem::Other,
    };
    let script_reads_defaults = script.is_some_and(|script| contains(&script.content, b"/etc/default/"));
    let unit = if has_systemd { unit(transport).await? } else { None };
    Ok(Starter {
        init,
        unit,
        script_reads_defaults,
    })
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// Returns the engine's unit with its drop-ins, as systemd has read them.
async fn unit(transport: &dyn Transport) -> Result<Option<String>, ProbeError> {
    // Without a message bus only root may ask systemd.
    for as_root in [false, true] {
        let look = Look {
            command: Command::Argv(["systemctl", "cat", "docker.service"].map(str::to_owned).to_vec()),
            as_root,
            deadline: SYSTEMD,
            keep: UNIT,
        };
        match transport.look(&look).await {
            Ok(looked) if looked.ending == (Ending::Exited { code: 0 }) => {
                return Ok(Some(String::from_utf8_lossy(&looked.stdout).into_owned()));
            }
            Ok(_) => {}
            Err(error) if error.kind == NodeErrorKind::NoRoot => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}

/// What is known of a file.
enum Text {
    Absent,
    /// It is there, and may not be read.
    Unreadable,
    Read(Vec<u8>),
}

/// Reads a file as root, as the login user where root is not to be had.
async fn read_as_root(transport: &dyn Transport, path: &str, limit: u64) -> Result<Text, ProbeError> {
    match transport.read_file(true, path, limit).await {
        Ok(None) => return Ok(Text::Absent),
        Ok(Some(content)) => return Ok(Text::Read(content.bytes)),
        Err(error) if is_refusal(&error) => {}
        Err(error) => return Err(error.into()),
    }
    match transport.read_file(false, path, limit).await {
        Ok(None) => Ok(Text::Absent),
        Ok(Some(content)) => Ok(Text::Read(content.bytes)),
        Err(error) if is_refusal(&error) => Ok(Text::Unreadable),
        Err(error) => Err(error.into()),
    }
}

/// Says whether whoever asked may not, rather than that the node cannot be asked.
fn is_refusal(error: &NodeError) -> bool {
    matches!(error.kind, NodeErrorKind::NoRoot | NodeErrorKind::NodeFault)
}

/// Returns the running engine's command line; empty where none runs, or nobody may know it.
async fn running(transport: &dyn Transport) -> Result<Vec<String>, ProbeError> {
    for as_root in [true, false] {
        let name = "dockerd".to_owned();
        match transport.ask(as_root, Request::Processes { name }).await {
            Ok(Answer::Processes(found)) => return Ok(words(found)),
            Ok(_) => {}
            Err(error) if error.kind == NodeErrorKind::NoRoot => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Vec::new())
}

/// Returns the command line of the engine that was started first: engines in containers came later.
fn words(found: Vec<Process>) -> Vec<String> {
    let first = found.into_iter().find(|process| !process.words.is_empty());
    first.map(|process| process.words).unwrap_or_default()
}

pub(super) fn source(starter: &Starter) -> OptionsSource {
    let unit = starter.unit.as_deref().map(joined).unwrap_or_default();
    let values = |name: &str| -> Vec<String> {
        let lines = unit.lines().filter_map(|line| {
            let (key, value) = line.split_once('=')?;
            (key.trim_end() == name).then(|| value.trim().to_owned())
        });
        lines.filter(|value| !value.is_empty()).collect()
    };
    if let Some(exec_start) = values("ExecStart").pop() {
        let files = values("EnvironmentFile");
        let reads_file = files.iter().any(|file| file.trim_start_matches('-') == DEFAULTS);
        let uses_it = exec_start.contains("$DOCKER_OPTS") || exec_start.contains("${DOCKER_OPTS}");
        if reads_file && uses_it {
            return OptionsSource::DefaultsFile;
        }
        let path = unit.lines().find_map(|line| line.strip_prefix("# /"));
        return OptionsSource::Unit {
            path: path.map(|path| format!("/{path}")).unwrap_or_default(),
            exec_start,
        };
    }
    if starter.init == InitSystem::Sysvinit && starter.script_reads_defaults {
        return OptionsSource::DefaultsFile;
    }
    OptionsSource::Unknown {
        reason: "neither a systemd unit nor an init script starts the engine".to_owned(),
    }
}

/// Returns `unit` with lines joined that go on in the next.
pub(super) fn joined(unit: &str) -> String {
    let mut text = String::new();
    let mut goes_on = false;
    for line in unit.lines() {
        let line = if goes_on { line.trim_start() } else { line };
        goes_on = line.ends_with('\\');
        text.push_str(line.strip_suffix('\\').unwrap_or(line));
        if !goes_on {
            text.push('\n');
        }
    }
    text
}

/// Returns the lines that set DOCKER_OPTS, comments left out.
pub(super) fn docker_opts(text: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(text);
    let sets = |line: &&str| {
        let line = line.trim_start();
        let line = match line.strip_prefix("export") {
            Some(rest) if rest.starts_with([' ', '\t']) => rest.trim_start(),
            _ => line,
        };
        line.starts_with("DOCKER_OPTS=")
    };
    text.lines().filter(sets).map(str::to_owned).collect()
}

pub(super) fn keys(text: &[u8]) -> Vec<String> {
    let document: Option<serde_json::Map<String, serde_json::Value>> = serde_json::from_slice(text).ok();
    document
        .map(|document| document.keys().cloned().collect())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn starter(init: InitSystem, unit: Option<&str>) -> Starter {
        Starter {
            init,
            unit: unit.map(str::to_owned),
            script_reads_defaults: true,
        }
    }

    #[test]
    fn a_unit_is_read_with_its_drop_ins() {
        let unit = "# /lib/systemd/system/docker.service\n[Service]\nExecStart=/usr/sbin/dockerd \\\n  -H fd:// \\\n  $DOCKER_OPTS\n\n\
                    # /etc/systemd/system/docker.service.d/labctl.conf\n[Service]\nExecStart=\nExecStart=/usr/sbin/dockerd -H fd:// --label a=b\n";
        assert_eq!(
            source(&starter(InitSystem::Systemd, Some(unit))),
            OptionsSource::Unit {
                path: "/lib/systemd/system/docker.service".to_owned(),
                exec_start: "/usr/sbin/dockerd -H fd:// --label a=b".to_owned(),
            }
        );
    }

    #[test]
    fn a_unit_that_reads_the_defaults_file_is_as_good_as_an_init_script() {
        let unit = "# /lib/systemd/system/docker.service\n[Service]\nEnvironmentFile=-/etc/default/docker\n\
                    ExecStart=/usr/sbin/dockerd -H fd:// \\\n    $DOCKER_OPTS\n";
        for starter in [
            starter(InitSystem::Systemd, Some(unit)),
            starter(InitSystem::Sysvinit, None),
        ] {
            assert_eq!(source(&starter), OptionsSource::DefaultsFile);
        }
        let neither = starter(InitSystem::Other, None);
        assert!(matches!(source(&neither), OptionsSource::Unknown { .. }));
    }

    #[test]
    fn only_lines_that_set_the_options_count() {
        let text = b"# DOCKER_OPTS=\"-a\"\n DOCKER_OPTS=\"-b\"\nexport\tDOCKER_OPTS='-c'\nMY_DOCKER_OPTS=1\n";
        assert_eq!(docker_opts(text), [" DOCKER_OPTS=\"-b\"", "export\tDOCKER_OPTS='-c'"]);
        assert_eq!(keys(br#"{"labels": [], "hosts": []}"#), ["labels", "hosts"]);
        assert!(keys(b"{").is_empty());
    }
}
