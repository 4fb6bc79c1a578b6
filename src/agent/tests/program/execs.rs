//! Recorded commands that end by themselves.

use crate::harness::{Agent, assert_signals_are_as_usual, lives, until, words};
use crate::recorded::Instance;
use labctl_agent::{Ending, Exec, FaultKind, Hidden, Request};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

#[test]
fn output_and_status_arrive_and_are_on_record() {
    let (mut agent, instance) = (Agent::start(), Instance::new());
    let (ending, reply) = agent.exec(instance.exec("a", "echo out; echo err >&2; exit 3"));
    assert_eq!(ending, Ending::Exited(3));
    assert_eq!(
        (reply.stdout.as_slice(), reply.stderr.as_slice()),
        (b"out\n".as_slice(), b"err\n".as_slice())
    );
    let end = fs::read_to_string(instance.file("a", "end")).unwrap();
    assert_eq!(end.lines().next().unwrap(), "exited 3 4 4 0 0");
    assert_eq!(end.len(), 129, "the room that was reserved is used");
    assert_eq!(fs::read(instance.file("a", "stdout")).unwrap(), b"out\n");
    let keeper = instance.await_note("a", 0);
    let leader = instance.await_note("a", 1);
    for note in [keeper.strip_suffix(" many").unwrap(), &leader] {
        assert!(words(note).iter().all(|field| field.parse::<u64>().is_ok()), "{note}");
    }
    assert_eq!(instance.files("a"), ["end", "keeper", "stderr", "stdout"]);
    agent.exec(instance.exec("silent", "true"));
    assert_eq!(instance.files("silent"), ["end", "keeper"]);
    let (ending, _) = agent.exec(instance.exec("b", "kill -s USR1 $$"));
    assert_eq!(ending, Ending::Signalled(10));
    assert_eq!(instance.await_note("b", 0), keeper, "one keeper keeps them all");
    assert_eq!(keepers(&agent), 1);
    assert!(agent.hang_up().success());
    until("the keeper is gone", || !lives(&words(&keeper)[0]));
}

/// Counts the processes that the agent started.
fn keepers(agent: &Agent) -> usize {
    let id = agent.child.id();
    let children = fs::read_dir(format!("/proc/{id}/task")).unwrap().flatten();
    let lists = children.map(|task| fs::read_to_string(task.path().join("children")).unwrap_or_default());
    lists.map(|list| list.split_whitespace().count()).sum()
}

#[test]
fn a_command_runs_once_however_often_it_is_asked_for() {
    let (mut agent, instance) = (Agent::start(), Instance::new());
    let count = instance.place.path().join("count");
    let exec = instance.exec("a", &format!("echo x >>{}; sleep 0.2; echo done", count.display()));
    let mut other = Agent::start();
    let id = other.ask(true, Request::Exec(exec.clone()));
    let ids = [
        agent.ask(true, Request::Exec(exec.clone())),
        agent.ask(true, Request::Exec(exec.clone())),
    ];
    for id in ids {
        let (ending, reply) = agent.ended(id);
        assert_eq!((ending, reply.stdout), (Ending::Exited(0), b"done\n".to_vec()));
    }
    assert_eq!(other.ended(id).0, Ending::Exited(0));
    assert_eq!(agent.exec(exec).1.stdout, b"done\n");
    assert_eq!(fs::read_to_string(&count).unwrap(), "x\n");
    let records = fs::read_dir(Path::new(&instance.path).join("exec")).unwrap();
    assert_eq!(records.count(), 1, "whoever lost the race leaves nothing");
}

#[test]
fn it_goes_on_where_it_was_when_the_agent_was_killed() {
    let (mut agent, instance) = (Agent::start(), Instance::new());
    agent.ask(
        true,
        Request::Exec(instance.exec("a", "echo one; sleep 0.4; echo two; exit 4")),
    );
    instance.await_file("a", "stdout");
    agent.kill();
    let mut agent = Agent::start();
    let mut attach = instance.attach("a");
    attach.stdout = 4;
    let id = agent.ask(true, Request::Attach(attach));
    let (ending, reply) = agent.ended(id);
    assert_eq!((ending, reply.stdout), (Ending::Exited(4), b"two\n".to_vec()));
}

#[test]
fn a_keeper_holds_nothing_of_the_connection() {
    let (mut agent, instance) = (Agent::start(), Instance::new());
    agent.ask(true, Request::Exec(instance.exec("a", "sleep 30")));
    let keeper = instance.await_note("a", 0);
    instance.await_note("a", 1);
    let pid = keeper.split(' ').next().unwrap();
    let of = |pid: &str, fd: &str| fs::read_link(format!("/proc/{pid}/fd/{fd}")).unwrap();
    let agent_id = agent.child.id().to_string();
    for fd in fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten() {
        let target = fs::read_link(fd.path()).unwrap();
        assert!(
            target != of(&agent_id, "0") && target != of(&agent_id, "1"),
            "{target:?}"
        );
    }
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap();
    assert_eq!(environment, b"MALLOC_ARENA_MAX=1\0");
    agent.kill();
    for fd in ["0", "1", "2"] {
        until("nothing of it leads to the agent any more", || {
            of(pid, fd) == Path::new("/dev/null")
        });
    }
    assert!(lives(pid));
}

#[test]
fn a_record_that_is_not_there_is_no_record() {
    let (mut agent, instance) = (Agent::start(), Instance::new());
    let fault = agent.answer(Request::Attach(instance.attach("a"))).unwrap_err();
    assert_eq!(fault.kind, FaultKind::NoRecord);
    for name in ["", ".a", "a/b", "..", "a b"] {
        let message = agent.fault(Request::Exec(instance.exec(name, "true")));
        assert_eq!(message, format!("{name:?} cannot be the name of a record"));
    }
    let mut exec = instance.exec("a", "true");
    exec.record.instance = "/no/such".into();
    assert_eq!(
        agent.fault(Request::Exec(exec)),
        "no such instance on this node: /no/such"
    );
}

#[test]
fn a_secret_is_never_on_disk_and_nobody_elses_to_see() {
    let (mut agent, instance) = (Agent::start(), Instance::new());
    let mut exec = instance.exec("a", "read a; read b; echo ${#a} ${#SECRET}; sleep 0.3");
    exec.stdin = Hidden::from("hunter2-in\n");
    exec.environment.push(("SECRET".into(), Hidden::from("hunter2-env")));
    let id = agent.ask(true, Request::Exec(exec));
    instance.await_file("a", "stdout");
    for _ in 0..2 {
        let found = Command::new("grep")
            .args(["-r", "hunter2", &instance.path])
            .output()
            .unwrap();
        assert!(found.stdout.is_empty(), "{}", String::from_utf8_lossy(&found.stdout));
        let (keeper, leader) = (instance.await_note("a", 0), instance.await_note("a", 1));
        for note in [keeper, leader] {
            let pid = note.split(' ').next().unwrap();
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            assert!(!String::from_utf8_lossy(&line).contains("hunter2"));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let (ending, reply) = agent.ended(id);
    assert_eq!(
        (ending, String::from_utf8(reply.stdout).unwrap()),
        (Ending::Exited(0), "10 11\n".to_owned())
    );
}

#[test]
fn much_input_arrives_whole() {
    let (mut agent, instance) = (Agent::start(), Instance::new());
    let mut exec = instance.exec("a", "wc -c");
    exec.stdin = Hidden(vec![b'x'; 3 << 20]);
    assert_eq!(agent.exec(exec).1.stdout, b"3145728\n");
    let mut exec = instance.exec("b", "exec <&-; echo done");
    exec.stdin = Hidden(vec![b'x'; 3 << 20]);
    assert_eq!(agent.exec(exec).1.stdout, b"done\n");
}

#[test]
fn a_command_is_whom_and_where_it_shall_be_and_has_the_environment_it_was_given() {
    let (mut agent, instance) = (Agent::start(), Instance::new());
    fs::set_permissions(instance.place.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let text = "id -u; id -g; id -G; umask; pwd; env | grep -v ^PWD | sort; ls /proc/self/fd";
    let exec = Exec {
        user: "nobody".into(),
        uid: 65534,
        gid: 1234,
        groups: vec![77, 1234],
        directory: "/usr".into(),
        ..instance.exec("a", text)
    };
    let (ending, reply) = agent.exec(exec);
    let marker = format!("{}/exec/a", instance.path);
    // Whoever runs the tests may leave descriptors open.
    let bare = Command::new("/bin/sh")
        .args(["-c", "ls /proc/self/fd"])
        .output()
        .unwrap()
        .stdout;
    let descriptors = String::from_utf8(bare).unwrap();
    let expected = format!("65534\n1234\n1234 77\n0022\n/usr\nLABCTL_EXEC={marker}\nPATH=/usr/bin:/bin\n{descriptors}");
    let shown = String::from_utf8_lossy(&reply.stdout).replace("_=/usr/bin/env\n", "");
    assert_eq!((shown.as_str(), ending), (expected.as_str(), Ending::Exited(0)));
}

#[test]
fn signals_are_as_usual_for_a_recorded_command() {
    let (mut agent, instance) = (Agent::start(), Instance::new());
    let mut exec = instance.exec("a", "");
    exec.words = words("grep -E ^Sig(Ign|Blk) /proc/self/status");
    let (_, reply) = agent.exec(exec);
    assert_signals_are_as_usual(&reply.stdout);
}

#[test]
fn why_a_recorded_command_cannot_start_is_told() {
    let (mut agent, instance) = (Agent::start(), Instance::new());
    let path = |name: &str| instance.place.path().join(name).display().to_string();
    for name in ["plain", "strange", "script"] {
        fs::write(
            path(name),
            if name == "strange" {
                "#!/no/such/shell\n"
            } else {
                "echo $0 $1\n"
            },
        )
        .unwrap();
    }
    fs::set_permissions(path("strange"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(path("script"), fs::Permissions::from_mode(0o755)).unwrap();
    let (plain, strange, directory) = (path("plain"), path("strange"), path(""));
    for (at, (word, directory, reason)) in [
        (
            "no-such-program-x",
            "/",
            "no such program: no-such-program-x".to_owned(),
        ),
        ("./no", "/", "no such file: ./no".to_owned()),
        (&plain, "/", format!("not executable: {plain}")),
        (&directory, "/", format!("is a directory: {directory}")),
        ("true", "/no/such", "cannot enter the directory /no/such".to_owned()),
        (
            &strange,
            "/",
            format!("cannot start {strange}: what it is to be read by is missing"),
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let exec = Exec {
            words: vec![word.to_owned()],
            directory: directory.to_owned(),
            ..instance.exec(&format!("a{at}"), "")
        };
        assert_eq!(agent.exec(exec).0, Ending::CouldNotStart(reason));
        assert_eq!(instance.files(&format!("a{at}")), ["end", "keeper"]);
    }
    let exec = Exec {
        words: words("./script word"),
        directory: instance.place.path().display().to_string(),
        ..instance.exec("script", "")
    };
    assert_eq!(agent.exec(exec).1.stdout, b"./script word\n");
    assert_eq!(agent.exec(instance.exec("status", "exit 127")).0, Ending::Exited(127));
}

#[test]
fn a_child_in_the_background_holds_nothing_up_and_gets_no_sigpipe() {
    let (mut agent, instance) = (Agent::start(), Instance::new());
    let started = Instant::now();
    let child = "(sleep 3; echo late; echo late; echo written >&3) 3>LATE & echo $!";
    let late = instance.place.path().join("late");
    let (ending, reply) = agent.exec(instance.exec("a", &child.replace("LATE", &late.display().to_string())));
    assert_eq!(ending, Ending::Exited(0));
    assert!(
        started.elapsed() < Duration::from_millis(2_500),
        "{:?}",
        started.elapsed()
    );
    let pid = String::from_utf8(reply.stdout).unwrap();
    assert!(lives(&pid), "it is not ended");
    let keeper = instance.await_note("a", 0);
    assert!(agent.hang_up().success());
    until("the child has written", || {
        fs::read_to_string(&late).unwrap() == "written\n"
    });
    until("the keeper is gone with it", || {
        !lives(keeper.split(' ').next().unwrap())
    });
}
