//! Volumes: one of a name on every engine, so that a container finds its volume wherever it goes.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::join_all;
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use hyper::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};

use super::answer::{Answer, Refused, whole};
use super::everywhere::{in_path, on_node};
use super::proxy::{ask, read};
use super::route::Route;
use crate::random;
use crate::swarm::manager::cluster::{Cluster, Engine};

/// Makes a volume on all engines that answer, or on the one that `node/name` names.
pub(super) async fn create(cluster: &Cluster, route: &Route, request: Request<Incoming>) -> Result<Answer, Refused> {
    let (head, body) = request.into_parts();
    let Ok(Value::Object(mut wanted)) = serde_json::from_slice(&read(body).await?) else {
        return Err(Refused::new(
            StatusCode::BAD_REQUEST,
            "the body is not a volume's configuration in JSON",
        ));
    };
    let name = wanted
        .get("Name")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    let (named, bare) = on_node(cluster, &name);
    let bare = if bare.is_empty() {
        random::hex::<32>().map_err(|error| Refused::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?
    } else {
        bare.to_owned()
    };
    wanted.insert("Name".to_owned(), json!(bare));
    let engines = named.map_or_else(|| cluster.healthy_engines(), |engine| vec![engine]);
    let body = Bytes::from(Value::Object(wanted).to_string());
    let asked = (Method::POST, "/volumes/create");
    any_success(on_all(&engines, route, asked, &head.headers, &body).await)
}

/// Removes a volume from all engines that have it, or from the one that `node/name` names.
pub(super) async fn remove(cluster: &Cluster, route: &Route, name: &str) -> Result<Answer, Refused> {
    let (named, bare) = on_node(cluster, name);
    let engines = named.map_or_else(|| cluster.healthy_engines(), |engine| vec![engine]);
    let path = format!("/volumes/{}", in_path(bare));
    let headers = HeaderMap::new();
    let answers = on_all(&engines, route, (Method::DELETE, &path), &headers, &Bytes::new()).await;
    let has_it = |answer: &Result<Response<Bytes>, Refused>| {
        answer.as_ref().map_or_else(
            |refused| refused.status != StatusCode::NOT_FOUND,
            |answer| answer.status() != StatusCode::NOT_FOUND,
        )
    };
    let answers: Vec<_> = answers.into_iter().filter(has_it).collect();
    if answers.is_empty() {
        return Err(Refused::new(StatusCode::NOT_FOUND, format!("No such volume: {name}")));
    }
    // One that is in use somewhere is told, though the others are gone.
    let refusal = answers
        .into_iter()
        .find(|answer| answer.as_ref().map_or(true, |answer| !answer.status().is_success()));
    match refusal {
        Some(refusal) => refusal.map(answered),
        None => Ok(whole(StatusCode::NO_CONTENT, Vec::new())),
    }
}

async fn on_all(
    engines: &[Arc<Engine>],
    route: &Route,
    (method, path): (Method, &str),
    headers: &HeaderMap,
    body: &Bytes,
) -> Vec<Result<Response<Bytes>, Refused>> {
    let asked = engines.iter().map(|engine| {
        let asked = (method.clone(), path, route.query.as_str());
        ask(engine, route, asked, headers, body.clone())
    });
    join_all(asked).await
}

/// The first answer that is a success; else the first refusal.
fn any_success(answers: Vec<Result<Response<Bytes>, Refused>>) -> Result<Answer, Refused> {
    let is_success =
        |answer: &Result<Response<Bytes>, Refused>| answer.as_ref().is_ok_and(|answer| answer.status().is_success());
    let (good, bad): (Vec<_>, Vec<_>) = answers.into_iter().partition(is_success);
    let first = good.into_iter().chain(bad).next();
    let nobody = || {
        Refused::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "No healthy node available in the cluster",
        )
    };
    first.ok_or_else(nobody)?.map(answered)
}

fn answered(answer: Response<Bytes>) -> Answer {
    whole(answer.status(), answer.into_body().to_vec())
}
