//! Which steps a plan has.

use super::labs::{check, lab, look, looks, step, task, text, verified};
use labctl::domain::{
    Baseline, Event, EventKind, Lab, Link, Outcome, Plan, RunId, State, StepId, StepKey, TaskId, Verb, Work,
};
use labctl::planner::{PlanError, Selection, plan_cleanup, plan_run, plan_verify};
use rstest::rstest;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Three tasks in a row and one beside them; the first one only looks.
fn demo() -> Lab {
    let holds = || check(looks("true", ""));
    let first = verified(
        task("base", &[], vec![look("look", "node-0", holds())]),
        "base-holds",
        "node-0",
        holds(),
    );
    lab(vec![
        first,
        task(
            "one",
            &["base"],
            vec![step("a", "node-0", "a"), step("b", "node-0", "b")],
        ),
        task("two", &["one"], vec![step("c", "node-0", "c").also_on("node-1")]),
        task("beside", &[], vec![step("d", "node-2", "d")]),
    ])
}

fn selected(selection: &Selection) -> Result<String, PlanError> {
    Ok(keys(&plan_run(&demo(), &State::default(), selection)?))
}

fn keys(plan: &Plan) -> String {
    let keys: Vec<String> = plan.steps.iter().map(|step| step.key.to_string()).collect();
    keys.join(" ").replace("node-", "")
}

fn selection(option: &str, value: &str) -> Selection {
    let value = Some(value.to_owned());
    let mut selection = Selection::default();
    match option {
        "task" => selection.task = value,
        "only" => selection.only = value,
        "from" => selection.from = value,
        _ => selection.until = value,
    }
    selection
}

#[rstest]
#[case("task", "base", "look@0")]
#[case("task", "one", "look@0 a@0 b@0")]
#[case("task", "two", "look@0 a@0 b@0 c@0 c@1")]
#[case("task", "beside", "d@2")]
#[case("only", "two", "c@0 c@1")]
#[case("from", "one", "base-holds@0 a@0 b@0 c@0 c@1 d@2")]
#[case("from", "b", "base-holds@0 b@0 c@0 c@1 d@2")]
#[case("from", "two", "base-holds@0 c@0 c@1 d@2")]
#[case("from", "beside", "d@2")]
#[case("until", "one", "look@0 a@0 b@0")]
#[case("until", "a", "look@0 a@0")]
fn a_selection_is_a_part_of_the_lab(#[case] option: &str, #[case] value: &str, #[case] expected: &str) {
    assert_eq!(selected(&selection(option, value)).unwrap(), expected);
}

#[rstest]
#[case("until", "a", &["one"])]
#[case("from", "b", &["one"])]
#[case("until", "b", &[])]
#[case("only", "two", &[])]
fn a_plan_knows_of_which_tasks_it_has_a_part_only(#[case] option: &str, #[case] value: &str, #[case] parts: &[&str]) {
    let plan = plan_run(&demo(), &State::default(), &selection(option, value)).unwrap();
    let found: Vec<&str> = plan.in_part.iter().map(TaskId::as_str).collect();
    assert_eq!(found, parts);
    let state = State::of(&[begun(&plan)]);
    assert!(
        state
            .tasks
            .iter()
            .all(|task| task.is_whole != parts.contains(&task.id.as_str()))
    );
    assert!(
        state.task(&TaskId::new("left-out").unwrap()).is_none(),
        "it is no task of the lab"
    );
}

/// The event with which a run of `plan` begins.
fn begun(plan: &Plan) -> Event {
    Event {
        index: 0,
        at: jiff::Timestamp::UNIX_EPOCH,
        run: RunId::new("run-1").unwrap(),
        kind: EventKind::RunStarted {
            plan: Box::new(plan.clone()),
            labctl_version: "0.1.0".to_owned(),
        },
    }
}

#[test]
fn a_link_that_a_later_task_takes_away_is_told_until_that_task_was_begun() {
    let mut lab = demo();
    lab.tasks[1].links = vec![Link {
        label: "a page".to_owned(),
        address: text("http://node-0/"),
        superseded_by: Some(TaskId::new("two").unwrap()),
    }];
    let mut state = State::default();
    let links = |state: &State| plan_run(&lab, state, &selection("only", "one")).unwrap().links.len();
    assert_eq!(links(&state), 1);
    let whole = plan_run(&lab, &state, &Selection::default()).unwrap();
    assert!(whole.links.is_empty());
    state.apply(&begun(&whole));
    assert_eq!(links(&state), 1, "it was planned and not begun");
    state.steps.insert(whole.steps[3].key.clone(), Some(Outcome::Passed));
    assert_eq!(links(&state), 0);
}

#[test]
fn everything_is_selected_where_nothing_is() {
    assert_eq!(selected(&Selection::default()).unwrap(), "look@0 a@0 b@0 c@0 c@1 d@2");
}

#[test]
fn a_plan_says_whether_its_lab_can_be_verified() {
    let mut lab = demo();
    let selection = selection("only", "one");
    assert!(plan_run(&lab, &State::default(), &selection).unwrap().verifiable);
    for task in &mut lab.tasks {
        task.verify.clear();
    }
    assert!(!plan_run(&lab, &State::default(), &selection).unwrap().verifiable);
}

#[test]
fn a_range_has_both_its_ends() {
    let range = Selection {
        from: Some("b".to_owned()),
        until: Some("two".to_owned()),
        ..Selection::default()
    };
    assert_eq!(selected(&range).unwrap(), "base-holds@0 b@0 c@0 c@1");
}

#[test]
fn nothing_is_changed_before_what_a_run_leaves_out_was_looked_at() {
    let plan = plan_run(&demo(), &State::default(), &selection("from", "two")).unwrap();
    let look = &plan.steps[0].key;
    assert!(!plan.steps[0].changes());
    for step in &plan.steps[1..] {
        assert!(step.after.contains(look), "{} does not wait", step.key);
    }
    assert_eq!(plan.goes_on_at(look).as_str(), "c", "the lab has no step of that name");
    let failed = plan.steps[2].key.clone();
    assert_eq!(plan.goes_on_at(&failed).as_str(), "c");
}

#[test]
fn what_a_run_leaves_out_is_not_looked_at_where_it_was_done_here() {
    let demo = demo();
    let until = plan_run(&demo, &State::default(), &selection("until", "one")).unwrap();
    let done = State {
        steps: until
            .steps
            .iter()
            .map(|step| (step.key.clone(), Some(Outcome::Passed)))
            .collect(),
        ..State::default()
    };
    let plan = plan_run(&demo, &done, &selection("from", "two")).unwrap();
    assert_eq!(keys(&plan), "c@0 c@1 d@2");
}

#[rstest]
#[case("task", "tow", "lab demo has no task `tow`")]
#[case("only", "a", "lab demo has no task `a`")]
#[case("from", "x", "lab demo has no task or step `x`")]
#[case("until", "", "lab demo has no task or step ``")]
fn a_wrong_name_is_told_with_the_right_ones(#[case] option: &str, #[case] value: &str, #[case] message: &str) {
    let error = selected(&selection(option, value)).unwrap_err();
    assert_eq!(error.to_string(), message);
    let PlanError::Unknown { known, .. } = error else {
        panic!("{error:?}")
    };
    assert!(known.contains(&"two".to_owned()), "{known:?}");
}

#[test]
fn a_range_without_anything_in_it_is_refused() {
    let range = Selection {
        from: Some("two".to_owned()),
        until: Some("a".to_owned()),
        ..Selection::default()
    };
    let error = selected(&range).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`--from two` comes after `--until a` in lab demo: there is nothing between them"
    );
}

#[test]
fn a_task_outside_of_the_range_leaves_nothing_to_check() {
    let contradiction = Selection {
        task: Some("beside".to_owned()),
        until: Some("a".to_owned()),
        ..Selection::default()
    };
    assert!(matches!(
        selected(&contradiction),
        Err(PlanError::NothingToCheck { .. })
    ));
}

#[test]
fn what_a_selection_leaves_out_is_not_waited_for() {
    let plan = plan_run(&demo(), &State::default(), &selection("only", "two")).unwrap();
    assert!(plan.steps.iter().all(|step| step.after.is_empty()), "{plan:#?}");
}

#[test]
fn what_a_task_needs_is_left_out_once_it_has_passed_unless_it_only_looks() {
    let whole = plan_run(&demo(), &State::default(), &Selection::default()).unwrap();
    let mut state = State::default();
    let mut events = vec![EventKind::RunStarted {
        plan: Box::new(whole),
        labctl_version: String::new(),
    }];
    events.extend(["look", "a", "b"].map(|id| EventKind::StepFinished {
        step: StepKey {
            step: StepId::new(id).unwrap(),
            node: super::labs::node("node-0"),
        },
        outcome: Outcome::Passed,
        took: Duration::ZERO,
        output: Vec::new(),
    }));
    for (index, kind) in events.into_iter().enumerate() {
        state.apply(&Event {
            index: index as u64,
            at: "2026-01-01T00:00:00Z".parse().unwrap(),
            run: RunId::new("run-1").unwrap(),
            kind,
        });
    }
    let plan = plan_run(&demo(), &state, &selection("task", "two")).unwrap();
    assert_eq!(keys(&plan), "c@0 c@1", "`one` has passed, and only `one` needs `base`");
    let plan = plan_run(&demo(), &state, &selection("task", "one")).unwrap();
    assert_eq!(keys(&plan), "look@0 a@0 b@0", "a look tells how it is now");
}

#[test]
fn a_reset_comes_before_everything_on_every_node() {
    let reset = Selection {
        reset_nodes: true,
        ..selection("only", "beside")
    };
    let plan = plan_run(&demo(), &State::default(), &reset).unwrap();
    assert_eq!(keys(&plan), "reset-nodes@0 reset-nodes@1 reset-nodes@2 d@2");
    assert_eq!(plan.steps[3].after.len(), 3);
    assert!(plan.steps[..3].iter().all(|step| step.work == Work::Reset));
}

#[test]
fn a_plan_lists_steps_in_an_order_that_satisfies_every_after() {
    let plan = plan_run(&demo(), &State::default(), &Selection::default()).unwrap();
    let mut seen = BTreeSet::new();
    for step in &plan.steps {
        assert!(step.after.iter().all(|key| seen.contains(key)), "{}", step.key);
        seen.insert(step.key.clone());
    }
}

#[test]
fn verify_looks_at_what_it_is_asked_for() {
    let plan = plan_verify(&demo(), &[]).unwrap();
    assert_eq!((plan.verb, keys(&plan).as_str()), (Verb::Verify, "base-holds@0"));
    assert!(plan.steps.iter().all(|step| !step.changes()));
    let nothing = plan_verify(&demo(), &["two".to_owned()]).unwrap_err();
    assert_eq!(nothing.to_string(), "there is nothing to check in two");
    let unknown = plan_verify(&demo(), &["three".to_owned()]).unwrap_err();
    assert!(matches!(unknown, PlanError::Unknown { .. }), "{unknown:?}");
}

#[test]
fn a_check_that_writes_belongs_to_a_run_only() {
    let mut posts = check(looks("post a message", ""));
    posts.only_in_run = true;
    let lab = lab(vec![verified(task("one", &[], vec![]), "posts", "node-0", posts)]);
    assert!(matches!(plan_verify(&lab, &[]), Err(PlanError::NothingToCheck { .. })));
}

#[test]
fn a_cleanup_compares_every_node_that_was_touched_even_where_nothing_is_owed() {
    let baseline = Baseline {
        node: super::labs::node("node-1"),
        containers: BTreeMap::new(),
        images: BTreeMap::new(),
        networks: BTreeSet::new(),
        volumes: BTreeSet::new(),
        files: BTreeMap::new(),
    };
    let mut state = State::default();
    assert!(plan_cleanup(&state).steps.is_empty());
    state.baselines.insert(baseline.node.clone(), baseline);
    assert_eq!(keys(&plan_cleanup(&state)), "compare-baseline@1");
}

fn state_after(kinds: Vec<EventKind>) -> State {
    let mut state = State::default();
    for (index, kind) in kinds.into_iter().enumerate() {
        state.apply(&Event {
            index: index as u64,
            at: "2026-01-01T00:00:00Z".parse().unwrap(),
            run: RunId::new("run-1").unwrap(),
            kind,
        });
    }
    state
}

fn key(id: &str) -> StepKey {
    StepKey {
        step: StepId::new(id).unwrap(),
        node: super::labs::node("node-0"),
    }
}

fn passed(id: &str) -> EventKind {
    EventKind::StepFinished {
        step: key(id),
        outcome: Outcome::Passed,
        took: Duration::ZERO,
        output: Vec::new(),
    }
}

#[test]
fn a_task_of_which_a_part_was_run_has_not_passed() {
    let part = plan_run(&demo(), &State::default(), &selection("until", "a")).unwrap();
    let state = state_after(vec![
        EventKind::RunStarted {
            plan: Box::new(part),
            labctl_version: String::new(),
        },
        passed("look"),
        passed("a"),
    ]);
    let plan = plan_run(&demo(), &state, &selection("task", "two")).unwrap();
    assert_eq!(keys(&plan), "look@0 a@0 b@0 c@0 c@1");
}

#[test]
fn a_task_of_which_a_part_was_taken_back_has_not_passed() {
    let undone = EventKind::Undone {
        step: key("undo-files"),
        undo: labctl::domain::Undo::RemoveDirectory { path: "/x/y".into() },
        failed: None,
    };
    let state = state_after(vec![passed("a"), passed("b"), undone]);
    let plan = plan_run(&demo(), &state, &selection("task", "two")).unwrap();
    assert_eq!(keys(&plan), "look@0 a@0 b@0 c@0 c@1");
}

#[test]
fn a_needed_task_without_steps_passes_on_what_it_waits_for() {
    let lab = lab(vec![
        task("first", &[], vec![step("a", "node-0", "a")]),
        task("empty", &["first"], vec![]),
        task("last", &["empty"], vec![step("b", "node-1", "b")]),
    ]);
    let plan = plan_run(&lab, &State::default(), &Selection::default()).unwrap();
    assert_eq!(plan.steps[1].after, [key("a")]);
}
