//! What was done in a step, as a person would type it at the node's prompt.

use crate::domain::{Action, CommandText, Environment, PlannedStep, Text, Undo, Work, shell_quoted};
use serde::Serialize;

/// What is typed, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShownCommand {
    /// The directory, the login user's home as `~`.
    pub directory: String,
    /// Whether root does it.
    pub as_root: bool,
    /// What is typed, one thing after the other; each may have several lines.
    pub typed: Vec<String>,
}

impl ShownCommand {
    /// Says what `step` does; `None` where it only looks.
    pub(super) fn of(step: &PlannedStep) -> Option<Self> {
        let mut directory = None;
        let typed = match &step.work {
            Work::Action(action) => {
                directory = directory_of(action);
                typed(action, &step.environment)?
            }
            Work::Reset | Work::Clear => vec![step.work.to_string()],
            Work::Undo(undos) => undos.iter().map(Undo::to_string).map(|undo| remark(&undo)).collect(),
            Work::CompareBaseline => return None,
        };
        Some(Self {
            directory: directory.map_or_else(|| "~".to_owned(), |path| at_home(&path.to_string())),
            as_root: step.as_root,
            typed,
        })
    }

    /// Returns the prompt of `node` there.
    pub(crate) fn prompt(&self, node: &str) -> String {
        let sign = if self.as_root { '#' } else { '$' };
        format!("{node}:{}{sign}", self.directory)
    }
}

fn directory_of(action: &Action) -> Option<&Text> {
    match action {
        Action::Run { directory, .. } => directory.as_ref(),
        Action::Compose { directory, .. } => Some(directory),
        _ => None,
    }
}

fn typed(action: &Action, environment: &Environment) -> Option<Vec<String>> {
    Some(match action {
        Action::Run {
            command: CommandText::Shell(script),
            ..
        } => {
            let script = script.to_string().trim_end().to_owned();
            let set = assignments(environment);
            let export = (!set.is_empty()).then(|| format!("export {}", set.join(" ")));
            export.into_iter().chain([script]).collect()
        }
        Action::Run { command, .. } => vec![with(environment, &command.to_string())],
        Action::Compose { program, arguments, .. } => {
            let words = CommandText::Argv(arguments.clone());
            vec![with(environment, &format!("{} {words}", program.join(" ")))]
        }
        Action::Write { files } => {
            let paths = files.iter().map(|file| at_home(&file.path.to_string()));
            paths.map(|path| remark(&format!("labctl writes {path}"))).collect()
        }
        Action::SetEngineOptions(settings) => vec![remark(&settings.to_string())],
        Action::Provide { .. } | Action::Login { .. } | Action::Clone { .. } => {
            vec![with(environment, &action.to_string())]
        }
        Action::Wait => return None,
    })
}

/// Returns what labctl does itself, as something that does no harm where it is typed.
fn remark(what: &str) -> String {
    format!("# {what}")
}

fn with(environment: &Environment, command: &str) -> String {
    let mut words = assignments(environment);
    words.push(command.to_owned());
    words.join(" ")
}

fn assignments(environment: &Environment) -> Vec<String> {
    let quoted = |text: &Text| match text.holes().next() {
        Some(_) => text.to_string(),
        None => shell_quoted(&text.to_string()),
    };
    let set = environment.iter();
    set.map(|(name, value)| format!("{name}={}", quoted(value))).collect()
}

/// Returns `path` with the home of a login user as `~`.
fn at_home(path: &str) -> String {
    let below = path.strip_prefix("/root").or_else(|| {
        let user = path.strip_prefix("/home/")?;
        Some(user.find('/').map_or("", |end| user.split_at(end).1))
    });
    match below {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("~{rest}"),
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_is_written_as_people_write_it() {
        for (path, shown) in [
            ("/home/ubuntu/dockchat", "~/dockchat"),
            ("/home/ubuntu", "~"),
            ("/root/x", "~/x"),
            ("/rooted/x", "/rooted/x"),
            ("/srv/x", "/srv/x"),
        ] {
            assert_eq!(at_home(path), shown);
        }
    }
}
