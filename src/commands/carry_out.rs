//! A plan on its way: the engine, the reporters, and the user's Ctrl-C.

use super::failure::Failure;
use super::interrupts::Interrupts;
use super::junit::JunitFile;
use super::report_files::ReportFiles;
use super::session::{Amount, Session};
use super::watching::Watching;
use crate::domain::{Notice, Plan, Verb};
use crate::exit::Exit;
use crate::journal::EventWriter;
use crate::report::{
    FanOut, JsonReporter, PlainOptions, PlainReporter, Reporter, ScreenOptions, ScreenReporter, Style, TerminalSize,
    Verbosity,
};
use crate::runner::{NoticeSender, Run, RunError, RunSummary, carry_out, notice_channel};
use console::Term;
use std::io::stdout;
use std::path::Path;
use tokio_util::sync::CancellationToken;

/// What is said at the first Ctrl-C.
const STOPPING: &str = "Stopping: killing what runs on the nodes. Press Ctrl-C again to leave at once.";

/// What is said at the second.
const LEFT: &str = "Left at once: what runs on the nodes ends at its deadline at the latest. `labctl status` says what is \
                    owed; go on with `labctl run`, or take everything back with `labctl cleanup`.";

/// What became of a plan.
pub(super) enum Carried {
    /// It came to its end, or was stopped in an orderly way.
    Ended(Box<RunSummary>),
    /// The user pressed Ctrl-C twice: nothing was waited for.
    Left,
}

/// Carries `plan` out and shows it. `stop` fires at the first Ctrl-C; at the second everything is left as it is.
pub(super) async fn carry_out_and_show(
    session: &Session,
    plan: &Plan,
    run: Run,
    journal: &mut dyn EventWriter,
) -> Result<Carried, Failure> {
    carry_out_and_report(session, plan, run, journal, Results::default()).await
}

/// The files that results go to.
#[derive(Clone, Copy, Default)]
pub(super) struct Results<'a> {
    /// The file of `--junit`.
    pub(super) junit: Option<&'a JunitFile>,
    /// The report in the instance's directory.
    pub(super) report: Option<&'a ReportFiles>,
}

impl Results<'_> {
    /// Returns where the report of a run is that was left.
    fn report_so_far(&self) -> String {
        let written = self.report.and_then(|report| report.written().ok());
        written.map_or_else(String::new, |paths| {
            format!("\nThe report so far: {}", paths.html.display())
        })
    }

    /// Says why the report is not there. That it is not changes nothing of how the run came out.
    fn complain(&self, session: &Session) {
        if let Some(Err(reason)) = self.report.map(ReportFiles::written) {
            session.tell(&format!(
                "The report could not be written: {reason}. `labctl report` makes it again."
            ));
        }
    }
}

/// Carries `plan` out, shows it, and writes what there is of `results`.
pub(super) async fn carry_out_and_report(
    session: &Session,
    plan: &Plan,
    run: Run,
    journal: &mut dyn EventWriter,
    results: Results<'_>,
) -> Result<Carried, Failure> {
    let mut reporters = vec![reporter(session, &run.directory)];
    reporters.extend(results.junit.map(JunitFile::reporter));
    let mut reporter: Box<dyn Reporter> = Box::new(FanOut::new(reporters));
    if let Some(report) = results.report {
        reporter = report.reporter(reporter, session.common.json);
    }
    let stop = run.stop.clone();
    let (sender, notices) = notice_channel();
    let teller = sender.clone();
    let mut watching = Watching::begin(reporter, notices).map_err(|error| Failure::new(Exit::CouldNotRun, error))?;
    let mut interrupts = session.interrupts.clone();
    interrupts.engine_answers(true);
    let ended = tokio::select! {
        ended = carry_out(plan, run, journal, sender) => Some(ended),
        () = interrupted_twice(session, &mut interrupts, stop, &teller) => None,
    };
    // The reporters end when the last sender is gone; what they could not show is in the journal.
    drop(teller);
    let Some(ended) = ended else {
        watching.leave().await;
        if plan.verb != Verb::Verify {
            tell_beside(session, format!("{LEFT}{}", results.report_so_far()));
        }
        return Ok(Carried::Left);
    };
    // With the work done, one Ctrl-C is enough to be rid of a reader that does not read.
    tokio::select! {
        () = watching.ended() => {}
        () = interrupts.next() => watching.leave().await,
    }
    interrupts.engine_answers(false);
    match ended {
        Ok(summary) => {
            results.complain(session);
            results.junit.map_or(Ok(()), JunitFile::written)?;
            Ok(Carried::Ended(Box::new(summary)))
        }
        Err(RunError::Journal(error)) => Err(Failure::new(
            Exit::CouldNotRun,
            anyhow::Error::new(error).context("the journal could not be written, so the run was stopped"),
        )
        .hint("make room in the state directory, then run `labctl cleanup`")),
    }
}

/// Returns at the second interrupt; the first one stops the run in an orderly way.
async fn interrupted_twice(
    session: &Session,
    interrupts: &mut Interrupts,
    stop: CancellationToken,
    teller: &NoticeSender,
) {
    interrupts.next().await;
    stop.cancel();
    // Reporters own the terminal; standard output is not theirs to use with `--json`.
    if session.common.json {
        tell_beside(session, STOPPING.to_owned());
    } else {
        teller.send(Notice::Told {
            text: STOPPING.to_owned(),
        });
    }
    interrupts.next().await;
}

/// Says `text` on standard error without waiting for anybody to read it.
fn tell_beside(session: &Session, text: String) {
    let session = session.clone();
    drop(tokio::task::spawn_blocking(move || session.tell(&text)));
}

fn reporter(session: &Session, directory: &Path) -> Box<dyn Reporter> {
    if session.common.json {
        return Box::new(JsonReporter::new(stdout()));
    }
    let style = Style {
        colour: session.colour_on_stdout,
        width: session.width,
    };
    let output_root = Some(directory.display().to_string());
    if session.terminal && session.amount == Amount::Normal {
        let term = Term::stdout();
        let size = move || {
            let (rows, columns) = term.size();
            TerminalSize { rows, columns }
        };
        let options = ScreenOptions {
            output_root,
            ..ScreenOptions::new(session.colour_on_stdout, size)
        };
        return Box::new(ScreenReporter::new(stdout(), options));
    }
    let verbosity = match session.amount {
        Amount::Quiet => Verbosity::Quiet,
        Amount::Normal => Verbosity::Normal,
        Amount::Verbose => Verbosity::Verbose,
    };
    Box::new(PlainReporter::new(
        stdout(),
        PlainOptions {
            style,
            verbosity,
            output_root,
        },
    ))
}
