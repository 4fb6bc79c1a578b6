//! What labctl tells people to do next is something that labctl does.

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use labctl::cli::Cli;
use std::path::{Path, PathBuf};

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap().flatten() {
        let path = entry.path();
        let is_read = |path: &Path| path.extension().is_some_and(|kind| kind == "rs" || kind == "toml");
        if path.is_dir() {
            sources(&path, found);
        } else if is_read(&path) {
            found.push(path);
        }
    }
}

/// Returns the commands that stand in the texts of `source`: between backquotes, or a whole text that begins with a verb.
fn commands(source: &str) -> Vec<String> {
    let without_comments: Vec<&str> = source
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with("//") && !line.starts_with('#'))
        .collect();
    let text = without_comments.join("\n").replace("\\\n", "");
    let between = |quote: char| {
        let beginning = format!("{quote}labctl ");
        let parts = text.split(&beginning).skip(1);
        let commands: Vec<String> = parts
            .filter_map(|part| Some(part.split_once(quote)?.0.to_owned()))
            .collect();
        commands
    };
    let labctl = Cli::command();
    let begins_with_a_verb = |command: &String| {
        let first = command.split_whitespace().next();
        first.is_some_and(|first| labctl.find_subcommand(first).is_some())
    };
    let mut found = between('`');
    found.extend(between('"').into_iter().filter(begins_with_a_verb));
    // The verb itself is filled in where it begins with a brace.
    found.retain(|command| !command.contains('\n') && !command.starts_with('{'));
    found
}

/// Returns the words of `command`, with something in the place of what is filled in later.
fn words(command: &str) -> Vec<String> {
    let mut filled = String::new();
    let mut rest = command;
    while let Some((before, after)) = rest.split_once('{') {
        let (_, after) = after.split_once('}').unwrap_or(("", after));
        // What is added to a word, such as further options, may be nothing.
        let is_own_word = before.ends_with([' ', '=']);
        filled += before;
        filled += if is_own_word { "filled" } else { "" };
        rest = after;
    }
    filled += rest;
    let labctls = filled.split(" | ").next().unwrap_or_default();
    std::iter::once("labctl")
        .chain(labctls.split_whitespace())
        .map(|word| word.trim_matches('\'').to_owned())
        .collect()
}

#[test]
fn every_command_in_a_hint_is_one_that_labctl_takes() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    sources(&root.join("src"), &mut files);
    sources(&root.join("labs"), &mut files);
    let mut seen = 0;
    let mut wrong = Vec::new();
    for file in files.iter().filter(|file| !file.to_string_lossy().contains("/tests")) {
        for command in commands(&std::fs::read_to_string(file).unwrap()) {
            seen += 1;
            let shows_help = |error: &clap::Error| {
                matches!(
                    error.kind(),
                    ErrorKind::DisplayHelp | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
                )
            };
            if let Err(error) = Cli::try_parse_from(words(&command))
                && !shows_help(&error)
            {
                wrong.push(format!("{}: labctl {command}\n{error}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(
        seen > 40,
        "only {seen} commands were found: are they written another way now?"
    );
}
