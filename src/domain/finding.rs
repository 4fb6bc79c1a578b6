//! Tells causes from consequences: what went wrong by itself, and what only because of it.

use super::{NodeName, Outcome, Plan, StepId, StepKey};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Who did not answer, where that is why a check could not be told or does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "who")]
pub enum Silent {
    /// The node itself.
    Node {
        /// Which.
        node: NodeName,
        /// What ssh said.
        reason: String,
        /// The next thing to try, where one is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hint: Option<String>,
    },
    /// Its Docker Engine.
    Engine {
        /// The node.
        node: NodeName,
        /// What was said instead.
        reason: String,
    },
}

/// One thing that is wrong, however many checks show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What is wrong.
    pub cause: Cause,
    /// The checks that show it, in the plan's order.
    pub shown_by: Vec<StepKey>,
    /// The checks that fail or cannot be told because of it.
    pub because: Vec<StepKey>,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Cause {
    /// This check does not hold, or cannot be told.
    Check {
        /// Which.
        step: StepId,
    },
    /// A node cannot be reached.
    NodeUnreachable {
        /// Which.
        node: NodeName,
        /// What ssh said.
        reason: String,
        /// The next thing to try, where one is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hint: Option<String>,
    },
    /// A node's Docker Engine does not answer.
    EngineSilent {
        /// The node.
        node: NodeName,
        /// What was said instead.
        reason: String,
    },
}

/// Draws from the `outcomes` of a `plan`'s checks, and from who was `silent` at them, what is wrong. Every check that went
/// wrong is in one finding, once; one that passed is in none, whatever it stands on.
pub fn findings(
    plan: &Plan,
    outcomes: &BTreeMap<StepKey, Outcome>,
    silent: &BTreeMap<StepKey, Silent>,
) -> Vec<Finding> {
    let picture = Picture::of(plan, outcomes, silent);
    let mut found: Vec<(Root<'_>, Finding)> = Vec::new();
    let mut rest = Vec::new();
    for at in picture.wrong() {
        match picture.root(at) {
            Some(root) => picture.note(root, at, &mut found),
            None => rest.push(at),
        }
    }
    for at in rest {
        let is_cause = |shown: &StepKey| picture.below[at].iter().any(|below| picture.keys[*below] == shown);
        let cause = found.iter_mut().find(|(_, one)| one.shown_by.iter().any(is_cause));
        match cause {
            Some((_, finding)) => finding.because.push(picture.keys[at].clone()),
            // Only what stands on itself has no first cause.
            None => picture.note(Root::Check(&picture.keys[at].step), at, &mut found),
        }
    }
    found.into_iter().map(|(_, finding)| finding).collect()
}

/// What makes two checks show the same thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Root<'a> {
    Node(&'a NodeName),
    Engine(&'a NodeName),
    Check(&'a StepId),
}

/// A plan's checks, by their position in it.
struct Picture<'a> {
    keys: Vec<&'a StepKey>,
    is_wrong: Vec<bool>,
    silent: Vec<Option<&'a Silent>>,
    /// What went wrong of all that each check stands on.
    below: Vec<BTreeSet<usize>>,
}

impl<'a> Picture<'a> {
    fn of(plan: &'a Plan, outcomes: &BTreeMap<StepKey, Outcome>, silent: &'a BTreeMap<StepKey, Silent>) -> Self {
        let keys: Vec<&StepKey> = plan.steps.iter().map(|step| &step.key).collect();
        let index: BTreeMap<&StepKey, usize> = keys.iter().enumerate().map(|(at, key)| (*key, at)).collect();
        let is_wrong: Vec<bool> = keys
            .iter()
            .map(|key| outcomes.get(key).is_some_and(went_wrong))
            .collect();
        let edges = plan.steps.iter().map(|step| {
            let on = step.stands_on.iter().filter_map(|key| index.get(key).copied());
            // What holds is no way to a cause further down: whatever is wrong there did not reach this.
            on.filter(|other| is_wrong[*other]).collect::<Vec<_>>()
        });
        let edges: Vec<Vec<usize>> = edges.collect();
        let below = (0..keys.len()).map(|at| reachable(&edges, at));
        Self {
            below: below.collect(),
            silent: keys.iter().map(|key| silent.get(*key)).collect(),
            keys,
            is_wrong,
        }
    }

    fn wrong(&self) -> impl Iterator<Item = usize> {
        (0..self.keys.len()).filter(|at| self.is_wrong[*at])
    }

    /// Returns what `at` shows to be wrong by itself; `None` where it went wrong because of something else.
    fn root(&self, at: usize) -> Option<Root<'a>> {
        match self.silent[at] {
            Some(Silent::Node { node, .. }) => Some(Root::Node(node)),
            Some(Silent::Engine { node, .. }) if self.engine_is_a_cause(node) => Some(Root::Engine(node)),
            _ if self.below[at].is_empty() => Some(Root::Check(&self.keys[at].step)),
            _ => None,
        }
    }

    /// Says whether nothing else that is wrong is why the engine of `node` is silent: a check that it is silent at stands
    /// on nothing but others of this kind.
    fn engine_is_a_cause(&self, node: &NodeName) -> bool {
        let is_at_it = |at: usize| matches!(self.silent[at], Some(Silent::Engine { node: other, .. }) if other == node);
        self.wrong()
            .any(|at| is_at_it(at) && self.below[at].iter().all(|below| is_at_it(*below)))
    }

    /// Notes that the check `at` shows `root`.
    fn note(&self, root: Root<'a>, at: usize, found: &mut Vec<(Root<'a>, Finding)>) {
        let key = self.keys[at].clone();
        if let Some((_, finding)) = found.iter_mut().find(|(other, _)| *other == root) {
            finding.shown_by.push(key);
            return;
        }
        let cause = match (root, self.silent[at]) {
            (Root::Node(node), Some(Silent::Node { reason, hint, .. })) => Cause::NodeUnreachable {
                node: node.clone(),
                reason: reason.clone(),
                hint: hint.clone(),
            },
            (Root::Engine(node), Some(Silent::Engine { reason, .. })) => Cause::EngineSilent {
                node: node.clone(),
                reason: reason.clone(),
            },
            _ => Cause::Check { step: key.step.clone() },
        };
        let finding = Finding {
            cause,
            shown_by: vec![key],
            because: Vec::new(),
        };
        found.push((root, finding));
    }
}

fn went_wrong(outcome: &Outcome) -> bool {
    *outcome == Outcome::FailedCheck || outcome.could_not_run()
}

/// Returns all that is reached from `start` over `edges`, but not `start` itself.
fn reachable(edges: &[Vec<usize>], start: usize) -> BTreeSet<usize> {
    let mut seen = BTreeSet::new();
    let mut open = edges[start].clone();
    while let Some(next) = open.pop() {
        if seen.insert(next) {
            open.extend(&edges[next]);
        }
    }
    seen.remove(&start);
    seen
}
