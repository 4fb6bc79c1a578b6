//! A node of a test: the fake transport with a disk and an engine behind it, which can be lost.

use super::disk::Disk;
use super::engine_server::EngineServer;
use async_trait::async_trait;
use labctl::domain::{InstanceId, NodeName};
use labctl::node::fake::{FakeNode, shared};
use labctl::node::{
    Ending, ExecRequest, FileWrite, Look, Looked, NodeError, NodeErrorKind, OutputSink, Transport, Tunnel,
};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tokio_util::sync::CancellationToken;

pub struct Machine {
    pub fake: Arc<FakeNode>,
    pub engine: EngineServer,
    disk: Arc<Mutex<Disk>>,
    lost: AtomicBool,
}

impl Machine {
    /// Makes the node `name`, whose engine listens below `directory`.
    pub fn new(name: &str, directory: &Path) -> Arc<Self> {
        let socket = directory.join(format!("{name}.sock"));
        let engine = EngineServer::start(&socket);
        let disk = Arc::new(Mutex::new(Disk::new()));
        let fake = shared(name);
        fake.lead("engine", socket);
        let answering = Arc::clone(&disk);
        fake.answer_with(move |text| answering.lock().unwrap().answer(text));
        Arc::new(Self {
            fake,
            engine,
            disk,
            lost: AtomicBool::new(false),
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
        self.lost.store(lost, Ordering::Relaxed);
    }

    fn way(&self) -> Result<(), NodeError> {
        if self.lost.load(Ordering::Relaxed) {
            return Err(self.error(NodeErrorKind::Unreachable, "no route to host"));
        }
        Ok(())
    }

    pub fn error(&self, kind: NodeErrorKind, message: &str) -> NodeError {
        NodeError {
            node: self.fake.node().clone(),
            kind,
            message: message.to_owned(),
            hint: None,
        }
    }

    /// Returns the calls that could change something on it, a line each.
    pub fn changes(&self) -> Vec<String> {
        let looks = ["look ", "engine", "tunnel "];
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

    fn instance_directory(&self, instance: &InstanceId) -> String {
        self.fake.instance_directory(instance)
    }

    async fn open_instance(&self, instance: &InstanceId) -> Result<(), NodeError> {
        self.way()?;
        self.disk(|disk| disk.make_directory(&self.fake.instance_directory(instance)));
        self.fake.open_instance(instance).await
    }

    async fn exec(
        &self,
        request: &ExecRequest,
        output: &mut dyn OutputSink,
        cancel: &CancellationToken,
    ) -> Result<Ending, NodeError> {
        self.way()?;
        self.fake.exec(request, output, cancel).await
    }

    async fn forget_output(&self, exec: &str) -> Result<(), NodeError> {
        self.way()?;
        self.fake.forget_output(exec).await
    }

    async fn printed_ids(&self, exec: &str) -> Result<Vec<String>, NodeError> {
        self.way()?;
        self.fake.printed_ids(exec).await
    }

    async fn stop_execs(&self) -> Result<(), NodeError> {
        self.way()?;
        self.fake.stop_execs().await
    }

    async fn look(&self, look: &Look) -> Result<Looked, NodeError> {
        self.way()?;
        self.fake.look(look).await
    }

    async fn write_file(&self, write: &FileWrite) -> Result<(), NodeError> {
        self.way()?;
        self.fake.write_file(write).await?;
        self.disk(|disk| disk.write(&write.path, &write.content, write.mode));
        Ok(())
    }

    async fn keep(&self, name: &str, content: &[u8]) -> Result<(), NodeError> {
        self.way()?;
        self.fake.keep(name, content).await
    }

    async fn engine(&self) -> Result<Tunnel, NodeError> {
        self.way()?;
        self.fake.engine().await
    }

    async fn tunnel(&self, host: &str, port: u16) -> Result<Tunnel, NodeError> {
        self.way()?;
        self.fake.tunnel(host, port).await
    }

    async fn close_instance(&self, instance: &InstanceId) -> Result<(), NodeError> {
        self.way()?;
        // The parent goes as well where nothing else is in it.
        self.disk(|disk| disk.remove("/var/lib/labctl"));
        self.fake.close_instance(instance).await
    }

    async fn close(&self) {
        self.fake.close().await;
    }
}
