//! A node reached by ssh, as [`Transport`] wants it.

use super::engine::{self, EngineWay};
use super::exec::Execs;
use super::files;
use super::forward::{self, Place};
use super::launch::Target;
use super::link::Link;
use super::look::{self, Root, Script, root_prefix};
use super::options::{SshOptions, is_short};
use super::records;
use crate::domain::{InstanceId, Node, NodeName};
use crate::node::supervisor::Account;
use crate::node::{
    Command, Ending, ExecRequest, FileWrite, Look, Looked, NodeError, NodeErrorKind, OutputSink, Transport, Tunnel,
};
use async_trait::async_trait;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

/// A node reached by ssh.
#[derive(Debug)]
pub struct SshNode {
    name: NodeName,
    link: Arc<Link>,
    account: Account,
    root: Root,
    node_directory: String,
    instance: Mutex<Option<InstanceId>>,
    engine_way: Mutex<Option<EngineWay>>,
    ports_checked: OnceCell<()>,
}

impl SshNode {
    /// Connects to `node`. One connection carries everything; it is opened anew whenever it is lost.
    pub async fn connect(node: &Node, options: &SshOptions) -> Result<Self, NodeError> {
        let target = Target::new(node)?;
        if !is_short(&options.control_directory) {
            let place = options.control_directory.display();
            let message = format!("the path {place} is too long for the sockets of ssh");
            return Err(target.error(NodeErrorKind::Unreachable, message, None));
        }
        let link = Link::connect(target, options).await?;
        let account = account(&link).await?;
        let root = match (account.uid, node.login.sudo) {
            (0, _) => Root::Already,
            (_, true) => Root::Sudo,
            (_, false) => Root::Never,
        };
        Ok(Self {
            name: node.name.clone(),
            link: Arc::new(link),
            account,
            root,
            node_directory: options.node_directory.trim_end_matches('/').to_owned(),
            instance: Mutex::new(None),
            engine_way: Mutex::new(None),
            ports_checked: OnceCell::new(),
        })
    }

    /// Returns whom labctl is logged in as.
    pub fn account(&self) -> &Account {
        &self.account
    }

    fn directory(&self) -> Result<String, NodeError> {
        let instance = self.instance.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match instance {
            Some(instance) => Ok(format!("{}/{instance}", self.node_directory)),
            None => Err(self.link.fault("no instance was opened on it")),
        }
    }
}

/// Asks who we are on the node; the first command, which also makes later forwards quick.
async fn account(link: &Link) -> Result<Account, NodeError> {
    let text = "id -u; id -g; id -un; printf '%s\\n' \"$HOME\" \"${SHELL:-/bin/sh}\" \"$PATH\"";
    let command = Command::Shell(text.to_owned());
    let script = Script {
        command: &command,
        payload: b"",
        as_root: false,
        deadline: Duration::from_secs(20),
        keep: 64 << 10,
    };
    let looked = look::run(link, Root::Never, &script).await?;
    let text = String::from_utf8_lossy(&looked.stdout).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    let account = match lines.as_slice() {
        [uid, gid, user, home, shell, path] => uid.parse().ok().zip(gid.parse().ok()).map(|(uid, gid)| Account {
            user: (*user).to_owned(),
            uid,
            gid,
            home: (*home).to_owned(),
            shell: (*shell).to_owned(),
            path: (*path).to_owned(),
        }),
        _ => None,
    };
    account.ok_or_else(|| link.fault("it does not say who we are there; is its login shell a POSIX system's?"))
}

#[async_trait]
impl Transport for SshNode {
    fn node(&self) -> &NodeName {
        &self.name
    }

    fn instance_directory(&self, instance: &InstanceId) -> String {
        format!("{}/{instance}", self.node_directory)
    }

    async fn open_instance(&self, instance: &InstanceId) -> Result<(), NodeError> {
        let directory = self.instance_directory(instance);
        files::open_instance(&self.link, self.root, &self.node_directory, &directory).await?;
        *self.instance.lock().unwrap_or_else(PoisonError::into_inner) = Some(instance.clone());
        Ok(())
    }

    async fn exec(
        &self,
        request: &ExecRequest,
        output: &mut dyn OutputSink,
        cancel: &CancellationToken,
    ) -> Result<Ending, NodeError> {
        let execs = Execs {
            link: &self.link,
            account: &self.account,
            directory: &self.directory()?,
            root_prefix: root_prefix(&self.link, self.root, true)?,
        };
        execs.run(request, output, cancel).await
    }

    async fn forget_output(&self, exec: &str) -> Result<(), NodeError> {
        records::forget_output(&self.link, self.root, &self.directory()?, exec).await
    }

    async fn printed_ids(&self, exec: &str) -> Result<Vec<String>, NodeError> {
        records::printed_ids(&self.link, self.root, &self.directory()?, exec).await
    }

    async fn stop_execs(&self) -> Result<(), NodeError> {
        records::stop_all(&self.link, self.root, &self.directory()?).await
    }

    async fn look(&self, look: &Look) -> Result<Looked, NodeError> {
        let script = Script {
            command: &look.command,
            payload: b"",
            as_root: look.as_root,
            deadline: look.deadline,
            keep: look.keep,
        };
        look::run(&self.link, self.root, &script).await
    }

    async fn write_file(&self, write: &FileWrite) -> Result<(), NodeError> {
        files::write_file(&self.link, self.root, &self.account.home, write).await
    }

    async fn keep(&self, name: &str, content: &[u8]) -> Result<(), NodeError> {
        files::keep(&self.link, self.root, (&self.directory()?, name), content).await
    }

    async fn engine(&self) -> Result<Tunnel, NodeError> {
        let known = *self.engine_way.lock().unwrap_or_else(PoisonError::into_inner);
        let (way, tunnel) = engine::open(&self.link, self.root, known).await?;
        *self.engine_way.lock().unwrap_or_else(PoisonError::into_inner) = Some(way);
        Ok(tunnel)
    }

    async fn tunnel(&self, host: &str, port: u16) -> Result<Tunnel, NodeError> {
        self.ports_checked
            .get_or_try_init(|| forward::check_ports(&self.link))
            .await?;
        forward::open(&self.link, Place::Port(host.to_owned(), port)).await
    }

    async fn close_instance(&self, instance: &InstanceId) -> Result<(), NodeError> {
        files::close_instance(&self.link, self.root, &self.node_directory, instance).await?;
        let mut open = self.instance.lock().unwrap_or_else(PoisonError::into_inner);
        if open.as_ref() == Some(instance) {
            *open = None;
        }
        Ok(())
    }

    async fn close(&self) {
        self.link.close().await;
    }
}
