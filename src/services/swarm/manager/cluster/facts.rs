//! An engine's JSON becomes facts. Whatever is missing or of another type counts as not there.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use serde_json::Value;

use super::snapshot::Container;
use super::version::{ApiRange, ApiVersion};
use crate::json_pieces::{Garbled, Members};
use crate::swarm::manager::scheduler::{
    ContainerFacts, ContainerState, ImageFacts, PortBinding, Resources, host_ports,
};

/// The label that holds the id a manager gave.
const SWARM_ID: &str = "com.docker.swarm.id";

/// The states that a container can be in, as an engine calls them.
const STATES: [&str; 7] = [
    "created",
    "running",
    "paused",
    "restarting",
    "removing",
    "exited",
    "dead",
];

/// A container's entry in the list of an engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    /// Its id; never empty.
    pub(super) id: String,
    /// Its names, with slashes in front.
    pub(super) names: Vec<String>,
    /// The same for the same entry, but for the time that went by; nothing for one that changes without showing it.
    pub(super) mark: Option<u64>,
}

impl Listed {
    /// Reads an entry of the list of an engine with `cpus` CPUs; nothing where it has no id.
    pub(super) fn read(entry: &[u8], cpus: u64) -> Result<Option<Self>, Garbled> {
        let members: Members<'_> = serde_json::from_slice(entry).map_err(|_| Garbled)?;
        let Some(id) = members.read::<String>("Id").filter(|id| !id.is_empty()) else {
            return Ok(None);
        };
        let names = members.read::<Vec<Value>>("Names").unwrap_or_default();
        let changes_unseen = members
            .read::<String>("State")
            .is_some_and(|state| state == "restarting");
        let mut hasher = DefaultHasher::new();
        // What a container reserves is counted in the engine's CPUs.
        cpus.hash(&mut hasher);
        for (name, value) in members.0.iter().filter(|(name, _)| name != "Status") {
            (name, value.get()).hash(&mut hasher);
        }
        Ok(Some(Self {
            id,
            names: names.iter().map(|name| text(name).to_owned()).collect(),
            mark: (!changes_unseen).then(|| hasher.finish()),
        }))
    }
}

/// A container, from its entry in the list and from inspecting it, on an engine with `cpus` CPUs.
pub(super) fn container(listed: Listed, inspected: &Value, cpus: u64) -> Container {
    let status = text(&inspected["State"]["Status"]);
    let state = STATES.into_iter().find(|state| *state == status);
    Container {
        created: text(&inspected["Created"]).parse().ok(),
        state: state.unwrap_or("unknown"),
        mark: listed.mark,
        facts: Arc::new(of_container(listed, inspected, cpus)),
    }
}

fn of_container(listed: Listed, inspected: &Value, cpus: u64) -> ContainerFacts {
    let host = &inspected["HostConfig"];
    let labels = text_map(&inspected["Config"]["Labels"]);
    ContainerFacts {
        names: names(listed.names, inspected),
        id: listed.id,
        swarm_id: labels.get(SWARM_ID).filter(|id| !id.is_empty()).cloned(),
        state: state(&inspected["State"]),
        ports: ports(inspected),
        host_network_ports: host_network_ports(inspected),
        reserved: Resources {
            nano_cpus: reserved_cpus(host, cpus),
            memory: host["Memory"].as_u64().unwrap_or(0),
        },
        labels,
    }
}

/// The facts about an image, from its entry in the list.
pub(super) fn of_image(listed: &Value) -> ImageFacts {
    let list = |key: &str| {
        let items = strings(&listed[key]);
        items
            .filter(|name| !name.starts_with("<none>"))
            .map(str::to_owned)
            .collect()
    };
    ImageFacts {
        id: text(&listed["Id"]).to_owned(),
        tags: list("RepoTags"),
        digests: list("RepoDigests"),
    }
}

/// The versions an engine speaks, from its answer to `/version`. Those before 1.12 are nobody's any more.
pub(super) fn api_range(version: &Value) -> Option<ApiRange> {
    let max: ApiVersion = text(&version["ApiVersion"]).parse().ok()?;
    let min = text(&version["MinAPIVersion"])
        .parse()
        .unwrap_or(ApiVersion::new(1, 12));
    (min <= max).then_some(ApiRange { min, max })
}

/// The labels of an engine, from its answer to `/info`, those of upstream's that are built in included.
///
/// A label that is no `key=value` makes the engine unfit; `node` is what constraints call a node's name and is left
/// out, as upstream does it. Built-in ones come first.
pub(super) fn engine_labels(info: &Value) -> Result<BTreeMap<String, String>, String> {
    let mut labels = BTreeMap::new();
    for (label, key) in [
        ("storagedriver", "Driver"),
        ("kernelversion", "KernelVersion"),
        ("operatingsystem", "OperatingSystem"),
        ("ostype", "OSType"),
        ("executiondriver", "ExecutionDriver"),
    ] {
        let value = text(&info[key]);
        if !value.is_empty() && value != "<not supported>" {
            labels.insert(label.to_owned(), value.to_owned());
        }
    }
    for label in strings(&info["Labels"]) {
        let (key, value) = label.split_once('=').ok_or_else(|| label.to_owned())?;
        if key != "node" && !labels.contains_key(key) {
            labels.insert(key.to_owned(), value.to_owned());
        }
    }
    Ok(labels)
}

/// The text of `value`, or nothing.
pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn strings(value: &Value) -> impl Iterator<Item = &str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str)
}

fn text_map(value: &Value) -> BTreeMap<String, String> {
    let entries = value.as_object().into_iter().flatten();
    entries
        .map(|(key, value)| (key.clone(), text(value).to_owned()))
        .collect()
}

/// The container's own name first; aliases have a slash inside.
fn names(listed: Vec<String>, inspected: &Value) -> Vec<String> {
    let bare = |name: &str| name.trim_start_matches('/').to_owned();
    let own = bare(text(&inspected["Name"]));
    let mut names: Vec<String> = listed.iter().map(|name| bare(name)).collect();
    names.sort_by_key(|name| (*name != own, name.contains('/'), name.clone()));
    if names.is_empty() && !own.is_empty() {
        names.push(own);
    }
    names
}

fn state(state: &Value) -> ContainerState {
    let is = |key: &str| state[key] == true;
    let started = text(&state["StartedAt"]);
    if is("Running") || is("Paused") || is("Restarting") {
        ContainerState::Running
    } else if state["Status"] == "created" || started.is_empty() || started.starts_with("0001-01-01") {
        ContainerState::Created
    } else {
        ContainerState::Stopped
    }
}

fn ports(inspected: &Value) -> Vec<PortBinding> {
    let mut found = host_ports(inspected["HostConfig"].get("PortBindings"));
    found.extend(host_ports(inspected["NetworkSettings"].get("Ports")));
    found.sort();
    found.dedup();
    found
}

fn host_network_ports(inspected: &Value) -> Vec<String> {
    if inspected["HostConfig"]["NetworkMode"] != "host" {
        return Vec::new();
    }
    let exposed = inspected["Config"]["ExposedPorts"].as_object();
    exposed.map(|ports| ports.keys().cloned().collect()).unwrap_or_default()
}

/// Shares of 1024 become whole CPUs, as upstream counts them.
fn reserved_cpus(host: &Value, cpus: u64) -> u64 {
    let shares = host["CpuShares"].as_u64().unwrap_or(0);
    let whole = shares.saturating_mul(cpus) / 1024;
    let nano_cpus = host["NanoCpus"].as_u64().unwrap_or(0);
    whole.saturating_mul(1_000_000_000).max(nano_cpus)
}
