//! The `interlock` image: HAProxy in front of a cluster's containers, as the archived image of the 0.3 line made it.
//!
//! Responsible for following a Docker API's events, for HAProxy's configuration, and for the HAProxy process itself. It may not trust
//! a container: what stands in its INTERLOCK_DATA can name hosts and options, and never write a line of the configuration by itself.

mod applied;
mod config;
mod containers;
mod data;
mod debounce;
mod docker_api;
mod haproxy;
mod log;
mod options;
mod reaper;
mod serve;
mod watch;
mod words;

#[cfg(test)]
mod fuzz_tests;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use thiserror::Error;

use options::Invocation;

/// What `interlock --version` says after its name.
const VERSION: &str = concat!("0.3.3 (labctl ", env!("CARGO_PKG_VERSION"), ")");

/// Why Interlock did not serve.
#[derive(Debug, Error)]
pub enum InterlockError {
    /// The arguments are wrong.
    #[error("{0}")]
    Options(String),
    /// Signals cannot be waited for.
    #[error("signals cannot be waited for")]
    Signals(#[source] std::io::Error),
    /// HAProxy cannot be run at all.
    #[error("{program} cannot be run; this service wants HAProxy 2.6 or later beside it")]
    NoProxy {
        /// Its name or path.
        program: String,
        /// Why not.
        source: std::io::Error,
    },
    /// HAProxy did not take the configuration that it was to begin with.
    #[error("HAProxy refuses its first configuration, which comes from HAPROXY_* variables alone: {0}")]
    FirstRefused(String),
    /// The configuration cannot be written.
    #[error("{} cannot be written", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
}

/// Does what `arguments` ask for; serving ends with SIGTERM, SIGINT or SIGQUIT.
pub async fn run(arguments: &[String]) -> Result<(), InterlockError> {
    match options::parse(arguments).map_err(InterlockError::Options)? {
        None => Ok(()),
        Some(Invocation::ListPlugins) => {
            options::print_plugins();
            Ok(())
        }
        Some(Invocation::Start(options)) => serve::run(&options).await,
    }
}
