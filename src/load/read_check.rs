//! Reads checks: the entries of `expect`, and `[[task.verify]]`.

use super::faults::Faults;
use super::fields::{self, Fields, Value};
use super::read_action::{read_argv, read_mode};
use super::read_docker_check::{read_containers, read_engine, read_images, read_swarm};
use super::read_http_check::read_http;
use super::read_lab::name;
use super::read_step::read_on;
use super::written::{
    WrittenCheck, WrittenCheckKind, WrittenCommand, WrittenMatch, WrittenNumber, WrittenSuperseded, WrittenVerification,
};
use crate::domain::{NodeName, StepId, TaskId};
use regex::RegexBuilder;
use toml::Spanned;
use toml::de::DeValue;

/// The kinds of checks; a check is exactly one of them.
const KINDS: &[&str] = &[
    "exit",
    "stdout",
    "stderr",
    "captured",
    "command",
    "file",
    "http",
    "engine",
    "swarm",
    "containers",
    "images",
    "port",
];

/// Reads the checks of a step.
pub(super) fn read_checks(fields: &mut Fields<'_>, faults: &mut Faults) -> Vec<WrittenCheck> {
    let values = fields.tables("expect", faults);
    let checks = values.into_iter().filter_map(|value| {
        let mut fields = Fields::of("a check", value, faults)?;
        let on = fields
            .text("on", faults)
            .and_then(|text| name(text, NodeName::new, faults));
        let check = read_check(&mut fields, on, faults);
        fields.finish(faults);
        Some(check)
    });
    checks.collect()
}

/// Reads a verification of a task whose steps are on the nodes `task_on` where they do not say otherwise.
pub(super) fn read_verification(
    value: &Value<'_>,
    task_on: &[Spanned<String>],
    faults: &mut Faults,
) -> Option<WrittenVerification> {
    let mut fields = Fields::of("a verification", value, faults)?;
    let id = fields.required_text("id", faults);
    if let Some(id) = &id {
        fields.set_place(id.span());
    }
    let id = id.and_then(|id| name(id, StepId::new, faults));
    let title = fields.required_text("title", faults);
    let on = read_on(&mut fields, task_on, faults);
    let when = fields.text("when", faults);
    let needs = fields.texts("needs", faults).into_iter();
    let needs = needs.filter_map(|text| name(text, StepId::new, faults)).collect();
    let begun = fields.flag("begun", faults).is_some_and(Spanned::into_inner);
    let check = read_check(&mut fields, None, faults);
    if check.only_in_run {
        let fault = faults.fault(fields.key_place("only_in_run"), "a verification only looks");
        faults.push(fault.hint("move a check that writes to the `expect` of a step"));
    }
    fields.finish(faults);
    Some(WrittenVerification {
        id: id?,
        title: title.map(Spanned::into_inner).unwrap_or_default(),
        on,
        when,
        needs,
        begun,
        check: Some(check),
    })
}

fn read_check(fields: &mut Fields<'_>, on: Option<Spanned<NodeName>>, faults: &mut Faults) -> WrittenCheck {
    let within = fields.duration("within", faults);
    let every = fields.duration("every", faults);
    if let Some(every) = every.as_ref().filter(|every| every.get_ref().is_zero()) {
        faults.push(faults.fault(every.span(), "looking again without a pause would keep the node busy"));
    }
    let hint = fields.text("hint", faults);
    let only_in_run = fields.flag("only_in_run", faults).is_some_and(Spanned::into_inner);
    let superseded_by = fields
        .get("superseded_by")
        .and_then(|value| read_superseded(value, faults));
    let kind = fields.exactly_one(KINDS, faults);
    let kind = kind.and_then(|kind| read_kind(kind, fields, faults));
    if let Some(WrittenCheckKind::Http { form, .. }) = &kind
        && !form.is_empty()
        && !only_in_run
    {
        let fault = faults
            .fault(fields.key_place("http"), "posting a form writes")
            .hint("add `only_in_run = true`, so that `verify` leaves it out");
        faults.push(fault);
    }
    WrittenCheck {
        place: fields.place(),
        kind,
        on,
        within,
        every: every.map(Spanned::into_inner),
        hint,
        only_in_run,
        superseded_by,
    }
}

/// Reads `superseded_by`: a task, or a table that also says on which nodes.
fn read_superseded(value: &Value<'_>, faults: &mut Faults) -> Option<WrittenSuperseded> {
    let DeValue::Table(_) = value.get_ref() else {
        let task = fields::as_text(value, faults)?;
        return Some(WrittenSuperseded {
            task: name(task, TaskId::new, faults)?,
            on: Vec::new(),
        });
    };
    let mut fields = Fields::of("`superseded_by`", value, faults)?;
    let task = fields.required_text("task", faults);
    let on = fields.texts("on", faults).into_iter();
    let on = on.filter_map(|text| name(text, NodeName::new, faults)).collect();
    fields.finish(faults);
    Some(WrittenSuperseded {
        task: name(task?, TaskId::new, faults)?,
        on,
    })
}

fn read_kind(kind: &'static str, fields: &mut Fields<'_>, faults: &mut Faults) -> Option<WrittenCheckKind> {
    let value = fields.get(kind)?;
    match kind {
        "exit" => read_exit(value, faults).map(WrittenCheckKind::Exit),
        "stdout" => read_match_value(value, faults).map(WrittenCheckKind::Stdout),
        "stderr" => read_match_value(value, faults).map(WrittenCheckKind::Stderr),
        "captured" => fields::as_text(value, faults).map(WrittenCheckKind::Captured),
        "command" => read_command(value, faults),
        "file" => read_file(value, faults),
        "http" => read_http(value, faults),
        "engine" => read_engine(value, faults),
        "swarm" => read_swarm(value, faults),
        "containers" => read_containers(value, faults),
        "images" => read_images(value, faults),
        _ => read_port(value, faults),
    }
}

fn read_exit(value: &Value<'_>, faults: &mut Faults) -> Option<i32> {
    let code = fields::as_number(value, 0..=255, faults)?;
    i32::try_from(code.into_inner()).ok()
}

/// Reads a match that stands alone: a table, or a text that must be contained.
fn read_match_value(value: &Value<'_>, faults: &mut Faults) -> Option<WrittenMatch> {
    if let DeValue::String(_) = value.get_ref() {
        return Some(WrittenMatch {
            contains: fields::as_texts(value, faults),
            ..WrittenMatch::default()
        });
    }
    let mut fields = Fields::of("this check", value, faults)?;
    let before = faults.count();
    let wanted = read_match(&mut fields, faults);
    if !wanted.asks_something() && faults.count() == before {
        let fault = faults.fault(value.span(), "this check asks for nothing");
        faults.push(fault.hint("use `equals`, `contains`, `lacks` or `regex`"));
    }
    fields.finish(faults);
    Some(wanted)
}

/// Reads the keys of a match among those of another table.
pub(super) fn read_match(fields: &mut Fields<'_>, faults: &mut Faults) -> WrittenMatch {
    let regex = fields.text("regex", faults);
    let times = fields
        .has("times")
        .then(|| read_number(fields, "times", 1..=10_000, faults));
    if regex.is_none() && times.is_some() {
        let fault = faults.fault(fields.key_place("times"), "nothing is counted here");
        faults.push(fault.hint("`times` says how many matches of `regex` there are"));
    }
    WrittenMatch {
        equals: fields.text("equals", faults),
        contains: fields.texts("contains", faults),
        lacks: fields.texts("lacks", faults),
        regex: regex.and_then(|text| compile(&text, faults)),
        times: times.flatten(),
    }
}

impl WrittenMatch {
    pub(super) fn asks_something(&self) -> bool {
        self.equals.is_some() || !self.contains.is_empty() || !self.lacks.is_empty() || self.regex.is_some()
    }
}

/// Proves that `text` is a regular expression, in the mode in which it will be used.
pub(super) fn compile(text: &Spanned<String>, faults: &mut Faults) -> Option<String> {
    match RegexBuilder::new(text.get_ref()).multi_line(true).build() {
        Ok(_) => Some(text.get_ref().clone()),
        Err(error) => {
            // The last line of the message is the reason; the others draw a caret of their own.
            let message = error.to_string();
            let reason = message.lines().last().unwrap_or_default();
            let reason = reason.trim().trim_start_matches("error: ").to_owned();
            let fault = faults.fault(text.span(), "this is no regular expression");
            faults.push(
                fault
                    .label(reason)
                    .hint("in a TOML string of single quotes, backslashes stay as they are"),
            );
            None
        }
    }
}

fn read_command(value: &Value<'_>, faults: &mut Faults) -> Option<WrittenCheckKind> {
    if let DeValue::Array(_) = value.get_ref() {
        return Some(WrittenCheckKind::Command {
            command: WrittenCommand::Argv(read_argv(value, faults)?),
            as_root: false,
            exit: 0,
            stdout: WrittenMatch::default(),
        });
    }
    let mut fields = Fields::of("a `command` check", value, faults)?;
    let as_root = fields.flag("as_root", faults).is_some_and(Spanned::into_inner);
    let exit = fields.get("exit").map_or(Some(0), |value| read_exit(value, faults));
    let stdout = fields.get("stdout").map_or_else(
        || Some(WrittenMatch::default()),
        |value| read_match_value(value, faults),
    );
    let command = match fields.exactly_one(&["run", "shell"], faults) {
        Some("run") => fields
            .get("run")
            .and_then(|value| read_argv(value, faults))
            .map(WrittenCommand::Argv),
        Some(_) => fields.text("shell", faults).map(WrittenCommand::Shell),
        None => None,
    };
    fields.finish(faults);
    Some(WrittenCheckKind::Command {
        command: command?,
        as_root,
        exit: exit?,
        stdout: stdout?,
    })
}

fn read_file(value: &Value<'_>, faults: &mut Faults) -> Option<WrittenCheckKind> {
    if let DeValue::String(_) = value.get_ref() {
        return Some(WrittenCheckKind::File {
            path: fields::as_text(value, faults)?,
            exists: true,
            content: WrittenMatch::default(),
            mode: None,
            owner: None,
        });
    }
    let mut fields = Fields::of("a `file` check", value, faults)?;
    let path = fields.required_text("path", faults);
    let exists = fields.flag("exists", faults).is_none_or(Spanned::into_inner);
    let content = read_match(&mut fields, faults);
    let mode = read_mode(&mut fields, faults);
    let owner = fields.text("owner", faults).map(Spanned::into_inner);
    if !exists && (content.asks_something() || mode.is_some() || owner.is_some()) {
        faults.push(faults.fault(
            fields.key_place("exists"),
            "a file that must not be there has no content",
        ));
    }
    fields.finish(faults);
    Some(WrittenCheckKind::File {
        path: path?,
        exists,
        content,
        mode,
        owner,
    })
}

/// Reads a whole number in `range`, or a text that is rendered to one.
pub(super) fn read_number(
    fields: &mut Fields<'_>,
    key: &'static str,
    range: std::ops::RangeInclusive<i64>,
    faults: &mut Faults,
) -> Option<WrittenNumber> {
    let value = fields.require(key, faults)?;
    if let DeValue::String(_) = value.get_ref() {
        return fields::as_text(value, faults).map(WrittenNumber::Rendered);
    }
    let number = fields::as_number(value, range, faults)?;
    u64::try_from(number.into_inner()).ok().map(WrittenNumber::Given)
}

fn read_port(value: &Value<'_>, faults: &mut Faults) -> Option<WrittenCheckKind> {
    if let DeValue::Integer(_) = value.get_ref() {
        let port = fields::as_number(value, 1..=65_535, faults)?;
        return Some(WrittenCheckKind::Port {
            host: None,
            port: WrittenNumber::Given(u64::try_from(port.into_inner()).ok()?),
            open: true,
        });
    }
    let mut fields = Fields::of("a `port` check", value, faults)?;
    let host = fields.text("host", faults);
    let port = read_number(&mut fields, "port", 1..=65_535, faults);
    let open = fields.flag("open", faults).is_none_or(Spanned::into_inner);
    fields.finish(faults);
    Some(WrittenCheckKind::Port {
        host,
        port: port?,
        open,
    })
}
