//! A command inside a node's container, by the engine's own door: for the time before sshd answers.

use bollard::Docker;
use bollard::errors::Error;
use bollard::exec::{CreateExecOptions, StartExecResults};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use tokio::io::AsyncWriteExt;

const KEEP: usize = 64 * 1024;

/// How a command inside a container ended.
pub(super) struct Finished {
    pub(super) code: i64,
    /// The first 64 KiB of both output streams.
    pub(super) output: String,
}

/// Runs `argv` as root in `container` and waits for it.
pub(super) async fn run_in(docker: &Docker, container: &str, argv: &[&str]) -> Result<Finished, Error> {
    run(docker, container, argv, None).await
}

/// Runs `argv` as root in `container`, feeding it `input`, and waits for it.
pub(super) async fn feed(
    docker: &Docker,
    container: &str,
    argv: &[&str],
    input: BoxStream<'_, Result<Bytes, Error>>,
) -> Result<Finished, Error> {
    run(docker, container, argv, Some(input)).await
}

async fn run(
    docker: &Docker,
    container: &str,
    argv: &[&str],
    feed: Option<BoxStream<'_, Result<Bytes, Error>>>,
) -> Result<Finished, Error> {
    let options = CreateExecOptions {
        attach_stdin: Some(feed.is_some()),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        cmd: Some(argv.to_vec()),
        ..Default::default()
    };
    let id = docker.create_exec(container, options).await?.id;
    let mut kept = Vec::new();
    if let StartExecResults::Attached { mut output, mut input } = docker.start_exec(&id, None).await? {
        let write = async {
            if let Some(mut feed) = feed {
                while let Some(chunk) = feed.next().await {
                    // A command that ends early closes its end; its exit code says more than the broken pipe.
                    if input.write_all(&chunk?).await.is_err() {
                        break;
                    }
                }
            }
            let _ = input.shutdown().await;
            Ok::<(), Error>(())
        };
        let read = async {
            while let Some(chunk) = output.next().await {
                let bytes = chunk?.into_bytes();
                let room = KEEP - kept.len();
                kept.extend(bytes.iter().take(room));
            }
            Ok::<(), Error>(())
        };
        let (written, read) = tokio::join!(write, read);
        written.and(read)?;
    }
    let code = docker.inspect_exec(&id).await?.exit_code.unwrap_or(-1);
    Ok(Finished {
        code,
        output: String::from_utf8_lossy(&kept).into_owned(),
    })
}
