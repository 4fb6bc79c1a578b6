//! Commands that only look.

use super::server::{Server, is_alive, look, until};
use labctl::node::{Command, Ending, Look, Transport};
use std::time::{Duration, Instant};

fn exited(code: i32) -> Ending {
    Ending::Exited { code }
}

#[tokio::test]
async fn a_look_brings_back_status_and_any_bytes() {
    let server = Server::start();
    let node = server.connect().await;
    let looked = node
        .look(&look("printf 'a\\0\\377'; echo err >&2; exit 3"))
        .await
        .unwrap();
    assert_eq!(looked.ending, exited(3));
    assert_eq!(looked.stdout, b"a\0\xff");
    assert_eq!(looked.stderr, b"err\n");
    for code in [124, 126, 127, 137, 255] {
        assert_eq!(
            node.look(&look(&format!("exit {code}"))).await.unwrap().ending,
            exited(code)
        );
    }
    let looked = node.look(&look("cat; wc -c")).await.unwrap();
    assert_eq!(looked.stdout, b"0\n", "standard input is empty");
}

#[tokio::test]
async fn hostile_words_arrive_as_they_are() {
    let server = Server::start();
    let node = server.connect().await;
    let words = [
        "$(reboot)",
        "`id`",
        "a'b\"c",
        "",
        "-n",
        "two\nlines",
        "*",
        "ü",
        "--",
        "\\",
        "!x",
    ];
    let mut argv = vec!["printf".to_owned(), "%s|".to_owned()];
    argv.extend(words.map(str::to_owned));
    let mut asked = look("");
    asked.command = Command::Argv(argv);
    assert_eq!(
        node.look(&asked).await.unwrap().stdout,
        (words.join("|") + "|").as_bytes()
    );
    asked.command = Command::Argv(vec!["no-such-program".into()]);
    let ending = node.look(&asked).await.unwrap().ending;
    assert!(
        matches!(&ending, Ending::CouldNotStart { reason, .. } if reason.contains("no-such-program")),
        "{ending:?}"
    );
}

#[tokio::test]
async fn a_look_past_its_deadline_is_killed_on_the_node() {
    let server = Server::start();
    let node = server.connect().await;
    let asked = Look {
        deadline: Duration::from_millis(500),
        ..look("trap '' TERM; echo $$; while :; do sleep 0.1; done")
    };
    let start = Instant::now();
    let looked = node.look(&asked).await.unwrap();
    assert!(matches!(looked.ending, Ending::TimedOut { .. }), "{looked:?}");
    assert!(start.elapsed() < Duration::from_secs(6), "took {:?}", start.elapsed());
    let pid = String::from_utf8(looked.stdout).unwrap();
    until("the kernel has ended it", || !is_alive(&pid)).await;
}

#[tokio::test]
async fn a_child_that_ignores_term_is_killed_with_a_look_that_does_not() {
    let server = Server::start();
    let node = server.connect().await;
    let asked = Look {
        deadline: Duration::from_millis(500),
        ..look("(trap '' TERM; while :; do sleep 0.1; done) & echo $!; sleep 60")
    };
    let looked = node.look(&asked).await.unwrap();
    assert!(matches!(looked.ending, Ending::TimedOut { .. }), "{looked:?}");
    let pid = String::from_utf8(looked.stdout).unwrap();
    until("the kernel has ended it", || !is_alive(&pid)).await;
}

#[tokio::test]
async fn a_hundred_megabytes_are_counted_and_not_kept() {
    let server = Server::start();
    let node = server.connect().await;
    let asked = Look {
        keep: 1000,
        deadline: Duration::from_secs(60),
        ..look("head -c 100000000 /dev/zero")
    };
    let looked = node.look(&asked).await.unwrap();
    assert_eq!((looked.stdout.len(), looked.dropped), (1000, 99_999_000));
}

#[tokio::test]
async fn a_child_in_the_background_does_not_hold_a_look_up() {
    let server = Server::start();
    let node = server.connect().await;
    let start = Instant::now();
    let looked = node.look(&look("sleep 8 & echo $!")).await.unwrap();
    assert_eq!(looked.ending, exited(0));
    assert!(start.elapsed() < Duration::from_secs(5), "took {:?}", start.elapsed());
}

#[tokio::test]
async fn more_looks_than_sessions_all_come_back() {
    let server = Server::start_with("MaxSessions 3");
    let node = server.connect().await;
    let asked: Vec<Look> = (0..30).map(|n| look(&format!("sleep 0.1; echo {n}"))).collect();
    let looks = futures_util::future::join_all(asked.iter().map(|asked| node.look(asked))).await;
    for (n, looked) in looks.into_iter().enumerate() {
        assert_eq!(looked.unwrap().stdout, format!("{n}\n").into_bytes());
    }
}

#[tokio::test]
async fn a_noisy_login_shell_is_not_output() {
    let server = Server::start_with("ForceCommand echo noise; echo noise >&2; eval \"$SSH_ORIGINAL_COMMAND\"");
    let node = server.connect().await;
    let looked = node.look(&look("echo out; echo err >&2")).await.unwrap();
    assert_eq!((looked.stdout, looked.stderr), (b"out\n".to_vec(), b"err\n".to_vec()));
}
