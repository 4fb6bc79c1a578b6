//! A manager that is followed, with a proxy in memory behind it. A real HAProxy is in `tests/services/interlock`.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, server::conn::http1};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{broadcast, mpsc};
use tokio_util::sync::CancellationToken;

use super::applied::{Applied, Proxy};
use super::config::tests::settings;
use super::containers::Machine;
use super::docker_api::DockerApi;
use super::serve::Balancer;
use super::watch::watch;

/// How long anything here may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A manager in memory, with the containers that it lists.
struct Manager {
    address: std::net::SocketAddr,
    containers: Mutex<Vec<Value>>,
    events: broadcast::Sender<Value>,
    looks: Mutex<usize>,
    inspections: Mutex<usize>,
    /// The number of a container that cannot be asked about.
    broken: Mutex<Option<u16>>,
    stop: Mutex<CancellationToken>,
}

impl Manager {
    async fn start() -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let manager = Arc::new(Self {
            address: listener.local_addr().unwrap(),
            containers: Mutex::default(),
            events: broadcast::channel(1000).0,
            looks: Mutex::default(),
            inspections: Mutex::default(),
            broken: Mutex::default(),
            stop: Mutex::default(),
        });
        manager.clone().serve(listener);
        manager
    }

    fn serve(self: Arc<Self>, listener: TcpListener) {
        let stop = self.stop.lock().unwrap().clone();
        tokio::spawn(stop.clone().run_until_cancelled_owned(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let manager = self.clone();
                let service = service_fn(move |request| {
                    let manager = manager.clone();
                    async move { Ok::<_, Infallible>(manager.answer(&request)) }
                });
                let serving = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                tokio::spawn(stop.clone().run_until_cancelled_owned(serving));
            }
        }));
    }

    fn stop(&self) {
        self.stop.lock().unwrap().cancel();
    }

    async fn come_back(self: &Arc<Self>) {
        *self.stop.lock().unwrap() = CancellationToken::new();
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let listener = loop {
            match TcpListener::bind(self.address).await {
                Ok(listener) => break listener,
                Err(error) => assert!(tokio::time::Instant::now() < deadline, "{error}"),
            }
            tokio::task::yield_now().await;
        };
        self.clone().serve(listener);
    }

    fn answer(&self, request: &Request<Incoming>) -> Response<UnsyncBoxBody<Bytes, Infallible>> {
        let containers = self.containers.lock().unwrap().clone();
        let found = match request.uri().path() {
            "/events" => {
                let stream = futures_util::stream::unfold(self.events.subscribe(), async |mut events| {
                    let event = events.recv().await.ok()?;
                    Some((Ok(Frame::data(Bytes::from(format!("{event}\n")))), events))
                });
                return Response::new(StreamBody::new(stream).boxed_unsync());
            }
            "/containers/json" => {
                *self.looks.lock().unwrap() += 1;
                json!(containers)
            }
            path => {
                *self.inspections.lock().unwrap() += 1;
                let broken = *self.broken.lock().unwrap();
                if broken.is_some_and(|number| path == format!("/containers/{number:064x}/json")) {
                    let mut failed = Response::new(Full::default().boxed_unsync());
                    *failed.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                    return failed;
                }
                let is_it = |one: &&Value| path == format!("/containers/{}/json", one["Id"].as_str().unwrap());
                containers.iter().find(is_it).cloned().unwrap_or_default()
            }
        };
        Response::new(Full::new(Bytes::from(found.to_string())).boxed_unsync())
    }

    /// Runs containers with these numbers and no others, each with the event for it.
    fn run(&self, numbers: &[u16], data: &str) {
        let container = |number: &u16| {
            json!({
                "Id": format!("{number:064x}"), "Name": format!("/node-1/web_{number}"), "State": { "Running": true },
                "Config": { "Env": [format!("INTERLOCK_DATA={data}")] },
                "NetworkSettings": { "Ports": { "80/tcp": [{ "HostIp": "10.0.0.1", "HostPort": number.to_string() }] } },
            })
        };
        *self.containers.lock().unwrap() = numbers.iter().map(container).collect();
        for _ in numbers {
            // Nobody may be listening yet.
            let _ = self
                .events
                .send(json!({ "status": "start", "Type": "container", "Action": "start" }));
        }
    }
}

/// A proxy that remembers what it was given, and refuses what has the word `refused` in it.
#[derive(Clone)]
struct Recorder {
    path: PathBuf,
    loaded: Arc<Mutex<Vec<String>>>,
    trials: Arc<Mutex<usize>>,
}

impl Proxy for Recorder {
    async fn validate(&self, path: &Path) -> Result<(), String> {
        *self.trials.lock().unwrap() += 1;
        let text = fs_err::read_to_string(path).unwrap();
        if text.contains("refused") {
            Err("a word".to_owned())
        } else {
            Ok(())
        }
    }

    async fn reload(&mut self) -> Result<(), String> {
        let text = fs_err::read_to_string(&self.path).unwrap();
        self.loaded.lock().unwrap().push(text);
        Ok(())
    }

    async fn ended(&mut self) -> String {
        std::future::pending().await
    }

    async fn restart(&mut self) -> Result<(), String> {
        Err("it has no process".to_owned())
    }
}

impl Recorder {
    fn reloads(&self) -> usize {
        self.loaded.lock().unwrap().len()
    }

    /// The servers of the last configuration.
    fn servers(&self) -> usize {
        let loaded = self.loaded.lock().unwrap();
        loaded.last().map_or(0, |text| text.matches("    server ").count())
    }
}

/// Follows `manager` while `story` goes on.
async fn follow(manager: &Arc<Manager>, story: impl AsyncFnOnce(Recorder)) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("proxy.conf");
    let recorder = Recorder {
        path: path.clone(),
        loaded: Arc::default(),
        trials: Arc::default(),
    };
    let api = DockerApi::new(&manager.address.to_string());
    let (sender, mut changes) = mpsc::channel(16);
    let applied = Applied::new(recorder.clone(), settings(), path, String::new());
    let mut balancer = Balancer::new(api.clone(), Machine::default(), applied);
    let watching = tokio::spawn(watch(api, sender, balancer.doubt.clone()));
    tokio::select! {
        never = balancer.follow(&mut changes) => match never {},
        () = story(recorder) => {}
    }
    watching.abort();
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !holds() {
        assert!(tokio::time::Instant::now() < deadline, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

const CHAT: &str = r#"{"hostname":"dockchat.com","domain":"dockchat.com"}"#;

#[tokio::test]
async fn a_burst_of_containers_makes_one_reload_and_nothing_new_makes_none() {
    let manager = Manager::start().await;
    follow(&manager, async |proxy| {
        until("the first configuration", || proxy.reloads() == 1).await;
        manager.run(&(1..=50).collect::<Vec<_>>(), CHAT);
        until("50 servers", || proxy.servers() == 50).await;
        assert_eq!(proxy.reloads(), 2);
        let inspections = *manager.inspections.lock().unwrap();
        manager.run(&(1..=50).collect::<Vec<_>>(), CHAT);
        until("another look to its end", || {
            *manager.inspections.lock().unwrap() == inspections + 50
        })
        .await;
        manager.run(&[7], CHAT);
        until("one server", || proxy.servers() == 1).await;
        assert_eq!(proxy.reloads(), 3);
    })
    .await;
}

#[tokio::test]
async fn a_manager_that_goes_away_takes_nothing_with_it_and_is_followed_again() {
    let manager = Manager::start().await;
    follow(&manager, async |proxy| {
        manager.run(&[1, 2], CHAT);
        until("two servers", || proxy.servers() == 2).await;
        let before = proxy.reloads();
        manager.stop();
        // One that has just begun to run sees no engines yet.
        manager.run(&[], CHAT);
        let looks = *manager.looks.lock().unwrap();
        manager.come_back().await;
        until("another look", || *manager.looks.lock().unwrap() > looks).await;
        manager.run(&[2, 3], CHAT);
        until("a third server", || proxy.servers() == 3).await;
        assert_eq!(proxy.reloads(), before + 1);
    })
    .await;
}

#[tokio::test]
async fn what_one_container_wishes_in_vain_does_not_keep_others_from_being_served() {
    let manager = Manager::start().await;
    follow(&manager, async |proxy| {
        manager.run(&[1], CHAT);
        until("one server", || proxy.servers() == 1).await;
        let before = proxy.reloads();
        manager.run(&[1, 2], r#"{"domain":"a.com","check":"refused"}"#);
        until("two servers", || proxy.servers() == 2).await;
        assert_eq!(proxy.reloads(), before + 1);
        assert!(
            proxy
                .loaded
                .lock()
                .unwrap()
                .iter()
                .all(|text| !text.contains("refused"))
        );
    })
    .await;
}

#[tokio::test]
async fn a_wish_that_is_refused_once_is_not_tried_with_every_change() {
    let manager = Manager::start().await;
    follow(&manager, async |proxy| {
        manager.run(&[1, 2, 3], r#"{"domain":"a.com","check":"refused"}"#);
        until("three servers", || proxy.servers() == 3).await;
        let trials = *proxy.trials.lock().unwrap();
        assert_eq!(trials, 3, "all, the one wish, and all without it");
        manager.run(&[1, 2, 3, 4], r#"{"domain":"a.com","check":"refused"}"#);
        until("four servers", || proxy.servers() == 4).await;
        assert_eq!(*proxy.trials.lock().unwrap(), trials + 1);
    })
    .await;
}

#[tokio::test]
async fn one_container_that_cannot_be_asked_about_stays_and_keeps_no_other_from_coming_and_going() {
    let manager = Manager::start().await;
    follow(&manager, async |proxy| {
        manager.run(&[1, 2], CHAT);
        until("two servers", || proxy.servers() == 2).await;
        *manager.broken.lock().unwrap() = Some(1);
        manager.run(&[1, 3, 4], CHAT);
        until("three servers", || proxy.servers() == 3).await;
        let text = proxy.loaded.lock().unwrap().last().cloned().unwrap();
        assert!(
            text.contains("server web_1 ") && !text.contains("server web_2 "),
            "{text}"
        );
    })
    .await;
}

#[tokio::test]
async fn a_configuration_that_is_refused_leaves_the_old_one_and_is_not_tried_again_and_again() {
    let manager = Manager::start().await;
    follow(&manager, async |proxy| {
        manager.run(&[1], CHAT);
        until("one server", || proxy.servers() == 1).await;
        let (before, looks) = (proxy.reloads(), *manager.looks.lock().unwrap());
        manager.run(&[1, 2], r#"{"domain":"refused.com"}"#);
        until("a look", || *manager.looks.lock().unwrap() > looks).await;
        manager.run(&[1, 2], r#"{"domain":"b.com"}"#);
        until("two servers", || proxy.servers() == 2).await;
        assert_eq!(proxy.reloads(), before + 1);
        let text = fs_err::read_to_string(&proxy.path).unwrap();
        assert!(text.contains("b.com"));
    })
    .await;
}
