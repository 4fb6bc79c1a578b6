//! A labctl that dies after any event, and the cleanup that follows.

use super::disk::Disk;
use super::engine::{Container, Contents, Volume, id, image_id, of_project};
use super::labs::{check, does, plan, step, text};
use super::machine::Machine;
use super::stage::Stage;
use labctl::domain::{
    Action, CheckKind, EngineOptionSet, EngineSettings, Event, EventKind, FileText, InitSystem, OptionsSource, Plan,
    State, TextMatch, UndoText, Verb,
};
use labctl::journal::{EventWriter, JournalError};
use labctl::node::fake::FakeAnswer;
use labctl::planner::plan_cleanup;
use std::io::Write;

/// A node on which a learner has things of their own, and which answers as the demonstration's commands would.
fn stage() -> Stage {
    let stage = Stage::one();
    let machine = stage.machine("node-0");
    machine.disk(|disk| disk.write("/etc/motd", b"welcome\n", Some(0o600)));
    machine.engine.with(|engine| {
        engine.keeps_containers_alive = true;
        engine.image(&image_id("0a"), &["debian:12"], None);
        engine.image(&image_id("0b"), &["mongo:3.6", "mongo:mine"], None);
        engine.networks.insert("bridge".to_owned(), Default::default());
        engine.container(Container {
            id: id("cc"),
            name: "learner".to_owned(),
            image: image_id("0a"),
            running: true,
            ..Container::default()
        });
        engine.volumes.push(Volume {
            name: "notes".to_owned(),
            ..Volume::default()
        });
    });
    script(machine);
    stage
}

fn script(machine: &Machine) {
    let engine = machine.engine.table();
    let disk = machine.files();
    machine.fake.answer_with(move |text| {
        let mut engine = engine.lock().unwrap();
        match text {
            "build web" => {
                engine.image(&image_id("1a"), &[], Some(&image_id("0a")));
                engine.image(&image_id("1b"), &["web:latest"], Some(&image_id("1a")));
                let printed = format!(" ---> {}\n ---> {}\n", &id("1a")[..12], &id("1b")[..12]);
                Some(FakeAnswer::exited(0).stdout(printed))
            }
            "compose up -d" => {
                up(&mut engine);
                Some(FakeAnswer::exited(0))
            }
            "compose config" => {
                disk.lock().unwrap().write("/home/ubuntu/flag", b"set", None);
                Some(FakeAnswer::exited(0))
            }
            "unset" => {
                disk.lock().unwrap().remove("/home/ubuntu/flag");
                Some(FakeAnswer::exited(0))
            }
            _ => None,
        }
    });
}

fn up(engine: &mut Contents) {
    engine.networks.insert("web_default".to_owned(), of_project("web"));
    engine.volumes.push(Volume {
        name: id("ad"),
        anonymous: true,
        ..Volume::default()
    });
    engine.volumes.push(Volume {
        name: "web_data".to_owned(),
        labels: of_project("web"),
        ..Volume::default()
    });
    engine.container(Container {
        id: id("ca"),
        name: "web_1".to_owned(),
        image: image_id("1b"),
        running: true,
        status: 0,
        labels: of_project("web"),
        volumes: vec![id("ad"), "web_data".to_owned()],
    });
}

fn demonstration() -> Plan {
    let printed = || check(CheckKind::Stdout(TextMatch::default()));
    let file = |path: &str| FileText {
        path: text(path),
        content: text("written by the lab\n"),
        mode: None,
    };
    let clone = Action::Clone {
        repository: text("https://example.com/web"),
        directory: text("/home/ubuntu/web"),
    };
    let provide = Action::Provide {
        image: text("mongo:3.6"),
        upstream: Some(text("mongo:3.6")),
        stand_in: Some("mongo".to_owned()),
    };
    let compose = Action::Compose {
        program: vec!["compose".to_owned()],
        directory: text("/home/ubuntu/web"),
        arguments: vec![text("up"), text("-d")],
    };
    let engine = Action::SetEngineOptions(EngineSettings {
        options: EngineOptionSet {
            hosts: vec!["tcp://10.0.0.10:2375".to_owned()],
            labels: vec!["environment=staging".to_owned()],
            tls: Some(false),
        },
        source: OptionsSource::DefaultsFile,
        init: InitSystem::Sysvinit,
    });
    let files = vec![file("/etc/motd"), file("/opt/demo/settings")];
    plan(vec![
        does("clone", "node-0", clone)
            .undo(UndoText::Directory(text("/home/ubuntu/web")))
            .expects(printed()),
        does("write", "node-0", Action::Write { files })
            .undo(UndoText::File(text("/etc/motd")))
            .undo(UndoText::File(text("/opt/demo/settings")))
            .expects(printed()),
        does("engine", "node-0", engine).expects(check(CheckKind::File {
            path: text("/etc/default/docker"),
            exists: true,
            content: TextMatch {
                contains: vec![text("--label=environment=staging")],
                ..TextMatch::default()
            },
            mode: None,
            owner: None,
        })),
        step("flag", "node-0", "compose config").undo(UndoText::Run {
            command: vec![text("unset")],
            as_root: false,
        }),
        does("mongo", "node-0", provide)
            .undo(UndoText::Images(vec![text("mongo:3.6")]))
            .expects(printed()),
        step("build", "node-0", "build web").undo(UndoText::Images(vec![text("web")])),
        does("up", "node-0", compose)
            .undo(UndoText::Project(text("web")))
            .expects(printed()),
    ])
}

/// Everything that is on a node, in a form that can be compared.
fn world(stage: &Stage) -> (Disk, Contents) {
    let machine = stage.machine("node-0");
    let mut engine = machine.engine.with(|contents| contents.clone());
    engine.images.sort_by(|one, other| one.id.cmp(&other.id));
    engine.containers.sort_by(|one, other| one.id.cmp(&other.id));
    (machine.disk(|disk| disk.clone()), engine)
}

/// Takes so many events and then is gone, as a labctl that is killed.
struct Crashing {
    inner: Box<dyn EventWriter>,
    takes: usize,
}

impl EventWriter for Crashing {
    fn append(&mut self, kind: EventKind) -> Result<Event, JournalError> {
        if self.takes == 0 {
            return Err(std::io::Error::other("killed").into());
        }
        self.takes -= 1;
        self.inner.append(kind)
    }
}

/// Carries `plan` out until `takes` events are written. Where it is `torn`, a part of the next line is in the journal.
pub async fn crash(stage: &Stage, plan: &Plan, takes: usize, torn: bool) {
    let id = stage.next_run();
    let inner = stage.instance().writer(id.clone(), "run").unwrap();
    let mut journal = Crashing { inner, takes };
    let (_, result) = stage.run_into(plan, id, &mut journal).await;
    assert!(result.is_err(), "the run outlived its journal");
    drop(journal);
    if torn {
        let path = stage.instance().journal_path();
        let mut file = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            .unwrap();
        file.write_all(br#"{"index":99,"at":"2026-01-01T00:0"#).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_whole_run_and_its_cleanup_leave_everything_as_it_was() {
    let stage = stage();
    let before = world(&stage);
    let ran = stage.run(&demonstration()).await;
    assert_eq!(ran.summary().counts.passed, 7, "{:#?}", ran.summary().outcomes);
    assert!(
        stage
            .machine("node-0")
            .engine
            .with(|engine| engine.has_container("web_1"))
    );
    let ran = stage.cleanup().await;
    assert!(!stage.state().owes_anything(), "{:#?}", ran.events);
    assert_eq!(world(&stage), before);
    assert!(
        plan_cleanup(&stage.state()).steps.is_empty(),
        "a second cleanup has nothing to do"
    );
}

#[tokio::test(start_paused = true)]
async fn a_crash_after_any_event_of_a_run_is_cleaned_up() {
    let events = stage().run(&demonstration()).await.events.len();
    for takes in 0..events {
        let stage = stage();
        let before = world(&stage);
        crash(&stage, &demonstration(), takes, takes % 2 == 1).await;
        let ran = stage.cleanup().await;
        assert!(
            !stage.state().owes_anything(),
            "after {takes} events: {:#?}",
            ran.events
        );
        assert_eq!(world(&stage), before, "after {takes} events");
    }
}

#[tokio::test(start_paused = true)]
async fn a_crash_after_any_event_of_a_cleanup_is_cleaned_up_by_the_next() {
    let whole = stage();
    whole.run(&demonstration()).await;
    let events = whole.cleanup().await.events.len();
    for takes in 0..events {
        let stage = stage();
        let before = world(&stage);
        stage.run(&demonstration()).await;
        crash(&stage, &plan_cleanup(&stage.state()), takes, takes % 2 == 0).await;
        let ran = stage.cleanup().await;
        assert!(
            !stage.state().owes_anything(),
            "after {takes} events: {:#?}",
            ran.events
        );
        assert_eq!(world(&stage), before, "after {takes} events");
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_goes_on_after_a_crash_and_owes_nothing_twice() {
    let events = stage().run(&demonstration()).await.events.len();
    for takes in [events / 4, events / 2, events - 3] {
        let stage = stage();
        let before = world(&stage);
        crash(&stage, &demonstration(), takes, true).await;
        let ran = stage.run(&demonstration()).await;
        assert_eq!(ran.summary().counts.passed, 7, "{:#?}", ran.summary().outcomes);
        let ran = stage.cleanup().await;
        assert!(
            !stage.state().owes_anything(),
            "after {takes} events: {:#?}",
            ran.events
        );
        assert_eq!(world(&stage), before, "after {takes} events");
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_after_a_crash_keeps_the_baseline_on_the_node_whenever_that_came() {
    let stage = stage();
    // The third event would have told that the baseline is kept.
    crash(&stage, &demonstration(), 2, false).await;
    let fake = &stage.machine("node-0").fake;
    let crashed = fake.calls().len();
    stage.run(&demonstration()).await;
    let kept = fake
        .call_lines()
        .iter()
        .skip(crashed)
        .any(|line| line == "keep baseline.json");
    assert!(kept, "{:#?}", fake.call_lines());
}

#[tokio::test(start_paused = true)]
async fn folding_an_event_again_changes_nothing() {
    let stage = stage();
    stage.run(&demonstration()).await;
    crash(&stage, &plan_cleanup(&stage.state()), 6, true).await;
    let events = stage.instance().events().unwrap();
    let state = State::of(&events);
    assert_eq!(state.running, Some(Verb::Cleanup));
    assert!(state.owes_anything());
    let twice = events.iter().flat_map(|event| [event, event]);
    assert_eq!(State::of(twice), state);
    for from in 0..events.len() {
        let replayed = events.iter().chain(&events[from..]);
        assert_eq!(State::of(replayed), state, "replayed from event {from}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_owed_is_never_forgotten_where_events_are_missing() {
    let stage = stage();
    stage.run(&demonstration()).await;
    let events = stage.instance().events().unwrap();
    let owed = State::of(&events).owed;
    // Only these say what is owed, so any others may be missing.
    let needed = events.iter().filter(|event| {
        matches!(
            event.kind,
            EventKind::BaselineTaken { .. } | EventKind::StepStarted { .. }
        )
    });
    assert_eq!(State::of(needed).owed, owed);
}

#[tokio::test(start_paused = true)]
async fn a_torn_line_is_cut_off_and_one_in_the_middle_is_refused() {
    let stage = stage();
    crash(&stage, &demonstration(), 5, true).await;
    assert_eq!(stage.instance().events().unwrap().len(), 5);
    stage.cleanup().await;
    let path = stage.instance().journal_path();
    let journal = std::fs::read_to_string(&path).unwrap();
    assert!(
        journal.lines().all(|line| serde_json::from_str::<Event>(line).is_ok()),
        "{journal}"
    );
    std::fs::write(&path, journal.replacen("{\"index\":2", "{\"indx\":2", 1)).unwrap();
    let error = stage.instance().events().unwrap_err();
    assert!(matches!(error, JournalError::Damaged { line: 3, .. }), "{error:?}");
}
