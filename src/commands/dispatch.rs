//! From the parsed command line to an exit code.

use super::failure::Failure;
use super::session::Session;
use super::{cleanup, inventory, listing, own_images, playground, report, run, ssh, status, verify};
use crate::cli::{self, Cli, Verb};
use crate::exit::Exit;
use clap::CommandFactory;
use std::io::Write;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// How long a verb may take to end after an interrupt.
const GRACE: Duration = Duration::from_millis(500);

/// The stack of a verb's thread, which is that of a program's first one.
const STACK: usize = 8 * 1024 * 1024;

/// Does what `cli` says, shows what went wrong, and returns how it ended.
pub async fn dispatch(cli: Cli) -> Exit {
    if let Verb::Service { words } = &cli.verb {
        return match words.split_first() {
            Some((name, arguments)) => service(name, arguments).await,
            None => Exit::Success,
        };
    }
    let session = match Session::new(&cli.common) {
        Ok(session) => session,
        Err((failure, colour)) => return failure.show(colour),
    };
    let interrupts = session.interrupts.clone();
    let colour = session.colour_on_stderr;
    let (sender, mut done) = oneshot::channel();
    let runtime = Handle::current();
    let thread = std::thread::Builder::new().stack_size(STACK).spawn(move || {
        // Nobody waits for it any more where it came to an end too late.
        let _ = sender.send(runtime.block_on(answer(&session, &cli.verb)));
    });
    let thread = match thread {
        Ok(thread) => thread,
        Err(error) => return Failure::new(Exit::CouldNotRun, error).show(colour),
    };
    // A verb that reads a file or computes hears nothing. So it has a thread of its own, which is left where it is.
    let done = tokio::select! {
        biased;
        done = &mut done => Some(done),
        () = interrupts.unanswered() => timeout(GRACE, done).await.ok(),
    };
    match done {
        Some(Ok(exit)) => exit,
        Some(Err(_)) => match thread.join() {
            Err(panic) => std::panic::resume_unwind(panic),
            Ok(()) => Exit::CouldNotRun,
        },
        None => Exit::Interrupted,
    }
}

/// Does what `verb` says, until an interrupt that nobody else answers, and shows what went wrong.
async fn answer(session: &Session, verb: &Verb) -> Exit {
    let done = tokio::select! {
        biased;
        done = carry_out_verb(session, verb) => done,
        () = session.interrupts.unanswered() => Ok(Exit::Interrupted),
    };
    done.unwrap_or_else(|failure| failure.show(session.colour_on_stderr))
}

async fn carry_out_verb(session: &Session, verb: &Verb) -> Result<Exit, Failure> {
    match verb {
        Verb::Run(options) if options.run.dry_run => run::show_plan(session, &options.run).await,
        Verb::Run(options) => run::run(session, options).await,
        Verb::Plan(options) => run::show_plan(session, options).await,
        Verb::Verify(options) => verify::verify(session, options).await,
        Verb::Cleanup(options) => cleanup::cleanup(session, options).await,
        Verb::Report(options) => report::report(session, options),
        Verb::Transcript(options) => report::transcript(session, options),
        Verb::Status => status::status(session),
        Verb::List => listing::list(session),
        Verb::Show(options) => listing::show(session, options),
        Verb::Inventory(what) => inventory::inventory(session, what).await,
        Verb::Playground(what) => playground::playground(session, what).await,
        Verb::Images(what) => own_images::images(session, what).await,
        Verb::Ssh(options) => ssh::ssh(session, options).await,
        Verb::Completions { shell } => completions(session, *shell),
        Verb::Service { .. } => Ok(Exit::Success),
    }
}

fn completions(session: &Session, shell: clap_complete::Shell) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut cli::Cli::command(), "labctl", &mut script);
    session.print(&String::from_utf8_lossy(&script));
    Ok(Exit::Success)
}

/// Runs a service of the lab's containers. Its log goes where the container's log is: standard error.
///
/// The exit codes are a contract of labctl's own verbs. This one is hidden and stands in for other programs: a service that has
/// said itself what went wrong ends with 1, as the program did that it replaces, and not because a check failed.
async fn service(name: &str, arguments: &[String]) -> Exit {
    match labctl_services::run(name, arguments).await {
        Ok(()) => Exit::Success,
        Err(error) if error.is_told() => Exit::CheckFailed,
        Err(error) => {
            // A log that cannot be written cannot be complained about either.
            let error = anyhow::Error::new(error);
            let _ = writeln!(std::io::stderr(), "labctl service {name}: {error:#}");
            Exit::CouldNotRun
        }
    }
}
