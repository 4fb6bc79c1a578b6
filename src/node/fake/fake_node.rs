//! The fake node itself.

use super::{FakeAnswer, FakeCall, command_text};
use crate::domain::{InstanceId, NodeName};
use crate::node::{
    Command, Ending, ExecRequest, FileWrite, Look, Looked, NodeError, NodeErrorKind, OutputSink, Stream, Transport,
    Tunnel,
};
use async_trait::async_trait;
use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

type Script = Box<dyn FnMut(&str) -> Option<FakeAnswer> + Send>;

/// A node that exists only in memory.
pub struct FakeNode {
    name: NodeName,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    scripts: Vec<Script>,
    queues: Vec<(String, VecDeque<FakeAnswer>)>,
    calls: Vec<FakeCall>,
    records: HashMap<String, FakeAnswer>,
    write_error: Option<NodeError>,
    sockets: HashMap<String, PathBuf>,
    opened: bool,
}

impl FakeNode {
    /// Makes a node that answers every command with status 0 and nothing else.
    pub fn new(name: &NodeName) -> Self {
        Self {
            name: name.clone(),
            state: Mutex::new(State::default()),
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

    /// Lets `engine` (as `"engine"`) and `tunnel` (as `"host:port"`) lead to a local socket; they fail otherwise.
    pub fn lead(&self, place: &str, socket: impl Into<PathBuf>) -> &Self {
        self.state().sockets.insert(place.to_owned(), socket.into());
        self
    }

    /// Forgets, as a new connection does, which instance was opened.
    pub fn reconnect(&self) {
        self.state().opened = false;
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
            FakeCall::WriteFile(write) if write.path == name => Some(write.content.clone()),
            _ => None,
        })
    }

    fn note(&self, call: FakeCall) {
        self.state().calls.push(call);
    }

    fn find_answer(&self, command: &Command) -> FakeAnswer {
        let text = command_text(command);
        let mut state = self.state();
        let queue = state
            .queues
            .iter_mut()
            .rev()
            .find(|(part, queue)| text.contains(part) && !queue.is_empty());
        let queued = queue.and_then(|(_, queue)| {
            if queue.len() > 1 {
                queue.pop_front()
            } else {
                queue.front().cloned()
            }
        });
        let mut answer = queued
            .or_else(|| state.scripts.iter_mut().rev().find_map(|script| script(&text)))
            .unwrap_or_else(|| FakeAnswer::exited(0));
        if let Err(error) = &mut answer.result {
            error.node = self.name.clone();
        }
        answer
    }

    fn written(&self, call: FakeCall) -> Result<(), NodeError> {
        self.note(call);
        match self.state().write_error.clone() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    fn way(&self, place: &str) -> Result<Tunnel, NodeError> {
        match self.state().sockets.get(place) {
            Some(socket) => Ok(Tunnel {
                socket: socket.clone(),
                guard: Box::new(()),
            }),
            None => Err(NodeError {
                node: self.name.clone(),
                kind: NodeErrorKind::NodeFault,
                message: format!("{}: no way to {place}", self.name),
                hint: None,
            }),
        }
    }
}

/// Returns the ids of containers and images in `output`: 12 to 64 hex digits.
fn ids_in(output: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(output);
    let words = text.split(|c: char| !matches!(c, '0'..='9' | 'a'..='f'));
    words
        .filter(|word| (12..=64).contains(&word.len()))
        .map(str::to_owned)
        .collect()
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

    fn instance_directory(&self, instance: &InstanceId) -> String {
        format!("/var/lib/labctl/{instance}")
    }

    async fn open_instance(&self, instance: &InstanceId) -> Result<(), NodeError> {
        self.note(FakeCall::OpenInstance(instance.clone()));
        self.state().opened = true;
        Ok(())
    }

    /// Answers as told; an id that is known gets the answer that it got before.
    async fn exec(
        &self,
        request: &ExecRequest,
        output: &mut dyn OutputSink,
        cancel: &CancellationToken,
    ) -> Result<Ending, NodeError> {
        self.note(FakeCall::Exec(request.clone()));
        let known = self.state().records.get(&request.id.0).cloned();
        let answer = known.unwrap_or_else(|| self.find_answer(&request.command));
        for chunk in &answer.stdout {
            output.chunk(Stream::Stdout, chunk);
        }
        if !answer.stderr.is_empty() {
            output.chunk(Stream::Stderr, &answer.stderr);
        }
        let result = take_time(&answer, request.deadline, cancel).await;
        if let Ok(ending) = &result {
            let record = FakeAnswer {
                result: Ok(ending.clone()),
                takes: Duration::ZERO,
                ..answer
            };
            self.state().records.insert(request.id.0.clone(), record);
        }
        result
    }

    async fn forget_output(&self, exec: &str) -> Result<(), NodeError> {
        self.note(FakeCall::ForgetOutput(exec.to_owned()));
        if let Some(record) = self.state().records.get_mut(exec) {
            record.stdout.clear();
            record.stderr.clear();
        }
        Ok(())
    }

    async fn printed_ids(&self, exec: &str) -> Result<Vec<String>, NodeError> {
        self.note(FakeCall::PrintedIds(exec.to_owned()));
        if !self.state().opened {
            return Err(NodeError {
                node: self.name.clone(),
                kind: NodeErrorKind::NodeFault,
                message: "no instance was opened on it".to_owned(),
                hint: None,
            });
        }
        let record = self.state().records.get(exec).cloned();
        let mut ids: Vec<String> = record
            .iter()
            .flat_map(|record| ids_in(&[record.stdout.concat(), record.stderr.clone()].concat()))
            .collect();
        ids.sort();
        ids.dedup();
        Ok(ids)
    }

    async fn stop_execs(&self) -> Result<(), NodeError> {
        self.note(FakeCall::StopExecs);
        Ok(())
    }

    async fn look(&self, look: &Look) -> Result<Looked, NodeError> {
        self.note(FakeCall::Look(look.clone()));
        let answer = self.find_answer(&look.command);
        let ending = take_time(&answer, look.deadline, &CancellationToken::new()).await?;
        let (mut stdout, mut stderr) = (answer.stdout.concat(), answer.stderr);
        let surplus = stdout.len().saturating_sub(look.keep) + stderr.len().saturating_sub(look.keep);
        stdout.truncate(look.keep);
        stderr.truncate(look.keep);
        Ok(Looked {
            ending,
            stdout,
            stderr,
            dropped: surplus as u64,
        })
    }

    async fn write_file(&self, write: &FileWrite) -> Result<(), NodeError> {
        self.written(FakeCall::WriteFile(write.clone()))
    }

    async fn keep(&self, name: &str, content: &[u8]) -> Result<(), NodeError> {
        self.written(FakeCall::Keep {
            name: name.to_owned(),
            content: content.to_vec(),
        })
    }

    async fn engine(&self) -> Result<Tunnel, NodeError> {
        self.note(FakeCall::Engine);
        self.way("engine")
    }

    async fn tunnel(&self, host: &str, port: u16) -> Result<Tunnel, NodeError> {
        let host = host.to_owned();
        self.note(FakeCall::Tunnel {
            host: host.clone(),
            port,
        });
        self.way(&format!("{host}:{port}"))
    }

    async fn close_instance(&self, instance: &InstanceId) -> Result<(), NodeError> {
        self.note(FakeCall::CloseInstance(instance.clone()));
        Ok(())
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
    use crate::node::ExecId;

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
        }
    }

    #[tokio::test]
    async fn it_answers_as_told_and_remembers() {
        let node = shared("node-0");
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
        assert_eq!(node.call_lines()[..2], ["exec false", "exec true"]);
    }

    #[tokio::test]
    async fn it_obeys_deadlines_and_cancelling() {
        tokio::time::pause();
        let node = shared("node-0");
        node.answer("slow", FakeAnswer::exited(0).takes(Duration::from_secs(61)));
        let cancel = CancellationToken::new();
        let ending = node.exec(&request("a", "slow"), &mut Nowhere, &cancel).await.unwrap();
        assert!(matches!(ending, Ending::TimedOut { .. }), "{ending:?}");
        cancel.cancel();
        let ending = node.exec(&request("b", "slow"), &mut Nowhere, &cancel).await.unwrap();
        assert_eq!(ending, Ending::Cancelled);
    }
}
