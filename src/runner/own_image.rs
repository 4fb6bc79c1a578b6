//! Makes the images of the labctl binary be there on an engine. One with the very same id is not sent again.

use super::StandInImages;
use super::engine::{Engine, EngineFault};
use crate::node::Transport;
use std::sync::Arc;

/// What came of making an image of ours be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brought {
    /// Its id on the engine.
    pub id: String,
    /// Whether it was there before, under that name.
    pub was_there: bool,
    /// The id of the image that had the name until now, and has none any more.
    pub nameless: Option<String>,
}

/// Makes the image of `service` be there as `reference` on the node's engine. Nothing is taken away: an image that had the
/// name before stays, without it.
pub async fn bring_own_image(
    transport: &dyn Transport,
    images: &Arc<dyn StandInImages>,
    service: &str,
    reference: &str,
) -> Result<Brought, EngineFault> {
    let engine = Engine::connect(transport).await?;
    let own = OwnImage {
        images,
        service,
        reference,
    };
    let id = own.id().await?;
    let before = engine.image_id(reference).await?;
    let was_there = before.as_ref() == Some(&id);
    let mut nameless = None;
    if !was_there {
        own.put(&engine, &id).await?;
        if let Some(before) = before
            && engine.is_nameless(&before).await?
        {
            nameless = Some(before);
        }
    }
    Ok(Brought {
        id,
        was_there,
        nameless,
    })
}

/// An image of ours, and what it is to be called.
#[derive(Clone, Copy)]
pub(super) struct OwnImage<'a> {
    pub(super) images: &'a Arc<dyn StandInImages>,
    pub(super) service: &'a str,
    pub(super) reference: &'a str,
}

impl OwnImage<'_> {
    /// Returns its id on any engine.
    pub(super) async fn id(&self) -> Result<String, EngineFault> {
        let (images, service) = (Arc::clone(self.images), self.service.to_owned());
        off_the_loop(move || images.id(&service)).await
    }

    /// Gives the image `id` its name, and brings it where the engine does not have it.
    pub(super) async fn put(&self, engine: &Engine, id: &str) -> Result<(), EngineFault> {
        if engine.image_id(id).await?.is_some() {
            return engine.tag(id, self.reference).await;
        }
        let images = Arc::clone(self.images);
        let (service, reference) = (self.service.to_owned(), self.reference.to_owned());
        let archive = off_the_loop(move || images.archive(&service, &reference)).await?;
        engine.load(archive).await
    }
}

/// Does `work`, which reads and hashes the whole binary, where it holds nothing else up.
async fn off_the_loop<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, EngineFault> {
    let refused = |reason: String| EngineFault::Refused(format!("the image could not be made: {reason}"));
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(made)) => Ok(made),
        Ok(Err(error)) => Err(refused(error.to_string())),
        Err(error) => Err(refused(error.to_string())),
    }
}
