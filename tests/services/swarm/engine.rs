//! An engine in memory, for what needs many of them or one that dies at the right moment. The real ones are in `tests/end_to_end`.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub(super) type Body = http_body_util::combinators::UnsyncBoxBody<Bytes, Infallible>;

/// What an engine is, and what it keeps when it is down.
#[derive(Debug)]
pub struct Engine {
    pub address: SocketAddr,
    pub(super) name: String,
    pub(super) label: String,
    pub(super) versions: (&'static str, &'static str),
    pub(super) containers: Mutex<Vec<Value>>,
    pub(super) images: Mutex<Vec<Value>>,
    /// The names of its volumes.
    pub volumes: Mutex<BTreeSet<String>>,
    pub(super) made: AtomicUsize,
    /// The requests that came, each as its version, method and path; the version is empty where none was said.
    pub asked: Mutex<Vec<(String, String)>>,
    /// Whether it answers nothing but that it is broken.
    broken: AtomicBool,
    /// Whether it makes no containers.
    pub full: AtomicBool,
    refused: AtomicUsize,
    cut: Notify,
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
            images: Mutex::new(vec![
                json!({ "Id": "sha256:1", "RepoTags": ["chat:v1"], "Size": 5, "Created": "2026-01-01T00:00:00Z", "Config": {} }),
            ]),
            volumes: Mutex::default(),
            made: AtomicUsize::new(0),
            asked: Mutex::default(),
            broken: AtomicBool::new(false),
            full: AtomicBool::new(false),
            refused: AtomicUsize::new(0),
            cut: Notify::new(),
            stop: Mutex::default(),
        });
        engine.clone().serve(listener);
        engine
    }

    /// Gives it an image of the repository `name` with `tags`, made at the time `created`.
    pub fn put_image(&self, name: &str, tags: &[&str], created: &str) {
        let tags: Vec<String> = tags.iter().map(|tag| format!("{name}:{tag}")).collect();
        let image =
            json!({ "Id": format!("sha256:{created}"), "RepoTags": tags, "Size": 5, "Created": created, "Config": {} });
        self.images.lock().unwrap().push(image);
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

    /// Ends every connection, and from now on answers that it is broken; or answers well again.
    pub fn break_down(&self, broken: bool) {
        self.broken.store(broken, Ordering::SeqCst);
        self.cut_off();
    }

    /// Ends every connection, and goes on.
    pub fn cut_off(&self) {
        self.cut.notify_waiters();
    }

    /// How often it answered that it is broken.
    pub fn refused(&self) -> usize {
        self.refused.load(Ordering::SeqCst)
    }

    /// The names of its containers.
    pub fn names(&self) -> Vec<String> {
        let containers = self.containers.lock().unwrap();
        let name = |one: &Value| one["Name"].as_str().unwrap().to_owned();
        containers.iter().map(name).collect()
    }

    /// The versions that requests named.
    pub fn versions_asked(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        asked.iter().map(|(version, _)| version.clone()).collect()
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
                    let answering = engine.clone();
                    let service = service_fn(move |request| {
                        let engine = answering.clone();
                        async move { Ok::<_, Infallible>(engine.answer(request).await) }
                    });
                    let serving = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                    tokio::select! {
                        () = stop.cancelled() => {}
                        () = engine.cut.notified() => {}
                        _ = serving.with_upgrades() => {}
                    }
                });
            }
        });
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let path = request.uri().path().trim_start_matches('/').to_owned();
        let (version, path) = match path.split_once('/') {
            Some((version, rest)) if version.starts_with("v1.") => (version.to_owned(), rest.to_owned()),
            _ => (String::new(), path),
        };
        let asked = format!("{} /{path}", request.method());
        self.asked.lock().unwrap().push((version.clone(), asked));
        if self.broken.load(Ordering::SeqCst) {
            self.refused.fetch_add(1, Ordering::SeqCst);
            return refused(500, "broken");
        }
        if let Some(refusal) = self.refuses(&version) {
            return refusal;
        }
        self.api(&path, request).await
    }

    /// What an engine says to a client that it does not understand.
    fn refuses(&self, version: &str) -> Option<Response<Body>> {
        let number = |text: &str| text.split_once('.').unwrap().1.parse::<u16>().unwrap();
        let wanted = version.strip_prefix('v').map(number)?;
        let (oldest, newest) = self.versions;
        let message = if wanted < number(oldest) {
            format!("client version 1.{wanted} is too old. Minimum supported API version is {oldest}")
        } else if wanted > number(newest) {
            format!("client version 1.{wanted} is too new. Maximum supported API version is {newest}")
        } else {
            return None;
        };
        Some(refused(400, &message))
    }
}

pub(super) fn refused(status: u16, message: &str) -> Response<Body> {
    whole(status, &json!({ "message": message }))
}

pub(super) fn whole(status: u16, value: &Value) -> Response<Body> {
    let mut answer = Response::new(Full::new(Bytes::from(value.to_string())).boxed_unsync());
    *answer.status_mut() = hyper::StatusCode::from_u16(status).unwrap();
    answer
}
