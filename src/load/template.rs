//! Renders templates strictly, leaving named holes for what only a run can know.
//!
//! A captured value or a secret is rendered as a mark that no text contains otherwise, and the marks become
//! [`Hole`]s. So their values are never here.

use super::go_template::explained;
use super::position::Located;
use super::references::{Reference, Scan, scan};
use super::shell_text::quoted_expressions;
use super::suggest;
use crate::domain::{Diagnostic, Hole, Part, Text, shell_quoted};
use serde_json::{Map, Value as Json};
use std::collections::BTreeMap;
use std::io::Write;
use std::ops::Range;
use tera::{Context, ErrorKind, Kwargs, State, StringInput, Tera, Value};

/// Opens and closes a mark: private characters, which no text of a lab has a use for.
const OPEN: char = '\u{10fff0}';
const CLOSE: char = '\u{10fff1}';

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
        let marks = |kind: &str, names: Vec<&String>| -> Map<String, Json> {
            let mark = |name: &String| format!("{OPEN}{kind}{name}{CLOSE}");
            names
                .into_iter()
                .map(|name| (name.clone(), Json::from(mark(name))))
                .collect()
        };
        context.insert("capture", &marks("c", captures.keys().collect()));
        context.insert("secret", &marks("s", secrets.keys().collect()));
        Self {
            values,
            captures,
            secrets,
            context,
        }
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
}

impl Renderer {
    /// Sets the engine up: `quote` is a filter, and in shell texts values are quoted without it.
    pub(super) fn new() -> Self {
        let mut tera = Tera::new();
        tera.set_escape_fn(write_quoted);
        tera.register_filter("quote", |text: StringInput<'_>, _: Kwargs, _: &State<'_>| {
            Value::safe_string(&quoted(text.as_str()))
        });
        Self { tera }
    }

    /// Renders `template` for `purpose`; gives all its faults instead where it has any.
    pub(super) fn render(
        &self,
        template: Located<'_>,
        scope: &Scope,
        purpose: Purpose,
    ) -> Result<Text, Vec<Diagnostic>> {
        if template.text.contains([OPEN, CLOSE]) {
            let message = "this text has characters that labctl uses itself";
            return Err(vec![fault(template, 0..template.text.len(), message)]);
        }
        if !["{{", "{%", "{#"].iter().any(|opening| template.text.contains(opening)) {
            return Ok(Text::literal(template.text));
        }
        let rendered = self
            .tera
            .render_str(template.text, &scope.context, purpose == Purpose::Shell);
        if let Err(error) = &rendered
            && let ErrorKind::SyntaxError(report) = error.kind()
        {
            let message = format!("this template cannot be read: {}", lowercase(report.message()));
            let faults = vec![fault(template, report.span().range.clone(), message)];
            return Err(explained(template.text, faults));
        }
        let faults = judge(template, scope, purpose);
        if !faults.is_empty() {
            return Err(explained(template.text, faults));
        }
        let rendered = rendered.map_err(|error| vec![rendering_fault(template, &error)])?;
        parts_of(&rendered, scope).ok_or_else(|| {
            let message = "a value that only the run knows cannot be changed by a template";
            vec![fault(template, 0..template.text.len(), message)]
        })
    }
}

fn fault(template: Located<'_>, range: Range<usize>, message: impl Into<String>) -> Diagnostic {
    Diagnostic::new(message).at(template.source, template.place(range))
}

fn lowercase(message: &str) -> String {
    let mut characters = message.trim().trim_end_matches('.').chars();
    let first = characters.next().map(|c| c.to_ascii_lowercase());
    first.into_iter().chain(characters).collect()
}

fn rendering_fault(template: Located<'_>, error: &tera::Error) -> Diagnostic {
    if let ErrorKind::RenderingError(report) = error.kind() {
        let message = lowercase(report.message().lines().next().unwrap_or_default());
        return fault(
            template,
            report.span().range.clone(),
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
    let Scan { segments, references } = scan(template.text);
    let mut faults: Vec<Diagnostic> = references
        .iter()
        .filter_map(|reference| judge_reference(template, reference, scope, purpose))
        .collect();
    if purpose == Purpose::Shell {
        for range in quoted_expressions(template.text, &segments) {
            let fault = fault(template, range, "this value stands inside quotes")
                .label("it is quoted already, and these quotes would take that off")
                .hint("take it out of the quotes, or write `| safe` where it holds shell code on purpose");
            faults.push(fault);
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

/// Writes `value` quoted for a shell; called for every value in a shell text.
fn write_quoted(value: &str, output: &mut dyn Write) -> std::io::Result<()> {
    output.write_all(quoted(value).as_bytes())
}

/// Quotes `value` for a shell. Marks become marks of values that are quoted when they are filled in, which works
/// because a shell joins quoted pieces that touch.
fn quoted(value: &str) -> String {
    if !value.contains(OPEN) {
        return shell_quoted(value);
    }
    let mut result = String::new();
    for (is_mark, piece) in pieces(value) {
        if is_mark {
            result.extend([OPEN, 'q']);
            result.push_str(piece);
            result.push(CLOSE);
        } else if !piece.is_empty() {
            result.push_str(&shell_quoted(piece));
        }
    }
    result
}

/// Splits `text` into plain pieces and what stands inside marks.
fn pieces(text: &str) -> Vec<(bool, &str)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(OPEN) {
        found.push((false, before));
        let (mark, after) = after.split_once(CLOSE).unwrap_or((after, ""));
        found.push((true, mark));
        rest = after;
    }
    found.push((false, rest));
    found
}

/// Makes a text of `rendered`; `None` where a mark is damaged.
fn parts_of(rendered: &str, scope: &Scope) -> Option<Text> {
    if !rendered.contains([OPEN, CLOSE]) {
        return Some(Text::literal(rendered));
    }
    let mut parts = Vec::new();
    for (is_mark, piece) in pieces(rendered) {
        if is_mark {
            parts.push(Part::Hole(hole_of(piece, scope)?));
        } else if piece.contains(CLOSE) {
            return None;
        } else if !piece.is_empty() {
            parts.push(Part::Literal(piece.to_owned()));
        }
    }
    Some(Text::new(parts))
}

fn hole_of(mark: &str, scope: &Scope) -> Option<Hole> {
    let (quoted, mark) = match mark.strip_prefix('q') {
        Some(mark) => (true, mark),
        None => (false, mark),
    };
    let (name, secret) = match (mark.strip_prefix('c'), mark.strip_prefix('s')) {
        (Some(name), _) => (
            name,
            matches!(scope.captures.get(name)?, Capturing::Done { secret: true }),
        ),
        (_, Some(name)) => scope.secrets.get(name).map(|_| (name, true))?,
        _ => return None,
    };
    Some(Hole {
        name: name.to_owned(),
        secret,
        quoted,
    })
}
