//! A run in the shape of the tutorial it is made after: Markdown with a heading a task, a bold line a step, and what was typed
//! and said in code fences.

use super::chronicle::{CheckChronicle, Chronicle, KeptOutput, ShownCommand, StepChronicle, TaskChronicle};
use super::ended::shortened;
use super::headline::headline;
use super::html::numbered;
use super::layout::{counted, duration_for_people, size_for_people};
use super::markdown::{anchor, code, fenced, prose};
use super::outcome::{complaint, remark};
use super::sanitise::{sanitised, sanitised_line};
use crate::domain::{Outcome, SkipReason};

/// How many lines of an output are shown, from its beginning and from its end each, where it has more than both.
const LINES: usize = 40;

/// Tells `chronicle` as Markdown.
pub fn transcript(chronicle: &Chronicle) -> String {
    let mut parts = vec![format!("# {}", prose(&chronicle.lab_title))];
    parts.push(head(chronicle));
    for task in &chronicle.tasks {
        parts.push(format!("## {}", prose(&task.title)));
        parts.extend(groups(task).into_iter().map(told_group));
    }
    let links = chronicle.links.iter().map(|link| {
        let address = sanitised_line(&link.address);
        format!("{}: <{address}>", prose(&link.label))
    });
    parts.extend(links);
    parts.join("\n\n") + "\n"
}

/// Says what the run was, and lists its tasks as the tutorial does.
fn head(chronicle: &Chronicle) -> String {
    let headline = headline(chronicle);
    let nodes: Vec<&str> = chronicle.nodes.iter().map(crate::domain::NodeName::as_str).collect();
    let mut lines = vec![
        format!("> **{}**: {}", headline.word, prose(&headline.sentence)),
        ">".to_owned(),
        format!("> **Time**: {}", duration_for_people(chronicle.took)),
        ">".to_owned(),
        format!("> **Nodes**: {}", nodes.join(", ")),
        ">".to_owned(),
        format!(
            "> **Run**: {} of lab {}, {}",
            code(chronicle.run.as_str()),
            code(&chronicle.lab),
            chronicle.began.strftime("%Y-%m-%d %H:%M:%S UTC")
        ),
        ">".to_owned(),
        "> **Tasks**:".to_owned(),
        ">".to_owned(),
    ];
    let tasks = chronicle.tasks.iter();
    lines.extend(tasks.map(|task| format!("> * [{}](#{})", prose(&task.title), anchor(&task.title))));
    lines.join("\n")
}

/// Puts together what one step did on several nodes.
fn groups(task: &TaskChronicle) -> Vec<Vec<&StepChronicle>> {
    let mut groups: Vec<Vec<&StepChronicle>> = Vec::new();
    for step in &task.steps {
        match groups
            .last_mut()
            .filter(|group| group.iter().all(|other| other.key.step == step.key.step))
        {
            Some(group) => group.push(step),
            None => groups.push(vec![step]),
        }
    }
    groups
}

fn told_group(steps: Vec<&StepChronicle>) -> String {
    let Some(first) = steps.first() else {
        return String::new();
    };
    let nodes: Vec<&str> = steps.iter().map(|step| step.key.node.as_str()).collect();
    let (number, title) = numbered(&first.title);
    let step = number.map_or_else(
        || "Step".to_owned(),
        |number| format!("Step {}", sanitised_line(number)),
    );
    let mut parts = vec![format!("**{step}:** {} ({})", prose(title), nodes.join(", "))];
    for step in &steps {
        parts.extend(typed_and_said(step));
    }
    parts.extend(results(&steps));
    parts.join("\n\n")
}

/// Returns what was typed at the node's prompt and what came of it.
fn typed_and_said(step: &StepChronicle) -> Option<String> {
    step.began?;
    let command = step.command.as_ref()?;
    let mut lines = typed(command, step.key.node.as_str());
    lines.extend(step.output.iter().flat_map(said));
    Some(fenced(&lines.join("\n")))
}

fn typed(command: &ShownCommand, node: &str) -> Vec<String> {
    let prompt = sanitised_line(&command.prompt(node));
    command
        .typed
        .iter()
        .map(|typed| format!("{prompt} {}", sanitised(typed)))
        .collect()
}

fn said(output: &KeptOutput) -> Vec<String> {
    if let Some(problem) = &output.problem {
        return vec![format!("({}: {problem})", output.record.path)];
    }
    let all = output.head.len() + output.tail.len();
    if output.left_out == 0 && all <= 2 * LINES {
        return output.head.clone();
    }
    let end = if output.left_out > 0 {
        &output.tail
    } else {
        &output.head
    };
    let tail = end.get(end.len().saturating_sub(LINES)..).unwrap_or_default();
    let what = if output.left_out > 0 {
        size_for_people(output.record.size)
    } else {
        counted(all, "line")
    };
    let mut lines: Vec<String> = output.head.iter().take(LINES).cloned().collect();
    lines.push(format!("<snippet: {what} in all, see {}>", output.record.path));
    lines.extend_from_slice(tail);
    lines
}

/// Says what held, once where it is the same on all nodes.
fn results(steps: &[&StepChronicle]) -> Vec<String> {
    let mut told: Vec<(Vec<&str>, String)> = Vec::new();
    for step in steps {
        let result = result(step);
        match told.iter_mut().find(|(_, other)| *other == result) {
            Some((nodes, _)) => nodes.push(step.key.node.as_str()),
            None => told.push((vec![step.key.node.as_str()], result)),
        }
    }
    let everywhere = told.len() == 1;
    let with_nodes = told.into_iter().map(|(nodes, result)| {
        if everywhere {
            result
        } else {
            format!("On **{}**:\n\n{result}", nodes.join("**, **"))
        }
    });
    with_nodes.collect()
}

fn result(step: &StepChronicle) -> String {
    let mut parts = Vec::new();
    let outcome = step.outcome.as_ref();
    match outcome {
        None if step.began.is_some() => parts.push("*It was not finished.*".to_owned()),
        None => parts.push("*It was not begun.*".to_owned()),
        Some(Outcome::Skipped {
            reason: SkipReason::AlreadyHolds,
        }) => parts.push("*It held already, and was not done again.*".to_owned()),
        Some(Outcome::Skipped { .. } | Outcome::Superseded { .. } | Outcome::Cancelled) => {
            let why = outcome.and_then(remark).unwrap_or_default();
            let done = if step.began.is_some() {
                "It was done, and then"
            } else {
                "Not done"
            };
            parts.push(format!("*{done}: {}.*", prose(&why)));
        }
        Some(outcome) => parts.extend(complaint(outcome).map(|what| format!("**It went wrong:** {}.", prose(&what)))),
    }
    let checks: Vec<String> = step.checks.iter().filter(|check| check.judged).map(checked).collect();
    if !checks.is_empty() {
        parts.push(checks.join("\n"));
    }
    let undone: Vec<String> = step
        .undone
        .iter()
        .map(|undone| format!("* {}", prose(&undone.what)))
        .collect();
    if !undone.is_empty() {
        parts.push(undone.join("\n"));
    }
    if parts.is_empty() {
        parts.push("*It passed.*".to_owned());
    }
    parts.join("\n\n")
}

fn checked(check: &CheckChronicle) -> String {
    let what = prose(&check.what);
    let Some(verdict) = &check.verdict else {
        return format!("* ? {what}: nothing could be looked at");
    };
    if verdict.holds {
        return format!("* ✔ {what}");
    }
    let one_line = |text: &str| code(&shortened(&sanitised(text)).replace('\n', " ↵ "));
    let mut line = format!(
        "* ✘ {what}: expected {}, found {}",
        one_line(&verdict.expected),
        one_line(&verdict.actual)
    );
    if let Some(hint) = &check.hint {
        line.push_str(&format!("\n  * hint: {}", prose(hint)));
    }
    line
}
