//! Where images come from that the lab brings itself.

use std::io;

/// Makes images that docker can load.
pub trait StandInImages: Send + Sync {
    /// Returns an archive for `docker load` with one image, tagged `tag`, whose entry point is `service` of labctl.
    fn archive(&self, service: &str, tag: &str) -> io::Result<Vec<u8>>;
}
