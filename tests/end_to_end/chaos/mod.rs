//! Things go wrong at moments that nobody chose, one after the other; in the end the nodes are as they were.
//!
//! `LABCTL_CHAOS_SEEDS` lists the seeds, numbers with blanks between them: each makes a schedule over the whole lab, and of one that fails
//! the smallest part that still fails is looked for. `scripts/soak --chaos` does that. Without it three short schedules are played.

mod faults;
mod schedule;

use crate::harness::{Bench, Ended, bench_of_today};
use faults::Scene;
use schedule::{Fault, Schedule};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

/// How long one labctl may take, whatever goes wrong.
const PATIENCE: Duration = Duration::from_secs(600);

/// The exit codes of a labctl around which things go wrong. Nothing is ever wrong with how it is used.
const TOLD: [i32; 6] = [0, 1, 3, 4, 6, 130];

/// The seeds of the short schedules.
const SHORT: [u64; 3] = [1, 2, 3];

#[test]
fn chaos_leaves_the_nodes_as_they_were() {
    let Some(bench) = bench_of_today() else { return };
    let Ok(seeds) = std::env::var("LABCTL_CHAOS_SEEDS") else {
        for seed in SHORT {
            eprintln!("chaos: seed {seed}, short");
            play(&bench, &Schedule::of(seed, true));
        }
        return;
    };
    let mut failed = Vec::new();
    for seed in seeds.split_whitespace() {
        let number = seed.parse().expect("LABCTL_CHAOS_SEEDS holds numbers");
        let schedule = Schedule::of(number, false);
        eprintln!("chaos: seed {seed}");
        if !holds(&bench, &schedule) {
            let smallest = smallest(&bench, schedule);
            eprintln!("chaos: seed {seed} fails, and so does this part of it:\n{smallest}");
            failed.push(seed);
        }
    }
    assert!(failed.is_empty(), "these seeds failed: {}", failed.join(" "));
}

/// Returns the smallest part of `schedule`, which fails, that still fails.
fn smallest(bench: &Bench, schedule: Schedule) -> Schedule {
    let parts = schedule.smaller();
    match parts.into_iter().find(|part| !holds(bench, part)) {
        Some(part) => smallest(bench, part),
        None => schedule,
    }
}

/// Says whether the nodes are as they were after `schedule`; where not, they are swept.
fn holds(bench: &Bench, schedule: &Schedule) -> bool {
    let played = catch_unwind(AssertUnwindSafe(|| play(bench, schedule)));
    for state in [bench.state(), bench.path("second")] {
        let _ = std::fs::remove_dir_all(state);
    }
    if played.is_err() {
        bench.sweep();
    }
    played.is_ok()
}

/// Plays `schedule`, cleans up, and compares.
fn play(bench: &Bench, schedule: &Schedule) {
    eprintln!("{schedule}");
    let scene = Scene::new(bench, schedule);
    for act in &schedule.acts {
        let run = scene.run_words();
        let words = if act.cleans { &["cleanup"][..] } else { &run };
        let mut labctl = bench.start(words);
        // The very thing under test: a moment that nothing else decides.
        std::thread::sleep(Duration::from_millis(act.after));
        let second = scene.begin(&act.fault, &mut labctl);
        std::thread::sleep(Duration::from_millis(act.lasts));
        scene.end(&act.fault);
        let ended = labctl.wait();
        assert_told(&ended, act.fault == Fault::Kill);
        if let Some(second) = second {
            assert_told(&second, false);
        }
    }
    if schedule.runs_in_the_end {
        let run = bench.labctl(&scene.run_words());
        assert_told(&run, false);
    }
    let cleanup = bench.labctl(&["cleanup"]);
    assert_told(&cleanup, false);
    if schedule.has(|fault| matches!(fault, Fault::SecondCleanup | Fault::SecondRun)) {
        scene.second(&["cleanup"]).assert_exit(0);
    }
    drop(scene);
    compare(bench, schedule, &cleanup);
}

/// Fails unless labctl ended as it says that it does.
#[track_caller]
fn assert_told(ended: &Ended, was_killed: bool) {
    let told = ended.code.is_some_and(|code| TOLD.contains(&code));
    let text = ended.text();
    assert!(
        (told || was_killed) && !text.contains("panicked"),
        "labctl {} ended with {:?}:\n{text}",
        ended.asked,
        ended.code
    );
}

/// Fails unless the nodes are as they were, or `cleanup` has said what it cannot prove to be the lab's.
fn compare(bench: &Bench, schedule: &Schedule, cleanup: &Ended) {
    if cleanup.code == Some(0) {
        if schedule.has(|fault| matches!(fault, Fault::RestartNode(_))) {
            let names: Vec<&str> = bench.nodes.iter().map(|node| node.name.as_str()).collect();
            bench.assert_same_but_engines_and_starts_of(&names);
        } else {
            bench.assert_same_but_engines_restarted();
        }
        return;
    }
    // Without its notes nobody can tell what a command made of which only the node knew.
    let has_lost_notes = schedule.has(|fault| match fault {
        Fault::RemoveNotes(_) => true,
        // A file system in memory goes with the node.
        Fault::RestartNode(node) => schedule.has(|fault| *fault == Fault::FillNode(*node)),
        _ => false,
    });
    assert!(
        has_lost_notes,
        "cleanup ended with {:?}:\n{}",
        cleanup.code,
        cleanup.text()
    );
    cleanup.assert_exit(4);
    bench.sweep();
}
