//! Labs and inventories as people write them, good and bad: what is read, and how every fault is told.
//!
//! `labs` and `inventories` hold files with faults in them; each has a snapshot of everything that
//! is said about it.

use labctl::diagnostics::render_diagnostics;
use labctl::domain::{
    Action, CheckKind, ComposeFacts, ComposeFlavour, Diagnostics, EngineOptions, Facts, InitSystem, Inventory, Lab,
    Login, LoginFacts, Node, NodeName, OptionsSource, OsFacts, SecretSource, SourceText, StepOnNode, Text, ToolFacts,
    UndoText,
};
use labctl::load::{self, InventoryDraft, LabDefinition, LabSource, NodeDraft, ResolveContext};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

mod machines;
mod options;
mod order;
mod shell;
mod steps;

fn facts(flavour: ComposeFlavour) -> Facts {
    Facts {
        login: LoginFacts {
            user: "ubuntu".into(),
            uid: 1000,
            home: "/home/ubuntu".into(),
            root: true,
            may_use_engine: true,
        },
        private_address: None,
        os: OsFacts {
            id: "debian".into(),
            version: Some("12".into()),
            name: "Debian GNU/Linux 12 (bookworm)".into(),
            arch: "x86_64".into(),
            kernel: "6.1.0".into(),
        },
        init: InitSystem::Sysvinit,
        engine: None,
        engine_problem: None,
        compose: Some(ComposeFacts {
            flavour,
            version: if flavour == ComposeFlavour::V1 {
                "1.29.2".into()
            } else {
                "2.40.3".into()
            },
        }),
        engine_options: EngineOptions {
            source: OptionsSource::DefaultsFile,
            docker_opts: Vec::new(),
            defaults_unread: false,
            daemon_json: false,
            daemon_json_keys: Vec::new(),
            running: Vec::new(),
        },
        tools: ToolFacts::default(),
        docker_host: None,
        free_disk: None,
        instances: None,
    }
}

fn inventory() -> Inventory {
    let node = |index: usize| Node {
        name: NodeName::new(format!("node-{index}")).unwrap(),
        private_ip: format!("10.0.0.1{index}"),
        address: format!("10.0.0.1{index}"),
        public_address: (index == 0).then(|| "203.0.113.10".into()),
        groups: if index == 0 { vec![] } else { vec!["cluster".into()] },
        vars: BTreeMap::new(),
        login: Login::default(),
    };
    Inventory {
        source: "a test".into(),
        nodes: (0..3).map(node).collect(),
        vars: BTreeMap::new(),
        secrets: BTreeMap::new(),
        registry: None,
        images: BTreeMap::new(),
    }
}

fn parse(text: &str) -> Result<LabDefinition, Diagnostics> {
    load::parse_lab(&LabSource::from_text("lab.toml", text, &[]))
}

fn resolve_with(definition: &LabDefinition, inventory: &Inventory, vars: &[(&str, &str)]) -> Result<Lab, Diagnostics> {
    let facts = definition
        .nodes()
        .map(|node| (node.clone(), facts(ComposeFlavour::V1)))
        .collect();
    let vars = vars
        .iter()
        .map(|(name, value)| ((*name).into(), (*value).into()))
        .collect();
    let context = ResolveContext {
        instance: "lab2-test".into(),
        ..ResolveContext::default()
    };
    load::resolve(definition, inventory, &facts, &vars, &context)
}

/// Reads a lab of one task with `steps` and renders it.
fn lab_of(steps: &str) -> Result<Lab, Diagnostics> {
    let text = format!(
        "[lab]\nformat = 1\nid = \"small\"\ntitle = \"Small\"\nnodes = [\"node-0\", \"node-1\", \"node-2\"]\n\
         [vars.greeting]\ndefault = \"it's $HOME\"\n\
         [secrets.password]\nhelp = \"a password\"\n\
         [[task]]\nid = \"task1\"\ntitle = \"Task\"\non = \"node-0\"\n{steps}"
    );
    let mut inventory = inventory();
    inventory
        .secrets
        .insert("password".into(), SecretSource::Env("PASSWORD".into()));
    resolve_with(&parse(&text)?, &inventory, &[])
}

fn told(result: Result<Lab, Diagnostics>) -> String {
    match result {
        Ok(_) => "no fault was found".into(),
        Err(faults) => render_diagnostics(&faults, false),
    }
}

fn first(lab: &Lab) -> &StepOnNode {
    &lab.tasks[0].steps[0].on[0]
}

#[test]
fn checks_know_by_what_the_task_that_supersedes_them_is_seen_to_have_begun() {
    let lab = lab_of(
        "superseded_by = \"task2\"\n\
         [[task.step]]\nid = \"a\"\ntitle = \"A\"\nwait = true\nexpect = [{ port = 80 }]\n\
         [[task.verify]]\nid = \"b\"\ntitle = \"B\"\nfile = \"/b\"\n\
         [[task]]\nid = \"task2\"\ntitle = \"Two\"\non = \"all\"\n\
         [[task.step]]\nid = \"c\"\ntitle = \"C\"\nwait = true\nexpect = [{ port = 80 }]\n\
         [[task.verify]]\nid = \"d\"\ntitle = \"D\"\nneeds = [\"b\"]\nport = 80\n\
         [[task.verify]]\nid = \"e\"\ntitle = \"E\"\non = [\"node-1\", \"node-2\"]\nbegun = true\nfile = \"/{{ node.name }}\"\n",
    );
    let lab = lab.unwrap_or_else(|faults| panic!("{}", render_diagnostics(&faults, false)));
    let one = &lab.tasks[0];
    for check in [&one.steps[0].on[0].expect[0], &one.verify[0].check] {
        let signs: Vec<String> = check
            .superseded_signs
            .iter()
            .map(|sign| match &sign.kind {
                CheckKind::File { path, .. } => format!("{path} on {}", sign.node),
                kind => panic!("{kind:?}"),
            })
            .collect();
        assert_eq!(signs, ["/node-1 on node-1", "/node-2 on node-2"]);
    }
    let two = &lab.tasks[1];
    assert_eq!(
        two.verify[0].needs,
        one.verify[..1].iter().map(|look| look.id.clone()).collect::<Vec<_>>()
    );
    assert!(two.steps[0].on[0].expect[0].superseded_signs.is_empty());
}

#[test]
fn the_built_in_lab_is_right_for_every_compose() {
    let source = load::find_lab(None, Path::new("/nonexistent")).unwrap();
    let definition = load::parse_lab(&source).unwrap_or_else(|faults| panic!("{}", render_diagnostics(&faults, false)));
    for flavour in [
        ComposeFlavour::V1,
        ComposeFlavour::V2Standalone,
        ComposeFlavour::V2Plugin,
    ] {
        let facts = definition.nodes().map(|node| (node.clone(), facts(flavour))).collect();
        let context = ResolveContext {
            instance: "lab2-test".into(),
            ..ResolveContext::default()
        };
        let lab = load::resolve(&definition, &inventory(), &facts, &BTreeMap::new(), &context);
        let lab = lab.unwrap_or_else(|faults| panic!("{}", render_diagnostics(&faults, false)));
        insta::assert_snapshot!(format!("lab2_{flavour:?}"), outline(&lab));
    }
}

#[test]
fn the_built_in_lab_takes_a_repository_of_the_users_own() {
    let source = load::find_lab(None, Path::new("/nonexistent")).unwrap();
    let definition = load::parse_lab(&source).unwrap();
    let lab = resolve_with(
        &definition,
        &inventory(),
        &[("dockchat_repo", "https://example.com/dockchat.git")],
    )
    .unwrap();
    let task = &lab.tasks[1];
    let ids: Vec<&str> = task.steps.iter().map(|step| step.id.as_str()).collect();
    assert!(
        !ids.contains(&"dockchat-files") && !ids.contains(&"dockchat-repository"),
        "{ids:?}"
    );
    let clone = task.steps.iter().find(|step| step.id.as_str() == "clone").unwrap();
    assert_eq!(clone.after[0].as_str(), "dockchat-commit");
    let Action::Clone { repository, directory } = &clone.on[0].action else {
        panic!()
    };
    assert_eq!(repository.to_string(), "https://example.com/dockchat.git");
    assert_eq!(directory.to_string(), "/home/ubuntu/dockchat");
}

/// Shows what `labctl plan` would: enough to see that every text came out right.
fn outline(lab: &Lab) -> String {
    let mut lines = Vec::new();
    for task in &lab.tasks {
        lines.push(format!("{}: {} (needs {:?})", task.id, task.title, task.needs));
        for step in &task.steps {
            for on in &step.on {
                lines.push(format!(
                    "  {}@{} after {:?}: {}",
                    step.id, on.node, step.after, on.action
                ));
                lines.extend(
                    on.environment
                        .iter()
                        .map(|(name, value)| format!("    env {name}={value}")),
                );
                lines.extend(on.undo.iter().map(|undo| format!("    undo {undo:?}")));
                for check in &on.expect {
                    let hint = check.hint.as_deref().unwrap_or("-");
                    lines.push(format!("    check {:?}\n      hint {hint}", check.kind));
                }
            }
        }
        for look in &task.verify {
            lines.push(format!("  verify {}@{}: {:?}", look.id, look.node, look.check.kind));
        }
        lines.extend(
            task.links
                .iter()
                .map(|link| format!("  {}: {}", link.label, link.address)),
        );
    }
    lines.join("\n")
}

/// Returns name and text of every file in `folder`, in order.
fn files_of(folder: &str) -> BTreeMap<String, String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read_to_string(&path).unwrap())
        })
        .collect()
}

#[test]
fn every_bad_lab_is_told_with_all_its_faults() {
    for (name, text) in files_of("tests/command_line/load/labs") {
        let files = [("templates/page.txt", "one {{ vars.known }}\ntwo {{ vars.knwon }}\n")];
        let source = LabSource::from_text(&name, &text, &files);
        let told = match load::parse_lab(&source) {
            Ok(definition) => told(resolve_with(&definition, &inventory(), &[])),
            Err(faults) => render_diagnostics(&faults, false),
        };
        insta::assert_snapshot!(format!("lab_{name}"), told);
    }
}

#[test]
fn every_bad_inventory_is_told_with_all_its_faults() {
    for (name, text) in files_of("tests/command_line/load/inventories") {
        let snapshot = format!("inventory_{name}");
        let source = Arc::new(SourceText { name, text });
        let told = match load::parse_inventory(&source, Path::new("/nonexistent")) {
            Ok(_) => "no fault was found".into(),
            Err(faults) => render_diagnostics(&faults, false),
        };
        insta::assert_snapshot!(snapshot, told);
    }
}

#[test]
fn secrets_may_stand_in_the_environment_standard_input_and_files_only() {
    let good = "[[task.step]]\nid = \"a\"\ntitle = \"A\"\nrun = [\"cat\"]\nstdin = \"{{ secret.password }}\"\nenv.P = \"{{ secret.password }}\"\nundo = []\nexpect = [{ exit = 0 }]\n";
    let lab = lab_of(good).unwrap();
    assert!(first(&lab).environment["P"].holes().all(|hole| hole.secret));
    let bad = good.replace("[\"cat\"]", "[\"echo\", \"{{ secret.password }}\"]");
    insta::assert_snapshot!(told(lab_of(&bad)));
}

#[test]
fn the_small_lab_runs_on_one_node_and_leaves_others_alone() {
    let source = load::find_lab(Some("hello"), Path::new("/nonexistent")).unwrap();
    let definition = load::parse_lab(&source).unwrap_or_else(|faults| panic!("{}", render_diagnostics(&faults, false)));
    let mut one = inventory();
    one.nodes.truncate(1);
    for inventory in [one, inventory()] {
        let lab = resolve_with(&definition, &inventory, &[]).unwrap();
        let page = &lab.tasks[0].steps[0];
        assert_eq!(page.on.len(), 1);
        let Action::Write { files } = &page.on[0].action else {
            panic!()
        };
        assert_eq!(files[0].content.to_string(), "<h1>Hello from node-0</h1>\n");
    }
}

#[test]
fn what_the_lab_does_not_have_is_told_where_it_is_given() {
    let source = load::find_lab(None, Path::new("/nonexistent")).unwrap();
    let definition = load::parse_lab(&source).unwrap();
    let text = "[vars]\ndockchat_rep = \"x\"\n[images]\nmongodb = \"mongo:4\"\n[[node]]\nname = \"node-0\"\nprivate_ip = \"10.0.0.10\"\nvars = { nothing = \"1\" }\n";
    let source = Arc::new(SourceText {
        name: "inventories/mine.toml".into(),
        text: text.into(),
    });
    let (inventory, places) = load::parse_inventory(&source, Path::new("/")).unwrap();
    let context = ResolveContext {
        instance: "x".into(),
        inventory_places: Some(places),
        ..ResolveContext::default()
    };
    let vars = BTreeMap::from([("dockchat_repositry".to_owned(), "x".to_owned())]);
    let faults = load::validate(&definition, &inventory, &vars, &context).unwrap_err();
    insta::assert_snapshot!(render_diagnostics(&faults, false));
}

proptest! {
    #[test]
    fn any_text_is_read_as_a_lab_or_refused(text in any::<String>()) {
        let _ = parse(&text);
    }

    #[test]
    fn any_text_is_read_as_an_inventory_or_refused(text in any::<String>()) {
        let source = Arc::new(SourceText { name: "x".into(), text });
        let _ = load::parse_inventory(&source, Path::new("/nonexistent"));
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn the_built_in_lab_with_any_damage_is_read_or_told(at in 0_usize..12_000, length in 0_usize..40, new in "\\PC{0,6}") {
        let source = load::find_lab(None, Path::new("/nonexistent")).unwrap();
        let mut text = source.text().text.clone();
        let border = |at: usize| (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap();
        let (start, end) = (border(at), border(at + length));
        text.replace_range(start..end, &new);
        if let Err(faults) = parse(&text) {
            prop_assert!(!faults.faults.is_empty());
            render_diagnostics(&faults, false);
        }
    }
}
