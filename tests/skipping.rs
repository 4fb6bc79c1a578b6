//! What a test does where it cannot be run: it says so past the capture of its output, and in CI it fails.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::{Write, stderr};
use std::sync::{Mutex, PoisonError};

/// What was said already: seventy tests that want the same nodes say it once.
static SAID: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Says that something is left out, and `why`. Panics in CI, which leaves nothing out.
pub fn skip(why: &str) {
    assert!(
        std::env::var("CI").as_deref() != Ok("true"),
        "CI leaves nothing out, and this would be: {why}"
    );
    let is_new = SAID
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .insert(why.to_owned());
    if is_new {
        // Not eprintln!, which is shown for tests that fail only; and in one piece, as others write at the same time.
        let line = format!("SKIPPED: {why}\n");
        let _ = stderr().write_all(line.as_bytes());
        // A runner that gives each test a process of its own shows nothing of tests that pass: whoever runs it reads this file.
        if let Some(file) = std::env::var_os("LABCTL_TEST_SKIPPED") {
            let file = OpenOptions::new().create(true).append(true).open(file);
            let _ = file.and_then(|mut file| file.write_all(line.as_bytes()));
        }
    }
}
