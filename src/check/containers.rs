//! Judging an engine's containers: how many there are of a kind, and what is wrong with those that come near it.

use super::nearest::{WantedContainer, nearest};
use super::{Context, Ours};
use crate::domain::{ContainerSeen, ContainersCheck, MissingValue, Verdict};

/// How many containers a verdict names.
const NAMED: usize = 12;

pub(super) fn evaluate_containers(
    wanted: &ContainersCheck,
    context: Context<'_>,
    seen: &[ContainerSeen],
) -> Result<Verdict, MissingValue> {
    let count = wanted.count;
    let like = WantedContainer::of(wanted, context.values)?;
    let seen: Vec<&ContainerSeen> = seen
        .iter()
        .filter(|container| !(wanted.except_ours && is_ours(container, context.ours)))
        .collect();
    let meant: Vec<&ContainerSeen> = seen
        .iter()
        .copied()
        .filter(|container| like.faults(container).is_empty())
        .collect();
    let actual = if meant.len() < count {
        let near = nearest(&like, &seen);
        if meant.is_empty() {
            near.unwrap_or_else(|| "none here".to_owned())
        } else {
            format!(
                "{}{}",
                named(&meant),
                near.map(|near| format!("; {near}")).unwrap_or_default()
            )
        }
    } else {
        named(&meant)
    };
    Ok(Verdict {
        holds: if wanted.or_more {
            meant.len() >= count.max(1)
        } else {
            meant.len() == count
        },
        expected: format!(
            "{}{count} {}",
            if wanted.or_more { "at least " } else { "" },
            like.described()
        ),
        actual,
        ..Verdict::default()
    })
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
