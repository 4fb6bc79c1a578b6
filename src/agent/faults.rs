//! Why something did not work, in words.

use labctl_agent::{Answer, Fault, FaultKind};
use std::io;

/// What a request comes to.
pub(crate) type Outcome = Result<Answer, Fault>;

/// Makes the fault for anything that did not work.
pub(crate) fn failed(message: impl Into<String>) -> Fault {
    Fault {
        kind: FaultKind::Failed,
        message: message.into(),
    }
}

/// Makes the fault for `path`, where `error` came up.
pub(crate) fn failed_at(path: &str, error: impl Into<io::Error>) -> Fault {
    failed(format!("{path}: {}", plain(&error.into())))
}

/// Says what `error` is, as in `permission denied`.
pub(crate) fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_ascii_lowercase());
    first.into_iter().chain(characters).collect()
}

/// Says whether `error` means that nothing is there.
pub(crate) fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
