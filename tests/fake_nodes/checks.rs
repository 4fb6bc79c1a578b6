//! Looking until a check holds, and never taking "cannot look" for "does not hold".

use super::engine::{Container, image_id, of_project};
use super::labs::{check, contains, lab, look, looks, node, plan, step, task, text, verified, within};
use super::stage::{Ran, Stage};
use labctl::domain::{CheckKind, ContainersCheck, EventKind, HttpCheck, Notice, Outcome, TextMatch, Verdict};
use labctl::node::fake::FakeAnswer;
use labctl::node::{NodeErrorKind, Place};
use labctl::planner::plan_verify;
use std::time::Duration;
use tokio::time::Instant;

fn judged(ran: &Ran) -> Vec<(Option<Verdict>, u32)> {
    let kinds = ran.events.iter().map(|event| &event.kind);
    kinds
        .filter_map(|kind| match kind {
            EventKind::CheckJudged { verdict, attempts, .. } => Some((verdict.clone(), *attempts)),
            _ => None,
        })
        .collect()
}

fn says(text: &str) -> FakeAnswer {
    FakeAnswer::exited(0).stdout(text)
}

#[tokio::test(start_paused = true)]
async fn a_check_is_looked_at_until_it_holds() {
    let stage = Stage::one();
    let answers = [says("starting"), says("starting"), says("ready")];
    stage.machine("node-0").fake.answer_in_turn("is it", answers);
    let ran = stage
        .run(&plan(vec![look(
            "wait",
            "node-0",
            within(60, looks("is it ready", "ready")),
        )]))
        .await;
    assert_eq!(ran.outcome("wait@node-0"), Outcome::Passed);
    assert_eq!(judged(&ran)[0].1, 3, "attempts");
    let waiting: Vec<String> = ran
        .notices
        .iter()
        .filter_map(|notice| match notice {
            Notice::StillWaiting { verdict, attempts, .. } => {
                Some(format!("{attempts}: {}", verdict.as_ref().unwrap().actual))
            }
            _ => None,
        })
        .collect();
    let starting = "standard output is \"starting\"";
    assert_eq!(waiting, [format!("1: {starting}"), format!("2: {starting}")]);
}

#[tokio::test(start_paused = true)]
async fn colours_and_erased_lines_are_nothing_to_a_check() {
    let stage = Stage::one();
    let fake = &stage.machine("node-0").fake;
    fake.answer("logs", says("\u{1b}[2K\u{1b}[36mweb-1  |\u{1b}[0m Running\n"));
    fake.answer("is it", says("it is \u{1b}[32mready\u{1b}[0m"));
    let logs = step("logs", "node-0", "logs").expects(check(CheckKind::Stdout(TextMatch {
        regex: Some(r"^web-1\s+\| Running$".to_owned()),
        ..TextMatch::default()
    })));
    let ready = look("wait", "node-0", within(1, looks("is it ready", "it is ready")));
    let ran = stage.run(&plan(vec![logs, ready])).await;
    assert_eq!(ran.outcome("logs@node-0"), Outcome::Passed);
    assert_eq!(ran.outcome("wait@node-0"), Outcome::Passed);
}

#[tokio::test(start_paused = true)]
async fn a_check_that_never_holds_is_given_exactly_its_time() {
    let stage = Stage::one();
    stage.machine("node-0").fake.answer("is it", says("no"));
    let mut patient = within(6, looks("is it ready", "yes"));
    patient.every = std::time::Duration::from_secs(2);
    let ran = stage
        .run(&plan(vec![
            look("wait", "node-0", patient).expects(within(600, looks("is it well", "yes"))),
        ]))
        .await;
    assert_eq!(ran.outcome("wait@node-0"), Outcome::FailedCheck);
    let judged = judged(&ran);
    assert_eq!(judged[0].1, 4, "at 0, 2, 4 and 6 seconds");
    assert_eq!(
        judged[1].1, 1,
        "what comes after a failure is looked at, but not waited for"
    );
    let verdict = judged[0].0.clone().unwrap();
    assert_eq!(verdict.expected, "exit status 0, standard output contains \"yes\"");
    assert_eq!(verdict.actual, "standard output is \"no\"");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_cannot_be_asked_is_asked_again() {
    let stage = Stage::one();
    let gone = FakeAnswer::failed(NodeErrorKind::Unreachable, "connection reset");
    let answers = [gone.clone(), gone, says("yes")];
    stage.machine("node-0").fake.answer_in_turn("is it", answers);
    let ran = stage
        .run(&plan(vec![look(
            "wait",
            "node-0",
            within(60, looks("is it ready", "yes")),
        )]))
        .await;
    assert_eq!(ran.outcome("wait@node-0"), Outcome::Passed);
    let silent = ran
        .notices
        .iter()
        .filter(|notice| matches!(notice, Notice::StillWaiting { verdict: None, .. }));
    assert_eq!(silent.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_look_that_goes_on_does_not_hold_up_who_wants_to_stop() {
    let stage = Stage::one();
    let slow = says("yes").takes(Duration::from_secs(25));
    stage.machine("node-0").fake.answer("is it", slow);
    let began = Instant::now();
    let wait = plan(vec![look("wait", "node-0", within(60, looks("is it ready", "yes")))]);
    let (ran, ()) = tokio::join!(stage.run(&wait), async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        stage.stop.cancel();
    });
    assert_eq!(ran.outcome("wait@node-0"), Outcome::Cancelled);
    assert!(
        began.elapsed() < Duration::from_secs(4),
        "it took {:?}",
        began.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_check_looks_where_it_is_told_to() {
    let stage = Stage::new(&["node-0", "node-1"]);
    stage.machine("node-1").fake.answer("is it", says("yes"));
    let mut there = check(looks("is it there", "yes"));
    there.on = Some(node("node-1"));
    let ran = stage
        .run(&plan(vec![step("work", "node-0", "the work").expects(there)]))
        .await;
    assert_eq!(ran.outcome("work@node-0"), Outcome::Passed);
    assert_eq!(stage.machine("node-1").fake.call_lines(), ["look is it there"]);
    assert_eq!(stage.state().baselines.len(), 1, "what is only looked at owes nothing");
}

pub fn containers(count: usize) -> CheckKind {
    CheckKind::Containers(ContainersCheck {
        project: Some(text("web")),
        state: Some("running".to_owned()),
        count,
        ..ContainersCheck::default()
    })
}

fn http() -> CheckKind {
    CheckKind::Http(HttpCheck {
        host: text("web"),
        port: 80,
        path: text("/version"),
        host_header: None,
        form: Vec::new(),
        status: 200,
        body: contains("20.10"),
        user: None,
        spread: None,
    })
}

#[tokio::test(start_paused = true)]
async fn verify_changes_nothing_whatever_it_looks_at() {
    let stage = Stage::one();
    let machine = stage.machine("node-0");
    machine.engine.with(|engine| {
        engine.image(&image_id("1a"), &["web:latest"], None);
        engine.container(Container {
            name: "web_1".to_owned(),
            image: image_id("1a"),
            running: true,
            labels: of_project("web"),
            ..Container::default()
        });
    });
    let web = Place::Port("web".to_owned(), 80);
    machine.fake.lead(web, stage.directory.path().join("node-0.sock"));
    let file = CheckKind::File {
        path: text("/etc/default/docker"),
        exists: true,
        content: contains("DOCKER_OPTS"),
        mode: Some(0o644),
        owner: Some("root".to_owned()),
    };
    let images = CheckKind::Images {
        present: vec![text("web")],
        absent: vec![text("mongo:3.6")],
        like: vec![text("w*:latest")],
    };
    let mut verifying = task("one", &[], vec![]);
    let kinds = [
        ("file", file),
        ("images", images),
        ("up", containers(1)),
        ("answers", http()),
    ];
    for (id, kind) in kinds {
        verifying = verified(verifying, id, "node-0", check(kind));
    }
    verifying = verified(verifying, "missing", "node-0", within(600, containers(2)));
    let ran = stage.run(&plan_verify(&lab(vec![verifying]), &[]).unwrap()).await;
    for id in ["file", "images", "up", "answers"] {
        assert_eq!(
            ran.outcome(&format!("{id}@node-0")),
            Outcome::Passed,
            "{id}: {:#?}",
            judged(&ran)
        );
    }
    assert_eq!(ran.outcome("missing@node-0"), Outcome::FailedCheck);
    assert!(
        judged(&ran).iter().all(|(_, attempts)| *attempts == 1),
        "verify waits for nothing"
    );
    assert_eq!(machine.changes(), Vec::<String>::new());
    assert_eq!(machine.engine.changes(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn verify_cannot_tell_about_a_node_that_is_out_of_reach_and_judges_the_others() {
    let mut stage = Stage::new(&["node-0", "node-1"]);
    stage.unreachable.push("node-0".to_owned());
    stage.machine("node-1").fake.answer("is it", says("yes"));
    let verifying = verified(task("one", &[], vec![]), "a", "node-0", check(looks("is it", "yes")));
    let verifying = verified(verifying, "b", "node-1", check(looks("is it", "yes")));
    let ran = stage.run(&plan_verify(&lab(vec![verifying]), &[]).unwrap()).await;
    let reason = "node-0: connection refused".to_owned();
    let hint = Some("is sshd running?".to_owned());
    assert_eq!(ran.outcome("a@node-0"), Outcome::CannotTell { reason, hint });
    assert_eq!(ran.outcome("b@node-1"), Outcome::Passed);
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_is_down_says_nothing_of_its_containers() {
    let stage = Stage::one();
    let machine = stage.machine("node-0");
    machine
        .fake
        .lead_engine(stage.directory.path().join("nobody-listens.sock"));
    let looking = || plan(vec![look("up", "node-0", check(containers(0)))]);
    let outcome = stage.run(&looking()).await.outcome("up@node-0");
    assert!(
        matches!(&outcome, Outcome::CannotTell { reason, .. } if reason.contains("the Docker Engine does not answer")),
        "{outcome:?}"
    );
    let answers = CheckKind::Engine {
        labels: Vec::new(),
        default_options: false,
        options_once: false,
    };
    let ran = stage.run(&plan(vec![look("engine", "node-0", check(answers))])).await;
    assert_eq!(ran.outcome("engine@node-0"), Outcome::FailedCheck);
    machine.lose(true);
    let outcome = stage.run(&looking()).await.outcome("up@node-0");
    assert!(matches!(outcome, Outcome::CannotTell { .. }), "{outcome:?}");
}

#[tokio::test(start_paused = true)]
async fn every_check_is_judged_so_that_all_that_is_wrong_is_seen() {
    let stage = Stage::one();
    stage.machine("node-0").fake.answer("the work", says("one"));
    let wants = |part: &str| check(CheckKind::Stdout(contains(part)));
    let regex = TextMatch {
        regex: Some("^o.e$".to_owned()),
        ..TextMatch::default()
    };
    let ran = stage
        .run(&plan(vec![
            step("work", "node-0", "the work")
                .expects(wants("two"))
                .expects(check(CheckKind::Stdout(regex)))
                .expects(wants("three")),
        ]))
        .await;
    let holds: Vec<bool> = judged(&ran)
        .into_iter()
        .map(|(verdict, _)| verdict.unwrap().holds)
        .collect();
    assert_eq!(holds, [true, false, true, false]);
    assert_eq!(ran.summary().counts.checks, 4);
}
