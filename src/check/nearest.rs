//! What a container must be like, and what is wrong with those that come near it.
//!
//! Responsible for the words of that. A container that is in nothing like what was wanted is never shown: its command line is
//! nobody's business.

use super::text::shortened;
use crate::domain::{ContainerSeen, ContainersCheck, MissingValue, Text, Values, familiar_reference, matches_pattern};

/// How many containers that come near are told of.
const TOLD: usize = 3;

/// The label with what classic Swarm was asked to place a container by, as a list in JSON.
pub(super) const CONSTRAINTS: &str = "com.docker.swarm.constraints";

/// The label that a Swarm manager gives every container.
pub(super) const MADE_BY_SWARM: &str = "com.docker.swarm.id";

/// What a container must be like, captured values filled in.
pub(super) struct WantedContainer {
    name: Option<String>,
    project: Option<String>,
    service: Option<String>,
    labels: Vec<String>,
    image: Option<String>,
    command: Vec<String>,
    linked_as: Option<String>,
    constraints: Vec<String>,
    publishes: Option<u16>,
    state: Option<String>,
    count: usize,
}

/// How a container differs from what is wanted.
#[derive(Default)]
pub(super) struct Faults {
    /// It is another one: its name, project or service is not the one.
    is_another: bool,
    /// How much there is of the image, command and labels that tell it from others.
    recognised: usize,
    /// All that is wrong, each a clause.
    pub(super) told: Vec<String>,
}

impl Faults {
    pub(super) fn is_empty(&self) -> bool {
        !self.is_another && self.told.is_empty()
    }
}

impl WantedContainer {
    pub(super) fn of(check: &ContainersCheck, values: &Values) -> Result<Self, MissingValue> {
        let one = |text: &Option<Text>| text.as_ref().map(|text| text.fill(values)).transpose();
        let all = |texts: &[Text]| {
            texts
                .iter()
                .map(|text| text.fill(values))
                .collect::<Result<Vec<_>, _>>()
        };
        Ok(Self {
            name: one(&check.name)?,
            project: one(&check.project)?,
            service: one(&check.service)?,
            labels: all(&check.labels)?,
            image: one(&check.image)?,
            command: all(&check.command)?,
            linked_as: one(&check.linked_as)?,
            constraints: all(&check.constraints)?,
            publishes: check.publishes,
            state: check.state.clone(),
            count: check.count,
        })
    }

    /// Says what is wanted, without the number.
    pub(super) fn described(&self) -> String {
        let state = self
            .state
            .as_deref()
            .map(|state| format!("{state} "))
            .unwrap_or_default();
        let noun = if self.count == 1 { "container" } else { "containers" };
        let quoted: Vec<String> = self.command.iter().map(|text| format!("{text:?}")).collect();
        let of = [
            self.name.as_ref().map(|name| format!(" called {name}")),
            self.service.as_ref().map(|name| format!(" of service {name}")),
            self.project.as_ref().map(|name| format!(" of project {name}")),
            (!self.labels.is_empty()).then(|| format!(" with label {}", self.labels.join(", "))),
            self.image.as_ref().map(|image| format!(" of an image like {image}")),
            (!quoted.is_empty()).then(|| format!(" with {} in the command", quoted.join(" and "))),
            (!self.constraints.is_empty()).then(|| format!(" constrained to {}", self.constraints.join(", "))),
            self.linked_as.as_ref().map(|alias| format!(" linked to as {alias}")),
            self.publishes.map(|port| format!(" publishing port {port}")),
        ];
        format!("{state}{noun}{}", of.into_iter().flatten().collect::<String>())
    }

    /// Says whether nothing but image, command and labels tells such a container from others.
    fn is_told_by_what_it_is(&self) -> bool {
        let is_named = self.name.is_some() || self.project.is_some() || self.service.is_some();
        let is_described = self.image.is_some() || !self.command.is_empty() || !self.labels.is_empty();
        is_described && !is_named
    }

    /// Returns what is wrong with `container`.
    pub(super) fn faults(&self, container: &ContainerSeen) -> Faults {
        let other = |wanted: &Option<String>, is: Option<&str>| wanted.as_deref().is_some_and(|name| is != Some(name));
        let mut faults = Faults {
            is_another: other(&self.name, Some(&container.name))
                || other(&self.project, container.project())
                || other(&self.service, container.service()),
            ..Faults::default()
        };
        faults.told.extend(self.state_fault(container));
        self.look_at_what_it_runs(container, &mut faults);
        let lacking: Vec<String> = self
            .labels
            .iter()
            .filter_map(|label| label_fault(container, label))
            .collect();
        faults.recognised += self.labels.len() - lacking.len();
        faults.told.extend(lacking);
        faults.told.extend(
            self.constraints
                .iter()
                .filter_map(|wanted| constraint_fault(container, wanted)),
        );
        faults.told.extend(self.link_fault(container));
        faults.told.extend(self.port_fault(container));
        faults
    }

    fn state_fault(&self, container: &ContainerSeen) -> Option<String> {
        let wanted = self.state.as_deref()?;
        if is_in_state(container, wanted, self.count) {
            return None;
        }
        let status = shortened(&container.status.to_lowercase());
        Some(match container.state.as_str() {
            "exited" if status.starts_with("exited") => status,
            "created" => "was never started".to_owned(),
            "restarting" => "stops and is started again and again".to_owned(),
            state => format!("is {state}"),
        })
    }

    fn look_at_what_it_runs(&self, container: &ContainerSeen, faults: &mut Faults) {
        if let Some(wanted) = &self.image {
            if matches_pattern(wanted, &familiar_reference(&container.image)) {
                faults.recognised += 1;
            } else {
                faults
                    .told
                    .push(format!("has the image {}, not {wanted}", shortened(&container.image)));
            }
        }
        let is_there = |text: &&String| !text.is_empty() && container.command.contains(text.as_str());
        let found = self.command.iter().filter(is_there).count();
        faults.recognised += found;
        if found < self.command.len() {
            faults.told.push(format!("runs `{}`", shortened(&container.command)));
        }
    }

    fn link_fault(&self, container: &ContainerSeen) -> Option<String> {
        let wanted = self.linked_as.as_deref()?;
        let alias = |name: &String| name.rsplit_once('/').map(|(_, alias)| alias.to_owned());
        let mut aliases: Vec<String> = container.aliases.iter().filter_map(alias).collect();
        if aliases.iter().any(|alias| alias == wanted) {
            return None;
        }
        aliases.sort_unstable();
        aliases.dedup();
        Some(if aliases.is_empty() {
            "is linked to by no container".to_owned()
        } else {
            format!("is linked to as {}, not {wanted}", shortened(&aliases.join(", ")))
        })
    }

    fn port_fault(&self, container: &ContainerSeen) -> Option<String> {
        let wanted = self.publishes?;
        let mut published: Vec<u16> = container.ports.iter().filter_map(|port| port.published).collect();
        if published.contains(&wanted) {
            return None;
        }
        published.sort_unstable();
        published.dedup();
        let shown: Vec<String> = published.iter().map(u16::to_string).collect();
        if shown.is_empty() {
            // The engine lists no ports of what does not run, and that was told.
            let is_told = self.state_fault(container).is_some();
            return (!is_told).then(|| "publishes no port".to_owned());
        }
        Some(format!("publishes {}, not {wanted}", shortened(&shown.join(", "))))
    }
}

/// Says whether a container is in the `wanted` state. What `docker ps` lists counts as running where none may run.
fn is_in_state(container: &ContainerSeen, wanted: &str, count: usize) -> bool {
    let is_up = matches!(container.state.as_str(), "running" | "paused" | "restarting");
    container.state == wanted || (wanted == "running" && count == 0 && is_up)
}

fn label_fault(container: &ContainerSeen, label: &str) -> Option<String> {
    let (name, wanted) = match label.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (label, None),
    };
    match (container.labels.get(name), wanted) {
        (None, _) => Some(format!("has no label {name}")),
        (Some(found), Some(wanted)) if found != wanted => {
            Some(format!("has the label {name}={}, not {wanted}", shortened(found)))
        }
        _ => None,
    }
}

fn constraint_fault(container: &ContainerSeen, wanted: &str) -> Option<String> {
    let listed = container.labels.get(CONSTRAINTS);
    let given: Vec<String> = listed
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    if given.iter().any(|constraint| constraint == wanted) {
        return None;
    }
    Some(if !container.labels.contains_key(MADE_BY_SWARM) {
        "was not made through the Swarm manager".to_owned()
    } else if given.is_empty() {
        "was placed without any constraint".to_owned()
    } else {
        format!("was constrained to {}, not {wanted}", shortened(&given.join(", ")))
    })
}

/// Tells of those of `seen` that come nearest to what is `wanted`, and what is wrong with each.
pub(super) fn nearest(wanted: &WantedContainer, seen: &[&ContainerSeen]) -> Option<String> {
    let judged = seen.iter().map(|container| (*container, wanted.faults(container)));
    let mut near: Vec<(&ContainerSeen, Faults)> = judged
        .filter(|(_, faults)| !faults.is_another && !faults.told.is_empty())
        .collect();
    let most = near.iter().map(|(_, faults)| faults.recognised).max()?;
    if wanted.is_told_by_what_it_is() {
        if most == 0 {
            return None;
        }
        near.retain(|(_, faults)| faults.recognised == most);
    }
    near.sort_by_key(|(_, faults)| faults.told.len());
    let more = near.len().saturating_sub(TOLD);
    let told: Vec<String> = near
        .iter()
        .take(TOLD)
        .map(|(container, faults)| format!("{} is there, but {}", container.name, faults.told.join(" and ")))
        .collect();
    let more = if more == 0 {
        String::new()
    } else {
        format!("; {more} more are there")
    };
    Some(format!("{}{more}", told.join("; ")))
}
