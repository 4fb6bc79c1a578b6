//! `status`: what is done, and what is owed on which node. Reads the journal; asks no node.

use super::failure::Failure;
use super::session::Session;
use crate::exit::Exit;
use crate::journal::{Instance, InstanceLock};
use crate::report::{self, StatusView, Style};
use jiff::Timestamp;
use serde_json::json;

/// Shows every open instance.
pub(super) fn status(session: &Session) -> Result<Exit, Failure> {
    let instances = session.store.open_instances()?;
    if session.common.json {
        let documents = instances.iter().map(document).collect::<Result<Vec<_>, _>>()?;
        session.print_json(&documents)?;
        return Ok(Exit::Success);
    }
    if instances.is_empty() {
        session.print(&nothing_open(session));
        return Ok(Exit::Success);
    }
    for instance in &instances {
        show(session, instance)?;
    }
    Ok(Exit::Success)
}

/// Says that nothing is known here, which is not the same as that nothing is there.
fn nothing_open(session: &Session) -> String {
    let mut text = "No lab instance is open here: as far as that tells, nothing is owed on any node.".to_owned();
    if session.common.inventory.is_some() {
        text.push_str(
            "\nThe nodes were not asked: `labctl cleanup --inventory FILE` finds what another labctl owes there.",
        );
    }
    text
}

fn show(session: &Session, instance: &Instance) -> Result<(), Failure> {
    let record = instance.record();
    let state = instance.state()?;
    let view = StatusView {
        instance: &record.id,
        lab: &record.lab,
        lab_title: state.plan.as_ref().map_or("", |plan| plan.lab_title.as_str()),
        inventory: &record.inventory.source,
        nodes: record
            .inventory
            .nodes
            .iter()
            .map(|node| (&node.name, node.address.as_str()))
            .collect(),
        vars: &record.vars,
        since: Some(record.opened),
        now: Timestamp::now(),
        held_by: holder(instance),
        state: &state,
    };
    session.print(&report::status_listing(
        &view,
        &Style {
            colour: session.colour_on_stdout,
            width: session.width,
        },
    ));
    Ok(())
}

fn holder(instance: &Instance) -> Option<String> {
    // Who works on it is a remark beside the state; not to know it is no failure of `status`.
    InstanceLock::holder(instance.directory()).ok().flatten()
}

fn document(instance: &Instance) -> Result<serde_json::Value, Failure> {
    let record = instance.record();
    let state = instance.state()?;
    let steps: Vec<_> = state
        .steps
        .iter()
        .map(|(step, outcome)| json!({ "step": step.to_string(), "outcome": outcome }))
        .collect();
    Ok(json!({
        "instance": record.id,
        "lab": record.lab,
        "inventory": record.inventory.source,
        "vars": record.vars,
        "opened": record.opened,
        "held_by": holder(instance),
        "steps": steps,
        "owed": state.owed,
        "host_lines": state.host_lines,
        "values": state.values,
    }))
}
