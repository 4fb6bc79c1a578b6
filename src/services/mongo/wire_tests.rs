//! Messages as drivers send them, and as nobody should.

use bson::{doc, rawdoc};
use proptest::prelude::*;

use super::*;

fn header(opcode: i32, rest: usize) -> Header {
    Header {
        rest,
        request: 1,
        opcode,
    }
}

fn decode(opcode: i32, body: &[u8]) -> Result<Request, WireError> {
    header(opcode, body.len()).decode_body(body)
}

fn msg(flags: u32, sections: &[u8]) -> Vec<u8> {
    [&flags.to_le_bytes()[..], sections].concat()
}

fn body_section(document: &Document) -> Vec<u8> {
    [vec![0], document.to_vec().unwrap()].concat()
}

fn sequence_section(name: &str, documents: &[Document]) -> Vec<u8> {
    let mut content = [name.as_bytes(), &[0]].concat();
    documents
        .iter()
        .for_each(|document| content.extend(document.to_vec().unwrap()));
    let length = i32::try_from(content.len() + 4).unwrap().to_le_bytes();
    [&[1][..], &length, &content].concat()
}

#[test]
fn a_command_and_its_sequence_of_documents_become_one() {
    let documents = [doc! { "_id": 1 }, doc! { "_id": 2 }];
    let sections = [
        body_section(&doc! { "insert": "posts", "$db": "chat" }),
        sequence_section("documents", &documents),
    ]
    .concat();
    let Ok(Request::Command {
        database,
        arguments,
        style,
    }) = decode(OP_MSG, &msg(0, &sections))
    else {
        panic!("should be a command");
    };
    assert_eq!((database.as_str(), style), ("chat", Style::Message));
    assert_eq!(arguments.get_array("documents").unwrap().len(), 2);
}

#[test]
fn a_checksum_is_skipped_and_more_to_come_wants_no_reply() {
    let sections = [body_section(&doc! { "ping": 1, "$db": "admin" }), vec![1, 2, 3, 4]].concat();
    let request = decode(OP_MSG, &msg(CHECKSUM_PRESENT | MORE_TO_COME, &sections)).unwrap();
    assert!(
        matches!(
            request,
            Request::Command {
                style: Style::Silent,
                ..
            }
        ),
        "{request:?}"
    );
}

#[test]
fn messages_that_make_no_sense_are_refused() {
    let command = body_section(&doc! { "ping": 1, "$db": "admin" });
    let twice = [command.clone(), command.clone()].concat();
    for bytes in [
        msg(0, &[]),
        msg(1 << 5, &command),
        msg(0, &twice),
        msg(0, &body_section(&doc! { "ping": 1 })),
        msg(0, &[2]),
        msg(0, &command[..command.len() - 1]),
        msg(0, &[0, 0, 0, 0, 0]),
        msg(0, &[0, 255, 255, 255, 255]),
        msg(0, &[&command[..], &[1, 3, 0, 0, 0]].concat()),
        vec![0, 0],
    ] {
        assert!(decode(OP_MSG, &bytes).is_err(), "{bytes:?} should be refused");
    }
    assert_eq!(decode(2012, &[]), Err(WireError::Opcode(2012)));
}

#[test]
fn a_length_is_believed_only_within_bounds() {
    let bytes = |length: i32| {
        let mut bytes = [0; HEADER];
        bytes[..4].copy_from_slice(&length.to_le_bytes());
        bytes
    };
    for length in [i32::MIN, -1, 0, 15, 48_000_001, i32::MAX] {
        assert_eq!(Header::decode(bytes(length)), Err(WireError::Length(length)));
    }
    assert_eq!(Header::decode(bytes(16)).unwrap().rest, 0);
    assert_eq!(Header::decode(bytes(48_000_000)).unwrap().rest, 48_000_000 - 16);
}

#[test]
fn a_command_of_the_old_kind_is_unwrapped() {
    let wrapped = doc! { "$query": { "count": "posts" }, "$readPreference": { "mode": "primary" } };
    let body = [&[0; 4][..], b"chat.$cmd\0", &[0; 8], &wrapped.to_vec().unwrap()].concat();
    let Ok(Request::Command {
        database,
        arguments,
        style,
    }) = decode(OP_QUERY, &body)
    else {
        panic!("should be a command");
    };
    assert_eq!(
        (database.as_str(), arguments, style),
        ("chat", doc! { "count": "posts" }, Style::Legacy)
    );
}

#[test]
fn replies_carry_their_length_and_whom_they_answer() {
    let document = rawdoc! { "ok": 1.0 };
    for bytes in [
        message(7, &document),
        legacy(7, 0, 0, std::iter::once(document.as_ref())),
    ] {
        assert_eq!(bytes[..4], i32::try_from(bytes.len()).unwrap().to_le_bytes());
        assert_eq!(bytes[8..12], 7_i32.to_le_bytes());
        assert!(bytes.ends_with(document.as_bytes()));
    }
}

proptest! {
    #[test]
    fn any_bytes_are_decoded_or_refused(
        opcode in prop::sample::select(vec![OP_MSG, OP_QUERY, OP_GET_MORE, OP_KILL_CURSORS, OP_INSERT, 0]),
        body in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let _ = decode(opcode, &body);
    }

    #[test]
    fn a_damaged_command_is_decoded_or_refused(at in any::<prop::sample::Index>(), value in any::<u8>()) {
        let sections = [
            body_section(&doc! { "find": "posts", "filter": { "a": { "$in": [1, "x", null] } }, "$db": "chat" }),
            sequence_section("documents", &[doc! { "_id": 1, "text": "hello" }]),
        ].concat();
        let mut bytes = msg(0, &sections);
        let at = at.index(bytes.len());
        bytes[at] = value;
        let _ = decode(OP_MSG, &bytes);
    }
}
