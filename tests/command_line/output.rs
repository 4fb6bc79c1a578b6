//! What goes where: JSON alone on standard output, colour where it is wanted, never a control character beside it.

use super::bench::{Bench, SMALL_LAB, code};
use rstest::rstest;
use std::process::Output;

/// Runs that say a lot, on standard output or standard error, well or badly ended.
fn talkative() -> Vec<Vec<&'static str>> {
    [
        "--help",
        "list",
        "show lab2",
        "status",
        "cleanup",
        "run lab2 --inventory closed",
        "inventory check --inventory closed",
        "run lab3",
        "run --inventory bad",
        "verify --lab small --inventory closed",
        "playground status",
    ]
    .iter()
    .map(|line| line.split(' ').collect())
    .collect()
}

fn bench() -> Bench {
    let bench = Bench::new();
    bench.inventory("inventories/bad.toml", "port = 1", "port = \"\u{1b}[31m\"");
    bench.write("labs/small/lab.toml", SMALL_LAB);
    bench
}

fn has_control(output: &Output) -> bool {
    let said = [output.stdout.as_slice(), &output.stderr].concat();
    String::from_utf8(said)
        .unwrap()
        .chars()
        .any(|c| c.is_control() && c != '\n')
}

#[test]
fn off_a_terminal_there_is_no_control_character() {
    let bench = bench();
    for arguments in talkative() {
        let output = bench.command(&arguments).output().unwrap();
        assert!(!has_control(&output), "{arguments:?}: {output:?}");
    }
}

#[test]
fn colour_comes_when_it_is_always_wanted_and_never_otherwise() {
    let mut bench = bench();
    let coloured = |bench: &Bench, more: &[&str]| {
        let arguments = [&["run", "lab2", "--inventory", "closed"], more].concat();
        has_control(&bench.command(&arguments).output().unwrap())
    };
    assert!(coloured(&bench, &["--color", "always"]));
    assert!(!coloured(&bench, &["--color", "never"]));
    assert!(!coloured(&bench, &["--color", "auto"]));
    bench.set("LABCTL_COLOR", "always");
    assert!(coloured(&bench, &[]));
    bench.set("NO_COLOR", "1");
    // What is asked for by name wins over what is asked for by everybody's variable.
    assert!(coloured(&bench, &["--color", "always"]));
    assert!(!coloured(&bench, &["--color", "auto"]));
}

#[test]
fn a_terminal_gets_colour_unless_it_is_dumb_or_none_is_wanted() {
    let bench = bench();
    let on_a_terminal = |environment: &[(&str, &str)]| {
        let labctl = env!("CARGO_BIN_EXE_labctl");
        // `script` gives its command a terminal.
        let mut command = std::process::Command::new("script");
        let plain = bench.command(&[]);
        command.args(["-qec", &format!("{labctl} show lab2"), "/dev/null"]);
        command.env_clear().current_dir(bench.path("desk"));
        command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.env("TERM", "xterm-256color").envs(environment.iter().copied());
        let output = command.stdin(std::process::Stdio::null()).output().unwrap();
        assert_eq!(code(&output), 0, "{output:?}");
        String::from_utf8(output.stdout).unwrap().contains("\u{1b}[")
    };
    assert!(on_a_terminal(&[]));
    assert!(!on_a_terminal(&[("NO_COLOR", "1")]));
    assert!(!on_a_terminal(&[("TERM", "dumb")]));
    assert!(!on_a_terminal(&[("LABCTL_COLOR", "never")]));
    assert!(on_a_terminal(&[("NO_COLOR", "")]));
}

#[rstest]
#[case(&["list"], 0)]
#[case(&["show", "lab2"], 0)]
#[case(&["status"], 0)]
#[case(&["inventory", "check", "--inventory", "closed"], 3)]
#[case(&["cleanup"], 0)]
#[case(&["run", "--inventory", "closed"], 3)]
#[case(&["plan", "--inventory", "closed"], 3)]
#[case(&["verify", "--inventory", "nowhere"], 2)]
fn with_json_nothing_else_is_on_standard_output(#[case] arguments: &[&str], #[case] expected: i32) {
    let output = bench().command(&[arguments, &["--json"]].concat()).output().unwrap();
    assert_eq!(code(&output), expected, "{output:?}");
    if !output.stdout.is_empty() {
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap();
    }
    assert!(expected == 0 || !output.stderr.is_empty() || !output.stdout.is_empty());
}

#[test]
fn quiet_says_nothing_where_all_is_well() {
    let output = bench().command(&["cleanup", "--quiet"]).output().unwrap();
    assert_eq!(
        (code(&output), output.stdout.len(), output.stderr.len()),
        (0, 0, 0),
        "{output:?}"
    );
}

#[test]
fn a_reader_that_goes_away_is_no_fault() {
    let bench = bench();
    let mut command = bench.command(&["completions", "bash"]);
    let mut child = command
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.stderr.is_empty(), "{output:?}");
}
