//! From a check and its evidence to a verdict.

use super::containers::evaluate_containers;
use super::engine::evaluate_engine;
use super::http::evaluate_http;
use super::images::evaluate_images;
use super::swarm::evaluate_swarm;
use super::text::{Seen, evaluate_text, quoted};
use crate::domain::{
    CheckKind, CommandSeen, Ending, FileKind, FileSeen, MissingValue, Observation, Values, Verdict,
    without_control_sequences,
};
use std::collections::BTreeSet;

/// What a step's own command left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandEvidence {
    /// How it ended.
    pub ending: Ending,
    /// Its standard output, as much as was kept for checks, without what is only for a terminal.
    pub stdout: Vec<u8>,
    /// Its standard error, likewise.
    pub stderr: Vec<u8>,
    /// Whether that is all there was.
    pub complete: bool,
}

impl CommandEvidence {
    fn seen<'a>(&self, what: &'a str, bytes: &'a [u8]) -> Seen<'a> {
        Seen {
            what,
            bytes,
            complete: self.complete,
        }
    }
}

/// What the open instance owns, for checks that leave it out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ours {
    /// Compose projects.
    pub projects: BTreeSet<String>,
    /// Container names.
    pub containers: BTreeSet<String>,
    /// The lines in /etc/default/docker that set an engine's options.
    pub option_lines: BTreeSet<String>,
    /// The hosts and labels that engines were given.
    pub engine_options: BTreeSet<String>,
}

/// What a judgement needs besides the evidence.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The values of the run.
    pub values: &'a Values,
    /// What the instance owns on the node.
    pub ours: &'a Ours,
}

/// Judges a check of a step's own command; `None` where `kind` is not of that sort.
pub fn evaluate_command(
    kind: &CheckKind,
    values: &Values,
    evidence: &CommandEvidence,
) -> Result<Option<Verdict>, MissingValue> {
    Ok(Some(match kind {
        CheckKind::Exit { code } => Verdict {
            holds: evidence.ending == Ending::Exited { code: *code },
            expected: format!("exit status {code}"),
            actual: evidence.ending.to_string(),
            ..Verdict::default()
        },
        CheckKind::Stdout(wanted) => evaluate_text(evidence.seen("standard output", &evidence.stdout), wanted, values)?,
        CheckKind::Stderr(wanted) => evaluate_text(evidence.seen("standard error", &evidence.stderr), wanted, values)?,
        _ => return Ok(None),
    }))
}

/// Judges a check of a node's state by the `observations` of its probes, in the order of the probes. An observation that
/// does not fit the check is a verdict that does not hold: a check never passes on evidence it did not ask for.
pub fn evaluate_observed(
    kind: &CheckKind,
    context: Context<'_>,
    observations: &[Observation],
) -> Result<Verdict, MissingValue> {
    let values = context.values;
    match (kind, observations) {
        (CheckKind::Command { exit, stdout, .. }, [Observation::Command(seen)]) => {
            evaluate_look(*exit, stdout, values, seen)
        }
        (CheckKind::File { .. }, [Observation::File { file }]) => evaluate_file(kind, values, file.as_ref()),
        (CheckKind::Http(wanted), seen) => evaluate_http(wanted, values, seen),
        (CheckKind::Engine { .. }, seen) => evaluate_engine(kind, context, seen),
        (CheckKind::Captured { name }, _) => Ok(evaluate_captured(name, values)),
        (CheckKind::Swarm(wanted), seen) => evaluate_swarm(wanted, values, seen),
        (CheckKind::Containers(wanted), [Observation::Containers { containers }]) => {
            evaluate_containers(wanted, context, containers)
        }
        (CheckKind::Images { .. }, [Observation::Images { images }]) => evaluate_images(kind, values, images),
        (CheckKind::Port { port, open, .. }, [Observation::Port { open: is_open }]) => {
            let word = |open: bool| if open { "open" } else { "closed" };
            Ok(Verdict {
                holds: open == is_open,
                expected: format!("port {port} is {}", word(*open)),
                actual: format!("port {port} is {}", word(*is_open)),
                ..Verdict::default()
            })
        }
        (_, [Observation::EngineDown { reason }, ..]) => Ok(Verdict {
            holds: false,
            expected: "the Docker Engine answers".to_owned(),
            actual: format!("it does not: {reason}"),
            ..Verdict::default()
        }),
        _ => Ok(Verdict {
            holds: false,
            expected: "an observation that fits the check".to_owned(),
            actual: "another one, or none".to_owned(),
            ..Verdict::default()
        }),
    }
}

fn evaluate_captured(name: &str, values: &Values) -> Verdict {
    let is_known = values.reveal(name).is_some();
    Verdict {
        holds: is_known,
        expected: format!("the value `{name}` is known"),
        actual: format!("it is {}", if is_known { "known" } else { "not known" }),
        ..Verdict::default()
    }
}

/// Joins two verdicts; says what is wrong with the one that does not hold.
pub(super) fn both(first: Verdict, second: Verdict) -> Verdict {
    Verdict {
        holds: first.holds && second.holds,
        expected: format!("{}, {}", first.expected, second.expected),
        actual: match (first.holds, second.holds) {
            (true, false) => second.actual,
            (false, true) => first.actual,
            _ => format!("{}, {}", first.actual, second.actual),
        },
        ..Verdict::default()
    }
}

fn evaluate_look(
    exit: i32,
    stdout: &crate::domain::TextMatch,
    values: &Values,
    seen: &CommandSeen,
) -> Result<Verdict, MissingValue> {
    let mut ended = Verdict {
        holds: seen.ending == Ending::Exited { code: exit },
        expected: format!("exit status {exit}"),
        actual: seen.ending.to_string(),
        ..Verdict::default()
    };
    let complaint = String::from_utf8_lossy(&seen.stderr);
    if !ended.holds && !complaint.trim().is_empty() {
        ended.actual = format!("{}, {}", ended.actual, quoted("standard error", &complaint));
    }
    if stdout.is_empty() {
        return Ok(ended);
    }
    Ok(both(
        ended,
        evaluate_text(
            Seen {
                what: "standard output",
                bytes: &without_control_sequences(&seen.stdout),
                complete: seen.dropped == 0,
            },
            stdout,
            values,
        )?,
    ))
}

fn evaluate_file(kind: &CheckKind, values: &Values, seen: Option<&FileSeen>) -> Result<Verdict, MissingValue> {
    let CheckKind::File {
        path,
        exists,
        content,
        mode,
        owner,
    } = kind
    else {
        return Ok(Verdict {
            holds: false,
            expected: String::new(),
            actual: String::new(),
            ..Verdict::default()
        });
    };
    let path = path.fill(values)?;
    let there = |is: bool| if is { "is there" } else { "is not there" };
    let presence = Verdict {
        holds: *exists == seen.is_some(),
        expected: format!("{path} {}", there(*exists)),
        actual: format!("{path} {}", there(seen.is_some())),
        ..Verdict::default()
    };
    let (true, Some(seen)) = (*exists, seen) else {
        return Ok(presence);
    };
    let mut verdict = presence;
    if !content.is_empty() {
        let complete = seen.kind != FileKind::File || seen.size == seen.content.len() as u64;
        let what = if seen.kind == FileKind::Directory {
            "list of entries"
        } else {
            "content"
        };
        verdict = both(
            verdict,
            evaluate_text(
                Seen {
                    what,
                    bytes: &seen.content,
                    complete,
                },
                content,
                values,
            )?,
        );
    }
    if let Some(mode) = mode {
        verdict = both(
            verdict,
            Verdict {
                holds: seen.mode == *mode,
                expected: format!("mode {mode:04o}"),
                actual: format!("mode {:04o}", seen.mode),
                ..Verdict::default()
            },
        );
    }
    if let Some(owner) = owner {
        verdict = both(
            verdict,
            Verdict {
                holds: seen.owner == *owner,
                expected: format!("owner {owner}"),
                actual: format!("owner {}", seen.owner),
                ..Verdict::default()
            },
        );
    }
    Ok(verdict)
}
