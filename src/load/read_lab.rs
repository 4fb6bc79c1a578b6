//! Reads a lab file: `[lab]`, what it declares, and its tasks.

use super::faults::Faults;
use super::fields::{self, Fields, Value};
use super::read_check::read_verification;
use super::read_step::{read_names, read_step};
use super::written::{WrittenHost, WrittenLab, WrittenLink, WrittenSecret, WrittenTask, WrittenValue};
use crate::domain::{InvalidName, NodeName, TaskId, is_host_name};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The version of the lab file's format.
pub(super) const FORMAT: i64 = 1;

/// Reads the lab file `document`; what is at fault is left out and told in `faults`.
pub(super) fn read_lab(document: &DeTable<'_>, faults: &mut Faults) -> WrittenLab {
    let mut fields = Fields::new("the lab file", 0..0, document);
    let header = fields
        .require("lab", faults)
        .and_then(|value| read_header(value, faults))
        .unwrap_or_default();
    let vars = read_values(&mut fields, "vars", faults);
    let images = read_values(&mut fields, "images", faults);
    let secrets = read_secrets(&mut fields, faults);
    let values = read_names(&mut fields, "values", "value", faults);
    let task_tables = fields.tables("task", faults);
    let tasks: Vec<WrittenTask> = task_tables
        .iter()
        .filter_map(|value| read_task(value, faults))
        .collect();
    if task_tables.is_empty() {
        faults.push(
            faults
                .fault(0..0, "the lab has no tasks")
                .hint("add a `[[task]]` with an `id` and steps"),
        );
    }
    fields.finish(faults);
    WrittenLab {
        id: header.id,
        title: header.title,
        summary: header.summary,
        nodes: header.nodes,
        vars,
        images,
        secrets,
        values,
        tasks,
    }
}

#[derive(Default)]
struct Header {
    id: String,
    title: String,
    summary: Option<String>,
    nodes: Vec<Spanned<NodeName>>,
}

fn read_header(value: &Value<'_>, faults: &mut Faults) -> Option<Header> {
    let mut fields = Fields::of("`[lab]`", value, faults)?;
    fields.require("format", faults);
    if let Some(format) = fields.number("format", 1..=i64::MAX, faults)
        && *format.get_ref() != FORMAT
    {
        let message = format!("this labctl reads labs of format {FORMAT}");
        faults.push(faults.fault(format.span(), message).label("written for another labctl"));
    }
    let id = fields.required_text("id", faults);
    let title = fields.required_text("title", faults);
    let summary = fields.text("summary", faults);
    let nodes: Vec<_> = match fields.require("nodes", faults) {
        Some(value) => fields::as_texts(value, faults)
            .into_iter()
            .filter_map(|text| name(text, NodeName::new, faults))
            .collect(),
        None => Vec::new(),
    };
    if nodes.is_empty() && fields.has("nodes") {
        faults.push(faults.fault(fields.key_place("nodes"), "a lab needs at least one node"));
    }
    fields.finish(faults);
    if let Some(id) = &id
        && !is_plain(id.get_ref())
    {
        let message = format!("`{}` is no valid lab id", id.get_ref());
        faults.push(
            faults
                .fault(id.span(), message)
                .label("use letters, digits, `.`, `_` and `-`"),
        );
    }
    Some(Header {
        id: id.map(Spanned::into_inner).unwrap_or_default(),
        title: title.map(Spanned::into_inner).unwrap_or_default(),
        summary: summary.map(Spanned::into_inner),
        nodes,
    })
}

/// Says whether `id` can be a part of paths and labels, as a task's can.
fn is_plain(id: &str) -> bool {
    TaskId::new(id).is_ok()
}

/// Accepts `text` as a name of the kind that `parse` makes.
pub(super) fn name<N>(
    text: Spanned<String>,
    parse: impl Fn(String) -> Result<N, InvalidName>,
    faults: &mut Faults,
) -> Option<Spanned<N>> {
    let place = text.span();
    match parse(text.into_inner()) {
        Ok(name) => Some(Spanned::new(place, name)),
        Err(invalid) => {
            faults.push(faults.fault(place, invalid.to_string()).label("not a name"));
            None
        }
    }
}

/// Says whether `text` can stand behind a dot in a template.
pub(super) fn is_identifier(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Makes `text` a fault where it cannot stand behind a dot in a template.
pub(super) fn identifier(text: &Spanned<String>, faults: &mut Faults) {
    if !is_identifier(text.get_ref()) {
        let fault = faults
            .fault(
                text.span(),
                format!("`{}` cannot be used in a template", text.get_ref()),
            )
            .label("use letters, digits and `_`, starting with a letter");
        faults.push(fault);
    }
}

fn read_values(fields: &mut Fields<'_>, key: &'static str, faults: &mut Faults) -> Vec<WrittenValue> {
    let entries = fields.entries(key, faults);
    entries
        .into_iter()
        .filter_map(|(name, value)| {
            identifier(&name, faults);
            read_value(name, value, faults)
        })
        .collect()
}

fn read_secrets(fields: &mut Fields<'_>, faults: &mut Faults) -> Vec<WrittenSecret> {
    let mut secrets = Vec::new();
    for (name, value) in fields.entries("secrets", faults) {
        identifier(&name, faults);
        let Some(mut fields) = Fields::of("a secret", value, faults) else {
            continue;
        };
        let help = fields.text("help", faults).map(Spanned::into_inner);
        let generate = fields.flag("generate", faults).is_some_and(Spanned::into_inner);
        fields.finish(faults);
        secrets.push(WrittenSecret { name, help, generate });
    }
    secrets
}

fn read_value(name: Spanned<String>, value: &Value<'_>, faults: &mut Faults) -> Option<WrittenValue> {
    if let DeValue::String(text) = value.get_ref() {
        return Some(WrittenValue {
            name,
            default: Some(text.to_string()),
            help: None,
        });
    }
    let mut fields = Fields::of("this entry", value, faults)?;
    let default = fields.text("default", faults);
    let help = fields.text("help", faults);
    fields.finish(faults);
    Some(WrittenValue {
        name,
        default: default.map(Spanned::into_inner),
        help: help.map(Spanned::into_inner),
    })
}

fn read_task(value: &Value<'_>, faults: &mut Faults) -> Option<WrittenTask> {
    let mut fields = Fields::of("a task", value, faults)?;
    let id = fields.required_text("id", faults);
    if let Some(id) = &id {
        fields.set_place(id.span());
    }
    let id = id.and_then(|id| name(id, TaskId::new, faults));
    let title = fields.required_text("title", faults);
    let on = fields.texts("on", faults);
    let needs = fields.texts("needs", faults);
    let after = fields.texts("after", faults);
    let superseded_by = fields.text("superseded_by", faults);
    let steps = fields.tables("step", faults);
    let steps = steps
        .into_iter()
        .filter_map(|value| read_step(value, &on, faults))
        .collect::<Vec<_>>();
    let verify = fields.tables("verify", faults);
    let verify = verify
        .into_iter()
        .filter_map(|value| read_verification(value, &on, faults))
        .collect();
    let links = fields.tables("links", faults);
    let links = links.into_iter().filter_map(|value| read_link(value, faults)).collect();
    let hosts = fields.tables("hosts", faults);
    let hosts = hosts.into_iter().filter_map(|value| read_host(value, faults)).collect();
    if !fields.has("step") {
        faults.push(faults.fault(fields.place(), "a task needs at least one `[[task.step]]`"));
    }
    fields.finish(faults);
    Some(WrittenTask {
        id: id?,
        title: title.map(Spanned::into_inner).unwrap_or_default(),
        needs: task_ids(needs, faults),
        after: task_ids(after, faults),
        superseded_by: superseded_by.and_then(|text| name(text, TaskId::new, faults)),
        steps,
        verify,
        links,
        hosts,
    })
}

fn task_ids(texts: Vec<Spanned<String>>, faults: &mut Faults) -> Vec<Spanned<TaskId>> {
    let ids = texts.into_iter();
    ids.filter_map(|text| name(text, TaskId::new, faults)).collect()
}

fn read_link(value: &Value<'_>, faults: &mut Faults) -> Option<WrittenLink> {
    let mut fields = Fields::of("a link", value, faults)?;
    let label = fields.required_text("label", faults);
    let address = fields.required_text("address", faults);
    let superseded_by = fields.text("superseded_by", faults);
    fields.finish(faults);
    Some(WrittenLink {
        label: label?.into_inner(),
        address: address?,
        superseded_by: superseded_by.and_then(|text| name(text, TaskId::new, faults)),
    })
}

fn read_host(value: &Value<'_>, faults: &mut Faults) -> Option<WrittenHost> {
    let mut fields = Fields::of("a host", value, faults)?;
    let name = fields.required_text("name", faults);
    let address = fields.required_text("address", faults);
    fields.finish(faults);
    let name = name?;
    if !is_host_name(name.get_ref()) {
        let message = format!("`{}` is not the name of a host", name.get_ref());
        faults.push(
            faults
                .fault(name.span(), message)
                .hint("letters, digits and dashes, with dots between, such as `dockchat.com`"),
        );
    }
    Some(WrittenHost {
        name: name.into_inner(),
        address: address?,
    })
}
