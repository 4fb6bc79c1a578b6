//! What proves that something on a node is ours: a Compose project of the lab, a name or reference that a step gave it, an
//! id that a step's command printed, what was committed from such a container, a layer between such an image and the
//! baseline. Having appeared meanwhile proves nothing.

use super::baseline::EngineContents;
use crate::domain::{Baseline, ContainerSeen, Difference, FileBefore, ImageSeen, Undo, familiar_reference};
use std::collections::{BTreeMap, BTreeSet};

/// The label of the images that labctl makes of itself.
const SERVICE_LABEL: &str = "labctl.service";

/// The proofs that an instance has for one node.
#[derive(Debug, Clone, Default)]
pub(super) struct Proofs {
    projects: BTreeSet<String>,
    containers: BTreeSet<String>,
    references: BTreeSet<String>,
    printed: BTreeSet<String>,
    paths: BTreeSet<String>,
    /// Those of them where nothing was when a step came to write there. What the baseline has of these, somebody else took away before.
    vacant: BTreeSet<String>,
}

impl Proofs {
    /// Collects the proofs in `made`; `printed` are the ids that its execs printed.
    pub(super) fn new<'a>(made: impl IntoIterator<Item = &'a Undo>, printed: Vec<String>) -> Self {
        let mut proofs = Self {
            printed: printed.into_iter().collect(),
            ..Self::default()
        };
        for undo in made {
            match undo {
                Undo::RemoveProject { project } => {
                    proofs.projects.insert(project.clone());
                }
                Undo::RemoveContainer { name } => {
                    proofs.containers.insert(name.clone());
                }
                Undo::RemoveImages { references } => {
                    proofs
                        .references
                        .extend(references.iter().map(|reference| familiar_reference(reference)));
                }
                Undo::RemoveDirectory { path } => {
                    proofs.paths.insert(path.clone());
                    proofs.vacant.insert(path.clone());
                }
                Undo::RestoreFile { path, before, .. } => {
                    proofs.paths.insert(path.clone());
                    proofs
                        .vacant
                        .extend((*before == FileBefore::Absent).then(|| path.clone()));
                }
                // A file that others write to as well may differ for their sake.
                Undo::RestoreEngineOptions(options) => {
                    proofs
                        .paths
                        .extend(options.line.is_none().then(|| options.path.clone()));
                }
                Undo::RemovePrinted { .. } | Undo::RemoveEmptyDirectories { .. } | Undo::Run { .. } => {}
            }
        }
        proofs
    }

    /// Takes `images` for ours from now on, also without the tag that proves it.
    pub(super) fn remember(&mut self, images: impl IntoIterator<Item = String>) {
        let digits = |id: String| id.strip_prefix("sha256:").map(str::to_owned).unwrap_or(id);
        self.printed.extend(images.into_iter().map(digits));
    }

    fn was_printed(&self, id: &str) -> bool {
        let digits = id.strip_prefix("sha256:").unwrap_or(id);
        // Every printed id has at least 12 digits, so the candidates are the entries from there up to the whole id.
        let Some(start) = digits.get(..12) else { return false };
        self.printed
            .range(start.to_owned()..=digits.to_owned())
            .any(|printed| digits.starts_with(printed.as_str()))
    }

    /// Returns the containers that are ours and that the baseline does not have. To run from an image of ours proves
    /// nothing where the image has a tag: anybody may use that. Only a killed build leaves containers on untagged layers.
    pub(super) fn containers<'a>(&self, contents: &'a EngineContents, baseline: &Baseline) -> Vec<&'a ContainerSeen> {
        let images = self.images(contents, baseline);
        let is_layer = |id: &str| {
            images.contains(id)
                && contents
                    .images
                    .iter()
                    .any(|image| image.id == id && image.tags.is_empty())
        };
        contents
            .containers
            .iter()
            .filter(|container| !baseline.containers.contains_key(&container.id))
            .filter(|container| {
                container
                    .project()
                    .is_some_and(|project| self.projects.contains(project))
                    || self.containers.contains(&container.name)
                    || self.was_printed(&container.id)
                    || is_layer(&container.image_id)
            })
            .collect()
    }

    /// Returns the containers whose ids were printed by a step's command, and which nothing else gave a name or a project:
    /// those of its builds.
    pub(super) fn containers_of_builds<'a>(
        &self,
        contents: &'a EngineContents,
        baseline: &Baseline,
    ) -> Vec<&'a ContainerSeen> {
        let containers = contents.containers.iter();
        containers
            .filter(|container| self.was_printed(&container.id) && !baseline.containers.contains_key(&container.id))
            .filter(|container| container.project().is_none() && !self.containers.contains(&container.name))
            .collect()
    }

    /// Returns the ids of the images that are ours, none of them in the baseline: named by a step or printed by its
    /// command, committed from a container that it printed, made of our own program, the untagged layers below those, and what was built on our untagged layers. What a
    /// stranger's image stands on is not ours to take away.
    pub(super) fn images(&self, contents: &EngineContents, baseline: &Baseline) -> BTreeSet<String> {
        let new: BTreeMap<&str, &ImageSeen> = contents
            .images
            .iter()
            .filter(|image| !baseline.images.contains_key(&image.id))
            .filter(|image| image.tags.iter().all(|tag| self.references.contains(tag)))
            .map(|image| (image.id.as_str(), image))
            .collect();
        // A client that is killed is told of a layer's container, and no more of the layer.
        let is_commit_of_ours = |id: &String| contents.commits.get(id).is_some_and(|from| self.was_printed(from));
        let is_proven = |image: &ImageSeen| {
            !image.tags.is_empty()
                || self.was_printed(&image.id)
                || is_commit_of_ours(&image.id)
                || image.labels.contains_key(SERVICE_LABEL)
        };
        let mut ours: BTreeSet<String> = new
            .values()
            .filter(|image| is_proven(image))
            .map(|image| image.id.clone())
            .collect();
        loop {
            let related: Vec<String> = new
                .values()
                .filter(|image| !ours.contains(&image.id))
                .filter(|image| {
                    let is_our_layer = |id: &String| {
                        ours.contains(id) && new.get(id.as_str()).is_some_and(|parent| parent.tags.is_empty())
                    };
                    let descends = image.parent.as_ref().is_some_and(is_our_layer);
                    let carries = ours.iter().any(|id| {
                        new.get(id.as_str())
                            .is_some_and(|child| child.parent.as_deref() == Some(&image.id))
                    });
                    descends || carries
                })
                .map(|image| image.id.clone())
                .collect();
            if related.is_empty() {
                break;
            }
            ours.extend(related);
        }
        without_foundations(ours, contents)
    }

    /// Returns the names of the networks that are ours.
    pub(super) fn networks(&self, contents: &EngineContents, baseline: &Baseline) -> Vec<String> {
        let labelled = |labels: &BTreeMap<String, String>| self.has_our_project(labels);
        let networks = contents.networks.iter().filter(|network| labelled(&network.labels));
        networks
            .map(|network| network.name.clone())
            .filter(|name| !baseline.networks.contains(name))
            .collect()
    }

    /// Returns the names of the volumes that are ours.
    pub(super) fn volumes(&self, contents: &EngineContents, baseline: &Baseline) -> Vec<String> {
        let of_containers = self
            .containers(contents, baseline)
            .into_iter()
            .flat_map(|seen| seen.volumes.clone())
            .filter(|name| is_anonymous(name));
        let labelled = contents
            .volumes
            .iter()
            .filter(|volume| self.has_our_project(&volume.labels));
        let mut names: BTreeSet<String> = labelled
            .map(|volume| volume.name.clone())
            .chain(of_containers)
            .collect();
        names.retain(|name| !baseline.volumes.contains(name));
        names.into_iter().collect()
    }

    fn has_our_project(&self, labels: &BTreeMap<String, String>) -> bool {
        labels
            .get("com.docker.compose.project")
            .is_some_and(|project| self.projects.contains(project))
    }

    /// Says whether anything of the engine's is ours and not in the baseline.
    pub(super) fn owns_something(&self, contents: &EngineContents, baseline: &Baseline) -> bool {
        !(self.containers(contents, baseline).is_empty()
            && self.images(contents, baseline).is_empty()
            && self.networks(contents, baseline).is_empty()
            && self.volumes(contents, baseline).is_empty())
    }

    /// Splits `differences` into what is ours and what is not.
    pub(super) fn split(
        &self,
        differences: Vec<Difference>,
        contents: &EngineContents,
        baseline: &Baseline,
    ) -> (Vec<Difference>, Vec<Difference>) {
        let containers: BTreeSet<&str> = self
            .containers(contents, baseline)
            .into_iter()
            .map(|container| container.id.as_str())
            .collect();
        let images = self.images(contents, baseline);
        let networks = self.networks(contents, baseline);
        let volumes = self.volumes(contents, baseline);
        differences.into_iter().partition(|difference| match difference {
            Difference::ContainerAppeared { id, .. } => containers.contains(id.as_str()),
            Difference::ImageAppeared { id, .. } => images.contains(id),
            Difference::TagAppeared { tag } | Difference::TagGone { tag, .. } => self.references.contains(tag),
            Difference::NetworkAppeared { name } => networks.contains(name),
            Difference::VolumeAppeared { name } => volumes.contains(name),
            Difference::FileAppeared { path } | Difference::FileChanged { path } => is_below(path, &self.paths),
            Difference::FileGone { path } => is_below(path, &self.paths) && !is_below(path, &self.vacant),
            Difference::ContainerGone { .. }
            | Difference::ContainerStopped { .. }
            | Difference::ImageGone { .. }
            | Difference::NetworkGone { .. }
            | Difference::VolumeGone { .. } => false,
        })
    }
}

/// Says whether `path` is one of `paths`, or lies below one.
fn is_below(path: &str, paths: &BTreeSet<String>) -> bool {
    paths.iter().any(|ours| {
        path.strip_prefix(ours.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

/// Takes out of `ours` every image that one which is not ours stands on.
fn without_foundations(mut ours: BTreeSet<String>, contents: &EngineContents) -> BTreeSet<String> {
    loop {
        let foundations: BTreeSet<String> = contents
            .images
            .iter()
            .filter(|image| !ours.contains(&image.id))
            .filter_map(|image| image.parent.clone())
            .filter(|parent| ours.contains(parent))
            .collect();
        if foundations.is_empty() {
            return ours;
        }
        ours.retain(|id| !foundations.contains(id));
    }
}

/// Says whether `name` is one that an engine gave to a volume that nobody named.
fn is_anonymous(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Returns those of `ours` that no other image stands on.
pub(super) fn leaves<'a>(ours: &BTreeSet<String>, contents: &'a EngineContents) -> Vec<&'a ImageSeen> {
    let images = contents.images.iter();
    let parents: BTreeSet<&str> = images.clone().filter_map(|image| image.parent.as_deref()).collect();
    images
        .filter(|image| ours.contains(&image.id) && !parents.contains(image.id.as_str()))
        .collect()
}

/// Returns what an engine must be asked to remove before `image` is gone: one with several tags does not go by its id.
pub(super) fn names(image: &ImageSeen) -> Vec<&str> {
    match image.tags.as_slice() {
        [] | [_] => vec![&image.id],
        tags => tags.iter().map(String::as_str).collect(),
    }
}
