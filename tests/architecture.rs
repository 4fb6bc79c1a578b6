//! One crate has no walls of its own: this test reads the imports and is the wall.

#![expect(clippy::unwrap_used, reason = "a test that cannot read the sources has failed")]

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
        ("services", &[][..]),
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
            rust_files(&path, found);
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
    let code = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).unwrap();
        text.lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .collect::<Vec<_>>()
            .join("\n")
    };
    found
        .into_iter()
        .map(|path| (path.clone(), layer_of(&path), code(&path)))
        .collect()
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
    for (path, _, code) in files() {
        assert!(
            !code.contains("process::exit"),
            "{} ends the process by itself",
            path.display()
        );
    }
}
