//! `cleanup --scope all`: what it would take from each node is listed, and somebody has to agree, before anything is touched.

use super::carry_out::{Carried, carry_out_and_show};
use super::connect::{Connections, Reached, connect, naming};
use super::failure::Failure;
use super::images::BinaryImages;
use super::opening::new_run_id;
use super::session::Session;
use super::verify::access;
use crate::cli;
use crate::domain::{Inventory, NodeName, Outcome, Plan, State, Values, Work, shell_quoted};
use crate::exit::Exit;
use crate::journal::{Instance, MemoryJournal};
use crate::node::NodeError;
use crate::planner::{clear_everything, plan_cleanup};
use crate::probe::Need;
use crate::report::{self, ClearingRow, Style};
use crate::runner::{Everything, NodeAccess, Run, RunSummary, look_at_everything};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;
use tokio_util::sync::CancellationToken;

/// What somebody must type.
const YES: &str = "yes";

/// What was found on a node, or why nobody could look.
type Found = (NodeName, Result<Everything, String>);

/// Lists what would be taken from the nodes of `inventory`, and asks. Returns the nodes that could be looked at, which alone may be
/// cleared then; `None` where there is nothing to take, and a failure where nobody agreed.
pub(super) async fn agreed(
    session: &Session,
    options: &cli::Cleanup,
    inventory: &Inventory,
    instance: Option<&Instance>,
) -> Result<Option<BTreeSet<NodeName>>, Failure> {
    let connections = connect(session, inventory, None, Need::Instances).await?;
    let found = look(&connections).await;
    let state = instance.map(Instance::state).transpose()?.unwrap_or_default();
    if instance.is_none() && found.iter().all(|(_, found)| is_nothing(found)) && !holds_instances(&connections) {
        connections.all_reached()?;
        if let Some((name, Err(reason))) = found.iter().find(|(_, found)| found.is_err()) {
            return Err(Failure::could_not_run(naming(name, reason)));
        }
        return Ok(None);
    }
    connections.close().await;
    let list = listing(session, inventory, &found, &state).trim_end().to_owned();
    let listed = found.iter().filter(|(_, found)| found.is_ok());
    let listed = listed.map(|(name, _)| name.clone()).collect();
    if options.yes {
        session.tell(&list);
        return Ok(Some(listed));
    }
    session.warn(&format!("{list}\n"));
    if !session.can_ask() {
        // Without the inventory it would be said of other nodes.
        let named = session.common.inventory.as_deref().filter(|name| !name.is_empty());
        let inventory = named.map_or_else(String::new, |name| format!(" --inventory {}", shell_quoted(name)));
        return Err(
            Failure::usage("nothing was touched: this has to be agreed to").hint(format!(
                "`labctl cleanup --scope all{inventory} --yes` removes all that is listed"
            )),
        );
    }
    // Ctrl-C must end a question that nobody answers.
    let asking = session.clone();
    let question = format!("Type {YES} to remove all that");
    let answer = tokio::task::spawn_blocking(move || asking.ask(&question))
        .await
        .map_err(|error| Failure::new(Exit::CouldNotRun, error))?
        .map_err(|error| Failure::new(Exit::Usage, error))?;
    if answer.trim() == YES {
        return Ok(Some(listed));
    }
    Err(Failure::usage(format!(
        "nothing was touched: the answer was not `{YES}`"
    )))
}

fn is_nothing(found: &Result<Everything, String>) -> bool {
    found
        .as_ref()
        .map_or(true, |all| all.found.is_empty() && all.engine_is_silent.is_none())
}

/// Says whether any node holds what an instance, opened wherever, owes there.
fn holds_instances(connections: &Connections) -> bool {
    let mut reached = connections.nodes.values().flatten();
    reached.any(|reached| {
        let facts = reached.facts.as_ref();
        facts.is_ok_and(|facts| facts.instances.as_ref().is_some_and(|held| !held.is_empty()))
    })
}

/// Looks at all nodes at once.
async fn look(connections: &Connections) -> Vec<Found> {
    let looks = connections.nodes.iter().map(|(name, reached)| async move {
        let found = look_at_node(name, reached).await;
        (name.clone(), found)
    });
    futures_util::future::join_all(looks).await
}

async fn look_at_node(name: &NodeName, reached: &Result<Reached, NodeError>) -> Result<Everything, String> {
    match reached {
        Err(error) => Err(naming(name, &error.to_string())),
        Ok(reached) => {
            let looked = look_at_everything(reached.transport.as_ref()).await;
            looked.map_err(|error| error.to_string())
        }
    }
}

fn listing(session: &Session, inventory: &Inventory, found: &[Found], state: &State) -> String {
    let rows: Vec<ClearingRow<'_>> = found
        .iter()
        .map(|(node, found)| ClearingRow {
            node,
            found: found.as_ref().map(|all| all.found.as_slice()).map_err(String::as_str),
            engine_is_silent: found.as_ref().ok().and_then(|all| all.engine_is_silent.as_deref()),
            owed: state.owed.get(node).map_or(0, Vec::len),
        })
        .collect();
    let style = Style {
        colour: session.colour_on_stderr,
        width: session.width,
    };
    report::clearing_listing(&inventory.source, &rows, &style)
}

/// Leaves the nodes that are not `listed` out of reach: one that came back meanwhile has things that nobody has seen and agreed to.
pub(super) fn only_listed(nodes: &mut BTreeMap<NodeName, NodeAccess>, listed: &BTreeSet<NodeName>) {
    for (name, access) in nodes {
        if !listed.contains(name) && matches!(access, NodeAccess::Connected(_)) {
            *access = NodeAccess::Unreachable {
                reason: format!("{name} was away when the list was made"),
                hint: Some("`labctl cleanup --scope all` again lists it".to_owned()),
            };
        }
    }
}

/// Takes everything from the `listed` nodes of `inventory`, where no instance is open.
pub(super) async fn clear(
    session: &Session,
    inventory: &Inventory,
    listed: &BTreeSet<NodeName>,
) -> Result<Exit, Failure> {
    let connections = connect(session, inventory, None, Need::Instances).await?;
    // What the steps say has no instance to be kept in.
    let local = |error| Failure::new(Exit::CouldNotRun, error);
    let scratch = tempfile::tempdir().map_err(local)?;
    fs_err::create_dir(scratch.path().join("output")).map_err(local)?;
    let id = new_run_id()?;
    let mut journal = MemoryJournal::new(id.clone());
    let mut plan = plan_cleanup(&State::default());
    clear_everything(&mut plan, connections.nodes.keys());
    let mut nodes = access(&connections);
    only_listed(&mut nodes, listed);
    let run = Run {
        instance: None,
        id,
        directory: scratch.path().to_owned(),
        nodes,
        values: Values::default(),
        state: State::default(),
        images: Arc::<BinaryImages>::default(),
        keeps_records: false,
        keep_going: true,
        report: None,
        stop: CancellationToken::new(),
        began: Instant::now(),
    };
    let carried = carry_out_and_show(session, &plan, run, &mut journal).await?;
    connections.close().await;
    Ok(match carried {
        Carried::Ended(summary) => exit_of_clearing(&plan, &summary),
        Carried::Left => Exit::Interrupted,
    })
}

/// Returns how the clearing of nodes in `plan` ended; where there was none to be done, well.
pub(super) fn exit_of_clearing(plan: &Plan, summary: &RunSummary) -> Exit {
    let steps = plan.steps.iter().filter(|step| step.work == Work::Clear);
    let outcomes: Vec<&Outcome> = steps.filter_map(|step| summary.outcomes.get(&step.key)).collect();
    match () {
        () if summary.stopped => Exit::Interrupted,
        () if outcomes.contains(&&Outcome::FailedCheck) => Exit::Left,
        () if outcomes.iter().any(|outcome| !outcome.lets_others_go_on()) => Exit::CouldNotRun,
        () => Exit::Success,
    }
}
