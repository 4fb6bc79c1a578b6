//! A plan on its way: the engine, the reporters, and the user's Ctrl-C.

use super::failure::Failure;
use super::session::{Amount, Session};
use crate::domain::{Notice, Plan};
use crate::exit::Exit;
use crate::journal::EventWriter;
use crate::report::{
    JsonReporter, PlainOptions, PlainReporter, Reporter, ScreenOptions, ScreenReporter, Style, TerminalSize, Verbosity,
};
use crate::runner::{Run, RunError, RunSummary, carry_out};
use console::Term;
use std::io::stdout;
use std::path::Path;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// How many notices may wait for the reporters.
const WAITING_NOTICES: usize = 1024;

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
    let stop = run.stop.clone();
    let (sender, notices) = mpsc::channel(WAITING_NOTICES);
    let teller = sender.downgrade();
    let reporter = reporter(session, &run.directory);
    let shown = tokio::spawn(show(reporter, notices));
    let ended = tokio::select! {
        ended = carry_out(plan, run, journal, sender) => ended,
        () = interrupted_twice(session, stop, teller) => {
            shown.abort();
            return Ok(Carried::Left);
        }
    };
    // The reporters end when the last sender is gone; what they could not show is in the journal.
    let _ = shown.await;
    match ended {
        Ok(summary) => Ok(Carried::Ended(Box::new(summary))),
        Err(RunError::Journal(error)) => Err(Failure::new(
            Exit::CouldNotRun,
            anyhow::Error::new(error).context("the journal could not be written, so the run was stopped"),
        )
        .hint("make room in the state directory, then run `labctl cleanup`")),
    }
}

async fn show(mut reporter: Box<dyn Reporter>, mut notices: mpsc::Receiver<Notice>) {
    while let Some(notice) = notices.recv().await {
        reporter.notice(&notice);
    }
    reporter.finish();
}

/// Returns at the second interrupt; the first one stops the run in an orderly way.
async fn interrupted_twice(session: &Session, stop: CancellationToken, teller: mpsc::WeakSender<Notice>) {
    let mut interrupts = session.interrupts.clone();
    interrupts.engine_answers();
    interrupts.next().await;
    stop.cancel();
    tell(
        session,
        &teller,
        "Stopping: killing what runs on the nodes. Press Ctrl-C again to leave at once.",
    );
    interrupts.next().await;
}

/// Says `text` through the reporters, which own the terminal; standard output is not theirs to use with `--json`.
fn tell(session: &Session, teller: &mpsc::WeakSender<Notice>, text: &str) {
    let notice = Notice::Told { text: text.to_owned() };
    let told = !session.common.json && teller.upgrade().is_some_and(|sender| sender.try_send(notice).is_ok());
    if !told {
        session.tell(text);
    }
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
