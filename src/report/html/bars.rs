//! Who answered how many of many requests, as bars.

use super::super::chronicle::{CheckChronicle, Chronicle, StepChronicle};
use super::super::sanitise::sanitised_line;
use super::steps::anchor;
use crate::domain::{ContainerPlace, NodeSeen};
use serde::Serialize;

/// The answers to one check's requests.
#[derive(Debug, Serialize)]
pub(super) struct Spread {
    anchor: String,
    title: String,
    node: String,
    what: String,
    total: u64,
    rows: Vec<Row>,
}

/// What one server answered.
#[derive(Debug, Serialize)]
struct Row {
    /// What it calls itself.
    key: String,
    who: String,
    /// Where it was at the end, where that is known.
    place: Option<String>,
    count: u64,
    width: String,
}

/// Draws every check of `chronicle` that counted who answered.
pub(super) fn spreads(chronicle: &Chronicle) -> Vec<Spread> {
    let drawn = chronicle.steps().flat_map(|step| {
        let drawn = step.checks.iter().filter_map(|check| spread(chronicle, step, check));
        drawn.collect::<Vec<_>>()
    });
    drawn.collect()
}

fn spread(chronicle: &Chronicle, step: &StepChronicle, check: &CheckChronicle) -> Option<Spread> {
    let counts = &check.verdict.as_ref()?.counts;
    let most = counts.values().max()?;
    let row = |(key, count): (&String, &u64)| row(&chronicle.cluster, key, *count, *most);
    let mut rows: Vec<Row> = counts.iter().map(row).collect();
    rows.sort_by_cached_key(|row| natural(&row.who));
    Some(Spread {
        anchor: anchor(step, ""),
        title: sanitised_line(&step.title),
        node: step.key.node.to_string(),
        what: sanitised_line(&check.what),
        total: counts.values().sum(),
        rows,
    })
}

fn row(cluster: &[NodeSeen], key: &str, count: u64, most: u64) -> Row {
    let known = container(cluster, key);
    let place = known.map(|(node, _)| format!("{key} on {}", node.node));
    Row {
        key: sanitised_line(key),
        who: sanitised_line(known.map_or(key, |(_, place)| &place.name)),
        place: place.map(|place| sanitised_line(&place)),
        count,
        width: format!("{}%", count.saturating_mul(100) / most.max(1)),
    }
}

/// Finds the container that calls itself `key`, as containers do by the start of their id.
fn container<'a>(cluster: &'a [NodeSeen], key: &str) -> Option<(&'a NodeSeen, &'a ContainerPlace)> {
    let everywhere = cluster.iter().flat_map(|node| {
        let places = node.containers.iter();
        places.map(move |place| (node, place))
    });
    let mut found = everywhere.filter(|(_, place)| !place.id.is_empty() && place.id == key);
    found.next()
}

/// Orders names so that `web_10` comes after `web_9`.
pub(super) fn natural(name: &str) -> (String, u64) {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let number = name.get(stem.len()..).and_then(|digits| digits.parse().ok());
    (stem.to_owned(), number.unwrap_or(0))
}
