//! Root's part of the agent: a second process of the same file behind `sudo -n`. Started when root is first needed.

use crate::channel::{CHUNK, lock, read_some, write_all};
use crate::faults::{failed, plain};
use crate::own_file::OwnFile;
use crate::terminal::Terminal;
use crate::threads;
use crate::voice::Voice;
use labctl_agent::{Fault, FaultKind, Frames, GREETING, ToAgent, ToLabctl, encode};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How much may be printed before the greeting.
const NOISE: usize = 64 << 10;

/// How much of what sudo says is kept.
const SAID: usize = 8 << 10;

/// How long sudo may take to say yes or no.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long sudo's last words are waited for.
const LAST_WORDS: Duration = Duration::from_secs(1);

const GONE: &str = "root's part of the agent is gone";

/// The way to root's part.
#[derive(Debug)]
pub(crate) struct RootPart {
    own_file: OwnFile,
    /// What sudo leaves in the login user's home when it is used for the first time.
    sudo_note: PathBuf,
    voice: Arc<Voice>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    stage: Stage,
    /// The requests that root's part has not answered yet.
    pending: HashSet<u32>,
}

#[derive(Debug)]
enum Stage {
    /// Not needed so far, or gone and to be started again.
    Down,
    /// It takes messages, or will when it is up.
    Started(Sender<Vec<u8>>),
    /// Root is not to be had, and why.
    Refused(String),
    /// It was up, and cannot be started again.
    Gone,
}

impl RootPart {
    /// Prepares the way for the program in `own_file`, and for answers on `voice`.
    pub(crate) fn new(own_file: OwnFile, home: &str, voice: Arc<Voice>) -> Self {
        Self {
            own_file,
            sudo_note: PathBuf::from(home).join(".sudo_as_admin_successful"),
            voice,
            state: Mutex::new(State {
                stage: Stage::Down,
                pending: HashSet::new(),
            }),
        }
    }

    /// Removes the program's file.
    pub(crate) fn remove_file(&self) {
        self.own_file.remove();
    }

    /// Gives request `id`, which is `message`, to root's part.
    pub(crate) fn request(self: &Arc<Self>, id: u32, message: &ToAgent) {
        let frame = match encode(message) {
            Ok(frame) => frame,
            Err(error) => return self.answer(id, failed(error.to_string())),
        };
        let mut state = lock(&self.state);
        if matches!(state.stage, Stage::Down) {
            state.stage = self.start();
        }
        let fault = match &state.stage {
            Stage::Started(messages) if messages.send(frame).is_ok() => {
                state.pending.insert(id);
                return;
            }
            Stage::Refused(reason) => no_root(reason),
            _ => failed(GONE),
        };
        drop(state);
        self.answer(id, fault);
    }

    /// Gives `message` about request `id` to root's part, where that has the request.
    pub(crate) fn forward(&self, id: u32, message: &ToAgent) {
        let state = lock(&self.state);
        if let (Stage::Started(messages), true, Ok(frame)) =
            (&state.stage, state.pending.contains(&id), encode(message))
        {
            // Where it is gone, the request is answered with that.
            let _ = messages.send(frame);
        }
    }

    fn answer(&self, id: u32, fault: Fault) {
        self.voice.say(&ToLabctl::Answer { id, answer: Err(fault) });
    }

    fn start(self: &Arc<Self>) -> Stage {
        let (sender, messages) = channel();
        let root = Arc::clone(self);
        match threads::start(move || root.attend(messages)) {
            Ok(_) => Stage::Started(sender),
            Err(error) => Stage::Refused(plain(&error)),
        }
    }

    /// Starts root's part and listens to it until it ends.
    fn attend(&self, messages: Receiver<Vec<u8>>) {
        let had_note = self.sudo_note.symlink_metadata().is_ok();
        // `requiretty` is rare; where no terminal is to be had, sudo says so if it wants one.
        let terminal = Terminal::open().ok();
        let up = Sudo::start(self, terminal.as_ref()).and_then(Sudo::await_greeting);
        if !had_note {
            // A look changes nothing on the node.
            let _ = fs::remove_file(&self.sudo_note);
        }
        // sudo has found the file, or will not.
        self.own_file.remove();
        match up {
            Err(reason) => self.leave(Stage::Refused(reason.clone()), &no_root(&reason)),
            Ok((sudo, frames)) => {
                self.listen(sudo, frames, messages);
                let is_there = self.own_file.path().exists();
                self.leave(if is_there { Stage::Down } else { Stage::Gone }, &failed(GONE));
            }
        }
        drop(terminal);
    }

    /// Answers all that waits with `fault`.
    fn leave(&self, stage: Stage, fault: &Fault) {
        let mut state = lock(&self.state);
        state.stage = stage;
        let pending = std::mem::take(&mut state.pending);
        drop(state);
        for id in pending {
            self.answer(id, fault.clone());
        }
    }

    fn listen(&self, sudo: Sudo, mut frames: Frames, messages: Receiver<Vec<u8>>) {
        let Sudo {
            stdin,
            stdout,
            mut child,
            ..
        } = sudo;
        let writing = threads::start(move || {
            // Ends with the last sender, or with root's part.
            for message in messages {
                if write_all(&stdin, &message).is_err() {
                    return;
                }
            }
        });
        let mut buffer = vec![0; CHUNK];
        while writing.is_ok() && self.bring_all(&mut frames) {
            match read_some(&stdout, &mut buffer) {
                Ok(read) if read > 0 => frames.push(&buffer[..read]),
                _ => break,
            }
        }
        let _ = threads::start(move || child.wait());
    }

    /// Brings all that has come to labctl; `false` where it cannot be read.
    fn bring_all(&self, frames: &mut Frames) -> bool {
        loop {
            match frames.next::<ToLabctl>() {
                Ok(Some(message)) => self.bring(&message),
                Ok(None) => return true,
                Err(_) => return false,
            }
        }
    }

    fn bring(&self, message: &ToLabctl) {
        if let ToLabctl::Answer { id, .. } = message {
            lock(&self.state).pending.remove(id);
        }
        if !matches!(message, ToLabctl::Hello(_)) {
            self.voice.say(message);
        }
    }
}

fn no_root(reason: &str) -> Fault {
    Fault {
        kind: FaultKind::NoRoot,
        message: reason.to_owned(),
    }
}

/// sudo, and behind it root's part.
struct Sudo {
    child: Child,
    stdin: ChildStdin,
    stdout: ChildStdout,
    said: JoinHandle<()>,
    words: Arc<Mutex<Vec<u8>>>,
}

impl Sudo {
    /// Starts it. Fails with the reason.
    fn start(root: &RootPart, terminal: Option<&Terminal>) -> Result<Self, String> {
        let mut command = match terminal {
            Some(terminal) => {
                let mut command = Command::new("/proc/self/exe");
                command.arg("tty").arg(&terminal.path).arg("sudo");
                command
            }
            None => Command::new("sudo"),
        };
        command.arg("-n").arg("--").arg(root.own_file.path()).arg("root");
        let spawned = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = spawned.map_err(|error| format!("sudo does not start: {}", plain(&error)))?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
            return Err("sudo does not start".to_owned());
        };
        let words = Arc::new(Mutex::new(Vec::new()));
        let gathered = Arc::clone(&words);
        let said = threads::start(move || gather(&stderr, &gathered)).map_err(|error| plain(&error))?;
        Ok(Self {
            child,
            stdin,
            stdout,
            said,
            words,
        })
    }

    /// Waits until root's part has said hello, and returns what it says from there on. Fails with what sudo says.
    fn await_greeting(mut self) -> Result<(Self, Frames), String> {
        let (mut noise, mut buffer) = (Vec::new(), vec![0; CHUNK]);
        let limit = Instant::now() + PATIENCE;
        loop {
            match read_until(&self.stdout, &mut buffer, limit) {
                Err(_) => return Err(self.trouble(&format!("sudo says nothing within {} s", PATIENCE.as_secs()))),
                Ok(0) => return Err(self.trouble("sudo ends without a word")),
                Ok(read) => noise.extend_from_slice(&buffer[..read]),
            }
            let found = noise.windows(GREETING.len()).position(|bytes| bytes == GREETING);
            if let Some(at) = found {
                let mut frames = Frames::default();
                frames.push(&noise[at + GREETING.len()..]);
                return Ok((self, frames));
            }
            if noise.len() > NOISE + GREETING.len() {
                return Err(self.trouble("sudo says too much"));
            }
        }
    }

    /// Returns what was said on standard error, or `otherwise`.
    fn trouble(&mut self, otherwise: &str) -> String {
        let limit = Instant::now() + LAST_WORDS;
        while !self.said.is_finished() && Instant::now() < limit {
            std::thread::sleep(Duration::from_millis(5));
        }
        // Where it may not be ended, it ends when it finds its input closed.
        let _ = self.child.kill();
        let _ = self.child.try_wait();
        let words = lock(&self.words);
        let words = String::from_utf8_lossy(&words);
        let words = words.trim();
        if words.is_empty() {
            otherwise.to_owned()
        } else {
            words.to_owned()
        }
    }
}

/// Reads some bytes, at most until `limit`.
fn read_until(from: impl AsFd, buffer: &mut [u8], limit: Instant) -> io::Result<usize> {
    let from = from.as_fd();
    let left = limit.saturating_duration_since(Instant::now());
    let left = Timespec::try_from(left).map_err(io::Error::other)?;
    match poll(&mut [PollFd::new(&from, PollFlags::IN)], Some(&left)) {
        Ok(0) => Err(io::ErrorKind::TimedOut.into()),
        Ok(_) => read_some(from, buffer),
        Err(error) => Err(error.into()),
    }
}

/// Keeps the beginning of what comes, and reads on: nobody shall wait for room.
fn gather(stderr: &ChildStderr, words: &Mutex<Vec<u8>>) {
    let mut buffer = [0; 1024];
    while let Ok(read) = read_some(stderr, &mut buffer) {
        if read == 0 {
            return;
        }
        let mut words = lock(words);
        let room = SAID.saturating_sub(words.len());
        words.extend_from_slice(&buffer[..read.min(room)]);
    }
}
