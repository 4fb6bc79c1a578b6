//! Our side of the supervisor, the shell program that runs commands on a node: what it is told, and what it answers.
//!
//! Responsible for the two formats and nothing else: who carries the bytes is not known here.

mod answer;
mod order;
mod program;

pub use answer::{Answer, Conclusion};
pub(crate) use order::directory;
pub use order::{Account, Order};
pub use program::{CAP, GRACE, SCRIPT};
