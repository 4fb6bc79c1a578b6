//! Recognises Go's templates, as `docker --format` takes them, where they stand in a text that is itself a template.

use crate::domain::Diagnostic;

/// The words that such an expression begins with where it does not begin with a dot.
const WORDS: [&str; 12] = [
    "json", "range", "if", "with", "else", "end", "index", "join", "len", "printf", "println", "split",
];

/// Adds to `faults`, which a template of `text` has, how an expression of Docker's is written, where there is one.
pub(super) fn explained(text: &str, mut faults: Vec<Diagnostic>) -> Vec<Diagnostic> {
    if let (Some(expression), Some(fault)) = (go_expression(text), faults.first_mut()) {
        fault.hint = Some(format!(
            "if that is a template of Docker's own, keep it as it is: {{% raw %}}{expression}{{% endraw %}}"
        ));
    }
    faults
}

/// Returns the first expression of `text` that only Go's templates have: `{{.Labels}}`, `{{json .}}`, `{{end}}`.
fn go_expression(text: &str) -> Option<&str> {
    let starts = text.match_indices("{{").map(|(start, _)| start);
    let expressions = starts.filter_map(|start| {
        let rest = text.get(start..)?;
        rest.get(..rest.find("}}")? + 2)
    });
    expressions.into_iter().find(|expression| is_go(expression))
}

fn is_go(expression: &str) -> bool {
    let inside = expression.trim_matches(['{', '}', '-', ' ']);
    let begins = |text: &str| text.starts_with(['.', '$']);
    let (word, behind) = inside.split_once(' ').unwrap_or((inside, ""));
    begins(inside) || WORDS.contains(&word) && (word == "end" || behind.split(' ').any(begins))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_of_docker_are_told_from_those_of_labs() {
        for (text, expression) in [
            ("--format {{.Labels}}", Some("{{.Labels}}")),
            ("{{ vars.a }} {{ json .Config.Env }}", Some("{{ json .Config.Env }}")),
            (
                "{{- range $k, $v := .Ports}}{{$k}}{{end}}",
                Some("{{- range $k, $v := .Ports}}"),
            ),
            ("{{end}}", Some("{{end}}")),
            ("{{index .Config.Cmd 1}}", Some("{{index .Config.Cmd 1}}")),
            ("{{ vars.name }} {{ node.home | quote }} {{ json }} {{", None),
            ("{{ index }} {{ len * 2.5 }}", None),
        ] {
            assert_eq!(go_expression(text), expression, "{text}");
        }
    }
}
