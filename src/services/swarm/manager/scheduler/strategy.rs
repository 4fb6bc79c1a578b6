//! How nodes that may have a container are ranked.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use super::node::{Node, Resources};
use crate::go_size;

/// How nodes that may have a container are ranked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strategy {
    /// The node with the most room first.
    #[default]
    Spread,
    /// The node with the least room first.
    Binpack,
}

/// A strategy that this manager does not have.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("strategy not supported")]
pub struct UnknownStrategy(pub String);

impl FromStr for Strategy {
    type Err = UnknownStrategy;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "spread" => Ok(Self::Spread),
            "binpack" | "binpacking" => Ok(Self::Binpack),
            other => Err(UnknownStrategy(other.to_owned())),
        }
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Spread => "spread",
            Self::Binpack => "binpack",
        })
    }
}

impl Strategy {
    /// Orders `nodes` that have room for `wanted`, the best first; those without room are left out.
    pub(super) fn rank<'a>(self, wanted: Resources, nodes: Vec<&'a Node>) -> Vec<&'a Node> {
        let mut weighed: Vec<(i64, &'a Node)> = nodes
            .into_iter()
            .filter_map(|node| Some((load(wanted, node)?, node)))
            .collect();
        weighed.sort_by(|left, right| self.compare(*left, *right));
        weighed.into_iter().map(|(_, node)| node).collect()
    }

    fn compare(self, (left_load, left): (i64, &Node), (right_load, right): (i64, &Node)) -> Ordering {
        let health = |node: &Node| 10 * i64::from(node.health);
        let count = |node: &Node| node.containers.len();
        let by_strategy = match self {
            Self::Spread => (left_load - health(left))
                .cmp(&(right_load - health(right)))
                .then(count(left).cmp(&count(right))),
            Self::Binpack => (right_load + health(right))
                .cmp(&(left_load + health(left)))
                .then(count(right).cmp(&count(left))),
        };
        by_strategy
            .then_with(|| left.name.cmp(&right.name))
            .then_with(|| left.id.cmp(&right.id))
    }
}

/// How full `node` were with `wanted` on it, 0 to 200; none if that is more than it has.
///
/// A resource that is not asked for counts as full, as upstream has it: it then weighs the same on every node.
fn load(wanted: Resources, node: &Node) -> Option<i64> {
    let cpus = percent(wanted.nano_cpus, node.used.nano_cpus, node.total.nano_cpus)?;
    let memory = percent(wanted.memory, node.used.memory, node.total.memory)?;
    Some(cpus + memory)
}

fn percent(wanted: u64, used: u64, total: u64) -> Option<i64> {
    if wanted == 0 {
        return Some(100);
    }
    let after = u128::from(used) + u128::from(wanted);
    if after > u128::from(total) {
        return None;
    }
    i64::try_from(after * 100 / u128::from(total)).ok()
}

/// What `node` has left of what is `wanted`, for a person.
pub(super) fn shortage(wanted: Resources, node: &Node) -> String {
    let mut short = Vec::new();
    if percent(wanted.nano_cpus, node.used.nano_cpus, node.total.nano_cpus).is_none() {
        let (used, total) = (cpus(node.used.nano_cpus), cpus(node.total.nano_cpus));
        short.push(format!(
            "has {used} of {total} CPUs reserved, {} wanted",
            cpus(wanted.nano_cpus)
        ));
    }
    if percent(wanted.memory, node.used.memory, node.total.memory).is_none() {
        let [used, total, wanted] = [node.used.memory, node.total.memory, wanted.memory].map(go_size::show);
        short.push(format!("has {used} of {total} of memory reserved, {wanted} wanted"));
    }
    short.join("; ")
}

/// CPUs with as many digits as are needed: `2`, `0.5`.
fn cpus(nano_cpus: u64) -> String {
    let text = format!("{}.{:09}", nano_cpus / 1_000_000_000, nano_cpus % 1_000_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
