//! What is found on a node before anything is done there.

use super::facts_script::FactLines;
use super::observe;
use crate::domain::{
    ComposeFacts, ComposeFlavour, EngineAt, EngineOptions, Facts, InitSystem, LoginFacts, Observation, OptionsSource,
    OsFacts, Probe, ProbeError, ToolFacts,
};
use crate::node::Transport;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Gathers the facts of the node behind `transport`, which others call `private_ip`: one script, and the engine's own words.
pub async fn facts(transport: &dyn Transport, private_ip: &str) -> Result<Facts, ProbeError> {
    let lines = FactLines::gather(transport, private_ip).await?;
    let (engine, engine_problem) = match observe(transport, &Probe::Engine { at: EngineAt::Socket }).await? {
        Observation::Engine(engine) => (Some(engine), None),
        Observation::EngineDown { reason } => (None, Some(reason)),
        _ => (None, Some("it answered something that was not asked".to_owned())),
    };
    Ok(Facts {
        login: LoginFacts {
            user: lines.one("user").unwrap_or_default(),
            uid: lines.one("uid").and_then(|uid| uid.parse().ok()).unwrap_or(u32::MAX),
            home: lines.one("home").unwrap_or_default(),
            root: lines.has("root"),
            may_use_engine: lines.has("may_use_engine"),
        },
        private_address: lines.one("private_address"),
        os: OsFacts {
            id: lines.one("os_id").unwrap_or_default(),
            version: lines.one("os_version"),
            name: lines.one("os_name").unwrap_or_default(),
            arch: lines.one("arch").unwrap_or_default(),
            kernel: lines.one("kernel").unwrap_or_default(),
        },
        init: init(&lines),
        engine,
        engine_problem,
        compose: compose(&lines),
        engine_options: engine_options(&lines),
        tools: ToolFacts {
            docker: lines.one("docker"),
            git: lines.one("git"),
            tree: lines.one("tree"),
            curl: lines.one("curl"),
        },
        docker_host: lines.one("docker_host"),
        free_disk: lines
            .one("free_disk")
            .and_then(|kib| kib.parse::<u64>().ok())
            .map(|kib| kib.saturating_mul(1024)),
        instances: lines.has("may_list_instances").then(|| lines.all("instance").to_vec()),
    })
}

fn init(lines: &FactLines) -> InitSystem {
    match lines.one("init").as_deref() {
        Some("systemd") => InitSystem::Systemd,
        Some("init") => InitSystem::Sysvinit,
        _ if lines.has("init_script") => InitSystem::Sysvinit,
        _ => InitSystem::Other,
    }
}

fn compose(lines: &FactLines) -> Option<ComposeFacts> {
    if let Some(version) = lines.one("compose") {
        let version = version.trim_start_matches('v').to_owned();
        let flavour = if version.starts_with("1.") {
            ComposeFlavour::V1
        } else {
            ComposeFlavour::V2Standalone
        };
        return Some(ComposeFacts { flavour, version });
    }
    let version = lines.one("compose_plugin")?.trim_start_matches('v').to_owned();
    Some(ComposeFacts {
        flavour: ComposeFlavour::V2Plugin,
        version,
    })
}

/// Reads where the engine's options stand, and which it has.
pub(super) fn engine_options(lines: &FactLines) -> EngineOptions {
    EngineOptions {
        source: options_source(lines),
        docker_opts: lines.all("docker_opts").to_vec(),
        defaults_unread: lines.has("defaults_unread"),
        daemon_json: lines.has("daemon_json"),
        daemon_json_keys: daemon_json_keys(lines).unwrap_or_default(),
        running: lines.all("running").to_vec(),
    }
}

fn options_source(lines: &FactLines) -> OptionsSource {
    if let Some(exec_start) = lines.one("unit_exec") {
        let reads_file = lines
            .all("unit_environment")
            .iter()
            .any(|file| file == "/etc/default/docker");
        let uses_it = exec_start.contains("$DOCKER_OPTS") || exec_start.contains("${DOCKER_OPTS}");
        if reads_file && uses_it {
            return OptionsSource::DefaultsFile;
        }
        return OptionsSource::Unit {
            path: lines.one("unit_path").unwrap_or_default(),
            exec_start,
        };
    }
    if init(lines) == InitSystem::Sysvinit && lines.has("init_script_reads_defaults") {
        return OptionsSource::DefaultsFile;
    }
    OptionsSource::Unknown {
        reason: "neither a systemd unit nor an init script starts the engine".to_owned(),
    }
}

fn daemon_json_keys(lines: &FactLines) -> Option<Vec<String>> {
    let text = STANDARD.decode(lines.one("daemon_json_text")?).ok()?;
    let document: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&text).ok()?;
    Some(document.keys().cloned().collect())
}
