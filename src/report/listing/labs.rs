//! The labs there are, and one of them in full.

use super::super::layout::counted;
use super::super::line::{Line, labelled, paragraph, show_lines};
use super::super::style::{Ink, Style};
use super::super::table::{Table, cell};

/// A lab in the list of labs.
#[derive(Debug, Clone)]
pub struct LabRow {
    /// What `run` takes.
    pub id: String,
    /// Its title.
    pub title: String,
    /// How many tasks it has.
    pub tasks: usize,
    /// How many nodes it needs.
    pub nodes: usize,
    /// Where it comes from: `built in`, or a path.
    pub source: String,
}

/// A lab in full, as it is written: no inventory is needed.
#[derive(Debug, Clone)]
pub struct LabView {
    /// Its line in the list.
    pub row: LabRow,
    /// The nodes it needs.
    pub nodes: Vec<String>,
    /// Its variables.
    pub variables: Vec<VariableView>,
    /// The images that an inventory can replace.
    pub images: Vec<VariableView>,
    /// Its secrets.
    pub secrets: Vec<SecretView>,
    /// Its tasks in order.
    pub tasks: Vec<TaskView>,
}

/// A secret of a lab.
#[derive(Debug, Clone)]
pub struct SecretView {
    /// What `[secrets]` of an inventory calls it.
    pub name: String,
    /// What it is for.
    pub help: String,
    /// Whether labctl makes one up where the inventory has none.
    pub generate: bool,
}

/// A variable of a lab, or an image.
#[derive(Debug, Clone)]
pub struct VariableView {
    /// What `--var` takes, or `[images]` of an inventory calls it.
    pub name: String,
    /// Its value where none is given.
    pub default: Option<String>,
    /// What it is for.
    pub help: String,
}

/// A task of a lab.
#[derive(Debug, Clone)]
pub struct TaskView {
    /// What `--task` takes.
    pub id: String,
    /// Its title.
    pub title: String,
    /// The tasks that must hold before it.
    pub needs: Vec<String>,
    /// Its steps: id, title, and where it is done.
    pub steps: Vec<(String, String, String)>,
}

/// Lists `labs`.
pub fn labs_listing(labs: &[LabRow], style: &Style) -> String {
    if labs.is_empty() {
        return "No labs were found.\n".to_owned();
    }
    let table_of = |short: bool| {
        let mut table = Table::with_heads(if short {
            vec!["lab", ""]
        } else {
            vec!["lab", "", "tasks", "nodes", "from"]
        });
        for lab in labs {
            let mut row = vec![cell(Ink::Accent, &lab.id), cell(Ink::Text, &lab.title)];
            if !short {
                row.push(cell(Ink::Text, lab.tasks.to_string()));
                row.push(cell(Ink::Text, lab.nodes.to_string()));
                row.push(cell(Ink::Quiet, &lab.source));
            }
            table.row(row);
        }
        table
    };
    let whole = table_of(false).lines_within(0, *style);
    show_lines(&whole.unwrap_or_else(|| table_of(true).lines(0)), *style)
}

/// Shows one lab.
pub fn lab_listing(lab: &LabView, style: &Style) -> String {
    let style = *style;
    let mut lines = vec![Line::of(Ink::Strong, &lab.row.id).and(Ink::Text, format!("  {}", lab.row.title))];
    lines.extend(labelled(2, "from", &lab.row.source, style));
    lines.extend(labelled(2, "nodes", &lab.nodes.join(", "), style));
    for task in &lab.tasks {
        lines.push(Line::default());
        let needs = if task.needs.is_empty() {
            String::new()
        } else {
            format!("needs {}", task.needs.join(", "))
        };
        lines.push(
            Line::of(Ink::Strong, &task.id)
                .and(Ink::Text, format!("  {}", task.title))
                .right(Ink::Quiet, needs),
        );
        let mut table = Table::default();
        for (id, title, on) in &task.steps {
            table.row(vec![
                cell(Ink::Accent, id),
                cell(Ink::Text, title),
                cell(Ink::Quiet, on),
            ]);
        }
        if let Some(table) = table.lines_within(2, style) {
            lines.extend(table);
        } else {
            let short = |(id, title, _): &(String, String, String)| {
                Line::of(Ink::Accent, format!("  {id}")).and(Ink::Text, format!("  {title}"))
            };
            lines.extend(task.steps.iter().map(short));
        }
    }
    let set_with = format!(
        "{} to set with --var NAME=VALUE",
        counted(lab.variables.len(), "variable")
    );
    lines.extend(variable_lines(set_with, &lab.variables, style));
    let replaced_by = format!(
        "{} that [images] of an inventory can replace",
        counted(lab.images.len(), "image")
    );
    lines.extend(variable_lines(replaced_by, &lab.images, style));
    lines.extend(secret_lines(&lab.secrets, style));
    show_lines(&lines, style)
}

fn variable_lines(title: String, variables: &[VariableView], style: Style) -> Vec<Line> {
    let mut lines = Vec::new();
    if variables.is_empty() {
        return lines;
    }
    lines.push(Line::default());
    lines.push(Line::of(Ink::Strong, title));
    for variable in variables {
        let default = match &variable.default {
            Some(default) if default.is_empty() => "empty unless set".to_owned(),
            Some(default) => format!("{default} unless set"),
            None => "must be set".to_owned(),
        };
        lines.push(Line::of(Ink::Accent, format!("  {}", variable.name)).and(Ink::Quiet, format!("  {default}")));
        lines.extend(paragraph(6, Ink::Text, &variable.help, style));
    }
    lines
}

fn secret_lines(secrets: &[SecretView], style: Style) -> Vec<Line> {
    let mut lines = Vec::new();
    if secrets.is_empty() {
        return lines;
    }
    lines.push(Line::default());
    let title = format!(
        "{} that [secrets] of an inventory gives",
        counted(secrets.len(), "secret")
    );
    lines.push(Line::of(Ink::Strong, title));
    for secret in secrets {
        let otherwise = if secret.generate {
            "made up for each run unless given, and written nowhere"
        } else {
            "must be given where it is used"
        };
        lines.push(Line::of(Ink::Accent, format!("  {}", secret.name)).and(Ink::Quiet, format!("  {otherwise}")));
        lines.extend(paragraph(6, Ink::Text, &secret.help, style));
    }
    lines
}
