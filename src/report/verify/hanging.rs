//! Text that goes on below itself, beside what stands before it.

use super::super::layout::{columns, wrapped};
use super::super::line::{Line, READABLE};
use super::super::sanitise::sanitised_line;
use super::super::style::{Ink, Style};

/// The least columns that a text beside a remark is readable in.
const LEAST: usize = 20;

/// A text with what stands before and after it.
pub(super) struct Hanging<'a> {
    /// What stands before it.
    pub(super) before: Line,
    /// The columns that it starts after.
    pub(super) indent: usize,
    /// How it looks.
    pub(super) ink: Ink,
    /// The text.
    pub(super) text: &'a str,
    /// What stands at the right end of its first line; below it where there is no room.
    pub(super) remark: &'a str,
}

impl Hanging<'_> {
    /// Returns its lines, wrapped to the width of `style`.
    pub(super) fn lines(self, style: Style) -> Vec<Line> {
        let text = sanitised_line(self.text);
        let Some(width) = style.width.map(|width| width.min(READABLE)) else {
            let line = self.before.and(self.ink, text);
            return vec![line.right(Ink::Quiet, self.remark)];
        };
        let whole = width.saturating_sub(self.indent);
        let beside = match columns(self.remark) {
            0 => whole,
            remark => whole.saturating_sub(remark + 2),
        };
        let fits_beside = beside >= LEAST.min(columns(&text));
        let margin = " ".repeat(self.indent);
        let mut parts = wrapped(&text, if fits_beside { beside } else { whole }).into_iter();
        let mut first = self.before.and(self.ink, parts.next().unwrap_or_default());
        if fits_beside && !self.remark.is_empty() {
            first = first.right(Ink::Quiet, self.remark);
        }
        let mut lines = vec![first];
        lines.extend(parts.map(|part| Line::of(Ink::Text, &margin).and(self.ink, part)));
        if !fits_beside {
            let remark = wrapped(self.remark, whole).into_iter();
            lines.extend(remark.map(|part| Line::of(Ink::Text, &margin).and(Ink::Quiet, part)));
        }
        lines
    }
}
