//! What `cleanup --scope all` would take from each node, before anybody is asked.

use super::super::layout::counted;
use super::super::line::{labelled, paragraph, show_lines};
use super::super::style::{Ink, Style};
use crate::domain::{NodeName, Removable};

/// A node, and what would be taken from it.
#[derive(Debug, Clone)]
pub struct ClearingRow<'a> {
    /// The node.
    pub node: &'a NodeName,
    /// What is there; an error where nobody could look, and why.
    pub found: Result<&'a [Removable], &'a str>,
    /// Why its engine does not say what it has, where it does not.
    pub engine_is_silent: Option<&'a str>,
    /// How much of the open instance's is owed there; that is taken back first.
    pub owed: usize,
}

/// Lists what would be taken from each node.
pub fn clearing_listing(source: &str, rows: &[ClearingRow<'_>], style: &Style) -> String {
    let style = *style;
    let title = format!(
        "To be removed from the nodes of {source}, whoever made it, containers with their anonymous volumes; this cannot be undone:"
    );
    let mut lines = paragraph(0, Ink::Strong, &title, style);
    for row in rows {
        for (at, text) in texts(row).iter().enumerate() {
            let label = if at == 0 { row.node.as_str() } else { "" };
            lines.extend(labelled(2, label, text, style));
        }
    }
    show_lines(&lines, style)
}

fn texts(row: &ClearingRow<'_>) -> Vec<String> {
    let mut texts = Vec::new();
    if row.owed > 0 {
        texts.push(format!("{} of the lab, taken back first", counted(row.owed, "thing")));
    }
    let found = match row.found {
        Ok(found) => found,
        Err(reason) => return vec![format!("left for the next cleanup: {reason}")],
    };
    // Layers without a name say nothing to anybody, and there may be hundreds.
    let (layers, named): (Vec<_>, Vec<_>) = found
        .iter()
        .partition(|thing| matches!(thing, Removable::Image { tags, .. } if tags.is_empty()));
    texts.extend(named.iter().map(ToString::to_string));
    if !layers.is_empty() {
        texts.push(format!("{} without a name", counted(layers.len(), "image")));
    }
    if let Some(reason) = row.engine_is_silent {
        texts.push(format!("all that its engine has, which does not say so now: {reason}"));
    }
    if texts.is_empty() {
        texts.push("nothing".to_owned());
    }
    texts
}
