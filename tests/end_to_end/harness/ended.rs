//! What a labctl that has ended left behind.

use super::Event;

/// What a labctl that has ended left behind.
#[derive(Debug)]
pub struct Ended {
    /// What it was asked.
    pub asked: String,
    /// Its exit code; `None` where a signal ended it.
    pub code: Option<i32>,
    /// What it printed.
    pub stdout: Vec<u8>,
    /// What it complained.
    pub stderr: Vec<u8>,
    /// The most memory it ever had, in KiB.
    pub peak_memory: u64,
}

impl Ended {
    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// Returns both streams as one text.
    pub fn text(&self) -> String {
        format!("{}{}", self.stdout(), self.stderr())
    }

    #[track_caller]
    pub fn assert_exit(&self, code: i32) -> &Self {
        assert_eq!(
            self.code,
            Some(code),
            "labctl {} should end with {code}\n--- stdout\n{}\n--- stderr\n{}",
            self.asked,
            tail(&self.stdout()),
            tail(&self.stderr())
        );
        self
    }

    /// Fails unless all of `words` stand in what it said.
    #[track_caller]
    pub fn assert_says(&self, words: &[&str]) -> &Self {
        let text = self.text();
        for word in words {
            assert!(
                text.contains(word),
                "labctl {} should say {word:?}:\n{}",
                self.asked,
                tail(&text)
            );
        }
        self
    }

    /// Returns the events that `--json` printed.
    #[track_caller]
    pub fn events(&self) -> Vec<Event> {
        self.stdout().lines().map(Event::parse).collect()
    }

    /// Returns how step `step` ended, as `--json` printed it.
    #[track_caller]
    pub fn outcome(&self, step: &str) -> serde_json::Value {
        let events = self.events();
        let finished = events.iter().find(|event| event.is("step_finished", step));
        let finished = finished.unwrap_or_else(|| panic!("{step} did not finish:\n{}", tail(&self.text())));
        finished.0["outcome"].clone()
    }
}

fn tail(text: &str) -> &str {
    let mut start = text.len().saturating_sub(6000);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    &text[start..]
}
