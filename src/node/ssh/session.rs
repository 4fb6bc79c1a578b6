//! A conversation with the agent of one node: requests go out, what is said of each comes back to whoever asked.

use super::boot::{BootError, Started, boot};
use crate::node::printable::printable_line;
use backon::{BackoffBuilder, ExponentialBuilder};
use labctl_agent::{Frames, Hello, Request, ToAgent, ToLabctl, encode};
use openssh::{Child, ChildStdin, Session, Stdio};
use std::collections::HashMap;
use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::task::AbortOnDropHandle;

/// How long the node may take to accept a session. A frozen peer is noticed by ssh itself after about 7 s.
const OPENING: Duration = Duration::from_secs(12);

/// How long the agent may take to end after the last word to it.
const ENDING: Duration = Duration::from_secs(3);

/// How long its complaints are waited for when it has ended.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// How much of its complaints is kept.
const COMPLAINTS: usize = 8 << 10;

/// A conversation with an agent. It ends with the connection, or when it is dropped.
#[derive(Debug)]
pub(super) struct AgentSession {
    pub hello: Hello,
    outgoing: UnboundedSender<Vec<u8>>,
    board: Arc<Board>,
    ended: watch::Receiver<bool>,
    _tasks: [AbortOnDropHandle<()>; 2],
}

/// Who waits for what.
#[derive(Debug, Default)]
struct Board(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    last: u32,
    /// When something was asked or answered last.
    used: Option<Instant>,
    asked: HashMap<u32, UnboundedSender<ToLabctl>>,
    /// Why nothing more will be answered.
    ended: Option<String>,
}

impl Board {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, reason: String) {
        let mut waiting = self.lock();
        waiting.ended.get_or_insert(reason);
        waiting.asked.clear();
    }
}

/// A request that is under way. Dropped before it was answered, it is cancelled, unless it is to go on.
#[derive(Debug)]
pub(super) struct Pending {
    id: u32,
    messages: UnboundedReceiver<ToLabctl>,
    session: Arc<AgentSession>,
    ends_with_us: bool,
}

impl AgentSession {
    /// Starts an agent through `session`, before `deadline`.
    pub async fn start(session: &Arc<Session>, sudo: bool, deadline: Instant) -> Result<Self, BootError> {
        let started = boot(session, sudo, deadline).await?;
        let Started {
            hello,
            frames,
            stdin,
            stdout,
            stderr,
            child,
        } = started;
        let board = Arc::new(Board::default());
        board.lock().used = Some(Instant::now());
        let (outgoing, words) = unbounded_channel();
        let (end, ended) = watch::channel(false);
        let listening = {
            let board = Arc::clone(&board);
            tokio::spawn(async move {
                let reason = listen(&board, frames, stdout, stderr).await;
                board.end(reason);
                drop(child);
                let _ = end.send(true);
            })
        };
        Ok(Self {
            hello,
            outgoing,
            board,
            ended,
            _tasks: [
                AbortOnDropHandle::new(listening),
                AbortOnDropHandle::new(tokio::spawn(speak(words, stdin))),
            ],
        })
    }

    /// Asks for `request`. Fails with the reason where the conversation has ended.
    pub fn request(self: &Arc<Self>, as_root: bool, request: Request) -> Result<Pending, String> {
        let (sender, messages) = unbounded_channel();
        let id = {
            let mut waiting = self.board.lock();
            if let Some(reason) = &waiting.ended {
                return Err(reason.clone());
            }
            loop {
                waiting.last = waiting.last.wrapping_add(1);
                if !waiting.asked.contains_key(&waiting.last) {
                    break;
                }
            }
            let id = waiting.last;
            waiting.asked.insert(id, sender);
            waiting.used = Some(Instant::now());
            id
        };
        let pending = Pending {
            id,
            messages,
            session: Arc::clone(self),
            ends_with_us: true,
        };
        self.say(&ToAgent::Request { id, as_root, request })?;
        Ok(pending)
    }

    fn say(&self, message: &ToAgent) -> Result<(), String> {
        let frame = encode(message).map_err(|error| error.to_string())?;
        self.outgoing.send(frame).map_err(|_| self.reason())
    }

    /// Returns since when nothing is under way; `None` where something is.
    pub fn idle_since(&self) -> Option<Instant> {
        let waiting = self.board.lock();
        waiting.used.filter(|_| waiting.asked.is_empty())
    }

    /// Returns why the conversation has ended.
    pub fn reason(&self) -> String {
        let reason = self.board.lock().ended.clone();
        reason.unwrap_or_else(|| "the connection was lost".to_owned())
    }

    /// Says that nothing more will be asked, and waits until the agent has ended.
    pub async fn finish(&self) {
        // An empty frame is no message: it ends the writer, and that the agent's standard input.
        let _ = self.outgoing.send(Vec::new());
        let mut ended = self.ended.clone();
        let _ = timeout(ENDING, ended.wait_for(|ended| *ended)).await;
    }
}

impl Pending {
    /// Waits for the next thing that is said of it; `None` where the conversation has ended.
    pub async fn next(&mut self) -> Option<ToLabctl> {
        let message = self.messages.recv().await;
        if matches!(message, None | Some(ToLabctl::Answer { .. })) {
            self.ends_with_us = false;
        }
        message
    }

    /// Lets it go on when this is dropped.
    pub fn outlive(&mut self) {
        self.ends_with_us = false;
    }

    /// Says that the answer is no longer wanted; there will be one all the same.
    pub fn cancel(&self) {
        let _ = self.session.say(&ToAgent::Cancel { id: self.id });
    }

    /// Lets the agent send so many more bytes.
    pub fn grant(&self, bytes: u32) {
        let _ = self.session.say(&ToAgent::Grant { id: self.id, bytes });
    }

    /// Sends the next bytes.
    pub fn send(&self, bytes: Vec<u8>) {
        let _ = self.session.say(&ToAgent::Data { id: self.id, bytes });
    }

    /// Says that no more bytes come.
    pub fn end(&self) {
        let _ = self.session.say(&ToAgent::End { id: self.id });
    }

    /// Returns why the conversation has ended.
    pub fn reason(&self) -> String {
        self.session.reason()
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let mut waiting = self.session.board.lock();
        waiting.asked.remove(&self.id);
        waiting.used = Some(Instant::now());
        drop(waiting);
        if self.ends_with_us {
            self.cancel();
        }
    }
}

async fn speak(mut words: UnboundedReceiver<Vec<u8>>, mut stdin: ChildStdin) {
    while let Some(frame) = words.recv().await {
        if frame.is_empty() {
            return;
        }
        // Where the agent is gone, whoever listens notices.
        if stdin.write_all(&frame).await.is_err() {
            return;
        }
        if words.is_empty() && stdin.flush().await.is_err() {
            return;
        }
    }
}

/// Hands on what the agent says until it ends; returns why it ended.
async fn listen(
    board: &Board,
    mut frames: Frames,
    mut stdout: impl AsyncRead + Unpin,
    mut stderr: impl AsyncRead + Unpin,
) -> String {
    let mut complaints = Vec::new();
    let end = {
        let complaining = read_complaints(&mut stderr, &mut complaints);
        tokio::pin!(complaining);
        let mut buffer = vec![0; 64 << 10];
        let mut complains = true;
        loop {
            match hand_on(board, &mut frames) {
                Ok(()) => {}
                Err(reason) => break Some(reason),
            }
            let read = tokio::select! {
                read = stdout.read(&mut buffer) => read,
                // Its standard error may end first.
                () = &mut complaining, if complains => {
                    complains = false;
                    continue;
                }
            };
            match read {
                Ok(read) if read > 0 => frames.push(&buffer[..read]),
                _ => break None,
            }
        }
    };
    if let Some(reason) = end {
        return reason;
    }
    let _ = timeout(LAST_WORDS, read_complaints(&mut stderr, &mut complaints)).await;
    let said = printable_line(&complaints);
    let cut = if frames.is_cut() {
        " in the middle of an answer"
    } else {
        ""
    };
    if said.is_empty() {
        format!("the connection to the agent ended{cut}")
    } else {
        format!("the connection to the agent ended{cut}: {said}")
    }
}

async fn read_complaints(stderr: &mut (impl AsyncRead + Unpin), complaints: &mut Vec<u8>) {
    let mut buffer = [0; 4096];
    while let Ok(read) = stderr.read(&mut buffer).await {
        if read == 0 {
            return;
        }
        let room = COMPLAINTS.saturating_sub(complaints.len());
        complaints.extend_from_slice(&buffer[..read.min(room)]);
    }
}

fn hand_on(board: &Board, frames: &mut Frames) -> Result<(), String> {
    loop {
        let message = frames
            .next()
            .map_err(|error| format!("the agent's answer is no message of the protocol: {error}"))?;
        let (id, is_last) = match &message {
            None => return Ok(()),
            Some(ToLabctl::Hello(_)) => return Err("the agent said hello twice".to_owned()),
            Some(ToLabctl::Answer { id, .. }) => (*id, true),
            Some(
                ToLabctl::Data { id, .. }
                | ToLabctl::Connected { id }
                | ToLabctl::Grant { id, .. }
                | ToLabctl::End { id },
            ) => (*id, false),
        };
        let mut waiting = board.lock();
        // Whoever asked may want it no longer.
        if let (Some(asker), Some(message)) = (waiting.asked.get(&id), message) {
            let _ = asker.send(message);
        }
        if is_last {
            waiting.asked.remove(&id);
        }
    }
}

/// Starts `words` on the node, for the login user's shell. Fails with what ssh said.
pub(super) async fn spawn(
    session: &Arc<Session>,
    words: &str,
    deadline: Instant,
) -> Result<Child<Arc<Session>>, String> {
    let mut pauses = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(20))
        .with_max_delay(Duration::from_millis(500))
        .without_max_times()
        .build();
    loop {
        let mut starting = session.clone().arc_raw_command(words);
        starting
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let error = match timeout(OPENING, starting.spawn()).await {
            Ok(Ok(child)) => return Ok(child),
            Ok(Err(error)) => with_causes(&error),
            Err(_) => return Err("the node did not answer".to_owned()),
        };
        // Somebody else may use this connection's only session.
        if !error.contains("refused by peer") {
            return Err(error);
        }
        if Instant::now() >= deadline {
            return Err("sshd allows no session (see MaxSessions)".to_owned());
        }
        sleep(pauses.next().unwrap_or(Duration::from_millis(500))).await;
    }
}

/// Returns `error` with everything that caused it, on one line.
fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    printable_line(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_conversation_whose_standard_error_ends_first_is_heard_to_its_end() {
        let (mut agent, here) = tokio::io::duplex(64);
        let board = Board::default();
        let listening = listen(&board, Frames::default(), here, tokio::io::empty());
        let speaking = async {
            for byte in [200, 0, 0] {
                agent.write_all(&[byte]).await.unwrap();
                tokio::task::yield_now().await;
            }
            drop(agent);
        };
        let (reason, ()) = tokio::join!(listening, speaking);
        assert_eq!(reason, "the connection to the agent ended in the middle of an answer");
    }
}
