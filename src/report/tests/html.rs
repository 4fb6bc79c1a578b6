//! The page and its JSON: their numbers are the journal's, and nothing that a node says gets out of its place.

mod hostile;

use super::junit::count;
use super::plans::{check, key, node, plan, step};
use super::script::{Script, bad_run, good_run, hostile_build_output, partial_cleanup, verdict};
use crate::domain::{
    Action, CheckKind, ContainerPlace, Event, EventKind, Excerpt, Hole, HostLine, HostsFault, NodeSeen, Notice,
    Outcome, OutputRecord, Part, Plan, PortSeen, RunId, Stream, Text, Verdict,
};
use crate::report::{Chronicle, RunVerdict, html_report};
use proptest::prelude::*;
use rstest::rstest;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io;

pub(super) fn chronicle_of(notices: &[Notice]) -> Chronicle {
    let events: Vec<Event> = notices
        .iter()
        .filter_map(|notice| match notice {
            Notice::Event(event) => Some(event.clone()),
            _ => None,
        })
        .collect();
    let mut chronicle = Chronicle::of(&events, &RunId::new("run-1").unwrap()).unwrap();
    chronicle.read_output(|_| {
        Ok(Excerpt {
            head: hostile_build_output(),
            ..Excerpt::default()
        })
    });
    chronicle
}

fn page(notices: &[Notice]) -> String {
    html_report(&chronicle_of(notices)).unwrap()
}

/// Counts a journal without the code that is tested: from its lines of JSON, by the words in them.
fn counted_in_journal(notices: &[Notice]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    let mut count = |name: &str| *counts.entry(name.to_owned()).or_insert(0) += 1;
    for notice in notices {
        let Notice::Event(event) = notice else { continue };
        let event: Value = serde_json::to_value(event).unwrap();
        match event["event"].as_str().unwrap() {
            "check_judged" if !event["verdict"].is_null() => count("checks"),
            "step_finished" => count(match event["outcome"]["outcome"].as_str().unwrap() {
                "passed" => "passed",
                "failed_check" => "failed",
                "skipped" if event["outcome"]["reason"]["why"] == "already_holds" => "already_held",
                "skipped" | "cancelled" => "skipped",
                "superseded" => "superseded",
                _ => "could_not_run",
            }),
            _ => {}
        }
    }
    counts
}

/// Reads the numbers that a page tells at its top.
fn counted_on_page(page: &str) -> BTreeMap<String, usize> {
    let tally = regex::Regex::new(r#"data-count="([a-z_]+)"><dd>([0-9]+)</dd>"#).unwrap();
    let found = tally
        .captures_iter(page)
        .map(|found| (found[1].to_owned(), found[2].parse().unwrap()));
    found.filter(|(_, count)| *count > 0).collect()
}

/// Adds up the numbers that a page tells of its tasks.
fn counted_in_tasks(page: &str) -> BTreeMap<String, usize> {
    let tally = regex::Regex::new(r#"data-task="[^"]+" data-count="([a-z_]+)">([0-9]+) "#).unwrap();
    let mut counts = BTreeMap::new();
    for found in tally.captures_iter(page) {
        *counts.entry(found[1].to_owned()).or_insert(0) += found[2].parse::<usize>().unwrap();
    }
    counts
}

fn stopped_run() -> Vec<Notice> {
    let mut script = Script::new(plan());
    script.pass("login", "node-0", 210);
    script.start("login", "node-1");
    script.judge("login", "node-1", 0, Some(verdict(true, "exit status 0", "0")));
    script.end("login", "node-1", Outcome::Cancelled, 300);
    script.abort("interrupted")
}

/// A run in which checks were judged, as a script's own counts do not tell them.
fn judged_run() -> Vec<Notice> {
    let mut script = Script::new(plan());
    for on in ["node-0", "node-1"] {
        script.start("login", on);
        script.judge("login", on, 0, Some(verdict(true, "exit status 0", "0")));
        script.end("login", on, Outcome::Passed, 210);
    }
    script.start("login", "node-2");
    script.judge("login", "node-2", 0, None);
    let reason = "no route".to_owned();
    script.end("login", "node-2", Outcome::CannotTell { reason, hint: None }, 3_000);
    script.abort("a step failed")
}

#[rstest]
#[case("bad_run", bad_run(), RunVerdict::Failed)]
#[case("stopped_run", stopped_run(), RunVerdict::Stopped)]
#[case("judged_run", judged_run(), RunVerdict::Stopped)]
fn the_numbers_are_those_of_the_journal(
    #[case] name: &str,
    #[case] notices: Vec<Notice>,
    #[case] expected: RunVerdict,
) {
    let mut journal = counted_in_journal(&notices);
    let chronicle = chronicle_of(&notices);
    let page = page(&notices);
    let json: Value = serde_json::to_value(&chronicle).unwrap();
    assert_eq!(chronicle.verdict, expected, "{name}");
    // What a finished run counted itself is what it told; these scripts count no checks.
    if name == "bad_run" {
        journal.remove("checks");
    }
    assert_eq!(counted_on_page(&page), journal, "{name}: the page tells other numbers");
    journal.remove("checks");
    assert_eq!(counted_in_tasks(&page), journal, "{name}: the tasks tell other numbers");
    for (key, count) in journal {
        assert_eq!(json["counts"][&key], count, "{name}: {key} in the JSON");
    }
    let steps: usize = json["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|task| task["steps"].as_array().unwrap().len())
        .sum();
    assert_eq!(steps, plan().steps.len());
    assert_eq!(count(&page, "details"), steps, "each step is told once");
}

#[test]
fn a_good_run_passed_and_what_failed_first_is_told_of_a_bad_one() {
    let good = page(&good_run());
    assert_eq!(chronicle_of(&good_run()).verdict, RunVerdict::Passed);
    assert!(!good.contains("failure-title"));
    let bad = page(&bad_run());
    assert!(bad.contains("failure-title"));
    assert_eq!(chronicle_of(&bad_run()).first_failed, Some(key("login", "node-2")));
    assert!(bad.contains("Connection refused"));
}

/// A line for a hosts file, which could not be added where there is a `fault`.
fn host_line(text: &str, fault: Option<&str>) -> EventKind {
    EventKind::HostLineAdded {
        line: HostLine {
            file: text.to_owned(),
            text: text.to_owned(),
        },
        failed: fault.map(|now| HostsFault::Changed { now: now.to_owned() }),
    }
}

#[test]
fn a_line_that_a_hosts_file_was_not_given_is_told_and_spoils_the_run_as_its_exit_code_does() {
    let run = |fault| {
        let mut script = Script::new(plan());
        script.pass("clone", "node-0", 5);
        script.event(host_line("10.0.0.12 dockchat.com", fault));
        let chronicle = chronicle_of(&script.finish());
        let page = html_report(&chronicle).unwrap();
        (
            chronicle.verdict,
            page.contains("was not given the line <code>10.0.0.12 dockchat.com"),
        )
    };
    assert!(!run(None).1);
    assert_eq!(run(Some("elsewhere")), (RunVerdict::CouldNotRun, true));
}

#[test]
fn a_run_without_an_end_and_a_cleanup_can_be_told_too() {
    let unfinished = &bad_run()[..12];
    assert_eq!(chronicle_of(unfinished).verdict, RunVerdict::Unfinished);
    assert!(page(unfinished).contains("Not finished"));
    let cleanup = page(&partial_cleanup());
    assert!(cleanup.contains("image mongo:3.6 is in use by container cache"));
    count(&cleanup, "details");
}

#[test]
fn the_page_asks_nobody_for_anything_and_runs_nothing() {
    let page = page(&bad_run());
    assert_eq!(count(&page, "script"), 0);
    for (what, pattern) in [
        ("something from elsewhere", r#"(src|srcset|action|data)="[^"]"#),
        ("a style from elsewhere", r"@import|url\("),
        ("a handler", r#"\son[a-z]+="#),
    ] {
        let found = regex::Regex::new(pattern).unwrap();
        let found = found.find(&page).map(|found| found.as_str());
        assert_eq!(found, None, "the page has {what}");
    }
    let links = regex::Regex::new(r#"<(a|link)[^>]* href="([^"]*)""#).unwrap();
    for link in links.captures_iter(&page) {
        let target = &link[2];
        assert!(
            target.starts_with('#') || target == "data:,",
            "{target} is no place on the page"
        );
    }
    assert!(page.contains("default-src 'none'"));
}

#[test]
fn every_place_that_is_linked_is_there_once() {
    let page = page(&bad_run());
    let ids = regex::Regex::new(r#" id="([^"]*)""#).unwrap();
    let mut ids: Vec<&str> = ids.captures_iter(&page).map(|id| id.get(1).unwrap().as_str()).collect();
    ids.sort_unstable();
    let all = ids.len();
    ids.dedup();
    assert_eq!(ids.len(), all, "an id stands twice");
    let links = regex::Regex::new(r##" href="#([^"]*)""##).unwrap();
    for link in links.captures_iter(&page) {
        assert!(ids.contains(&&link[1]), "#{} is not there", &link[1]);
    }
}

fn seen(label: &str) -> EventKind {
    let container = ContainerPlace {
        id: "0123456789ab".to_owned(),
        name: format!("{label}_web_10"),
        image: format!("sha256:{}", "ab".repeat(32)),
        state: "running".to_owned(),
        project: Some(label.to_owned()),
        service: Some("web".to_owned()),
        ports: vec![PortSeen {
            inside: 5000,
            protocol: "tcp".to_owned(),
            address: Some("0.0.0.0".to_owned()),
            published: Some(5000),
        }],
    };
    let other = ContainerPlace {
        name: format!("{label}_web_9"),
        state: "exited".to_owned(),
        ..container.clone()
    };
    EventKind::ClusterSeen {
        nodes: vec![
            NodeSeen {
                node: node("node-1"),
                version: Some("20.10.24".to_owned()),
                labels: vec![format!("environment={label}"), "plain".to_owned()],
                containers: vec![container, other],
                problem: None,
            },
            NodeSeen::unseen(node("node-2"), format!("lost {label}")),
        ],
    }
}

#[test]
fn the_cluster_is_drawn_as_it_was_seen() {
    let mut script = Script::new(plan());
    script.event(seen("staging"));
    let page = page(&script.finish());
    assert_eq!(count(&page, "article"), 2);
    for told in [
        "<span>environment</span><b>staging</b>",
        "project <b>staging</b>",
        "1 of 2 containers running",
        "image abababababab",
        "5000 → 5000",
        "lost staging",
    ] {
        assert!(page.contains(told), "{told} is not told");
    }
    let place = |name: &str| page.find(name).unwrap();
    assert!(
        place("staging_</span>web_9<") < place("staging_</span>web_10<"),
        "9 comes before 10"
    );
}

#[test]
fn who_answered_how_often_is_drawn_as_it_was_counted() {
    let mut script = Script::new(plan());
    script.start("up", "node-0");
    let counts: BTreeMap<String, u64> = [("0123456789ab", 6), ("feedfacecafe", 3), ("<i>", 1)]
        .map(|(who, count)| (who.to_owned(), count))
        .into();
    let counted = Verdict {
        counts: counts.clone(),
        ..verdict(true, "a spread", "a spread")
    };
    script.judge("up", "node-0", 1, Some(counted));
    script.end("up", "node-0", Outcome::Passed, 9);
    script.event(seen("staging"));
    let page = page(&script.finish());
    let bar = regex::Regex::new(r#"width:(\d+)%"></i></span><b data-answers="([^"]*)">(\d+)</b>"#).unwrap();
    let told: Vec<(String, u64, u64)> = bar
        .captures_iter(&page)
        .map(|bar| {
            (
                bar[2].replace("&lt;", "<").replace("&gt;", ">"),
                bar[3].parse().unwrap(),
                bar[1].parse().unwrap(),
            )
        })
        .collect();
    let expected = counts.iter().map(|(who, count)| (who.clone(), *count, count * 100 / 6));
    let (mut told_by_name, mut expected): (Vec<_>, Vec<_>) = (told, expected.collect());
    told_by_name.sort();
    expected.sort();
    assert_eq!(told_by_name, expected);
    assert!(page.contains("answers, of 10"));
    assert!(
        page.contains("staging_web_10 <small>0123456789ab on node-1</small>"),
        "a container is told by its name"
    );
}

#[test]
fn output_that_is_gone_is_told_and_the_rest_of_the_page_stays() {
    let mut chronicle = chronicle_of(&bad_run());
    chronicle.read_output(|_| Err(io::Error::from(io::ErrorKind::NotFound)));
    let page = html_report(&chronicle).unwrap();
    assert!(page.contains("it cannot be read any more: entity not found"));
}

#[test]
fn a_secret_is_told_by_its_name_alone() {
    let hole = Hole {
        name: "password".to_owned(),
        secret: true,
        quoted: true,
    };
    let mut plan = plan();
    plan.steps[0]
        .environment
        .insert("PASSWORD".to_owned(), Text::new(vec![Part::Hole(hole)]));
    plan.steps[0].checks = vec![check(CheckKind::Captured {
        name: "token".to_owned(),
    })];
    let mut script = Script::new(plan);
    script.start("login", "node-0");
    script.event(EventKind::ValueCaptured {
        step: key("login", "node-0"),
        name: "token".to_owned(),
        value: None,
    });
    script.end("login", "node-0", Outcome::Passed, 5);
    let page = page(&script.finish());
    assert!(
        page.contains("PASSWORD=&lt;password&gt;"),
        "the command is told with the secret's name"
    );
    assert!(
        !page.contains("Captured on the way"),
        "a secret that was captured is no value to be told"
    );
}
