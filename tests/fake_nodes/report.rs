//! What a run tells for its report, and the report that is made of its journal.

use super::labs::{check, contains, node, plan, step};
use super::stage::{Ran, Stage};
use labctl::domain::{CaptureFrom, CheckKind, EventKind, NodeSeen, Outcome, UndoText};
use labctl::journal::read_excerpt;
use labctl::node::fake::FakeAnswer;
use labctl::report::{Chronicle, html_report, junit_document, transcript};
use labctl::runner::ReportPlace;
use std::path::PathBuf;

fn reported(names: &[&str]) -> Stage {
    let mut stage = Stage::new(names);
    stage.report = Some(ReportPlace {
        kept: PathBuf::from("/kept/run-1.html"),
        closed: PathBuf::from("/closed/run-1.html"),
    });
    stage
}

fn cluster(ran: &Ran) -> &[NodeSeen] {
    let mut seen = ran.events.iter().filter_map(|event| match &event.kind {
        EventKind::ClusterSeen { nodes } => Some(nodes.as_slice()),
        _ => None,
    });
    let nodes = seen.next().unwrap();
    assert!(seen.next().is_none(), "once");
    nodes
}

/// Returns where the report is said to be: with the look at the nodes, the last that is told before the end.
fn named(ran: &Ran) -> &str {
    let [.., seen, named, end] = ran.events.as_slice() else {
        panic!("there are too few events");
    };
    assert!(matches!(seen.kind, EventKind::ClusterSeen { .. }));
    assert!(matches!(
        end.kind,
        EventKind::RunFinished { .. } | EventKind::RunAborted { .. }
    ));
    match &named.kind {
        EventKind::ReportNamed { html } => html,
        other => panic!("{other:?} stands where the report is named"),
    }
}

#[tokio::test(start_paused = true)]
async fn every_node_is_looked_at_before_the_run_ends() {
    let mut stage = reported(&["node-0", "node-1", "node-2"]);
    stage.unreachable.push("node-2".to_owned());
    stage.machine("node-1").engine.with(|engine| {
        engine.containers.push(super::engine::Container {
            id: "0123456789abcdef".to_owned(),
            name: "web".to_owned(),
            running: true,
            ..Default::default()
        });
    });
    let ran = stage
        .run(&plan(vec![
            step("work", "node-0", "the work").undo(UndoText::File(super::labs::text("/srv/x"))),
        ]))
        .await;
    let nodes = cluster(&ran);
    assert_eq!(nodes.len(), 3);
    assert_eq!(nodes[0].problem, None);
    let names: Vec<_> = nodes[1]
        .containers
        .iter()
        .map(|place| (place.id.as_str(), place.name.as_str(), place.is_running()))
        .collect();
    assert_eq!(names, [("0123456789ab", "web", true)]);
    assert_eq!(nodes[2].node, node("node-2"));
    assert_eq!(nodes[2].problem.as_deref(), Some("connection refused"));
    assert_eq!(named(&ran), "/kept/run-1.html");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_changed_nothing_has_its_report_where_the_instance_is_closed() {
    let stage = reported(&["node-0"]);
    let look = super::labs::look("look", "node-0", check(super::labs::looks("the look", "x")));
    let ran = stage.run(&plan(vec![look])).await;
    assert_eq!(ran.outcome("look@node-0"), Outcome::FailedCheck);
    assert_eq!(named(&ran), "/closed/run-1.html");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_was_stopped_is_reported_like_any_other() {
    let stage = reported(&["node-0"]);
    stage.stop.cancel();
    let ran = stage.run(&plan(vec![step("work", "node-0", "the work")])).await;
    assert_eq!(cluster(&ran).len(), 1);
    named(&ran);
}

#[tokio::test(start_paused = true)]
async fn nobody_looks_where_no_report_is_made() {
    let stage = Stage::one();
    let ran = stage.run(&plan(vec![step("work", "node-0", "the work")])).await;
    let of_report = |kind: &EventKind| matches!(kind, EventKind::ClusterSeen { .. } | EventKind::ReportNamed { .. });
    assert!(!ran.events.iter().any(|event| of_report(&event.kind)));
}

#[tokio::test(start_paused = true)]
async fn what_is_made_of_a_journal_has_its_numbers_its_output_and_none_of_its_secrets() {
    let mut stage = reported(&["node-0"]);
    stage.values.set("password", "pa55-Jm4tRb9NcHd7", true);
    stage.machine("node-0").fake.answer(
        "the work",
        FakeAnswer::exited(0).stdout("</pre><script>alert(1)</script> pa55-Jm4tRb9NcHd7\ntoken tok3n-Kq8vZw2LxYp5\n"),
    );
    let captured = CaptureFrom::Regex("token (\\S+)".to_owned());
    let ran = stage
        .run(&plan(vec![
            step("work", "node-0", "the work").captures("token", captured, true),
            step("next", "node-0", "the next").expects(check(CheckKind::Stdout(contains("good")))),
            step("last", "node-0", "what waits for it"),
        ]))
        .await;
    let run = &ran.events[0].run;
    let mut chronicle = Chronicle::of(&ran.events, run).unwrap();
    chronicle.read_output(|record| read_excerpt(&stage.instance_directory(), record, 1024));
    let counts = ran.summary().counts;
    assert_eq!(chronicle.counts, counts);
    let page = html_report(&chronicle).unwrap();
    for (name, count) in [
        ("passed", counts.passed),
        ("failed", counts.failed),
        ("skipped", counts.skipped),
        ("checks", counts.checks),
    ] {
        assert!(count > 0, "{name}: there is nothing to tell");
        let told = format!("data-count=\"{name}\"><dd>{count}</dd>");
        assert!(page.contains(&told), "{name}: the page does not tell {count}");
    }
    assert!(
        page.contains("&lt;/pre&gt;&lt;script&gt;alert(1)"),
        "the output is on the page"
    );
    let all = [
        page,
        transcript(&chronicle),
        serde_json::to_string(&chronicle).unwrap(),
        String::from_utf8(junit_document(&ran.events)).unwrap(),
    ];
    for text in all {
        assert!(
            !text.contains("pa55-") && !text.contains("tok3n-"),
            "a secret stands in {text}"
        );
        assert!(!text.contains("<script>alert") || text.starts_with('#') || text.starts_with('{'));
    }
}
