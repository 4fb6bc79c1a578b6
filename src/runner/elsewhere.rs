//! What a step makes on other nodes, as a client of their engines: its undo is safe there and here before it begins.

use super::executor::prepare;
use super::reports::JournalLost;
use super::shared::{NodeAccess, Shared};
use super::undo_steps::{Refusal, plan_undo_elsewhere};
use crate::domain::{EventKind, Outcome, PlannedStep, Undo};
use crate::node::{NodeError, Transport};

/// Makes `undo` safe on the node, under the name of what makes it necessary: the exec, and its node where it is another.
pub(super) async fn keep_undo(transport: &dyn Transport, name: &str, undo: &[Undo]) -> Result<(), NodeError> {
    if undo.is_empty() {
        return Ok(());
    }
    let kept = serde_json::to_vec(undo).unwrap_or_default();
    transport.keep(&format!("undo/{name}.json"), &kept).await
}

/// Makes safe, on every other node that `step` makes something on, what takes that back: it must be there, since cleanup works on
/// each node for itself.
pub(super) async fn owe_elsewhere(
    shared: &Shared,
    step: &PlannedStep,
    exec: &str,
) -> Result<Result<(), Outcome>, JournalLost> {
    for node in step.elsewhere() {
        let named = |reason: String, hint: Option<String>| Outcome::CouldNotStart {
            reason: format!("{node}, on which this step makes something: {reason}"),
            hint,
        };
        let transport = match shared.access(node) {
            NodeAccess::Connected(transport) => transport,
            NodeAccess::Unreachable { reason, hint } => return Ok(Err(named(reason, hint))),
        };
        match prepare(shared, step, node, transport.as_ref()).await? {
            Ok(()) => {}
            Err(Outcome::LostConnection { reason, hint } | Outcome::CouldNotStart { reason, hint }) => {
                return Ok(Err(named(reason, hint)));
            }
            Err(outcome) => return Ok(Err(outcome)),
        }
        let undo = match plan_undo_elsewhere(shared, step, node, exec) {
            Ok(undo) => undo,
            Err(Refusal(outcome)) => return Ok(Err(outcome)),
        };
        // The other node may do the same step itself, or have something made by the same step of a third.
        let name = format!("{exec}@{}", step.key.node);
        if let Err(error) = keep_undo(transport.as_ref(), &name, &undo).await {
            return Ok(Err(named(error.message, error.hint)));
        }
        let owed = EventKind::OwedElsewhere {
            step: step.key.clone(),
            node: node.clone(),
            undo,
        };
        shared.reports.event(owed).await?;
    }
    Ok(Ok(()))
}
