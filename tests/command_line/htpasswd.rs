//! `service htpasswd`, as a lab's step runs it.

use super::bench::{Bench, code};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Output, Stdio};

fn htpasswd(bench: &Bench, password: &str) -> Output {
    let file = bench.path("htpasswd").display().to_string();
    let mut command = bench.command(&["service", "htpasswd", "--user", "me", "--file", &file]);
    let command = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A password that is refused before its end was read leaves a closed pipe.
    let _ = child.stdin.take().unwrap().write_all(password.as_bytes());
    child.wait_with_output().unwrap()
}

#[test]
fn a_password_file_is_its_owners_alone_and_nothing_tells_the_password() {
    let bench = Bench::new();
    let output = htpasswd(&bench, "s3cret-s3cret\n");
    assert_eq!(code(&output), 0, "{output:?}");
    let path = bench.path("htpasswd");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let line = std::fs::read_to_string(&path).unwrap();
    let hash = line.strip_prefix("me:").unwrap().strip_suffix('\n').unwrap();
    assert!(bcrypt::verify("s3cret-s3cret", hash).unwrap());
    assert!(!format!("{output:?}{line}").contains("s3cret-s3cret"));
}

#[test]
fn a_password_that_is_no_good_is_told_and_leaves_the_file_as_it_is() {
    let bench = Bench::new();
    std::fs::write(bench.path("htpasswd"), "before").unwrap();
    for (password, told) in [("\n", "empty"), (&*"p4ss".repeat(30), "longer than 72 bytes")] {
        let output = htpasswd(&bench, password);
        assert_eq!(code(&output), 3, "{output:?}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(told), "{said}");
        assert!(!said.contains("p4ssp4ss"), "{said}");
        assert_eq!(std::fs::read_to_string(bench.path("htpasswd")).unwrap(), "before");
    }
}
