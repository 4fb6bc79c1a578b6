use super::plain::Written;
use super::script::bad_run;
use crate::domain::{Event, Notice};
use crate::report::{JsonReporter, Reporter};

#[test]
fn each_event_is_a_line_and_nothing_else_is_written() {
    let written = Written::default();
    let mut reporter = JsonReporter::new(written.clone());
    let notices = bad_run();
    for notice in &notices {
        reporter.notice(notice);
    }
    reporter.finish();
    let read: Vec<Event> = written
        .text()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let told: Vec<Event> = notices
        .into_iter()
        .filter_map(|notice| match notice {
            Notice::Event(event) => Some(event),
            _ => None,
        })
        .collect();
    assert_eq!(read, told);
    let lines: Vec<String> = written.text().lines().skip(1).take(3).map(str::to_owned).collect();
    insta::assert_snapshot!(lines.join("\n"));
}
