//! The discovery service, which Docker Hub had until 2019: it hands out a cluster's token and knows its engines.
//!
//! Responsible for the same protocol over HTTPS, so that the archived `swarm` image can use it as well as ours: `POST /clusters` makes
//! a token, `POST /clusters/TOKEN?ttl=SECONDS` with `ip:port` registers or renews, `GET /clusters/TOKEN` lists, `DELETE /clusters/TOKEN`
//! removes; with or without `/v1` in front. Tokens cannot be guessed, and only those it made are known. What it keeps is bounded and
//! on disk. It may not trust a client: whoever reaches it can do no more than fill what is there for all.

#[cfg(test)]
mod fuzz_tests;
mod options;
mod server;
mod store;

use std::net::SocketAddr;
use std::path::PathBuf;

use thiserror::Error;

pub use options::Options;

/// What every line of the log names.
const SERVICE: &str = "discovery";

/// Why the discovery service did not serve.
#[derive(Debug, Error)]
pub enum ServeError {
    /// The arguments are wrong.
    #[error("{0}")]
    Options(String),
    /// Signals cannot be waited for.
    #[error("signals cannot be waited for: {0}")]
    Signals(std::io::Error),
    /// It cannot listen.
    #[error("it cannot listen on {address}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// The certificate or its key cannot be used.
    #[error("{}: {reason}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// What it kept cannot be read or written.
    #[error("{} cannot be read or written", path.display())]
    Data {
        /// The file.
        path: PathBuf,
        /// What happened.
        source: std::io::Error,
    },
}

/// Does what `arguments` ask for; serving ends with SIGTERM or SIGINT.
pub async fn run(arguments: &[String]) -> Result<(), ServeError> {
    match Options::parse(arguments).map_err(ServeError::Options)? {
        Some(options) => server::run(&options).await,
        None => Ok(()),
    }
}
