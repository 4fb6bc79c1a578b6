//! A test double: a node that exists only in memory, answers as it was told to, and remembers what was asked of it.
//!
//! It is here and not in the tests because both unit tests and `tests/fake_nodes` use it. Nothing else may.

mod answer;
mod call;
mod fake_dialler;
mod fake_node;
mod state;

pub use answer::FakeAnswer;
pub use call::FakeCall;
pub use fake_node::{FakeNode, shared};
