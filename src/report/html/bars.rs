//! Who answered how many of many requests, as bars.

use super::super::chronicle::Chronicle;
use serde::Serialize;

/// The answers to one check's requests.
#[derive(Debug, Serialize)]
pub(super) struct Spread {}

pub(super) fn spreads(_: &Chronicle) -> Vec<Spread> {
    Vec::new()
}
