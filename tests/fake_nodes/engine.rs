//! A Docker Engine that exists only in memory: a table, and the rules by which it refuses.

use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

pub type Labels = BTreeMap<String, String>;

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Container {
    pub id: String,
    pub name: String,
    pub image: String,
    pub running: bool,
    /// What it ended with.
    pub status: i64,
    pub labels: Labels,
    pub volumes: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Image {
    pub id: String,
    pub tags: BTreeSet<String>,
    pub parent: Option<String>,
    /// The container it was committed from.
    pub container: Option<String>,
}

/// A layer that the engine is about to keep, whoever else does what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// The container it is kept from, which the builder removes then.
    pub container: String,
    /// The id it will have.
    pub image: String,
    /// The image below it.
    pub parent: String,
    /// How many looks at the containers come before.
    pub looks: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Volume {
    pub name: String,
    pub anonymous: bool,
    pub labels: Labels,
}

/// What it has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Contents {
    /// Whether containers outlive a restart of the engine.
    pub keeps_containers_alive: bool,
    pub containers: Vec<Container>,
    pub images: Vec<Image>,
    pub networks: BTreeMap<String, Labels>,
    pub volumes: Vec<Volume>,
    /// What the engine has in hand.
    pub commits: Vec<Commit>,
    /// The containers that it is removing, and how many looks at the containers come before they are gone.
    pub removals: BTreeMap<String, u32>,
    /// What can be pulled: an image's id by reference.
    pub registry: BTreeMap<String, String>,
    /// Things that are refused: part of a request's line, and what is said.
    pub refusals: Vec<(String, String)>,
}

/// An answer: status and body.
pub type Answer = (u16, Value);

fn no(status: u16, message: impl Into<String>) -> Answer {
    (status, json!({ "message": message.into() }))
}

fn done() -> Answer {
    (204, Value::Null)
}

/// Makes an id of 64 digits that begins with `digits`.
pub fn id(digits: &str) -> String {
    format!("{digits:0<64}")
}

/// Makes an image's id that begins with `digits`.
pub fn image_id(digits: &str) -> String {
    format!("sha256:{}", id(digits))
}

pub fn of_project(project: &str) -> Labels {
    Labels::from([("com.docker.compose.project".to_owned(), project.to_owned())])
}

impl Contents {
    pub fn image(&mut self, id: &str, tags: &[&str], parent: Option<&str>) {
        for tag in tags {
            self.untag(tag);
        }
        if let Some(image) = self.images.iter_mut().find(|image| image.id == id) {
            image.tags.extend(tags.iter().map(|tag| (*tag).to_owned()));
            return;
        }
        self.images.push(Image {
            id: id.to_owned(),
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            parent: parent.map(str::to_owned),
            container: None,
        });
    }

    /// Adds the layer `id` that was kept from `container`.
    pub fn layer(&mut self, id: &str, parent: &str, container: &str) {
        self.image(id, &[], Some(parent));
        if let Some(image) = self.images.iter_mut().find(|image| image.id == id) {
            image.container = Some(container.to_owned());
        }
    }

    /// Goes on with what the engine has in hand.
    pub fn work(&mut self) {
        for left in self.removals.values_mut() {
            *left = left.saturating_sub(1);
        }
        let removals = &self.removals;
        self.containers
            .retain(|container| removals.get(&container.id) != Some(&0));
        self.removals.retain(|_, left| *left > 0);
        for mut commit in std::mem::take(&mut self.commits) {
            if commit.looks == 0 {
                self.layer(&commit.image, &commit.parent, &commit.container);
                self.containers.retain(|container| container.id != commit.container);
            } else {
                commit.looks -= 1;
                self.commits.push(commit);
            }
        }
    }

    pub fn tagged(&self, tag: &str) -> Option<&Image> {
        self.images.iter().find(|image| image.tags.contains(tag))
    }

    pub fn has_container(&self, name: &str) -> bool {
        self.containers.iter().any(|container| container.name == name)
    }

    pub fn has_image(&self, id: &str) -> bool {
        self.images.iter().any(|image| image.id == id)
    }

    pub fn container(&mut self, container: Container) {
        self.containers.retain(|other| other.name != container.name);
        self.containers.push(container);
    }

    fn untag(&mut self, tag: &str) {
        for image in &mut self.images {
            image.tags.remove(tag);
        }
    }

    /// Answers a request for `path` with the parameters `query`.
    pub fn answer(&mut self, method: &str, path: &str, query: &BTreeMap<String, String>, body: &[u8]) -> Answer {
        let line = format!("{method} {path}");
        if let Some((_, message)) = self.refusals.iter().find(|(part, _)| line.contains(part)) {
            return no(500, message.clone());
        }
        let of = |name: &str| query.get(name).map_or("", String::as_str);
        match (method, path) {
            ("GET", "/version") => (
                200,
                json!({ "Version": "20.10.24", "ApiVersion": "1.41", "MinAPIVersion": "1.12" }),
            ),
            ("GET", "/info") => {
                let info = json!({ "Name": "fake", "Labels": [], "LiveRestoreEnabled": self.keeps_containers_alive });
                (200, info)
            }
            ("GET", "/containers/json") => {
                self.work();
                let all = of("all") == "true";
                let listed = self.containers.iter().filter(|container| all || container.running);
                (200, listed.map(container_json).collect())
            }
            ("GET", "/images/json") => (200, self.images.iter().map(image_json).collect()),
            ("GET", "/networks") => (200, self.networks.iter().map(network_json).collect()),
            ("GET", "/volumes") => {
                let volumes: Value = self.volumes.iter().map(volume_json).collect();
                (200, json!({ "Volumes": volumes }))
            }
            ("GET", _) if path.starts_with("/images/") && path.ends_with("/json") => {
                let name = &path["/images/".len()..path.len() - "/json".len()];
                match self.find(name) {
                    Some(image) => (200, json!({ "Id": image.id, "Container": image.container })),
                    None => no(404, format!("No such image: {name}")),
                }
            }
            (_, path) if path.starts_with("/containers/") && method != "DELETE" => {
                let (id, what) = path["/containers/".len()..].split_once('/').unwrap();
                self.container_request(id, what)
            }
            ("POST", "/images/create") => self.pull(&format!("{}:{}", of("fromImage"), of("tag"))),
            ("POST", "/images/load") => self.load(body),
            ("POST", _) if path.starts_with("/images/") && path.ends_with("/tag") => {
                let image = &path["/images/".len()..path.len() - "/tag".len()];
                self.tag(image, &format!("{}:{}", of("repo"), of("tag")))
            }
            ("DELETE", _) => match path[1..].split_once('/') {
                Some(("containers", id)) => self.remove_container(id, of("force") == "true", of("v") == "true"),
                Some(("images", reference)) => self.remove_image(reference, of("force") == "true"),
                Some(("networks", name)) => self.remove_network(name),
                Some(("volumes", name)) => self.remove_volume(name),
                _ => no(404, "page not found"),
            },
            _ => no(404, format!("page not found: {line}")),
        }
    }

    fn pull(&mut self, reference: &str) -> Answer {
        match self.registry.get(reference).cloned() {
            Some(id) => {
                self.image(&id, &[reference], None);
                (200, json!({ "status": "Pull complete" }))
            }
            None => no(404, format!("manifest for {reference} not found")),
        }
    }

    /// Loads what [`super::stage::Archives`] makes: a text that ends in the tag.
    fn load(&mut self, archive: &[u8]) -> Answer {
        let text = String::from_utf8_lossy(archive).into_owned();
        let (service, tag) = text.rsplit_once(' ').unwrap();
        let id = format!("sha256:{}", super::disk::sha256(service.as_bytes()));
        self.image(&id, &[tag], None);
        (200, json!({ "stream": format!("Loaded image: {tag}") }))
    }

    fn tag(&mut self, image: &str, reference: &str) -> Answer {
        let Some(id) = self.find(image).map(|image| image.id.clone()) else {
            return no(404, format!("No such image: {image}"));
        };
        self.image(&id, &[reference], None);
        (201, Value::Null)
    }

    fn find(&self, reference: &str) -> Option<&Image> {
        let digits = |id: &str| id.trim_start_matches("sha256:").to_owned();
        self.images
            .iter()
            .find(|image| image.tags.contains(reference) || digits(&image.id) == digits(reference))
    }

    fn container_request(&mut self, id: &str, what: &str) -> Answer {
        let Some(container) = self.containers.iter_mut().find(|container| container.id == id) else {
            return no(404, format!("No such container: {id}"));
        };
        match what {
            "kill" if container.running => {
                (container.running, container.status) = (false, 137);
                done()
            }
            "kill" => no(409, format!("Container {id} is not running")),
            "json" => {
                let state = if container.running { "running" } else { "exited" };
                (
                    200,
                    json!({ "Id": id, "State": { "Status": state, "ExitCode": container.status } }),
                )
            }
            _ => no(404, "page not found"),
        }
    }

    fn remove_container(&mut self, id: &str, force: bool, volumes: bool) -> Answer {
        let Some(position) = self.containers.iter().position(|container| container.id == id) else {
            return no(404, format!("No such container: {id}"));
        };
        if self.removals.contains_key(id) {
            return no(409, format!("removal of container {id} is already in progress"));
        }
        if self.containers[position].running && !force {
            return no(409, "You cannot remove a running container");
        }
        let container = self.containers.remove(position);
        if volumes {
            self.volumes
                .retain(|volume| !volume.anonymous || !container.volumes.contains(&volume.name));
        }
        done()
    }

    fn remove_image(&mut self, reference: &str, force: bool) -> Answer {
        let Some(image) = self.find(reference).cloned() else {
            return no(404, format!("No such image: {reference}"));
        };
        let by_tag = image.tags.contains(reference);
        let user = self.containers.iter().find(|container| container.image == image.id);
        let has_children = self.images.iter().any(|other| other.parent.as_ref() == Some(&image.id));
        if by_tag && image.tags.len() > 1 {
            self.untag(reference);
            return (200, json!([]));
        }
        if let Some(user) = user {
            let name = &user.name;
            return no(409, format!("conflict: container {name} is using {reference}"));
        }
        if !by_tag && image.tags.len() > 1 && !force {
            return no(409, format!("conflict: {reference} must be forced: several tags"));
        }
        if has_children && by_tag {
            self.untag(reference);
            return (200, json!([]));
        }
        if has_children {
            return no(409, format!("conflict: {reference} has dependent child images"));
        }
        self.images.retain(|other| other.id != image.id);
        (200, json!([]))
    }

    fn remove_network(&mut self, name: &str) -> Answer {
        match self.networks.remove(name) {
            Some(_) => done(),
            None => no(404, format!("network {name} not found")),
        }
    }

    fn remove_volume(&mut self, name: &str) -> Answer {
        if self
            .containers
            .iter()
            .any(|container| container.volumes.iter().any(|volume| volume == name))
        {
            return no(409, format!("volume {name} is in use"));
        }
        let before = self.volumes.len();
        self.volumes.retain(|volume| volume.name != name);
        if self.volumes.len() == before {
            return no(404, format!("no such volume: {name}"));
        }
        done()
    }
}

fn container_json(container: &Container) -> Value {
    let mounts: Value = container
        .volumes
        .iter()
        .map(|name| json!({ "Type": "volume", "Name": name }))
        .collect();
    json!({
        "Id": container.id,
        "Names": [format!("/{}", container.name)],
        "Image": container.image,
        "ImageID": container.image,
        "State": if container.running { "running" } else { "exited" },
        "Labels": container.labels,
        "Mounts": mounts,
        "Created": 0,
    })
}

fn image_json(image: &Image) -> Value {
    json!({
        "Id": image.id,
        "ParentId": image.parent.clone().unwrap_or_default(),
        "RepoTags": image.tags,
        "RepoDigests": [],
        "Labels": {},
        "Created": 0,
        "Size": 0,
        "SharedSize": 0,
        "Containers": 0,
    })
}

fn network_json((name, labels): (&String, &Labels)) -> Value {
    json!({ "Id": name, "Name": name, "Driver": "bridge", "Labels": labels })
}

fn volume_json(volume: &Volume) -> Value {
    json!({
        "Name": volume.name,
        "Driver": "local",
        "Mountpoint": "",
        "Labels": volume.labels,
        "Scope": "local",
        "Options": {},
    })
}
