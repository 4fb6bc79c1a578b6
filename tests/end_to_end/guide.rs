//! labs/README.md does what it says: who follows it from an empty directory has the lab `hello` in the end, and every command of it
//! ended as it stands there.

use crate::harness::{Bench, Ended, Running, bench};
use regex::Regex;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// How long one command may take.
const PATIENCE: Duration = Duration::from_secs(600);

/// What the guide has somebody do, in its order.
enum Part {
    /// This comes next in the lab file.
    Lab(String),
    /// This is the page's template.
    Page(String),
    /// This is run.
    Command(GuideCommand),
}

/// A command of the guide.
struct GuideCommand {
    arguments: Vec<String>,
    exit: i32,
    says: Option<String>,
}

impl GuideCommand {
    /// Reads `$ labctl WORDS   # ends with N and says: TEXT`, of which the comment or a part of it may be left out.
    fn read(line: &str) -> Self {
        let (words, comment) = line.split_once("  #").unwrap_or((line, ""));
        let words = words.strip_prefix("$ labctl ").unwrap();
        let form = Regex::new(r"^ (?:ends with (\d+))?(?: and )?(?:says: (.+))?$").unwrap();
        let read = form.captures(comment);
        assert!(comment.is_empty() || read.is_some(), "it cannot be tested: {line}");
        let part = |index| read.as_ref().and_then(|read| read.get(index)).map(|part| part.as_str());
        Self {
            arguments: shlex::split(words).unwrap(),
            exit: part(1).map_or(0, |code| code.parse().unwrap()),
            says: part(2).map(str::to_owned),
        }
    }

    #[track_caller]
    fn run(&self, bench: &Bench) {
        let mut arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        if arguments[0] != "show" {
            arguments.splice(1..1, ["--inventory", "aws.toml"]);
        }
        let mut command = bench.bare_command(&arguments);
        command.env("LABCTL_STATE_DIR", bench.state());
        let ended = Running::spawn(command, PATIENCE).wait();
        ended.assert_exit(self.exit);
        if let Some(says) = &self.says {
            self.assert_says(&ended, says);
        }
    }

    /// A long line is broken where the picture ends, so blanks and line breaks are one.
    #[track_caller]
    fn assert_says(&self, ended: &Ended, says: &str) {
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let said = words(&ended.text());
        assert!(
            said.contains(&words(says)),
            "labctl {} should say {says}: {said}",
            self.arguments.join(" ")
        );
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn guide() -> String {
    fs::read_to_string(root().join("labs/README.md")).unwrap()
}

/// Returns what the guide has somebody do.
fn parts() -> Vec<Part> {
    let guide = guide();
    let block = Regex::new(r"(?ms)^```(\w+)\n(.*?)^```$").unwrap();
    let parts = block.captures_iter(&guide).flat_map(|found| match &found[1] {
        "toml" => vec![Part::Lab(found[2].to_owned())],
        "html" => vec![Part::Page(found[2].to_owned())],
        "console" => found[2]
            .lines()
            .map(|line| Part::Command(GuideCommand::read(line)))
            .collect(),
        other => panic!("nobody tests blocks of {other}"),
    });
    parts.collect()
}

/// Does what the guide says in `directory`, with its commands run by `command`.
fn follow(directory: &Path, mut command: impl FnMut(&GuideCommand)) {
    let hello = directory.join("hello");
    fs::create_dir_all(hello.join("page")).unwrap();
    fs::copy(root().join("labs/hello/page/serve"), hello.join("page/serve")).unwrap();
    let mut lab = Vec::new();
    for part in parts() {
        match part {
            Part::Lab(piece) => {
                lab.push(piece);
                fs::write(hello.join("lab.toml"), lab.join("\n")).unwrap();
            }
            Part::Page(text) => fs::write(hello.join("page/index.html"), text).unwrap(),
            Part::Command(asked) => command(&asked),
        }
    }
}

#[test]
fn the_pieces_of_the_guide_are_the_lab_that_is_built_in() {
    let directory = tempfile::tempdir().unwrap();
    let mut shown = 0;
    follow(directory.path(), |command| {
        if command.arguments[0] == "show" {
            let output = Command::new(env!("CARGO_BIN_EXE_labctl"))
                .args(&command.arguments)
                .current_dir(directory.path())
                .output()
                .unwrap();
            assert!(output.status.success(), "{output:?}");
            shown += 1;
        }
    });
    assert!(shown > 0, "the guide shows no lab");
    let read = |path: &Path| fs::read_to_string(path).unwrap();
    let built_in = read(&root().join("labs/hello/lab.toml"));
    let (_comment, built_in) = built_in.split_once("\n\n").unwrap();
    assert_eq!(read(&directory.path().join("hello/lab.toml")), built_in);
    let page = "hello/page/index.html";
    assert_eq!(
        read(&directory.path().join(page)),
        read(&root().join("labs").join(page))
    );
}

#[test]
fn who_follows_the_guide_has_a_lab_that_runs_verifies_and_is_cleaned_up() {
    let Some(bench) = bench() else { return };
    let directory = bench.path("empty");
    fs::create_dir(directory.join("inventories")).unwrap();
    fs::copy(bench.path("inventory.toml"), directory.join("inventories/aws.toml")).unwrap();
    let mut run = 0;
    follow(&directory, |command| {
        command.run(&bench);
        run += 1;
    });
    assert!(run > 8, "the guide has only {run} commands");
    bench.assert_nodes_as_before();
}

#[test]
fn every_key_of_the_format_stands_in_the_guide() {
    let asked = Regex::new(r#"\bfields\s*\.\w+\(\s*"([a-z_]+)""#).unwrap();
    let mut keys = std::collections::BTreeSet::new();
    for file in fs::read_dir(root().join("src/load")).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with("read_") {
            let text = fs::read_to_string(&path).unwrap();
            keys.extend(asked.captures_iter(&text).map(|found| found[1].to_owned()));
        }
    }
    assert!(keys.len() > 60, "only {} keys were found: {keys:?}", keys.len());
    let guide = guide();
    let missing: Vec<&String> = keys
        .iter()
        .filter(|key| {
            let word = Regex::new(&format!(r"`[^`\n]*\b{key}\b[^`\n]*`|(?m)^    .*\b{key}\b")).unwrap();
            !word.is_match(&guide)
        })
        .collect();
    assert!(missing.is_empty(), "labs/README.md says nothing of {missing:?}");
}
