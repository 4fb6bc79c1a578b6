//! The names of things: each its own type, so that a task can never be passed where a node is meant.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// Why a text is no name: names are used in paths, labels and selectors, so they are kept plain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no valid {kind}: use 1 to 63 letters, digits, `.`, `_` or `-`, starting with a letter or digit")]
pub struct InvalidName {
    kind: &'static str,
    text: String,
}

fn is_valid_name(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric();
    text.len() <= 63 && text.starts_with(plain) && text.chars().all(|c| plain(c) || matches!(c, '.' | '_' | '-'))
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Accepts `text` as a name; refuses anything that would need quoting in a path or selector.
            pub fn new(text: impl AsRef<str>) -> Result<Self, InvalidName> {
                let text = text.as_ref();
                if is_valid_name(text) {
                    Ok(Self(text.into()))
                } else {
                    Err(InvalidName { kind: $kind, text: text.to_owned() })
                }
            }

            /// Returns the name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "{:?}", &self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;
            fn try_from(text: String) -> Result<Self, InvalidName> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0.as_ref().to_owned()
            }
        }
    };
}

name_type!(
    /// A node as the inventory and the lab call it, such as `node-0`.
    NodeName,
    "node name"
);
name_type!(
    /// A task of a lab, such as `task1`.
    TaskId,
    "task id"
);
name_type!(
    /// A step, unique within its lab, such as `clone`.
    StepId,
    "step id"
);
name_type!(
    /// A lab on a set of nodes, from its first change until a cleanup that leaves nothing.
    InstanceId,
    "instance id"
);
name_type!(
    /// One `run`, `verify` or `cleanup` within an instance.
    RunId,
    "run id"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_need_quoting_are_refused() {
        for text in ["", "-a", "a b", "a/b", "a;b", "..", "ä", &"a".repeat(64)] {
            assert!(NodeName::new(text).is_err(), "{text:?} was accepted");
        }
        for text in ["node-0", "task1", "1.1-clone", "a"] {
            assert!(NodeName::new(text).is_ok(), "{text:?} was refused");
        }
    }
}
