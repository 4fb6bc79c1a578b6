//! The totals of a verify, and what a person may want to type next.

use super::super::closing::{INDENT, joined_or_listed};
use super::super::layout::{counted, duration_for_people};
use super::super::line::{Line, paragraph};
use super::super::story::Story;
use super::super::style::{Ink, Style};
use crate::domain::{Cause, Outcome, StepKey, TaskId};

/// Returns the line of totals.
pub(super) fn total_lines(story: &Story, style: Style) -> Vec<Line> {
    let Some(end) = &story.end else { return Vec::new() };
    let counts = &story.tally.counts;
    let findings = story.findings.len();
    let mut words = Vec::new();
    let mut word = |count: usize, ink: Ink, text: String| words.extend((count > 0).then_some((ink, text)));
    word(counts.passed, Ink::Good, format!("✔ {} passed", counts.passed));
    word(findings, Ink::Bad, format!("✘ {}", counted(findings, "finding")));
    let because = consequences(story);
    let of = if findings == 1 { "it" } else { "them" };
    word(because, Ink::Warning, format!("{because} because of {of}"));
    let superseded = counts.superseded;
    word(superseded, Ink::Quiet, format!("→ {superseded} superseded"));
    let left = story.planned().saturating_sub(story.ended.len()) + counts.skipped;
    word(left, Ink::Warning, format!("· {left} not looked at"));
    let took = format!("in {}", duration_for_people(end.took));
    let stopped = end.aborted.iter();
    let stopped = stopped.flat_map(|reason| paragraph(INDENT, Ink::Bad, &format!("Stopped: {reason}"), style));
    let mut lines: Vec<Line> = stopped.collect();
    lines.extend(joined_or_listed(&words, &took, style));
    lines
}

/// Counts the checks that fail or cannot be told because of the findings: all that show a node or an engine to be silent
/// do, for neither is a check itself.
fn consequences(story: &Story) -> usize {
    let counts = story.findings.iter().map(|finding| match finding.cause {
        Cause::Check { .. } => finding.because.len(),
        _ => finding.shown_by.len() + finding.because.len(),
    });
    counts.sum()
}

/// Returns the commands to go on with, each with what it does.
pub(super) fn next_commands(story: &Story) -> Vec<(String, &'static str)> {
    let mut commands = Vec::new();
    let Some(plan) = &story.plan else { return commands };
    let findings = &story.findings;
    if findings
        .iter()
        .any(|one| matches!(one.cause, Cause::NodeUnreachable { .. }))
    {
        commands.push((
            "labctl inventory check".to_owned(),
            "says which nodes answer, and why not",
        ));
    }
    let is_found = |key: &StepKey| {
        let mut findings = findings.iter();
        findings.any(|one| one.shown_by.contains(key) || one.because.contains(key))
    };
    let was_looked_at = |key: &StepKey| {
        let outcome = story.ended.get(key).map(|ended| &ended.outcome);
        !matches!(outcome, None | Some(Outcome::Cancelled | Outcome::Skipped { .. }))
    };
    let mut tasks: Vec<&TaskId> = Vec::new();
    let steps = plan.steps.iter();
    for step in steps.filter(|step| is_found(&step.key) || !was_looked_at(&step.key)) {
        if !tasks.contains(&&step.task) {
            tasks.push(&step.task);
        }
    }
    if !tasks.is_empty() {
        let tasks: Vec<&str> = tasks.into_iter().map(TaskId::as_str).collect();
        commands.push((format!("labctl verify {}", tasks.join(" ")), "looks again"));
    }
    commands
}
