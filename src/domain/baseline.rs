//! A node as it was before the first change, and how it differs later.

use super::NodeName;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What a node had before the lab.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Baseline {
    /// The node.
    pub node: NodeName,
    /// Containers by id, in any state.
    pub containers: BTreeMap<String, ContainerMark>,
    /// Image ids with their tags.
    pub images: BTreeMap<String, BTreeSet<String>>,
    /// Networks by name: ids of the engine's own change at a restart.
    pub networks: BTreeSet<String>,
    /// Volumes by name.
    pub volumes: BTreeSet<String>,
    /// The files and directories that the plan touches, by absolute path; `None` where absent.
    pub files: BTreeMap<String, Option<FileMark>>,
}

/// A container of a baseline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerMark {
    /// Its name.
    pub name: String,
    /// Whether it was running.
    pub running: bool,
}

/// A file of a baseline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileMark {
    /// Whether it is a directory.
    pub directory: bool,
    /// SHA-256 of its content, in hex; `None` for a directory.
    pub sha256: Option<String>,
    /// Its permission bits.
    pub mode: u32,
    /// Owner and group, as `owner:group`.
    pub owner: String,
}

/// One way in which a node differs from its baseline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "difference")]
pub enum Difference {
    /// A container that was not there.
    ContainerAppeared {
        /// Its id.
        id: String,
        /// Its name.
        name: String,
    },
    /// A container is gone.
    ContainerGone {
        /// Its name.
        name: String,
    },
    /// A container that ran does not run now.
    ContainerStopped {
        /// Its name.
        name: String,
    },
    /// An image that was not there.
    ImageAppeared {
        /// Its id.
        id: String,
        /// Its tags.
        tags: Vec<String>,
    },
    /// An image is gone.
    ImageGone {
        /// Its id.
        id: String,
        /// The tags it had.
        tags: Vec<String>,
    },
    /// A tag that was not there, on an image that was.
    TagAppeared {
        /// The tag.
        tag: String,
    },
    /// A tag is gone from an image that is still there.
    TagGone {
        /// The tag.
        tag: String,
        /// The image's id.
        id: String,
    },
    /// A network that was not there.
    NetworkAppeared {
        /// Its name.
        name: String,
    },
    /// A network is gone.
    NetworkGone {
        /// Its name.
        name: String,
    },
    /// A volume that was not there.
    VolumeAppeared {
        /// Its name.
        name: String,
    },
    /// A volume is gone.
    VolumeGone {
        /// Its name.
        name: String,
    },
    /// A file or directory that was not there.
    FileAppeared {
        /// Its path.
        path: String,
    },
    /// A file or directory is gone.
    FileGone {
        /// Its path.
        path: String,
    },
    /// A file's content, mode or owner is another.
    FileChanged {
        /// Its path.
        path: String,
    },
}

impl Baseline {
    /// Returns how `now` differs from this baseline, in a stable order.
    pub fn differences(&self, now: &Self) -> Vec<Difference> {
        let mut found = Vec::new();
        self.compare_containers(now, &mut found);
        self.compare_images(now, &mut found);
        for name in now.networks.difference(&self.networks) {
            found.push(Difference::NetworkAppeared { name: name.clone() });
        }
        for name in self.networks.difference(&now.networks) {
            found.push(Difference::NetworkGone { name: name.clone() });
        }
        for name in now.volumes.difference(&self.volumes) {
            found.push(Difference::VolumeAppeared { name: name.clone() });
        }
        for name in self.volumes.difference(&now.volumes) {
            found.push(Difference::VolumeGone { name: name.clone() });
        }
        self.compare_files(now, &mut found);
        found
    }

    fn compare_containers(&self, now: &Self, found: &mut Vec<Difference>) {
        for (id, mark) in &now.containers {
            if !self.containers.contains_key(id) {
                found.push(Difference::ContainerAppeared {
                    id: id.clone(),
                    name: mark.name.clone(),
                });
            }
        }
        for (id, before) in &self.containers {
            let name = before.name.clone();
            match now.containers.get(id) {
                None => found.push(Difference::ContainerGone { name }),
                Some(after) if before.running && !after.running => {
                    found.push(Difference::ContainerStopped { name });
                }
                Some(_) => {}
            }
        }
    }

    fn compare_images(&self, now: &Self, found: &mut Vec<Difference>) {
        for (id, tags) in &now.images {
            match self.images.get(id) {
                None => {
                    found.push(Difference::ImageAppeared {
                        id: id.clone(),
                        tags: tags.iter().cloned().collect(),
                    });
                }
                Some(before) => found.extend(
                    tags.difference(before)
                        .map(|tag| Difference::TagAppeared { tag: tag.clone() }),
                ),
            }
        }
        for (id, before) in &self.images {
            match now.images.get(id) {
                None => found.push(Difference::ImageGone {
                    id: id.clone(),
                    tags: before.iter().cloned().collect(),
                }),
                Some(tags) => found.extend(before.difference(tags).map(|tag| Difference::TagGone {
                    tag: tag.clone(),
                    id: id.clone(),
                })),
            }
        }
    }

    fn compare_files(&self, now: &Self, found: &mut Vec<Difference>) {
        for (path, before) in &self.files {
            let Some(after) = now.files.get(path) else { continue };
            let path = path.clone();
            match (before, after) {
                (None, Some(_)) => found.push(Difference::FileAppeared { path }),
                (Some(_), None) => found.push(Difference::FileGone { path }),
                (Some(before), Some(after)) if before != after => found.push(Difference::FileChanged { path }),
                _ => {}
            }
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ContainerAppeared { id, name } => write!(formatter, "container {name} ({}) is new", short(id)),
            Self::ContainerGone { name } => write!(formatter, "container {name} is gone"),
            Self::ContainerStopped { name } => write!(formatter, "container {name} no longer runs"),
            Self::ImageAppeared { id, tags } => write!(formatter, "image {} is new", named_image(id, tags)),
            Self::ImageGone { id, tags } => write!(formatter, "image {} is gone", named_image(id, tags)),
            Self::TagAppeared { tag } => write!(formatter, "the tag {tag} is new"),
            Self::TagGone { tag, id } => write!(formatter, "the tag {tag} is gone from image {}", short(id)),
            Self::NetworkAppeared { name } => write!(formatter, "network {name} is new"),
            Self::NetworkGone { name } => write!(formatter, "network {name} is gone"),
            Self::VolumeAppeared { name } => write!(formatter, "volume {name} is new"),
            Self::VolumeGone { name } => write!(formatter, "volume {name} is gone"),
            Self::FileAppeared { path } => write!(formatter, "{path} is new"),
            Self::FileGone { path } => write!(formatter, "{path} is gone"),
            Self::FileChanged { path } => write!(formatter, "{path} is not as it was"),
        }
    }
}

pub(super) fn short(id: &str) -> &str {
    let digits = id.strip_prefix("sha256:").unwrap_or(id);
    digits.get(..12).unwrap_or(digits)
}

pub(super) fn named_image(id: &str, tags: &[String]) -> String {
    if tags.is_empty() {
        short(id).to_owned()
    } else {
        format!("{} ({})", tags.join(", "), short(id))
    }
}
