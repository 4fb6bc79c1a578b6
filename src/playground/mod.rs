//! Three real nodes on this machine, through the Docker API: containers with sshd, an init and an engine of their own.
//!
//! Responsible for making them, starting them again, and removing every trace of them. To the rest of labctl it is only
//! ever a producer of an [`Inventory`](crate::domain::Inventory): nothing beyond this folder knows that a node is a
//! container. It may not touch anything in the engine that does not carry its label.

mod archive;
mod capabilities;
mod container;
mod engine;
mod error;
mod exec;
mod hand_over;
mod host;
mod image;
mod init;
mod keys;
mod lifecycle;
mod lock;
mod network;
mod per_node;
mod progress;
mod ready;
mod status;
mod subnet;
mod suite;

pub use error::PlaygroundError;
pub use init::{Inits, NodeInit};
pub use lifecycle::Playground;
pub use per_node::{NodeChoice, PerNode};
pub use progress::Progress;
pub use status::{NodeState, PlaygroundNode, PlaygroundStatus};
pub use suite::{Suite, Suites, WantedNodes};
