//! `report` and `transcript`: runs told again from the journals of open and closed instances, without a node.

use super::assert_says;
use super::bench::{Bench, code};
use super::instances::open;
use labctl::domain::{Event, EventKind, Plan, RunId};
use labctl::journal::Instance;
use rstest::rstest;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

fn text(text: &str) -> Value {
    json!([{ "literal": text }])
}

/// A plan of one step, which runs `echo`.
fn plan(title: &str) -> Plan {
    let words = ["echo", "hello"].map(text);
    let step = json!({
        "key": { "step": "greet", "node": "node-0" },
        "task": "task1",
        "task_title": "Task 1",
        "title": title,
        "work": { "action": { "kind": "run", "command": { "argv": words }, "directory": null, "stdin": null } },
        "environment": {},
        "as_root": false,
        "timeout": { "secs": 60, "nanos": 0 },
        "captures": [],
        "checks": [{
            "kind": { "exit": { "code": 0 } },
            "on": null,
            "within": { "secs": 0, "nanos": 0 },
            "every": { "secs": 1, "nanos": 0 },
            "hint": null,
            "only_in_run": false,
            "superseded_by": null,
        }],
        "undo": [],
        "when_done": "repeat",
        "after": [],
    });
    let plan = json!({ "verb": "run", "lab": "lab2", "lab_title": "Small", "steps": [step], "links": [] });
    serde_json::from_value(plan).unwrap()
}

/// Writes a run to the journal of `instance` that said `said` in its only step.
fn record(instance: &Instance, run: &str, title: &str, said: &[u8]) {
    let run = RunId::new(run).unwrap();
    let path = format!("output/{run}.out");
    fs::write(instance.directory().join(&path), said).unwrap();
    let took = json!({ "secs": 1, "nanos": 0 });
    let key = json!({ "step": "greet", "node": "node-0" });
    let output = json!([{ "stream": "stdout", "path": path, "size": said.len(), "cut": 0, "sha256": "" }]);
    let verdict = json!({ "holds": true, "expected": "exit status 0", "actual": "exit status 0" });
    let mut journal = instance.writer(run, "run").unwrap();
    journal
        .append(EventKind::RunStarted {
            plan: Box::new(plan(title)),
            labctl_version: "0.1.0".to_owned(),
        })
        .unwrap();
    let counts = json!({ "passed": 1, "already_held": 0, "failed": 0, "could_not_run": 0, "skipped": 0, "superseded": 0, "checks": 1 });
    for event in [
        json!({ "event": "step_started", "step": key, "exec": null, "undo": [] }),
        json!({ "event": "check_judged", "step": key, "check": 0, "verdict": verdict, "attempts": 1, "took": took }),
        json!({ "event": "step_finished", "step": key, "outcome": { "outcome": "passed" }, "took": took, "output": output }),
        json!({ "event": "run_finished", "verb": "run", "counts": counts, "took": took }),
    ] {
        journal.append(serde_json::from_value(event).unwrap()).unwrap();
    }
}

const FIRST: &str = "20260101-100000-aaaa";
const SECOND: &str = "20260101-110000-bbbb";

/// A bench with an open instance of two runs.
fn bench() -> (Bench, Instance) {
    let bench = Bench::new();
    let instance = open(&bench, "lab2-0badcafe");
    record(&instance, FIRST, "1.1 Greet", b"hello, first\n");
    record(&instance, SECOND, "1.1 Greet", b"hello, second\n");
    (bench, instance)
}

fn stdout(bench: &Bench, arguments: &[&str]) -> String {
    let output = bench.command(arguments).output().unwrap();
    assert_eq!(code(&output), 0, "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_last_run_of_the_open_instance_is_told_or_the_one_that_is_named() {
    let (bench, _instance) = bench();
    let last = stdout(&bench, &["transcript"]);
    assert!(last.contains("node-0:~$ echo hello\nhello, second\n"), "{last}");
    let first = stdout(&bench, &["transcript", "--run", FIRST]);
    assert!(first.contains("hello, first\n") && !first.contains("second"), "{first}");
    assert_eq!(stdout(&bench, &["transcript", "--inventory", "closed"]), last);
}

#[test]
fn the_instance_closed_last_is_told_where_none_is_open() {
    let (bench, instance) = bench();
    let before = stdout(&bench, &["transcript"]);
    instance.close().unwrap();
    assert_eq!(stdout(&bench, &["transcript"]), before);
    let html = stdout(&bench, &["report", "--run", FIRST]);
    assert!(html.contains("/closed/lab2-0badcafe-"), "{html}");
    assert!(fs::read_to_string(html.trim()).unwrap().contains("hello, first"));
}

#[test]
fn a_report_is_made_again_with_the_same_for_programs_beside_it() {
    let (bench, instance) = bench();
    let html = stdout(&bench, &["report"]);
    let html = Path::new(html.trim());
    assert_eq!(html, instance.directory().join(format!("report/{SECOND}.html")));
    let page = fs::read_to_string(html).unwrap();
    assert!(page.contains("hello, second") && page.contains(">Passed<"));
    let json: Value = serde_json::from_slice(&fs::read(html.with_extension("json")).unwrap()).unwrap();
    assert_eq!((&json["run"], &json["verdict"]), (&json!(SECOND), &json!("passed")));
    assert_eq!(json["counts"]["passed"], 1);
    let junit = fs::read_to_string(html.with_extension("xml")).unwrap();
    assert!(
        junit.contains("tests=\"1\"") && junit.contains("failures=\"0\""),
        "{junit}"
    );
    let named: Value = serde_json::from_str(&stdout(&bench, &["report", "--json"])).unwrap();
    assert_eq!(named["html"], html.display().to_string());
}

#[test]
fn a_copy_goes_where_it_is_wanted_or_is_refused() {
    let (bench, _instance) = bench();
    let out = stdout(&bench, &["report", "--out", "small.html"]);
    assert_eq!(
        Path::new(out.trim()),
        bench.path("desk/small.html").canonicalize().unwrap()
    );
    assert!(fs::read_to_string(out.trim()).unwrap().contains("hello, second"));
    assert_says!("report_out_nowhere", bench, ["report", "--out", "nowhere/small.html"]);
}

#[rstest]
#[case("report")]
#[case("transcript")]
fn a_run_that_is_not_known_is_told(#[case] verb: &str) {
    assert_says!(format!("{verb}_without_runs"), Bench::new(), [verb]);
    let (bench, _instance) = bench();
    assert_says!(
        format!("{verb}_of_an_unknown_run"),
        bench,
        [verb, "--run", "20260101-100000-aaab"]
    );
}

#[test]
fn a_journal_of_before_there_were_reports_is_told() {
    let (bench, instance) = bench();
    let events: Vec<Event> = instance.events().unwrap();
    let of_report = |event: &Event| {
        matches!(
            event.kind,
            EventKind::ClusterSeen { .. } | EventKind::ReportNamed { .. }
        )
    };
    assert!(!events.iter().any(of_report));
    let html = stdout(&bench, &["report"]);
    assert!(!fs::read_to_string(html.trim()).unwrap().contains("cluster-title"));
}
