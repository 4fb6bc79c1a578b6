//! A node of a test: the fake transport with a disk and an engine behind it, which can be lost.

use super::disk::Disk;
use super::engine_server::EngineServer;
use async_trait::async_trait;
use labctl::domain::NodeName;
use labctl::node::fake::{FakeNode, shared};
use labctl::node::{Dialler, Ending, Hello, NodeError, NodeErrorKind, Opened, OutputSink, Request, Transport};
use labctl_agent::{Answer, Dial, Exec};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tokio::net::UnixStream;
use tokio_util::sync::CancellationToken;

pub struct Machine {
    pub fake: Arc<FakeNode>,
    pub engine: EngineServer,
    disk: Arc<Mutex<Disk>>,
    way: Arc<Way>,
}

/// The way to a machine.
struct Way {
    node: NodeName,
    lost: AtomicBool,
}

impl Way {
    fn check(&self) -> Result<(), NodeError> {
        if self.lost.load(Ordering::Relaxed) {
            return Err(self.error(NodeErrorKind::Unreachable, "no route to host"));
        }
        Ok(())
    }

    fn error(&self, kind: NodeErrorKind, message: &str) -> NodeError {
        NodeError {
            node: self.node.clone(),
            kind,
            message: message.to_owned(),
            hint: None,
        }
    }
}

/// What opens ways to places on a machine, while there is a way to it.
struct MachineDialler {
    way: Arc<Way>,
    fake: Arc<dyn Dialler>,
}

#[async_trait]
impl Dialler for MachineDialler {
    async fn dial(&self, dial: Dial, as_root: bool) -> Result<UnixStream, NodeError> {
        self.way.check()?;
        self.fake.dial(dial, as_root).await
    }
}

impl Machine {
    /// Makes the node `name`, whose engine listens below `directory`.
    pub fn new(name: &str, directory: &Path) -> Arc<Self> {
        let socket = directory.join(format!("{name}.sock"));
        let engine = EngineServer::start(&socket);
        let disk = Arc::new(Mutex::new(Disk::new()));
        let fake = shared(name);
        fake.lead_engine(socket);
        let answering = Arc::clone(&disk);
        fake.answer_with(move |text| answering.lock().unwrap().answer(text));
        let serving = Arc::clone(&disk);
        fake.serve(move |request| serving.lock().unwrap().serve(request));
        let way = Arc::new(Way {
            node: fake.node().clone(),
            lost: AtomicBool::new(false),
        });
        Arc::new(Self {
            fake,
            engine,
            disk,
            way,
        })
    }

    /// Changes the disk, or looks at it.
    pub fn disk<T>(&self, work: impl FnOnce(&mut Disk) -> T) -> T {
        work(&mut self.disk.lock().unwrap())
    }

    /// Returns the disk itself, for scripts of commands that change it.
    pub fn files(&self) -> Arc<Mutex<Disk>> {
        Arc::clone(&self.disk)
    }

    /// Cuts the way to it, or opens it again.
    pub fn lose(&self, lost: bool) {
        self.way.lost.store(lost, Ordering::Relaxed);
    }

    pub fn error(&self, kind: NodeErrorKind, message: &str) -> NodeError {
        self.way.error(kind, message)
    }

    /// Returns the calls that could change something on it, a line each.
    pub fn changes(&self) -> Vec<String> {
        let looks = ["look ", "dial "];
        let mut lines = self.fake.call_lines();
        lines.retain(|line| !looks.iter().any(|look| line.starts_with(look)));
        lines
    }
}

#[async_trait]
impl Transport for Machine {
    fn node(&self) -> &NodeName {
        self.fake.node()
    }

    fn hello(&self) -> &Hello {
        self.fake.hello()
    }

    fn node_directory(&self) -> &str {
        self.fake.node_directory()
    }

    fn opened(&self) -> &Opened {
        self.fake.opened()
    }

    async fn ask(&self, as_root: bool, request: Request) -> Result<Answer, NodeError> {
        self.way.check()?;
        let answer = self.fake.ask(as_root, request.clone()).await?;
        match request {
            Request::OpenInstance { directory, name } => {
                self.disk(|disk| disk.make_directory(&format!("{directory}/{name}")));
            }
            // The parent goes as well where nothing else is in it.
            Request::CloseInstance { directory, .. } => self.disk(|disk| disk.remove(&directory)),
            Request::Write(write) => self.disk(|disk| disk.write(&write.path, &write.content.0, write.mode)),
            _ => {}
        }
        Ok(answer)
    }

    async fn follow(
        &self,
        exec: Exec,
        output: &mut dyn OutputSink,
        cancel: &CancellationToken,
    ) -> Result<Ending, NodeError> {
        self.way.check()?;
        self.fake.follow(exec, output, cancel).await
    }

    fn dialler(&self) -> Arc<dyn Dialler> {
        Arc::new(MachineDialler {
            way: Arc::clone(&self.way),
            fake: self.fake.dialler(),
        })
    }

    async fn close(&self) {
        self.fake.close().await;
    }
}
