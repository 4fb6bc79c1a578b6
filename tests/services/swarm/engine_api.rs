//! What the engine in memory answers.

use std::convert::Infallible;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::engine::{Body, Engine, refused, whole};

/// The id of the only exec there is.
const EXEC: &str = "00000000000000000000000000000000000000000000000000000000000000ec";

impl Engine {
    /// Answers `request` for `path`, which has no version.
    pub(super) async fn api(&self, path: &str, request: Request<Incoming>) -> Response<Body> {
        let parts: Vec<&str> = path.split('/').collect();
        match (request.method(), parts.as_slice()) {
            (_, ["version"]) => whole(
                200,
                &json!({ "Version": "sim", "ApiVersion": self.versions.1, "MinAPIVersion": self.versions.0, "Os": "linux" }),
            ),
            (_, ["info"]) => whole(200, &self.info()),
            (_, ["events"]) => {
                let never = futures_util::stream::pending::<Result<Frame<Bytes>, Infallible>>();
                Response::new(StreamBody::new(never).boxed_unsync())
            }
            (&Method::POST, ["exec", EXEC, "start"]) => echo(request),
            (_, ["exec", EXEC, "json"]) => whole(200, &json!({ "ID": EXEC, "ExitCode": 0, "Running": false })),
            (_, ["containers", rest @ ..]) => self.of_containers(rest, request).await,
            (_, ["images", "json"]) => whole(200, &json!(*self.images.lock().unwrap())),
            (&Method::POST, ["images", .., "push"]) => whole(200, &json!({ "status": "pushed" })),
            (_, ["images", name, "json"]) => self.image(name),
            (_, ["networks"]) => whole(200, &json!([{ "Name": "bridge", "Id": self.name, "Scope": "local" }])),
            (_, ["volumes", rest @ ..]) => self.of_volumes(rest, request).await,
            _ => refused(404, &format!("page not found: {path}")),
        }
    }

    fn info(&self) -> Value {
        json!({
            "ID": format!("ID-{}", self.name), "Name": self.name, "NCPU": 2, "MemTotal": 4_u64 << 30,
            "Labels": [format!("environment={}", self.label)], "Driver": "overlay2", "KernelVersion": "6",
            "OperatingSystem": "test", "OSType": "linux", "ServerVersion": "sim",
        })
    }

    async fn of_volumes(&self, parts: &[&str], request: Request<Incoming>) -> Response<Body> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let mut volumes = self.volumes.lock().unwrap();
        let shown = |name: &String| json!({ "Name": name, "Driver": "local", "Scope": "local" });
        match (&head.method, parts) {
            (_, []) => whole(
                200,
                &json!({ "Volumes": volumes.iter().map(shown).collect::<Vec<_>>() }),
            ),
            (&Method::POST, ["create"]) => {
                let wanted: Value = serde_json::from_slice(&body).unwrap();
                let name = wanted["Name"].as_str().unwrap().to_owned();
                volumes.insert(name.clone());
                whole(201, &shown(&name))
            }
            (&Method::DELETE, ["used"]) => refused(409, "volume is in use"),
            (&Method::DELETE, [name]) if volumes.remove(*name) => whole(204, &Value::Null),
            (&Method::GET, [name]) if volumes.contains(*name) => whole(200, &shown(&(*name).to_owned())),
            _ => refused(404, "no such volume"),
        }
    }

    fn image(&self, name: &str) -> Response<Body> {
        let name = percent_encoding::percent_decode_str(name).decode_utf8_lossy();
        let images = self.images.lock().unwrap();
        let is_called = |image: &&Value| image["RepoTags"].as_array().unwrap().contains(&json!(name));
        match images.iter().find(is_called) {
            Some(image) => whole(200, image),
            None => refused(404, &format!("No such image: {name}")),
        }
    }

    async fn of_containers(&self, parts: &[&str], request: Request<Incoming>) -> Response<Body> {
        let (head, body) = request.into_parts();
        let query: Vec<(String, String)> = form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes())
            .into_owned()
            .collect();
        let value = |name: &str| {
            query
                .iter()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.as_str())
        };
        let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let mut containers = self.containers.lock().unwrap();
        let (id, verb) = match (&head.method, parts) {
            (_, ["json"]) => return whole(200, &list(&containers, value("all"), value("filters"))),
            (_, ["create"]) if self.full.load(Ordering::SeqCst) => return refused(500, "no space left on device"),
            (_, ["create"]) => {
                let made = self.create(value("name"), &body);
                containers.push(made.clone());
                return whole(201, &json!({ "Id": made["Id"], "Warnings": [] }));
            }
            (_, [id]) => (*id, ""),
            (_, [id, verb]) => (*id, *verb),
            _ => return refused(404, "page not found"),
        };
        let Some(index) = containers.iter().position(|one| one["Id"] == id) else {
            return refused(404, &format!("No such container: {id}"));
        };
        match (&head.method, verb) {
            (&Method::GET, "json") => whole(200, &containers[index]),
            (&Method::GET, "logs") => whole(200, &json!("log")),
            (&Method::POST, "exec") => whole(201, &json!({ "Id": EXEC })),
            (&Method::POST, "start" | "stop") => {
                let runs = verb == "start";
                containers[index]["State"] = json!({
                    "Status": if runs { "running" } else { "exited" }, "Running": runs, "StartedAt": "2026-01-01T00:00:01Z",
                });
                whole(204, &Value::Null)
            }
            (&Method::POST, "rename") => {
                containers[index]["Name"] = json!(format!("/{}", value("name").unwrap()));
                whole(204, &Value::Null)
            }
            (&Method::DELETE, "") => {
                containers.remove(index);
                whole(204, &Value::Null)
            }
            _ => refused(404, "page not found"),
        }
    }

    fn create(&self, name: Option<&str>, body: &[u8]) -> Value {
        let number = self.made.fetch_add(1, Ordering::SeqCst) as u64;
        let config: Value = serde_json::from_slice(body).unwrap();
        json!({
            "Id": format!("{:064x}", (u64::from(self.address.port()) << 32 | number).reverse_bits()),
            "Name": format!("/{}", name.unwrap_or_default()), "Config": config, "Created": "2026-01-01T00:00:00Z",
            "State": { "Status": "created", "Running": false }, "HostConfig": config["HostConfig"], "Image": "sha256:1",
        })
    }
}

fn list(containers: &[Value], all: Option<&str>, filters: Option<&str>) -> Value {
    let filters: Value = serde_json::from_str(filters.unwrap_or("{}")).unwrap();
    let labels = filters["label"].as_array().cloned().unwrap_or_default();
    let has_labels = |one: &&Value| {
        labels.iter().all(|label| {
            let (key, value) = label.as_str().unwrap().split_once('=').unwrap();
            one["Config"]["Labels"][key] == value
        })
    };
    let all = matches!(all, Some("1" | "true" | "True"));
    let listed = containers
        .iter()
        .filter(has_labels)
        .filter(|one| all || one["State"]["Running"] == true);
    listed
        .map(|one| {
            json!({
                "Id": one["Id"], "Names": [one["Name"]], "Image": "chat:v1", "Created": 1, "State": one["State"]["Status"],
                "Status": "Up", "Ports": [{ "IP": "0.0.0.0", "PublicPort": 80, "PrivatePort": 80, "Type": "tcp" }],
                "Labels": one["Config"]["Labels"],
            })
        })
        .collect()
}

/// Talks on after the request, as attach and exec do: says what it hears.
fn echo(mut request: Request<Incoming>) -> Response<Body> {
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let mut stream = TokioIo::new(upgrade.await.unwrap());
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).await.unwrap();
        stream.write_all(&heard).await.unwrap();
        stream.shutdown().await.unwrap();
    });
    let mut answer = whole(101, &Value::Null);
    *answer.body_mut() = http_body_util::Empty::new().boxed_unsync();
    for (name, value) in [("connection", "Upgrade"), ("upgrade", "tcp")] {
        answer
            .headers_mut()
            .insert(name, hyper::header::HeaderValue::from_static(value));
    }
    answer
}
