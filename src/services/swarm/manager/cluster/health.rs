//! Whether an engine can be counted on.

use std::fmt;
use std::time::SystemTime;

/// Whether an engine can be counted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HealthState {
    /// Discovery names it, and it has not answered yet or is not fit.
    Pending,
    /// It answers.
    Healthy,
    /// It answered once and does not now.
    Unhealthy,
}

impl fmt::Display for HealthState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Pending => "Pending",
            Self::Healthy => "Healthy",
            Self::Unhealthy => "Unhealthy",
        })
    }
}

/// What is known of an engine's health.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Whether it can be counted on.
    pub state: HealthState,
    /// What went wrong last; none after a success.
    pub error: Option<String>,
    /// When it was asked last.
    pub updated_at: SystemTime,
    /// How often in a row it failed.
    pub failures: u32,
}

impl Health {
    /// The health of an engine that was not asked yet.
    pub(in super::super) fn unknown(now: SystemTime) -> Self {
        Self {
            state: HealthState::Pending,
            error: None,
            updated_at: now,
            failures: 0,
        }
    }

    /// After an answer.
    pub(super) fn after_success(now: SystemTime) -> Self {
        Self {
            state: HealthState::Healthy,
            error: None,
            updated_at: now,
            failures: 0,
        }
    }

    /// After another failure: the `limit`th in a row makes a healthy engine unhealthy.
    pub(super) fn after_failure(&self, error: String, limit: u32, now: SystemTime) -> Self {
        let failures = self.failures.saturating_add(1);
        let gives_up = self.state == HealthState::Healthy && failures >= limit;
        Self {
            state: if gives_up { HealthState::Unhealthy } else { self.state },
            error: Some(error),
            updated_at: now,
            failures,
        }
    }

    /// After an engine turned out to be another one: it is pending again until that is resolved.
    pub(super) fn unfit(&self, error: String, now: SystemTime) -> Self {
        Self {
            state: HealthState::Pending,
            error: Some(error),
            updated_at: now,
            failures: self.failures.saturating_add(1),
        }
    }

    /// 0 for an engine that gets no containers, 100 after a success, between after failures.
    pub(super) fn indicator(&self, limit: u32) -> u8 {
        if self.state != HealthState::Healthy || self.failures >= limit {
            return 0;
        }
        u8::try_from(100 - self.failures * 100 / limit.max(1)).unwrap_or(0)
    }
}
