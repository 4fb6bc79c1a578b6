//! Masks secrets in everything that leaves a node or labctl: output, errors, reports.

mod forms;
mod pattern;
mod redactor;
#[cfg(test)]
mod tests;

pub use redactor::{RedactingStream, Redactor};
