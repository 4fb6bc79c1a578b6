use super::plans::plan;
use super::script::{Script, bad_run, good_run, hostile_build_output, partial_cleanup, verdict};
use super::terminal::FakeTerminal;
use crate::domain::{Notice, Outcome};
use crate::report::{Reporter, ScreenOptions, ScreenReporter};
use rstest::rstest;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

struct Stage {
    terminal: FakeTerminal,
    reporter: ScreenReporter,
    now: Arc<Mutex<Instant>>,
}

impl Stage {
    fn new(rows: u16, columns: u16) -> Self {
        let terminal = FakeTerminal::new(rows, columns);
        let sized = terminal.clone();
        let now = Arc::new(Mutex::new(Instant::now()));
        let clock = Arc::clone(&now);
        let options = ScreenOptions {
            tick: None,
            now: Arc::new(move || *clock.lock().unwrap()),
            ..ScreenOptions::new(false, move || sized.size())
        };
        let reporter = ScreenReporter::new(terminal.clone(), options);
        Self {
            terminal,
            reporter,
            now,
        }
    }

    fn play(&mut self, notices: &[Notice]) {
        for notice in notices {
            self.reporter.notice(notice);
        }
    }

    fn pass_time(&mut self, seconds: u64) {
        *self.now.lock().unwrap() += Duration::from_secs(seconds);
        self.reporter.draw();
    }
}

fn three_running() -> Script {
    let mut script = Script::new(plan());
    for on in ["node-0", "node-1", "node-2"] {
        script.start("login", on);
    }
    script.end("login", "node-0", Outcome::Passed, 210);
    script
}

fn building() -> Script {
    let mut script = three_running();
    script.start("build", "node-0");
    script.output("build", "node-0", &hostile_build_output());
    script
}

fn waiting() -> Script {
    let mut script = three_running();
    script.start("up", "node-0");
    script.output("up", "node-0", b"Creating dockchat_web_1 ... done\n");
    script.wait("up", "node-0", 1, verdict(false, "status 200", "connection refused"));
    script
}

#[rstest]
#[case(40)]
#[case(80)]
#[case(120)]
fn running_steps_show_their_last_output(#[case] columns: u16) {
    let mut stage = Stage::new(24, columns);
    stage.play(&building().notices);
    stage.pass_time(12);
    assert!(!stage.terminal.wrapped());
    insta::assert_snapshot!(format!("building_{columns}"), stage.terminal.visible());
}

#[rstest]
#[case(40)]
#[case(80)]
#[case(120)]
fn a_step_says_what_it_waits_for(#[case] columns: u16) {
    let mut stage = Stage::new(24, columns);
    stage.play(&waiting().notices);
    stage.pass_time(12);
    assert!(!stage.terminal.wrapped());
    insta::assert_snapshot!(format!("waiting_{columns}"), stage.terminal.visible());
}

#[rstest]
#[case(40)]
#[case(80)]
#[case(120)]
fn a_bad_run_stays_readable_above(#[case] columns: u16) {
    let mut stage = Stage::new(24, columns);
    stage.play(&bad_run());
    stage.reporter.finish();
    insta::assert_snapshot!(format!("bad_run_{columns}"), stage.terminal.everything());
}

#[test]
fn a_good_run_ends_with_what_to_do_next() {
    let mut stage = Stage::new(24, 80);
    stage.play(&good_run());
    stage.reporter.finish();
    insta::assert_snapshot!(stage.terminal.everything());
}

#[test]
fn a_cleanup_tells_what_is_left() {
    let mut stage = Stage::new(24, 80);
    stage.play(&partial_cleanup());
    stage.reporter.finish();
    insta::assert_snapshot!(stage.terminal.everything());
}

#[test]
fn a_low_terminal_shows_steps_before_output() {
    let mut stage = Stage::new(5, 80);
    stage.play(&building().notices);
    stage.pass_time(1);
    insta::assert_snapshot!(stage.terminal.visible());
    let mut stage = Stage::new(4, 80);
    stage.play(&building().notices);
    stage.pass_time(1);
    assert!(
        stage.terminal.visible().contains("… and 2 more"),
        "{}",
        stage.terminal.visible()
    );
}

#[rstest]
#[case(24, 40)]
#[case(24, 200)]
#[case(10, 80)]
#[case(3, 10)]
#[case(2, 4)]
fn resizing_leaves_one_picture(#[case] rows: u16, #[case] columns: u16) {
    let mut stage = Stage::new(24, 80);
    stage.play(&building().notices);
    stage.pass_time(1);
    stage.terminal.resize(rows, columns);
    stage.pass_time(1);
    stage.terminal.resize(24, 80);
    stage.pass_time(1);
    let seen = stage.terminal.visible();
    assert_eq!(seen.matches("Ctrl-C stops").count(), 1, "{seen}");
    assert!(!stage.terminal.wrapped());
}

#[test]
fn a_word_of_labctls_own_stands_above_what_runs() {
    let mut stage = Stage::new(24, 80);
    stage.play(&building().notices);
    let text = "Stopping: killing what runs on the nodes.".to_owned();
    stage.play(&[Notice::Told { text }]);
    let seen = stage.terminal.visible();
    let above = seen.find("  Stopping: killing").unwrap();
    assert!(above < seen.find("⠋").unwrap(), "{seen}");
    assert_eq!(seen.matches("Ctrl-C stops").count(), 1, "{seen}");
}

#[test]
fn nothing_moving_is_left_when_a_run_is_cut_off() {
    let mut stage = Stage::new(24, 80);
    stage.play(&building().notices);
    stage.reporter.finish();
    let seen = stage.terminal.visible();
    assert!(!seen.contains("Ctrl-C stops"), "{seen}");
    assert!(seen.ends_with("task1  DockChat with Compose on node-0"), "{seen}");
}
