//! `images list` and `images build`, and `images load` where no node answers.

use super::assert_says;
use super::bench::{Bench, code};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::Read;
use std::process::Stdio;

fn listed(bench: &Bench) -> Vec<Value> {
    let output = bench.command(&["images", "list", "--json"]).output().unwrap();
    assert_eq!(code(&output), 0, "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// Reads what an archive holds, by path.
fn entries(archive: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut archive = tar::Archive::new(archive);
    let read = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        (entry.path().unwrap().display().to_string(), bytes)
    });
    read.collect()
}

#[test]
fn every_image_is_listed_with_its_name_on_an_engine_its_size_and_its_id() {
    let bench = Bench::new();
    let images = listed(&bench);
    let names: Vec<&str> = images.iter().map(|image| text(&image["name"])).collect();
    assert_eq!(names, ["discovery", "mongo", "swarm"]);
    let output = bench.command(&["images", "list"]).output().unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert_eq!(shown.lines().count(), 1 + images.len(), "{shown}");
    for (line, image) in shown.lines().skip(1).zip(&images) {
        assert!(text(&image["reference"]).starts_with("labctl/"), "{image}");
        assert!(image["size"].as_u64().unwrap() > 1_000_000, "{image}");
        let id = &text(&image["id"])["sha256:".len()..][..12];
        for word in [
            text(&image["name"]),
            text(&image["reference"]),
            text(&image["purpose"]),
            id,
        ] {
            assert!(line.contains(word), "{line} has no {word}");
        }
    }
}

#[test]
fn an_archive_holds_the_listed_image_and_this_very_binary_can_run_in_it() {
    let bench = Bench::new();
    let output = bench.command(&["images", "build", "swarm"]).output().unwrap();
    assert_eq!((code(&output), output.stderr.len()), (0, 0));
    let files = entries(&output.stdout);
    let manifest: Value = serde_json::from_slice(&files["manifest.json"]).unwrap();
    assert_eq!(manifest[0]["RepoTags"], serde_json::json!(["labctl/swarm:1.2.9"]));
    let configuration = &files[text(&manifest[0]["Config"])];
    let id = format!("sha256:{:x}", Sha256::digest(configuration));
    let images = listed(&bench);
    let image = images.iter().find(|image| image["name"] == "swarm").unwrap();
    assert_eq!(text(&image["id"]), id);
    let layer = entries(&files[text(&manifest[0]["Layers"][0])]);
    let program = &layer["labctl"];
    assert_eq!(program.len() as u64, image["size"].as_u64().unwrap());
    let binary = std::fs::read(env!("CARGO_BIN_EXE_labctl")).unwrap();
    assert!(program.starts_with(b"\x7fELF") && program[64..] == binary[64..program.len()]);
}

#[test]
fn an_archive_in_a_file_is_the_one_on_standard_output() {
    let bench = Bench::new();
    assert_says!(
        "images_build_file",
        bench,
        ["images", "build", "mongo", "--output", "mongo.tar"]
    );
    let output = bench.command(&["images", "build", "mongo"]).output().unwrap();
    let written = std::fs::read(bench.path("desk/mongo.tar")).unwrap();
    assert!(
        written == output.stdout,
        "{} and {} bytes",
        written.len(),
        output.stdout.len()
    );
}

#[test]
fn an_archive_that_cannot_be_written_is_told() {
    let bench = Bench::new();
    assert_says!(
        "images_build_nowhere",
        bench,
        ["images", "build", "mongo", "--output", "nowhere/mongo.tar"]
    );
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = bench
        .command(&["images", "build", "mongo"])
        .stdout(Stdio::from(full))
        .output()
        .unwrap();
    insta::assert_snapshot!("images_build_full", bench.shown(&output));
}

#[test]
fn an_archive_is_not_thrown_at_a_terminal() {
    let bench = Bench::new();
    let plain = bench.command(&[]);
    // `script` gives its command a terminal.
    let mut command = std::process::Command::new("script");
    let labctl = env!("CARGO_BIN_EXE_labctl");
    command.args([
        "-qec",
        &format!("{labctl} images build swarm --color never"),
        "/dev/null",
    ]);
    command.env_clear().current_dir(bench.path("desk"));
    command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = command.stdin(Stdio::null()).output().unwrap();
    insta::assert_snapshot!("images_build_terminal", bench.shown(&output).replace('\r', ""));
}

#[test]
fn an_unknown_image_is_told_before_anything_is_asked() {
    let bench = Bench::new();
    assert_says!("images_build_unknown", bench, ["images", "build", "swram"]);
    let arguments = ["images", "load", "mongo", "swram", "--inventory", "closed"];
    assert_says!("images_load_unknown", bench, arguments);
    let arguments = ["images", "load", "--on", "node-0,nod-1", "--inventory", "closed"];
    assert_says!("images_load_unknown_node", bench, arguments);
}

#[test]
fn nodes_that_do_not_answer_are_all_named() {
    let bench = Bench::new();
    let arguments = [
        "images",
        "load",
        "swarm",
        "--inventory",
        "closed",
        "--on",
        "node-0,node-2",
    ];
    assert_says!("images_load_unreachable", bench, arguments);
    let output = bench.command(&[&arguments[..], &["--json"]].concat()).output().unwrap();
    assert_eq!(code(&output), 3);
    let rows: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let nodes: Vec<&str> = rows.iter().map(|row| text(&row["node"])).collect();
    assert_eq!(nodes, ["node-0", "node-2"]);
    assert!(rows.iter().all(|row| text(&row["unreachable"]).contains("refused")));
}
