//! What must hold: a check as data. The `check` layer judges it, the `probe` layer looks.

use super::{CommandText, NodeName, TaskId, Text};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// One thing that must hold, and how long it may take until it does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// What must hold.
    pub kind: CheckKind,
    /// The node it is looked at on, where that is not the step's own.
    pub on: Option<NodeName>,
    /// How long it may take to become true; once only where zero.
    pub within: Duration,
    /// The pause between two looks.
    pub every: Duration,
    /// What a learner should do when it does not hold.
    pub hint: Option<String>,
    /// Whether it writes, and so belongs to a run and not to `verify`.
    pub only_in_run: bool,
    /// The task that changes on purpose what this checks.
    pub superseded_by: Option<TaskId>,
    /// Where any of these holds, that task has begun, though no instance tells of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub superseded_signs: Vec<Sign>,
}

/// What shows on a node that a task has begun there, whoever did it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sign {
    /// Where it is looked at.
    pub node: NodeName,
    /// What holds then.
    pub kind: CheckKind,
}

/// What can be checked. Texts are compared after filling in captured values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckKind {
    /// The action's exit status.
    Exit {
        /// The status wanted.
        code: i32,
    },
    /// The action's standard output.
    Stdout(TextMatch),
    /// The action's standard error.
    Stderr(TextMatch),
    /// A value that a step of the instance has captured.
    Captured {
        /// Its name.
        name: String,
    },
    /// A command that only looks.
    Command {
        /// What is run.
        command: CommandText,
        /// Whether root runs it.
        as_root: bool,
        /// The status wanted.
        exit: i32,
        /// What its standard output must be like.
        stdout: TextMatch,
    },
    /// A file or directory.
    File {
        /// Where it is.
        path: Text,
        /// Whether it must be there.
        exists: bool,
        /// What its content must be like.
        content: TextMatch,
        /// Its permission bits.
        mode: Option<u32>,
        /// Its owner's name.
        owner: Option<String>,
    },
    /// What an HTTP server says to a request that comes from the node.
    Http(HttpCheck),
    /// The node's Docker Engine.
    Engine {
        /// Labels it must have, as `key=value`.
        labels: Vec<Text>,
        /// Whether it must run with the options it was installed with: no active `DOCKER_OPTS`, no further `-H`.
        default_options: bool,
        /// Whether the file it reads its options from may set them once only.
        #[serde(default)]
        options_once: bool,
    },
    /// A classic Swarm manager, as seen from the node.
    Swarm(SwarmCheck),
    /// The node's containers.
    Containers(ContainersCheck),
    /// The node's images.
    Images {
        /// References that must be there.
        present: Vec<Text>,
        /// References that must not be there.
        absent: Vec<Text>,
        /// Patterns of references, for each of which there must be an image.
        #[serde(default)]
        like: Vec<Text>,
    },
    /// A TCP port as seen from the node.
    Port {
        /// The host to connect to.
        host: Text,
        /// The port.
        port: u16,
        /// Whether it must accept connections.
        open: bool,
    },
}

/// What a text must be like; all that is given must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TextMatch {
    /// The whole text, ends trimmed.
    pub equals: Option<Text>,
    /// Texts it contains.
    pub contains: Vec<Text>,
    /// Texts it must not contain.
    pub lacks: Vec<Text>,
    /// A regular expression that matches somewhere in it (multi-line mode); compiled once while loading.
    pub regex: Option<String>,
    /// How many times it matches; once or more where `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<usize>,
}

impl TextMatch {
    /// Says whether nothing is asked.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// An HTTP request and what the answer must be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HttpCheck {
    /// The host, as the node sees it.
    pub host: Text,
    /// The port.
    pub port: u16,
    /// The path with its query.
    pub path: Text,
    /// The Host header, where it differs from `host:port`.
    pub host_header: Option<Text>,
    /// A form to post; a GET where empty.
    pub form: Vec<(String, Text)>,
    /// The status wanted.
    pub status: u16,
    /// What the body must be like.
    pub body: TextMatch,
    /// User and password for HTTP's basic authentication. They stand in the lab, so they are no secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<HttpUser>,
    /// How many times it is asked, and who is to answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spread: Option<Spread>,
}

/// Who asks, as HTTP's basic authentication has it (RFC 7617).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpUser {
    /// The name, which has no colon.
    pub name: String,
    /// The password.
    pub password: String,
}

/// How many requests are spread over several servers behind one address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spread {
    /// How many requests are sent, one after the other.
    pub requests: usize,
    /// A regular expression whose first group is the server's name in the body of an answer.
    pub by: String,
    /// How many servers must answer; none may answer more than twice its share.
    pub over: usize,
}

/// A Swarm manager, and the nodes its cluster must have, each of them healthy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SwarmCheck {
    /// The manager's host, as the node sees it.
    pub host: Text,
    /// Its port.
    pub port: u16,
    /// The nodes, and no others; not looked at where empty.
    pub nodes: Vec<SwarmNodeCheck>,
}

/// A node of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwarmNodeCheck {
    /// What the lab calls it.
    pub node: NodeName,
    /// What the cluster may call it: its addresses, and its engine's name.
    pub known_as: Vec<String>,
    /// Labels its engine must have, as `key=value`.
    pub labels: Vec<Text>,
}

/// Which containers are meant, and how many there must be.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ContainersCheck {
    /// The container's name.
    pub name: Option<Text>,
    /// The Compose project.
    pub project: Option<Text>,
    /// The Compose service.
    pub service: Option<Text>,
    /// Labels, as `key=value` or `key`.
    pub labels: Vec<Text>,
    /// A pattern of their image's reference, such as `*/dockchat:*`.
    #[serde(default)]
    pub image: Option<Text>,
    /// Texts that their command line contains.
    #[serde(default)]
    pub command: Vec<Text>,
    /// The alias under which another container links to them.
    #[serde(default)]
    pub linked_as: Option<Text>,
    /// What classic Swarm was asked to place them by, such as `environment==staging`.
    #[serde(default)]
    pub constraints: Vec<Text>,
    /// The port of the node they publish.
    #[serde(default)]
    pub publishes: Option<u16>,
    /// The state they are in, such as `running`; any where `None`.
    pub state: Option<String>,
    /// How many of them there must be.
    pub count: usize,
    /// Whether there may be more.
    #[serde(default)]
    pub or_more: bool,
    /// Whether containers of the open lab instance are left out.
    pub except_ours: bool,
}

impl CheckKind {
    /// Says whether it judges the step's own command instead of the state of a node.
    pub fn judges_the_command(&self) -> bool {
        matches!(self, Self::Exit { .. } | Self::Stdout(_) | Self::Stderr(_))
    }
}

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Whether it holds.
    pub holds: bool,
    /// What was wanted, as a person says it.
    pub expected: String,
    /// What was found.
    pub actual: String,
    /// How many of many requests each server answered, by the server's own name for itself.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub counts: BTreeMap<String, u64>,
}
