//! `report` and `transcript`: a run that is over, told again. Reads the journal; asks no node.

use super::failure::Failure;
use super::junit::{usable, write};
use super::report_files::{chronicle, no_report, write_report};
use super::session::Session;
use super::target;
use crate::cli;
use crate::domain::{Event, RunId, Verb};
use crate::exit::Exit;
use crate::journal::Instance;
use crate::load::suggestion;
use crate::report::{self, Chronicle};
use anyhow::Context;
use serde_json::json;
use std::path::{Path, PathBuf};

/// A run in the journal of its instance.
struct Told {
    instance: Instance,
    events: Vec<Event>,
    run: RunId,
}

/// Makes the report of a run again and prints where it is.
pub(super) fn report(session: &Session, options: &cli::Report) -> Result<Exit, Failure> {
    let told = told(session, options.run.as_deref())?;
    let mut paths = write_report(&told.instance, &told.events, &told.run).map_err(no_report)?;
    if let Some(out) = &options.out {
        paths.html = copied(&paths.html, out)?;
    }
    if session.common.json {
        session.print_json(&json!({
            "run": told.run,
            "instance": told.instance.record().id,
            "html": paths.html,
            "json": paths.json,
            "junit": paths.junit,
        }))?;
    } else {
        session.print(&paths.html.display().to_string());
    }
    Ok(Exit::Success)
}

/// Prints a run in the shape of the tutorial.
pub(super) fn transcript(session: &Session, options: &cli::Transcript) -> Result<Exit, Failure> {
    let told = told(session, options.run.as_deref())?;
    let chronicle = chronicle(&told.instance, &told.events, &told.run)
        .with_context(|| format!("the journal does not know the run {}", told.run))
        .map_err(no_report)?;
    if session.common.json {
        session.print_json(&chronicle)?;
    } else {
        session.print(&report::transcript(&chronicle));
    }
    Ok(Exit::Success)
}

fn copied(html: &Path, out: &Path) -> Result<PathBuf, Failure> {
    let refused = || format!("--out cannot write {}", out.display());
    let (path, file) = usable(out).with_context(refused).map_err(|error| {
        Failure::new(Exit::Usage, error).hint("name a file in a directory that is there and that you may write to")
    })?;
    let copy = || -> anyhow::Result<()> { Ok(write(file, &path, &fs_err::read(html)?)?) };
    copy().with_context(refused).map_err(no_report)?;
    Ok(path)
}

/// Finds the run called `run`; without a name the last one of the open instance, or of the one that was closed last.
fn told(session: &Session, run: Option<&str>) -> Result<Told, Failure> {
    match run.filter(|run| !run.is_empty()) {
        Some(run) => named(session, run),
        None => last(session),
    }
}

fn named(session: &Session, run: &str) -> Result<Told, Failure> {
    let mut known = Vec::new();
    let open = session.store.open_instances()?;
    for instance in open.into_iter().chain(session.store.closed_instances()?) {
        // One that is damaged may still not be the one that is meant.
        let Ok(events) = instance.events() else { continue };
        if let Some(found) = events.iter().find(|event| event.run.as_str() == run) {
            let run = found.run.clone();
            return Ok(Told { instance, events, run });
        }
        known.extend(Chronicle::runs(&events, Verb::Run).into_iter().map(RunId::to_string));
    }
    let hint = suggestion(run, known.iter().map(String::as_str));
    Err(Failure::usage(format!("no run `{run}` is known here")).maybe_hint(hint))
}

fn last(session: &Session) -> Result<Told, Failure> {
    let inventory = target::named_inventory(session)?.map(|machines| machines.inventory);
    let open = match &inventory {
        Some(inventory) => session.store.instance_on(inventory)?,
        None => target::only_instance(session)?,
    };
    if let Some(told) = open.map(last_run).transpose()?.flatten() {
        return Ok(told);
    }
    let closed = session.store.closed_instances()?.into_iter();
    let mut closed = closed.filter(|instance| inventory.as_ref().is_none_or(|inventory| instance.is_on(inventory)));
    let told = closed.find_map(|instance| last_run(instance).ok().flatten());
    told.ok_or_else(|| Failure::usage("there has been no run here").hint("`labctl run lab2` makes one"))
}

fn last_run(instance: Instance) -> Result<Option<Told>, Failure> {
    let events = instance.events()?;
    let run = Chronicle::runs(&events, Verb::Run).last().copied().cloned();
    Ok(run.map(|run| Told { instance, events, run }))
}
