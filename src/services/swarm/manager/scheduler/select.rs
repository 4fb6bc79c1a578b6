//! Filters, then strategy: the nodes that may have a container, the best first.

use super::filter::{Filter, Question};
use super::no_candidate::{Lack, NoCandidate, Reason};
use super::node::Node;
use super::request::Request;
use super::strategy::{Strategy, shortage};

/// Decides where containers go.
#[derive(Debug, Clone)]
pub struct Scheduler {
    /// How the nodes that pass are ranked.
    pub strategy: Strategy,
    /// What nodes must pass, in this order.
    pub filters: Vec<Filter>,
}

impl Default for Scheduler {
    fn default() -> Self {
        Self {
            strategy: Strategy::default(),
            filters: Filter::ALL.to_vec(),
        }
    }
}

impl Scheduler {
    /// The node that gets what `request` asks for.
    ///
    /// Soft expressions count first; where nothing satisfies them all, none of them counts.
    pub fn best<'a>(&self, request: &Request, nodes: &'a [Node]) -> Result<&'a Node, NoCandidate> {
        self.attempt(request, nodes, true)
            .or_else(|_| self.attempt(request, nodes, false))
    }

    /// The filters' names, as `info` shows them.
    pub fn filter_names(&self) -> String {
        let names: Vec<String> = self.filters.iter().map(ToString::to_string).collect();
        names.join(", ")
    }

    fn attempt<'a>(&self, request: &Request, nodes: &'a [Node], soft: bool) -> Result<&'a Node, NoCandidate> {
        let network = request.network.as_deref();
        let question = Question {
            request,
            soft,
            network_is_known: network.is_some_and(|network| nodes.iter().any(|node| node.has_network(network))),
        };
        let mut passed: Vec<&Node> = nodes.iter().collect();
        let mut lacks = Vec::new();
        for filter in &self.filters {
            passed.retain(|node| match filter.lack(question, node) {
                None => true,
                Some(what) => {
                    lacks.push(lack(node, Some(*filter), what));
                    false
                }
            });
            if passed.is_empty() {
                return Err(self.refusal(question, Reason::Filter(*filter), lacks));
            }
        }
        let ranked = self.strategy.rank(request.wanted, passed.clone());
        ranked.first().copied().ok_or_else(|| {
            lacks.extend(
                passed
                    .iter()
                    .map(|node| lack(node, None, shortage(request.wanted, node))),
            );
            self.refusal(question, Reason::Resources, lacks)
        })
    }

    fn refusal(&self, question: Question<'_>, reason: Reason, mut nodes: Vec<Lack>) -> NoCandidate {
        nodes.sort_by(|left, right| left.node.cmp(&right.node));
        let mut conditions = Vec::new();
        for filter in &self.filters {
            let stops = reason == Reason::Filter(*filter);
            if stops || *filter != Filter::ContainerSlots {
                conditions.extend(filter.conditions(question));
            }
            if stops {
                break;
            }
        }
        NoCandidate {
            reason,
            conditions,
            nodes,
        }
    }
}

fn lack(node: &Node, filter: Option<Filter>, what: String) -> Lack {
    let name = if node.name.is_empty() { &node.addr } else { &node.name };
    Lack {
        node: name.clone(),
        filter,
        what,
    }
}
