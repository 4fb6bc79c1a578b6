//! What the manager says of itself and its engines.
//!
//! Responsible for `/version` and `/info` in the shapes that clients of classic Swarm read. Pure: it only reads pictures.

use serde_json::{Value, json};

use crate::go_size;
use crate::swarm::manager::cluster::{ApiVersion, Cluster, Snapshot};

/// The version clients see; the archived image's last.
const VERSION: &str = "swarm/1.2.9";
/// What clients show as the version of Go.
const WRITTEN_IN: &str = "none (Rust)";
/// What the manager says it speaks while it knows no engine.
const FALLBACK: ApiVersion = ApiVersion::new(1, 41);
/// The oldest version of a client that is understood.
const OLDEST: ApiVersion = ApiVersion::new(1, 12);
/// How many of the scheduler's units a CPU is.
const NANO: u64 = 1_000_000_000;
/// From this version on the cluster's status is not among the driver's.
const OWN_STATUS: ApiVersion = ApiVersion::new(1, 22);

/// The newest version that all engines speak.
pub(super) fn newest_version(cluster: &Cluster) -> ApiVersion {
    let engines = cluster.engines();
    let newest = engines
        .iter()
        .filter_map(|engine| Some(engine.snapshot().versions?.max))
        .min();
    newest.unwrap_or(FALLBACK)
}

/// Returns the answer to `/version`.
pub(super) fn version(cluster: &Cluster) -> Value {
    let (newest, oldest) = (newest_version(cluster).to_string(), OLDEST.to_string());
    let commit = concat!("labctl ", env!("CARGO_PKG_VERSION"));
    let details = json!({ "ApiVersion": newest, "MinAPIVersion": oldest, "GitCommit": commit, "Os": "linux", "Arch": arch(), "GoVersion": WRITTEN_IN, "Experimental": "false" });
    json!({
        "Version": VERSION,
        "ApiVersion": newest,
        "MinAPIVersion": oldest,
        "GitCommit": commit,
        "GoVersion": WRITTEN_IN,
        "Os": "linux",
        "Arch": arch(),
        "BuildTime": "",
        "Platform": { "Name": "" },
        "Components": [{ "Name": "Engine", "Version": VERSION, "Details": details }],
    })
}

fn arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// Returns the answer to `/info` for a client of `version`.
pub(super) fn info(cluster: &Cluster, version: Option<ApiVersion>) -> Value {
    let snapshots: Vec<_> = cluster.engines().iter().map(|engine| engine.snapshot()).collect();
    let healthy = || snapshots.iter().filter(|snapshot| snapshot.is_healthy());
    let mut status: Vec<[String; 2]> = vec![
        ["Role".to_owned(), "primary".to_owned()],
        ["Strategy".to_owned(), cluster.scheduler().strategy.to_string()],
        ["Filters".to_owned(), cluster.scheduler().filter_names()],
        ["Nodes".to_owned(), snapshots.len().to_string()],
    ];
    let (mut all, mut running, mut paused) = (0, 0, 0);
    for snapshot in &snapshots {
        status.extend(node_status(snapshot));
    }
    for snapshot in healthy() {
        let (of_node, running_there, paused_there) = counts(snapshot);
        all += of_node;
        running += running_there;
        paused += paused_there;
    }
    let mut info = json!({
        "ID": "",
        "Containers": all,
        "ContainersRunning": running,
        "ContainersPaused": paused,
        "ContainersStopped": all - running - paused,
        "Images": healthy().map(|snapshot| snapshot.images.len()).sum::<usize>(),
        "Driver": "",
        "DriverStatus": null,
        "SystemStatus": null,
        "Plugins": { "Volume": null, "Network": null, "Authorization": null },
        "MemoryLimit": true, "SwapLimit": true, "KernelMemory": true, "OomKillDisable": true,
        "CpuCfsPeriod": true, "CpuCfsQuota": true, "CPUShares": true, "CPUSet": true,
        "IPv4Forwarding": true, "BridgeNfIptables": true, "BridgeNfIp6tables": true,
        "Debug": false,
        "NEventsListener": 0,
        "SystemTime": jiff::Timestamp::now().to_string(),
        "KernelVersion": "", "OperatingSystem": "linux", "OSType": "linux", "Architecture": arch(),
        "NCPU": healthy().map(|snapshot| snapshot.total.nano_cpus / NANO).sum::<u64>(),
        "MemTotal": healthy().map(|snapshot| snapshot.total.memory).sum::<u64>(),
        "Name": rustix::system::uname().nodename().to_string_lossy(),
        "Labels": null,
        "ServerVersion": VERSION,
        "Swarm": { "LocalNodeState": "inactive" },
        "SecurityOptions": null,
        "RegistryConfig": null,
        "HttpProxy": "", "HttpsProxy": "", "NoProxy": "",
        "IndexServerAddress": "https://index.docker.io/v1/",
    });
    let place = if version.is_some_and(|version| version < OWN_STATUS) {
        "DriverStatus"
    } else {
        "SystemStatus"
    };
    info[place] = json!(status);
    info
}

/// All, running and paused containers of a node.
fn counts(snapshot: &Snapshot) -> (usize, usize, usize) {
    let in_state = |wanted: &[&str]| {
        let containers = snapshot.containers.values();
        containers.filter(|container| wanted.contains(&container.state)).count()
    };
    (
        snapshot.containers.len(),
        in_state(&["running", "restarting"]),
        in_state(&["paused"]),
    )
}

fn node_status(snapshot: &Snapshot) -> Vec<[String; 2]> {
    let (all, running, paused) = counts(snapshot);
    let containers = if snapshot.is_healthy() {
        format!(
            "{all} ({running} Running, {paused} Paused, {} Stopped)",
            all - running - paused
        )
    } else {
        all.to_string()
    };
    let used = snapshot.used();
    let labels: Vec<String> = snapshot
        .labels
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let mut lines = vec![
        [format!(" {}", snapshot.shown_name()), snapshot.addr.clone()],
        line("ID", &snapshot.id),
        line("Status", &snapshot.health.state.to_string()),
        line("Containers", &containers),
        line(
            "Reserved CPUs",
            &format!("{} / {}", used.nano_cpus / NANO, snapshot.total.nano_cpus / NANO),
        ),
        line(
            "Reserved Memory",
            &format!(
                "{} / {}",
                go_size::show(used.memory),
                go_size::show(snapshot.total.memory)
            ),
        ),
        line("Labels", &labels.join(", ")),
    ];
    if let Some(error) = &snapshot.health.error {
        lines.push(line("Error", error));
    }
    let updated = jiff::Timestamp::try_from(snapshot.health.updated_at).unwrap_or_default();
    lines.push(line("UpdatedAt", &format!("{updated:.0}")));
    lines.push(line("ServerVersion", &snapshot.server_version));
    lines
}

fn line(name: &str, value: &str) -> [String; 2] {
    [format!("  └ {name}"), value.to_owned()]
}
