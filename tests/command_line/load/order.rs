//! What steps wait for: of their own task, and of tasks before it.

use super::{inventory, parse, resolve_with, told};
use labctl::domain::{Lab, State};
use labctl::planner::{Selection, plan_run};
use rstest::rstest;

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
