//! The manager of a cluster: many engines behind one Docker API.
//!
//! Responsible for what `swarm manage` does. [`scheduler`] decides where a container goes and does nothing else; [`cluster`] knows
//! the engines and speaks to them; neither may know anything of the HTTP API in front, which is `api`'s.

mod api;
pub mod cluster;
pub mod scheduler;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use self::cluster::{Cluster, ClusterOptions, EngineSource, SourceError};
use self::scheduler::Scheduler;
use super::log::log;
use super::{Discovery, ManageOptions};
use crate::signals::StopSignals;

/// How long requests that go on may take to end once the manager is told to stop.
const LAST_REQUESTS: Duration = Duration::from_secs(3);

/// Why the manager did not serve.
#[derive(Debug, Error)]
pub enum ManagerError {
    /// Signals cannot be waited for.
    #[error("signals cannot be waited for: {0}")]
    Signals(std::io::Error),
    /// It cannot listen.
    #[error("listen tcp {address}: {reason}")]
    Listen {
        /// Where.
        address: String,
        /// What the system said. It is in the message already, so it is no source, which would be shown once more.
        reason: std::io::Error,
    },
}

#[async_trait]
impl EngineSource for Discovery {
    async fn addresses(&self) -> Result<Vec<String>, SourceError> {
        Ok(self.fetch().await?)
    }
}

/// Serves until SIGTERM or SIGINT.
pub(super) async fn run(options: ManageOptions) -> Result<(), ManagerError> {
    let mut stop = StopSignals::listen().map_err(ManagerError::Signals)?;
    let mut listeners = Vec::new();
    for address in &options.hosts {
        let listener = TcpListener::bind(address)
            .await
            .map_err(|reason| ManagerError::Listen {
                address: address.clone(),
                reason,
            })?;
        let at = listener
            .local_addr()
            .map_or_else(|_| address.clone(), |at| at.to_string());
        log("info", "Listening for HTTP", &[("addr", &at), ("proto", "tcp")]);
        listeners.push(listener);
    }
    let cancellation = CancellationToken::new();
    let cluster_options = cluster_options(&options);
    let cluster = Cluster::start(Arc::new(options.discovery), cluster_options, cancellation.clone());
    let server = api::Server::new(cluster);
    tokio::select! {
        () = server.serve(&listeners) => {}
        signal = stop.wait() => log("info", &format!("told to stop by {signal}"), &[]),
    }
    server.finish(LAST_REQUESTS).await;
    cancellation.cancel();
    Ok(())
}

fn cluster_options(options: &ManageOptions) -> ClusterOptions {
    ClusterOptions {
        scheduler: Scheduler {
            strategy: options.strategy,
            filters: options.filters.clone(),
        },
        heartbeat: options.heartbeat,
        refresh_max: options.refresh,
        failure_retry: options.retries,
        overcommit: options.cluster.overcommit,
        create_retries: options.cluster.create_retries,
        answer_deadline: options.timeout,
        ..ClusterOptions::default()
    }
}
