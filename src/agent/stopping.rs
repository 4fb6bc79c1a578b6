//! Ends recorded commands from outside.

use crate::ending_processes::CommandProcesses;
use crate::faults::{failed, failed_at, is_absent};
use crate::processes;
use crate::record::{LOST_GRACE, Record};
use crate::threads;
use labctl_agent::Fault;
use std::fs;
use std::io;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How soon a cancellation is repeated: who takes it may not have been ready.
pub(crate) const AGAIN: Duration = Duration::from_millis(200);

/// How long a cancelled command may take to end.
const ENDING: Duration = Duration::from_secs(60);

/// The first and the longest pause between two looks.
const PAUSES: [Duration; 2] = [Duration::from_millis(1), Duration::from_millis(50)];

/// Ends all that runs in `instance`, and waits until it has ended. What must not be left half done is waited for.
///
/// # Errors
///
/// Where something still runs.
pub(crate) fn stop_all(instance: &str) -> Result<(), Fault> {
    end_all_on_record(instance)?;
    end_all_off_record(instance);
    Ok(())
}

/// Ends the commands whose records were removed. Their processes carry the mark all the same.
fn end_all_off_record(instance: &str) {
    for name in processes::with_mark_below(&format!("{instance}/exec/")) {
        let record = Record::new(instance, &name);
        if let Some(record) = record.ok().filter(|record| !record.exists()) {
            CommandProcesses::by_mark(record.marker()).end(LOST_GRACE, sleep);
        }
    }
}

fn end_all_on_record(instance: &str) -> Result<(), Fault> {
    let directory = format!("{instance}/exec");
    let entries = match fs::read_dir(&directory) {
        Ok(entries) => entries,
        Err(error) if is_absent(&error) => return Ok(()),
        Err(error) => return Err(failed_at(&directory, error)),
    };
    let mut stopping = Vec::new();
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Ok(record) = Record::new(instance, &name) else {
            // One that was never given its place; nothing runs for it.
            continue;
        };
        if !record.exists() || record.has_end() {
            continue;
        }
        let thread = threads::start(move || stop(&record)).map_err(|error| failed_at(&directory, error))?;
        stopping.push(thread);
    }
    for thread in stopping {
        thread.join().map_err(|_| failed("stopping broke off"))??;
    }
    Ok(())
}

fn stop(record: &Record) -> Result<(), Fault> {
    if record.is_whole() {
        // Its keeper holds it to its deadline.
        await_end(record, None);
        return Ok(());
    }
    if await_end(record, Some(ENDING)) {
        return Ok(());
    }
    if record.is_kept() {
        let seconds = ENDING.as_secs();
        return Err(failed(format!(
            "{} still runs {seconds} s after it was cancelled",
            record.marker()
        )));
    }
    lose(record)
}

/// Waits until `record` has ended or has no keeper; says whether it has ended. Where it has a `limit`, it is cancelled.
fn await_end(record: &Record, limit: Option<Duration>) -> bool {
    let (started, mut cancelled) = (Instant::now(), None::<Instant>);
    let [mut pause, longest] = PAUSES;
    loop {
        if record.has_end() {
            return true;
        }
        if !record.is_kept() {
            return record.has_end();
        }
        if let Some(limit) = limit {
            if started.elapsed() >= limit {
                return false;
            }
            if cancelled.is_none_or(|at| at.elapsed() >= AGAIN) {
                record.cancel();
                cancelled = Some(Instant::now());
            }
        }
        sleep(pause);
        pause = (pause * 2).min(longest);
    }
}

/// Ends what is left of `record`, whose keeper is gone.
///
/// # Errors
///
/// Where that cannot be written down.
pub(crate) fn lose(record: &Record) -> Result<(), Fault> {
    match record.lose() {
        // The instance was removed meanwhile.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed_at(record.marker(), error)),
        Ok(()) => Ok(()),
    }
}
