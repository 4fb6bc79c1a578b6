//! One engine: the picture of it, and the way to it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::SystemTime;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Body;
use hyper::{Request, Response};
use tokio::sync::Notify;

use super::connection::{AnswerBody, send};
use super::error::EngineError;
use super::health::Health;
use super::options::ClusterOptions;
use super::reading::Asker;
use super::snapshot::Snapshot;
use super::version::ApiVersion;

/// One engine of the cluster.
#[derive(Debug)]
pub struct Engine {
    pub(super) addr: String,
    pub(super) options: ClusterOptions,
    /// Wakes the engine's monitor: something suggests that the picture is wrong.
    pub(super) nudge: Notify,
    /// Numbers refreshes by their begin, so that a slow one does not overwrite what a later one saw.
    tickets: AtomicU64,
    state: RwLock<State>,
}

/// The picture and how old its parts are.
#[derive(Debug)]
pub(super) struct State {
    /// The picture.
    pub(super) snapshot: Arc<Snapshot>,
    /// By container, the ticket of the refresh that last saw it or saw that it is gone.
    pub(super) seen: HashMap<String, u64>,
    /// The ticket of the last full refresh: what it did not see is in no map.
    pub(super) floor: u64,
}

impl Engine {
    /// An engine that nothing is known of but `addr`.
    pub(super) fn new(addr: String, options: ClusterOptions) -> Self {
        let snapshot = Snapshot::unknown(addr.clone(), Health::unknown(SystemTime::now()));
        Self {
            addr,
            options,
            nudge: Notify::new(),
            tickets: AtomicU64::new(1),
            state: RwLock::new(State {
                snapshot: Arc::new(snapshot),
                seen: HashMap::new(),
                floor: 0,
            }),
        }
    }

    /// `ip:port` as discovery names it.
    pub fn addr(&self) -> &str {
        &self.addr
    }

    /// What is known of the engine now. Cheap: a pointer.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.read().snapshot)
    }

    /// 0 for an engine that gets no containers, 100 after a success, between after failures.
    pub fn health_indicator(&self) -> u8 {
        self.read().snapshot.health.indicator(self.options.failure_retry)
    }

    /// `path` (with its query) in the version nearest to `wanted` that this engine speaks; its newest for none.
    pub fn versioned(&self, wanted: Option<ApiVersion>, path: &str) -> String {
        match self.read().snapshot.versions {
            Some(range) => format!("/v{}{path}", wanted.map_or(range.max, |wanted| range.nearest(wanted))),
            None => path.to_owned(),
        }
    }

    /// Sends `request` as it is, but for `Host`, and waits for the head of the answer however long that takes.
    ///
    /// The URI is a path with its query, version included ([`Self::versioned`]). Bodies stream both ways. For an
    /// upgrade, give `hyper::upgrade::on` the response. Dropping the future, or the answer's body, hangs up.
    pub async fn request<B>(&self, request: Request<B>) -> Result<Response<AnswerBody>, EngineError>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let request = request.map(|body| body.map_err(Into::into).boxed_unsync());
        let answer = send(&self.addr, self.options.connect_deadline, request).await;
        if answer.as_ref().is_err_and(EngineError::is_connection) {
            self.nudge.notify_one();
        }
        answer
    }

    /// Asks for a full refresh soon, without waiting for it.
    pub fn refresh_soon(&self) {
        self.nudge.notify_one();
    }

    /// A number greater than all before.
    pub(super) fn ticket(&self) -> u64 {
        self.tickets.fetch_add(1, Ordering::Relaxed)
    }

    /// Who asks the manager's own questions.
    pub(super) fn asker(&self) -> Asker {
        Asker::new(&self.addr, &self.options)
    }

    pub(super) fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces the picture by what `change` makes of it.
    pub(super) fn change(&self, change: impl FnOnce(&mut Snapshot)) {
        change(Arc::make_mut(&mut self.write().snapshot));
    }
}
