//! An engine with very many containers: what the manager needs for them, and how soon it lists them.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::client::{manage_at, send, states};

/// How many containers there are: as many as a debug build can inspect in a short test; 100,000 in `scripts/soak --fuzz`.
fn count() -> usize {
    let asked = std::env::var("LABCTL_MANY_CONTAINERS").ok();
    asked.map_or(2_000, |asked| asked.parse().unwrap())
}

/// What 100,000 containers may take of memory and time in a release build.
const MEMORY: usize = 300 << 20;
const TIME: Duration = Duration::from_secs(1);

fn id(number: usize) -> String {
    format!("{number:08x}{}", "0".repeat(56))
}

fn labels(number: usize) -> Value {
    json!({
        "com.docker.compose.project": "chat", "com.docker.compose.service": "web", "com.docker.compose.container-number": number.to_string(),
        "com.docker.compose.config-hash": "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        "com.docker.swarm.id": "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    })
}

fn listed(number: usize) -> Value {
    json!({
        "Id": id(number), "Names": [format!("/chat_web_{number}")], "Image": "chat:v1", "ImageID": "sha256:1", "Command": "python webapp.py",
        "Created": 1_700_000_000 + number, "State": "exited", "Status": "Exited (0) 2 hours ago", "Ports": [], "Labels": labels(number),
        "HostConfig": { "NetworkMode": "chat_default" }, "Mounts": [],
        "NetworkSettings": { "Networks": { "chat_default": { "NetworkID": "", "EndpointID": "", "Gateway": "", "IPAddress": "" } } },
    })
}

fn inspected(number: usize) -> Value {
    json!({
        "Id": id(number), "Name": format!("/chat_web_{number}"), "Created": "2026-01-01T00:00:00.123456789Z", "Image": "sha256:1",
        "State": { "Status": "exited", "Running": false, "StartedAt": "2026-01-01T00:00:01Z" },
        "HostConfig": { "NetworkMode": "chat_default", "Memory": 0, "CpuShares": 0 },
        "Config": { "Image": "chat:v1", "Env": vec!["SOME_VARIABLE=some value of it"; 20], "Labels": labels(number) },
        "NetworkSettings": { "Ports": {} },
    })
}

/// Starts an engine with that many containers, which it lists without making the list anew each time.
async fn engine(containers: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let all: Vec<String> = (0..containers).map(|number| listed(number).to_string()).collect();
    let list = Arc::new(Bytes::from(format!("[{}]", all.join(","))));
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let list = Arc::clone(&list);
            tokio::spawn(async move {
                let service = service_fn(move |request| {
                    let list = Bytes::clone(&list);
                    async move { Ok::<_, Infallible>(answer(&request, list)) }
                });
                // The manager hangs up when it has enough.
                let _ = http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    });
    address
}

fn answer(request: &Request<Incoming>, list: Bytes) -> Response<UnsyncBoxBody<Bytes, Infallible>> {
    let path = request.uri().path().trim_start_matches("/v1.41");
    let value = match path {
        "/containers/json" => return Response::new(Full::new(list).boxed_unsync()),
        "/events" => {
            let never = futures_util::stream::pending::<Result<Frame<Bytes>, Infallible>>();
            return Response::new(StreamBody::new(never).boxed_unsync());
        }
        "/version" => json!({ "Version": "sim", "ApiVersion": "1.41", "MinAPIVersion": "1.12" }),
        "/info" => json!({ "ID": "ID-1", "Name": "node-1", "NCPU": 2, "MemTotal": 4_u64 << 30, "Labels": [] }),
        "/volumes" => json!({ "Volumes": [] }),
        path => match path.strip_prefix("/containers/").and_then(|rest| rest.get(..8)) {
            Some(number) => inspected(usize::from_str_radix(number, 16).unwrap()),
            None => json!([]),
        },
    };
    Response::new(Full::new(Bytes::from(value.to_string())).boxed_unsync())
}

/// The most memory that process `pid` has had, in bytes.
fn peak_memory(pid: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn very_many_containers_take_little_memory_and_are_listed_soon() {
    let count = count();
    let (running, address) = manage_at(&format!("nodes://{}", engine(count).await));
    let began = Instant::now();
    while states(&address).await != ["Healthy"] {
        assert!(
            began.elapsed() < Duration::from_secs(300),
            "the manager does not get to know them"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let known = began.elapsed();
    let began = Instant::now();
    let answer = send(&address, "GET", "/v1.41/containers/json?all=1", (&Value::Null, &[])).await;
    let listed = answer.into_body().collect().await.unwrap().to_bytes();
    let took = began.elapsed();
    let memory = peak_memory(running.0.id());
    eprintln!(
        "{count} containers: known after {known:?}, listed in {took:?}, at most {} MB",
        memory >> 20
    );
    let listed: Vec<Value> = serde_json::from_slice(&listed).unwrap();
    assert_eq!(listed.len(), count);
    assert_eq!(
        listed[0]["Names"][0],
        format!("/node-1/chat_web_{}", count - 1),
        "the newest first"
    );
    // The program itself takes some of either, and a debug build is slower by far.
    assert!(
        memory < (MEMORY / 100_000 * count).max(100 << 20),
        "{} MB",
        memory >> 20
    );
    assert!(
        took < (TIME * u32::try_from(count).unwrap() / 100_000).max(TIME),
        "{took:?}"
    );
}
