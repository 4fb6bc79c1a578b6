//! Opens the one connection to a node: an `ssh` master in the background, with a socket that channels come through.

use super::failure::connect_failure;
use super::options::SshOptions;
use crate::domain::{HostKeyPolicy, Node, NodeName, shell_quoted};
use crate::node::{NodeError, NodeErrorKind};
use openssh::Session;
use std::ffi::OsString;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// How long an idle connection stays when labctl died without closing it.
const PERSIST: &str = "ControlPersist=90s";

/// How much of ssh's own log is read after a failure.
const LOG_LIMIT: u64 = 64 << 10;

/// Where a connection goes, and how.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub name: NodeName,
    pub address: String,
    pub port: Option<u16>,
    pub user: Option<String>,
    pub identity_file: Option<PathBuf>,
    pub proxy_jump: Option<String>,
    pub host_key: HostKeyPolicy,
    pub known_hosts: Option<PathBuf>,
    pub connect_timeout: Duration,
    pub withheld_variables: Vec<String>,
}

impl Target {
    /// Reads the way to `node` from the inventory. Fails where ssh would misread it.
    pub fn new(node: &Node, options: &SshOptions) -> Result<Self, NodeError> {
        let login = &node.login;
        let target = Self {
            name: node.name.clone(),
            address: node.address.clone(),
            port: login.port,
            user: login.user.clone(),
            identity_file: login.identity_file.clone(),
            proxy_jump: login.proxy_jump.clone(),
            host_key: login.host_key,
            known_hosts: login.known_hosts.clone(),
            connect_timeout: login.connect_timeout.max(Duration::from_secs(1)),
            withheld_variables: options.withheld_variables.clone(),
        };
        let texts = [Some(&target.address), target.user.as_ref(), target.proxy_jump.as_ref()];
        for text in texts.into_iter().flatten() {
            if text.is_empty() || text.starts_with('-') || text.contains(|c: char| c.is_whitespace() || c.is_control())
            {
                let message = format!("{:?} cannot be part of an ssh address", text);
                return Err(target.error(NodeErrorKind::Unreachable, message, None));
            }
        }
        target.check_identity()?;
        Ok(target)
    }

    /// Fails where the key file cannot be read, before ssh silently goes on without it.
    fn check_identity(&self) -> Result<(), NodeError> {
        let Some(path) = &self.identity_file else { return Ok(()) };
        let readable = std::fs::File::open(path).and_then(|mut file| file.read(&mut [0]));
        readable.map(|_| ()).map_err(|error| {
            let message = format!("{}: the key {} cannot be read: {error}", self.name, path.display());
            let hint = "check `identity_file` in the inventory".to_owned();
            self.error(NodeErrorKind::AccessDenied, message, Some(hint))
        })
    }

    pub fn error(&self, kind: NodeErrorKind, message: String, hint: Option<String>) -> NodeError {
        NodeError {
            node: self.name.clone(),
            kind,
            message,
            hint,
        }
    }

    /// Returns where ssh goes, as `address:port`.
    pub fn place(&self) -> String {
        format!("{}:{}", self.address, self.port.unwrap_or(22))
    }

    pub fn user_text(&self) -> String {
        self.user
            .clone()
            .map_or_else(|| "the user that ssh chose".to_owned(), |user| format!("user {user}"))
    }

    /// Returns the command that does the same in a terminal.
    pub fn by_hand(&self) -> String {
        let mut words = vec!["ssh".to_owned()];
        if let Some(port) = self.port {
            words.extend(["-p".to_owned(), port.to_string()]);
        }
        if let Some(path) = &self.identity_file {
            words.extend(["-i".to_owned(), shell_quoted(&path.display().to_string())]);
        }
        if let Some(path) = &self.known_hosts {
            words.extend([
                "-o".to_owned(),
                shell_quoted(&format!("UserKnownHostsFile={}", path.display())),
            ]);
        }
        if let Some(jump) = &self.proxy_jump {
            words.extend(["-J".to_owned(), shell_quoted(jump)]);
        }
        words.push(match &self.user {
            Some(user) => format!("{user}@{}", self.address),
            None => self.address.clone(),
        });
        words.join(" ")
    }

    /// Returns ssh's arguments that say where to go and whom to trust.
    pub fn arguments(&self) -> Vec<OsString> {
        let mut arguments = common_options(self);
        let mut option = |text: OsString| arguments.extend(["-o".into(), text]);
        option("ServerAliveInterval=2".into());
        option("ServerAliveCountMax=3".into());
        if let Some(path) = &self.identity_file {
            option("IdentitiesOnly=yes".into());
            option(with_path("IdentityFile", path));
        }
        if let Some(jump) = &self.proxy_jump {
            option(format!("ProxyCommand={}", self.proxy_command(jump)).into());
        }
        if let Some(port) = self.port {
            option(format!("Port={port}").into());
        }
        if let Some(user) = &self.user {
            option(format!("User={user}").into());
        }
        arguments.extend(["--".into(), OsString::from(&self.address)]);
        arguments
    }

    /// Returns the command that reaches the node through `jump`. ProxyJump itself would leave out what keeps the jump
    /// from asking questions on the terminal.
    fn proxy_command(&self, jump: &str) -> String {
        let (user, place) = jump
            .rsplit_once('@')
            .map_or((None, jump), |(user, place)| (Some(user), place));
        let (host, port) = match place.rsplit_once(':') {
            Some((host, port)) if port.parse::<u16>().is_ok() => (host, Some(port)),
            _ => (place, None),
        };
        let mut words: Vec<OsString> = vec!["ssh".into()];
        words.extend(common_options(self));
        if let Some(path) = &self.identity_file {
            words.extend(["-o".into(), with_path("IdentityFile", path)]);
        }
        for (option, value) in [("-l", user), ("-p", port)] {
            words.extend(value.into_iter().flat_map(|value| [option.into(), value.into()]));
        }
        let quoted: Vec<String> = words.iter().map(|word| shell_quoted(&word.to_string_lossy())).collect();
        let host = shell_quoted(host.trim_start_matches('[').trim_end_matches(']'));
        format!(
            "{} -W '[%h]:%p' -- {}",
            quoted.join(" ").replace('%', "%%"),
            host.replace('%', "%%")
        )
    }
}

/// Returns the options for the node and for a jump on the way to it.
fn common_options(target: &Target) -> Vec<OsString> {
    let checking = match target.host_key {
        HostKeyPolicy::AcceptNew => "StrictHostKeyChecking=accept-new",
        HostKeyPolicy::Strict => "StrictHostKeyChecking=yes",
    };
    let mut options: Vec<OsString> = [
        "BatchMode=yes",
        checking,
        "UpdateHostKeys=no",
        "LogLevel=INFO",
        "ClearAllForwardings=yes",
        "ForwardAgent=no",
        "ForwardX11=no",
        "PermitLocalCommand=no",
        "RemoteCommand=none",
        "RequestTTY=no",
    ]
    .map(OsString::from)
    .into();
    options.push(format!("ConnectTimeout={}", target.connect_timeout.as_secs()).into());
    options.extend(
        target
            .known_hosts
            .as_ref()
            .map(|path| with_path("UserKnownHostsFile", path)),
    );
    options.into_iter().flat_map(|option| ["-o".into(), option]).collect()
}

/// Returns an option whose value is `path`, quoted as ssh's configuration wants it.
fn with_path(name: &str, path: &Path) -> OsString {
    let mut option = OsString::from(format!("{name}=\""));
    option.push(path.to_string_lossy().replace('%', "%%"));
    option.push("\"");
    option
}

/// Returns a command that starts ssh without the variables that are `withheld` from it.
fn ssh(withheld: &[String]) -> std::process::Command {
    let mut command = std::process::Command::new("ssh");
    for name in withheld {
        command.env_remove(name);
    }
    command
}

/// A connection that channels come through.
#[derive(Debug)]
pub(super) struct Master {
    pub session: Arc<Session>,
    withheld_variables: Vec<String>,
    socket: PathBuf,
    log: PathBuf,
}

impl Master {
    /// Returns what ssh wrote since it connected; why a connection ended stands there.
    pub fn log(&self) -> Vec<u8> {
        read_log(&self.log)
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
        for path in [&self.socket, &self.log] {
            // Mostly gone already; the whole directory goes later.
            let _ = std::fs::remove_file(path);
        }
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

/// Connects to `target`; the sockets live in `directory`.
pub(super) async fn launch(target: &Target, directory: &Path) -> Result<Master, NodeError> {
    let socket = fresh_socket(directory, 'm');
    let log = socket.with_extension("log");
    let mut command = tokio::process::Command::from(ssh(&target.withheld_variables));
    command.arg("-E").arg(&log).arg("-S").arg(&socket);
    command.args(["-M", "-f", "-N", "-o", PERSIST]);
    command.args(["-o", "StreamLocalBindUnlink=yes", "-o", "StreamLocalBindMask=0177"]);
    command.args(target.arguments());
    command
        .env_remove("SSH_ASKPASS")
        .env("SSH_ASKPASS_REQUIRE", "never")
        .env("LC_ALL", "C");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // Ctrl-C on the terminal is for labctl to handle.
    command.process_group(0).kill_on_drop(true);
    // ssh's own timeout covers connecting and the key exchange; this one covers logging in.
    let patience = target.connect_timeout + Duration::from_secs(10);
    let status = tokio::time::timeout(patience, command.status()).await;
    let mut said = read_log(&log);
    if String::from_utf8_lossy(&said).contains("host key is known for") {
        said.extend(shown_key(target, &log).await);
    }
    match status {
        Ok(Ok(status)) if status.success() => Ok(Master {
            withheld_variables: target.withheld_variables.clone(),
            session: Arc::new(Session::resume_mux(socket.clone().into_boxed_path(), None)),
            socket,
            log,
        }),
        failed => {
            let _ = std::fs::remove_file(&log);
            Err(match failed {
                Ok(Ok(_)) => connect_failure(target, &said),
                Ok(Err(error)) => no_ssh(target, &error),
                Err(_) => too_slow(target, patience),
            })
        }
    }
}

/// Asks the machine once more which key it shows, as ssh does not say so when it knows none.
async fn shown_key(target: &Target, log: &Path) -> Vec<u8> {
    let mut command = tokio::process::Command::from(ssh(&target.withheld_variables));
    command
        .arg("-E")
        .arg(log)
        .args(["-N", "-S", "none", "-o", "LogLevel=DEBUG1"])
        .args(target.arguments());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.process_group(0).kill_on_drop(true);
    // Refused for the same reason, so nothing is done there.
    let _ = tokio::time::timeout(target.connect_timeout, command.status()).await;
    read_log(log)
}

fn no_ssh(target: &Target, error: &std::io::Error) -> NodeError {
    let message = format!("cannot run `ssh` on this machine: {error}");
    let hint = "install the OpenSSH client (Debian: apt-get install openssh-client)".to_owned();
    target.error(NodeErrorKind::Unreachable, message, Some(hint))
}

fn too_slow(target: &Target, patience: Duration) -> NodeError {
    let seconds = patience.as_secs();
    let message = format!(
        "{} at {} did not let us in within {seconds} s",
        target.name,
        target.place()
    );
    target.error(
        NodeErrorKind::Unreachable,
        message,
        Some(format!("try it by hand: {}", target.by_hand())),
    )
}
