//! The journal comes first: before a reporter, before the action, and before going on at all.

use super::labs::{check, contains, does, plan, step, text};
use super::stage::Stage;
use labctl::domain::{Action, CheckKind, Event, EventKind, FileText, Notice, Plan, UndoText};
use labctl::journal::{EventWriter, JournalError};
use labctl::node::fake::FakeAnswer;
use labctl::runner::{RunError, carry_out, notice_channel};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

fn two_nodes() -> Plan {
    let files = vec![FileText {
        path: text("/etc/motd"),
        content: text("hello\n"),
        mode: None,
    }];
    plan(vec![
        step("one", "node-0", "work one").also_on("node-1"),
        does("write", "node-0", Action::Write { files })
            .expects(check(CheckKind::Stdout(contains("motd"))))
            .undo(UndoText::File(text("/etc/motd"))),
        step("two", "node-1", "work two").after(&["one"]),
    ])
}

fn stage_of_two() -> Stage {
    let stage = Stage::new(&["node-0", "node-1"]);
    for machine in stage.machines.values() {
        machine.disk(|disk| disk.write("/etc/motd", b"as it was\n", None));
        machine.fake.answer(
            "work",
            FakeAnswer::exited(0).stdout("done\n").takes(Duration::from_secs(3)),
        );
    }
    stage
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn each_event_is_on_disk_before_a_reporter_sees_it() {
    let stage = stage_of_two();
    let plan = two_nodes();
    let path = stage.instance().journal_path();
    let (sender, mut receiver) = notice_channel();
    let watching = std::thread::spawn(move || {
        let mut seen = 0;
        while let Some(notice) = receiver.blocking_recv() {
            let Notice::Event(event) = notice else { continue };
            let line = serde_json::to_string(&event).unwrap();
            assert!(
                read(&path).lines().any(|written| written == line),
                "{line} was shown first"
            );
            seen += 1;
        }
        seen
    });
    let id = stage.next_run();
    let mut journal = stage.instance().writer(id.clone(), "run").unwrap();
    let input = stage.engine_input(&plan, id);
    carry_out(&plan, input, journal.as_mut(), sender).await.unwrap();
    assert_eq!(watching.join().unwrap(), stage.instance().events().unwrap().len());
}

#[tokio::test(start_paused = true)]
async fn undo_and_backups_are_safe_before_the_action_starts() {
    let stage = Stage::one();
    let machine = stage.machine("node-0");
    machine.disk(|disk| disk.write("/etc/motd", b"as it was\n", None));
    let seen: Arc<Mutex<Option<(String, bool)>>> = Arc::default();
    let (journal, disk, noted) = (stage.instance().journal_path(), machine.files(), Arc::clone(&seen));
    machine.fake.answer_with(move |text| {
        (text == "change motd").then(|| {
            let mut disk = disk.lock().unwrap();
            let copies: Vec<&str> = disk
                .paths()
                .into_iter()
                .filter(|path| path.contains("/backup/"))
                .collect();
            let is_kept = copies
                .iter()
                .any(|path| disk.read(path).as_deref() == Some("as it was\n"));
            *noted.lock().unwrap() = Some((read(&journal), is_kept));
            disk.write("/etc/motd", b"changed\n", None);
            FakeAnswer::exited(0)
        })
    });
    let undo = UndoText::File(text("/etc/motd"));
    stage
        .run(&plan(vec![step("change", "node-0", "change motd").undo(undo)]))
        .await;
    let (journal, is_kept) = seen.lock().unwrap().clone().unwrap();
    assert!(is_kept, "the file was not kept when its command ran");
    let last: Event = serde_json::from_str(journal.lines().last().unwrap()).unwrap();
    let EventKind::StepStarted { undo, exec, .. } = last.kind else {
        panic!("the journal ended with {last:?} when the command ran")
    };
    assert_eq!(undo.len(), 1);
    let calls = machine.fake.call_lines();
    let at = |line: &str| calls.iter().position(|call| call == line).unwrap();
    let kept = at(&format!("keep undo/{}.json", exec.unwrap()));
    assert!(
        at("keep baseline.json") < kept && kept < at("exec change motd"),
        "{calls:#?}"
    );
    let copied = calls.iter().position(|call| call.starts_with("copy ")).unwrap();
    assert!(copied < kept, "{calls:#?}");
}

/// A journal that takes only so many events.
struct Failing {
    inner: Box<dyn EventWriter>,
    takes: usize,
    /// How many calls each node had had when it failed.
    calls_then: Arc<Mutex<Option<Vec<usize>>>>,
    count_calls: Box<dyn Fn() -> Vec<usize> + Send>,
}

impl EventWriter for Failing {
    fn append(&mut self, kind: EventKind) -> Result<Event, JournalError> {
        if self.takes == 0 {
            let mut then = self.calls_then.lock().unwrap();
            assert!(then.is_none(), "something was written after the journal had failed");
            *then = Some((self.count_calls)());
            return Err(std::io::Error::from(std::io::ErrorKind::StorageFull).into());
        }
        self.takes -= 1;
        self.inner.append(kind)
    }
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_cannot_be_written_ends_the_run_and_nothing_is_begun_after() {
    let events = stage_of_two().run(&two_nodes()).await.events.len();
    assert!(events > 15, "{events} events are too few to prove anything");
    for takes in 0..events {
        let stage = stage_of_two();
        let id = stage.next_run();
        let calls_then = Arc::default();
        let machines: Vec<_> = stage.machines.values().cloned().collect();
        let mut journal = Failing {
            inner: stage.instance().writer(id.clone(), "run").unwrap(),
            takes,
            calls_then: Arc::clone(&calls_then),
            count_calls: Box::new(move || machines.iter().map(|machine| machine.fake.calls().len()).collect()),
        };
        let (_, result) = stage.run_into(&two_nodes(), id, &mut journal).await;
        let error = result
            .err()
            .unwrap_or_else(|| panic!("the run went on without its event {takes}"));
        assert!(matches!(error, RunError::Journal(_)), "{error:?}");
        let then = calls_then.lock().unwrap().clone().unwrap();
        for (machine, then) in stage.machines.values().zip(then) {
            let later = machine.fake.call_lines().split_off(then);
            let begun: Vec<&String> = later
                .iter()
                .filter(|line| line.starts_with("exec") || line.starts_with("write"))
                .collect();
            assert!(begun.is_empty(), "begun without the event {takes}: {begun:?}");
        }
        drop(journal);
        assert_eq!(stage.instance().events().unwrap().len(), takes);
    }
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_was_removed_ends_the_run() {
    let stage = stage_of_two();
    let path = stage.instance().journal_path();
    stage.machine("node-0").fake.answer_with(move |text| {
        (text == "work one").then(|| {
            // What another answer of the same command did may have removed it already.
            let _ = std::fs::remove_file(&path);
            FakeAnswer::exited(0)
        })
    });
    let ran = stage.run(&two_nodes()).await;
    assert!(matches!(ran.result, Err(RunError::Journal(_))), "{:?}", ran.result);
    let calls = stage.machine("node-1").fake.call_lines();
    assert!(!calls.contains(&"exec work two".to_owned()), "{calls:#?}");
}

#[tokio::test(start_paused = true)]
async fn indexes_go_on_from_run_to_run() {
    let stage = stage_of_two();
    stage.run(&two_nodes()).await;
    stage.cleanup().await;
    let events = stage.instance().events().unwrap();
    let indexes: Vec<u64> = events.iter().map(|event| event.index).collect();
    assert_eq!(indexes, (0..events.len() as u64).collect::<Vec<_>>());
}
