//! An engine in memory, for what needs many of them or one that dies at the right moment. The real ones are in `tests/nodes`.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

type Body = http_body_util::combinators::UnsyncBoxBody<Bytes, Infallible>;

/// What an engine is, and what it keeps when it is down.
#[derive(Debug)]
pub struct Engine {
    pub address: SocketAddr,
    name: String,
    label: String,
    versions: (&'static str, &'static str),
    containers: Mutex<Vec<Value>>,
    /// The versions that requests came in.
    pub asked: Mutex<Vec<String>>,
    stop: Mutex<CancellationToken>,
}

impl Engine {
    /// Starts an engine whose label is `environment=LABEL` and which speaks `versions`, the oldest first.
    pub async fn start(name: &str, label: &str, versions: (&'static str, &'static str)) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let engine = Arc::new(Self {
            address: listener.local_addr().unwrap(),
            name: name.to_owned(),
            label: label.to_owned(),
            versions,
            containers: Mutex::default(),
            asked: Mutex::default(),
            stop: Mutex::default(),
        });
        engine.clone().serve(listener);
        engine
    }

    /// Ends every connection and listens no more.
    pub fn kill(&self) {
        self.stop.lock().unwrap().cancel();
    }

    /// Listens again where it did, with what it had.
    pub async fn revive(self: &Arc<Self>) {
        *self.stop.lock().unwrap() = CancellationToken::new();
        let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(5);
        let listener = loop {
            match TcpListener::bind(self.address).await {
                Ok(listener) => break listener,
                Err(error) => assert!(tokio::time::Instant::now() < deadline, "{error}"),
            }
            tokio::task::yield_now().await;
        };
        self.clone().serve(listener);
    }

    /// The names of its containers.
    pub fn names(&self) -> Vec<String> {
        let containers = self.containers.lock().unwrap();
        containers
            .iter()
            .map(|one| one["Name"].as_str().unwrap().to_owned())
            .collect()
    }

    fn serve(self: Arc<Self>, listener: TcpListener) {
        let stop = self.stop.lock().unwrap().clone();
        tokio::spawn(async move {
            loop {
                let stream = tokio::select! {
                    () = stop.cancelled() => return,
                    accepted = listener.accept() => accepted.unwrap().0,
                };
                let (engine, stop) = (self.clone(), stop.clone());
                tokio::spawn(async move {
                    let service = service_fn(move |request| {
                        let engine = engine.clone();
                        async move { Ok::<_, Infallible>(engine.answer(request).await) }
                    });
                    let serving = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                    tokio::select! {
                        () = stop.cancelled() => {}
                        _ = serving => {}
                    }
                });
            }
        });
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let (head, body) = request.into_parts();
        let path = head.uri.path().trim_start_matches('/');
        let (version, path) = match path.split_once('/') {
            Some((version, rest)) if version.starts_with("v1.") => (version, rest),
            _ => ("", path),
        };
        self.asked.lock().unwrap().push(version.to_owned());
        let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let parts: Vec<&str> = path.split('/').collect();
        match (&head.method, parts.as_slice()) {
            (_, ["version"]) => whole(
                200,
                &json!({ "Version": "sim", "ApiVersion": self.versions.1, "MinAPIVersion": self.versions.0, "Os": "linux" }),
            ),
            (_, ["info"]) => whole(
                200,
                &json!({
                    "ID": format!("ID-{}", self.name), "Name": self.name, "NCPU": 2, "MemTotal": 4_u64 << 30,
                    "Labels": [format!("environment={}", self.label)], "Driver": "overlay2", "KernelVersion": "6",
                    "OperatingSystem": "test", "OSType": "linux", "ServerVersion": "sim",
                }),
            ),
            (_, ["events"]) => {
                let never = futures_util::stream::pending::<Result<Frame<Bytes>, Infallible>>();
                Response::new(StreamBody::new(never).boxed_unsync())
            }
            (_, ["containers", "json"]) => {
                let containers = self.containers.lock().unwrap();
                let listed = containers.iter().map(|one| {
                    json!({
                        "Id": one["Id"], "Names": [one["Name"]], "Image": "image", "Created": 1, "State": "running",
                        "Status": "Up", "Ports": [{ "IP": "0.0.0.0", "PublicPort": 80, "PrivatePort": 80, "Type": "tcp" }],
                        "Labels": one["Config"]["Labels"],
                    })
                });
                whole(200, &listed.collect())
            }
            (&Method::POST, ["containers", "create"]) => {
                let query = form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes());
                let name = query
                    .into_iter()
                    .find(|(key, _)| key == "name")
                    .map(|(_, name)| name.into_owned());
                let mut containers = self.containers.lock().unwrap();
                let id = format!(
                    "{:064x}",
                    u64::from(self.address.port()) << 32 | containers.len() as u64
                );
                let config: Value = serde_json::from_slice(&body).unwrap();
                containers.push(json!({
                    "Id": id, "Name": format!("/{}", name.unwrap_or_default()), "Config": config, "Created": "2026-01-01T00:00:00Z",
                    "State": { "Status": "running", "Running": true }, "HostConfig": config["HostConfig"], "Image": "sha256:1",
                }));
                whole(201, &json!({ "Id": id, "Warnings": [] }))
            }
            (_, ["containers", id, "json"]) => {
                let containers = self.containers.lock().unwrap();
                match containers.iter().find(|one| one["Id"] == *id) {
                    Some(found) => whole(200, found),
                    None => whole(404, &json!({ "message": "No such container" })),
                }
            }
            (_, ["images", "json"] | ["networks"]) => whole(200, &json!([])),
            (_, ["volumes"]) => whole(200, &json!({ "Volumes": [] })),
            _ => whole(404, &json!({ "message": format!("page not found: {path}") })),
        }
    }
}

fn whole(status: u16, value: &Value) -> Response<Body> {
    let mut answer = Response::new(Full::new(Bytes::from(value.to_string())).boxed_unsync());
    *answer.status_mut() = hyper::StatusCode::from_u16(status).unwrap();
    answer
}
