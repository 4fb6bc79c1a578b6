//! What steps wait for: of their own task, of tasks before it, and in the lab that is built in.

use super::{facts, inventory, parse, resolve_with, told};
use labctl::domain::{ComposeFlavour, Lab, Plan, State, StepKey};
use labctl::load::{self, ResolveContext};
use labctl::planner::{Selection, plan_run};
use rstest::rstest;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A lab whose second task needs the first one, and whose only step has this `after` and prints `text`.
fn two_tasks(after: &str, text: &str) -> String {
    format!(
        "[lab]\nformat = 1\nid = \"small\"\ntitle = \"Small\"\nnodes = [\"node-0\", \"node-1\", \"node-2\"]\n\
         [[task]]\nid = \"one\"\ntitle = \"One\"\non = \"node-0\"\n\
         [[task.step]]\nid = \"a\"\ntitle = \"A\"\nrun = [\"date\"]\nundo = []\nexpect = [{{ exit = 0 }}]\n\
         [[task.step]]\nid = \"b\"\ntitle = \"B\"\nrun = [\"date\"]\nundo = []\ncapture.day.regex = '.*'\nexpect = [{{ exit = 0 }}]\n\
         [[task.step]]\nid = \"c\"\ntitle = \"C\"\nwhen = \"\"\nrun = [\"date\"]\nundo = []\nexpect = [{{ exit = 0 }}]\n\
         [[task]]\nid = \"two\"\ntitle = \"Two\"\non = \"node-0\"\nneeds = [\"one\"]\n\
         [[task.step]]\nid = \"d\"\ntitle = \"D\"\n{after}\nrun = [\"echo\", \"{text}\"]\nundo = []\nexpect = [{{ exit = 0 }}]\n"
    )
}

fn waits_for(lab: &Lab, step: &str) -> Vec<String> {
    let plan = plan_run(lab, &State::default(), &Selection::default()).unwrap();
    let step = plan.steps.iter().find(|planned| planned.key.step.as_str() == step);
    step.unwrap().after.iter().map(|key| key.step.to_string()).collect()
}

#[rstest]
#[case::default("", "a b")]
#[case::nothing("after = []", "a b")]
#[case::a_task("after = [\"one\"]", "a b")]
#[case::a_step("after = [\"a\"]", "a")]
#[case::one_that_is_left_out("after = [\"c\"]", "b")]
fn a_step_waits_for_what_it_names_and_else_for_the_tasks_before(#[case] after: &str, #[case] waits: &str) {
    let lab = resolve_with(&parse(&two_tasks(after, "text")).unwrap(), &inventory(), &[]).unwrap();
    assert_eq!(waits_for(&lab, "d").join(" "), waits);
}

#[rstest]
#[case::of_a_step_it_waits_for("after = [\"b\"]", "no fault was found")]
#[case::of_a_task_it_waits_for("after = []", "no fault was found")]
#[case::of_a_step_that_may_come_later("after = [\"a\"]", "`day` is not known here yet")]
fn a_captured_value_is_known_only_to_what_waits_for_it(#[case] after: &str, #[case] says: &str) {
    let definition = parse(&two_tasks(after, "{{ capture.day }}"));
    let told = told(definition.and_then(|definition| resolve_with(&definition, &inventory(), &[])));
    assert!(told.contains(says), "{told}");
}

fn lab2(flavour: ComposeFlavour) -> Plan {
    let source = load::find_lab(None, Path::new("/nonexistent")).unwrap();
    let definition = load::parse_lab(&source).unwrap();
    let facts = definition.nodes().map(|node| (node.clone(), facts(flavour))).collect();
    let lab = load::resolve(
        &definition,
        &inventory(),
        &facts,
        &BTreeMap::new(),
        &ResolveContext::default(),
    );
    plan_run(&lab.unwrap(), &State::default(), &Selection::default()).unwrap()
}

/// Returns everything that each step of `plan` comes after for certain.
fn all_before(plan: &Plan) -> BTreeMap<StepKey, BTreeSet<StepKey>> {
    let mut before: BTreeMap<StepKey, BTreeSet<StepKey>> = BTreeMap::new();
    for step in &plan.steps {
        let mut all: BTreeSet<StepKey> = step.after.iter().cloned().collect();
        for key in &step.after {
            all.extend(before[key].iter().cloned());
        }
        before.insert(step.key.clone(), all);
    }
    before
}

#[rstest]
#[case(ComposeFlavour::V1)]
#[case(ComposeFlavour::V2Plugin)]
fn the_tutorials_steps_of_lab2_come_one_after_the_other(#[case] flavour: ComposeFlavour) {
    let plan = lab2(flavour);
    let before = all_before(&plan);
    let is_typed = |title: &str| title.starts_with(|first: char| first.is_ascii_digit());
    let typed: Vec<&StepKey> = plan
        .steps
        .iter()
        .filter(|step| is_typed(&step.title))
        .map(|step| &step.key)
        .collect();
    assert!(typed.len() > 30, "{typed:?}");
    for (above, below) in typed.iter().zip(&typed[1..]) {
        assert!(
            above.step == below.step || before[*below].contains(*above),
            "{below} may begin before {above} has ended: add it to `after`"
        );
    }
}

#[test]
fn lab2_changes_nothing_before_all_prerequisites_hold_and_helpers_run_ahead() {
    let plan = lab2(ComposeFlavour::V1);
    let before = all_before(&plan);
    let prerequisites: Vec<&StepKey> = plan
        .steps
        .iter()
        .filter(|step| step.task.as_str() == "prerequisites")
        .map(|step| &step.key)
        .collect();
    for step in plan.steps.iter().filter(|step| step.changes()) {
        for prerequisite in &prerequisites {
            assert!(
                before[&step.key].contains(*prerequisite),
                "{} may begin before {prerequisite}",
                step.key
            );
        }
    }
    let ahead: BTreeSet<&str> = plan
        .steps
        .iter()
        .filter(|step| step.ahead)
        .map(|step| step.key.step.as_str())
        .collect();
    for step in [
        "swarm-image",
        "discovery",
        "registry-build",
        "registry",
        "interlock-build",
    ] {
        assert!(ahead.contains(step), "{step} waits for tasks that it needs nothing of");
    }
}
