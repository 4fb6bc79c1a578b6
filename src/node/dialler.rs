//! What opens ways on a node.

use super::node_error::NodeError;
use async_trait::async_trait;
use labctl_agent::Dial;
use tokio::net::UnixStream;

/// Opens ways to places on a node. It may be shared with whatever uses them.
#[async_trait]
pub trait Dialler: Send + Sync {
    /// Opens a way to `dial.place`, as root or as the login user.
    ///
    /// # Errors
    ///
    /// [`super::NodeErrorKind::Refused`] where nobody listens there.
    async fn dial(&self, dial: Dial, as_root: bool) -> Result<UnixStream, NodeError>;
}
