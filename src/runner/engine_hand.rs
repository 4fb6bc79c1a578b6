//! The hand on an engine's options: writes them, restarts the engine, and puts them back.
//!
//! Responsible for a restart that ends only when the engine answers again or has said why it does not, for the containers that ran before it,
//! and for taking options back, be it at the end of a lab or because the engine does not start with them. What is owed and whether anything
//! may be changed is decided elsewhere, before.

use super::baseline::look_at_file;
use super::engine::{Engine, EngineFault};
use super::output::StepOutput;
use super::shared::Shared;
use super::undo_files::{FileWork, file_work};
use super::undo_steps::{Complaint, Heard, hex};
use crate::domain::{
    Command, Ending, EngineFileError, EngineOptionSet, EngineOptionsUndo, FileBefore, NodeName, Observation, Probe,
    restore_defaults,
};
use crate::node::{ExecId, ExecRequest, FileWrite, Look, Transport};
use crate::probe::observe;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::time::Duration;

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
    systemctl reset-failed docker.service docker.socket >/dev/null 2>&1
    units=docker.service
    if systemctl -q is-active docker.socket || systemctl -q is-failed docker.socket; then units="docker.socket docker.service"; fi
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
/// How long a quick command may take.
const QUICK: Duration = Duration::from_secs(30);
/// The largest file of options that is read, in bytes.
pub(super) const LARGEST_FILE: usize = 256 * 1024;

/// Works on the engine of one node as part of one step.
pub(super) struct EngineHand<'a> {
    shared: &'a Shared,
    transport: &'a dyn Transport,
    exec: String,
    pub(super) output: &'a mut StepOutput,
    /// The ids of the containers that ran before the first of its restarts.
    ran: BTreeSet<String>,
}

/// Reads a small file on the node as root.
pub(super) async fn read_file(transport: &dyn Transport, path: &str) -> Result<Vec<u8>, String> {
    let look = Look {
        command: Command::Argv(["cat", "--", path].map(str::to_owned).to_vec()),
        as_root: true,
        deadline: QUICK,
        keep: LARGEST_FILE,
    };
    let looked = transport.look(&look).await.map_err(|error| error.to_string())?;
    if looked.ending != (Ending::Exited { code: 0 }) {
        let said = String::from_utf8_lossy(&looked.stderr).trim().to_owned();
        return Err(format!("{path} could not be read: {}: {said}", looked.ending));
    }
    if looked.dropped > 0 {
        return Err(format!("{path} is larger than {} KiB", LARGEST_FILE / 1024));
    }
    Ok(looked.stdout)
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
            ran: BTreeSet::new(),
        }
    }

    async fn command(&mut self, name: &str, words: &[&str], deadline: Duration) -> Result<(), String> {
        let request = ExecRequest {
            id: ExecId(format!("{}-{name}", self.exec)),
            command: Command::Argv(words.iter().map(|word| (*word).to_owned()).collect()),
            directory: None,
            environment: Vec::new(),
            stdin: None,
            as_root: true,
            deadline,
        };
        let mut heard = Heard {
            complaint: Complaint::default(),
            output: self.output,
        };
        match self.transport.exec(&request, &mut heard, &self.shared.stop).await {
            Ok(Ending::Exited { code: 0 }) => Ok(()),
            Ok(ending) => {
                let said = heard.complaint.text();
                Err(if said.is_empty() { ending.to_string() } else { said })
            }
            Err(error) => Err(error.to_string()),
        }
    }

    /// Writes the file of options.
    pub(super) async fn write(&mut self, path: &str, content: &[u8]) -> Result<(), String> {
        if let Some((parent, _)) = path.rsplit_once('/') {
            self.command("mkdir", &["mkdir", "-p", "--", parent], QUICK).await?;
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

    /// Restarts the engine and starts the containers again that ran before.
    pub(super) async fn restart(&mut self, name: &str, deadline: Duration) -> Result<(), String> {
        // An engine that is down has no container that runs.
        if let Ok(engine) = Engine::connect(self.transport).await {
            self.ran.extend(engine.running().await.unwrap_or_default());
        }
        self.command(name, &["sh", "-c", RESTART], deadline).await?;
        self.output.say("the Docker Engine was restarted and answers");
        self.start_again().await.map_err(|fault| fault.to_string())
    }

    async fn start_again(&mut self) -> Result<(), EngineFault> {
        if self.ran.is_empty() {
            return Ok(());
        }
        let engine = Engine::connect(self.transport).await?;
        let now = engine.running().await?;
        for id in self.ran.difference(&now) {
            if engine.start(id).await? {
                let short = id.get(..12).unwrap_or(id);
                self.output.say(&format!("container {short} runs again"));
            }
        }
        Ok(())
    }

    /// Takes options back: the file as it was, and one restart where the engine runs with them or does not run.
    pub(super) async fn take_back(&mut self, undo: &EngineOptionsUndo) -> Result<(), String> {
        let restored = self.restore_file(undo).await?;
        let words = running_words(self.transport).await?;
        let is_in_force = EngineOptionSet::any_of(&undo.added, &words);
        if !restored && !is_in_force && !words.is_empty() {
            return Ok(());
        }
        self.ran.extend(self.ran_before(self.transport.node()));
        self.restart("restart-back", RESTART_DEADLINE).await
    }

    /// Returns the ids of the containers that ran when the node's baseline was taken.
    fn ran_before(&self, node: &NodeName) -> BTreeSet<String> {
        let state = self.shared.state();
        let containers = state
            .baselines
            .get(node)
            .into_iter()
            .flat_map(|baseline| &baseline.containers);
        let running = containers.filter(|(_, mark)| mark.running);
        running.map(|(id, _)| id.clone()).collect()
    }

    /// Puts the file back; returns whether that was necessary.
    async fn restore_file(&mut self, undo: &EngineOptionsUndo) -> Result<bool, String> {
        let instance = self.shared.instance.as_ref();
        let place = instance
            .map(|id| self.transport.instance_directory(id))
            .unwrap_or_default();
        let ours = self.hashes(undo);
        let work = file_work(self.transport, &place, &undo.path, &undo.before, &ours).await?;
        match work {
            FileWork::Nothing => Ok(false),
            FileWork::Command(words) => {
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                self.command("put-back", &words, QUICK).await?;
                Ok(true)
            }
            FileWork::Refuse(reason) => match &undo.line {
                Some(line) => self.take_line_out(undo, line, &place).await,
                None => Err(reason),
            },
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
