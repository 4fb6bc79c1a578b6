//! Root's part, behind a sudo that the test makes up.

use crate::harness::{Agent, Start, assert_signals_are_as_usual, open_place, run, until};
use crate::recorded::Instance;
use labctl_agent::{Answer, Ending, FaultKind, Request, ToAgent};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// Starts an agent whose sudo is the shell script `sudo`. The directory is its home.
fn start(sudo: &str) -> (Agent, TempDir) {
    let home = open_place();
    let program = home.path().join("sudo");
    fs::write(&program, format!("#!/bin/sh\n{sudo}\n")).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let agent = Agent::start_as(Start {
        root: "sudo",
        environment: vec![
            ("PATH".into(), format!("{}:/usr/bin:/bin", home.path().display())),
            ("HOME".into(), home.path().display().to_string()),
        ],
        ..Start::default()
    });
    (agent, home)
}

const WILLING: &str = "[ \"$1 $2\" = '-n --' ] || exit 9\nshift 2\n[ -t 0 ] || echo noise\ntouch \"$HOME/.sudo_as_admin_successful\"\nAS_ROOT=yes exec \"$@\"";

fn free_space() -> Request {
    Request::FreeSpace { path: "/".into() }
}

#[test]
fn requests_of_root_go_to_roots_part_and_others_do_not() {
    let (mut agent, home) = start(WILLING);
    assert!(agent.directory.exists());
    assert_eq!(agent.run(run("echo $AS_ROOT")).stdout, b"yes\n");
    assert!(!agent.directory.exists(), "the file is gone once root's part is up");
    assert!(!home.path().join(".sudo_as_admin_successful").exists());
    let id = agent.ask(false, Request::Run(run("echo no$AS_ROOT")));
    let Ok(Answer::Ran(ran)) = agent.reply(id).answer else {
        panic!("no answer");
    };
    assert_eq!(ran.stdout, b"no\n");
    let id = agent.ask(true, Request::Run(run("sleep 100")));
    std::thread::sleep(Duration::from_millis(50));
    agent.say(&ToAgent::Cancel { id });
    let Ok(Answer::Ran(ran)) = agent.reply(id).answer else {
        panic!("no answer");
    };
    assert_eq!(ran.ending, Ending::Cancelled);
    let instance = Instance::new();
    let mut exec = instance.exec("a", "head -c 3000000 /dev/zero");
    exec.cap = 4_000_000;
    let (ending, reply) = agent.exec(exec);
    assert_eq!((ending, reply.stdout.len()), (Ending::Exited(0), 3_000_000));
}

#[test]
fn a_note_of_sudo_that_was_there_before_stays() {
    let (mut agent, home) = start(WILLING);
    fs::write(home.path().join(".sudo_as_admin_successful"), "").unwrap();
    assert!(agent.answer(free_space()).is_ok());
    assert!(home.path().join(".sudo_as_admin_successful").exists());
}

#[test]
fn roots_part_has_a_terminal() {
    let wants = format!(
        "tty=$(ps -o tty= -p $$)\n[ \"$tty\" != '?' ] || {{ echo 'sudo: sorry, you must have a tty' >&2; exit 1; }}\n{WILLING}"
    );
    let (mut agent, _home) = start(&wants);
    let answer = agent.answer(free_space());
    assert!(answer.is_ok(), "{answer:?}");
}

#[test]
fn signals_are_as_usual_behind_a_sudo_that_ignores_those_of_its_terminal() {
    let (mut agent, _home) = start(&format!("trap '' TTIN TTOU\n{WILLING}"));
    let masks = "grep -E '^Sig(Ign|Blk)' /proc/self/status";
    assert_signals_are_as_usual(&agent.run(run(masks)).stdout);
    let instance = Instance::new();
    let (_, reply) = agent.exec(instance.exec("a", masks));
    assert_signals_are_as_usual(&reply.stdout);
}

#[test]
fn what_sudo_says_is_the_reason_why_root_is_not_to_be_had() {
    let (mut agent, _home) = start("sleep 0.2; echo 'sudo: a password is required' >&2; exit 1");
    let ids: Vec<u32> = (0..3).map(|_| agent.ask(true, free_space())).collect();
    let mut open = ids;
    while !open.is_empty() {
        let message = agent.next_within(Duration::from_secs(10)).expect("an answer");
        let labctl_agent::ToLabctl::Answer { id, answer } = message else {
            panic!("{message:?}");
        };
        let fault = answer.unwrap_err();
        assert_eq!(
            (fault.kind, fault.message.as_str()),
            (FaultKind::NoRoot, "sudo: a password is required")
        );
        open.retain(|other| *other != id);
    }
    let fault = agent.answer(free_space()).unwrap_err();
    assert_eq!(
        (fault.kind, fault.message.as_str()),
        (FaultKind::NoRoot, "sudo: a password is required")
    );
    assert!(!agent.directory.exists());
    let id = agent.ask(false, free_space());
    assert!(agent.reply(id).answer.is_ok(), "what needs no root still works");
}

#[test]
fn a_sudo_that_prints_without_end_is_given_up() {
    let (mut agent, _home) = start("exec yes");
    let fault = agent.answer(free_space()).unwrap_err();
    assert_eq!(
        (fault.kind, fault.message.as_str()),
        (FaultKind::NoRoot, "sudo says too much")
    );
}

#[test]
fn what_waits_for_roots_part_is_answered_when_that_is_gone() {
    let (mut agent, home) = start(&WILLING.replace("AS_ROOT", "echo $$ >\"$HOME/pid\"\nAS_ROOT"));
    let id = agent.ask(true, Request::Run(run("sleep 3")));
    until("root's part is up", || !agent.directory.exists());
    let pid = fs::read_to_string(home.path().join("pid")).unwrap();
    Command::new("kill").args(["-s", "KILL", pid.trim()]).status().unwrap();
    let fault = agent.reply(id).answer.unwrap_err();
    assert_eq!(
        (fault.kind, fault.message.as_str()),
        (FaultKind::Failed, "root's part of the agent is gone")
    );
    assert_eq!(agent.fault(free_space()), "root's part of the agent is gone");
    let id = agent.ask(false, free_space());
    assert!(agent.reply(id).answer.is_ok());
}

#[test]
fn roots_part_ends_with_the_agent() {
    let (mut agent, home) = start(&WILLING.replace("AS_ROOT", "echo $$ >\"$HOME/pid\"\nAS_ROOT"));
    assert!(agent.answer(free_space()).is_ok());
    let pid = fs::read_to_string(home.path().join("pid")).unwrap();
    agent.kill();
    until("root's part is gone", || !crate::harness::lives(&pid));
}
