//! Making an image be there: pulled, or made of the labctl binary.
//!
//! What is there already stays as it is: an image of that name that upstream gave, or ours with the very same id. So a lab
//! works on nodes that reach no registry, and doing a step again moves nothing over the network.

use super::action::Scene;
use super::baseline::engine_contents;
use super::engine::{Engine, EngineFault};
use super::output::StepOutput;
use super::own_image::OwnImage;
use crate::domain::{Ending, Text, familiar_reference};
use tokio::time::timeout;

/// What is to be provided.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) image: &'a Text,
    pub(super) upstream: Option<&'a Text>,
    pub(super) stand_in: Option<&'a str>,
}

impl Scene<'_> {
    pub(super) async fn provide(&self, wanted: Wanted<'_>, output: &mut StepOutput) -> Result<Ending, Ending> {
        let image = wanted.image.fill(&self.values)?;
        let upstream = wanted.upstream.map(|text| text.fill(&self.values)).transpose()?;
        let work = async {
            let engine = Engine::connect(self.transport).await?;
            match (upstream.as_deref(), wanted.stand_in) {
                // An image under its own name is that image and no other: nothing stands in for it.
                (Some(upstream), _) if is_same(upstream, &image) => {
                    let fetched = self.fetch(&engine, &image, output).await;
                    fetched.map_err(|fault| self.advised(fault, &image))
                }
                (Some(upstream), None) => {
                    let fetched = self.fetch(&engine, upstream, output).await;
                    fetched.map_err(|fault| self.advised(fault, upstream))?;
                    self.rename(&engine, upstream, &image, output).await
                }
                (Some(upstream), Some(service)) => match self.fetch(&engine, upstream, output).await {
                    Ok(()) => self.rename(&engine, upstream, &image, output).await,
                    Err(EngineFault::Refused(reason)) => {
                        output.say(&reason);
                        output.say(&format!(
                            "labctl's stand-in for it takes its place (labctl service {service})"
                        ));
                        self.make(&engine, service, &image, output).await
                    }
                    Err(fault) => Err(fault),
                },
                (None, Some(service)) => self.make(&engine, service, &image, output).await,
                (None, None) => Err(EngineFault::Refused(format!(
                    "nothing says where {image} is to come from"
                ))),
            }
        };
        let stopped = self.shared.stop.cancelled();
        tokio::select! {
            biased;
            () = stopped => Ok(Ending::Cancelled),
            done = timeout(self.step.timeout, work) => match done {
                Ok(Ok(())) => Ok(Ending::Exited { code: 0 }),
                Ok(Err(fault)) => Err(fault.into()),
                Err(_) => Ok(Ending::TimedOut { after: self.step.timeout }),
            },
        }
    }

    /// Pulls `reference`, unless it is there.
    async fn fetch(&self, engine: &Engine, reference: &str, output: &mut StepOutput) -> Result<(), EngineFault> {
        if engine.image_id(reference).await?.is_some() {
            output.say(&format!("{reference} is there already and is used as it is"));
            return Ok(());
        }
        match engine.pull(reference).await {
            Ok(()) => {
                output.say(&format!("{reference} was pulled from its registry"));
                Ok(())
            }
            Err(EngineFault::Refused(reason)) => {
                Err(EngineFault::Refused(format!("{reference} cannot be pulled: {reason}")))
            }
            Err(fault) => Err(fault),
        }
    }

    /// Adds what to try where nothing can take the place of `reference`.
    fn advised(&self, fault: EngineFault, reference: &str) -> EngineFault {
        let EngineFault::Refused(reason) = fault else {
            return fault;
        };
        let node = &self.step.key.node;
        EngineFault::Refused(format!(
            "{reason}; let {node} reach its registry, load the image there (docker save {reference} | ssh {node} docker \
             load), or name another one under [images] of the inventory"
        ))
    }

    /// Gives the image `from` the name `image`, too.
    async fn rename(
        &self,
        engine: &Engine,
        from: &str,
        image: &str,
        output: &mut StepOutput,
    ) -> Result<(), EngineFault> {
        if engine.image_id(image).await? != engine.image_id(from).await? {
            self.free(engine, image).await?;
            engine.tag(from, image).await?;
        }
        output.say(&format!("{image} is {from}"));
        Ok(())
    }

    /// Makes `image` of the labctl binary, unless it is there.
    async fn make(
        &self,
        engine: &Engine,
        service: &str,
        image: &str,
        output: &mut StepOutput,
    ) -> Result<(), EngineFault> {
        let own = OwnImage {
            images: &self.shared.images,
            service,
            reference: image,
        };
        let id = own.id().await?;
        if engine.image_id(image).await?.as_deref() == Some(&id) {
            output.say(&format!("{image} is there already: {id}"));
            return Ok(());
        }
        self.free(engine, image).await?;
        own.put(engine, &id).await?;
        output.say(&format!("{image} was made of the labctl binary: {id}"));
        Ok(())
    }

    /// Takes `reference` from an image that is there only since this instance: moved to another one, it would leave that
    /// without a name.
    async fn free(&self, engine: &Engine, reference: &str) -> Result<(), EngineFault> {
        let contents = engine_contents(self.transport).await?;
        let tag = familiar_reference(reference);
        let holder = contents.images.iter().find(|image| image.tags.contains(&tag));
        let is_new = holder.is_some_and(|image| {
            let state = self.shared.state();
            state
                .baselines
                .get(&self.step.key.node)
                .is_some_and(|baseline| !baseline.images.contains_key(&image.id))
        });
        let is_used = holder.is_some_and(|image| contents.containers.iter().any(|one| one.image_id == image.id));
        if is_new && !is_used {
            engine.remove_image(&tag).await
        } else {
            Ok(())
        }
    }
}

fn is_same(one: &str, other: &str) -> bool {
    familiar_reference(one) == familiar_reference(other)
}
