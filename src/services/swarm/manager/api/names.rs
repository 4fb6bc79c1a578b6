//! The `name` filter of a list of containers.
//!
//! Responsible for what a pattern may mean on a cluster: an engine knows a container as `/web`, a client of the cluster sees
//! `/node-1/web`.

use regex::{Regex, RegexBuilder};
use serde_json::Value;

use crate::swarm::manager::cluster::Snapshot;

/// How large a compiled pattern may grow, in bytes.
const PATTERN_BYTES: usize = 1 << 20;

/// Regular expressions, one of which must be found in a container's name.
#[derive(Debug)]
pub(super) struct NamePatterns(Vec<(String, Option<Regex>)>);

impl NamePatterns {
    /// Reads a list of patterns. What is no regular expression stands for itself, as with the archived image.
    pub(super) fn new(patterns: &Value) -> Self {
        let patterns = patterns.as_array().into_iter().flatten().filter_map(Value::as_str);
        let read = |pattern: &str| RegexBuilder::new(pattern).size_limit(PATTERN_BYTES).build().ok();
        Self(patterns.map(|pattern| (pattern.to_owned(), read(pattern))).collect())
    }

    /// Tells whether a container that the engine of `snapshot` listed with `names` is meant. An empty list means all.
    pub(super) fn match_one(&self, names: &Value, snapshot: &Snapshot) -> bool {
        let mut names = own_names(names);
        self.0.is_empty() || names.any(|name| self.0.iter().any(|pattern| matches(pattern, name, &snapshot.name)))
    }
}

/// Returns a container's own name, without those that links give it, such as `web_1/db`: an engine does not look in these.
fn own_names(names: &Value) -> impl Iterator<Item = &str> {
    let names = names.as_array().into_iter().flatten();
    let names = names.filter_map(Value::as_str).map(|name| name.trim_start_matches('/'));
    names.filter(|name| !name.contains('/'))
}

/// Looks in the name, and where the pattern has a slash also in the name with one in front and with its node. A pattern without
/// must not find a node, or `name=node` would list all that is on it.
fn matches((text, pattern): &(String, Option<Regex>), name: &str, node: &str) -> bool {
    let found = |name: &str| text == name || pattern.as_ref().is_some_and(|pattern| pattern.is_match(name));
    let with_slashes = || [format!("/{name}"), format!("{node}/{name}"), format!("/{node}/{name}")];
    found(name) || (text.contains('/') && with_slashes().iter().any(|name| found(name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn names_that_links_give_are_not_the_containers_own() {
        let names = serde_json::json!(["/chat_web_1/db", "/chat_db_1"]);
        assert_eq!(own_names(&names).collect::<Vec<_>>(), ["chat_db_1"]);
    }

    #[rstest]
    #[case("^/node-1/", true)]
    #[case("/node-1/web_1", true)]
    #[case("node-1/web_1", true)]
    #[case("^node-1/web_1$", true)]
    #[case("^/web_1$", true)]
    #[case("^web_1$", true)]
    #[case("web", true)]
    #[case("eb_[0-9]", true)]
    #[case("^/node-2/", false)]
    #[case("/node-2/web_1", false)]
    #[case("^/eb_1$", false)]
    #[case("^eb_1$", false)]
    #[case("node-1", false)]
    #[case("web_1(", false)]
    fn a_pattern_may_name_the_node(#[case] pattern: &str, #[case] wanted: bool) {
        let patterns = NamePatterns::new(&Value::from(vec![pattern]));
        assert!(patterns.0.iter().any(|pattern| matches(pattern, "web_1", "node-1")) == wanted);
    }
}
