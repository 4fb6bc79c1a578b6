//! Opens the one connection to a node: an `ssh` master in the background, with a socket that channels come through.

use super::failure::{connect_failure, is_by_load, no_descriptors};
use super::options::ConnectNotices;
use super::said::Said;
use super::target::Target;
use crate::node::{NodeError, NodeErrorKind};
use backon::{BackoffBuilder, ExponentialBuilder};
use openssh::Session;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// How long an idle connection stays when labctl died without closing it.
const PERSIST: &str = "ControlPersist=90s";

/// How long ssh is asked once more why it failed.
const ASKING: Duration = Duration::from_secs(5);

/// How much of ssh's own log is read after a failure.
const LOG_LIMIT: u64 = 64 << 10;

/// A connection that channels come through.
#[derive(Debug)]
pub(super) struct Master {
    pub session: Arc<Session>,
    withheld_variables: Vec<String>,
    socket: PathBuf,
    logs: Logs,
}

/// Where ssh writes what it complains about.
#[derive(Debug)]
struct Logs {
    /// What the ssh to the node says.
    node: PathBuf,
    /// What those to the jumps say.
    jumps: PathBuf,
}

impl Logs {
    fn of(socket: &Path) -> Self {
        Self {
            node: socket.with_extension("log"),
            jumps: socket.with_extension("jumps"),
        }
    }

    fn read(&self) -> Said {
        Said::new(&read_log(&self.node), &read_log(&self.jumps))
    }

    fn remove(&self) {
        for path in [&self.node, &self.jumps] {
            // Mostly gone already; the whole directory goes later.
            let _ = std::fs::remove_file(path);
        }
    }
}

impl Master {
    /// Returns what ssh wrote since it connected; why a connection ended stands there.
    pub fn said(&self) -> Said {
        self.logs.read()
    }

    fn exit_command(&self) -> std::process::Command {
        let mut command = ssh(&self.withheld_variables);
        command
            .args(["-F", "none", "-O", "exit", "-S"])
            .arg(&self.socket)
            .arg("node");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// Ends the connection and waits until it has ended.
    pub async fn exit(&self) {
        if self.socket.exists() {
            let mut command = tokio::process::Command::from(self.exit_command());
            let _ = tokio::time::timeout(Duration::from_secs(5), command.kill_on_drop(true).status()).await;
        }
        self.remove_files();
    }

    fn remove_files(&self) {
        let _ = std::fs::remove_file(&self.socket);
        self.logs.remove();
    }
}

impl Drop for Master {
    fn drop(&mut self) {
        if self.socket.exists() {
            // Takes milliseconds; left alone, the master would stay until it is idle for long.
            let _ = self.exit_command().status();
        }
        self.remove_files();
    }
}

fn read_log(path: &Path) -> Vec<u8> {
    let mut said = Vec::new();
    if let Ok(mut file) = std::fs::File::open(path) {
        let length = file.metadata().map_or(0, |seen| seen.len());
        // What was said last matters.
        let _ = file.seek(SeekFrom::Start(length.saturating_sub(LOG_LIMIT)));
        let _ = file.take(LOG_LIMIT).read_to_end(&mut said);
    }
    said
}

/// Returns a new path for a socket in `directory`, unique in this process.
pub(super) fn fresh_socket(directory: &Path, letter: char) -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    directory.join(format!("{letter}{}", NEXT.fetch_add(1, Ordering::Relaxed)))
}

/// Connects to `target`; the sockets live in `directory`. A server that takes no more connections at once is asked again while
/// connecting may take; `notices` are told of it, once.
pub(super) async fn launch(target: &Target, directory: &Path, notices: &ConnectNotices) -> Result<Master, NodeError> {
    let deadline = Instant::now() + target.connect_timeout;
    // Many nodes are asked at once: none of them may keep step with the others.
    let mut pauses = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(50))
        .with_max_delay(Duration::from_secs(1))
        .with_jitter()
        .without_max_times()
        .build();
    let (mut was_told, mut is_first) = (false, true);
    loop {
        let failed = match launch_once(target, directory, is_first).await {
            Ok(master) => return Ok(master),
            Err(failed) => failed,
        };
        is_first = false;
        let pause = pauses.next().unwrap_or(Duration::from_secs(1));
        if !failed.is_by_load || Instant::now() + pause >= deadline {
            return Err(failed.error);
        }
        if !was_told {
            notices.tell(format!(
                "{}: a server on the way takes no more connections at once; trying again",
                target.name
            ));
            was_told = true;
        }
        sleep(pause).await;
    }
}

/// An attempt to connect that failed.
struct Failed {
    error: NodeError,
    /// Whether another attempt may work because fewer connect then.
    is_by_load: bool,
}

/// Connects once. Where ssh does not say what failed and it `may_ask_again`, it is asked in another way.
async fn launch_once(target: &Target, directory: &Path, may_ask_again: bool) -> Result<Master, Failed> {
    let socket = fresh_socket(directory, 'm');
    let logs = Logs::of(&socket);
    let mut command = ssh_command(target, &logs);
    command.arg("-S").arg(&socket);
    command.args(["-M", "-f", "-N", "-o", PERSIST]);
    command.args(["-o", "StreamLocalBindUnlink=yes", "-o", "StreamLocalBindMask=0177"]);
    command.args(target.session_arguments(&logs.jumps));
    // ssh's own timeout covers connecting and the key exchange; this one covers logging in.
    let patience = target.connect_timeout + Duration::from_secs(10);
    let status = timeout(patience, command.status()).await;
    let mut said = logs.read();
    if matches!(&status, Ok(Ok(status)) if status.success()) {
        return Ok(Master {
            session: Arc::new(Session::resume_mux(socket.clone().into_boxed_path(), None)),
            withheld_variables: target.withheld_variables.clone(),
            socket,
            logs,
        });
    }
    if said.misses_the_key() {
        // ssh does not say which key a host shows of which it knows none.
        said = asked_again(target, &logs, "LogLevel=DEBUG1").await;
    } else if may_ask_again && target.jumps.is_none() && said.misses_the_jump() {
        // A master keeps silent about the jumps of the user's own configuration.
        said = asked_again(target, &logs, "LogLevel=INFO").await;
    }
    logs.remove();
    let error = match status {
        Ok(Ok(_)) => connect_failure(target, &said),
        Ok(Err(error)) => no_ssh(target, &error),
        Err(_) => too_slow(target, &said, patience),
    };
    let is_by_load = is_by_load(&said);
    Err(Failed { error, is_by_load })
}

/// Returns a command that starts ssh without the variables that are `withheld` from it.
fn ssh(withheld: &[String]) -> std::process::Command {
    let mut command = std::process::Command::new("ssh");
    for name in withheld {
        command.env_remove(name);
    }
    command
}

/// Returns the beginning of an ssh command that asks nobody anything.
fn ssh_command(target: &Target, logs: &Logs) -> tokio::process::Command {
    let mut command = tokio::process::Command::from(ssh(&target.withheld_variables));
    command.arg("-E").arg(&logs.node);
    command
        .env_remove("SSH_ASKPASS")
        .env("SSH_ASKPASS_REQUIRE", "never")
        // It reads the ProxyCommand.
        .env("SHELL", "/bin/sh")
        .env("LC_ALL", "C");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // Ctrl-C on the terminal is for labctl to handle.
    command.process_group(0).kill_on_drop(true);
    command
}

/// Connects once more, for what ssh did not say. It fails for the same reason; where it does not, nothing is done there, and it is
/// ended after a while.
async fn asked_again(target: &Target, logs: &Logs, level: &str) -> Said {
    let mut command = ssh_command(target, logs);
    command.args(["-N", "-S", "none", "-o", level]);
    command.args(target.session_arguments(&logs.jumps));
    let complaints = std::fs::OpenOptions::new().create(true).append(true).open(&logs.jumps);
    if let Ok(complaints) = complaints {
        command.stderr(complaints);
    }
    let _ = timeout(target.connect_timeout.min(ASKING), command.status()).await;
    logs.read()
}

fn no_ssh(target: &Target, error: &std::io::Error) -> NodeError {
    if let Some(error) = no_descriptors(target, &error.to_string()) {
        return error;
    }
    let message = format!("{}: cannot run `ssh` on this machine: {error}", target.name);
    let hint = "install the OpenSSH client (Debian: apt-get install openssh-client)".to_owned();
    target.error(NodeErrorKind::Unreachable, message, Some(hint))
}

fn too_slow(target: &Target, said: &Said, patience: Duration) -> NodeError {
    let mut message = format!(
        "{} at {} did not let us in within {} s",
        target.name,
        target.place(),
        patience.as_secs()
    );
    let words = said.words();
    if !words.is_empty() {
        message.push_str(": ");
        message.push_str(&words);
    }
    let hint = format!("try it by hand: {}", target.by_hand());
    target.error(NodeErrorKind::Unreachable, message, Some(hint))
}
