use super::plans::{key, plan, step};
use super::script::{Script, bad_run, good_run, verdict};
use super::verify::{bad_verify, good_verify, silent_verify};
use crate::domain::{Action, Cause, Finding, Notice, Outcome, Plan, StepId, Verb};
use crate::report::{JunitReporter, Reporter};
use proptest::prelude::*;
use quick_xml::events::Event as Xml;
use rstest::rstest;
use std::sync::{Arc, Mutex};

fn document(notices: &[Notice]) -> String {
    let written = Arc::<Mutex<Vec<Vec<u8>>>>::default();
    let takes = Arc::clone(&written);
    let mut reporter = JunitReporter::new(move |bytes| takes.lock().unwrap().push(bytes.to_vec()));
    for notice in notices {
        reporter.notice(notice);
    }
    reporter.finish();
    reporter.finish();
    let written = written.lock().unwrap();
    assert_eq!(written.len(), 1, "written once");
    String::from_utf8(written[0].clone()).unwrap()
}

/// Counts the elements called `name`; fails where the document is not well formed, or has what XML 1.0 forbids.
pub(super) fn count(document: &str, name: &str) -> usize {
    let is_allowed =
        |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    assert!(document.chars().all(is_allowed), "{document:?}");
    let mut reader = quick_xml::Reader::from_str(document);
    let mut found = 0;
    loop {
        match reader
            .read_event()
            .unwrap_or_else(|error| panic!("{error}: {document}"))
        {
            Xml::Start(element) | Xml::Empty(element) => {
                for attribute in element.attributes() {
                    attribute.unwrap();
                }
                found += usize::from(element.name().as_ref() == name.as_bytes());
            }
            Xml::Eof => return found,
            _ => {}
        }
    }
}

#[rstest]
#[case("bad_verify", bad_verify())]
#[case("silent_verify", silent_verify())]
#[case("bad_run", bad_run())]
fn what_failed_says_what_was_wanted_and_found(#[case] name: &str, #[case] notices: Vec<Notice>) {
    insta::assert_snapshot!(format!("junit_{name}"), document(&notices));
}

#[test]
fn every_check_and_node_is_a_case() {
    let verify = document(&good_verify());
    assert_eq!((count(&verify, "testcase"), count(&verify, "testsuite")), (7, 2));
    assert_eq!(
        count(&verify, "failure") + count(&verify, "error") + count(&verify, "skipped"),
        0
    );
    let run = document(&good_run());
    assert_eq!(count(&run, "testcase"), plan().steps.len());
}

#[test]
fn what_a_stopped_run_did_not_get_to_is_skipped() {
    let mut script = Script::new(plan());
    script.start("login", "node-0");
    let stopped = document(&script.abort("interrupted"));
    assert_eq!(count(&stopped, "skipped"), plan().steps.len());
}

/// A verify of one check whose every text is `hostile`.
fn hostile_verify(hostile: &str) -> Vec<Notice> {
    let mut look = step(("task1", hostile), "look", "node-0", hostile, Action::Wait);
    look.checks[0].hint = Some(hostile.to_owned());
    let mut unknown = step(("task1", hostile), "unknown", "node-0", hostile, Action::Wait);
    unknown.stands_on = vec![key("look", "node-0")];
    let plan = Plan {
        verb: Verb::Verify,
        lab: hostile.to_owned(),
        lab_title: hostile.to_owned(),
        steps: vec![look, unknown],
        links: Vec::new(),
        hosts: Vec::new(),
        in_part: Default::default(),
        host_lines: Vec::new(),
        verifiable: true,
    };
    let mut script = Script::new(plan);
    script.start("look", "node-0");
    script.judge("look", "node-0", 0, Some(verdict(false, hostile, hostile)));
    script.end("look", "node-0", Outcome::FailedCheck, 3);
    let reason = hostile.to_owned();
    script.end("unknown", "node-0", Outcome::CannotTell { reason, hint: None }, 3);
    script.found(vec![Finding {
        cause: Cause::Check {
            step: StepId::new("look").unwrap(),
        },
        shown_by: vec![key("look", "node-0")],
        because: vec![key("unknown", "node-0")],
    }]);
    script.finish()
}

#[test]
fn what_would_end_an_element_does_not() {
    let hostile = "]]></failure></testcase><testcase name=\"passed\"/>&nbsp;\u{0}\u{1b}[31m\u{fffe}\u{ffff}\"'";
    let shown = document(&hostile_verify(hostile));
    assert_eq!(
        (
            count(&shown, "testcase"),
            count(&shown, "failure"),
            count(&shown, "error")
        ),
        (2, 1, 1)
    );
}

proptest! {
    #[test]
    fn any_text_makes_a_well_formed_document(
        hostile in prop_oneof![
            any::<String>(),
            "[\\x00-\\x20\\x7f-\\x9f<>&\"'\u{fffd}-\u{ffff}\u{2028}x\\]]{0,40}",
            prop::collection::vec(any::<u8>(), 0..60).prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
        ],
    ) {
        let shown = document(&hostile_verify(&hostile));
        prop_assert_eq!((count(&shown, "testcase"), count(&shown, "failure"), count(&shown, "error")), (2, 1, 1));
    }
}
