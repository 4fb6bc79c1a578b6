//! The first thing that is said of a run that is over.

use super::chronicle::{Chronicle, RunVerdict, StepChronicle};
use super::layout::{counted, duration_for_people};
use super::outcome::{complaint, wanted_and_found};

/// What a reader should feel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Good,
    Bad,
    Warning,
}

/// How a run came out, in a word and in a sentence.
#[derive(Debug)]
pub(crate) struct Headline {
    pub(crate) tone: Tone,
    pub(crate) word: String,
    pub(crate) sentence: String,
}

/// Says how `chronicle` came out.
pub(crate) fn headline(chronicle: &Chronicle) -> Headline {
    let (tone, word) = match chronicle.verdict {
        RunVerdict::Passed => (Tone::Good, "Passed"),
        RunVerdict::Failed => (Tone::Bad, "Failed"),
        RunVerdict::CouldNotRun => (Tone::Bad, "Could not run"),
        RunVerdict::Stopped => (Tone::Warning, "Stopped"),
        RunVerdict::NothingChecked => (Tone::Warning, "Nothing was checked"),
        RunVerdict::Unfinished => (Tone::Warning, "Not finished"),
    };
    Headline {
        tone,
        word: word.to_owned(),
        sentence: sentence(chronicle),
    }
}

/// Says what the first check of `step` that does not hold wanted and found, where that is short enough for a sentence.
fn found(step: &StepChronicle) -> Option<String> {
    let mut wrong = step.checks.iter().filter(|check| check.is_wrong());
    let verdict = wrong.find_map(|check| check.verdict.as_ref())?;
    wanted_and_found(verdict)
}

fn sentence(chronicle: &Chronicle) -> String {
    let took = duration_for_people(chronicle.took);
    let steps = counted(chronicle.planned, "step");
    let failure = chronicle.first_failure().map(|step| {
        let why = found(step)
            .or_else(|| step.outcome.as_ref().and_then(complaint))
            .unwrap_or_default();
        format!("“{}” on {}: {why}.", step.title, step.key.node)
    });
    match chronicle.verdict {
        RunVerdict::Passed => {
            let nodes = counted(chronicle.nodes.len(), "node");
            let checks = counted(chronicle.counts.checks, "check");
            format!("{steps} on {nodes} and {checks}, in {took}.")
        }
        RunVerdict::Failed | RunVerdict::CouldNotRun => failure.unwrap_or_default(),
        RunVerdict::Stopped => {
            let reason = chronicle.stopped.as_deref().unwrap_or_default();
            format!("It was stopped after {took}: {reason}. {}", failure.unwrap_or_default())
        }
        RunVerdict::NothingChecked => format!("It had {steps}, and nothing that looks."),
        RunVerdict::Unfinished => {
            format!("The journal knows of no end: it still goes on, or labctl ended before it did. {took} are known.")
        }
    }
}
