//! Where an instance stands: what is done, what is owed on which node, and what to type next.

use super::super::closing::command_lines;
use super::super::layout::{counted, duration_for_people};
use super::super::line::{Line, labelled, show_lines};
use super::super::outcome::mark;
use super::super::style::{Ink, Style};
use super::super::table::{Table, cell};
use super::owed::in_sum;
use crate::domain::{InstanceId, KnownTask, NodeName, Outcome, State, StepKey, Undo, Verb};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// What `status` shows besides the state itself.
#[derive(Debug, Clone)]
pub struct StatusView<'a> {
    /// The instance.
    pub instance: &'a InstanceId,
    /// The lab's id.
    pub lab: &'a str,
    /// The lab's title.
    pub lab_title: &'a str,
    /// Where the inventory was read from.
    pub inventory: &'a str,
    /// The nodes with the addresses that ssh goes to.
    pub nodes: Vec<(&'a NodeName, &'a str)>,
    /// The variables that it remembers.
    pub vars: &'a BTreeMap<String, String>,
    /// When the instance was opened.
    pub since: Option<Timestamp>,
    /// The time it is.
    pub now: Timestamp,
    /// Who holds the lock, where a run goes on.
    pub held_by: Option<String>,
    /// What the journal comes to.
    pub state: &'a State,
}

/// Shows where an instance stands.
pub fn status_listing(view: &StatusView<'_>, style: &Style) -> String {
    let style = *style;
    let mut lines = vec![Line::of(Ink::Strong, view.lab).and(Ink::Text, format!("  {}", view.lab_title))];
    lines.extend(identity_lines(view, style));
    lines.extend(task_lines(view.state));
    lines.extend(trouble_lines(view.state));
    lines.extend(owed_lines(view.state, style));
    lines.extend(value_lines(view.state, style));
    lines.extend(command_lines(&next(view), style));
    show_lines(&lines, style)
}

fn identity_lines(view: &StatusView<'_>, style: Style) -> Vec<Line> {
    let mut lines = labelled(2, "instance", view.instance.as_str(), style);
    lines.extend(labelled(2, "nodes", &nodes_text(view), style));
    lines.extend(labelled(2, "machines", view.inventory, style));
    if !view.vars.is_empty() {
        let vars: Vec<String> = view
            .vars
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        lines.extend(labelled(2, "with", &vars.join(", "), style));
    }
    if let Some(since) = view.since {
        let ago = view.now.duration_since(since).try_into().unwrap_or_default();
        let text = format!("{since:.0} ({} ago)", duration_for_people(ago));
        lines.extend(labelled(2, "since", &text, style));
    }
    match (&view.held_by, view.state.running) {
        (Some(holder), _) => lines.extend(labelled(2, "now", &format!("labctl is at work: {holder}"), style)),
        (None, Some(verb)) => {
            let verb = match verb {
                Verb::Run => "run",
                Verb::Verify => "verify",
                Verb::Cleanup => "cleanup",
            };
            let text = format!("the last `{verb}` did not come to its end");
            lines.extend(labelled(2, "note", &text, style));
        }
        (None, None) => {}
    }
    lines
}

fn nodes_text(view: &StatusView<'_>) -> String {
    let nodes: Vec<String> = view
        .nodes
        .iter()
        .map(|(node, address)| format!("{node} ({address})"))
        .collect();
    nodes.join(", ")
}

fn passed(state: &State, step: &StepKey) -> bool {
    matches!(state.steps.get(step), Some(Some(outcome)) if outcome.lets_others_go_on())
}

fn task_lines(state: &State) -> Vec<Line> {
    if state.tasks.is_empty() {
        return vec![Line::default(), Line::text("  No task was begun.")];
    }
    let mut table = Table::with_heads(["task", "done", "steps", ""]);
    for KnownTask {
        id,
        title,
        steps,
        ahead: _,
        is_whole,
    } in &state.tasks
    {
        let done = steps.iter().filter(|step| passed(state, step)).count();
        let (word, ink) = match done {
            _ if done == steps.len() && *is_whole => ("✔ yes", Ink::Good),
            0 => ("· no", Ink::Quiet),
            _ => ("◐ partly", Ink::Warning),
        };
        table.row(vec![
            cell(Ink::Text, id.as_str()),
            cell(ink, word),
            cell(
                Ink::Text,
                format!("{done} of {}{}", steps.len(), if *is_whole { "" } else { " or more" }),
            ),
            cell(Ink::Quiet, title),
        ]);
    }
    let mut lines = vec![Line::default()];
    lines.extend(table.lines(2));
    lines
}

/// Returns a line for each step that was begun and did not pass.
fn trouble_lines(state: &State) -> Vec<Line> {
    let mut table = Table::default();
    for (key, outcome) in &state.steps {
        let (symbol, ink, word) = match outcome {
            Some(outcome) if outcome.lets_others_go_on() => continue,
            Some(outcome) => {
                let (symbol, ink) = mark(outcome);
                (symbol, ink, outcome.name())
            }
            None if state.running.is_some() => ("…", Ink::Warning, "was begun and has not ended"),
            None => ("…", Ink::Warning, "was begun and never ended"),
        };
        let title = state
            .plan
            .iter()
            .flat_map(|plan| &plan.steps)
            .find(|step| step.key == *key);
        let title = title.map(|step| step.title.clone()).unwrap_or_default();
        table.row(vec![
            cell(ink, format!("{symbol} {key}")),
            cell(ink, word),
            cell(Ink::Quiet, title),
        ]);
    }
    let mut lines = table.lines(2);
    if !lines.is_empty() {
        lines.insert(0, Line::default());
    }
    lines
}

fn owed_lines(state: &State, style: Style) -> Vec<Line> {
    let mut lines = vec![Line::default()];
    if !state.owes_anything() {
        lines.push(Line::text("  Nothing is owed on any node."));
        return lines;
    }
    lines.push(Line::of(Ink::Strong, "  To be taken back by cleanup"));
    let nodes: BTreeSet<&NodeName> = state.baselines.keys().chain(state.owed.keys()).collect();
    for node in nodes {
        let owed: &[Undo] = state.owed.get(node).map_or(&[], Vec::as_slice);
        if owed.is_empty() {
            lines.extend(labelled(4, node.as_str(), "nothing but labctl's own notes", style));
        }
        for (at, text) in in_sum(owed).iter().enumerate() {
            let label = if at == 0 { node.as_str() } else { "" };
            lines.extend(labelled(4, label, text, style));
        }
    }
    for line in &state.host_lines {
        lines.extend(labelled(4, "here", &line.to_string(), style));
    }
    lines
}

fn value_lines(state: &State, style: Style) -> Vec<Line> {
    let mut lines = Vec::new();
    if !state.values.is_empty() {
        lines.push(Line::default());
        lines.push(Line::of(
            Ink::Strong,
            format!("  {} captured", counted(state.values.len(), "value")),
        ));
        let mut table = Table::default();
        for (name, value) in &state.values {
            let (first, rest) = value
                .split_once('\n')
                .map_or((value.as_str(), ""), |(first, rest)| (first, rest));
            let more = if rest.trim().is_empty() {
                String::new()
            } else {
                format!(" … {}", counted(rest.trim_end().lines().count(), "more line"))
            };
            table.row(vec![
                cell(Ink::Quiet, name),
                cell(Ink::Text, first)
                    .into_iter()
                    .chain(cell(Ink::Quiet, more))
                    .collect(),
            ]);
        }
        lines.extend(table.lines_within(4, style).unwrap_or_else(|| table.lines(4)));
    }
    lines
}

fn next(view: &StatusView<'_>) -> Vec<(String, &'static str)> {
    let run = format!("labctl run {}", view.lab);
    if view.held_by.is_some() {
        return Vec::new();
    }
    let cleanup = ("labctl cleanup".to_owned(), "puts the nodes back");
    let planned = view.state.plan.iter().flat_map(|plan| &plan.steps);
    let open = planned.into_iter().find(|step| !passed(view.state, &step.key));
    match open {
        _ if !view.state.owes_anything() => vec![(run, "begins")],
        Some(step) => {
            let lost = matches!(
                view.state.steps.get(&step.key),
                Some(Some(Outcome::LostConnection { .. }))
            );
            let first = view.state.plan.as_ref().map(|plan| plan.goes_on_at(&step.key));
            let first = first.unwrap_or(&step.key.step);
            let mut commands = vec![(format!("{run} --from {first}"), "goes on"), cleanup];
            if lost {
                commands.insert(0, ("labctl inventory check".to_owned(), "says which nodes answer"));
            }
            commands
        }
        None if view.state.plan.as_ref().is_some_and(|plan| !plan.verifiable) => vec![cleanup],
        None => vec![("labctl verify".to_owned(), "looks again, changes nothing"), cleanup],
    }
}
