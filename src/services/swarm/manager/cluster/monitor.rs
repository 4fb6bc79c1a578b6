//! Looks after one engine: reaches it, follows its events, asks for everything now and then, and keeps its health.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::connection::{AnswerBody, resolve};
use super::engine::Engine;
use super::error::EngineError;
use super::events::{EventReader, Stale};
use super::facts;
use super::health::{Health, HealthState};
use super::registry::Registry;
use crate::swarm::log::log;
use crate::swarm::manager::scheduler::Resources;

/// The first wait after a failure; it doubles up to the longest.
const FIRST_RETRY: Duration = Duration::from_millis(250);

/// How many events are taken together: a burst on one container is one refresh.
const TOGETHER: usize = 256;

/// How often labels and resources of an engine are asked again: no event tells of them.
const SPECS_EVERY: u32 = 5;

/// Looks after `engine` until `cancellation`.
pub(super) async fn watch(engine: Arc<Engine>, registry: Arc<Registry>, cancellation: CancellationToken) {
    let looking_after = async {
        loop {
            let Err(error) = follow(&engine, &registry).await;
            note_failure(&engine, &registry, &error);
            tokio::time::sleep(retry_after(&engine)).await;
        }
    };
    tokio::select! {
        () = cancellation.cancelled() => {}
        () = looking_after => {}
    }
}

/// Reaches the engine and follows it until it fails.
async fn follow(engine: &Arc<Engine>, registry: &Registry) -> Result<std::convert::Infallible, EngineError> {
    loop {
        learn_specs(engine, registry).await?;
        // Events first: what changes while the lists are read is then told again.
        let events = follow_events(engine).await?;
        engine.refresh_everything().await?;
        note_success(engine, registry);
        let begun = Instant::now();
        follow_stream(engine, registry, events).await?;
        // The stream ended. An engine that is well is followed anew at once, but no more often than one that fails.
        tokio::time::sleep(FIRST_RETRY.saturating_sub(begun.elapsed())).await;
    }
}

/// Keeps the picture as new as the last of `events`, until they end.
async fn follow_stream(
    engine: &Arc<Engine>,
    registry: &Registry,
    mut events: mpsc::Receiver<Value>,
) -> Result<(), EngineError> {
    let mut batch = Vec::new();
    let mut refreshes = 0;
    loop {
        let next_refresh = tokio::time::sleep(refresh_interval(engine, refreshes));
        tokio::select! {
            received = events.recv_many(&mut batch, TOGETHER) => {
                if received == 0 {
                    return Ok(());
                }
                apply(engine, registry, std::mem::take(&mut batch)).await?;
            }
            () = engine.nudge.notified() => full_refresh(engine, registry, true).await?,
            () = next_refresh => {
                refreshes += 1;
                full_refresh(engine, registry, refreshes % SPECS_EVERY == 0).await?;
            }
        }
    }
}

async fn full_refresh(engine: &Arc<Engine>, registry: &Registry, specs: bool) -> Result<(), EngineError> {
    if specs {
        learn_specs(engine, registry).await?;
    }
    engine.refresh_everything().await?;
    note_success(engine, registry);
    Ok(())
}

/// Refreshes what `events` made stale, then passes them on: who hears of a change can also see it.
async fn apply(engine: &Arc<Engine>, registry: &Registry, events: Vec<Value>) -> Result<(), EngineError> {
    let mut stale = Stale::default();
    events.iter().for_each(|event| stale.add(event));
    for id in &stale.containers {
        match engine.refresh_container(id).await {
            Ok(_) | Err(EngineError::Refused { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    if stale.images {
        engine.refresh_images().await?;
    }
    if stale.networks {
        engine.refresh_networks().await?;
    }
    if stale.volumes {
        engine.refresh_volumes().await?;
    }
    if stale.engine {
        learn_specs(engine, registry).await?;
    }
    for event in events {
        registry.publish(engine, event);
    }
    Ok(())
}

/// Asks who the engine is and what it has.
async fn learn_specs(engine: &Arc<Engine>, registry: &Registry) -> Result<(), EngineError> {
    let addr = &engine.addr;
    let asker = engine.asker();
    let version = asker.get("/version").await?;
    let range = facts::api_range(&version).ok_or_else(|| asker.nonsense("/version", "no API version"))?;
    let info = asker.get(&format!("/v{}/info", range.max)).await?;
    let (cpus, memory) = (
        info["NCPU"].as_u64().unwrap_or(0),
        info["MemTotal"].as_u64().unwrap_or(0),
    );
    if cpus == 0 || memory == 0 {
        return Err(EngineError::Unfit(format!(
            "cannot get resources for this engine, make sure {addr} is a Docker Engine, not a Swarm manager"
        )));
    }
    let id = format!("{}|{addr}", facts::text(&info["ID"]));
    let name = facts::text(&info["Name"]).to_owned();
    let labels = facts::engine_labels(&info).map_err(|label| {
        EngineError::Unfit(format!(
            "Engine (ID: {id}, Addr: {addr}) contains an invalid label ({label}) not formatted as \"key=value\"."
        ))
    })?;
    let known = engine.snapshot().id.clone();
    if !known.is_empty() && known != id {
        return Err(EngineError::Unfit(format!(
            "Engine (ID: {known}, Addr: {addr}) shows up with another ID:{id}. Please remove it from cluster, it can \
             be added back."
        )));
    }
    if let Some(other) = registry.claim(addr, facts::text(&info["ID"]), &name) {
        return Err(EngineError::Unfit(format!(
            "ID duplicated. {} shared by this node {addr} and another node {other}",
            facts::text(&info["ID"])
        )));
    }
    let ip = resolve(addr).await;
    let overcommit = engine.options.overcommit;
    engine.change(|snapshot| {
        snapshot.ip = ip.unwrap_or_else(|| snapshot.ip.clone());
        snapshot.id = id;
        snapshot.name = name;
        snapshot.labels = labels;
        snapshot.cpus = cpus;
        snapshot.memory = memory;
        snapshot.server_version = facts::text(&version["Version"]).to_owned();
        snapshot.versions = Some(range);
        snapshot.info = Arc::new(info);
        snapshot.version = Arc::new(version);
        snapshot.total = promised(cpus, memory, overcommit);
    });
    Ok(())
}

/// What an engine may promise. Whole CPUs, as upstream counts: 1 CPU and five percent is 1.
fn promised(cpus: u64, memory: u64, overcommit: f64) -> Resources {
    let percent = u128::try_from((overcommit * 100.0).round() as i64 + 100).unwrap_or(100);
    let with = |amount: u64| u64::try_from(u128::from(amount) * percent / 100).unwrap_or(u64::MAX);
    Resources {
        nano_cpus: with(cpus).saturating_mul(1_000_000_000),
        memory: with(memory),
    }
}

/// Opens the stream of events; the channel ends with it.
async fn follow_events(engine: &Engine) -> Result<mpsc::Receiver<Value>, EngineError> {
    let body = engine.asker().stream(&engine.versioned(None, "/events")).await?;
    let (sender, receiver) = mpsc::channel(TOGETHER);
    tokio::spawn(read_events(body, sender));
    Ok(receiver)
}

async fn read_events(mut body: AnswerBody, sender: mpsc::Sender<Value>) {
    let mut reader = EventReader::default();
    loop {
        let frame = tokio::select! {
            frame = body.frame() => frame,
            () = sender.closed() => return,
        };
        let Some(Ok(frame)) = frame else { return };
        let Ok(bytes) = frame.into_data() else { continue };
        let Ok(events) = reader.feed(&bytes) else { return };
        for event in events {
            if sender.send(event).await.is_err() {
                return;
            }
        }
    }
}

fn note_success(engine: &Arc<Engine>, registry: &Registry) {
    let before = engine.snapshot().health.clone();
    engine.change(|snapshot| snapshot.health = Health::after_success(SystemTime::now()));
    if before.state == HealthState::Pending {
        let snapshot = engine.snapshot();
        let message = format!("Registered Engine {} at {}", snapshot.name, snapshot.addr);
        log("info", &message, &[]);
    }
    match before.state {
        HealthState::Pending => registry.publish(engine, own_event("engine_connect")),
        HealthState::Unhealthy => registry.publish(engine, own_event("engine_reconnect")),
        HealthState::Healthy => {}
    }
    registry.note_trial();
}

fn note_failure(engine: &Arc<Engine>, registry: &Registry, error: &EngineError) {
    let now = SystemTime::now();
    let before = engine.snapshot().health.clone();
    let after = match error {
        EngineError::Unfit(reason) => before.unfit(reason.clone(), now),
        error => before.after_failure(error.to_string(), engine.options.failure_retry, now),
    };
    let lost = before.state == HealthState::Healthy && after.state != HealthState::Healthy;
    engine.change(|snapshot| snapshot.health = after);
    if lost {
        registry.publish(engine, own_event("engine_disconnect"));
    }
    registry.note_trial();
}

/// An event of the manager's own, in the shape of an engine's.
pub(super) fn own_event(action: &str) -> Value {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let nanoseconds = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
    json!({
        "status": action, "from": "swarm", "Type": "swarm", "Action": action,
        "Actor": { "ID": "", "Attributes": {} },
        "time": now.as_secs(), "timeNano": nanoseconds,
    })
}

fn retry_after(engine: &Engine) -> Duration {
    let failures = engine.snapshot().health.failures.clamp(1, 16);
    let wait = FIRST_RETRY.saturating_mul(1 << (failures - 1));
    wait.min(engine.options.retry_max)
}

/// Between the shortest and the longest interval: engines that joined together are not all asked together.
fn refresh_interval(engine: &Engine, refreshes: u32) -> Duration {
    let (min, max) = (engine.options.refresh_min, engine.options.refresh_max);
    let spread = engine
        .addr
        .bytes()
        .fold(refreshes, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    min + max.saturating_sub(min) * (spread % 64) / 64
}
