//! Waits until a node is one: its sshd answers from here, and its engine answers inside.

use super::PlaygroundError;
use super::engine::Engine;
use super::exec::run_in;
use std::net::Ipv4Addr;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

const LIMIT: Duration = Duration::from_secs(90);
const PAUSE: Duration = Duration::from_millis(150);
const LOG_LINES: &str = "20";
/// Prints the end of the engine's log, wherever the node's init keeps it; fails where there is none.
const ENGINE_LOG: &str = r#"
if [ -d /run/systemd/system ]; then journalctl --unit docker --lines "$0" --no-pager --output cat
else tail -n "$0" /var/log/docker.log; fi"#;

/// Waits until `node` in the container `id` at `address` is ready; returns its engine's version.
pub(super) async fn wait_until_ready(
    engine: &Engine,
    id: &str,
    node: &str,
    address: Ipv4Addr,
) -> Result<String, PlaygroundError> {
    let begin = Instant::now();
    loop {
        let missing = match look(engine, id, address).await {
            Look::Ready { engine } => return Ok(engine),
            Look::NotYet { .. } if begin.elapsed() < LIMIT => {
                sleep(PAUSE).await;
                continue;
            }
            Look::NotYet { missing } | Look::Hopeless { missing } => missing,
        };
        let log = last_lines(engine, id).await;
        return Err(PlaygroundError::NotUp {
            node: node.to_owned(),
            waited: begin.elapsed(),
            reason: missing,
            log,
        });
    }
}

enum Look {
    Ready { engine: String },
    NotYet { missing: String },
    Hopeless { missing: String },
}

async fn look(engine: &Engine, id: &str, address: Ipv4Addr) -> Look {
    match engine.docker.inspect_container(id, None).await {
        Ok(container) => {
            let state = container.state.unwrap_or_default();
            if state.running != Some(true) {
                let code = state.exit_code.unwrap_or_default();
                let error = state.error.unwrap_or_default();
                return Look::Hopeless {
                    missing: format!("its init ended with {code} {error}").trim_end().to_owned(),
                };
            }
        }
        Err(error) => {
            return Look::Hopeless {
                missing: error.to_string(),
            };
        }
    }
    if !sshd_answers(address).await {
        return Look::NotYet {
            missing: format!("its sshd at {address}:22 does not answer"),
        };
    }
    match run_in(
        &engine.docker,
        id,
        &["docker", "version", "--format", "{{.Server.Version}}"],
    )
    .await
    {
        Ok(finished) if finished.code == 0 => Look::Ready {
            engine: finished.output.trim().to_owned(),
        },
        Ok(_) => Look::NotYet {
            missing: "its Docker Engine does not answer".to_owned(),
        },
        Err(error) => Look::NotYet {
            missing: error.to_string(),
        },
    }
}

async fn sshd_answers(address: Ipv4Addr) -> bool {
    let greeting = async {
        let mut greeting = [0; 4];
        let mut stream = TcpStream::connect((address, 22)).await?;
        stream.read_exact(&mut greeting).await?;
        std::io::Result::Ok(greeting)
    };
    matches!(timeout(Duration::from_secs(2), greeting).await, Ok(Ok(greeting)) if greeting == *b"SSH-")
}

/// Returns the end of the engine's log, and what the init printed; an empty text where neither can be had.
async fn last_lines(engine: &Engine, id: &str) -> String {
    match run_in(&engine.docker, id, &["sh", "-c", ENGINE_LOG, LOG_LINES]).await {
        Ok(finished) => finished.output,
        Err(_) => init_output(engine, id).await,
    }
}

async fn init_output(engine: &Engine, id: &str) -> String {
    use futures_util::TryStreamExt;
    let options = bollard::query_parameters::LogsOptionsBuilder::default();
    let options = options.stdout(true).stderr(true).tail(LOG_LINES).build();
    let lines: Result<Vec<_>, _> = engine.docker.logs(id, Some(options)).try_collect().await;
    lines.unwrap_or_default().iter().map(ToString::to_string).collect()
}
