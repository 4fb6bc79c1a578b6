//! What stands at a path.

use crate::domain::{FileKind, FileSeen, Observation, ProbeError};
use crate::node::{LookAt, Seen, SeenKind, Transport};

/// How many bytes of content are taken.
const CONTENT: u64 = 1 << 20;

pub(super) async fn observe_file(
    transport: &dyn Transport,
    path: &str,
    as_root: bool,
) -> Result<Observation, ProbeError> {
    let look = LookAt {
        path: path.to_owned(),
        hash: true,
        content: CONTENT,
        names: true,
    };
    let seen = transport.look_at(as_root, look).await?;
    if seen
        .as_ref()
        .is_some_and(|seen| seen.kind == SeenKind::File && !seen.may_read)
    {
        return Err(ProbeError::CannotLook {
            reason: format!("{path}: permission denied"),
            hint: None,
        });
    }
    Ok(Observation::File { file: seen.map(file) })
}

fn file(seen: Seen) -> FileSeen {
    let (kind, content) = match seen.kind {
        SeenKind::File => (FileKind::File, seen.content),
        SeenKind::Directory => (FileKind::Directory, lines(seen.names)),
        SeenKind::Link => (FileKind::Link, Vec::new()),
        SeenKind::Socket | SeenKind::Other => (FileKind::Other, Vec::new()),
    };
    FileSeen {
        kind,
        size: seen.size,
        mode: seen.mode,
        owner: seen.owner,
        group: seen.group,
        sha256: seen.sha256,
        content,
        target: seen.target.map(|target| String::from_utf8_lossy(&target).into_owned()),
    }
}

fn lines(names: Vec<Vec<u8>>) -> Vec<u8> {
    let mut lines = names.join(&b'\n');
    if !lines.is_empty() {
        lines.push(b'\n');
    }
    lines
}
