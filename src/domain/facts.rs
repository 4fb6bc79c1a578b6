//! What was found on a node before anything is done there: a snapshot, gathered in one go.

use super::EngineSeen;
use serde::{Deserialize, Serialize};

/// Everything a plan depends on about one node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Who labctl logs in as.
    pub login: LoginFacts,
    /// The IP address of the node's own that its private name leads to, or its first one; `None` where it could not be told.
    #[serde(default)]
    pub private_address: Option<String>,
    /// The operating system.
    pub os: OsFacts,
    /// What starts services there.
    pub init: InitSystem,
    /// The Docker Engine; `None` where none answers.
    pub engine: Option<EngineSeen>,
    /// Why no engine answers.
    pub engine_problem: Option<String>,
    /// Compose; `None` where there is none.
    pub compose: Option<ComposeFacts>,
    /// Where the engine reads its options, and which it has.
    pub engine_options: EngineOptions,
    /// The programs the lab needs, as their version lines; `None` where missing.
    pub tools: ToolFacts,
    /// `DOCKER_HOST` as a login shell has it.
    pub docker_host: Option<String>,
    /// Free bytes where the engine keeps its images.
    pub free_disk: Option<u64>,
    /// The instances of labctl that own something there; `None` where root could not look.
    pub instances: Option<Vec<String>>,
}

/// Who labctl is on the node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginFacts {
    /// The login name.
    pub user: String,
    /// Its number.
    pub uid: u32,
    /// Its home directory.
    pub home: String,
    /// Whether root is within reach without a password.
    pub root: bool,
    /// Whether the user itself may open the engine's socket.
    pub may_use_engine: bool,
}

/// The operating system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OsFacts {
    /// `ID` of os-release, such as `debian`.
    pub id: String,
    /// `VERSION_ID` of os-release, such as `12`.
    pub version: Option<String>,
    /// `PRETTY_NAME` of os-release.
    pub name: String,
    /// The machine's architecture, such as `x86_64`.
    pub arch: String,
    /// The kernel's release.
    pub kernel: String,
}

/// What starts services on a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InitSystem {
    /// systemd is process 1.
    Systemd,
    /// sysvinit, or nothing but scripts in /etc/init.d.
    Sysvinit,
    /// Something else.
    Other,
}

/// Which Compose a node has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComposeFacts {
    /// How it is called and what it reads.
    pub flavour: ComposeFlavour,
    /// Its version, such as `1.29.2`.
    pub version: String,
}

/// How Compose is called and which files it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ComposeFlavour {
    /// `docker-compose`, the Python one: files without `services:` are fine.
    V1,
    /// `docker-compose`, the Go one.
    V2Standalone,
    /// `docker compose`.
    V2Plugin,
}

impl ComposeFlavour {
    /// Returns the words that call it.
    pub fn command(self) -> &'static [&'static str] {
        match self {
            Self::V1 | Self::V2Standalone => &["docker-compose"],
            Self::V2Plugin => &["docker", "compose"],
        }
    }

    /// Returns whether it reads files of 2015, which have no `services:`.
    pub fn reads_files_without_services(self) -> bool {
        matches!(self, Self::V1)
    }
}

/// Where an engine reads its options, and which it has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineOptions {
    /// Where a change has an effect.
    pub source: OptionsSource,
    /// The lines of /etc/default/docker that set DOCKER_OPTS, without comments.
    pub docker_opts: Vec<String>,
    /// Whether /etc/default/docker is there and could not be read, so that it may set what is not known here.
    #[serde(default)]
    pub defaults_unread: bool,
    /// Whether /etc/docker/daemon.json is there.
    pub daemon_json: bool,
    /// The keys of daemon.json.
    pub daemon_json_keys: Vec<String>,
    /// The running engine's arguments, its program name first; empty where none runs or root could not look.
    pub running: Vec<String>,
}

/// Where a change of the engine's options has an effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum OptionsSource {
    /// DOCKER_OPTS in /etc/default/docker: the init script or the unit reads it.
    DefaultsFile,
    /// A systemd unit that ignores /etc/default/docker.
    Unit {
        /// The unit's file.
        path: String,
        /// Its ExecStart line.
        exec_start: String,
    },
    /// It could not be told.
    Unknown {
        /// Why.
        reason: String,
    },
}

/// The version lines of the programs that a lab needs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolFacts {
    /// The docker client.
    pub docker: Option<String>,
    /// git.
    pub git: Option<String>,
    /// tree.
    pub tree: Option<String>,
    /// curl.
    pub curl: Option<String>,
}
