//! Judges: a check and what was observed become a verdict. Pure; looking is the probe layer's work.

mod containers;
mod engine;
mod engine_labels;
mod evaluate;
mod http;
mod images;
mod nearest;
#[cfg(test)]
mod nearest_tests;
mod question;
mod swarm;
mod text;

pub use engine::changed_options;
pub use evaluate::{CommandEvidence, Context, Ours, evaluate_command, evaluate_observed};
pub use question::probes_for;
