//! What a node has of Docker, whoever made it: what `cleanup --scope all` takes away besides what is the lab's.

use super::baseline::{named_image, short};
use serde::{Deserialize, Serialize};
use std::fmt;

/// One thing that is taken from a node whoever made it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Removable {
    /// A container.
    Container {
        /// Its name.
        name: String,
        /// The image as it was asked for.
        image: String,
        /// Whether it runs.
        running: bool,
    },
    /// An image.
    Image {
        /// Its id.
        id: String,
        /// Its tags.
        tags: Vec<String>,
    },
    /// An option that the engine was not installed with.
    EngineOption {
        /// Where it stands, and what it says.
        says: String,
    },
}

impl fmt::Display for Removable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Container { name, image, running } => {
                let runs = if *running { ", which runs" } else { "" };
                // An image whose tag went to another is known by its id only.
                let image = if image.starts_with("sha256:") {
                    short(image)
                } else {
                    image
                };
                write!(formatter, "container {name} of {image}{runs}")
            }
            Self::Image { id, tags } => write!(formatter, "image {}", named_image(id, tags)),
            Self::EngineOption { says } => formatter.write_str(says),
        }
    }
}
