//! What the records of execs on a node are asked for, besides running and attaching.

use super::link::Link;
use super::look::{self, Root, Script};
use crate::domain::shell_quoted;
use crate::node::printable::printable_line;
use crate::node::{Command, Ending, NodeError};
use std::time::Duration;

/// How long ending everything that still runs may take: each exec gets TERM and a grace before KILL.
const STOPPING: Duration = Duration::from_secs(120);

/// How long a look at a record may take.
const LOOKING: Duration = Duration::from_secs(60);

/// How many bytes of ids are taken: more than any build prints.
const IDS: usize = 4 << 20;

async fn as_root(link: &Link, root: Root, text: String, deadline: Duration) -> Result<Vec<u8>, NodeError> {
    let command = Command::Shell(text);
    let script = Script {
        command: &command,
        payload: b"",
        as_root: true,
        deadline,
        keep: IDS,
    };
    let looked = look::run(link, root, &script).await?;
    match looked.ending {
        Ending::Exited { code: 0 } => Ok(looked.stdout),
        ending => {
            let said = printable_line(&looked.stderr);
            Err(link.fault(&if said.is_empty() { ending.to_string() } else { said }))
        }
    }
}

/// Ends all execs below the instance's `directory`, and waits until they have ended.
pub(super) async fn stop_all(link: &Link, root: Root, directory: &str) -> Result<(), NodeError> {
    let text = format!("[ ! -e {directory}/supervisor ] || exec /bin/sh {directory}/supervisor close");
    as_root(link, root, text, STOPPING).await.map(|_| ())
}

/// Removes the output of `exec`.
pub(super) async fn forget_output(link: &Link, root: Root, directory: &str, exec: &str) -> Result<(), NodeError> {
    let record = shell_quoted(&format!("{directory}/exec/{exec}"));
    as_root(link, root, format!("rm -f -- {record}/stdout {record}/stderr"), LOOKING)
        .await
        .map(|_| ())
}

/// Returns the ids, 12 to 64 hex digits, in the output of `exec`.
pub(super) async fn printed_ids(
    link: &Link,
    root: Root,
    directory: &str,
    exec: &str,
) -> Result<Vec<String>, NodeError> {
    let record = shell_quoted(&format!("{directory}/exec/{exec}"));
    let text = format!(
        "[ ! -d {record} ] || cat -- {record}/stdout {record}/stderr |\n\
         grep -aoE '[0-9a-f]{{12,64}}' | sort -u"
    );
    let ids = as_root(link, root, text, LOOKING).await?;
    Ok(String::from_utf8_lossy(&ids).lines().map(str::to_owned).collect())
}
