//! What concerns all engines, or any: lists of networks and volumes, logins, searches.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use hyper::{Method, Request, StatusCode};
use serde_json::{Map, Value, json};
use tokio::time::timeout;

use super::answer::{Answer, Refused, json_answer};
use super::proxy::{ask, forward, read_list};
use super::route::Route;
use crate::json_pieces::Garbled;
use crate::swarm::manager::cluster::{Cluster, Engine};
use crate::swarm::manager::scheduler::Request as Wanted;

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

/// What becomes of a list that an engine gives.
pub(super) trait List {
    /// What becomes of an entry.
    type Entry;

    /// Takes one entry.
    fn take(&mut self, entry: &[u8]) -> Result<(), Garbled>;

    /// Returns what became of all.
    fn entries(self) -> Vec<Self::Entry>;
}

/// Asks the healthy engines that `list_of` makes a list for `path`, and gives what became of each list that came whole.
pub(super) async fn lists<L: List>(
    cluster: &Cluster,
    route: &Route,
    path: &str,
    query: &str,
    list_of: impl Fn(&Engine) -> Option<L>,
) -> Vec<Vec<L::Entry>> {
    let engines = cluster.healthy_engines().into_iter();
    let asked = engines.filter_map(|engine| {
        let mut list = list_of(&engine)?;
        Some(async move {
            let read = read_list(&engine, route, (path, query), |entry| list.take(entry));
            timeout(LISTING, read).await.ok()??;
            Some(list.entries())
        })
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
///
/// Not so for those that Compose 2 made, where it asks for them by its label: it looks for the names it gave, and `down` would
/// leave its networks behind.
pub(super) async fn list(cluster: &Cluster, route: &Route, kind: &str) -> Result<Answer, Refused> {
    let asks = filters(route).remove("label").unwrap_or_default().to_string();
    let is_compose = asks.contains("com.docker.compose.project=");
    let mut all = Vec::new();
    for (engine, value) in ask_all(cluster, route, &route.path, &route.query).await {
        let node = (!is_compose).then(|| engine.snapshot().shown_name().to_owned());
        all.extend(items(value, kind, node.as_deref()));
    }
    Ok(json_answer(&if kind == "volumes" {
        json!({ "Volumes": all, "Warnings": null })
    } else {
        json!(all)
    }))
}

/// The networks or volumes in what an engine said, named after `node` where there is one.
pub(super) fn items(mut value: Value, kind: &str, node: Option<&str>) -> Vec<Value> {
    let items = if kind == "volumes" {
        value.get_mut("Volumes").map(Value::take).unwrap_or_default()
    } else {
        value
    };
    let Value::Array(mut items) = items else {
        return Vec::new();
    };
    items.retain(Value::is_object);
    if let Some(node) = node {
        for item in &mut items {
            let name = item["Name"].as_str().unwrap_or_default().to_owned();
            item["Name"] = json!(format!("{node}/{name}"));
        }
    }
    items
}

/// Passes a request about one network or volume on to the engine that has it.
pub(super) async fn one(
    cluster: &Cluster,
    route: &Route,
    (kind, rest): (&str, &str),
    request: Request<Incoming>,
) -> Result<Answer, Refused> {
    let (named, bare) = on_node(cluster, rest);
    let path = format!("/{kind}/{}", in_path(bare));
    let engine = match named {
        Some(engine) => Some(engine),
        None => whose(cluster, route, &path).await,
    };
    let missing = || {
        Refused::new(
            StatusCode::NOT_FOUND,
            format!("No such {}: {rest}", kind.trim_end_matches('s')),
        )
    };
    forward(&engine.ok_or_else(missing)?, route, &path, &route.query, request).await
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
