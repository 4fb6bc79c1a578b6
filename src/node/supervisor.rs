//! Our side of the supervisor, the shell program that runs commands on a node: what it is told, and what it answers.
//!
//! Responsible for the two formats and nothing else: who carries the bytes is not known here.

use super::printable::printable_line;
use super::{Command, Ending, ExecRequest, OutputSink, Stream};
use crate::domain::shell_quoted;
use secrecy::{ExposeSecret, SecretString};
use std::fmt::Write;
use std::time::Duration;

/// The program as it is sent to a node.
pub const SCRIPT: &str = include_str!("supervisor.sh");

/// How many bytes of each output stream the node keeps.
pub const CAP: u64 = 64 << 20;

/// How long a command has between TERM and KILL, in seconds.
pub const GRACE: u64 = 5;

/// Stands at the start of a line before the first frame; whatever a login shell printed before it is skipped.
const HANDSHAKE: &[u8] = b"labctl-exec-1\n";

/// How much noise is tolerated before the handshake.
const NOISE: usize = 64 << 10;

/// The longest header line of a frame.
const HEADER: usize = 128;

const ROOT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Whom commands run as that do not run as root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The login name.
    pub user: String,
    /// Its number.
    pub uid: u32,
    /// Its main group's number.
    pub gid: u32,
    /// Its home directory.
    pub home: String,
    /// Its shell.
    pub shell: String,
    /// Where its programs are found.
    pub path: String,
}

/// What the supervisor's `run` reads from standard input, and the lengths it is told as arguments.
#[derive(Debug, Clone)]
pub struct Order {
    /// The spec followed by what the command reads from standard input.
    pub bytes: SecretString,
    /// The length of the spec.
    pub spec_length: usize,
    /// The length of the rest.
    pub stdin_length: usize,
}

impl Order {
    /// Writes `request` down for the supervisor of a node where labctl is `account`. Fails with the reason where no
    /// POSIX system could start it.
    pub fn new(request: &ExecRequest, account: &Account) -> Result<Self, String> {
        let mut spec = spec(request, account)?;
        let spec_length = spec.len();
        if let Some(stdin) = &request.stdin {
            spec.push_str(stdin.expose_secret());
        }
        Ok(Self {
            stdin_length: spec.len() - spec_length,
            spec_length,
            bytes: SecretString::from(spec),
        })
    }
}

fn spec(request: &ExecRequest, account: &Account) -> Result<String, String> {
    let mut spec = String::new();
    let (uid, gid) = if request.as_root {
        (0, 0)
    } else {
        (account.uid, account.gid)
    };
    let directory = directory(request.directory.as_deref(), &account.home);
    // Writing to a String cannot fail.
    let _ = writeln!(spec, "uid={uid} gid={gid} directory={}", quoted(&directory)?);
    spec.push_str("environment() {\n");
    for (name, value) in login_environment(request.as_root, account) {
        let _ = writeln!(spec, "export {name}={}", quoted(value)?);
    }
    for (name, value) in &request.environment {
        if !is_variable_name(name) {
            return Err(format!(
                "`{}` cannot be the name of an environment variable",
                name.escape_debug()
            ));
        }
        let _ = writeln!(spec, "export {name}={}", quoted(value.expose_secret())?);
    }
    spec.push_str("}\nset --");
    for word in words(&request.command) {
        spec.push(' ');
        spec.push_str(&quoted(word)?);
    }
    spec.push('\n');
    Ok(spec)
}

fn words(command: &Command) -> Vec<&str> {
    match command {
        Command::Argv(words) => words.iter().map(String::as_str).collect(),
        Command::Shell(text) => vec!["/bin/sh", "-c", text],
    }
}

fn login_environment(as_root: bool, account: &Account) -> [(&'static str, &str); 6] {
    let (user, home, shell, path) = if as_root {
        ("root", "/root", "/bin/sh", ROOT_PATH)
    } else {
        (
            account.user.as_str(),
            account.home.as_str(),
            account.shell.as_str(),
            account.path.as_str(),
        )
    };
    [
        ("HOME", home),
        ("USER", user),
        ("LOGNAME", user),
        ("SHELL", shell),
        ("PATH", path),
        ("LANG", "C.UTF-8"),
    ]
}

/// Returns the directory to start in, with `~/` standing for `home`.
pub(crate) fn directory(asked: Option<&str>, home: &str) -> String {
    match asked {
        None | Some("~" | "~/") => home.to_owned(),
        Some(path) => match path.strip_prefix("~/") {
            Some(rest) => format!("{}/{rest}", home.trim_end_matches('/')),
            None => path.to_owned(),
        },
    }
}

fn quoted(value: &str) -> Result<String, String> {
    if value.contains('\0') {
        return Err("it contains a zero byte, which no argument or variable may".to_owned());
    }
    Ok(shell_quoted(value))
}

fn is_variable_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Reads the supervisor's answer, in pieces of any size.
#[derive(Debug, Default)]
pub struct Answer {
    state: State,
    line: Vec<u8>,
    delivered: [u64; 2],
    reason: Vec<u8>,
    conclusion: Option<(String, i32)>,
    broken: bool,
}

#[derive(Debug, Default, Clone, Copy)]
enum State {
    #[default]
    BeforeHandshake,
    Header,
    Body(Body, u64),
    Over,
}

#[derive(Debug, Clone, Copy)]
enum Body {
    Output(Stream),
    Reason,
}

/// How an exec ended as the supervisor says it, or why it could not do its work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Conclusion {
    /// It ended.
    Ended(Ending),
    /// The supervisor has no such record, or could not keep one.
    Fault(String),
}

impl Answer {
    /// Starts reading an answer that goes on after `delivered` bytes of standard output and error.
    pub fn after(delivered: [u64; 2]) -> Self {
        Self {
            delivered,
            ..Self::default()
        }
    }

    /// Returns how many bytes of standard output and error were handed on.
    pub fn delivered(&self) -> [u64; 2] {
        self.delivered
    }

    /// Returns whether the supervisor has said anything.
    pub fn has_begun(&self) -> bool {
        !matches!(self.state, State::BeforeHandshake)
    }

    /// Takes the next `bytes`; hands output on to `sink`.
    pub fn feed(&mut self, mut bytes: &[u8], sink: &mut dyn OutputSink) {
        while !bytes.is_empty() && !self.broken {
            match self.state {
                State::BeforeHandshake => bytes = self.skip_noise(bytes),
                State::Header => bytes = self.header(bytes, sink),
                State::Body(body, left) => bytes = self.body(body, left, bytes, sink),
                State::Over => return,
            }
        }
    }

    fn skip_noise<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let end = bytes
            .iter()
            .position(|byte| *byte == b'\n')
            .map_or(bytes.len(), |at| at + 1);
        self.line.extend_from_slice(&bytes[..end]);
        if self.line == HANDSHAKE {
            self.state = State::Header;
            self.line.clear();
        } else if self.line.ends_with(b"\n") {
            self.line.clear();
        } else if self.line.len() > NOISE {
            self.broken = true;
        }
        &bytes[end..]
    }

    fn header<'a>(&mut self, bytes: &'a [u8], sink: &mut dyn OutputSink) -> &'a [u8] {
        let end = bytes
            .iter()
            .position(|byte| *byte == b'\n')
            .map_or(bytes.len(), |at| at + 1);
        self.line.extend_from_slice(&bytes[..end]);
        if self.line.ends_with(b"\n") {
            let line = String::from_utf8_lossy(&self.line).trim_end().to_owned();
            self.line.clear();
            self.understand(&line, sink);
        } else if self.line.len() > HEADER {
            self.broken = true;
        }
        &bytes[end..]
    }

    fn understand(&mut self, line: &str, sink: &mut dyn OutputSink) {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |at: usize| words.get(at).and_then(|word| word.parse::<u64>().ok());
        match (words.first().copied(), number(1)) {
            (Some("o"), Some(length)) => self.state = State::Body(Body::Output(Stream::Stdout), length),
            (Some("e"), Some(length)) => self.state = State::Body(Body::Output(Stream::Stderr), length),
            (Some("r"), Some(length)) => self.state = State::Body(Body::Reason, length),
            (Some("c"), Some(stdout)) => {
                for (stream, cut) in [(Stream::Stdout, stdout), (Stream::Stderr, number(2).unwrap_or(0))] {
                    if cut > 0 {
                        sink.cut(stream, cut);
                    }
                }
            }
            (Some("x"), None) => self.conclude(&words),
            (Some("."), None) => {}
            _ => self.broken = true,
        }
        if let State::Body(_, 0) = self.state {
            self.state = State::Header;
        }
    }

    fn conclude(&mut self, words: &[&str]) {
        let kind = words.get(1).copied().unwrap_or_default();
        let number = words.get(2).and_then(|word| word.parse().ok()).unwrap_or_default();
        self.conclusion = Some((kind.to_owned(), number));
        self.state = State::Over;
    }

    fn body<'a>(&mut self, body: Body, left: u64, bytes: &'a [u8], sink: &mut dyn OutputSink) -> &'a [u8] {
        let take = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        let (taken, rest) = bytes.split_at(take);
        match body {
            Body::Output(stream) => {
                sink.chunk(stream, taken);
                self.delivered[usize::from(stream == Stream::Stderr)] += take as u64;
            }
            Body::Reason if self.reason.len() < NOISE => self.reason.extend_from_slice(taken),
            Body::Reason => {}
        }
        self.state = match left - take as u64 {
            0 => State::Header,
            left => State::Body(body, left),
        };
        rest
    }

    /// Returns how it ended, once that is known; `deadline` is what it was given.
    pub fn conclusion(&self, deadline: Duration) -> Option<Conclusion> {
        if self.broken {
            return Some(Conclusion::Fault("the supervisor's answer made no sense".to_owned()));
        }
        let (kind, number) = self.conclusion.as_ref()?;
        let reason = printable_line(&self.reason);
        Some(Conclusion::Ended(match kind.as_str() {
            "exited" => Ending::Exited { code: *number },
            "signalled" => Ending::Signalled { signal: *number },
            "timedout" => Ending::TimedOut { after: deadline },
            "cancelled" => Ending::Cancelled,
            "unstarted" => Ending::CouldNotStart { reason },
            "lost" => Ending::LostConnection { reason },
            _ => return Some(Conclusion::Fault(reason)),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Kept(Vec<(Stream, Vec<u8>)>, Vec<(Stream, u64)>);

    impl OutputSink for Kept {
        fn chunk(&mut self, stream: Stream, bytes: &[u8]) {
            match self.0.last_mut() {
                Some((last, kept)) if *last == stream => kept.extend_from_slice(bytes),
                _ => self.0.push((stream, bytes.to_vec())),
            }
        }

        fn cut(&mut self, stream: Stream, bytes: u64) {
            self.1.push((stream, bytes));
        }
    }

    #[test]
    fn an_answer_is_the_same_in_pieces_of_any_size() {
        let told = b"motd\nlabctl-exec-2\n\nlabctl-exec-1\no 6\nx 1\n\x00\xffe 2\nab.\n.\nc 0 7\nx exited 3\ntrailing";
        for size in 1..told.len() {
            let (mut answer, mut kept) = (Answer::after([10, 0]), Kept::default());
            for piece in told.chunks(size) {
                answer.feed(piece, &mut kept);
            }
            let expected = vec![
                (Stream::Stdout, b"x 1\n\x00\xff".to_vec()),
                (Stream::Stderr, b"ab".to_vec()),
            ];
            assert_eq!(kept.0, expected, "in pieces of {size}");
            assert_eq!(kept.1, [(Stream::Stderr, 7)]);
            assert_eq!(answer.delivered(), [16, 2]);
            assert_eq!(
                answer.conclusion(Duration::ZERO),
                Some(Conclusion::Ended(Ending::Exited { code: 3 }))
            );
        }
    }

    #[test]
    fn an_answer_that_makes_no_sense_is_a_fault_of_the_node() {
        for told in ["o\n", "o -1\n", "hello\n", &"x".repeat(1000), "x strange 0\n"] {
            let mut answer = Answer::default();
            answer.feed(format!("labctl-exec-1\n{told}").as_bytes(), &mut Kept::default());
            let conclusion = answer.conclusion(Duration::ZERO);
            assert!(
                matches!(conclusion, Some(Conclusion::Fault(_))),
                "{told:?} gave {conclusion:?}"
            );
        }
    }

    #[test]
    fn what_no_system_can_start_is_refused() {
        let account = Account {
            user: "ann".into(),
            uid: 1,
            gid: 1,
            home: "/home/ann".into(),
            shell: "/bin/sh".into(),
            path: "/bin".into(),
        };
        let mut request = ExecRequest {
            id: super::super::ExecId("a".into()),
            command: Command::Argv(vec!["a\0b".into()]),
            directory: None,
            environment: Vec::new(),
            stdin: None,
            as_root: false,
            deadline: Duration::ZERO,
        };
        assert!(Order::new(&request, &account).is_err());
        request.command = Command::Shell("true".into());
        request.environment = vec![("A;reboot".into(), "x".into())];
        assert!(Order::new(&request, &account).is_err());
        request.environment = vec![("A".into(), "it's".into())];
        assert!(Order::new(&request, &account).is_ok());
    }

    #[test]
    fn a_tilde_is_the_login_users_home() {
        assert_eq!(directory(None, "/home/a"), "/home/a");
        assert_eq!(directory(Some("~/x"), "/home/a"), "/home/a/x");
        assert_eq!(directory(Some("/x"), "/home/a"), "/x");
    }
}
