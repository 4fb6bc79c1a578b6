//! Containers that an engine is just creating: who else asks sees their name, ports and resources as taken.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::engine::Engine;
use crate::swarm::manager::scheduler::ContainerFacts;

/// What is reserved, by a number of its own.
#[derive(Debug, Default)]
pub(super) struct Reserved {
    next: u64,
    entries: HashMap<u64, Entry>,
}

/// One thing that is reserved: a name, and perhaps a place for a container.
#[derive(Debug)]
struct Entry {
    name: Option<String>,
    place: Option<(String, Arc<ContainerFacts>)>,
}

impl Reserved {
    /// Tells whether `name` is spoken for.
    pub(super) fn has_name(&self, name: &str) -> bool {
        self.entries.values().any(|entry| entry.name.as_deref() == Some(name))
    }

    /// The containers that are being created on the engine at `addr`.
    pub(super) fn on<'a>(&'a self, addr: &'a str) -> impl Iterator<Item = &'a Arc<ContainerFacts>> {
        let places = self.entries.values().filter_map(|entry| entry.place.as_ref());
        places.filter(move |(at, _)| at == addr).map(|(_, facts)| facts)
    }

    /// Reserves `name`, and a place at an address for a container.
    pub(super) fn add(&mut self, name: Option<String>, place: Option<(String, Arc<ContainerFacts>)>) -> u64 {
        self.next += 1;
        self.entries.insert(self.next, Entry { name, place });
        self.next
    }
}

/// Locks what is reserved.
pub(super) fn lock(reserved: &Mutex<Reserved>) -> MutexGuard<'_, Reserved> {
    reserved.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps something reserved until it is dropped.
#[derive(Debug)]
pub struct Hold {
    pub(super) number: u64,
    pub(super) reserved: Arc<Mutex<Reserved>>,
}

impl Drop for Hold {
    fn drop(&mut self) {
        lock(&self.reserved).entries.remove(&self.number);
    }
}

/// A place for a container. Keep it until the engine's picture has the container, or creating it failed.
#[derive(Debug)]
pub struct Reservation {
    pub(super) engine: Arc<Engine>,
    pub(super) body: Bytes,
    pub(super) _hold: Hold,
}

impl Reservation {
    /// The engine that shall create the container.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// The body of the create request as this engine must get it.
    pub fn body(&self) -> Bytes {
        self.body.clone()
    }
}
