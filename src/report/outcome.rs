//! How an outcome looks and what it says.

use super::layout::deadline_for_people;
use super::style::Ink;
use crate::domain::{Outcome, SkipReason, Verdict};

/// How many characters of what was wanted or found fit into a sentence.
const SHORT: usize = 100;

/// Returns the symbol and the ink of `outcome`; symbols differ, so that colour is never needed to tell them apart.
pub(crate) fn mark(outcome: &Outcome) -> (&'static str, Ink) {
    match outcome {
        Outcome::Passed => ("✔", Ink::Good),
        Outcome::Skipped {
            reason: SkipReason::AlreadyHolds,
        } => ("=", Ink::Good),
        Outcome::FailedCheck => ("✘", Ink::Bad),
        Outcome::TimedOut { .. } => ("⧗", Ink::Bad),
        Outcome::LostConnection { .. } => ("↯", Ink::Bad),
        Outcome::CannotTell { .. } => ("?", Ink::Bad),
        Outcome::Exited { .. } | Outcome::Signalled { .. } | Outcome::CouldNotStart { .. } => ("!", Ink::Bad),
        Outcome::Cancelled => ("■", Ink::Warning),
        Outcome::Skipped { .. } => ("↷", Ink::Warning),
        Outcome::Superseded { .. } => ("→", Ink::Quiet),
    }
}

/// Says in a few words why a step has no duration worth showing.
pub(crate) fn remark(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Skipped { reason } => Some(match reason {
            SkipReason::AlreadyHolds => "holds already".to_owned(),
            SkipReason::NeedsFailed { step } => format!("needs {step}"),
            SkipReason::NodeLost => "node is lost".to_owned(),
            SkipReason::Stopping => "stopping".to_owned(),
        }),
        Outcome::Superseded { by } => Some(format!("changed by {by}")),
        Outcome::Cancelled => Some("cancelled".to_owned()),
        _ => None,
    }
}

/// Says what a check wanted and found, where both are short enough for a sentence.
pub(crate) fn wanted_and_found(verdict: &Verdict) -> Option<String> {
    let is_short = |text: &str| !text.is_empty() && !text.contains('\n') && text.chars().count() <= SHORT;
    let told = is_short(&verdict.expected) && is_short(&verdict.actual);
    told.then(|| format!("expected {}, found {}", verdict.expected, verdict.actual))
}

/// Says what went wrong in a sentence; `None` where nothing did.
pub(crate) fn complaint(outcome: &Outcome) -> Option<String> {
    Some(match outcome {
        Outcome::Passed | Outcome::Skipped { .. } | Outcome::Superseded { .. } | Outcome::Cancelled => return None,
        Outcome::FailedCheck => "what must hold after it does not hold".to_owned(),
        Outcome::Exited { code: 127 } => "the command ended with exit status 127: no such program".to_owned(),
        Outcome::Exited { code } => format!("the command ended with exit status {code}"),
        Outcome::Signalled { signal } => format!("the command was killed by {}", signal_name(*signal)),
        Outcome::TimedOut { after } => {
            format!(
                "took longer than {} and was killed on the node",
                deadline_for_people(*after)
            )
        }
        Outcome::CouldNotStart { reason, .. } => format!("could not start: {reason}"),
        Outcome::LostConnection { reason, .. } => {
            format!("lost the connection: {reason}. What became of the command is not known")
        }
        Outcome::CannotTell { reason, .. } => format!("could not look: {reason}"),
    })
}

fn signal_name(signal: i32) -> String {
    let name = match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        6 => "SIGABRT",
        7 => "SIGBUS",
        9 => "SIGKILL; the node may be out of memory",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        15 => "SIGTERM",
        _ => return format!("signal {signal}"),
    };
    format!("signal {signal} ({name})")
}
