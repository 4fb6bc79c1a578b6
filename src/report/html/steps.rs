//! A step with all that is known of it.

use super::super::chronicle::{CheckChronicle, KeptOutput, StepChronicle};
use super::super::ended::shortened;
use super::super::layout::{duration_for_people, size_for_people};
use super::super::outcome::{complaint, mark, remark};
use super::super::sanitise::{sanitised, sanitised_line};
use crate::domain::{Outcome, SkipReason, Stream};
use serde::Serialize;

/// A step.
#[derive(Debug, Serialize)]
pub(super) struct StepView {
    anchor: String,
    id: String,
    node: String,
    number: Option<String>,
    title: String,
    mark: &'static str,
    tone: &'static str,
    outcome: String,
    took: String,
    is_open: bool,
    complaint: Option<String>,
    /// Whether its checks say more than the complaint does.
    is_explained: bool,
    next: Option<String>,
    prompt: Option<String>,
    typed: Vec<String>,
    checks: Vec<CheckView>,
    undone: Vec<String>,
    outputs: Vec<OutputView>,
}

#[derive(Debug, Serialize)]
struct CheckView {
    what: String,
    tone: &'static str,
    mark: &'static str,
    word: &'static str,
    expected: Option<String>,
    actual: String,
    hint: Option<String>,
    tried: Option<String>,
}

#[derive(Debug, Serialize)]
struct OutputView {
    name: &'static str,
    size: String,
    head: String,
    left_out: Option<String>,
    tail: String,
    problem: Option<String>,
    path: String,
}

/// Returns the name of the place on the page where `step` is told; the same step may be told twice, by a `prefix`.
pub(super) fn anchor(step: &StepChronicle, prefix: &str) -> String {
    format!("{prefix}step-{}-{}", step.key.step, step.key.node)
}

/// Returns how `outcome` looks.
pub(super) fn tone_of(outcome: Option<&Outcome>) -> &'static str {
    match outcome {
        Some(Outcome::Passed) => "good",
        Some(Outcome::Skipped {
            reason: SkipReason::AlreadyHolds,
        }) => "held",
        Some(Outcome::Superseded { .. }) => "quiet",
        None | Some(Outcome::Skipped { .. } | Outcome::Cancelled) => "warning",
        Some(_) => "bad",
    }
}

/// Says how a step ended, in a few words.
pub(super) fn outcome_words(outcome: &Outcome) -> String {
    sanitised_line(&remark(outcome).unwrap_or_else(|| outcome.name().to_owned()))
}

/// Shows `step` at an anchor that begins with `prefix`.
pub(super) fn step_view(step: &StepChronicle, prefix: &str) -> StepView {
    let outcome = step.outcome.as_ref();
    let (number, title) = numbered(&step.title);
    let command = step.command.as_ref();
    let next = match outcome {
        Some(
            Outcome::CouldNotStart { hint, .. }
            | Outcome::LostConnection { hint, .. }
            | Outcome::CannotTell { hint, .. },
        ) => hint.clone(),
        _ => None,
    };
    StepView {
        anchor: anchor(step, prefix),
        id: step.key.step.to_string(),
        node: step.key.node.to_string(),
        number: number.map(sanitised_line),
        title: sanitised_line(title),
        mark: outcome.map_or("·", |outcome| mark(outcome).0),
        tone: tone_of(outcome),
        outcome: outcome.map_or_else(|| "not finished".to_owned(), outcome_words),
        took: step.began.map_or_else(String::new, |_| duration_for_people(step.took)),
        is_open: step.went_wrong(),
        complaint: outcome
            .and_then(complaint)
            .map(|text| capitalised(&sanitised_line(&text))),
        is_explained: outcome == Some(&Outcome::FailedCheck) && step.checks.iter().any(CheckChronicle::is_wrong),
        next: next.map(|text| sanitised_line(&text)),
        prompt: command.map(|command| sanitised_line(&command.prompt(step.key.node.as_str()))),
        typed: command
            .map(|command| command.typed.iter().map(|typed| sanitised(typed)).collect())
            .unwrap_or_default(),
        checks: step.checks.iter().map(check_view).collect(),
        undone: step.undone.iter().map(undone_words).collect(),
        outputs: step.output.iter().map(output_view).collect(),
    }
}

/// Parts a title such as `1.4 Start DockChat` into its number, where it has one, and the rest.
pub(crate) fn numbered(title: &str) -> (Option<&str>, &str) {
    let is_number = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_digit())
            && word.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | '-'))
    };
    match title.split_once(' ') {
        Some((number, rest)) if is_number(number) => (Some(number), rest),
        _ => (None, title),
    }
}

fn undone_words(undone: &super::super::chronicle::UndoneChronicle) -> String {
    sanitised_line(&match &undone.failed {
        Some(reason) => format!("could not {}: {reason}", undone.what),
        None => undone.what.clone(),
    })
}

fn check_view(check: &CheckChronicle) -> CheckView {
    let (tone, mark, word) = match (check.judged, &check.verdict) {
        (true, Some(verdict)) if verdict.holds => ("good", "✔", "holds"),
        (true, Some(_)) => ("bad", "✘", "does not hold"),
        (true, None) => ("bad", "?", "could not be looked at"),
        (false, _) => ("quiet", "·", "not looked at"),
    };
    let verdict = check.verdict.as_ref();
    let tried =
        (check.attempts > 1).then(|| format!("looked {} times in {}", check.attempts, duration_for_people(check.took)));
    CheckView {
        what: sanitised_line(&check.what),
        tone,
        mark,
        word,
        expected: verdict.map(|verdict| shortened(&sanitised(&verdict.expected))),
        actual: verdict.map_or_else(|| word.to_owned(), |verdict| shortened(&sanitised(&verdict.actual))),
        hint: check.is_wrong().then(|| check.hint.as_deref().map(sanitised)).flatten(),
        tried,
    }
}

fn output_view(output: &KeptOutput) -> OutputView {
    let record = &output.record;
    let mut size = size_for_people(record.size);
    if record.cut > 0 {
        size.push_str(&format!(", {} more were cut off", size_for_people(record.cut)));
    }
    OutputView {
        name: match record.stream {
            Stream::Stdout => "Standard output",
            Stream::Stderr => "Standard error",
        },
        size,
        head: output.head.join("\n"),
        left_out: (output.left_out > 0).then(|| size_for_people(output.left_out)),
        tail: output.tail.join("\n"),
        problem: output.problem.clone(),
        path: sanitised_line(&record.path),
    }
}

/// Begins `text` with a capital letter. The engine's own filter would make the others small, and with them names and paths.
fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(letters.as_str().chars()).collect()
}
