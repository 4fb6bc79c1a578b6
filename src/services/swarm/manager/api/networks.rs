//! Networks, each of one engine: where a new one goes, and which containers can be attached.

use std::sync::Arc;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::{Method, Request, StatusCode};
use serde_json::{Value, json};

use super::answer::{Answer, Refused, whole};
use super::everywhere::{in_path, on_node};
use super::proxy::{ask, read};
use super::route::Route;
use crate::swarm::manager::cluster::Cluster;
use crate::swarm::manager::scheduler::Request as Wanted;

/// Makes a network on the engine with the most room, or on the one that `node/name` names.
pub(super) async fn create(cluster: &Cluster, route: &Route, request: Request<Incoming>) -> Result<Answer, Refused> {
    let (head, body) = request.into_parts();
    let mut wanted = object(&read(body).await?)?;
    let name = wanted["Name"].as_str().unwrap_or_default().to_owned();
    let (named, bare) = on_node(cluster, &name);
    wanted["Name"] = json!(bare);
    let engine = match named {
        Some(engine) => engine,
        None => cluster.choose(&Wanted::for_node(None)?)?,
    };
    let asked = (Method::POST, "/networks/create", route.query.as_str());
    let answer = ask(&engine, route, asked, &head.headers, Bytes::from(wanted.to_string())).await?;
    // Whoever asked for it may place a container in it at once. Where this fails, the engine's events do it later.
    let _ = engine.refresh_networks().await;
    Ok(whole(answer.status(), answer.into_body().to_vec()))
}

/// Attaches a container to a network of its engine, or detaches it (`verb`).
pub(super) async fn attach(
    cluster: &Cluster,
    route: &Route,
    (name, verb): (&str, &str),
    request: Request<Incoming>,
) -> Result<Answer, Refused> {
    let (head, body) = request.into_parts();
    let mut wanted = object(&read(body).await?)?;
    let placed = cluster.container(wanted["Container"].as_str().unwrap_or_default())?;
    wanted["Container"] = json!(placed.item.id());
    let (named, bare) = on_node(cluster, name);
    let own = named.unwrap_or_else(|| Arc::clone(&placed.engine));
    if own.addr() != placed.engine.addr() {
        let node = placed.engine.snapshot();
        return Err(Refused::new(
            StatusCode::BAD_REQUEST,
            format!(
                "container {} is on {}, and network {name} is not",
                placed.item.name(),
                node.shown_name()
            ),
        ));
    }
    let path = format!("/networks/{}/{verb}", in_path(bare));
    let asked = (Method::POST, path.as_str(), route.query.as_str());
    let answer = ask(&own, route, asked, &head.headers, Bytes::from(wanted.to_string())).await?;
    Ok(whole(answer.status(), answer.into_body().to_vec()))
}

fn object(body: &[u8]) -> Result<Value, Refused> {
    let value = serde_json::from_slice(body).ok().filter(Value::is_object);
    value.ok_or_else(|| Refused::new(StatusCode::BAD_REQUEST, "the body is no JSON object"))
}
