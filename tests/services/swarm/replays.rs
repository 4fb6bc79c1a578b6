//! What clients of API 1.21 asked, recorded in front of a manager of two real engines and asked again.
//!
//! A line of a record is a request; `{NAME#2}` stands for the id of the second container that was made with that name,
//! `{NAME#2:12}` for its first twelve digits, and `{exec}` for the id of the last exec.

use super::client::{ask, ask_text, manage, send, until_states};
use super::engine::Engine;
use regex::Regex;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const OF_2020: (&str, &str) = ("1.12", "1.41");
const OF_TODAY: (&str, &str) = ("1.44", "1.52");

/// The ids that the manager gave this time.
#[derive(Default)]
struct Ids(HashMap<String, Vec<String>>);

impl Ids {
    fn put_in(&self, path: &str) -> String {
        let pattern = Regex::new(r"\{([a-z0-9_]+)(?:#(\d+))?(?::(\d+))?\}").unwrap();
        let id = |found: &regex::Captures<'_>| {
            let ids = &self.0[&found[1]];
            let nth = found.get(2).map_or(ids.len(), |nth| nth.as_str().parse().unwrap());
            let length = found.get(3).map_or(64, |length| length.as_str().parse().unwrap());
            ids[nth - 1][..length].to_owned()
        };
        pattern.replace_all(path, id).into_owned()
    }

    fn note(&mut self, path: &str, answer: &Value) {
        let Some(id) = answer["Id"].as_str() else { return };
        if let Some((_, name)) = path.split_once("create?name=") {
            self.0.entry(name.to_owned()).or_default().push(id.to_owned());
        } else if path.ends_with("/exec") {
            self.0.entry("exec".to_owned()).or_default().push(id.to_owned());
        }
    }
}

/// Asks everything in `record`, and fails at the first refusal.
async fn replay(address: &str, record: &str) -> usize {
    let mut ids = Ids::default();
    let mut count = 0;
    for line in record.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let (method, path) = (
            line["method"].as_str().unwrap(),
            ids.put_in(line["path"].as_str().unwrap()),
        );
        let status = if line["upgrade"] == true {
            talk(address, &path, &line["body"]).await
        } else {
            let (status, answer) = ask(address, method, &path, &line["body"]).await;
            ids.note(&path, &answer);
            assert!(status < 400, "{method} {path}: {status} {answer}");
            status
        };
        assert!((101..400).contains(&status), "{method} {path}: {status}");
        count += 1;
    }
    count
}

/// Asks for a stream, says something, says that it is all, and hears the same.
async fn talk(address: &str, path: &str, body: &Value) -> u16 {
    let headers = [("connection", "Upgrade"), ("upgrade", "tcp")];
    let mut answer = send(address, "POST", path, (body, &headers)).await;
    let upgraded = hyper::upgrade::on(&mut answer).await.unwrap();
    let mut stream = hyper_util::rt::TokioIo::new(upgraded);
    stream.write_all(b"hello").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard, b"hello");
    answer.status().as_u16()
}

const COMPOSE: &str = include_str!("requests/compose-1.29-api-1.21.jsonl");
const DOCKER: &str = include_str!("requests/docker-20.10-api-1.21.jsonl");

async fn two_engines(versions: (&'static str, &'static str)) -> [Arc<Engine>; 2] {
    [
        Engine::start("node-1", "staging", versions).await,
        Engine::start("node-2", "production", versions).await,
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn compose_of_then_makes_recreates_scales_and_removes_a_project() {
    for versions in [OF_2020, OF_TODAY] {
        let engines = two_engines(versions).await;
        let (_running, address) = manage(&engines);
        until_states(&address, &["Healthy", "Healthy"]).await;
        assert!(replay(&address, COMPOSE).await > 80);
        let [staging, production] = &engines;
        assert_eq!(
            (staging.names(), production.names()),
            (vec![], vec![]),
            "all were removed"
        );
        let creates = |engine: &Engine| {
            let asked = engine.asked.lock().unwrap();
            let creates = asked.iter().filter(|(_, asked)| asked == "POST /containers/create");
            creates.map(|(version, _)| version.clone()).collect::<Vec<_>>()
        };
        let spoken = if versions == OF_2020 { "v1.21" } else { "v1.44" };
        assert_eq!(creates(staging), Vec::<String>::new());
        assert_eq!(creates(production), [spoken; 4], "db, web, web again and its second");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_docker_client_of_then_runs_looks_executes_and_removes() {
    for versions in [OF_2020, OF_TODAY] {
        let engines = two_engines(versions).await;
        let (_running, address) = manage(&engines);
        until_states(&address, &["Healthy", "Healthy"]).await;
        assert_eq!(replay(&address, DOCKER).await, 14);
        assert_eq!(engines[0].names(), Vec::<String>::new());
        let versions_of_staging = engines[0].versions_asked();
        assert_eq!(versions_of_staging.contains(&"v1.21".to_owned()), versions == OF_2020);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_client_reads_of_an_image_what_engines_of_today_leave_out() {
    let engine = Engine::start("node-1", "x", OF_TODAY).await;
    let (_running, address) = manage(std::slice::from_ref(&engine));
    until_states(&address, &["Healthy"]).await;
    let (_, image) = ask(&address, "GET", "/v1.21/images/chat:v1/json", &Value::Null).await;
    assert_eq!(
        (&image["ContainerConfig"], &image["VirtualSize"]),
        (&json!({}), &json!(5))
    );
    let (_, info) = ask(&address, "GET", "/v1.21/info", &Value::Null).await;
    assert_eq!(info["DriverStatus"][3], json!(["Nodes", "1"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_client_reads_refusals_as_text_and_a_new_one_as_json() {
    let engine = Engine::start("node-1", "x", OF_TODAY).await;
    let (_running, address) = manage(std::slice::from_ref(&engine));
    until_states(&address, &["Healthy"]).await;
    let nowhere = json!({ "Image": "chat:v1", "Env": ["constraint:environment==y"] });
    let (status, text) = ask_text(&address, "POST", "/v1.23/containers/create", &nowhere).await;
    assert_eq!(status, 500);
    assert_eq!(
        text,
        "Unable to find a node that satisfies the following conditions: [constraint:environment==y (soft=false)]\n\
         node-1: has environment=x (constraint)\n"
    );
    // The engine's own words, too.
    let (status, text) = ask_text(&address, "GET", "/v1.21/images/search?term=x", &Value::Null).await;
    assert_eq!((status, text.as_str()), (404, "page not found: images/search\n"));
    let (status, answer) = ask(&address, "POST", "/v1.24/containers/create", &nowhere).await;
    assert!(status == 500 && answer["message"].is_string(), "{answer}");
}
