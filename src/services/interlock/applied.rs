//! From a new configuration to a proxy that serves by it.
//!
//! Responsible for the order: nothing for what is the same, a trial before anything is replaced, a whole file or none, and what is served
//! already stays where the new is refused. One container's wish that the proxy refuses is left out alone, and not the containers.

use std::path::{Path, PathBuf};

use super::config::{Settings, render};
use super::containers::Target;
use super::data::Wishes;
use super::log;
use crate::whole_file::write_whole;

/// A proxy that reads its configuration from a file.
pub(super) trait Proxy {
    /// Tells whether the proxy would take the configuration at `path`, or why not. It changes nothing.
    async fn validate(&self, path: &Path) -> Result<(), String>;
    /// Has the proxy take its configuration anew, without a visitor noticing.
    async fn reload(&mut self) -> Result<(), String>;
    /// Returns when the proxy has ended by itself, with how; may be dropped while waiting.
    async fn ended(&mut self) -> String;
    /// Starts the proxy again after it ended.
    async fn restart(&mut self) -> Result<(), String>;
}

/// What became of a new configuration.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is what was wanted before.
    Unchanged,
    /// It is served.
    Reloaded,
    /// It is refused, and what was served before still is.
    Refused(String),
    /// It could not be tried or put in place, and is to be tried again.
    Failed(String),
}

/// The configuration in force.
#[derive(Debug)]
pub(super) struct Applied<P> {
    pub(super) proxy: P,
    settings: Settings,
    path: PathBuf,
    /// The last that was wanted, be it in force or refused.
    wanted: Option<String>,
    in_force: String,
    /// Wishes of containers that it refuses.
    refused: Vec<Wishes>,
}

impl<P: Proxy> Applied<P> {
    /// What `proxy` serves by, which read `in_force` at `path`.
    pub(super) fn new(proxy: P, settings: Settings, path: PathBuf, in_force: String) -> Self {
        Self {
            proxy,
            settings,
            path,
            wanted: Some(in_force.clone()),
            in_force,
            refused: Vec::new(),
        }
    }

    /// Has `targets` served.
    pub(super) async fn apply(&mut self, targets: &[Target]) -> Outcome {
        let is_still_wished = |wishes: &Wishes| targets.iter().any(|target| target.data.wishes == *wishes);
        self.refused.retain(is_still_wished);
        let mut text = self.render(targets);
        if self.wanted.as_ref() == Some(&text) {
            return Outcome::Unchanged;
        }
        let mut outcome = self.put_in_force(&text).await;
        if let Outcome::Refused(reason) = &outcome {
            log::warn(&format!("HAProxy refuses the new configuration: {reason}"));
            self.find_refused_wishes(targets).await;
            outcome = self.try_again(targets, &mut text, outcome).await;
        }
        if matches!(outcome, Outcome::Refused(_)) {
            // Each alone was well, and not all together.
            let wishes = targets.iter().map(|target| target.data.wishes.clone());
            self.refused = wishes.collect();
            outcome = self.try_again(targets, &mut text, outcome).await;
        }
        self.wanted = (!matches!(outcome, Outcome::Failed(_))).then_some(text);
        outcome
    }

    /// What serves `targets`, with wishes left out that are known to be refused.
    fn render(&self, targets: &[Target]) -> String {
        let mend = |target: &Target| {
            if self.refused.contains(&target.data.wishes) {
                target.without_wishes()
            } else {
                target.clone()
            }
        };
        let mended: Vec<Target> = targets.iter().map(mend).collect();
        render(&self.settings, &mended)
    }

    /// Has `targets` served if that is now another configuration than `text`, which had the `outcome`.
    async fn try_again(&mut self, targets: &[Target], text: &mut String, outcome: Outcome) -> Outcome {
        let mended = self.render(targets);
        if mended == *text {
            return outcome;
        }
        *text = mended;
        self.put_in_force(text).await
    }

    async fn put_in_force(&mut self, text: &str) -> Outcome {
        if text == self.in_force {
            return Outcome::Unchanged;
        }
        let trial = match self.try_out(text).await {
            Ok(trial) => trial,
            Err(outcome) => return outcome,
        };
        if let Err(error) = fs_err::rename(&trial, &self.path) {
            return Outcome::Failed(error.to_string());
        }
        if let Err(reason) = self.proxy.reload().await {
            // What is served and what stands in the file may now be two things.
            self.in_force.clear();
            return Outcome::Failed(reason);
        }
        text.clone_into(&mut self.in_force);
        Outcome::Reloaded
    }

    /// Writes `text` beside the configuration and has the proxy look at it; returns where.
    async fn try_out(&self, text: &str) -> Result<PathBuf, Outcome> {
        let mut trial = self.path.clone().into_os_string();
        trial.push(".new");
        let trial = PathBuf::from(trial);
        // It has the password of the statistics in it.
        write_whole(&trial, 0o600, text.as_bytes())
            .map_err(|error| Outcome::Failed(format!("{} cannot be written: {error}", trial.display())))?;
        match self.proxy.validate(&trial).await {
            Ok(()) => Ok(trial),
            Err(reason) => Err(Outcome::Refused(reason)),
        }
    }

    /// Finds out which wishes the proxy refuses, one after the other, so that they are not tried again.
    async fn find_refused_wishes(&mut self, targets: &[Target]) {
        let mut tried: Vec<&Wishes> = Vec::new();
        for target in targets {
            let wishes = &target.data.wishes;
            if tried.contains(&wishes) || self.refused.contains(wishes) || *wishes == Wishes::default() {
                continue;
            }
            tried.push(wishes);
            let alone = render(&self.settings, std::slice::from_ref(target));
            if let Err(Outcome::Refused(reason)) = self.try_out(&alone).await {
                let same = targets.iter().filter(|other| other.data.wishes == *wishes);
                let names: Vec<&str> = same.map(|other| other.server.as_str()).collect();
                log::warn(&format!("{}: its wishes are left out: {reason}", names.join(", ")));
                self.refused.push(wishes.clone());
            }
        }
    }
}
