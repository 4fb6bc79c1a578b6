//! labctl runs a hands-on lab on real machines over SSH, checks every step, and puts the machines back.
//!
//! The folders are the layers; `tests/architecture.rs` enforces who may import whom.
//!
//! - [`domain`]: data and rules, no effects; imports nothing of the crate.
//! - [`load`]: lab and inventory files become domain types, with every error at its line.
//! - [`planner`]: lab, inventory, facts and state become a plan that leaves nothing to decide.
//! - [`node`]: how a command, a file or a tunnel reaches a node; [`probe`]: what is observed there.
//! - [`check`]: an observation becomes a verdict.
//! - [`journal`]: what a run must never forget; [`runner`]: carries a plan out and emits events.
//! - [`report`]: consumes events and shows them; [`diagnostics`]: errors for people.
//! - [`playground`]: three real nodes on this machine; [`images`]: the images made of this binary that the lab's
//!   containers run from. What they run is the crate `labctl-services` in `services/`, which knows nothing of labctl.
//! - What masks secrets and makes output fit to be shown is the crate `labctl-masking` in `masking/`.
//! - [`commands`]: one file per verb, the only layer that sees both runner and report.

pub mod check;
pub mod cli;
pub mod commands;
pub mod diagnostics;
pub mod domain;
pub mod exit;
pub mod images;
pub mod journal;
pub mod load;
pub mod node;
pub mod planner;
pub mod playground;
pub mod probe;
pub mod report;
pub mod runner;

#[cfg(test)]
#[path = "../tests/fuzzing/mod.rs"]
mod fuzzing;
