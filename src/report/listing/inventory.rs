//! What was found on the nodes of an inventory: a column for each node, as many side by side as there is room for.

use super::super::layout::size_for_people;
use super::super::line::{Line, labelled, show_lines};
use super::super::style::{Ink, Style};
use super::super::table::{Cell, Table, cell};
use crate::domain::{ComposeFlavour, Facts, InitSystem, NodeName, OptionsSource};

/// A node of the inventory and what came of looking at it.
#[derive(Debug, Clone)]
pub struct InventoryRow {
    /// The node.
    pub node: NodeName,
    /// Where ssh went.
    pub address: String,
    /// What was found.
    pub found: FoundOnNode,
}

/// What came of looking at a node.
#[derive(Debug, Clone)]
pub enum FoundOnNode {
    /// It answered.
    Facts(Box<Facts>),
    /// It could not be reached.
    Unreachable {
        /// What ssh said.
        reason: String,
        /// The next thing to try.
        hint: Option<String>,
    },
}

/// How many columns a cell takes at most: where there is room, and where there is not.
const CELLS: [usize; 2] = [26, 21];

/// Shows what was found on each node, and below it in full why some could not be reached.
pub fn inventory_check_listing(rows: &[InventoryRow], style: &Style) -> String {
    let style = *style;
    let mut lines = Vec::new();
    let mut from = 0;
    while from < rows.len() {
        let rest = rows.get(from..).unwrap_or_default();
        let (count, table) = widest_table(rest, style);
        if from > 0 {
            lines.push(Line::default());
        }
        lines.extend(table.lines(0));
        from += count;
    }
    for row in rows {
        lines.extend(trouble(row, style));
    }
    show_lines(&lines, style)
}

/// Makes the table of as many rows as fit side by side, at least of one.
fn widest_table(rows: &[InventoryRow], style: Style) -> (usize, Table) {
    for count in (2..=rows.len()).rev() {
        for limit in CELLS {
            let table = table_of(rows.get(..count).unwrap_or_default(), limit);
            if table.fits(0, style) {
                return (count, table);
            }
        }
    }
    (1, table_of(rows.get(..1).unwrap_or_default(), CELLS[0]))
}

fn table_of(rows: &[InventoryRow], limit: usize) -> Table {
    let mut table = Table::default();
    let line = |label: &str, value: &dyn Fn(&InventoryRow) -> (Ink, String)| {
        let mut cells = vec![cell(Ink::Quiet, label)];
        cells.extend(rows.iter().map(|row| short(value(row), limit)));
        cells
    };
    table.row(line("", &|row| (Ink::Strong, row.node.to_string())));
    table.row(line("address", &|row| (Ink::Text, row.address.clone())));
    table.row(line("reachable", &|row| match &row.found {
        FoundOnNode::Facts(facts) => (Ink::Good, format!("✔ as {}", facts.login.user)),
        FoundOnNode::Unreachable { .. } => (Ink::Bad, "✘ no".to_owned()),
    }));
    let fields: [Field; 8] = [
        ("sudo", |facts| yes_or_no(facts.login.root)),
        ("system", |facts| (Ink::Text, system(facts))),
        ("init", init),
        ("engine", engine),
        ("API", |facts| match &facts.engine {
            Some(engine) => (Ink::Text, engine.api_version.clone()),
            None => (Ink::Quiet, "·".to_owned()),
        }),
        ("options in", options),
        ("compose", compose),
        ("free disk", |facts| match facts.free_disk {
            Some(bytes) => (Ink::Text, size_for_people(bytes)),
            None => (Ink::Warning, "?".to_owned()),
        }),
    ];
    for (label, value) in fields {
        table.row(line(label, &|row| match &row.found {
            FoundOnNode::Facts(facts) => value(facts),
            FoundOnNode::Unreachable { .. } => (Ink::Quiet, "·".to_owned()),
        }));
    }
    table
}

/// A label and how its value is read from a node's facts.
type Field = (&'static str, fn(&Facts) -> (Ink, String));

fn short((ink, text): (Ink, String), limit: usize) -> Cell {
    cell(
        ink,
        super::super::layout::truncated(&super::super::sanitise::sanitised_line(&text), limit),
    )
}

fn yes_or_no(yes: bool) -> (Ink, String) {
    if yes {
        (Ink::Good, "✔ yes".to_owned())
    } else {
        (Ink::Bad, "✘ no".to_owned())
    }
}

fn system(facts: &Facts) -> String {
    let version = facts.os.version.as_deref().unwrap_or_default();
    format!("{} {version} {}", facts.os.id, facts.os.arch).replace("  ", " ")
}

fn init(facts: &Facts) -> (Ink, String) {
    match facts.init {
        InitSystem::Systemd => (Ink::Text, "systemd".to_owned()),
        InitSystem::Sysvinit => (Ink::Text, "sysvinit".to_owned()),
        InitSystem::Other => (Ink::Warning, "? unknown".to_owned()),
    }
}

fn engine(facts: &Facts) -> (Ink, String) {
    match &facts.engine {
        Some(engine) => (Ink::Text, engine.version.clone()),
        None => (Ink::Bad, "✘ none answers".to_owned()),
    }
}

fn options(facts: &Facts) -> (Ink, String) {
    match &facts.engine_options.source {
        OptionsSource::DefaultsFile => (Ink::Text, "/etc/default/docker".to_owned()),
        OptionsSource::Unit { .. } => (Ink::Text, "its systemd unit".to_owned()),
        OptionsSource::Unknown { .. } => (Ink::Warning, "? unknown".to_owned()),
    }
}

fn compose(facts: &Facts) -> (Ink, String) {
    match &facts.compose {
        Some(found) => {
            let program = match found.flavour {
                ComposeFlavour::V1 | ComposeFlavour::V2Standalone => "docker-compose",
                ComposeFlavour::V2Plugin => "docker compose",
            };
            (Ink::Text, format!("{program} {}", found.version))
        }
        None => (Ink::Bad, "✘ none".to_owned()),
    }
}

/// Returns what does not fit into a cell: why something is not as it should be.
fn trouble(row: &InventoryRow, style: Style) -> Vec<Line> {
    let mut texts: Vec<(&str, String)> = Vec::new();
    match &row.found {
        FoundOnNode::Unreachable { reason, hint } => {
            texts.push(("problem", reason.clone()));
            texts.extend(hint.clone().map(|hint| ("hint", hint)));
        }
        FoundOnNode::Facts(facts) => {
            if !facts.login.root {
                texts.push(("sudo", format!("`sudo -n` does not work for {}", facts.login.user)));
            }
            if let Some(problem) = facts.engine_problem.as_ref().filter(|_| facts.engine.is_none()) {
                texts.push(("engine", problem.clone()));
            }
            if let OptionsSource::Unknown { reason } = &facts.engine_options.source {
                texts.push(("options", reason.clone()));
            }
        }
    }
    let mut lines = Vec::new();
    if !texts.is_empty() {
        lines.push(Line::default());
        lines.push(Line::of(Ink::Strong, row.node.as_str()));
        for (label, text) in texts {
            lines.extend(labelled(2, label, &text, style));
        }
    }
    lines
}
