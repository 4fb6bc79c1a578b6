//! What stands at the end of a cleanup: what was taken back, what is left and why, and of whom nothing is left.

use super::closing::INDENT;
use super::layout::counted;
use super::line::{Line, paragraph};
use super::style::{Ink, Style};
use super::tally::CleanupTally;
use crate::domain::NodeName;
use std::collections::BTreeSet;

/// What takes everything from the nodes.
pub(super) const CLEAR_COMMAND: &str = "labctl cleanup --scope all";

/// Returns what a cleanup left, with the exact command that tries again.
pub(crate) fn cleanup_lines(cleanup: &CleanupTally, style: Style) -> Vec<Line> {
    let mut lines = Vec::new();
    if !cleanup.undone.is_empty() {
        lines.push(Line::text(format!(
            "  {} taken back.",
            counted(cleanup.undone.len(), "thing")
        )));
    }
    for (line, _) in cleanup.host_lines.iter().filter(|(_, failed)| failed.is_none()) {
        let text = format!("`{}` is no longer in {} of this machine.", line.text, line.file);
        lines.extend(paragraph(INDENT, Ink::Text, &text, style));
    }
    let hosts_left = cleanup.host_lines.iter().filter(|(_, failed)| failed.is_some());
    if !cleanup.ours.is_empty() || !cleanup.failed.is_empty() || hosts_left.clone().next().is_some() {
        lines.push(Line::default());
        lines.push(Line::of(Ink::Bad, "  Left of the lab:"));
        // Several steps may owe the same, for the same reason.
        let mut told = BTreeSet::new();
        for (node, undo, reason) in &cleanup.failed {
            let text = format!("could not {undo}: {reason}");
            if told.insert((node, text.clone())) {
                lines.extend(item(node.as_str(), &text, style));
            }
        }
        for (node, difference) in &cleanup.ours {
            lines.extend(item(node.as_str(), &difference.to_string(), style));
        }
        for (line, fault) in hosts_left {
            let fault = fault.iter().map(ToString::to_string).collect::<String>();
            lines.extend(item("here", &format!("could not {line}: {fault}"), style));
        }
    }
    if !cleanup.unreached.is_empty() {
        lines.push(Line::default());
        lines.push(Line::of(
            Ink::Bad,
            "  Could not be worked on, and still owed what it is owed:",
        ));
        for (node, reason) in &cleanup.unreached {
            lines.extend(item(node.as_str(), reason, style));
        }
    }
    if cleanup.owes_still() {
        lines.push(Line::text("  Try again: ").and(Ink::Accent, "labctl cleanup"));
    }
    if !cleanup.not_cleared.is_empty() {
        lines.push(Line::default());
        lines.push(Line::of(Ink::Bad, "  Still there:"));
        for (node, left) in &cleanup.not_cleared {
            lines.extend(item(node.as_str(), &left.to_string(), style));
        }
        lines.push(Line::text("  Try again: ").and(Ink::Accent, CLEAR_COMMAND));
    }
    if !cleanup.others.is_empty() {
        lines.push(Line::default());
        let text = "Different from before the lab and not the lab's, left alone:";
        lines.extend(paragraph(INDENT, Ink::Quiet, text, style));
        for (node, difference) in &cleanup.others {
            lines.extend(item(node.as_str(), &difference.to_string(), style));
        }
    }
    if !cleanup.released.is_empty() {
        let nodes = names(&cleanup.released);
        lines.push(Line::default());
        lines.push(Line::of(Ink::Good, format!("  Nothing of the lab is left on {nodes}.")));
    }
    let kept = &cleanup.clean - &cleanup.released;
    if !kept.is_empty() {
        let text = format!(
            "On {} nothing is left but labctl's notes, which are needed until all is done.",
            names(&kept)
        );
        lines.extend(paragraph(INDENT, Ink::Text, &text, style));
    }
    if !cleanup.cleared.is_empty() {
        let nodes: Vec<&str> = cleanup.cleared.iter().map(NodeName::as_str).collect();
        let text = format!(
            "No container, no image and no option of the engine's is left on {}.",
            nodes.join(", ")
        );
        lines.push(Line::default());
        lines.extend(paragraph(INDENT, Ink::Good, &text, style));
    }
    lines
}

fn names(nodes: &BTreeSet<NodeName>) -> String {
    let names: Vec<&str> = nodes.iter().map(NodeName::as_str).collect();
    names.join(", ")
}

fn item(place: &str, text: &str, style: Style) -> Vec<Line> {
    let mut lines = Vec::new();
    let indent = place.len() + 6;
    for (at, line) in paragraph(0, Ink::Text, text, narrowed(style, indent))
        .iter()
        .enumerate()
    {
        let head = if at == 0 {
            format!("    {place}  ")
        } else {
            " ".repeat(indent)
        };
        lines.push(Line::of(Ink::Accent, head).and(Ink::Text, line.show(Style::plain())));
    }
    lines
}

fn narrowed(style: Style, by: usize) -> Style {
    Style {
        width: style.width.map(|width| width.saturating_sub(by)),
        ..style
    }
}
