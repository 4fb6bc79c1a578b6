use super::plans::{plan, step, text};
use super::script::{Script, bad_run, good_run, good_run_of, partial_cleanup, verdict};
use crate::domain::{Action, FileText, Notice, Outcome, Plan, SkipReason, Verdict};
use crate::report::{PlainOptions, PlainReporter, Reporter, Style, Verbosity};
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

#[derive(Clone, Default)]
pub(super) struct Written(pub(super) Arc<Mutex<Vec<u8>>>);

impl Written {
    pub(super) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(super) fn shown(notices: &[Notice], options: PlainOptions) -> String {
    let written = Written::default();
    let mut reporter = PlainReporter::new(written.clone(), options);
    for notice in notices {
        reporter.notice(notice);
    }
    reporter.finish();
    written.text()
}

fn verbose(verbosity: Verbosity) -> PlainOptions {
    PlainOptions {
        verbosity,
        ..PlainOptions::default()
    }
}

#[test]
fn a_good_run() {
    insta::assert_snapshot!(shown(&good_run(), PlainOptions::default()));
}

#[test]
fn what_a_write_changes_in_a_text_is_shown_once() {
    let file = FileText {
        path: text("/etc/motd"),
        content: text("new\n"),
        mode: None,
    };
    let write = step(
        ("task1", "Task 1"),
        "edit",
        "node-0",
        "Edit it",
        Action::Write { files: vec![file] },
    );
    let mut script = Script::new(Plan {
        steps: vec![write],
        ..plan()
    });
    script.start("edit", "node-0");
    let output = "/etc/motd (4 bytes)\n--- /etc/motd\n+++ /etc/motd\n@@ -1,2 +1,2 @@\n same\n-old\x1b[31m\n+new\n";
    script.output("edit", "node-0", output.as_bytes());
    script.pass("edit", "node-0", 20);
    let notices = script.finish();
    let normal = shown(&notices, PlainOptions::default());
    assert!(normal.contains("    │ -old\n    │ +new\n"), "{normal}");
    assert!(!normal.contains("same") && !normal.contains("+++"), "{normal}");
    let verbose = shown(&notices, verbose(Verbosity::Verbose));
    assert_eq!(verbose.matches("+new").count(), 1, "{verbose}");
}

#[test]
fn who_answered_how_often_is_shown_as_bars() {
    let look = step(("task1", "Task 1"), "refresh", "node-0", "Refresh", Action::Wait);
    let mut script = Script::new(Plan {
        steps: vec![look],
        ..plan()
    });
    script.start("refresh", "node-0");
    let counts = [("a1b2", 8), ("c3\x1b[31md4", 4), ("e5f6", 0)];
    let counts = counts.map(|(server, count)| (server.to_owned(), count));
    let spread = Verdict {
        counts: counts.into(),
        ..verdict(true, "spread", "is spread")
    };
    script.judge("refresh", "node-0", 0, Some(spread));
    script.pass("refresh", "node-0", 20);
    let shown = shown(&script.finish(), PlainOptions::default());
    assert!(shown.contains(&format!("│ a1b2 {} 8\n", "━".repeat(16))), "{shown}");
    assert!(
        shown.contains(&format!("d4 {} 4\n", "━".repeat(8))) && !shown.contains('\x1b'),
        "{shown}"
    );
}

#[test]
fn where_nothing_can_be_verified_a_run_does_not_advise_to() {
    let unverifiable = Plan {
        verifiable: false,
        ..plan()
    };
    let shown = shown(&good_run_of(unverifiable), PlainOptions::default());
    assert!(shown.contains("labctl cleanup") && !shown.contains("verify"), "{shown}");
}

#[test]
fn a_bad_run() {
    let options = PlainOptions {
        output_root: Some("~/.local/state/labctl/instances/lab2-1".to_owned()),
        ..PlainOptions::default()
    };
    insta::assert_snapshot!(shown(&bad_run(), options));
}

#[test]
fn a_bad_run_in_40_columns() {
    let style = Style {
        colour: false,
        width: Some(40),
    };
    insta::assert_snapshot!(shown(
        &bad_run(),
        PlainOptions {
            style,
            ..PlainOptions::default()
        }
    ));
}

#[test]
fn a_bad_run_in_colour() {
    let style = Style {
        colour: true,
        width: None,
    };
    let text = shown(
        &bad_run(),
        PlainOptions {
            style,
            ..PlainOptions::default()
        },
    );
    insta::assert_snapshot!(text.replace('\u{1b}', "␛"));
}

#[test]
fn a_quiet_bad_run() {
    insta::assert_snapshot!(shown(&bad_run(), verbose(Verbosity::Quiet)));
}

#[test]
fn a_quiet_good_run_is_one_line() {
    assert_eq!(
        shown(&good_run(), verbose(Verbosity::Quiet)),
        "  ✔ 8 passed, = 3 held already in 1 m 20 s\n"
    );
}

#[test]
fn a_verbose_bad_run_has_the_nodes_output_made_harmless() {
    let text = shown(&bad_run(), verbose(Verbosity::Verbose));
    let output: Vec<&str> = text.lines().filter(|line| line.starts_with("node-0 | ")).collect();
    insta::assert_snapshot!(output.get(28..).unwrap().join("\n"));
}

#[test]
fn a_cleanup_that_leaves_something() {
    insta::assert_snapshot!(shown(&partial_cleanup(), PlainOptions::default()));
}

#[test]
fn an_aborted_run() {
    let mut script = Script::new(plan());
    script.start("login", "node-0");
    script.pass_time(4_000);
    insta::assert_snapshot!(shown(&script.abort("interrupted by Ctrl-C"), PlainOptions::default()));
}

#[test]
fn what_an_interrupted_run_did_not_get_to_is_a_number() {
    let mut script = Script::new(plan());
    script.pass("login", "node-0", 210);
    script.start("clone", "node-0");
    script.end("clone", "node-0", Outcome::Cancelled, 900);
    for step in ["build", "up", "post", "stop"] {
        script.skip(step, "node-0", SkipReason::Stopping);
    }
    let shown = shown(&script.abort("interrupted"), PlainOptions::default());
    let told: Vec<&str> = shown.lines().filter(|line| line.starts_with("  ↷")).collect();
    assert_eq!(told, Vec::<&str>::new());
    assert!(shown.contains("  ■ node-0") && shown.contains("↷ 5 skipped"), "{shown}");
}

#[test]
fn without_colour_there_are_no_control_characters() {
    for notices in [good_run(), bad_run(), partial_cleanup()] {
        let text = shown(&notices, verbose(Verbosity::Verbose));
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
    }
}

#[test]
fn a_reader_that_went_away_is_no_failure() {
    struct Closed;
    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut reporter = PlainReporter::new(Closed, PlainOptions::default());
    for notice in bad_run() {
        reporter.notice(&notice);
    }
    reporter.finish();
}
