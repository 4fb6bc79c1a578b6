//! Which container an image was committed from. Engines tell it up to API 1.44, and the client library reads it nowhere.

use super::http::exchange;
use crate::domain::{HttpMethod, HttpProbe, HttpSeen, ProbeError};
use crate::node::{ApiVersion, NodeErrorKind, Transport, Tunnel};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::time::timeout;

/// The last version of the API that tells it; every engine that has more accepts this one.
const LAST_VERSION: (usize, usize) = (1, 44);

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Returns the full id of the container that each of `images` was committed from, by the image's id. Images that are gone
/// or were made in another way are left out.
pub async fn committed_from(
    transport: &dyn Transport,
    images: &[String],
) -> Result<BTreeMap<String, String>, ProbeError> {
    let mut found = BTreeMap::new();
    if images.is_empty() {
        return Ok(found);
    }
    let tunnel = transport.engine().await.map_err(|error| match error.kind {
        NodeErrorKind::NodeFault => cannot_look(&error.message),
        _ => error.into(),
    })?;
    let version = version(&tunnel).await?;
    for image in images {
        let seen = get(&tunnel.socket, &format!("{version}/images/{image}/json")).await?;
        match seen.status {
            200 => {
                let inspected: Value = read(&seen)?;
                let container = inspected["Container"].as_str().filter(|id| !id.is_empty());
                found.extend(container.map(|container| (image.clone(), container.to_owned())));
            }
            404 => {}
            status => return Err(cannot_look(&format!("status {status} for image {image}"))),
        }
    }
    Ok(found)
}

/// Returns the prefix of paths for the version to ask in.
async fn version(tunnel: &Tunnel) -> Result<String, ProbeError> {
    let newest = match tunnel.api_version {
        Some(ApiVersion { major, minor }) => (major, minor),
        None => told_version(&tunnel.socket).await?,
    };
    let (major, minor) = newest.min(LAST_VERSION);
    Ok(format!("/v{major}.{minor}"))
}

async fn told_version(socket: &Path) -> Result<(usize, usize), ProbeError> {
    let told: Value = read(&get(socket, "/version").await?)?;
    let newest = told["ApiVersion"].as_str().unwrap_or_default();
    let numbers = newest.split_once('.').and_then(|(major, minor)| {
        let number = |text: &str| text.parse::<usize>().ok();
        Some((number(major)?, number(minor)?))
    });
    numbers.ok_or_else(|| cannot_look(&format!("`{newest}` as the version of its API")))
}

async fn get(socket: &Path, path: &str) -> Result<HttpSeen, ProbeError> {
    let probe = HttpProbe {
        host: "docker".to_owned(),
        port: 80,
        path: path.to_owned(),
        host_header: None,
        user: None,
        method: HttpMethod::Get,
        timeout: PATIENCE,
    };
    let asked = async {
        let stream = UnixStream::connect(socket).await.map_err(|error| error.to_string())?;
        exchange(stream, &probe).await
    };
    match timeout(PATIENCE, asked).await {
        Ok(seen) => seen.map_err(|reason| cannot_look(&reason)),
        Err(_) => Err(cannot_look(&format!("no answer within {} s", PATIENCE.as_secs()))),
    }
}

fn read(seen: &HttpSeen) -> Result<Value, ProbeError> {
    serde_json::from_slice(&seen.body).map_err(|error| cannot_look(&error.to_string()))
}

fn cannot_look(reason: &str) -> ProbeError {
    ProbeError::CannotLook {
        reason: format!("the Docker Engine does not answer as it should: {reason}"),
        hint: None,
    }
}
