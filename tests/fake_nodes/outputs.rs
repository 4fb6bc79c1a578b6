//! What becomes of a step's output.

use super::labs::{plan, step};
use super::stage::{Ran, Stage};
use labctl::domain::{CaptureFrom, EventKind, Notice, OutputRecord, Stream};
use labctl::journal::OUTPUT_CAP;
use labctl::node::fake::FakeAnswer;
use sha2::{Digest, Sha256};

fn records(ran: &Ran, key: &str) -> Vec<OutputRecord> {
    match &ran.events[ran.finished(key)].kind {
        EventKind::StepFinished { output, .. } => output.clone(),
        _ => unreachable!(),
    }
}

/// Fails where `record` does not tell the truth about its file; returns the file's content.
fn verified(stage: &Stage, record: &OutputRecord) -> Vec<u8> {
    let content = std::fs::read(stage.instance_directory().join(&record.path)).unwrap();
    assert_eq!(record.size, content.len() as u64, "{}", record.path);
    let hash: String = Sha256::digest(&content)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(record.sha256, hash, "{}", record.path);
    content
}

#[tokio::test(start_paused = true)]
async fn each_stream_is_a_file_that_the_journal_vouches_for() {
    let stage = Stage::new(&["node-0", "node-1"]);
    let hostile = b"\xff\x00\x1b]0;title\x07\r\nplain\n";
    let fake = &stage.machine("node-0").fake;
    fake.answer(
        "the work",
        FakeAnswer::exited(0).stdout(hostile).stdout("more\n").stderr("oops\n"),
    );
    let ran = stage
        .run(&plan(vec![step("work", "node-0", "the work").also_on("node-1")]))
        .await;
    let kept = records(&ran, "work@node-0");
    assert_eq!(
        kept.iter().map(|record| record.stream).collect::<Vec<_>>(),
        [Stream::Stdout, Stream::Stderr]
    );
    assert_eq!(verified(&stage, &kept[0]), [hostile.as_slice(), b"more\n"].concat());
    assert_eq!(verified(&stage, &kept[1]), b"oops\n");
    assert_eq!(records(&ran, "work@node-1"), [], "a stream without output has no file");
    assert_eq!(
        std::fs::read_dir(stage.instance_directory().join("output"))
            .unwrap()
            .count(),
        2
    );
    let shown: Vec<u8> = ran
        .notices
        .iter()
        .filter_map(|notice| match notice {
            Notice::Output {
                stream: Stream::Stdout,
                bytes,
                ..
            } => Some(bytes.clone()),
            _ => None,
        })
        .flatten()
        .collect();
    assert_eq!(shown, [hostile.as_slice(), b"more\n"].concat());
}

#[tokio::test(start_paused = true)]
async fn an_output_is_capped_and_says_what_was_cut() {
    let stage = Stage::one();
    let chunk = vec![b'x'; 1 << 20];
    let answer = (0..66).fold(FakeAnswer::exited(0), |answer, _| answer.stdout(&chunk));
    stage.machine("node-0").fake.answer("the work", answer);
    let ran = stage.run(&plan(vec![step("work", "node-0", "the work")])).await;
    let kept = records(&ran, "work@node-0");
    assert_eq!((kept[0].size, kept[0].cut), (OUTPUT_CAP, 2 << 20));
    let path = stage.instance_directory().join(&kept[0].path);
    assert_eq!(std::fs::metadata(path).unwrap().len(), OUTPUT_CAP);
}

#[tokio::test(start_paused = true)]
async fn an_output_that_waits_for_its_secret_says_what_was_let_go_meanwhile() {
    let stage = Stage::one();
    let chunk = vec![b'x'; 1 << 20];
    let answer = (0..6).fold(FakeAnswer::exited(0).stdout("token: abcdefgh\n"), |answer, _| {
        answer.stdout(&chunk)
    });
    stage.machine("node-0").fake.answer("the work", answer);
    let from = CaptureFrom::Regex("token: (.*)".to_owned());
    let ran = stage
        .run(&plan(vec![
            step("work", "node-0", "the work").captures("token", from, true),
        ]))
        .await;
    let kept = records(&ran, "work@node-0");
    let content = verified(&stage, &kept[0]);
    assert!(content.starts_with(b"token: [REDACTED]\n"));
    let printed = 16 + (6 << 20);
    let longer = "[REDACTED]".len() as u64 - "abcdefgh".len() as u64;
    assert_eq!(
        kept[0].size - longer + kept[0].cut,
        printed,
        "every byte is either kept or counted"
    );
}

#[tokio::test(start_paused = true)]
async fn an_output_that_cannot_be_kept_is_a_fault_of_the_step() {
    let stage = Stage::one();
    std::fs::remove_dir_all(stage.instance_directory().join("output")).unwrap();
    stage
        .machine("node-0")
        .fake
        .answer("the work", FakeAnswer::exited(0).stdout("done\n"));
    let ran = stage.run(&plan(vec![step("work", "node-0", "the work")])).await;
    assert!(
        ran.outcome("work@node-0").could_not_run(),
        "{:?}",
        ran.outcome("work@node-0")
    );
}
