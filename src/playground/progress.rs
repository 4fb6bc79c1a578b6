//! What happens while the playground comes up or goes down, as facts; how they look is decided where they are shown.

use std::net::Ipv4Addr;
use std::sync::Mutex;

/// Something that happened to the playground.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// Another labctl is changing this playground; this one waits for it.
    WaitingForOther,
    /// An image is not there and is being made; takes minutes.
    MakingImage {
        /// The image's name.
        image: String,
    },
    /// A line printed while an image is made; raw text of other programs.
    ImageOutput {
        /// The line, without its end.
        line: String,
    },
    /// The image is there now.
    ImageMade {
        /// The image's name.
        image: String,
    },
    /// Keys for this playground were generated.
    KeysMade,
    /// The network was made.
    NetworkMade {
        /// Its range, such as `10.77.3.0/24`.
        subnet: String,
    },
    /// A node's container was made.
    NodeMade {
        /// The node's name.
        node: String,
        /// Its address.
        address: Ipv4Addr,
    },
    /// A node that was down was started.
    NodeStarted {
        /// The node's name.
        node: String,
    },
    /// A node answers ssh and its engine answers too.
    NodeReady {
        /// The node's name.
        node: String,
        /// The version of its engine.
        engine: String,
    },
    /// An image is being handed to nodes that cannot pull it.
    HandingOver {
        /// The image's name.
        image: String,
        /// The nodes that get it.
        nodes: Vec<String>,
    },
    /// A node has the image now.
    HandedOver {
        /// The image's name.
        image: String,
        /// The node's name.
        node: String,
    },
    /// A node lacks the image, and does not get it while a lab is open there.
    KeptBack {
        /// The image's name.
        image: String,
        /// The node's name.
        node: String,
    },
    /// A node's container and its volumes were removed.
    NodeRemoved {
        /// The node's name, or the container's where it is no longer known.
        node: String,
    },
    /// The network was removed.
    NetworkRemoved,
    /// Keys and known_hosts were removed.
    KeysRemoved,
}

/// Lets work on several nodes at once report to one listener.
pub(super) struct Listener<'a>(Mutex<&'a mut (dyn FnMut(Progress) + Send)>);

impl<'a> Listener<'a> {
    pub(super) fn new(listener: &'a mut (dyn FnMut(Progress) + Send)) -> Self {
        Self(Mutex::new(listener))
    }

    pub(super) fn tell(&self, progress: Progress) {
        // A listener that panicked once is still the one to tell.
        let mut listener = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        listener(progress);
    }
}
