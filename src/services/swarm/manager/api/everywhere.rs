//! What concerns all engines, or any: events, networks, volumes, logins.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use hyper::{Method, Request, StatusCode};
use serde_json::{Map, Value, json};
use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;

use super::answer::{Answer, Refused, json_answer, lines};
use super::proxy::{ask, forward};
use super::route::Route;
use crate::services::swarm::manager::cluster::{Cluster, Engine};
use crate::services::swarm::manager::scheduler::Request as Wanted;

/// How long an engine may take to list something; one that takes longer is left out.
const LISTING: Duration = Duration::from_secs(20);

/// Asks all healthy engines for `path`, and gives what those that answered said.
pub(super) async fn ask_all(cluster: &Cluster, route: &Route, path: &str, query: &str) -> Vec<(Arc<Engine>, Value)> {
    let headers = HeaderMap::new();
    let asked = cluster.healthy_engines().into_iter().map(|engine| {
        let headers = &headers;
        async move {
            let answer = timeout(
                LISTING,
                ask(&engine, route, (Method::GET, path, query), headers, Bytes::new()),
            )
            .await;
            let answer = answer.ok()?.ok().filter(|answer| answer.status().is_success())?;
            let value = serde_json::from_slice(answer.body()).ok()?;
            Some((engine, value))
        }
    });
    join_all(asked).await.into_iter().flatten().collect()
}

/// Finds the engine that answers `path`; the first by name where several do.
pub(super) async fn whose(cluster: &Cluster, route: &Route, path: &str) -> Option<Arc<Engine>> {
    ask_all(cluster, route, path, "")
        .await
        .into_iter()
        .next()
        .map(|(engine, _)| engine)
}

/// Splits `node-1/name` where there is such a node.
pub(super) fn on_node<'a>(cluster: &Cluster, name: &'a str) -> (Option<Arc<Engine>>, &'a str) {
    if let Some((node, rest)) = name.split_once('/') {
        let engine = cluster
            .engines()
            .into_iter()
            .find(|engine| engine.snapshot().name == node);
        if let Some(engine) = engine {
            return (Some(engine), rest);
        }
    }
    (None, name)
}

/// Writes a name so that it can stand in a path.
pub(super) fn in_path(name: &str) -> String {
    percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// Passes a request on that any engine can answer.
pub(super) async fn any(cluster: &Cluster, route: &Route, request: Request<Incoming>) -> Result<Answer, Refused> {
    let engine = cluster.choose(&Wanted::for_node(None)?)?;
    forward(&engine, route, &route.path, &route.query, request).await
}

/// Lists the networks or volumes of all engines; a name is prefixed with its node's.
pub(super) async fn list(cluster: &Cluster, route: &Route, kind: &str) -> Result<Answer, Refused> {
    let mut all = Vec::new();
    for (engine, value) in ask_all(cluster, route, &route.path, &route.query).await {
        let items = if kind == "volumes" {
            value["Volumes"].clone()
        } else {
            value
        };
        for mut item in items.as_array().cloned().unwrap_or_default() {
            let name = item["Name"].as_str().unwrap_or_default().to_owned();
            item["Name"] = json!(format!("{}/{name}", engine.snapshot().shown_name()));
            all.push(item);
        }
    }
    Ok(json_answer(&if kind == "volumes" {
        json!({ "Volumes": all, "Warnings": null })
    } else {
        json!(all)
    }))
}

/// Passes a request about one network or volume on to the engine that has it.
pub(super) async fn one(
    cluster: &Cluster,
    route: &Route,
    (kind, rest): (&str, &str),
    request: Request<Incoming>,
) -> Result<Answer, Refused> {
    let (name, verb) = match rest.rsplit_once('/') {
        Some((name, verb @ ("connect" | "disconnect"))) => (name, format!("/{verb}")),
        _ => (rest, String::new()),
    };
    let (named, bare) = on_node(cluster, name);
    let path = format!("/{kind}/{}", in_path(bare));
    let engine = match named {
        Some(engine) => Some(engine),
        None => whose(cluster, route, &path).await,
    };
    let missing = || {
        Refused::new(
            StatusCode::NOT_FOUND,
            format!("No such {}: {name}", kind.trim_end_matches('s')),
        )
    };
    forward(
        &engine.ok_or_else(missing)?,
        route,
        &format!("{path}{verb}"),
        &route.query,
        request,
    )
    .await
}

/// Sends the events of all engines as they come.
pub(super) fn events(cluster: &Cluster, route: &Route) -> Answer {
    let (sender, answer) = lines();
    let mut events = cluster.events();
    let filters = filters(route);
    tokio::spawn(async move {
        loop {
            let event = match events.recv().await {
                Ok(event) => event,
                Err(RecvError::Lagged(_)) => continue,
                Err(RecvError::Closed) => return,
            };
            let shown = on_its_node(&event.raw, &event.engine);
            if passes(&shown, &filters) && sender.send(shown).await.is_err() {
                return;
            }
        }
    });
    answer
}

/// Reads `filters` of either form: lists, or maps of values to true.
pub(super) fn filters(route: &Route) -> Map<String, Value> {
    let text = route.value("filters").unwrap_or_default();
    let Ok(Value::Object(filters)) = serde_json::from_str(&text) else {
        return Map::new();
    };
    let as_list = |value: Value| match value {
        Value::Object(values) => Value::from(values.into_iter().map(|(key, _)| key).collect::<Vec<_>>()),
        other => other,
    };
    filters
        .into_iter()
        .map(|(name, value)| (name, as_list(value)))
        .collect()
}

fn passes(event: &Value, filters: &Map<String, Value>) -> bool {
    let wanted = |name: &str, found: &[&Value]| {
        let Some(list) = filters
            .get(name)
            .and_then(Value::as_array)
            .filter(|list| !list.is_empty())
        else {
            return true;
        };
        found.iter().any(|value| list.contains(value))
    };
    let attributes = &event["Actor"]["Attributes"];
    wanted("event", &[&event["Action"], &event["status"]])
        && wanted("type", &[&event["Type"]])
        && wanted("container", &[&event["Actor"]["ID"], &attributes["name"]])
        && wanted("image", &[&attributes["image"], &attributes["name"]])
        && wanted("node", &[&attributes["node.name"]])
}

fn on_its_node(event: &Value, engine: &Engine) -> Value {
    let snapshot = engine.snapshot();
    let mut event = event.clone();
    if let Some(from) = event["from"].as_str() {
        event["from"] = json!(format!("{from} node:{}", snapshot.name));
    }
    event["node"] = json!({ "Name": snapshot.name, "Id": snapshot.id, "Addr": snapshot.addr, "Ip": snapshot.ip });
    if let Some(attributes) = event["Actor"]["Attributes"].as_object_mut() {
        for (name, value) in [
            ("node.name", &snapshot.name),
            ("node.id", &snapshot.id),
            ("node.addr", &snapshot.addr),
            ("node.ip", &snapshot.ip),
        ] {
            attributes.insert(name.to_owned(), json!(value));
        }
    }
    event
}
