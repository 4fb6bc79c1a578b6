//! labctl is killed once in each step of lab2, whatever steps it has, and each time another one takes everything back.
//!
//! `LABCTL_SWEEP` is a seed, 1 by default, that chooses five steps from all over the lab, or `all` for every step, or the names of
//! steps with blanks between them. `scripts/soak --sweep` does them all.

use crate::harness::{Bench, Running, bench};
use crate::soak::Dice;
use serde_json::Value;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

/// How many steps a seed chooses.
const CHOSEN: usize = 5;

/// How long after a step's start it is killed at the latest, in milliseconds: at once, or in the middle of its command.
const LATEST: u64 = 800;

/// How long a run may take to get to a step.
const WHOLE_RUN: Duration = Duration::from_secs(900);

/// Returns the steps of lab2 that do something, in the order of its plan.
fn steps(bench: &Bench) -> Vec<String> {
    let plan = bench.labctl(&["plan", "lab2", "--json"]);
    plan.assert_exit(0);
    let plan: Value = serde_json::from_slice(&plan.stdout).unwrap();
    let mut steps: Vec<String> = Vec::new();
    for step in plan["steps"].as_array().unwrap() {
        let name = step["key"]["step"].as_str().unwrap().to_owned();
        if step["work"]["action"]["kind"] != "wait" && !steps.contains(&name) {
            steps.push(name);
        }
    }
    assert!(steps.len() > 40, "lab2 has more steps than {steps:?}");
    steps
}

/// Returns the steps that are asked for, and what says how long after a step's start it is killed.
fn asked_for(all: &[String]) -> (Vec<String>, Dice) {
    let asked = std::env::var("LABCTL_SWEEP").unwrap_or_else(|_| "1".to_owned());
    if asked == "all" {
        return (all.to_vec(), Dice::new(0));
    }
    let Ok(seed) = asked.parse() else {
        let named: Vec<String> = asked.split_whitespace().map(str::to_owned).collect();
        let unknown: Vec<_> = named.iter().filter(|name| !all.contains(name)).collect();
        assert!(unknown.is_empty(), "lab2 has no steps {unknown:?}; it has {all:?}");
        return (named, Dice::new(0));
    };
    let mut dice = Dice::new(seed);
    let slice = |part: usize| &all[part * all.len() / CHOSEN..(part + 1) * all.len() / CHOSEN];
    let mut chosen = Vec::new();
    for part in 0..CHOSEN {
        let slice = slice(part);
        let at = usize::try_from(dice.throw(slice.len() as u64)).unwrap();
        chosen.push(slice[at].clone());
    }
    (chosen, dice)
}

/// Kills a run in `step` and has everything taken back.
fn kill_and_clean_up(bench: &Bench, step: &str, after: Duration) {
    let mut run = Running::spawn(bench.command(&["run", "lab2", "--json"]), WHOLE_RUN);
    // A step that holds already is not begun.
    run.wait_for_event(&format!("{step} begins"), |event| {
        event.is("step_started", step) || event.is("step_finished", step)
    });
    // The very thing under test: a moment that nothing else decides.
    std::thread::sleep(after);
    run.kill();
    bench.labctl(&["status"]).assert_exit(0);
    bench.labctl(&["cleanup"]).assert_exit(0);
    bench.assert_same_but_engines_restarted();
}

#[test]
fn sweep_kills_in_steps_of_the_whole_lab() {
    let Some(bench) = bench() else { return };
    let (chosen, mut dice) = asked_for(&steps(&bench));
    let mut failed = Vec::new();
    for step in chosen {
        let after = Duration::from_millis(dice.throw(2) * dice.throw(LATEST));
        eprintln!("killed {after:?} after the start of {step}");
        if catch_unwind(AssertUnwindSafe(|| kill_and_clean_up(&bench, &step, after))).is_err() {
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
