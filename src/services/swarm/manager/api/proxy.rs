//! Passes one request on to one engine.
//!
//! Responsible for the head of the request, for bodies in both directions, and for streams that client and engine keep
//! talking on after it: the `attach` and `exec` of old and new clients.

use std::sync::Arc;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HOST, HeaderMap, TRANSFER_ENCODING, UPGRADE};
use hyper::upgrade::OnUpgrade;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;

use super::answer::{Answer, BoxError, Refused, passed_on};
use super::route::{Route, target};
use crate::json_pieces::{Garbled, Pieces};
use crate::swarm::manager::cluster::Engine;

/// The largest body that the manager itself reads, in bytes.
const LARGEST: usize = 64 << 20;
/// The largest list that is read entry by entry, in bytes.
const LARGEST_LIST: usize = 512 << 20;
/// The largest entry of it, in bytes.
const LARGEST_ENTRY: usize = 1 << 20;

/// Headers that belong to one connection, except the two that ask for an upgrade.
fn of_the_connection(headers: &mut HeaderMap, keeps_upgrade: bool) {
    headers.remove(HOST);
    headers.remove(TRANSFER_ENCODING);
    headers.remove("keep-alive");
    if !keeps_upgrade {
        headers.remove(UPGRADE);
        headers.remove(CONNECTION);
    }
}

/// Sends `request` to `engine` as `path` with `query`, in a version that it speaks, and gives its answer as it comes.
pub(super) async fn forward(
    engine: &Arc<Engine>,
    route: &Route,
    path: &str,
    query: &str,
    mut request: Request<Incoming>,
) -> Result<Answer, Refused> {
    let asks_upgrade = request.headers().contains_key(UPGRADE);
    let of_client = asks_upgrade.then(|| hyper::upgrade::on(&mut request));
    let (mut head, body) = request.into_parts();
    of_the_connection(&mut head.headers, asks_upgrade);
    let uri = engine.versioned(route.version, &target(path, query));
    head.uri = uri
        .parse()
        .map_err(|_| Refused::new(hyper::StatusCode::BAD_REQUEST, format!("{path} is no path")))?;
    let body = body.map_err(|error| -> BoxError { error.into() }).boxed_unsync();
    let mut answer = engine
        .request(Request::from_parts(head, body))
        .await
        .map_err(|error| at(engine, error))?;
    if answer.status() == hyper::StatusCode::SWITCHING_PROTOCOLS {
        let of_engine = hyper::upgrade::on(&mut answer);
        if let Some(of_client) = of_client {
            tokio::spawn(join(of_client, of_engine));
        }
        return Ok(passed_on(answer));
    }
    of_the_connection(answer.headers_mut(), false);
    Ok(passed_on(answer))
}

async fn join(of_client: OnUpgrade, of_engine: OnUpgrade) {
    let (Ok(client), Ok(engine)) = tokio::join!(of_client, of_engine) else {
        return;
    };
    // Either side hangs up when it has enough.
    let _ = copy_bidirectional(&mut TokioIo::new(client), &mut TokioIo::new(engine)).await;
}

/// Says on which node it failed.
pub(super) fn at(engine: &Engine, error: crate::swarm::manager::cluster::EngineError) -> Refused {
    let mut refused = Refused::from(error);
    refused.message = format!("{}: {}", engine.snapshot().shown_name(), refused.message);
    refused
}

/// Asks `engine` something of the manager's own and reads all of the answer.
pub(super) async fn ask(
    engine: &Arc<Engine>,
    route: &Route,
    (method, path, query): (Method, &str, &str),
    headers: &HeaderMap,
    body: bytes::Bytes,
) -> Result<Response<bytes::Bytes>, Refused> {
    let mut request = question(engine, route, (method, path, query), body)?;
    for name in ["content-type", "x-registry-auth", "x-registry-config"] {
        if let Some(value) = headers.get(name) {
            request.headers_mut().insert(
                name.parse::<hyper::header::HeaderName>().map_err(internal)?,
                value.clone(),
            );
        }
    }
    let answer = engine.request(request).await.map_err(|error| at(engine, error))?;
    let (head, body) = answer.into_parts();
    let body = read(body).await?;
    Ok(Response::from_parts(head, body))
}

fn question(
    engine: &Engine,
    route: &Route,
    (method, path, query): (Method, &str, &str),
    body: bytes::Bytes,
) -> Result<Request<Full<bytes::Bytes>>, Refused> {
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = method;
    let uri = engine.versioned(route.version, &target(path, query));
    *request.uri_mut() = uri
        .parse()
        .map_err(|_| Refused::new(hyper::StatusCode::BAD_REQUEST, format!("{path} is no path")))?;
    Ok(request)
}

/// Asks `engine` for a list and hands each entry to `each` as it comes; nothing where the list is refused or does not come whole.
pub(super) async fn read_list(
    engine: &Engine,
    route: &Route,
    (path, query): (&str, &str),
    mut each: impl FnMut(&[u8]) -> Result<(), Garbled>,
) -> Option<()> {
    let request = question(engine, route, (Method::GET, path, query), bytes::Bytes::new());
    let answer = engine.request(request.ok()?).await.ok()?;
    if !answer.status().is_success() {
        return None;
    }
    let mut body = Limited::new(answer.into_body(), LARGEST_LIST);
    let mut pieces = Pieces::of_list(LARGEST_ENTRY);
    while let Some(frame) = body.frame().await {
        if let Ok(bytes) = frame.ok()?.into_data() {
            pieces.feed(&bytes, &mut each).ok()?;
        }
    }
    pieces.is_whole().then_some(())
}

fn internal(error: impl std::fmt::Display) -> Refused {
    Refused::new(hyper::StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
}

/// Reads all of a body, up to what is bearable.
pub(super) async fn read(body: Incoming) -> Result<bytes::Bytes, Refused> {
    let read = Limited::new(body, LARGEST).collect().await;
    read.map(http_body_util::Collected::to_bytes).map_err(internal)
}
