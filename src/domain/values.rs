//! Values that become known while a run goes on: captured ones and secrets.

use secrecy::{ExposeSecret, SecretString};
use std::collections::BTreeMap;

/// One value.
#[derive(Debug, Clone)]
struct Value {
    text: SecretString,
    secret: bool,
}

/// Named values; `Debug` shows no text of any of them.
#[derive(Debug, Clone, Default)]
pub struct Values {
    by_name: BTreeMap<String, Value>,
}

impl Values {
    /// Sets `name`; a `secret` one is redacted wherever it would be shown.
    pub fn set(&mut self, name: impl Into<String>, text: impl Into<String>, secret: bool) {
        self.by_name.insert(
            name.into(),
            Value {
                text: SecretString::from(text.into()),
                secret,
            },
        );
    }

    /// Returns the text of `name`, for filling a hole.
    pub fn reveal(&self, name: &str) -> Option<&str> {
        self.by_name.get(name).map(|value| value.text.expose_secret())
    }

    /// Returns the texts that must never be shown.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        self.by_name
            .values()
            .filter(|value| value.secret)
            .map(|value| value.text.expose_secret())
    }

    /// Returns name and text of the values that may be shown.
    pub fn public(&self) -> impl Iterator<Item = (&str, &str)> {
        self.by_name
            .iter()
            .filter(|(_, value)| !value.secret)
            .map(|(name, value)| (name.as_str(), value.text.expose_secret()))
    }
}
