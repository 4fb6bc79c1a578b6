//! Which service a name stands for.
//!
//! Responsible for choosing and starting it. It may not know what the services do.

use thiserror::Error;

use super::mongo::{self, MongoError};

/// The services there are, by the names `labctl service` takes.
pub const NAMES: &[&str] = &["mongo"];

/// Why a service did not run to its end.
#[derive(Debug, Error)]
pub enum ServiceError {
    /// There is no service of this name.
    #[error("no service is called {name:?}; there is: {}", NAMES.join(", "))]
    Unknown {
        /// The name that was asked for.
        name: String,
    },
    /// The stand-in for MongoDB could not serve.
    #[error("the stand-in for MongoDB stopped")]
    Mongo(#[from] MongoError),
}

impl ServiceError {
    /// Tells whether the caller's arguments are at fault, so that nothing was started.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Unknown { .. } => true,
            Self::Mongo(error) => matches!(error, MongoError::Options(_)),
        }
    }
}

/// Runs the service `name` with `arguments` until it is told to stop by SIGTERM or SIGINT.
pub async fn run(name: &str, arguments: &[String]) -> Result<(), ServiceError> {
    match name {
        "mongo" => Ok(mongo::run(arguments).await?),
        _ => Err(ServiceError::Unknown { name: name.to_owned() }),
    }
}
