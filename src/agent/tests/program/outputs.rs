//! The output of recorded commands.

use crate::harness::{Agent, shell};
use crate::recorded::Instance;
use labctl_agent::{Answer, Attach, Ending, PIECE, Request, ToAgent, ToLabctl, WINDOW};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

#[test]
fn what_is_above_the_cap_is_read_and_counted() {
    let (mut agent, instance) = (Agent::start(), Instance::new());
    let mut exec = instance.exec("a", "head -c 5000000 /dev/zero; head -c 7 /dev/zero >&2");
    exec.cap = 1000;
    let (_, reply) = agent.exec(exec);
    assert_eq!((reply.stdout.len(), reply.stderr.len()), (1000, 7));
    let expected = Answer::Ended {
        ending: Ending::Exited(0),
        stdout_cut: 4_999_000,
        stderr_cut: 0,
    };
    assert_eq!(reply.answer, Ok(expected));
}

#[test]
fn a_hundred_megabytes_arrive_in_little_memory() {
    let (mut agent, instance) = (Agent::start(), Instance::new());
    let mut exec = instance.exec("a", "head -c 100000000 /dev/zero");
    exec.cap = 200_000_000;
    let (ending, reply) = agent.exec(exec);
    assert_eq!((ending, reply.stdout.len()), (Ending::Exited(0), 100_000_000));
    let status = fs::read_to_string(format!("/proc/{}/status", agent.child.id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak < 32_000, "the agent took {peak} kB");
}

#[test]
fn nothing_is_sent_without_credit() {
    let (mut agent, instance) = (Agent::start(), Instance::new());
    agent.grant_nothing();
    let id = agent.ask(
        true,
        Request::Exec(instance.exec("a", "head -c 3000000 /dev/zero | tee /dev/stderr")),
    );
    let mut sent = 0;
    let window = u64::from(WINDOW);
    while let Some(message) = agent.next_within(Duration::from_millis(400)) {
        let ToLabctl::Data { bytes, .. } = message else {
            panic!("{message:?}");
        };
        assert!(bytes.len() <= PIECE);
        sent += bytes.len() as u64;
    }
    assert_eq!(sent, window);
    agent.say(&ToAgent::Grant { id, bytes: 8 << 20 });
    let (_, reply) = agent.ended(id);
    let total = sent + (reply.stdout.len() + reply.stderr.len()) as u64;
    assert_eq!(total, 2 << 20, "the rest is above the cap");
}

#[test]
fn output_that_was_removed_is_no_fault_and_ids_are_found_before() {
    let (mut agent, instance) = (Agent::start(), Instance::new());
    let text = "echo sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef x 0123456789ab 12345; echo fedcba987654 >&2";
    agent.exec(instance.exec("a", text));
    let named = |exec: &str| (instance.path.clone(), exec.to_owned());
    let (path, exec) = named("a");
    let ids = [
        "0123456789ab",
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        "fedcba987654",
    ];
    let ask = Request::PrintedIds {
        instance: path.clone(),
        exec: exec.clone(),
    };
    assert_eq!(
        agent.answer(ask.clone()),
        Ok(Answer::Ids(ids.map(str::to_owned).to_vec()))
    );
    for _ in 0..2 {
        let forget = Request::ForgetOutput {
            instance: path.clone(),
            exec: exec.clone(),
        };
        assert_eq!(agent.answer(forget), Ok(Answer::Done));
    }
    assert!(!instance.file("a", "stdout").exists());
    assert_eq!(agent.answer(ask), Ok(Answer::Ids(Vec::new())));
    let (path, exec) = named("none");
    assert_eq!(
        agent.answer(Request::PrintedIds { instance: path, exec }),
        Ok(Answer::Ids(Vec::new()))
    );
    let id = agent.ask(
        true,
        Request::Attach(Attach {
            stdout: 2,
            ..instance.attach("a")
        }),
    );
    let (ending, reply) = agent.ended(id);
    assert_eq!((ending, reply.stdout.len()), (Ending::Exited(0), 0));
}

#[test]
fn a_record_is_complete_on_a_full_disk() {
    let (mut agent, instance) = (Agent::start(), Instance::new());
    let mount = |arguments: &[&str]| {
        Command::new(arguments[0])
            .args(&arguments[1..])
            .status()
            .unwrap()
            .success()
    };
    if !mount(&["mount", "-t", "tmpfs", "-o", "size=256k", "none", &instance.path]) {
        // A machine where even root may not.
        return;
    }
    let fill = format!("cat /dev/zero >{}/fill 2>/dev/null; echo x; exit 5", instance.path);
    let (ending, reply) = agent.exec(instance.exec("a", &fill));
    let mut late = instance.exec("b", "sleep 100");
    // Long enough to fill the disk on a busy machine.
    late.deadline_ms = 2_000;
    fs::write(Path::new(&instance.path).join("fill"), "").unwrap();
    late.words = shell(&format!("cat /dev/zero >{}/fill 2>/dev/null; sleep 100", instance.path));
    let (timed_out, _) = agent.exec(late);
    let full = agent.answer(Request::Exec(instance.exec("c", "true")));
    assert!(mount(&["umount", "-l", &instance.path]));
    assert_eq!(ending, Ending::Exited(5));
    assert!(reply.stdout == b"x\n" || matches!(reply.answer, Ok(Answer::Ended { stdout_cut: 2, .. })));
    assert_eq!(timed_out, Ending::TimedOut);
    assert_eq!(
        full.unwrap_err().message,
        "cannot write the record: no space left on device"
    );
}
