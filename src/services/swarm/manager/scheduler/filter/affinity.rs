//! Affinities: conditions on the containers and images that a node has.

use super::Question;
use crate::swarm::manager::scheduler::expression::{Expression, Operator};
use crate::swarm::manager::scheduler::node::{ContainerFacts, ImageFacts, Node};

/// What `node` lacks of the containers and images that are asked for.
pub(super) fn lack(question: Question<'_>, node: &Node) -> Option<String> {
    let affinity = question
        .counted(&question.request.affinities)
        .find(|affinity| !holds(affinity, node))?;
    let Expression { key, value, .. } = affinity;
    let what = match key.as_str() {
        "container" => format!("container {value}"),
        "image" => format!("image {value}"),
        label => format!("container labelled {label}={value}"),
    };
    Some(match affinity.operator {
        Operator::Equal => format!("has no {what}"),
        Operator::NotEqual => format!("has {what}"),
    })
}

fn holds(affinity: &Expression, node: &Node) -> bool {
    let prefix = affinity.literal().filter(|value| is_id_prefix(value));
    let (values, by_prefix): (Vec<&str>, bool) = match affinity.key.as_str() {
        "container" => (
            node.containers
                .iter()
                .flat_map(|container| names_of(container))
                .collect(),
            prefix.is_some_and(|prefix| node.containers.iter().any(|container| container.id.starts_with(prefix))),
        ),
        "image" => (
            node.images.iter().flat_map(|image| names_of_image(image)).collect(),
            prefix.is_some_and(|prefix| node.images.iter().any(|image| bare(&image.id).starts_with(prefix))),
        ),
        label => (
            node.containers
                .iter()
                .map(|container| container.labels.get(label).map_or("", String::as_str))
                .collect(),
            false,
        ),
    };
    match affinity.operator {
        Operator::Equal => by_prefix || affinity.holds_for(values),
        Operator::NotEqual => !by_prefix && affinity.holds_for(values),
    }
}

/// Four digits or more: shorter ones are more likely a name such as `db`.
fn is_id_prefix(value: &str) -> bool {
    value.len() >= 4 && value.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn bare(id: &str) -> &str {
    id.split_once(':').map_or(id, |(_, digits)| digits)
}

fn names_of(container: &ContainerFacts) -> Vec<&str> {
    [container.id.as_str(), container.name()]
        .into_iter()
        .chain(container.swarm_id.as_deref())
        .filter(|name| !name.is_empty())
        .collect()
}

fn names_of_image(image: &ImageFacts) -> Vec<&str> {
    let mut names = vec![image.id.as_str(), bare(&image.id)];
    for reference in image.tags.iter().chain(&image.digests) {
        names.push(reference);
        names.push(image_repository(reference));
    }
    names
}

/// `redis` of `redis:3.2`, `localhost:5000/redis` of `localhost:5000/redis@sha256:...`.
fn image_repository(reference: &str) -> &str {
    let name = reference.split('@').next().unwrap_or(reference);
    match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => name,
    }
}
