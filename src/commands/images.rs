//! Images made of the running labctl binary.

use crate::images::{ImageSpec, Program, write};
use crate::runner::StandInImages;
use std::io;

/// Makes images from the binary that is running.
pub(super) struct BinaryImages;

impl StandInImages for BinaryImages {
    fn archive(&self, service: &str, tag: &str) -> io::Result<Vec<u8>> {
        let spec = match service {
            "mongo" => ImageSpec::mongo(tag),
            "swarm" => ImageSpec::swarm(tag),
            "discovery" => ImageSpec::discovery(tag),
            other => ImageSpec::service(tag, other, &[]),
        };
        let program = Program::new(fs_err::read(std::env::current_exe()?)?);
        let mut archive = Vec::new();
        write(&mut archive, &program, &spec)?;
        Ok(archive)
    }
}
