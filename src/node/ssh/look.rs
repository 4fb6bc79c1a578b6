//! Short scripts on a node that leave no record: looks, and the writing of files.
//!
//! The script travels on standard input: it needs no quoting for the login shell, may be of any size, and stands in no
//! argument list. Marks around the output tell it from a login shell's noise, and its end from a child that still holds
//! the pipe open.

use super::channel::{Channel, ChannelError};
use super::link::{Lane, Link};
use crate::domain::shell_quoted;
use crate::node::printable::printable_line;
use crate::node::{Command, Ending, Looked, NodeError, NodeErrorKind};
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};

/// Between TERM and KILL on the node, in seconds.
const GRACE: u64 = 2;

/// How long an answer may take on its way, beyond the deadline that the node holds.
const SLACK: Duration = Duration::from_secs(15);

/// Before the first mark: what a login shell prints.
const NOISE: usize = 256 << 10;

/// Something to run once.
#[derive(Debug, Clone)]
pub(super) struct Script<'a> {
    /// What is run.
    pub command: &'a Command,
    /// What it reads from standard input.
    pub payload: &'a [u8],
    /// Whether root runs it.
    pub as_root: bool,
    /// How long it may run.
    pub deadline: Duration,
    /// How many bytes of each stream are kept.
    pub keep: usize,
}

/// What reaches root: `sudo -n`, nothing, or no way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Root {
    /// The login user is root.
    Already,
    /// `sudo -n`.
    Sudo,
    /// The inventory says that there is no sudo.
    Never,
}

/// Returns the words that make a command root's.
pub(super) fn root_prefix(link: &Link, root: Root, as_root: bool) -> Result<&'static str, NodeError> {
    match (as_root, root) {
        (false, _) | (true, Root::Already) => Ok(""),
        (true, Root::Sudo) => Ok("sudo -n "),
        (true, Root::Never) => {
            let message = format!(
                "{}: root is needed, and the inventory says `sudo = false`",
                link.target.name
            );
            Err(link.target.error(NodeErrorKind::NoRoot, message, None))
        }
    }
}

/// Runs `script`. A connection that was lost is opened again once: a look may be taken twice.
pub(super) async fn run(link: &Link, root: Root, script: &Script<'_>) -> Result<Looked, NodeError> {
    let mut tried = false;
    loop {
        match run_once(link, root, script).await {
            Ok(looked) => return Ok(looked),
            Err(ChannelError::Node(error)) => return Err(error),
            Err(ChannelError::Broken { reason, .. }) if tried => return Err(link.unreachable(&reason)),
            Err(ChannelError::Broken { generation, .. }) => {
                tried = true;
                link.renew(generation, Instant::now() + link.patience).await?;
            }
        }
    }
}

async fn run_once(link: &Link, root: Root, script: &Script<'_>) -> Result<Looked, ChannelError> {
    let mark = Mark::fresh();
    let text = envelope(script, &mark);
    let prefix = root_prefix(link, root, script.as_root).map_err(ChannelError::Node)?;
    // Single quotes around plain characters mean the same to every login shell.
    let words = format!("{prefix}/bin/sh -c 'eval \"$(head -c {})\"'", text.len());
    let limit = Instant::now() + script.deadline + Duration::from_secs(GRACE) + SLACK;
    let mut channel = Channel::open(link, Lane::Work, &words, limit).await?;
    let started = Instant::now();
    let mut stdout = Gathered::new(mark.clone(), script.keep);
    let mut stderr = Gathered::new(mark, script.keep);
    let stdin = channel.stdin.take();
    let writing = async {
        if let Some(mut stdin) = stdin {
            // The other side may end before it has read everything; how it ended says why.
            let _ = stdin.write_all(text.as_bytes()).await;
            let _ = stdin.write_all(script.payload).await;
        }
    };
    let reading = async {
        tokio::join!(
            stdout.read_from(&mut channel.stdout),
            stderr.read_from(&mut channel.stderr)
        );
    };
    if timeout_at(limit, read_while_writing(reading, writing)).await.is_err() {
        return Err(ChannelError::Node(link.unreachable("no answer within the deadline")));
    }
    let Some(trailer) = stdout.trailer.take().or_else(|| stderr.trailer.take()) else {
        let code = channel.status(link).await?;
        return Err(ChannelError::Node(did_not_run(link, script.as_root, code, &stderr)));
    };
    let ending = ending(&trailer, script.deadline, started.elapsed());
    let ending = ending.ok_or_else(|| ChannelError::Node(link.fault(&printable_line(&stderr.kept))))?;
    Ok(Looked {
        ending,
        dropped: stdout.dropped + stderr.dropped,
        stdout: stdout.kept,
        stderr: stderr.kept,
    })
}

/// Waits for `reading` to end; `writing` goes on meanwhile, and is given up when there is nothing more to read.
pub(super) async fn read_while_writing<T>(reading: impl Future<Output = T>, writing: impl Future<Output = ()>) -> T {
    tokio::pin!(reading);
    tokio::select! {
        result = &mut reading => result,
        () = writing => reading.await,
    }
}

/// Makes the error for a script whose shell never came to run it.
fn did_not_run(link: &Link, as_root: bool, code: Option<i32>, stderr: &Gathered) -> NodeError {
    let said = printable_line(&stderr.pending);
    no_root(link, as_root, &said).unwrap_or_else(|| {
        let code = code.map_or("a signal".to_owned(), |code| format!("status {code}"));
        link.fault(&format!("its shell ended with {code} before it did anything: {said}"))
    })
}

/// Makes the error for root that was refused, where that is what `said` says.
pub(super) fn no_root(link: &Link, as_root: bool, said: &str) -> Option<NodeError> {
    if !as_root || !(said.contains("sudo") || said.contains("password")) {
        return None;
    }
    let target = &link.target;
    let message = format!(
        "{} ({}): sudo without a password is refused: {said}",
        target.name,
        target.place()
    );
    let hint = format!(
        "allow {} to use sudo without a password, or log in as root",
        target.user_text()
    );
    Some(target.error(NodeErrorKind::NoRoot, message, Some(hint)))
}

/// What runs the words as they are, and tells on descriptor 3 which process group they are in and how that went. The
/// trap keeps it there until the words have ended, or KILL comes for all of them.
const BODY: &str = r#"
trap : TERM
printf "%s " "$PPID" >&3
case $1 in
*/*)
    [ -e "$1" ] || { printf "missing no such file: %s" "$1" >&3; exit; }
    [ -x "$1" ] && [ ! -d "$1" ] || { printf "missing not executable: %s" "$1" >&3; exit; } ;;
*)
    command -v -- "$1" >/dev/null 2>&1 || { printf "missing no such program: %s" "$1" >&3; exit; } ;;
esac
"$@" 3>&-
printf "done %s" "$?" >&3
"#;

fn envelope(script: &Script<'_>, mark: &Mark) -> String {
    let words: Vec<String> = match script.command {
        Command::Argv(words) => words.iter().map(|word| shell_quoted(word)).collect(),
        Command::Shell(text) => vec!["/bin/sh".to_owned(), "-c".to_owned(), shell_quoted(text)],
    };
    let (Mark(name), words, seconds) = (mark, words.join(" "), script.deadline.as_secs_f64());
    format!(
        "exec 5>&1 6>&2\n\
         printf '\\n%s<\\n' {name}; printf '\\n%s<\\n' {name} >&2\n\
         set -- {words}\n\
         r=$(timeout -k {GRACE} {seconds} /bin/sh -c '{BODY}' labctl \"$@\" 3>&1 >&5 2>&6 5>&- 6>&-)\n\
         t=$?\n\
         case $t in 124|137) [ -z \"$r\" ] || kill -s KILL -- \"-${{r%% *}}\" 2>/dev/null;; esac\n\
         printf '\\n%s>%s %s\\n' {name} \"$t\" \"$r\"; printf '\\n%s>%s %s\\n' {name} \"$t\" \"$r\" >&2\n"
    )
}

/// Reads the line after the last mark: the status of `timeout`, the process group, and what the body told, if it came to
/// that.
fn ending(trailer: &str, deadline: Duration, took: Duration) -> Option<Ending> {
    let (status, told) = trailer.split_once(' ')?;
    let status = status.parse::<i32>().ok()?;
    // The body itself always returns 0.
    if status == 124 || (status == 137 && took >= deadline) {
        return Some(Ending::TimedOut { after: deadline });
    }
    let told = told.split_once(' ').map_or("", |(_, told)| told);
    if let Some(code) = told.strip_prefix("done ") {
        return Some(Ending::Exited {
            code: code.parse().ok()?,
        });
    }
    if let Some(reason) = told.strip_prefix("missing ") {
        let reason = printable_line(reason.as_bytes());
        return Some(Ending::CouldNotStart { reason });
    }
    (status > 128).then_some(Ending::Signalled { signal: status - 128 })
}

/// A word that stands in no output by chance.
#[derive(Debug, Clone)]
struct Mark(String);

impl Mark {
    fn fresh() -> Self {
        Self(format!("labctl-{:016x}", RandomState::new().build_hasher().finish()))
    }
}

/// One output stream: what stands between the marks, up to a limit.
#[derive(Debug)]
struct Gathered {
    begin: Vec<u8>,
    end: Vec<u8>,
    keep: usize,
    begun: bool,
    /// Bytes that may be the start of a mark.
    pending: Vec<u8>,
    kept: Vec<u8>,
    dropped: u64,
    trailer: Option<String>,
}

impl Gathered {
    fn new(Mark(name): Mark, keep: usize) -> Self {
        Self {
            begin: format!("\n{name}<\n").into_bytes(),
            end: format!("\n{name}>").into_bytes(),
            keep,
            begun: false,
            pending: Vec::new(),
            kept: Vec::new(),
            dropped: 0,
            trailer: None,
        }
    }

    async fn read_from(&mut self, from: &mut (impl AsyncRead + Unpin)) {
        let mut buffer = vec![0; 64 << 10];
        while self.trailer.is_none() {
            match from.read(&mut buffer).await {
                Ok(read) if read > 0 => self.push(&buffer[..read]),
                _ => break,
            }
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
        if !self.begun {
            match find(&self.pending, &self.begin) {
                Some(at) => {
                    self.pending.drain(..at + self.begin.len());
                    self.begun = true;
                }
                None => {
                    let surplus = self.pending.len().saturating_sub(NOISE);
                    self.pending.drain(..surplus);
                    return;
                }
            }
        }
        match find(&self.pending, &self.end) {
            Some(at) => {
                let rest = self.pending.split_off(at);
                let body = std::mem::replace(&mut self.pending, rest);
                self.take(&body);
                let told = &self.pending[self.end.len()..];
                let line = told.iter().position(|byte| *byte == b'\n');
                self.trailer = line.map(|line| String::from_utf8_lossy(&told[..line]).into_owned());
            }
            None => {
                let sure = self.pending.len().saturating_sub(self.end.len() - 1);
                let rest = self.pending.split_off(sure);
                let body = std::mem::replace(&mut self.pending, rest);
                self.take(&body);
            }
        }
    }

    fn take(&mut self, body: &[u8]) {
        let room = self.keep - self.kept.len();
        let take = room.min(body.len());
        self.kept.extend_from_slice(&body[..take]);
        self.dropped += (body.len() - take) as u64;
    }
}

/// Finds `mark`, which starts with a line end, in `bytes`.
fn find(bytes: &[u8], mark: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = bytes[from..].iter().position(|byte| *byte == b'\n') {
        if bytes[from + at..].starts_with(mark) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gather(told: &[u8], size: usize, keep: usize) -> Gathered {
        let mut gathered = Gathered::new(Mark("m".into()), keep);
        for piece in told.chunks(size) {
            if gathered.trailer.is_none() {
                gathered.push(piece);
            }
        }
        gathered
    }

    #[test]
    fn only_what_stands_between_the_marks_is_output() {
        let told = b"motd\n\nm<\na\nm\n\nm\nb\n\nm>0 done 3\nnoise";
        for size in 1..told.len() {
            let gathered = gather(told, size, 100);
            assert_eq!(gathered.kept, b"a\nm\n\nm\nb\n", "in pieces of {size}");
            assert_eq!(gathered.trailer.as_deref(), Some("0 done 3"));
            let gathered = gather(told, size, 3);
            assert_eq!((gathered.kept.as_slice(), gathered.dropped), (b"a\nm".as_slice(), 6));
        }
    }

    #[test]
    fn every_way_to_end_is_told_apart() {
        let deadline = Duration::from_secs(2);
        let ended = |trailer: &str| ending(trailer, deadline, Duration::from_secs(1));
        assert_eq!(ended("0 77 done 137"), Some(Ending::Exited { code: 137 }));
        assert_eq!(ended("124 77 done 143"), Some(Ending::TimedOut { after: deadline }));
        assert_eq!(ended("137 77 "), Some(Ending::Signalled { signal: 9 }));
        assert_eq!(
            ending("137 77 ", deadline, deadline),
            Some(Ending::TimedOut { after: deadline })
        );
        assert_eq!(
            ended("0 77 missing no such program: x"),
            Some(Ending::CouldNotStart {
                reason: "no such program: x".into()
            })
        );
        assert_eq!(ended("127 "), None);
    }
}
