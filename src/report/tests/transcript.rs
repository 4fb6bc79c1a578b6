//! A run in the shape of the tutorial.

use super::html::chronicle_of;
use super::plans::{key, plan};
use super::script::{Script, bad_run, good_run};
use crate::domain::{Excerpt, Notice, Outcome, OutputRecord, Stream};
use crate::report::transcript;
use rstest::rstest;

#[rstest]
#[case("good_run", good_run())]
#[case("bad_run", bad_run())]
fn a_run_reads_like_the_tutorial(#[case] name: &str, #[case] notices: Vec<Notice>) {
    insta::assert_snapshot!(format!("transcript_{name}"), transcript(&chronicle_of(&notices)));
}

/// A run in which the clone said `bytes`, and `left_out` more.
fn saying(bytes: &[u8], left_out: u64) -> String {
    let mut script = Script::new(plan());
    script.start("clone", "node-0");
    let record = OutputRecord {
        stream: Stream::Stdout,
        path: "output/clone".to_owned(),
        size: bytes.len() as u64 + left_out,
        cut: 0,
        sha256: String::new(),
    };
    script.end_with(key("clone", "node-0"), Outcome::Passed, 5, vec![record]);
    let mut chronicle = chronicle_of(&script.finish());
    chronicle.read_output(|_| {
        Ok(Excerpt {
            head: bytes.to_vec(),
            tail: if left_out > 0 {
                b"the end\n".to_vec()
            } else {
                Vec::new()
            },
            left_out,
        })
    });
    transcript(&chronicle)
}

#[test]
fn a_fence_is_longer_than_what_the_output_would_close_it_with() {
    let shown = saying(b"before\n````\n# no heading\n", 0);
    assert!(shown.contains("\n`````\nnode-0:~$ git clone"), "{shown}");
    assert!(shown.contains("\n````\n# no heading\n`````\n"), "{shown}");
}

#[test]
fn long_output_is_told_by_its_ends() {
    let many: String = (1..=500).map(|at| format!("line {at}\n")).collect();
    let shown = saying(many.as_bytes(), 0);
    assert!(
        shown.contains("line 40\n<snippet: 500 lines in all, see output/clone>\nline 461\n"),
        "{shown}"
    );
    let shown = saying(many.as_bytes(), 64_000_000);
    assert!(
        shown.contains("line 40\n<snippet: 64.0 MB in all, see output/clone>\nthe end\n"),
        "{shown}"
    );
}
