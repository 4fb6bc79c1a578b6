//! A plan as documentation: what would be done where, how it is checked, how it is taken back.

use super::super::describe::describe_planned_check;
use super::super::layout::{counted, deadline_for_people};
use super::super::line::{Line, labelled, paragraph, show_lines};
use super::super::style::{Ink, Style};
use crate::domain::{
    Action, Check, FileText, HostWork, NodeName, Plan, PlannedHost, PlannedStep, TaskId, Text, UndoText, Verb,
    WhenDone, Work,
};

const INDENT: usize = 6;
/// How many lines of a file that is written are shown.
const FILE_LINES: usize = 40;

/// Lists every step of `plan`; steps that are the same on several nodes are one entry.
pub fn plan_listing(plan: &Plan, style: &Style) -> String {
    let style = *style;
    let entries = merged(plan);
    let mut lines = heading(plan, entries.len(), style);
    let mut task: Option<&TaskId> = None;
    for (step, nodes) in entries {
        if task != Some(&step.task) {
            lines.push(Line::default());
            lines.push(Line::of(Ink::Strong, step.task.as_str()).and(Ink::Text, format!("  {}", step.task_title)));
            task = Some(&step.task);
        }
        lines.push(Line::default());
        lines.extend(step_lines(step, &nodes, style));
    }
    for link in &plan.links {
        lines.push(Line::default());
        let text = format!("After {}, {} is at {}", link.task, link.label, link.address);
        lines.extend(paragraph(0, Ink::Text, &text, style));
    }
    for host in &plan.hosts {
        lines.push(Line::default());
        lines.extend(paragraph(0, Ink::Text, &host_text(host), style));
    }
    for line in &plan.host_lines {
        lines.push(Line::default());
        lines.extend(paragraph(0, Ink::Text, &format!("On this machine: {line}"), style));
    }
    show_lines(&lines, style)
}

fn host_text(host: &PlannedHost) -> String {
    let PlannedHost {
        task,
        name,
        address,
        work,
    } = host;
    match work {
        HostWork::Tell => {
            format!("After {task}, {name} is at {address}: a line that --hosts adds to the hosts file of this machine")
        }
        HostWork::Nothing => format!("After {task}, {name} is at {address}, as the hosts file of this machine says"),
        HostWork::Add(line) => format!(
            "After {task}, {name} is at {address}: {} of this machine gets the line `{}`; undo: take it out",
            line.file, line.text
        ),
    }
}

fn heading(plan: &Plan, entries: usize, style: Style) -> Vec<Line> {
    let purpose = match plan.verb {
        Verb::Run => "what a run does",
        Verb::Verify => "what is looked at",
        Verb::Cleanup => "what a cleanup does",
    };
    let mut nodes: Vec<&NodeName> = plan.steps.iter().map(|step| &step.key.node).collect();
    nodes.sort();
    nodes.dedup();
    let mut lines = vec![
        Line::of(Ink::Strong, &plan.lab).and(Ink::Text, format!("  {}", plan.lab_title)),
        Line::of(
            Ink::Quiet,
            format!(
                "{purpose}: {} on {}",
                counted(entries, "step"),
                counted(nodes.len(), "node")
            ),
        ),
    ];
    let mut holes: Vec<&str> = plan
        .steps
        .iter()
        .flat_map(|step| step.captures.iter())
        .map(|it| it.name.as_str())
        .collect();
    holes.sort_unstable();
    holes.dedup();
    if !holes.is_empty() {
        let named: Vec<String> = holes.iter().map(|name| format!("<{name}>")).collect();
        let text = format!("known only during the run: {}", named.join(", "));
        lines.extend(paragraph(0, Ink::Quiet, &text, style));
    }
    lines
}

/// Joins steps that differ in nothing but their node, in the plan's order.
fn merged(plan: &Plan) -> Vec<(&PlannedStep, Vec<&NodeName>)> {
    let mut entries: Vec<(&PlannedStep, Vec<&NodeName>)> = Vec::new();
    for step in &plan.steps {
        match entries.iter_mut().find(|(first, _)| same_elsewhere(first, step)) {
            Some((_, nodes)) => nodes.push(&step.key.node),
            None => entries.push((step, vec![&step.key.node])),
        }
    }
    entries
}

fn same_elsewhere(one: &PlannedStep, other: &PlannedStep) -> bool {
    let PlannedStep {
        key,
        task,
        task_title: _,
        title,
        work,
        environment,
        as_root,
        timeout,
        captures,
        checks,
        undo,
        undo_elsewhere,
        when_done,
        after,
        ahead,
        stands_on,
    } = one;
    let steps = |after: &[crate::domain::StepKey]| {
        let mut steps: Vec<_> = after.iter().map(|key| key.step.clone()).collect();
        steps.sort();
        steps.dedup();
        steps
    };
    key.step == other.key.step
        && *task == other.task
        && *title == other.title
        && *work == other.work
        && *environment == other.environment
        && *as_root == other.as_root
        && *timeout == other.timeout
        && *captures == other.captures
        && same_checks(checks, &other.checks)
        && *undo == other.undo
        && *undo_elsewhere == other.undo_elsewhere
        && *when_done == other.when_done
        && steps(after) == steps(&other.after)
        && *ahead == other.ahead
        && steps(stands_on) == steps(&other.stands_on)
}

/// Compares checks by what is listed of them: a hint that names its node makes no other check.
fn same_checks(one: &[Check], other: &[Check]) -> bool {
    let shown = |checks: &[Check]| checks.iter().map(describe_planned_check).collect::<Vec<_>>();
    shown(one) == shown(other)
}

fn step_lines(step: &PlannedStep, nodes: &[&NodeName], style: Style) -> Vec<Line> {
    let on: Vec<&str> = nodes.iter().map(|node| node.as_str()).collect();
    let mut lines =
        vec![Line::of(Ink::Strong, format!("  {}", step.key.step)).and(Ink::Text, format!("  {}", step.title))];
    let who = if step.as_root { ", as root" } else { "" };
    let mut field = |label: &str, value: &str| lines.extend(labelled(INDENT, label, value, style));
    field("on", &format!("{}{who}", on.join(", ")));
    if step.ahead {
        field("begins", &beginning_ahead(step));
    }
    for (label, value) in work_fields(&step.work) {
        field(label, &value);
    }
    if !step.environment.is_empty() {
        let names: Vec<&str> = step.environment.keys().map(String::as_str).collect();
        field("with", &names.join(", "));
    }
    if !matches!(step.work, Work::Action(Action::Wait)) && !step.timeout.is_zero() {
        field("deadline", &deadline_for_people(step.timeout));
    }
    for capture in &step.captures {
        let secret = if capture.secret { ", a secret" } else { "" };
        field("captures", &format!("<{}>{secret}", capture.name));
    }
    for (at, check) in step.checks.iter().enumerate() {
        field(if at == 0 { "holds" } else { "" }, &describe_planned_check(check));
    }
    for (at, undo) in undo_texts(step).iter().enumerate() {
        field(if at == 0 { "undo" } else { "" }, undo);
    }
    if step.when_done == WhenDone::Repeat
        && !matches!(step.work, Work::Undo(_))
        && step.changes()
        && !step.checks.is_empty()
    {
        field("again", "done even where all of that holds already");
    }
    lines
}

/// Says when `step` begins, whose task still waits for others then.
fn beginning_ahead(step: &PlannedStep) -> String {
    let mut after: Vec<&str> = step.after.iter().map(|key| key.step.as_str()).collect();
    after.dedup();
    if after.is_empty() {
        return "at once; the tasks above may still run".to_owned();
    }
    format!(
        "when these have passed: {}; the tasks above may still run",
        after.join(", ")
    )
}

fn work_fields(work: &Work) -> Vec<(&'static str, String)> {
    match work {
        Work::Action(Action::Wait) => vec![("does", "nothing: it only looks".to_owned())],
        Work::Action(Action::Write { files }) => files.iter().flat_map(file_fields).collect(),
        Work::Action(Action::Run { stdin: Some(_), .. }) => {
            vec![
                ("runs", work.to_string()),
                ("", "with text on its standard input".to_owned()),
            ]
        }
        Work::Action(Action::Login { .. }) => {
            vec![
                ("runs", work.to_string()),
                ("", "with the password on its standard input".to_owned()),
            ]
        }
        Work::Action(_) | Work::Reset | Work::Clear => vec![("runs", work.to_string())],
        Work::Undo(undos) => {
            let label = |at: usize| if at == 0 { "does" } else { "" };
            undos
                .iter()
                .enumerate()
                .map(|(at, undo)| (label(at), undo.to_string()))
                .collect()
        }
        Work::CompareBaseline => vec![("does", "compares the node with how it was before the lab".to_owned())],
    }
}

fn file_fields(file: &FileText) -> Vec<(&'static str, String)> {
    let mode = file.mode.map(|mode| format!(" (mode {mode:04o})")).unwrap_or_default();
    let mut fields = vec![("writes", format!("{}{mode}", file.path))];
    let content = file.content.to_string();
    let total = content.lines().count();
    fields.extend(content.lines().take(FILE_LINES).map(|line| ("", format!("│ {line}"))));
    if total > FILE_LINES {
        fields.push(("", format!("│ … {} more", counted(total - FILE_LINES, "line"))));
    }
    fields
}

fn undo_texts(step: &PlannedStep) -> Vec<String> {
    let mut texts: Vec<String> = match &step.work {
        Work::Action(Action::Write { files }) => files
            .iter()
            .map(|file| format!("put the file {} back as it was", file.path))
            .collect(),
        Work::Action(Action::Clone { directory, .. }) => vec![format!("remove the directory {directory}")],
        Work::Action(Action::SetEngineOptions(_)) => {
            vec!["take the lab's options out again and restart the engine".to_owned()]
        }
        _ => Vec::new(),
    };
    for undo in &step.undo {
        let text = undo_text(undo);
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    let mut elsewhere: Vec<(String, Vec<&NodeName>)> = Vec::new();
    for (node, undos) in &step.undo_elsewhere {
        for text in undos.iter().map(undo_text) {
            match elsewhere.iter_mut().find(|(known, _)| *known == text) {
                Some((_, nodes)) => nodes.push(node),
                None => elsewhere.push((text, vec![node])),
            }
        }
    }
    texts.extend(elsewhere.into_iter().map(|(text, nodes)| {
        let nodes: Vec<&str> = nodes.into_iter().map(NodeName::as_str).collect();
        format!("on {}: {text}", nodes.join(", "))
    }));
    texts
}

fn undo_text(undo: &UndoText) -> String {
    match undo {
        UndoText::Directory(path) => format!("remove the directory {path}"),
        UndoText::File(path) => format!("put the file {path} back as it was"),
        UndoText::Project(project) => format!("remove what Compose made for project {project}"),
        UndoText::Images(images) => {
            let names: Vec<String> = images.iter().map(Text::to_string).collect();
            format!("remove the images {}, where they are new", names.join(", "))
        }
        UndoText::Container(name) => format!("remove the container {name}"),
        UndoText::Run { command, as_root } => {
            let command = crate::domain::CommandText::Argv(command.clone());
            format!("run {command}{}", if *as_root { " as root" } else { "" })
        }
    }
}
