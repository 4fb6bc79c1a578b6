//! What a query has not returned yet.
//!
//! Responsible for cutting results into batches and for keeping the rest until it is asked for, given up or
//! forgotten. It may not run queries.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use bson::raw::{CStr, RawArrayBuf, RawDocumentBuf, cstr};

use super::bounds::LARGEST_DOCUMENT;
use super::collection::Stored;
use super::error::CommandError;

/// The most bytes of documents in one batch.
const LARGEST_BATCH: usize = LARGEST_DOCUMENT;
/// The number of documents in a first batch when the client does not say.
pub(crate) const FIRST_BATCH: usize = 101;
/// How long a cursor that nobody uses is kept.
const IDLE: Duration = Duration::from_secs(600);
/// How many cursors are kept; the one unused the longest goes first.
const MOST: usize = 1000;

/// The cursors that have something left.
#[derive(Debug)]
pub(crate) struct Cursors {
    open: HashMap<i64, Cursor>,
    next: i64,
}

#[derive(Debug)]
struct Cursor {
    namespace: String,
    rest: VecDeque<Stored>,
    used: Instant,
}

/// Some results and the cursor that gives the others, 0 where there are none.
#[derive(Debug)]
pub(crate) struct Batch {
    /// The cursor's number.
    pub(crate) id: i64,
    /// The results.
    pub(crate) documents: Vec<Stored>,
}

impl Cursors {
    /// Starts numbering at `first`, which should differ between restarts so that old cursors are not mistaken for new.
    pub(crate) fn new(first: i64) -> Self {
        Self {
            open: HashMap::new(),
            next: first.max(1),
        }
    }

    /// Cuts the first `size` of `documents` off and keeps the rest, unless `single` says that nobody wants it.
    pub(crate) fn start(&mut self, namespace: String, documents: Vec<Stored>, size: usize, single: bool) -> Batch {
        let mut rest = VecDeque::from(documents);
        let documents = take(&mut rest, size);
        if rest.is_empty() || single {
            return Batch { id: 0, documents };
        }
        self.make_room();
        let id = self.next;
        self.next = self.next.checked_add(1).unwrap_or(1);
        self.open.insert(
            id,
            Cursor {
                namespace,
                rest,
                used: Instant::now(),
            },
        );
        Batch { id, documents }
    }

    /// Gives the next `size` results of cursor `id` of `namespace`.
    pub(crate) fn more(&mut self, id: i64, namespace: &str, size: usize) -> Result<Batch, CommandError> {
        let found = self.open.get_mut(&id).filter(|cursor| cursor.namespace == namespace);
        let cursor = found.ok_or_else(|| CommandError::cursor_not_found(id))?;
        let documents = take(&mut cursor.rest, size);
        cursor.used = Instant::now();
        if cursor.rest.is_empty() {
            self.open.remove(&id);
            return Ok(Batch { id: 0, documents });
        }
        Ok(Batch { id, documents })
    }

    /// Forgets cursor `id` and tells whether it was there.
    pub(crate) fn kill(&mut self, id: i64) -> bool {
        self.open.remove(&id).is_some()
    }

    fn make_room(&mut self) {
        self.open.retain(|_, cursor| cursor.used.elapsed() < IDLE);
        if self.open.len() >= MOST {
            let oldest = self
                .open
                .iter()
                .min_by_key(|(_, cursor)| cursor.used)
                .map(|(id, _)| *id);
            oldest.and_then(|id| self.open.remove(&id));
        }
    }
}

/// Takes up to `size` documents, at least one where there are any, and no more bytes than a reply may have.
fn take(rest: &mut VecDeque<Stored>, size: usize) -> Vec<Stored> {
    let mut taken = Vec::new();
    let mut bytes = 0;
    while taken.len() < size
        && let Some(next) = rest.front()
    {
        bytes += next.as_bytes().len();
        if bytes > LARGEST_BATCH && !taken.is_empty() {
            break;
        }
        taken.extend(rest.pop_front());
    }
    taken
}

impl Batch {
    /// The batch as the reply to the command that made the cursor.
    pub(crate) fn first_reply(&self, namespace: &str) -> RawDocumentBuf {
        self.reply(cstr!("firstBatch"), namespace)
    }

    /// The batch as the reply to `getMore`.
    pub(crate) fn next_reply(&self, namespace: &str) -> RawDocumentBuf {
        self.reply(cstr!("nextBatch"), namespace)
    }

    fn reply(&self, field: &CStr, namespace: &str) -> RawDocumentBuf {
        let documents: RawArrayBuf = self
            .documents
            .iter()
            .map(|document| document.as_ref().as_ref())
            .collect();
        let mut cursor = RawDocumentBuf::new();
        cursor.append(field, documents);
        cursor.append(cstr!("id"), self.id);
        cursor.append(cstr!("ns"), namespace);
        let mut reply = RawDocumentBuf::new();
        reply.append(cstr!("cursor"), cursor);
        reply.append(cstr!("ok"), 1.0);
        reply
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bson::rawdoc;

    use super::*;

    fn documents(count: i32) -> Vec<Stored> {
        (0..count).map(|number| Arc::new(rawdoc! { "_id": number })).collect()
    }

    #[test]
    fn results_come_in_batches_until_there_are_none_left() {
        let mut cursors = Cursors::new(7);
        let first = cursors.start("a.b".into(), documents(5), 2, false);
        assert_eq!((first.id, first.documents.len()), (7, 2));
        assert!(cursors.more(7, "a.c", 2).is_err());
        assert_eq!(cursors.more(7, "a.b", 2).unwrap().documents.len(), 2);
        let last = cursors.more(7, "a.b", 2).unwrap();
        assert_eq!((last.id, last.documents.len()), (0, 1));
        assert!(cursors.more(7, "a.b", 2).is_err());
    }

    #[test]
    fn a_single_batch_keeps_nothing() {
        let mut cursors = Cursors::new(1);
        assert_eq!(cursors.start("a.b".into(), documents(5), 2, true).id, 0);
        assert!(cursors.open.is_empty());
    }

    #[test]
    fn a_batch_never_outgrows_a_reply_and_always_has_one() {
        let large = Arc::new(rawdoc! { "text": "x".repeat(LARGEST_DOCUMENT * 2 / 3) });
        let mut cursors = Cursors::new(1);
        let first = cursors.start("a.b".into(), vec![large.clone(), large.clone(), large], 100, false);
        assert_eq!(first.documents.len(), 1);
        assert_eq!(cursors.more(first.id, "a.b", 100).unwrap().documents.len(), 1);
    }

    #[test]
    fn forgotten_cursors_make_room() {
        let mut cursors = Cursors::new(1);
        for _ in 0..MOST + 5 {
            cursors.start("a.b".into(), documents(2), 1, false);
        }
        assert_eq!(cursors.open.len(), MOST);
        assert!(!cursors.kill(1));
        assert!(cursors.kill(MOST as i64));
    }
}
