//! Columns of text that line up.

use super::layout::columns;
use super::line::Line;
use super::style::{Ink, Style};

const GAP: usize = 2;

/// Rows of inked cells.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Vec<Cell>>,
}

/// A cell: its pieces of text, each with its ink.
pub(crate) type Cell = Vec<(Ink, String)>;

impl Table {
    /// Makes a table under `heads`.
    pub(crate) fn with_heads<'a>(heads: impl IntoIterator<Item = &'a str>) -> Self {
        let heads = heads.into_iter().map(|head| vec![(Ink::Quiet, head.to_owned())]);
        Self {
            rows: vec![heads.collect()],
        }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    /// Returns how many columns the whole table takes, without an indent.
    pub(crate) fn columns(&self) -> usize {
        let widths = self.widths();
        widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1)
    }

    fn widths(&self) -> Vec<usize> {
        let count = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        (0..count)
            .map(|at| {
                self.rows
                    .iter()
                    .filter_map(|row| row.get(at))
                    .map(cell_columns)
                    .max()
                    .unwrap_or(0)
            })
            .collect()
    }

    /// Returns the table's lines, indented.
    pub(crate) fn lines(&self, indent: usize) -> Vec<Line> {
        let widths = self.widths();
        let margin = " ".repeat(indent);
        self.rows
            .iter()
            .map(|row| {
                let mut line = Line::of(Ink::Text, &margin);
                for (at, cell) in row.iter().enumerate() {
                    for (ink, text) in cell {
                        line = line.and(*ink, text);
                    }
                    if at + 1 < row.len() {
                        let width = widths.get(at).copied().unwrap_or(0);
                        line = line.and(Ink::Text, " ".repeat(width.saturating_sub(cell_columns(cell)) + GAP));
                    }
                }
                line
            })
            .collect()
    }

    /// Says whether the table fits into the style's width.
    pub(crate) fn fits(&self, indent: usize, style: Style) -> bool {
        style.width.is_none_or(|width| self.columns() + indent <= width)
    }
}

fn cell_columns(cell: &Cell) -> usize {
    cell.iter()
        .map(|(_, text)| columns(&super::sanitise::sanitised_line(text)))
        .sum()
}

/// Makes a cell of one piece of text.
pub(crate) fn cell(ink: Ink, text: impl Into<String>) -> Cell {
    vec![(ink, text.into())]
}
