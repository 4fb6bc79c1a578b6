//! What stands at the end of a run: the table, the totals, what is left, and what to do next.

use super::cleaned::{CLEAR_COMMAND, cleanup_lines};
use super::layout::{counted, duration_for_people};
use super::line::{Line, labelled_path, paragraph};
use super::story::{End, Story};
use super::style::{Ink, Style};
use super::table::{Cell, Table, cell};
use super::tally::Tally;
use crate::domain::{Counts, HostWork, NodeName, Plan, PlannedHost, TaskId, Verb, Work, shell_quoted};
use std::collections::BTreeSet;

pub(crate) const INDENT: usize = 2;

/// Returns everything that is shown after the last step.
pub(crate) fn closing_lines(story: &Story, style: Style) -> Vec<Line> {
    let mut lines = Vec::new();
    if let hidden @ 1.. = story.skipped_unseen() {
        let text = format!(
            "↷ {} skipped: what each needs failed or was skipped",
            counted(hidden, "more step")
        );
        lines.extend(paragraph(INDENT, Ink::Quiet, &text, style));
    }
    lines.push(Line::default());
    if !story.tally.tasks.is_empty() {
        lines.extend(summary_table(&story.tally, style));
        lines.push(Line::default());
    }
    lines.extend(brief_closing_lines(story, style));
    lines.extend(cause_lines(story, style));
    lines.extend(links(story, style));
    lines.extend(hosts(story, style));
    lines.extend(report_lines(story));
    lines.extend(next_lines(story, style));
    lines
}

/// Returns the totals and what is left of ours, no more.
pub(crate) fn brief_closing_lines(story: &Story, style: Style) -> Vec<Line> {
    let mut lines = Vec::new();
    if let Some(end) = &story.end {
        lines.extend(total_lines(story, end, style));
    }
    if story.verb() == Verb::Cleanup {
        lines.extend(cleanup_lines(&story.cleanup, style));
    }
    lines
}

/// Returns what went wrong first, where so much was said since that it may be far above.
fn cause_lines(story: &Story, style: Style) -> Vec<Line> {
    let Some((step, cause)) = &story.first_failed else {
        return Vec::new();
    };
    let counts = &story.tally.counts;
    if story.verb() != Verb::Run || counts.failed + counts.could_not_run + counts.skipped < 2 {
        return Vec::new();
    }
    let text = format!("First to go wrong: {}  {}: {cause}", step.key.node, step.title);
    paragraph(INDENT, Ink::Bad, &text, style)
}

fn summary_table(tally: &Tally, style: Style) -> Vec<Line> {
    let nodes: BTreeSet<&NodeName> = tally.tasks.iter().flat_map(|task| task.nodes.keys()).collect();
    let by_node = table_of(tally, &nodes, true);
    if nodes.len() > 1 && by_node.fits(INDENT, style) {
        return by_node.lines(INDENT);
    }
    let by_task = table_of(tally, &BTreeSet::new(), true);
    if by_task.fits(INDENT, style) {
        return by_task.lines(INDENT);
    }
    table_of(tally, &BTreeSet::new(), false).lines(INDENT)
}

fn table_of(tally: &Tally, nodes: &BTreeSet<&NodeName>, with_time: bool) -> Table {
    let mut heads = vec!["task"];
    heads.extend(nodes.iter().map(|node| node.as_str()));
    if nodes.is_empty() {
        heads.push("steps");
    }
    if with_time {
        heads.push("time");
    }
    let mut table = Table::with_heads(heads);
    for task in &tally.tasks {
        let mut row = vec![cell(Ink::Text, task.id.as_str())];
        for node in nodes {
            row.push(task.nodes.get(*node).map_or_else(|| cell(Ink::Quiet, "·"), counts_cell));
        }
        if nodes.is_empty() {
            row.push(counts_cell(&total(task.nodes.values())));
        }
        if with_time {
            row.push(cell(Ink::Quiet, duration_for_people(task.took())));
        }
        table.row(row);
    }
    table
}

fn total<'a>(all: impl Iterator<Item = &'a Counts>) -> Counts {
    all.fold(Counts::default(), |mut sum, counts| {
        sum.passed += counts.passed;
        sum.already_held += counts.already_held;
        sum.failed += counts.failed;
        sum.could_not_run += counts.could_not_run;
        sum.skipped += counts.skipped;
        sum.superseded += counts.superseded;
        sum
    })
}

fn counts_cell(counts: &Counts) -> Cell {
    let parts = [
        (counts.passed, "✔", Ink::Good),
        (counts.already_held, "=", Ink::Good),
        (counts.failed, "✘", Ink::Bad),
        (counts.could_not_run, "!", Ink::Bad),
        (counts.skipped, "↷", Ink::Warning),
        (counts.superseded, "→", Ink::Quiet),
    ];
    let mut cell = Cell::new();
    for (count, symbol, ink) in parts.into_iter().filter(|(count, ..)| *count > 0) {
        let gap = if cell.is_empty() { "" } else { " " };
        cell.push((ink, format!("{gap}{count} {symbol}")));
    }
    cell
}

fn total_lines(story: &Story, end: &End, style: Style) -> Vec<Line> {
    let counts = &story.tally.counts;
    let parts = [
        (counts.passed, "✔ ", "passed", Ink::Good),
        (counts.already_held, "= ", "held already", Ink::Good),
        (counts.failed, "✘ ", "failed", Ink::Bad),
        (counts.could_not_run, "! ", "could not run", Ink::Bad),
        (counts.skipped, "↷ ", "skipped", Ink::Warning),
        (counts.superseded, "→ ", "superseded", Ink::Quiet),
    ];
    let parts = parts.into_iter().filter(|(count, ..)| *count > 0);
    let mut words: Vec<(Ink, String)> = parts
        .map(|(count, symbol, word, ink)| (ink, format!("{symbol}{count} {word}")))
        .collect();
    if words.is_empty() {
        words.push((Ink::Text, "nothing was done".to_owned()));
    }
    let took = format!("in {}", duration_for_people(end.took));
    let stopped = end.aborted.iter().flat_map(|reason| {
        let left = story.planned().saturating_sub(story.tally.ended());
        let left = if left == 0 {
            String::new()
        } else {
            format!("; {} not begun or not finished", counted(left, "step"))
        };
        paragraph(INDENT, Ink::Bad, &format!("Stopped: {reason}{left}"), style)
    });
    stopped.chain(joined_or_listed(&words, &took, style)).collect()
}

/// Joins `words` in one line where it fits, else gives each a line of its own.
pub(crate) fn joined_or_listed(words: &[(Ink, String)], end: &str, style: Style) -> Vec<Line> {
    let columns: usize = words.iter().map(|(_, word)| super::layout::columns(word) + 2).sum();
    if style
        .width
        .is_none_or(|width| INDENT + columns + super::layout::columns(end) <= width)
    {
        let mut line = Line::text("  ");
        for (at, (ink, word)) in words.iter().enumerate() {
            line = line.and(Ink::Text, if at == 0 { "" } else { ", " }).and(*ink, word);
        }
        return vec![line.and(Ink::Quiet, format!(" {end}"))];
    }
    let listed = words.iter().map(|(ink, word)| Line::text("  ").and(*ink, word));
    listed.chain([Line::of(Ink::Quiet, format!("  {end}"))]).collect()
}

/// Says whether all steps of `task` hold.
fn holds(story: &Story, plan: &Plan, task: &TaskId) -> bool {
    let task = story.tally.tasks.iter().find(|tally| tally.id == *task);
    task.is_some_and(|task| {
        let counts = total(task.nodes.values());
        let planned = plan.steps.iter().filter(|step| step.task == task.id).count();
        counts.passed + counts.already_held + counts.superseded == planned
    })
}

/// Returns what becomes of the names that lead to a node from this machine, and which line a person may add.
fn hosts(story: &Story, style: Style) -> Vec<Line> {
    let Some(plan) = &story.plan else { return Vec::new() };
    let mut lines = Vec::new();
    for host in plan.hosts.iter().filter(|host| holds(story, plan, &host.task)) {
        let PlannedHost { name, address, .. } = host;
        let (ink, text) = match &host.work {
            HostWork::Nothing => continue,
            HostWork::Tell => {
                let text = format!("To reach {name} from here, add this line to /etc/hosts, or let `--hosts` add it:");
                lines.extend(paragraph(INDENT, Ink::Text, &text, style));
                lines.push(Line::of(Ink::Accent, format!("    {address} {name}")));
                continue;
            }
            HostWork::Add(line) => match story.tally.host_lines.iter().find(|(added, _)| added == line) {
                Some((_, None)) => {
                    let text = format!(
                        "{name} leads to {address} from here: `labctl cleanup` takes that out of {}",
                        line.file
                    );
                    (Ink::Accent, text)
                }
                Some((_, Some(fault))) => (
                    Ink::Bad,
                    format!("{name} does not lead to {address} from here: {fault}"),
                ),
                None => continue,
            },
        };
        lines.extend(paragraph(INDENT, ink, &text, style));
    }
    lines
}

fn links(story: &Story, style: Style) -> Vec<Line> {
    let Some(plan) = &story.plan else { return Vec::new() };
    let mut lines = Vec::new();
    for link in plan.links.iter().filter(|link| holds(story, plan, &link.task)) {
        let text = format!("{}: {}", link.label, link.address);
        lines.extend(paragraph(INDENT, Ink::Accent, &text, style));
    }
    lines
}

/// Returns where the whole run can be read.
fn report_lines(story: &Story) -> Vec<Line> {
    let place = story.report.as_deref();
    place.map_or_else(Vec::new, |html| labelled_path(INDENT, "Report", html))
}

/// Returns what a person may want to type next.
fn next_lines(story: &Story, style: Style) -> Vec<Line> {
    let Some(plan) = &story.plan else { return Vec::new() };
    let failed = story.first_failed.as_ref().and_then(|_| story.first_open());
    let stopped = story.end.as_ref().is_some_and(|end| end.aborted.is_some());
    let mut commands: Vec<(String, &str)> = Vec::new();
    match plan.verb {
        Verb::Run => {
            let goes_on = failed.map(|failed| (plan.goes_on_at(failed), &failed.step));
            match goes_on {
                Some((first, failed)) if first != failed => {
                    let again = format!("{} --from {first}", run(plan));
                    let commands = [
                        (again, "begins there, once you did what is missing"),
                        (run(plan), "does what is missing, too"),
                    ];
                    return command_lines(&commands, style);
                }
                Some((step, _)) => commands.push((format!("{} --from {step}", run(plan)), "goes on from there")),
                None if stopped => commands.push((run(plan), "goes on: what holds is left as it is")),
                None if !plan.verifiable => {}
                None => commands.push(("labctl verify".to_owned(), "looks again, changes nothing")),
            }
            if failed.is_some() || stopped {
                commands.push(("labctl status".to_owned(), "says what is done and what is owed"));
            }
            commands.push(("labctl cleanup".to_owned(), "puts the nodes back"));
        }
        // Its findings say what to do next.
        Verb::Verify => {}
        Verb::Cleanup if stopped => commands.push((cleanup(plan).to_owned(), "goes on")),
        // What is left is told with this command already; a node that did not answer is not.
        Verb::Cleanup if failed.is_some() && !story.cleanup.leaves_something() => {
            commands.push((cleanup(plan).to_owned(), "tries again"));
        }
        Verb::Cleanup => {}
    }
    command_lines(&commands, style)
}

/// Returns the command that does the cleanup `plan`.
fn cleanup(plan: &Plan) -> &'static str {
    if plan.steps.iter().any(|step| step.work == Work::Clear) {
        CLEAR_COMMAND
    } else {
        "labctl cleanup"
    }
}

fn run(plan: &Plan) -> String {
    format!("labctl run {}", shell_quoted(&plan.lab))
}

/// Returns lines for `commands` with what each does, in two columns where there is room for both.
pub(crate) fn command_lines(commands: &[(String, &str)], style: Style) -> Vec<Line> {
    let mut lines = Vec::new();
    if commands.is_empty() {
        return lines;
    }
    lines.push(Line::default());
    lines.push(Line::of(Ink::Strong, "  Next"));
    let mut table = Table::default();
    for (command, meaning) in commands {
        table.row(vec![cell(Ink::Accent, command), cell(Ink::Quiet, *meaning)]);
    }
    if table.fits(INDENT + 2, style) {
        lines.extend(table.lines(INDENT + 2));
    } else {
        for (command, meaning) in commands {
            lines.extend(paragraph(INDENT + 2, Ink::Accent, command, style));
            lines.extend(paragraph(INDENT + 4, Ink::Quiet, meaning, style));
        }
    }
    lines
}
