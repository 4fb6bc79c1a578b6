//! What stands at the end, where something went wrong: what did first, where to go on, and who is still owed something.

use super::plain::shown;
use super::plans::{cleanup_plan, key, node, plan};
use super::script::Script;
use crate::domain::{EventKind, Notice, Outcome, SkipReason};
use crate::report::PlainOptions;

const ON_NODE_0: [&str; 5] = ["clone", "build", "up", "post", "stop"];

fn text(notices: &[Notice]) -> String {
    shown(notices, PlainOptions::default())
}

fn needs(step: &str) -> SkipReason {
    SkipReason::NeedsFailed {
        step: format!("{step}@node-0"),
    }
}

#[test]
fn a_run_goes_on_at_the_first_step_of_the_plan_that_does_not_hold_and_not_at_the_first_to_fail() {
    let mut script = Script::new(plan());
    for on in ["node-0", "node-1", "node-2"] {
        script.pass("login", on, 10);
        script.pass("no-containers", on, 10);
    }
    script.end("stop", "node-0", Outcome::Exited { code: 7 }, 10);
    script.end("clone", "node-0", Outcome::Exited { code: 8 }, 20);
    script.skip("build", "node-0", needs("clone"));
    let shown = text(&script.finish());
    assert!(shown.contains("labctl run lab2 --from clone"), "{shown}");
    assert!(shown.contains("First to go wrong: node-0  Stop DockChat"), "{shown}");
    assert!(shown.contains("exit status 7"), "{shown}");
}

#[test]
fn of_many_steps_that_are_skipped_a_few_are_told_and_the_rest_counted() {
    let mut script = Script::new(plan());
    script.end("login", "node-0", Outcome::Exited { code: 1 }, 10);
    for step in ON_NODE_0 {
        script.skip(step, "node-0", needs("login"));
    }
    let shown = text(&script.finish());
    assert_eq!(shown.matches("needs login@node-0").count(), 3, "{shown}");
    assert!(shown.contains("2 more steps skipped"), "{shown}");
    assert!(shown.contains("↷ 5 skipped"), "{shown}");
}

#[test]
fn where_a_command_failed_its_last_words_are_told() {
    let mut script = Script::new(plan());
    script.start("clone", "node-0");
    script.output("clone", "node-0", b"Cloning\nfatal: no such repository\n\n");
    script.end("clone", "node-0", Outcome::Exited { code: 128 }, 10);
    script.skip("build", "node-0", needs("clone"));
    let shown = text(&script.finish());
    assert!(shown.contains("exit status 128: fatal: no such repository"), "{shown}");
}

#[test]
fn a_run_that_only_failed_once_says_so_once() {
    let mut script = Script::new(plan());
    script.end("login", "node-0", Outcome::Exited { code: 1 }, 10);
    let shown = text(&script.finish());
    assert!(!shown.contains("First to go wrong"), "{shown}");
}

#[test]
fn a_cleanup_tells_at_its_end_of_each_node_whether_anything_is_owed_there() {
    let mut script = Script::new(cleanup_plan());
    script.pass("containers", "node-0", 10);
    script.event(EventKind::BaselineCompared {
        node: node("node-0"),
        ours: Vec::new(),
        others: Vec::new(),
    });
    let reason = "the node does not answer".to_owned();
    script.end_with(
        key("compare", "node-1"),
        Outcome::CouldNotStart { reason, hint: None },
        10,
        vec![],
    );
    let shown = text(&script.finish());
    let (_, end) = shown.split_once("could not run in").unwrap();
    assert!(
        end.contains("node-1  could not start: the node does not answer"),
        "{end}"
    );
    assert!(end.contains("On node-0 nothing is left but labctl's notes"), "{end}");
    assert_eq!(end.matches("labctl cleanup").count(), 1, "{end}");
}
