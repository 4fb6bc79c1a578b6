//! The manager over engines in memory.

use super::engine::Engine;
use super::{PATIENCE, Running, service};
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

const OF_TODAY: (&str, &str) = ("1.44", "1.52");
const OF_2020: (&str, &str) = ("1.12", "1.41");

fn manage(engines: &[Arc<Engine>]) -> (Running, String) {
    let addresses: Vec<String> = engines.iter().map(|engine| engine.address.to_string()).collect();
    let nodes = format!("nodes://{}", addresses.join(","));
    let command = service(&["swarm", "manage", "-H", "tcp://127.0.0.1:0", &nodes]);
    Running::start(command, ("msg=\"Listening for HTTP\" addr=\"", "\""))
}

async fn ask(address: &str, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let request = Request::builder()
        .method(method)
        .uri(format!("http://{address}{path}"))
        .header("content-type", "application/json")
        .body(Full::new(bytes::Bytes::from(body.to_string())))
        .unwrap();
    let answer = tokio::time::timeout(PATIENCE, client.request(request))
        .await
        .unwrap()
        .unwrap();
    let status = answer.status().as_u16();
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&bytes).unwrap_or_default())
}

async fn states(address: &str) -> Vec<String> {
    let (_, info) = ask(address, "GET", "/v1.41/info", &Value::Null).await;
    let lines = info["SystemStatus"].as_array().unwrap().clone();
    let is_state = |line: &&Value| line[0].as_str().is_some_and(|name| name.ends_with("Status"));
    lines
        .iter()
        .filter(is_state)
        .map(|line| line[1].as_str().unwrap().to_owned())
        .collect()
}

async fn until_states(address: &str, wanted: &[&str]) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = states(address).await;
        if found == wanted {
            return;
        }
        assert!(Instant::now() < deadline, "{found:?} is not {wanted:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn create(constraint: &str) -> Value {
    json!({ "Image": "image", "Env": [format!("constraint:environment=={constraint}"), "A=b"] })
}

#[tokio::test(flavor = "multi_thread")]
async fn containers_go_where_their_constraint_says_and_clients_see_where_that_is() {
    let staging = Engine::start("node-1", "staging", OF_2020).await;
    let production = Engine::start("node-2", "production", OF_TODAY).await;
    let (_running, address) = manage(&[staging.clone(), production.clone()]);
    until_states(&address, &["Healthy", "Healthy"]).await;

    let (status, _) = ask(&address, "POST", "/v1.21/containers/create?name=s", &create("staging")).await;
    assert_eq!(status, 201);
    let (status, _) = ask(
        &address,
        "POST",
        "/v1.21/containers/create?name=p",
        &create("production"),
    )
    .await;
    assert_eq!(status, 201);
    assert_eq!(
        (staging.names(), production.names()),
        (vec!["/s".to_owned()], vec!["/p".to_owned()])
    );

    let (_, listed) = ask(&address, "GET", "/v1.21/containers/json?all=1", &Value::Null).await;
    let mut names: Vec<&str> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["Names"][0].as_str().unwrap())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["/node-1/s", "/node-2/p"]);
    assert_eq!(listed[0]["Ports"][0]["IP"], "127.0.0.1");
    let (_, inspected) = ask(&address, "GET", "/v1.21/containers/node-2%2Fp/json", &Value::Null).await;
    assert_eq!(inspected["Node"]["Name"], "node-2");
    assert_eq!(inspected["Config"]["Env"], json!(["A=b"]));
    let asked = |engine: &Engine| engine.asked.lock().unwrap().clone();
    assert!(
        asked(&staging).contains(&"v1.21".to_owned()),
        "passed on in the client's version"
    );
    assert!(
        !asked(&production).contains(&"v1.21".to_owned()),
        "which an engine of today refuses"
    );

    let (status, refused) = ask(&address, "POST", "/v1.21/containers/create", &create("nowhere")).await;
    let message = refused["message"].as_str().unwrap();
    assert!(
        status == 500 && message.contains("constraint:environment==nowhere"),
        "{message}"
    );
    assert!(message.contains("node-1: has environment=staging"), "{message}");
    let (status, _) = ask(
        &address,
        "POST",
        "/v1.21/containers/create?name=s",
        &create("production"),
    )
    .await;
    assert_eq!(status, 409, "a name is taken on all nodes at once");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_dies_is_unhealthy_until_it_returns_and_a_new_manager_knows_all() {
    let engine = Engine::start("node-1", "staging", OF_2020).await;
    let (running, address) = manage(std::slice::from_ref(&engine));
    until_states(&address, &["Healthy"]).await;
    ask(
        &address,
        "POST",
        "/v1.41/containers/create?name=kept",
        &create("staging"),
    )
    .await;
    engine.kill();
    until_states(&address, &["Unhealthy"]).await;
    let (status, refused) = ask(&address, "POST", "/v1.41/containers/create", &create("staging")).await;
    assert!(
        status == 500 && refused["message"].as_str().unwrap().contains("No healthy node"),
        "{refused}"
    );
    engine.revive().await;
    let returned = Instant::now();
    until_states(&address, &["Healthy"]).await;
    assert!(returned.elapsed() < Duration::from_secs(6), "{:?}", returned.elapsed());

    drop(running);
    let (_running, address) = manage(std::slice::from_ref(&engine));
    until_states(&address, &["Healthy"]).await;
    let (_, listed) = ask(&address, "GET", "/v1.41/containers/json?all=1", &Value::Null).await;
    assert_eq!(listed[0]["Names"][0], "/node-1/kept");
    assert_eq!(engine.names().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_clients_at_once_lose_and_double_nothing() {
    let engines = [
        Engine::start("node-1", "x", OF_2020).await,
        Engine::start("node-2", "x", OF_2020).await,
    ];
    let (_running, address) = manage(&engines);
    until_states(&address, &["Healthy", "Healthy"]).await;
    let creates = (0..200).map(|number| {
        let address = address.clone();
        async move {
            let path = format!("/v1.41/containers/create?name=c{}", number / 2);
            ask(&address, "POST", &path, &create("x")).await.0
        }
    });
    let statuses = futures_util::future::join_all(creates).await;
    assert_eq!(
        statuses.iter().filter(|status| **status == 201).count(),
        100,
        "{statuses:?}"
    );
    assert_eq!(statuses.iter().filter(|status| **status == 409).count(), 100);
    let counts = engines.each_ref().map(|engine| engine.names().len());
    assert_eq!(counts[0] + counts[1], 100);
    assert!(counts[0].abs_diff(counts[1]) <= 2, "{counts:?} is not spread");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn info_on_fifty_engines_takes_less_than_a_tenth_of_a_second() {
    let mut engines = Vec::new();
    for number in 0..50 {
        engines.push(Engine::start(&format!("node-{number:02}"), "x", OF_2020).await);
    }
    let (_running, address) = manage(&engines);
    until_states(&address, &["Healthy"; 50]).await;
    let mut fastest = Duration::MAX;
    for _ in 0..5 {
        let begun = Instant::now();
        ask(&address, "GET", "/v1.41/info", &Value::Null).await;
        fastest = fastest.min(begun.elapsed());
    }
    assert!(fastest < Duration::from_millis(100), "{fastest:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_meaning_on_a_cluster_is_refused_by_name() {
    let (_running, address) = manage(&[Engine::start("node-1", "x", OF_2020).await]);
    for (path, words) in [
        ("/v1.41/services", "swarm mode"),
        ("/v1.41/session", "DOCKER_BUILDKIT=0"),
    ] {
        let (status, refused) = ask(&address, "POST", path, &Value::Null).await;
        assert!(
            status == 501 && refused["message"].as_str().unwrap().contains(words),
            "{refused}"
        );
    }
    let (status, refused) = ask(&address, "GET", "/v1.41/containers/nothing/json", &Value::Null).await;
    assert_eq!(
        (status, refused["message"].as_str()),
        (404, Some("No such container: nothing"))
    );
}

#[test]
fn a_discovery_that_does_not_answer_is_told_in_the_log() {
    let directory = tempfile::tempdir().unwrap();
    let place = format!("file://{}", directory.path().join("missing").display());
    let command = service(&["swarm", "manage", "-H", "tcp://127.0.0.1:0", &place]);
    let (_running, complaint) = Running::start(command, ("Discovery error: ", "\""));
    assert!(complaint.contains("missing"), "{complaint}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_is_an_engines_business() {
    let engine = Engine::start("node-1", "x", OF_2020).await;
    let (_running, address) = manage(std::slice::from_ref(&engine));
    until_states(&address, &["Healthy"]).await;
    let (_, answer) = ask(&address, "GET", "/v1.41/images/search?term=x", &Value::Null).await;
    assert_eq!(
        answer["message"], "page not found: images/search",
        "the engine in memory has none"
    );
}
