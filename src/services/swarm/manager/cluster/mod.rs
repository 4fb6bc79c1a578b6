//! The engines of a cluster and what is known of them.
//!
//! Responsible for finding the engines that discovery names, for keeping a picture of each that is never older than
//! its last event, for telling which of them are healthy, and for carrying requests to them. It may not know HTTP
//! routes: what a client asked for is the API's to understand.
//!
//! Decisions:
//! - The engines are the truth. Nothing is kept that an engine could not be asked for again, so a manager that
//!   starts anew loses nothing. Only reservations live here: containers that an engine is just creating.
//! - A picture ([`Snapshot`]) is never changed, only replaced: whoever reads has no lock to hold and sees one
//!   moment. A change to one container copies a map of pointers.
//! - Each request has a connection of its own, but those that inspect all containers of an engine share a few. Connecting inside a data centre costs less than what a request does
//!   on an engine; in return nothing is ever sent on a connection that a restarted engine has forgotten, and to
//!   drop an answer is to hang up, which is how `logs -f` and `events` end.
//! - Engine ids are shown and compared as `ID|addr` as upstream does: cloned machines share ids.

mod cluster_state;
mod connection;
mod engine;
mod error;
mod events;
mod facts;
#[cfg(test)]
mod fuzz_tests;
mod health;
mod lookup;
mod membership;
mod monitor;
mod options;
mod reading;
mod refresh;
mod registry;
mod reservation;
mod snapshot;
mod version;

pub use cluster_state::{Cluster, ClusterEvent, Placed};
pub use connection::{AnswerBody, RequestBody};
pub use engine::Engine;
pub use error::{EngineError, LookupError, ScheduleError};
pub use health::{Health, HealthState};
pub use membership::{EngineSource, SourceError};
pub use options::ClusterOptions;
pub use reservation::{Hold, Reservation};
pub use snapshot::{Container, Image, Network, Snapshot, Volume};
pub use version::{ApiRange, ApiVersion};
