//! Certificates for the services of a lab: an authority of its own, and what it signs.
//!
//! Responsible for making them where they are used, on the node, in one directory. A private key is made there and never
//! leaves it: none passes through labctl, its journal or the link. The authority is made once; a server's certificate
//! is made anew whenever it is asked for, which harms nobody, as clients trust the authority.

mod authority;
mod options;

use std::path::PathBuf;

use thiserror::Error;

pub use options::Options;

use super::console::say;

/// What every line of the log names.
const SERVICE: &str = "certificate";

/// Why there is no certificate.
#[derive(Debug, Error)]
pub enum CertificateError {
    /// The arguments are wrong.
    #[error("{0}")]
    Options(String),
    /// A file could not be read or written.
    #[error("{path} cannot be read or written")]
    File {
        /// The file.
        path: PathBuf,
        /// What happened.
        source: std::io::Error,
    },
    /// A name cannot stand in a certificate, or a key that is there cannot be used.
    #[error("{what} was refused")]
    Refused {
        /// What was being made.
        what: String,
        /// What is wrong with it.
        source: rcgen::Error,
    },
}

/// Does what `arguments` ask for.
pub fn run(arguments: &[String]) -> Result<(), CertificateError> {
    let Some(options) = Options::parse(arguments).map_err(CertificateError::Options)? else {
        return Ok(());
    };
    let authority = authority::Authority::open_or_make(&options.directory)?;
    let path = authority.issue(&options.directory, &options.name, &options.hosts)?;
    say(
        SERVICE,
        &format!("{} is good for {}", path.display(), options.hosts.join(", ")),
    );
    Ok(())
}
