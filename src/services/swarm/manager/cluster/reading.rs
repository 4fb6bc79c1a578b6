//! Questions of the manager's own: small, with a deadline, their answers limited in size.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::{Request, Response, StatusCode};
use serde_json::Value;

use super::connection::{AnswerBody, Connection, RequestBody, send};
use super::error::EngineError;
use super::options::ClusterOptions;
use crate::json_pieces::{Garbled, Pieces};

/// The largest entry of a list, in bytes.
const LARGEST_ENTRY: usize = 1 << 20;

/// Where and within which limits questions are asked.
#[derive(Debug)]
pub(super) struct Asker {
    /// `ip:port` of the engine.
    pub(super) addr: String,
    /// How long connecting may take.
    pub(super) connect_deadline: Duration,
    /// How long question and answer may take.
    pub(super) answer_deadline: Duration,
    /// How large an answer may be, in bytes.
    pub(super) limit: usize,
    /// Connections for the next questions, where many are to come.
    kept: Option<Mutex<Vec<Connection>>>,
}

impl Asker {
    /// Asks the engine at `addr` within the limits of `options`.
    pub(super) fn new(addr: &str, options: &ClusterOptions) -> Self {
        Self {
            addr: addr.to_owned(),
            connect_deadline: options.connect_deadline.min(options.retry_max),
            answer_deadline: options.answer_deadline,
            limit: options.answer_limit,
            kept: None,
        }
    }

    /// Keeps connections from one question to the next. An engine may have more containers than a machine has ports, and each
    /// connection that ends holds one for a minute.
    pub(super) fn with_kept_connections(mut self) -> Self {
        self.kept = Some(Mutex::default());
        self
    }

    /// The JSON that `GET path` answers with.
    pub(super) async fn get(&self, path: &str) -> Result<Value, EngineError> {
        let asked = tokio::time::timeout(self.answer_deadline, self.read(path)).await;
        let bytes = asked.map_err(|_| self.too_slow())??;
        serde_json::from_slice(&bytes).map_err(|error| self.nonsense(path, &error.to_string()))
    }

    /// Hands the entries of the list that `GET path` answers with to `each`, as they come.
    pub(super) async fn list(
        &self,
        path: &str,
        limit: usize,
        each: impl FnMut(&[u8]) -> Result<(), Garbled>,
    ) -> Result<(), EngineError> {
        let read = tokio::time::timeout(self.answer_deadline, self.read_list(path, limit, each));
        read.await.map_err(|_| self.too_slow())?
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
        let response = send(&self.addr, self.connect_deadline, self.request(path)?).await?;
        let status = response.status();
        if status.is_success() {
            return Ok(response.into_body());
        }
        let bytes = self.collect(path, response.into_body()).await?;
        Err(refused(status, &bytes))
    }

    async fn read(&self, path: &str) -> Result<Bytes, EngineError> {
        while let Some(mut connection) = self.take_kept() {
            // The engine may have closed it meanwhile; a question can be asked again.
            if let Ok(response) = connection.send(&self.addr, self.request(path)?).await {
                return self.answer(path, response, connection).await;
            }
        }
        let mut connection = Connection::open(&self.addr, self.connect_deadline).await?;
        let response = connection.send(&self.addr, self.request(path)?).await?;
        self.answer(path, response, connection).await
    }

    async fn answer(
        &self,
        path: &str,
        response: Response<AnswerBody>,
        connection: Connection,
    ) -> Result<Bytes, EngineError> {
        let status = response.status();
        let bytes = self.collect(path, response.into_body()).await?;
        if let Some(kept) = &self.kept {
            lock(kept).push(connection);
        }
        if status.is_success() {
            return Ok(bytes);
        }
        Err(refused(status, &bytes))
    }

    fn take_kept(&self) -> Option<Connection> {
        lock(self.kept.as_ref()?).pop()
    }

    fn request(&self, path: &str) -> Result<Request<RequestBody>, EngineError> {
        let body: RequestBody = Empty::new().map_err(|never| match never {}).boxed_unsync();
        let request = Request::get(path).body(body);
        request.map_err(|error| self.nonsense(path, &error.to_string()))
    }

    async fn read_list(
        &self,
        path: &str,
        limit: usize,
        mut each: impl FnMut(&[u8]) -> Result<(), Garbled>,
    ) -> Result<(), EngineError> {
        let (mut body, mut size) = (self.open(path).await?, 0);
        let mut pieces = Pieces::of_list(LARGEST_ENTRY);
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|source| EngineError::Http {
                addr: self.addr.clone(),
                source,
            })?;
            let Ok(bytes) = frame.into_data() else { continue };
            size += bytes.len();
            if size > limit {
                return Err(self.too_large(path, limit));
            }
            let read = pieces.feed(&bytes, &mut each);
            read.map_err(|Garbled| self.nonsense(path, "no list"))?;
        }
        if pieces.is_whole() {
            Ok(())
        } else {
            Err(self.nonsense(path, "it breaks off"))
        }
    }

    async fn collect(&self, path: &str, body: AnswerBody) -> Result<Bytes, EngineError> {
        match Limited::new(body, self.limit).collect().await {
            Ok(collected) => Ok(collected.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => Err(self.too_large(path, self.limit)),
            Err(error) => match error.downcast::<hyper::Error>() {
                Ok(source) => Err(EngineError::Http {
                    addr: self.addr.clone(),
                    source: *source,
                }),
                Err(other) => Err(self.nonsense(path, &other.to_string())),
            },
        }
    }

    fn too_large(&self, path: &str, limit: usize) -> EngineError {
        EngineError::TooLarge {
            addr: self.addr.clone(),
            path: path.to_owned(),
            limit,
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

fn refused(status: StatusCode, bytes: &[u8]) -> EngineError {
    EngineError::Refused {
        status: status.as_u16(),
        message: refusal(bytes),
    }
}

fn lock(kept: &Mutex<Vec<Connection>>) -> MutexGuard<'_, Vec<Connection>> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The engine's words: `{"message": "..."}` since API 1.24, bare text before.
fn refusal(bytes: &[u8]) -> String {
    let message = serde_json::from_slice::<Value>(bytes)
        .ok()
        .and_then(|body| body["message"].as_str().map(str::to_owned));
    message.unwrap_or_else(|| String::from_utf8_lossy(bytes).trim().chars().take(1000).collect())
}
