//! What a step that writes files says of what it changes.

use super::labs::{check, does, plan, text};
use super::stage::Stage;
use labctl::domain::{Action, CheckKind, FileText, Hole, Outcome, Part, Plan, Text, TextMatch};

const PATH: &str = "/opt/app.conf";

fn writes(content: Text) -> Plan {
    let file = FileText {
        path: text(PATH),
        content,
        mode: None,
    };
    let holds = CheckKind::File {
        path: text(PATH),
        exists: true,
        content: TextMatch::default(),
        mode: None,
        owner: None,
    };
    plan(vec![
        does("write", "node-0", Action::Write { files: vec![file] }).expects(check(holds)),
    ])
}

/// Returns what the step said that wrote `content` over `before`, a file with permission bits `mode`.
async fn said(stage: &Stage, before: &[u8], mode: u32, content: Text) -> String {
    stage
        .machine("node-0")
        .disk(|disk| disk.write(PATH, before, Some(mode)));
    let plan = writes(content);
    let ran = stage.run(&plan).await;
    assert_eq!(ran.outcome("write@node-0"), Outcome::Passed);
    let path = stage.instance_directory().join("output/run-1-write.node-0.out");
    std::fs::read_to_string(path).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_text_that_changes_is_shown_as_a_diff() {
    let said = said(&Stage::one(), b"a = 1\nb = 2\n", 0o644, text("a = 1\nb = 3\n")).await;
    let diff =
        "/opt/app.conf (12 bytes)\n--- /opt/app.conf\n+++ /opt/app.conf\n@@ -1,2 +1,2 @@\n a = 1\n-b = 2\n+b = 3\n";
    assert_eq!(said, diff);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_shown_is_told_by_its_size_alone() {
    let large = vec![b'x'; 256 * 1024 + 1];
    let cases: [(&str, &[u8], u32, &str); 5] = [
        ("the same text", b"new\n", 0o644, "new\n"),
        ("not text", b"\xff\xfe", 0o644, "new\n"),
        ("its owner's alone", b"password = hunter2\n", 0o640, "new\n"),
        ("too large before", &large, 0o644, "new\n"),
        ("too large after", b"old\n", 0o644, std::str::from_utf8(&large).unwrap()),
    ];
    for (case, before, mode, content) in cases {
        let said = said(&Stage::one(), before, mode, text(content)).await;
        assert_eq!(said, format!("/opt/app.conf ({} bytes)\n", content.len()), "{case}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_to_hold_a_secret_shows_nothing_of_the_one_it_held() {
    let mut stage = Stage::one();
    stage.values.set("password", "the-new-one-7f3a", true);
    let hole = Part::Hole(Hole {
        name: "password".to_owned(),
        secret: true,
        quoted: false,
    });
    let content = Text::new(vec![Part::Literal("password = ".to_owned()), hole]);
    let said = said(&stage, b"password = the-old-one-51d2\n", 0o644, content).await;
    assert_eq!(said, "/opt/app.conf (27 bytes)\n");
}

#[tokio::test(start_paused = true)]
async fn a_file_that_held_a_known_secret_is_not_shown() {
    let mut stage = Stage::one();
    stage.values.set("password", "the-one-7f3a", true);
    let said = said(&stage, b"a\npassword = the-one-7f3a\n", 0o644, text("a\n")).await;
    assert_eq!(said, "/opt/app.conf (2 bytes)\n");
}

#[tokio::test(start_paused = true)]
async fn a_new_file_is_told_by_its_size() {
    let stage = Stage::one();
    let plan = writes(text("new\n"));
    stage.run(&plan).await;
    let path = stage.instance_directory().join("output/run-1-write.node-0.out");
    assert_eq!(std::fs::read_to_string(path).unwrap(), "/opt/app.conf (4 bytes)\n");
}
