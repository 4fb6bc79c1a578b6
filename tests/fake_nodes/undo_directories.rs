//! Directories that steps make, and files that make them necessary.

use super::labs::{plan, step, text};
use super::ownership::compared;
use super::stage::Stage;
use super::undo::{clones, writes};
use labctl::domain::{Outcome, UndoText};
use labctl::node::fake::FakeAnswer;
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn a_directory_that_two_steps_have_files_below_goes_with_the_last_of_them() {
    for paths in [
        ["/opt/demo/longer/a", "/opt/demo/b/a"],
        ["/opt/demo/b/a", "/opt/demo/longer/a"],
    ] {
        let stage = Stage::one();
        let machine = stage.machine("node-0");
        let before = machine.disk(|disk| disk.clone());
        for path in paths {
            stage.run(&plan(vec![writes(path, "x")])).await;
        }
        stage.cleanup().await;
        assert!(!stage.state().owes_anything());
        assert_eq!(machine.disk(|disk| disk.clone()), before, "{paths:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_directory_that_cleanup_would_never_remove_is_not_made() {
    let stage = Stage::one();
    let ran = stage.run(&plan(vec![writes("/data/settings", "x")])).await;
    let outcome = ran.outcome("write@node-0");
    assert!(
        matches!(&outcome, Outcome::CouldNotStart { reason, hint: Some(_) } if reason.contains("/data is missing")),
        "{outcome:?}"
    );
    assert!(!stage.machine("node-0").disk(|disk| disk.has("/data")));
    stage.cleanup().await;
    assert!(!stage.state().owes_anything());
}

#[tokio::test(start_paused = true)]
async fn a_directory_in_the_way_is_refused_and_never_removed() {
    let stage = Stage::one();
    let machine = stage.machine("node-0");
    machine.disk(|disk| disk.write("/home/ubuntu/labs/web/work", b"weeks of it", None));
    machine.disk(|disk| disk.make_directory("/home/ubuntu/labs/web"));
    let ran = stage.run(&plan(vec![clones()])).await;
    let outcome = ran.outcome("clone@node-0");
    assert!(
        matches!(&outcome, Outcome::CouldNotStart { reason, hint: Some(_) } if reason.contains("already there")),
        "{outcome:?}"
    );
    stage.cleanup().await;
    assert!(!stage.state().owes_anything());
    assert_eq!(
        machine.disk(|disk| disk.read("/home/ubuntu/labs/web/work")).as_deref(),
        Some("weeks of it")
    );
}

#[tokio::test(start_paused = true)]
async fn what_was_moved_away_as_the_hint_says_is_not_missed_by_cleanup() {
    let stage = Stage::one();
    let machine = stage.machine("node-0");
    machine.disk(|disk| disk.write("/home/ubuntu/labs/web/work", b"weeks of it", None));
    machine.disk(|disk| disk.make_directory("/home/ubuntu/labs/web"));
    machine.disk(|disk| disk.write("/opt/settings", b"theirs", None));
    // The baseline has both.
    let both = || plan(vec![clones(), writes("/opt/settings", "ours")]);
    let ran = stage.run(&both()).await;
    assert!(!ran.outcome("clone@node-0").lets_others_go_on());
    machine.disk(|disk| {
        for path in ["/home/ubuntu/labs/web/work", "/home/ubuntu/labs/web", "/opt/settings"] {
            disk.remove(path);
        }
    });
    let ran = stage.run(&both()).await;
    assert_eq!(ran.outcome("clone@node-0"), Outcome::Passed);
    let ran = stage.cleanup().await;
    assert!(!stage.state().owes_anything(), "{:#?}", ran.events);
    let (ours, others) = compared(&ran);
    assert_eq!(ours, []);
    assert!(!others.is_empty(), "it is told all the same");
}

#[tokio::test(start_paused = true)]
async fn two_steps_at_once_do_not_take_each_others_directory_for_somebodys() {
    let stage = Stage::one();
    let machine = stage.machine("node-0");
    machine.disk(|disk| disk.write("/etc/motd", b"as it was", None));
    // Keeping the file takes the second step so long that the first one makes the directory meanwhile.
    machine
        .fake
        .answer("copy /etc/motd ", FakeAnswer::exited(0).takes(Duration::from_secs(5)));
    let makes = |id: &str| step(id, "node-0", "mkdir -p -- /home/ubuntu/shared").after(&[]);
    let shared = || UndoText::Directory(text("/home/ubuntu/shared"));
    let second = makes("second").undo(UndoText::File(text("/etc/motd"))).undo(shared());
    let ran = stage.run(&plan(vec![second, makes("first").undo(shared())])).await;
    for step in ["first@node-0", "second@node-0"] {
        assert_eq!(ran.outcome(step), Outcome::Passed, "{step}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_directory_that_two_steps_share_goes_with_the_last_thing_in_it() {
    let stage = Stage::one();
    let machine = stage.machine("node-0");
    let before = machine.disk(|disk| disk.clone());
    let directories = step("room", "node-0", "mkdir")
        .undo(UndoText::Directory(text("/home/ubuntu/shared/one")))
        .undo(UndoText::Directory(text("/home/ubuntu/shared/two")));
    let disk = machine.files();
    machine.fake.answer_with(move |command| {
        (command == "mkdir").then(|| {
            let mut disk = disk.lock().unwrap();
            disk.make_directory("/home/ubuntu/shared/one");
            disk.make_directory("/home/ubuntu/shared/two");
            FakeAnswer::exited(0)
        })
    });
    stage.run(&plan(vec![directories])).await;
    assert!(machine.disk(|disk| disk.has("/home/ubuntu/shared/two")));
    stage.cleanup().await;
    assert!(!stage.state().owes_anything());
    assert_eq!(machine.disk(|disk| disk.clone()), before);
}
