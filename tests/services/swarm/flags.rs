//! Flags of the archived image that change what a manager or an agent does.

use super::client::{ask, manage_with, until_states};
use super::engine::Engine;
use super::{Running, service};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::Ordering;

const OF_2020: (&str, &str) = ("1.12", "1.41");

/// Three engines, of which the first two make no containers, and where they are.
async fn two_full_of_three() -> ([Arc<Engine>; 3], String) {
    let engines = [
        Engine::start("node-1", "x", OF_2020).await,
        Engine::start("node-2", "x", OF_2020).await,
        Engine::start("node-3", "x", OF_2020).await,
    ];
    engines[..2]
        .iter()
        .for_each(|engine| engine.full.store(true, Ordering::SeqCst));
    let addresses = engines.each_ref().map(|engine| engine.address.to_string());
    (engines, format!("nodes://{}", addresses.join(",")))
}

fn creates(engine: &Engine) -> usize {
    let asked = engine.asked.lock().unwrap();
    asked
        .iter()
        .filter(|(_, what)| what == "POST /containers/create")
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_an_engine_refuses_is_tried_on_as_many_others_as_was_said() {
    for (retries, status, tried) in [
        (0, 500, [1, 0, 0]),
        (1, 500, [1, 1, 0]),
        (2, 201, [1, 1, 1]),
        (9, 201, [1, 1, 1]),
    ] {
        let (engines, discovery) = two_full_of_three().await;
        let option = format!("swarm.createretry={retries}");
        let (_running, address) = manage_with(&["--cluster-opt", &option, &discovery]);
        until_states(&address, &["Healthy"; 3]).await;
        let body = json!({ "Image": "image" });
        let (code, said) = ask(&address, "POST", "/v1.41/containers/create?name=web", &body).await;
        assert_eq!(code, status, "{retries}: {said}");
        assert_eq!(engines.each_ref().map(|engine| creates(engine)), tried, "{retries}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn when_no_other_engine_will_do_the_last_one_is_quoted() {
    let (engines, discovery) = two_full_of_three().await;
    let (_running, address) = manage_with(&["--cluster-opt", "swarm.createretry=5", &discovery]);
    until_states(&address, &["Healthy"; 3]).await;
    let body = json!({ "Image": "image", "Env": ["constraint:node!=node-3"] });
    let (code, said) = ask(&address, "POST", "/v1.41/containers/create", &body).await;
    assert_eq!((code, &said["message"]), (500, &json!("no space left on device")));
    assert_eq!(engines.each_ref().map(|engine| creates(engine)), [1, 1, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_filters_that_were_chosen_count() {
    let engine = Engine::start("node-1", "x", OF_2020).await;
    let at = format!("nodes://{}", engine.address);
    let (_running, address) = manage_with(&["-f", "port", "-f", "health", &at]);
    until_states(&address, &["Healthy"]).await;
    let (_, info) = ask(&address, "GET", "/v1.41/info", &Value::Null).await;
    assert!(
        info["SystemStatus"]
            .as_array()
            .unwrap()
            .contains(&json!(["Filters", "port, health"]))
    );
    let body = json!({ "Image": "image", "Env": ["constraint:node==nowhere"] });
    assert_eq!(ask(&address, "POST", "/v1.41/containers/create", &body).await.0, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manager_that_is_debugged_logs_the_requests_that_come() {
    let words = [
        "swarm",
        "--debug",
        "manage",
        "-H",
        "tcp://127.0.0.1:0",
        "nodes://127.0.0.1:1",
    ];
    let log = std::process::Stdio::piped();
    let mut child = service(&words).stdout(log).spawn().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    let _running = Running(child);
    let first = lines.next().unwrap().unwrap();
    let address = first.split("addr=").nth(1).unwrap().split(' ').next().unwrap();
    ask(address.trim_matches('"'), "GET", "/v1.41/_ping", &Value::Null).await;
    let wanted = "level=debug msg=\"HTTP request received\" method=GET uri=/v1.41/_ping";
    assert!(lines.map_while(Result::ok).any(|line| line.ends_with(wanted)));
}

#[test]
fn an_agent_waits_before_it_registers_first() {
    let command = service(&["swarm", "join", "--addr=a:1", "--delay", "24h", "token://127.0.0.1:1/0"]);
    let (_running, delay) = Running::start(
        command,
        ("msg=\"Add a random delay ", " to avoid synchronized registration\""),
    );
    assert!(delay.ends_with('s'), "{delay}");
}
