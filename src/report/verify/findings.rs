//! The findings: each with where it is, what was wanted, what is there and what to do, and what fails because of it.

use super::super::describe::describe_check;
use super::super::ended::shortened;
use super::super::layout::counted;
use super::super::line::{Line, labelled, paragraph};
use super::super::outcome::{complaint, mark};
use super::super::story::{Ended, Story};
use super::super::style::{Ink, Style};
use super::hanging::Hanging;
use crate::domain::{Cause, CheckKind, Finding, NodeName, PlannedStep, StepKey};

/// The columns that a finding's text starts after: its number stands before.
const INDENT: usize = 5;

/// What is told of a check on a node, and of it on others where that is the same.
#[derive(Default, PartialEq)]
struct Details {
    check: Option<String>,
    problem: Option<String>,
    expected: Option<String>,
    actual: Option<String>,
    hints: Vec<String>,
}

/// Returns the lines of `finding`, which has a `number`.
pub(super) fn finding_lines(story: &Story, number: usize, finding: &Finding, style: Style) -> Vec<Line> {
    let title = title(story, finding);
    let heading = Hanging {
        before: Line::of(Ink::Bad, format!("{number:>3}  ")),
        indent: INDENT,
        ink: Ink::Strong,
        text: &title,
        remark: "",
    };
    let mut lines = heading.lines(style);
    match &finding.cause {
        Cause::Check { .. } => lines.extend(place_lines(story, finding, style)),
        Cause::NodeUnreachable { reason, hint, .. } => {
            lines.extend(labelled(INDENT, "problem", reason, style));
            if let Some(hint) = hint {
                lines.extend(labelled(INDENT, "hint", hint, style));
            }
            let count = format!("{} on it not looked at", counted(finding.shown_by.len(), "check"));
            lines.extend(paragraph(INDENT, Ink::Text, &format!("because of it: {count}"), style));
            lines.extend(consequence_lines(story, &finding.because, style));
            return lines;
        }
        Cause::EngineSilent { node, reason } => lines.extend(engine_lines(story, finding, (node, reason), style)),
    }
    let mut consequences = match &finding.cause {
        Cause::EngineSilent { .. } => finding.shown_by.clone(),
        _ => Vec::new(),
    };
    consequences.extend(finding.because.iter().cloned());
    if !consequences.is_empty() {
        lines.push(Line::text(format!("{:INDENT$}because of it:", "")));
        lines.extend(consequence_lines(story, &consequences, style));
    }
    lines
}

fn title(story: &Story, finding: &Finding) -> String {
    match &finding.cause {
        Cause::Check { step } => finding
            .shown_by
            .first()
            .and_then(|key| story.step(key))
            .map_or_else(|| step.to_string(), |step| step.title.clone()),
        Cause::NodeUnreachable { node, .. } => format!("{node} cannot be reached"),
        Cause::EngineSilent { node, .. } => format!("The Docker Engine of {node} does not answer"),
    }
}

fn engine_lines(story: &Story, finding: &Finding, silent: (&NodeName, &str), style: Style) -> Vec<Line> {
    let (node, reason) = silent;
    let mut lines = labelled(INDENT, "problem", reason, style);
    let restart = format!("`labctl ssh {node}`, then `sudo service docker restart`");
    let mut hints = vec![format!(
        "see why it does not: {restart}, and its log where it does not start"
    )];
    for hint in finding.shown_by.iter().flat_map(|key| details(story, key).hints) {
        if !hints.contains(&hint) {
            hints.push(hint);
        }
    }
    for hint in hints {
        lines.extend(labelled(INDENT, "hint", &hint, style));
    }
    lines
}

/// Returns what each place of a finding is like; those that are alike together.
fn place_lines(story: &Story, finding: &Finding, style: Style) -> Vec<Line> {
    let mut alike: Vec<(Vec<&str>, Details)> = Vec::new();
    for key in &finding.shown_by {
        let details = details(story, key);
        let node = key.node.as_str();
        match alike.iter_mut().find(|(_, other)| *other == details) {
            Some((nodes, _)) => nodes.push(node),
            None => alike.push((vec![node], details)),
        }
    }
    let mut lines = Vec::new();
    for (nodes, details) in alike {
        lines.extend(labelled(INDENT, "on", &nodes.join(", "), style));
        let texts = [
            ("check", details.check),
            ("problem", details.problem),
            ("expected", details.expected),
            ("actual", details.actual),
        ];
        for (label, text) in texts {
            lines.extend(text.iter().flat_map(|text| labelled(INDENT, label, text, style)));
        }
        for hint in details.hints {
            lines.extend(labelled(INDENT, "hint", &hint, style));
        }
    }
    lines
}

fn details(story: &Story, key: &StepKey) -> Details {
    let mut details = Details::default();
    let Some(ended) = story.ended.get(key) else {
        return details;
    };
    let judged = ended.judged.iter().filter(|judged| !judged.holds());
    let seen = judged.filter_map(|judged| Some((ended.step.checks.get(judged.check)?, judged.verdict.as_ref()?)));
    for (check, verdict) in seen {
        // Of these two, what is wanted does not name what it is wanted of.
        if matches!(check.kind, CheckKind::Command { .. } | CheckKind::Http(_)) {
            details.check = Some(describe_check(check));
        }
        details.expected = Some(shortened(&verdict.expected));
        details.actual = Some(shortened(&verdict.actual));
        details.hints.extend(check.hint.clone());
    }
    if details.expected.is_none() {
        details.problem = complaint(&ended.outcome);
        details.check = ended.step.checks.first().map(describe_check);
    }
    details
}

fn consequence_lines(story: &Story, keys: &[StepKey], style: Style) -> Vec<Line> {
    let known = keys.iter().filter_map(|key| story.ended.get(key));
    known.flat_map(|ended| consequence(story, ended, style)).collect()
}

fn consequence(story: &Story, ended: &Ended, style: Style) -> Vec<Line> {
    let PlannedStep { key, title, .. } = &*ended.step;
    let (symbol, ink) = mark(&ended.outcome);
    let node_columns = story.node_columns();
    let before = Line::text(format!("{:INDENT$}  ", ""))
        .and(ink, symbol)
        .and(Ink::Accent, format!(" {:<node_columns$}", key.node))
        .and(Ink::Text, "  ");
    let hanging = Hanging {
        before,
        indent: INDENT + 4 + node_columns.max(key.node.as_str().len()) + 2,
        ink: Ink::Text,
        text: title,
        remark: "",
    };
    hanging.lines(style)
}
