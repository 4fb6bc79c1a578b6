//! Finds the one container that a client means.

use std::sync::Arc;

use super::cluster_state::Placed;
use super::error::LookupError;
use super::snapshot::Container;

/// How many digits of an id tools show.
const SHORT_ID: usize = 12;

/// The container among `containers` that `reference` means: an id or its first twelve digits, the manager's id, a
/// name, `node/name`, or the only id that begins so.
pub(super) fn find(containers: Vec<Placed<Container>>, reference: &str) -> Result<Placed<Container>, LookupError> {
    let wanted = reference.trim_start_matches('/');
    let not_found = || LookupError::NotFound(reference.to_owned());
    if wanted.is_empty() {
        return Err(not_found());
    }
    let is_id = |id: &str| id == wanted || (wanted.len() == SHORT_ID && id.starts_with(wanted));
    type Way<'a> = &'a dyn Fn(&Placed<Container>) -> bool;
    let ways: [Way<'_>; 5] = [
        &|placed| is_id(placed.item.id()),
        &|placed| placed.item.facts.swarm_id.as_deref().is_some_and(is_id),
        &|placed| is_called(placed, wanted),
        &|placed| placed.item.id().starts_with(wanted),
        &|placed| {
            placed
                .item
                .facts
                .swarm_id
                .as_deref()
                .is_some_and(|id| id.starts_with(wanted))
        },
    ];
    for way in ways {
        let found: Vec<_> = containers.iter().filter(|placed| way(placed)).collect();
        match found.as_slice() {
            [] => {}
            [one] => return Ok((*one).clone()),
            several => return Err(ambiguous(reference, several)),
        }
    }
    Err(not_found())
}

fn is_called(placed: &Placed<Container>, wanted: &str) -> bool {
    let names = &placed.item.facts.names;
    let node = &placed.snapshot.name;
    let after_node = wanted
        .strip_prefix(node.as_str())
        .or_else(|| wanted.strip_prefix(placed.snapshot.id.as_str()))
        .and_then(|rest| rest.strip_prefix('/'));
    names
        .iter()
        .any(|name| name == wanted || Some(name.as_str()) == after_node)
}

fn ambiguous(reference: &str, found: &[&Placed<Container>]) -> LookupError {
    let shown = |placed: &&Placed<Container>| {
        let Placed { snapshot, item, .. } = placed;
        format!("{}/{}", snapshot.shown_name(), Arc::as_ref(item).name())
    };
    LookupError::Ambiguous {
        reference: reference.to_owned(),
        found: found.iter().take(8).map(shown).collect(),
    }
}
