//! Reads the checks of Docker's things: the engine, its containers and images, a Swarm manager.

use super::faults::Faults;
use super::fields::{Fields, Value};
use super::read_check::read_number;
use super::read_lab::name;
use super::suggest;
use super::written::{Template, WrittenCheckKind, WrittenSwarmNode};
use crate::domain::NodeName;
use toml::Spanned;

/// The states that the engine gives a container.
const STATES: &[&str] = &[
    "created",
    "running",
    "paused",
    "restarting",
    "removing",
    "exited",
    "dead",
];

/// Reads what a node's engine must be like.
pub(super) fn read_engine(value: &Value<'_>, faults: &mut Faults) -> Option<WrittenCheckKind> {
    let mut fields = Fields::of("an `engine` check", value, faults)?;
    let labels = fields.texts("labels", faults);
    let default_options = fields.flag("default_options", faults).is_some_and(Spanned::into_inner);
    let options_once = fields.flag("options_once", faults).is_some_and(Spanned::into_inner);
    fields.finish(faults);
    Some(WrittenCheckKind::Engine {
        labels,
        default_options,
        options_once,
    })
}

/// Reads what a Swarm manager and its cluster must be like.
pub(super) fn read_swarm(value: &Value<'_>, faults: &mut Faults) -> Option<WrittenCheckKind> {
    let mut fields = Fields::of("a `swarm` check", value, faults)?;
    let host = fields.text("host", faults);
    let port = read_number(&mut fields, "port", 1..=65_535, faults);
    let entries = fields.tables("nodes", faults).into_iter();
    let nodes = entries.filter_map(|value| {
        let mut fields = Fields::of("a node of a `swarm` check", value, faults)?;
        let node = fields.required_text("node", faults);
        let labels = fields.texts("labels", faults);
        fields.finish(faults);
        let node = node.and_then(|text| name(text, NodeName::new, faults))?;
        Some(WrittenSwarmNode { node, labels })
    });
    let nodes = nodes.collect();
    fields.finish(faults);
    Some(WrittenCheckKind::Swarm {
        host,
        port: port?,
        nodes,
    })
}

/// Reads which containers there must be.
pub(super) fn read_containers(value: &Value<'_>, faults: &mut Faults) -> Option<WrittenCheckKind> {
    let mut fields = Fields::of("a `containers` check", value, faults)?;
    let name = fields.text("name", faults);
    let project = fields.text("project", faults);
    let service = fields.text("service", faults);
    let labels = fields.texts("labels", faults);
    let image = fields.text("image", faults);
    let command = fields.texts("command", faults);
    let linked_as = fields.text("linked_as", faults);
    let constraints = fields.texts("constraints", faults);
    let publishes = fields
        .has("publishes")
        .then(|| read_number(&mut fields, "publishes", 1..=65_535, faults));
    let state = fields.text("state", faults);
    let how_many = fields.exactly_one(&["count", "at_least"], faults);
    let count =
        how_many.and_then(|key| read_number(&mut fields, key, if key == "count" { 0 } else { 1 }..=10_000, faults));
    let except_ours = fields.flag("except_ours", faults).is_some_and(Spanned::into_inner);
    if let Some(state) = state
        .as_ref()
        .filter(|state| !STATES.contains(&state.get_ref().as_str()))
    {
        let mut fault = faults.fault(state.span(), format!("a container is never `{}`", state.get_ref()));
        fault.hint = suggest::hint(state.get_ref(), STATES.iter().copied());
        faults.push(fault);
    }
    refuse_empty(
        image.iter().chain(&command).chain(&linked_as).chain(&constraints),
        faults,
    );
    if let Some(state) = state
        .as_ref()
        .filter(|state| publishes.is_some() && state.get_ref() != "running")
    {
        let message = format!("a container that is {} publishes nothing", state.get_ref());
        faults.push(faults.fault(fields.key_place("publishes"), message));
    }
    fields.finish(faults);
    Some(WrittenCheckKind::Containers {
        name,
        project,
        service,
        labels,
        image,
        command,
        linked_as,
        constraints,
        publishes: match publishes {
            Some(port) => Some(port?),
            None => None,
        },
        state: state.map(Spanned::into_inner),
        count: count?,
        or_more: how_many == Some("at_least"),
        except_ours,
    })
}

/// Refuses those of `texts` that are empty, as everything is like them.
fn refuse_empty<'a>(texts: impl IntoIterator<Item = &'a Template>, faults: &mut Faults) {
    for text in texts {
        if text.get_ref().trim().is_empty() {
            faults.push(faults.fault(text.span(), "an empty text asks for nothing"));
        }
    }
}

/// Reads which images there must be.
pub(super) fn read_images(value: &Value<'_>, faults: &mut Faults) -> Option<WrittenCheckKind> {
    let mut fields = Fields::of("an `images` check", value, faults)?;
    let present = fields.texts("present", faults);
    let absent = fields.texts("absent", faults);
    let like = fields.texts("like", faults);
    refuse_empty(&like, faults);
    if present.is_empty() && absent.is_empty() && like.is_empty() {
        faults.push(
            faults
                .fault(value.span(), "this check asks for nothing")
                .hint("use `present`, `absent` or `like`"),
        );
    }
    fields.finish(faults);
    Some(WrittenCheckKind::Images { present, absent, like })
}
