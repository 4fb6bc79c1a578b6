//! Whatever bytes come: messages, or a fault, never a panic.

use labctl_agent::{Exec, Frames, LARGEST_FRAME, ToAgent, ToLabctl, encode};
use proptest::prelude::*;

fn read_all<T: serde::de::DeserializeOwned>(bytes: &[u8], piece: usize) -> (Vec<T>, bool) {
    let (mut frames, mut read) = (Frames::default(), Vec::new());
    for piece in bytes.chunks(piece.max(1)) {
        frames.push(piece);
        loop {
            match frames.next() {
                Ok(Some(message)) => read.push(message),
                Ok(None) => break,
                Err(_) => return (read, true),
            }
        }
    }
    (read, false)
}

fn message() -> impl Strategy<Value = ToAgent> {
    let bytes = prop::collection::vec(any::<u8>(), 0..300);
    prop_oneof![
        (any::<u32>(), bytes).prop_map(|(id, bytes)| ToAgent::Data { id, bytes }),
        any::<u32>().prop_map(|id| ToAgent::End { id }),
        any::<(u32, u32)>().prop_map(|(id, bytes)| ToAgent::Grant { id, bytes }),
    ]
}

/// Returns how many inputs are tried: LABCTL_FUZZ_CASES, as `scripts/soak --fuzz` sets it.
fn cases() -> u32 {
    let asked = std::env::var("LABCTL_FUZZ_CASES").ok();
    asked.map_or(10_000, |cases| cases.parse().unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read_without_a_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        header in any::<bool>(),
        piece in 1_usize..50,
    ) {
        let mut bytes = bytes;
        if header && bytes.len() >= 4 {
            // Otherwise hardly any length is that of what follows.
            let length = u32::try_from(bytes.len() - 4).unwrap();
            bytes[..4].copy_from_slice(&length.to_be_bytes());
        }
        read_all::<ToAgent>(&bytes, piece);
        read_all::<ToLabctl>(&bytes, piece);
        read_all::<Exec>(&bytes, piece);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn messages_arrive_as_they_were_sent_in_pieces_of_any_size(
        messages in prop::collection::vec(message(), 0..4),
        piece in 1_usize..100,
    ) {
        let bytes: Vec<u8> = messages.iter().flat_map(|message| encode(message).unwrap()).collect();
        prop_assert_eq!(read_all::<ToAgent>(&bytes, piece), (messages, false));
    }
}

#[test]
fn a_message_that_is_too_large_is_neither_made_nor_read() {
    let bytes = vec![0; LARGEST_FRAME];
    assert!(encode(&ToAgent::Data { id: 1, bytes }).is_err());
    let length = u32::try_from(LARGEST_FRAME + 1).unwrap();
    assert!(read_all::<ToAgent>(&length.to_be_bytes(), 4).1);
}
