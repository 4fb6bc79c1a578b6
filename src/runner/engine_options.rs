//! `set_engine_options`: what it will write, what forbids it, and doing it.
//!
//! All that can stand in the way is found out before anything is changed: an engine that reads its options nowhere we know of, a
//! daemon.json that says the same, a file that cannot be added to, containers of other people that would die by the restart. An
//! engine that does not start with the new options gets its old ones back at once, and the step says what the engine said.

use super::action::Scene;
use super::engine::Engine;
use super::engine_hand::{EngineHand, RestartFault, hash_of, read_file, running_words, sha256};
use super::output::StepOutput;
use super::shared::Shared;
use super::undo_steps::Refusal;
use crate::domain::{
    DEFAULTS_FILE, DROP_IN_FILE, Ending, EngineOptionSet, EngineOptions, EngineOptionsUndo, EngineSettings, NodeName,
    Observation, OptionsSource, Probe, Undo, drop_in, edit_defaults,
};
use crate::node::Transport;
use crate::probe::observe;

/// The longest command line of a unit that is taken over; what is longer was cut off when it was read.
const LONGEST_EXEC_START: usize = 4000;

/// What is written where.
pub(super) struct EngineChange {
    pub(super) path: &'static str,
    pub(super) content: Vec<u8>,
    /// The line of ours, where the rest of the file is not ours.
    pub(super) line: Option<String>,
    /// The hosts and labels that are new.
    pub(super) added: Vec<String>,
    /// What the engine must run with afterwards.
    options: EngineOptionSet,
}

/// Finds out what `settings` make of the node's files.
pub(super) async fn engine_change(
    transport: &dyn Transport,
    settings: &EngineSettings,
) -> Result<EngineChange, Refusal> {
    let refuse = |reason: String, hint: &str| Refusal::new(reason, Some(hint.to_owned()));
    match &settings.source {
        OptionsSource::DefaultsFile => {
            let is_there = hash_of(transport, DEFAULTS_FILE).await;
            let content = match is_there.map_err(|reason| Refusal::new(reason, None))? {
                Some(_) => read_file(transport, DEFAULTS_FILE)
                    .await
                    .map_err(|reason| Refusal::new(reason, None))?,
                None => Vec::new(),
            };
            let edited = edit_defaults(&content, &settings.options)
                .map_err(|error| refuse(error.to_string(), "leave one line there that sets DOCKER_OPTS, or none"))?;
            Ok(EngineChange {
                path: DEFAULTS_FILE,
                content: edited.content,
                line: Some(edited.line),
                added: edited.added,
                options: settings.options.clone(),
            })
        }
        OptionsSource::Unit { exec_start, .. } => {
            // What an earlier step put there is part of it by now.
            let now = observe(transport, &Probe::EngineOptions).await?;
            let exec_start = match &now {
                Observation::EngineOptions(EngineOptions {
                    source: OptionsSource::Unit { exec_start, .. },
                    ..
                }) => exec_start,
                _ => exec_start,
            };
            if exec_start.len() >= LONGEST_EXEC_START {
                return Err(refuse(
                    format!("the engine's ExecStart is longer than {LONGEST_EXEC_START} bytes"),
                    "move options from it to /etc/docker/daemon.json",
                ));
            }
            let made = drop_in(exec_start, &settings.options);
            Ok(EngineChange {
                path: DROP_IN_FILE,
                content: made.text.into_bytes(),
                line: None,
                added: made.added,
                options: made.options,
            })
        }
        OptionsSource::Unknown { reason } => Err(refuse(
            format!("it is not known where this engine reads its options: {reason}"),
            "use an engine that a systemd unit or an init script starts",
        )),
    }
}

/// Returns what will be changed, `None` where that is so already; refuses where anything stands in the way.
pub(super) async fn judge_engine_change(
    shared: &Shared,
    transport: &dyn Transport,
    settings: &EngineSettings,
) -> Result<Option<EngineChange>, Refusal> {
    let change = engine_change(transport, settings).await?;
    let options = match observe(transport, &Probe::EngineOptions).await? {
        Observation::EngineOptions(options) => options,
        _ => {
            return Err(Refusal::new(
                "the node answered something that was not asked".to_owned(),
                None,
            ));
        }
    };
    let conflicts: Vec<&str> = settings
        .options
        .daemon_json_keys()
        .into_iter()
        .filter(|key| options.daemon_json_keys.iter().any(|there| there == key))
        .collect();
    if !conflicts.is_empty() {
        let reason = format!(
            "/etc/docker/daemon.json sets {} already, and an engine does not start with an option in two places",
            conflicts.join(" and ")
        );
        let hint = "take it out of daemon.json and restart the engine, then run again".to_owned();
        return Err(Refusal::new(reason, Some(hint)));
    }
    if is_done(transport, &change, &options.running).await? {
        return Ok(None);
    }
    // An engine that a restart of ours left dead has no container that could die.
    let left_dead = options.running.is_empty() && owes_options(shared, transport.node(), change.path);
    if !left_dead {
        refuse_foreign_containers(shared, transport).await?;
    }
    Ok(Some(change))
}

fn owes_options(shared: &Shared, node: &NodeName, path: &str) -> bool {
    let state = shared.state();
    let mut owed = state.owed.get(node).into_iter().flatten();
    owed.any(|undo| matches!(undo, Undo::RestoreEngineOptions(undo) if undo.path == path))
}

/// Says whether the file is as it will be and the engine runs with all of it.
async fn is_done(transport: &dyn Transport, change: &EngineChange, running: &[String]) -> Result<bool, Refusal> {
    let hash = hash_of(transport, change.path)
        .await
        .map_err(|reason| Refusal::new(reason, None))?;
    Ok(hash == Some(sha256(&change.content)) && change.options.is_in(running))
}

/// Refuses a restart by which containers would die that are not the lab's. The lab's own are started again.
async fn refuse_foreign_containers(shared: &Shared, transport: &dyn Transport) -> Result<(), Refusal> {
    let lost = |reason: String| {
        Refusal::new(
            reason,
            Some("the engine must run before it gets other options".to_owned()),
        )
    };
    let engine = Engine::connect(transport)
        .await
        .map_err(|fault| lost(fault.to_string()))?;
    if engine
        .keeps_containers_alive()
        .await
        .map_err(|fault| lost(fault.to_string()))?
    {
        return Ok(());
    }
    let contents = super::baseline::engine_contents(transport).await?;
    let node = transport.node();
    let ours = shared.ours(node);
    let foreign: Vec<&str> = contents
        .containers
        .iter()
        .filter(|container| container.is_running())
        .filter(|container| {
            !container
                .project()
                .is_some_and(|project| ours.projects.contains(project))
        })
        .filter(|container| !ours.containers.contains(&container.name))
        .map(|container| container.name.as_str())
        .collect();
    if foreign.is_empty() {
        return Ok(());
    }
    let reason = format!(
        "the engine of {node} must be restarted, and these containers would die by it: {}",
        foreign.join(", ")
    );
    let hint = format!("stop them, or remove them: docker rm -f {}", foreign.join(" "));
    Err(Refusal::new(reason, Some(hint)))
}

impl Scene<'_> {
    pub(super) async fn set_engine_options(
        &self,
        settings: &EngineSettings,
        output: &mut StepOutput,
    ) -> Result<Ending, Ending> {
        let failed = |reason: String| Ending::CouldNotStart { reason, hint: None };
        let change = engine_change(self.transport, settings)
            .await
            .map_err(Refusal::into_ending)?;
        let running = running_words(self.transport).await.map_err(failed)?;
        let hash = hash_of(self.transport, change.path).await.map_err(failed)?;
        if hash == Some(sha256(&change.content)) && change.options.is_in(&running) {
            output.say("the engine runs with these options already");
            return Ok(Ending::Exited { code: 0 });
        }
        self.go_on()?;
        let Some(undo) = self.owed_options(&self.step.key.node, change.path) else {
            let reason = format!("{} was changed while this step began: run it again", change.path);
            return Err(failed(reason));
        };
        let mut hand = EngineHand::new(self.shared, self.transport, self.exec.to_owned(), output);
        hand.write(change.path, &change.content).await.map_err(failed)?;
        hand.output.say(&format!("{}: {}", change.path, shown(&change)));
        let said = match hand.restart("restart", self.step.timeout).await {
            Ok(()) => match self.missing(&change).await? {
                None => return Ok(Ending::Exited { code: 0 }),
                Some(reason) => reason,
            },
            Err(RestartFault::Engine(said)) => format!("the Docker Engine does not start with these options: {said}"),
            Err(RestartFault::Command(Ending::TimedOut { after })) => {
                format!(
                    "the Docker Engine did not answer within {} s of its restart",
                    after.as_secs()
                )
            }
            Err(RestartFault::Command(ending)) => return Err(ending),
            Err(RestartFault::Beside(reason)) => return Err(failed(reason)),
        };
        Err(put_back(&mut hand, &undo, &said).await)
    }

    /// Says what the engine that was restarted runs without.
    async fn missing(&self, change: &EngineChange) -> Result<Option<String>, Ending> {
        let running = running_words(self.transport).await;
        let running = running.map_err(|reason| Ending::CouldNotStart { reason, hint: None })?;
        let missing = change.options.missing_from(&running);
        Ok((!missing.is_empty()).then(|| {
            format!(
                "the Docker Engine was restarted and runs without {}: something else overrides {}",
                missing.join(", "),
                change.path
            )
        }))
    }

    fn owed_options(&self, node: &NodeName, path: &str) -> Option<EngineOptionsUndo> {
        let state = self.shared.state();
        let owed = state.owed.get(node).into_iter().flatten();
        let mut options = owed.filter_map(|undo| match undo {
            Undo::RestoreEngineOptions(undo) if undo.path == path => Some(undo.as_ref().clone()),
            _ => None,
        });
        options.next_back()
    }
}

fn shown(change: &EngineChange) -> String {
    match &change.line {
        Some(line) => line.clone(),
        None => String::from_utf8_lossy(&change.content)
            .lines()
            .last()
            .unwrap_or_default()
            .to_owned(),
    }
}

/// Gives the engine its own options back, since the new ones are of no use, and says why.
async fn put_back(hand: &mut EngineHand<'_>, undo: &EngineOptionsUndo, said: &str) -> Ending {
    let reason = match hand.take_back(undo).await {
        Ok(()) => format!("{said}\nit has its own options back and runs"),
        Err(fault) => format!("{said}\nits own options could not be put back: {fault}; `labctl cleanup` tries again"),
    };
    Ending::CouldNotStart { reason, hint: None }
}
