//! The release of Debian that a node is made of, and with it the age of its engine and its Compose.

use super::lifecycle::NODES;
use super::per_node::{NodeChoice, PerNode};
use super::{Inits, NodeInit, PlaygroundError};
use serde::Serialize;

/// The release of Debian that a node is made of.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Suite {
    /// Debian 12: Docker Engine 20.10 and the Compose of 2015, 1.29.
    #[default]
    Bookworm,
    /// Debian 13: Docker Engine 26.1 and Compose 2.26.
    Trixie,
}

impl NodeChoice for Suite {
    const ALL: &'static [Self] = &[Self::Bookworm, Self::Trixie];

    fn name(self) -> &'static str {
        match self {
            Self::Bookworm => "bookworm",
            Self::Trixie => "trixie",
        }
    }
}

/// The suite of each node of a playground.
pub type Suites = PerNode<Suite>;

/// What the nodes of a playground are to be; what is not said stays as it is, or is the default.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct WantedNodes {
    /// What starts their services.
    pub inits: Option<Inits>,
    /// What they are made of.
    pub suites: Option<Suites>,
}

/// What the nodes of a playground are.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct NodeKinds {
    pub(super) inits: Inits,
    pub(super) suites: Suites,
}

impl NodeKinds {
    /// Returns what nodes are to be that are `present` already, where they are; an error where something else is `wanted`,
    /// or where there can be no such node.
    pub(super) fn agreed(present: Option<Self>, wanted: WantedNodes) -> Result<Self, PlaygroundError> {
        let Some(present) = present else {
            let kinds = Self {
                inits: wanted.inits.unwrap_or_default(),
                suites: wanted.suites.unwrap_or_default(),
            };
            return kinds.possible();
        };
        if let Some(wanted) = wanted.inits.filter(|wanted| *wanted != present.inits) {
            return Err(PlaygroundError::OtherNodes {
                present: present.inits.to_string(),
                wanted: wanted.to_string(),
            });
        }
        if let Some(wanted) = wanted.suites.filter(|wanted| *wanted != present.suites) {
            return Err(PlaygroundError::OtherNodes {
                present: present.suites.to_string(),
                wanted: wanted.to_string(),
            });
        }
        Ok(present)
    }

    /// From version 256 on, systemd does not start on the first version of control groups, which nodes have where their
    /// machine has it.
    fn possible(self) -> Result<Self, PlaygroundError> {
        for (node, (init, suite)) in NODES.iter().zip(self.each()) {
            if suite != Suite::Bookworm && init != NodeInit::Sysvinit {
                return Err(PlaygroundError::NoSuchInit {
                    node: (*node).to_owned(),
                    init: init.name(),
                    suite: suite.name(),
                });
            }
        }
        Ok(self)
    }

    /// Returns what each node is, in the nodes' order.
    pub(super) fn each(self) -> impl Iterator<Item = (NodeInit, Suite)> {
        self.inits.each().into_iter().zip(self.suites.each())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(inits: Option<&str>, suites: Option<&str>) -> WantedNodes {
        WantedNodes {
            inits: inits.map(|text| Inits::parse(text).unwrap()),
            suites: suites.map(|text| Suites::parse(text).unwrap()),
        }
    }

    #[test]
    fn where_nothing_is_said_nodes_stay_what_they_are() {
        let present = NodeKinds::agreed(None, wanted(None, Some("trixie"))).unwrap();
        assert_eq!(
            NodeKinds::agreed(Some(present), WantedNodes::default()).unwrap(),
            present
        );
        let refused = NodeKinds::agreed(Some(present), wanted(None, Some("bookworm")))
            .err()
            .unwrap();
        assert_eq!(refused.to_string(), "the playground's nodes are trixie, not bookworm");
        let usual = NodeKinds::agreed(None, WantedNodes::default()).unwrap();
        assert_eq!(
            usual.each().collect::<Vec<_>>(),
            [(NodeInit::Sysvinit, Suite::Bookworm); 3]
        );
    }

    #[test]
    fn only_bookworm_has_systemd_and_each_node_is_judged_for_itself() {
        for inits in ["systemd", "docker-ce", "sysvinit,sysvinit,systemd"] {
            let refused = NodeKinds::agreed(None, wanted(Some(inits), Some("trixie")))
                .err()
                .unwrap();
            assert!(refused.to_string().contains("cannot be trixie with"), "{refused}");
            assert!(refused.hint().unwrap().contains("--init sysvinit"));
        }
        let mixed = wanted(Some("sysvinit,systemd,docker-ce"), Some("trixie,bookworm,bookworm"));
        assert!(NodeKinds::agreed(None, mixed).is_ok());
    }
}
