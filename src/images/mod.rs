//! The images made of the labctl binary alone.
//!
//! Responsible for what an image holds and for its bytes, in the form `docker load` takes. It may not talk to an
//! engine nor find the binary, and it imports no other layer of the crate.

mod archive;
mod catalogue;
mod program;
mod spec;

pub use archive::{ImageId, write};
pub use catalogue::{OWN_IMAGES, OwnImage, is_own_reference};
pub use program::Program;
pub use spec::{Directory, ImageSpec, PROGRAM_PATH};
