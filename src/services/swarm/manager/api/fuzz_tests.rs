//! What clients send to the manager, and the answers of engines on their way to clients.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_util::sync::CancellationToken;

use super::containers::Listing;
use super::everywhere::{self, List};
use super::names::NamePatterns;
use super::route::Route;
use super::{events, images, server};
use crate::fuzzing::Target;
use crate::swarm::manager::cluster::{
    ApiVersion, Cluster, ClusterOptions, EngineSource, Health, Snapshot, SourceError,
};

/// Knows of no engine.
struct Nobody;

#[async_trait]
impl EngineSource for Nobody {
    async fn addresses(&self) -> Result<Vec<String>, SourceError> {
        Ok(Vec::new())
    }
}

const REQUESTS: &[&str] = &[
    "GET /_ping HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /v1.21/info HTTP/1.1\r\nHost: a\r\n\r\nGET /version HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /v1.41/containers/json?all=1&limit=2&filters=%7B%22name%22%3A%5B%22web%22%5D%7D HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST /v1.41/containers/create?name=node-1%2Fweb HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 53\r\n\r\n{\"Image\":\"a\",\"Env\":[\"constraint:environment==staging\"]}",
    "POST /networks/x/connect HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n11\r\n{\"Container\":\"a\"}\r\n0\r\n\r\n",
    "DELETE /v1.12/volumes/node-1%2Fx HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /events?since=1&until=2&filters={} HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST /build?buildargs=%7B%22constraint%3Anode%22%3A%22a%22%7D&t=x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
    "POST /exec/0a/start HTTP/1.1\r\nHost: a\r\nUpgrade: tcp\r\nConnection: Upgrade\r\nContent-Length: 2\r\n\r\n{}",
];

#[test]
fn fuzz_manager_requests() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let cluster = runtime.block_on(async {
        let cluster = Cluster::start(Arc::new(Nobody), ClusterOptions::default(), CancellationToken::new());
        cluster.settled().await;
        cluster
    });
    let words = [
        "images",
        "containers",
        "/json",
        "?all=1",
        "%2F",
        "HTTP/1.0",
        "plugins",
        "Expect: 100-continue\r\n",
        "\r\n\r\n",
        "?until=1&since=0",
    ];
    Target::new("manager-requests")
        .seeds(REQUESTS)
        .words(words)
        .run(|bytes| {
            runtime.block_on(async {
                let (mut client, theirs) = tokio::io::duplex(1 << 20);
                let serving = tokio::spawn(server::connection(theirs, cluster.clone(), CancellationToken::new()));
                client.write_all(bytes).await.unwrap();
                client.shutdown().await.unwrap();
                let mut answer = Vec::new();
                // Some answers go on for as long as the client likes.
                let read = client.read_buf(&mut answer);
                let _ = tokio::time::timeout(Duration::from_millis(50), read).await;
                serving.abort();
                if let Err(error) = serving.await {
                    assert!(!error.is_panic(), "{error}");
                }
                answer.starts_with(b"HTTP/1.1 2")
            })
        });
}

fn snapshot() -> Arc<Snapshot> {
    let mut snapshot = Snapshot::unknown("10.0.0.1:2375".to_owned(), Health::unknown(SystemTime::now()));
    snapshot.name = "node-1".to_owned();
    Arc::new(snapshot)
}

#[test]
fn fuzz_engine_answers() {
    let container = json!({
        "Id": "0a1b", "Names": ["/web", "/other/web"], "Image": "chat:v1", "Created": 1, "State": "running", "Status": "Up",
        "Ports": [{ "IP": "0.0.0.0", "PublicPort": 80 }, { "IP": "::", "PublicPort": 80 }], "Labels": { "a": "b" },
    });
    let image = json!({ "Id": "sha256:1", "RepoTags": ["chat:v1"], "RepoDigests": null, "Size": 5, "Created": 1 });
    let network = json!([{ "Name": "bridge", "Id": "x", "Scope": "local" }]);
    let volumes = json!({ "Volumes": [{ "Name": "data", "Driver": "local" }] });
    let event = json!({ "status": "start", "from": "chat", "Type": "container", "Actor": { "ID": "0a", "Attributes": { "name": "x" } } });
    let seeds = [container.clone(), json!([image, image]), network, volumes, event].map(|seed| seed.to_string());
    let snapshot = snapshot();
    let patterns = NamePatterns::new(&json!(["^/node-1/", "web("]));
    Target::new("engine-answers").seeds(seeds).run(|bytes| {
        let Ok(value) = serde_json::from_slice::<Value>(bytes) else {
            return false;
        };
        for names in [None, Some(&patterns)] {
            let mut list = Listing::new(Arc::clone(&snapshot), names);
            if list.take(bytes).is_ok() {
                for entry in list.entries() {
                    let shown: Value = serde_json::from_slice(&entry.shown).unwrap();
                    assert_eq!(shown["Id"], value["Id"]);
                }
            }
        }
        let mut all = Vec::new();
        images::add_images(&mut all, value.clone(), Some(ApiVersion::new(1, 21)));
        images::add_images(&mut all, value.clone(), None);
        for kind in ["networks", "volumes"] {
            everywhere::items(value.clone(), kind, Some("node-1"));
        }
        events::on_its_node(&value, &snapshot);
        images::complaint(hyper::StatusCode::OK, bytes);
        true
    });
}

#[test]
fn answers_that_are_no_objects_are_left_out() {
    for odd in [
        json!([1]),
        json!([1, 1]),
        json!(1),
        json!([null]),
        json!({ "Volumes": [1, "x"] }),
    ] {
        let mut all = Vec::new();
        images::add_images(&mut all, odd.clone(), None);
        let items = [
            everywhere::items(odd.clone(), "networks", Some("a")),
            everywhere::items(odd.clone(), "volumes", Some("a")),
        ];
        assert_eq!((all.len(), items.concat().len()), (0, 0), "{odd}");
        assert_eq!(events::on_its_node(&odd, &snapshot()).is_some(), odd.is_object());
    }
    let odd = json!({ "Actor": 1, "from": 2 });
    assert!(events::on_its_node(&odd, &snapshot()).is_some());
}

#[test]
fn fuzz_request_lines() {
    let seeds = [
        "/v1.41/containers/node-1%2Fweb/json?all=1&filters=%7B%7D",
        "/v1.21/info",
        "/events?since=1.5&until=0",
        "/?filters={\"label\":{\"a\":true}}",
    ];
    Target::new("request-lines").seeds(seeds).run(|bytes| {
        let Ok(uri) = hyper::Uri::try_from(bytes) else {
            return false;
        };
        let route = Route::of(&uri);
        route.parts();
        let changed = route.query_with(&[("filters", Some("{\"&=".to_owned())), ("limit", None)]);
        let again = Route {
            query: changed,
            ..route.clone()
        };
        assert_eq!(again.value("filters").as_deref(), Some("{\"&="));
        assert_eq!(again.value("limit"), None);
        let filters = everywhere::filters(&route);
        events::passes(
            &json!({ "Action": "start", "Actor": { "Attributes": { "a": "b" } } }),
            &filters,
        );
        let _ = events::moment(&route, "since");
        true
    });
}
