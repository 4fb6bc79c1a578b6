//! One crate has no walls of its own: these tests read the imports and are the wall. Between crates Cargo is it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// For every layer, the layers it may import.
fn allowed() -> BTreeMap<&'static str, &'static [&'static str]> {
    BTreeMap::from([
        ("domain", &[][..]),
        ("planner", &["domain"][..]),
        ("check", &["domain"][..]),
        // Of the images only their list: which services a lab may name.
        ("load", &["domain", "images"][..]),
        ("journal", &["domain"][..]),
        ("report", &["domain"][..]),
        ("node", &["domain"][..]),
        ("probe", &["domain", "node"][..]),
        ("playground", &["domain"][..]),
        ("images", &[][..]),
        ("runner", &["domain", "check", "probe", "node", "journal"][..]),
        ("exit", &[][..]),
        ("cli", &[][..]),
        ("diagnostics", &["domain"][..]),
    ])
}

fn rust_files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            // A crate of its own.
            if !path.join("Cargo.toml").exists() {
                rust_files(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn layer_of(path: &Path) -> String {
    let inside = path.strip_prefix(source()).unwrap();
    inside
        .components()
        .next()
        .unwrap()
        .as_os_str()
        .to_string_lossy()
        .trim_end_matches(".rs")
        .to_owned()
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every source file with its layer and its text, comments left out.
fn files() -> Vec<(PathBuf, String, String)> {
    let mut found = Vec::new();
    rust_files(&source(), &mut found);
    assert!(found.len() > 30, "the sources were not found");
    found
        .into_iter()
        .map(|path| (path.clone(), layer_of(&path), code_of(&path)))
        .collect()
}

/// Returns the text of a source file, comments left out.
fn code_of(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn layers_import_only_what_the_architecture_allows() {
    let allowed = allowed();
    let import = regex::Regex::new(r"crate::(\{[^;]*\}|[a-z_]+)").unwrap();
    let name = regex::Regex::new(r"(?:^\{|,|^)\s*([a-z_]+)").unwrap();
    let mut wrong = Vec::new();
    for (path, layer, code) in files() {
        if matches!(layer.as_str(), "commands" | "main" | "lib") {
            continue;
        }
        let may = allowed
            .get(layer.as_str())
            .unwrap_or_else(|| panic!("{layer} has no rule: add one here"));
        for found in import.captures_iter(&code) {
            for imported in name.captures_iter(&found[1]) {
                let imported = &imported[1];
                if imported != layer
                    && allowed.contains_key(imported) | (imported == "commands")
                    && !may.contains(&imported)
                {
                    wrong.push(format!("{} ({layer}) imports {imported}", path.display()));
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "imports against the architecture:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn only_commands_know_the_services() {
    for (path, layer, code) in files() {
        let knows = code.contains("labctl_services");
        assert!(!knows || layer == "commands", "{} imports the services", path.display());
    }
}

#[test]
fn only_who_asks_nodes_knows_the_agents_protocol() {
    for (path, layer, code) in files() {
        let knows = code.contains("labctl_agent");
        let may = ["node", "probe"].contains(&layer.as_str());
        assert!(!knows || may, "{} imports the agent", path.display());
    }
}

#[test]
fn pure_layers_have_no_effects() {
    let effects = [
        "tokio::",
        "std::fs",
        "fs_err",
        "std::net",
        "std::process",
        "println!",
        "eprintln!",
        "std::env",
    ];
    let mut wrong = Vec::new();
    for (path, layer, code) in files() {
        if ["domain", "planner", "check"].contains(&layer.as_str()) {
            for effect in effects.iter().filter(|effect| code.contains(**effect)) {
                wrong.push(format!("{} uses {effect}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "effects in pure layers:\n{}", wrong.join("\n"));
}

#[test]
fn main_is_short_and_nothing_exits_below_it() {
    let main = std::fs::read_to_string(source().join("main.rs")).unwrap();
    assert!(
        main.lines().count() <= 16,
        "main.rs only parses, builds the runtime and returns the exit code"
    );
    let mut all = Vec::new();
    rust_files(&source(), &mut all);
    rust_files(&source().join("services"), &mut all);
    rust_files(&source().join("agent"), &mut all);
    for path in all {
        let code = code_of(&path);
        assert!(
            !code.contains("process::exit"),
            "{} ends the process by itself",
            path.display()
        );
    }
}

/// Returns the modules that the group `name` of `.config/nextest.toml` lists.
fn modules_of_group(name: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(".config/nextest.toml");
    let config: toml::Table = std::fs::read_to_string(path).unwrap().parse().unwrap();
    let overrides = config["profile"]["default"]["overrides"].as_array().unwrap();
    let of_group = overrides
        .iter()
        .find(|one| one["test-group"].as_str() == Some(name))
        .unwrap();
    let listed = regex::Regex::new(r"\^\(([a-z_|]+)\)::").unwrap();
    let listed = listed.captures(of_group["filter"].as_str().unwrap()).unwrap();
    listed[1].split('|').map(str::to_owned).collect()
}

/// Returns the modules of the end-to-end tests that use one of `words`.
fn modules_that_use(words: &[&str]) -> Vec<String> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/end_to_end");
    let mut files = Vec::new();
    rust_files(&tests, &mut files);
    let uses = |path: &&PathBuf| {
        let text = std::fs::read_to_string(path).unwrap();
        words.iter().any(|word| text.contains(word))
    };
    let mut modules: Vec<String> = files
        .iter()
        .filter(uses)
        .map(|path| path.strip_prefix(&tests).unwrap().components().next().unwrap())
        .map(|first| first.as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned())
        .filter(|module| module != "harness")
        .collect();
    modules.sort();
    modules.dedup();
    modules
}

#[test]
fn tests_that_wait_for_the_same_playground_are_in_one_group_of_the_test_runner() {
    let today = modules_of_group("today");
    let of_today = modules_that_use(&["bench_of_today"]);
    let missing: Vec<_> = of_today.iter().filter(|one| !today.contains(one)).collect();
    assert!(missing.is_empty(), "{missing:?} are not in the group `today`");
    // What brings up nodes of its own may be in either.
    let own = modules_that_use(&["OwnPlayground", "TestPlayground"]);
    let needless: Vec<_> = today
        .iter()
        .filter(|one| !of_today.contains(one) && !own.contains(one))
        .collect();
    assert!(needless.is_empty(), "{needless:?} need not be in the group `today`");
    let kinds = modules_that_use(&["= bench()", "Stage {"]);
    let twice: Vec<_> = kinds.iter().filter(|one| today.contains(one)).collect();
    assert!(twice.is_empty(), "{twice:?} wait for two playgrounds");
}

#[test]
fn tests_outside_of_end_to_end_use_no_playground() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut files = Vec::new();
    rust_files(&tests, &mut files);
    assert!(files.len() > 60, "the tests were not found");
    let variable = ["LABCTL_TEST", "NODES"].join("_");
    for path in files.iter().filter(|path| !path.starts_with(tests.join("end_to_end"))) {
        let text = std::fs::read_to_string(path).unwrap();
        assert!(
            !text.contains(&variable),
            "{} uses nodes without a lease",
            path.display()
        );
    }
}
