//! What takes an engine's options back, put down before they are set: the file as it was, also where somebody else has written to it
//! since this instance did.

use super::baseline::look_at_file;
use super::engine_hand::{read_file, sha256};
use super::engine_options::judge_engine_change;
use super::undo_steps::{Planner, Refusal, backup_name};
use crate::domain::{EngineOptionsUndo, EngineSettings, FileBefore, Undo, restore_defaults};
use crate::node::FileWrite;

impl Planner<'_> {
    /// Plans what takes an engine's options back, once nothing stands in their way; nothing where nothing will be changed.
    pub(super) async fn engine_options(&mut self, settings: &EngineSettings) -> Result<(), Refusal> {
        let Some(change) = judge_engine_change(self.shared, self.transport, settings).await? else {
            return Ok(());
        };
        let before = self.before_options(change.path).await?;
        // What an earlier step or run of this instance added is there already, and is ours all the same.
        let mut added = change.added;
        for owed in self.owed_options(change.path) {
            added.extend(owed.added.iter().cloned());
        }
        added.sort_unstable();
        added.dedup();
        self.undo.push(Undo::RestoreEngineOptions(Box::new(EngineOptionsUndo {
            path: change.path.to_owned(),
            before,
            after_sha256: sha256(&change.content),
            line: change.line,
            added,
        })));
        Ok(())
    }

    fn owed_options<'o>(&'o self, path: &'o str) -> impl DoubleEndedIterator<Item = &'o EngineOptionsUndo> {
        self.owed.iter().filter_map(move |undo| match undo {
            Undo::RestoreEngineOptions(options) if options.path == path => Some(options.as_ref()),
            _ => None,
        })
    }

    /// Returns what is to be there again in the file of an engine's options. That is what was there before this instance first wrote,
    /// unless somebody else has written since: then it is what stands there now, without the lab's line.
    async fn before_options(&mut self, path: &str) -> Result<FileBefore, Refusal> {
        let Some(last) = self.owed_options(path).next_back().cloned() else {
            return self.before(path).await;
        };
        let now = look_at_file(self.transport, path).await?.and_then(|seen| seen.sha256);
        let as_we_know_it = match (&now, &last.before) {
            (None, FileBefore::Absent) => true,
            (Some(now), FileBefore::Kept { sha256, .. }) if now == sha256 => true,
            (Some(now), _) => self.owed_options(path).any(|owed| owed.after_sha256 == *now),
            (None, FileBefore::Kept { .. }) => false,
        };
        let (Some(now), false, Some(line)) = (now, as_we_know_it, &last.line) else {
            return Ok(last.before);
        };
        self.back_up_without(path, &now, (&last, line)).await
    }

    /// Keeps a copy of the file at `path`, which has the hash `now`, from which the line that `last` wrote is taken out.
    async fn back_up_without(
        &mut self,
        path: &str,
        now: &str,
        (last, line): (&EngineOptionsUndo, &str),
    ) -> Result<FileBefore, Refusal> {
        let told = |reason: String| Refusal::new(reason, None);
        let place = |backup: &str| {
            let instance = self.shared.instance.as_ref();
            let directory = instance
                .map(|id| self.transport.instance_directory(id))
                .unwrap_or_default();
            format!("{directory}/{backup}")
        };
        let original = match &last.before {
            FileBefore::Absent => Vec::new(),
            FileBefore::Kept { backup, .. } => read_file(self.transport, &place(backup)).await.map_err(told)?,
        };
        let content = read_file(self.transport, path).await.map_err(told)?;
        let without = restore_defaults(&content, &original, line).map_err(|error| told(error.to_string()))?;
        let backup = format!("{}-{}", backup_name(path), &now[..8.min(now.len())]);
        self.back_up(path, &backup).await?;
        let write = FileWrite {
            path: place(&backup),
            content: without.clone(),
            mode: None,
            as_root: true,
        };
        self.transport.write_file(&write).await?;
        let seen = look_at_file(self.transport, path).await?;
        let seen = seen.ok_or_else(|| told(format!("{path} was removed while this step began")))?;
        Ok(FileBefore::Kept {
            backup,
            sha256: sha256(&without),
            mode: seen.mode,
            owner: seen.owner,
            group: seen.group,
        })
    }
}
