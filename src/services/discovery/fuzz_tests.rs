//! What anybody can send to the discovery service.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::server::serve_plain;
use super::store::Store;
use crate::address::is_address;
use crate::fuzzing::Target;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

#[test]
fn fuzz_discovery_requests() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let directory = tempfile::tempdir().unwrap();
    let mut store = Store::open(directory.path()).unwrap();
    store.create(TOKEN.to_owned(), 1 << 40).unwrap();
    let store = Arc::new(Mutex::new(store));
    let seeds = [
        format!("GET /v1/clusters/{TOKEN} HTTP/1.1\r\nHost: a\r\n\r\n"),
        format!("GET /clusters/{TOKEN} HTTP/1.1\r\nHost: a\r\n\r\nGET /health HTTP/1.1\r\nHost: a\r\n\r\n"),
        format!("POST /clusters/{TOKEN}?ttl=60 HTTP/1.1\r\nHost: a\r\nContent-Length: 13\r\n\r\n10.0.0.1:2375"),
        format!(
            "POST /clusters/{TOKEN}?ttl=x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n[::1]\r\n2\r\n:5\r\n0\r\n\r\n"
        ),
    ];
    // What it registers is put on disk each time.
    let target = Target::new("discovery-requests").seeds(seeds).words([
        "/clusters",
        "/v1",
        "DELETE ",
        "HTTP/1.0",
        "?ttl=18446744073709551615",
        "%2e%2e",
    ]);
    target.within(Duration::from_millis(300)).run(|bytes| {
        runtime.block_on(async {
            let (mut client, theirs) = tokio::io::duplex(1 << 20);
            let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
            let serving = tokio::spawn(serve_plain(theirs, peer, Arc::clone(&store)));
            client.write_all(bytes).await.unwrap();
            client.shutdown().await.unwrap();
            let mut answer = Vec::new();
            client.read_to_end(&mut answer).await.unwrap();
            if let Err(error) = serving.await {
                assert!(!error.is_panic(), "{error}");
            }
            let entries = store.lock().unwrap().list(TOKEN, 0).unwrap_or_default();
            assert!(entries.iter().all(|entry| is_address(entry)), "{entries:?}");
            answer.starts_with(b"HTTP/1.1 2")
        })
    });
}

#[test]
fn fuzz_discovery_store() {
    let seeds = [
        r#"{"t":{"entries":{"10.0.0.1:2375":1700000000},"used":1700000000},"u":{"entries":{},"used":1}}"#,
        "{}",
    ];
    let directory = tempfile::tempdir().unwrap();
    Target::new("discovery-store")
        // Each is written to a file.
        .one_of(10)
        .seeds(seeds)
        .run(|bytes| {
            std::fs::write(directory.path().join("clusters.json"), bytes).unwrap();
            let Ok(mut store) = Store::open(directory.path()) else {
                return false;
            };
            for now in [0, 1_700_000_000, u64::MAX] {
                let _ = store.create("x".to_owned(), now);
                let _ = store.register("x", "a:1", Some(u64::MAX), now);
                let _ = store.list("t", now);
            }
            true
        });
}

#[test]
fn times_of_a_file_that_somebody_wrote_do_not_overflow() {
    let directory = tempfile::tempdir().unwrap();
    let text = format!(r#"{{"t":{{"entries":{{}},"used":{0}}}}}"#, u64::MAX);
    std::fs::write(directory.path().join("clusters.json"), text).unwrap();
    let mut store = Store::open(directory.path()).unwrap();
    store.create("x".to_owned(), u64::MAX).unwrap();
    store.register("x", "a:1", None, u64::MAX).unwrap();
}
