//! What a service says in its container's log.
//!
//! Responsible for one line a message on standard output, where `docker logs` finds it. It may not fail: a log
//! that nobody reads is no reason to stop serving.

use std::io::Write as _;

use jiff::Timestamp;

/// The longest message that is written, in characters: parts of it may come from a client.
const LONGEST: usize = 500;

/// Writes one line of `service`'s log, with the time in front and control characters made harmless.
pub(crate) fn say(service: &str, message: &str) {
    let time = Timestamp::now();
    let text: String = message
        .chars()
        .take(LONGEST)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect();
    // A closed standard output is no reason to stop serving.
    let _ = writeln!(std::io::stdout().lock(), "{time:.3} {service}: {text}");
}
