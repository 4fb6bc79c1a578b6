//! Commands that leave no record.

use crate::harness::{Agent, Start, assert_signals_are_as_usual, lives, open_place, run, until, words};
use labctl_agent::{Answer, Ending, Hidden, Request, Run, ToAgent};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

#[test]
fn output_status_input_directory_and_environment_are_as_asked() {
    let mut agent = Agent::start_as(Start {
        environment: vec![("LC_ALL".into(), "C.UTF-8".into()), ("HOME".into(), "/tmp".into())],
        ..Start::default()
    });
    let ran = agent.run(Run {
        stdin: Hidden::from("given"),
        environment: vec![("A".into(), "it's".into())],
        directory: Some("/usr".into()),
        ..run("cat; echo \" $A $LC_ALL $PWD\"; echo bad >&2; exit 3")
    });
    assert_eq!(ran.ending, Ending::Exited(3));
    assert_eq!(String::from_utf8(ran.stdout).unwrap(), "given it's C.UTF-8 /usr\n");
    assert_eq!((ran.stderr.as_slice(), ran.dropped), (b"bad\n".as_slice(), 0));
    assert_eq!(agent.run(run("pwd")).stdout, b"/tmp\n");
    assert_eq!(agent.run(run("kill -s USR1 $$")).ending, Ending::Signalled(10));
}

#[test]
fn what_is_not_wanted_is_read_and_counted() {
    let mut agent = Agent::start();
    let ran = agent.run(Run {
        keep: 10,
        ..run("head -c 3000000 /dev/zero; head -c 100 /dev/zero >&2")
    });
    assert_eq!(
        (ran.ending, ran.stdout.len(), ran.stderr.len()),
        (Ending::Exited(0), 10, 10)
    );
    assert_eq!(ran.dropped, 3_000_080);
}

#[test]
fn much_input_goes_to_a_command_that_prints_as_much() {
    let mut agent = Agent::start();
    let ran = agent.run(Run {
        stdin: Hidden(vec![b'x'; 5 << 20]),
        keep: 6 << 20,
        ..run("cat")
    });
    assert_eq!((ran.ending, ran.stdout.len()), (Ending::Exited(0), 5 << 20));
    let ran = agent.run(Run {
        stdin: Hidden(vec![b'x'; 5 << 20]),
        ..run("exec <&-; echo done")
    });
    assert_eq!((ran.ending, ran.stdout), (Ending::Exited(0), b"done\n".to_vec()));
}

#[test]
fn a_deadline_ends_the_whole_group() {
    let mut agent = Agent::start();
    let place = open_place();
    let file = place.path().join("pid");
    let ran = agent.run(Run {
        deadline_ms: 2_000,
        ..run(&format!("sleep 100 & echo $! >{}; echo begun; wait", file.display()))
    });
    assert_eq!((ran.ending, ran.stdout), (Ending::TimedOut, b"begun\n".to_vec()));
    until("the child is gone", || !lives(&fs::read_to_string(&file).unwrap()));
}

#[test]
fn who_ignores_term_is_killed() {
    let mut agent = Agent::start();
    let started = Instant::now();
    let ran = agent.run(Run {
        deadline_ms: 100,
        ..run("trap '' TERM; sleep 100; sleep 100")
    });
    assert_eq!(ran.ending, Ending::TimedOut);
    let took = started.elapsed();
    assert!(
        took > Duration::from_millis(2000) && took < Duration::from_secs(10),
        "{took:?}"
    );
}

#[test]
fn a_cancelled_command_is_gone_at_once() {
    let mut agent = Agent::start();
    let place = open_place();
    let file = place.path().join("begun");
    let text = format!("trap '' TERM; echo x; : >{}; sleep 100; sleep 100", file.display());
    let id = agent.ask(false, Request::Run(run(&text)));
    until("it has begun", || file.exists());
    let started = Instant::now();
    agent.say(&ToAgent::Cancel { id });
    let Ok(Answer::Ran(ran)) = agent.reply(id).answer else {
        panic!("no answer");
    };
    assert_eq!((ran.ending, ran.stdout), (Ending::Cancelled, b"x\n".to_vec()));
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
}

#[test]
fn a_child_in_the_background_is_not_waited_for() {
    let mut agent = Agent::start();
    let started = Instant::now();
    let ran = agent.run(run("sleep 3 & echo $!"));
    assert_eq!(ran.ending, Ending::Exited(0));
    assert!(started.elapsed() < Duration::from_millis(2_500));
    assert!(lives(&String::from_utf8(ran.stdout).unwrap()), "it is not ended either");
}

#[test]
fn why_a_command_cannot_start_is_told() {
    let mut agent = Agent::start();
    let place = open_place();
    let path = |name: &str| place.path().join(name).display().to_string();
    fs::write(path("plain"), "x").unwrap();
    fs::write(path("strange"), "#!/no/such/shell\n").unwrap();
    fs::set_permissions(path("strange"), fs::Permissions::from_mode(0o755)).unwrap();
    let (plain, strange, directory) = (path("plain"), path("strange"), path(""));
    for (word, at, reason) in [
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
    ] {
        let ran = agent.run(Run {
            words: vec![word.to_owned()],
            directory: Some(at.to_owned()),
            ..run("")
        });
        assert_eq!(ran.ending, Ending::CouldNotStart(reason));
    }
}

#[test]
fn a_script_without_a_first_line_is_the_shells() {
    let mut agent = Agent::start();
    let place = open_place();
    fs::write(place.path().join("script"), "echo $0 $1\n").unwrap();
    fs::set_permissions(place.path().join("script"), fs::Permissions::from_mode(0o755)).unwrap();
    let ran = agent.run(Run {
        words: words("./script word"),
        directory: Some(place.path().display().to_string()),
        ..run("")
    });
    assert_eq!(String::from_utf8(ran.stdout).unwrap(), "./script word\n");
}

#[test]
fn signals_are_as_usual_for_a_command() {
    let mut agent = Agent::start();
    let ran = agent.run(run("grep -E '^Sig(Ign|Blk)' /proc/self/status"));
    assert_signals_are_as_usual(&ran.stdout);
}

#[test]
fn processes_are_found_by_name() {
    let mut agent = Agent::start();
    let place = open_place();
    let program = place.path().join("labctl-probe-with-a-long-name");
    fs::copy("/bin/sleep", &program).unwrap();
    let id = agent.ask(
        false,
        Request::Run(Run {
            words: vec![program.display().to_string(), "30".into()],
            deadline_ms: 20_000,
            ..Run::default()
        }),
    );
    let ask = Request::Processes {
        name: "labctl-probe-with-a-long-name".into(),
    };
    until("the process is found", || match agent.answer(ask.clone()) {
        Ok(Answer::Processes(found)) => {
            found.len() == 1 && found[0].words == [program.display().to_string(), "30".into()]
        }
        other => panic!("{other:?}"),
    });
    agent.say(&ToAgent::Cancel { id });
}

#[test]
fn what_runs_for_an_agent_that_is_killed_is_ended_and_what_it_left_on_purpose_is_not() {
    let place = open_place();
    let running = place.path().join("running");
    let mut agent = Agent::start();
    let ran = agent.run(run("sleep 20 >/dev/null 2>&1 & echo $!"));
    let left = String::from_utf8(ran.stdout).unwrap();
    let text = format!("sleep 20 & echo $$ $! >'{}'; wait", running.display());
    agent.ask(true, Request::Run(run(&text)));
    until("it runs", || {
        fs::read_to_string(&running).is_ok_and(|text| text.ends_with('\n'))
    });
    agent.kill();
    let pids = fs::read_to_string(&running).unwrap();
    assert_eq!(pids.split_whitespace().count(), 2, "{pids}");
    for pid in pids.split_whitespace() {
        until("it is ended", || !lives(pid));
    }
    assert!(lives(&left), "its look was over");
}
