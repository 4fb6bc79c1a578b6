//! Why the playground could not do what was asked, and what to try next.

use std::path::PathBuf;
use std::time::Duration;

/// Why the playground could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum PlaygroundError {
    /// Nothing answers where the engine should be.
    #[error("no Docker Engine for the playground at {host}")]
    NoEngine {
        /// Where it was looked for.
        host: String,
        /// What connecting said.
        #[source]
        source: std::io::Error,
    },
    /// The engine's socket is there but not for this user.
    #[error("no permission to use the Docker Engine at {host}")]
    NotPermitted {
        /// Where it is.
        host: String,
        /// What connecting said.
        #[source]
        source: std::io::Error,
    },
    /// `DOCKER_HOST` names a kind of address that labctl does not speak.
    #[error("DOCKER_HOST is `{host}`, which the playground cannot use: only unix:// and tcp:// can")]
    UnknownHost {
        /// The value of `DOCKER_HOST`.
        host: String,
    },
    /// The engine refused a request.
    #[error("the Docker Engine could not {doing}")]
    Engine {
        /// What was asked of it.
        doing: String,
        /// What it said.
        #[source]
        source: bollard::errors::Error,
    },
    /// The recipe for the images failed.
    #[error("the image for the playground's nodes could not be made ({ending})")]
    Image {
        /// How the recipe ended.
        ending: String,
        /// The end of what it printed.
        output: String,
    },
    /// A node was started but did not begin to answer.
    #[error("{node} did not come up within {} s: {reason}", .waited.as_secs())]
    NotUp {
        /// The node's name.
        node: String,
        /// How long it was waited for.
        waited: Duration,
        /// What was still missing.
        reason: String,
        /// The end of its engine's log.
        log: String,
    },
    /// A command inside a node's container failed.
    #[error("{command} failed on {node}")]
    Inside {
        /// The node's name.
        node: String,
        /// What was run.
        command: String,
        /// What it printed.
        output: String,
    },
    /// Every range the playground may use is taken.
    #[error("no free address range for the playground: all of 10.77.0.0/16 is in use on this machine")]
    NoSubnet,
    /// The nodes that are there have another init or suite than those that are wanted.
    #[error("the playground's nodes are {present}, not {wanted}")]
    OtherNodes {
        /// What the nodes are that are there.
        present: String,
        /// What was asked for.
        wanted: String,
    },
    /// A node of that suite cannot have that init.
    #[error("{node} cannot be {suite} with {init}: systemd of {suite} does not start everywhere a node does")]
    NoSuchInit {
        /// The node's name.
        node: String,
        /// The init that was asked for.
        init: &'static str,
        /// The suite that was asked for.
        suite: &'static str,
    },
    /// A node of that name does not exist in this playground.
    #[error("the playground has no node `{node}`")]
    NoSuchNode {
        /// The name that was asked for.
        node: String,
    },
    /// ssh-keygen is missing or failed.
    #[error("ssh-keygen could not make a key: {reason}")]
    KeyGeneration {
        /// What it said.
        reason: String,
    },
    /// The state directory cannot be used.
    #[error("{} cannot be used for the playground's keys", .path.display())]
    State {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Another labctl kept the playground to itself for too long.
    #[error("another labctl has been changing this playground for {} s", .waited.as_secs())]
    Busy {
        /// How long it was waited for.
        waited: Duration,
    },
}

impl PlaygroundError {
    /// Returns the next thing to try, where one is known.
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::NoEngine { .. } => {
                "install and start one: `scripts/engine up` does on Debian (or: sudo apt-get install docker.io); elsewhere see docs.docker.com/engine/install"
            }
            Self::NotPermitted { .. } => {
                "join the group that may use it: sudo usermod -aG docker \"$USER\", then log in again"
            }
            Self::UnknownHost { .. } => "unset DOCKER_HOST to use the engine of this machine",
            Self::Image { .. } => {
                "the recipe is scripts/base-image; it needs a registry that has debian, or Debian's packages"
            }
            Self::NotUp { .. } => "`labctl playground down`, then `labctl playground up` makes it anew",
            Self::OtherNodes { .. } => {
                "`labctl playground down` removes them with all that is on them; then `playground up` can make others"
            }
            Self::NoSuchInit { .. } => {
                "give it `--init sysvinit`, or make it of bookworm; each node can have its own: --suite trixie,bookworm,bookworm --init sysvinit,systemd,docker-ce"
            }
            Self::NoSubnet => "remove networks that are not needed: docker network prune",
            Self::KeyGeneration { .. } => "install the OpenSSH client; on Debian: sudo apt-get install openssh-client",
            Self::State { .. } => "make it writable, or set XDG_STATE_HOME to a directory that is",
            Self::Engine { .. } | Self::Inside { .. } | Self::NoSuchNode { .. } | Self::Busy { .. } => return None,
        };
        Some(text.to_owned())
    }

    /// Returns what other programs printed about it, many lines of raw text, where there is any.
    pub fn output(&self) -> Option<&str> {
        match self {
            Self::Image { output, .. } | Self::Inside { output, .. } | Self::NotUp { log: output, .. } => {
                Some(output.as_str()).filter(|output| !output.trim().is_empty())
            }
            _ => None,
        }
    }

    /// Returns a function that says what was asked of the engine when it refused.
    pub(super) fn engine(doing: impl Into<String>) -> impl FnOnce(bollard::errors::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Engine { doing, source }
    }

    /// Returns a function that says which `path` could not be used.
    pub(super) fn state(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::State { path, source }
    }
}
