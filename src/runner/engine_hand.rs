//! The hand on an engine's options: writes them, restarts the engine, and puts them back.
//!
//! Responsible for a restart that ends only when the engine answers again or has said why it does not, for the containers that ran before it,
//! and for taking options back, be it at the end of a lab or because the engine does not start with them. What is owed and whether anything
//! may be changed is decided elsewhere, before.

use super::baseline::look_at_file;
use super::engine::{Engine, EngineFault};
use super::heard::{Complaint, Heard};
use super::output::StepOutput;
use super::shared::Shared;
use super::undo_files::{FileWork, do_file_work, file_work};
use super::undo_steps::hex;
use crate::domain::{
    Command, Ending, EngineFileError, EngineOptionSet, EngineOptionsUndo, FileBefore, Observation, Probe,
    restore_defaults,
};
use crate::node::{ExecId, ExecRequest, FileWrite, NodeError, Transport};
use crate::probe::observe;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Restarts the engine and waits until it answers. Where it does not come up, the end of its own log
/// is what is complained with. The socket is restarted with the service: an engine that was told to listen on the same path has taken its
/// place. Starts are counted by systemd, ours too, so it is told to forget them. `service` hands the init script an empty
/// environment, and so no sign of ours by which the engine would be taken for a command that was left running.
pub(super) const RESTART: &str = r#"
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export PATH
log=/var/log/docker.log
since=$(date +%s)
size=0
if [ -f "$log" ]; then size=$(wc -c <"$log"); fi
engine_log() {
    if [ -d /run/systemd/system ]; then
        journalctl _COMM=dockerd --since "@$since" --no-pager -q -o cat
    elif [ -f "$log" ]; then
        tail -c "+$((size + 1))" "$log"
    fi
}
fail() {
    engine_log 2>/dev/null | grep -v 'level=\(info\|debug\|warning\)' | grep -v '^$' | tail -n 6 >&2
    exit 1
}
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload || exit 1
    units=docker.service
    if systemctl -q is-active docker.socket || systemctl -q is-failed docker.socket; then units="docker.socket docker.service"; fi
    systemctl reset-failed docker.service docker.socket >/dev/null 2>&1
    systemctl restart $units >/dev/null 2>&1 || fail
else
    env -i PATH="$PATH" service docker restart >/dev/null 2>&1 || fail
fi
absent=0
until docker -H unix:///var/run/docker.sock version >/dev/null 2>&1; do
    if pidof dockerd >/dev/null; then absent=0; else absent=$((absent + 1)); fi
    if [ "$absent" -ge 15 ]; then fail; fi
    sleep 0.2
done
"#;

/// How long a restart may take that takes options back: an engine with tcp:// and no word on TLS sleeps 15 s at its start.
pub(super) const RESTART_DEADLINE: Duration = Duration::from_secs(90);
/// The largest file of options that is read, in bytes.
pub(super) const LARGEST_FILE: u64 = 256 * 1024;

/// The name of the list of containers that ran before a restart, in the instance's directory on the node: a labctl that dies in
/// the middle must not leave them stopped.
const RAN: &str = "containers-before-restart.json";

/// Why an engine was not restarted, or not as it was.
#[derive(Debug)]
pub(super) enum RestartFault {
    /// It does not come up; its own words.
    Engine(String),
    /// The command that restarts it did not come to its end, or could not be begun.
    Command(Ending),
    /// It runs, but something else could not be done.
    Beside(String),
}

impl fmt::Display for RestartFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Engine(reason) | Self::Beside(reason) => formatter.write_str(reason),
            Self::Command(ending) => write!(formatter, "{ending}"),
        }
    }
}

/// Works on the engine of one node as part of one step.
pub(super) struct EngineHand<'a> {
    shared: &'a Shared,
    transport: &'a dyn Transport,
    exec: String,
    pub(super) output: &'a mut StepOutput,
}

/// Reads a small file on the node as root.
pub(super) async fn read_file(transport: &dyn Transport, path: &str) -> Result<Vec<u8>, String> {
    let read = transport.read_file(true, path, LARGEST_FILE).await;
    match read.map_err(|error| error.to_string())? {
        Some(content) if content.is_cut => Err(format!("{path} is larger than {} KiB", LARGEST_FILE / 1024)),
        Some(content) => Ok(content.bytes),
        None => Err(format!("{path} could not be read: there is no such file")),
    }
}

/// Returns the running engine's command line; empty where none runs.
pub(super) async fn running_words(transport: &dyn Transport) -> Result<Vec<String>, String> {
    match observe(transport, &Probe::EngineOptions).await {
        Ok(Observation::EngineOptions(options)) => Ok(options.running),
        Ok(_) => Err("the node answered something that was not asked".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

impl<'a> EngineHand<'a> {
    /// Takes the engine in hand; the names of its execs begin with `exec`, which no other may have.
    pub(super) fn new(
        shared: &'a Shared,
        transport: &'a dyn Transport,
        exec: String,
        output: &'a mut StepOutput,
    ) -> Self {
        Self {
            shared,
            transport,
            exec,
            output,
        }
    }

    /// Restarts the engine; returns how the command ended, and what it complained with. Nothing stops it before its end.
    async fn run_restart(&mut self, name: &str, deadline: Duration) -> Result<(Ending, String), NodeError> {
        let request = ExecRequest {
            id: ExecId(format!("{}-{name}", self.exec)),
            command: Command::Argv(["sh", "-c", RESTART].map(str::to_owned).to_vec()),
            directory: None,
            environment: Vec::new(),
            stdin: None,
            as_root: true,
            deadline,
            is_whole: true,
        };
        let never = CancellationToken::new();
        let mut heard = Heard {
            complaint: Complaint::default(),
            output: self.output,
        };
        let ending = self.transport.exec(&request, &mut heard, &never).await?;
        Ok((ending, heard.complaint.text()))
    }

    /// Writes the file of options.
    pub(super) async fn write(&mut self, path: &str, content: &[u8]) -> Result<(), String> {
        if let Some((parent, _)) = path.rsplit_once('/') {
            let made = self.transport.make_directories(true, parent).await;
            made.map_err(|error| error.to_string())?;
        }
        let write = FileWrite {
            path: path.to_owned(),
            content: content.to_vec(),
            mode: None,
            as_root: true,
        };
        let written = self.transport.write_file(&write).await;
        written.map_err(|error| error.to_string())
    }

    /// Restarts the engine and starts the containers again that ran before. A restart that has begun is brought to its end, whoever
    /// wants to stop: half of one leaves no engine.
    pub(super) async fn restart(&mut self, name: &str, deadline: Duration) -> Result<(), RestartFault> {
        let ran = self.note_what_runs().await.map_err(RestartFault::Beside)?;
        let restarted = self.run_restart(name, deadline).await;
        match restarted {
            Ok((Ending::Exited { code: 0 }, _)) => {}
            Ok((Ending::Exited { .. }, said)) => return Err(RestartFault::Engine(said)),
            Ok((ending, _)) => return Err(RestartFault::Command(ending)),
            Err(error) => return Err(RestartFault::Command(error.into())),
        }
        self.output.say("the Docker Engine was restarted and answers");
        self.start_again(ran).await.map_err(RestartFault::Beside)
    }

    /// Notes on the node which containers run, besides those that an earlier restart did not start again; returns them all.
    async fn note_what_runs(&mut self) -> Result<BTreeMap<String, String>, String> {
        let mut ran = self.noted().await?;
        // An engine that is down has no container that runs.
        if let Ok(engine) = Engine::connect(self.transport).await {
            ran.extend(engine.running().await.map_err(|fault| fault.to_string())?);
        }
        self.note(&ran).await?;
        Ok(ran)
    }

    async fn note(&self, ran: &BTreeMap<String, String>) -> Result<(), String> {
        let kept = serde_json::to_vec(ran).unwrap_or_default();
        let kept = self.transport.keep(RAN, &kept).await;
        kept.map_err(|error| error.to_string())
    }

    /// Returns the containers that an earlier restart noted, by id with their names.
    async fn noted(&self) -> Result<BTreeMap<String, String>, String> {
        let path = format!("{}/{RAN}", self.place());
        if hash_of(self.transport, &path).await?.is_none() {
            return Ok(BTreeMap::new());
        }
        let kept = read_file(self.transport, &path).await?;
        Ok(serde_json::from_slice(&kept).unwrap_or_default())
    }

    /// Returns the instance's directory on the node.
    fn place(&self) -> String {
        let instance = self.shared.instance.as_ref();
        instance
            .map(|id| self.transport.instance_directory(id))
            .unwrap_or_default()
    }

    /// Starts those of `ran` that do not run. One may need another that comes later, so they are tried again while any was started.
    async fn start_again(&mut self, ran: BTreeMap<String, String>) -> Result<(), String> {
        if ran.is_empty() {
            return Ok(());
        }
        let told = |fault: EngineFault| fault.to_string();
        let engine = Engine::connect(self.transport).await.map_err(told)?;
        let now = engine.running().await.map_err(told)?;
        let mut waiting: Vec<(String, String)> = ran.into_iter().filter(|(id, _)| !now.contains_key(id)).collect();
        loop {
            let mut refused = Vec::new();
            let before = waiting.len();
            for (id, name) in waiting {
                match engine.start(&id).await {
                    Ok(true) => self.output.say(&format!("container {name} runs again")),
                    Ok(false) => {}
                    Err(fault) => refused.push((id, name, fault)),
                }
            }
            if refused.is_empty() {
                return self.note(&BTreeMap::new()).await;
            }
            if refused.len() == before {
                let texts: Vec<String> = refused
                    .iter()
                    .map(|(_, name, fault)| {
                        format!("container {name} ran before the restart and cannot be started: {fault}")
                    })
                    .collect();
                return Err(texts.join("; "));
            }
            waiting = refused.into_iter().map(|(id, name, _)| (id, name)).collect();
        }
    }

    /// Takes options back: the file as it was, and one restart where the engine runs with them or does not run.
    pub(super) async fn take_back(&mut self, undo: &EngineOptionsUndo) -> Result<(), String> {
        let restored = self.restore_file(undo).await?;
        let words = running_words(self.transport).await?;
        let is_in_force = EngineOptionSet::any_of(&undo.added, &words);
        if !restored && !is_in_force && !words.is_empty() {
            let ran = self.noted().await?;
            return self.start_again(ran).await;
        }
        let restarted = self.restart("restart-back", RESTART_DEADLINE).await;
        restarted.map_err(|fault| fault.to_string())
    }

    /// Puts the file back; returns whether that was necessary.
    async fn restore_file(&mut self, undo: &EngineOptionsUndo) -> Result<bool, String> {
        let place = self.place();
        let ours = self.hashes(undo);
        let work = file_work(self.transport, &place, &undo.path, &undo.before, &ours).await?;
        match work {
            FileWork::Nothing => Ok(false),
            FileWork::Refuse(reason) => match &undo.line {
                Some(line) => self.take_line_out(undo, line, &place).await,
                None => Err(reason),
            },
            work => do_file_work(self.transport, work, &self.shared.stop)
                .await
                .map(|()| true),
        }
    }

    /// Returns the hashes of all that this instance wrote to the file of `undo`.
    fn hashes(&self, undo: &EngineOptionsUndo) -> Vec<String> {
        let state = self.shared.state();
        let made = state.made.get(self.transport.node()).into_iter().flatten();
        let mut hashes: Vec<String> = made.filter_map(|made| made.written_options(&undo.path)).collect();
        hashes.push(undo.after_sha256.clone());
        hashes
    }

    /// Takes our line out of a file that somebody else has written to since.
    async fn take_line_out(&mut self, undo: &EngineOptionsUndo, line: &str, place: &str) -> Result<bool, String> {
        let original = match &undo.before {
            FileBefore::Absent => Vec::new(),
            FileBefore::Kept { backup, .. } => read_file(self.transport, &format!("{place}/{backup}")).await?,
        };
        let now = read_file(self.transport, &undo.path).await?;
        let restored = restore_defaults(&now, &original, line).map_err(|error: EngineFileError| error.to_string())?;
        if restored == now {
            return Ok(false);
        }
        self.write(&undo.path, &restored).await?;
        let said = format!(
            "{} was written to by somebody else; only the lab's options were taken out",
            undo.path
        );
        self.output.say(&said);
        Ok(true)
    }
}

/// Returns the SHA-256 of the file at `path`; `None` where there is none.
pub(super) async fn hash_of(transport: &dyn Transport, path: &str) -> Result<Option<String>, String> {
    let seen = look_at_file(transport, path).await.map_err(|error| error.to_string())?;
    Ok(seen.and_then(|seen| seen.sha256))
}

/// Returns the SHA-256 of `content` in hex.
pub(super) fn sha256(content: &[u8]) -> String {
    hex(Sha256::digest(content))
}
