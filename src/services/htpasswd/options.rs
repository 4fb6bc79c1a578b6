//! The arguments of the htpasswd service.

use std::path::PathBuf;

use clap::Parser;

use crate::clap_text;

/// What is to be made.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "htpasswd",
    about = "Writes the password file of a registry; the password is the first line of standard input"
)]
pub struct Options {
    /// Who logs in.
    #[arg(long, value_parser = user_name)]
    pub user: String,
    /// The file, which has that one user then.
    #[arg(long)]
    pub file: PathBuf,
}

impl Options {
    /// Reads `arguments`; `None` where they asked for help.
    pub fn parse(arguments: &[String]) -> Result<Option<Self>, String> {
        clap_text::parse("htpasswd", arguments)
    }
}

/// Accepts what can stand in front of the colon: readers skip blanks at the ends and lines that begin with `#`.
fn user_name(text: &str) -> Result<String, String> {
    let is_wrong = |c: char| c == ':' || c.is_control() || c.is_whitespace();
    if text.is_empty() || text.starts_with('#') || text.contains(is_wrong) {
        return Err("a user has no blank and no `:` in the name, and no `#` in front".to_owned());
    }
    Ok(text.to_owned())
}
