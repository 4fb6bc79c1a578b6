//! Ways through the connection.

use super::server::{Server, look};
use crate::skipping::skip;
use labctl::node::{NodeErrorKind, Transport};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UnixStream};

async fn talk(socket: &std::path::Path) -> std::io::Result<Vec<u8>> {
    let mut stream = UnixStream::connect(socket).await?;
    stream.write_all(b"ping").await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(answer)
}

#[tokio::test]
async fn a_way_leads_to_a_port_of_the_node_and_closes_with_its_value() {
    let server = Server::start();
    let node = server.connect().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = [0; 4];
            stream.read_exact(&mut asked).await.unwrap();
            stream.write_all(b"pong").await.unwrap();
        }
    });
    let tunnel = node.tunnel("127.0.0.1", port).unwrap();
    for _ in 0..3 {
        assert_eq!(talk(&tunnel.socket).await.unwrap(), b"pong");
    }
    let socket = tunnel.socket.clone();
    drop(tunnel);
    assert!(!socket.exists());
    serving.abort();
}

#[tokio::test]
async fn a_way_to_nowhere_fails_when_it_is_used() {
    let server = Server::start();
    let node = server.connect().await;
    let port = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let tunnel = node.tunnel("127.0.0.1", port).unwrap();
    assert_ne!(talk(&tunnel.socket).await.unwrap_or_default(), b"pong");
    assert_eq!(
        node.look(&look("echo on")).await.unwrap().stdout,
        b"on\n",
        "the connection suffers"
    );
}

#[tokio::test]
async fn many_ways_are_open_at_once() {
    let server = Server::start();
    let node = server.connect().await;
    let mut tunnels = Vec::new();
    for _ in 0..30 {
        tunnels.push(node.tunnel("127.0.0.1", 1).unwrap());
    }
    assert_eq!(node.look(&look("echo on")).await.unwrap().stdout, b"on\n");
}

#[tokio::test]
async fn a_closed_port_is_told_from_a_node_that_cannot_be_asked() {
    let mut server = Server::start();
    let node = server.connect().await;
    let patience = Duration::from_secs(2);
    let error = node.dial("127.0.0.1", 1, patience).await.unwrap_err();
    assert_eq!(error.kind, NodeErrorKind::Refused);
    assert!(error.message.contains("connection refused"), "{error}");
    server.stop();
    let error = node.dial("127.0.0.1", 1, patience).await.unwrap_err();
    assert_eq!(error.kind, NodeErrorKind::Unreachable);
}

#[tokio::test]
async fn a_way_carries_any_amount_both_ways_and_ends_with_either_side() {
    // The agent opens it, not sshd.
    let server = Server::start_with("DisableForwarding yes");
    let node = server.connect().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut taken = Vec::new();
        stream.read_to_end(&mut taken).await.unwrap();
        stream.write_all(&taken).await.unwrap();
    });
    let mut stream = node.dial("127.0.0.1", port, Duration::from_secs(5)).await.unwrap();
    let sent: Vec<u8> = (0..20_000_000_u32).map(|at| (at % 251) as u8).collect();
    stream.write_all(&sent).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut back = Vec::new();
    stream.read_to_end(&mut back).await.unwrap();
    assert!(
        back == sent,
        "{} of {} bytes came back as they were",
        back.len(),
        sent.len()
    );
    serving.await.unwrap();
}

#[tokio::test]
async fn a_way_that_nobody_reads_holds_nothing_else_up() {
    let server = Server::start();
    let node = server.connect().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        while stream.write_all(&[b'x'; 65536]).await.is_ok() {}
    });
    let stream = node.dial("127.0.0.1", port, Duration::from_secs(5)).await.unwrap();
    for _ in 0..20 {
        assert_eq!(node.look(&look("echo on")).await.unwrap().stdout, b"on\n");
    }
    drop(stream);
    tokio::time::timeout(Duration::from_secs(10), serving)
        .await
        .expect("the node goes on sending")
        .unwrap();
}

#[tokio::test]
async fn an_engine_is_reached_where_nothing_is_forwarded() {
    let has_engine = UnixStream::connect("/var/run/docker.sock").await.is_ok();
    if !has_engine {
        skip("a way to an engine: no Docker Engine runs here");
        return;
    }
    for more in ["", "AllowStreamLocalForwarding no", "DisableForwarding yes"] {
        let server = Server::start_with(more);
        let node = server.connect().await;
        for _ in 0..2 {
            let tunnel = node.engine().await.unwrap();
            let mut stream = UnixStream::connect(&tunnel.socket).await.unwrap();
            stream.write_all(b"GET /_ping HTTP/1.0\r\n\r\n").await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            assert!(answer.ends_with("OK"), "{more}: {answer}");
        }
    }
}
