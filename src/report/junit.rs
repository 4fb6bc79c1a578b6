//! JUnit XML: one test suite a task, one test case a check (or step) and node; written once, when nothing more comes.

use super::Reporter;
use super::outcome::{complaint, remark};
use super::sanitise::{sanitised, sanitised_line};
use super::story::{Ended, Happening, Story};
use crate::domain::{Cause, Event, Finding, Notice, Outcome, PlannedStep, SkipReason, StepKey, TaskId};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Takes the finished document.
type Writer = Box<dyn FnOnce(&[u8]) + Send>;

/// Collects a run and hands it over as one JUnit document.
pub struct JunitReporter {
    write: Option<Writer>,
    story: Story,
    ended: BTreeMap<StepKey, Ended>,
}

/// Returns the document of a run's `events`, as they are in its journal.
pub fn junit_document<'a>(events: impl IntoIterator<Item = &'a Event>) -> Vec<u8> {
    let mut reporter = JunitReporter::new(|_| ());
    for event in events {
        reporter.notice(&Notice::Event(event.clone()));
    }
    reporter.document()
}

impl JunitReporter {
    /// Hands the document to `write`, once.
    pub fn new(write: impl FnOnce(&[u8]) + Send + 'static) -> Self {
        Self {
            write: Some(Box::new(write)),
            story: Story::default(),
            ended: BTreeMap::new(),
        }
    }

    fn document(&self) -> Vec<u8> {
        let Some(plan) = &self.story.plan else {
            return Vec::new();
        };
        let mut report = Report::new(clean_line(&plan.lab));
        if let Some(end) = &self.story.end {
            report.set_time(end.took);
        }
        let mut suites: Vec<(&TaskId, TestSuite)> = Vec::new();
        for step in &plan.steps {
            if suites.last().is_none_or(|(task, _)| **task != step.task) {
                suites.push((&step.task, TestSuite::new(clean_line(step.task.as_str()))));
            }
            if let Some((_, suite)) = suites.last_mut() {
                suite.add_test_case(self.case(&plan.lab, step));
            }
        }
        for (task, mut suite) in suites {
            let tally = self.story.tally.tasks.iter().find(|tally| tally.id == *task);
            suite.set_time(tally.map_or(Duration::ZERO, super::tally::TaskTally::took));
            report.add_test_suite(suite);
        }
        let mut document = Vec::new();
        // Writing to memory cannot fail, and every text was cleaned.
        let _ = report.serialize(&mut document);
        document
    }

    fn case(&self, lab: &str, step: &PlannedStep) -> TestCase {
        let ended = self.ended.get(&step.key).or_else(|| self.story.ended.get(&step.key));
        let mut case = TestCase::new(clean_line(&name(step)), self.status(ended));
        case.set_classname(clean_line(&format!("{lab}.{}", step.task)));
        case.set_time(ended.map_or(Duration::ZERO, |ended| ended.took));
        case
    }

    fn status(&self, ended: Option<&Ended>) -> TestCaseStatus {
        let Some(ended) = ended else {
            return skipped("it was not begun");
        };
        let (kind, word) = match &ended.outcome {
            Outcome::Passed => return TestCaseStatus::success(),
            Outcome::Superseded { by } => return skipped(&format!("superseded by {by}")),
            Outcome::Skipped {
                reason: SkipReason::AlreadyHolds,
            } => return skipped("it held already"),
            outcome @ (Outcome::Skipped { .. } | Outcome::Cancelled) => {
                return skipped(&remark(outcome).unwrap_or_default());
            }
            outcome @ Outcome::FailedCheck => (NonSuccessKind::Failure, outcome.name()),
            outcome => (NonSuccessKind::Error, outcome.name()),
        };
        let cause = self.cause(&ended.step.key);
        let mut findings = self.story.findings.iter();
        let is_consequence = findings.any(|finding| finding.because.contains(&ended.step.key));
        let lines = told(ended, !is_consequence);
        let mut status = TestCaseStatus::non_success(kind);
        let message = match &cause {
            Some(cause) => format!("because of: {cause}"),
            None => summary(ended).unwrap_or_else(|| word.to_owned()),
        };
        status.set_type(word).set_message(clean_line(&message));
        status.set_description(clean(&lines.join("\n")));
        status
    }

    /// Returns what the check called `key` went wrong because of; `None` where it is a finding itself.
    fn cause(&self, key: &StepKey) -> Option<String> {
        let shows_silence =
            |finding: &Finding| !matches!(finding.cause, Cause::Check { .. }) && finding.shown_by.contains(key);
        let mut findings = self.story.findings.iter();
        let finding = findings.find(|finding| finding.because.contains(key) || shows_silence(finding))?;
        Some(match &finding.cause {
            Cause::Check { step } => {
                let first = finding.shown_by.first().and_then(|key| self.story.step(key));
                first.map_or_else(|| step.to_string(), |step| name(&step))
            }
            Cause::NodeUnreachable { node, .. } => format!("{node} cannot be reached"),
            Cause::EngineSilent { node, .. } => format!("the Docker Engine of {node} does not answer"),
        })
    }
}

/// Says what a check or step is, and where.
fn name(step: &PlannedStep) -> String {
    format!("{} ({})", step.title, step.key.node)
}

fn skipped(why: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::skipped();
    status.set_message(clean_line(why));
    status
}

/// Says in a line what was wanted and found.
fn summary(ended: &Ended) -> Option<String> {
    let mut judged = ended.judged.iter().filter(|judged| !judged.holds());
    let verdict = judged.find_map(|judged| judged.verdict.as_ref());
    let told = verdict.map(|verdict| format!("expected {}, found {}", verdict.expected, verdict.actual));
    told.or_else(|| complaint(&ended.outcome))
}

/// Says what was wanted and found, and what to do about it where it `is_hinted`.
fn told(ended: &Ended, is_hinted: bool) -> Vec<String> {
    let mut lines = Vec::new();
    let mut hints: Vec<String> = Vec::new();
    for judged in ended.judged.iter().filter(|judged| !judged.holds()) {
        let Some(verdict) = &judged.verdict else { continue };
        lines.push(format!("expected: {}", verdict.expected));
        lines.push(format!("actual: {}", verdict.actual));
        let check = ended.step.checks.get(judged.check);
        hints.extend(check.and_then(|check| check.hint.clone()));
    }
    if lines.is_empty() {
        lines.extend(complaint(&ended.outcome));
    }
    if is_hinted {
        lines.extend(hints.iter().map(|hint| format!("hint: {hint}")));
    }
    lines
}

/// Returns `text` without what no XML document may have.
fn clean(text: &str) -> String {
    sanitised(text).replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}

fn clean_line(text: &str) -> String {
    sanitised_line(text).replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}

impl Reporter for JunitReporter {
    fn notice(&mut self, notice: &Notice) {
        // Of the output nothing is kept here.
        if matches!(notice, Notice::Output { .. }) {
            return;
        }
        if let Some(Happening::StepEnded(ended, _)) = self.story.follow(notice, Instant::now()) {
            self.ended.insert(ended.step.key.clone(), *ended);
        }
    }

    fn finish(&mut self) {
        if let Some(write) = self.write.take() {
            write(&self.document());
        }
    }
}
