//! The machines that ssh connects to on the way to a node.

use super::target::{Target, place_of, user_text};
use crate::domain::Jump;
use crate::node::NodeErrorKind;

/// A machine that ssh connects to: the node, or a jump on the way to it.
pub(super) struct Hop<'a> {
    pub target: &'a Target,
    /// What is known of the jump; `None` where the hop is the node.
    jump: Option<Option<&'a Jump>>,
}

impl<'a> Hop<'a> {
    /// Returns the node itself.
    pub fn node(target: &'a Target) -> Self {
        Self { target, jump: None }
    }

    /// Finds the jump that ssh's `line` is about.
    pub fn jump(target: &'a Target, line: &str) -> Self {
        let jumps = target.jumps.as_deref().unwrap_or_default();
        let named = jumps.iter().find(|jump| line.contains(jump.host.as_str()));
        let only = if jumps.len() == 1 { jumps.first() } else { None };
        Self {
            target,
            jump: Some(named.or(only)),
        }
    }

    /// Returns what it is, such as `node-0 (10.0.0.10:22)`.
    pub fn text(&self) -> String {
        let name = &self.target.name;
        match self.jump {
            None => format!("{name} ({})", self.target.place()),
            Some(Some(jump)) => format!("{name}: the jump {}", place_of(&jump.host, jump.port)),
            Some(None) => format!("{name}: a jump on the way"),
        }
    }

    /// Returns the address and the port, where they are known.
    pub fn place(&self) -> Option<(&str, u16)> {
        match self.jump {
            None => Some((&self.target.address, self.target.port.unwrap_or(22))),
            Some(jump) => jump.map(|jump| (jump.host.as_str(), jump.port.unwrap_or(22))),
        }
    }

    /// Says whether it is a jump.
    pub fn is_jump(&self) -> bool {
        self.jump.is_some()
    }

    /// Returns the kind of a failure that is of `kind` where it is the node's.
    pub fn kind(&self, kind: NodeErrorKind) -> NodeErrorKind {
        if self.jump.is_some() { NodeErrorKind::Jump } else { kind }
    }

    /// Returns how the login user there is spoken of.
    pub fn user_text(&self) -> String {
        match self.jump {
            None => self.target.user_text(),
            Some(jump) => user_text(jump.and_then(|jump| jump.user.as_deref())),
        }
    }

    /// Returns the key of the inventory that says where it is.
    pub fn setting(&self) -> &'static str {
        match self.jump {
            None => "`address`",
            Some(_) => "`proxy_jump`",
        }
    }
}
