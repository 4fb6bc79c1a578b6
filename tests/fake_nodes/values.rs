//! Values that a step captures, and secrets that nothing may show.

use super::labs::{check, contains, plan, step, with_value};
use super::stage::{Ran, Stage};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use labctl::domain::{Action, CaptureFrom, CheckKind, CommandText, Ending, EventKind, Notice, Outcome, Plan};
use labctl::node::fake::FakeAnswer;

const TOKEN: &str = "tok-7f3a9c51d2e8";

fn regex(pattern: &str) -> CaptureFrom {
    CaptureFrom::Regex(pattern.to_owned())
}

/// Captures `from` as `token` and gives it to the next step's command.
fn captured_and_used(from: CaptureFrom, secret: bool) -> Plan {
    let mut plan = plan(vec![
        step("create", "node-0", "create").captures("token", from, secret),
        step("use", "node-0", "use"),
    ]);
    let command = CommandText::Shell(with_value("use ", "token"));
    let used = plan
        .steps
        .iter_mut()
        .find(|step| step.key.step.as_str() == "use")
        .unwrap();
    used.work = labctl::domain::Work::Action(Action::Run {
        command,
        directory: None,
        stdin: None,
    });
    plan
}

/// Fails where anything that is shown or written has the token in it, raw or in base64.
fn assert_unseen(stage: &Stage, ran: &Ran) {
    let mut seen: Vec<(String, Vec<u8>)> = Vec::new();
    let directory = stage.instance_directory();
    seen.push((
        "journal".to_owned(),
        std::fs::read(directory.join("journal.jsonl")).unwrap(),
    ));
    for entry in std::fs::read_dir(directory.join("output")).unwrap() {
        let path = entry.unwrap().path();
        seen.push((path.display().to_string(), std::fs::read(&path).unwrap()));
    }
    seen.push(("events".to_owned(), serde_json::to_vec(&ran.events).unwrap()));
    seen.push(("notices".to_owned(), format!("{:?}", ran.notices).into_bytes()));
    let shown: Vec<u8> = ran
        .notices
        .iter()
        .filter_map(|notice| match notice {
            Notice::Output { bytes, .. } => Some(bytes.clone()),
            _ => None,
        })
        .flatten()
        .collect();
    seen.push(("shown output".to_owned(), shown));
    let encoded = STANDARD.encode(TOKEN);
    for (place, bytes) in seen {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        for form in [TOKEN, encoded.trim_end_matches('=')] {
            assert!(!text.contains(form), "{place} has the secret as {form}:\n{text}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_captured_value_reaches_later_steps_and_later_runs() {
    let froms = [regex("^token: (.*)$"), regex("tok-[0-9a-f]+")];
    for from in froms {
        let stage = Stage::one();
        let fake = &stage.machine("node-0").fake;
        fake.answer(
            "create",
            FakeAnswer::exited(0).stdout(format!("made\ntoken: {TOKEN}\nbye\n")),
        );
        let plan = captured_and_used(from, false);
        stage.run(&plan).await;
        assert!(fake.call_lines().contains(&format!("exec use {TOKEN}")));
        assert_eq!(stage.state().values["token"], TOKEN);
        let mut only_use = plan.clone();
        only_use.steps.retain(|step| step.key.step.as_str() == "use");
        only_use.steps[0].after.clear();
        assert_eq!(stage.run(&only_use).await.outcome("use@node-0"), Outcome::Passed);
    }
}

#[tokio::test(start_paused = true)]
async fn a_value_is_captured_from_json() {
    let stage = Stage::one();
    let fake = &stage.machine("node-0").fake;
    fake.answer("create", FakeAnswer::exited(0).stdout(r#"{"a/b": [{"n": 7}, "text"]}"#));
    for (pointer, value) in [("/a~1b/0/n", "7"), ("/a~1b/1", "text"), ("/a~1b/0", r#"{"n":7}"#)] {
        stage
            .run(&captured_and_used(CaptureFrom::Json(pointer.to_owned()), false))
            .await;
        assert_eq!(stage.state().values["token"], value);
    }
}

#[tokio::test(start_paused = true)]
async fn an_output_without_the_value_cannot_be_told_from() {
    let stage = Stage::one();
    stage
        .machine("node-0")
        .fake
        .answer("create", FakeAnswer::exited(0).stdout("made\n"));
    let cases = [
        (regex("token: (.*)"), "nothing in it matches `token: (.*)`"),
        (
            CaptureFrom::Json("/token".to_owned()),
            "it is not JSON with something at `/token`",
        ),
    ];
    for (from, why) in cases {
        let ran = stage.run(&captured_and_used(from, false)).await;
        let reason = format!("the output has no value for `token`: {why}");
        assert_eq!(ran.outcome("create@node-0"), Outcome::CannotTell { reason, hint: None });
        assert!(matches!(ran.outcome("use@node-0"), Outcome::Skipped { .. }));
    }
}

#[tokio::test(start_paused = true)]
async fn a_secret_is_used_and_never_shown() {
    let stage = Stage::one();
    let fake = &stage.machine("node-0").fake;
    let (front, back) = TOKEN.split_at(7);
    fake.answer(
        "create",
        FakeAnswer::exited(0)
            .stdout("made\ntoken: ")
            .stdout(front)
            .stdout(back)
            .stderr(TOKEN),
    );
    let encoded = STANDARD.encode(TOKEN);
    let (start, end) = encoded.split_at(5);
    let echoed = FakeAnswer::exited(0)
        .stdout(TOKEN)
        .stdout(start)
        .stdout(end)
        .stdout("\n");
    fake.answer("use", echoed);
    let mut plan = captured_and_used(regex("token: (.*)"), true);
    plan.steps[1]
        .checks
        .push(check(CheckKind::Stdout(contains("not there"))));
    let ran = stage.run(&plan).await;
    assert_eq!(ran.outcome("use@node-0"), Outcome::FailedCheck);
    assert!(
        fake.call_lines().contains(&format!("exec use {TOKEN}")),
        "the command needs the real one"
    );
    assert!(
        fake.call_lines().contains(&"forget run-1-create".to_owned()),
        "it is in the node's record"
    );
    let captured = ran.position(|kind| matches!(kind, EventKind::ValueCaptured { value: None, .. }));
    assert!(captured < ran.started("use@node-0"));
    assert!(stage.state().values.is_empty());
    assert_unseen(&stage, &ran);
    let output = std::fs::read_to_string(stage.instance_directory().join("output/run-1-create.node-0.out")).unwrap();
    assert_eq!(output, "made\ntoken: [REDACTED]");
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_was_not_found_takes_the_output_with_it() {
    let answers = [
        (FakeAnswer::exited(0), "no such line"),
        (FakeAnswer::exited(1), "no such line"),
        (FakeAnswer::ended(Ending::Signalled { signal: 9 }), "no such line"),
    ];
    for (answer, pattern) in answers {
        let stage = Stage::one();
        let answer = answer.stdout(format!("key={TOKEN}\n")).stderr("it went wrong\n");
        stage.machine("node-0").fake.answer("create", answer);
        let mut plan = captured_and_used(regex(pattern), true);
        plan.steps[0].checks.push(check(CheckKind::Exit { code: 1 }));
        plan.steps[0]
            .checks
            .push(check(CheckKind::Stdout(contains("not there"))));
        let ran = stage.run(&plan).await;
        assert!(
            ran.outcome("create@node-0").could_not_run(),
            "{:?}",
            ran.outcome("create@node-0")
        );
        assert_unseen(&stage, &ran);
        let path = stage.instance_directory().join("output/run-1-create.node-0.err");
        assert_eq!(std::fs::read_to_string(path).unwrap(), "it went wrong\n");
    }
}

#[tokio::test(start_paused = true)]
async fn a_secret_of_a_command_that_failed_is_masked() {
    let stage = Stage::one();
    let answer = FakeAnswer::exited(1)
        .stdout(format!("token: {TOKEN}\n"))
        .stderr(format!("{TOKEN}?\n"));
    stage.machine("node-0").fake.answer("create", answer);
    let ran = stage.run(&captured_and_used(regex("token: (.*)"), true)).await;
    assert_eq!(ran.outcome("create@node-0"), Outcome::Exited { code: 1 });
    assert_unseen(&stage, &ran);
}

#[tokio::test(start_paused = true)]
async fn a_secret_too_short_to_be_masked_is_refused() {
    let stage = Stage::one();
    stage
        .machine("node-0")
        .fake
        .answer("create", FakeAnswer::exited(0).stdout("token: xyz\n"));
    let ran = stage.run(&captured_and_used(regex("token: (.*)"), true)).await;
    let reason = "the value for `token` is too short to be kept secret".to_owned();
    assert_eq!(ran.outcome("create@node-0"), Outcome::CannotTell { reason, hint: None });
    let journal = std::fs::read_to_string(stage.instance().journal_path()).unwrap();
    assert!(!journal.contains("xyz"), "{journal}");
}

#[tokio::test(start_paused = true)]
async fn what_has_a_secret_in_it_is_one() {
    let stage = Stage::one();
    stage
        .machine("node-0")
        .fake
        .answer("create", FakeAnswer::exited(0).stdout(format!("token: {TOKEN}\n")));
    let mut plan = captured_and_used(regex("token: (.*)"), true);
    let mut whole_line = plan.steps[0].captures[0].clone();
    whole_line.name = "line".to_owned();
    whole_line.from = regex(".*");
    whole_line.secret = false;
    plan.steps[0].captures.insert(0, whole_line);
    let ran = stage.run(&plan).await;
    assert_eq!(ran.outcome("use@node-0"), Outcome::Passed);
    assert_unseen(&stage, &ran);
}

#[tokio::test(start_paused = true)]
async fn a_secret_of_the_user_is_masked_in_what_a_node_says_of_a_failure() {
    let mut stage = Stage::one();
    stage.values.set("password", TOKEN, true);
    let reason = format!("cannot run `login -p {TOKEN}`");
    let answer = FakeAnswer::ended(Ending::CouldNotStart { reason, hint: None }).stderr(format!("{TOKEN}\n"));
    stage.machine("node-0").fake.answer("the work", answer);
    let ran = stage.run(&plan(vec![step("work", "node-0", "the work")])).await;
    assert!(matches!(ran.outcome("work@node-0"), Outcome::CouldNotStart { .. }));
    assert_unseen(&stage, &ran);
}

/// Returns `text` without what nobody sees, in small letters.
fn as_read(text: &str) -> String {
    let colour = regex::Regex::new("\u{1b}\\[[0-9;]*[A-Za-z]").unwrap();
    let kept = colour.replace_all(text, "").to_lowercase();
    kept.chars().filter(|c| c.is_ascii_alphanumeric()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_secret_with_noise_between_its_characters_is_in_no_file_and_no_notice() {
    let mut stage = Stage::one();
    stage.values.set("password", TOKEN, true);
    let between = |noise: &str| TOKEN.chars().map(|c| format!("{c}{noise}")).collect::<String>();
    let mut answer = FakeAnswer::exited(0);
    let noises = [
        "\u{1b}[31m",
        "\0",
        "\u{8}",
        "\u{200b}",
        "\u{feff}",
        "z\u{8}",
        "\u{1b}[01;31m\u{1b}[K",
        "\n",
        "  ",
    ];
    for noise in noises {
        let text = format!("see {} there\n", between(noise));
        // Cut where the secret is.
        let (front, back) = text.split_at(text.ceil_char_boundary(text.len() / 2));
        answer = answer.stdout(front).stdout(back).stderr(&text);
    }
    answer = answer
        .stdout(TOKEN.to_uppercase())
        .stdout(STANDARD.encode(STANDARD.encode(TOKEN)));
    stage.machine("node-0").fake.answer("the work", answer);
    let mut plan = plan(vec![step("work", "node-0", "the work")]);
    plan.steps[0]
        .checks
        .push(check(CheckKind::Stdout(contains("not there"))));
    let ran = stage.run(&plan).await;
    assert_eq!(ran.outcome("work@node-0"), Outcome::FailedCheck);
    assert_unseen(&stage, &ran);
    let mut seen = vec![format!("{:?}", ran.events)];
    for entry in std::fs::read_dir(stage.instance_directory().join("output")).unwrap() {
        seen.push(String::from_utf8_lossy(&std::fs::read(entry.unwrap().path()).unwrap()).into_owned());
    }
    seen.push(std::fs::read_to_string(stage.instance().journal_path()).unwrap());
    let twice = STANDARD.encode(STANDARD.encode(TOKEN));
    for text in seen {
        let read = as_read(&text);
        assert!(!read.contains(&as_read(TOKEN)) && !text.contains(&twice), "{text}");
    }
}
