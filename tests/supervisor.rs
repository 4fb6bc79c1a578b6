//! The supervisor on this machine's own shell: deadlines, signals, output of any size, re-attaching.
//!
//! Responsible for what the shell program does; how its orders reach a node is tested with ssh.
#![expect(clippy::unwrap_used, reason = "tests")]

use labctl::node::supervisor::{Account, Answer, Conclusion, Order, SCRIPT};
use labctl::node::{Command, Ending, ExecId, ExecRequest, OutputSink, Stream};
use secrecy::{ExposeSecret, SecretString};
use std::fs;
use std::io::{Read, Write};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

#[derive(Default)]
struct Kept {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    cut: [u64; 2],
}

impl OutputSink for Kept {
    fn chunk(&mut self, stream: Stream, bytes: &[u8]) {
        match stream {
            Stream::Stdout => self.stdout.extend_from_slice(bytes),
            Stream::Stderr => self.stderr.extend_from_slice(bytes),
        }
    }

    fn cut(&mut self, stream: Stream, bytes: u64) {
        self.cut[usize::from(stream == Stream::Stderr)] = bytes;
    }
}

/// A directory as it is on a node, for one test; what still runs when the test ends is killed.
struct Bench {
    directory: tempfile::TempDir,
    cap: u64,
    grace: u64,
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = self.supervisor(&["close"]).wait();
    }
}

impl Bench {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("supervisor"), SCRIPT).unwrap();
        Self {
            directory,
            cap: 64 << 20,
            grace: 1,
        }
    }

    fn supervisor(&self, arguments: &[&str]) -> Child {
        std::process::Command::new("/bin/sh")
            .arg(self.directory.path().join("supervisor"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap()
    }

    fn start(&self, request: &ExecRequest) -> Child {
        let order = Order::new(request, &nobody()).unwrap();
        let mut child = self.supervisor(&[
            "run",
            &request.id.0,
            &order.spec_length.to_string(),
            &order.stdin_length.to_string(),
            &request.deadline.as_secs_f64().to_string(),
            &self.cap.to_string(),
            &self.grace.to_string(),
        ]);
        // A record that exists takes no order: the pipe may be closed already.
        let _ = child
            .stdin
            .take()
            .unwrap()
            .write_all(order.bytes.expose_secret().as_bytes());
        child
    }

    fn run(&self, request: &ExecRequest) -> (Ending, Kept) {
        finish(self.start(request), Answer::default())
    }

    fn record(&self, name: &str) -> String {
        fs::read_to_string(self.directory.path().join("exec").join(name)).unwrap_or_default()
    }
}

fn finish(mut child: Child, mut answer: Answer) -> (Ending, Kept) {
    let (mut kept, mut buffer) = (Kept::default(), vec![0; 65536]);
    let mut stdout = child.stdout.take().unwrap();
    loop {
        let read = stdout.read(&mut buffer).unwrap();
        if read == 0 {
            break;
        }
        answer.feed(&buffer[..read], &mut kept);
    }
    child.wait().unwrap();
    match answer.conclusion(Duration::from_secs(1)) {
        Some(Conclusion::Ended(ending)) => (ending, kept),
        other => panic!("the supervisor ended with {other:?}"),
    }
}

fn nobody() -> Account {
    Account {
        user: "nobody".into(),
        uid: 65534,
        gid: 65534,
        home: "/tmp".into(),
        shell: "/bin/sh".into(),
        path: "/usr/local/bin:/usr/bin:/bin".into(),
    }
}

fn argv(id: &str, words: &[&str]) -> ExecRequest {
    ExecRequest {
        id: ExecId(id.into()),
        command: Command::Argv(words.iter().map(|word| (*word).to_owned()).collect()),
        directory: Some("/".into()),
        environment: Vec::new(),
        stdin: None,
        as_root: true,
        deadline: Duration::from_secs(20),
    }
}

fn shell(id: &str, text: &str) -> ExecRequest {
    ExecRequest {
        command: Command::Shell(text.into()),
        ..argv(id, &[])
    }
}

fn exited(code: i32) -> Ending {
    Ending::Exited { code }
}

fn is_alive(pid: &str) -> bool {
    fs::read_to_string(format!("/proc/{}/stat", pid.trim())).is_ok_and(|stat| !stat.contains(") Z "))
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(10), "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn output_and_status_are_the_commands_own() {
    let bench = Bench::new();
    let (ending, kept) = bench.run(&shell("a", "printf 'a\\0\\377b'; echo oops >&2; exit 7"));
    assert_eq!(ending, exited(7));
    assert_eq!(kept.stdout, b"a\0\xffb");
    assert_eq!(kept.stderr, b"oops\n");
    assert_eq!(kept.cut, [0, 0]);
}

#[test]
fn a_status_of_137_is_not_a_kill() {
    let bench = Bench::new();
    assert_eq!(bench.run(&shell("a", "exit 137")).0, exited(137));
    assert_eq!(bench.run(&shell("b", "kill -9 $$")).0, Ending::Signalled { signal: 9 });
    assert_eq!(
        bench.run(&shell("c", "kill -15 $$")).0,
        Ending::Signalled { signal: 15 }
    );
    assert_eq!(bench.run(&shell("d", "exit 255")).0, exited(255));
}

#[test]
fn what_could_not_start_is_told_from_a_command_that_returns_the_same() {
    let bench = Bench::new();
    let refused = |id: &str, request: ExecRequest, words: &str| {
        let (ending, _) = bench.run(&request);
        match ending {
            Ending::CouldNotStart { reason } => assert!(reason.contains(words), "{id}: {reason}"),
            other => panic!("{id}: {other:?}"),
        }
    };
    refused("a", argv("a", &["no-such-program-at-all"]), "no such program");
    refused("b", argv("b", &["/no/such/file"]), "no such file");
    refused("c", argv("c", &["/etc/passwd"]), "not executable");
    refused("d", argv("d", &["/etc"]), "is a directory");
    let mut request = argv("e", &["true"]);
    request.directory = Some("/no/such/directory".into());
    refused("e", request, "cannot enter the directory /no/such/directory");
    let script = bench.directory.path().join("script");
    fs::write(&script, "#!/no/such/interpreter\n").unwrap();
    fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    refused("f", argv("f", &[script.to_str().unwrap()]), "not found");
    let huge = "x".repeat(200_000);
    refused("g", argv("g", &["echo", &huge]), "too long");

    assert_eq!(bench.run(&shell("h", "exit 127")).0, exited(127));
    assert_eq!(bench.run(&shell("i", "no-such-program-at-all")).0, exited(127));
    assert_eq!(bench.run(&shell("j", "echo labctl: no >&2; exit 126")).0, exited(126));
}

#[test]
fn hostile_words_and_values_arrive_as_they_are() {
    let bench = Bench::new();
    let words = [
        "$(reboot)",
        "`id`",
        "a'b\"c",
        "",
        "-n",
        "two\nlines",
        "*",
        "ü\u{1}",
        "--",
        "\\",
        "!x",
        "a b",
    ];
    let mut request = argv("a", &["printf", "%s\\n"]);
    if let Command::Argv(list) = &mut request.command {
        list.extend(words.map(str::to_owned));
    }
    assert_eq!(bench.run(&request).1.stdout, (words.join("\n") + "\n").as_bytes());

    let value = words.join("|");
    let mut request = shell("b", "printf %s \"$VALUE\"");
    request.environment = vec![("VALUE".into(), SecretString::from(value.clone()))];
    assert_eq!(bench.run(&request).1.stdout, value.as_bytes());
}

#[test]
fn many_and_long_words_arrive() {
    let bench = Bench::new();
    let word = "y".repeat(100_000);
    let mut words = vec!["printf", "%s"];
    words.resize(12, &word);
    assert_eq!(bench.run(&argv("a", &words)).1.stdout.len(), 1_000_000);
}

#[test]
fn the_environment_is_a_clean_one() {
    let bench = Bench::new();
    let (_, kept) = bench.run(&argv("a", &["env"]));
    let text = String::from_utf8(kept.stdout).unwrap();
    let mut names: Vec<&str> = text.lines().filter_map(|line| line.split('=').next()).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        ["HOME", "LABCTL_EXEC", "LANG", "LOGNAME", "PATH", "PWD", "SHELL", "USER"]
    );
    let (_, kept) = bench.run(&shell("b", "umask; grep SigIgn /proc/self/status"));
    let text = String::from_utf8(kept.stdout).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "0022");
    let ignored = u64::from_str_radix(lines[1].split_whitespace().nth(1).unwrap(), 16).unwrap();
    assert_eq!(ignored & 0x7fff_ffff, 0, "signals are ignored: {ignored:x}");
    let directory = bench.directory.path().to_str().unwrap();
    let (_, kept) = bench.run(&shell("c", "ls -l /proc/self/fd"));
    let text = String::from_utf8(kept.stdout).unwrap();
    assert_eq!(text.matches(directory).count(), 3, "open files of ours: {text}");
}

#[test]
fn secrets_stand_neither_in_the_record_nor_in_arguments() {
    let bench = Bench::new();
    let mut request = shell("a", "cat >/dev/null; until [ -e \"$GO\" ]; do sleep 0.01; done");
    let go = bench.directory.path().join("go");
    request.environment = vec![
        ("GO".into(), SecretString::from(go.to_str().unwrap().to_owned())),
        ("TOKEN".into(), SecretString::from("sesame-env-x")),
    ];
    request.stdin = Some(SecretString::from("sesame-stdin-x"));
    let child = bench.start(&request);
    until("the command runs", || bench.record("a/reason").contains("ready"));
    let found = std::process::Command::new("grep")
        .args(["-rl", "sesame-"])
        .arg(bench.directory.path())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&found.stdout), "", "files that hold a secret");
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        assert!(!line.contains("sesame-env") || line.contains("grep"), "{line}");
    }
    fs::write(go, "").unwrap();
    assert_eq!(finish(child, Answer::default()).0, exited(0));
}

#[test]
fn standard_input_arrives_whole() {
    let bench = Bench::new();
    let mut request = argv("a", &["wc", "-c"]);
    request.stdin = Some(SecretString::from("z".repeat(3_000_000)));
    assert_eq!(bench.run(&request).1.stdout, b"3000000\n");
    assert_eq!(
        bench.run(&argv("b", &["wc", "-c"])).1.stdout,
        b"0\n",
        "nothing where none was given"
    );
}

#[test]
fn a_deadline_ends_a_group_that_ignores_term() {
    let bench = Bench::new();
    let mut request = shell(
        "a",
        "trap '' TERM; (trap '' TERM; sleep 99) & echo $! $$; while :; do sleep 1; done",
    );
    request.deadline = Duration::from_millis(300);
    let start = Instant::now();
    let (ending, kept) = bench.run(&request);
    assert!(matches!(ending, Ending::TimedOut { .. }), "{ending:?}");
    assert!(start.elapsed() < Duration::from_secs(4), "took {:?}", start.elapsed());
    for pid in String::from_utf8(kept.stdout).unwrap().split_whitespace() {
        assert!(!is_alive(pid), "{pid} is alive");
    }
}

#[test]
fn a_deadline_lets_a_command_tidy_up_on_one_term() {
    let bench = Bench::new();
    let text = "n=0; trap 'n=$((n+1)); echo term $n' TERM; i=0; while [ $i -lt 8 ]; do sleep 0.05 & wait; i=$((i+1)); done; exit 3";
    let mut request = shell("a", text);
    request.deadline = Duration::from_millis(100);
    let (ending, kept) = bench.run(&request);
    assert!(matches!(ending, Ending::TimedOut { .. }), "{ending:?}");
    assert_eq!(String::from_utf8_lossy(&kept.stdout), "term 1\n");
}

#[test]
fn a_child_that_leaves_the_session_is_found_at_the_deadline() {
    let bench = Bench::new();
    let pid = bench.directory.path().join("pid");
    let text = format!(
        "setsid sh -c 'trap \"\" TERM; echo $$ >{}; exec sleep 98' & sleep 97",
        pid.display()
    );
    let mut request = shell("a", &text);
    request.deadline = Duration::from_millis(500);
    let (ending, _) = bench.run(&request);
    assert!(matches!(ending, Ending::TimedOut { .. }), "{ending:?}");
    let pid = fs::read_to_string(pid).unwrap();
    assert!(!pid.is_empty() && !is_alive(&pid), "{pid} is alive");
}

#[test]
fn the_deadline_holds_when_nobody_listens() {
    let bench = Bench::new();
    let mut request = shell("a", "echo $$; sleep 99");
    request.deadline = Duration::from_millis(500);
    let mut child = bench.start(&request);
    until("it runs", || !bench.record("a/stdout").is_empty());
    child.kill().unwrap();
    child.wait().unwrap();
    let pid = bench.record("a/stdout");
    assert!(is_alive(&pid), "the command went with its listener");
    until("the deadline", || bench.record("a/end").starts_with("timedout"));
    assert!(!is_alive(&pid));
}

#[test]
fn a_killed_command_is_cancelled() {
    let bench = Bench::new();
    let child = bench.start(&shell("a", "echo $$; sleep 99"));
    until("it runs", || !bench.record("a/stdout").is_empty());
    bench.supervisor(&["kill", "a"]).wait().unwrap();
    let (ending, kept) = finish(child, Answer::default());
    assert_eq!(ending, Ending::Cancelled);
    assert!(!is_alive(&String::from_utf8(kept.stdout).unwrap()));
    bench.supervisor(&["kill", "a"]).wait().unwrap();
    bench.supervisor(&["kill", "never-was"]).wait().unwrap();
}

#[test]
fn a_kill_at_once_is_not_lost() {
    let bench = Bench::new();
    for round in 0..5 {
        let id = format!("a{round}");
        let child = bench.start(&shell(&id, "sleep 99"));
        until("the claim", || bench.directory.path().join("exec").join(&id).exists());
        bench.supervisor(&["kill", &id]).wait().unwrap();
        assert_eq!(finish(child, Answer::default()).0, Ending::Cancelled);
    }
}

#[test]
fn a_hundred_megabytes_are_cut_and_counted() {
    let bench = Bench::new();
    let (ending, kept) = bench.run(&shell("a", "head -c 100000000 /dev/zero; echo done >&2"));
    assert_eq!(ending, exited(0), "it must not get SIGPIPE");
    assert_eq!(kept.stdout.len(), 64 << 20);
    assert_eq!(kept.cut, [100_000_000 - (64 << 20), 0]);
    assert_eq!(kept.stderr, b"done\n");
}

#[test]
fn a_full_disk_cuts_output_and_nothing_else() {
    let bench = Bench::new();
    let place = bench.directory.path().join("exec");
    fs::create_dir(&place).unwrap();
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"])
        .arg(&place)
        .status();
    if !mounted.is_ok_and(|status| status.success()) {
        eprintln!("cannot mount: skipped");
        return;
    }
    let (ending, kept) = bench.run(&shell("a", "head -c 1000000 /dev/zero; sleep 0.1; exit 3"));
    let mut child = bench.start(&shell("b", "true"));
    let mut told = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut told).unwrap();
    child.wait().unwrap();
    std::process::Command::new("umount").arg(&place).status().unwrap();
    assert_eq!(ending, exited(3), "it must not get SIGPIPE");
    assert!(
        !kept.stdout.is_empty() && kept.cut[0] > 500_000,
        "{} and {:?}",
        kept.stdout.len(),
        kept.cut
    );
    let mut answer = Answer::default();
    answer.feed(&told, &mut Kept::default());
    let conclusion = answer.conclusion(Duration::ZERO);
    assert!(
        matches!(&conclusion, Some(Conclusion::Fault(reason)) if reason.contains("disk")),
        "{conclusion:?}"
    );
}

#[test]
fn output_arrives_while_the_command_runs() {
    let bench = Bench::new();
    let go = bench.directory.path().join("go");
    let text = format!(
        "printf early; until [ -e {} ]; do sleep 0.01; done; printf late",
        go.display()
    );
    let mut child = bench.start(&shell("a", &text));
    let (mut answer, mut kept, mut buffer) = (Answer::default(), Kept::default(), [0; 1000]);
    let stdout = child.stdout.as_mut().unwrap();
    while kept.stdout != b"early" {
        let read = stdout.read(&mut buffer).unwrap();
        assert!(read > 0, "it ended after {:?}", kept.stdout);
        answer.feed(&buffer[..read], &mut kept);
    }
    fs::write(go, "").unwrap();
    let (ending, rest) = finish(child, answer);
    assert_eq!((ending, rest.stdout), (exited(0), b"late".to_vec()));
}

#[test]
fn a_new_listener_gets_the_rest_and_nothing_twice() {
    let bench = Bench::new();
    let (_, kept) = bench.run(&shell("a", "printf 0123456789; printf abcdef >&2; exit 4"));
    assert_eq!(kept.stdout, b"0123456789");
    for (at, rest) in [(0_usize, "0123456789"), (4, "456789"), (10, "")] {
        let child = bench.supervisor(&["attach", "a", &at.to_string(), "6"]);
        let (ending, kept) = finish(child, Answer::after([at as u64, 6]));
        assert_eq!(
            (ending, kept.stdout, kept.stderr),
            (exited(4), rest.as_bytes().to_vec(), Vec::new())
        );
    }
}

#[test]
fn a_known_id_is_attached_and_never_started_again() {
    let bench = Bench::new();
    let count = bench.directory.path().join("count");
    let request = shell("a", &format!("echo x >>{}; sleep 0.3; echo out", count.display()));
    let children: Vec<Child> = (0..8).map(|_| bench.start(&request)).collect();
    for child in children {
        let (ending, kept) = finish(child, Answer::default());
        assert_eq!((ending, kept.stdout), (exited(0), b"out\n".to_vec()));
    }
    assert_eq!(bench.run(&request).0, exited(0));
    assert_eq!(fs::read_to_string(count).unwrap(), "x\n");
    let leftovers: Vec<_> = fs::read_dir(bench.directory.path().join("exec")).unwrap().collect();
    assert_eq!(leftovers.len(), 1, "{leftovers:?}");
}

#[test]
fn a_child_in_the_background_does_not_hold_it_up() {
    let bench = Bench::new();
    let start = Instant::now();
    let (ending, kept) = bench.run(&shell("a", "sleep 5 & echo $!"));
    assert_eq!(ending, exited(0));
    assert!(start.elapsed() < Duration::from_secs(3), "took {:?}", start.elapsed());
    let pid = String::from_utf8(kept.stdout).unwrap();
    assert!(is_alive(&pid), "what a step leaves running on purpose was killed");
    std::process::Command::new("kill").arg(pid.trim()).status().unwrap();
}

#[test]
fn a_record_whose_supervisor_is_gone_is_lost_and_does_not_hang() {
    let bench = Bench::new();
    let child = bench.start(&shell("a", "echo $$; sleep 99"));
    until("it runs", || !bench.record("a/stdout").is_empty());
    let keeper = bench.record("a/keeper");
    let keeper = keeper.split(' ').next().unwrap();
    std::process::Command::new("kill")
        .args(["-9", keeper])
        .status()
        .unwrap();
    let (ending, kept) = finish(child, Answer::default());
    assert!(matches!(ending, Ending::LostConnection { .. }), "{ending:?}");
    assert!(
        !is_alive(&String::from_utf8(kept.stdout).unwrap()),
        "nobody holds its deadline any more"
    );
    // The same after a restart of the node: the pid is somebody else's.
    let record = bench.directory.path().join("exec/a");
    fs::remove_file(record.join("end")).unwrap();
    fs::write(record.join("keeper"), "1 1 0\n").unwrap();
    let child = bench.supervisor(&["attach", "a", "0", "0"]);
    assert!(matches!(
        finish(child, Answer::default()).0,
        Ending::LostConnection { .. }
    ));
}

#[test]
fn an_order_cut_short_starts_nothing() {
    let bench = Bench::new();
    let mut child = bench.supervisor(&["run", "a", "100", "0", "9", "1000", "1"]);
    child.stdin.take().unwrap().write_all(b"uid=0").unwrap();
    let mut told = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut told).unwrap();
    let mut answer = Answer::default();
    answer.feed(&told, &mut Kept::default());
    let conclusion = answer.conclusion(Duration::ZERO);
    assert!(matches!(conclusion, Some(Conclusion::Fault(_))), "{conclusion:?}");
    assert_eq!(fs::read_dir(bench.directory.path().join("exec")).unwrap().count(), 0);
    let _ = child.wait();
}

#[test]
fn nothing_is_left_running_after_a_command() {
    let bench = Bench::new();
    bench.run(&shell("a", "true"));
    let directory = bench.directory.path().to_str().unwrap().to_owned();
    until("the supervisor's processes are gone", || {
        !fs::read_dir("/proc").unwrap().flatten().any(|entry| {
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).contains(&directory)
        })
    });
    let naps = fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter(|entry| fs::read(entry.path().join("cmdline")).is_ok_and(|line| line.starts_with(b"sleep\x0020.0000")));
    assert_eq!(naps.count(), 0);
}

#[test]
fn a_step_of_the_login_user_runs_as_that_user() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("not root: skipped");
        return;
    }
    let bench = Bench::new();
    let mut request = shell("a", "id -un; echo $HOME $USER; pwd; test -r /etc/shadow || echo no");
    request.as_root = false;
    request.directory = None;
    let (ending, kept) = bench.run(&request);
    assert_eq!(ending, exited(0));
    assert_eq!(String::from_utf8_lossy(&kept.stdout), "nobody\n/tmp nobody\n/tmp\nno\n");
    request.id = ExecId("b".into());
    request.directory = Some("/root".into());
    assert!(matches!(bench.run(&request).0, Ending::CouldNotStart { .. }));
}
