//! Labs, inventories, templates and paths as anybody could write them.

use super::position::Located;
use super::source::LabSource;
use super::template::{Capturing, Purpose, Renderer, Scope};
use super::{parse_inventory, parse_lab, validate};
use crate::domain::{Diagnostic, Diagnostics, SourceText};
use crate::fuzzing::Target;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// What the parsers of TOML, of labs and of templates know.
const WORDS: &[&str] = &[
    "[[task.step]]\n",
    "[[task]]\n",
    "[vars]\n",
    "run = [\"true\"]\n",
    "shell = \"true\"\n",
    "undo = []\n",
    "on = \"node-0\"\n",
    "expect = [{ exit = 0 }]\n",
    "{{ vars.a }}",
    "{{ secret.a }}",
    "{{ capture.a }}",
    "{% for a in nodes %}",
    "{% endfor %}",
    "{# #}",
    "'''",
    "\"\"\"",
    "\\u0000",
    "\\U0010FFF0",
    "<<EOF",
    "| quote",
    "| safe",
    "10m",
    "timeout = ",
    "[[node]]\n",
    "private_ip = ",
    "node-[0:2]",
    "2026-01-01",
    "0x1f",
    "inf",
];

const LAB: &str = r#"[lab]
format = 1
id = "small"
title = "Small"
nodes = ["node-0"]
[vars]
registry = "own:5000"
registry_user = { help = "who logs in" }
[secrets]
registry_password = { help = "a password" }
[[task]]
id = "task1"
title = "Task"
on = "node-0"
[[task.step]]
id = "a"
title = "A"
undo = []
expect = [{ exit = 0 }]
run = ["{{ vars.registry }}", "{{ vars.registry_user }}"]
stdin = "{{ secret.registry_password }}"
"#;

const INVENTORY: &str = r#"[registry]
host = "registry.example/team"
user = "me"
password = "hub"
[secrets]
hub = { env = "HUB" }
[[node]]
name = "node-0"
private_ip = "10.0.0.10"
"#;

/// Small files of the folder `folder` of this repository.
fn files(folder: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let texts = paths
        .iter()
        .filter(|path| path.is_file())
        .map(|path| std::fs::read(path).unwrap());
    texts.filter(|text| text.len() < 6_000).collect()
}

fn source(text: &str) -> Arc<SourceText> {
    Arc::new(SourceText {
        name: "input".to_owned(),
        text: text.to_owned(),
    })
}

/// Asserts that every fault stands at a place that can be shown.
fn are_shown(faults: &[Diagnostic]) {
    assert!(!faults.is_empty());
    for fault in faults {
        if let Some((source, range)) = &fault.place {
            assert!(source.text.get(range.clone()).is_some(), "{range:?}: {}", fault.message);
        }
    }
}

fn is_taken<T>(read: Result<T, Diagnostics>) -> Option<T> {
    read.map_err(|found| are_shown(&found.faults)).ok()
}

#[test]
fn fuzz_labs() {
    let inventory = source(
        "[[node]]\nname = \"node-0\"\nprivate_ip = \"10.0.0.10\"\n[[node]]\nname = \"node-1\"\nprivate_ip = \"10.0.0.11\"\n",
    );
    let (inventory, _) = parse_inventory(&inventory, Path::new("/nonexistent")).unwrap();
    let labs = files("tests/command_line/load/labs")
        .into_iter()
        .chain(files("labs/hello"));
    // It is rendered for each kind of Compose, twice.
    let target = Target::new("labs")
        .seeds(labs)
        .seeds([LAB])
        .words(WORDS)
        .within(Duration::from_secs(2));
    target.one_of(4).run(|bytes| {
        let lab = LabSource::from_text(
            "input",
            &String::from_utf8_lossy(bytes),
            &[("page/serve", "{{ vars.a }}")],
        );
        let Some(definition) = is_taken(parse_lab(&lab)) else {
            return false;
        };
        is_taken(validate(
            &definition,
            &inventory,
            &BTreeMap::new(),
            &super::ResolveContext::default(),
        ));
        true
    });
}

#[test]
fn fuzz_inventories() {
    let seeds = files("tests/command_line/load/inventories")
        .into_iter()
        .chain(files("inventories"));
    let more = "[defaults]\nuser = \"u\"\nport = 22\nidentity_file = \"~/k\"\nproxy_jump = \"a@b:1\"\nhost_key = \"strict\"\n[vars]\na = \"b\"\n[images]\na = \"b:1\"\n\
                [secrets]\np = { env = \"P\" }\nq = { file = \"q\" }\n[registry]\nhost = \"r:5000/t\"\nuser = \"m\"\npassword = \"p\"\n\
                [[node]]\nname = \"node-0\"\nprivate_ip = \"10.0.0.10\"\naddress = \"::1\"\ngroups = [\"g\"]\nvars = { x = 1 }\n";
    Target::new("inventories")
        .seeds(seeds)
        .seeds([more, INVENTORY])
        .words(WORDS)
        .run(|bytes| {
            let source = source(&String::from_utf8_lossy(bytes));
            is_taken(parse_inventory(&source, Path::new("/nonexistent"))).is_some()
        });
}

#[test]
fn fuzz_templates() {
    let values = json!({ "vars": { "a": "b c", "n": "1" }, "nodes": [{ "name": "node-0" }, { "name": "node-1" }], "node": { "name": "node-0" } });
    let captures = BTreeMap::from([
        ("c".to_owned(), Capturing::Done { secret: false }),
        ("d".to_owned(), Capturing::Later { step: "s".to_owned() }),
    ]);
    let secrets = BTreeMap::from([("p".to_owned(), true), ("q".to_owned(), false)]);
    let scope = Scope::new(values.as_object().unwrap().clone(), captures, secrets);
    let renderer = Renderer::new();
    let seeds = [
        "echo {{ vars.a }} \"x\" {{ capture.c | quote }} '{{ vars.n | safe }}'\n",
        "{% for node in nodes %}{{ node.name }}{% if not loop.last %},{% endif %}{% endfor %}",
        "{{ secret.p }}:{{ secret.q }} {{ capture.d }} {{ vars.a | upper | replace(from=\"B\", to=\"x\") }}",
        "cat <<EOF\n{{ vars.a }}\nEOF\n{# a comment #}{{ nodes | length }} {{ vars.n ~ \"x\" }} {% set x = [1, 2] %}{{ x[0] }}",
        "docker inspect -f '{{.State.Status}}' x {{`raw`}}",
    ];
    let words = [
        "nodes",
        "vars.",
        "| safe",
        "| quote",
        "range(end=5)",
        "{% raw %}",
        "{% endraw %}",
        "{% set x = ",
        "<<'EOF'",
        "$((",
        "\"'",
        "`",
    ];
    Target::new("templates")
        .seeds(seeds)
        .words(words)
        .within(Duration::from_millis(300))
        .run(|bytes| {
            let text = String::from_utf8_lossy(bytes);
            let source = source(&text);
            let mut taken = false;
            for purpose in [Purpose::Plain, Purpose::Shell, Purpose::Private, Purpose::Early] {
                let template = Located {
                    text: &text,
                    source: &source,
                    token: None,
                };
                match renderer.render(template, &scope, purpose) {
                    Ok(_) => taken = true,
                    Err(faults) => are_shown(&faults),
                }
            }
            taken
        });
}

#[test]
fn fuzz_paths_in_labs() {
    let built_in = super::built_in_lab("lab2").unwrap();
    let seeds = [
        "dockchat/webapp.py",
        "templates/docker-compose.yml",
        "dockchat/templates",
        "dockchat/",
        "../lab2/lab.toml",
    ];
    Target::new("paths-in-labs")
        .seeds(seeds)
        .words(["..", "/", "./", "//", "lab.toml"])
        .run(|bytes| {
            let path = String::from_utf8_lossy(bytes);
            let found = built_in.file(&path).is_ok();
            if found || built_in.tree(&path).is_ok() {
                assert!(path.split('/').all(|part| part != ".." && part != ".") && !path.starts_with('/'));
            }
            found
        });
}
