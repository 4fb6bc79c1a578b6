//! The checklist: one block a task in the lab's order, one line a check and node, whatever order they ended in.

use super::super::describe::describe_check;
use super::super::layout::duration_for_people;
use super::super::line::{Line, paragraph};
use super::super::outcome::mark;
use super::super::plain::heading_lines;
use super::super::story::{Ended, Story};
use super::super::style::{Ink, Style};
use super::hanging::Hanging;
use crate::domain::{Outcome, PlannedStep, StepKey, TaskId};

/// Returns the lines of the checklist; with what each check wants, where everything `is_told`.
pub(super) fn checklist_lines(story: &Story, is_told: bool, style: Style) -> Vec<Line> {
    let steps = story.plan.as_ref().map_or(&[][..], |plan| &plan.steps);
    let mut lines = Vec::new();
    let mut heading: Option<&TaskId> = None;
    for step in steps {
        if heading != Some(&step.task) {
            lines.extend(heading_lines(step, heading.is_none()));
            heading = Some(&step.task);
        }
        let ended = story.ended.get(&step.key);
        lines.extend(check_lines(story, step, ended, style));
        if is_told {
            let indent = 6 + story.node_columns();
            for check in &step.checks {
                lines.extend(paragraph(indent, Ink::Quiet, &describe_check(check), style));
            }
        }
    }
    lines
}

fn check_lines(story: &Story, step: &PlannedStep, ended: Option<&Ended>, style: Style) -> Vec<Line> {
    let outcome = ended.map(|ended| &ended.outcome);
    let remark = match ended {
        Some(ended) if ended.outcome == Outcome::Passed => duration_for_people(ended.took),
        _ => remark(story, &step.key, outcome),
    };
    let (symbol, ink) = outcome.map_or(("·", Ink::Quiet), mark);
    let node_columns = story.node_columns();
    let before = Line::of(Ink::Text, "  ")
        .and(ink, symbol)
        .and(Ink::Text, " ")
        .and(Ink::Accent, format!("{:<node_columns$}", step.key.node))
        .and(Ink::Text, "  ");
    let hanging = Hanging {
        before,
        indent: 4 + node_columns.max(step.key.node.as_str().len()) + 2,
        ink: Ink::Text,
        text: &step.title,
        remark: &remark,
    };
    hanging.lines(style)
}

/// Says in a few words how a check ended that did not pass, and where more is said of it.
fn remark(story: &Story, key: &StepKey, outcome: Option<&Outcome>) -> String {
    let word = match outcome {
        Some(Outcome::Superseded { by }) => return format!("superseded by {by}"),
        None | Some(Outcome::Cancelled | Outcome::Skipped { .. }) => return "not looked at".to_owned(),
        Some(Outcome::FailedCheck) => "failed",
        Some(_) => "cannot tell",
    };
    for (at, finding) in story.findings.iter().enumerate() {
        if finding.shown_by.contains(key) {
            return format!("{word}, see finding {}", at + 1);
        }
        if finding.because.contains(key) {
            return format!("{word} because of finding {}", at + 1);
        }
    }
    word.to_owned()
}
