//! The picture of the cluster: a card a node, with its engine's labels and the containers on it.

use super::super::layout::counted;
use super::super::sanitise::sanitised_line;
use super::bars::natural;
use crate::domain::{ContainerPlace, NodeSeen, PortSeen};
use serde::Serialize;

/// From how many containers on a project is large.
const LARGE: usize = 4;

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
    /// Whether its containers are better drawn side by side.
    is_large: bool,
    containers: Vec<Tile>,
}

/// A container.
#[derive(Debug, Serialize)]
struct Tile {
    id: String,
    /// The start of its name that its project tells already.
    of_project: Option<String>,
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
                is_large: false,
                containers: vec![tile(place)],
            }),
        }
    }
    for group in &mut groups {
        group.is_large = group.project.is_some() && group.containers.len() > LARGE;
    }
    groups
}

fn tile(place: &ContainerPlace) -> Tile {
    let mut ports: Vec<String> = place.ports.iter().filter_map(port).collect();
    // An engine tells the same port once for IPv4 and once for IPv6.
    ports.dedup();
    let (of_project, name) = parted(place);
    Tile {
        of_project: of_project.map(sanitised_line),
        id: sanitised_line(&place.id),
        name: sanitised_line(name),
        image: image(&place.image),
        state: sanitised_line(&place.state),
        is_running: place.is_running(),
        ports,
    }
}

/// Parts the name of a container into what tells its project, and the rest.
fn parted(place: &ContainerPlace) -> (Option<&str>, &str) {
    let rest = place.project.as_deref().and_then(|project| {
        let rest = place.name.strip_prefix(project)?;
        rest.strip_prefix(['_', '-'])
    });
    match rest.filter(|rest| !rest.is_empty()) {
        Some(rest) => (place.name.strip_suffix(rest), rest),
        None => (None, &place.name),
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
