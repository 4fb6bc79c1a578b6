//! Writing files, and saying what that changes in one that was there.
//!
//! A change is shown as a diff, unless a secret could be in it. The new content tells: a file that is to hold a secret held an
//! earlier one, which nothing knows any more and nothing could mask. A file that not everybody on the node may read is not shown either.

use super::action::Scene;
use super::baseline::look_at_file;
use super::output::StepOutput;
use crate::domain::{Ending, FileKind, FileText};
use crate::node::FileWrite;
use similar::TextDiff;
use std::time::Duration;

/// The largest file that is compared, in bytes.
const COMPARED: usize = 256 * 1024;

/// How many lines of a diff are shown.
const SHOWN: usize = 200;

/// How many lines are shown around a change.
const CONTEXT: usize = 3;

/// How long a diff may be made shorter; then it is shown as it is.
const PATIENCE: Duration = Duration::from_millis(500);

/// The permission bit of everybody else's reading.
const READ_BY_ALL: u32 = 0o004;

impl Scene<'_> {
    pub(super) async fn write(&self, files: &[FileText], output: &mut StepOutput) -> Result<Ending, Ending> {
        let mut filled = Vec::new();
        for file in files {
            filled.push((file, file.path.fill(&self.values)?, file.content.fill(&self.values)?));
        }
        let mut parents: Vec<&str> = filled
            .iter()
            .filter_map(|(_, path, _)| Some(path.rsplit_once('/')?.0))
            .collect();
        parents.sort_unstable();
        parents.dedup();
        parents.retain(|parent| !parent.is_empty());
        for parent in parents {
            let making = self.transport.make_directories(self.step.as_root, parent);
            self.have_done(making).await?;
        }
        for (file, path, content) in filled {
            self.go_on()?;
            let before = self.text_before(file, &path, &content).await;
            let said = format!("{path} ({} bytes)", content.len());
            let changes = before.map(|before| changes(&path, &before, &content));
            let write = FileWrite {
                path,
                content: content.into_bytes(),
                mode: file.mode,
                as_root: self.step.as_root,
            };
            self.transport.write_file(&write).await?;
            output.say(&said);
            for line in changes.into_iter().flatten() {
                output.say(&line);
            }
        }
        Ok(Ending::Exited { code: 0 })
    }

    /// Returns the text that is at `path` before `content` is written there, where both may be shown.
    async fn text_before(&self, file: &FileText, path: &str, content: &str) -> Option<String> {
        let holds_secret = file.content.holes().any(|hole| hole.secret);
        if holds_secret || content.len() > COMPARED {
            return None;
        }
        // What cannot be looked at is only not shown: whether it can be written shows next.
        let seen = look_at_file(self.transport, path).await.ok()??;
        let is_shown = seen.kind == FileKind::File && seen.mode & READ_BY_ALL != 0 && seen.content.len() <= COMPARED;
        let before = String::from_utf8(seen.content).ok().filter(|_| is_shown)?;
        let redactor = self.shared.redactor();
        let is_open = |text: &str| !text.contains('\0') && redactor.text(text) == text;
        (is_open(&before) && is_open(content)).then_some(before)
    }
}

/// Returns the lines that tell `before` from `after`; none where they are the same.
fn changes(path: &str, before: &str, after: &str) -> Vec<String> {
    let diff = TextDiff::configure().timeout(PATIENCE).diff_lines(before, after);
    let mut unified = diff.unified_diff();
    let unified = unified.context_radius(CONTEXT).header(path, path).to_string();
    let total = unified.lines().count();
    let mut lines: Vec<String> = unified.lines().take(SHOWN).map(str::to_owned).collect();
    if total > SHOWN {
        lines.push(format!("... and {} lines more", total - SHOWN));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_shown_with_three_lines_around_it() {
        let before: String = (1..=20).map(|number| format!("line {number}\n")).collect();
        let after = before.replace("line 10\n", "line ten\n");
        assert_eq!(
            changes("/etc/x", &before, &after),
            [
                "--- /etc/x",
                "+++ /etc/x",
                "@@ -7,7 +7,7 @@",
                " line 7",
                " line 8",
                " line 9",
                "-line 10",
                "+line ten",
                " line 11",
                " line 12",
                " line 13",
            ]
        );
        assert!(changes("/etc/x", &before, &before).is_empty());
    }

    #[test]
    fn a_long_diff_is_cut_and_says_so() {
        let text = |word: &str| (0..150).map(|number| format!("{word} {number}\n")).collect::<String>();
        let lines = changes("/etc/x", &text("old"), &text("new"));
        assert_eq!(lines.len(), SHOWN + 1);
        assert_eq!(lines[SHOWN], "... and 103 lines more");
    }
}
