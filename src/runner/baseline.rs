//! Looks at a node as a whole, for its baseline and for the comparison with it.

use crate::domain::{Action, NodeName, PlannedStep};
use crate::domain::{
    Baseline, ContainerMark, ContainerSeen, DROP_IN_FILE, EngineAt, FileKind, FileMark, FileSeen, ImageSeen,
    NetworkSeen, Observation, Plan, Probe, ProbeError, UndoText, VolumeSeen, Work,
};
use crate::node::Transport;
use crate::probe::observe;
use futures_util::future::join_all;
use std::collections::{BTreeMap, BTreeSet};

/// Files that an engine's options stand in; every baseline has them.
const ENGINE_FILES: [&str; 2] = ["/etc/default/docker", "/etc/docker/daemon.json"];

/// Everything an engine has, as it was seen at one time.
pub(super) struct EngineContents {
    pub(super) containers: Vec<ContainerSeen>,
    pub(super) images: Vec<ImageSeen>,
    pub(super) networks: Vec<NetworkSeen>,
    pub(super) volumes: Vec<VolumeSeen>,
    /// The containers that images were committed from, by the image's id, where somebody asked for them.
    pub(super) commits: BTreeMap<String, String>,
}

/// Returns the paths that `plan` touches, by node.
pub(super) fn touched_paths(plan: &Plan) -> BTreeMap<NodeName, Vec<String>> {
    let mut paths: BTreeMap<NodeName, BTreeSet<String>> = BTreeMap::new();
    for step in &plan.steps {
        let of_node = paths.entry(step.key.node.clone()).or_default();
        of_node.extend(ENGINE_FILES.map(str::to_owned));
        of_node.extend(paths_of(step));
        for node in step.elsewhere() {
            let there = paths.entry(node.clone()).or_default();
            there.extend(ENGINE_FILES.map(str::to_owned));
        }
    }
    paths
        .into_iter()
        .map(|(node, paths)| (node, paths.into_iter().collect()))
        .collect()
}

fn paths_of(step: &PlannedStep) -> Vec<String> {
    let declared = step.undo.iter().filter_map(|undo| match undo {
        UndoText::Directory(path) | UndoText::File(path) => Some(path),
        _ => None,
    });
    let written = match &step.work {
        Work::Action(Action::Write { files }) => files.iter().map(|file| &file.path).collect(),
        Work::Action(Action::Clone { directory, .. }) => vec![directory],
        Work::Action(Action::SetEngineOptions(_)) => return vec![DROP_IN_FILE.to_owned()],
        _ => Vec::new(),
    };
    // A path that depends on a captured value is known only when it is made; its undo covers it then.
    declared
        .chain(written)
        .filter(|path| path.holes().next().is_none())
        .map(ToString::to_string)
        .collect()
}

/// Looks at everything the node's engine has.
pub(super) async fn engine_contents(transport: &dyn Transport) -> Result<EngineContents, ProbeError> {
    let at = EngineAt::Socket;
    let mut contents = EngineContents {
        containers: Vec::new(),
        images: Vec::new(),
        networks: Vec::new(),
        volumes: Vec::new(),
        commits: BTreeMap::new(),
    };
    let probes = [
        Probe::Containers {
            at: at.clone(),
            labels: Vec::new(),
            all: true,
        },
        Probe::Images { at: at.clone() },
        Probe::Networks { at: at.clone() },
        Probe::Volumes { at },
    ];
    for observed in join_all(probes.iter().map(|probe| observe(transport, probe))).await {
        match observed? {
            Observation::Containers { containers } => contents.containers = containers,
            Observation::Images { images } => contents.images = images,
            Observation::Networks { networks } => contents.networks = networks,
            Observation::Volumes { volumes } => contents.volumes = volumes,
            Observation::EngineDown { reason } => {
                return Err(ProbeError::CannotLook {
                    reason: format!("the Docker Engine does not answer: {reason}"),
                    hint: None,
                });
            }
            _ => return Err(unexpected()),
        }
    }
    Ok(contents)
}

fn unexpected() -> ProbeError {
    ProbeError::CannotLook {
        reason: "the node answered something that was not asked".to_owned(),
        hint: None,
    }
}

/// Looks at `paths` on the node.
async fn files(transport: &dyn Transport, paths: &[String]) -> Result<BTreeMap<String, Option<FileMark>>, ProbeError> {
    let looks = paths.iter().map(|path| async {
        let seen = look_at_file(transport, path).await?;
        Ok((path.clone(), seen.as_ref().map(mark)))
    });
    join_all(looks).await.into_iter().collect()
}

/// Looks at the file at `path` as root.
pub(super) async fn look_at_file(transport: &dyn Transport, path: &str) -> Result<Option<FileSeen>, ProbeError> {
    match observe(
        transport,
        &Probe::File {
            path: path.to_owned(),
            as_root: true,
        },
    )
    .await?
    {
        Observation::File { file } => Ok(file),
        _ => Err(unexpected()),
    }
}

fn mark(seen: &FileSeen) -> FileMark {
    FileMark {
        directory: seen.kind == FileKind::Directory,
        sha256: seen.sha256.clone(),
        mode: seen.mode,
        owner: format!("{}:{}", seen.owner, seen.group),
    }
}

/// Looks at the node as a whole: its engine and `paths`.
pub(super) async fn take_baseline(transport: &dyn Transport, paths: &[String]) -> Result<Baseline, ProbeError> {
    let (contents, files) = tokio::join!(engine_contents(transport), files(transport, paths));
    Ok(as_baseline(transport.node(), &contents?, files?))
}

/// Turns what was seen into the form of a baseline.
pub(super) fn as_baseline(
    node: &NodeName,
    contents: &EngineContents,
    files: BTreeMap<String, Option<FileMark>>,
) -> Baseline {
    let container = |seen: &ContainerSeen| {
        (
            seen.id.clone(),
            ContainerMark {
                name: seen.name.clone(),
                running: seen.is_running(),
            },
        )
    };
    Baseline {
        node: node.clone(),
        containers: contents.containers.iter().map(container).collect(),
        images: contents
            .images
            .iter()
            .map(|image| (image.id.clone(), image.tags.iter().cloned().collect()))
            .collect(),
        networks: contents.networks.iter().map(|network| network.name.clone()).collect(),
        volumes: contents.volumes.iter().map(|volume| volume.name.clone()).collect(),
        files,
    }
}

/// Looks at the paths of `baseline` again.
pub(super) async fn files_again(
    transport: &dyn Transport,
    baseline: &Baseline,
) -> Result<BTreeMap<String, Option<FileMark>>, ProbeError> {
    let paths: Vec<String> = baseline.files.keys().cloned().collect();
    files(transport, &paths).await
}
