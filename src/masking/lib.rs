//! Makes the output of nodes safe to keep and to show: secrets are masked, and nothing is left that a terminal interprets.
//!
//! Responsible for bytes and texts alone: it knows no lab, no node and no run. A crate of its own, so that it is compiled for speed also
//! where labctl is not: every byte of every output passes here.

mod encodings;
mod filter;
mod forms;
mod gaps;
mod pattern;
mod reader;
mod redactor;
mod sanitise;
mod set;
mod stream;
#[cfg(test)]
mod tests;
mod unseen;

pub use redactor::Redactor;
pub use sanitise::{LineSanitiser, sanitised, sanitised_line};
pub use stream::RedactingStream;
pub use unseen::is_unseen;
