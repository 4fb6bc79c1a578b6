//! Steps that run ahead of their task: told of in the task's turn.

use super::plain::shown;
use super::plans::{plan, run, step};
use super::script::Script;
use crate::domain::{Notice, Outcome, Plan};
use crate::report::{PlainOptions, Verbosity};

fn plan_with_a_helper() -> Plan {
    let typed = |task: (&str, &str), id: &str| step(task, id, "node-0", &format!("Type {id}"), run(&[id]));
    let (one, two) = (("task1", "One"), ("task2", "Two"));
    let mut helper = typed(two, "helper");
    helper.ahead = true;
    let steps = vec![typed(one, "first"), typed(one, "second"), helper, typed(two, "third")];
    Plan { steps, ..plan() }
}

fn lines(notices: &[Notice], verbosity: Verbosity) -> Vec<String> {
    let options = PlainOptions {
        verbosity,
        ..PlainOptions::default()
    };
    let shown = shown(notices, options);
    let lines = shown.lines().map(str::trim_end).filter(|line| !line.is_empty());
    lines.map(|line| line.replace("  ", " ")).collect()
}

/// Returns where `part` is first among `lines`.
#[track_caller]
fn at(lines: &[String], part: &str) -> usize {
    let found = lines.iter().position(|line| line.contains(part));
    found.unwrap_or_else(|| panic!("{part} is not in {lines:#?}"))
}

fn beginning() -> Script {
    let mut script = Script::new(plan_with_a_helper());
    script.start("first", "node-0");
    script.start("helper", "node-0");
    script.output("helper", "node-0", b"what the helper says\n");
    script
}

#[test]
fn a_step_ahead_is_told_of_under_its_task() {
    let mut script = beginning();
    script.end("helper", "node-0", Outcome::Passed, 900);
    script.end("first", "node-0", Outcome::Passed, 100);
    script.pass("second", "node-0", 200);
    script.pass("third", "node-0", 4000);
    let lines = lines(&script.finish(), Verbosity::Verbose);
    let order = [
        "task1 One",
        "Type first",
        "Type second",
        "task2 Two",
        "Type helper",
        "what the helper says",
        "Type third",
    ];
    let places: Vec<usize> = order.iter().map(|part| at(&lines, part)).collect();
    assert!(places.is_sorted(), "{order:?} at {places:?} in {lines:#?}");
    let heads = lines.iter().filter(|line| line.starts_with("task2 Two")).count();
    assert_eq!(heads, 1, "{lines:#?}");
    let table = lines.iter().rposition(|line| line.starts_with(" task2")).unwrap();
    assert!(
        lines[table].ends_with("4 s") || lines[table].ends_with("4.0 s"),
        "{}",
        lines[table]
    );
}

#[test]
fn of_much_output_ahead_the_beginning_is_told_and_how_much_more_there_was() {
    let mut script = beginning();
    for line in 0..1500 {
        script.output("helper", "node-0", format!("line {line}\n").as_bytes());
    }
    script.end("helper", "node-0", Outcome::Passed, 900);
    let lines = lines(&script.finish(), Verbosity::Verbose);
    let told = lines.iter().filter(|line| line.contains("line ")).count();
    assert_eq!(told, 999, "the first of a thousand is what the helper says");
    assert!(at(&lines, "(501 more lines; all are in its file)") > at(&lines, "line 998"));
}

#[test]
fn a_failure_ahead_is_told_at_once() {
    let mut script = beginning();
    script.end("helper", "node-0", Outcome::Exited { code: 1 }, 900);
    let told = lines(&script.notices, Verbosity::Normal);
    assert!(at(&told, "exit status 1") > at(&told, "task2 Two"), "{told:#?}");
}

#[test]
fn what_is_not_told_yet_is_told_in_the_end() {
    let mut script = beginning();
    script.end("helper", "node-0", Outcome::Passed, 900);
    let before = lines(&script.notices, Verbosity::Normal);
    assert!(!before.iter().any(|line| line.contains("helper")), "{before:#?}");
    let told = lines(&script.abort("interrupted"), Verbosity::Normal);
    at(&told, "Type helper");
}
