//! Takes steps back and goes on past what fails.

use super::baseline::EngineContents;
use super::builds::{contents_with_commits, let_commits_end};
use super::engine::Engine;
use super::engine_hand::EngineHand;
use super::executor::Done;
use super::heard::{Complaint, Heard};
use super::output::StepOutput;
use super::ownership::{Proofs, leaves, names};
use super::reports::JournalLost;
use super::shared::Shared;
use super::undo_files::{directory_work, do_file_work, file_work, parents_work, written_hashes};
use crate::domain::{Baseline, Command, Ending, EventKind, Outcome, PlannedStep, Undo, UndoPhase, familiar_reference};
use crate::node::{ExecId, ExecRequest, Transport};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, interval, timeout};

/// How long an engine may go on changing things by itself after its client was killed.
pub(super) const SETTLE: Duration = Duration::from_secs(30);

/// How long an engine that is well may take to answer.
const ANSWER: Duration = Duration::from_secs(15);

/// How long one command of an undo may take.
const UNDO_COMMAND: Duration = Duration::from_secs(120);

/// What works on one node to take things back there.
pub(super) struct Undoing<'a> {
    pub(super) shared: &'a Arc<Shared>,
    pub(super) step: &'a PlannedStep,
    pub(super) transport: &'a dyn Transport,
    pub(super) baseline: Baseline,
    pub(super) made: Vec<Undo>,
    output: StepOutput,
}

impl<'a> Undoing<'a> {
    /// Returns `None` for a node without a baseline: nothing was changed there.
    pub(super) fn new(shared: &'a Arc<Shared>, step: &'a PlannedStep, transport: &'a dyn Transport) -> Option<Self> {
        let state = shared.state();
        let baseline = state.baselines.get(&step.key.node)?.clone();
        let made = state.made.get(&step.key.node).cloned().unwrap_or_default();
        drop(state);
        let output = StepOutput::new(shared, &step.key, false);
        Some(Self {
            shared,
            step,
            transport,
            baseline,
            made,
            output,
        })
    }

    async fn engine(&self) -> Result<Engine, String> {
        Engine::connect(self.transport).await.map_err(|fault| fault.to_string())
    }

    pub(super) async fn contents(&self) -> Result<EngineContents, String> {
        let looked = contents_with_commits(self.transport, &self.baseline).await;
        looked.map_err(|error| error.to_string())
    }

    async fn undo(&mut self, undo: &Undo, number: usize) -> Result<(), String> {
        match undo {
            Undo::RemoveDirectory { path } => {
                self.refuse_with_our_files_in(path)?;
                do_file_work(self.transport, directory_work(path), &self.shared.stop).await
            }
            Undo::RemoveEmptyDirectories { topmost, deepest } => {
                self.refuse_with_our_files_in(topmost)?;
                do_file_work(self.transport, parents_work(topmost, deepest), &self.shared.stop).await
            }
            Undo::RestoreFile { path, before, .. } => {
                let instance = self.shared.instance.as_ref();
                let instance = instance
                    .map(|id| self.transport.instance_directory(id))
                    .unwrap_or_default();
                let ours = written_hashes(&self.made, path);
                let work = file_work(self.transport, &instance, path, before, &ours).await?;
                do_file_work(self.transport, work, &self.shared.stop).await
            }
            Undo::RestoreEngineOptions(options) => self.engine_hand(&number.to_string()).take_back(options).await,
            Undo::RemoveProject { .. } | Undo::RemoveContainer { .. } => self.remove_containers().await,
            Undo::RemoveImages { references } => self.remove_images(references).await,
            Undo::RemovePrinted { exec, at } => {
                self.printed_ids(exec, at.as_ref()).await?;
                self.remove_images(&[]).await
            }
            Undo::Run { command, as_root } => self.command(command.clone(), *as_root, number).await,
        }
    }

    /// Gives an engine that does not run its own options back before all else, where it has some of ours: it may not start with those,
    /// and what is to be removed is removed by the engine. What fails here is told when its turn comes.
    async fn revive_engine(&mut self) -> Result<(), JournalLost> {
        let node = self.step.key.node.clone();
        let owed: Vec<Undo> = {
            let state = self.shared.state();
            let owed = state.owed.get(&node).into_iter().flatten();
            owed.filter(|undo| undo.phase() == UndoPhase::Engine).cloned().collect()
        };
        if owed.is_empty() {
            return Ok(());
        }
        let answers = timeout(ANSWER, Engine::connect(self.transport)).await;
        if matches!(answers, Ok(Ok(_))) {
            return Ok(());
        }
        self.output
            .say("the Docker Engine does not answer: it gets its own options back first");
        for (number, undo) in owed.iter().rev().enumerate() {
            let Undo::RestoreEngineOptions(options) = undo else {
                continue;
            };
            let deadline = self.step.timeout;
            let mut hand = self.engine_hand(&format!("revive-{number}"));
            if let Ok(Ok(())) = timeout(deadline, hand.take_back(options)).await {
                let step = self.step.key.clone();
                let (undo, failed) = (undo.clone(), None);
                let done = EventKind::Undone { step, undo, failed };
                self.shared.reports.event(done).await?;
            }
        }
        Ok(())
    }

    fn engine_hand(&mut self, name: &str) -> EngineHand<'_> {
        let exec = format!("{}-{}-{name}", self.shared.id, self.step.key.step);
        EngineHand::new(self.shared, self.transport, exec, &mut self.output)
    }

    /// Refuses to count a directory as removed while a file in it is owed: its own undo has been refused, or has failed.
    fn refuse_with_our_files_in(&self, directory: &str) -> Result<(), String> {
        let below = |path: &str| path.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/'));
        let state = self.shared.state();
        let owed = state.owed.get(&self.step.key.node).into_iter().flatten();
        let mut files = owed.filter_map(|undo| match undo {
            Undo::RestoreFile { path, .. } if below(path) => Some(path),
            _ => None,
        });
        match files.next() {
            Some(file) => Err(format!("{file} is still to be put back")),
            None => Ok(()),
        }
    }

    async fn command(&mut self, words: Vec<String>, as_root: bool, number: usize) -> Result<(), String> {
        let request = ExecRequest {
            id: ExecId(format!("{}-{}-{number}", self.shared.id, self.step.key.step)),
            command: Command::Argv(words),
            directory: None,
            environment: Vec::new(),
            stdin: None,
            as_root,
            deadline: UNDO_COMMAND,
            is_whole: false,
        };
        let mut heard = Heard {
            complaint: Complaint::default(),
            output: &mut self.output,
        };
        match self.transport.exec(&request, &mut heard, &self.shared.stop).await {
            Ok(Ending::Exited { code: 0 }) => Ok(()),
            Ok(ending) => {
                let said = heard.complaint.text();
                Err(if said.is_empty() {
                    ending.to_string()
                } else {
                    format!("{ending}: {said}")
                })
            }
            Err(error) => Err(error.to_string()),
        }
    }

    /// Removes the containers that are ours, with what Compose made beside them.
    pub(super) async fn remove_containers(&mut self) -> Result<(), String> {
        let proofs = self.proofs().await?;
        let_commits_end(self.transport, &proofs, &self.baseline, &self.shared.stop).await?;
        let contents = self.contents().await?;
        let engine = self.engine().await?;
        let volumes = proofs.volumes(&contents, &self.baseline);
        let mut faults = Vec::new();
        let containers = proofs.containers(&contents, &self.baseline);
        for container in &containers {
            self.output.say(&format!("removing container {}", container.name));
        }
        faults.extend(engine.remove_containers(&containers).await);
        for name in proofs.networks(&contents, &self.baseline) {
            self.output.say(&format!("removing network {name}"));
            faults.extend(engine.remove_network(&name).await.err());
        }
        for name in volumes {
            self.output.say(&format!("removing volume {name}"));
            faults.extend(engine.remove_volume(&name).await.err());
        }
        as_result(&faults)
    }

    /// Removes the tags in `references` and then every image that is ours, those without children first.
    pub(super) async fn remove_images(&mut self, references: &[String]) -> Result<(), String> {
        let engine = self.engine().await?;
        let mut proofs = self.proofs().await?;
        let_commits_end(self.transport, &proofs, &self.baseline, &self.shared.stop).await?;
        // A tag that is taken away was the proof for its image and the layers below, so what is ours is noted down before.
        proofs.remember(proofs.images(&self.contents().await?, &self.baseline));
        let mut refused = BTreeSet::new();
        for reference in references {
            let tag = familiar_reference(reference);
            refused.extend(self.take_tag_back(&engine, &tag).await.err());
        }
        refused.extend(self.remove_our_images(&engine, &proofs).await.err());
        as_result(&refused)
    }

    async fn remove_our_images(&mut self, engine: &Engine, proofs: &Proofs) -> Result<(), String> {
        // What a killed build left running holds its layers; what the engine is removing itself, a little longer; and one may
        // have come after the look.
        let limit = Instant::now() + SETTLE;
        let mut ticks = interval(Duration::from_millis(250));
        let mut in_vain = 0;
        loop {
            let contents = self.contents().await?;
            let mut faults = Vec::new();
            let containers = proofs.containers(&contents, &self.baseline);
            for container in &containers {
                self.output.say(&format!("removing container {}", container.name));
            }
            faults.extend(engine.remove_containers(&containers).await);
            in_vain += 1;
            let ours = proofs.images(&contents, &self.baseline);
            for image in leaves(&ours, &contents) {
                for name in names(image) {
                    match engine.remove_image(name).await {
                        Ok(()) => in_vain = 0,
                        Err(fault) => faults.push(fault),
                    }
                }
            }
            let over = Instant::now() > limit || self.shared.stop.is_cancelled();
            let hopeless = over || (in_vain > 1 && containers.is_empty());
            if in_vain > 0 && (faults.is_empty() || hopeless) {
                return as_result(&faults);
            }
            if in_vain > 0 {
                ticks.tick().await;
            }
        }
    }

    /// Takes one tag away, or gives it back to the image that had it.
    async fn take_tag_back(&mut self, engine: &Engine, tag: &str) -> Result<(), String> {
        let contents = self.contents().await?;
        let now = contents
            .images
            .iter()
            .find(|image| image.tags.iter().any(|found| found == tag));
        let is_there = |id: &String| contents.images.iter().any(|image| image.id == *id);
        let mut images = self.baseline.images.iter();
        let before = images.find(|(id, tags)| tags.contains(tag) && is_there(id));
        let before = before.map(|(id, _)| id.clone());
        if let Some(now) = now {
            let had_it = self.baseline.images.get(&now.id).is_some_and(|tags| tags.contains(tag));
            if before.as_ref() == Some(&now.id) || had_it {
                return Ok(());
            }
            self.take_tag_away(engine, tag, &now.id, before.is_some()).await?;
        }
        if let Some(before) = before {
            self.output.say(&format!("giving the tag {tag} back to {before}"));
            engine.tag(&before, tag).await.map_err(|fault| fault.to_string())?;
        }
        Ok(())
    }

    /// Removes `tag`, and with it the image `id` where nothing else holds that. A tag that goes back to another image is
    /// removed only from one that is new: that would stay without a name otherwise.
    async fn take_tag_away(&mut self, engine: &Engine, tag: &str, id: &str, goes_back: bool) -> Result<(), String> {
        match self.baseline.images.get(id) {
            Some(_) if goes_back => return Ok(()),
            Some(tags) if tags.is_empty() => {
                return Err(format!(
                    "{id} had no name before, and would go with the tag {tag}; both are left"
                ));
            }
            _ => self.output.say(&format!("removing image {tag}")),
        }
        engine.remove_image(tag).await.map_err(|fault| fault.to_string())
    }

    pub(super) fn finish(self, outcome: Outcome) -> Done {
        match self.output.finish() {
            Ok(output) => Done { outcome, output },
            Err(error) => {
                let reason = format!("the output could not be kept: {error}");
                Outcome::CouldNotStart { reason, hint: None }.into()
            }
        }
    }
}

fn as_result(faults: impl IntoIterator<Item = impl ToString>) -> Result<(), String> {
    let texts: BTreeSet<String> = faults.into_iter().map(|fault| fault.to_string()).collect();
    if texts.is_empty() {
        return Ok(());
    }
    Err(texts.into_iter().collect::<Vec<_>>().join("; "))
}

/// Takes back `undos` one after the other; one that fails does not stop the others.
pub(super) async fn undo_all(
    shared: &Arc<Shared>,
    step: &PlannedStep,
    transport: &dyn Transport,
    undos: &[Undo],
) -> Result<Done, JournalLost> {
    let Some(mut undoing) = Undoing::new(shared, step, transport) else {
        return Ok(Outcome::Passed.into());
    };
    undoing.revive_engine().await?;
    let mut outcome = Outcome::Passed;
    for (number, undo) in undos.iter().enumerate() {
        if shared.stop.is_cancelled() {
            return Ok(undoing.finish(Outcome::Cancelled));
        }
        let failed = match timeout(step.timeout, undoing.undo(undo, number)).await {
            Ok(done) => done.err(),
            Err(_) => Some(format!("it took longer than {} s", step.timeout.as_secs())),
        };
        if let Some(reason) = &failed {
            undoing.output.say(&format!("{undo}: {reason}"));
            outcome = Outcome::FailedCheck;
        }
        let failed = failed.map(|reason| shared.redactor().text(&reason));
        let step = step.key.clone();
        shared
            .reports
            .event(EventKind::Undone {
                step,
                undo: undo.clone(),
                failed,
            })
            .await?;
    }
    if outcome != Outcome::Passed && shared.stop.is_cancelled() {
        outcome = Outcome::Cancelled;
    }
    Ok(undoing.finish(outcome))
}
