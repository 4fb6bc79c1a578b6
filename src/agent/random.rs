//! Names that nobody else has.

use rustix::rand::{GetRandomFlags, getrandom};
use std::hash::{BuildHasher, RandomState};

/// Returns twelve hex digits that cannot be guessed.
pub(crate) fn word() -> String {
    let mut bytes = [0; 8];
    let number = match getrandom(&mut bytes, GetRandomFlags::empty()) {
        Ok(8) => u64::from_ne_bytes(bytes),
        // A kernel without it: the standard library has its own ways.
        _ => RandomState::new().hash_one(std::process::id()),
    };
    format!("{:012x}", number >> 16)
}
