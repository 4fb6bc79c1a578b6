//! Renders templates strictly, leaving named holes for what only a run can know.
//!
//! A captured value or a secret is rendered as a mark that no text contains otherwise, and the marks become
//! [`Hole`]s. So their values are never here.

use super::go_template::explained;
use super::marks::{begins_with_dash, capture_mark, is_mark, parts_of, secret_mark, without_value_marks};
use super::position::Located;
use super::references::{Reference, Scan, scan};
use super::shell_values::{Wrong, is_whole, places_of_expressions, wrong_value};
use super::suggest;
use super::template_engine::{BoundedText, LONGEST, Rounds, engine};
use super::template_limits::{Counted, counted};
use crate::domain::{Diagnostic, Text, ValuePlace};
use serde_json::{Map, Value as Json};
use std::collections::BTreeMap;
use std::ops::Range;
use tera::{Context, ErrorKind, Tera};

/// What a rendered text is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// An argument, a path, a text to compare with: captured values may stand in it.
    Plain,
    /// A text for a shell: values are quoted, captured values may stand in it.
    Shell,
    /// An environment variable, standard input, a file: secrets may stand in it, too.
    Private,
    /// A text that must be known before the run.
    Early,
}

/// Whether a captured value is there yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Capturing {
    /// A step that is done before captures it.
    Done {
        /// Whether it must never be shown.
        secret: bool,
    },
    /// Only this step captures it, and it does not come before.
    Later {
        /// The step's id.
        step: String,
    },
}

/// Everything a template may refer to.
#[derive(Debug)]
pub(super) struct Scope {
    values: Map<String, Json>,
    captures: BTreeMap<String, Capturing>,
    secrets: BTreeMap<String, bool>,
    context: Context,
}

impl Scope {
    /// Makes a scope of plain `values`, of values that are captured, and of `secrets`, each with whether anything
    /// says where it comes from.
    pub(super) fn new(
        values: Map<String, Json>,
        captures: BTreeMap<String, Capturing>,
        secrets: BTreeMap<String, bool>,
    ) -> Self {
        let mut context = Context::new();
        for (name, value) in &values {
            context.insert(name.clone(), value);
        }
        let marked = |name: &String, mark: String| (name.clone(), Json::from(mark));
        let of_captures = captures.keys().map(|name| marked(name, capture_mark(name)));
        let of_secrets = secrets.keys().map(|name| marked(name, secret_mark(name)));
        context.insert("capture", &of_captures.collect::<Map<String, Json>>());
        context.insert("secret", &of_secrets.collect::<Map<String, Json>>());
        Self {
            values,
            captures,
            secrets,
            context,
        }
    }

    /// Says whether the captured value `name` must never be shown; `None` where it is not known.
    pub(super) fn is_secret_capture(&self, name: &str) -> Option<bool> {
        let capturing = self.captures.get(name)?;
        Some(matches!(capturing, Capturing::Done { secret: true }))
    }

    /// Says whether there is a secret `name`.
    pub(super) fn has_secret(&self, name: &str) -> bool {
        self.secrets.contains_key(name)
    }

    /// Returns the same with the values `given`, which templates call `with.NAME`.
    pub(super) fn with(&self, given: Map<String, Json>) -> Self {
        let mut values = self.values.clone();
        values.insert("with".to_owned(), Json::Object(given));
        Self::new(values, self.captures.clone(), self.secrets.clone())
    }
}

/// The template engine.
pub(super) struct Renderer {
    tera: Tera,
    rounds: Rounds,
}

impl Renderer {
    /// Sets the engine up.
    pub(super) fn new() -> Self {
        let rounds = Rounds::default();
        Self {
            tera: engine(&rounds),
            rounds,
        }
    }

    /// Renders `template` for `purpose`; gives all its faults instead where it has any.
    pub(super) fn render(
        &self,
        template: Located<'_>,
        scope: &Scope,
        purpose: Purpose,
    ) -> Result<Text, Vec<Diagnostic>> {
        if template.text.contains(is_mark) {
            let message = "this text has characters that labctl uses itself";
            return Err(vec![fault(template, 0..template.text.len(), message)]);
        }
        if !["{{", "{%", "{#"].iter().any(|opening| template.text.contains(opening)) {
            return Ok(Text::literal(template.text));
        }
        let counted = counted(template.text).map_err(|found| {
            let mut fault = fault(template, found.range, found.message);
            fault.hint = found.hint.map(str::to_owned);
            vec![fault]
        })?;
        let rendered = self.rendered(&counted.text, scope, purpose);
        if let Err(Some(error)) = &rendered
            && let ErrorKind::SyntaxError(report) = error.kind()
        {
            let message = format!("this template cannot be read: {}", lowercase(report.message()));
            let faults = vec![fault(template, counted.original(&report.span().range), message)];
            return Err(explained(template.text, faults));
        }
        let faults = judge(template, scope, purpose);
        if !faults.is_empty() {
            return Err(explained(template.text, faults));
        }
        let rendered = rendered.map_err(|error| vec![rendering_fault(template, &counted, error.as_ref())])?;
        if purpose == Purpose::Shell
            && let Some(wrong) = wrong_value(&rendered)
        {
            return Err(vec![self.wrong_value_fault(template, scope, wrong)]);
        }
        let text = is_whole(&rendered).then(|| parts_of(&without_value_marks(&rendered), scope));
        text.flatten().ok_or_else(|| {
            let message = "a value that only the run knows cannot be changed by a template";
            vec![fault(template, 0..template.text.len(), message)]
        })
    }

    /// Renders the text `template`; the error is `None` where what comes out is too much.
    fn rendered(&self, template: &str, scope: &Scope, purpose: Purpose) -> Result<String, Option<tera::Error>> {
        self.rounds.restart();
        let mut output = BoundedText::default();
        let is_shell = purpose == Purpose::Shell;
        match self.tera.render_str_to(template, &scope.context, is_shell, &mut output) {
            Err(_) if output.is_full => Err(None),
            Err(error) => Err(Some(error)),
            Ok(()) => output.into_text().ok_or(None),
        }
    }

    /// Tells of a value in a shell text that is `wrong` where it stands, at its place as far as that can be seen.
    fn wrong_value_fault(&self, template: Located<'_>, scope: &Scope, wrong: Wrong) -> Diagnostic {
        let expressions = places_of_expressions(template.text, &scan(template.text).segments);
        let begins_so = |range: &Range<usize>| {
            let value = template.text.get(range.clone());
            let value = value.and_then(|value| self.rendered(value, scope, Purpose::Shell).ok());
            value.is_some_and(|value| begins_with_dash(&without_value_marks(&value)) == Some(true))
        };
        let found = expressions
            .into_iter()
            .find(|(range, place)| *place == ValuePlace::Argument && begins_so(range));
        let place = match found {
            Some((range, _)) if wrong == Wrong::Option => range,
            _ => 0..template.text.len(),
        };
        wrong_fault(template, place, wrong)
    }
}

fn wrong_fault(template: Located<'_>, place: Range<usize>, wrong: Wrong) -> Diagnostic {
    let told = wrong.told();
    fault(template, place, told.message).label(told.label).hint(told.hint)
}

fn fault(template: Located<'_>, range: Range<usize>, message: impl Into<String>) -> Diagnostic {
    Diagnostic::new(message).at(template.source, template.place(range))
}

fn lowercase(message: &str) -> String {
    let mut characters = message.trim().trim_end_matches('.').chars();
    let first = characters.next().map(|c| c.to_ascii_lowercase());
    first.into_iter().chain(characters).collect()
}

fn rendering_fault(template: Located<'_>, counted: &Counted, error: Option<&tera::Error>) -> Diagnostic {
    let Some(error) = error else {
        let message = format!("this text becomes larger than {} MB", LONGEST / 1024 / 1024);
        return fault(template, 0..template.text.len(), message);
    };
    if let ErrorKind::RenderingError(report) = error.kind() {
        let message = lowercase(report.message().lines().next().unwrap_or_default());
        return fault(
            template,
            counted.original(&report.span().range),
            format!("this cannot be rendered: {message}"),
        );
    }
    // An unknown filter, test or function comes as a report for people; its first line names it.
    let report = error.to_string();
    let first = report.lines().next().unwrap_or_default().trim_start_matches("error: ");
    let name = first.split('`').nth(1).unwrap_or_default();
    let range = match template.text.find(name) {
        Some(at) if !name.is_empty() => at..at + name.len(),
        _ => 0..template.text.len(),
    };
    let fault = fault(
        template,
        range,
        format!("this cannot be rendered: {}", lowercase(first)),
    );
    if first.starts_with("Unknown filter") {
        return fault.hint("the filters are those of tera 2, and `quote`");
    }
    fault
}

fn judge(template: Located<'_>, scope: &Scope, purpose: Purpose) -> Vec<Diagnostic> {
    let Scan {
        segments, references, ..
    } = scan(template.text);
    let mut faults: Vec<Diagnostic> = references
        .iter()
        .filter_map(|reference| judge_reference(template, reference, scope, purpose))
        .collect();
    if purpose == Purpose::Shell {
        for (range, place) in places_of_expressions(template.text, &segments) {
            if let ValuePlace::Misread(why) = place {
                faults.push(wrong_fault(template, range, Wrong::Misread(why)));
            }
        }
    }
    faults
}

fn judge_reference(
    template: Located<'_>,
    reference: &Reference,
    scope: &Scope,
    purpose: Purpose,
) -> Option<Diagnostic> {
    match reference.path[0].0.as_str() {
        "capture" => judge_capture(template, reference, scope, purpose),
        "secret" => judge_secret(template, reference, scope, purpose),
        _ => judge_value(template, reference, &scope.values),
    }
}

/// Finds the first name of `reference` that `values` lacks.
fn judge_value(template: Located<'_>, reference: &Reference, values: &Map<String, Json>) -> Option<Diagnostic> {
    let mut level = values;
    for (depth, (name, place)) in reference.path.iter().enumerate() {
        match level.get(name) {
            Some(Json::Object(next)) => level = next,
            Some(_) => return None,
            None => {
                let mut fault = fault(
                    template,
                    place.clone(),
                    format!("`{}` is not defined", dotted(reference, depth)),
                );
                let roots = ["capture".to_owned(), "secret".to_owned()];
                let more = if depth == 0 { &roots[..] } else { &[] };
                let known = level.keys().chain(more).map(String::as_str);
                fault.hint = suggest::hint(name, known);
                fault.label = Some("nothing has this name".to_owned());
                return Some(fault);
            }
        }
    }
    None
}

fn dotted(reference: &Reference, depth: usize) -> String {
    let names: Vec<&str> = reference.path[..=depth].iter().map(|(name, _)| name.as_str()).collect();
    names.join(".")
}

fn place_of(reference: &Reference) -> Range<usize> {
    let start = reference.path[0].1.start;
    let end = reference.path.last().map_or(start, |(_, place)| place.end);
    start..end
}

fn judge_capture(template: Located<'_>, reference: &Reference, scope: &Scope, purpose: Purpose) -> Option<Diagnostic> {
    let (name, place) = reference.path.get(1)?;
    match scope.captures.get(name) {
        None => {
            let mut fault = fault(template, place.clone(), format!("no step captures `{name}`"));
            fault.hint = suggest::hint(name, scope.captures.keys().map(String::as_str));
            Some(fault)
        }
        Some(Capturing::Later { step }) => {
            let message = format!("`{name}` is not known here yet");
            let hint = format!("the step `{step}` captures it: wait for that step with `after`, or need its task");
            Some(fault(template, place.clone(), message).hint(hint))
        }
        Some(Capturing::Done { secret }) => judge_late(template, reference, *secret, purpose),
    }
}

fn judge_secret(template: Located<'_>, reference: &Reference, scope: &Scope, purpose: Purpose) -> Option<Diagnostic> {
    let (name, place) = reference.path.get(1)?;
    match scope.secrets.get(name) {
        None => {
            let mut fault = fault(template, place.clone(), format!("the lab declares no secret `{name}`"));
            fault.hint = suggest::hint(name, scope.secrets.keys().map(String::as_str))
                .or_else(|| Some(format!("declare it: `[secrets]` and `{name} = {{ help = \"...\" }}`")));
            Some(fault)
        }
        Some(false) => {
            let message = format!("the inventory does not say where the secret `{name}` comes from");
            let hint = format!("add to the inventory: `[secrets]` and `{name} = {{ env = \"...\" }}`");
            Some(fault(template, place.clone(), message).hint(hint))
        }
        Some(true) => judge_late(template, reference, true, purpose),
    }
}

/// Judges the use of a value that only the run knows.
fn judge_late(template: Located<'_>, reference: &Reference, secret: bool, purpose: Purpose) -> Option<Diagnostic> {
    let name = dotted(reference, reference.path.len() - 1);
    let fault = |message: String| Some(fault(template, place_of(reference), message));
    if purpose == Purpose::Early {
        return fault(format!(
            "`{name}` is only known during the run, and this text must be known before"
        ));
    }
    if secret && purpose != Purpose::Private {
        let found = fault(format!("the secret `{name}` would be seen here"));
        return found.map(|found| {
            found
                .label("command lines and logs show this text")
                .hint("hand it over in `env` or `stdin`, or write it to a file")
        });
    }
    if reference.in_tag {
        return fault(format!(
            "`{name}` is only known during the run, and nothing can be decided by it before"
        ));
    }
    if !secret && purpose == Purpose::Shell && reference.filter.as_deref() == Some("safe") {
        return Some(wrong_fault(template, place_of(reference), Wrong::Bare));
    }
    let changed = reference
        .filter
        .as_deref()
        .filter(|filter| !["quote", "safe"].contains(filter));
    changed.and_then(|filter| {
        fault(format!(
            "`{name}` is only known during the run, and cannot go through `{filter}`"
        ))
    })
}
