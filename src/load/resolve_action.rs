//! Renders actions and what undoes them.

use super::context::compose_flavour;
use super::position::Located;
use super::references::{Segment, scan};
use super::resolve::{Resolver, Scene};
use super::suggest;
use super::template::{Purpose, Scope};
use super::written::{
    Template, WrittenAction, WrittenCommand, WrittenContent, WrittenFile, WrittenUndo, WrittenUndoKind,
};
use crate::domain::{
    Action, CommandText, FileText, NodeName, Part, Text, UndoText, is_code_option, is_shell, may_be_made,
};
use crate::images::{OWN_IMAGES, is_own_reference};
use serde_json::Value as Json;
use std::time::Duration;
use toml::Spanned;

/// Returns the path `name` below the directory `root`.
fn below(root: &Text, name: &str) -> Text {
    let mut parts = root.clone().into_parts();
    match parts.last_mut() {
        Some(Part::Literal(last)) => {
            let end = last.trim_end_matches('/').len();
            last.replace_range(end.., &format!("/{name}"));
        }
        _ => parts.push(Part::Literal(format!("/{name}"))),
    }
    Text::new(parts)
}

/// Says whether `path` lies in somebody's home.
fn is_in_a_home(path: &str) -> bool {
    is_below(path, "/home") || is_below(path, "/root")
}

/// Says whether `path` lies in `folder`.
fn is_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

/// Says whether `template` has a value that is not marked `safe`.
fn has_values(template: &str) -> bool {
    let is_value = |segment: &Segment| matches!(segment, Segment::Expression { is_safe: false, .. });
    scan(template).segments.iter().any(is_value)
}

/// Returns how long `action` may take where the lab does not say.
pub(super) fn default_timeout(action: &Action) -> Duration {
    Duration::from_secs(match action {
        Action::Run { .. } | Action::Write { .. } | Action::Login { .. } | Action::Wait => 60,
        Action::Clone { .. } | Action::SetEngineOptions(_) => 120,
        Action::Compose { .. } | Action::Provide { .. } => 300,
    })
}

impl Resolver<'_> {
    /// Renders `action` with what it undoes by itself; `None` where it was at fault.
    pub(super) fn action(
        &mut self,
        action: Option<&WrittenAction>,
        scene: &Scene<'_>,
    ) -> Option<(Action, Vec<UndoText>)> {
        let scope = &scene.before;
        Some(match action? {
            WrittenAction::Run {
                command,
                directory,
                stdin,
            } => {
                let run = Action::Run {
                    command: self.command(command, scope),
                    directory: directory.as_ref().map(|path| self.path(path, scope, scene.node)),
                    stdin: stdin.as_ref().map(|text| self.text(text, scope, Purpose::Private)),
                };
                (run, Vec::new())
            }
            WrittenAction::Write(file) => self.write(file, scene),
            WrittenAction::Clone { repository, directory } => {
                let repository = self.text(repository, scope, Purpose::Plain);
                let directory = self.own_directory(directory, scope, scene.node);
                let undo = vec![UndoText::Directory(directory.clone())];
                (Action::Clone { repository, directory }, undo)
            }
            WrittenAction::Compose {
                directory,
                file,
                project,
                arguments,
            } => {
                let options = [("-f", file), ("-p", project)];
                (self.compose(directory, options, arguments, scene), Vec::new())
            }
            WrittenAction::Provide {
                image,
                upstream,
                stand_in,
            } => {
                let sources = (upstream.as_ref(), stand_in.as_ref());
                self.provide(image, sources, scope)
            }
            WrittenAction::Login(login) => self.login(login, scene),
            WrittenAction::SetEngineOptions(written) => {
                let settings = self.engine_settings(written, scene);
                (Action::SetEngineOptions(settings), Vec::new())
            }
            WrittenAction::Wait => (Action::Wait, Vec::new()),
        })
    }

    fn provide(
        &mut self,
        name: &Template,
        (upstream, stand_in): (Option<&Template>, Option<&Template>),
        scope: &Scope,
    ) -> (Action, Vec<UndoText>) {
        let image = self.text(name, scope, Purpose::Plain);
        let upstream = upstream.map(|text| self.text(text, scope, Purpose::Plain));
        let mut upstream = upstream.filter(|text| !text.to_string().trim().is_empty());
        let service = stand_in.map(|text| (text, self.early(text, scope)));
        let service = service.filter(|(_, service)| !service.trim().is_empty());
        let mut stand_in = service.map(|(template, service)| {
            self.known_service(template, &service);
            service
        });
        if upstream.is_none() && stand_in.is_none() && self.judges {
            let fault = self
                .faults
                .fault(name.span(), "nothing says where this image comes from");
            let fault = fault.label("both `upstream` and `stand_in` are empty");
            self.faults.push(fault);
        }
        // A public name never comes to stand for an image of ours: it means what its registry has.
        if upstream.is_none() && !is_own_reference(&image.to_string()) {
            upstream = Some(image.clone());
            stand_in = None;
        }
        let mut named = vec![image.clone()];
        named.extend(upstream.iter().filter(|upstream| **upstream != image).cloned());
        let action = Action::Provide {
            image,
            upstream,
            stand_in,
        };
        (action, vec![UndoText::Images(named)])
    }

    fn known_service(&mut self, template: &Template, service: &str) {
        let names = || OWN_IMAGES.iter().map(|image| image.name);
        if !self.judges || names().any(|name| name == service) {
            return;
        }
        let message = format!("labctl makes no image of a service `{service}`");
        let mut fault = self.faults.fault(template.span(), message);
        fault.hint = suggest::hint(service, names());
        self.faults.push(fault);
    }

    fn compose(
        &mut self,
        directory: &Template,
        options: [(&str, &Option<Template>); 2],
        arguments: &[Template],
        scene: &Scene<'_>,
    ) -> Action {
        let facts = self.facts.get(scene.node);
        let flavour = compose_flavour(facts.and_then(|facts| facts.compose.as_ref()));
        let mut words = Vec::new();
        for (option, value) in options {
            if let Some(value) = value {
                words.push(Text::literal(option));
                words.push(self.text(value, &scene.before, Purpose::Plain));
            }
        }
        words.extend(self.arguments(arguments, &scene.before));
        Action::Compose {
            program: flavour.command().iter().map(|word| (*word).to_owned()).collect(),
            directory: self.path(directory, &scene.before, scene.node),
            arguments: words,
        }
    }

    /// Renders a command.
    pub(super) fn command(&mut self, command: &WrittenCommand, scope: &Scope) -> CommandText {
        match command {
            WrittenCommand::Argv(words) => CommandText::Argv(self.argv(words, scope)),
            WrittenCommand::Shell(text) => CommandText::Shell(self.text(text, scope, Purpose::Shell)),
        }
    }

    /// Renders arguments; refuses one that would be an option only by the value that it begins with: whoever gives that value would decide
    /// what the command does.
    fn arguments(&mut self, words: &[Template], scope: &Scope) -> Vec<Text> {
        let mut rendered: Vec<Text> = Vec::new();
        let mut may_be_option = true;
        for word in words {
            let text = self.text(word, scope, Purpose::Plain);
            let shown = text.to_string();
            // What the lab's author wrote at the beginning is meant.
            let is_value = word.get_ref().starts_with("{{") && shown.starts_with('-');
            let is_given = word.get_ref().starts_with("{%") && self.values.begins_as_an_option(&shown);
            if self.judges && may_be_option && (is_value || is_given) {
                let message =
                    "this argument begins with a value that begins with `-`, and would be taken for an option";
                let fault = self
                    .faults
                    .fault(word.span(), message)
                    .label(format!("here: `{shown}`"));
                let hint = "give another value, or put `\"--\"` before it, where the program takes that for the end of its options";
                self.faults.push(fault.hint(hint));
            }
            may_be_option &= shown != "--";
            rendered.push(text);
        }
        self.refuse_values_in_code(words, &rendered);
        rendered
    }

    /// Refuses a value in the code that a list like `["sh", "-c", "code"]` gives to a shell: nothing quotes it there.
    fn refuse_values_in_code(&mut self, words: &[Template], rendered: &[Text]) {
        let mut has_shell = false;
        let mut awaits_code = false;
        for (word, text) in words.iter().zip(rendered) {
            let shown = text.to_string();
            let is_option = shown.starts_with('-');
            if awaits_code && !is_option {
                awaits_code = false;
                if self.judges && has_values(word.get_ref()) {
                    let fault = self
                        .faults
                        .fault(
                            word.span(),
                            "a value stands in code for a shell, and nothing quotes it here",
                        )
                        .hint("use `shell`, which quotes values, or give it behind the code as `\"$1\"`");
                    self.faults.push(fault);
                }
            }
            awaits_code |= has_shell && is_code_option(&shown);
            has_shell |= is_shell(&shown);
        }
    }

    fn argv(&mut self, words: &[Template], scope: &Scope) -> Vec<Text> {
        let argv = self.arguments(words, scope);
        if let (Some(program), Some(word)) = (argv.first(), words.first())
            && program.to_string().trim().is_empty()
            && self.judges
        {
            self.faults.push(
                self.faults
                    .fault(word.span(), "a command needs a program, and this is empty"),
            );
        }
        argv
    }

    /// Renders the path of a directory that a step makes and cleanup takes away; refuses one that is not a lab's to make.
    pub(super) fn own_directory(&mut self, template: &Template, scope: &Scope, node: &NodeName) -> Text {
        let path = self.path(template, scope, node);
        if !self.judges || path.holes().next().is_some() {
            // What is captured later is judged before anything is made there.
            return path;
        }
        let text = path.to_string();
        let home = self.values.home(node);
        let is_foreign = text.contains("//") || is_in_a_home(&text) && !is_below(&text, home);
        if text.starts_with('/') && (text == home || is_foreign || !may_be_made(&text)) {
            let fault = self
                .faults
                .fault(
                    template.span(),
                    format!("`{text}` is no directory that a lab may make and remove"),
                )
                .hint("name one of the lab's own, such as `~/NAME`, without `/` at its end");
            self.faults.push(fault);
        }
        path
    }

    /// Renders the path of a file that a step makes and cleanup takes away; refuses one with detours.
    fn own_file(&mut self, template: &Template, scope: &Scope, node: &NodeName) -> Text {
        let path = self.path(template, scope, node);
        let text = path.to_string();
        let has_detours = text.split('/').any(|part| matches!(part, "." | ".."));
        if self.judges && (has_detours || text.ends_with('/')) {
            let fault = self
                .faults
                .fault(template.span(), format!("`{text}` is no plain path of a file"));
            self.faults
                .push(fault.hint("write it without `.`, `..` and `/` at its end"));
        }
        path
    }

    fn write(&mut self, file: &WrittenFile, scene: &Scene<'_>) -> (Action, Vec<UndoText>) {
        let path = match &file.content {
            WrittenContent::Tree { .. } => self.own_directory(&file.path, &scene.before, scene.node),
            _ => self.own_file(&file.path, &scene.before, scene.node),
        };
        let mut undo = Vec::new();
        let files = match &file.content {
            WrittenContent::Inline(text) => {
                let content = self.text(text, &scene.before, Purpose::Private);
                vec![(path, content)]
            }
            WrittenContent::Template { name, with } => {
                let given = with.iter().map(|(key, text)| {
                    let value = self.value(text, &scene.before);
                    (key.get_ref().clone(), Json::from(value))
                });
                let scope = scene.before.with(given.collect());
                vec![(path, self.template_file(name, name.get_ref(), true, &scope))]
            }
            WrittenContent::Tree { folder, render } => {
                undo.push(UndoText::Directory(path.clone()));
                self.tree(folder, render, &path, &scene.before)
            }
        };
        let files: Vec<FileText> = files
            .into_iter()
            .map(|(path, content)| FileText {
                path,
                content,
                mode: file.mode,
            })
            .collect();
        undo.extend(files.iter().map(|file| UndoText::File(file.path.clone())));
        (Action::Write { files }, undo)
    }

    /// Reads the file `path` beside the lab file, which is named at `entry`, and renders it where `is_template`.
    fn template_file(&mut self, entry: &Spanned<String>, path: &str, is_template: bool, scope: &Scope) -> Text {
        match self.definition.source.file(path) {
            Ok(source) if is_template => {
                let located = Located {
                    text: &source.text,
                    source: &source,
                    token: None,
                };
                self.render(located, scope, Purpose::Private)
            }
            Ok(source) => Text::literal(source.text.clone()),
            Err(reason) => {
                let fault = self.faults.fault(entry.span(), format!("`{path}` cannot be read"));
                self.faults.push(fault.label(reason));
                Text::default()
            }
        }
    }

    fn tree(
        &mut self,
        folder: &Spanned<String>,
        render: &[Spanned<String>],
        root: &Text,
        scope: &Scope,
    ) -> Vec<(Text, Text)> {
        let paths = match self.definition.source.tree(folder.get_ref()) {
            Ok(paths) => paths,
            Err(reason) => {
                let fault = self
                    .faults
                    .fault(folder.span(), format!("`{}` cannot be read", folder.get_ref()));
                self.faults.push(fault.label(reason));
                return Vec::new();
            }
        };
        for name in render.iter().filter(|name| !paths.contains(name.get_ref())) {
            let mut fault = self.faults.fault(
                name.span(),
                format!("`{}` is not in `{}`", name.get_ref(), folder.get_ref()),
            );
            fault.hint = suggest::hint(name.get_ref(), paths.iter().map(String::as_str));
            self.faults.push(fault);
        }
        let folder_name = folder.get_ref().trim_end_matches('/');
        let mut files = Vec::new();
        for path in &paths {
            let is_template = render.iter().any(|name| name.get_ref() == path);
            let content = self.template_file(folder, &format!("{folder_name}/{path}"), is_template, scope);
            files.push((below(root, path), content));
        }
        files
    }

    /// Renders an undo, which must be known before the step's action starts; `None` where it names nothing.
    pub(super) fn undo(&mut self, undo: &WrittenUndo, scene: &Scene<'_>) -> Option<UndoText> {
        let (scope, node): (&Scope, &NodeName) = (&scene.before, scene.node);
        Some(match &undo.kind {
            WrittenUndoKind::Directory(path) => UndoText::Directory(self.own_directory(path, scope, node)),
            WrittenUndoKind::File(path) => UndoText::File(self.own_file(path, scope, node)),
            WrittenUndoKind::Project(text) => UndoText::Project(self.text(text, scope, Purpose::Plain)),
            WrittenUndoKind::Container(text) => UndoText::Container(self.text(text, scope, Purpose::Plain)),
            WrittenUndoKind::Images(texts) => {
                let texts = texts.iter().map(|text| self.text(text, scope, Purpose::Plain));
                let named: Vec<Text> = texts.filter(|text| !text.to_string().is_empty()).collect();
                if named.is_empty() {
                    return None;
                }
                UndoText::Images(named)
            }
            WrittenUndoKind::Run { command, as_root } => UndoText::Run {
                command: self.argv(command, scope),
                as_root: *as_root,
            },
        })
    }
}
