//! The picture of the cluster: a card a node, with its engine's labels and the containers on it.

use super::super::layout::counted;
use super::super::sanitise::sanitised_line;
use crate::domain::{ContainerPlace, NodeSeen, PortSeen};
use serde::Serialize;

/// A node.
#[derive(Debug, Serialize)]
pub(super) struct Card {
    node: String,
    version: Option<String>,
    labels: Vec<Label>,
    problem: Option<String>,
    summary: String,
    /// By Compose project; what belongs to none comes last.
    groups: Vec<Group>,
}

#[derive(Debug, Serialize)]
struct Label {
    name: String,
    value: String,
}

#[derive(Debug, Serialize)]
struct Group {
    project: Option<String>,
    containers: Vec<Tile>,
}

/// A container.
#[derive(Debug, Serialize)]
struct Tile {
    id: String,
    name: String,
    image: String,
    state: String,
    is_running: bool,
    ports: Vec<String>,
}

/// Draws the nodes of a `cluster`.
pub(super) fn cards(cluster: &[NodeSeen]) -> Vec<Card> {
    cluster.iter().map(card).collect()
}

fn card(seen: &NodeSeen) -> Card {
    let running = seen.containers.iter().filter(|place| place.is_running()).count();
    let all = seen.containers.len();
    let summary = match all - running {
        _ if all == 0 => "no containers".to_owned(),
        0 => format!("{} running", counted(running, "container")),
        _ => format!("{running} of {} running", counted(all, "container")),
    };
    Card {
        node: seen.node.to_string(),
        version: seen.version.as_deref().map(sanitised_line),
        labels: seen.labels.iter().map(|label| label_of(label)).collect(),
        problem: seen.problem.as_deref().map(sanitised_line),
        summary,
        groups: groups(&seen.containers),
    }
}

fn label_of(label: &str) -> Label {
    let (name, value) = label.split_once('=').unwrap_or((label, ""));
    Label {
        name: sanitised_line(name),
        value: sanitised_line(value),
    }
}

fn groups(containers: &[ContainerPlace]) -> Vec<Group> {
    let mut sorted: Vec<&ContainerPlace> = containers.iter().collect();
    sorted.sort_by_cached_key(|place| (place.project.is_none(), place.project.clone(), natural(&place.name)));
    let mut groups: Vec<Group> = Vec::new();
    for place in sorted {
        let project = place.project.as_deref().map(sanitised_line);
        match groups.last_mut().filter(|group| group.project == project) {
            Some(group) => group.containers.push(tile(place)),
            None => groups.push(Group {
                project,
                containers: vec![tile(place)],
            }),
        }
    }
    groups
}

/// Orders names so that `web_10` comes after `web_9`.
fn natural(name: &str) -> (String, u64) {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let number = name.get(stem.len()..).and_then(|digits| digits.parse().ok());
    (stem.to_owned(), number.unwrap_or(0))
}

fn tile(place: &ContainerPlace) -> Tile {
    let mut ports: Vec<String> = place.ports.iter().filter_map(port).collect();
    // An engine tells the same port once for IPv4 and once for IPv6.
    ports.dedup();
    Tile {
        id: sanitised_line(&place.id),
        name: sanitised_line(&place.name),
        image: image(&place.image),
        state: sanitised_line(&place.state),
        is_running: place.is_running(),
        ports,
    }
}

/// Returns the name of an image as people use it: an engine tells the whole id of one that lost its tag.
fn image(reference: &str) -> String {
    let id = reference.strip_prefix("sha256:").filter(|id| id.len() == 64);
    id.and_then(|id| id.get(..12))
        .map_or_else(|| sanitised_line(reference), |id| format!("image {id}"))
}

fn port(port: &PortSeen) -> Option<String> {
    let published = port.published?;
    Some(format!("{published} → {}", port.inside))
}
