//! Clusters of a discovery service, by token.
//!
//! Responsible for the client's side of Docker Hub's protocol as the archived image spoke it: `POST /clusters` makes a
//! token, `POST /clusters/TOKEN?ttl=SECONDS` registers, `GET /clusters/TOKEN` lists.

use std::time::Duration;

use super::https::{Answer, request};
use super::{DiscoveryError, is_address};

/// The host of the service that a bare token belongs to.
pub(super) const HOSTED_NAME: &str = "discovery.hub.docker.com";
/// The variable that names another service for bare tokens, with scheme and path, such as `https://10.0.0.1:8443/v1`.
const URL_VARIABLE: &str = "SWARM_DISCOVERY_URL";

/// A cluster of a discovery service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// The address of the service, where the token came with one, as `host/path`.
    place: Option<String>,
    token: String,
}

fn hosted_base() -> String {
    match std::env::var(URL_VARIABLE) {
        Ok(url) if !url.is_empty() => url.trim_end_matches('/').to_owned(),
        _ => format!("https://{HOSTED_NAME}/v1"),
    }
}

/// Makes a cluster at the hosted service, or the one that the environment names, and returns its token.
pub(in super::super) async fn create_cluster() -> Result<String, DiscoveryError> {
    let base = hosted_base();
    let answer = request("POST", &base, "/clusters", "").await?;
    let token = expect_success(&base, "`swarm create`", answer)?;
    let token = String::from_utf8_lossy(&token).trim().to_owned();
    if is_token(&token) {
        Ok(token)
    } else {
        Err(DiscoveryError::Strange {
            base,
            reason: "what it gave is no token".to_owned(),
        })
    }
}

fn expect_success(base: &str, what: &'static str, answer: Answer) -> Result<Vec<u8>, DiscoveryError> {
    if (200..300).contains(&answer.status) {
        return Ok(answer.body);
    }
    Err(DiscoveryError::Refused {
        base: base.to_owned(),
        what,
        status: answer.status,
        text: String::from_utf8_lossy(&answer.body).into_owned(),
    })
}

fn is_token(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    !text.is_empty() && text.len() <= 128 && text.chars().all(is_plain)
}

impl Cluster {
    /// Reads what follows `token://`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (place, token) = match text.rsplit_once('/') {
            Some((place, token)) => (Some(place.to_owned()), token),
            None => (None, text),
        };
        if token.is_empty() {
            return Err("token is empty".to_owned());
        }
        let is_plain = |c: char| c.is_ascii_alphanumeric() || ".:-_/[]".contains(c);
        if place
            .as_ref()
            .is_some_and(|place| place.is_empty() || !place.chars().all(is_plain))
            || !is_token(token)
        {
            return Err("write token://TOKEN, or token://HOST/PATH/TOKEN".to_owned());
        }
        Ok(Self {
            place,
            token: token.to_owned(),
        })
    }

    /// Returns what follows `token://`.
    pub(super) fn written(&self) -> String {
        match &self.place {
            Some(place) => format!("{place}/{}", self.token),
            None => self.token.clone(),
        }
    }

    fn base(&self) -> String {
        self.place
            .as_ref()
            .map_or_else(hosted_base, |place| format!("https://{place}"))
    }

    fn path(&self) -> String {
        format!("/clusters/{}", self.token)
    }

    pub(super) async fn fetch(&self) -> Result<Vec<String>, DiscoveryError> {
        let base = self.base();
        let answer = request("GET", &base, &self.path(), "").await?;
        let body = expect_success(&base, "which engines there are", answer)?;
        let strange = |reason: String| DiscoveryError::Strange {
            base: base.clone(),
            reason,
        };
        let entries: Option<Vec<String>> = serde_json::from_slice(&body).map_err(|error| strange(error.to_string()))?;
        let entries = entries.unwrap_or_default();
        match entries.iter().find(|entry| !is_address(entry)) {
            Some(wrong) => Err(strange(format!("{wrong:?} is no host:port"))),
            None => Ok(entries),
        }
    }

    pub(super) async fn register(&self, address: &str, ttl: Duration) -> Result<(), DiscoveryError> {
        let base = self.base();
        let path = format!("{}?ttl={}", self.path(), ttl.as_secs());
        let answer = request("POST", &base, &path, address).await?;
        expect_success(&base, "an engine that registers", answer).map(drop)
    }
}
