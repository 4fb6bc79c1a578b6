//! Proves that nothing is left: the comparison of a node with its baseline, and letting go of it.

use super::baseline::{as_baseline, files_again};
use super::executor::Done;
use super::reports::JournalLost;
use super::shared::Shared;
use super::undo::{SETTLE, Undoing};
use crate::domain::{Difference, Ending, EventKind, NodeName, Outcome, PlannedStep, State, Undo};
use crate::node::Transport;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval};

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
        Err(reason) => return Ok(undoing.finish(Outcome::CannotTell { reason, hint: None })),
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
    if shared.keeps_records || is_needed_elsewhere(&shared.state(), &node) {
        // Its records say what its commands made on other nodes, where that is still to be taken back.
        return Ok(undoing.finish(Outcome::Passed));
    }
    if let Some(instance) = &shared.instance
        && let Err(error) = transport.close_instance(instance).await
    {
        return Ok(undoing.finish(Ending::from(error).into()));
    }
    shared.reports.event(EventKind::NodeReleased { node }).await?;
    Ok(undoing.finish(Outcome::Passed))
}

/// Says whether a node that is not let go of may still ask the records of `node` what was made there. Of two that have records for
/// each other, one must be let go of first: it waits only for what the other owes.
fn is_needed_elsewhere(state: &State, node: &NodeName) -> bool {
    state.readers_of(node).into_iter().any(|reader| {
        let is_mutual = state.readers_of(reader).contains(node);
        !is_mutual || State::needs_records_of(state.owed.get(reader), node)
    })
}

type OursAndOthers = (Vec<Difference>, Vec<Difference>);

impl Undoing<'_> {
    /// Compares until nothing of ours is left. An engine whose client was killed may still be finishing something, so where a command that
    /// made images may have been broken off, one clean look is not believed.
    async fn settle(&mut self) -> Result<OursAndOthers, String> {
        let deadline = Instant::now() + SETTLE;
        let builds = self.made.iter().any(|undo| matches!(undo, Undo::RemovePrinted { .. }));
        let clean_looks_wanted = if builds && self.shared.may_have_broken_off {
            2
        } else {
            1
        };
        let mut clean_looks = 0;
        let mut ticks = interval(Duration::from_secs(1));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let proofs = self.all_proofs().await?;
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
