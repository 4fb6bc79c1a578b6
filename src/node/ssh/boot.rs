//! Puts the agent on a node and starts it, over one ssh session.
//!
//! The session runs a few lines of POSIX shell, in words that every login shell hands on unchanged: no single quote, backslash,
//! exclamation mark or line end. They look for a directory where programs run, say which machine this is, read the program from standard
//! input, and become it. A shell may read ahead, so nothing is sent past the program before the agent says hello. A login shell that
//! itself reads a line is sent an empty one.

use super::program::{Program, machines, program_for};
use super::said::Ended;
use crate::node::printable::printable_line;
use labctl_agent::{Frames, GREETING, Hello, ToLabctl, VERSION};
use openssh::{Child, ChildStderr, ChildStdin, ChildStdout, Session};
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};

/// The directories that are tried, in this order. `$` stands for a variable of the session.
const PLACES: [&str; 5] = ["$XDG_RUNTIME_DIR", "/dev/shm", "/tmp", "/var/tmp", "$HOME"];

/// How much of what a login shell prints is skipped.
const NOISE: usize = 1 << 20;

/// How much of what it says is kept where no agent is started.
const COMPLAINTS: usize = 8 << 10;

/// After how much silence a login shell that may be reading is sent an empty line.
const SILENCE: Duration = Duration::from_secs(1);

/// How long standard error is read for the reason of an end that was seen.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Stands before the line that says what was found.
const FOUND: &[u8] = b"\nlabctl-boot ";

/// An agent that said hello.
pub(super) struct Started {
    pub hello: Hello,
    pub frames: Frames,
    pub stdin: ChildStdin,
    pub stdout: ChildStdout,
    pub stderr: ChildStderr,
    pub child: Option<Child<Arc<Session>>>,
}

/// Why no agent was started.
#[derive(Debug)]
pub(super) enum BootError {
    /// The session could not be had, or was lost.
    Session(String),
    /// The shell ended, or does nothing.
    Ended(Ended),
    /// The node has no place for it, or does not run it.
    Refused {
        /// What went wrong, with every place that was tried.
        reason: String,
        /// What to do about it.
        hint: Option<String>,
    },
}

impl BootError {
    fn refused(reason: String) -> Self {
        Self::Refused { reason, hint: None }
    }
}

/// Starts the agent through `session`, before `deadline`.
pub(super) async fn boot(session: &Arc<Session>, sudo: bool, deadline: Instant) -> Result<Started, BootError> {
    let mut tried = Vec::new();
    let mut first = 0;
    loop {
        match boot_from(session, sudo, first, deadline).await? {
            Attempt::Started(started) => return Ok(*started),
            Attempt::NoPlace(reasons) => {
                tried.extend(reasons);
                return Err(no_place(&tried));
            }
            Attempt::Failed { place, reasons, why } => {
                tried.extend(reasons);
                tried.push(why);
                first = place + 1;
                if first >= PLACES.len() {
                    return Err(no_place(&tried));
                }
            }
        }
    }
}

fn no_place(tried: &[String]) -> BootError {
    let tried = tried.join("; ");
    BootError::Refused {
        reason: format!("no directory on it takes and runs labctl's agent: {tried}"),
        hint: Some("make one of these writable, with room for 2 MB, and mount it without noexec".to_owned()),
    }
}

enum Attempt {
    Started(Box<Started>),
    /// No directory takes programs, and why.
    NoPlace(Vec<String>),
    /// The program does not run from the place with this number.
    Failed {
        place: usize,
        reasons: Vec<String>,
        why: String,
    },
}

async fn boot_from(session: &Arc<Session>, sudo: bool, first: usize, deadline: Instant) -> Result<Attempt, BootError> {
    let mut boot = Boot::spawn(session, &script(sudo, first), deadline).await?;
    let line = boot.found(deadline).await?;
    let found = Found::parse(&line).ok_or_else(|| {
        BootError::refused(format!(
            "its answer makes no sense: {}",
            printable_line(line.as_bytes())
        ))
    })?;
    let Some((place, directory)) = found.place else {
        return Ok(Attempt::NoPlace(found.reasons));
    };
    let program = program_for(&found.machine).ok_or_else(|| no_program(&found.machine))?;
    boot.send(program, found.has_gzip).await?;
    match boot.hello(deadline).await {
        Ok(hello) if hello.version == VERSION => Ok(Attempt::Started(Box::new(boot.started(hello)))),
        Ok(hello) => Err(BootError::refused(format!(
            "its agent speaks version {} of the protocol, and labctl version {VERSION}",
            hello.version
        ))),
        Err(BootError::Ended(ended)) => Ok(Attempt::Failed {
            place,
            reasons: found.reasons,
            why: format!("{directory}: {}: {}", ended.how(), ended.words()),
        }),
        Err(error) => Err(error),
    }
}

fn no_program(machine: &str) -> BootError {
    BootError::Refused {
        reason: format!(
            "its architecture is {}, and this labctl has agents for {} only",
            printable_line(machine.as_bytes()),
            machines().join(" and ")
        ),
        hint: Some(format!(
            "add the target and build labctl again: rustup target add {machine}-unknown-linux-musl"
        )),
    }
}

/// Returns the words of the session: the places from number `first` on are tried.
fn script(sudo: bool, first: usize) -> String {
    let token = format!("{:016x}", RandomState::new().build_hasher().finish());
    let root = if sudo { "sudo" } else { "never" };
    let places: Vec<String> = PLACES[first..]
        .iter()
        .enumerate()
        .map(|(at, place)| format!("{} \"{place}\"", first + at))
        .collect();
    let places = places.join(" ");
    format!(
        "/bin/sh -c 'umask 077; p=none; w=; set -- {places}; \
         while [ $# -gt 0 ]; do t=$2/labctl-agent-{token}; \
         case $2 in \
         /*) if mkdir -m 700 \"$t\" 2>/dev/null; then \
         if {{ echo : >\"$t/labctl-agent\" && chmod 700 \"$t/labctl-agent\" && \"$t/labctl-agent\"; }} >/dev/null 2>&1; \
         then p=\"$1 $2\"; break; fi; rm -rf \"$t\"; w=\"$w|$2: no program can be run there\"; \
         else w=\"$w|$2: nothing can be written there\"; fi ;; \
         esac; shift 2; done; \
         z=plain; if command -v gzip >/dev/null 2>&1; then z=gzip; fi; \
         echo; echo \"labctl-boot $z $(uname -m) $p$w\"; \
         if [ \"$p\" = none ]; then exit 0; fi; \
         n=; while [ -z \"$n\" ]; do read -r n || exit 1; done; \
         if [ $z = gzip ]; then head -c $n | gzip -dc >\"$t/labctl-agent\"; else head -c $n >\"$t/labctl-agent\"; fi && \
         \"$t/labctl-agent\" version >/dev/null || {{ rm -rf \"$t\"; exit 1; }}; \
         r={root}; if [ \"$(id -u)\" = 0 ]; then r=already; fi; \
         exec \"$t/labctl-agent\" user \"$t\" $r'"
    )
}

/// What the shell found.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    has_gzip: bool,
    machine: String,
    /// The number of the place and the directory; `None` where none takes programs.
    place: Option<(usize, String)>,
    /// Why others do not.
    reasons: Vec<String>,
}

impl Found {
    /// Reads the shell's line, such as `gzip x86_64 1 /dev/shm|/run/user/1000: nothing can be written there`.
    fn parse(line: &str) -> Option<Self> {
        let mut parts = line.split('|');
        let mut words = parts.next()?.splitn(4, ' ');
        let (packing, machine, number) = (words.next()?, words.next()?, words.next()?);
        let place = match number {
            "none" => None,
            number => Some((number.parse().ok()?, words.next()?.to_owned())),
        };
        Some(Self {
            has_gzip: packing == "gzip",
            machine: machine.to_owned(),
            place,
            reasons: parts.map(|reason| printable_line(reason.as_bytes())).collect(),
        })
    }
}

/// A session that has not become the agent yet.
struct Boot {
    stdin: ChildStdin,
    stdout: ChildStdout,
    stderr: ChildStderr,
    /// There until its status was asked for.
    child: Option<Child<Arc<Session>>>,
    /// What was read and not yet used.
    read: Vec<u8>,
    frames: Frames,
}

impl Boot {
    async fn spawn(session: &Arc<Session>, script: &str, deadline: Instant) -> Result<Self, BootError> {
        let mut child = super::session::spawn(session, script, deadline)
            .await
            .map_err(BootError::Session)?;
        match (child.stdin().take(), child.stdout().take(), child.stderr().take()) {
            (Some(stdin), Some(stdout), Some(stderr)) => Ok(Self {
                stdin,
                stdout,
                stderr,
                child: Some(child),
                read: Vec::new(),
                frames: Frames::default(),
            }),
            _ => Err(BootError::Session("the session has no streams".to_owned())),
        }
    }

    /// Reads more; returns whether there was any. Fails where the session has ended, or the deadline has passed, with what was said.
    async fn read_more(&mut self, deadline: Instant, patience: Option<Duration>) -> Result<bool, BootError> {
        let mut buffer = vec![0; 64 << 10];
        let limit = patience.map_or(deadline, |patience| deadline.min(Instant::now() + patience));
        match timeout_at(limit, self.stdout.read(&mut buffer)).await {
            Ok(Ok(read)) if read > 0 => {
                self.read.extend_from_slice(&buffer[..read]);
                Ok(true)
            }
            Ok(_) => Err(BootError::Ended(self.ended(false).await)),
            Err(_) if Instant::now() < deadline => Ok(false),
            Err(_) => Err(BootError::Ended(self.ended(true).await)),
        }
    }

    /// Returns what was said so far. A shell that `is_silent` goes on, and says no more.
    async fn ended(&mut self, is_silent: bool) -> Ended {
        let mut stderr = Vec::new();
        let reading = async {
            let mut buffer = [0; 4096];
            while let Ok(read) = self.stderr.read(&mut buffer).await {
                if read == 0 {
                    break;
                }
                stderr.extend_from_slice(&buffer[..read]);
                // What was said last matters.
                stderr.drain(..stderr.len().saturating_sub(COMPLAINTS));
            }
        };
        let patience = if is_silent {
            Duration::from_millis(50)
        } else {
            LAST_WORDS
        };
        let _ = timeout(patience, reading).await;
        let status = match self.child.take() {
            Some(child) if !is_silent => timeout(LAST_WORDS, child.wait()).await.ok(),
            _ => None,
        };
        let start = self.read.len().saturating_sub(COMPLAINTS);
        Ended {
            status: status.and_then(|status| status.ok()?.code()),
            is_silent,
            stdout: self.read[start..].to_vec(),
            stderr,
        }
    }

    /// Waits for the line of the shell that says what it found; returns what follows the mark.
    async fn found(&mut self, deadline: Instant) -> Result<String, BootError> {
        loop {
            if let Some(at) = position(&self.read, FOUND) {
                let rest = &self.read[at + FOUND.len()..];
                if let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                    let line = String::from_utf8_lossy(&rest[..end]).into_owned();
                    self.read.drain(..at + FOUND.len() + end);
                    return Ok(line);
                }
            }
            if self.read.len() > NOISE {
                return Err(BootError::refused("its login shell prints without end".to_owned()));
            }
            if !self.read_more(deadline, Some(SILENCE)).await? {
                if self.wants_another_user() {
                    return Err(BootError::Ended(self.ended(true).await));
                }
                // Where it is gone, reading says so.
                let _ = self.stdin.write_all(b"\n").await;
            }
        }
    }

    /// Says whether the node only asks for another login. The images of clouds then wait for ten seconds.
    fn wants_another_user(&self) -> bool {
        let start = self.read.len().saturating_sub(COMPLAINTS);
        let ended = Ended {
            stdout: self.read[start..].to_vec(),
            ..Ended::default()
        };
        ended.wanted_user().is_some()
    }

    async fn send(&mut self, program: &Program, has_gzip: bool) -> Result<(), BootError> {
        let unpacked;
        let bytes = if has_gzip {
            program.packed
        } else {
            unpacked = program
                .unpacked()
                .map_err(|error| BootError::refused(format!("the agent in this labctl is damaged: {error}")))?;
            &unpacked
        };
        let sending = async {
            self.stdin.write_all(format!("{}\n", bytes.len()).as_bytes()).await?;
            self.stdin.write_all(bytes).await?;
            self.stdin.flush().await
        };
        // Where the shell ended halfway, reading says why.
        let _ = sending.await;
        Ok(())
    }

    async fn hello(&mut self, deadline: Instant) -> Result<Hello, BootError> {
        while position(&self.read, GREETING).is_none() {
            if self.read.len() > NOISE {
                return Err(BootError::refused("its agent does not say hello".to_owned()));
            }
            self.read_more(deadline, None).await?;
        }
        let at = position(&self.read, GREETING).unwrap_or_default();
        self.read.drain(..at + GREETING.len());
        loop {
            self.frames.push(&self.read);
            self.read.clear();
            match self.frames.next() {
                Ok(Some(ToLabctl::Hello(hello))) => return Ok(hello),
                Ok(None) => {
                    self.read_more(deadline, None).await?;
                }
                Ok(Some(_)) | Err(_) => {
                    return Err(BootError::refused(
                        "its agent does not speak this labctl's protocol".to_owned(),
                    ));
                }
            }
        }
    }

    fn started(self, hello: Hello) -> Started {
        Started {
            hello,
            frames: self.frames,
            stdin: self.stdin,
            stdout: self.stdout,
            stderr: self.stderr,
            child: self.child,
        }
    }
}

fn position(bytes: &[u8], mark: &[u8]) -> Option<usize> {
    bytes.windows(mark.len()).position(|window| window == mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_mean_the_same_to_every_login_shell() {
        let words = script(true, 0);
        let inside = words.strip_prefix("/bin/sh -c '").unwrap().strip_suffix('\'').unwrap();
        for forbidden in ['\'', '\\', '!', '\n'] {
            assert!(!inside.contains(forbidden), "{forbidden:?} in {inside}");
        }
        assert!(words.len() < 4000, "{}", words.len());
    }

    #[test]
    fn the_shells_line_is_read() {
        let found = Found::parse("gzip x86_64 1 /dev/shm|/run/user/7: nothing can be written there").unwrap();
        assert_eq!(found.place, Some((1, "/dev/shm".to_owned())));
        assert_eq!(
            (found.machine.as_str(), found.has_gzip, found.reasons.len()),
            ("x86_64", true, 1)
        );
        assert_eq!(Found::parse("plain armv7l none").unwrap().place, None);
        assert_eq!(Found::parse("what"), None);
    }
}
