//! Questions of the manager's own: small, with a deadline, their answers limited in size.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::Request;
use serde_json::Value;

use super::connection::{AnswerBody, RequestBody, send};
use super::error::EngineError;

/// Where and within which limits questions are asked.
#[derive(Debug, Clone)]
pub(super) struct Asker {
    /// `ip:port` of the engine.
    pub(super) addr: String,
    /// How long connecting may take.
    pub(super) connect_deadline: Duration,
    /// How long question and answer may take.
    pub(super) answer_deadline: Duration,
    /// How large an answer may be, in bytes.
    pub(super) limit: usize,
}

impl Asker {
    /// The JSON that `GET path` answers with.
    pub(super) async fn get(&self, path: &str) -> Result<Value, EngineError> {
        let asked = tokio::time::timeout(self.answer_deadline, self.read(path)).await;
        let bytes = asked.map_err(|_| self.too_slow())??;
        serde_json::from_slice(&bytes).map_err(|error| self.nonsense(path, &error.to_string()))
    }

    /// The body of an endless answer to `GET path`, once its head is there.
    pub(super) async fn stream(&self, path: &str) -> Result<AnswerBody, EngineError> {
        let asked = tokio::time::timeout(self.answer_deadline, self.open(path)).await;
        asked.map_err(|_| self.too_slow())?
    }

    /// The error of an answer to `path` that is not what an engine says.
    pub(super) fn nonsense(&self, path: &str, what: &str) -> EngineError {
        EngineError::Nonsense {
            addr: self.addr.clone(),
            path: path.to_owned(),
            what: what.to_owned(),
        }
    }

    async fn open(&self, path: &str) -> Result<AnswerBody, EngineError> {
        let body: RequestBody = Empty::new().map_err(|never| match never {}).boxed_unsync();
        let request = Request::get(path)
            .body(body)
            .map_err(|error| self.nonsense(path, &error.to_string()))?;
        let response = send(&self.addr, self.connect_deadline, request).await?;
        let status = response.status();
        if status.is_success() {
            return Ok(response.into_body());
        }
        let bytes = self.collect(path, response.into_body()).await?;
        Err(EngineError::Refused {
            status: status.as_u16(),
            message: refusal(&bytes),
        })
    }

    async fn read(&self, path: &str) -> Result<Bytes, EngineError> {
        let body = self.open(path).await?;
        self.collect(path, body).await
    }

    async fn collect(&self, path: &str, body: AnswerBody) -> Result<Bytes, EngineError> {
        match Limited::new(body, self.limit).collect().await {
            Ok(collected) => Ok(collected.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => Err(EngineError::TooLarge {
                addr: self.addr.clone(),
                path: path.to_owned(),
                limit: self.limit,
            }),
            Err(error) => match error.downcast::<hyper::Error>() {
                Ok(source) => Err(EngineError::Http {
                    addr: self.addr.clone(),
                    source: *source,
                }),
                Err(other) => Err(self.nonsense(path, &other.to_string())),
            },
        }
    }

    fn too_slow(&self) -> EngineError {
        EngineError::TooSlow {
            addr: self.addr.clone(),
            what: "answer",
            after: self.answer_deadline,
        }
    }
}

/// The engine's words: `{"message": "..."}` since API 1.24, bare text before.
fn refusal(bytes: &[u8]) -> String {
    let message = serde_json::from_slice::<Value>(bytes)
        .ok()
        .and_then(|body| body["message"].as_str().map(str::to_owned));
    message.unwrap_or_else(|| String::from_utf8_lossy(bytes).trim().chars().take(1000).collect())
}
