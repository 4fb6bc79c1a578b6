//! Journals and records as a crash, a full disk or somebody's editor could leave them.

use super::writer::{parse_events, read_events};
use super::{EventWriter, InstanceLock, InstanceRecord, JOURNAL_VERSION, JournalWriter};
use crate::domain::{Baseline, Counts, EventKind, InstanceId, NodeName, RunId, State, StepId, StepKey, Undo, Verb};
use crate::fuzzing::Target;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

const INVENTORY: &str = r#"{"source":"x","nodes":[{"name":"node-0","private_ip":"10.0.0.10","address":"a","public_address":null,"groups":[],"vars":{},
    "login":{"user":"u","port":22,"identity_file":"/k","proxy_jump":null,"host_key":"strict","known_hosts":null,"sudo":true,"connect_timeout":{"secs":10,"nanos":0}}}],
    "vars":{},"secrets":{},"registry":null,"images":{}}"#;

/// A journal as a run leaves it.
fn journal(directory: &Path) -> Vec<u8> {
    let path = directory.join("journal.jsonl");
    let lock = InstanceLock::take(directory, "run").unwrap();
    let mut writer = JournalWriter::open(&path, RunId::new("20261122-215857-ab12").unwrap(), lock).unwrap();
    let node = NodeName::new("node-0").unwrap();
    let baseline = Baseline {
        node: node.clone(),
        containers: BTreeMap::new(),
        images: BTreeMap::from([("sha256:1".to_owned(), ["a:1".to_owned()].into())]),
        networks: ["bridge".to_owned()].into(),
        volumes: Default::default(),
        files: BTreeMap::from([("/etc/x".to_owned(), None)]),
    };
    let step = StepKey {
        step: StepId::new("one").unwrap(),
        node: node.clone(),
    };
    let undo = vec![
        Undo::RemoveDirectory {
            path: "/srv/x".to_owned(),
        },
        Undo::RemoveImages {
            references: vec!["a:1".to_owned()],
        },
    ];
    for kind in [
        EventKind::BaselineTaken { baseline },
        EventKind::StepStarted {
            step,
            exec: Some("20261122-215857-ab12-one".to_owned()),
            undo,
        },
        EventKind::NodeReleased { node },
        EventKind::RunFinished {
            verb: Verb::Run,
            counts: Counts::default(),
            took: Duration::from_secs(1),
        },
    ] {
        writer.append(kind).unwrap();
    }
    std::fs::read(path).unwrap()
}

#[test]
fn fuzz_journals() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal.jsonl");
    let seed = journal(directory.path());
    Target::new("journals").seeds([seed]).run(|bytes| {
        let Ok((events, sound)) = parse_events(bytes, &path) else {
            return false;
        };
        assert!(
            sound as usize <= bytes.len() && bytes.get(sound as usize..).is_some_and(|torn| !torn.contains(&b'\n'))
        );
        State::of(&events);
        // What was read is written as it was read.
        for event in &events {
            let line = serde_json::to_vec(event).unwrap();
            assert_eq!(&serde_json::from_slice::<crate::domain::Event>(&line).unwrap(), event);
        }
        !events.is_empty()
    });
}

#[test]
fn fuzz_instance_records() {
    let record = InstanceRecord {
        format: JOURNAL_VERSION,
        id: InstanceId::new("lab2-ab12").unwrap(),
        lab: "lab2".to_owned(),
        lab_file: Some("/l/lab.toml".into()),
        inventory: serde_json::from_str(INVENTORY).unwrap(),
        vars: BTreeMap::from([("a".to_owned(), "b".to_owned())]),
        opened: jiff::Timestamp::UNIX_EPOCH,
    };
    let seed = serde_json::to_vec_pretty(&record).unwrap();
    Target::new("instance-records").seeds([seed]).run(|bytes| {
        let Ok(read) = InstanceRecord::parse(bytes, "instance.json".into()) else {
            return false;
        };
        assert!(read.format <= JOURNAL_VERSION);
        true
    });
}

#[test]
fn an_index_that_cannot_be_counted_on_is_read_and_written_after() {
    let directory = tempfile::tempdir().unwrap();
    let text = String::from_utf8(journal(directory.path())).unwrap();
    let path = directory.path().join("journal.jsonl");
    std::fs::write(&path, text.replace("\"index\":3", "\"index\":18446744073709551615")).unwrap();
    let (events, _) = read_events(&path).unwrap();
    assert_eq!(events.last().unwrap().index, u64::MAX);
    State::of(&events);
    let lock = InstanceLock::take(directory.path(), "run").unwrap();
    JournalWriter::open(&path, RunId::new("20261122-215857-ab12").unwrap(), lock).unwrap();
}
