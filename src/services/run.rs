//! Which service a name stands for.
//!
//! Responsible for choosing and starting it. It may not know what the services do.

use thiserror::Error;

use super::certificate::{self, CertificateError};
use super::discovery::{self, ServeError};
use super::htpasswd::{self, HtpasswdError};
use super::interlock::{self, InterlockError};
use super::mongo::{self, MongoError};
use super::swarm::{self, SwarmError};

/// The services there are, by the names `labctl service` takes.
pub const NAMES: &[&str] = &["certificate", "discovery", "htpasswd", "interlock", "mongo", "swarm"];

/// Why a service did not run to its end.
#[derive(Debug, Error)]
pub enum ServiceError {
    /// There is no service of this name.
    #[error("no service is called {name:?}; there is: {}", NAMES.join(", "))]
    Unknown {
        /// The name that was asked for.
        name: String,
    },
    /// A certificate could not be made.
    #[error("no certificate was made")]
    Certificate(#[from] CertificateError),
    /// The discovery service could not serve.
    #[error("the discovery service stopped")]
    Discovery(#[from] ServeError),
    /// A password file could not be made.
    #[error("no password file was made")]
    Htpasswd(#[from] HtpasswdError),
    /// Interlock could not serve.
    #[error("interlock stopped")]
    Interlock(#[from] InterlockError),
    /// The stand-in for MongoDB could not serve.
    #[error("the stand-in for MongoDB stopped")]
    Mongo(#[from] MongoError),
    /// Swarm could not do what it was asked for.
    #[error(transparent)]
    Swarm(#[from] SwarmError),
}

impl ServiceError {
    /// Tells whether the service has said itself what went wrong, as the program did that it stands in for, and ends with that
    /// program's exit code: 1, whatever went wrong.
    pub fn is_told(&self) -> bool {
        matches!(self, Self::Swarm(_))
    }

    /// Tells whether the caller's arguments are at fault, so that nothing was started.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Unknown { .. } => true,
            Self::Certificate(error) => matches!(error, CertificateError::Options(_)),
            Self::Discovery(error) => matches!(error, ServeError::Options(_)),
            Self::Htpasswd(error) => matches!(error, HtpasswdError::Options(_)),
            Self::Interlock(error) => matches!(error, InterlockError::Options(_)),
            Self::Mongo(error) => matches!(error, MongoError::Options(_)),
            Self::Swarm(error) => matches!(error, SwarmError::Options(_)),
        }
    }
}

/// Runs the service `name` with `arguments` until it has done its work or is told to stop by SIGTERM or SIGINT.
pub async fn run(name: &str, arguments: &[String]) -> Result<(), ServiceError> {
    match name {
        "certificate" => Ok(certificate::run(arguments)?),
        "discovery" => Ok(discovery::run(arguments).await?),
        "htpasswd" => Ok(htpasswd::run(arguments)?),
        "interlock" => Ok(interlock::run(arguments).await?),
        "mongo" => Ok(mongo::run(arguments).await?),
        "swarm" => Ok(swarm::run(arguments).await?),
        _ => Err(ServiceError::Unknown { name: name.to_owned() }),
    }
}
