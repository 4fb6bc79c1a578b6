//! Records and commands of older labctls, and older labctls that meet those of this one.

use crate::endings::{STUBBORN, kill, stop};
use crate::harness::{Agent, until};
use crate::recorded::Instance;
use labctl_agent::{Answer, Ending, Exec, Request, ToAgent};
use std::fs;
use std::process::{Command, Stdio};

#[test]
fn records_of_older_labctls_are_read() {
    let (mut agent, instance) = (Agent::start(), Instance::new());
    for (name, end, reason, expected) in [
        ("a", "exited 3 0 0 0 0\n", "ready\n", Ending::Exited(3)),
        ("b", "timedout 0 0 0 0 0\n", "ready\n", Ending::TimedOut),
        (
            "c",
            "unstarted 0 0 0 0 0\n",
            "no such program: x\n",
            Ending::CouldNotStart("no such program: x".to_owned()),
        ),
        (
            "d",
            "lost 0 0 0 0 0\n",
            "it is gone\n",
            Ending::Lost("it is gone".to_owned()),
        ),
    ] {
        fs::create_dir_all(instance.file(name, "")).unwrap();
        // The room that was reserved ends with a line of blanks.
        fs::write(instance.file(name, "end"), format!("{end}{:60}\n", "")).unwrap();
        fs::write(instance.file(name, "reason"), reason).unwrap();
        let id = agent.ask(true, Request::Attach(instance.attach(name)));
        assert_eq!(agent.ended(id).0, expected, "{name}");
    }
    let mut leader = Command::new("setsid").args(["sleep", "100"]).spawn().unwrap();
    let stat = fs::read_to_string(format!("/proc/{}/stat", leader.id())).unwrap();
    let start = stat.split(' ').nth(21).unwrap();
    until("it leads a group", || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", leader.id())).unwrap();
        stat.split(' ').nth(4) == Some(leader.id().to_string().as_str())
    });
    fs::create_dir_all(instance.file("e", "")).unwrap();
    fs::write(instance.file("e", "keeper"), format!("{} 1 1\n", std::process::id())).unwrap();
    fs::write(instance.file("e", "leader"), format!("{} {start} 1\n", leader.id())).unwrap();
    let waiter = std::thread::spawn(move || leader.wait().unwrap());
    let id = agent.ask(true, Request::Attach(instance.attach("e")));
    assert!(matches!(agent.ended(id).0, Ending::Lost(_)));
    assert!(!waiter.join().unwrap().success());
}

#[test]
fn an_older_labctl_cancels_all_of_a_keeper_but_what_must_be_whole() {
    let (mut agent, instance) = (Agent::start(), Instance::new());
    let mut start = |name: &str, is_whole: bool| {
        let exec = Exec {
            is_whole,
            ..instance.exec(name, "echo begun; sleep 1; exit 5")
        };
        let id = agent.ask(true, Request::Exec(exec));
        instance.await_file(name, "stdout");
        id
    };
    let ids = [start("a", false), start("b", false), start("whole", true)];
    // It knows of no keeper that keeps more than one.
    kill("TERM", instance.await_note("a", 0).split(' ').next().unwrap());
    let endings = ids.map(|id| agent.ended(id).0);
    assert_eq!(endings, [Ending::Cancelled, Ending::Cancelled, Ending::Exited(5)]);
}

/// Starts `text` as the labctl before this one did: by its shell supervisor.
fn start_with_shell_supervisor(instance: &Instance, name: &str, text: &str) {
    let supervisor = format!("{}/supervisor", instance.path);
    fs::write(&supervisor, include_str!("../fixtures/supervisor-v1.sh")).unwrap();
    let spec = format!(
        "uid=0 gid=0 directory='/'\nenvironment() {{\nexport PATH='/usr/bin:/bin'\n}}\nset -- '/bin/sh' '-c' '{}'\n",
        text.replace('\'', "'\\''")
    );
    let mut shell = Command::new("/bin/sh")
        .args([
            &supervisor,
            "run",
            name,
            &spec.len().to_string(),
            "0",
            "60",
            "1000000",
            "1",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut shell.stdin.take().unwrap(), spec.as_bytes()).unwrap();
    instance.await_file(name, "stdout");
    shell.kill().unwrap();
    shell.wait().unwrap();
}

#[test]
fn a_command_of_the_shell_supervisor_is_followed_to_its_end() {
    let (mut agent, instance) = (Agent::start(), Instance::new());
    start_with_shell_supervisor(&instance, "a", "echo one; sleep 0.5; echo two; exit 6");
    let id = agent.ask(true, Request::Attach(instance.attach("a")));
    let (ending, reply) = agent.ended(id);
    assert_eq!((ending, reply.stdout), (Ending::Exited(6), b"one\ntwo\n".to_vec()));
}

#[test]
fn a_command_of_the_shell_supervisor_is_cancelled() {
    let (mut agent, instance) = (Agent::start(), Instance::new());
    start_with_shell_supervisor(&instance, "a", STUBBORN);
    let id = agent.ask(true, Request::Attach(instance.attach("a")));
    agent.say(&ToAgent::Cancel { id });
    assert_eq!(agent.ended(id).0, Ending::Cancelled);
    assert_eq!(instance.processes(), 0);
    start_with_shell_supervisor(&instance, "b", "echo begun; sleep 100");
    assert_eq!(agent.answer(stop(&instance)), Ok(Answer::Done));
    assert_eq!(instance.processes(), 0);
    let end = fs::read_to_string(instance.file("b", "end")).unwrap();
    assert!(end.starts_with("cancelled "), "{end}");
}

#[test]
fn a_command_of_a_shell_supervisor_that_was_killed_is_lost() {
    let (mut agent, instance) = (Agent::start(), Instance::new());
    start_with_shell_supervisor(&instance, "a", "echo begun; sleep 100");
    instance.await_file("a", "watch");
    let keeper = instance.await_file("a", "keeper");
    kill("KILL", keeper.split(' ').next().unwrap());
    let id = agent.ask(true, Request::Attach(instance.attach("a")));
    let (ending, reply) = agent.ended(id);
    assert!(matches!(ending, Ending::Lost(_)));
    assert_eq!(reply.stdout, b"begun\n");
    until("its processes are gone", || instance.processes() == 0);
}
