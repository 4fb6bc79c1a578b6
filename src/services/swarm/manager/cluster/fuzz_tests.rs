//! What an engine answers to the manager's own questions, and the events it tells.

use serde_json::{Value, json};

use super::events::{EventReader, Stale};
use super::facts::{self, Listed};
use crate::fuzzing::Target;

fn event() -> String {
    json!({
        "status": "start", "id": "0a1b", "from": "chat:v1", "Type": "container", "Action": "exec_start: sh", "scope": "local",
        "Actor": { "ID": "0a1b", "Attributes": { "name": "web_1", "container": "0a1b" } }, "time": 1_700_000_000, "timeNano": 1_u64 << 60,
    })
    .to_string()
}

#[test]
fn fuzz_engine_events() {
    let seeds = [
        event(),
        format!("{0}\n{0}\n", event()),
        r#"{"status":"pull","id":"chat:v1"}"#.to_owned(),
    ];
    Target::new("engine-events")
        .seeds(seeds)
        .words(["image", "network", "volume", "daemon", "commit", "\"Type\":"])
        .run(|bytes| {
            let mut reader = EventReader::default();
            let mut events = Vec::new();
            for piece in bytes.chunks(bytes.len() / 3 + 1) {
                let Ok(more) = reader.feed(piece) else { return false };
                events.extend(more);
            }
            let mut stale = Stale::default();
            events.iter().for_each(|event| stale.add(event));
            !events.is_empty()
        });
}

#[test]
fn fuzz_engine_containers() {
    let listed = json!({
        "Id": "0a1b", "Names": ["/web", "/other/web"], "Image": "chat:v1", "Created": 1, "State": "running", "Status": "Up",
        "Ports": [{ "IP": "0.0.0.0", "PublicPort": 80, "PrivatePort": 80, "Type": "tcp" }], "Labels": { "a": "b" },
    });
    let inspected = json!({
        "Id": "0a1b", "Name": "/web", "Created": "2026-01-01T00:00:00.5Z", "State": { "Status": "running", "Running": true, "StartedAt": "2026-01-01T00:00:01Z" },
        "HostConfig": { "NetworkMode": "host", "CpuShares": 2048, "NanoCpus": 5, "Memory": 1024, "PortBindings": { "80/tcp": [{ "HostIp": "::", "HostPort": "80" }] } },
        "Config": { "Labels": { "com.docker.swarm.id": "x", "a": "b" }, "ExposedPorts": { "80/tcp": {} } },
        "NetworkSettings": { "Ports": { "80/udp": [{ "HostIp": "0.0.0.0", "HostPort": 80 }] } },
    });
    let image = json!({ "Id": "sha256:1", "RepoTags": ["chat:v1", "<none>:<none>"], "RepoDigests": null });
    let info = json!({ "Driver": "overlay2", "Labels": ["a=b", "node=x"], "KernelVersion": "6", "OSType": "linux" });
    let version = json!({ "ApiVersion": "1.52", "MinAPIVersion": "1.44" });
    let seeds = [listed, inspected, image, info, version].map(|seed| seed.to_string());
    Target::new("engine-containers").seeds(seeds).run(|bytes| {
        let Ok(value) = serde_json::from_slice::<Value>(bytes) else {
            return false;
        };
        let listed = Listed::read(bytes, 2).ok().flatten();
        assert_eq!(listed, Listed::read(bytes, 2).ok().flatten());
        let of_value = listed.as_ref().map(|listed| listed.id.as_str());
        assert!(of_value.is_none_or(|id| value["Id"] == id));
        let listed = listed.unwrap_or_else(|| Listed::read(br#"{"Id":"0a","Names":["/a"]}"#, 2).unwrap().unwrap());
        for cpus in [0, 2, u64::MAX] {
            facts::container(listed.clone(), &value, cpus);
        }
        facts::of_image(&value);
        let labels = facts::engine_labels(&value);
        assert!(labels.is_err() || labels.is_ok_and(|labels| !labels.contains_key("node")));
        if let Some(range) = facts::api_range(&value) {
            assert!(range.min <= range.max);
        }
        true
    });
}
