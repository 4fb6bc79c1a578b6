//! What the lab's own containers run, all of it in the one static binary of labctl.
//!
//! Responsible for the services themselves: their arguments, protocols, data and logs. A crate of its own, so that it cannot
//! import anything of labctl: inside a container there is no lab, no inventory and no node.

mod address;
mod certificate;
mod clap_text;
mod console;
mod discovery;
mod go_duration;
mod go_size;
mod htpasswd;
mod interlock;
mod json_pieces;
pub mod mongo;
mod random;
mod run;
mod signals;
pub mod swarm;
mod whole_file;

pub use run::{NAMES, ServiceError, run};

#[cfg(test)]
#[path = "../../tests/fuzzing/mod.rs"]
mod fuzzing;
