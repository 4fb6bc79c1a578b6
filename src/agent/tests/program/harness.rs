//! An agent with a test in labctl's place.

use labctl_agent::{
    Answer, Ending, Exec, Fault, Frames, GREETING, Hello, Ran, Request, Run, Stream, ToAgent, ToLabctl, encode,
};
use std::collections::VecDeque;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long anything may take.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// A running agent.
pub struct Agent {
    pub child: Child,
    pub stdin: Option<ChildStdin>,
    pub hello: Hello,
    /// The directory that holds its file.
    pub directory: PathBuf,
    messages: Receiver<ToLabctl>,
    /// What was said of other requests than the one that was waited for.
    held: VecDeque<ToLabctl>,
    next: u32,
    grants: bool,
    _place: TempDir,
}

/// What came of a request.
#[derive(Debug)]
pub struct Reply {
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    pub answer: Result<Answer, Fault>,
}

/// How an agent is started.
pub struct Start {
    pub root: &'static str,
    pub uid: u32,
    pub environment: Vec<(String, String)>,
}

impl Default for Start {
    fn default() -> Self {
        Self {
            root: "already",
            uid: 0,
            environment: Vec::new(),
        }
    }
}

/// Makes a directory that everybody may enter.
pub fn open_place() -> TempDir {
    let place = tempfile::tempdir().unwrap();
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
    place
}

/// Copies the program to `to`. By another process: a descriptor for writing that a child of this one inherits makes the file "busy".
pub fn copy_program(to: &Path) {
    let copied = Command::new("cp")
        .arg(env!("CARGO_BIN_EXE_labctl-agent"))
        .arg(to)
        .status();
    assert!(copied.unwrap().success(), "the program cannot be copied");
}

impl Agent {
    /// Starts one that is root's.
    pub fn start() -> Self {
        Self::start_as(Start::default())
    }

    /// Starts one that is nobody's.
    pub fn start_as_nobody() -> Self {
        Self::start_as(Start {
            root: "never",
            uid: 65534,
            ..Start::default()
        })
    }

    /// Starts one as `start` says.
    pub fn start_as(start: Start) -> Self {
        let place = open_place();
        let directory = place.path().join("labctl-agent-test");
        fs::DirBuilder::new().mode(0o755).create(&directory).unwrap();
        let program = directory.join("labctl-agent");
        copy_program(&program);
        if start.uid != 0 {
            std::os::unix::fs::chown(&directory, Some(start.uid), Some(start.uid)).unwrap();
        }
        let mut command = Command::new(&program);
        command
            .arg("user")
            .arg(&directory)
            .arg(start.root)
            .envs(start.environment);
        if start.uid != 0 {
            command.uid(start.uid).gid(start.uid).env("HOME", "/").current_dir("/");
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let stdout = child.stdout.take().unwrap();
        let (sender, messages) = channel();
        std::thread::spawn(move || listen(stdout, |message| sender.send(message).is_ok()));
        let Ok(ToLabctl::Hello(hello)) = messages.recv_timeout(PATIENCE) else {
            panic!("the agent does not say hello");
        };
        Self {
            stdin: child.stdin.take(),
            child,
            hello,
            directory,
            messages,
            held: VecDeque::new(),
            next: 1,
            grants: true,
            _place: place,
        }
    }

    /// Grants no credit from now on.
    pub fn grant_nothing(&mut self) {
        self.grants = false;
    }

    /// Says `message`.
    pub fn say(&mut self, message: &ToAgent) {
        let frame = encode(message).unwrap();
        self.stdin.as_mut().unwrap().write_all(&frame).unwrap();
    }

    /// Makes a request and returns its number.
    pub fn ask(&mut self, as_root: bool, request: Request) -> u32 {
        let id = self.next;
        self.next += 1;
        self.say(&ToAgent::Request { id, as_root, request });
        id
    }

    /// Returns the next message that comes within `time`.
    pub fn next_within(&mut self, time: Duration) -> Option<ToLabctl> {
        self.messages.recv_timeout(time).ok()
    }

    /// Waits for the answer to request `id`; grants what it sends.
    pub fn reply(&mut self, id: u32) -> Reply {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let limit = Instant::now() + PATIENCE;
        loop {
            match self.next_about(id, limit) {
                ToLabctl::Answer { answer, .. } => {
                    return Reply { stdout, stderr, answer };
                }
                ToLabctl::Data { stream, bytes, .. } => {
                    let count = u32::try_from(bytes.len()).unwrap();
                    match stream {
                        Stream::Stdout => stdout.extend(bytes),
                        Stream::Stderr => stderr.extend(bytes),
                    }
                    if self.grants {
                        self.say(&ToAgent::Grant { id, bytes: count });
                    }
                }
                _ => {}
            }
        }
    }

    /// Returns the next message about request `id`.
    fn next_about(&mut self, id: u32, limit: Instant) -> ToLabctl {
        if let Some(at) = self.held.iter().position(|message| about(message) == id) {
            return self.held.remove(at).unwrap();
        }
        loop {
            let left = limit.saturating_duration_since(Instant::now());
            let message = self
                .messages
                .recv_timeout(left)
                .expect("the agent does not answer in time");
            if about(&message) == id {
                return message;
            }
            self.held.push_back(message);
        }
    }

    /// Makes a request as root and returns the answer.
    pub fn answer(&mut self, request: Request) -> Result<Answer, Fault> {
        let id = self.ask(true, request);
        self.reply(id).answer
    }

    /// Makes a request that must not work, and returns why it did not.
    pub fn fault(&mut self, request: Request) -> String {
        self.answer(request).expect_err("this must not work").message
    }

    /// Runs `run`.
    pub fn run(&mut self, run: Run) -> Ran {
        match self.answer(Request::Run(run)) {
            Ok(Answer::Ran(ran)) => ran,
            other => panic!("{other:?}"),
        }
    }

    /// Runs a recorded command to its end, and returns how it ended and what it printed.
    pub fn exec(&mut self, exec: Exec) -> (Ending, Reply) {
        let id = self.ask(true, Request::Exec(exec));
        self.ended(id)
    }

    /// Waits for the end of the recorded command that request `id` follows.
    pub fn ended(&mut self, id: u32) -> (Ending, Reply) {
        let reply = self.reply(id);
        match &reply.answer {
            Ok(Answer::Ended { ending, .. }) => (ending.clone(), reply),
            other => panic!("{other:?}"),
        }
    }

    /// Ends the connection, and returns the agent's status.
    pub fn hang_up(mut self) -> ExitStatus {
        self.stdin = None;
        self.status()
    }

    /// Waits until the agent has ended.
    pub fn status(&mut self) -> ExitStatus {
        let mut status = None;
        until("the agent ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    /// Kills the agent as nothing can be done about.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn about(message: &ToLabctl) -> u32 {
    match message {
        ToLabctl::Hello(_) => 0,
        ToLabctl::Answer { id, .. }
        | ToLabctl::Data { id, .. }
        | ToLabctl::Connected { id }
        | ToLabctl::Grant { id, .. }
        | ToLabctl::End { id } => *id,
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.stdin = None;
        let _ = self.child.wait();
    }
}

fn listen(mut stdout: impl Read, mut hear: impl FnMut(ToLabctl) -> bool) {
    let (mut read, mut buffer) = (Vec::new(), vec![0; 64 << 10]);
    let mut frames = None::<Frames>;
    loop {
        let count = stdout.read(&mut buffer).unwrap_or(0);
        if count == 0 {
            return;
        }
        if let Some(frames) = &mut frames {
            frames.push(&buffer[..count]);
        } else {
            read.extend_from_slice(&buffer[..count]);
            let Some(at) = read.windows(GREETING.len()).position(|bytes| bytes == GREETING) else {
                continue;
            };
            let mut begun = Frames::default();
            begun.push(&read[at + GREETING.len()..]);
            frames = Some(begun);
        }
        while let Some(message) = frames.as_mut().and_then(|frames| frames.next().unwrap()) {
            if !hear(message) {
                return;
            }
        }
    }
}

/// Waits until `holds`; `what` is that in words.
#[track_caller]
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let limit = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < limit, "not so within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Makes words of `line`.
pub fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

/// Makes the words of a shell's command.
pub fn shell(text: &str) -> Vec<String> {
    vec!["/bin/sh".to_owned(), "-c".to_owned(), text.to_owned()]
}

/// Makes a command that leaves no record.
pub fn run(text: &str) -> Run {
    Run {
        words: shell(text),
        deadline_ms: 10_000,
        keep: 1 << 20,
        ..Run::default()
    }
}

/// Says whether process `pid` lives.
pub fn lives(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    stat.rsplit(')')
        .next()
        .is_some_and(|rest| !rest.trim().is_empty() && !rest.trim().starts_with('Z'))
}

/// Checks that the two lines of /proc/self/status in `lines` tell of no signal that is ignored or blocked. The C library has two of its own
/// above 31.
#[track_caller]
pub fn assert_signals_are_as_usual(lines: &[u8]) {
    let text = String::from_utf8_lossy(lines);
    let masks = text.lines().filter_map(|line| line.split_once('\t'));
    let masks: Vec<u64> = masks
        .map(|(_, mask)| u64::from_str_radix(mask.trim(), 16).unwrap())
        .collect();
    assert!(
        masks.len() == 2 && masks.iter().all(|mask| mask & 0x7fff_ffff == 0),
        "{text}"
    );
}
