//! The report of a run on real nodes: it is where the run says, and tells what the journal tells.

use crate::harness::{Bench, Ended, bench_of_today};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Returns where `run`, whose events are on standard output, says that its report is.
fn named(run: &Ended) -> PathBuf {
    let events = run.events();
    let named: Vec<&Value> = events
        .iter()
        .map(|event| &event.0)
        .filter(|event| event["event"] == "report_named")
        .collect();
    assert_eq!(named.len(), 1, "the report is named once");
    PathBuf::from(named[0]["html"].as_str().unwrap())
}

/// Reads the report at `html`, as people and as programs do.
fn read(html: &Path) -> (String, Value) {
    let read = |extension| std::fs::read_to_string(html.with_extension(extension)).unwrap();
    assert!(read("xml").contains("<testsuite "), "JUnit is beside it");
    (read("html"), serde_json::from_str(&read("json")).unwrap())
}

/// Counts in the journal of `bench` how the steps of the run called `id` ended.
fn ended(bench: &Bench, id: &Value, outcome: &str) -> usize {
    let events = bench.journal();
    let of_run = events
        .iter()
        .filter(|event| event["run"] == *id && event["event"] == "step_finished");
    of_run.filter(|event| event["outcome"]["outcome"] == outcome).count()
}

#[test]
fn a_report_tells_what_the_journal_tells_and_what_is_on_the_nodes() {
    let Some(bench) = bench_of_today() else { return };
    bench.nodes[1].root("docker run -d --name labctl-seen --entrypoint sleep debian:bookworm 600 >/dev/null");
    let lab = bench.lab("files");
    let run = bench.start_json(&["run", &lab, "--only", "everywhere"]).wait();
    run.assert_exit(0);
    let html = named(&run);
    let (page, document) = read(&html);
    let passed = ended(&bench, &document["run"], "passed");
    assert_eq!(passed, 3);
    assert_eq!(document["counts"]["passed"], passed);
    assert!(page.contains(&format!("data-count=\"passed\"><dd>{passed}</dd>")));
    assert_eq!(document["verdict"], "passed");
    let cluster = document["cluster"].as_array().unwrap();
    assert_eq!(cluster.len(), 3);
    assert_eq!(cluster[1]["containers"][0]["name"], "labctl-seen");
    assert!(page.contains("labctl-seen") && page.contains(&format!(">{}</h3>", bench.nodes[1].name)));
    let again = bench.labctl(&["report"]);
    again.assert_exit(0);
    assert_eq!(Path::new(again.stdout().trim()), html);
    bench
        .labctl(&["transcript"])
        .assert_exit(0)
        .assert_says(&["**Step:** Write a file in a new directory", "node-0:~$ # labctl writes"]);
    bench.nodes[1].root("docker rm -f labctl-seen >/dev/null");
    bench.clean_up_to_the_snapshot();
    // It moves along with the instance that is closed.
    bench.labctl(&["transcript"]).assert_exit(0);
}

#[test]
fn a_run_that_changed_nothing_leaves_its_report_and_no_instance() {
    let Some(bench) = bench_of_today() else { return };
    let lab = bench.path("looks.toml");
    let text = "[lab]\nformat = 1\nid = \"looks\"\ntitle = \"Only looks\"\nnodes = [\"node-0\"]\n\n\
                [[task]]\nid = \"look\"\ntitle = \"Look\"\non = \"node-0\"\n\n\
                [[task.step]]\nid = \"look\"\ntitle = \"A file is there\"\nwait = true\nexpect = [{ file = \"/labctl-none\" }]\n";
    std::fs::write(&lab, text).unwrap();
    let run = bench.start_json(&["run", &lab.display().to_string()]).wait();
    run.assert_exit(1);
    let html = named(&run);
    let (page, document) = read(&html);
    assert_eq!(
        (&document["verdict"], &document["counts"]["failed"]),
        (&json!("failed"), &json!(1))
    );
    assert!(page.contains("What went wrong first"));
    bench
        .labctl(&["status"])
        .assert_exit(0)
        .assert_says(&["No lab instance is open"]);
    let again = bench.labctl(&["report"]);
    assert_eq!(Path::new(again.stdout().trim()), html);
    bench.assert_nodes_as_before();
}

#[test]
fn an_interrupted_run_is_reported_as_far_as_it_came() {
    let Some(bench) = bench_of_today() else { return };
    let lab = bench.lab("commands");
    let mut run = bench.start_json(&["run", &lab, "--only", "endless"]);
    run.wait_for_step("step_started", "endless");
    run.signal("INT");
    let run = run.wait();
    run.assert_exit(130);
    let (page, document) = read(&named(&run));
    assert_eq!(
        (&document["verdict"], &document["stopped"]),
        (&json!("stopped"), &json!("interrupted"))
    );
    let cancelled = ended(&bench, &document["run"], "cancelled");
    let skipped = ended(&bench, &document["run"], "skipped");
    assert_eq!(document["counts"]["skipped"], cancelled + skipped);
    assert!(page.contains(">Stopped<"));
    bench.clean_up_to_the_snapshot();
}
