//! What the lab's own containers run, all of it in the one static binary.
//!
//! Responsible for the services themselves: their arguments, protocols, data and logs. It may not import any
//! other layer of the crate: inside a container there is no lab, no inventory and no node.

mod console;
pub mod mongo;
mod run;

pub use run::{NAMES, ServiceError, run};
