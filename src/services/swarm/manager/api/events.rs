//! The events of all engines as one stream, what happened before included where a client asks for it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::future::join_all;
use hyper::header::HeaderMap;
use hyper::{Method, StatusCode};
use serde_json::{Map, Value, json};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc::Sender;
use tokio::time::timeout;

use super::answer::{Answer, Refused, lines};
use super::everywhere::filters;
use super::proxy::ask;
use super::route::Route;
use crate::swarm::manager::cluster::{Cluster, ClusterEvent, Engine, Snapshot};

/// How long an engine may take to tell what happened before; one that takes longer is left out.
const REMEMBERING: Duration = Duration::from_secs(20);

/// Who listens, and to what.
struct Listener {
    filters: Map<String, Value>,
    sender: Sender<Value>,
}

/// Sends the events of all engines: what happened since the time a client names, then what happens, until the time it names.
pub(super) fn events(cluster: &Cluster, route: &Route) -> Result<Answer, Refused> {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    let since = moment(route, "since")?;
    let until = moment(route, "until")?;
    // Before the past is asked for: what happens meanwhile is then known twice, and told once.
    let live = cluster.events();
    let engines = cluster.healthy_engines();
    let (sender, answer) = lines();
    let listener = Listener {
        filters: filters(route),
        sender,
    };
    tokio::spawn(async move {
        let mut told = HashSet::new();
        if let Some(since) = since {
            let end = until.map_or(now, |until| until.min(now));
            for (engine, event) in remembered(&engines, since, end).await {
                told.insert(event.to_string());
                if listener.tell(&engine, &event).await.is_err() {
                    return;
                }
            }
        }
        let listening = listener.listen(live, &told);
        match until {
            Some(until) => drop(timeout(until.saturating_sub(now), listening).await),
            None => listening.await,
        }
    });
    Ok(answer)
}

/// Nobody listens any more.
struct Gone;

impl Listener {
    async fn listen(&self, mut live: Receiver<ClusterEvent>, told: &HashSet<String>) {
        loop {
            let event = tokio::select! {
                event = live.recv() => event,
                () = self.sender.closed() => return,
            };
            let event = match event {
                Ok(event) => event,
                Err(RecvError::Lagged(_)) => continue,
                Err(RecvError::Closed) => return,
            };
            let is_new = told.is_empty() || !told.contains(&event.raw.to_string());
            if is_new && self.tell(&event.engine, &event.raw).await.is_err() {
                return;
            }
        }
    }

    async fn tell(&self, engine: &Engine, event: &Value) -> Result<(), Gone> {
        let Some(shown) = on_its_node(event, &engine.snapshot()) else {
            return Ok(());
        };
        if !passes(&shown, &self.filters) {
            return Ok(());
        }
        self.sender.send(shown).await.map_err(|_| Gone)
    }
}

/// What the engines remember of the time between `since` and `until`, in the order it happened.
async fn remembered(engines: &[Arc<Engine>], since: Duration, until: Duration) -> Vec<(Arc<Engine>, Value)> {
    let written = |moment: Duration| format!("{}.{:09}", moment.as_secs(), moment.subsec_nanos());
    let query = format!("since={}&until={}", written(since), written(until));
    // In the newest version, as live events are, so that the same event is the same text.
    let newest = Route::newest("/events");
    let asked = engines.iter().map(|engine| {
        let asked = (Method::GET, "/events", query.as_str());
        let newest = &newest;
        async move {
            let headers = HeaderMap::new();
            let answer = ask(engine, newest, asked, &headers, Bytes::new());
            let answer = timeout(REMEMBERING, answer).await.ok()?.ok()?;
            let events = serde_json::Deserializer::from_slice(answer.body()).into_iter::<Value>();
            let events: Vec<_> = events
                .map_while(Result::ok)
                .map(|event| (Arc::clone(engine), event))
                .collect();
            answer.status().is_success().then_some(events)
        }
    });
    let mut all: Vec<_> = join_all(asked).await.into_iter().flatten().flatten().collect();
    all.sort_by_key(|(_, event)| event["timeNano"].as_i64());
    all
}

/// Reads a time since the epoch in seconds, with or without a fraction.
pub(super) fn moment(route: &Route, name: &str) -> Result<Option<Duration>, Refused> {
    let Some(text) = route.value(name).filter(|text| !text.is_empty() && text != "0") else {
        return Ok(None);
    };
    let seconds = text.parse::<f64>().ok();
    let moment = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let wrong = || {
        Refused::new(
            StatusCode::BAD_REQUEST,
            format!("{name}={text} is no time in seconds since 1970"),
        )
    };
    moment.map(Some).ok_or_else(wrong)
}

/// Says whether `event` is one of those that are asked for, as an engine would decide it.
pub(super) fn passes(event: &Value, filters: &Map<String, Value>) -> bool {
    filters.iter().all(|(name, wanted)| {
        let wanted: Vec<&str> = wanted
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        wanted.is_empty() || is_wanted(event, name, &wanted)
    })
}

fn is_wanted(event: &Value, name: &str, wanted: &[&str]) -> bool {
    let attributes = &event["Actor"]["Attributes"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let is_one_of = |value: &str| wanted.contains(&value);
    match name {
        "event" => {
            let action = text(&event["Action"]);
            is_one_of(&action)
                || is_one_of(&text(&event["status"]))
                || is_one_of(action.split(':').next().unwrap_or_default())
        }
        "type" => is_one_of(&text(&event["Type"])),
        "scope" => is_one_of(&text(&event["scope"])),
        "node" => is_one_of(&text(&attributes["node.name"])),
        "label" => wanted.iter().all(|label| match label.split_once('=') {
            Some((key, value)) => attributes[key] == value,
            None => attributes.get(*label).is_some(),
        }),
        // A container is also known by its node's name and its own.
        "container" | "image" | "volume" | "network" => {
            let id = match text(&event["Actor"]["ID"]) {
                id if id.is_empty() => text(&event["id"]),
                id => id,
            };
            let called = [id, text(&attributes["name"]), text(&attributes[name])];
            wanted.iter().any(|wanted| {
                let bare = if name == "container" {
                    wanted.rsplit('/').next().unwrap_or(wanted)
                } else {
                    wanted
                };
                called.iter().any(|called| !bare.is_empty() && called.starts_with(bare))
            })
        }
        // What no engine of a cluster tells of, such as services.
        _ => false,
    }
}

/// Tells an event as one of its node; nothing where it is none.
pub(super) fn on_its_node(event: &Value, snapshot: &Snapshot) -> Option<Value> {
    let mut event = Some(event.clone()).filter(Value::is_object)?;
    if let Some(from) = event["from"].as_str() {
        event["from"] = json!(format!("{from} node:{}", snapshot.name));
    }
    event["node"] = json!({ "Name": snapshot.name, "Id": snapshot.id, "Addr": snapshot.addr, "Ip": snapshot.ip });
    let actor = event.get_mut("Actor");
    let attributes = actor.and_then(|actor| actor.get_mut("Attributes"));
    if let Some(attributes) = attributes.and_then(Value::as_object_mut) {
        for (name, value) in [
            ("node.name", &snapshot.name),
            ("node.id", &snapshot.id),
            ("node.addr", &snapshot.addr),
            ("node.ip", &snapshot.ip),
        ] {
            attributes.insert(name.to_owned(), json!(value));
        }
    }
    Some(event)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn start() -> Value {
        json!({
            "status": "start", "id": "0123456789", "Type": "container", "Action": "start", "scope": "local",
            "Actor": { "ID": "0123456789", "Attributes": {
                "name": "web_1", "image": "chat:v1", "com.docker.compose.project": "chat", "node.name": "node-1",
            } },
        })
    }

    #[rstest]
    #[case(json!({}), true)]
    #[case(json!({ "event": ["start"], "type": ["container"] }), true)]
    #[case(json!({ "event": ["die", "start"] }), true)]
    #[case(json!({ "event": ["die"] }), false)]
    #[case(json!({ "label": ["com.docker.compose.project=chat"] }), true)]
    #[case(json!({ "label": ["com.docker.compose.project"] }), true)]
    #[case(json!({ "label": ["com.docker.compose.project=chat", "other=1"] }), false)]
    #[case(json!({ "label": ["com.docker.compose.project=other"] }), false)]
    #[case(json!({ "container": ["012345"] }), true)]
    #[case(json!({ "container": ["node-1/web_1"] }), true)]
    #[case(json!({ "container": ["db_1"] }), false)]
    #[case(json!({ "image": ["chat"] }), true)]
    #[case(json!({ "node": ["node-2"] }), false)]
    #[case(json!({ "service": ["x"] }), false)]
    #[case(json!({ "container": [] }), true)]
    fn filters_mean_what_they_mean_to_an_engine(#[case] filters: Value, #[case] wanted: bool) {
        let Value::Object(filters) = filters else { panic!() };
        assert_eq!(passes(&start(), &filters), wanted);
    }

    #[test]
    fn times_are_seconds_with_or_without_a_fraction() {
        let read = |query: &str| moment(&Route::of(&format!("/events?{query}").parse().unwrap()), "since");
        assert_eq!(
            read("since=1700000000").unwrap(),
            Some(Duration::from_secs(1_700_000_000))
        );
        assert_eq!(read("since=1.5").unwrap(), Some(Duration::from_millis(1500)));
        assert_eq!(read("until=1").unwrap(), None);
        assert_eq!(read("since=soon").unwrap_err().status, StatusCode::BAD_REQUEST);
        assert_eq!(read("since=-1").unwrap_err().status, StatusCode::BAD_REQUEST);
    }
}
