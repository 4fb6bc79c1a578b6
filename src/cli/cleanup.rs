//! What `labctl cleanup` is told.

use clap::{Args, ValueEnum};

pub(super) const CLEANUP_EXAMPLES: &str = "\
Examples:
  labctl cleanup                          the only open instance
  labctl cleanup --inventory aws.toml     the one on these machines
  labctl cleanup --instance lab2-1a2b3c4d
  labctl cleanup --scope all              everybody's containers and images, too; asks first

It needs no lab file, reads what is owed from the nodes where the journal is lost, and can be repeated.";

/// What to clean up.
#[derive(Debug, Clone, Args)]
pub struct Cleanup {
    /// The instance [default: the one on the inventory's nodes, or the only one that is open].
    #[arg(long, value_name = "ID", env = "LABCTL_INSTANCE", hide_env = true)]
    pub instance: Option<String>,

    /// What goes: `ours`, what the lab made, or `all`: EVERY CONTAINER AND IMAGE of the nodes, too, and DOCKER_OPTS.
    // Neither of these two is read from the environment: what somebody exported for something else is no consent.
    #[arg(long, value_name = "SCOPE", default_value = "ours", hide_possible_values = true)]
    pub scope: Scope,

    /// Agrees to what `--scope all` lists, instead of being asked.
    #[arg(long)]
    pub yes: bool,
}

/// What a cleanup takes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Scope {
    /// What the lab made.
    Ours,
    /// That, and every container and image of the nodes, whoever made them.
    All,
}
