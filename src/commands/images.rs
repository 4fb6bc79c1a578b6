//! Images made of the running labctl binary.

use crate::images::{ImageId, ImageSpec, OwnImage, Program, write};
use crate::runner::StandInImages;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, OnceLock, PoisonError};

/// What is wrong with a labctl that was built without what `.cargo/config.toml` says.
const NOT_STATIC: &str = "this labctl is not linked statically, and its images hold nothing else: build it in its own directory with \
     RUSTFLAGS unset, or with `-C target-feature=+crt-static` in it";

/// Makes images from the binary that is running, which is read once.
#[derive(Default)]
pub(super) struct BinaryImages {
    program: OnceLock<Program>,
    /// The ids found out so far, by service: to find one out is to hash the binary.
    ids: Mutex<BTreeMap<String, String>>,
}

impl BinaryImages {
    /// Returns the binary as images hold it.
    pub(super) fn program(&self) -> io::Result<&Program> {
        if let Some(program) = self.program.get() {
            return Ok(program);
        }
        let read = Program::new(fs_err::read(std::env::current_exe()?)?);
        if read.needs_loader() {
            // Containers of such an image would not start, and would not say why.
            return Err(io::Error::other(NOT_STATIC));
        }
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
        let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(id) = ids.get(service) {
            return Ok(id.clone());
        }
        // The name is no part of what is hashed.
        let id = ImageId::of(self.program()?, &spec(service, service)?)?.to_string();
        ids.insert(service.to_owned(), id.clone());
        Ok(id)
    }

    fn archive(&self, service: &str, tag: &str) -> io::Result<Vec<u8>> {
        let spec = spec(service, tag)?;
        let mut archive = Vec::new();
        write(&mut archive, self.program()?, &spec)?;
        Ok(archive)
    }
}
