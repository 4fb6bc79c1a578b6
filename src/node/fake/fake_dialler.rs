//! What opens ways on a fake node.

use super::FakeCall;
use super::state::State;
use crate::domain::NodeName;
use crate::node::{Dialler, NodeError, NodeErrorKind};
use async_trait::async_trait;
use labctl_agent::Dial;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::UnixStream;

/// Leads to the sockets that a fake node was told of.
pub(super) struct FakeDialler {
    pub(super) name: NodeName,
    pub(super) state: Arc<Mutex<State>>,
}

#[async_trait]
impl Dialler for FakeDialler {
    async fn dial(&self, dial: Dial, _: bool) -> Result<UnixStream, NodeError> {
        let socket = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.calls.push(FakeCall::Dial(dial.place.clone()));
            state.sockets.get(&dial.place).cloned()
        };
        let refused = |why: &str| NodeError {
            node: self.name.clone(),
            kind: NodeErrorKind::Refused,
            message: format!("{}: {why}", self.name),
            hint: None,
        };
        match socket {
            Some(socket) => UnixStream::connect(socket)
                .await
                .map_err(|error| refused(&error.to_string())),
            None => Err(refused("connection refused")),
        }
    }
}
