//! The arguments of the certificate service.

use std::path::PathBuf;

use clap::Parser;

use crate::clap_text;

/// What is to be made.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "certificate",
    about = "Makes a certificate for a server, and the authority that signs it where there is none"
)]
pub struct Options {
    /// The directory of ca.pem, ca.key, NAME.pem and NAME.key.
    #[arg(long)]
    pub directory: PathBuf,
    /// What the certificate's files are called.
    #[arg(long, value_parser = file_name)]
    pub name: String,
    /// A host name or IP address the server is reached by; may be given several times or as a list with commas.
    #[arg(long = "host", required = true, value_delimiter = ',')]
    pub hosts: Vec<String>,
}

impl Options {
    /// Reads `arguments`; `None` where they asked for help.
    pub fn parse(arguments: &[String]) -> Result<Option<Self>, String> {
        clap_text::parse("certificate", arguments)
    }
}

fn file_name(text: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if text.is_empty() || text == "ca" || !text.chars().all(is_plain) {
        return Err("use letters, digits, - and _, and not `ca`".to_owned());
    }
    Ok(text.to_owned())
}
