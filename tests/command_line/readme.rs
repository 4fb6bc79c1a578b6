//! README.md does what it says: every command in it is there and is run.
//!
//! Those that need nodes are run by `tests/end_to_end/three_commands.rs`; here their arguments are judged.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::readme_commands::{blocks, commands, readme};

/// What needs neither nodes nor an engine.
const OFFLINE: [&str; 5] = ["--help", "list", "show", "images", "status"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn labctl(directory: &Path, arguments: &[String]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_labctl"))
        .args(arguments)
        .current_dir(directory)
        .env("XDG_STATE_HOME", directory.join("state"))
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn succeeds(directory: &Path, arguments: &[String]) {
    let output = labctl(directory, arguments);
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "labctl {}: {said}", arguments.join(" "));
}

#[test]
fn the_commands_that_need_no_node_work() {
    let directory = tempfile::tempdir().unwrap();
    let commands = commands();
    assert!(commands.len() > 10, "README.md shows too little");
    for arguments in commands
        .iter()
        .filter(|arguments| OFFLINE.contains(&arguments[0].as_str()))
    {
        succeeds(directory.path(), arguments);
    }
}

#[test]
fn the_other_commands_are_ones_that_labctl_has() {
    let directory = tempfile::tempdir().unwrap();
    for mut arguments in commands() {
        // Help is given instead of anything being done, after all options were understood.
        let at = arguments
            .iter()
            .position(|word| word == "docker")
            .unwrap_or(arguments.len());
        arguments.truncate(at);
        arguments.push("--help".to_owned());
        succeeds(directory.path(), &arguments);
    }
}

#[test]
fn the_scripts_it_names_are_there_and_refuse_what_they_do_not_know() {
    let blocks = blocks("sh").join("\n");
    let words = blocks.split_whitespace();
    let scripts: Vec<&str> = words.filter(|word| word.starts_with("scripts/")).collect();
    assert_eq!(scripts, ["scripts/quickstart", "scripts/test"]);
    for script in scripts {
        let output = Command::new(root().join(script))
            .arg("--dance")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{script}: {said}");
        assert!(
            said.contains("unknown argument --dance") && said.contains("--yes"),
            "{script}: {said}"
        );
    }
}

#[test]
fn the_files_it_links_to_are_there() {
    let link = regex::Regex::new(r"\]\(([^):#]+)\)").unwrap();
    for found in link.captures_iter(&readme()) {
        assert!(
            root().join(&found[1]).exists(),
            "README.md names {}, which is not there",
            &found[1]
        );
    }
}

#[test]
fn its_table_of_exit_codes_is_that_of_the_help() {
    let directory = tempfile::tempdir().unwrap();
    let help = labctl(directory.path(), &["--help".to_owned()]).stdout;
    let help = String::from_utf8(help).unwrap();
    let codes = help.split("Exit codes:\n").nth(1).unwrap().lines();
    let rows: Vec<String> = codes
        .map(|line| {
            let (code, meaning) = line.trim().split_once("  ").unwrap();
            format!("| {code} | {meaning} |")
        })
        .collect();
    assert_eq!(rows.len(), 8);
    for row in rows {
        assert!(readme().contains(&row), "README.md has no row {row}");
    }
}
