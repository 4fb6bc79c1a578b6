//! Commands that behave badly, and connections that are cut under them.

use crate::harness::{Bench, Node, bench_of_today, wait_for};
use std::process::Command;
use std::time::{Duration, Instant};

fn only<'a>(lab: &'a str, task: &'a str) -> [&'a str; 4] {
    ["run", lab, "--only", task]
}

/// Returns the pids on this machine of the ssh masters that lead to `node`.
fn masters(node: &Node) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let pid = entry.file_name().to_string_lossy().into_owned();
        let words = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let words: Vec<_> = words.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
        let is_master =
            words.first().is_some_and(|word| word.starts_with("ssh")) && words.iter().any(|word| word == "-M");
        if is_master && words.iter().any(|word| *word == node.address) {
            found.push(pid);
        }
    }
    found
}

fn kill_all(pids: &[String]) {
    assert!(!pids.is_empty(), "there should be a connection to cut");
    Command::new("kill").args(["-s", "KILL"]).args(pids).status().unwrap();
}

fn times_out_and_leaves_nothing(task: &str) {
    let Some(bench) = bench_of_today() else { return };
    let lab = bench.lab("commands");
    let run = bench.start_json(&only(&lab, task)).wait();
    run.assert_exit(3);
    assert_eq!(run.outcome(task)["outcome"], "timed_out");
    assert_eq!(bench.nodes[0].our_processes(), "");
    bench.clean_up_to_the_snapshot();
}

#[test]
fn a_root_command_that_ignores_term_is_killed_at_its_deadline() {
    times_out_and_leaves_nothing("stubborn");
}

#[test]
fn a_child_in_a_session_of_its_own_is_killed_as_well() {
    times_out_and_leaves_nothing("escaped");
}

#[test]
fn a_hundred_megabytes_of_output_cost_bounded_memory_and_a_capped_file() {
    let Some(bench) = bench_of_today() else { return };
    let lab = bench.lab("commands");
    let run = bench.labctl(&only(&lab, "flood"));
    run.assert_exit(0);
    let megabytes = run.peak_memory / 1024;
    assert!((1..200).contains(&megabytes), "labctl used {megabytes} MB");
    let journal = bench.journal();
    let finished = journal.iter().find(|event| event["event"] == "step_finished").unwrap();
    let output = finished["output"].as_array().unwrap();
    let stdout = output.iter().find(|record| record["stream"] == "stdout").unwrap();
    let cap = 64 * 1024 * 1024;
    assert_eq!(stdout["size"], cap);
    assert_eq!(stdout["cut"], 104_857_600 - cap);
    let name = stdout["path"].as_str().unwrap();
    let (_, kept) = bench
        .kept_files()
        .into_iter()
        .find(|(path, _)| path.ends_with(name))
        .unwrap();
    assert_eq!(kept.len() as u64, cap);
    assert!(kept.starts_with(b"a line of output"));
    bench.clean_up_to_the_snapshot();
}

/// Fails where `text` could do anything to a terminal but show words.
#[track_caller]
fn assert_harmless(text: &[u8]) {
    let text = std::str::from_utf8(text).expect("what a terminal gets is UTF-8");
    let bad: Vec<char> = text
        .chars()
        .filter(|c| (c.is_control() && *c != '\n') || *c == '\u{202e}')
        .collect();
    assert!(bad.is_empty(), "control characters {bad:?} reached the terminal");
}

#[test]
fn hostile_output_never_reaches_the_terminal_raw() {
    let Some(bench) = bench_of_today() else { return };
    let lab = bench.lab("commands");
    for more in [&["--verbose"][..], &[], &["--quiet"]] {
        let run = bench.labctl(&[&only(&lab, "hostile")[..], more].concat());
        run.assert_exit(1).assert_says(&["last words"]);
        assert_harmless(&run.stdout);
        assert_harmless(&run.stderr);
        assert!(run.stdout.len() < 5_000_000);
    }
    let run = bench.start_json(&only(&lab, "hostile")).wait();
    run.assert_exit(1);
    assert_harmless(&run.stdout);

    // On a terminal it draws with sequences of its own, so only those of the node's are looked for.
    let mut words = bench.command(&only(&lab, "hostile"));
    let line: Vec<String> = std::iter::once(words.get_program())
        .chain(words.get_args())
        .map(|word| format!("'{}'", word.to_string_lossy()))
        .collect();
    let on_terminal = Command::new("timeout")
        .args(["120", "script", "-q", "-e", "-c", &line.join(" "), "/dev/null"])
        .current_dir(words.stdin(std::process::Stdio::null()).get_current_dir().unwrap())
        .env("TERM", "xterm")
        .output()
        .unwrap();
    assert_eq!(on_terminal.status.code(), Some(1));
    let shown = String::from_utf8(on_terminal.stdout).expect("what a terminal gets is UTF-8");
    assert!(shown.contains("last words"), "{shown}");
    for sequence in [
        "\u{1b}]",
        "\u{1b}P",
        "\u{1b}[6n",
        "\u{9b}",
        "\u{9d}",
        "\u{202e}",
        "\u{e}",
        "\u{8}",
    ] {
        assert!(!shown.contains(sequence), "{sequence:?} reached the terminal");
    }
    bench.clean_up_to_the_snapshot();
}

/// Runs the command that must run once, while `cut` is done to the connection in the middle of it.
fn runs_once_although(cut: impl FnOnce(&Bench)) {
    let Some(bench) = bench_of_today() else { return };
    let lab = bench.lab("commands");
    let mut run = bench.start_json(&only(&lab, "once"));
    run.wait_for_step("step_started", "once");
    let node = &bench.nodes[0];
    wait_for("the command has begun", Duration::from_secs(20), || {
        node.holds("test -e /home/ubuntu/labctl-count").then_some(())
    });
    cut(&bench);
    let run = run.wait();
    run.assert_exit(0);
    assert_eq!(run.outcome("once")["outcome"], "passed");
    assert_eq!(node.root("cat /home/ubuntu/labctl-count"), "begun\ndone");
    bench.clean_up_to_the_snapshot();
}

#[test]
fn a_command_survives_the_death_of_the_connection_here() {
    runs_once_although(|bench| kill_all(&masters(&bench.nodes[0])));
}

#[test]
fn a_command_survives_the_death_of_the_connection_on_the_node() {
    runs_once_although(|bench| {
        bench.nodes[0].behind_ssh("kill -KILL $(pgrep -f '^sshd[^ ]*: .*@notty')");
    });
}

#[test]
fn a_deadline_is_held_while_the_link_is_cut() {
    let Some(bench) = bench_of_today() else { return };
    let lab = bench.lab("commands");
    let mut run = bench.start_json(&only(&lab, "late"));
    run.wait_for_step("step_started", "late");
    let started = Instant::now();
    let node = &bench.nodes[0];
    wait_for("the command runs", Duration::from_secs(3), || {
        (!node.our_processes().is_empty()).then_some(())
    });
    node.behind_ssh("iptables -I INPUT -p tcp --dport 22 -j DROP");
    // Deadline and grace pass on the node alone: 4 s and 5 s.
    wait_for("the node ends the command by itself", Duration::from_secs(20), || {
        let left = node.behind_ssh("grep -lza '^LABCTL_EXEC=' /proc/[0-9]*/environ 2>/dev/null || true");
        left.is_empty().then_some(())
    });
    assert!(started.elapsed() > Duration::from_secs(4));
    node.behind_ssh("iptables -D INPUT -p tcp --dport 22 -j DROP");
    let run = run.wait();
    run.assert_exit(3);
    assert_eq!(run.outcome("late")["outcome"], "timed_out");
    bench.clean_up_to_the_snapshot();
}

#[test]
fn a_connection_that_dies_at_the_deadline_hides_nothing() {
    let Some(bench) = bench_of_today() else { return };
    let lab = bench.lab("commands");
    let mut run = bench.start_json(&only(&lab, "late"));
    run.wait_for_step("step_started", "late");
    let node = &bench.nodes[0];
    // From then on it has five seconds.
    wait_for("the deadline passes", Duration::from_secs(20), || {
        let told = node.behind_ssh("grep -l 'told to end' /var/lib/labctl/*/exec/*late*/stdout 2>/dev/null || true");
        (!told.is_empty()).then_some(())
    });
    kill_all(&masters(node));
    let run = run.wait();
    run.assert_exit(3);
    assert_eq!(run.outcome("late")["outcome"], "timed_out");
    node.wait_until_ours_are_gone(Duration::from_secs(5));
    bench.clean_up_to_the_snapshot();
}
