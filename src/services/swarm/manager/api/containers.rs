//! Containers: lists of all, and everything about one.

use std::cmp::Reverse;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::{Method, Request, StatusCode};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::answer::{Answer, Refused, json_answer, list_answer, whole};
use super::everywhere::{self, List, filters, in_path};
use super::names::NamePatterns;
use super::proxy::{ask, forward};
use super::route::Route;
use crate::json_pieces::{Garbled, Members};
use crate::swarm::manager::cluster::{Cluster, Container, Engine, Placed, Snapshot};

/// Lists the containers of all engines, the newest first.
pub(super) async fn list(cluster: &Cluster, route: &Route) -> Result<Answer, Refused> {
    let mut filters = filters(route);
    let nodes = filters.remove("node");
    let names = filters.remove("name").map(|names| NamePatterns::new(&names));
    let mut changes = vec![(
        "filters",
        (!filters.is_empty()).then(|| Value::Object(filters).to_string()),
    )];
    let limit = route.value("limit").and_then(|limit| limit.parse::<usize>().ok());
    let limit = limit.filter(|limit| *limit > 0);
    if limit.is_some() && names.is_some() {
        // The newest of those with the name: an engine would count others too. A limit shows stopped ones.
        changes.extend([("limit", None), ("all", Some("1".to_owned()))]);
    }
    let query = route.query_with(&changes);
    let mut all = Vec::new();
    for entries in everywhere::lists(cluster, route, "/containers/json", &query, |engine| {
        let snapshot = engine.snapshot();
        let is_wanted = |nodes: &Value| {
            nodes
                .as_array()
                .is_none_or(|nodes| nodes.contains(&json!(snapshot.name)))
        };
        nodes
            .as_ref()
            .is_none_or(is_wanted)
            .then(|| Listing::new(snapshot, names.as_ref()))
    })
    .await
    {
        all.extend(entries);
    }
    all.sort_by_key(|entry| Reverse(entry.made));
    if let Some(limit) = limit {
        all.truncate(limit);
    }
    Ok(list_answer(all.into_iter().map(|entry| entry.shown)))
}

/// A container as a client of the cluster is shown it.
#[derive(Debug)]
pub(super) struct Entry {
    /// When it was made: the list has whole seconds, in which Compose makes several.
    made: (Option<i64>, Option<jiff::Timestamp>),
    /// Its JSON.
    pub(super) shown: Box<[u8]>,
}

/// The list of one engine on its way to a client. Of very many containers only what is shown is held.
#[derive(Debug)]
pub(super) struct Listing<'a> {
    snapshot: Arc<Snapshot>,
    names: Option<&'a NamePatterns>,
    entries: Vec<Entry>,
}

impl<'a> Listing<'a> {
    pub(super) fn new(snapshot: Arc<Snapshot>, names: Option<&'a NamePatterns>) -> Self {
        Self {
            snapshot,
            names,
            entries: Vec::new(),
        }
    }
}

impl List for Listing<'_> {
    type Entry = Entry;

    fn take(&mut self, entry: &[u8]) -> Result<(), Garbled> {
        let container: Members<'_> = serde_json::from_slice(entry).map_err(|_| Garbled)?;
        let names: Value = container.read("Names").unwrap_or_default();
        if self.names.is_none_or(|wanted| wanted.match_one(&names, &self.snapshot)) {
            let id: Option<String> = container.read("Id");
            let known = id.and_then(|id| self.snapshot.containers.get(&id));
            self.entries.push(Entry {
                made: (container.read("Created"), known.and_then(|known| known.created)),
                shown: shown(&container, names, &self.snapshot).into_boxed_slice(),
            });
        }
        Ok(())
    }

    fn entries(self) -> Vec<Entry> {
        self.entries
    }
}

/// Shows a listed container as one of its node: names begin with the node's, ports are at the node's address.
fn shown(container: &Members<'_>, names: Value, snapshot: &Snapshot) -> Vec<u8> {
    let mut text = String::from("{");
    for (key, value) in &container.0 {
        if text.len() > 1 {
            text.push(',');
        }
        text.push_str(&json!(key).to_string());
        text.push(':');
        match &**key {
            "Names" if names.is_array() => text.push_str(&on_node(names.clone(), snapshot).to_string()),
            "Ports" => text.push_str(&at_node(value, snapshot)),
            _ => text.push_str(value.get()),
        }
    }
    text.push('}');
    text.into_bytes()
}

fn on_node(mut names: Value, snapshot: &Snapshot) -> Value {
    for name in names.as_array_mut().into_iter().flatten() {
        *name = json!(format!("/{}{}", snapshot.name, name.as_str().unwrap_or_default()));
    }
    names
}

fn at_node(ports: &RawValue, snapshot: &Snapshot) -> String {
    let Ok(Value::Array(mut ports)) = serde_json::from_str(ports.get()) else {
        return ports.get().to_owned();
    };
    ports.retain(|port| port["IP"] != "::");
    for port in ports.iter_mut().filter(|port| port["IP"] == "0.0.0.0") {
        port["IP"] = json!(snapshot.ip);
    }
    Value::Array(ports).to_string()
}

/// Brings the picture of a container up to date. Where that fails, the engine's events do it later.
pub(super) async fn refresh(engine: &Arc<Engine>, id: &str) {
    if engine.refresh_container(id).await.is_err() {
        engine.refresh_soon();
    }
}

/// Does what is asked of one container.
pub(super) async fn one(
    cluster: &Cluster,
    route: &Route,
    rest: &str,
    request: Request<Incoming>,
) -> Result<Answer, Refused> {
    let (reference, verb) = split(rest, request.method());
    let placed = cluster.container(reference)?;
    let (engine, id) = (Arc::clone(&placed.engine), placed.item.id().to_owned());
    let path = if verb.is_empty() {
        format!("/containers/{id}")
    } else {
        format!("/containers/{id}/{verb}")
    };
    if request.method() == Method::GET && verb == "json" {
        return inspect(&placed, route, &path).await;
    }
    let _name = match (verb, route.value("name")) {
        ("rename", Some(name)) => Some(cluster.hold_name(name.trim_start_matches('/'))?),
        _ => None,
    };
    let changes =
        matches!(*request.method(), Method::POST | Method::DELETE) && !matches!(verb, "attach" | "exec" | "wait");
    let query = match (verb, route.value("name")) {
        ("rename", Some(name)) => route.query_with(&[("name", Some(name.trim_start_matches('/').to_owned()))]),
        _ => route.query.clone(),
    };
    let answer = forward(&engine, route, &path, &query, request).await?;
    if changes {
        refresh(&engine, &id).await;
    }
    Ok(answer)
}

/// Tells the container's name, which may have slashes, from what is asked of it.
fn split<'a>(rest: &'a str, method: &Method) -> (&'a str, &'a str) {
    if let Some(name) = rest.strip_suffix("/attach/ws") {
        return (name, "attach/ws");
    }
    match rest.rsplit_once('/') {
        Some((name, verb)) if *method != Method::DELETE => (name, verb),
        _ => (rest, ""),
    }
}

async fn inspect(placed: &Placed<Container>, route: &Route, path: &str) -> Result<Answer, Refused> {
    let asked = (Method::GET, path, route.query.as_str());
    let answer = ask(
        &placed.engine,
        route,
        asked,
        &hyper::HeaderMap::new(),
        bytes::Bytes::new(),
    )
    .await?;
    let Ok(Value::Object(mut container)) = serde_json::from_slice(answer.body()) else {
        return Ok(whole(answer.status(), answer.into_body().to_vec()));
    };
    if !answer.status().is_success() {
        return Ok(whole(answer.status(), answer.into_body().to_vec()));
    }
    let snapshot = placed.engine.snapshot();
    container.insert(
        "Node".to_owned(),
        json!({
            "ID": snapshot.id, "IP": snapshot.ip, "Addr": snapshot.addr, "Name": snapshot.name,
            "Cpus": snapshot.cpus, "Memory": snapshot.memory, "Labels": snapshot.labels,
        }),
    );
    let ports = container
        .get_mut("NetworkSettings")
        .and_then(|settings| settings.get_mut("Ports"));
    for bindings in ports
        .and_then(Value::as_object_mut)
        .into_iter()
        .flat_map(|ports| ports.values_mut())
    {
        if let Some(bindings) = bindings.as_array_mut() {
            bindings.retain(|binding| binding["HostIp"] != "::");
            for binding in bindings.iter_mut().filter(|binding| binding["HostIp"] == "0.0.0.0") {
                binding["HostIp"] = json!(snapshot.ip);
            }
        }
    }
    Ok(json_answer(&Value::Object(container)))
}

/// Passes on what is asked of an exec to the engine that has it.
pub(super) async fn exec(
    cluster: &Cluster,
    route: &Route,
    rest: &str,
    request: Request<Incoming>,
) -> Result<Answer, Refused> {
    let (id, verb) = rest.split_once('/').unwrap_or((rest, ""));
    let id = in_path(id);
    let engine = super::everywhere::whose(cluster, route, &format!("/exec/{id}/json")).await;
    let engine = engine.ok_or_else(|| Refused::new(StatusCode::NOT_FOUND, format!("No such exec instance: {id}")))?;
    forward(&engine, route, &format!("/exec/{id}/{verb}"), &route.query, request).await
}

/// Makes an image of a container, on its engine.
pub(super) async fn commit(cluster: &Cluster, route: &Route, request: Request<Incoming>) -> Result<Answer, Refused> {
    let placed = cluster.container(&route.value("container").unwrap_or_default())?;
    let query = route.query_with(&[("container", Some(placed.item.id().to_owned()))]);
    forward(&placed.engine, route, "/commit", &query, request).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_have_a_node_in_front() {
        assert_eq!(split("node-1/web/json", &Method::GET), ("node-1/web", "json"));
        assert_eq!(split("web/attach/ws", &Method::GET), ("web", "attach/ws"));
        assert_eq!(split("node-1/web", &Method::DELETE), ("node-1/web", ""));
    }
}
