//! A client of the manager, and a manager to ask.

use super::engine::Engine;
use super::{PATIENCE, Running, service};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::{Request, Response};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use std::sync::Arc;
use std::time::Instant;

/// Starts a manager of `engines`; its address comes with it.
pub fn manage(engines: &[Arc<Engine>]) -> (Running, String) {
    let addresses: Vec<String> = engines.iter().map(|engine| engine.address.to_string()).collect();
    manage_at(&format!("nodes://{}", addresses.join(",")))
}

/// Starts a manager of the engines that `discovery` names.
pub fn manage_at(discovery: &str) -> (Running, String) {
    manage_with(&[discovery])
}

/// Starts a manager with `words` on its command line.
pub fn manage_with(words: &[&str]) -> (Running, String) {
    let command = service(&[&["swarm", "manage", "-H", "tcp://127.0.0.1:0"], words].concat());
    Running::start(command, ("msg=\"Listening for HTTP\" addr=\"", "\""))
}

/// Sends a request and returns the head of its answer; no body where it is null.
pub async fn send(
    address: &str,
    method: &str,
    path: &str,
    (body, headers): (&Value, &[(&str, &str)]),
) -> Response<Incoming> {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let mut request = Request::builder()
        .method(method)
        .uri(format!("http://{address}{path}"))
        .header("content-type", "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let request = request.body(Full::new(bytes::Bytes::from(body))).unwrap();
    let answer = tokio::time::timeout(PATIENCE, client.request(request)).await;
    answer.unwrap().unwrap()
}

/// Sends a request and returns its status and what it was answered.
pub async fn ask(address: &str, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let answer = send(address, method, path, (body, &[])).await;
    let status = answer.status().as_u16();
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&bytes).unwrap_or_default())
}

/// Sends a request and returns its status and the text it was answered.
pub async fn ask_text(address: &str, method: &str, path: &str, body: &Value) -> (u16, String) {
    let answer = send(address, method, path, (body, &[])).await;
    let status = answer.status().as_u16();
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8_lossy(&bytes).into_owned())
}

/// What `info` says of the engines' health, in its order.
pub async fn states(address: &str) -> Vec<String> {
    let (_, info) = ask(address, "GET", "/v1.41/info", &Value::Null).await;
    let lines = info["SystemStatus"].as_array().unwrap().clone();
    let is_state = |line: &&Value| line[0].as_str().is_some_and(|name| name.ends_with("Status"));
    lines
        .iter()
        .filter(is_state)
        .map(|line| line[1].as_str().unwrap().to_owned())
        .collect()
}

/// Waits until `info` says that.
pub async fn until_states(address: &str, wanted: &[&str]) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = states(address).await;
        if found == wanted {
            return;
        }
        assert!(Instant::now() < deadline, "{found:?} is not {wanted:?}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}
