//! The stream of an engine's events: bytes become events, and events say what to refresh.

use std::collections::BTreeSet;

use serde_json::Value;

use super::facts::text;
use crate::json_pieces::{Garbled, Pieces};

/// The largest event taken, in bytes.
const LARGEST: usize = 1 << 20;

/// Takes bytes as they come and gives events as they are complete.
#[derive(Debug)]
pub(super) struct EventReader {
    pieces: Pieces,
}

impl Default for EventReader {
    fn default() -> Self {
        Self {
            pieces: Pieces::of_stream(LARGEST),
        }
    }
}

impl EventReader {
    /// The events that `bytes` complete.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<Vec<Value>, Garbled> {
        let mut events = Vec::new();
        self.pieces.feed(bytes, |piece| {
            events.push(serde_json::from_slice(piece).map_err(|_| Garbled)?);
            Ok(())
        })?;
        Ok(events)
    }
}

/// What is to be asked again after some events.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Stale {
    /// Ids of containers.
    pub(super) containers: BTreeSet<String>,
    /// The list of images.
    pub(super) images: bool,
    /// The list of networks.
    pub(super) networks: bool,
    /// The list of volumes.
    pub(super) volumes: bool,
    /// Labels and resources of the engine.
    pub(super) engine: bool,
}

impl Stale {
    /// Adds what `event` makes stale.
    pub(super) fn add(&mut self, event: &Value) {
        // Engines before 1.10 know neither Type nor Action.
        let action = match text(&event["Action"]) {
            "" => text(&event["status"]),
            action => action,
        };
        let action = action.split(':').next().unwrap_or_default();
        let id = match text(&event["Actor"]["ID"]) {
            "" => text(&event["id"]),
            id => id,
        };
        match text(&event["Type"]) {
            "image" => self.images = true,
            "network" => {
                self.networks = true;
                self.add_container(text(&event["Actor"]["Attributes"]["container"]));
            }
            "volume" => self.volumes = true,
            "daemon" => self.engine = true,
            "container" => self.add_of_container(action, id),
            "" if ["pull", "untag", "delete", "tag", "import", "load"].contains(&action) => self.images = true,
            "" => {
                self.add_of_container(action, id);
                self.networks = true;
                self.volumes = true;
            }
            _ => {}
        }
    }

    fn add_of_container(&mut self, action: &str, id: &str) {
        let harmless = [
            "top",
            "resize",
            "export",
            "attach",
            "detach",
            "extract-to-dir",
            "copy",
            "archive-path",
        ];
        if action == "commit" {
            self.images = true;
        } else if !harmless.contains(&action) && !action.starts_with("exec_") {
            self.add_container(id);
        }
    }

    fn add_container(&mut self, id: &str) {
        if !id.is_empty() {
            self.containers.insert(id.to_owned());
        }
    }
}
