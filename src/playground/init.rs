//! What starts the services of a node, and with it where the node's engine reads its options.

use super::lifecycle::NODES;
use serde::Serialize;
use std::fmt;

/// What starts the services of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeInit {
    /// sysvinit; the engine's script reads /etc/default/docker.
    Sysvinit,
    /// systemd, and the engine's unit as Debian has it: it reads /etc/default/docker.
    Systemd,
    /// systemd, and the engine's unit as Docker's own packages have it: it ignores /etc/default/docker.
    DockerCe,
}

impl NodeInit {
    const ALL: [Self; 3] = [Self::Sysvinit, Self::Systemd, Self::DockerCe];

    /// Returns its name, as it is written on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sysvinit => "sysvinit",
            Self::Systemd => "systemd",
            Self::DockerCe => "docker-ce",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|init| init.name() == name)
    }
}

/// The init of each node of a playground, in the nodes' order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inits([NodeInit; NODES.len()]);

impl Inits {
    /// Returns what `inits` says: one for all nodes, or one for each. Any other number says nothing.
    pub fn new(inits: &[NodeInit]) -> Option<Self> {
        match inits {
            [init] => Some(Self([*init; NODES.len()])),
            each => each.try_into().ok().map(Self),
        }
    }

    /// Reads what [`Display`](fmt::Display) wrote.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let inits: Option<Vec<_>> = text.split(',').map(NodeInit::from_name).collect();
        Self::new(&inits?)
    }

    /// Returns the init of each node, in the nodes' order.
    pub(super) fn each(self) -> [NodeInit; NODES.len()] {
        self.0
    }
}

impl Default for Inits {
    fn default() -> Self {
        Self([NodeInit::Sysvinit; NODES.len()])
    }
}

impl fmt::Display for Inits {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, rest @ ..] = self.0;
        formatter.write_str(first.name())?;
        if rest.iter().any(|init| *init != first) {
            for init in rest {
                write!(formatter, ",{}", init.name())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use NodeInit::{DockerCe, Systemd, Sysvinit};

    #[test]
    fn one_init_is_for_all_nodes_and_three_are_one_for_each() {
        assert_eq!(Inits::new(&[Systemd]), Inits::new(&[Systemd; 3]));
        assert_eq!(Inits::new(&[Sysvinit, Systemd, DockerCe]).unwrap().each()[2], DockerCe);
        for inits in [&[][..], &[Systemd; 2], &[Systemd; 4]] {
            assert_eq!(Inits::new(inits), None, "{inits:?} was accepted");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        for (text, inits) in [
            ("docker-ce", vec![DockerCe]),
            ("sysvinit,systemd,docker-ce", vec![Sysvinit, Systemd, DockerCe]),
            ("systemd,systemd,sysvinit", vec![Systemd, Systemd, Sysvinit]),
        ] {
            let inits = Inits::new(&inits).unwrap();
            assert_eq!(inits.to_string(), text);
            assert_eq!(Inits::parse(text), Some(inits));
        }
        for text in ["", "upstart", "systemd,sysvinit", "systemd,"] {
            assert_eq!(Inits::parse(text), None, "{text:?} was accepted");
        }
    }
}
