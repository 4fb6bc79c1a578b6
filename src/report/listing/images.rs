//! The images that labctl makes of itself, and what came of loading them.

use super::super::layout::size_for_people;
use super::super::line::{Line, labelled, show_lines};
use super::super::style::{Ink, Style};
use super::super::table::{Table, cell};
use crate::domain::NodeName;

/// An image that labctl makes of itself.
#[derive(Debug, Clone)]
pub struct ImageRow {
    /// What `images build` and `images load` take.
    pub name: String,
    /// What it is called on an engine.
    pub reference: String,
    /// What it is for.
    pub purpose: String,
    /// Its id on any engine.
    pub id: String,
    /// How many bytes it holds.
    pub size: u64,
}

/// A node that images were to be loaded to.
#[derive(Debug, Clone)]
pub struct LoadedRow {
    /// The node.
    pub node: NodeName,
    /// What came of each image, or why the node could not be used and the next thing to try.
    pub images: Result<Vec<LoadedImage>, (String, Option<String>)>,
}

/// What came of loading an image.
#[derive(Debug, Clone)]
pub struct LoadedImage {
    /// What it is called.
    pub reference: String,
    /// What came of it.
    pub end: LoadEnd,
}

/// What came of loading an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoadEnd {
    /// It was there before.
    WasThere,
    /// It was loaded.
    Loaded {
        /// The id of the image that had the name until now, and has none any more.
        nameless: Option<String>,
    },
    /// It could not be loaded.
    Failed {
        /// Why.
        reason: String,
    },
}

/// Lists the images that there are.
pub fn images_listing(rows: &[ImageRow], style: &Style) -> String {
    let table_of = |whole: bool| {
        let mut heads = vec!["image", "on an engine", "size"];
        if whole {
            heads.push("id");
        }
        let mut table = Table::with_heads(heads.into_iter().chain([""]));
        for row in rows {
            let mut cells = vec![
                cell(Ink::Accent, &row.name),
                cell(Ink::Text, &row.reference),
                cell(Ink::Text, size_for_people(row.size)),
            ];
            if whole {
                cells.push(cell(Ink::Quiet, short_id(&row.id)));
            }
            cells.push(cell(Ink::Text, &row.purpose));
            table.row(cells);
        }
        table
    };
    let whole = table_of(true).lines_within(0, *style);
    let lines = whole.or_else(|| table_of(false).lines_within(0, *style));
    show_lines(&lines.unwrap_or_else(|| table_of(false).lines(0)), *style)
}

/// Shows what came of loading images, node by node, and how what was loaded is taken away again.
pub fn loaded_listing(rows: &[LoadedRow], style: &Style) -> String {
    let style = *style;
    let mut lines = table(rows).lines(0);
    for row in rows {
        lines.extend(troubles(row, style));
    }
    let undo = undo(rows);
    if !undo.is_empty() {
        lines.push(Line::default());
        lines.push(Line::text(
            "`labctl cleanup` leaves them. What takes them away, on a node:",
        ));
    }
    let mut shown = show_lines(&lines, style);
    // A command that is cut cannot be copied.
    let commands: Vec<Line> = undo.into_iter().map(Line::text).collect();
    shown.push_str(&show_lines(&commands, Style { width: None, ..style }));
    shown
}

fn table(rows: &[LoadedRow]) -> Table {
    let mut table = Table::default();
    for row in rows {
        let name = cell(Ink::Accent, row.node.as_str());
        match &row.images {
            Err(_) => table.row(vec![name, cell(Ink::Bad, "✘ cannot be used")]),
            Ok(images) => {
                for (at, image) in images.iter().enumerate() {
                    let (ink, text) = match &image.end {
                        LoadEnd::WasThere => (Ink::Quiet, "· was there already"),
                        LoadEnd::Loaded { .. } => (Ink::Good, "✔ loaded"),
                        LoadEnd::Failed { .. } => (Ink::Bad, "✘ not loaded"),
                    };
                    let name = if at == 0 { name.clone() } else { cell(Ink::Text, "") };
                    table.row(vec![name, cell(Ink::Text, &image.reference), cell(ink, text)]);
                }
            }
        }
    }
    table
}

/// Returns what does not fit into a cell.
fn troubles(row: &LoadedRow, style: Style) -> Vec<Line> {
    let mut texts: Vec<(&str, String)> = Vec::new();
    match &row.images {
        Err((reason, hint)) => {
            texts.push(("problem", reason.clone()));
            texts.extend(hint.clone().map(|hint| ("hint", hint)));
        }
        Ok(images) => {
            for LoadedImage { reference, end } in images {
                match end {
                    LoadEnd::Failed { reason } => texts.push(("problem", format!("{reference}: {reason}"))),
                    LoadEnd::Loaded { nameless: Some(id) } => texts.push((
                        "note",
                        format!("{reference} was {} until now, which has no name any more", short_id(id)),
                    )),
                    LoadEnd::Loaded { nameless: None } | LoadEnd::WasThere => {}
                }
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

/// Returns the command that takes away what was loaded anywhere, and the one for what lost its name by that.
fn undo(rows: &[LoadedRow]) -> Vec<String> {
    let (mut loaded, mut left) = (Vec::new(), Vec::new());
    for image in rows.iter().filter_map(|row| row.images.as_ref().ok()).flatten() {
        if let LoadEnd::Loaded { nameless } = &image.end {
            loaded.push(image.reference.as_str());
            left.extend(nameless.as_deref().map(short_id));
        }
    }
    [loaded, left]
        .into_iter()
        .filter(|names| !names.is_empty())
        .map(|mut names| {
            names.sort_unstable();
            names.dedup();
            format!("docker rmi {}", names.join(" "))
        })
        .collect()
}

/// Shortens an id as docker does.
fn short_id(id: &str) -> &str {
    let digits = id.strip_prefix("sha256:").unwrap_or(id);
    digits.get(..12).unwrap_or(digits)
}
