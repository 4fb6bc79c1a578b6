//! Which probes a check needs.

use super::engine::asks_the_engine;
use crate::domain::{CheckKind, EngineAt, HttpCheck, HttpMethod, HttpProbe, Probe, Text, UnusableValue, Values};
use std::time::Duration;

/// How long one look may take; waiting longer is the business of `within`.
const LOOK: Duration = Duration::from_secs(10);

/// Returns the probes whose observations, in this order, decide `kind`; none where it judges the step's own command.
pub fn probes_for(kind: &CheckKind, values: &Values) -> Result<Vec<Probe>, UnusableValue> {
    let at = EngineAt::Socket;
    let probe = match kind {
        CheckKind::Exit { .. } | CheckKind::Stdout(_) | CheckKind::Stderr(_) | CheckKind::Captured { .. } => {
            return Ok(Vec::new());
        }
        CheckKind::Command { command, as_root, .. } => Probe::Command {
            command: command.fill(values)?,
            as_root: *as_root,
            timeout: LOOK,
        },
        CheckKind::File { path, .. } => Probe::File {
            path: path.fill(values)?,
            as_root: true,
        },
        CheckKind::Http(http) => {
            let times = http.spread.as_ref().map_or(1, |spread| spread.requests);
            return Ok(vec![request(http, values)?; times]);
        }
        CheckKind::Engine {
            labels,
            default_options,
            options_once,
        } => {
            let mut probes = Vec::new();
            if asks_the_engine(kind) {
                probes.push(Probe::Engine { at });
            }
            // Where its options stand says why it lacks a label.
            if *default_options || *options_once || !labels.is_empty() {
                probes.push(Probe::EngineOptions);
            }
            return Ok(probes);
        }
        CheckKind::Swarm(swarm) => {
            let host = swarm.host.fill(values)?;
            return Ok(["/version", "/info"].map(|path| get(&host, swarm.port, path)).to_vec());
        }
        CheckKind::Containers(_) => Probe::Containers {
            at,
            labels: Vec::new(),
            all: true,
        },
        CheckKind::Images { .. } => Probe::Images { at },
        CheckKind::Port { host, port, .. } => Probe::Port {
            host: host.fill(values)?,
            port: *port,
            timeout: Duration::from_secs(3),
        },
    };
    Ok(vec![probe])
}

fn request(http: &HttpCheck, values: &Values) -> Result<Probe, UnusableValue> {
    let method = if http.form.is_empty() {
        HttpMethod::Get
    } else {
        let fill = |(name, value): &(String, Text)| Ok((name.clone(), value.fill(values)?));
        HttpMethod::PostForm(http.form.iter().map(fill).collect::<Result<_, UnusableValue>>()?)
    };
    let host_header = http.host_header.as_ref().map(|header| header.fill(values));
    Ok(Probe::Http(HttpProbe {
        host: http.host.fill(values)?,
        port: http.port,
        path: http.path.fill(values)?,
        host_header: host_header.transpose()?,
        user: http.user.clone(),
        method,
        timeout: LOOK,
    }))
}

fn get(host: &str, port: u16, path: &str) -> Probe {
    Probe::Http(HttpProbe {
        host: host.to_owned(),
        port,
        path: path.to_owned(),
        host_header: None,
        user: None,
        method: HttpMethod::Get,
        timeout: LOOK,
    })
}
