//! Where a connection goes, and how.

use crate::domain::{HostKeyPolicy, Jump, Node, NodeName};
use crate::node::{NodeError, NodeErrorKind};
use rustix::fs::OFlags;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::Duration;

/// Where a connection goes, and how.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub name: NodeName,
    pub address: String,
    pub port: Option<u16>,
    pub user: Option<String>,
    pub identity_file: Option<PathBuf>,
    /// The machines to go through; `None` leaves the choice to the user's own ssh configuration.
    pub jumps: Option<Vec<Jump>>,
    pub host_key: HostKeyPolicy,
    pub known_hosts: Option<PathBuf>,
    pub connect_timeout: Duration,
    /// The environment variables that ssh does not get.
    pub withheld_variables: Vec<String>,
}

impl Target {
    /// Reads the way to `node` from the inventory. Fails where ssh would misread it.
    pub fn new(node: &Node, withheld_variables: &[String]) -> Result<Self, NodeError> {
        let login = &node.login;
        let mut target = Self {
            name: node.name.clone(),
            address: node.address.clone(),
            port: login.port,
            user: login.user.clone(),
            identity_file: login.identity_file.clone(),
            jumps: None,
            host_key: login.host_key,
            known_hosts: login.known_hosts.clone(),
            connect_timeout: login.connect_timeout.max(Duration::from_secs(1)),
            withheld_variables: withheld_variables.to_vec(),
        };
        for text in [Some(&target.address), target.user.as_ref()].into_iter().flatten() {
            if text.is_empty() || text.starts_with('-') || text.contains(|c: char| c.is_whitespace() || c.is_control())
            {
                let message = format!("{}: {text:?} cannot be part of an ssh address", target.name);
                return Err(target.error(NodeErrorKind::Unreachable, message, None));
            }
        }
        let jumps = login.proxy_jump.as_ref().map(|text| (text, Jump::list(text)));
        target.jumps = match jumps {
            None => None,
            Some((_, Ok(jumps))) => Some(jumps),
            Some((text, Err(error))) => {
                let message = format!("{}: `proxy_jump` cannot be {text:?}: {error}", target.name);
                return Err(target.error(NodeErrorKind::Jump, message, None));
            }
        };
        target.check_identity()?;
        Ok(target)
    }

    /// Fails where the key file cannot be read, before ssh silently goes on without it.
    fn check_identity(&self) -> Result<(), NodeError> {
        let Some(path) = &self.identity_file else { return Ok(()) };
        // A pipe in its place must not let us wait.
        let mut options = std::fs::File::options();
        options.read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed());
        let readable = options.open(path).and_then(|mut file| file.read(&mut [0]));
        readable.map(|_| ()).map_err(|error| {
            let message = format!("{}: the key {} cannot be read: {error}", self.name, path.display());
            let hint = "check `identity_file` in the inventory".to_owned();
            self.error(NodeErrorKind::AccessDenied, message, Some(hint))
        })
    }

    pub fn error(&self, kind: NodeErrorKind, message: String, hint: Option<String>) -> NodeError {
        NodeError {
            node: self.name.clone(),
            kind,
            message,
            hint,
        }
    }

    /// Returns where ssh goes, as `address:port`.
    pub fn place(&self) -> String {
        place_of(&self.address, self.port)
    }

    pub fn user_text(&self) -> String {
        user_text(self.user.as_deref())
    }
}

/// Returns `host` and `port` as one text.
pub(super) fn place_of(host: &str, port: Option<u16>) -> String {
    let port = port.unwrap_or(22);
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

/// Returns how `user` is spoken of.
pub(super) fn user_text(user: Option<&str>) -> String {
    user.map_or_else(|| "the user that ssh chose".to_owned(), |user| format!("user {user}"))
}
