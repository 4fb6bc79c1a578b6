//! What any client can send: messages of both ages, and the commands in them.

use bson::{Bson, Document, doc};
use tempfile::TempDir;

use super::commands::StandIn;
use super::connection::answer;
use super::store::Store;
use super::wire::{HEADER, Header, Request};
use crate::fuzzing::Target;

fn message(opcode: i32, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in [0, 1, 0, opcode] {
        bytes.extend_from_slice(&i32::to_le_bytes(part));
    }
    bytes.extend_from_slice(body);
    put_length_right(&mut bytes);
    bytes
}

fn command(document: &Document) -> Vec<u8> {
    message(2013, &[&[0; 5][..], &document.to_vec().unwrap()].concat())
}

fn old_query(namespace: &str, query: &Document) -> Vec<u8> {
    let body = [&[0; 4][..], namespace.as_bytes(), &[0; 9], &query.to_vec().unwrap()];
    message(2004, &body.concat())
}

fn put_length_right(bytes: &mut [u8]) {
    if bytes.len() >= HEADER {
        let length = i32::try_from(bytes.len()).unwrap();
        bytes[..4].copy_from_slice(&length.to_le_bytes());
    }
    // That of a command's document, which stands behind the flags and the kind of its section.
    if bytes.len() >= HEADER + 10 && bytes[12..16] == 2013_i32.to_le_bytes() && bytes[HEADER + 4] == 0 {
        let length = i32::try_from(bytes.len() - HEADER - 5).unwrap();
        bytes[HEADER + 5..HEADER + 9].copy_from_slice(&length.to_le_bytes());
    }
}

fn with_lengths(name: &'static str) -> Target {
    let mut target = Target::new(name);
    target.mend = Some(put_length_right);
    target
}

/// Messages as drivers send them.
fn messages() -> Vec<Vec<u8>> {
    let filter = doc! { "a": { "$in": [1, "x", null] }, "b.c": { "$gte": 2.5, "$lt": 10_i64 }, "$or": [{ "t": { "$regex": "^h", "$options": "i" } }, { "n": { "$exists": true } }] };
    let pipeline = vec![
        doc! { "$match": filter.clone() },
        doc! { "$sort": { "a": -1, "b.c": 1 } },
        doc! { "$skip": 1_i64 },
        doc! { "$limit": 5 },
        doc! { "$group": { "_id": "$a", "n": { "$sum": 1 } } },
    ];
    let documents = [
        doc! { "find": "posts", "filter": filter.clone(), "sort": { "_id": 1 }, "projection": { "a": 1 }, "skip": 1, "limit": 2, "batchSize": 1, "$db": "chat" },
        doc! { "aggregate": "posts", "pipeline": pipeline, "cursor": {}, "$db": "chat" },
        doc! { "aggregate": "posts", "pipeline": [{ "$match": {} }, { "$group": { "_id": 1, "n": { "$sum": 1 } } }], "cursor": {}, "$db": "chat" },
        doc! { "count": "posts", "query": filter.clone(), "$db": "chat" },
        doc! { "listCollections": 1, "filter": { "name": "posts" }, "$db": "chat" },
        doc! { "getMore": 12_345_i64, "collection": "posts", "batchSize": 3, "$db": "chat" },
        doc! { "killCursors": "posts", "cursors": [1_i64], "$db": "chat" },
        doc! { "hello": 1, "helloOk": true, "$db": "admin" },
        doc! { "listDatabases": 1, "$db": "admin" },
    ];
    let mut messages: Vec<_> = documents.iter().map(command).collect();
    messages.push(old_query(
        "chat.posts",
        &doc! { "$query": filter.clone(), "$orderby": { "a": 1 } },
    ));
    messages.push(old_query(
        "chat.$cmd",
        &doc! { "$query": { "count": "posts" }, "$readPreference": { "mode": "primary" } },
    ));
    messages.push(message(2005, b"\0\0\0\0chat.posts\0\x05\0\0\0\x01\0\0\0\0\0\0\0"));
    messages.push(message(2007, b"\0\0\0\0\x01\0\0\0\x01\0\0\0\0\0\0\0"));
    messages
}

/// A stand-in with a few documents of every kind.
fn stand_in() -> (TempDir, StandIn) {
    let directory = tempfile::tempdir().unwrap();
    let stand_in = StandIn::new(Store::open(directory.path(), &mut Vec::new()).unwrap());
    let documents: Vec<Bson> = (0..6)
        .map(|number| {
            let odd = [
                Bson::Null,
                "hi".into(),
                2.5.into(),
                Bson::Array(vec![1.into(), "x".into()]),
                bson::DateTime::MAX.into(),
                f64::NAN.into(),
            ];
            doc! { "_id": number, "a": odd[number as usize].clone(), "b": { "c": number }, "t": "hello" }.into()
        })
        .collect();
    stand_in
        .command(1, "chat", &doc! { "insert": "posts", "documents": documents })
        .unwrap();
    (directory, stand_in)
}

/// Says whether `request` writes to the disk, which takes longer than all else.
fn writes(request: &Request) -> bool {
    match request {
        Request::Command { arguments, .. } => {
            let name = arguments.keys().next().map(String::as_str);
            matches!(name, Some("insert" | "delete" | "create" | "drop" | "dropDatabase"))
        }
        Request::Insert { .. } => true,
        _ => false,
    }
}

#[test]
fn fuzz_mongo_messages() {
    let (_directory, stand_in) = stand_in();
    with_lengths("mongo-messages")
        .seeds(messages())
        .words(["$regex", "$in", "$not", "$and", "$sum", "$db", "posts", "$expr"])
        .run(|bytes| {
            let Some((header, body)) = bytes.split_first_chunk::<HEADER>() else {
                return false;
            };
            let Ok(header) = Header::decode(*header) else {
                return false;
            };
            assert!(header.rest < 48_000_000);
            let Ok(request) = header.decode_body(body) else {
                return false;
            };
            if writes(&request) {
                return true;
            }
            let reply = answer(&stand_in, header.request, request, 1);
            assert!(reply.is_empty() || reply[..4] == i32::try_from(reply.len()).unwrap().to_le_bytes());
            true
        });
}

#[test]
fn fuzz_mongo_writes() {
    let insert = doc! { "insert": "posts", "documents": [{ "_id": 1, "text": "hello", "when": bson::DateTime::MIN }, { "a": [1, { "b": null }] }], "ordered": true, "$db": "chat" };
    let delete = doc! { "delete": "posts", "deletes": [{ "q": { "_id": 1 }, "limit": 1 }, { "q": {}, "limit": 0 }], "$db": "chat" };
    let old = [b"\0\0\0\0chat.posts\0", &doc! { "a": 1 }.to_vec().unwrap()[..]].concat();
    let (_directory, stand_in) = stand_in();
    with_lengths("mongo-writes")
        .seeds([
            command(&insert),
            command(&delete),
            message(2002, &old),
            command(&doc! { "drop": "posts", "$db": "chat" }),
        ])
        .one_of(10)
        .within(std::time::Duration::from_millis(500))
        .run(|bytes| {
            let Some((header, body)) = bytes.split_first_chunk::<HEADER>() else {
                return false;
            };
            let Ok(header) = Header::decode(*header) else {
                return false;
            };
            let Ok(request) = header.decode_body(body) else {
                return false;
            };
            answer(&stand_in, header.request, request, 1);
            true
        });
}
