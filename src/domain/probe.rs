//! What can be asked of a node, and what was seen there. Raw facts only: whether they are good is for checks to say.

use super::{Command, Ending, EngineOptions, HttpUser};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// One question about a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Probe {
    /// What stands at a path.
    File {
        /// Absolute, or `~/...` for the login user's home.
        path: String,
        /// Whether root looks; otherwise the login user does.
        as_root: bool,
    },
    /// What an HTTP server answers, asked from the node. Redirects are reported, not followed.
    Http(HttpProbe),
    /// Whether something listens on a TCP port, asked from the node.
    Port {
        /// The host as the node calls it.
        host: String,
        /// The port.
        port: u16,
        /// How long connecting may take.
        timeout: Duration,
    },
    /// What the Docker Engine says about itself.
    Engine {
        /// Which engine.
        at: EngineAt,
    },
    /// Which containers there are.
    Containers {
        /// Which engine.
        at: EngineAt,
        /// Labels they must carry, each `name` or `name=value`; all of them.
        labels: Vec<String>,
        /// Whether stopped ones count.
        all: bool,
    },
    /// Which images there are, dangling ones too.
    Images {
        /// Which engine.
        at: EngineAt,
    },
    /// Which networks there are.
    Networks {
        /// Which engine.
        at: EngineAt,
    },
    /// Which volumes there are.
    Volumes {
        /// Which engine.
        at: EngineAt,
    },
    /// Where the node's engine reads its options, and which it runs with.
    EngineOptions,
    /// What a command says that only looks.
    Command {
        /// What is executed.
        command: Command,
        /// Whether it runs as root instead of the login user.
        as_root: bool,
        /// How long it may run on the node.
        timeout: Duration,
    },
}

/// An HTTP request to be sent from a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpProbe {
    /// The host to connect to, as the node calls it.
    pub host: String,
    /// The port to connect to.
    pub port: u16,
    /// Path and query, starting with `/`.
    pub path: String,
    /// The `Host` header, where it is not `host:port`.
    pub host_header: Option<String>,
    /// User and password, for basic authentication.
    #[serde(default)]
    pub user: Option<HttpUser>,
    /// The method, with what it sends.
    pub method: HttpMethod,
    /// How long the whole exchange may take.
    pub timeout: Duration,
}

/// An HTTP method with its body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HttpMethod {
    /// A plain GET.
    Get,
    /// A POST of form fields. It changes something, so only checks of a run may use it.
    PostForm(Vec<(String, String)>),
}

/// Which Docker API answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EngineAt {
    /// The node's own engine, through its unix socket.
    #[default]
    Socket,
    /// An engine or manager on a TCP port, as seen from the node.
    Tcp {
        /// The host as the node calls it.
        host: String,
        /// The port.
        port: u16,
    },
}

/// What a [`Probe`] saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Observation {
    /// What stands at the path; `None` where nothing does.
    File {
        /// The file.
        file: Option<FileSeen>,
    },
    /// An HTTP answer.
    Http(HttpSeen),
    /// No HTTP answer: nothing listens, or what does broke the exchange off. The node itself could be asked.
    HttpSilent {
        /// What happened instead.
        reason: String,
    },
    /// Whether the port is open.
    Port {
        /// Whether a connection was accepted.
        open: bool,
    },
    /// The engine's own words.
    Engine(EngineSeen),
    /// No engine answers, though the node does.
    EngineDown {
        /// What happened instead.
        reason: String,
    },
    /// Containers, by name.
    Containers {
        /// All that match.
        containers: Vec<ContainerSeen>,
    },
    /// Images, by id.
    Images {
        /// All of them.
        images: Vec<ImageSeen>,
    },
    /// Networks, by name.
    Networks {
        /// All of them.
        networks: Vec<NetworkSeen>,
    },
    /// Volumes, by name.
    Volumes {
        /// All of them.
        volumes: Vec<VolumeSeen>,
    },
    /// Where the engine reads its options, and which it runs with.
    EngineOptions(EngineOptions),
    /// What a command said.
    Command(CommandSeen),
}

/// A file, directory or anything else at a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSeen {
    /// What it is; links are not followed.
    pub kind: FileKind,
    /// Size in bytes.
    pub size: u64,
    /// Permission bits, as `0o644`.
    pub mode: u32,
    /// The owner's name, or number where it has no name.
    pub owner: String,
    /// The group's name, or number where it has no name.
    pub group: String,
    /// The hash of the whole content, in hex; only of regular files.
    pub sha256: Option<String>,
    /// The first mebibyte of a regular file, or the names in a directory, one a line, sorted; empty for anything else.
    #[serde(with = "lossy_bytes")]
    pub content: Vec<u8>,
    /// Where a symbolic link points.
    pub target: Option<String>,
}

/// What stands at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// A socket, pipe or device.
    Other,
}

/// An HTTP answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpSeen {
    /// The status code.
    pub status: u16,
    /// The headers, names in lower case, several values joined by `, `.
    pub headers: BTreeMap<String, String>,
    /// The first mebibyte of the body.
    #[serde(with = "lossy_bytes")]
    pub body: Vec<u8>,
    /// How many bytes of the body were dropped.
    pub dropped: u64,
}

/// What a Docker Engine, or a Swarm manager, says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineSeen {
    /// The server's version, such as `20.10.24` or `swarm/1.2.9`.
    pub version: String,
    /// The newest API version that both it and labctl speak.
    pub api_version: String,
    /// Its host's name.
    pub name: String,
    /// Its labels, each `name=value`.
    pub labels: Vec<String>,
    /// Its storage driver.
    pub storage_driver: Option<String>,
    /// The directory it keeps everything in.
    pub root_dir: Option<String>,
}

/// A container as the engine lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerSeen {
    /// The full id.
    pub id: String,
    /// The name, without a slash at the start.
    pub name: String,
    /// What others that link to it call it, each `container/alias`.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// The image as it was asked for.
    pub image: String,
    /// The image's id.
    pub image_id: String,
    /// `running`, `exited`, `created`, `paused`, `restarting`, `removing` or `dead`.
    pub state: String,
    /// The engine's words for that, such as `Exited (137) 2 minutes ago`.
    #[serde(default)]
    pub status: String,
    /// Its command line.
    #[serde(default)]
    pub command: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its ports.
    pub ports: Vec<PortSeen>,
    /// The names of the volumes it mounts.
    pub volumes: Vec<String>,
    /// When it was created, in seconds since 1970.
    pub created: i64,
}

impl ContainerSeen {
    /// Returns whether it runs.
    pub fn is_running(&self) -> bool {
        self.state == "running"
    }

    /// Returns the Compose project it belongs to.
    pub fn project(&self) -> Option<&str> {
        self.labels.get("com.docker.compose.project").map(String::as_str)
    }

    /// Returns the Compose service it belongs to.
    pub fn service(&self) -> Option<&str> {
        self.labels.get("com.docker.compose.service").map(String::as_str)
    }
}

/// A port of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortSeen {
    /// The port inside.
    pub inside: u16,
    /// `tcp`, `udp` or `sctp`.
    pub protocol: String,
    /// The address it is published on.
    pub address: Option<String>,
    /// The port it is published as.
    pub published: Option<u16>,
}

/// An image as the engine lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageSeen {
    /// The full id.
    pub id: String,
    /// Its tags, such as `mongo:3.6`; none where it is dangling.
    pub tags: Vec<String>,
    /// Its digests.
    pub digests: Vec<String>,
    /// The id of the image it was built on, where the engine knows it.
    pub parent: Option<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// When it was created, in seconds since 1970.
    pub created: i64,
    /// Its size in bytes.
    pub size: i64,
}

/// A network as the engine lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkSeen {
    /// The full id.
    pub id: String,
    /// The name.
    pub name: String,
    /// The driver.
    pub driver: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

/// A volume as the engine lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeSeen {
    /// The name.
    pub name: String,
    /// The driver.
    pub driver: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

/// What a command that only looks said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandSeen {
    /// How it ended.
    pub ending: Ending,
    /// The first mebibyte of standard output.
    #[serde(with = "lossy_bytes")]
    pub stdout: Vec<u8>,
    /// The first mebibyte of standard error.
    #[serde(with = "lossy_bytes")]
    pub stderr: Vec<u8>,
    /// How many bytes of both were dropped.
    pub dropped: u64,
}

/// Why nothing can be said. Never to be taken for a failed check.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum ProbeError {
    /// The node itself could not be reached.
    #[error("{reason}")]
    Unreachable {
        /// What ssh said.
        reason: String,
        /// The next thing to try, where one is known.
        hint: Option<String>,
    },
    /// The node answered, yet it was not possible to look.
    #[error("{reason}")]
    CannotLook {
        /// What stood in the way.
        reason: String,
        /// The next thing to try, where one is known.
        hint: Option<String>,
    },
}

impl ProbeError {
    /// Returns the next thing to try, where one is known.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Unreachable { hint, .. } | Self::CannotLook { hint, .. } => hint.as_deref(),
        }
    }
}

/// Bytes as text in JSON, for people who read a journal; bytes that are no UTF-8 become replacement characters there.
mod lossy_bytes {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&String::from_utf8_lossy(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        Ok(String::deserialize(deserializer)?.into_bytes())
    }
}
