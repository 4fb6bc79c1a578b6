//! What is executed on a node, complete: nothing is left to be filled in.

use serde::{Deserialize, Serialize};

/// What is to be executed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Program and arguments, each passed as it is.
    Argv(Vec<String>),
    /// A text for `sh -c`.
    Shell(String),
}
