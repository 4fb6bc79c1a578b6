//! One broken thing is one finding, and what cannot hold because of it is told under it.

use super::checks::containers;
use super::labs::{check, lab, looks, node, task, verified};
use super::stage::{Ran, Stage};
use labctl::domain::{
    Cause, CheckKind, EventKind, Finding, Lab, Outcome, Plan, Silent, StepId, StepKey, Task, TaskId, findings,
};
use labctl::node::fake::FakeAnswer;
use labctl::planner::plan_verify;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// A check that is called `id`, is on node `on`, and needs others.
type Look = (&'static str, u8, &'static [&'static str]);

fn key(text: &str) -> StepKey {
    let (step, on) = text.split_once('@').unwrap();
    StepKey {
        step: StepId::new(step).unwrap(),
        node: node(&format!("node-{on}")),
    }
}

fn verifying(looks_at: &[Look], kind: impl Fn(&str) -> CheckKind) -> Lab {
    let mut one: Task = task("one", &[], vec![]);
    for (id, on, needs) in looks_at {
        one = verified(one, id, &format!("node-{on}"), check(kind(id)));
        let needs = needs.iter().map(|id| StepId::new(*id).unwrap());
        one.verify.last_mut().unwrap().needs = needs.collect();
    }
    lab(vec![one])
}

fn planned(looks_at: &[Look]) -> Plan {
    plan_verify(&verifying(looks_at, |id| looks(id, "yes")), &[]).unwrap()
}

/// Engines on two nodes, their labels, a manager, and a web server on each node that stands on all of it.
const CLUSTER: &[Look] = &[
    ("engine", 1, &[]),
    ("engine", 2, &[]),
    ("label", 1, &["engine"]),
    ("label", 2, &["engine"]),
    ("manager", 0, &[]),
    ("cluster", 0, &["manager", "label"]),
    ("web", 1, &["cluster"]),
    ("web", 2, &["cluster"]),
];

/// Writes what is found where `failed` fail, `unknown` cannot be told, and `silent` are.
struct World {
    plan: Plan,
    outcomes: BTreeMap<StepKey, Outcome>,
    silent: BTreeMap<StepKey, Silent>,
}

impl World {
    fn of(looks_at: &[Look]) -> Self {
        let plan = planned(looks_at);
        let outcomes = plan.steps.iter().map(|step| (step.key.clone(), Outcome::Passed));
        Self {
            outcomes: outcomes.collect(),
            plan,
            silent: BTreeMap::new(),
        }
    }

    fn failed(mut self, keys: &[&str]) -> Self {
        for text in keys {
            self.outcomes.insert(key(text), Outcome::FailedCheck).unwrap();
        }
        self
    }

    fn unknown(mut self, keys: &[&str]) -> Self {
        for text in keys {
            let reason = "nobody answers".to_owned();
            self.outcomes
                .insert(key(text), Outcome::CannotTell { reason, hint: None })
                .unwrap();
        }
        self
    }

    fn node_silent(mut self, keys: &[&str]) -> Self {
        self = self.unknown(keys);
        for text in keys {
            let (node, reason) = (key(text).node, "connection refused".to_owned());
            self.silent.insert(
                key(text),
                Silent::Node {
                    node,
                    reason,
                    hint: None,
                },
            );
        }
        self
    }

    /// Says of checks that have an outcome already that the engine did not answer.
    fn engine_silent(mut self, keys: &[&str]) -> Self {
        for text in keys {
            let (node, reason) = (key(text).node, "no such socket".to_owned());
            self.silent.insert(key(text), Silent::Engine { node, reason });
        }
        self
    }

    fn told(&self) -> Vec<String> {
        findings(&self.plan, &self.outcomes, &self.silent)
            .iter()
            .map(told)
            .collect()
    }
}

fn told(finding: &Finding) -> String {
    let cause = match &finding.cause {
        Cause::Check { step } => step.to_string(),
        Cause::NodeUnreachable { node, reason, .. } => format!("{node} unreachable, {reason}"),
        Cause::EngineSilent { node, reason } => format!("engine of {node} silent, {reason}"),
    };
    let list = |keys: &[StepKey]| keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let text = format!("{cause}: {} -> {}", list(&finding.shown_by), list(&finding.because));
    text.replace("@node-", "@").trim_end().to_owned()
}

#[test]
fn what_stands_on_a_failure_is_listed_under_it_and_what_holds_leads_to_no_cause_below() {
    let world = World::of(CLUSTER).failed(&["engine@1", "label@1", "cluster@0", "web@1"]);
    assert_eq!(world.told(), ["engine: engine@1 -> label@1 cluster@0 web@1"]);
    let world = World::of(CLUSTER).failed(&["engine@1", "cluster@0", "web@1"]);
    assert_eq!(world.told(), ["engine: engine@1 ->", "cluster: cluster@0 -> web@1"]);
}

#[test]
fn one_check_that_fails_on_several_nodes_is_one_finding() {
    let world = World::of(CLUSTER).failed(&["label@1", "label@2", "cluster@0"]);
    assert_eq!(world.told(), ["label: label@1 label@2 -> cluster@0"]);
}

#[test]
fn a_check_is_a_cause_on_one_node_and_a_consequence_on_another() {
    let world = World::of(CLUSTER).failed(&["engine@1", "label@1", "label@2"]);
    assert_eq!(world.told(), ["engine: engine@1 -> label@1", "label: label@2 ->"]);
}

#[test]
fn two_broken_things_are_two_findings_and_no_consequence_is_told_twice() {
    let world = World::of(CLUSTER).failed(&["engine@2", "manager@0", "cluster@0", "web@2"]);
    assert_eq!(
        world.told(),
        ["engine: engine@2 ->", "manager: manager@0 -> cluster@0 web@2"]
    );
}

#[test]
fn what_cannot_be_told_is_a_cause_as_well() {
    let world = World::of(CLUSTER)
        .unknown(&["manager@0"])
        .failed(&["cluster@0", "web@1"]);
    assert_eq!(world.told(), ["manager: manager@0 -> cluster@0 web@1"]);
}

#[test]
fn what_passed_or_is_superseded_is_in_no_finding() {
    let mut world = World::of(CLUSTER).failed(&["engine@1"]);
    let by = TaskId::new("two").unwrap();
    world.outcomes.insert(key("label@1"), Outcome::Superseded { by });
    assert_eq!(world.told(), ["engine: engine@1 ->"]);
    assert_eq!(World::of(CLUSTER).told(), Vec::<String>::new());
}

#[test]
fn a_node_that_is_out_of_reach_is_one_finding_though_its_checks_stand_on_others() {
    let world = World::of(CLUSTER)
        .node_silent(&["engine@1", "label@1", "web@1"])
        .failed(&["manager@0", "cluster@0"]);
    assert_eq!(
        world.told(),
        [
            "node-1 unreachable, connection refused: engine@1 label@1 web@1 -> cluster@0",
            "manager: manager@0 ->"
        ]
    );
}

#[test]
fn an_engine_that_is_silent_is_one_finding_whatever_kind_of_check_shows_it() {
    let looks_at: &[Look] = &[
        ("labels", 1, &[]),
        ("images", 1, &[]),
        ("containers", 1, &["images"]),
        ("web", 1, &["containers"]),
        ("web", 2, &["containers"]),
    ];
    let silent = ["labels@1", "images@1", "containers@1"];
    let world = World::of(looks_at)
        .failed(&["labels@1", "web@1"])
        .unknown(&["images@1", "containers@1"])
        .engine_silent(&silent);
    assert_eq!(
        world.told(),
        ["engine of node-1 silent, no such socket: labels@1 images@1 containers@1 -> web@1"]
    );
}

#[test]
fn a_silent_engine_is_a_consequence_of_what_all_that_shows_it_stands_on() {
    let looks_at: &[Look] = &[
        ("options", 1, &[]),
        ("labels", 1, &["options"]),
        ("images", 1, &["labels"]),
    ];
    let world = World::of(looks_at)
        .failed(&["options@1", "labels@1"])
        .unknown(&["images@1"])
        .engine_silent(&["labels@1", "images@1"]);
    assert_eq!(world.told(), ["options: options@1 -> labels@1 images@1"]);
}

fn of_run(ran: &Ran) -> Vec<String> {
    let last_but_one = &ran.events[ran.events.len() - 2].kind;
    match last_but_one {
        EventKind::CausesFound { findings } => findings.iter().map(told).collect(),
        other => panic!("the findings come just before the end, not {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn verify_tells_its_findings_before_its_last_event() {
    let mut stage = Stage::new(&["node-0", "node-1", "node-2"]);
    stage.unreachable.push("node-2".to_owned());
    for on in ["node-0", "node-1"] {
        for id in ["engine", "manager", "web"] {
            stage.machine(on).fake.answer(id, FakeAnswer::exited(0).stdout("yes"));
        }
    }
    let ran = stage.run(&planned(CLUSTER)).await;
    assert_eq!(
        of_run(&ran),
        [
            "node-2 unreachable, connection refused: engine@2 label@2 web@2 -> cluster@0",
            "label: label@1 ->"
        ]
    );
    assert!(matches!(ran.events.last().unwrap().kind, EventKind::RunFinished { .. }));
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_is_down_is_one_finding() {
    let stage = Stage::one();
    stage
        .machine("node-0")
        .fake
        .lead_engine(stage.directory.path().join("nobody-listens.sock"));
    let looks_at: &[Look] = &[("containers", 0, &[]), ("labels", 0, &[]), ("more", 0, &["containers"])];
    let lab = verifying(looks_at, |id| match id {
        "labels" => CheckKind::Engine {
            labels: Vec::new(),
            default_options: false,
            options_once: false,
        },
        _ => containers(0),
    });
    let ran = stage.run(&plan_verify(&lab, &[]).unwrap()).await;
    let told = of_run(&ran);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("engine of node-0 silent, "), "{told:?}");
    assert!(told[0].ends_with(": containers@0 labels@0 more@0 ->"), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_run_draws_no_findings() {
    let stage = Stage::one();
    let look = super::labs::look("wait", "node-0", check(looks("is it", "yes")));
    let ran = stage.run(&super::labs::plan(vec![look])).await;
    assert_eq!(ran.outcome("wait@node-0"), Outcome::FailedCheck);
    let drawn = ran
        .events
        .iter()
        .filter(|event| matches!(event.kind, EventKind::CausesFound { .. }));
    assert_eq!(drawn.count(), 0);
}

proptest! {
    /// Whatever stands on what, and even where things stand on themselves, nothing that went wrong is lost or told twice.
    #[test]
    fn each_check_that_went_wrong_is_in_one_finding_once(
        stands_on in prop::collection::vec(prop::collection::vec(0_usize..10, 0..3), 10),
        fates in prop::collection::vec(0_u8..6, 10),
    ) {
        const IDS: [&str; 10] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
        let looks_at: Vec<Look> = IDS.iter().map(|id| (*id, 0, &[][..])).collect();
        let mut world = World::of(&looks_at);
        let mut wrong = Vec::new();
        for (at, fate) in fates.iter().enumerate() {
            let name = format!("{}@0", IDS[at]);
            world = match fate {
                0 | 1 => continue,
                2 => world.failed(&[&name]),
                3 => world.unknown(&[&name]),
                4 => world.node_silent(&[&name]),
                _ => world.unknown(&[&name]).engine_silent(&[&name]),
            };
            wrong.push(key(&name));
        }
        for (step, on) in world.plan.steps.iter_mut().zip(&stands_on) {
            step.stands_on = on.iter().map(|at| key(&format!("{}@0", IDS[*at]))).collect();
        }
        let found = findings(&world.plan, &world.outcomes, &world.silent);
        let mut told: Vec<StepKey> = Vec::new();
        for finding in &found {
            prop_assert!(!finding.shown_by.is_empty());
            told.extend(finding.shown_by.iter().chain(&finding.because).cloned());
        }
        told.sort();
        prop_assert_eq!(told, wrong);
    }
}
