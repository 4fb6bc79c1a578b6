//! labctl is killed in one step of lab2 after the other, and goes on each time; in the end another one takes everything back.
//!
//! Where `LABCTL_SWEEP` is `all`, or the names of steps with blanks between them, everything is taken back after each kill, instead.
//! `scripts/soak --sweep` does that.

use crate::harness::{Bench, Dice, Running, bench_of_today};
use serde_json::Value;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

/// The steps of tasks 2 and 3 that leave something on any node: each is killed in.
const STEPS: [&str; 14] = [
    "label-engines",
    "discovery-image",
    "certificate",
    "discovery",
    "manager",
    "agent-2",
    "registry-build",
    "registry-trust",
    "registry",
    "login-lab",
    "build-swarm",
    "staging-rename",
    "staging-up",
    "production-up",
];

/// How many more steps are chosen, from all over the lab.
const CHOSEN: usize = 5;

/// What chooses them.
const SEED: u64 = 1;

/// How long after a step's start it is killed at the latest, in milliseconds: at once, or in the middle of its command.
const LATEST: u64 = 400;

/// How long a run may take to get to a step.
const WHOLE_RUN: Duration = Duration::from_secs(900);

/// Returns the steps of lab2 that do something: first those that run ahead of their tasks, then the others, each in the order of its plan. A
/// run that comes to one of the others has done those ahead.
fn steps(bench: &Bench) -> Vec<String> {
    let plan = bench.labctl(&["plan", "lab2", "--json"]);
    plan.assert_exit(0);
    let plan: Value = serde_json::from_slice(&plan.stdout).unwrap();
    let mut steps: Vec<String> = Vec::new();
    let planned = plan["steps"].as_array().unwrap();
    let (ahead, others): (Vec<&Value>, Vec<&Value>) = planned.iter().partition(|step| step["ahead"] == true);
    assert!(!ahead.is_empty(), "lab2 has steps that run ahead of their tasks");
    for step in ahead.into_iter().chain(others) {
        let name = step["key"]["step"].as_str().unwrap().to_owned();
        if step["work"]["action"]["kind"] != "wait" && !steps.contains(&name) {
            steps.push(name);
        }
    }
    assert!(steps.len() > 40, "lab2 has more steps than {steps:?}");
    steps
}

/// Returns the steps to kill in, in the order of `all`, of which `dice` chooses some.
fn chosen(all: &[String], dice: &mut Dice) -> Vec<String> {
    let mut wanted: Vec<&str> = STEPS.to_vec();
    for part in 0..CHOSEN {
        let slice = &all[part * all.len() / CHOSEN..(part + 1) * all.len() / CHOSEN];
        let at = usize::try_from(dice.throw(slice.len() as u64)).unwrap();
        wanted.push(&slice[at]);
    }
    let unknown: Vec<_> = wanted
        .iter()
        .filter(|name| !all.iter().any(|step| step == *name))
        .collect();
    assert!(unknown.is_empty(), "lab2 has no steps {unknown:?}; it has {all:?}");
    all.iter()
        .filter(|step| wanted.contains(&step.as_str()))
        .cloned()
        .collect()
}

/// Returns the steps that are asked for by name.
fn asked_for(all: &[String], asked: &str) -> Vec<String> {
    if asked == "all" {
        return all.to_vec();
    }
    let named: Vec<String> = asked.split_whitespace().map(str::to_owned).collect();
    let unknown: Vec<_> = named.iter().filter(|name| !all.contains(name)).collect();
    assert!(unknown.is_empty(), "lab2 has no steps {unknown:?}; it has {all:?}");
    named
}

/// Kills a run in `step`; returns whether the step was begun. One that holds already is not: the run before may have got to it before it
/// was killed in another.
fn kill_in(bench: &Bench, step: &str, dice: &mut Dice) -> bool {
    let after = Duration::from_millis(dice.throw(2) * dice.throw(LATEST));
    eprintln!("killed {after:?} after the start of {step}");
    let mut run = Running::spawn(bench.command(&["run", "lab2", "--json"]), WHOLE_RUN);
    let event = run.wait_for_event(&format!("{step} begins"), |event| {
        event.is("step_started", step) || event.is("step_finished", step)
    });
    // The very thing under test: a moment that nothing else decides.
    std::thread::sleep(after);
    run.kill();
    bench.labctl(&["status"]).assert_exit(0);
    event.is("step_started", step)
}

/// Has everything taken back.
fn clean_up(bench: &Bench) {
    bench.labctl(&["cleanup"]).assert_exit(0);
    bench.assert_same_but_engines_restarted();
}

#[test]
fn sweep_kills_in_steps_of_the_whole_lab() {
    let Some(bench) = bench_of_today() else { return };
    let all = steps(&bench);
    let mut dice = Dice::new(SEED);
    let Ok(asked) = std::env::var("LABCTL_SWEEP") else {
        let chosen = chosen(&all, &mut dice);
        let begun = chosen.iter().filter(|step| kill_in(&bench, step, &mut dice)).count();
        assert!(
            begun * 4 >= chosen.len() * 3,
            "only {begun} of {} kills came in their step",
            chosen.len()
        );
        return clean_up(&bench);
    };
    let mut failed = Vec::new();
    for step in asked_for(&all, &asked) {
        let one = AssertUnwindSafe(|| {
            kill_in(&bench, &step, &mut dice);
            clean_up(&bench);
        });
        if catch_unwind(one).is_err() {
            failed.push(step);
            // What one step left must not stand in the way of the next.
            let _ = std::fs::remove_dir_all(bench.state());
            bench.sweep();
        }
    }
    assert!(
        failed.is_empty(),
        "something is wrong with a kill in: {}; LABCTL_SWEEP='{0}' does these again",
        failed.join(" ")
    );
}
