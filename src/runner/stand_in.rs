//! Where images come from that the lab brings itself.

use std::io;

/// Makes images that docker can load.
pub trait StandInImages: Send + Sync {
    /// Returns the id that the image of `service` has on an engine, whatever it is called there: `sha256:` and 64
    /// hexadecimal digits.
    fn id(&self, service: &str) -> io::Result<String>;

    /// Returns an archive for `docker load` with one image, tagged `tag`, whose entry point is `service` of labctl.
    fn archive(&self, service: &str, tag: &str) -> io::Result<Vec<u8>>;
}
