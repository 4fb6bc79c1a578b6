//! The names of images, as an engine shows them.

/// Returns `reference` as an engine lists it: without Docker Hub's default host and path, and with the tag that is assumed
/// where none is given. A reference by digest has no tag.
pub fn familiar_reference(reference: &str) -> String {
    let without_host = ["docker.io/", "index.docker.io/"]
        .iter()
        .find_map(|host| reference.strip_prefix(host));
    let familiar = match without_host {
        Some(rest) => rest.strip_prefix("library/").unwrap_or(rest),
        None => reference,
    };
    let name = familiar.rsplit('/').next().unwrap_or(familiar);
    if name.contains(':') || name.contains('@') {
        familiar.to_owned()
    } else {
        format!("{familiar}:latest")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_named_as_engines_list_them() {
        for (given, listed) in [
            ("mongo", "mongo:latest"),
            ("docker.io/library/mongo:3.6", "mongo:3.6"),
            ("docker.io/me/chat", "me/chat:latest"),
            ("host:5000/chat", "host:5000/chat:latest"),
            ("mongo@sha256:00", "mongo@sha256:00"),
        ] {
            assert_eq!(familiar_reference(given), listed);
        }
    }
}
