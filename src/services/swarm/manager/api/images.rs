//! Images: on which engines they are, bringing them to all, building one.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use hyper::{Method, Request, StatusCode};
use serde_json::{Map, Value, json};
use tokio::time::timeout;

use super::answer::{Answer, Refused, json_answer, lines, whole};
use super::everywhere::{ask_all, filters, in_path};
use super::old_clients::{complete_image, complete_listed_image};
use super::proxy::{ask, forward};
use super::route::Route;
use crate::swarm::manager::cluster::{ApiVersion, Cluster, Engine};
use crate::swarm::manager::scheduler::Request as Wanted;

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
        add_images(&mut all, listed, route.version);
    }
    Ok(json_answer(&Value::Array(all)))
}

/// Adds the images that an engine listed; of two with one id the tags are joined.
pub(super) fn add_images(all: &mut Vec<Value>, listed: Value, version: Option<ApiVersion>) {
    let Value::Array(listed) = listed else { return };
    for mut image in listed.into_iter().filter(Value::is_object) {
        complete_listed_image(&mut image, version);
        match all.iter_mut().find(|known| known["Id"] == image["Id"]) {
            Some(known) => join_tags(known, &image),
            None => all.push(image),
        }
    }
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
pub(super) fn complaint(status: StatusCode, body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    let said = |line: &str| -> Option<String> {
        let line: Value = serde_json::from_str(line).ok()?;
        let message = line.get("error").or_else(|| line.get("message"))?;
        Some(message.as_str().unwrap_or("it failed").to_owned())
    };
    let found = text.lines().rev().find_map(said);
    // To clients before API 1.24 an engine refuses in bare text.
    let bare = Some(text.trim()).filter(|text| !text.is_empty());
    let refused = || bare.map_or_else(|| format!("status {status}"), str::to_owned);
    found.or_else(|| (!status.is_success()).then(refused))
}

/// The healthy engines that have an image, and what each says of it.
async fn holders(cluster: &Cluster, route: &Route, name: &str) -> Result<Vec<(Arc<Engine>, Value)>, Refused> {
    let path = format!("/images/{}/json", in_path(name));
    let found = ask_all(cluster, route, &path, "").await;
    if found.is_empty() {
        return Err(no_such_image(name));
    }
    Ok(found)
}

fn no_such_image(name: &str) -> Refused {
    Refused::new(StatusCode::NOT_FOUND, format!("No such image: {name}"))
}

/// The engine to push from: of those that have the tag the one with the newest image, as an older one may be left elsewhere of
/// the last build; where all tags are to be pushed, the one that has most of them.
async fn pusher(cluster: &Cluster, route: &Route, name: &str) -> Result<Arc<Engine>, Refused> {
    if let Some(tag) = route.value("tag").filter(|tag| !tag.is_empty()) {
        let holders = holders(cluster, route, &format!("{name}:{tag}")).await?;
        let dated = holders.into_iter().map(|(engine, image)| (made(&image), engine));
        let newest = dated.rev().max_by_key(|(made, _)| *made);
        return newest.map(|(_, engine)| engine).ok_or_else(|| no_such_image(name));
    }
    let listed = ask_all(cluster, route, "/images/json", "").await;
    let counted = listed
        .into_iter()
        .map(|(engine, images)| (tags_of(&images, name), engine));
    let most = counted.filter(|(tags, _)| *tags > 0).max_by_key(|(tags, _)| *tags);
    most.map(|(_, engine)| engine).ok_or_else(|| no_such_image(name))
}

fn made(image: &Value) -> Option<jiff::Timestamp> {
    image["Created"].as_str()?.parse().ok()
}

/// How many tags of the repository `name` are in a list of images.
fn tags_of(images: &Value, name: &str) -> usize {
    let images = images.as_array().into_iter().flatten();
    let tags = images.flat_map(|image| image["RepoTags"].as_array().into_iter().flatten());
    tags.filter(|tag| {
        tag.as_str()
            .and_then(|tag| tag.rsplit_once(':'))
            .is_some_and(|(of, _)| of == name)
    })
    .count()
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
    if verb == "push" {
        let engine = pusher(cluster, route, name).await?;
        // Registries want the slashes of a name as they are.
        return forward(&engine, route, &format!("/images/{name}/push"), &route.query, request).await;
    }
    let engines = holders(cluster, route, name).await?;
    let path = match verb {
        "" => format!("/images/{}", in_path(name)),
        verb => format!("/images/{}/{verb}", in_path(name)),
    };
    if *request.method() == Method::DELETE || verb == "tag" {
        return on_each(&engines, route, &path, &request).await;
    }
    let (engine, _) = engines.first().ok_or_else(|| no_such_image(name))?;
    if verb == "json" {
        return inspect(engine, route, &path).await;
    }
    forward(engine, route, &path, &route.query, request).await
}

async fn inspect(engine: &Arc<Engine>, route: &Route, path: &str) -> Result<Answer, Refused> {
    let asked = (Method::GET, path, route.query.as_str());
    let answer = ask(engine, route, asked, &HeaderMap::new(), Bytes::new()).await?;
    let (status, body) = (answer.status(), answer.into_body());
    match serde_json::from_slice::<Value>(&body) {
        Ok(mut image) if status.is_success() => {
            complete_image(&mut image, route.version);
            Ok(json_answer(&image))
        }
        _ => Ok(whole(status, body.to_vec())),
    }
}

/// Removes or tags an image on all of `engines`. One that refuses holds up none of the others, and is told by name.
async fn on_each(
    engines: &[(Arc<Engine>, Value)],
    route: &Route,
    path: &str,
    request: &Request<Incoming>,
) -> Result<Answer, Refused> {
    let mut removed = Vec::new();
    let mut refusals: Vec<(StatusCode, String)> = Vec::new();
    let mut last = StatusCode::OK;
    for (engine, _) in engines {
        let asked = (request.method().clone(), path, route.query.as_str());
        let answer = ask(engine, route, asked, request.headers(), Bytes::new()).await;
        // The picture follows by itself where this fails.
        let _ = engine.refresh_images().await;
        let (status, body) = match answer {
            Ok(answer) => (answer.status(), answer.into_body()),
            Err(refused) => {
                refusals.push((refused.status, refused.message));
                continue;
            }
        };
        if let Some(message) = complaint(status, &body) {
            refusals.push((status, format!("{}: {message}", engine.snapshot().shown_name())));
        } else if let Ok(Value::Array(items)) = serde_json::from_slice(&body) {
            removed.extend(items);
        }
        last = status;
    }
    if let Some((status, _)) = refusals.first() {
        let messages: Vec<&str> = refusals.iter().map(|(_, message)| message.as_str()).collect();
        return Err(Refused::new(*status, messages.join("\n")));
    }
    if *request.method() == Method::DELETE {
        Ok(json_answer(&Value::Array(removed)))
    } else {
        Ok(whole(last, Vec::new()))
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(500, "{\"message\":\"no route\"}", Some("no route"))]
    #[case(500, "no route\n", Some("no route"))]
    #[case(500, "", Some("status 500 Internal Server Error"))]
    #[case(200, "{\"status\":\"Pulling\"}\n{\"error\":\"no such tag\"}\n", Some("no such tag"))]
    #[case(200, "{\"status\":\"Pulling\"}\n", None)]
    fn why_a_pull_failed_is_told_to_clients_of_any_age(
        #[case] status: u16,
        #[case] body: &str,
        #[case] told: Option<&str>,
    ) {
        let status = StatusCode::from_u16(status).unwrap();
        assert_eq!(complaint(status, body.as_bytes()).as_deref(), told);
    }

    #[test]
    fn tags_are_told_from_ports_of_registries() {
        let images = json!([
            { "RepoTags": ["10.0.0.1:5000/u/chat:v1", "10.0.0.1:5000/u/chat:v2", "u/chat:v1"] },
            { "RepoTags": null },
            { "RepoTags": ["<none>:<none>"] },
        ]);
        assert_eq!(tags_of(&images, "10.0.0.1:5000/u/chat"), 2);
        assert_eq!(tags_of(&images, "u/chat"), 1);
        assert_eq!(tags_of(&images, "10.0.0.1"), 0);
    }
}
