//! The page as its template sees it: texts that are ready to be shown, clean and not yet escaped.

use super::super::chronicle::{Chronicle, HostChronicle, RunVerdict, TaskChronicle};
use super::super::headline::{Tone, headline};
use super::super::layout::{counted, duration_for_people};
use super::super::sanitise::{sanitised, sanitised_line};
use super::bars::{Spread, spreads};
use super::cards::{Card, cards};
use super::steps::{StepView, step_view};
use super::timeline::Timeline;
use crate::domain::{Counts, Verb};
use jiff::Timestamp;
use serde::Serialize;

/// Everything on the page.
#[derive(Debug, Serialize)]
pub(super) struct Page {
    title: String,
    lab_title: String,
    lab: String,
    verb: &'static str,
    tone: &'static str,
    mark: &'static str,
    headline: String,
    sentence: String,
    facts: Vec<Fact>,
    tallies: Vec<Tally>,
    failure: Option<StepView>,
    timeline: Option<Timeline>,
    cards: Vec<Card>,
    spreads: Vec<Spread>,
    tasks: Vec<TaskView>,
    values: Vec<Fact>,
    links: Vec<Fact>,
    hosts: Vec<HostChronicle>,
    labctl_version: String,
}

/// Something that is known, and what it is called.
#[derive(Debug, Serialize)]
pub(super) struct Fact {
    name: String,
    value: String,
}

/// A number, what is counted, and how it looks.
#[derive(Debug, Serialize)]
pub(super) struct Tally {
    name: &'static str,
    count: usize,
    tone: &'static str,
    key: &'static str,
}

#[derive(Debug, Serialize)]
struct TaskView {
    anchor: String,
    title: String,
    took: String,
    summary: String,
    tone: &'static str,
    tallies: Vec<Tally>,
    steps: Vec<StepView>,
}

impl Page {
    /// Makes the page of `chronicle`.
    pub(super) fn of(chronicle: &Chronicle) -> Self {
        let headline = headline(chronicle);
        let took = duration_for_people(chronicle.took);
        let lab = sanitised_line(&chronicle.lab);
        Self {
            title: format!("{lab}: {} in {took}", sanitised_line(&headline.word).to_lowercase()),
            lab_title: sanitised_line(&chronicle.lab_title),
            lab,
            verb: verb(chronicle.verb),
            tone: tone(headline.tone),
            mark: mark(chronicle.verdict),
            headline: sanitised_line(&headline.word),
            sentence: sanitised_line(&headline.sentence),
            facts: facts(chronicle),
            tallies: tallies(&chronicle.counts, true),
            failure: chronicle.first_failure().map(|step| step_view(step, "first-")),
            timeline: Timeline::of(chronicle),
            cards: cards(&chronicle.cluster),
            spreads: spreads(chronicle),
            tasks: chronicle.tasks.iter().map(task_view).collect(),
            values: values(chronicle),
            links: links(chronicle),
            hosts: chronicle.hosts.iter().map(host).collect(),
            labctl_version: sanitised_line(&chronicle.labctl_version),
        }
    }
}

fn verb(verb: Verb) -> &'static str {
    match verb {
        Verb::Run => "run",
        Verb::Verify => "verify",
        Verb::Cleanup => "cleanup",
    }
}

fn tone(tone: Tone) -> &'static str {
    match tone {
        Tone::Good => "good",
        Tone::Bad => "bad",
        Tone::Warning => "warning",
    }
}

fn mark(verdict: RunVerdict) -> &'static str {
    match verdict {
        RunVerdict::Passed => "✓",
        RunVerdict::Failed => "✕",
        RunVerdict::CouldNotRun => "!",
        RunVerdict::Stopped | RunVerdict::Unfinished => "■",
        RunVerdict::NothingChecked => "?",
    }
}

fn fact(name: impl Into<String>, value: impl AsRef<str>) -> Fact {
    Fact {
        name: name.into(),
        value: sanitised_line(value.as_ref()),
    }
}

fn facts(chronicle: &Chronicle) -> Vec<Fact> {
    let nodes: Vec<&str> = chronicle.nodes.iter().map(crate::domain::NodeName::as_str).collect();
    let mut facts = vec![
        fact("Took", duration_for_people(chronicle.took)),
        fact("Began", moment(chronicle.began)),
    ];
    facts.extend(chronicle.ended.map(|ended| fact("Ended", moment(ended))));
    facts.push(fact("Nodes", nodes.join(", ")));
    facts.push(fact("Run", chronicle.run.as_str()));
    facts
}

/// Writes a moment the same wherever the page is read.
fn moment(at: Timestamp) -> String {
    at.strftime("%-d %b %Y, %H:%M:%S UTC").to_string()
}

/// Returns the counts worth telling: those of steps that are not zero, and, where `with_checks`, that of checks.
pub(super) fn tallies(counts: &Counts, with_checks: bool) -> Vec<Tally> {
    let all = [
        ("passed", counts.passed, "good", "passed"),
        ("held already", counts.already_held, "good", "already_held"),
        ("failed", counts.failed, "bad", "failed"),
        ("could not run", counts.could_not_run, "bad", "could_not_run"),
        ("skipped", counts.skipped, "warning", "skipped"),
        ("superseded", counts.superseded, "quiet", "superseded"),
    ];
    let shown = all
        .into_iter()
        .filter(|(name, count, ..)| *count > 0 || with_checks && *name == "passed");
    let checks = with_checks.then_some(("checks judged", counts.checks, "quiet", "checks"));
    let tally = |(name, count, tone, key)| Tally { name, count, tone, key };
    shown.chain(checks).map(tally).collect()
}

fn task_view(task: &TaskChronicle) -> TaskView {
    let counts = &task.counts;
    let tone = match () {
        () if counts.failed + counts.could_not_run > 0 => "bad",
        () if counts.passed + counts.already_held + counts.superseded == task.steps.len() => "good",
        () => "warning",
    };
    TaskView {
        anchor: format!("task-{}", task.id),
        title: sanitised_line(&task.title),
        took: task.span.map_or_else(String::new, |_| duration_for_people(task.took())),
        summary: counted(task.steps.len(), "step"),
        tone,
        tallies: tallies(counts, false),
        steps: task.steps.iter().map(|step| step_view(step, "")).collect(),
    }
}

fn values(chronicle: &Chronicle) -> Vec<Fact> {
    let values = chronicle.values.iter();
    values
        .map(|(name, value)| Fact {
            name: sanitised_line(name),
            value: sanitised(value),
        })
        .collect()
}

fn host(line: &HostChronicle) -> HostChronicle {
    HostChronicle {
        file: sanitised_line(&line.file),
        text: sanitised_line(&line.text),
        fault: line.fault.as_deref().map(sanitised_line),
    }
}

fn links(chronicle: &Chronicle) -> Vec<Fact> {
    let web = |address: &str| address.starts_with("http://") || address.starts_with("https://");
    let links = chronicle.links.iter().filter(|link| web(&link.address));
    links
        .map(|link| fact(sanitised_line(&link.label), &link.address))
        .collect()
}
