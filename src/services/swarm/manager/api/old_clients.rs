//! What clients of old versions read that engines of today have left out.
//!
//! Responsible for answers only: a request goes to an engine in the nearest version that it speaks. Pure.

use serde_json::Value;

use crate::swarm::manager::cluster::ApiVersion;

/// The version that has no `VirtualSize` any more.
const NO_VIRTUAL_SIZE: ApiVersion = ApiVersion::new(1, 44);

/// Completes an image of a list for a client of `version`, which shows its size.
pub(super) fn complete_listed_image(image: &mut Value, version: Option<ApiVersion>) {
    if version.is_some_and(|version| version < NO_VIRTUAL_SIZE) {
        copy(image, "Size", "VirtualSize");
    }
}

/// Completes an inspected image for a client of `version`.
///
/// docker-compose 1 reads in `ContainerConfig` which volumes to keep when it recreates a container, and ends where there is
/// none. It speaks the newest version it is offered, so its version tells nothing, and to others one thing more is no harm.
pub(super) fn complete_image(image: &mut Value, version: Option<ApiVersion>) {
    complete_listed_image(image, version);
    copy(image, "Config", "ContainerConfig");
}

fn copy(object: &mut Value, from: &str, to: &str) {
    if object[to].is_null()
        && let Some(value) = object.get(from).cloned()
    {
        object[to] = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_clients_of_then_read_is_there() {
        let of_today = json!({ "Size": 5, "Config": { "Volumes": { "/data": {} } } });
        let mut image = of_today.clone();
        complete_image(&mut image, Some(ApiVersion::new(1, 21)));
        assert_eq!(image["VirtualSize"], 5);
        assert_eq!(image["ContainerConfig"], of_today["Config"]);
        for version in [Some(ApiVersion::new(1, 47)), None] {
            let mut image = of_today.clone();
            complete_image(&mut image, version);
            assert_eq!(
                image["ContainerConfig"], of_today["Config"],
                "docker-compose 1 takes the newest version"
            );
            assert_eq!(image.get("VirtualSize"), None);
        }
    }

    #[test]
    fn what_an_engine_said_stays() {
        let mut image = json!({ "Config": {}, "ContainerConfig": { "Image": "x" } });
        complete_image(&mut image, Some(ApiVersion::new(1, 21)));
        assert_eq!(image["ContainerConfig"]["Image"], "x");
        assert_eq!(image.get("VirtualSize"), None);
    }
}
