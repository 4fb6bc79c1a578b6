//! Reads what a step does: exactly one action.

use super::faults::Faults;
use super::fields::{self, Fields, Value};
use super::read_step::read_names;
use super::written::{
    Template, WrittenAction, WrittenCommand, WrittenContent, WrittenEngineSettings, WrittenFile, WrittenLogin,
};
use toml::Spanned;
use toml::de::DeValue;

/// The actions; a step has exactly one of them.
const ACTIONS: &[&str] = &[
    "run",
    "shell",
    "write",
    "clone",
    "compose",
    "provide",
    "login",
    "set_engine_options",
    "wait",
];

/// Reads the action of a step.
pub(super) fn read_action(fields: &mut Fields<'_>, faults: &mut Faults) -> Option<WrittenAction> {
    let directory = fields.text("directory", faults);
    let stdin = fields.text("stdin", faults);
    let action = fields.exactly_one(ACTIONS, faults)?;
    let value = fields.get(action)?;
    match action {
        "run" => read_argv(value, faults).map(|argv| WrittenAction::Run {
            command: WrittenCommand::Argv(argv),
            directory,
            stdin,
        }),
        "shell" => fields::as_text(value, faults).map(|text| WrittenAction::Run {
            command: WrittenCommand::Shell(text),
            directory,
            stdin,
        }),
        "write" => read_write(value, faults).map(WrittenAction::Write),
        "clone" => read_clone(value, faults),
        "compose" => read_compose(value, faults),
        "provide" => read_provide(value, faults),
        "login" => read_login(value, faults),
        "set_engine_options" => read_engine_settings(value, faults),
        _ => read_wait(value, faults),
    }
}

/// Reads a command as program and arguments.
pub(super) fn read_argv(value: &Value<'_>, faults: &mut Faults) -> Option<Vec<Template>> {
    let DeValue::Array(_) = value.get_ref() else {
        let fault = fields::wrong_type(faults, value, "a list of program and arguments")
            .hint("write `[\"docker\", \"ps\"]`, or use `shell` for a text that a shell reads");
        faults.push(fault);
        return None;
    };
    let argv = fields::as_texts(value, faults);
    if argv.is_empty() {
        faults.push(faults.fault(value.span(), "a command needs a program"));
        return None;
    }
    Some(argv)
}

fn read_write(value: &Value<'_>, faults: &mut Faults) -> Option<WrittenFile> {
    let mut fields = Fields::of("`write`", value, faults)?;
    let path = fields.required_text("path", faults);
    let mode = read_mode(&mut fields, faults);
    let render = fields.texts("render", faults);
    let kind = fields.exactly_one(&["content", "template", "tree"], faults);
    let text = kind.and_then(|kind| fields.text(kind, faults));
    let with = read_names(&mut fields, "with", "value", faults);
    for (key, belongs) in [
        ("render", kind == Some("tree")),
        ("mode", kind != Some("tree")),
        ("with", kind == Some("template")),
    ] {
        if fields.has(key) && kind.is_some() && !belongs {
            let message = format!("`{key}` has no meaning here");
            faults.push(faults.fault(fields.key_place(key), message));
        }
    }
    fields.finish(faults);
    let text = text?;
    let content = match kind? {
        "content" => WrittenContent::Inline(text),
        "template" => WrittenContent::Template { name: text, with },
        _ => WrittenContent::Tree { folder: text, render },
    };
    Some(WrittenFile {
        path: path?,
        mode,
        content,
    })
}

/// Reads `mode`: permission bits in octal digits, as a string.
pub(super) fn read_mode(fields: &mut Fields<'_>, faults: &mut Faults) -> Option<u32> {
    let text = fields.text("mode", faults)?;
    match u32::from_str_radix(text.get_ref(), 8) {
        Ok(mode) if mode <= 0o7777 => Some(mode),
        _ => {
            let fault = faults.fault(text.span(), "these are no permission bits");
            faults.push(fault.hint("write them in octal digits, such as `0644`"));
            None
        }
    }
}

fn read_clone(value: &Value<'_>, faults: &mut Faults) -> Option<WrittenAction> {
    let mut fields = Fields::of("`clone`", value, faults)?;
    let repository = fields.required_text("repository", faults);
    let directory = fields.required_text("directory", faults);
    fields.finish(faults);
    Some(WrittenAction::Clone {
        repository: repository?,
        directory: directory?,
    })
}

fn read_compose(value: &Value<'_>, faults: &mut Faults) -> Option<WrittenAction> {
    let mut fields = Fields::of("`compose`", value, faults)?;
    let directory = fields.required_text("directory", faults);
    let file = fields.text("file", faults);
    let project = fields.text("project", faults);
    let arguments = fields
        .require("arguments", faults)
        .and_then(|value| read_argv(value, faults));
    fields.finish(faults);
    Some(WrittenAction::Compose {
        directory: directory?,
        file,
        project,
        arguments: arguments?,
    })
}

fn read_provide(value: &Value<'_>, faults: &mut Faults) -> Option<WrittenAction> {
    let mut fields = Fields::of("`provide`", value, faults)?;
    let image = fields.required_text("image", faults);
    let upstream = fields.text("upstream", faults);
    let stand_in = fields.text("stand_in", faults);
    if !fields.has("upstream") && !fields.has("stand_in") {
        let fault = faults
            .fault(fields.place(), "`provide` does not say where the image comes from")
            .label("`upstream`, `stand_in` or both are missing here")
            .hint("`upstream` is pulled; `stand_in` names a service of labctl, of which the image is made");
        fields.miss(vec!["upstream", "stand_in"], fault);
    }
    fields.finish(faults);
    Some(WrittenAction::Provide {
        image: image?,
        upstream,
        stand_in,
    })
}

fn read_login(value: &Value<'_>, faults: &mut Faults) -> Option<WrittenAction> {
    let mut fields = Fields::of("`login`", value, faults)?;
    let server = fields.required_text("server", faults);
    let user = fields.required_text("user", faults);
    let password = fields.required_text("password", faults);
    let config = fields.text("config", faults);
    let place = fields.place();
    fields.finish(faults);
    Some(WrittenAction::Login(WrittenLogin {
        server: server?,
        user: user?,
        password: password?,
        config,
        place,
    }))
}

fn read_engine_settings(value: &Value<'_>, faults: &mut Faults) -> Option<WrittenAction> {
    let mut fields = Fields::of("`set_engine_options`", value, faults)?;
    let hosts = fields.texts("hosts", faults);
    let labels = fields.texts("labels", faults);
    let tls = fields.flag("tls", faults).map(Spanned::into_inner);
    fields.finish(faults);
    if hosts.is_empty() && labels.is_empty() {
        let fault = faults
            .fault(value.span(), "this sets nothing")
            .hint("use `hosts` or `labels`");
        faults.push(fault);
        return None;
    }
    Some(WrittenAction::SetEngineOptions(WrittenEngineSettings {
        hosts,
        labels,
        tls,
    }))
}

fn read_wait(value: &Value<'_>, faults: &mut Faults) -> Option<WrittenAction> {
    match value.get_ref() {
        DeValue::Boolean(true) => Some(WrittenAction::Wait),
        DeValue::Table(table) if table.is_empty() => Some(WrittenAction::Wait),
        _ => {
            faults.push(faults.fault(value.span(), "`wait` does nothing but its checks: write `wait = true`"));
            None
        }
    }
}
