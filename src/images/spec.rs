//! What an image is to be.
//!
//! Responsible for the description and for the configuration that an engine reads. It may not write archives.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// Where the binary is in every image.
pub const PROGRAM_PATH: &str = "/labctl";
/// The same bytes must come of the same binary, so the time of making an image is no time.
const CREATED: &str = "1970-01-01T00:00:00Z";

/// An empty directory in an image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Directory {
    /// The absolute path; the directories above it are made as well.
    pub path: String,
    /// The permission bits.
    pub mode: u32,
}

/// An image that holds nothing but the labctl binary and some empty directories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageSpec {
    /// The name and tag under which the engine knows the image.
    pub reference: String,
    /// The entry point.
    pub entrypoint: Vec<String>,
    /// What follows the entry point unless the container says otherwise.
    pub command: Vec<String>,
    /// Environment variables.
    pub environment: BTreeMap<String, String>,
    /// The TCP ports that are announced.
    pub ports: Vec<u16>,
    /// The directories that every container keeps in a volume.
    pub volumes: Vec<String>,
    /// Empty directories.
    pub directories: Vec<Directory>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

impl ImageSpec {
    /// Describes an image called `reference` that runs the service `name` with `arguments` before the container's own.
    pub fn service(reference: &str, name: &str, arguments: &[&str]) -> Self {
        let entrypoint = [PROGRAM_PATH, "service", name]
            .into_iter()
            .chain(arguments.iter().copied());
        Self {
            reference: reference.to_owned(),
            entrypoint: entrypoint.map(str::to_owned).collect(),
            command: Vec::new(),
            environment: BTreeMap::new(),
            ports: Vec::new(),
            volumes: Vec::new(),
            directories: vec![Directory {
                path: "/tmp".to_owned(),
                mode: 0o1777,
            }],
            labels: BTreeMap::from([("labctl.service".to_owned(), name.to_owned())]),
        }
    }

    /// Describes the stand-in for MongoDB, which as the upstream image listens on all addresses of its container and
    /// keeps its data in a volume.
    pub fn mongo(reference: &str) -> Self {
        let mut spec = Self::service(reference, "mongo", &["--bind_ip_all"]);
        spec.ports.push(27017);
        spec.volumes.push("/data/db".to_owned());
        spec.directories.push(Directory {
            path: "/data/db".to_owned(),
            mode: 0o755,
        });
        spec
    }

    /// Describes the image of Swarm, which as the archived one listens on port 2375 of its container. It has no volume for
    /// `.swarm` as that one had: nothing is kept there, and every agent would leave an empty volume behind.
    pub fn swarm(reference: &str) -> Self {
        let mut spec = Self::service(reference, "swarm", &[]);
        spec.environment.insert("SWARM_HOST".to_owned(), ":2375".to_owned());
        spec.command.push("--help".to_owned());
        spec.ports.push(2375);
        spec
    }

    /// Describes the image of Swarm's discovery service, which keeps what it knows in a volume. Whoever runs it may choose
    /// the user, so all may write there. Its certificates can be made with the same image:
    /// `--entrypoint /labctl IMAGE service certificate`.
    pub fn discovery(reference: &str) -> Self {
        let mut spec = Self::service(reference, "discovery", &[]);
        spec.ports.push(443);
        spec.volumes.push("/data".to_owned());
        spec.directories.push(Directory {
            path: "/data".to_owned(),
            mode: 0o1777,
        });
        spec
    }

    /// The configuration of the image whose one layer has the digest `layer`.
    pub(crate) fn configuration(&self, layer: &str) -> Value {
        let mut config = json!({ "Entrypoint": self.entrypoint, "WorkingDir": "/", "Labels": self.labels });
        let keys = |names: &mut dyn Iterator<Item = String>| names.map(|name| (name, json!({}))).collect::<Map<_, _>>();
        if !self.command.is_empty() {
            config["Cmd"] = json!(self.command);
        }
        if !self.environment.is_empty() {
            config["Env"] = self
                .environment
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
        }
        if !self.ports.is_empty() {
            config["ExposedPorts"] = Value::Object(keys(&mut self.ports.iter().map(|port| format!("{port}/tcp"))));
        }
        if !self.volumes.is_empty() {
            config["Volumes"] = Value::Object(keys(&mut self.volumes.iter().cloned()));
        }
        json!({
            "architecture": architecture(),
            "config": config,
            "created": CREATED,
            "history": [{ "created": CREATED, "created_by": "labctl", "comment": "the labctl binary alone" }],
            "os": "linux",
            "rootfs": { "type": "layers", "diff_ids": [layer] },
        })
    }
}

/// The name Docker has for the architecture this binary is built for.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swarm_listens_where_the_archived_image_did_and_leaves_no_volumes() {
        let config = &ImageSpec::swarm("labctl/swarm:test").configuration("sha256:00")["config"];
        assert_eq!(config["Entrypoint"], json!(["/labctl", "service", "swarm"]));
        assert_eq!(config["Cmd"], json!(["--help"]));
        assert_eq!(config["Env"], json!(["SWARM_HOST=:2375"]));
        assert_eq!(config["ExposedPorts"], json!({ "2375/tcp": {} }));
        assert_eq!(config.get("Volumes"), None);
    }

    #[test]
    fn any_user_may_run_discovery() {
        let spec = ImageSpec::discovery("labctl/discovery:test");
        let data = spec.directories.iter().find(|directory| directory.path == "/data");
        assert_eq!(data.map(|directory| directory.mode), Some(0o1777));
        let config = &spec.configuration("sha256:00")["config"];
        assert_eq!(config["Entrypoint"], json!(["/labctl", "service", "discovery"]));
        assert_eq!(config["ExposedPorts"], json!({ "443/tcp": {} }));
    }
}
