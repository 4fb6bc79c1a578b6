//! Where a container goes: filters say which nodes may have it, a strategy says which of them gets it.
//!
//! Responsible for reading what a create request asks for, for the filters and strategies of classic Swarm, and
//! for an error that tells what each node lacked. Pure: the same nodes and the same request give the same answer;
//! it may not do I/O, ask the time or draw lots.
//!
//! Decisions:
//! - Ports are held by containers that run and by those that were created and never started, not by stopped ones
//!   as upstream has it: with upstream, Compose could never recreate a container that has a host port, as the old
//!   one still "held" it. A container that the request says it replaces holds nothing against it.
//! - Where upstream leaves the choice between equal nodes to the order of a Go map, the node's name decides.

mod expression;
mod filter;
mod no_candidate;
mod node;
mod ports;
mod request;
mod select;
mod strategy;
mod swarm_labels;

pub use expression::{Expression, ExpressionError, Operator};
pub use filter::{Filter, UnknownFilter};
pub use no_candidate::{Lack, NoCandidate, Reason};
pub use node::{ContainerFacts, ContainerState, ImageFacts, Node, Resources};
pub use ports::{PortBinding, host_ports};
pub use request::{Request, RequestError};
pub use select::Scheduler;
pub use strategy::{Strategy, UnknownStrategy};

#[cfg(test)]
mod fuzz_tests;
#[cfg(test)]
mod tests;
