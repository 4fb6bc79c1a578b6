//! What a container says of itself, and what a Docker API answers.

use serde_json::{Value, json};

use super::config::render;
use super::config::tests::settings;
use super::containers::{Machine, Target, can_answer, target};
use super::data::InterlockData;
use super::docker_api::complete;
use crate::fuzzing;
use crate::json_pieces::Pieces;

const DATA: &[&str] = &[
    r#"{"hostname":"dockchat.com","domain":"dockchat.com"}"#,
    r#"{"alias_domains":["a.com","B.com"],"port":5000,"check":"httpchk GET /","check_interval":1000,"ssl_only":false,"balance_algorithm":"leastconn","backend_options":["forceclose","http-no-delay"],"mode":"http","domain":null}"#,
    r#"{"domain":"a.com","check":"httpchk GET /\\ x","backend_options":["httpchk"],"warm":true}"#,
];

const WORDS: &[&str] = &[
    "transparent",
    "external-check",
    "\\n",
    "\\r",
    "\\u0000",
    "\\u2028",
    "\\\\",
    "bind *:22",
    "server x 1:1",
    "backend",
    "global",
    "roundrobin",
    "#",
    "\"",
];

fn inspected(data: &str) -> Value {
    json!({
        "Id": "0123456789abcdef0123456789abcdef", "Name": "/node-2/web_1", "State": { "Running": true, "Paused": false },
        "Config": { "Hostname": "web", "Domainname": "a.com", "Env": ["A=b", format!("INTERLOCK_DATA={data}")] },
        "Node": { "IP": "10.0.0.2", "Name": "node-2" },
        "NetworkSettings": { "Ports": { "5000/tcp": [{ "HostIp": "10.0.0.2", "HostPort": "32001" }], "80/tcp": null, "53/udp": [{ "HostIp": "0.0.0.0", "HostPort": "53" }] } },
    })
}

/// Asserts that `served` brings nothing into the configuration but the lines it is to bring.
fn brings_its_own_lines_only(served: Target) {
    let options = usize::from(served.data.wishes.check.is_some()) + served.data.wishes.backend_options.len();
    let hosts = served.hosts.len();
    let (bare, text) = (render(&settings(), &[]), render(&settings(), &[served]));
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text}");
    // A name has a condition, a backend, its retries, its header, its balance, its server and its options.
    assert_eq!(
        text.lines().count(),
        bare.lines().count() + hosts * (6 + options),
        "{text}"
    );
    for line in text.lines().filter(|line| !bare.contains(line)) {
        let mut words = line.trim_start().split(' ');
        let (first, second) = (words.next().unwrap(), words.next());
        let known = ["use_backend", "backend", "retries", "balance", "option", "server"];
        assert!(known.contains(&first) || line.contains("X-Request-Start"), "{line:?}");
        let harmful = first == "option" && matches!(second, Some("transparent" | "external-check"));
        assert!(
            !harmful && line.len() < 2048 && !line.contains(['"', '\'', '#', '$']),
            "{line:?}"
        );
        let odd = line.len() - line.trim_end_matches('\\').len();
        assert!(odd % 2 == 0, "{line:?} takes the next line in");
    }
}

#[test]
fn fuzz_interlock_data() {
    fuzzing::Target::new("interlock-data")
        .seeds(DATA)
        .words(WORDS)
        .run(|bytes| {
            let text = String::from_utf8_lossy(bytes);
            let (_, left_out) = InterlockData::parse(&text);
            assert!(left_out.len() <= 9);
            if let (Ok(served), _) = target(&inspected(&text), &Machine::default()) {
                brings_its_own_lines_only(served);
            }
            left_out.is_empty()
        });
}

#[test]
fn fuzz_interlock_docker_api() {
    let seeds = DATA.iter().map(|data| inspected(data).to_string());
    fuzzing::Target::new("interlock-docker-api")
        .seeds(seeds)
        .words(WORDS)
        .run(|bytes| {
            let Ok(inspected) = serde_json::from_slice(bytes) else {
                return false;
            };
            can_answer(&inspected);
            let (served, _) = target(&inspected, &Machine::default());
            served.map(brings_its_own_lines_only).is_ok()
        });
}

#[test]
fn fuzz_interlock_events() {
    let event = r#"{"status":"start","id":"0a1b","Type":"container","Action":"start","Actor":{"ID":"0a1b","Attributes":{"name":"web_1"}},"time":1}"#;
    let seeds = [
        event.to_owned(),
        format!("{event}\n{event}\n"),
        format!("{event}{event}\r\n \n"),
    ];
    fuzzing::Target::new("interlock-events").seeds(seeds).run(|bytes| {
        let at_once = complete(&mut Pieces::of_stream(1 << 20), bytes);
        if let Some(events) = &at_once {
            events.iter().for_each(|event| {
                super::watch::matters(event);
            });
        }
        // However it arrives, it says the same.
        let (mut rest, mut in_pieces) = (Pieces::of_stream(1 << 20), Some(Vec::new()));
        for piece in bytes.chunks(bytes.len() / 5 + 1) {
            in_pieces = in_pieces.and_then(|mut events| {
                events.extend(complete(&mut rest, piece)?);
                Some(events)
            });
        }
        assert_eq!(at_once, in_pieces);
        at_once.is_some_and(|events| !events.is_empty())
    });
}
