//! Bodies of requests for containers, and what is asked of the scheduler in them.

use serde_json::{Value, json};

use super::tests::two;
use super::{Expression, Request, Scheduler};
use crate::fuzzing::Target;

#[test]
fn fuzz_create_requests() {
    let seeds = [
        json!({ "Image": "chat:v1", "Env": ["constraint:environment==staging", "affinity:container!=~/web.*/", "whitelist:node==node-1|node-2", "A=b"], "Labels": { "com.docker.swarm.constraints": "[\"storagedriver==overlay2\"]" } }),
        json!({ "Image": "a", "CpuShares": 1, "Memory": 512, "Cpuset": "0", "HostConfig": { "NetworkMode": "container:db", "Links": ["node-1/db:db"], "VolumesFrom": ["db:ro"], "PidMode": "container:x", "PortBindings": { "80/tcp": [{ "HostIp": "", "HostPort": "80" }] } } }),
        json!({ "HostConfig": { "NetworkMode": "node-1/own", "NanoCpus": 5 }, "ExposedPorts": { "1/udp": {} }, "NetworkingConfig": { "EndpointsConfig": { "node-1/own": {} } } }),
    ]
    .map(|seed| seed.to_string());
    let nodes = two();
    Target::new("create-requests")
        .seeds(seeds)
        .words([
            "constraint:",
            "affinity:",
            "==",
            "!=",
            "~",
            "*",
            "node-1/",
            "\\\"",
            "(a*)*",
        ])
        .run(|bytes| {
            let Ok(mut request) = Request::parse(Some("/new"), bytes) else {
                return false;
            };
            request.ensure_swarm_id(|| "id".to_owned());
            assert!(request.swarm_id().is_some_and(|id| !id.is_empty()));
            request.reservation();
            if let Ok(node) = Scheduler::default().best(&request, &nodes) {
                let body: Value = request.body_for(node, 2);
                // What the engine gets is a request like any other, without what was asked of the scheduler.
                let again = Request::parse(None, body.to_string().as_bytes()).unwrap();
                assert_eq!(again.environment(), request.environment());
            }
            true
        });
}

#[test]
fn fuzz_expressions() {
    let seeds = [
        "environment==staging",
        "node!=~/node-[12]/",
        "image==*chat*",
        "a.b==~1.2.3",
        "label==/(?i)x{1,3}|y$/",
    ];
    // A pattern is compiled within a bound of its own; compiling takes long without optimisation.
    let mut target = Target::new("expressions");
    target.memory = 4 << 20;
    target
        .one_of(10)
        .seeds(seeds)
        .words(["==", "!=", "~", "/", "{1000}", "(a*)*", "\\p{L}", "[^a]", "(?s)"])
        .run(|bytes| {
            let Ok(expression) = Expression::parse(&String::from_utf8_lossy(bytes)) else {
                return false;
            };
            expression.holds_for(["staging", "", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!"]);
            let again = Expression::parse(&expression.written()).unwrap();
            assert_eq!(again, expression);
            true
        });
}
