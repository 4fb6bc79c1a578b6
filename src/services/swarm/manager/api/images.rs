//! Images: on which engines they are, bringing them to all, building one.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use hyper::body::Incoming;
use hyper::{Method, Request, StatusCode};
use serde_json::{Map, Value, json};
use tokio::time::timeout;

use super::answer::{Answer, Refused, json_answer, lines, whole};
use super::everywhere::{ask_all, filters, in_path};
use super::proxy::{ask, forward};
use super::route::Route;
use crate::services::swarm::manager::cluster::{Cluster, Engine};
use crate::services::swarm::manager::scheduler::Request as Wanted;

/// How long bringing an image to one engine may take.
const PULLING: Duration = Duration::from_secs(1800);

/// Lists the images of all engines, each once.
pub(super) async fn list(cluster: &Cluster, route: &Route) -> Result<Answer, Refused> {
    let mut filters = filters(route);
    let nodes = filters.remove("node");
    let filters = (!filters.is_empty()).then(|| Value::Object(filters).to_string());
    let query = route.query_with(&[("filters", filters)]);
    let mut all: Vec<Value> = Vec::new();
    for (engine, listed) in ask_all(cluster, route, "/images/json", &query).await {
        let name = json!(engine.snapshot().name);
        if nodes
            .as_ref()
            .and_then(Value::as_array)
            .is_some_and(|nodes| !nodes.contains(&name))
        {
            continue;
        }
        for image in listed.as_array().cloned().unwrap_or_default() {
            match all.iter_mut().find(|known| known["Id"] == image["Id"]) {
                Some(known) => join_tags(known, &image),
                None => all.push(image),
            }
        }
    }
    Ok(json_answer(&Value::Array(all)))
}

fn join_tags(known: &mut Value, image: &Value) {
    for key in ["RepoTags", "RepoDigests"] {
        let more = image[key].as_array().cloned().unwrap_or_default();
        if let Some(tags) = known[key].as_array_mut() {
            tags.extend(more.into_iter().filter(|tag| !tags.contains(tag)).collect::<Vec<_>>());
        }
    }
}

/// Brings an image to all engines, with a line of progress for each.
pub(super) fn pull(cluster: &Cluster, route: &Route, request: &Request<Incoming>) -> Result<Answer, Refused> {
    let Some(image) = route.value("fromImage").filter(|image| !image.is_empty()) else {
        return Err(Refused::not_here("importing an image; do it on each node"));
    };
    let shown = match route.value("tag").filter(|tag| !tag.is_empty()) {
        Some(tag) if tag.contains(':') => format!("{image}@{tag}"),
        Some(tag) => format!("{image}:{tag}"),
        None => image,
    };
    let (sender, answer) = lines();
    let (engines, route, headers) = (cluster.healthy_engines(), route.clone(), request.headers().clone());
    tokio::spawn(async move {
        let work = engines.iter().map(|engine| {
            let (sender, route, headers, shown) = (sender.clone(), &route, &headers, &shown);
            async move {
                let node = engine.snapshot().name.clone();
                // Who does not read any more wants no progress.
                let _ = sender
                    .send(json!({ "id": node, "status": format!("Pulling {shown}...") }))
                    .await;
                let asked = (Method::POST, "/images/create", route.query.as_str());
                let pulled = timeout(PULLING, ask(engine, route, asked, headers, Bytes::new())).await;
                let result = match pulled {
                    Ok(Ok(answer)) => complaint(answer.status(), answer.body()).map_or(Ok(()), Err),
                    Ok(Err(refused)) => Err(refused.message),
                    Err(_) => Err("it took too long".to_owned()),
                };
                let end = match &result {
                    Ok(()) => "downloaded".to_owned(),
                    Err(reason) => reason.clone(),
                };
                let line = json!({ "id": node, "status": format!("Pulling {shown}... : {end}") });
                let _ = sender.send(line).await;
                // The picture follows by itself where this fails.
                let _ = engine.refresh_images().await;
                result.map_err(|reason| format!("{node}: {reason}"))
            }
        });
        let failed: Vec<String> = join_all(work).await.into_iter().filter_map(Result::err).collect();
        if !failed.is_empty() {
            let message = failed.join("; ");
            let _ = sender
                .send(json!({ "errorDetail": { "message": message }, "error": message }))
                .await;
        }
    });
    Ok(answer)
}

/// What an engine that pulls complained about, in its status or in the last of its lines.
fn complaint(status: StatusCode, body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    let said = |line: &str| -> Option<String> {
        let line: Value = serde_json::from_str(line).ok()?;
        let message = line.get("error").or_else(|| line.get("message"))?;
        Some(message.as_str().unwrap_or("it failed").to_owned())
    };
    let found = text.lines().rev().find_map(said);
    found.or_else(|| (!status.is_success()).then(|| format!("status {status}")))
}

/// The healthy engines that have an image.
async fn holders(cluster: &Cluster, route: &Route, name: &str) -> Result<Vec<Arc<Engine>>, Refused> {
    let path = format!("/images/{}/json", in_path(name));
    let found = ask_all(cluster, route, &path, "").await;
    if found.is_empty() {
        return Err(Refused::new(StatusCode::NOT_FOUND, format!("No such image: {name}")));
    }
    Ok(found.into_iter().map(|(engine, _)| engine).collect())
}

/// Does what is asked of one image: on all engines that have it where it is removed or tagged, else on one.
pub(super) async fn one(
    cluster: &Cluster,
    route: &Route,
    rest: &str,
    request: Request<Incoming>,
) -> Result<Answer, Refused> {
    let verbs = ["json", "history", "get", "push", "tag"];
    let (name, verb) = match rest.rsplit_once('/') {
        Some((name, verb)) if verbs.contains(&verb) && request.method() != Method::DELETE => (name, verb),
        _ => (rest, ""),
    };
    let engines = holders(cluster, route, name).await?;
    let path = match verb {
        "" => format!("/images/{}", in_path(name)),
        // Registries want the slashes of a name as they are.
        "push" => format!("/images/{name}/push"),
        verb => format!("/images/{}/{verb}", in_path(name)),
    };
    if *request.method() != Method::DELETE && verb != "tag" {
        let engine = engines
            .first()
            .ok_or_else(|| Refused::new(StatusCode::NOT_FOUND, "No such image"))?;
        return forward(engine, route, &path, &route.query, request).await;
    }
    let mut removed = Vec::new();
    let mut last = whole(StatusCode::CREATED, Vec::new());
    for engine in &engines {
        let asked = (request.method().clone(), path.as_str(), route.query.as_str());
        let answer = ask(engine, route, asked, request.headers(), Bytes::new()).await?;
        let _ = engine.refresh_images().await;
        let (status, body) = (answer.status(), answer.into_body());
        if !status.is_success() {
            return Ok(whole(status, body.to_vec()));
        }
        if let Ok(Value::Array(items)) = serde_json::from_slice(&body) {
            removed.extend(items);
        }
        last = whole(status, body.to_vec());
    }
    Ok(if verb == "tag" {
        last
    } else {
        json_answer(&Value::Array(removed))
    })
}

/// Builds an image on one engine that satisfies what the build's arguments ask of it.
pub(super) async fn build(cluster: &Cluster, route: &Route, request: Request<Incoming>) -> Result<Answer, Refused> {
    if route.value("version").as_deref() == Some("2") {
        return Err(Refused::not_here("BuildKit; build with DOCKER_BUILDKIT=0"));
    }
    let arguments = route.value("buildargs").unwrap_or_default();
    let arguments: Map<String, Value> = serde_json::from_str(&arguments).unwrap_or_default();
    let is_for_us = |name: &str| name.starts_with("constraint:") || name.starts_with("affinity:");
    let asked: Vec<String> = arguments
        .iter()
        .filter(|(name, _)| is_for_us(name))
        .map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default()))
        .collect();
    let wanted = Wanted::parse(None, json!({ "Env": asked }).to_string().as_bytes())?;
    let engine = cluster.choose(&wanted)?;
    let left: Map<String, Value> = arguments.into_iter().filter(|(name, _)| !is_for_us(name)).collect();
    let query = route.query_with(&[("buildargs", (!left.is_empty()).then(|| Value::Object(left).to_string()))]);
    forward(&engine, route, "/build", &query, request).await
}
