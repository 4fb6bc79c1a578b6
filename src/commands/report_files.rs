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

/// Writes the report of a run when its last event has come, before anybody is told where it is.
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

    /// Returns what writes it, and then lets `inner` tell where it is. Where it could not be written, nobody is sent there, unless `inner`
    /// tells `all` that the journal has.
    pub(super) fn reporter(&self, inner: Box<dyn Reporter>, all: bool) -> Box<dyn Reporter> {
        Box::new(ReportWriter {
            files: self.clone(),
            inner,
            all,
            named: None,
        })
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

struct ReportWriter {
    files: ReportFiles,
    inner: Box<dyn Reporter>,
    all: bool,
    /// What says where the report is, held back until it is there.
    named: Option<Notice>,
}

impl Reporter for ReportWriter {
    fn notice(&mut self, notice: &Notice) {
        if let Notice::Event(event) = notice {
            match &event.kind {
                EventKind::ReportNamed { .. } => {
                    self.named = Some(notice.clone());
                    return;
                }
                EventKind::RunFinished { .. } | EventKind::RunAborted { .. } => {
                    self.files.write();
                    let is_told = self.all || self.files.written().is_ok();
                    let named = self.named.take().filter(|_| is_told);
                    if let Some(named) = named {
                        self.inner.notice(&named);
                    }
                }
                _ => {}
            }
        }
        self.inner.notice(notice);
    }

    fn finish(&mut self) {
        // A run that was left has no last event, and can be read all the same.
        let ended = &self.files.ended;
        let is_due = ended.lock().unwrap_or_else(PoisonError::into_inner).is_none();
        if is_due {
            self.files.write();
        }
        self.inner.finish();
    }
}

/// Makes a failure of a report that could not be made.
pub(super) fn no_report(error: anyhow::Error) -> Failure {
    Failure::new(Exit::CouldNotRun, error.context("the report could not be made"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Counts, Verb};
    use std::time::Duration;

    #[derive(Clone, Default)]
    struct Heard(Arc<Mutex<Vec<Notice>>>);

    impl Reporter for Heard {
        fn notice(&mut self, notice: &Notice) {
            self.0.lock().unwrap().push(notice.clone());
        }

        fn finish(&mut self) {}
    }

    #[test]
    fn nobody_is_sent_to_a_report_that_could_not_be_written() {
        let run = RunId::new("run-1").unwrap();
        let event = |index, kind| {
            Notice::Event(Event {
                index,
                at: jiff::Timestamp::UNIX_EPOCH,
                run: run.clone(),
                kind,
            })
        };
        let named = event(
            1,
            EventKind::ReportNamed {
                html: "/no/such/instance/reports/run-1.html".to_owned(),
            },
        );
        let finished = event(
            2,
            EventKind::RunFinished {
                verb: Verb::Run,
                counts: Counts::default(),
                took: Duration::ZERO,
            },
        );
        for (all, told) in [
            (false, vec![finished.clone()]),
            (true, vec![named.clone(), finished.clone()]),
        ] {
            let files = ReportFiles::new(Path::new("/no/such/instance"), &run);
            let heard = Heard::default();
            let mut reporter = files.reporter(Box::new(heard.clone()), all);
            reporter.notice(&named);
            reporter.notice(&finished);
            reporter.finish();
            assert_eq!(*heard.0.lock().unwrap(), told);
            assert!(files.written().is_err());
        }
    }
}
