//! How the manager sees engines come, fail and return, and how fast it tells.

use super::client::{ask, manage, manage_at, states, until_states};
use super::engine::Engine;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const OF_2020: (&str, &str) = ("1.12", "1.41");

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + super::PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_joining_node_is_pending_and_healthy_within_five_seconds_of_its_engine_answering() {
    let (first, second) = (
        Engine::start("node-1", "x", OF_2020).await,
        Engine::start("node-2", "x", OF_2020).await,
    );
    second.break_down(true);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("nodes");
    std::fs::write(&file, format!("{}\n", first.address)).unwrap();
    let (_running, address) = manage_at(&format!("file://{}", file.display()));
    until_states(&address, &["Healthy"]).await;

    std::fs::write(&file, format!("{}\n{}\n", first.address, second.address)).unwrap();
    let joined = Instant::now();
    // One without a name comes first. By the sixth refusal the manager asks as seldom as it ever does.
    until_states(&address, &["Pending", "Healthy"]).await;
    assert!(joined.elapsed() < Duration::from_secs(5), "{:?}", joined.elapsed());
    until("six refusals", || second.refused() >= 6).await;
    assert_eq!(states(&address).await, ["Pending", "Healthy"]);
    let (_, info) = ask(&address, "GET", "/v1.41/info", &Value::Null).await;
    let told = info["SystemStatus"].to_string();
    assert!(
        told.contains("(unknown)") && told.contains("Error\",\"broken"),
        "{told}"
    );

    second.break_down(false);
    let answering = Instant::now();
    until_states(&address, &["Healthy", "Healthy"]).await;
    assert!(
        answering.elapsed() < Duration::from_secs(5),
        "{:?}",
        answering.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_fails_three_times_is_unhealthy_and_one_answer_brings_it_back() {
    let engine = Engine::start("node-1", "x", OF_2020).await;
    let (_running, address) = manage(std::slice::from_ref(&engine));
    until_states(&address, &["Healthy"]).await;
    engine.break_down(true);
    until("two refusals", || engine.refused() >= 2).await;
    assert_eq!(states(&address).await, ["Healthy"], "twice is not enough");
    until_states(&address, &["Unhealthy"]).await;
    assert!((3..=4).contains(&engine.refused()), "{}", engine.refused());

    engine.break_down(false);
    let answering = Instant::now();
    until_states(&address, &["Healthy"]).await;
    assert!(
        answering.elapsed() < Duration::from_secs(5),
        "{:?}",
        answering.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_ends_its_connections_and_answers_stays_healthy() {
    let engine = Engine::start("node-1", "x", OF_2020).await;
    let (_running, address) = manage(std::slice::from_ref(&engine));
    until_states(&address, &["Healthy"]).await;
    for _ in 0..5 {
        let followed = || {
            let asked = engine.asked.lock().unwrap();
            asked.iter().filter(|(_, asked)| asked == "GET /events").count()
        };
        let before = followed();
        engine.cut_off();
        until("the events are followed anew", || followed() > before).await;
        assert_eq!(states(&address).await, ["Healthy"]);
        let (status, answer) = ask(
            &address,
            "POST",
            "/v1.41/containers/create",
            &json!({ "Image": "chat:v1" }),
        )
        .await;
        assert_eq!(status, 201, "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manager_that_has_just_begun_doubles_nothing_that_is_on_an_engine_it_hears_of_late() {
    let (first, second) = (
        Engine::start("node-1", "x", OF_2020).await,
        Engine::start("node-2", "x", OF_2020).await,
    );
    let engines = [first.clone(), second.clone()];
    let (running, address) = manage(&engines);
    until_states(&address, &["Healthy", "Healthy"]).await;
    let body = json!({ "Image": "chat:v1", "Env": ["constraint:node==node-2"] });
    let (status, _) = ask(&address, "POST", "/v1.41/containers/create?name=web", &body).await;
    assert_eq!(status, 201);
    drop(running);

    // At once, before any engine has answered: whoever lists sees it, and whoever makes it again is refused.
    let (_running, address) = manage(&engines);
    let (_, listed) = ask(&address, "GET", "/v1.41/containers/json?all=1", &Value::Null).await;
    assert_eq!(listed[0]["Names"], json!(["/node-2/web"]));
    let anywhere = json!({ "Image": "chat:v1" });
    let (status, _) = ask(&address, "POST", "/v1.41/containers/create?name=web", &anywhere).await;
    assert_eq!(status, 409);
    assert_eq!((first.names().len(), second.names().len()), (0, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn info_on_fifty_engines_takes_less_than_a_tenth_of_a_second() {
    let mut engines = Vec::new();
    for number in 0..50 {
        engines.push(Engine::start(&format!("node-{number:02}"), "x", OF_2020).await);
    }
    let (_running, address) = manage(&engines);
    until_states(&address, &["Healthy"; 50]).await;
    let mut times = Vec::new();
    for _ in 0..9 {
        let begun = Instant::now();
        ask(&address, "GET", "/v1.41/info", &Value::Null).await;
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    assert!(times[times.len() / 2] < Duration::from_millis(100), "{times:?}");
}
