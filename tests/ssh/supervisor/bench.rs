//! The supervisor and what it is told, as on a node, in a directory of one test.

use labctl::node::supervisor::{Account, Answer, Conclusion, Order, SCRIPT};
use labctl::node::{Command, Ending, ExecId, ExecRequest, OutputSink, Stream};
use secrecy::ExposeSecret;
use std::fs;
use std::io::{Read, Write};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

#[derive(Default)]
pub struct Kept {
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    pub cut: [u64; 2],
}

impl OutputSink for Kept {
    fn chunk(&mut self, stream: Stream, bytes: &[u8]) {
        match stream {
            Stream::Stdout => self.stdout.extend_from_slice(bytes),
            Stream::Stderr => self.stderr.extend_from_slice(bytes),
        }
    }

    fn cut(&mut self, stream: Stream, bytes: u64) {
        self.cut[usize::from(stream == Stream::Stderr)] = bytes;
    }
}

/// A directory as it is on a node, for one test; what still runs when the test ends is killed.
pub struct Bench {
    pub directory: tempfile::TempDir,
    pub cap: u64,
    pub grace: u64,
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = self.supervisor(&["close"]).wait();
    }
}

impl Bench {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("supervisor"), SCRIPT).unwrap();
        Self {
            directory,
            cap: 64 << 20,
            grace: 1,
        }
    }

    pub fn supervisor(&self, arguments: &[&str]) -> Child {
        std::process::Command::new("/bin/sh")
            .arg(self.directory.path().join("supervisor"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap()
    }

    pub fn start(&self, request: &ExecRequest) -> Child {
        let order = Order::new(request, &nobody()).unwrap();
        let mut child = self.supervisor(&[
            "run",
            &request.id.0,
            &order.spec_length.to_string(),
            &order.stdin_length.to_string(),
            &request.deadline.as_secs_f64().to_string(),
            &self.cap.to_string(),
            &self.grace.to_string(),
        ]);
        // A record that exists takes no order: the pipe may be closed already.
        let _ = child
            .stdin
            .take()
            .unwrap()
            .write_all(order.bytes.expose_secret().as_bytes());
        child
    }

    pub fn run(&self, request: &ExecRequest) -> (Ending, Kept) {
        finish(self.start(request), Answer::default())
    }

    pub fn record(&self, name: &str) -> String {
        fs::read_to_string(self.directory.path().join("exec").join(name)).unwrap_or_default()
    }
}

pub fn finish(mut child: Child, mut answer: Answer) -> (Ending, Kept) {
    let (mut kept, mut buffer) = (Kept::default(), vec![0; 65536]);
    let mut stdout = child.stdout.take().unwrap();
    loop {
        let read = stdout.read(&mut buffer).unwrap();
        if read == 0 {
            break;
        }
        answer.feed(&buffer[..read], &mut kept);
    }
    child.wait().unwrap();
    match answer.conclusion(Duration::from_secs(1)) {
        Some(Conclusion::Ended(ending)) => (ending, kept),
        other => panic!("the supervisor ended with {other:?}"),
    }
}

pub fn nobody() -> Account {
    Account {
        user: "nobody".into(),
        uid: 65534,
        gid: 65534,
        home: "/tmp".into(),
        shell: "/bin/sh".into(),
        path: "/usr/local/bin:/usr/bin:/bin".into(),
    }
}

pub fn argv(id: &str, words: &[&str]) -> ExecRequest {
    ExecRequest {
        id: ExecId(id.into()),
        command: Command::Argv(words.iter().map(|word| (*word).to_owned()).collect()),
        directory: Some("/".into()),
        environment: Vec::new(),
        stdin: None,
        as_root: true,
        deadline: Duration::from_secs(20),
    }
}

pub fn shell(id: &str, text: &str) -> ExecRequest {
    ExecRequest {
        command: Command::Shell(text.into()),
        ..argv(id, &[])
    }
}

pub fn exited(code: i32) -> Ending {
    Ending::Exited { code }
}

pub fn is_alive(pid: &str) -> bool {
    fs::read_to_string(format!("/proc/{}/stat", pid.trim())).is_ok_and(|stat| !stat.contains(") Z "))
}

pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(10), "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
