//! The output of a record, afterwards.

use crate::faults::{Outcome, failed_at, is_absent};
use crate::record::{Record, STREAMS};
use labctl_agent::{Answer, Ids};
use std::fs::{self, File};

/// Removes the output of the record `exec`, not its outcome.
pub(crate) fn forget(instance: &str, exec: &str) -> Outcome {
    let record = Record::new(instance, exec)?;
    for name in STREAMS {
        let path = record.file(name);
        match fs::remove_file(&path) {
            Err(error) if !is_absent(&error) => return Err(failed_at(&path.to_string_lossy(), error)),
            _ => {}
        }
    }
    Ok(Answer::Done)
}

/// Returns the words of 12 to 64 hex digits in the output of the record `exec`.
pub(crate) fn printed_ids(instance: &str, exec: &str) -> Outcome {
    let record = Record::new(instance, exec)?;
    let mut ids = Ids::default();
    for name in STREAMS {
        let path = record.file(name);
        let read = File::open(&path).and_then(|file| ids.read(file));
        match read {
            Err(error) if !is_absent(&error) => return Err(failed_at(&path.to_string_lossy(), error)),
            _ => {}
        }
    }
    Ok(Answer::Ids(ids.into_sorted()))
}
