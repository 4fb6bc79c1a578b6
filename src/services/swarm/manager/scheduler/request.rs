//! A create request: what the client wants of a container, as far as it decides where the container goes.

use serde_json::{Map, Value};
use thiserror::Error;

use super::expression::{Expression, ExpressionError};
use super::node::{ContainerFacts, ContainerState, Node, Resources};
use super::ports::{PortBinding, host_ports};
use super::swarm_labels::{self, Asked};

/// A create request that cannot be understood.
#[derive(Debug, Error)]
pub enum RequestError {
    /// The body is no JSON object.
    #[error("the body is not a container's configuration in JSON")]
    Body,
    /// One of Swarm's labels does not hold a list.
    #[error("label {label} must hold a JSON list of strings, not '{text}'")]
    Label {
        /// The label's name.
        label: String,
        /// What it holds.
        text: String,
    },
    /// A constraint cannot be read.
    #[error("error from constraint filter: {0}")]
    Constraint(ExpressionError),
    /// An affinity cannot be read.
    #[error("error from affinity filter: {0}")]
    Affinity(ExpressionError),
    /// A whitelist cannot be read.
    #[error("error from whitelist filter: {0}")]
    Whitelist(ExpressionError),
}

/// A create request, read once.
#[derive(Debug, Clone)]
pub struct Request {
    /// The name the container shall have, without slash, if the client gave one.
    pub name: Option<String>,
    /// The image as the client named it.
    pub image: String,
    /// Conditions on the node.
    pub constraints: Vec<Expression>,
    /// Conditions on the node's containers and images.
    pub affinities: Vec<Expression>,
    /// The names of the nodes that may have it, in the values.
    pub whitelists: Vec<Expression>,
    /// Containers that must be on the same node, as `(option, container)`: `("--link", "db:db")`.
    pub dependencies: Vec<Dependency>,
    /// Host ports it asks for.
    pub ports: Vec<PortBinding>,
    /// Ports it exposes while on the host's network, such as `80/tcp`.
    pub host_network_ports: Vec<String>,
    /// A network of the user's own that it is to be attached to at creation.
    pub network: Option<String>,
    /// What it reserves.
    pub wanted: Resources,
    pub(super) config: Map<String, Value>,
}

/// A container that must be on the same node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// The option and its value as a person would type it: `--link=db:db`.
    pub option: String,
    /// The container's name or id, perhaps as `node/name`.
    pub container: String,
}

impl Request {
    /// Reads the body of `POST /containers/create?name=NAME`, of any API version.
    ///
    /// Constraints and affinities leave the environment and go to labels, as upstream does it.
    pub fn parse(name: Option<&str>, body: &[u8]) -> Result<Self, RequestError> {
        let Ok(Value::Object(mut config)) = serde_json::from_slice(body) else {
            return Err(RequestError::Body);
        };
        let Asked {
            constraints,
            affinities,
            whitelists,
        } = swarm_labels::move_to_labels(&mut config)?;
        move_old_limits(&mut config);
        let host = config.get("HostConfig").unwrap_or(&Value::Null);
        let on_host_network = host["NetworkMode"] == "host";
        let exposed = config.get("ExposedPorts").and_then(Value::as_object);
        Ok(Self {
            name: name
                .map(|name| name.trim_start_matches('/').to_owned())
                .filter(|name| !name.is_empty()),
            image: text(config.get("Image")).to_owned(),
            constraints: expressions(&constraints).map_err(RequestError::Constraint)?,
            affinities: expressions(&affinities).map_err(RequestError::Affinity)?,
            whitelists: expressions(&whitelists).map_err(RequestError::Whitelist)?,
            dependencies: dependencies(host),
            ports: if on_host_network {
                Vec::new()
            } else {
                host_ports(host.get("PortBindings"))
            },
            host_network_ports: exposed
                .filter(|_| on_host_network)
                .map(|ports| ports.keys().cloned().collect())
                .unwrap_or_default(),
            network: own_network(&host["NetworkMode"]),
            wanted: Resources {
                nano_cpus: wanted_cpus(host),
                memory: host["Memory"].as_u64().unwrap_or(0),
            },
            config,
        })
    }

    /// A request for any healthy node, or for the one of that `name`: for builds, networks and volumes.
    pub fn for_node(name: Option<&str>) -> Result<Self, RequestError> {
        let environment: Vec<String> = name
            .map(|name| format!("constraint:node=={name}"))
            .into_iter()
            .collect();
        let body = serde_json::json!({ "Env": environment });
        Self::parse(None, body.to_string().as_bytes())
    }

    /// Also wants `image` to be there already: for an image that no registry has.
    pub fn with_image_affinity(mut self, image: &str) -> Result<Self, RequestError> {
        let wanted = Expression::parse(&format!("image=={image}")).map_err(RequestError::Affinity)?;
        self.affinities.push(wanted);
        Ok(self)
    }

    /// Tells whether the new container comes in place of `container`, which will be removed.
    ///
    /// docker-compose stops the old container first and asks for its node by an affinity to its id. Compose v2
    /// labels the new container and removes the old one, which still runs, afterwards.
    pub(super) fn replaces(&self, container: &ContainerFacts) -> bool {
        let by_affinity = self.affinities.iter().any(|affinity| {
            affinity.key == "container" && !container.id.is_empty() && affinity.literal() == Some(&container.id)
        });
        let labels = |key: &str| self.config.get("Labels")?.get(key)?.as_str();
        let by_compose = labels("com.docker.compose.replace").is_some()
            && ["project", "service", "container-number"].iter().all(|part| {
                let key = format!("com.docker.compose.{part}");
                let wanted = labels(&key);
                wanted.is_some() && wanted == container.labels.get(&key).map(String::as_str)
            });
        (by_affinity && container.state == ContainerState::Created) || by_compose
    }

    /// The environment without what was asked of the scheduler.
    pub fn environment(&self) -> Vec<String> {
        strings(self.config.get("Env"))
    }

    /// Tells whether a hard constraint names the node.
    pub fn names_its_node(&self) -> bool {
        self.constraints
            .iter()
            .any(|constraint| constraint.key == "node" && !constraint.soft)
    }

    /// The id the manager gave the container, or gives it.
    pub fn swarm_id(&self) -> Option<&str> {
        self.config
            .get("Labels")
            .and_then(|labels| labels.get(swarm_labels::ID))
            .and_then(Value::as_str)
    }

    /// Gives the container `id`, unless the client did.
    pub fn ensure_swarm_id(&mut self, id: impl FnOnce() -> String) {
        if self.swarm_id().is_none_or(str::is_empty) {
            swarm_labels::set_label(&mut self.config, swarm_labels::ID, &id());
        }
    }

    /// The container as the scheduler will count it until its engine lists it.
    pub fn reservation(&self) -> ContainerFacts {
        let labels = self.config.get("Labels").and_then(Value::as_object);
        ContainerFacts {
            id: String::new(),
            swarm_id: self.swarm_id().map(str::to_owned),
            names: self.name.iter().cloned().collect(),
            labels: labels
                .into_iter()
                .flatten()
                .map(|(key, value)| (key.clone(), text(Some(value)).to_owned()))
                .collect(),
            state: ContainerState::Reserved,
            ports: self.ports.clone(),
            host_network_ports: self.host_network_ports.clone(),
            reserved: self.wanted,
        }
    }

    /// The body that `node`'s engine gets, which has `cpus` CPUs.
    ///
    /// CpuShares means CPUs to a Swarm client and a share of 1024 to an engine. Containers and networks that are named as
    /// `node/name`, or by the manager's id, become names that the engine knows.
    pub fn body_for(&self, node: &Node, cpus: u64) -> Value {
        let mut config = self.config.clone();
        if let Some(Value::Object(host)) = config.get_mut("HostConfig") {
            if let Some(shares) = host
                .get("CpuShares")
                .and_then(Value::as_u64)
                .filter(|shares| *shares > 0)
            {
                host.insert(
                    "CpuShares".to_owned(),
                    shares.saturating_mul(1024).div_ceil(cpus.max(1)).into(),
                );
            }
            rename_dependencies(host, node);
            if let Some(Value::String(mode)) = host.get_mut("NetworkMode") {
                *mode = node.without_own_name(mode).to_owned();
            }
        }
        rename_endpoints(&mut config, node);
        Value::Object(config)
    }
}

fn expressions(written: &[String]) -> Result<Vec<Expression>, ExpressionError> {
    written.iter().map(|text| Expression::parse(text)).collect()
}

/// Clients of API 1.17 and older put limits beside HostConfig; engines of today look for them inside.
fn move_old_limits(config: &mut Map<String, Value>) {
    for (old, new) in [
        ("Memory", "Memory"),
        ("MemorySwap", "MemorySwap"),
        ("CpuShares", "CpuShares"),
        ("Cpuset", "CpusetCpus"),
    ] {
        let Some(value) = config.remove(old) else { continue };
        if value == 0 || value == "" || value.is_null() {
            continue;
        }
        let host = config.entry("HostConfig").or_insert(Value::Null);
        if host.is_null() {
            *host = Value::Object(Map::new());
        }
        if let Value::Object(host) = host {
            host.insert(new.to_owned(), value);
        }
    }
}

fn wanted_cpus(host: &Value) -> u64 {
    let shares = host["CpuShares"].as_u64().unwrap_or(0);
    let nano_cpus = host["NanoCpus"].as_u64().or_else(|| host["NanoCPUs"].as_u64());
    shares.saturating_mul(1_000_000_000).max(nano_cpus.unwrap_or(0))
}

fn dependencies(host: &Value) -> Vec<Dependency> {
    let mut found = Vec::new();
    for (key, option) in [("VolumesFrom", "--volumes-from"), ("Links", "--link")] {
        for value in strings(host.get(key)) {
            let container = value.split(':').next().unwrap_or_default().to_owned();
            found.push(Dependency {
                option: format!("{option}={value}"),
                container,
            });
        }
    }
    for (key, option) in [("NetworkMode", "--net"), ("IpcMode", "--ipc"), ("PidMode", "--pid")] {
        let mode = text(host.get(key));
        if let Some(container) = mode.strip_prefix("container:") {
            found.push(Dependency {
                option: format!("{option}={mode}"),
                container: container.to_owned(),
            });
        }
    }
    found
}

/// Gives the engine names that it knows in place of those that only the cluster knows.
fn rename_dependencies(host: &mut Map<String, Value>, node: &Node) {
    let known = |reference: &str| {
        let container = node.container(reference)?;
        let direct = container.id.starts_with(reference)
            || container
                .names
                .iter()
                .any(|name| name == reference.trim_start_matches('/'));
        (!direct).then(|| container.name().to_owned())
    };
    for key in ["VolumesFrom", "Links"] {
        for entry in host.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten() {
            let Some(written) = entry.as_str() else { continue };
            let (reference, rest) = written.split_at(written.find(':').unwrap_or(written.len()));
            if let Some(name) = known(reference) {
                *entry = format!("{name}{rest}").into();
            }
        }
    }
    for key in ["NetworkMode", "IpcMode", "PidMode"] {
        let Some(reference) = host
            .get(key)
            .and_then(|mode| text(Some(mode)).strip_prefix("container:"))
        else {
            continue;
        };
        if let Some(name) = known(reference) {
            host.insert(key.to_owned(), format!("container:{name}").into());
        }
    }
}

fn rename_endpoints(config: &mut Map<String, Value>, node: &Node) {
    let endpoints = config
        .get_mut("NetworkingConfig")
        .and_then(|config| config.get_mut("EndpointsConfig"));
    if let Some(Value::Object(endpoints)) = endpoints {
        let renamed = std::mem::take(endpoints).into_iter();
        *endpoints = renamed
            .map(|(name, endpoint)| (node.without_own_name(&name).to_owned(), endpoint))
            .collect();
    }
}

fn own_network(mode: &Value) -> Option<String> {
    let mode = mode.as_str()?;
    let built_in = ["", "default", "bridge", "host", "none", "nat"].contains(&mode) || mode.starts_with("container:");
    (!built_in).then(|| mode.to_owned())
}

fn text(value: Option<&Value>) -> &str {
    value.and_then(Value::as_str).unwrap_or_default()
}

fn strings(value: Option<&Value>) -> Vec<String> {
    let items = value.and_then(Value::as_array).into_iter().flatten();
    items.filter_map(Value::as_str).map(str::to_owned).collect()
}
