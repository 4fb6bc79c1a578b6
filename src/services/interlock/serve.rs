//! Interlock at work: what happens, and what is done then.
//!
//! Responsible for the order of things and for signals. It ends only when it is told to.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use tokio::sync::mpsc::{self, Receiver};
use tokio::time::{Instant, sleep, sleep_until};

use super::applied::{Applied, Outcome, Proxy};
use super::config::render;
use super::containers::{Machine, NotServed, Target, can_answer, target};
use super::debounce::Debounce;
use super::docker_api::{ApiError, DockerApi, Found};
use super::haproxy::Haproxy;
use super::options::Options;
use super::reaper::reap;
use super::watch::{Backoff, Changed, reason, watch};
use super::{InterlockError, log};
use crate::signals::StopSignals;
use crate::whole_file::write_whole;

/// How often what runs is looked at where nothing is heard.
const LOOKING: Duration = Duration::from_secs(30);
/// A HAProxy that lived no longer than this is not started again at once.
const QUICK: Duration = Duration::from_secs(10);
/// How long after a manager came back its word that a container is gone is not taken: one that has just begun to run does not yet see all
/// its engines, and a container that is gone for good fails its health check.
const SETTLING: Duration = Duration::from_secs(20);

/// Serves until it is told to stop.
pub(super) async fn run(options: &Options) -> Result<(), InterlockError> {
    if options.debug {
        log::set_debug();
    }
    let mut stop = StopSignals::listen().map_err(InterlockError::Signals)?;
    let mut quit = signal(SignalKind::quit()).map_err(InterlockError::Signals)?;
    let applied = begin(options).await?;
    log::info(&format!(
        "interlock {}: serving on port {}, following {}",
        super::VERSION,
        options.settings.port,
        options.api
    ));
    let api = DockerApi::new(&options.api);
    let mut balancer = Balancer::new(api.clone(), options.machine.clone(), applied);
    let (sender, mut changes) = mpsc::channel(16);
    let watching = tokio::spawn(watch(api, sender, balancer.doubt.clone()));
    let signal = tokio::select! {
        name = stop.wait() => name,
        _ = quit.recv() => "SIGQUIT",
        never = reap() => match never {},
        never = balancer.follow(&mut changes) => match never {},
    };
    log::info(&format!("told to stop by {signal}"));
    watching.abort();
    balancer.applied.proxy.stop().await;
    Ok(())
}

/// Starts HAProxy with nothing to serve but its own pages.
async fn begin(options: &Options) -> Result<Applied<Haproxy>, InterlockError> {
    let (path, program) = (&options.config_path, &options.program);
    let text = render(&options.settings, &[]);
    write_whole(path, 0o600, text.as_bytes()).map_err(|source| InterlockError::Write {
        path: path.clone(),
        source,
    })?;
    let verdict = Haproxy::validate_with(program, path).await;
    let verdict = verdict.map_err(|source| InterlockError::NoProxy {
        program: program.clone(),
        source,
    })?;
    verdict.map_err(InterlockError::FirstRefused)?;
    let proxy = Haproxy::start(program, path).await?;
    Ok(Applied::new(proxy, options.settings.clone(), path.clone(), text))
}

/// What runs, and the proxy in front of it.
pub(super) struct Balancer<P> {
    api: DockerApi,
    machine: Machine,
    pub(super) applied: Applied<P>,
    served: Vec<Target>,
    /// What was complained about last, so that it is said once.
    complaints: Vec<String>,
    has_connected: bool,
    is_away: bool,
    settled: Option<Instant>,
    /// Told where the manager does not answer.
    pub(super) doubt: Arc<Notify>,
    /// How long to wait before HAProxy is started again that has just been.
    reviving: (Instant, Backoff),
}

impl<P: Proxy> Balancer<P> {
    pub(super) fn new(api: DockerApi, machine: Machine, applied: Applied<P>) -> Self {
        Self {
            api,
            machine,
            applied,
            served: Vec::new(),
            complaints: Vec::new(),
            has_connected: false,
            is_away: false,
            settled: None,
            doubt: Arc::default(),
            reviving: (Instant::now(), Backoff::default()),
        }
    }

    /// Follows `changes`; never ends.
    pub(super) async fn follow(&mut self, changes: &mut Receiver<Changed>) -> Infallible {
        let mut debounce = Debounce::default();
        let mut backoff = Backoff::default();
        let mut next_look = Instant::now();
        loop {
            let due = debounce.due().map_or(next_look, |due| due.min(next_look));
            tokio::select! {
                change = changes.recv() => match change {
                    Some(change) => {
                        self.note(change);
                        debounce.note(Instant::now());
                    }
                    None => std::future::pending().await,
                },
                how = self.applied.proxy.ended() => self.revive(&how).await,
                () = sleep_until(due) => {
                    debounce.done(Instant::now());
                    let wait = if self.look().await {
                        backoff = Backoff::default();
                        LOOKING
                    } else {
                        backoff.next()
                    };
                    next_look = Instant::now() + wait;
                    next_look = self.settled.map_or(next_look, |settled| settled.min(next_look));
                }
            }
        }
    }

    fn note(&mut self, change: Changed) {
        match change {
            Changed::Event => {}
            Changed::Away => self.is_away = true,
            Changed::Connected => {
                self.is_away = false;
                self.settled = self.has_connected.then(|| Instant::now() + SETTLING);
                self.has_connected = true;
            }
        }
    }

    async fn revive(&mut self, how: &str) {
        log::warn(&format!("HAProxy ended by itself ({how}); it is started again"));
        let (started, backoff) = &mut self.reviving;
        if started.elapsed() < QUICK {
            sleep(backoff.next()).await;
        } else {
            *backoff = Backoff::default();
        }
        while let Err(reason) = self.applied.proxy.restart().await {
            log::warn(&format!("HAProxy could not be started again: {reason}"));
            sleep(backoff.next()).await;
        }
        *started = Instant::now();
    }

    /// Looks at what runs and has it served; tells whether that went well.
    async fn look(&mut self) -> bool {
        let (targets, is_whole) = match self.targets().await {
            Ok(found) => found,
            Err(error) => {
                self.complain(vec![format!("{}; what is served stays", reason(&error))]);
                self.doubt.notify_waiters();
                return false;
            }
        };
        match self.applied.apply(&targets).await {
            Outcome::Unchanged => log::debug("nothing has changed"),
            Outcome::Reloaded => log_served(&targets),
            Outcome::Refused(reason) => {
                log::warn(&format!("what was served before stays: {reason}"));
                return is_whole;
            }
            Outcome::Failed(reason) => {
                log::warn(&reason);
                return false;
            }
        }
        self.served = targets;
        is_whole
    }

    /// Returns what is to be served, and whether all that runs could be asked about.
    async fn targets(&mut self) -> Result<(Vec<Target>, bool), ApiError> {
        let mut targets = Vec::new();
        let mut complaints = Vec::new();
        let mut is_whole = true;
        for found in self.ask().await? {
            match found {
                Found::Read(Seen { name, read, left_out }) => {
                    complaints.extend(left_out.iter().map(|what| format!("{name}: {what}")));
                    match read {
                        Ok(target) => targets.push(target),
                        Err(NotServed::NoName) => {}
                        Err(NotServed::Because(reason)) => complaints.push(format!("{name} is not served: {reason}")),
                    }
                }
                Found::Unknown { id, error } => {
                    is_whole = false;
                    complaints.push(format!("what is known of container {id:.12} stays: {}", reason(&error)));
                    targets.extend(self.served.iter().filter(|target| target.id == id).cloned());
                }
            }
        }
        self.complain(complaints);
        self.settled = self.settled.filter(|settled| Instant::now() < *settled);
        if self.is_away || self.settled.is_some() {
            keep_unseen(&self.served, &mut targets);
        }
        Ok((targets, is_whole))
    }

    /// Asks what runs, while somebody looks after HAProxy.
    async fn ask(&mut self) -> Result<Vec<Found<Seen>>, ApiError> {
        let (api, machine) = (self.api.clone(), self.machine.clone());
        let asking = api.running(|inspected| can_answer(&inspected).then(|| Seen::of(&inspected, &machine)));
        tokio::pin!(asking);
        loop {
            tokio::select! {
                found = &mut asking => return found,
                how = self.applied.proxy.ended() => self.revive(&how).await,
            }
        }
    }

    fn complain(&mut self, complaints: Vec<String>) {
        for complaint in complaints.iter().filter(|one| !self.complaints.contains(one)) {
            log::warn(complaint);
        }
        self.complaints = complaints;
    }
}

/// What a container says.
struct Seen {
    name: String,
    read: Result<Target, NotServed>,
    left_out: Vec<String>,
}

impl Seen {
    fn of(inspected: &Value, machine: &Machine) -> Self {
        let (read, left_out) = target(inspected, machine);
        Self {
            name: inspected["Name"].as_str().unwrap_or_default().to_owned(),
            read,
            left_out,
        }
    }
}

/// Adds to `targets` what is served already and neither listed nor replaced.
fn keep_unseen(served: &[Target], targets: &mut Vec<Target>) {
    let is_unseen = |one: &&Target| {
        let same = |other: &Target| other.address == one.address || other.server == one.server;
        !targets.iter().any(same)
    };
    let unseen: Vec<Target> = served.iter().filter(is_unseen).cloned().collect();
    targets.extend(unseen);
}

fn log_served(targets: &[Target]) {
    log::info(&format!("proxy reloaded and ready, with {} containers", targets.len()));
    for Target {
        server, hosts, address, ..
    } in targets
    {
        let hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
        log::debug(&format!(
            "{}: upstream={}:{} {server}",
            hosts.join(","),
            address.host,
            address.port
        ));
    }
}
