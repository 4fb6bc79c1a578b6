//! The fake node itself.

use super::answer::told;
use super::call::text_of;
use super::fake_dialler::FakeDialler;
use super::state::State;
use super::{FakeAnswer, FakeCall};
use crate::domain::NodeName;
use crate::node::order::ending as as_labctl_says_it;
use crate::node::{Dialler, Ending, NodeError, NodeErrorKind, Opened, OutputSink, Place, Stream, Transport};
use async_trait::async_trait;
use labctl_agent::{Answer, Exec, Hello, Ids, Ran, Request, Run, VERSION};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// A node that exists only in memory.
pub struct FakeNode {
    name: NodeName,
    hello: Hello,
    opened: Opened,
    state: Arc<Mutex<State>>,
}

impl FakeNode {
    /// Makes a node that answers every command with status 0 and nothing else, and on which no file is.
    pub fn new(name: &NodeName) -> Self {
        let text = str::to_owned;
        Self {
            name: name.clone(),
            hello: Hello {
                version: VERSION,
                user: text("ubuntu"),
                uid: 1000,
                gid: 1000,
                groups: vec![1000],
                home: text("/home/ubuntu"),
                shell: text("/bin/bash"),
                path: text("/usr/bin:/bin"),
                ssh_connection: String::new(),
                kernel: text("6.1"),
                machine: text("x86_64"),
            },
            opened: Opened::default(),
            state: Arc::default(),
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers commands whose text contains `part` with `answer`, every time. What was told later wins.
    pub fn answer(&self, part: &str, answer: FakeAnswer) -> &Self {
        let part = part.to_owned();
        self.answer_with(move |text| text.contains(&part).then(|| answer.clone()))
    }

    /// Answers commands whose text contains `part` with `answers` in turn; the last one stays.
    pub fn answer_in_turn(&self, part: &str, answers: impl IntoIterator<Item = FakeAnswer>) -> &Self {
        let queue = answers.into_iter().collect();
        self.state().queues.push((part.to_owned(), queue));
        self
    }

    /// Asks `script` for the answer to each command's text; `None` leaves it to what was told earlier.
    pub fn answer_with(&self, script: impl FnMut(&str) -> Option<FakeAnswer> + Send + 'static) -> &Self {
        self.state().scripts.push(Box::new(script));
        self
    }

    /// Makes every later `write_file` and `keep` fail with `error`, or succeed again.
    pub fn fail_writes(&self, error: Option<NodeError>) -> &Self {
        self.state().write_error = error;
        self
    }

    /// Lets `place` lead to a local socket; nobody listens at others.
    pub fn lead(&self, place: Place, socket: impl Into<PathBuf>) -> &Self {
        self.state().sockets.insert(place, socket.into());
        self
    }

    /// Lets the node's own engine lead to a local socket.
    pub fn lead_engine(&self, socket: impl Into<PathBuf>) -> &Self {
        self.lead(crate::node::engine::place(), socket)
    }

    /// Lets `server` answer requests about files and processes; `None` leaves them to the node, on which nothing is.
    pub fn serve(&self, server: impl FnMut(&Request) -> Option<Answer> + Send + 'static) -> &Self {
        self.state().server = Some(Box::new(server));
        self
    }

    /// Forgets, as a new connection does, which instance was opened.
    pub fn reconnect(&self) {
        self.opened.forget();
    }

    /// Returns all that was asked so far.
    pub fn calls(&self) -> Vec<FakeCall> {
        self.state().calls.clone()
    }

    /// Returns all that was asked so far, a line each.
    pub fn call_lines(&self) -> Vec<String> {
        self.state().calls.iter().map(FakeCall::line).collect()
    }

    /// Returns what was last kept or written under `name`.
    pub fn content(&self, name: &str) -> Option<Vec<u8>> {
        self.state().calls.iter().rev().find_map(|call| match call {
            FakeCall::Keep { name: kept, content } if kept == name => Some(content.clone()),
            FakeCall::Write(write) if write.path == name => Some(write.content.0.clone()),
            _ => None,
        })
    }

    fn note(&self, call: FakeCall) {
        self.state().calls.push(call);
    }

    fn find_answer(&self, text: &str) -> FakeAnswer {
        let mut state = self.state();
        let queue = state
            .queues
            .iter_mut()
            .rev()
            .find(|(part, queue)| text.contains(part.as_str()) && !queue.is_empty());
        let queued = queue.and_then(|(_, queue)| {
            if queue.len() > 1 {
                queue.pop_front()
            } else {
                queue.front().cloned()
            }
        });
        let mut answer = queued
            .or_else(|| state.scripts.iter_mut().rev().find_map(|script| script(text)))
            .unwrap_or_else(|| FakeAnswer::exited(0));
        if let Err(error) = &mut answer.result {
            error.node = self.name.clone();
        }
        answer
    }

    fn written(&self, call: FakeCall) -> Result<Answer, NodeError> {
        self.note(call);
        match self.state().write_error.clone() {
            Some(error) => Err(error),
            None => Ok(Answer::Done),
        }
    }

    /// Makes a change, where the test tells no other answer to the call's line.
    async fn changed(&self, call: FakeCall, request: &Request) -> Result<Answer, NodeError> {
        let told = self.find_answer(&call.line());
        let ending = take_time(&told, told.takes, &CancellationToken::new()).await;
        match ending? {
            Ending::Exited { code: 0 } => Ok(self.served(request, call, Answer::Done)),
            other => Err(NodeError {
                node: self.name.clone(),
                kind: NodeErrorKind::NodeFault,
                message: format!("{other}: {}", String::from_utf8_lossy(&told.stderr)),
                hint: None,
            }),
        }
    }

    /// Has the server of the test answer `request`, else says what a node says on which nothing is.
    fn served(&self, request: &Request, call: FakeCall, otherwise: Answer) -> Answer {
        self.note(call);
        let mut state = self.state();
        state
            .server
            .as_mut()
            .and_then(|server| server(request))
            .unwrap_or(otherwise)
    }

    async fn run(&self, run: &Run) -> Result<Ran, NodeError> {
        let answer = self.find_answer(&text_of(&run.words));
        let deadline = Duration::from_millis(run.deadline_ms);
        let ending = take_time(&answer, deadline, &CancellationToken::new()).await?;
        let keep = usize::try_from(run.keep).unwrap_or(usize::MAX);
        let (mut stdout, mut stderr) = (answer.stdout.concat(), answer.stderr);
        let surplus = stdout.len().saturating_sub(keep) + stderr.len().saturating_sub(keep);
        stdout.truncate(keep);
        stderr.truncate(keep);
        Ok(Ran {
            ending: told(ending),
            stdout,
            stderr,
            dropped: surplus as u64,
        })
    }

    fn ids(&self, exec: &str) -> Vec<String> {
        let record = self.state().records.get(exec).cloned();
        let mut ids = Ids::default();
        for output in record
            .iter()
            .flat_map(|record| [record.stdout.concat(), record.stderr.clone()])
        {
            // Bytes in memory can be read.
            let _ = ids.read(output.as_slice());
        }
        ids.into_sorted()
    }
}

/// Waits as long as `answer` takes, or until its deadline or `cancel` ends it.
async fn take_time(answer: &FakeAnswer, deadline: Duration, cancel: &CancellationToken) -> Result<Ending, NodeError> {
    tokio::select! {
        biased;
        () = cancel.cancelled() => Ok(Ending::Cancelled),
        () = tokio::time::sleep(answer.takes), if answer.takes <= deadline => answer.result.clone(),
        () = tokio::time::sleep(deadline) => Ok(Ending::TimedOut { after: deadline }),
    }
}

#[async_trait]
impl Transport for FakeNode {
    fn node(&self) -> &NodeName {
        &self.name
    }

    fn hello(&self) -> &Hello {
        &self.hello
    }

    fn node_directory(&self) -> &str {
        "/var/lib/labctl"
    }

    fn opened(&self) -> &Opened {
        &self.opened
    }

    async fn ask(&self, as_root: bool, request: Request) -> Result<Answer, NodeError> {
        match &request {
            Request::Run(run) => {
                self.note(FakeCall::Run(run.clone(), as_root));
                self.run(run).await.map(Answer::Ran)
            }
            Request::Look(look) => Ok(self.served(&request, FakeCall::Look(look.clone()), Answer::Seen(None))),
            Request::Read { path, .. } => {
                Ok(self.served(&request, FakeCall::Read(path.clone()), Answer::Content(None)))
            }
            Request::FreeSpace { path } => {
                let call = FakeCall::Other(format!("room in {path}"));
                Ok(self.served(&request, call, Answer::FreeSpace(1 << 30)))
            }
            Request::Processes { name } => {
                let call = FakeCall::Other(format!("processes of {name}"));
                Ok(self.served(&request, call, Answer::Processes(Vec::new())))
            }
            Request::Write(write) => self.written(FakeCall::Write(write.clone())),
            Request::Remove(remove) => self.changed(FakeCall::Remove(remove.clone()), &request).await,
            Request::MakeDirectories { path } => self.changed(FakeCall::MakeDirectories(path.clone()), &request).await,
            Request::CopyFile { from, to } => {
                let (from, to) = (from.clone(), to.clone());
                self.changed(FakeCall::CopyFile { from, to }, &request).await
            }
            Request::Keep { name, content, .. } => self.written(FakeCall::Keep {
                name: name.clone(),
                content: content.0.clone(),
            }),
            Request::OpenInstance { name, .. } => {
                self.note(FakeCall::OpenInstance(name.clone()));
                Ok(Answer::Done)
            }
            Request::CloseInstance { name, .. } => {
                self.note(FakeCall::CloseInstance(name.clone()));
                Ok(Answer::Done)
            }
            Request::StopExecs { .. } => {
                self.note(FakeCall::StopExecs);
                Ok(Answer::Done)
            }
            Request::ForgetOutput { exec, .. } => {
                self.note(FakeCall::ForgetOutput(exec.clone()));
                if let Some(record) = self.state().records.get_mut(exec) {
                    record.stdout.clear();
                    record.stderr.clear();
                }
                Ok(Answer::Done)
            }
            Request::PrintedIds { exec, .. } => {
                self.note(FakeCall::PrintedIds(exec.clone()));
                Ok(Answer::Ids(self.ids(exec)))
            }
            Request::Dial(_) | Request::Exec(_) | Request::Attach(_) => Err(NodeError {
                node: self.name.clone(),
                kind: NodeErrorKind::NodeFault,
                message: format!("{}: that is followed or dialled, not asked", self.name),
                hint: None,
            }),
        }
    }

    /// Answers as told; a record that is known gets the answer that it got before.
    async fn follow(
        &self,
        exec: Exec,
        output: &mut dyn OutputSink,
        cancel: &CancellationToken,
    ) -> Result<Ending, NodeError> {
        self.note(FakeCall::Exec(exec.clone()));
        let id = exec.record.exec;
        let known = self.state().records.get(&id).cloned();
        let answer = known.unwrap_or_else(|| self.find_answer(&text_of(&exec.words)));
        for chunk in &answer.stdout {
            output.chunk(Stream::Stdout, chunk);
        }
        if !answer.stderr.is_empty() {
            output.chunk(Stream::Stderr, &answer.stderr);
        }
        let deadline = Duration::from_millis(exec.deadline_ms);
        let ending = take_time(&answer, deadline, cancel).await?;
        let record = FakeAnswer {
            result: Ok(ending.clone()),
            takes: Duration::ZERO,
            ..answer
        };
        self.state().records.insert(id, record);
        Ok(as_labctl_says_it(told(ending), deadline))
    }

    fn dialler(&self) -> Arc<dyn Dialler> {
        Arc::new(FakeDialler {
            name: self.name.clone(),
            state: Arc::clone(&self.state),
        })
    }

    async fn close(&self) {
        self.note(FakeCall::Close);
    }
}

/// Shares a fake node, so that a test can look at it while it is used.
pub fn shared(name: &str) -> Arc<FakeNode> {
    #[expect(clippy::expect_used, reason = "only tests call this")]
    let name = NodeName::new(name).expect("a valid node name");
    Arc::new(FakeNode::new(&name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Command, InstanceId};
    use crate::node::{ExecId, ExecRequest};

    struct Nowhere;

    impl OutputSink for Nowhere {
        fn chunk(&mut self, _: Stream, _: &[u8]) {}
        fn cut(&mut self, _: Stream, _: u64) {}
    }

    fn request(id: &str, text: &str) -> ExecRequest {
        ExecRequest {
            id: ExecId(id.into()),
            command: Command::Shell(text.into()),
            directory: None,
            environment: Vec::new(),
            stdin: None,
            as_root: false,
            deadline: Duration::from_secs(60),
            is_whole: false,
        }
    }

    async fn opened() -> Arc<FakeNode> {
        let node = shared("node-0");
        node.open_instance(&InstanceId::new("test").unwrap()).await.unwrap();
        node
    }

    #[tokio::test]
    async fn it_answers_as_told_and_remembers() {
        let node = opened().await;
        node.answer("false", FakeAnswer::exited(1));
        node.answer_in_turn("flaky", [FakeAnswer::exited(1), FakeAnswer::exited(0)]);
        let run = async |id: &str, text: &str| {
            let cancel = CancellationToken::new();
            node.exec(&request(id, text), &mut Nowhere, &cancel).await.unwrap()
        };
        assert_eq!(run("a", "false").await, Ending::Exited { code: 1 });
        assert_eq!(run("b", "true").await, Ending::Exited { code: 0 });
        assert_eq!(run("c", "flaky").await, Ending::Exited { code: 1 });
        assert_eq!(
            run("c", "flaky").await,
            Ending::Exited { code: 1 },
            "a known id is not run again"
        );
        assert_eq!(run("d", "flaky").await, Ending::Exited { code: 0 });
        assert_eq!(node.call_lines()[1..3], ["exec false", "exec true"]);
    }

    #[tokio::test]
    async fn it_obeys_deadlines_and_cancelling() {
        tokio::time::pause();
        let node = opened().await;
        node.answer("slow", FakeAnswer::exited(0).takes(Duration::from_secs(61)));
        let cancel = CancellationToken::new();
        let ending = node.exec(&request("a", "slow"), &mut Nowhere, &cancel).await.unwrap();
        assert!(matches!(ending, Ending::TimedOut { .. }), "{ending:?}");
        cancel.cancel();
        let ending = node.exec(&request("b", "slow"), &mut Nowhere, &cancel).await.unwrap();
        assert_eq!(ending, Ending::Cancelled);
    }
}
