//! The stand-in for MongoDB over its wire protocol, on a loopback port.

use crate::skipping::skip;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use bson::{Bson, Document, doc};
use labctl_services::mongo::{Options, Server};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const OP_MSG: i32 = 2013;

/// A running stand-in.
struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Running {
    async fn start(dbpath: &Path) -> Self {
        let bind = vec!["127.0.0.1".to_owned()];
        let options = Options {
            dbpath: dbpath.to_owned(),
            port: 0,
            bind,
            ignored: Vec::new(),
        };
        let server = Server::bind(&options).await.unwrap();
        let address = server.addresses()[0];
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(server.serve(async move {
            let _ = stopped.await;
        }));
        Self { address, stop, task }
    }

    async fn client(&self) -> Client {
        Client(TcpStream::connect(self.address).await.unwrap())
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.task.await.unwrap();
    }
}

/// A client that speaks OP_MSG.
struct Client(TcpStream);

impl Client {
    async fn send(&mut self, opcode: i32, body: &[u8]) {
        let length = i32::try_from(16 + body.len()).unwrap();
        let mut bytes: Vec<u8> = [length, 77, 0, opcode]
            .iter()
            .flat_map(|part| part.to_le_bytes())
            .collect();
        bytes.extend_from_slice(body);
        self.0.write_all(&bytes).await.unwrap();
    }

    /// The answer's kind of message and the document in it; none where the connection was closed.
    async fn receive(&mut self) -> Option<(i32, Document)> {
        let mut header = [0; 16];
        self.0.read_exact(&mut header).await.ok()?;
        let part = |at: usize| i32::from_le_bytes(header[at..at + 4].try_into().unwrap());
        assert_eq!(part(8), 77, "the answer names another request");
        let mut body = vec![0; usize::try_from(part(0)).unwrap() - 16];
        self.0.read_exact(&mut body).await.unwrap();
        let skipped = if part(12) == OP_MSG { 5 } else { 20 };
        Some((part(12), Document::from_reader(&body[skipped..]).unwrap()))
    }

    async fn command(&mut self, command: Document) -> Document {
        let mut body = vec![0; 5];
        body.extend(command.to_vec().unwrap());
        self.send(OP_MSG, &body).await;
        self.receive().await.unwrap().1
    }

    async fn count(&mut self) -> Option<Bson> {
        self.command(doc! { "count": "posts", "$db": "chat" })
            .await
            .get("n")
            .cloned()
    }
}

fn insert(ids: std::ops::Range<i32>) -> Document {
    let documents: Vec<Document> = ids.map(|id| doc! { "_id": id, "text": "hello" }).collect();
    doc! { "insert": "posts", "documents": documents, "$db": "chat" }
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[tokio::test]
async fn messages_are_stored_read_in_batches_and_counted() {
    let folder = folder();
    let server = Running::start(folder.path()).await;
    let mut client = server.client().await;
    assert_eq!(client.command(insert(0..250)).await, doc! { "n": 250, "ok": 1.0 });
    let find = doc! { "find": "posts", "sort": { "_id": -1 }, "batchSize": 100, "$db": "chat" };
    let first = client.command(find).await;
    let cursor = first.get_document("cursor").unwrap();
    let mut ids: Vec<i32> = ids_of(cursor.get_array("firstBatch").unwrap());
    let mut id = cursor.get_i64("id").unwrap();
    while id != 0 {
        let more = doc! { "getMore": id, "collection": "posts", "batchSize": 100, "$db": "chat" };
        let reply = client.command(more).await;
        let cursor = reply.get_document("cursor").unwrap();
        ids.extend(ids_of(cursor.get_array("nextBatch").unwrap()));
        id = cursor.get_i64("id").unwrap();
    }
    assert_eq!(ids, (0..250).rev().collect::<Vec<_>>());
    assert_eq!(client.count().await, Some(Bson::Int32(250)));
    server.stop().await;
}

fn ids_of(batch: &[Bson]) -> Vec<i32> {
    batch
        .iter()
        .map(|document| document.as_document().unwrap().get_i32("_id").unwrap())
        .collect()
}

#[tokio::test]
async fn messages_survive_a_restart() {
    let folder = folder();
    let server = Running::start(folder.path()).await;
    server.client().await.command(insert(0..3)).await;
    server.stop().await;
    let server = Running::start(folder.path()).await;
    assert_eq!(server.client().await.count().await, Some(Bson::Int32(3)));
    server.stop().await;
}

#[tokio::test]
async fn a_taken_id_and_an_unknown_command_are_told_in_mongodbs_own_numbers() {
    let folder = folder();
    let server = Running::start(folder.path()).await;
    let mut client = server.client().await;
    client.command(insert(0..1)).await;
    let again = client.command(insert(0..1)).await;
    let error = again.get_array("writeErrors").unwrap()[0].as_document().unwrap();
    assert_eq!(
        (error.get_i32("code").unwrap(), error.get_i32("index").unwrap()),
        (11000, 0)
    );
    let unknown = client.command(doc! { "mapReduce": "posts", "$db": "chat" }).await;
    assert_eq!(
        (unknown.get_f64("ok").unwrap(), unknown.get_i32("code").unwrap()),
        (0.0, 59)
    );
    assert_eq!(unknown.get_str("codeName").unwrap(), "CommandNotFound");
    assert_eq!(
        client.count().await,
        Some(Bson::Int32(1)),
        "the connection should go on"
    );
    server.stop().await;
}

#[tokio::test]
async fn the_first_greeting_may_be_of_the_old_kind() {
    let folder = folder();
    let server = Running::start(folder.path()).await;
    let mut client = server.client().await;
    let greeting = doc! { "ismaster": 1, "helloOk": true }.to_vec().unwrap();
    let body = [&[0; 4][..], b"admin.$cmd\0", &[0; 4], &[255; 4], &greeting].concat();
    client.send(2004, &body).await;
    let (opcode, reply) = client.receive().await.unwrap();
    assert_eq!(
        (
            opcode,
            reply.get_bool("ismaster").unwrap(),
            reply.get_bool("helloOk").unwrap()
        ),
        (1, true, true)
    );
    assert!(reply.get_i32("minWireVersion").unwrap() <= 3 && reply.get_i32("maxWireVersion").unwrap() >= 9);
    server.stop().await;
}

#[tokio::test]
async fn an_unacknowledged_insert_gets_no_answer_and_is_stored() {
    let folder = folder();
    let server = Running::start(folder.path()).await;
    let mut client = server.client().await;
    let body = [&[2, 0, 0, 0, 0][..], &insert(0..2).to_vec().unwrap()].concat();
    client.send(OP_MSG, &body).await;
    assert_eq!(client.count().await, Some(Bson::Int32(2)));
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_talks_nonsense_is_let_go_and_others_stay() {
    let folder = folder();
    let server = Running::start(folder.path()).await;
    let mut friend = server.client().await;
    friend.command(insert(0..1)).await;
    for nonsense in [&b"GET / HTTP/1.1\r\nHost: db\r\n\r\n"[..], &[0xff; 64], &[16, 0, 0, 0]] {
        let mut stranger = server.client().await;
        stranger.0.write_all(nonsense).await.unwrap();
        stranger.0.shutdown().await.unwrap();
        let mut rest = Vec::new();
        // It is closed, whether politely or not.
        let _ = stranger.0.read_to_end(&mut rest).await;
        assert!(rest.is_empty());
    }
    let mut broken = server.client().await;
    broken.send(OP_MSG, &[0, 0, 0, 0, 0, 9, 0, 0, 0, 1, 1, 1, 1, 1]).await;
    let (_, reply) = broken.receive().await.expect("an error before the end");
    assert_eq!(reply.get_i32("code").unwrap(), 22);
    assert!(broken.receive().await.is_none());
    assert_eq!(friend.count().await, Some(Bson::Int32(1)));
    server.stop().await;
}

#[tokio::test]
async fn a_stop_does_not_wait_for_silent_clients() {
    let folder = folder();
    let server = Running::start(folder.path()).await;
    let mut idle = server.client().await;
    idle.command(doc! { "ping": 1, "$db": "admin" }).await;
    let mut unfinished = server.client().await;
    unfinished.0.write_all(&[100, 0, 0]).await.unwrap();
    let begun = std::time::Instant::now();
    server.stop().await;
    assert!(
        begun.elapsed() < std::time::Duration::from_secs(2),
        "it took {:?}",
        begun.elapsed()
    );
    assert!(idle.receive().await.is_none());
}

#[tokio::test]
async fn transactions_are_refused_and_not_pretended() {
    let folder = folder();
    let server = Running::start(folder.path()).await;
    let mut command = insert(0..1);
    command.insert("startTransaction", true);
    let mut client = server.client().await;
    assert_eq!(client.command(command).await.get_i32("code").unwrap(), 20);
    assert_eq!(client.count().await, Some(Bson::Int32(0)));
    server.stop().await;
}

#[test]
fn real_drivers_find_in_it_the_database_that_they_expect() {
    let has_venv = Command::new("python3").args(["-c", "import ensurepip"]).output();
    if !has_venv.is_ok_and(|output| output.status.success()) {
        return skip("the stand-in for MongoDB with real drivers: there is no python3 with venv");
    }
    let drivers = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/services/pymongo/run");
    let output = Command::new(drivers)
        .arg(env!("CARGO_BIN_EXE_labctl"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    if output.status.code() == Some(77) {
        return skip("the stand-in for MongoDB with real drivers: pip cannot install pymongo");
    }
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(
        said.matches(": ok").count(),
        4,
        "two drivers, each before and after a restart: {said}"
    );
}
