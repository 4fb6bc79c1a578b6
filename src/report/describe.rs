//! Says in one line what a check wants, for plans, screens and reports.

use super::layout::deadline_for_people;
use crate::domain::{Check, CheckKind, ContainersCheck, HttpCheck, Spread, SwarmCheck, Text, TextMatch};

/// Describes `check`: what must hold, and where that is not the step's own node.
pub fn describe_check(check: &Check) -> String {
    let what = describe_check_kind(&check.kind);
    match &check.on {
        Some(node) => format!("on {node}: {what}"),
        None => what,
    }
}

/// Describes `check` with how long it may take and when it is left out, for a plan.
pub(crate) fn describe_planned_check(check: &Check) -> String {
    let mut text = describe_check(check);
    if !check.within.is_zero() {
        text.push_str(&format!(", within {}", deadline_for_people(check.within)));
    }
    if check.only_in_run {
        text.push_str(" (only in a run: it writes)");
    }
    if let Some(task) = &check.superseded_by {
        text.push_str(&format!(" (until {task} changes it)"));
    }
    text
}

/// Describes what `kind` wants.
pub fn describe_check_kind(kind: &CheckKind) -> String {
    match kind {
        CheckKind::Exit { code } => format!("exit status {code}"),
        CheckKind::Stdout(wanted) => describe_match("standard output", wanted),
        CheckKind::Stderr(wanted) => describe_match("standard error", wanted),
        CheckKind::Captured { name } => format!("the value `{name}` is known"),
        CheckKind::Command {
            command, exit, stdout, ..
        } => {
            let mut parts = vec![format!("`{command}` exits with {exit}")];
            push_match(&mut parts, "its output", stdout);
            parts.join(", ")
        }
        CheckKind::File {
            path, exists: false, ..
        } => format!("{path} does not exist"),
        CheckKind::File {
            path,
            content,
            mode,
            owner,
            ..
        } => {
            let mut parts = Vec::new();
            parts.extend(mode.map(|mode| format!("has mode {mode:04o}")));
            parts.extend(owner.as_ref().map(|owner| format!("belongs to {owner}")));
            if parts.is_empty() {
                parts.push("exists".to_owned());
            }
            push_match(&mut parts, "its content", content);
            format!("{path} {}", parts.join(", "))
        }
        CheckKind::Http(http) => describe_http(http),
        CheckKind::Engine {
            labels,
            default_options,
            options_once,
        } => describe_engine(labels, *default_options, *options_once),
        CheckKind::Swarm(swarm) => describe_swarm(swarm),
        CheckKind::Containers(containers) => describe_containers(containers),
        CheckKind::Images { present, absent, like } => describe_images(present, absent, like),
        CheckKind::Port { host, port, open: true } => format!("{host}:{port} accepts connections"),
        CheckKind::Port {
            host,
            port,
            open: false,
        } => format!("{host}:{port} accepts no connections"),
    }
}

/// Names what `kind` looks at in a few words, for a line that also says what was found.
pub(crate) fn subject(kind: &CheckKind) -> String {
    match kind {
        CheckKind::Exit { .. } => "the exit status".to_owned(),
        CheckKind::Stdout(_) => "standard output".to_owned(),
        CheckKind::Stderr(_) => "standard error".to_owned(),
        CheckKind::Captured { name } => format!("the value `{name}`"),
        CheckKind::Command { command, .. } => format!("`{command}`"),
        CheckKind::File { path, .. } => path.to_string(),
        CheckKind::Http(http) => http_address(http),
        CheckKind::Engine { .. } => "the Docker Engine".to_owned(),
        CheckKind::Swarm(swarm) => format!("the Swarm manager on {}:{}", swarm.host, swarm.port),
        CheckKind::Containers(containers) => containers_meant(containers, 2),
        CheckKind::Images { present, absent, like } => {
            let names: Vec<String> = present.iter().chain(absent).chain(like).map(Text::to_string).collect();
            format!("image {}", names.join(", "))
        }
        CheckKind::Port { host, port, .. } => format!("{host}:{port}"),
    }
}

fn http_address(http: &HttpCheck) -> String {
    match &http.host_header {
        Some(name) => format!("http://{}:{}{} as {name}", http.host, http.port, http.path),
        None => format!("http://{}:{}{}", http.host, http.port, http.path),
    }
}

fn describe_http(http: &HttpCheck) -> String {
    let fields: Vec<&str> = http.form.iter().map(|(name, _)| name.as_str()).collect();
    let request = if fields.is_empty() {
        format!("GET {}", http_address(http))
    } else {
        format!("POST {} to {}", fields.join(", "), http_address(http))
    };
    let mut parts = vec![format!("{request} answers {}", http.status)];
    push_match(&mut parts, "its body", &http.body);
    if let Some(Spread { requests, over, .. }) = &http.spread {
        parts.push(format!("{requests} times, spread over {over} servers"));
    }
    parts.join(", ")
}

fn describe_engine(labels: &[Text], default_options: bool, options_once: bool) -> String {
    let mut parts = Vec::new();
    if options_once {
        parts.push("has its options on one line".to_owned());
    }
    if default_options {
        parts.push("runs with the options it was installed with".to_owned());
    }
    parts.extend(labels.iter().map(|label| format!("has the label {label}")));
    if parts.is_empty() {
        parts.push("answers".to_owned());
    }
    format!("the Docker Engine {}", parts.join(" and "))
}

fn describe_swarm(swarm: &SwarmCheck) -> String {
    let mut text = format!("a Swarm manager answers on {}:{}", swarm.host, swarm.port);
    for node in &swarm.nodes {
        text.push_str(&format!(", {} is healthy", node.node));
        let labels: Vec<String> = node.labels.iter().map(Text::to_string).collect();
        if !labels.is_empty() {
            text.push_str(&format!(" with {}", labels.join(", ")));
        }
    }
    text
}

fn containers_meant(check: &ContainersCheck, count: usize) -> String {
    let mut text = if count == 1 {
        "container".to_owned()
    } else {
        "containers".to_owned()
    };
    if let Some(name) = &check.name {
        text.push_str(&format!(" {name}"));
    }
    match (&check.project, &check.service) {
        (Some(project), Some(service)) => text.push_str(&format!(" of service {service} in project {project}")),
        (Some(project), None) => text.push_str(&format!(" of project {project}")),
        (None, Some(service)) => text.push_str(&format!(" of service {service}")),
        (None, None) => {}
    }
    if !check.labels.is_empty() {
        text.push_str(&format!(" labelled {}", joined(&check.labels)));
    }
    if let Some(image) = &check.image {
        text.push_str(&format!(" of an image like {image}"));
    }
    if !check.command.is_empty() {
        text.push_str(&format!(" with {} in the command", all_quoted(&check.command)));
    }
    if !check.constraints.is_empty() {
        text.push_str(&format!(" constrained to {}", joined(&check.constraints)));
    }
    if let Some(alias) = &check.linked_as {
        text.push_str(&format!(" linked to as {alias}"));
    }
    if let Some(port) = check.publishes {
        text.push_str(&format!(" publishing port {port}"));
    }
    if check.except_ours {
        text.push_str(" besides the lab's own");
    }
    text
}

fn describe_containers(check: &ContainersCheck) -> String {
    let meant = containers_meant(check, check.count);
    let count = if check.count == 0 {
        "no".to_owned()
    } else {
        check.count.to_string()
    };
    match (&check.state, check.count) {
        (Some(state), _) if check.or_more => format!("{count} {meant} or more are {state}"),
        (None, _) if check.or_more => format!("there are {count} {meant} or more"),
        (Some(state), 1) => format!("1 {meant} is {state}"),
        (Some(state), _) => format!("{count} {meant} are {state}"),
        (None, 1) => format!("there is 1 {meant}"),
        (None, _) => format!("there are {count} {meant}"),
    }
}

fn describe_images(present: &[Text], absent: &[Text], like: &[Text]) -> String {
    let named = |images: &[Text], verb: &str| match images {
        [] => None,
        [one] => Some(format!("image {one} is {verb}")),
        several => Some(format!("images {} are {verb}", joined(several))),
    };
    let mut parts: Vec<String> = [named(present, "there"), named(absent, "not there")]
        .into_iter()
        .flatten()
        .collect();
    parts.extend(like.iter().map(|pattern| format!("an image like {pattern} is there")));
    parts.join(", ")
}

fn push_match(parts: &mut Vec<String>, what: &str, wanted: &TextMatch) {
    if !wanted.is_empty() {
        parts.push(describe_match(what, wanted));
    }
}

fn describe_match(what: &str, wanted: &TextMatch) -> String {
    let mut parts = Vec::new();
    if let Some(text) = &wanted.equals {
        let text = text.to_string();
        parts.push(if text.trim().is_empty() {
            "is empty".to_owned()
        } else {
            format!("is {}", quoted(&text))
        });
    }
    if !wanted.contains.is_empty() {
        parts.push(format!("contains {}", all_quoted(&wanted.contains)));
    }
    if !wanted.lacks.is_empty() {
        parts.push(format!("does not contain {}", all_quoted(&wanted.lacks)));
    }
    if let Some(regex) = &wanted.regex {
        let times = wanted.times.map_or_else(String::new, |times| format!(" {times} times"));
        parts.push(format!("matches /{regex}/{times}"));
    }
    if parts.is_empty() {
        parts.push("may be anything".to_owned());
    }
    format!("{what} {}", parts.join(" and "))
}

fn joined(texts: &[Text]) -> String {
    texts.iter().map(Text::to_string).collect::<Vec<_>>().join(", ")
}

fn all_quoted(texts: &[Text]) -> String {
    texts
        .iter()
        .map(|text| quoted(&text.to_string()))
        .collect::<Vec<_>>()
        .join(", ")
}

fn quoted(text: &str) -> String {
    let one_line = text.trim_end().replace('\n', "⏎");
    format!("“{}”", super::layout::truncated(&one_line, 60))
}
