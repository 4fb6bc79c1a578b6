//! What is said at the start, and how a connection ends.

use crate::harness::{Agent, PATIENCE, Start, copy_program, lives, open_place, run, until};
use labctl_agent::{FaultKind, Request, ToAgent, VERSION, encode};
use std::fs;
use std::io::Write;
use std::process::Command;

#[test]
fn hello_tells_where_the_agent_is() {
    let agent = Agent::start_as(Start {
        environment: vec![
            ("LOGNAME".into(), "ann".into()),
            ("HOME".into(), "/tmp".into()),
            ("SSH_CONNECTION".into(), "a 1 b 2".into()),
            ("PATH".into(), "/bin:/usr/bin".into()),
            ("SHELL".into(), "/bin/zsh".into()),
        ],
        ..Start::default()
    });
    let hello = &agent.hello;
    assert_eq!((hello.version, hello.uid, hello.gid), (VERSION, 0, 0));
    assert_eq!((hello.user.as_str(), hello.home.as_str()), ("ann", "/tmp"));
    assert_eq!(
        (hello.ssh_connection.as_str(), hello.shell.as_str()),
        ("a 1 b 2", "/bin/zsh")
    );
    assert_eq!(hello.path, "/bin:/usr/bin");
    let machine = Command::new("uname").arg("-m").output().unwrap().stdout;
    assert_eq!(hello.machine, String::from_utf8(machine).unwrap().trim());
    assert!(!hello.kernel.is_empty());
}

#[test]
fn the_file_is_gone_at_once_where_no_roots_part_is_to_come() {
    let agent = Agent::start();
    until("the directory is removed", || !agent.directory.exists());
    let mut agent = Agent::start_as(Start {
        root: "sudo",
        ..Start::default()
    });
    assert!(agent.directory.join("labctl-agent").exists());
    agent.stdin = None;
    assert!(agent.status().success());
    assert!(!agent.directory.exists());
}

#[test]
fn a_signal_ends_the_agent_and_what_runs_for_the_connection() {
    for signal in ["TERM", "HUP", "INT"] {
        let mut agent = Agent::start_as(Start {
            root: "sudo",
            ..Start::default()
        });
        let pid = started_sleep(&mut agent);
        Command::new("kill")
            .args(["-s", signal, &agent.child.id().to_string()])
            .status()
            .unwrap();
        assert!(agent.status().success(), "{signal} ends it in order");
        until("the command is gone", || !lives(&pid));
        assert!(!agent.directory.exists());
    }
}

#[test]
fn the_end_of_input_ends_what_runs_for_the_connection() {
    let mut agent = Agent::start();
    let pid = started_sleep(&mut agent);
    assert!(agent.hang_up().success());
    until("the command is gone", || !lives(&pid));
}

fn started_sleep(agent: &mut Agent) -> String {
    let place = open_place();
    let file = place.path().join("pid");
    let text = format!("trap '' TERM; echo $$ >{}; sleep 100; sleep 100", file.display());
    agent.ask(false, Request::Run(run(&text)));
    let mut pid = String::new();
    until("the command has started", || {
        pid = fs::read_to_string(&file).unwrap_or_default();
        pid.ends_with('\n')
    });
    pid
}

#[test]
fn a_message_that_cannot_be_read_ends_the_agent_cleanly() {
    let valid = encode(&ToAgent::Cancel { id: 7 }).unwrap();
    let too_large = u32::MAX.to_be_bytes().to_vec();
    let garbage = [3_u32.to_be_bytes().as_slice(), &[200, 200, 200]].concat();
    let longer = [6_u32.to_be_bytes().as_slice(), &valid[4..], &[0; 4]].concat();
    for bytes in [too_large, garbage, longer] {
        let mut agent = Agent::start();
        let pid = started_sleep(&mut agent);
        // The agent may have ended before all is written.
        let _ = agent.stdin.as_mut().unwrap().write_all(&bytes);
        assert!(agent.status().success());
        until("the command is gone", || !lives(&pid));
    }
}

#[test]
fn a_message_that_is_cut_ends_the_agent_with_the_input() {
    let mut agent = Agent::start();
    let frame = encode(&ToAgent::Request {
        id: 1,
        as_root: false,
        request: Request::FreeSpace { path: "/".into() },
    });
    let frame = frame.unwrap();
    agent
        .stdin
        .as_mut()
        .unwrap()
        .write_all(&frame[..frame.len() - 1])
        .unwrap();
    assert!(agent.hang_up().success());
}

#[test]
fn a_message_in_single_bytes_is_understood() {
    let mut agent = Agent::start();
    let request = Request::FreeSpace { path: "/".into() };
    let frame = encode(&ToAgent::Request {
        id: 900,
        as_root: false,
        request,
    });
    for byte in frame.unwrap() {
        agent.stdin.as_mut().unwrap().write_all(&[byte]).unwrap();
    }
    assert!(agent.reply(900).answer.is_ok());
}

#[test]
fn words_about_an_unknown_request_are_ignored() {
    let mut agent = Agent::start();
    for message in [
        ToAgent::Cancel { id: 99 },
        ToAgent::Grant { id: 99, bytes: 1 },
        ToAgent::End { id: 99 },
        ToAgent::Data { id: 99, bytes: vec![1] },
    ] {
        agent.say(&message);
    }
    assert!(agent.answer(Request::FreeSpace { path: "/".into() }).is_ok());
}

#[test]
fn root_is_refused_where_the_inventory_says_so() {
    let mut agent = Agent::start_as_nobody();
    let fault = agent.answer(Request::FreeSpace { path: "/".into() }).unwrap_err();
    assert_eq!(fault.kind, FaultKind::NoRoot);
    assert_eq!(fault.message, "root is needed, and the inventory says `sudo = false`");
    let id = agent.ask(false, Request::FreeSpace { path: "/".into() });
    assert!(agent.reply(id).answer.is_ok());
}

#[test]
fn many_requests_at_once_are_all_answered() {
    let mut agent = Agent::start();
    let first = agent.ask(false, Request::Run(run("sleep 0.3; echo slow")));
    for _ in 0..200 {
        agent.ask(false, Request::FreeSpace { path: "/".into() });
    }
    let mut answered = 0;
    while answered < 201 {
        let message = agent.next_within(PATIENCE).expect("an answer");
        if let labctl_agent::ToLabctl::Answer { id, answer } = message {
            assert!(answer.is_ok());
            answered += 1;
            assert_eq!(id == first, answered == 201, "a slow request holds no other up");
        }
    }
}

#[test]
fn leftovers_of_dead_agents_are_swept_and_nothing_else() {
    let agent = Agent::start();
    drop(agent);
    let place = open_place();
    let make = |name: &str, is_old: bool, has_file: bool| {
        let directory = place.path().join(name);
        fs::create_dir(&directory).unwrap();
        if has_file {
            copy_program(&directory.join("labctl-agent"));
        }
        if is_old {
            let status = Command::new("touch")
                .arg("-d")
                .arg("-2minutes")
                .arg(&directory)
                .status();
            assert!(status.unwrap().success());
        }
        directory
    };
    let dead = make("labctl-agent-dead", true, true);
    let empty = make("labctl-agent-empty", true, false);
    let young = make("labctl-agent-young", false, true);
    let other = make("other", true, true);
    let alive = make("labctl-agent-alive", true, true);
    let full = make("labctl-agent-full", false, true);
    fs::write(full.join("x"), "").unwrap();
    Command::new("touch")
        .arg("-d")
        .arg("-2minutes")
        .arg(&full)
        .status()
        .unwrap();
    let link = place.path().join("labctl-agent-link");
    std::os::unix::fs::symlink(&other, &link).unwrap();
    let file = fs::File::open(alive.join("labctl-agent")).unwrap();
    file.lock().unwrap();
    let own = make("labctl-agent-own", true, true);
    let mut agent = Command::new(own.join("labctl-agent"))
        .arg("user")
        .arg(&own)
        .arg("sudo")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    until("leftovers are gone", || !dead.exists() && !empty.exists());
    assert!(young.exists() && other.join("labctl-agent").exists() && alive.join("labctl-agent").exists());
    assert!(full.join("x").exists() && own.exists() && link.is_symlink());
    drop(agent.stdin.take());
    assert!(agent.wait().unwrap().success());
    assert!(!own.exists());
}
