//! Versions of the Docker API, and which of them an engine speaks.

use std::fmt;
use std::str::FromStr;

/// A version of the Docker API, such as 1.41.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ApiVersion {
    /// The number before the dot.
    pub major: u16,
    /// The number after the dot.
    pub minor: u16,
}

impl ApiVersion {
    /// `major`.`minor`.
    pub const fn new(major: u16, minor: u16) -> Self {
        Self { major, minor }
    }
}

/// Text that is no version.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("'{0}' is no API version")]
pub struct NoVersion(String);

impl FromStr for ApiVersion {
    type Err = NoVersion;

    /// Reads `1.41` or `v1.41`.
    fn from_str(text: &str) -> Result<Self, NoVersion> {
        let number = text.strip_prefix('v').unwrap_or(text);
        let digits = |part: &str| {
            let all = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            part.parse().ok().filter(|_| all)
        };
        number
            .split_once('.')
            .and_then(|(major, minor)| Some(Self::new(digits(major)?, digits(minor)?)))
            .ok_or_else(|| NoVersion(text.to_owned()))
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.major, self.minor)
    }
}

/// The versions that an engine speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApiRange {
    /// The oldest.
    pub min: ApiVersion,
    /// The newest.
    pub max: ApiVersion,
}

impl ApiRange {
    /// `wanted` where the engine speaks it, else the nearest version that it does speak.
    pub fn nearest(self, wanted: ApiVersion) -> ApiVersion {
        wanted.max(self.min).min(self.max)
    }
}
