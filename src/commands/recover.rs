//! What an instance owes, read back from the nodes: for a journal that is lost, and for an instance that was opened
//! elsewhere. A node keeps its baseline and each step's undo from before the step began.

use super::connect::{Connections, Reached, naming};
use super::failure::Failure;
use super::opening::new_run_id;
use crate::domain::{Baseline, Counts, Event, EventKind, InstanceId, NodeName, State, StepId, StepKey, Undo, Verb};
use crate::exit::Exit;
use crate::journal::{EventWriter, Instance};
use crate::node::{LookAt, NodeError, SeenKind, Transport};
use crate::planner::plan_cleanup;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How many bytes of one file are read.
const LARGEST: u64 = 32 << 20;

/// How long a run's id is: `20261122-215857-ab12`. A step's undo is called RUN-STEP.
const RUN_ID: usize = 20;

/// What a node keeps of an instance.
#[derive(Debug, Default, PartialEq)]
struct Kept {
    baseline: Option<Baseline>,
    /// Exec and undo of each step, in the order in which they began.
    undo: Vec<(String, Vec<Undo>)>,
}

/// What became of reading back.
#[derive(Debug, Default)]
pub(super) struct Recovered {
    /// The nodes whose debts stand in the journal again.
    pub(super) nodes: Vec<NodeName>,
    /// The nodes that could not be asked, and why.
    pub(super) unknown: Vec<String>,
}

/// Returns the nodes of `instance` of which its journal, `events`, cannot prove that nothing is owed there. A journal that
/// was there from the beginning begins with a run, and knows.
pub(super) fn unproven(instance: &Instance, events: &[Event]) -> Vec<NodeName> {
    let begins_with_a_run = matches!(
        events.first().map(|event| &event.kind),
        Some(EventKind::RunStarted { plan, .. }) if plan.verb == Verb::Run
    );
    if begins_with_a_run {
        return Vec::new();
    }
    let state = State::of(events);
    let released: BTreeSet<&NodeName> = events
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::NodeReleased { node } => Some(node),
            _ => None,
        })
        .collect();
    let names = instance.record().inventory.nodes.iter().map(|node| node.name.clone());
    names
        .filter(|name| !released.contains(name) && !state.baselines.contains_key(name))
        .collect()
}

/// Says whether `reached` holds the instance `id`; an error where root could not look.
pub(super) fn holds(reached: &Reached, id: &InstanceId) -> Result<bool, String> {
    let facts = reached.facts.as_ref().map_err(ToString::to_string)?;
    let instances = facts.instances.as_ref();
    let instances = instances.ok_or_else(|| "root could not look at /var/lib/labctl there".to_owned())?;
    Ok(instances.iter().any(|held| held == id.as_str()))
}

/// Puts into the journal of `instance` what those of `nodes` keep that hold it. Takes the lock.
pub(super) async fn recover(
    instance: &Instance,
    nodes: &[NodeName],
    connections: &Connections,
) -> Result<Recovered, Failure> {
    let id = &instance.record().id;
    let mut recovered = Recovered::default();
    let mut kept = BTreeMap::new();
    for name in nodes {
        let reached = match connections.nodes.get(name) {
            Some(Ok(reached)) => reached,
            Some(Err(error)) => {
                recovered.unknown.push(naming(name, &error.to_string()));
                continue;
            }
            None => {
                recovered.unknown.push(format!("{name}: it is not in the inventory"));
                continue;
            }
        };
        match holds(reached, id) {
            Ok(false) => {}
            Ok(true) => {
                let found = read_back(reached.transport.as_ref(), id, name).await?;
                if found.baseline.is_none() {
                    // Where not even the baseline got there, no step did.
                    reached.transport.close_instance(id).await?;
                }
                kept.insert(name.clone(), found);
            }
            Err(reason) => recovered.unknown.push(format!("{name}: {reason}")),
        }
    }
    let mut journal = instance.writer(new_run_id()?, "cleanup")?;
    write_down(journal.as_mut(), &mut recovered, kept)?;
    Ok(recovered)
}

/// Returns whether the machine that `reached` leads to keeps what the instance `id` did on the node `name`.
pub(super) async fn is_the_machine(reached: &Reached, id: &InstanceId, name: &NodeName) -> Result<bool, Failure> {
    if !holds(reached, id).map_err(Failure::could_not_run)? {
        return Ok(false);
    }
    let kept = read_back(reached.transport.as_ref(), id, name).await?;
    Ok(kept.baseline.is_some())
}

async fn read_back(transport: &dyn Transport, id: &InstanceId, name: &NodeName) -> Result<Kept, Failure> {
    let directory = transport.instance_directory(id);
    let cannot = |reason: &str| {
        Failure::new(
            Exit::Left,
            anyhow::Error::msg(format!(
                "what {name} keeps in {directory} cannot be read back: {reason}"
            )),
        )
    };
    let files = read_files(transport, &directory)
        .await
        .map_err(|reason| cannot(&reason))?;
    let kept = parse(files).map_err(|reason| cannot(&reason))?;
    match &kept.baseline {
        Some(baseline) if baseline.node != *name => Err(Failure::usage(format!(
            "the machine called {name} was called {} when instance {id} was opened",
            baseline.node
        ))
        .hint("give every machine the name it had then")),
        None if !kept.undo.is_empty() => Err(cannot("there is no baseline.json")),
        _ => Ok(kept),
    }
}

/// A file that a node keeps of an instance.
#[derive(Debug, Clone)]
struct KeptFile {
    /// When it was written, in nanoseconds since 1970 by the node's clock.
    written_ns: i64,
    name: String,
    content: Vec<u8>,
}

/// Reads the baseline and the undo of every step from the instance's `directory`.
async fn read_files(transport: &dyn Transport, directory: &str) -> Result<Vec<KeptFile>, String> {
    let told = |error: NodeError| error.to_string();
    let undo = LookAt {
        path: format!("{directory}/undo"),
        names: true,
        ..LookAt::default()
    };
    let undo = transport.look_at(true, undo).await.map_err(told)?;
    let undo = undo.map(|undo| undo.names).unwrap_or_default();
    let undo = undo
        .iter()
        .map(|name| format!("undo/{}", String::from_utf8_lossy(name)));
    let undo = undo.filter(|name| name.ends_with(".json"));
    let mut files = Vec::new();
    for name in ["baseline.json".to_owned()].into_iter().chain(undo) {
        let look = LookAt {
            path: format!("{directory}/{name}"),
            content: LARGEST,
            ..LookAt::default()
        };
        match transport.look_at(true, look).await.map_err(told)? {
            None => {}
            Some(seen) if seen.kind != SeenKind::File => return Err(format!("{name} is no file")),
            Some(seen) if seen.size > LARGEST => return Err(format!("{name} is larger than labctl writes")),
            Some(seen) => files.push(KeptFile {
                written_ns: seen.modified_ns,
                name,
                content: seen.content,
            }),
        }
    }
    Ok(files)
}

/// Reads what stands in `files`.
fn parse(files: Vec<KeptFile>) -> Result<Kept, String> {
    let mut kept = Kept::default();
    let mut undo = Vec::new();
    for file in files {
        let name = &file.name;
        let damaged = |error: serde_json::Error| format!("{name} is not what labctl writes: {error}");
        if name == "baseline.json" {
            kept.baseline = Some(serde_json::from_slice(&file.content).map_err(damaged)?);
            continue;
        }
        let exec = name.trim_start_matches("undo/").trim_end_matches(".json").to_owned();
        let run = exec.get(..RUN_ID).unwrap_or(&exec).to_owned();
        let undos = serde_json::from_slice(&file.content).map_err(damaged)?;
        undo.push((run, file.written_ns, exec, undos));
    }
    // Runs are named after the controller's clock; within a run the node's own tells which step was first.
    undo.sort_by(|a, b| (&a.0, a.1, &a.2).cmp(&(&b.0, b.1, &b.2)));
    kept.undo = undo.into_iter().map(|(_, _, exec, undo)| (exec, undo)).collect();
    Ok(kept)
}

/// Writes what was read back as a run of its own.
fn write_down(
    journal: &mut dyn EventWriter,
    recovered: &mut Recovered,
    kept: BTreeMap<NodeName, Kept>,
) -> Result<(), Failure> {
    journal.append(EventKind::RunStarted {
        plan: Box::new(plan_cleanup(&State::default())),
        labctl_version: env!("CARGO_PKG_VERSION").to_owned(),
    })?;
    for (node, kept) in kept {
        let Some(baseline) = kept.baseline else {
            journal.append(EventKind::NodeReleased { node })?;
            continue;
        };
        journal.append(EventKind::BaselineTaken { baseline })?;
        for (exec, undo) in kept.undo {
            // What a step of another node made here is called after that node as well.
            let name = exec.split_once('@').map_or(exec.as_str(), |(name, _)| name);
            let step = StepId::new(name.get(RUN_ID + 1..).unwrap_or(name));
            let step = step.map_err(|error| Failure::new(Exit::Left, error))?;
            journal.append(EventKind::StepStarted {
                step: StepKey {
                    step,
                    node: node.clone(),
                },
                exec: Some(exec),
                undo,
            })?;
        }
        recovered.nodes.push(node);
    }
    journal.append(EventKind::RunFinished {
        verb: Verb::Cleanup,
        counts: Counts::default(),
        took: Duration::ZERO,
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::RunId;
    use crate::fuzzing::Target;
    use crate::journal::MemoryJournal;

    fn file(written_ns: i64, name: &str, content: &str) -> KeptFile {
        KeptFile {
            written_ns,
            name: name.to_owned(),
            content: content.as_bytes().to_vec(),
        }
    }

    fn undo(path: &str) -> String {
        format!(r#"[{{"undo":"remove_directory","path":"{path}"}}]"#)
    }

    fn nothing_of(node: &NodeName) -> Baseline {
        Baseline {
            node: node.clone(),
            containers: BTreeMap::new(),
            images: BTreeMap::new(),
            networks: BTreeSet::new(),
            volumes: BTreeSet::new(),
            files: BTreeMap::new(),
        }
    }

    fn node() -> NodeName {
        NodeName::new("node-0").unwrap()
    }

    #[test]
    fn undo_is_read_back_in_the_order_in_which_the_steps_began() {
        let baseline = serde_json::to_string(&nothing_of(&node())).unwrap();
        let files = vec![
            file(900, "baseline.json", &baseline),
            file(150, "undo/20261122-215857-ab12-second.json", &undo("/b")),
            file(125, "undo/20261122-215857-ab12-first.json", &undo("/a")),
            file(100, "undo/20261122-235857-0000-later.json", &undo("/c")),
        ];
        let kept = parse(files.clone()).unwrap();
        assert_eq!(kept.baseline, Some(nothing_of(&node())));
        let mut journal = MemoryJournal::new(RunId::new("run").unwrap());
        let mut recovered = Recovered::default();
        write_down(&mut journal, &mut recovered, BTreeMap::from([(node(), kept)])).unwrap();
        assert_eq!(recovered.nodes, [node()]);
        let paths = ["/a", "/b", "/c"].map(|path| Undo::RemoveDirectory { path: path.to_owned() });
        let events = written(files);
        assert_eq!(State::of(&events).owed[&node()], paths);
        assert!(State::of(&events).baselines.contains_key(&node()));
    }

    /// The events that `files` make.
    fn written(files: Vec<KeptFile>) -> Vec<Event> {
        struct Gathering(MemoryJournal, Vec<Event>);
        impl EventWriter for Gathering {
            fn append(&mut self, kind: EventKind) -> Result<Event, crate::journal::JournalError> {
                let event = self.0.append(kind)?;
                self.1.push(event.clone());
                Ok(event)
            }
        }
        let mut journal = Gathering(MemoryJournal::new(RunId::new("run").unwrap()), Vec::new());
        let kept = BTreeMap::from([(node(), parse(files).unwrap())]);
        write_down(&mut journal, &mut Recovered::default(), kept).unwrap();
        journal.1
    }

    #[test]
    fn what_labctl_did_not_write_is_refused() {
        for damaged in [
            file(1, "baseline.json", "{"),
            file(1, "undo/x.json", r#"[{"undo":"what"}]"#),
            file(1, "undo/x.json", "\0"),
        ] {
            assert!(parse(vec![damaged.clone()]).is_err(), "{damaged:?} was read");
        }
        assert_eq!(parse(Vec::new()), Ok(Kept::default()));
    }

    #[test]
    fn fuzz_notes_of_nodes() {
        let seeds = [
            serde_json::to_string(&nothing_of(&node())).unwrap(),
            undo("/srv/x"),
            r#"[{"undo":"restore_file","path":"/etc/x","before":{"before":"kept","backup":"b","sha256":"0","mode":420,"owner":"root","group":"root"},"after_sha256":null},{"undo":"run","command":["a"],"as_root":true},{"undo":"remove_printed","exec":"x","at":"node-1"}]"#.to_owned(),
        ];
        Target::new("notes-of-nodes")
            .seeds(seeds)
            .words(["\"undo\":", "remove_project", "../", "\"before\""])
            .run(|bytes| {
                let (name, content) = bytes.split_at(bytes.len().min(20));
                let named = format!("undo/20261122-215857-ab12-{}.json", String::from_utf8_lossy(name));
                let mut taken = false;
                for (name, content) in [
                    ("baseline.json", bytes),
                    ("undo/20261122-215857-ab12-one@node-1.json", bytes),
                    (named.as_str(), content),
                ] {
                    let file = KeptFile {
                        written_ns: 1,
                        name: name.to_owned(),
                        content: content.to_vec(),
                    };
                    if let Ok(kept) = parse(vec![file]) {
                        taken = true;
                        let mut journal = MemoryJournal::new(RunId::new("run").unwrap());
                        let kept = BTreeMap::from([(node(), kept)]);
                        let _ = write_down(&mut journal, &mut Recovered::default(), kept);
                    }
                }
                taken
            });
    }
}
