//! The manager over engines in memory.

use super::client::{ask, manage, until_states};
use super::engine::Engine;
use super::{Running, service};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const OF_TODAY: (&str, &str) = ("1.44", "1.52");
const OF_2020: (&str, &str) = ("1.12", "1.41");

fn create(constraint: &str) -> Value {
    json!({ "Image": "image", "Env": [format!("constraint:environment=={constraint}"), "A=b"] })
}

#[tokio::test(flavor = "multi_thread")]
async fn containers_go_where_their_constraint_says_and_clients_see_where_that_is() {
    let staging = Engine::start("node-1", "staging", OF_2020).await;
    let production = Engine::start("node-2", "production", OF_TODAY).await;
    let (_running, address) = manage(&[staging.clone(), production.clone()]);
    until_states(&address, &["Healthy", "Healthy"]).await;

    let (status, _) = ask(&address, "POST", "/v1.21/containers/create?name=s", &create("staging")).await;
    assert_eq!(status, 201);
    let (status, _) = ask(
        &address,
        "POST",
        "/v1.21/containers/create?name=p",
        &create("production"),
    )
    .await;
    assert_eq!(status, 201);
    assert_eq!(
        (staging.names(), production.names()),
        (vec!["/s".to_owned()], vec!["/p".to_owned()])
    );

    let (_, listed) = ask(&address, "GET", "/v1.21/containers/json?all=1", &Value::Null).await;
    let mut names: Vec<&str> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["Names"][0].as_str().unwrap())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["/node-1/s", "/node-2/p"]);
    assert_eq!(listed[0]["Ports"][0]["IP"], "127.0.0.1");
    let (_, inspected) = ask(&address, "GET", "/v1.21/containers/node-2%2Fp/json", &Value::Null).await;
    assert_eq!(inspected["Node"]["Name"], "node-2");
    assert_eq!(inspected["Config"]["Env"], json!(["A=b"]));
    assert!(
        staging.versions_asked().contains(&"v1.21".to_owned()),
        "passed on in the client's version"
    );
    assert!(
        !production.versions_asked().contains(&"v1.21".to_owned()),
        "which an engine of today refuses"
    );

    let (status, refused) = ask(&address, "POST", "/v1.41/containers/create", &create("nowhere")).await;
    let message = refused["message"].as_str().unwrap();
    assert!(
        status == 500 && message.contains("constraint:environment==nowhere"),
        "{message}"
    );
    assert!(message.contains("node-1: has environment=staging"), "{message}");
    let (status, _) = ask(
        &address,
        "POST",
        "/v1.21/containers/create?name=s",
        &create("production"),
    )
    .await;
    assert_eq!(status, 409, "a name is taken on all nodes at once");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_dies_is_unhealthy_until_it_returns_and_a_new_manager_knows_all() {
    let engine = Engine::start("node-1", "staging", OF_2020).await;
    let (running, address) = manage(std::slice::from_ref(&engine));
    until_states(&address, &["Healthy"]).await;
    ask(
        &address,
        "POST",
        "/v1.41/containers/create?name=kept",
        &create("staging"),
    )
    .await;
    engine.kill();
    until_states(&address, &["Unhealthy"]).await;
    let (status, refused) = ask(&address, "POST", "/v1.41/containers/create", &create("staging")).await;
    assert!(
        status == 500 && refused["message"].as_str().unwrap().contains("No healthy node"),
        "{refused}"
    );
    engine.revive().await;
    let returned = Instant::now();
    until_states(&address, &["Healthy"]).await;
    assert!(returned.elapsed() < Duration::from_secs(6), "{:?}", returned.elapsed());

    drop(running);
    let (_running, address) = manage(std::slice::from_ref(&engine));
    until_states(&address, &["Healthy"]).await;
    let (_, listed) = ask(&address, "GET", "/v1.41/containers/json?all=1", &Value::Null).await;
    assert_eq!(listed[0]["Names"][0], "/node-1/kept");
    assert_eq!(engine.names().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_clients_at_once_lose_and_double_nothing() {
    let engines = [
        Engine::start("node-1", "x", OF_2020).await,
        Engine::start("node-2", "x", OF_2020).await,
    ];
    let (_running, address) = manage(&engines);
    until_states(&address, &["Healthy", "Healthy"]).await;
    let creates = (0..200).map(|number| {
        let address = address.clone();
        async move {
            let path = format!("/v1.41/containers/create?name=c{}", number / 2);
            ask(&address, "POST", &path, &create("x")).await.0
        }
    });
    let statuses = futures_util::future::join_all(creates).await;
    assert_eq!(
        statuses.iter().filter(|status| **status == 201).count(),
        100,
        "{statuses:?}"
    );
    assert_eq!(statuses.iter().filter(|status| **status == 409).count(), 100);
    let counts = engines.each_ref().map(|engine| engine.names().len());
    assert_eq!(counts[0] + counts[1], 100);
    assert!(counts[0].abs_diff(counts[1]) <= 2, "{counts:?} is not spread");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_meaning_on_a_cluster_is_refused_by_name() {
    let (_running, address) = manage(&[Engine::start("node-1", "x", OF_2020).await]);
    for (path, words) in [
        ("/v1.41/services", "swarm mode"),
        ("/v1.41/session", "DOCKER_BUILDKIT=0"),
        ("/v1.41/containers/prune", "docker -H tcp://NODE:2375 container prune"),
        ("/v1.41/images/load", "docker -H tcp://NODE:2375 load"),
    ] {
        let (status, refused) = ask(&address, "POST", path, &Value::Null).await;
        assert!(
            status == 501 && refused["message"].as_str().unwrap().contains(words),
            "{refused}"
        );
    }
    let (status, refused) = ask(&address, "GET", "/v1.41/containers/nothing/json", &Value::Null).await;
    assert_eq!(
        (status, refused["message"].as_str()),
        (404, Some("No such container: nothing"))
    );
}

#[test]
fn a_discovery_that_does_not_answer_is_told_in_the_log() {
    let directory = tempfile::tempdir().unwrap();
    let place = format!("file://{}", directory.path().join("missing").display());
    let command = service(&["swarm", "manage", "-H", "tcp://127.0.0.1:0", &place]);
    let (_running, complaint) = Running::start(command, ("Discovery error: ", "\""));
    assert!(complaint.contains("missing"), "{complaint}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_is_an_engines_business() {
    let engine = Engine::start("node-1", "x", OF_2020).await;
    let (_running, address) = manage(std::slice::from_ref(&engine));
    until_states(&address, &["Healthy"]).await;
    let (_, answer) = ask(&address, "GET", "/v1.41/images/search?term=x", &Value::Null).await;
    assert_eq!(
        answer["message"], "page not found: images/search",
        "the engine in memory has none"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_built_last_is_pushed_and_all_tags_from_where_most_of_them_are() {
    let engines = [
        Engine::start("node-1", "x", OF_2020).await,
        Engine::start("node-2", "x", OF_2020).await,
    ];
    engines[0].put_image("host:5000/chat", &["v1"], "2026-01-01T00:00:00Z");
    engines[0].put_image("host:5000/chat", &["v2"], "2026-01-02T00:00:00Z");
    engines[1].put_image("host:5000/chat", &["v1"], "2026-01-03T00:00:00Z");
    let (_running, address) = manage(&engines);
    until_states(&address, &["Healthy", "Healthy"]).await;
    for (query, pushes) in [("?tag=v1", [0, 1]), ("?tag=v2", [1, 1]), ("", [2, 1])] {
        let path = format!("/v1.41/images/host:5000/chat/push{query}");
        let (status, answer) = ask(&address, "POST", &path, &Value::Null).await;
        assert_eq!(status, 200, "{answer}");
        let pushed = |engine: &std::sync::Arc<Engine>| {
            let asked = engine.asked.lock().unwrap();
            asked
                .iter()
                .filter(|(_, asked)| asked.starts_with("POST /images/host:5000/chat/push"))
                .count()
        };
        assert_eq!(engines.each_ref().map(pushed), pushes, "after {path}");
    }
    let (status, _) = ask(
        &address,
        "POST",
        "/v1.41/images/host:5000/chat/push?tag=v9",
        &Value::Null,
    )
    .await;
    assert_eq!(status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_is_on_every_engine_or_on_the_one_in_its_name() {
    let engines = [
        Engine::start("node-1", "x", OF_2020).await,
        Engine::start("node-2", "x", OF_2020).await,
    ];
    let (_running, address) = manage(&engines);
    until_states(&address, &["Healthy", "Healthy"]).await;
    for name in ["all", "node-2/one", "used"] {
        let (status, answer) = ask(&address, "POST", "/v1.41/volumes/create", &json!({ "Name": name })).await;
        assert_eq!(status, 201, "{answer}");
    }
    let (_, listed) = ask(&address, "GET", "/v1.41/volumes", &Value::Null).await;
    let names: Vec<_> = listed["Volumes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["Name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        ["node-1/all", "node-1/used", "node-2/all", "node-2/one", "node-2/used"]
    );
    for (name, wanted) in [("all", 204), ("all", 404), ("node-2%2Fone", 204), ("used", 409)] {
        let (status, answer) = ask(&address, "DELETE", &format!("/v1.41/volumes/{name}"), &Value::Null).await;
        assert_eq!(status, wanted, "{name}: {answer}");
    }
    let left = |engine: &std::sync::Arc<Engine>| engine.volumes.lock().unwrap().len();
    assert_eq!(engines.each_ref().map(left), [1, 1], "but for what is in use");
}

#[tokio::test(flavor = "multi_thread")]
async fn networks_are_listed_with_their_node_and_to_compose_by_the_names_it_gave() {
    let (_running, address) = manage(&[Engine::start("node-1", "x", OF_2020).await]);
    until_states(&address, &["Healthy"]).await;
    let (_, listed) = ask(&address, "GET", "/v1.41/networks", &Value::Null).await;
    assert_eq!(listed[0]["Name"], "node-1/bridge");
    let filters = "%7B%22label%22%3A%5B%22com.docker.compose.project%3Dchat%22%5D%7D";
    let (_, listed) = ask(
        &address,
        "GET",
        &format!("/v1.41/networks?filters={filters}"),
        &Value::Null,
    )
    .await;
    assert_eq!(listed[0]["Name"], "bridge");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_filter_is_a_pattern_of_the_whole_name_with_its_node() {
    let engines = [
        Engine::start("node-1", "staging", OF_2020).await,
        Engine::start("node-2", "production", OF_2020).await,
    ];
    let (_running, address) = manage(&engines);
    until_states(&address, &["Healthy", "Healthy"]).await;
    for (name, where_to) in [
        ("web_1", "staging"),
        ("other_web_1", "staging"),
        ("dockchat", "production"),
        ("dockchat_db", "staging"),
    ] {
        let path = format!("/v1.41/containers/create?name={name}");
        assert_eq!(ask(&address, "POST", &path, &create(where_to)).await.0, 201);
    }
    for (pattern, wanted) in [
        (
            "^/node-1/",
            &["/node-1/dockchat_db", "/node-1/other_web_1", "/node-1/web_1"][..],
        ),
        ("/node-1/dockchat", &["/node-1/dockchat_db"]),
        ("^/web_1$", &["/node-1/web_1"]),
        ("web_1", &["/node-1/other_web_1", "/node-1/web_1"]),
        ("dockchat$", &["/node-2/dockchat"]),
    ] {
        let filters = percent_encoding::utf8_percent_encode(pattern, percent_encoding::NON_ALPHANUMERIC);
        let path = format!("/v1.41/containers/json?all=1&filters=%7B%22name%22%3A%5B%22{filters}%22%5D%7D");
        let (_, listed) = ask(&address, "GET", &path, &Value::Null).await;
        let listed = listed.as_array().unwrap();
        let mut names: Vec<&str> = listed.iter().map(|one| one["Names"][0].as_str().unwrap()).collect();
        names.sort_unstable();
        assert_eq!(names, wanted, "{pattern}");
        let (_, newest) = ask(&address, "GET", &path.replace("all=1", "limit=1"), &Value::Null).await;
        assert_eq!(newest.as_array().unwrap().len(), 1, "{pattern}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn info_shows_what_may_be_promised_with_the_overcommitment() {
    let (_running, address) = manage(&[Engine::start("node-1", "x", OF_2020).await]);
    until_states(&address, &["Healthy"]).await;
    let (_, info) = ask(&address, "GET", "/v1.41/info", &Value::Null).await;
    let lines = info["SystemStatus"].as_array().unwrap();
    let said = |name: &str| lines.iter().find(|line| line[0] == name).unwrap()[1].clone();
    assert_eq!(said("  └ Reserved Memory"), "0 B / 4.2 GiB");
    assert_eq!(said("  └ Reserved CPUs"), "0 / 2");
    assert_eq!(info["MemTotal"], json!((4_u64 << 30) * 105 / 100));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manager_logs_the_engines_that_it_takes_in() {
    let engine = Engine::start("node-1", "x", OF_2020).await;
    let at = format!("nodes://{}", engine.address);
    let command = service(&["swarm", "manage", "-H", "tcp://127.0.0.1:0", &at]);
    let (_running, address) = Running::start(command, ("level=info msg=\"Registered Engine node-1 at ", "\""));
    assert_eq!(address, engine.address.to_string());
}
