//! The `swarm` image: a cluster of engines behind one Docker API, as Docker Swarm classic made one.
//!
//! Responsible for its commands `create`, `list`, `join` and `manage`, a drop-in for the archived image: the same flags,
//! environment variables and messages where a client or a learner sees them. What only makes sense with what is left out here
//! (other discovery back ends, TLS, several managers) is refused by name. It also complains where and how the archived image did:
//! `manage` and `join` in their log on standard output, the others on standard error, each in one line.

mod command_line;
mod discovery;
mod join;
mod log;
pub mod manager;
mod options;

use std::io::Write as _;

use thiserror::Error;

pub use discovery::{Discovery, DiscoveryError};
pub use options::{ClusterOpt, JoinOptions, ManageOptions};

use options::Invocation;

/// What `swarm --version` says after its name.
const VERSION: &str = concat!("version 1.2.9 (labctl ", env!("CARGO_PKG_VERSION"), ")");

/// Why `swarm` did not do what it was asked for.
#[derive(Debug, Error)]
pub enum SwarmError {
    /// The arguments are wrong.
    #[error("{0}")]
    Options(String),
    /// The discovery service did not do its part.
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
    /// The manager could not serve.
    #[error(transparent)]
    Manager(#[from] manager::ManagerError),
    /// Signals cannot be waited for.
    #[error("signals cannot be waited for: {0}")]
    Signals(std::io::Error),
}

/// Does what `arguments` ask for; `join` and `manage` end with SIGTERM or SIGINT. What went wrong has been said when it returns.
pub async fn run(arguments: &[String]) -> Result<(), SwarmError> {
    let done = obey(arguments).await;
    if let Err(error) = &done {
        complain(arguments, &error.to_string());
    }
    done
}

async fn obey(arguments: &[String]) -> Result<(), SwarmError> {
    let Some((level, invocation)) = options::parse(arguments).map_err(SwarmError::Options)? else {
        return Ok(());
    };
    log::set_level(level);
    match invocation {
        Invocation::Create => {
            let token = discovery::create_cluster().await?;
            print(&token);
            Ok(())
        }
        Invocation::List { discovery, deadline } => {
            let entries = tokio::time::timeout(deadline, discovery.fetch());
            let entries = entries
                .await
                .map_err(|_| DiscoveryError::silent(&discovery, deadline))??;
            entries.iter().for_each(|entry| print(entry));
            Ok(())
        }
        Invocation::Join(options) => join::run(&options).await,
        Invocation::Manage(options) => Ok(manager::run(options).await?),
    }
}

fn complain(arguments: &[String], message: &str) {
    let verb = arguments.iter().find(|word| {
        let verbs = ["create", "c", "list", "l", "manage", "m", "join", "j"];
        verbs.contains(&word.as_str())
    });
    if verb.is_some_and(|verb| ["manage", "m", "join", "j"].contains(&verb.as_str())) {
        return log::log("fatal", message, &[]);
    }
    let now = jiff::Timestamp::now().strftime("%Y/%m/%d %H:%M:%S");
    // Whoever does not read complaints has the exit code.
    let _ = writeln!(std::io::stderr(), "{now} {message}");
}

fn print(line: &str) {
    // A reader that has gone away wants no more.
    let _ = writeln!(std::io::stdout(), "{line}");
}
