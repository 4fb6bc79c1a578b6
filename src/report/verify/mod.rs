//! What a verify is shown as when it has ended: the checklist, the findings, one line of totals, and what to type next.

mod checklist;
mod closing;
mod findings;
mod hanging;

use super::line::Line;
use super::plain::Verbosity;
use super::story::Story;
use super::style::{Ink, Style};
use checklist::checklist_lines;
use closing::{next_commands, total_lines};
use findings::finding_lines;

/// Returns all that is shown of a verify that has ended.
pub(crate) fn verify_lines(story: &Story, verbosity: Verbosity, style: Style) -> Vec<Line> {
    let mut lines = Vec::new();
    if verbosity != Verbosity::Quiet {
        lines.extend(checklist_lines(story, verbosity == Verbosity::Verbose, style));
        lines.push(Line::default());
    }
    if !story.findings.is_empty() {
        lines.push(Line::of(Ink::Strong, "Findings"));
        for (at, finding) in story.findings.iter().enumerate() {
            if at > 0 {
                lines.push(Line::default());
            }
            lines.extend(finding_lines(story, at + 1, finding, style));
        }
        lines.push(Line::default());
    }
    lines.extend(total_lines(story, style));
    if verbosity != Verbosity::Quiet {
        lines.extend(super::closing::command_lines(&next_commands(story), style));
    }
    lines
}
