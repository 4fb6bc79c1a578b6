//! The playground's nodes and how to reach them.

use super::super::line::{Line, show_lines};
use super::super::style::{Ink, Style};
use super::super::table::{Table, cell};

/// A node of the playground.
#[derive(Debug, Clone)]
pub struct PlaygroundRow {
    /// Its name.
    pub node: String,
    /// Its address.
    pub address: String,
    /// What starts its services, such as `sysvinit`.
    pub init: String,
    /// What it is made of, such as `bookworm`.
    pub suite: String,
    /// Its state, such as `ready`, `stopped` or `starting`.
    pub state: String,
    /// Whether it is as it should be.
    pub well: bool,
    /// The command that logs in.
    pub ssh: String,
}

/// Lists the playground's nodes; the commands that log in stand below the table, whole, to be copied.
pub fn playground_listing(rows: &[PlaygroundRow], style: &Style) -> String {
    if rows.is_empty() {
        return "There is no playground. `labctl playground up` starts one.\n".to_owned();
    }
    let mut table = Table::with_heads(["node", "address", "init", "suite", "state"]);
    for row in rows {
        let (symbol, ink) = if row.well {
            ("✔", Ink::Good)
        } else {
            ("✘", Ink::Bad)
        };
        table.row(vec![
            cell(Ink::Accent, &row.node),
            cell(Ink::Text, &row.address),
            cell(Ink::Text, &row.init),
            cell(Ink::Text, &row.suite),
            cell(ink, format!("{symbol} {}", row.state)),
        ]);
    }
    let mut text = show_lines(&table.lines(0), *style);
    // A command that is cut or wrapped cannot be copied.
    let uncut = Style { width: None, ..*style };
    let commands: Vec<Line> = rows
        .iter()
        .filter(|row| !row.ssh.is_empty())
        .map(|row| Line::text(&row.ssh))
        .collect();
    if !commands.is_empty() {
        text.push('\n');
        text.push_str(&show_lines(&commands, uncut));
    }
    text
}
