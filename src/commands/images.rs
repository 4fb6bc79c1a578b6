//! Images made of the running labctl binary.

use crate::images::{ImageId, ImageSpec, OwnImage, Program, write};
use crate::runner::StandInImages;
use std::io;
use std::sync::OnceLock;

/// Makes images from the binary that is running, which is read once.
#[derive(Default)]
pub(super) struct BinaryImages {
    program: OnceLock<Program>,
}

impl BinaryImages {
    /// Returns the binary as images hold it.
    pub(super) fn program(&self) -> io::Result<&Program> {
        if let Some(program) = self.program.get() {
            return Ok(program);
        }
        let read = Program::new(fs_err::read(std::env::current_exe()?)?);
        Ok(self.program.get_or_init(|| read))
    }
}

fn spec(service: &str, tag: &str) -> io::Result<ImageSpec> {
    let image = OwnImage::find(service);
    let unknown = || io::Error::other(format!("labctl makes no image of a service `{service}`"));
    Ok(image.ok_or_else(unknown)?.spec(tag))
}

impl StandInImages for BinaryImages {
    fn id(&self, service: &str) -> io::Result<String> {
        // The name is no part of what is hashed.
        let id = ImageId::of(self.program()?, &spec(service, service)?)?;
        Ok(id.to_string())
    }

    fn archive(&self, service: &str, tag: &str) -> io::Result<Vec<u8>> {
        let spec = spec(service, tag)?;
        let mut archive = Vec::new();
        write(&mut archive, self.program()?, &spec)?;
        Ok(archive)
    }
}
