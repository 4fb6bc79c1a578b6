//! Brings the picture of an engine up to date: one container, or all there is.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::engine::{Engine, State};
use super::error::EngineError;
use super::facts::{self, Listed};
use super::reading::Asker;
use super::snapshot::{Container, Image, Network, Volume};

/// How many containers of one engine are inspected at once.
const AT_ONCE: usize = 8;

impl Engine {
    /// Asks the engine for container `id` (or a name) and returns it as it is now; none if it is gone.
    ///
    /// The picture has it when this returns, so that what a client did it also sees.
    pub async fn refresh_container(&self, id: &str) -> Result<Option<Arc<Container>>, EngineError> {
        loop {
            let ticket = self.ticket();
            let found = self.fetch_container(id).await?;
            let known = found.as_ref().map_or(id, |container| container.id()).to_owned();
            if let Some(result) = self.write().store_container(&known, found, ticket) {
                return Ok(result);
            }
        }
    }

    /// Forgets container `id` at once, after the engine said that it removed it.
    pub fn forget_container(&self, id: &str) {
        let ticket = self.ticket();
        self.write().store_container(id, None, ticket);
    }

    /// Asks the engine for all its containers and inspects those that are new or changed; all of them if `full`.
    pub async fn refresh_containers(&self, full: bool) -> Result<(), EngineError> {
        let ticket = self.ticket();
        let listed = self.list_containers("/containers/json?all=1").await?;
        let before = Arc::clone(&self.snapshot().containers);
        let asker = self.asker().with_kept_connections();
        let containers: Vec<Arc<Container>> = stream::iter(listed)
            .map(|listed| self.inspect_if_changed(&asker, listed, &before, full))
            .buffer_unordered(AT_ONCE)
            .try_filter_map(|container| async move { Ok(container) })
            .try_collect()
            .await?;
        self.write().store_all(containers, ticket);
        Ok(())
    }

    /// Asks the engine for its images.
    pub async fn refresh_images(&self) -> Result<(), EngineError> {
        let images: Vec<_> = self
            .list("/images/json?all=1")
            .await?
            .into_iter()
            .map(|listed| {
                let facts = Arc::new(facts::of_image(&listed));
                Arc::new(Image { listed, facts })
            })
            .collect();
        self.change(|snapshot| snapshot.images = Arc::new(images));
        Ok(())
    }

    /// Asks the engine for its networks.
    pub async fn refresh_networks(&self) -> Result<(), EngineError> {
        let networks: Vec<_> = self
            .list("/networks")
            .await?
            .into_iter()
            .map(|listed| {
                let (id, name) = (text(&listed, "Id"), text(&listed, "Name"));
                Arc::new(Network { id, name, listed })
            })
            .collect();
        self.change(|snapshot| snapshot.networks = Arc::new(networks));
        Ok(())
    }

    /// Asks the engine for its volumes.
    pub async fn refresh_volumes(&self) -> Result<(), EngineError> {
        let mut answer = self.asker().get(&self.versioned(None, "/volumes")).await?;
        let volumes: Vec<_> = array(answer["Volumes"].take())
            .into_iter()
            .map(|listed| {
                let name = text(&listed, "Name");
                Arc::new(Volume { name, listed })
            })
            .collect();
        self.change(|snapshot| snapshot.volumes = Arc::new(volumes));
        Ok(())
    }

    /// Asks the engine for all it has. Networks and volumes are not there on engines before 1.9.
    pub(super) async fn refresh_everything(&self) -> Result<(), EngineError> {
        self.refresh_containers(false).await?;
        self.refresh_images().await?;
        for optional in [self.refresh_networks().await, self.refresh_volumes().await] {
            if let Err(error) = optional
                && !matches!(error, EngineError::Refused { .. })
            {
                return Err(error);
            }
        }
        Ok(())
    }

    /// `GET path` in the engine's newest version, which must answer with a list.
    async fn list(&self, path: &str) -> Result<Vec<Value>, EngineError> {
        match self.asker().get(&self.versioned(None, path)).await? {
            Value::Array(items) => Ok(items),
            Value::Null => Ok(Vec::new()),
            _ => Err(self.asker().nonsense(path, "no list")),
        }
    }

    async fn fetch_container(&self, id: &str) -> Result<Option<Arc<Container>>, EngineError> {
        let Some(inspected) = self.inspect(&self.asker(), id).await? else {
            return Ok(None);
        };
        let id = text(&inspected, "Id");
        let filters = json!({ "id": [id] }).to_string();
        let path = format!("/containers/json?all=1&filters={}", encoded(&filters));
        let listed = self.list_containers(&path).await?;
        let listed = listed.into_iter().find(|listed| listed.id == id);
        Ok(listed.map(|listed| self.container(listed, &inspected)))
    }

    /// The containers in the list at `path`.
    async fn list_containers(&self, path: &str) -> Result<Vec<Listed>, EngineError> {
        let cpus = self.read().snapshot.cpus;
        let mut found = Vec::new();
        let read = |entry: &[u8]| {
            found.extend(Listed::read(entry, cpus)?);
            Ok(())
        };
        let path = self.versioned(None, path);
        self.asker().list(&path, self.options.list_limit, read).await?;
        Ok(found)
    }

    async fn inspect(&self, asker: &Asker, id: &str) -> Result<Option<Value>, EngineError> {
        let path = self.versioned(None, &format!("/containers/{}/json", encoded(id)));
        match asker.get(&path).await {
            Ok(inspected) if inspected["Id"].is_string() => Ok(Some(inspected)),
            Ok(_) => Err(asker.nonsense(&path, "no id")),
            Err(EngineError::Refused { status: 404, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// One container of the list; none if it is gone meanwhile or cannot be inspected.
    async fn inspect_if_changed(
        &self,
        asker: &Asker,
        listed: Listed,
        before: &BTreeMap<String, Arc<Container>>,
        full: bool,
    ) -> Result<Option<Arc<Container>>, EngineError> {
        let known = before.get(&listed.id);
        if !full && listed.mark.is_some() && known.is_some_and(|known| known.mark == listed.mark) {
            return Ok(known.cloned());
        }
        match self.inspect(asker, &listed.id).await {
            Ok(inspected) => Ok(inspected.map(|inspected| self.container(listed, &inspected))),
            // An engine may fail on one container of many, such as one that is dead; that one stays as it was.
            Err(EngineError::Refused { .. }) => Ok(known.cloned()),
            Err(error) => Err(error),
        }
    }

    fn container(&self, listed: Listed, inspected: &Value) -> Arc<Container> {
        let cpus = self.read().snapshot.cpus;
        Arc::new(facts::container(listed, inspected, cpus))
    }
}

impl State {
    /// Keeps what a refresh with `ticket` saw of container `id`, unless a later one saw it already.
    ///
    /// Returns what is kept in the end; none if the picture is newer than the refresh and does not know the
    /// container, so that nobody can tell whether it came or went: ask again.
    fn store_container(
        &mut self,
        id: &str,
        found: Option<Arc<Container>>,
        ticket: u64,
    ) -> Option<Option<Arc<Container>>> {
        let seen = self.seen.get(id).copied();
        if seen.is_some_and(|seen| seen > ticket) {
            return Some(self.snapshot.containers.get(id).cloned());
        }
        if seen.is_none() && self.floor > ticket && found.is_some() {
            return None;
        }
        self.seen.insert(id.to_owned(), ticket);
        let containers = Arc::make_mut(&mut Arc::make_mut(&mut self.snapshot).containers);
        match &found {
            Some(container) => containers.insert(id.to_owned(), Arc::clone(container)),
            None => containers.remove(id),
        };
        Some(found)
    }

    /// Keeps what a full refresh with `ticket` saw, but for what later ones saw.
    fn store_all(&mut self, containers: Vec<Arc<Container>>, ticket: u64) {
        let later = |seen: Option<&u64>| seen.is_some_and(|seen| *seen > ticket);
        let mut all: BTreeMap<String, Arc<Container>> = containers
            .into_iter()
            .filter(|container| !later(self.seen.get(container.id())))
            .map(|container| (container.id().to_owned(), container))
            .collect();
        for (id, container) in self.snapshot.containers.iter() {
            if later(self.seen.get(id)) {
                all.insert(id.clone(), Arc::clone(container));
            }
        }
        self.seen.retain(|_, seen| *seen > ticket);
        for id in all.keys() {
            self.seen.entry(id.clone()).or_insert(ticket);
        }
        self.floor = ticket;
        Arc::make_mut(&mut self.snapshot).containers = Arc::new(all);
    }
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

fn text(value: &Value, key: &str) -> String {
    facts::text(&value[key]).to_owned()
}

fn array(value: Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items,
        _ => Vec::new(),
    }
}
