//! What programs on a node say of themselves.

use crate::domain::{Command, Ending, ProbeError};
use crate::node::{Look, Transport};
use std::time::Duration;

/// How long a program may take to say its version; a login shell with a slow profile, too.
const PATIENCE: Duration = Duration::from_secs(30);

/// How many bytes of what a program says are read.
pub(super) const KEPT: usize = 64 << 10;

/// The longest line of a program's that is a fact, in characters.
const LINE: usize = 200;

/// Returns all that a command says on standard output; `None` where it does not end well.
pub(super) async fn output(transport: &dyn Transport, words: &[&str]) -> Result<Option<String>, ProbeError> {
    let look = Look {
        command: Command::Argv(words.iter().map(|word| (*word).to_owned()).collect()),
        as_root: false,
        deadline: PATIENCE,
        keep: KEPT,
    };
    let looked = transport.look(&look).await?;
    let is_good = looked.ending == (Ending::Exited { code: 0 });
    Ok(is_good.then(|| String::from_utf8_lossy(&looked.stdout).into_owned()))
}

/// Returns the first line that a command says; `None` where it says nothing.
pub(super) async fn said(transport: &dyn Transport, words: &[&str]) -> Result<Option<String>, ProbeError> {
    let text = output(transport, words).await?.unwrap_or_default();
    let line: String = text.lines().next().unwrap_or_default().chars().take(LINE).collect();
    Ok(Some(line).filter(|line| !line.is_empty()))
}
