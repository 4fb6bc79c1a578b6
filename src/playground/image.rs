//! The images that nodes start from, made by the recipe in `scripts/base-image`, of which labctl carries a copy.

use super::engine::Engine;
use super::per_node::NodeChoice;
use super::progress::{Listener, Progress};
use super::{PlaygroundError, Suite};
use rustix::process::Pid;
use sha2::{Digest, Sha256};
use std::collections::VecDeque;
use std::io::Write;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

const RECIPE: &str = include_str!("../../scripts/base-image");
/// A slow mirror is no reason to give up; a hanging one is.
const LIMIT: Duration = Duration::from_secs(1800);
const LAST_LINES: usize = 20;

/// The image that labs build theirs on.
pub(super) const DEBIAN: &str = "debian:bookworm";

/// Returns the name of the image of nodes of `suite` that belongs to this labctl.
pub(super) fn node_image(suite: Suite) -> String {
    let hash = Sha256::digest(RECIPE);
    let version: String = hash.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    format!("labctl/playground-node:{version}-{}", suite.name())
}

/// Makes sure that the engine has the image of nodes of `suite`.
pub(super) async fn ensure_node_image(
    engine: &Engine,
    listener: &Listener<'_>,
    suite: Suite,
) -> Result<(), PlaygroundError> {
    ensure(engine, listener, &node_image(suite), &["node", suite.name()]).await
}

/// Makes sure that the engine has the image that labs build theirs on.
pub(super) async fn ensure_debian(engine: &Engine, listener: &Listener<'_>) -> Result<(), PlaygroundError> {
    ensure(engine, listener, DEBIAN, &["debian"]).await
}

async fn ensure(engine: &Engine, listener: &Listener<'_>, image: &str, part: &[&str]) -> Result<(), PlaygroundError> {
    if has(engine, image).await? {
        return Ok(());
    }
    listener.tell(Progress::MakingImage {
        image: image.to_owned(),
    });
    run_recipe(engine, listener, part).await?;
    if !has(engine, image).await? {
        let ending = "it ended well, yet the image is not there".to_owned();
        return Err(PlaygroundError::Image {
            ending,
            output: String::new(),
        });
    }
    listener.tell(Progress::ImageMade {
        image: image.to_owned(),
    });
    Ok(())
}

async fn has(engine: &Engine, image: &str) -> Result<bool, PlaygroundError> {
    match engine.docker.inspect_image(image).await {
        Ok(_) => Ok(true),
        Err(bollard::errors::Error::DockerResponseServerError { status_code: 404, .. }) => Ok(false),
        Err(error) => Err(PlaygroundError::engine(format!("look up the image {image}"))(error)),
    }
}

async fn run_recipe(engine: &Engine, listener: &Listener<'_>, part: &[&str]) -> Result<(), PlaygroundError> {
    let failed = |ending: String, output: String| PlaygroundError::Image { ending, output };
    let cannot_start = |error: std::io::Error| failed(error.to_string(), String::new());
    let mut script = tempfile::NamedTempFile::new().map_err(cannot_start)?;
    script.write_all(RECIPE.as_bytes()).map_err(cannot_start)?;
    let mut command = Command::new("sh");
    command.arg(script.path()).args(part).env("DOCKER_HOST", &engine.host);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    // A group of its own, so that giving up ends the package manager too and not just the shell above it.
    let mut child = command.process_group(0).spawn().map_err(cannot_start)?;
    let _group = Group(child.id().and_then(|id| Pid::from_raw(id.cast_signed())));
    let mut last = VecDeque::new();
    let followed = timeout(LIMIT, follow(&mut child, listener, &mut last)).await;
    let output = last.into_iter().collect::<Vec<_>>().join("\n");
    match followed {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(failed(status.to_string(), output)),
        Ok(Err(error)) => Err(failed(error.to_string(), output)),
        Err(_) => Err(failed(format!("it was not done after {} s", LIMIT.as_secs()), output)),
    }
}

/// The process group of a recipe; what is left of it ends when this is dropped.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            // Nothing left to end is the usual case.
            let _ = rustix::process::kill_process_group(leader, rustix::process::Signal::TERM);
        }
    }
}

/// Passes on what the recipe prints, keeping the last lines for the error.
async fn follow(
    child: &mut Child,
    listener: &Listener<'_>,
    last: &mut VecDeque<String>,
) -> std::io::Result<std::process::ExitStatus> {
    if let Some(stderr) = child.stderr.take() {
        let mut lines = BufReader::new(stderr).split(b'\n');
        while let Some(line) = lines.next_segment().await? {
            // A package manager redraws its line: what stands after the last carriage return is what one would see.
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end().rsplit('\r').next().unwrap_or_default().to_owned();
            if last.len() == LAST_LINES {
                last.pop_front();
            }
            last.push_back(line.clone());
            listener.tell(Progress::ImageOutput { line });
        }
    }
    child.wait().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recipe_gives_its_image_the_same_version_as_labctl_does() {
        let recipe = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/base-image");
        let output = std::process::Command::new("sh")
            .args([recipe, "version"])
            .output()
            .unwrap();
        let version = String::from_utf8(output.stdout).unwrap();
        for suite in Suite::ALL {
            let image = format!("labctl/playground-node:{}-{}", version.trim(), suite.name());
            assert_eq!(node_image(*suite), image);
        }
    }

    #[tokio::test]
    async fn giving_up_ends_what_the_recipe_started_too() {
        let mut command = Command::new("sh");
        command
            .args(["-c", "sleep 300 & echo $! >&2; wait"])
            .stderr(Stdio::piped());
        let mut child = command.process_group(0).spawn().unwrap();
        let group = Group(child.id().and_then(|id| Pid::from_raw(id.cast_signed())));
        let mut line = String::new();
        BufReader::new(child.stderr.take().unwrap())
            .read_line(&mut line)
            .await
            .unwrap();
        let stat = format!("/proc/{}/stat", line.trim());
        assert!(std::path::Path::new(&stat).exists());
        drop(group);
        child.wait().await.unwrap();
        let ended = || std::fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z "));
        let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
        while !ended() {
            assert!(
                tokio::time::Instant::now() < deadline,
                "the grandchild {} still runs",
                line.trim()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
