//! The contract between labctl and a node.

use super::dialler::Dialler;
use super::engine;
use super::node_error::{NodeError, fault, unasked};
use super::order::{ending, home_path, milliseconds, order, words};
use super::tunnel::Tunnel;
use super::work::{Ending, ExecRequest, FileWrite, Look, Looked, OutputSink};
use crate::domain::{InstanceId, NodeName};
use async_trait::async_trait;
use labctl_agent::{
    Answer, Content, Dial, Exec, Hello, Hidden, Look as LookAt, Place, Removal, Remove, Request, Run, Seen, Write,
};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::UnixStream;
use tokio_util::sync::CancellationToken;

/// Which instance a connection was opened for.
#[derive(Debug, Default)]
pub struct Opened(Mutex<Option<InstanceId>>);

impl Opened {
    fn set(&self, instance: Option<InstanceId>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = instance;
    }

    /// Forgets it, as a new connection does.
    pub fn forget(&self) {
        self.set(None);
    }

    /// Returns the instance that was opened last.
    pub fn get(&self) -> Option<InstanceId> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A connection to one node. All methods take `&self` and may be called concurrently.
///
/// An implementation asks, follows and dials; the other methods say what is asked for, the same for every node.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Returns the node's name.
    fn node(&self) -> &NodeName;

    /// Returns what the agent says of the node and of whom labctl is there.
    fn hello(&self) -> &Hello;

    /// Returns the directory on the node that holds what belongs to all instances.
    fn node_directory(&self) -> &str;

    /// Returns which instance was opened.
    fn opened(&self) -> &Opened;

    /// Has the agent do `request`, as root or as the login user. A connection that was lost is opened again, and the request made once
    /// more. Where the returned future is dropped, the agent is told to end what it does for it.
    ///
    /// # Errors
    ///
    /// Where the node cannot be reached, root is not to be had, or the agent says that it did not work.
    async fn ask(&self, as_root: bool, request: Request) -> Result<Answer, NodeError>;

    /// Has the agent run the recorded command `exec`, feeding `output`, until it ends, its deadline passes or `cancel` fires (then
    /// the process group is killed on the node). A lost link is opened again and the record followed from where it was. Where a record
    /// with this name exists, it is followed instead of starting anything.
    ///
    /// # Errors
    ///
    /// Where root is not to be had, or the record cannot be made.
    async fn follow(
        &self,
        exec: Exec,
        output: &mut dyn OutputSink,
        cancel: &CancellationToken,
    ) -> Result<Ending, NodeError>;

    /// Returns what opens ways to places on the node.
    fn dialler(&self) -> Arc<dyn Dialler>;

    /// Ends the connection in an orderly way.
    async fn close(&self);

    /// Returns the directory on the node that holds what belongs to `instance`: backups, undo, exec records.
    fn instance_directory(&self, instance: &InstanceId) -> String {
        format!("{}/{instance}", self.node_directory())
    }

    /// Returns the directory of the instance that was opened.
    ///
    /// # Errors
    ///
    /// Where none was.
    fn opened_directory(&self) -> Result<String, NodeError> {
        match self.opened().get() {
            Some(instance) => Ok(self.instance_directory(&instance)),
            None => Err(fault(self.node(), "no instance was opened on it")),
        }
    }

    /// Makes the node ready for recorded execs of `instance`: creates `/var/lib/labctl/INSTANCE` (root, 0700). Must be called before
    /// `exec` and `keep`; calling it again is harmless.
    ///
    /// # Errors
    ///
    /// Where another instance has the node, or the directory is not root's own.
    async fn open_instance(&self, instance: &InstanceId) -> Result<(), NodeError> {
        let (directory, name) = (self.node_directory().to_owned(), instance.to_string());
        self.ask(true, Request::OpenInstance { directory, name }).await?;
        self.opened().set(Some(instance.clone()));
        Ok(())
    }

    /// Ends what still runs of `instance`, and removes its directory from the node. The last thing a cleanup does there.
    ///
    /// # Errors
    ///
    /// Where something of it cannot be removed.
    async fn close_instance(&self, instance: &InstanceId) -> Result<(), NodeError> {
        let (directory, name) = (self.node_directory().to_owned(), instance.to_string());
        self.ask(true, Request::CloseInstance { directory, name }).await?;
        if self.opened().get().as_ref() == Some(instance) {
            self.opened().set(None);
        }
        Ok(())
    }

    /// Runs `request` as a recorded command of the opened instance (see [`Transport::follow`]).
    ///
    /// # Errors
    ///
    /// As [`Transport::follow`], and where no instance was opened.
    async fn exec(
        &self,
        request: &ExecRequest,
        output: &mut dyn OutputSink,
        cancel: &CancellationToken,
    ) -> Result<Ending, NodeError> {
        match order(request, self.opened_directory()?, self.hello()) {
            Ok(exec) => self.follow(exec, output, cancel).await,
            Err(reason) => Ok(Ending::CouldNotStart { reason, hint: None }),
        }
    }

    /// Removes the output, not the outcome, from the record of `exec` on the node: for output that held a secret.
    ///
    /// # Errors
    ///
    /// Where it cannot be removed.
    async fn forget_output(&self, exec: &str) -> Result<(), NodeError> {
        let (instance, exec) = (self.opened_directory()?, exec.to_owned());
        self.ask(true, Request::ForgetOutput { instance, exec }).await?;
        Ok(())
    }

    /// Returns the ids, 12 to 64 hex digits, that the recorded exec called `exec` printed.
    ///
    /// # Errors
    ///
    /// Where the record cannot be read.
    async fn printed_ids(&self, exec: &str) -> Result<Vec<String>, NodeError> {
        let (instance, exec) = (self.opened_directory()?, exec.to_owned());
        match self.ask(true, Request::PrintedIds { instance, exec }).await? {
            Answer::Ids(ids) => Ok(ids),
            other => Err(unasked(self.node(), &other)),
        }
    }

    /// Kills the process groups of all execs of the open instance that still run on the node, and waits until they are gone: what a
    /// labctl that died left running. What must not be left half done is waited for.
    ///
    /// # Errors
    ///
    /// Where something does not end.
    async fn stop_execs(&self) -> Result<(), NodeError> {
        let instance = self.opened_directory()?;
        self.ask(true, Request::StopExecs { instance }).await?;
        Ok(())
    }

    /// Runs a command that only looks, without leaving anything on the node.
    ///
    /// # Errors
    ///
    /// Where the node cannot be asked; how the command ended is no error.
    async fn look(&self, look: &Look) -> Result<Looked, NodeError> {
        let run = Run {
            words: words(&look.command),
            deadline_ms: milliseconds(look.deadline),
            keep: look.keep as u64,
            ..Run::default()
        };
        match self.ask(look.as_root, Request::Run(run)).await? {
            Answer::Ran(ran) => Ok(Looked {
                ending: ending(ran.ending, look.deadline),
                stdout: ran.stdout,
                stderr: ran.stderr,
                dropped: ran.dropped,
            }),
            other => Err(unasked(self.node(), &other)),
        }
    }

    /// Looks at a path; a link there is not followed. `~/` stands for the login user's home.
    ///
    /// # Errors
    ///
    /// Where whoever looks may not.
    async fn look_at(&self, as_root: bool, look: LookAt) -> Result<Option<Seen>, NodeError> {
        let path = home_path(&look.path, &self.hello().home);
        match self.ask(as_root, Request::Look(LookAt { path, ..look })).await? {
            Answer::Seen(seen) => Ok(seen),
            other => Err(unasked(self.node(), &other)),
        }
    }

    /// Reads the first `limit` bytes of a regular file; `None` where there is none.
    ///
    /// # Errors
    ///
    /// Where whoever reads may not, or something else stands there.
    async fn read_file(&self, as_root: bool, path: &str, limit: u64) -> Result<Option<Content>, NodeError> {
        let path = home_path(path, &self.hello().home);
        match self.ask(as_root, Request::Read { path, limit }).await? {
            Answer::Content(content) => Ok(content),
            other => Err(unasked(self.node(), &other)),
        }
    }

    /// Writes a file atomically, keeping mode and owner of what it replaces.
    ///
    /// # Errors
    ///
    /// Where it cannot be written; what was there is there still.
    async fn write_file(&self, write: &FileWrite) -> Result<(), NodeError> {
        let path = home_path(&write.path, &self.hello().home);
        if !path.starts_with('/') || path.ends_with('/') || path.contains('\0') {
            return Err(fault(self.node(), &format!("{path:?} cannot be the path of a file")));
        }
        let content = Hidden(write.content.clone());
        let mode = write.mode;
        self.ask(write.as_root, Request::Write(Write { path, content, mode }))
            .await?;
        Ok(())
    }

    /// Removes what stands at `path`; that nothing does is no fault. Root goes over no link of a user's, here and below.
    ///
    /// # Errors
    ///
    /// Where something cannot be removed.
    async fn remove(&self, as_root: bool, path: &str, what: Removal) -> Result<(), NodeError> {
        let path = home_path(path, &self.hello().home);
        let request = Request::Remove(Remove { path, what });
        self.ask(as_root, request).await.map(|_| ())
    }

    /// Makes the directory at `path` and those on the way to it that are missing.
    ///
    /// # Errors
    ///
    /// Where one cannot be made.
    async fn make_directories(&self, as_root: bool, path: &str) -> Result<(), NodeError> {
        let path = home_path(path, &self.hello().home);
        let request = Request::MakeDirectories { path };
        self.ask(as_root, request).await.map(|_| ())
    }

    /// Puts a copy of the file `from` at `to`, as root: whole or not at all, with owner, mode and time of change, safe on the disk.
    ///
    /// # Errors
    ///
    /// Where it cannot be copied; what was there is there still.
    async fn copy_file(&self, from: &str, to: &str) -> Result<(), NodeError> {
        let (from, to) = (from.to_owned(), to.to_owned());
        let request = Request::CopyFile { from, to };
        self.ask(true, request).await.map(|_| ())
    }

    /// Keeps `content` durably as `name` in the instance's directory on the node (`name` may have `/` in it).
    ///
    /// # Errors
    ///
    /// Where it is not safe there.
    async fn keep(&self, name: &str, content: &[u8]) -> Result<(), NodeError> {
        let (instance, name) = (self.opened_directory()?, name.to_owned());
        let content = Hidden(content.to_vec());
        self.ask(
            true,
            Request::Keep {
                instance,
                name,
                content,
            },
        )
        .await?;
        Ok(())
    }

    /// Opens a way to `host:port` as seen from the node, which takes at most `patience`.
    ///
    /// # Errors
    ///
    /// [`super::NodeErrorKind::Refused`] where nobody listens there.
    async fn dial(&self, host: &str, port: u16, patience: Duration) -> Result<UnixStream, NodeError> {
        let dial = Dial {
            place: Place::Port(host.to_owned(), port),
            deadline_ms: milliseconds(patience),
        };
        self.dialler().dial(dial, false).await
    }

    /// Opens a way to `host:port` as seen from the node that any number of connections may use. That nobody listens there shows only
    /// when it is used.
    ///
    /// # Errors
    ///
    /// Where this machine has no place for a socket.
    fn tunnel(&self, host: &str, port: u16) -> Result<Tunnel, NodeError> {
        let place = Place::Port(host.to_owned(), port);
        Tunnel::open(self.node(), self.dialler(), place, false, None)
    }

    /// Opens a way to the node's Docker Engine: as the login user, or as root where the user may not open its socket.
    ///
    /// # Errors
    ///
    /// [`super::NodeErrorKind::NodeFault`] where no engine answers.
    async fn engine(&self) -> Result<Tunnel, NodeError> {
        let dialler = self.dialler();
        let found = engine::find(self.node(), dialler.as_ref()).await?;
        Tunnel::open(self.node(), dialler, engine::place(), found.as_root, found.api_version)
    }
}
