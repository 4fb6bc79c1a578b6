//! How commands are started, and what they are given.

use super::bench::{Bench, argv, exited, finish, shell, until};
use crate::skipping::skip;
use labctl::node::supervisor::Answer;
use labctl::node::{Command, Ending, ExecId, ExecRequest};
use secrecy::SecretString;
use std::fs;

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
fn a_step_of_the_login_user_runs_as_that_user() {
    if !rustix::process::geteuid().is_root() {
        skip("another user's command: this is not root");
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
