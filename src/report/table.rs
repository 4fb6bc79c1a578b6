//! Columns of text that line up.

use super::layout::{columns, wrapped};
use super::line::Line;
use super::style::{Ink, Style};

const GAP: usize = 2;
/// A column that is narrower than this is no longer read.
const LEAST_WRAPPED: usize = 16;

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

    /// Returns the table's lines, indented, within the style's width: where it is too wide, the texts of its widest column
    /// go on in further lines. `None` where that would leave next to nothing of the column.
    pub(crate) fn lines_within(&self, indent: usize, style: Style) -> Option<Vec<Line>> {
        let over = style
            .width
            .map_or(0, |width| (self.columns() + indent).saturating_sub(width));
        if over == 0 {
            return Some(self.lines(indent));
        }
        let (widest, width) = self.widths().into_iter().enumerate().max_by_key(|(_, width)| *width)?;
        let room = width.checked_sub(over).filter(|room| *room >= LEAST_WRAPPED)?;
        let rows = self
            .rows
            .iter()
            .flat_map(|row| wrapped_row(row, widest, room))
            .collect();
        Some(Self { rows }.lines(indent))
    }

    /// Says whether the table fits into the style's width.
    pub(crate) fn fits(&self, indent: usize, style: Style) -> bool {
        style.width.is_none_or(|width| self.columns() + indent <= width)
    }
}

/// Returns the rows that `row` takes when its cell `at` has `room` columns.
fn wrapped_row(row: &[Cell], at: usize, room: usize) -> Vec<Vec<Cell>> {
    let Some(long) = row.get(at).filter(|cell| cell_columns(cell) > room) else {
        return vec![row.to_vec()];
    };
    let ink = long.first().map_or(Ink::Text, |(ink, _)| *ink);
    let text: String = long.iter().map(|(_, text)| text.as_str()).collect();
    let texts = wrapped(&super::sanitise::sanitised_line(&text), room);
    let further = |(index, text): (usize, String)| {
        let mut row = if index == 0 {
            row.to_vec()
        } else {
            vec![Cell::new(); at + 1]
        };
        row[at] = cell(ink, text);
        row
    };
    texts.into_iter().enumerate().map(further).collect()
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

#[cfg(test)]
mod tests {
    use super::super::line::show_lines;
    use super::*;
    use proptest::prelude::*;

    fn shown(texts: &[[&str; 3]], width: usize) -> Option<String> {
        let mut table = Table::with_heads(["id", "title", "on"]);
        for row in texts {
            table.row(row.iter().map(|text| cell(Ink::Text, *text)).collect());
        }
        let style = Style {
            width: Some(width),
            ..Style::default()
        };
        Some(show_lines(&table.lines_within(2, style)?, style))
    }

    #[test]
    fn the_widest_column_goes_on_in_further_lines_and_none_is_lost() {
        let rows = [
            ["label", "Open the port, label the engines", "node-1"],
            ["up", "Start it", "node-0"],
        ];
        let expected = "  id     title                 on\n  \
                          label  Open the port, label  node-1\n         \
                                 the engines\n  \
                          up     Start it              node-0\n";
        assert_eq!(shown(&rows, 37).as_deref(), Some(expected));
        assert_eq!(shown(&rows, 30), None);
    }

    proptest! {
        #[test]
        fn lines_within_a_width_are_within_it(title in "[a-z]{1,9}( [a-z]{1,30}){0,9}", width in 30usize..100) {
            if let Some(shown) = shown(&[["id", &title, "node-0"]], width) {
                prop_assert!(shown.lines().all(|line| columns(line) <= width), "{shown}");
                let letters = |text: &str| text.replace([' ', '\n'], "");
                prop_assert!(letters(&shown).contains("node-0"));
                prop_assert_eq!(letters(&shown).len(), letters(&title).len() + "idtitleonidnode-0".len());
            }
        }
    }
}
