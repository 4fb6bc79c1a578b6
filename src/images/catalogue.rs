//! The images that labctl can make.
//!
//! The one list of them: what a lab may ask for, what `labctl images` shows, and what is made for a node. It may not
//! write archives.

use super::spec::ImageSpec;

/// An image that labctl makes of its own binary.
#[derive(Debug, Clone, Copy)]
pub struct OwnImage {
    /// Its name, which is that of the service it runs.
    pub name: &'static str,
    /// The name and tag it has unless a lab says otherwise.
    pub reference: &'static str,
    /// What it is for, in a few words.
    pub purpose: &'static str,
    spec: fn(&str) -> ImageSpec,
}

/// All of them, by name.
pub const OWN_IMAGES: &[OwnImage] = &[
    OwnImage {
        name: "discovery",
        reference: "labctl/discovery:1",
        purpose: "keeps Swarm's clusters, as Docker Hub did until 2019; makes its certificates, too",
        spec: ImageSpec::discovery,
    },
    OwnImage {
        name: "mongo",
        reference: "labctl/mongo:3.6",
        purpose: "stands in for MongoDB where its image cannot be pulled",
        spec: ImageSpec::mongo,
    },
    OwnImage {
        name: "swarm",
        reference: "labctl/swarm:1.2.9",
        purpose: "classic Swarm: create, list, join and manage",
        spec: ImageSpec::swarm,
    },
];

/// The part of a reference before the first `/` that is labctl's own: no public name is ever given to an image of ours.
const NAMESPACE: &str = "labctl/";

impl OwnImage {
    /// Returns the image called `name`.
    pub fn find(name: &str) -> Option<&'static Self> {
        OWN_IMAGES.iter().find(|image| image.name == name)
    }

    /// Describes it, called `reference` on the engine.
    pub fn spec(&self, reference: &str) -> ImageSpec {
        (self.spec)(reference)
    }
}

/// Says whether `reference` is a name of labctl's own.
pub fn is_own_reference(reference: &str) -> bool {
    reference.starts_with(NAMESPACE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_image_runs_the_service_it_is_named_after_under_a_name_of_our_own() {
        for image in OWN_IMAGES {
            assert!(is_own_reference(image.reference), "{}", image.reference);
            let spec = image.spec(image.reference);
            assert_eq!(spec.reference, image.reference);
            assert_eq!(spec.entrypoint[1..3], ["service", image.name]);
        }
    }

    #[test]
    fn they_are_listed_in_the_order_of_their_names() {
        assert!(OWN_IMAGES.is_sorted_by_key(|image| image.name));
    }
}
