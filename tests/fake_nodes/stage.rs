//! A test's own world: nodes, an instance with its journal, and runs on them.

use super::clock::Clock;
use super::machine::Machine;
use labctl::domain::{Event, EventKind, InstanceId, Inventory, Notice, Outcome, Plan, RunId, State, Values, Verb};
use labctl::journal::{EventWriter, Instance, InstanceRecord, JOURNAL_VERSION};
use labctl::planner::plan_cleanup;
use labctl::runner::{NodeAccess, ReportPlace, Run, RunError, RunSummary, StandInImages, carry_out, notice_channel};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// Makes archives that the fake engine understands.
pub struct Archives;

impl StandInImages for Archives {
    fn id(&self, service: &str) -> std::io::Result<String> {
        Ok(format!("sha256:{}", super::disk::sha256(service.as_bytes())))
    }

    fn archive(&self, service: &str, tag: &str) -> std::io::Result<Vec<u8>> {
        Ok(format!("{service} {tag}").into_bytes())
    }
}

/// What a run left.
pub struct Ran {
    /// Its events, as they are in the journal.
    pub events: Vec<Event>,
    /// What a reporter saw.
    pub notices: Vec<Notice>,
    pub result: Result<RunSummary, RunError>,
}

impl Ran {
    /// Returns how the step ended that is written `step@node`.
    pub fn outcome(&self, key: &str) -> Outcome {
        let found: Vec<&Outcome> = self
            .events
            .iter()
            .filter_map(|event| match &event.kind {
                EventKind::StepFinished { step, outcome, .. } if step.to_string() == key => Some(outcome),
                _ => None,
            })
            .collect();
        assert_eq!(found.len(), 1, "{key} ended {} times", found.len());
        found[0].clone()
    }

    pub fn summary(&self) -> &RunSummary {
        self.result.as_ref().unwrap()
    }

    /// Returns the position of the first event that `is` so.
    pub fn position(&self, is: impl Fn(&EventKind) -> bool) -> usize {
        self.events.iter().position(|event| is(&event.kind)).unwrap()
    }

    pub fn started(&self, key: &str) -> usize {
        self.position(|kind| matches!(kind, EventKind::StepStarted { step, .. } if step.to_string() == key))
    }

    pub fn finished(&self, key: &str) -> usize {
        self.position(|kind| matches!(kind, EventKind::StepFinished { step, .. } if step.to_string() == key))
    }
}

pub struct Stage {
    pub directory: TempDir,
    pub machines: BTreeMap<String, Arc<Machine>>,
    /// Nodes that nobody can connect to.
    pub unreachable: Vec<String>,
    pub values: Values,
    pub keep_going: bool,
    pub report: Option<ReportPlace>,
    pub stop: CancellationToken,
    runs: AtomicU32,
    _clock: Clock,
}

impl Stage {
    /// Makes the nodes called `names`, in a runtime whose time is paused.
    pub fn new(names: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let machines = names
            .iter()
            .map(|name| ((*name).to_owned(), Machine::new(name, directory.path())))
            .collect();
        let stage = Self {
            directory,
            machines,
            unreachable: Vec::new(),
            values: Values::default(),
            keep_going: false,
            report: None,
            stop: CancellationToken::new(),
            runs: AtomicU32::new(0),
            _clock: Clock::hasten(),
        };
        Instance::create(stage.instance_directory(), record()).unwrap();
        stage
    }

    /// Makes one node, `node-0`.
    pub fn one() -> Self {
        Self::new(&["node-0"])
    }

    pub fn machine(&self, name: &str) -> &Arc<Machine> {
        &self.machines[name]
    }

    pub fn instance_directory(&self) -> PathBuf {
        self.directory.path().join("instances/demo-1")
    }

    pub fn instance(&self) -> Instance {
        Instance::open(self.instance_directory()).unwrap()
    }

    pub fn state(&self) -> State {
        self.instance().state().unwrap()
    }

    pub async fn run(&self, plan: &Plan) -> Ran {
        let id = self.next_run();
        let instance = self.instance();
        let mut journal = instance.writer(id.clone(), "run").unwrap();
        let (notices, result) = self.run_into(plan, id.clone(), journal.as_mut()).await;
        drop(journal);
        let mut events = instance.events().unwrap();
        events.retain(|event| event.run == id);
        Ran {
            events,
            notices,
            result,
        }
    }

    pub async fn cleanup(&self) -> Ran {
        self.run(&plan_cleanup(&self.state())).await
    }

    pub fn next_run(&self) -> RunId {
        let number = self.runs.fetch_add(1, Ordering::Relaxed) + 1;
        RunId::new(format!("run-{number}")).unwrap()
    }

    /// Runs `plan` with its events going to `journal`.
    pub async fn run_into(
        &self,
        plan: &Plan,
        id: RunId,
        journal: &mut dyn EventWriter,
    ) -> (Vec<Notice>, Result<RunSummary, RunError>) {
        let (sender, mut receiver) = notice_channel();
        let watching = std::thread::spawn(move || std::iter::from_fn(|| receiver.blocking_recv()).collect());
        let result = carry_out(plan, self.engine_input(plan, id), journal, sender).await;
        (watching.join().unwrap(), result)
    }

    /// Returns what the runner is given for `plan`.
    pub fn engine_input(&self, plan: &Plan, id: RunId) -> Run {
        let changes = plan.verb != Verb::Verify;
        let nodes = self.machines.iter().map(|(name, machine)| {
            let access = if self.unreachable.contains(name) {
                NodeAccess::Unreachable {
                    reason: "connection refused".to_owned(),
                    hint: Some("is sshd running?".to_owned()),
                }
            } else {
                machine.fake.reconnect();
                NodeAccess::Connected(Arc::clone(machine) as Arc<dyn labctl::node::Transport>)
            };
            (super::labs::node(name), access)
        });
        let state = self.state();
        let mut values = self.values.clone();
        for (name, text) in &state.values {
            values.set(name, text, false);
        }
        Run {
            instance: changes.then(|| InstanceId::new("demo-1").unwrap()),
            id,
            directory: self.instance_directory(),
            nodes: nodes.collect(),
            values,
            state,
            images: Arc::new(Archives),
            keeps_records: false,
            keep_going: self.keep_going,
            report: self.report.clone(),
            // A run that lost its journal cancels what it was given; the next one must not find it cancelled.
            stop: self.stop.child_token(),
            began: Instant::now(),
        }
    }
}

fn record() -> InstanceRecord {
    InstanceRecord {
        format: JOURNAL_VERSION,
        id: InstanceId::new("demo-1").unwrap(),
        lab: "demo".to_owned(),
        lab_file: None,
        inventory: Inventory {
            source: "a test".to_owned(),
            nodes: Vec::new(),
            vars: BTreeMap::new(),
            secrets: BTreeMap::new(),
            registry: None,
            images: BTreeMap::new(),
        },
        vars: BTreeMap::new(),
        opened: "2026-01-01T00:00:00Z".parse().unwrap(),
    }
}
