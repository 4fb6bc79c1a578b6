//! Recorded commands that are ended.

use crate::harness::{Agent, lives, run, until};
use crate::recorded::Instance;
use labctl_agent::{Answer, Ending, Exec, Request, ToAgent};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

pub const STUBBORN: &str = "trap '' TERM; echo begun; sleep 100; sleep 100";

pub fn stop(instance: &Instance) -> Request {
    Request::StopExecs {
        instance: instance.path.clone(),
    }
}

pub fn kill(signal: &str, pid: &str) {
    assert!(
        Command::new("kill")
            .args(["-s", signal, pid])
            .status()
            .unwrap()
            .success()
    );
}

#[test]
fn a_deadline_ends_a_command_that_ignores_term() {
    let (mut agent, instance) = (Agent::start(), Instance::new());
    let exec = Exec {
        // Enough for it to begin on a busy machine.
        deadline_ms: 2_000,
        ..instance.exec("a", STUBBORN)
    };
    let started = Instant::now();
    let (ending, reply) = agent.exec(exec);
    assert_eq!((ending, reply.stdout), (Ending::TimedOut, b"begun\n".to_vec()));
    assert!(started.elapsed() > Duration::from_millis(2_300), "it had its grace");
    assert_eq!(
        fs::read_to_string(instance.file("a", "end")).unwrap().lines().next(),
        Some("timedout 0 6 0 0 0")
    );
    assert_eq!(instance.processes(), 0);
}

#[test]
fn a_command_has_its_grace_to_clean_up() {
    let (mut agent, instance) = (Agent::start(), Instance::new());
    let exec = Exec {
        deadline_ms: 2_000,
        grace_ms: 5000,
        ..instance.exec(
            "a",
            "trap 'sleep 0.2; echo tidy; exit 0' TERM; echo begun; sleep 100 & wait",
        )
    };
    let started = Instant::now();
    let (ending, reply) = agent.exec(exec);
    assert_eq!((ending, reply.stdout), (Ending::TimedOut, b"begun\ntidy\n".to_vec()));
    assert!(started.elapsed() < Duration::from_secs(6), "no longer than it takes");
}

#[test]
fn who_left_the_group_is_found_by_its_mark() {
    let (mut agent, instance) = (Agent::start(), Instance::new());
    let text = "setsid sh -c 'trap \"\" TERM; echo $$; sleep 100; sleep 100' & sleep 100";
    let id = agent.ask(true, Request::Exec(instance.exec("a", text)));
    let stray = instance.await_file("a", "stdout");
    assert!(lives(&stray));
    agent.say(&ToAgent::Cancel { id });
    assert_eq!(agent.ended(id).0, Ending::Cancelled);
    assert!(!lives(&stray));
    assert_eq!(instance.processes(), 0);
}

#[test]
fn a_command_that_is_cancelled_at_once_does_not_go_on() {
    let (mut agent, instance) = (Agent::start(), Instance::new());
    let pid = instance.place.path().join("pid");
    let text = format!("echo $$ >{}; sleep 100", pid.display());
    for at in 0..40 {
        let name = format!("a{at}");
        let id = agent.ask(true, Request::Exec(instance.exec(&name, &text)));
        std::thread::sleep(Duration::from_micros(200 * at));
        agent.say(&ToAgent::Cancel { id });
        assert_eq!(agent.ended(id).0, Ending::Cancelled);
        assert_eq!(instance.processes(), 0);
    }
    // One that was in the middle of its start shows no mark, and comes to light later.
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(instance.processes(), 0);
    let pid = fs::read_to_string(&pid).unwrap_or_default();
    assert!(pid.is_empty() || !lives(&pid), "it went on");
}

#[test]
fn a_record_whose_keeper_was_killed_is_lost_and_its_command_ended() {
    let (mut agent, instance) = (Agent::start(), Instance::new());
    let text = "setsid sh -c 'echo stray; sleep 100' & trap '' TERM; sleep 100; sleep 100";
    let id = agent.ask(true, Request::Exec(instance.exec("a", text)));
    instance.await_file("a", "stdout");
    let keeper = instance.await_note("a", 0);
    kill("KILL", keeper.split(' ').next().unwrap());
    let (ending, reply) = agent.ended(id);
    let reason = "its supervisor on the node is gone: the node was restarted, or somebody killed it";
    assert_eq!(
        (ending, reply.stdout),
        (Ending::Lost(reason.into()), b"stray\n".to_vec())
    );
    assert_eq!(instance.processes(), 0);
    let id = agent.ask(true, Request::Attach(instance.attach("a")));
    assert_eq!(agent.ended(id).0, Ending::Lost(reason.into()));
}

#[test]
fn a_keeper_that_was_killed_loses_all_its_commands_and_another_takes_its_place() {
    let (mut agent, instance) = (Agent::start(), Instance::new());
    let ids = ["a", "b"].map(|name| {
        let id = agent.ask(true, Request::Exec(instance.exec(name, STUBBORN)));
        instance.await_file(name, "stdout");
        id
    });
    kill("KILL", instance.await_note("a", 0).split(' ').next().unwrap());
    for id in ids {
        assert!(matches!(agent.ended(id).0, Ending::Lost(_)));
    }
    assert_eq!(instance.processes(), 0);
    assert_eq!(agent.exec(instance.exec("c", "exit 3")).0, Ending::Exited(3));
}

#[test]
fn of_the_commands_of_one_keeper_one_is_cancelled() {
    let (mut agent, instance) = (Agent::start(), Instance::new());
    let mut start = |name: &str| {
        let id = agent.ask(true, Request::Exec(instance.exec(name, "echo begun; sleep 1; exit 5")));
        instance.await_file(name, "stdout");
        id
    };
    let [stays, goes] = [start("stays"), start("goes")];
    agent.say(&ToAgent::Cancel { id: goes });
    assert_eq!(agent.ended(goes).0, Ending::Cancelled);
    assert_eq!(agent.ended(stays).0, Ending::Exited(5));
}

#[test]
fn notes_of_another_boot_hit_nobody() {
    let (mut agent, instance) = (Agent::start(), Instance::new());
    let mut bystander = Command::new("setsid").args(["sleep", "100"]).spawn().unwrap();
    let record = instance.file("a", "");
    fs::create_dir_all(&record).unwrap();
    let pid = bystander.id();
    for note in ["keeper", "leader"] {
        fs::write(instance.file("a", note), format!("{pid} 1 1\n")).unwrap();
    }
    let id = agent.ask(true, Request::Attach(instance.attach("a")));
    assert!(matches!(agent.ended(id).0, Ending::Lost(_)));
    assert!(bystander.try_wait().unwrap().is_none());
    bystander.kill().unwrap();
    bystander.wait().unwrap();
}

#[test]
fn the_leader_of_a_lost_record_is_found_by_its_note() {
    let (mut agent, instance) = (Agent::start(), Instance::new());
    // Nobody in the group carries the mark of the record.
    let id = agent.ask(
        true,
        Request::Exec(instance.exec("a", "echo begun; exec env -i sh -c 'sleep 100; sleep 100'")),
    );
    instance.await_file("a", "stdout");
    let (keeper, leader) = (instance.await_note("a", 0), instance.await_note("a", 1));
    until("it has lost the mark", || instance.processes() == 0);
    kill("KILL", keeper.split(' ').next().unwrap());
    assert!(matches!(agent.ended(id).0, Ending::Lost(_)));
    assert!(!lives(leader.split(' ').next().unwrap()));
}

#[test]
fn stopping_ends_all_but_what_must_be_whole() {
    let (mut agent, instance) = (Agent::start(), Instance::new());
    let mut ids = Vec::new();
    for (name, text, is_whole) in [
        ("stubborn", STUBBORN, false),
        ("plain", "echo begun; sleep 100", false),
        ("whole", "echo begun; sleep 0.5; echo done", true),
        ("x-restart", "echo begun; sleep 0.5; echo done", false),
        ("y-restart-back", "echo begun; sleep 0.5; echo done", false),
        ("done", "echo begun", false),
    ] {
        let exec = Exec {
            is_whole,
            ..instance.exec(name, text)
        };
        ids.push((name, agent.ask(true, Request::Exec(exec))));
        instance.await_file(name, "stdout");
    }
    fs::create_dir(instance.file(".new.x", "")).unwrap();
    let mut other = Agent::start();
    assert_eq!(other.answer(stop(&instance)), Ok(Answer::Done));
    assert_eq!(instance.processes(), 0);
    for (name, id) in ids {
        let is_cancelled = ["stubborn", "plain"].contains(&name);
        let expected = if is_cancelled {
            Ending::Cancelled
        } else {
            Ending::Exited(0)
        };
        assert_eq!(agent.ended(id).0, expected, "{name}");
    }
    assert_eq!(other.answer(stop(&instance)), Ok(Answer::Done));
    let none = Request::StopExecs {
        instance: "/no/such".into(),
    };
    assert_eq!(other.answer(none), Ok(Answer::Done));
}

#[test]
fn closing_an_instance_ends_what_runs_there() {
    let (mut agent, instance) = (Agent::start(), Instance::new());
    agent.ask(true, Request::Exec(instance.exec("a", STUBBORN)));
    instance.await_file("a", "stdout");
    let close = Request::CloseInstance {
        directory: instance.place.path().display().to_string(),
        name: "instance".into(),
    };
    let mut other = Agent::start();
    assert_eq!(other.answer(close), Ok(Answer::Done));
    assert!(!std::path::Path::new(&instance.path).exists());
    assert_eq!(instance.processes(), 0);
}

#[test]
fn commands_whose_records_were_removed_are_ended_by_their_marks() {
    let (mut agent, instance) = (Agent::start(), Instance::new());
    let text = "setsid sh -c 'sleep 100; sleep 100' & trap '' TERM; echo begun; sleep 100; sleep 100";
    let id = agent.ask(true, Request::Exec(instance.exec("a", text)));
    instance.await_file("a", "stdout");
    let keeper = instance.await_note("a", 0);
    fs::remove_dir_all(Path::new(&instance.path).join("exec")).unwrap();
    let removed = agent.reply(id).answer.unwrap_err();
    assert_eq!(removed.message, format!("{}/exec/a was removed", instance.path));
    assert!(instance.processes() > 0, "nobody has ended them so far");
    let mut other = Agent::start();
    assert_eq!(other.answer(stop(&instance)), Ok(Answer::Done));
    assert_eq!(instance.processes(), 0);
    assert!(agent.hang_up().success());
    until("the keeper is gone", || !lives(keeper.split(' ').next().unwrap()));
}

#[test]
fn what_a_command_left_running_on_purpose_is_not_ended_as_long_as_its_record_is_there() {
    let (mut agent, instance) = (Agent::start(), Instance::new());
    let text = "setsid sleep 100 >/dev/null 2>&1 & echo $!";
    let left = agent.exec(instance.exec("a", text)).1.stdout;
    assert_eq!(agent.answer(stop(&instance)), Ok(Answer::Done));
    assert!(lives(&String::from_utf8(left).unwrap()));
    // Once it is removed, nobody would know of it any more.
    fs::remove_dir_all(instance.file("a", "")).unwrap();
    assert_eq!(agent.answer(stop(&instance)), Ok(Answer::Done));
    assert_eq!(instance.processes(), 0);
}

#[test]
fn an_engine_that_a_command_started_is_not_ended_by_its_mark() {
    let (mut agent, instance) = (Agent::start(), Instance::new());
    let engine = instance.place.path().join("dockerd");
    fs::copy("/bin/sleep", &engine).unwrap();
    let text = format!("setsid {} 100 >/dev/null 2>&1 & echo $!", engine.display());
    let pid = String::from_utf8(agent.exec(instance.exec("a", &text)).1.stdout).unwrap();
    until("it has its name", || {
        fs::read_to_string(format!("/proc/{}/comm", pid.trim())).is_ok_and(|name| name == "dockerd\n")
    });
    fs::remove_dir_all(instance.file("a", "")).unwrap();
    assert_eq!(agent.answer(stop(&instance)), Ok(Answer::Done));
    assert!(lives(&pid));
}

#[test]
fn the_end_of_the_connection_leaves_recorded_commands_alone() {
    let (mut agent, instance) = (Agent::start(), Instance::new());
    agent.ask(true, Request::Exec(instance.exec("a", "echo begun; sleep 0.4; exit 7")));
    agent.ask(true, Request::Run(run("sleep 100")));
    instance.await_file("a", "stdout");
    assert!(agent.hang_up().success());
    let mut agent = Agent::start();
    let id = agent.ask(true, Request::Attach(instance.attach("a")));
    assert_eq!(agent.ended(id).0, Ending::Exited(7));
}
