//! The report of a run: one HTML file, and the same for programs beside it. Made from the instance's journal alone, so that it
//! can be made again at any time.

use super::failure::Failure;
use crate::domain::{Event, EventKind, Notice, RunId};
use crate::exit::Exit;
use crate::journal::{Instance, REPORTS, read_excerpt};
use crate::report::{Chronicle, Reporter, html_report, junit_document};
use crate::runner::ReportPlace;
use anyhow::Context;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// How many bytes of the beginning and of the end of an output a report shows.
const SHOWN: u64 = 32 * 1024;

/// Where the files of a report are.
#[derive(Debug, Clone, Serialize)]
pub(super) struct ReportPaths {
    pub(super) html: PathBuf,
    pub(super) json: PathBuf,
    pub(super) junit: PathBuf,
}

/// Returns where the report of `run` is found when it has ended.
pub(super) fn report_place(instance: &Instance, run: &RunId) -> ReportPlace {
    let below = |directory: &Path| directory.join(REPORTS).join(html_name(run));
    ReportPlace {
        kept: below(instance.directory()),
        closed: below(&instance.closed_directory()),
    }
}

fn html_name(run: &RunId) -> String {
    format!("{run}.html")
}

/// Folds those of `events`, the journal of `instance`, that belong to `run`, with what the steps said.
pub(super) fn chronicle(instance: &Instance, events: &[Event], run: &RunId) -> Option<Chronicle> {
    let mut chronicle = Chronicle::of(events, run)?;
    chronicle.read_output(|record| read_excerpt(instance.directory(), record, SHOWN));
    Some(chronicle)
}

/// Makes the report of `run` and writes it to the instance's directory.
pub(super) fn write_report(instance: &Instance, events: &[Event], run: &RunId) -> anyhow::Result<ReportPaths> {
    let chronicle = chronicle(instance, events, run).context("the journal does not know the run")?;
    let html = html_report(&chronicle)?;
    let json = serde_json::to_vec_pretty(&chronicle)?;
    let junit = junit_document(events.iter().filter(|event| event.run == *run));
    Ok(ReportPaths {
        json: instance.write_report(&format!("{run}.json"), &json)?,
        junit: instance.write_report(&format!("{run}.xml"), &junit)?,
        // The one that people are told of comes last: where it is, the others are.
        html: instance.write_report(&html_name(run), html.as_bytes())?,
    })
}

/// Writes the report of a run when its last event has come, before whoever is told of that event names it.
#[derive(Debug, Clone)]
pub(super) struct ReportFiles {
    directory: PathBuf,
    run: RunId,
    /// How writing it ended, once it did.
    ended: Arc<Mutex<Option<Result<ReportPaths, String>>>>,
}

impl ReportFiles {
    /// Will write the report of `run` to the instance in `directory`.
    pub(super) fn new(directory: &Path, run: &RunId) -> Self {
        Self {
            directory: directory.to_owned(),
            run: run.clone(),
            ended: Arc::default(),
        }
    }

    /// Returns what writes it.
    pub(super) fn reporter(&self) -> Box<dyn Reporter> {
        Box::new(self.clone())
    }

    /// Returns where it is, or why it is not there.
    pub(super) fn written(&self) -> Result<ReportPaths, String> {
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner).clone();
        ended.unwrap_or_else(|| Err("it was not begun".to_owned()))
    }

    fn write(&self) {
        let write = || -> anyhow::Result<ReportPaths> {
            let instance = Instance::open(self.directory.clone())?;
            write_report(&instance, &instance.events()?, &self.run)
        };
        let written = write().map_err(|error| format!("{error:#}"));
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(written);
    }
}

impl Reporter for ReportFiles {
    fn notice(&mut self, notice: &Notice) {
        if let Notice::Event(Event {
            kind: EventKind::RunFinished { .. } | EventKind::RunAborted { .. },
            ..
        }) = notice
        {
            self.write();
        }
    }

    fn finish(&mut self) {
        // A run that was left has no last event, and can be read all the same.
        let is_due = self.ended.lock().unwrap_or_else(PoisonError::into_inner).is_none();
        if is_due {
            self.write();
        }
    }
}

/// Makes a failure of a report that could not be made.
pub(super) fn no_report(error: anyhow::Error) -> Failure {
    Failure::new(Exit::CouldNotRun, error.context("the report could not be made"))
}
