//! What is found on a node before anything is done there. Only what somebody needs is asked for: to ask a program for its version costs
//! up to half a second.

use super::engine_options::init_and_options;
use super::observe;
use crate::domain::{
    Command, ComposeFacts, ComposeFlavour, Ending, EngineAt, EngineOptions, EngineSeen, Facts, InitSystem, LoginFacts,
    Observation, OptionsSource, OsFacts, Probe, ProbeError, ToolFacts,
};
use crate::node::{Look, LookAt, NodeErrorKind, Request, SeenKind, Transport};
use futures_util::future::join_all;
use labctl_agent::Answer;
use std::net::Ipv4Addr;
use std::time::Duration;

/// How long a program may take to say its version; a login shell with a slow profile, too.
const PATIENCE: Duration = Duration::from_secs(30);

/// How many bytes of what a program says are read.
const KEPT: usize = 64 << 10;

/// The longest line of a program's that is a fact, in characters.
const LINE: usize = 200;

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
fn release_value(release: &str, name: &str) -> Option<String> {
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
        let shell = transport.hello().shell.as_str();
        let login_shell = [shell, "-lc", "printf %s \"$DOCKER_HOST\""];
        let (docker, git, tree, curl, docker_host, free_disk) = tokio::join!(
            said(transport, &["docker", "--version"]),
            said(transport, &["git", "--version"]),
            said(transport, &["tree", "--version"]),
            said(transport, &["curl", "--version"]),
            said(transport, &login_shell),
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

/// Returns all that a command says on standard output; `None` where it does not end well.
async fn output(transport: &dyn Transport, words: &[&str]) -> Result<Option<String>, ProbeError> {
    let look = Look {
        command: Command::Argv(words.iter().map(|word| (*word).to_owned()).collect()),
        as_root: false,
        deadline: PATIENCE,
        keep: KEPT,
    };
    let looked = transport.look(&look).await?;
    let is_good = looked.ending == (Ending::Exited { code: 0 });
    Ok(is_good.then(|| String::from_utf8_lossy(&looked.stdout).into_owned()))
}

/// Returns the first line that a command says; `None` where it says nothing.
async fn said(transport: &dyn Transport, words: &[&str]) -> Result<Option<String>, ProbeError> {
    let text = output(transport, words).await?.unwrap_or_default();
    let line: String = text.lines().next().unwrap_or_default().chars().take(LINE).collect();
    Ok(Some(line).filter(|line| !line.is_empty()))
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
fn script_version(script: &str) -> Option<String> {
    let version = script.lines().find_map(|line| {
        let rest = line.strip_prefix("__requires__ = 'docker-compose==")?;
        rest.split_once('\'').map(|(version, _)| version)
    })?;
    let is_version = version.chars().all(|c| c.is_ascii_digit() || c == '.');
    (is_version && version.starts_with(|c: char| c.is_ascii_digit())).then(|| version.to_owned())
}

/// Returns an address of the node's own: the one that `private_ip` leads to, else a private one, in doubt the one that ssh came in by.
async fn private_address(transport: &dyn Transport, private_ip: &str) -> Result<Option<String>, ProbeError> {
    let (listed, resolved) = tokio::join!(
        output(transport, &["ip", "-o", "-4", "addr", "show"]),
        resolved(transport, private_ip)
    );
    let own = own_addresses(&listed?.unwrap_or_default());
    let came_in_by = transport.hello().ssh_connection.split(' ').nth(2).map(str::to_owned);
    Ok(chosen_address(&own, &resolved?, came_in_by))
}

/// Returns the IPv4 addresses that the node itself finds under a name.
async fn resolved(transport: &dyn Transport, name: &str) -> Result<Vec<String>, ProbeError> {
    if name.parse::<Ipv4Addr>().is_ok() {
        return Ok(vec![name.to_owned()]);
    }
    let text = output(transport, &["getent", "ahostsv4", "--", name])
        .await?
        .unwrap_or_default();
    let first = |line: &str| line.split_whitespace().next().map(str::to_owned);
    let mut addresses: Vec<String> = text.lines().filter_map(first).collect();
    addresses.dedup();
    Ok(addresses)
}

/// Reads the addresses that `ip -o -4 addr show` lists, but for loopback and bridges of the engine's.
fn own_addresses(listed: &str) -> Vec<String> {
    let address = |line: &str| {
        let mut words = line.split_whitespace();
        let interface = words.nth(1)?;
        let is_bridge = interface == "lo" || ["docker", "br-", "veth"].iter().any(|name| interface.starts_with(name));
        let address = words.nth(1)?.split('/').next()?.to_owned();
        (!is_bridge).then_some(address)
    };
    listed.lines().filter_map(address).collect()
}

fn chosen_address(own: &[String], resolved: &[String], came_in_by: Option<String>) -> Option<String> {
    let is_private = |address: &&String| address.parse().is_ok_and(|address: Ipv4Addr| address.is_private());
    // A name of the node's own often leads to 127.0.1.1 there.
    let named = resolved.iter().find(|address| own.contains(address)).cloned();
    let mut others = came_in_by.iter().filter(|address| own.contains(address)).chain(own);
    named
        .or_else(|| others.find(is_private).cloned())
        .or(came_in_by)
        .filter(|address| !address.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_the_nodes_own_is_chosen() {
        let listed = "1: lo    inet 127.0.0.1/8 scope host lo\n2: eth0    inet 10.0.0.5/24 brd 10.0.0.255 scope global eth0\n\
                      3: docker0    inet 172.17.0.1/16 scope global docker0\n4: eth1    inet 203.0.113.7/24 scope global eth1\n";
        let own = own_addresses(listed);
        assert_eq!(own, ["10.0.0.5", "203.0.113.7"]);
        let chosen = |resolved: &[&str], came: &str| {
            let resolved: Vec<String> = resolved.iter().map(|text| (*text).to_owned()).collect();
            chosen_address(&own, &resolved, Some(came.to_owned()).filter(|came| !came.is_empty()))
        };
        assert_eq!(chosen(&["127.0.1.1"], "203.0.113.7").as_deref(), Some("10.0.0.5"));
        assert_eq!(chosen(&["203.0.113.7"], "10.0.0.5").as_deref(), Some("203.0.113.7"));
        assert_eq!(
            chosen_address(&[], &[], Some("192.0.2.1".to_owned())).as_deref(),
            Some("192.0.2.1")
        );
        assert_eq!(chosen_address(&[], &[], None), None);
    }

    #[test]
    fn the_script_that_starts_compose_1_names_its_version() {
        let script = "#!/usr/bin/python3\n# EASY-INSTALL-ENTRY-SCRIPT\n__requires__ = 'docker-compose==1.29.2'\n";
        assert_eq!(script_version(script).as_deref(), Some("1.29.2"));
        assert_eq!(script_version("__requires__ = 'docker-compose==$(reboot)'"), None);
        assert_eq!(compose_program("v2.40.0").flavour, ComposeFlavour::V2Standalone);
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
