//! What is found on a node before anything is done there. Only what somebody needs is asked for: to ask a program for its version costs
//! up to half a second.

use super::addresses::private_address;
use super::engine_options::init_and_options;
use super::observe;
use super::said::{KEPT, output, said};
use crate::domain::{
    ComposeFacts, ComposeFlavour, EngineAt, EngineOptions, EngineSeen, Facts, InitSystem, LoginFacts, Observation,
    OptionsSource, OsFacts, Probe, ProbeError, ToolFacts,
};
use crate::node::{LookAt, NodeErrorKind, Request, SeenKind, Transport};
use futures_util::future::join_all;
use labctl_agent::Answer;

/// What stands around what is wanted of a login shell, whose startup files may print anything.
const MARK: &str = "=-labctl-=";

/// What facts are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Which instances hold the node.
    Instances,
    /// A plan of a lab's steps.
    Plan {
        /// Whether the plan may depend on which Compose there is.
        compose: bool,
    },
    /// A person who wants to know what is there.
    All,
}

/// Gathers the facts of the node behind `transport` that are needed for `need`; others call the node `private_ip`.
///
/// # Errors
///
/// Where the node cannot be asked. What is not there, or not needed, is no error.
pub async fn facts(transport: &dyn Transport, private_ip: &str, need: Need) -> Result<Facts, ProbeError> {
    let (instances, may_use_engine, os, planned, more) = tokio::join!(
        instances(transport),
        may_use_engine(transport),
        os(transport),
        async {
            match need {
                Need::Instances => Ok(Planned::default()),
                Need::Plan { compose } => Planned::gather(transport, private_ip, compose).await,
                Need::All => Planned::gather(transport, private_ip, true).await,
            }
        },
        async {
            match need {
                Need::Instances | Need::Plan { .. } => Ok(More::default()),
                Need::All => More::gather(transport).await,
            }
        },
    );
    let (instances, planned, more) = (instances?, planned?, more?);
    let hello = transport.hello();
    Ok(Facts {
        login: LoginFacts {
            user: hello.user.clone(),
            uid: hello.uid,
            home: hello.home.clone(),
            root: instances.is_some(),
            may_use_engine: may_use_engine?,
        },
        private_address: planned.private_address,
        os: os?,
        init: planned.init,
        engine: planned.engine,
        engine_problem: planned.engine_problem,
        compose: planned.compose,
        engine_options: planned.engine_options,
        tools: more.tools,
        docker_host: more.docker_host,
        free_disk: more.free_disk,
        instances,
    })
}

/// Returns the instances that hold the node; `None` where root is not to be had.
async fn instances(transport: &dyn Transport) -> Result<Option<Vec<String>>, ProbeError> {
    let look = LookAt {
        path: transport.node_directory().to_owned(),
        names: true,
        ..LookAt::default()
    };
    match transport.look_at(true, look).await {
        Ok(None) => Ok(Some(Vec::new())),
        Ok(Some(seen)) => {
            // A name that begins with a dot is no instance's.
            let names = seen.names.iter().filter(|name| !name.starts_with(b"."));
            Ok(Some(
                names.map(|name| String::from_utf8_lossy(name).into_owned()).collect(),
            ))
        }
        Err(error) if error.kind == NodeErrorKind::NoRoot => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn may_use_engine(transport: &dyn Transport) -> Result<bool, ProbeError> {
    let look = LookAt {
        path: "/var/run/docker.sock".to_owned(),
        ..LookAt::default()
    };
    let seen = transport.look_at(false, look).await?;
    Ok(seen.is_some_and(|seen| seen.kind == SeenKind::Socket && seen.may_read && seen.may_write))
}

async fn os(transport: &dyn Transport) -> Result<OsFacts, ProbeError> {
    let release = transport.read_file(false, "/etc/os-release", KEPT as u64).await?;
    let release = release.map(|release| String::from_utf8_lossy(&release.bytes).into_owned());
    let release = release.unwrap_or_default();
    let hello = transport.hello();
    Ok(OsFacts {
        id: release_value(&release, "ID").unwrap_or_default(),
        version: release_value(&release, "VERSION_ID"),
        name: release_value(&release, "PRETTY_NAME").unwrap_or_default(),
        arch: hello.machine.clone(),
        kernel: hello.kernel.clone(),
    })
}

/// Returns a value of os-release, which is quoted as a shell does it.
pub(super) fn release_value(release: &str, name: &str) -> Option<String> {
    let value = release.lines().rev().find_map(|line| {
        let (key, value) = line.trim().split_once('=')?;
        (key == name).then_some(value)
    })?;
    let words = shlex::split(value).unwrap_or_default();
    words.into_iter().next().filter(|word| !word.is_empty())
}

/// What a plan needs.
struct Planned {
    private_address: Option<String>,
    init: InitSystem,
    engine: Option<EngineSeen>,
    engine_problem: Option<String>,
    compose: Option<ComposeFacts>,
    engine_options: EngineOptions,
}

impl Default for Planned {
    fn default() -> Self {
        let reason = "nobody asked".to_owned();
        Self {
            private_address: None,
            init: InitSystem::Other,
            engine: None,
            engine_problem: Some(reason.clone()),
            compose: None,
            engine_options: EngineOptions {
                source: OptionsSource::Unknown { reason },
                docker_opts: Vec::new(),
                defaults_unread: false,
                daemon_json: false,
                daemon_json_keys: Vec::new(),
                running: Vec::new(),
            },
        }
    }
}

impl Planned {
    async fn gather(transport: &dyn Transport, private_ip: &str, wants_compose: bool) -> Result<Self, ProbeError> {
        let socket = Probe::Engine { at: EngineAt::Socket };
        let (private_address, options, engine, compose) = tokio::join!(
            private_address(transport, private_ip),
            init_and_options(transport),
            observe(transport, &socket),
            async {
                if wants_compose {
                    compose(transport).await
                } else {
                    Ok(None)
                }
            },
        );
        let (engine, engine_problem) = match engine? {
            Observation::Engine(engine) => (Some(engine), None),
            Observation::EngineDown { reason } => (None, Some(reason)),
            _ => (None, Some("it answered something that was not asked".to_owned())),
        };
        let (init, engine_options) = options?;
        Ok(Self {
            private_address: private_address?,
            init,
            engine,
            engine_problem,
            compose: compose?,
            engine_options,
        })
    }
}

/// What a person wants to know besides.
#[derive(Default)]
struct More {
    tools: ToolFacts,
    docker_host: Option<String>,
    free_disk: Option<u64>,
}

impl More {
    async fn gather(transport: &dyn Transport) -> Result<Self, ProbeError> {
        let (docker, git, tree, curl, docker_host, free_disk) = tokio::join!(
            said(transport, &["docker", "--version"]),
            said(transport, &["git", "--version"]),
            said(transport, &["tree", "--version"]),
            said(transport, &["curl", "--version"]),
            docker_host(transport),
            free_disk(transport),
        );
        let tools = ToolFacts {
            docker: docker?,
            git: git?,
            tree: tree?,
            curl: curl?,
        };
        Ok(Self {
            tools,
            docker_host: docker_host?,
            free_disk: free_disk?,
        })
    }
}

/// Returns `DOCKER_HOST` as programs have it that are started from a login shell. What its startup files print stands before the mark.
async fn docker_host(transport: &dyn Transport) -> Result<Option<String>, ProbeError> {
    let shell = transport.hello().shell.as_str();
    let words = format!("echo {MARK}; env | grep \"^DOCKER_HOST=\"; echo {MARK}");
    let text = output(transport, &[shell, "-lc", &words]).await?.unwrap_or_default();
    Ok(marked_value(&text))
}

/// Returns the value that stands between the last two marks of `text`.
fn marked_value(text: &str) -> Option<String> {
    let mut parts = text.rsplit(MARK);
    let (_, marked) = (parts.next()?, parts.next()?);
    let value = marked.trim().strip_prefix("DOCKER_HOST=")?;
    Some(value.lines().next()?.to_owned()).filter(|value| !value.is_empty())
}

async fn free_disk(transport: &dyn Transport) -> Result<Option<u64>, ProbeError> {
    let path = "/var/lib/docker".to_owned();
    match transport.ask(false, Request::FreeSpace { path }).await {
        Ok(Answer::FreeSpace(bytes)) => Ok(Some(bytes)),
        // There may be no such directory.
        Ok(_) => Ok(None),
        Err(error) if error.kind == NodeErrorKind::NodeFault => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Returns which Compose the node has. The plugin counts only where there is no program.
async fn compose(transport: &dyn Transport) -> Result<Option<ComposeFacts>, ProbeError> {
    // Compose 1 is a Python program that takes half a second to say its version; the script that starts it names it.
    let directories = transport.hello().path.split(':').filter(|part| part.starts_with('/'));
    let paths = directories.map(|directory| format!("{directory}/docker-compose"));
    let reading = paths.map(|path| async move { transport.read_file(false, &path, 4096).await });
    let programs = join_all(reading).await;
    // A directory may not be entered; programs there cannot be run either.
    let program = programs.into_iter().flatten().flatten().next();
    if let Some(program) = program {
        if let Some(version) = script_version(&String::from_utf8_lossy(&program.bytes)) {
            return Ok(Some(compose_program(&version)));
        }
        if let Some(version) = said(transport, &["docker-compose", "version", "--short"]).await? {
            return Ok(Some(compose_program(&version)));
        }
    }
    let plugin = said(transport, &["docker", "compose", "version", "--short"]).await?;
    Ok(plugin.map(|version| ComposeFacts {
        flavour: ComposeFlavour::V2Plugin,
        version: version.trim_start_matches('v').to_owned(),
    }))
}

fn compose_program(version: &str) -> ComposeFacts {
    let version = version.trim_start_matches('v').to_owned();
    let flavour = if version.starts_with("1.") {
        ComposeFlavour::V1
    } else {
        ComposeFlavour::V2Standalone
    };
    ComposeFacts { flavour, version }
}

/// Returns the version that the script which starts Compose 1 names.
pub(super) fn script_version(script: &str) -> Option<String> {
    let version = script.lines().find_map(|line| {
        let rest = line.strip_prefix("__requires__ = 'docker-compose==")?;
        rest.split_once('\'').map(|(version, _)| version)
    })?;
    let is_version = version.chars().all(|c| c.is_ascii_digit() || c == '.');
    (is_version && version.starts_with(|c: char| c.is_ascii_digit())).then(|| version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_that_starts_compose_1_names_its_version() {
        let script = "#!/usr/bin/python3\n# EASY-INSTALL-ENTRY-SCRIPT\n__requires__ = 'docker-compose==1.29.2'\n";
        assert_eq!(script_version(script).as_deref(), Some("1.29.2"));
        assert_eq!(script_version("__requires__ = 'docker-compose==$(reboot)'"), None);
        assert_eq!(compose_program("v2.40.0").flavour, ComposeFlavour::V2Standalone);
    }

    #[test]
    fn only_what_stands_between_the_marks_is_the_docker_host() {
        let value = |text: &str| marked_value(text);
        assert_eq!(
            value(&format!("hello\n{MARK}\nDOCKER_HOST=tcp://a:1\n{MARK}\nbye\n")).as_deref(),
            Some("tcp://a:1")
        );
        assert_eq!(value(&format!("hello{MARK}\n{MARK}\n")), None);
        assert_eq!(value(&format!("{MARK}\nDOCKER_HOST=\n{MARK}\n")), None);
        assert_eq!(value("hello\n"), None);
    }

    #[test]
    fn os_release_is_read_as_a_shell_reads_it() {
        let release = "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\nVERSION_ID='12'\n";
        assert_eq!(
            release_value(release, "PRETTY_NAME").as_deref(),
            Some("Debian GNU/Linux 12 (bookworm)")
        );
        assert_eq!(release_value(release, "ID").as_deref(), Some("debian"));
        assert_eq!(release_value(release, "VERSION_ID").as_deref(), Some("12"));
        assert_eq!(release_value(release, "NAME"), None);
    }
}
