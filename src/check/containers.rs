//! Judging what an engine has: containers and images.

use super::{Context, Ours};
use crate::domain::{
    ContainerSeen, ContainersCheck, ImageSeen, MissingValue, Text, Values, Verdict, familiar_reference,
};

/// How many containers a verdict names.
const NAMED: usize = 12;

/// Says whether a container is in the `wanted` state. What `docker ps` lists counts as running where none may run.
fn is_in_state(container: &ContainerSeen, wanted: &str, count: usize) -> bool {
    let is_up = matches!(container.state.as_str(), "running" | "paused" | "restarting");
    container.state == wanted || (wanted == "running" && count == 0 && is_up)
}

pub(super) fn evaluate_containers(
    wanted: &ContainersCheck,
    context: Context<'_>,
    seen: &[ContainerSeen],
) -> Result<Verdict, MissingValue> {
    let values = context.values;
    let name = wanted.name.as_ref().map(|text| text.fill(values)).transpose()?;
    let project = wanted.project.as_ref().map(|text| text.fill(values)).transpose()?;
    let service = wanted.service.as_ref().map(|text| text.fill(values)).transpose()?;
    let labels = wanted
        .labels
        .iter()
        .map(|text| text.fill(values))
        .collect::<Result<Vec<_>, _>>()?;
    let meant: Vec<&ContainerSeen> = seen
        .iter()
        .filter(|container| name.as_deref().is_none_or(|name| container.name == name))
        .filter(|container| project.as_deref().is_none_or(|name| container.project() == Some(name)))
        .filter(|container| service.as_deref().is_none_or(|name| container.service() == Some(name)))
        .filter(|container| labels.iter().all(|label| has_label(container, label)))
        .filter(|container| !(wanted.except_ours && is_ours(container, context.ours)))
        .collect();
    let in_state: Vec<&ContainerSeen> = meant
        .iter()
        .copied()
        .filter(|container| {
            wanted
                .state
                .as_deref()
                .is_none_or(|state| is_in_state(container, state, wanted.count))
        })
        .collect();
    let state = wanted
        .state
        .as_deref()
        .map(|state| format!("{state} "))
        .unwrap_or_default();
    let of: Vec<String> = [
        name.map(|name| format!(" called {name}")),
        service.map(|name| format!(" of service {name}")),
        project.map(|name| format!(" of project {name}")),
        (!labels.is_empty()).then(|| format!(" with label {}", labels.join(", "))),
    ]
    .into_iter()
    .flatten()
    .collect();
    Ok(Verdict {
        holds: in_state.len() == wanted.count,
        expected: format!("{} {state}{}{}", wanted.count, plural(wanted.count), of.concat()),
        actual: named(if in_state.is_empty() { &meant } else { &in_state }),
    })
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "container" } else { "containers" }
}

fn has_label(container: &ContainerSeen, label: &str) -> bool {
    match label.split_once('=') {
        Some((name, value)) => container.labels.get(name).is_some_and(|found| found == value),
        None => container.labels.contains_key(label),
    }
}

fn is_ours(container: &ContainerSeen, ours: &Ours) -> bool {
    container
        .project()
        .is_some_and(|project| ours.projects.contains(project))
        || ours.containers.contains(&container.name)
}

fn named(containers: &[&ContainerSeen]) -> String {
    if containers.is_empty() {
        return "none".to_owned();
    }
    let names: Vec<String> = containers
        .iter()
        .take(NAMED)
        .map(|container| format!("{} ({}, {})", container.name, container.image, container.state))
        .collect();
    let more = containers.len().saturating_sub(NAMED);
    let more = if more == 0 {
        String::new()
    } else {
        format!(" and {more} more")
    };
    format!("{}: {}{more}", containers.len(), names.join(", "))
}

pub(super) fn evaluate_images(
    present: &[Text],
    absent: &[Text],
    values: &Values,
    seen: &[ImageSeen],
) -> Result<Verdict, MissingValue> {
    let mut expected = Vec::new();
    let mut wrong = Vec::new();
    for (references, wanted) in [(present, true), (absent, false)] {
        for reference in references {
            let reference = familiar_reference(&reference.fill(values)?);
            let found = seen.iter().any(|image| image.tags.contains(&reference));
            let word = |is: bool| if is { "is there" } else { "is not there" };
            expected.push(format!("image {reference} {}", word(wanted)));
            if found != wanted {
                wrong.push(format!("image {reference} {}", word(found)));
            }
        }
    }
    let holds = wrong.is_empty() && !expected.is_empty();
    let actual = if holds {
        "as expected".to_owned()
    } else {
        wrong.join(", ")
    };
    Ok(Verdict {
        holds,
        expected: expected.join(", "),
        actual,
    })
}
