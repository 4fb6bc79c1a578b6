use super::plain::Written;
use super::plans::{check, key, node, step, text};
use super::script::{Script, verdict};
use super::terminal::FakeTerminal;
use crate::domain::{
    Action, Cause, Check, CheckKind, CommandText, Finding, Notice, Outcome, Plan, PlannedStep, Silent, StepId, TaskId,
    TextMatch, Verb,
};
use crate::report::{PlainOptions, PlainReporter, Reporter, ScreenOptions, ScreenReporter, Style, Verbosity};
use rstest::rstest;
use std::sync::Arc;
use std::time::Instant;

const TASK1: (&str, &str) = ("task1", "Task 1: DockChat with Compose on one engine");
const TASK2: (&str, &str) = ("task2", "Task 2: a Swarm cluster of node-1 and node-2");

fn hinted(kind: CheckKind, hint: &str) -> Check {
    Check {
        hint: Some(hint.to_owned()),
        ..check(kind)
    }
}

fn look(task: (&str, &str), id: &str, on: &str, title: &str, check: Check) -> PlannedStep {
    PlannedStep {
        checks: vec![check],
        ..step(task, id, on, title, Action::Wait)
    }
}

fn engine() -> CheckKind {
    CheckKind::Engine {
        labels: vec![text("environment=staging")],
        options_once: false,
        default_options: false,
    }
}

fn port() -> CheckKind {
    CheckKind::Port {
        host: text("10.0.0.11"),
        port: 2375,
        open: true,
    }
}

fn clone_check() -> Check {
    let kind = CheckKind::Command {
        command: CommandText::Shell(text("git -C /home/ubuntu/dockchat rev-parse --verify HEAD")),
        as_root: false,
        exit: 0,
        stdout: TextMatch::default(),
    };
    hinted(kind, "task 1 step 1: clone DockChat to ~/dockchat on node-0")
}

/// Two tasks on three nodes; the checks end in another order.
fn plan() -> Plan {
    let label = |on: &str| {
        hinted(
            engine(),
            &format!("task 2 step 2: add the label on {on} and restart Docker"),
        )
    };
    let long = "Both nodes are in the cluster, healthy, with the labels staging and production";
    Plan {
        verb: Verb::Verify,
        lab: "lab2".to_owned(),
        lab_title: "Lab 2".to_owned(),
        steps: vec![
            look(
                TASK1,
                "cloned",
                "node-0",
                "DockChat is cloned to ~/dockchat",
                clone_check(),
            ),
            look(TASK1, "tree", "node-0", "Its files are there", check(port())),
            look(
                TASK1,
                "file",
                "node-0",
                "docker-compose.yml describes db and web",
                check(port()),
            ),
            look(TASK2, "label", "node-1", "The engine is labelled", label("node-1")),
            look(TASK2, "label", "node-2", "The engine is labelled", label("node-2")),
            look(
                TASK2,
                "port",
                "node-1",
                "The engine answers on port 2375",
                check(port()),
            ),
            look(TASK2, "healthy", "node-0", long, check(port())),
        ],
        links: Vec::new(),
        hosts: Vec::new(),
        in_part: Default::default(),
        host_lines: Vec::new(),
        verifiable: true,
    }
}

fn judged_false(script: &mut Script, step: &str, on: &str, expected: &str, actual: &str) {
    script.start(step, on);
    script.judge(step, on, 0, Some(verdict(false, expected, actual)));
    script.end(step, on, Outcome::FailedCheck, 30);
}

fn passed(script: &mut Script, step: &str, on: &str) {
    script.start(step, on);
    script.end(step, on, Outcome::Passed, 20);
}

fn cannot_tell(script: &mut Script, step: &str, on: &str, reason: &str) {
    script.start(step, on);
    script.judge(step, on, 0, None);
    let reason = reason.to_owned();
    script.end(step, on, Outcome::CannotTell { reason, hint: None }, 3);
}

fn finding(cause: Cause, shown_by: &[(&str, &str)], because: &[(&str, &str)]) -> Finding {
    let keys = |keys: &[(&str, &str)]| keys.iter().map(|(step, on)| key(step, on)).collect();
    Finding {
        cause,
        shown_by: keys(shown_by),
        because: keys(because),
    }
}

fn of_check(step: &str) -> Cause {
    let step = StepId::new(step).unwrap();
    Cause::Check { step }
}

/// A missing clone and labels that differ, with what stands on them.
pub(super) fn bad_verify() -> Vec<Notice> {
    let mut script = Script::new(plan());
    judged_false(
        &mut script,
        "healthy",
        "node-0",
        "node-1 is healthy",
        "node-1 is pending",
    );
    judged_false(
        &mut script,
        "label",
        "node-2",
        "the label environment=production",
        "no labels",
    );
    judged_false(
        &mut script,
        "label",
        "node-1",
        "the label environment=staging",
        "no labels",
    );
    let complaint = "exit status 128, standard error is \"fatal: cannot change to '/home/ubuntu/dockchat': No such \
                     file or directory\u{1b}[31m\"";
    judged_false(&mut script, "cloned", "node-0", "exit status 0", complaint);
    cannot_tell(&mut script, "tree", "node-0", "node-0: permission denied");
    passed(&mut script, "port", "node-1");
    script.start("file", "node-0");
    let by = TaskId::new("task3").unwrap();
    script.end("file", "node-0", Outcome::Superseded { by }, 30);
    script.found(vec![
        finding(of_check("cloned"), &[("cloned", "node-0")], &[("tree", "node-0")]),
        finding(
            of_check("label"),
            &[("label", "node-1"), ("label", "node-2")],
            &[("healthy", "node-0")],
        ),
    ]);
    script.finish()
}

pub(super) fn good_verify() -> Vec<Notice> {
    let mut script = Script::new(plan());
    for step in plan().steps.iter().rev() {
        passed(&mut script, step.key.step.as_str(), step.key.node.as_str());
    }
    script.found(Vec::new());
    script.finish()
}

/// A node that is away, and an engine that is down.
pub(super) fn silent_verify() -> Vec<Notice> {
    let mut script = Script::new(plan());
    let away = "cannot reach node-1 at 10.0.0.11:22: connect to host 10.0.0.11 port 22: Connection refused";
    cannot_tell(&mut script, "label", "node-1", away);
    cannot_tell(&mut script, "port", "node-1", away);
    let down = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?";
    script.start("label", "node-2");
    let found = verdict(false, "the Docker Engine answers", &format!("it does not: {down}"));
    let silent = Silent::Engine {
        node: node("node-2"),
        reason: down.to_owned(),
    };
    script.judge_silent("label", "node-2", Some(found), Some(silent));
    script.end("label", "node-2", Outcome::FailedCheck, 30);
    judged_false(
        &mut script,
        "healthy",
        "node-0",
        "node-1 is healthy",
        "node-1 is pending",
    );
    for step in ["cloned", "tree", "file"] {
        passed(&mut script, step, "node-0");
    }
    let unreachable = Cause::NodeUnreachable {
        node: node("node-1"),
        reason: away.to_owned(),
        hint: Some("is the machine up?".to_owned()),
    };
    let engine = Cause::EngineSilent {
        node: node("node-2"),
        reason: down.to_owned(),
    };
    script.found(vec![
        finding(
            unreachable,
            &[("label", "node-1"), ("port", "node-1")],
            &[("healthy", "node-0")],
        ),
        finding(engine, &[("label", "node-2")], &[]),
    ]);
    script.finish()
}

fn plain(notices: &[Notice], verbosity: Verbosity, width: Option<usize>) -> String {
    let written = Written::default();
    let options = PlainOptions {
        style: Style { colour: false, width },
        verbosity,
        ..PlainOptions::default()
    };
    let mut reporter = PlainReporter::new(written.clone(), options);
    for notice in notices {
        reporter.notice(notice);
    }
    reporter.finish();
    written.text()
}

fn on_screen(notices: &[Notice], columns: u16) -> (FakeTerminal, ScreenReporter) {
    let terminal = FakeTerminal::new(60, columns);
    let sized = terminal.clone();
    let now = Instant::now();
    let options = ScreenOptions {
        tick: None,
        now: Arc::new(move || now),
        ..ScreenOptions::new(false, move || sized.size())
    };
    let mut reporter = ScreenReporter::new(terminal.clone(), options);
    for notice in notices {
        reporter.notice(notice);
    }
    (terminal, reporter)
}

#[rstest]
#[case(60)]
#[case(80)]
#[case(120)]
fn a_verify_is_a_checklist_with_findings(#[case] columns: u16) {
    let (terminal, mut reporter) = on_screen(&bad_verify(), columns);
    reporter.finish();
    assert!(!terminal.wrapped());
    insta::assert_snapshot!(format!("bad_verify_{columns}"), terminal.everything());
}

#[test]
fn who_does_not_answer_is_a_finding() {
    insta::assert_snapshot!(plain(&silent_verify(), Verbosity::Normal, Some(80)));
}

#[test]
fn a_file_gets_lines_of_any_length() {
    insta::assert_snapshot!(plain(&bad_verify(), Verbosity::Normal, None));
}

#[test]
fn a_good_verify_is_a_checklist_and_its_totals() {
    insta::assert_snapshot!(plain(&good_verify(), Verbosity::Normal, Some(80)));
    assert_eq!(
        plain(&good_verify(), Verbosity::Quiet, Some(80)),
        "  ✔ 7 passed in 0.1 s\n"
    );
}

#[test]
fn a_quiet_verify_is_its_findings() {
    let quiet = plain(&bad_verify(), Verbosity::Quiet, Some(80));
    let normal = plain(&bad_verify(), Verbosity::Normal, Some(80));
    let from = normal.find("Findings").unwrap();
    let until = normal.find("\n  Next").unwrap();
    assert_eq!(quiet, normal[from..until]);
}

#[test]
fn a_verbose_verify_tells_what_each_check_wants() {
    let verbose = plain(&good_verify(), Verbosity::Verbose, Some(80));
    assert!(verbose.contains("environment=staging"), "{verbose}");
}

#[test]
fn no_detail_is_shown_twice() {
    for width in [None, Some(80)] {
        let shown = plain(&bad_verify(), Verbosity::Normal, width);
        for once in [
            "task 1 step 1:",
            "is healthy\n",
            "environment=production\n",
            "exit status 0",
        ] {
            assert!(shown.matches(once).count() <= 1, "{once}: {shown}");
        }
    }
}

#[test]
fn while_it_looks_a_terminal_has_one_line() {
    let mut script = Script::new(plan());
    for (step, on) in [("label", "node-1"), ("healthy", "node-0"), ("cloned", "node-0")] {
        script.start(step, on);
    }
    script.end("label", "node-1", Outcome::Passed, 20);
    let (terminal, reporter) = on_screen(&script.notices, 60);
    reporter.draw();
    assert_eq!(
        terminal.visible().trim(),
        "1 of 7 checks · 0 s                          Ctrl-C stops"
    );
}

#[test]
fn a_verify_that_was_stopped_says_what_it_did_not_look_at() {
    let mut script = Script::new(plan());
    passed(&mut script, "cloned", "node-0");
    script.start("label", "node-1");
    script.end("label", "node-1", Outcome::Cancelled, 20);
    script.found(Vec::new());
    insta::assert_snapshot!(plain(&script.abort("interrupted"), Verbosity::Normal, Some(80)));
}

#[test]
fn nothing_a_node_says_reaches_the_terminal() {
    for notices in [bad_verify(), silent_verify()] {
        for width in [None, Some(40), Some(80)] {
            let shown = plain(&notices, Verbosity::Verbose, width);
            assert!(shown.chars().all(|c| c == '\n' || !c.is_control()), "{shown:?}");
            let widest = shown.lines().map(crate::report::layout::columns).max().unwrap();
            assert!(width.is_none_or(|width| widest <= width), "{widest}: {shown}");
        }
    }
}
