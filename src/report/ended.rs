//! What is shown of a step that has ended: its line, and where it failed everything needed to understand why.

use super::describe::describe_check;
use super::layout::{counted, duration_for_people, size_for_people};
use super::line::{Line, labelled, labelled_path};
use super::outcome::{complaint, mark, remark, wanted_and_found};
use super::story::{Ended, Judged};
use super::style::{Ink, Style};
use crate::domain::{Action, CheckKind, Outcome, PlannedStep, Work};
use std::collections::BTreeMap;

const INDENT: usize = 4;
/// How many lines of a single value are shown.
const VALUE_LINES: usize = 12;
/// How many of the last lines of an output explain a failure.
const TAIL_LINES: usize = 20;
/// How many columns the longest bar takes.
const BAR: u64 = 16;

/// Returns the line of a step that has `ended`: mark, node, title, and at the right how long it took.
pub(crate) fn ended_line(ended: &Ended, node_columns: usize) -> Line {
    let (symbol, ink) = mark(&ended.outcome);
    let title_ink = match ended.outcome {
        Outcome::Skipped { .. } | Outcome::Superseded { .. } => Ink::Quiet,
        _ => Ink::Text,
    };
    let right = remark(&ended.outcome).unwrap_or_else(|| duration_for_people(ended.took));
    Line::of(Ink::Text, "  ")
        .and(ink, symbol)
        .and(Ink::Text, " ")
        .and(Ink::Accent, format!("{:<node_columns$}", ended.step.key.node))
        .and(title_ink, format!("  {}", ended.step.title))
        .right(Ink::Quiet, right)
}

/// Returns what a step that passed has to show: the lines of texts that it took away and put there, and who answered how often.
pub(crate) fn shown_lines(ended: &Ended) -> Vec<Line> {
    let verdicts = ended.judged.iter().filter_map(|judged| judged.verdict.as_ref());
    let spread = verdicts.filter(|verdict| verdict.holds);
    let spread = spread.flat_map(|verdict| spread_lines(&verdict.counts));
    changed_lines(ended).into_iter().chain(spread).collect()
}

/// Draws a bar for each server, as long as it answered often.
fn spread_lines(counts: &BTreeMap<String, u64>) -> Vec<Line> {
    let margin = " ".repeat(INDENT);
    let most = counts.values().copied().max().unwrap_or_default().max(1);
    let mut lines: Vec<Line> = counts
        .iter()
        .take(VALUE_LINES)
        .map(|(server, count)| {
            let length = usize::try_from(count * BAR / most).unwrap_or_default().max(1);
            Line::of(Ink::Quiet, format!("{margin}│ "))
                .and(Ink::Text, format!("{server} "))
                .and(Ink::Good, "━".repeat(length))
                .and(Ink::Quiet, format!(" {count}"))
        })
        .collect();
    if let Some(rest) = counts.len().checked_sub(VALUE_LINES).filter(|rest| *rest > 0) {
        let text = format!("{margin}│ … and {}", counted(rest, "more server"));
        lines.push(Line::of(Ink::Quiet, text));
    }
    lines
}

/// Returns the lines that a step which wrote over texts took away and put there.
fn changed_lines(ended: &Ended) -> Vec<Line> {
    if ended.outcome != Outcome::Passed || !matches!(ended.step.work, Work::Action(Action::Write { .. })) {
        return Vec::new();
    }
    let margin = " ".repeat(INDENT);
    let lines = ended.tail.iter().filter_map(|line| {
        let ink = match line.as_bytes() {
            [b'-', b'-', b'-', ..] | [b'+', b'+', b'+', ..] => return None,
            [b'-', ..] => Ink::Bad,
            [b'+', ..] => Ink::Good,
            _ => return None,
        };
        Some(Line::of(Ink::Quiet, format!("{margin}│ ")).and(ink, line))
    });
    lines.collect()
}

/// Returns what explains a failure; nothing for a step that did not fail.
pub(crate) fn ended_details(ended: &Ended, output_root: Option<&str>, style: Style) -> Vec<Line> {
    let mut lines = Vec::new();
    let failed_checks: Vec<&Judged> = ended.judged.iter().filter(|judged| !judged.holds()).collect();
    if complaint(&ended.outcome).is_none() && ended.undos_failed.is_empty() {
        return lines;
    }
    if let Some(problem) = problem(ended, failed_checks.is_empty()) {
        lines.extend(labelled(INDENT, "problem", &problem, style));
    }
    for judged in failed_checks {
        lines.extend(check_lines(ended, judged, style));
    }
    for (undo, reason) in &ended.undos_failed {
        lines.extend(labelled(INDENT, "not done", &format!("{undo}: {reason}"), style));
    }
    lines.extend(place_lines(&ended.step, style));
    lines.extend(output_lines(ended, output_root, style));
    for hint in hints(ended) {
        lines.extend(labelled(INDENT, "hint", &hint, style));
    }
    lines
}

/// Says in a sentence why a step failed.
pub(crate) fn cause(ended: &Ended) -> String {
    let wrong = ended
        .judged
        .iter()
        .find(|judged| !judged.holds() && judged.verdict.is_some());
    let kind = wrong
        .and_then(|judged| ended.step.checks.get(judged.check))
        .map(|check| &check.kind);
    let ended_badly = matches!(kind, Some(CheckKind::Exit { .. })) || matches!(ended.outcome, Outcome::Exited { .. });
    let last_words = ended.tail.iter().rev().find(|line| !line.trim().is_empty());
    let verdict = wrong.and_then(|judged| judged.verdict.as_ref());
    let complained = || complaint(&ended.outcome).unwrap_or_default();
    match last_words {
        // An exit status says less than what stood before it.
        Some(words) if ended_badly => {
            let status = verdict.map_or_else(complained, |verdict| verdict.actual.clone());
            format!("{status}: {}", words.trim())
        }
        _ => verdict.and_then(wanted_and_found).unwrap_or_else(complained),
    }
}

/// Says what went wrong, where the lines below do not say it better.
fn problem(ended: &Ended, no_check_failed: bool) -> Option<String> {
    match (&ended.outcome, &ended.step.work) {
        (Outcome::FailedCheck, Work::CompareBaseline) => {
            Some("something of the lab is left there, see below".to_owned())
        }
        (Outcome::FailedCheck, Work::Undo(_)) if !ended.undos_failed.is_empty() => None,
        (Outcome::FailedCheck, _) if !no_check_failed => None,
        (outcome, _) => complaint(outcome),
    }
}

impl Judged {
    /// Says whether the check was looked at and holds.
    pub(crate) fn holds(&self) -> bool {
        self.verdict.as_ref().is_some_and(|verdict| verdict.holds)
    }
}

fn check_lines(ended: &Ended, judged: &Judged, style: Style) -> Vec<Line> {
    let mut lines = Vec::new();
    if let Some(check) = ended.step.checks.get(judged.check) {
        lines.extend(labelled(INDENT, "check", &describe_check(check), style));
    }
    match &judged.verdict {
        Some(verdict) => {
            lines.extend(labelled(INDENT, "expected", &shortened(&verdict.expected), style));
            lines.extend(labelled(INDENT, "actual", &shortened(&verdict.actual), style));
        }
        None => lines.extend(labelled(INDENT, "actual", "nothing could be looked at", style)),
    }
    if judged.attempts > 1 {
        let tried = format!(
            "looked {} times in {}",
            judged.attempts,
            duration_for_people(judged.took)
        );
        lines.extend(labelled(INDENT, "", &tried, style));
    }
    lines
}

fn place_lines(step: &PlannedStep, style: Style) -> Vec<Line> {
    let who = if step.as_root { " (as root)" } else { "" };
    let mut lines = labelled(INDENT, "node", &format!("{}{who}", step.key.node), style);
    match &step.work {
        Work::Action(Action::Wait) | Work::CompareBaseline => {}
        Work::Action(action) => lines.extend(labelled(INDENT, "command", &action.to_string(), style)),
        Work::Reset | Work::Clear => lines.extend(labelled(INDENT, "command", &step.work.to_string(), style)),
        Work::Undo(undos) => {
            for (at, undo) in undos.iter().enumerate() {
                let label = if at == 0 { "to undo" } else { "" };
                lines.extend(labelled(INDENT, label, &undo.to_string(), style));
            }
        }
    }
    lines
}

fn output_lines(ended: &Ended, output_root: Option<&str>, style: Style) -> Vec<Line> {
    let mut lines = Vec::new();
    let tail = &ended.tail[ended.tail.len().saturating_sub(TAIL_LINES)..];
    let shown = tail.len() as u64;
    let margin = " ".repeat(INDENT);
    // What could not be undone has been told, with why.
    let told = |line: &String| {
        ended
            .undos_failed
            .iter()
            .any(|(undo, reason)| *line == format!("{undo}: {reason}"))
    };
    if shown > 0 && !tail.iter().all(told) {
        let title = if ended.lines > shown {
            format!("the last {shown} of {} lines", ended.lines)
        } else {
            counted(tail.len(), "line")
        };
        lines.extend(labelled(INDENT, "output", &title, style));
        for line in tail {
            lines.push(Line::of(Ink::Quiet, format!("{margin}│ ")).and(Ink::Text, line));
        }
    }
    for record in ended.output.iter().filter(|record| record.size > 0) {
        let path = match output_root {
            Some(root) => format!("{root}/{}", record.path),
            None => record.path.clone(),
        };
        let mut text = format!("{path} ({})", size_for_people(record.size));
        if record.cut > 0 {
            text.push_str(&format!(", {} more were cut off", size_for_people(record.cut)));
        }
        lines.extend(labelled_path(INDENT, "kept in", &text));
    }
    lines
}

/// Returns the next things to try: the lab author's where there are any.
fn hints(ended: &Ended) -> Vec<String> {
    let node = &ended.step.key.node;
    let mut hints: Vec<String> = Vec::new();
    // What could not be looked at says nothing about the learner's work.
    let seen = ended.judged.iter().filter(|judged| judged.verdict.is_some());
    for judged in seen.filter(|judged| !judged.holds()) {
        let hint = ended.step.checks.get(judged.check).and_then(|check| check.hint.clone());
        if let Some(hint) = hint.filter(|hint| !hints.contains(hint)) {
            hints.push(hint);
        }
    }
    match &ended.outcome {
        Outcome::CouldNotStart { hint: Some(hint), .. }
        | Outcome::LostConnection { hint: Some(hint), .. }
        | Outcome::CannotTell { hint: Some(hint), .. } => hints.push(hint.clone()),
        Outcome::TimedOut { .. } if hints.is_empty() => {
            let above = if ended.tail.is_empty() {
                ""
            } else {
                "; the output above is the last it said"
            };
            hints.push(format!("see what it waited for: `labctl ssh {node}`{above}"));
        }
        _ => {}
    }
    hints
}

/// Cuts a `value` of many lines.
pub(crate) fn shortened(value: &str) -> String {
    let lines: Vec<&str> = value.lines().collect();
    match lines.get(VALUE_LINES..) {
        Some(rest) if !rest.is_empty() => {
            let shown = lines.get(..VALUE_LINES).unwrap_or_default().join("\n");
            format!("{shown}\n… ({} more)", counted(rest.len(), "line"))
        }
        _ if value.trim().is_empty() => "(nothing)".to_owned(),
        _ => value.to_owned(),
    }
}
