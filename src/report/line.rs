//! One line for people: pieces of text, each with its ink, fitted into the columns there are.

use super::layout::{columns, truncated, wrapped};
use super::sanitise::sanitised_line;
use super::style::{Ink, Style};

/// The columns a line uses at most for what stands at its right end: on a wide terminal the eye must still find it.
pub(crate) const READABLE: usize = 100;

/// A line of inked text. What comes in is cleaned here, so that nothing else can reach the screen.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Line {
    spans: Vec<(Ink, String)>,
    right: Option<(Ink, String)>,
    /// Whether it is shown whole, however narrow the screen.
    is_whole: bool,
}

impl Line {
    /// Makes a line of `text`.
    pub(crate) fn of(ink: Ink, text: impl AsRef<str>) -> Self {
        Self::default().and(ink, text)
    }

    /// Makes a line of ordinary `text`.
    pub(crate) fn text(text: impl AsRef<str>) -> Self {
        Self::of(Ink::Text, text)
    }

    /// Adds `text` at the end.
    pub(crate) fn and(mut self, ink: Ink, text: impl AsRef<str>) -> Self {
        self.spans.push((ink, sanitised_line(text.as_ref())));
        self
    }

    /// Puts `text` at the right end.
    pub(crate) fn right(mut self, ink: Ink, text: impl AsRef<str>) -> Self {
        self.right = Some((ink, sanitised_line(text.as_ref())));
        self
    }

    /// Shows the line with `style`, never wider than its width, unless it is to be whole.
    pub(crate) fn show(&self, style: Style) -> String {
        let Some(width) = style.width.filter(|_| !self.is_whole) else {
            return self.show_all(style);
        };
        let Some((ink, right)) = &self.right else {
            return show_spans(&self.spans, width, style).0;
        };
        let edge = width.min(READABLE);
        let right = truncated(right, edge / 2);
        let room = edge.saturating_sub(columns(&right) + 2);
        let (mut shown, used) = show_spans(&self.spans, room, style);
        if !right.is_empty() {
            shown.push_str(&" ".repeat(edge.saturating_sub(used + columns(&right))));
            shown.push_str(&style.paint(*ink, &right));
        }
        shown
    }

    fn show_all(&self, style: Style) -> String {
        let mut shown: String = self.spans.iter().map(|(ink, text)| style.paint(*ink, text)).collect();
        if let Some((ink, right)) = self.right.as_ref().filter(|(_, right)| !right.is_empty()) {
            shown.push_str("  ");
            shown.push_str(&style.paint(*ink, right));
        }
        shown.truncate(shown.trim_end().len());
        shown
    }
}

fn show_spans(spans: &[(Ink, String)], room: usize, style: Style) -> (String, usize) {
    let shown_until = spans.iter().rposition(|(_, text)| !text.trim_end().is_empty());
    let spans = spans.get(..shown_until.map_or(0, |last| last + 1)).unwrap_or_default();
    let whole: usize = spans.iter().map(|(_, text)| columns(text)).sum();
    let mut left = room;
    let mut shown = String::new();
    for (at, (ink, text)) in spans.iter().enumerate() {
        let last = at + 1 == spans.len();
        // Where the line is too long, the piece that reaches the edge carries the ellipsis.
        let cut = if whole > room && !last && columns(text) >= left {
            truncated(&format!("{text} …"), left)
        } else {
            truncated(text, left)
        };
        left -= columns(&cut);
        shown.push_str(&style.paint(*ink, &cut));
        if left == 0 {
            break;
        }
    }
    (shown, room - left)
}

/// Makes lines of a labelled `value`: it starts after the label and goes on below itself, wrapped to the style's width.
pub(crate) fn labelled(indent: usize, label: &str, value: &str, style: Style) -> Vec<Line> {
    const LABEL: usize = 9;
    let start = indent + LABEL + 1;
    let limit = style.width.map(|width| width.min(READABLE).saturating_sub(start));
    let value = super::sanitise::sanitised(value);
    let mut parts = Vec::new();
    for part in value.lines() {
        match limit {
            Some(limit) => parts.extend(wrapped(part, limit)),
            None => parts.push(part.to_owned()),
        }
    }
    let margin = " ".repeat(indent);
    let lines = parts.into_iter().enumerate().map(|(at, part)| {
        let label = if at == 0 { label } else { "" };
        Line::of(Ink::Quiet, format!("{margin}{label:<LABEL$} ")).and(Ink::Text, part)
    });
    lines.collect()
}

/// Makes a line of a labelled path, which a terminal breaks where it must: what is broken here can be neither clicked nor copied.
pub(crate) fn labelled_path(indent: usize, label: &str, path: &str) -> Vec<Line> {
    let mut lines = labelled(indent, label, path, Style::plain());
    for line in &mut lines {
        line.is_whole = true;
    }
    lines
}

/// Makes lines of a `text` that is wrapped to the style's width, all of them indented alike.
pub(crate) fn paragraph(indent: usize, ink: Ink, text: &str, style: Style) -> Vec<Line> {
    let margin = " ".repeat(indent);
    let text = sanitised_line(text);
    let lines = match style.width {
        Some(width) => wrapped(&text, width.min(READABLE).saturating_sub(indent)),
        None => vec![text],
    };
    lines
        .iter()
        .map(|line| Line::of(ink, format!("{margin}{line}")))
        .collect()
}

/// Shows `lines`, each ended by a line feed.
pub(crate) fn show_lines(lines: &[Line], style: Style) -> String {
    let mut shown = String::new();
    for line in lines {
        shown.push_str(&line.show(style));
        shown.push('\n');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_stands_right_ends_at_the_edge() {
        let style = Style {
            colour: false,
            width: Some(20),
        };
        let line = Line::text("build").right(Ink::Quiet, "1.2 s");
        assert_eq!(line.show(style), "build          1.2 s");
        assert_eq!(line.show(Style::plain()), "build  1.2 s");
        let long = Line::text("build the image now").right(Ink::Quiet, "1.2 s");
        assert_eq!(long.show(style), "build the im…  1.2 s");
    }

    proptest! {
        #[test]
        fn no_line_is_wider_than_its_style(left in "\\PC{0,30}", more in "\\PC{0,30}", right in "\\PC{0,20}", width in 1usize..50) {
            let style = Style { colour: false, width: Some(width) };
            let line = Line::text(left).and(Ink::Quiet, more).right(Ink::Good, right);
            prop_assert!(columns(&line.show(style)) <= width, "{:?}", line.show(style));
        }
    }
}
