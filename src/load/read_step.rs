//! Reads a `[[task.step]]`: what it does, its modifiers and its undo. Its checks are read by `read_check`.

use super::faults::Faults;
use super::fields::{self, Fields, Value};
use super::read_action::{read_action, read_argv};
use super::read_check::{compile, read_checks};
use super::read_lab::{identifier, is_identifier, name};
use super::written::{Template, WrittenAction, WrittenCapture, WrittenStep, WrittenUndo, WrittenUndoKind};
use crate::domain::{CaptureFrom, StepId, WhenDone};
use std::time::Duration;
use toml::Spanned;

/// What an `undo` entry can be; it is exactly one of them.
const UNDOS: &[&str] = &["directory", "file", "project", "images", "container", "run"];

/// Reads a step of a task whose steps are on the nodes `task_on` where they do not say otherwise.
pub(super) fn read_step(value: &Value<'_>, task_on: &[Spanned<String>], faults: &mut Faults) -> Option<WrittenStep> {
    let mut fields = Fields::of("a step", value, faults)?;
    let id = fields.required_text("id", faults);
    if let Some(id) = &id {
        fields.set_place(id.span());
    }
    let id = id.and_then(|id| name(id, StepId::new, faults));
    let title = fields.required_text("title", faults);
    let on = read_on(&mut fields, task_on, faults);
    let timeout = fields.duration("timeout", faults);
    refuse_zero(timeout.as_ref(), faults);
    let (before, expect) = (faults.count(), read_checks(&mut fields, faults));
    let checks_are_right = faults.count() == before;
    let environment = read_names(&mut fields, "env", "environment variable", faults);
    let captures = read_captures(&mut fields, faults);
    let undo = read_undo(&mut fields, faults);
    let after = read_after(&mut fields, faults);
    let when = fields.text("when", faults);
    let when_done = read_when_done(&mut fields, faults);
    let as_root = fields.flag("as_root", faults);
    let action = read_action(&mut fields, faults);
    if let Some(action) = &action {
        judge_modifiers(&fields, action, faults);
        if matches!(action, WrittenAction::Login(_)) {
            refuse_other_config(&environment, faults);
        }
        require_undo(&fields, action, undo.is_some(), faults);
    }
    if expect.is_empty() && checks_are_right {
        let fault = faults
            .fault(fields.place(), "a step without a check")
            .label("nothing would prove that it did what it should")
            .hint("add `expect = [...]`; after a `run`, `expect = [{ exit = 0 }]` is the least");
        faults.push(fault);
    }
    fields.finish(faults);
    Some(WrittenStep {
        id: id?,
        title: title.map(Spanned::into_inner).unwrap_or_default(),
        on,
        action,
        environment,
        as_root: as_root.is_some_and(Spanned::into_inner),
        timeout: timeout.map(Spanned::into_inner),
        captures,
        after,
        when,
        when_done,
        undo: undo.unwrap_or_default(),
        expect,
    })
}

/// Reads `on`, which falls back to the task's.
pub(super) fn read_on(
    fields: &mut Fields<'_>,
    task_on: &[Spanned<String>],
    faults: &mut Faults,
) -> Vec<Spanned<String>> {
    let on = fields.texts("on", faults);
    if !on.is_empty() {
        return on;
    }
    if fields.has("on") {
        faults.push(faults.fault(fields.key_place("on"), "`on` names no node"));
    } else if task_on.is_empty() {
        let fault = faults
            .fault(fields.place(), "it is not said on which node this is")
            .label("`on` is missing here, and at its task")
            .hint("add `on = \"node-0\"`, a list of nodes, `\"all\"` or `\"@group\"`");
        faults.push(fault);
    }
    task_on.to_vec()
}

fn refuse_zero(duration: Option<&Spanned<Duration>>, faults: &mut Faults) {
    if let Some(duration) = duration.filter(|duration| duration.get_ref().is_zero()) {
        faults.push(faults.fault(duration.span(), "a timeout of no time lets nothing happen"));
    }
}

/// Reads the table `key` of texts, each of which is called as a `what` is.
pub(super) fn read_names(
    fields: &mut Fields<'_>,
    key: &'static str,
    what: &str,
    faults: &mut Faults,
) -> Vec<(Spanned<String>, Template)> {
    let mut named = Vec::new();
    for (name, value) in fields.entries(key, faults) {
        if !is_identifier(name.get_ref()) {
            let message = format!("no {what} is called `{}`", name.get_ref());
            faults.push(faults.fault(name.span(), message).label("use letters, digits and `_`"));
        }
        if let Some(text) = fields::as_text(value, faults) {
            named.push((name, text));
        }
    }
    named
}

fn read_after(fields: &mut Fields<'_>, faults: &mut Faults) -> Option<Vec<Spanned<StepId>>> {
    if !fields.has("after") {
        fields.get("after");
        return None;
    }
    let after = fields.texts("after", faults);
    Some(
        after
            .into_iter()
            .filter_map(|text| name(text, StepId::new, faults))
            .collect(),
    )
}

fn read_when_done(fields: &mut Fields<'_>, faults: &mut Faults) -> WhenDone {
    let Some(text) = fields.text("when_done", faults) else {
        return WhenDone::Repeat;
    };
    match text.get_ref().as_str() {
        "skip" => WhenDone::Skip,
        "repeat" => WhenDone::Repeat,
        _ => {
            faults.push(faults.fault(text.span(), "`when_done` is `skip` or `repeat`"));
            WhenDone::Repeat
        }
    }
}

fn read_captures(fields: &mut Fields<'_>, faults: &mut Faults) -> Vec<WrittenCapture> {
    let entries = fields.entries("capture", faults);
    let captures = entries.into_iter().filter_map(|(name, value)| {
        identifier(&name, faults);
        let mut fields = Fields::of("a capture", value, faults)?;
        let secret = fields.flag("secret", faults).is_some_and(Spanned::into_inner);
        let from = match fields.exactly_one(&["regex", "json"], faults) {
            Some("regex") => fields
                .text("regex", faults)
                .and_then(|text| compile(&text, faults).map(CaptureFrom::Regex)),
            Some(_) => fields.text("json", faults).and_then(|text| json_pointer(text, faults)),
            None => None,
        };
        fields.finish(faults);
        Some(WrittenCapture {
            name,
            from: from?,
            secret,
        })
    });
    captures.collect()
}

fn json_pointer(text: Spanned<String>, faults: &mut Faults) -> Option<CaptureFrom> {
    let pointer = text.get_ref();
    if pointer.is_empty() || pointer.starts_with('/') {
        return Some(CaptureFrom::Json(text.into_inner()));
    }
    let hint = format!("write it as `/{}`", pointer.replace('.', "/"));
    faults.push(faults.fault(text.span(), "a JSON pointer starts with `/`").hint(hint));
    None
}

fn judge_modifiers(fields: &Fields<'_>, action: &WrittenAction, faults: &mut Faults) {
    let is_command = matches!(action, WrittenAction::Run { .. });
    let has_environment = action.has_output() || matches!(action, WrittenAction::Clone { .. });
    let rules = [
        ("directory", is_command, "it belongs to `run` and `shell`"),
        ("stdin", is_command, "it belongs to `run` and `shell`"),
        (
            "env",
            has_environment,
            "it belongs to `run`, `shell`, `compose`, `clone` and `login`",
        ),
        (
            "capture",
            action.has_output(),
            "only `run`, `shell`, `compose` and `login` print something",
        ),
    ];
    for (key, allowed, reason) in rules {
        if fields.has(key) && !allowed {
            let message = format!("`{key}` has no effect on this action");
            faults.push(faults.fault(fields.key_place(key), message).label(reason));
        }
    }
}

fn refuse_other_config(environment: &[(Spanned<String>, Template)], faults: &mut Faults) {
    let is_config = |(name, _): &&(Spanned<String>, Template)| name.get_ref() == "DOCKER_CONFIG";
    if let Some((name, _)) = environment.iter().find(is_config) {
        let fault = faults.fault(name.span(), "where a login stays is said by `config`");
        faults.push(fault.hint("write `login = { config = \"~/...\", ... }`"));
    }
}

fn require_undo(fields: &Fields<'_>, action: &WrittenAction, is_there: bool, faults: &mut Faults) {
    if is_there || action.knows_its_undo() {
        return;
    }
    let fault = faults
        .fault(fields.place(), "this step does not say what undoes it")
        .label("`undo` is missing here")
        .hint(
            "nothing can tell what a command changes: list what it makes, such as \
             `undo = [{ directory = \"~/x\" }]`, or say `undo = []` where it changes nothing",
        );
    faults.push(fault);
}

fn read_undo(fields: &mut Fields<'_>, faults: &mut Faults) -> Option<Vec<WrittenUndo>> {
    let entries = fields.tables("undo", faults);
    let undo = entries.into_iter().filter_map(|value| {
        let mut fields = Fields::of("an undo entry", value, faults)?;
        let kind = fields.exactly_one(UNDOS, faults);
        let undo = kind.and_then(|kind| read_undo_kind(kind, &mut fields, faults));
        if fields.has("as_root") && kind.is_some_and(|kind| kind != "run") {
            faults.push(faults.fault(
                fields.key_place("as_root"),
                "`as_root` belongs to an undo of kind `run`",
            ));
        }
        fields.get("as_root");
        let on = kind.map(|kind| read_undo_on(kind, &mut fields, faults));
        fields.finish(faults);
        Some(WrittenUndo {
            on: on.unwrap_or_default(),
            kind: undo?,
        })
    });
    let undo = undo.collect();
    fields.has("undo").then_some(undo)
}

/// Reads the nodes that an undo of `kind` is about. A command reaches other nodes as a client of their engines, so it is only what
/// engines have that it can make there.
fn read_undo_on(kind: &str, fields: &mut Fields<'_>, faults: &mut Faults) -> Vec<Spanned<String>> {
    let on = fields.texts("on", faults);
    if fields.has("on") && !matches!(kind, "project" | "images" | "container") {
        let fault = faults
            .fault(
                fields.key_place("on"),
                "`on` belongs to an undo of kind `project`, `images` or `container`",
            )
            .hint("what a step changes in files is on its own node");
        faults.push(fault);
    }
    on
}

fn read_undo_kind(kind: &'static str, fields: &mut Fields<'_>, faults: &mut Faults) -> Option<WrittenUndoKind> {
    Some(match kind {
        "directory" => WrittenUndoKind::Directory(fields.required_text(kind, faults)?),
        "file" => WrittenUndoKind::File(fields.required_text(kind, faults)?),
        "project" => WrittenUndoKind::Project(fields.required_text(kind, faults)?),
        "container" => WrittenUndoKind::Container(fields.required_text(kind, faults)?),
        "images" => WrittenUndoKind::Images(fields.texts(kind, faults)),
        _ => WrittenUndoKind::Run {
            as_root: fields.flag("as_root", faults).is_some_and(Spanned::into_inner),
            command: read_argv(fields.get(kind)?, faults)?,
        },
    })
}
