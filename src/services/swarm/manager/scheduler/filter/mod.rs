//! The filters: each says of one node what it lacks for a request.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use super::node::Node;
use super::request::Request;

mod affinity;
mod constraint;
mod dependency;
mod port;

/// A filter, by upstream's names. The order of the variants is the default order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Filter {
    /// Only nodes that answer.
    Health,
    /// Only nodes with the host ports free.
    Port,
    /// Only nodes below the number in their label `containerslots`.
    ContainerSlots,
    /// Only nodes with the containers it links to or takes volumes, network or processes from.
    Dependency,
    /// Only nodes with, or without, certain containers or images.
    Affinity,
    /// Only nodes with, or without, certain labels.
    Constraint,
    /// Only nodes that are named.
    Whitelist,
}

/// A filter that this manager does not have.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("filter not supported")]
pub struct UnknownFilter(pub String);

impl FromStr for Filter {
    type Err = UnknownFilter;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|filter| filter.name() == name)
            .ok_or_else(|| UnknownFilter(name.to_owned()))
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// What a filter needs to know besides one node.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question<'a> {
    /// What is to be placed.
    pub(super) request: &'a Request,
    /// Whether soft expressions count as hard ones.
    pub(super) soft: bool,
    /// Whether any node has the user's own network that is asked for.
    pub(super) network_is_known: bool,
}

impl Filter {
    /// All filters, in the order upstream applies and shows them.
    pub const ALL: [Self; 7] = [
        Self::Health,
        Self::Port,
        Self::ContainerSlots,
        Self::Dependency,
        Self::Affinity,
        Self::Constraint,
        Self::Whitelist,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Health => "health",
            Self::Port => "port",
            Self::ContainerSlots => "containerslots",
            Self::Dependency => "dependency",
            Self::Affinity => "affinity",
            Self::Constraint => "constraint",
            Self::Whitelist => "whitelist",
        }
    }

    /// What `node` lacks; none if it passes.
    pub(super) fn lack(self, question: Question<'_>, node: &Node) -> Option<String> {
        match self {
            Self::Health => (node.health == 0).then(|| {
                let trouble = node.trouble.as_deref().filter(|trouble| !trouble.is_empty());
                trouble.map_or_else(
                    || "is not healthy".to_owned(),
                    |trouble| format!("is not healthy: {trouble}"),
                )
            }),
            Self::Port => port::lack(question.request, node),
            Self::ContainerSlots => slots_lack(node),
            Self::Dependency => dependency::lack(question, node),
            Self::Affinity => affinity::lack(question, node),
            Self::Constraint => constraint::lack(question, node),
            Self::Whitelist => whitelist_lack(question, node),
        }
    }

    /// What the request asks of this filter, for a person.
    pub(super) fn conditions(self, question: Question<'_>) -> Vec<String> {
        let request = question.request;
        match self {
            Self::Health => Vec::new(),
            Self::ContainerSlots => vec!["available container slots".to_owned()],
            Self::Port => port::conditions(request),
            Self::Dependency => dependency::conditions(question),
            Self::Affinity => question
                .counted(&request.affinities)
                .map(|affinity| format!("affinity:{affinity}"))
                .collect(),
            Self::Constraint => question
                .counted(&request.constraints)
                .map(|constraint| format!("constraint:{constraint}"))
                .collect(),
            Self::Whitelist => question
                .counted(&request.whitelists)
                .map(|whitelist| format!("whitelist:{whitelist}"))
                .collect(),
        }
    }
}

impl<'a> Question<'a> {
    /// Those of `expressions` that must hold.
    fn counted(
        self,
        expressions: &'a [super::expression::Expression],
    ) -> impl Iterator<Item = &'a super::expression::Expression> {
        expressions
            .iter()
            .filter(move |expression| self.soft || !expression.soft)
    }
}

fn slots_lack(node: &Node) -> Option<String> {
    let slots: usize = node.labels.get("containerslots")?.parse().ok()?;
    let taken = node.containers.len();
    (taken >= slots).then(|| format!("has {taken} containers in {slots} slots"))
}

/// Names are divided by `|`; key and operator mean nothing, as with upstream.
fn whitelist_lack(question: Question<'_>, node: &Node) -> Option<String> {
    let mut whitelists = question.counted(&question.request.whitelists);
    let names_it = |value: &str| value.split('|').any(|name| name == node.name);
    let left_out = whitelists.any(|whitelist| !names_it(&whitelist.value));
    left_out.then(|| format!("is node {}", node.name))
}
