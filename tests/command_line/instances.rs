//! Instances as they are found on disk: locked, newer, damaged, out of reach.

use super::assert_says;
use super::bench::{Bench, code};
use jiff::Timestamp;
use labctl::domain::{InstanceId, Inventory, RunId};
use labctl::journal::{Instance, InstanceLock, InstanceRecord, JOURNAL_VERSION, Store};
use labctl::load;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

fn inventory(bench: &Bench) -> Inventory {
    let file = load::find_inventory("closed", &bench.path("desk")).unwrap();
    load::read_inventory(&file).unwrap().0
}

/// Opens an instance of lab2 on the machines of the inventory `closed`.
pub fn open(bench: &Bench, id: &str) -> Instance {
    let id = InstanceId::new(id).unwrap();
    let record = InstanceRecord {
        format: JOURNAL_VERSION,
        id: id.clone(),
        lab: "lab2".into(),
        lab_file: None,
        inventory: inventory(bench),
        vars: std::collections::BTreeMap::new(),
        opened: Timestamp::now(),
    };
    Instance::create(Store::new(bench.state()).directory(&id), record).unwrap()
}

fn file(instance: &Instance, name: &str) -> PathBuf {
    instance.directory().join(name)
}

#[test]
fn a_second_labctl_is_told_who_holds_the_lock() {
    let bench = Bench::new();
    let instance = open(&bench, "lab2-0badcafe");
    let _lock = InstanceLock::take(instance.directory(), "run").unwrap();
    for (name, arguments) in [
        ("run", &["run"][..]),
        ("run_inventory", &["run", "--inventory", "closed"]),
        ("cleanup", &["cleanup"]),
    ] {
        let output = bench.command(arguments).output().unwrap();
        assert_eq!(code(&output), 6, "{name}");
        let told = String::from_utf8(output.stderr.clone()).unwrap();
        assert!(told.contains(&format!("process {}", std::process::id())), "{told}");
        insta::assert_snapshot!(format!("locked_{name}"), bench.shown(&output));
    }
    assert_says!("locked_status", bench, ["status"]);
}

#[test]
fn a_lock_whose_holder_died_is_free() {
    let bench = Bench::new();
    let instance = open(&bench, "lab2-0badcafe");
    drop(InstanceLock::take(instance.directory(), "run").unwrap());
    // It fails at the nodes, which do not answer, not at the lock.
    assert_eq!(code(&bench.command(&["run"]).output().unwrap()), 3);
}

#[test]
fn an_instance_without_a_journal_is_shown_and_kept_while_its_nodes_do_not_answer() {
    let bench = Bench::new();
    let _instance = open(&bench, "lab2-0badcafe");
    assert_says!("new_instance_status", bench, ["status"]);
    assert_says!("new_instance_status_json", bench, ["status", "--json"]);
    assert_says!(
        "new_instance_cleanup",
        bench,
        ["cleanup", "--instance", "lab2-0badcafe"]
    );
}

#[test]
fn an_unknown_instance_is_told() {
    assert_says!("unknown_instance", Bench::new(), ["cleanup", "--instance", "lab3"]);
}

#[test]
fn the_machines_of_another_lab_are_refused() {
    let bench = Bench::new();
    let _instance = open(&bench, "lab2-0badcafe");
    bench.write("labs/small/lab.toml", super::bench::SMALL_LAB);
    assert_says!("another_lab", bench, ["run", "small", "--inventory", "closed"]);
    // An author's own is not the one that is built in.
    bench.write("labs/lab2/lab.toml", super::bench::SMALL_LAB);
    assert_says!(
        "another_lab_of_that_name",
        bench,
        ["run", "lab2", "--inventory", "closed"]
    );
    // Without a name the open one is meant: this fails at the nodes, which do not answer, and not at the lab.
    assert_eq!(code(&bench.command(&["run"]).output().unwrap()), 3);
    // So does this: a copy of what is built in is the same lab.
    let copy = concat!(env!("CARGO_MANIFEST_DIR"), "/labs/lab2");
    assert_eq!(
        code(&bench.command(&["run", copy, "--inventory", "closed"]).output().unwrap()),
        3
    );
}

#[test]
fn of_several_instances_one_must_be_named() {
    let bench = Bench::new();
    let _one = open(&bench, "lab2-0badcafe");
    let _other = open(&bench, "lab2-1badcafe");
    assert_says!("several_run", bench, ["run"]);
    assert_says!("several_cleanup", bench, ["cleanup"]);
    assert_says!("several_unknown", bench, ["cleanup", "--instance", "lab2-2badcafe"]);
}

#[test]
fn everything_is_taken_from_machines_that_are_named_and_answer() {
    let all = ["cleanup", "--scope", "all", "--yes"];
    assert_says!("everything_of_nobody", Bench::new(), all);
    assert_says!(
        "everything_of_silent_nodes",
        Bench::new(),
        [&all[..], &["--inventory", "closed"]].concat()
    );
}

#[test]
fn a_journal_from_a_newer_version_is_left_alone() {
    let bench = Bench::new();
    let instance = open(&bench, "lab2-0badcafe");
    let path = file(&instance, "instance.json");
    let text = fs::read_to_string(&path).unwrap();
    let newer = text.replacen(&format!("\"format\": {JOURNAL_VERSION}"), "\"format\": 99", 1);
    assert_ne!(newer, text);
    fs::write(&path, &newer).unwrap();
    let said = bench.says(&["cleanup"]);
    insta::assert_snapshot!("newer_journal", said);
    for arguments in [&["status"][..], &["run"], &["verify"], &["plan"]] {
        assert_eq!(bench.says(arguments), said, "{arguments:?}");
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), newer);
}

#[test]
fn a_damaged_journal_is_told_with_its_line() {
    let bench = Bench::new();
    let instance = open(&bench, "lab2-0badcafe");
    fs::write(file(&instance, "journal.jsonl"), "{\"index\":0}\n{\"index\":1}\n").unwrap();
    assert_says!("damaged_journal", bench, ["cleanup"]);
    fs::write(file(&instance, "instance.json"), "{\"format\": 1, \"id\": 7}").unwrap();
    assert_says!("damaged_instance", bench, ["status"]);
}

#[test]
fn a_torn_last_line_is_no_damage() {
    let bench = Bench::new();
    let instance = open(&bench, "lab2-0badcafe");
    let mut journal = instance.writer(RunId::new("r").unwrap(), "run").unwrap();
    let reason = "a test".to_owned();
    let took = std::time::Duration::ZERO;
    journal
        .append(labctl::domain::EventKind::RunAborted { reason, took })
        .unwrap();
    drop(journal);
    let path = file(&instance, "journal.jsonl");
    let mut text = fs::read_to_string(&path).unwrap();
    text.push_str("{\"index\":1,\"at\":\"2026-");
    fs::write(&path, text).unwrap();
    assert_eq!(code(&bench.command(&["status"]).output().unwrap()), 0);
}

#[test]
fn a_file_in_the_place_of_the_state_directory_is_told() {
    let bench = Bench::new();
    bench.write("file", "");
    for (name, arguments) in [
        ("status", &["status", "--state-dir", "file"][..]),
        ("run", &["run", "--inventory", "closed", "--state-dir", "file/below"]),
    ] {
        assert_says!(format!("state_is_a_file_{name}"), bench, arguments);
    }
}

#[test]
fn a_state_directory_that_cannot_be_read_is_told() {
    let bench = Bench::new();
    let state = bench.path("state");
    fs::create_dir_all(state.join("labctl/instances")).unwrap();
    fs::set_permissions(&state, fs::Permissions::from_mode(0o000)).unwrap();
    let output = bench.unprivileged(&["status"]).output().unwrap();
    // So that it can be removed.
    fs::set_permissions(&state, fs::Permissions::from_mode(0o700)).unwrap();
    insta::assert_snapshot!("state_unreadable", bench.shown(&output));
}

#[test]
fn a_home_that_nobody_knows_is_told() {
    let bench = Bench::new();
    let mut command = bench.command(&["status"]);
    command.env_remove("HOME").env_remove("XDG_STATE_HOME");
    let output = command.output().unwrap();
    // Where the system knows the user's home, that one is used: nothing of it may be in a snapshot.
    assert!([0, 2, 3].contains(&code(&output)), "{output:?}");
}
