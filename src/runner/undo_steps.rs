//! What a step will make, put down as undo before it makes it. Where something is in the way that labctl did not make,
//! the step is refused instead.

use super::baseline::look_at_file;
use super::shared::Shared;
use super::undo_files::{FileWork, directory_work, parents_work};
use crate::domain::{
    Action, Ending, FileBefore, MissingValue, NodeName, Outcome, PlannedStep, ProbeError, Text, Undo, UndoText,
    UnusableValue, Values, Work, fill_words,
};
use crate::node::{LookAt, NodeError, NodeErrorKind, Transport};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::timeout;

/// How long a look or a backup may take.
const QUICK: Duration = Duration::from_secs(30);

/// Why a step must not start, as the outcome that it has then.
pub(super) struct Refusal(pub(super) Outcome);

impl Refusal {
    pub(super) fn new(reason: String, hint: Option<String>) -> Self {
        Self(Outcome::CouldNotStart { reason, hint })
    }
}

impl Refusal {
    /// Returns how an action ends that finds out only while it is done.
    pub(super) fn into_ending(self) -> Ending {
        match self.0 {
            Outcome::LostConnection { reason, hint } => Ending::LostConnection { reason, hint },
            Outcome::CouldNotStart { reason, hint } => Ending::CouldNotStart { reason, hint },
            other => Ending::CouldNotStart {
                reason: other.name().to_owned(),
                hint: None,
            },
        }
    }
}

impl From<NodeError> for Refusal {
    fn from(error: NodeError) -> Self {
        Self(Ending::from(error).into())
    }
}

impl From<ProbeError> for Refusal {
    fn from(error: ProbeError) -> Self {
        match error {
            ProbeError::Unreachable { reason, hint } => Self(Outcome::LostConnection { reason, hint }),
            ProbeError::CannotLook { reason, hint } => Self::new(reason, hint),
        }
    }
}

impl From<MissingValue> for Refusal {
    fn from(error: MissingValue) -> Self {
        UnusableValue::from(error).into()
    }
}

impl From<UnusableValue> for Refusal {
    fn from(error: UnusableValue) -> Self {
        Self::new(error.to_string(), None)
    }
}

/// What plans the undo of one step.
pub(super) struct Planner<'a> {
    pub(super) shared: &'a Shared,
    step: &'a PlannedStep,
    pub(super) transport: &'a dyn Transport,
    exec: &'a str,
    values: Values,
    /// What earlier steps made and nothing has taken back yet.
    pub(super) owed: Vec<Undo>,
    pub(super) undo: Vec<Undo>,
}

/// Returns what takes `step` back, with backups already on the node.
pub(super) async fn plan_undo(
    shared: &Shared,
    step: &PlannedStep,
    transport: &dyn Transport,
    exec: &str,
) -> Result<Vec<Undo>, Refusal> {
    let owed = shared.state().owed.get(&step.key.node).cloned().unwrap_or_default();
    let values = shared.values();
    let mut planner = Planner {
        shared,
        step,
        transport,
        exec,
        values,
        owed,
        undo: Vec::new(),
    };
    let hashes = planner.hashes_of_written_files()?;
    for undo in &step.undo {
        match undo {
            UndoText::Directory(path) => planner.directory(path).await?,
            UndoText::File(path) => planner.file(path, &hashes).await?,
            other => planner.declared(other)?,
        }
    }
    if let Work::Action(Action::SetEngineOptions(settings)) = &step.work {
        planner.engine_options(settings).await?;
    }
    Ok(planner.undo)
}

/// Returns what takes back what `step`, whose command is the exec called `exec`, makes on the node `other`.
pub(super) fn plan_undo_elsewhere(
    shared: &Shared,
    step: &PlannedStep,
    other: &NodeName,
    exec: &str,
) -> Result<Vec<Undo>, Refusal> {
    let values = shared.values();
    let mut planned = Vec::new();
    for undo in step.undo_elsewhere.get(other).into_iter().flatten() {
        let printed = Undo::RemovePrinted {
            exec: exec.to_owned(),
            at: Some(step.key.node.clone()),
        };
        planned.extend(declared(step, undo, &values, printed)?);
    }
    Ok(planned)
}

/// Returns what `undo` of `step` comes to; `printed` takes back what the step's command prints that it made.
fn declared(step: &PlannedStep, undo: &UndoText, values: &Values, printed: Undo) -> Result<Vec<Undo>, UnusableValue> {
    let fill = |text: &Text| text.fill(values);
    Ok(match undo {
        UndoText::Project(project) => vec![Undo::RemoveProject {
            project: fill(project)?,
        }],
        UndoText::Container(name) => vec![Undo::RemoveContainer { name: fill(name)? }],
        UndoText::Images(references) => {
            let references = references.iter().map(fill).collect::<Result<_, _>>()?;
            let mut images = vec![Undo::RemoveImages { references }];
            // Only a command prints what it makes on the way.
            if matches!(step.work, Work::Action(Action::Run { .. } | Action::Compose { .. })) {
                images.push(printed);
            }
            images
        }
        UndoText::Run { command, as_root } => vec![Undo::Run {
            command: fill_words(command, values)?,
            as_root: *as_root,
        }],
        UndoText::Directory(_) | UndoText::File(_) => Vec::new(),
    })
}

impl Planner<'_> {
    fn declared(&mut self, undo: &UndoText) -> Result<(), Refusal> {
        let printed = Undo::RemovePrinted {
            exec: self.exec.to_owned(),
            at: None,
        };
        self.undo.extend(declared(self.step, undo, &self.values, printed)?);
        Ok(())
    }

    /// Plans the removal of a directory that must not be there yet, and of the parents it makes necessary.
    async fn directory(&mut self, path: &Text) -> Result<(), Refusal> {
        let path = path.fill(&self.values)?;
        if self.covered(&path) {
            return Ok(());
        }
        let Some(topmost) = self.topmost_missing(&path).await? else {
            let reason = format!("{path} is already there, and labctl did not make it");
            let hint = format!("move it away on {}, then run again", self.step.key.node);
            return Err(Refusal::new(reason, Some(hint)));
        };
        self.parents(&path, topmost)?;
        removable(&path, directory_work(&path))?;
        self.undo.push(Undo::RemoveDirectory { path });
        Ok(())
    }

    /// Plans the removal of the parents of `path` that are missing, from `topmost` on: somebody may use them meanwhile, so
    /// they go only where they are empty.
    fn parents(&mut self, path: &str, topmost: String) -> Result<(), Refusal> {
        if let Some((deepest, _)) = path.rsplit_once('/').filter(|_| topmost != path) {
            removable(&topmost, parents_work(&topmost, deepest))?;
            self.undo.push(Undo::RemoveEmptyDirectories {
                topmost,
                deepest: deepest.to_owned(),
            });
        }
        Ok(())
    }

    async fn file(&mut self, path: &Text, hashes: &BTreeMap<String, String>) -> Result<(), Refusal> {
        let path = path.fill(&self.values)?;
        if self.covered(&path) {
            return Ok(());
        }
        let after_sha256 = hashes.get(&path).cloned();
        let before = self.before(&path).await?;
        self.undo.push(Undo::RestoreFile {
            path,
            before,
            after_sha256,
        });
        Ok(())
    }

    /// Returns what is at `path`, of which a copy is kept, and plans the removal of parents that are missing.
    pub(super) async fn before(&mut self, path: &str) -> Result<FileBefore, Refusal> {
        if let Some(before) = self.before_first_write(path) {
            return Ok(before);
        }
        let Some(seen) = look_at_file(self.transport, path).await? else {
            if let Some(topmost) = self.topmost_missing(path).await? {
                self.parents(path, topmost)?;
            }
            return Ok(FileBefore::Absent);
        };
        let Some(sha256) = seen.sha256 else {
            let reason = format!("{path} is no regular file, so it cannot be kept and put back");
            return Err(Refusal::new(reason, None));
        };
        let backup = backup_name(path);
        self.back_up(path, &backup).await?;
        Ok(FileBefore::Kept {
            backup,
            sha256,
            mode: seen.mode,
            owner: seen.owner,
            group: seen.group,
        })
    }

    /// Says whether `path` lies in a directory whose removal is planned already.
    fn covered(&self, path: &str) -> bool {
        self.owed.iter().chain(&self.undo).any(|undo| match undo {
            Undo::RemoveDirectory { path: made } => path
                .strip_prefix(made.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
            _ => false,
        })
    }

    /// Returns what was at `path` before this instance wrote there for the first time.
    fn before_first_write(&self, path: &str) -> Option<FileBefore> {
        self.owed.iter().find_map(|undo| match undo {
            Undo::RestoreFile {
                path: written, before, ..
            } if written == path => Some(before.clone()),
            Undo::RestoreEngineOptions(options) if options.path == path => Some(options.before.clone()),
            _ => None,
        })
    }

    /// Returns the topmost directory that `mkdir -p` would have to make for `path`; `None` where it is there already.
    async fn topmost_missing(&self, path: &str) -> Result<Option<String>, Refusal> {
        let mut topmost = None;
        let mut path = path;
        loop {
            let look = LookAt {
                path: path.to_owned(),
                ..LookAt::default()
            };
            if self.transport.look_at(true, look).await?.is_some() {
                return Ok(topmost);
            }
            topmost = Some(path.to_owned());
            match path.rsplit_once('/') {
                Some((parent, _)) if !parent.is_empty() => path = parent,
                _ => return Ok(topmost),
            }
        }
    }

    pub(super) async fn back_up(&self, path: &str, backup: &str) -> Result<(), Refusal> {
        let Some(instance) = &self.shared.instance else {
            return Err(Refusal::new(
                "nothing may be changed outside an instance".to_owned(),
                None,
            ));
        };
        let place = format!("{}/{backup}", self.transport.instance_directory(instance));
        let directory = place.rsplit_once('/').map_or("/", |(directory, _)| directory);
        let copying = async {
            self.transport.make_directories(true, directory).await?;
            self.transport.copy_file(path, &place).await
        };
        let copied = tokio::select! {
            () = self.shared.stop.cancelled() => return Err(Refusal(Outcome::Cancelled)),
            copied = timeout(QUICK, copying) => copied,
        };
        let not_kept = |reason: &str| format!("{path} could not be kept before changing it: {reason}");
        match copied {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) if error.kind == NodeErrorKind::NodeFault => {
                Err(Refusal::new(not_kept(&error.message), error.hint))
            }
            Ok(Err(error)) => Err(error.into()),
            Err(_) => {
                let reason = format!("it took longer than {} s", QUICK.as_secs());
                Err(Refusal::new(not_kept(&reason), None))
            }
        }
    }

    fn hashes_of_written_files(&self) -> Result<BTreeMap<String, String>, MissingValue> {
        let Work::Action(Action::Write { files }) = &self.step.work else {
            return Ok(BTreeMap::new());
        };
        let hash = |file: &crate::domain::FileText| {
            Ok((
                file.path.fill(&self.values)?,
                hex(Sha256::digest(file.content.fill(&self.values)?.as_bytes())),
            ))
        };
        files.iter().map(hash).collect()
    }
}

/// Returns the name of the copy of the file at `path`, in the instance's directory.
pub(super) fn backup_name(path: &str) -> String {
    format!("backup/{}", &hex(Sha256::digest(path.as_bytes()))[..16])
}

/// Refuses to make at `path` what cleanup, which would do `work`, would never take away.
fn removable(path: &str, work: FileWork) -> Result<(), Refusal> {
    if matches!(work, FileWork::Refuse(_)) {
        let reason = format!("{path} is missing, and cleanup removes no directory of such a place");
        let hint = format!("make {path} yourself, then run again");
        return Err(Refusal::new(reason, Some(hint)));
    }
    Ok(())
}

/// Writes bytes as lower-case hex digits.
pub(super) fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
