//! What each node of a playground is, where there is a choice.

use super::lifecycle::NODES;
use std::fmt;

/// Something that a node can be, known by a name.
pub trait NodeChoice: Copy + PartialEq + Default + 'static {
    /// All there are.
    const ALL: &'static [Self];

    /// Returns its name, as it is written on the command line.
    fn name(self) -> &'static str;
}

/// One choice for each node of a playground, in the nodes' order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PerNode<T>([T; NODES.len()]);

impl<T: NodeChoice> PerNode<T> {
    /// Returns what `choices` says: one for all nodes, or one for each. Any other number says nothing.
    pub fn new(choices: &[T]) -> Option<Self> {
        match choices {
            [choice] => Some(Self([*choice; NODES.len()])),
            each => each.try_into().ok().map(Self),
        }
    }

    /// Reads what [`Display`](fmt::Display) wrote.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let from_name = |name: &str| T::ALL.iter().copied().find(|choice| choice.name() == name);
        let choices: Option<Vec<T>> = text.split(',').map(from_name).collect();
        Self::new(&choices?)
    }

    /// Returns the choice for each node, in the nodes' order.
    pub(super) fn each(self) -> [T; NODES.len()] {
        self.0
    }
}

impl<T: NodeChoice> Default for PerNode<T> {
    fn default() -> Self {
        Self([T::default(); NODES.len()])
    }
}

impl<T: NodeChoice> fmt::Display for PerNode<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, rest @ ..] = self.0;
        formatter.write_str(first.name())?;
        if rest.iter().any(|choice| *choice != first) {
            for choice in rest {
                write!(formatter, ",{}", choice.name())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::NodeInit::{self, DockerCe, Systemd, Sysvinit};
    use super::*;

    #[test]
    fn one_choice_is_for_all_nodes_and_three_are_one_for_each() {
        assert_eq!(PerNode::new(&[Systemd]), PerNode::new(&[Systemd; 3]));
        assert_eq!(
            PerNode::new(&[Sysvinit, Systemd, DockerCe]).unwrap().each()[2],
            DockerCe
        );
        for choices in [&[][..], &[Systemd; 2], &[Systemd; 4]] {
            assert_eq!(PerNode::new(choices), None, "{choices:?} was accepted");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        for (text, inits) in [
            ("docker-ce", vec![DockerCe]),
            ("sysvinit,systemd,docker-ce", vec![Sysvinit, Systemd, DockerCe]),
            ("systemd,systemd,sysvinit", vec![Systemd, Systemd, Sysvinit]),
        ] {
            let inits = PerNode::new(&inits).unwrap();
            assert_eq!(inits.to_string(), text);
            assert_eq!(PerNode::parse(text), Some(inits));
        }
        for text in ["", "upstart", "systemd,sysvinit", "systemd,"] {
            assert_eq!(PerNode::<NodeInit>::parse(text), None, "{text:?} was accepted");
        }
    }
}
