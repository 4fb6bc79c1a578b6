//! Connections, and which part of the API a request belongs to.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::HeaderValue;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::{interval, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::answer::{Answer, Refused, as_text, json_answer, whole};
use super::route::Route;
use super::{containers, create, events, everywhere, images, networks, views, volumes};
use crate::swarm::log::log;
use crate::swarm::manager::cluster::{ApiVersion, Cluster};

/// How many clients are served at once.
const MOST_CONNECTIONS: usize = 2000;
/// How long a client may take for the head of a request.
const HEAD_PATIENCE: Duration = Duration::from_secs(30);
/// From this version on clients read refusals as JSON.
const JSON_REFUSALS: ApiVersion = ApiVersion::new(1, 24);
/// The pause after the system refused a connection.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// A manager that serves.
#[derive(Debug)]
pub(in super::super) struct Server {
    cluster: Cluster,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Server {
    pub(in super::super) fn new(cluster: Cluster) -> Self {
        Self {
            cluster,
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        }
    }

    /// Serves on all of `listeners`; does not end by itself.
    pub(in super::super) async fn serve(&self, listeners: &[TcpListener]) {
        let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
        let accepting = listeners
            .iter()
            .map(|listener| self.accept(listener, Arc::clone(&places)));
        futures_util::future::join_all(accepting).await;
    }

    /// Lets requests that go on end within `patience`.
    pub(in super::super) async fn finish(&self, patience: Duration) {
        self.stop.cancel();
        self.tasks.close();
        // Streams that nobody ends, such as events, are cut.
        let _ = timeout(patience, self.tasks.wait()).await;
    }

    async fn accept(&self, listener: &TcpListener, places: Arc<Semaphore>) {
        let mut again = interval(ACCEPT_AGAIN);
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                return;
            };
            let Ok((stream, _)) = listener.accept().await else {
                again.tick().await;
                continue;
            };
            // Without it small answers wait for the client's acknowledgement.
            let _ = stream.set_nodelay(true);
            let (cluster, stop) = (self.cluster.clone(), self.stop.clone());
            self.tasks.spawn(async move {
                // A client that goes away is no event of ours.
                let _ = connection(stream, cluster, stop).await;
                drop(place);
            });
        }
    }
}

/// Serves one client.
pub(super) async fn connection(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    cluster: Cluster,
    stop: CancellationToken,
) -> hyper::Result<()> {
    let service = service_fn(move |request| {
        let cluster = cluster.clone();
        async move { Ok::<_, Infallible>(answer(&cluster, request).await) }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_PATIENCE)
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut serving = std::pin::pin!(serving);
    tokio::select! {
        ended = serving.as_mut() => ended,
        () = stop.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    }
}

async fn answer(cluster: &Cluster, request: Request<Incoming>) -> Answer {
    log(
        "debug",
        "HTTP request received",
        &[
            ("method", request.method().as_str()),
            ("uri", &request.uri().to_string()),
        ],
    );
    let route = Route::of(request.uri());
    let mut answer = match dispatch(cluster, &route, request).await {
        Ok(answer) => answer,
        Err(refused) => refused.answer(),
    };
    let is_refusal = answer.status().is_client_error() || answer.status().is_server_error();
    if is_refusal && route.version.is_some_and(|version| version < JSON_REFUSALS) {
        answer = as_text(answer).await;
    }
    let headers = answer.headers_mut();
    if let Ok(version) = HeaderValue::from_str(&views::newest_version(cluster).to_string()) {
        headers.insert("api-version", version);
    }
    headers.insert("ostype", HeaderValue::from_static("linux"));
    headers.insert("server", HeaderValue::from_static("swarm/1.2.9"));
    answer
}

async fn dispatch(cluster: &Cluster, route: &Route, request: Request<Incoming>) -> Result<Answer, Refused> {
    let (kind, rest) = route.parts();
    let method = request.method().clone();
    match (&method, kind.as_str(), rest.as_str()) {
        (&Method::GET | &Method::HEAD, "_ping", "") => return Ok(whole(StatusCode::OK, b"OK".to_vec())),
        (&Method::GET, "version", "") => return Ok(json_answer(&views::version(cluster))),
        (&Method::GET, "info", "") => return Ok(json_answer(&views::info(cluster, route.version))),
        (&Method::GET, "events", "") => return events::events(cluster, route),
        _ => {}
    }
    // A manager that has just begun would answer for the engines that it knows already, and double what the others have.
    cluster.settled().await;
    match (&method, kind.as_str(), rest.as_str()) {
        (&Method::GET, "containers", "json" | "ps") => containers::list(cluster, route).await,
        (&Method::POST, "containers", "create") => create::create(cluster, route, request).await,
        (&Method::POST, "containers" | "images" | "networks" | "volumes" | "build", "prune") => {
            Err(on_each_node(&format!("docker {} prune", kind.trim_end_matches('s'))))
        }
        (_, "containers", _) => containers::one(cluster, route, &rest, request).await,
        (_, "exec", _) => containers::exec(cluster, route, &rest, request).await,
        (&Method::GET, "images", "json") => images::list(cluster, route).await,
        (&Method::POST, "images", "create") => images::pull(cluster, route, &request),
        (&Method::GET, "images", "search") => everywhere::any(cluster, route, request).await,
        (_, "images", "load") => Err(on_each_node("docker load")),
        (_, "images", "get") => Err(on_each_node("docker save")),
        (&Method::POST, "build", "") => images::build(cluster, route, request).await,
        (_, "images", _) => images::one(cluster, route, &rest, request).await,
        (&Method::POST, "auth", "") => everywhere::any(cluster, route, request).await,
        (&Method::POST, "commit", "") => containers::commit(cluster, route, request).await,
        (_, "networks" | "volumes", _) => of_networks_and_volumes(cluster, route, (&kind, &rest), request).await,
        _ => Err(no_answer(&method, &kind, &rest)),
    }
}

/// What the manager says of all that it does not do, and what to use.
fn no_answer(method: &Method, kind: &str, rest: &str) -> Refused {
    match (kind, rest) {
        // `docker inspect` asks for a plugin last, and reads in 404 that it may say that there is no such thing.
        ("plugins", _) if *method == Method::GET && rest.ends_with("/json") => {
            let name = rest.trim_end_matches("/json");
            Refused::new(StatusCode::NOT_FOUND, format!("plugin {name:?} not found"))
        }
        ("session" | "grpc", _) => Refused::not_here("BuildKit; build with DOCKER_BUILDKIT=0"),
        ("swarm" | "services" | "nodes" | "tasks" | "secrets" | "configs", _) => {
            Refused::not_here("swarm mode; this is classic Swarm, use docker run and docker-compose")
        }
        ("system", "df") => on_each_node("docker system df"),
        ("plugins", _) => on_each_node("docker plugin"),
        _ => on_each_node(&format!("{method} /{kind}/{rest}")),
    }
}

async fn of_networks_and_volumes(
    cluster: &Cluster,
    route: &Route,
    (kind, rest): (&str, &str),
    request: Request<Incoming>,
) -> Result<Answer, Refused> {
    match (request.method(), kind, rest) {
        (&Method::GET, _, "") => everywhere::list(cluster, route, kind).await,
        (&Method::POST, "networks", "create") => networks::create(cluster, route, request).await,
        (&Method::POST, "volumes", "create") => volumes::create(cluster, route, request).await,
        (&Method::POST, "networks", _) => match rest.rsplit_once('/') {
            Some((name, verb @ ("connect" | "disconnect"))) => {
                networks::attach(cluster, route, (name, verb), request).await
            }
            _ => Err(on_each_node(&format!("POST {}", route.path))),
        },
        (&Method::DELETE, "volumes", name) => volumes::remove(cluster, route, name).await,
        (_, _, "") => Err(on_each_node(&format!("{} {}", request.method(), route.path))),
        _ => everywhere::one(cluster, route, (kind, rest), request).await,
    }
}

/// What is to be done on the engines themselves, `command` or a request.
fn on_each_node(command: &str) -> Refused {
    let how = match command.strip_prefix("docker ") {
        Some(command) => format!("{command}; do it on each node: docker -H tcp://NODE:2375 {command}"),
        None => format!("{command}; ask each node: docker -H tcp://NODE:2375"),
    };
    Refused::not_here(&how)
}
