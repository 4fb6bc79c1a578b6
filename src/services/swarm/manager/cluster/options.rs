//! How a cluster is looked after: intervals, deadlines, limits.

use std::time::Duration;

use crate::swarm::manager::scheduler::Scheduler;

/// How a cluster is looked after. The defaults are upstream's, but where engines come back faster.
#[derive(Debug, Clone)]
pub struct ClusterOptions {
    /// Where containers go.
    pub scheduler: Scheduler,
    /// How often discovery is asked.
    pub heartbeat: Duration,
    /// How often discovery is asked at first, while it names no engine, and for a while after each change.
    pub eager_heartbeat: Duration,
    /// How long after a change discovery is asked more often: machines of a cluster join one after the other.
    pub eager_for: Duration,
    /// The shortest time between two full refreshes of an engine.
    pub refresh_min: Duration,
    /// The longest time between two full refreshes of an engine.
    pub refresh_max: Duration,
    /// The longest time between two attempts to reach an engine that failed, and the longest that the manager's own
    /// attempt to connect takes: together they are how late a recovery is noticed.
    pub retry_max: Duration,
    /// After how many failures in a row an engine is unhealthy.
    pub failure_retry: u32,
    /// How long requests wait for a manager that has just begun and does not know its engines yet.
    pub settling: Duration,
    /// By how much more than it has an engine may promise: 0.05 are five percent.
    pub overcommit: f64,
    /// On how many further engines a container is tried that one refused to create.
    pub create_retries: u32,
    /// How long connecting to an engine may take.
    pub connect_deadline: Duration,
    /// How long an engine may take to answer a question of the manager's own.
    pub answer_deadline: Duration,
    /// The largest answer to a question of the manager's own, in bytes.
    pub answer_limit: usize,
    /// The largest list of an engine's containers, in bytes; it is read entry by entry.
    pub list_limit: usize,
}

impl Default for ClusterOptions {
    fn default() -> Self {
        Self {
            scheduler: Scheduler::default(),
            heartbeat: Duration::from_secs(60),
            eager_heartbeat: Duration::from_secs(1),
            eager_for: Duration::from_secs(600),
            refresh_min: Duration::from_secs(30),
            refresh_max: Duration::from_secs(60),
            retry_max: Duration::from_secs(2),
            failure_retry: 3,
            settling: Duration::from_secs(5),
            overcommit: 0.05,
            create_retries: 0,
            connect_deadline: Duration::from_secs(10),
            answer_deadline: Duration::from_secs(30),
            answer_limit: 64 << 20,
            list_limit: 512 << 20,
        }
    }
}
