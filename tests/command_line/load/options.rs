//! All labs that labctl brings along, with each of their values set to one that would be an option: it is refused, or no program takes it
//! for one. A new lab is judged by the same test.

use super::*;
use labctl::domain::{CommandText, clone_words, login_words};

/// What somebody else could have put into a value.
const OPTIONS: &[&str] = &["--upload-pack=touch ran", "-v/:/host"];

/// Returns the words of a command; those of a shell text as a shell would split it.
fn words_of(command: &CommandText) -> Vec<String> {
    match command {
        CommandText::Argv(words) => words.iter().map(ToString::to_string).collect(),
        CommandText::Shell(text) => {
            let text = text.to_string();
            shlex::split(&text).unwrap_or_else(|| panic!("no shell text: {text}"))
        }
    }
}

/// Returns every command that `step` runs on a node, as words.
fn commands_of(step: &StepOnNode) -> Vec<Vec<String>> {
    let all = |words: &[Text]| words.iter().map(ToString::to_string).collect::<Vec<String>>();
    let mut commands = match &step.action {
        Action::Run { command, .. } => vec![words_of(command)],
        Action::Compose { arguments, .. } => vec![all(arguments)],
        Action::Login { user, server, .. } => vec![all(&login_words(user, server))],
        Action::Clone { repository, directory } => vec![all(&clone_words(repository, directory))],
        Action::SetEngineOptions(settings) => vec![settings.options.words()],
        // Files are written, and images asked for, without a command line.
        Action::Write { .. } | Action::Provide { .. } | Action::Wait => Vec::new(),
    };
    commands.extend(step.expect.iter().filter_map(|check| command_of(&check.kind)));
    let undo = step.undo.iter().chain(step.undo_elsewhere.values().flatten());
    commands.extend(undo.filter_map(|undo| match undo {
        UndoText::Run { command, .. } => Some(all(command)),
        _ => None,
    }));
    commands
}

fn command_of(check: &CheckKind) -> Option<Vec<String>> {
    match check {
        CheckKind::Command { command, .. } => Some(words_of(command)),
        _ => None,
    }
}

/// Returns every path that `step` makes or removes.
fn paths_of(step: &StepOnNode) -> Vec<String> {
    let mut paths: Vec<&Text> = step
        .undo
        .iter()
        .chain(step.undo_elsewhere.values().flatten())
        .filter_map(|undo| match undo {
            UndoText::Directory(path) | UndoText::File(path) => Some(path),
            _ => None,
        })
        .collect();
    match &step.action {
        Action::Write { files } => paths.extend(files.iter().map(|file| &file.path)),
        Action::Clone { directory, .. } | Action::Compose { directory, .. } => paths.push(directory),
        Action::Login { config, .. } => paths.push(config),
        _ => {}
    }
    paths.into_iter().map(ToString::to_string).collect()
}

/// Fails where a program would take `value` for an option.
fn assert_no_option(lab: &Lab, value: &str, what: &str) {
    for task in &lab.tasks {
        let steps = || task.steps.iter().flat_map(|step| &step.on);
        let of_checks = task.verify.iter().filter_map(|look| command_of(&look.check.kind));
        for words in steps().flat_map(commands_of).chain(of_checks) {
            for word in words.iter().take_while(|word| *word != "--") {
                assert!(!word.starts_with(value), "{what}: {words:?}");
            }
        }
        for path in steps().flat_map(paths_of) {
            assert!(path.starts_with('/'), "{what}: {path}");
        }
    }
}

#[test]
fn no_value_of_any_lab_becomes_an_option() {
    let labs = load::list_labs(Path::new("/nowhere"));
    assert!(labs.len() >= 2, "{labs:?}");
    let mut judged = 0;
    for listing in &labs {
        let definition = load::parse_lab(&load::built_in_lab(&listing.name).unwrap()).unwrap();
        let vars: Vec<&str> = definition.vars().map(|var| var.name).collect();
        let images: Vec<&str> = definition.images().map(|image| image.name).collect();
        assert!(!vars.is_empty(), "{} has no variables", listing.name);
        // Some steps are only done where other values are set.
        let mut settings = vec![Vec::new()];
        if vars.contains(&"registry_user") {
            settings.push(vec![("registry", "registry.example/team"), ("registry_user", "me")]);
        }
        for option in OPTIONS {
            for name in &vars {
                let mut inventory = inventory();
                inventory.nodes[0].vars.insert((*name).to_owned(), (*option).to_owned());
                judged += judge(&definition, &inventory, &[], option);
            }
            for given in &settings {
                for name in &vars {
                    let mut given: Vec<(&str, &str)> =
                        given.iter().filter(|(other, _)| other != name).copied().collect();
                    given.push((name, option));
                    judged += judge(&definition, &inventory(), &given, option);
                }
                for name in &images {
                    let mut inventory = inventory();
                    inventory.images.insert((*name).to_owned(), (*option).to_owned());
                    judged += judge(&definition, &inventory, given, option);
                }
            }
        }
    }
    assert!(judged > 50, "{judged}");
}

/// Resolves the lab for both kinds of Compose; returns how many values were looked at.
fn judge(definition: &LabDefinition, inventory: &Inventory, given: &[(&str, &str)], option: &str) -> usize {
    let mut inventory = inventory.clone();
    for secret in definition.secrets() {
        inventory
            .secrets
            .insert(secret.name.to_owned(), SecretSource::Env("SECRET".into()));
    }
    let what = format!("{} with {given:?} and {:?}", definition.id(), inventory.images);
    match resolve_with(definition, &inventory, given) {
        Ok(lab) => assert_no_option(&lab, option, &what),
        Err(faults) => {
            let told = render_diagnostics(&faults, false);
            assert!(told.contains('^') || told.contains(option), "{what}: {told}");
        }
    }
    1
}

#[test]
fn a_path_is_never_an_option() {
    // A path is absolute, and so never an option; a lab cannot say otherwise.
    for path in ["-rf", "--", "~other/x", "x", "../x", "./x"] {
        let refused = told(lab_of(&format!(
            "[[task.step]]\nid = \"a\"\ntitle = \"A\"\nwrite = {{ path = \"{path}\", content = \"\" }}\nexpect = [{{ file = \"/x\" }}]\n"
        )));
        assert!(refused.contains("is not an absolute path"), "{path}: {refused}");
    }
}

#[test]
fn a_path_that_is_made_or_removed_has_no_detours_and_is_in_no_other_home() {
    let paths = [
        "/srv/../etc/x",
        "/srv/./x",
        "~/../other/x",
        "/home/other/x",
        "/root/x",
        "//home/other/x",
        "/home/other",
        "~other/x",
        "~/x/../..",
    ];
    for path in paths {
        for action in [
            format!("run = [\"true\"]\nundo = [{{ directory = \"{path}\" }}]"),
            format!("clone = {{ repository = \"https://example.com/x\", directory = \"{path}\" }}"),
            format!(
                "login = {{ server = \"x.example\", user = \"me\", password = \"{{{{ secret.password }}}}\", config = \"{path}\" }}"
            ),
        ] {
            let told = told(lab_of(&format!(
                "[[task.step]]\nid = \"a\"\ntitle = \"A\"\n{action}\nexpect = [{{ exit = 0 }}, {{ stdout = \"x\" }}]\n"
            )));
            assert!(
                told.contains("is no directory that a lab may make") || told.contains("is not an absolute path"),
                "{action}: {told}"
            );
        }
    }
    for path in ["/srv/../etc/x", "/srv/./x", "~/../other/x", "~other/x", "/srv/x/"] {
        for action in [
            format!("run = [\"true\"]\nundo = [{{ file = \"{path}\" }}]"),
            format!("write = {{ path = \"{path}\", content = \"\" }}"),
        ] {
            let told = told(lab_of(&format!(
                "[[task.step]]\nid = \"a\"\ntitle = \"A\"\n{action}\nexpect = [{{ file = \"/x\" }}]\n"
            )));
            assert!(
                told.contains("is no plain path of a file") || told.contains("is not an absolute path"),
                "{action}: {told}"
            );
        }
    }
}
