//! `list` and `show`: the labs there are, as they are written. No inventory is needed.

use super::failure::Failure;
use super::session::Session;
use crate::cli;
use crate::domain::Diagnostics;
use crate::exit::Exit;
use crate::load::{self, LabDefinition, LabSource};
use crate::report::{self, LabRow, LabView, SecretView, Style, TaskView, VariableView};
use serde_json::json;

/// Lists the labs.
pub(super) fn list(session: &Session) -> Result<Exit, Failure> {
    let mut rows = Vec::new();
    let mut faults = Vec::new();
    for listing in load::list_labs(&session.working_directory) {
        match find(session, &listing.name) {
            Ok((_, lab)) => rows.push(row(&lab, &listing.origin)),
            Err(found) => faults.extend(found.faults),
        }
    }
    if session.common.json {
        let document: Vec<_> = rows
            .iter()
            .map(|row| json!({ "id": row.id, "title": row.title, "tasks": row.tasks, "nodes": row.nodes, "source": row.source }))
            .collect();
        session.print_json(&document)?;
    } else {
        session.print(&report::labs_listing(&rows, &style(session)));
    }
    // A lab that cannot be read hides no other.
    if faults.is_empty() {
        Ok(Exit::Success)
    } else {
        Err(Diagnostics { faults }.into())
    }
}

fn find(session: &Session, name: &str) -> Result<(LabSource, LabDefinition), Diagnostics> {
    let source = load::find_lab(Some(name), &session.working_directory)?;
    let lab = load::parse_lab(&source)?;
    Ok((source, lab))
}

fn style(session: &Session) -> Style {
    Style {
        colour: session.colour_on_stdout,
        width: session.width,
    }
}

fn row(lab: &LabDefinition, source: &str) -> LabRow {
    LabRow {
        id: lab.id().to_owned(),
        title: lab.title().to_owned(),
        tasks: lab.tasks().count(),
        nodes: lab.nodes().count(),
        source: source.to_owned(),
    }
}

fn variable_view(variable: &load::Declared<'_>) -> VariableView {
    VariableView {
        name: variable.name.to_owned(),
        default: variable.default.map(str::to_owned),
        help: variable.help.unwrap_or_default().to_owned(),
    }
}

/// Shows one lab.
pub(super) fn show(session: &Session, options: &cli::Show) -> Result<Exit, Failure> {
    let (source, lab) = find(session, &options.lab)?;
    let view = LabView {
        row: row(&lab, &source.text().name),
        nodes: lab.nodes().map(ToString::to_string).collect(),
        variables: lab.vars().map(|variable| variable_view(&variable)).collect(),
        images: lab.images().map(|image| variable_view(&image)).collect(),
        secrets: lab
            .secrets()
            .map(|secret| SecretView {
                name: secret.name.to_owned(),
                help: secret.help.unwrap_or_default().to_owned(),
                generate: secret.generate,
            })
            .collect(),
        tasks: lab
            .tasks()
            .map(|task| TaskView {
                id: task.id.to_string(),
                title: task.title.to_owned(),
                needs: task.needs.iter().map(ToString::to_string).collect(),
                steps: task
                    .steps
                    .iter()
                    .map(|step| (step.id.to_string(), step.title.to_owned(), step.on.join(", ")))
                    .collect(),
            })
            .collect(),
    };
    if session.common.json {
        let tasks: Vec<_> = view
            .tasks
            .iter()
            .map(|task| {
                let steps: Vec<_> = task
                    .steps
                    .iter()
                    .map(|(id, title, on)| json!({ "id": id, "title": title, "on": on }))
                    .collect();
                json!({ "id": task.id, "title": task.title, "needs": task.needs, "steps": steps })
            })
            .collect();
        let document = |variables: &[VariableView]| -> Vec<_> {
            variables
                .iter()
                .map(|variable| json!({ "name": variable.name, "default": variable.default, "help": variable.help }))
                .collect()
        };
        let secrets: Vec<_> = view
            .secrets
            .iter()
            .map(|secret| json!({ "name": secret.name, "help": secret.help, "generate": secret.generate }))
            .collect();
        let row = &view.row;
        session.print_json(&json!({
            "id": row.id, "title": row.title, "source": row.source, "nodes": view.nodes, "variables": document(&view.variables),
            "images": document(&view.images), "secrets": secrets, "tasks": tasks,
        }))?;
    } else {
        session.print(&report::lab_listing(&view, &style(session)));
    }
    Ok(Exit::Success)
}
