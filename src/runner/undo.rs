//! Takes steps back, goes on past what fails, and proves that nothing is left.

use super::baseline::{EngineContents, as_baseline, engine_contents, files_again};
use super::engine::{Engine, EngineFault};
use super::executor::Done;
use super::output::StepOutput;
use super::ownership::Proofs;
use super::reports::JournalLost;
use super::shared::Shared;
use super::undo_files::{FileWork, directory_work, file_work, parents_work, written_hashes};
use super::undo_steps::Complaint;
use crate::domain::{Baseline, Command, Ending, EventKind, Outcome, PlannedStep, Undo, familiar_reference};
use crate::node::{ExecId, ExecRequest, OutputSink, Stream, Transport};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

/// How long an engine may go on changing things by itself after its client was killed.
const SETTLE: Duration = Duration::from_secs(30);

/// How long one command of an undo may take.
const UNDO_COMMAND: Duration = Duration::from_secs(120);

/// Removes what runs and what is not default on a node, as `--reset-nodes` asks.
const RESET_OPTIONS: &str = r"
f=/etc/default/docker
grep -Eq '^[[:space:]]*(export[[:space:]]+)?DOCKER_OPTS=' $f 2>/dev/null || exit 0
sed -i -E 's/^([[:space:]]*(export[[:space:]]+)?DOCKER_OPTS=)/#\1/' $f && service docker restart
";

struct Undoing<'a> {
    shared: &'a Arc<Shared>,
    step: &'a PlannedStep,
    transport: &'a dyn Transport,
    baseline: Baseline,
    made: Vec<Undo>,
    output: StepOutput,
}

impl<'a> Undoing<'a> {
    fn new(shared: &'a Arc<Shared>, step: &'a PlannedStep, transport: &'a dyn Transport) -> Option<Self> {
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

    async fn proofs(&self) -> Result<Proofs, String> {
        let mut printed = Vec::new();
        for undo in &self.made {
            if let Undo::RemovePrinted { exec } = undo {
                printed.extend(
                    self.transport
                        .printed_ids(exec)
                        .await
                        .map_err(|error| error.to_string())?,
                );
            }
        }
        Ok(Proofs::new(&self.made, printed))
    }

    async fn engine(&self) -> Result<Engine, String> {
        Engine::connect(self.transport).await.map_err(|fault| fault.to_string())
    }

    async fn contents(&self) -> Result<EngineContents, String> {
        engine_contents(self.transport).await.map_err(|error| error.to_string())
    }

    async fn undo(&mut self, undo: &Undo, number: usize) -> Result<(), String> {
        match undo {
            Undo::RemoveDirectory { path } => {
                self.refuse_with_our_files_in(path)?;
                self.file_work(directory_work(path), number).await
            }
            Undo::RemoveEmptyDirectories { topmost, deepest } => {
                self.refuse_with_our_files_in(topmost)?;
                self.file_work(parents_work(topmost, deepest), number).await
            }
            Undo::RestoreFile { path, before, .. } => {
                let instance = self.shared.instance.as_ref();
                let instance = instance
                    .map(|id| self.transport.instance_directory(id))
                    .unwrap_or_default();
                let ours = written_hashes(&self.made, path);
                let work = file_work(self.transport, &instance, path, before, &ours).await?;
                self.file_work(work, number).await
            }
            Undo::RemoveProject { .. } | Undo::RemoveContainer { .. } => self.remove_containers().await,
            Undo::RemoveImages { references } => self.remove_images(references).await,
            Undo::RemovePrinted { .. } => self.remove_images(&[]).await,
            Undo::Run { command, as_root } => self.command(command.clone(), *as_root, number).await,
        }
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

    async fn file_work(&mut self, work: FileWork, number: usize) -> Result<(), String> {
        match work {
            FileWork::Nothing => Ok(()),
            FileWork::Command(words) => self.command(words, true, number).await,
            FileWork::Refuse(reason) => Err(reason),
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
    async fn remove_containers(&mut self) -> Result<(), String> {
        let proofs = self.proofs().await?;
        let contents = self.contents().await?;
        let engine = self.engine().await?;
        let volumes = proofs.volumes(&contents, &self.baseline);
        let mut faults = Vec::new();
        for container in proofs.containers(&contents, &self.baseline) {
            self.output.say(&format!("removing container {}", container.name));
            faults.extend(engine.remove_container(&container.id).await.err());
        }
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
    async fn remove_images(&mut self, references: &[String]) -> Result<(), String> {
        let engine = self.engine().await?;
        for reference in references {
            self.take_tag_back(&engine, &familiar_reference(reference)).await?;
        }
        let proofs = self.proofs().await?;
        loop {
            let contents = self.contents().await?;
            let mut faults = Vec::new();
            // What a killed build left running holds its layers.
            for container in proofs.containers(&contents, &self.baseline) {
                self.output.say(&format!("removing container {}", container.name));
                faults.extend(engine.remove_container(&container.id).await.err());
            }
            let ours = proofs.images(&contents, &self.baseline);
            let mut progress = false;
            for id in leaves(&ours, &contents) {
                match engine.remove_image(&id).await {
                    Ok(()) => progress = true,
                    Err(fault) => faults.push(fault),
                }
            }
            if ours.is_empty() || !progress {
                return as_result(&faults);
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
        let before = self
            .baseline
            .images
            .iter()
            .find(|(_, tags)| tags.contains(tag))
            .map(|(id, _)| id);
        let before = before.filter(|id| contents.images.iter().any(|image| image.id == **id));
        let done = match (before, now) {
            (Some(before), Some(now)) if now.id == *before => Ok(()),
            (Some(before), now) => {
                self.output.say(&format!("giving the tag {tag} back to {before}"));
                // Untagged first, the image that has it now goes with its last tag; re-tagged, it would stay without a name.
                let freed = match now {
                    Some(now) if !self.baseline.images.contains_key(&now.id) => engine.remove_image(tag).await,
                    _ => Ok(()),
                };
                match freed {
                    Ok(()) => engine.tag(before, tag).await,
                    Err(fault) => Err(fault),
                }
            }
            (None, Some(now)) if self.is_in_baseline(&now.id, tag) => Ok(()),
            (None, Some(_)) => {
                self.output.say(&format!("removing image {tag}"));
                engine.remove_image(tag).await
            }
            (None, None) => Ok(()),
        };
        done.map_err(|fault| fault.to_string())
    }

    fn is_in_baseline(&self, id: &str, tag: &str) -> bool {
        self.baseline.images.get(id).is_some_and(|tags| tags.contains(tag))
    }

    fn finish(self, outcome: Outcome) -> Done {
        match self.output.finish() {
            Ok(output) => Done { outcome, output },
            Err(error) => {
                let reason = format!("the output could not be kept: {error}");
                Outcome::CouldNotStart { reason, hint: None }.into()
            }
        }
    }
}

/// Passes output on and remembers what one command complained about.
struct Heard<'a> {
    complaint: Complaint,
    output: &'a mut StepOutput,
}

impl OutputSink for Heard<'_> {
    fn chunk(&mut self, stream: Stream, bytes: &[u8]) {
        self.complaint.chunk(stream, bytes);
        self.output.chunk(stream, bytes);
    }

    fn cut(&mut self, stream: Stream, bytes: u64) {
        self.output.cut(stream, bytes);
    }
}

fn as_result(faults: &[EngineFault]) -> Result<(), String> {
    if faults.is_empty() {
        return Ok(());
    }
    let texts: BTreeSet<String> = faults.iter().map(ToString::to_string).collect();
    Err(texts.into_iter().collect::<Vec<_>>().join("; "))
}

/// Returns those of `ours` that no other image stands on.
fn leaves(ours: &BTreeSet<String>, contents: &EngineContents) -> Vec<String> {
    let parents: BTreeSet<&str> = contents
        .images
        .iter()
        .filter_map(|image| image.parent.as_deref())
        .collect();
    ours.iter()
        .filter(|id| !parents.contains(id.as_str()))
        .cloned()
        .collect()
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
    Ok(undoing.finish(outcome))
}

/// Compares the node with its baseline and, where nothing of ours is left and nothing is owed, lets go of it.
pub(super) async fn compare_baseline(
    shared: &Arc<Shared>,
    step: &PlannedStep,
    transport: &dyn Transport,
) -> Result<Done, JournalLost> {
    let Some(mut undoing) = Undoing::new(shared, step, transport) else {
        return Ok(Outcome::Passed.into());
    };
    let (ours, others) = match undoing.settle().await {
        Ok(differences) => differences,
        Err(reason) => return Ok(undoing.finish(Outcome::CannotTell { reason })),
    };
    let node = step.key.node.clone();
    let owed = shared.state().owed.get(&node).is_some_and(|owed| !owed.is_empty());
    let clean = ours.is_empty() && !owed;
    shared
        .reports
        .event(EventKind::BaselineCompared {
            node: node.clone(),
            ours,
            others,
        })
        .await?;
    if !clean {
        return Ok(undoing.finish(Outcome::FailedCheck));
    }
    if let Some(instance) = &shared.instance
        && let Err(error) = transport.close_instance(instance).await
    {
        return Ok(undoing.finish(Ending::from(error).into()));
    }
    shared.reports.event(EventKind::NodeReleased { node }).await?;
    Ok(undoing.finish(Outcome::Passed))
}

type OursAndOthers = (Vec<crate::domain::Difference>, Vec<crate::domain::Difference>);

impl Undoing<'_> {
    /// Compares until nothing of ours is left. An engine whose client was killed may still be finishing something, so where
    /// a command made images, one clean look is not believed.
    async fn settle(&mut self) -> Result<OursAndOthers, String> {
        let deadline = Instant::now() + SETTLE;
        let builds = self.made.iter().any(|undo| matches!(undo, Undo::RemovePrinted { .. }));
        let clean_looks_wanted = if builds { 2 } else { 1 };
        let mut clean_looks = 0;
        let mut ticks = interval(Duration::from_secs(1));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let proofs = self.proofs().await?;
            let contents = self.contents().await?;
            if proofs.owns_something(&contents, &self.baseline) {
                clean_looks = 0;
            } else {
                clean_looks += 1;
            }
            let given_up = Instant::now() > deadline || self.shared.stop.is_cancelled();
            if clean_looks >= clean_looks_wanted || given_up {
                let files = files_again(self.transport, &self.baseline)
                    .await
                    .map_err(|error| error.to_string())?;
                let now = as_baseline(&self.step.key.node, &contents, files);
                return Ok(proofs.split(self.baseline.differences(&now), &contents, &self.baseline));
            }
            if clean_looks == 0 {
                // What stands in the way shows in the next comparison.
                let _ = self.remove_containers().await;
                let _ = self.remove_images(&[]).await;
            }
        }
    }
}

/// Removes the containers that run on the node and are not ours, and puts its engine's options back to their defaults.
pub(super) async fn reset_node(
    shared: &Arc<Shared>,
    step: &PlannedStep,
    transport: &dyn Transport,
) -> Result<Done, JournalLost> {
    let mut output = StepOutput::new(shared, &step.key, false);
    let outcome = match reset(shared, step, transport, &mut output).await {
        Ok(()) => Outcome::Passed,
        Err(reason) => Outcome::CouldNotStart { reason, hint: None },
    };
    match output.finish() {
        Ok(output) => Ok(Done { outcome, output }),
        Err(error) => Ok(Outcome::CannotTell {
            reason: error.to_string(),
        }
        .into()),
    }
}

async fn reset(
    shared: &Arc<Shared>,
    step: &PlannedStep,
    transport: &dyn Transport,
    output: &mut StepOutput,
) -> Result<(), String> {
    let ours = shared.ours(&step.key.node);
    let contents = engine_contents(transport).await.map_err(|error| error.to_string())?;
    let engine = Engine::connect(transport).await.map_err(|fault| fault.to_string())?;
    for container in contents.containers.iter().filter(|container| container.is_running()) {
        let is_ours = container
            .project()
            .is_some_and(|project| ours.projects.contains(project))
            || ours.containers.contains(&container.name);
        if !is_ours {
            output.say(&format!("removing container {} ({})", container.name, container.image));
            engine
                .remove_container(&container.id)
                .await
                .map_err(|fault| fault.to_string())?;
        }
    }
    let look = crate::node::Look {
        command: Command::Shell(RESET_OPTIONS.to_owned()),
        as_root: true,
        deadline: step.timeout,
        keep: 8192,
    };
    let looked = transport.look(&look).await.map_err(|error| error.to_string())?;
    match looked.ending {
        Ending::Exited { code: 0 } => Ok(()),
        ending => Err(format!("{ending}: {}", String::from_utf8_lossy(&looked.stderr).trim())),
    }
}
