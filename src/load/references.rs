//! Reads which values a template refers to, in every branch of it. Rendering stops at the first undefined value and
//! never sees the branch that is not taken; this sees all of them.

use std::collections::BTreeSet;
use std::ops::Range;

/// A piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Segment {
    /// Text as it is.
    Literal(Range<usize>),
    /// `{{ ... }}`.
    Expression {
        /// With its braces.
        range: Range<usize>,
        /// Whether it ends in the filter `safe`, so that its value is not quoted.
        is_safe: bool,
    },
}

/// A value that a template refers to, such as `node.private_ip`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reference {
    /// Its names, each with its place.
    pub(super) path: Vec<(String, Range<usize>)>,
    /// Whether it stands in a tag, such as the condition of an `if`.
    pub(super) in_tag: bool,
    /// The filter it goes through first.
    pub(super) filter: Option<String>,
}

/// What was read from a template.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Scan {
    /// Its pieces in order; tags and comments are left out.
    pub(super) segments: Vec<Segment>,
    /// The values it refers to that it does not make itself.
    pub(super) references: Vec<Reference>,
    /// What stands in `{{ }}` and `{% %}`, in order.
    pub(super) tags: Vec<Tag>,
}

/// What stands in one `{{ }}` or `{% %}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tag {
    /// With its braces.
    pub(super) range: Range<usize>,
    /// What kind of tag it is, such as `if`; `None` for an expression.
    pub(super) name: Option<String>,
    /// How many words and signs it has.
    pub(super) length: usize,
    /// How many filters it has.
    pub(super) filters: usize,
    /// Whether a list or a map in it holds more than texts and numbers.
    pub(super) lists_values: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Name(String),
    Text,
    Sign(char),
}

const LITERALS: &[&str] = &["true", "false", "none", "null", "True", "False", "None"];

const WORDS: &[&str] = &[
    "true", "false", "none", "null", "True", "False", "None", "and", "or", "not", "in", "is", "if", "else", "loop",
];

/// Reads `template`, which the template engine has accepted.
pub(super) fn scan(template: &str) -> Scan {
    let mut scan = Scan::default();
    let mut locals = BTreeSet::new();
    let mut position = 0;
    while let Some(start) = next_opening(template, position) {
        push_literal(&mut scan, position..start);
        let kind = template.as_bytes()[start + 1];
        let closing = match kind {
            b'{' => "}}",
            b'%' => "%}",
            _ => "#}",
        };
        // A comment is opaque; elsewhere a closing brace inside a string closes nothing.
        let inside_end = if kind == b'#' {
            template[start..].find(closing).map(|at| start + at)
        } else {
            closing_position(template, start + 2, closing)
        };
        let end = inside_end.map_or(template.len(), |at| at + 2);
        let inside = start + 2..inside_end.unwrap_or(template.len());
        let tokens = if kind == b'#' {
            Vec::new()
        } else {
            tokens(template, inside)
        };
        position = end;
        if kind == b'{' {
            scan.tags.push(tag(start..end, None, &tokens));
            let is_safe = ends_in_safe(&tokens);
            scan.segments.push(Segment::Expression {
                range: start..end,
                is_safe,
            });
            collect(&tokens, false, &mut scan.references);
        } else if is_name(without_dash(&tokens).first(), "raw") {
            let (content, after) = raw_block(template, end);
            push_literal(&mut scan, content);
            position = after;
        } else if kind == b'%' {
            let name = match without_dash(&tokens).first() {
                Some((Token::Name(name), _)) => name.clone(),
                _ => String::new(),
            };
            scan.tags.push(tag(start..end, Some(name), &tokens));
            read_tag(&tokens, &mut locals, &mut scan.references);
        }
    }
    push_literal(&mut scan, position..template.len());
    scan.references
        .retain(|reference| !locals.contains(&reference.path[0].0));
    scan
}

fn tag(range: Range<usize>, name: Option<String>, tokens: &[Placed]) -> Tag {
    let filters = tokens.iter().filter(|token| is_sign(Some(token), '|')).count();
    Tag {
        range,
        name,
        length: tokens.len(),
        filters,
        lists_values: lists_values(tokens),
    }
}

/// Says whether a list or a map that is written in `tokens` holds more than texts and numbers.
fn lists_values(tokens: &[Placed]) -> bool {
    // For each bracket that is open, whether it holds a list or a map.
    let mut open: Vec<bool> = Vec::new();
    let mut before: Option<&Token> = None;
    for (token, _) in tokens {
        match token {
            Token::Sign('{') => open.push(true),
            Token::Sign('[') => {
                let is_index = matches!(
                    before,
                    Some(Token::Name(_) | Token::Text | Token::Sign(']' | ')' | '}'))
                );
                open.push(!is_index);
            }
            Token::Sign('(') => open.push(false),
            Token::Sign('}' | ']' | ')') => {
                open.pop();
            }
            Token::Name(name) if open.contains(&true) && !LITERALS.contains(&name.as_str()) => return true,
            _ => {}
        }
        before = Some(token);
    }
    false
}

fn push_literal(scan: &mut Scan, range: Range<usize>) {
    if !range.is_empty() {
        scan.segments.push(Segment::Literal(range));
    }
}

fn next_opening(template: &str, from: usize) -> Option<usize> {
    let bytes = template.as_bytes();
    (from..bytes.len().saturating_sub(1)).find(|at| bytes[*at] == b'{' && matches!(bytes[at + 1], b'{' | b'%' | b'#'))
}

/// Returns where the tag that starts before `from` is closed, minding strings.
fn closing_position(template: &str, from: usize, closing: &str) -> Option<usize> {
    let mut quote = None;
    let mut is_escaped = false;
    for (offset, character) in template[from..].char_indices() {
        match quote {
            Some(_) if is_escaped => is_escaped = false,
            Some(_) if character == '\\' => is_escaped = true,
            Some(open) if character == open => quote = None,
            Some(_) => {}
            None if matches!(character, '"' | '\'' | '`') => quote = Some(character),
            None if template[from + offset..].starts_with(closing) => return Some(from + offset),
            None => {}
        }
    }
    None
}

fn raw_block(template: &str, from: usize) -> (Range<usize>, usize) {
    let mut position = from;
    while let Some(at) = template[position..].find("{%") {
        let start = position + at;
        let end = template[start..].find("%}").map_or(template.len(), |at| start + at + 2);
        let word = template[start + 2..end].trim_start_matches(['-', ' ']);
        if word.starts_with("endraw") {
            return (from..start, end);
        }
        position = start + 2;
    }
    (from..template.len(), template.len())
}

fn tokens(template: &str, range: Range<usize>) -> Vec<(Token, Range<usize>)> {
    let mut tokens = Vec::new();
    let mut position = range.start;
    while position < range.end {
        let rest = &template[position..range.end];
        let Some(first) = rest.chars().next() else { break };
        let length = match first {
            '"' | '\'' | '`' => text_length(rest, first),
            c if c.is_alphanumeric() || c == '_' => rest
                .find(|c: char| !(c.is_alphanumeric() || c == '_'))
                .unwrap_or(rest.len()),
            c => c.len_utf8(),
        };
        let place = position..position + length;
        match first {
            '"' | '\'' | '`' => tokens.push((Token::Text, place)),
            c if c.is_alphabetic() || c == '_' => tokens.push((Token::Name(rest[..length].to_owned()), place)),
            c if c.is_numeric() => tokens.push((Token::Text, place)),
            c if c.is_whitespace() => {}
            c => tokens.push((Token::Sign(c), place)),
        }
        position += length;
    }
    tokens
}

/// Returns how long the text is that `rest` begins with, which stands in `quote`s.
fn text_length(rest: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (at, character) in rest.char_indices().skip(1) {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            character if character == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

type Placed = (Token, Range<usize>);

/// Returns `tokens` without the `-` at their start, which trims the blanks before a tag.
fn without_dash(tokens: &[Placed]) -> &[Placed] {
    match tokens.first() {
        Some((Token::Sign('-'), _)) => &tokens[1..],
        _ => tokens,
    }
}

fn is_sign(token: Option<&Placed>, sign: char) -> bool {
    matches!(token, Some((Token::Sign(found), _)) if *found == sign)
}

fn is_name(token: Option<&Placed>, name: &str) -> bool {
    matches!(token, Some((Token::Name(found), _)) if found == name)
}

fn ends_in_safe(tokens: &[Placed]) -> bool {
    let tokens = match tokens.last() {
        Some((Token::Sign('-'), _)) => &tokens[..tokens.len() - 1],
        _ => tokens,
    };
    matches!(tokens, [.., bar, name] if is_sign(Some(bar), '|') && is_name(Some(name), "safe"))
}

fn read_tag(tokens: &[Placed], locals: &mut BTreeSet<String>, references: &mut Vec<Reference>) {
    let tokens = without_dash(tokens);
    let Some(((Token::Name(tag), _), rest)) = tokens.split_first() else {
        return;
    };
    match tag.as_str() {
        "set" | "set_global" => {
            if let Some((Token::Name(name), _)) = rest.first() {
                locals.insert(name.clone());
            }
            collect(rest.get(1..).unwrap_or_default(), true, references);
        }
        "for" => {
            let position = rest.iter().position(|token| is_name(Some(token), "in")).unwrap_or(0);
            for (token, _) in &rest[..position] {
                if let Token::Name(name) = token {
                    locals.insert(name.clone());
                }
            }
            collect(rest.get(position + 1..).unwrap_or_default(), true, references);
        }
        "if" | "elif" | "include" => collect(rest, true, references),
        "filter" => collect(rest.get(1..).unwrap_or_default(), true, references),
        _ => {}
    }
}

fn collect(tokens: &[Placed], in_tag: bool, references: &mut Vec<Reference>) {
    let mut index = 0;
    while index < tokens.len() {
        let length = path_length(&tokens[index..]);
        if length > 0 && is_value(tokens, index, length) {
            let path = tokens[index..index + length]
                .iter()
                .filter_map(|(token, place)| match token {
                    Token::Name(name) => Some((name.clone(), place.clone())),
                    _ => None,
                });
            references.push(Reference {
                path: path.collect(),
                in_tag,
                filter: filter_after(&tokens[index + length..]),
            });
        }
        index += length.max(1);
    }
}

fn filter_after(tokens: &[Placed]) -> Option<String> {
    match tokens {
        [bar, (Token::Name(name), _), ..] if is_sign(Some(bar), '|') => Some(name.clone()),
        _ => None,
    }
}

/// Returns how many tokens at the start make up a dotted path.
fn path_length(tokens: &[Placed]) -> usize {
    if !matches!(tokens.first(), Some((Token::Name(_), _))) {
        return 0;
    }
    let mut length = 1;
    while is_sign(tokens.get(length), '.') && matches!(tokens.get(length + 1), Some((Token::Name(_), _))) {
        length += 2;
    }
    length
}

/// Says whether the path of `length` tokens at `index` names a value, and not a filter, a test, a function, an
/// argument or a word of the language.
fn is_value(tokens: &[Placed], index: usize, length: usize) -> bool {
    let Some((Token::Name(first), _)) = tokens.get(index) else {
        return false;
    };
    let before = index.checked_sub(1).and_then(|before| tokens.get(before));
    let is_test =
        is_name(before, "is") || (is_name(before, "not") && index >= 2 && is_name(tokens.get(index - 2), "is"));
    let next = tokens.get(index + length);
    let is_argument = is_sign(next, '=') && !is_sign(tokens.get(index + length + 1), '=');
    !WORDS.contains(&first.as_str())
        && !is_test
        && !is_argument
        && !is_sign(before, '|')
        && !is_sign(before, '.')
        && !is_sign(next, '(')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case("{{ a }}", &["a"])]
    #[case("{{ a.b.c | upper }} {{- d -}}", &["a.b.c", "d"])]
    #[case("{% if a and not b.c %}{{ d }}{% elif e == 'f.g' %}{{ h }}{% endif %}", &["a", "b.c", "d", "e", "h"])]
    #[case("{% for x in list %}{{ x.name }} {{ loop.index }} {{ y }}{% endfor %}", &["list", "y"])]
    #[case("{% set v = a.b %}{{ v }}", &["a.b"])]
    #[case("{% raw %}{{ not.this }}{% endraw %}{{ this }}", &["this"])]
    #[case("{# {{ not.this }} #}{{ this }}", &["this"])]
    #[case("{{ a | default(value=b.c) }} {{ range(end=n) }}", &["a", "b.c", "n"])]
    #[case("{{ a is defined }} {{ b is not string }}", &["a", "b"])]
    #[case("{{ '}}' ~ a }} {{ b[\"c\"] }} {{ 1 + n }}", &["a", "b", "n"])]
    #[case("{{ a", &["a"])]
    #[case(r#"{{ "\"}}" ~ a }}{{ b }}"#, &["a", "b"])]
    #[case("{%- raw -%}{{ \" {%- endraw -%}{{ a }}", &["a"])]
    fn every_reference_of_a_template_is_found(#[case] template: &str, #[case] expected: &[&str]) {
        let found: Vec<String> = scan(template)
            .references
            .iter()
            .map(|reference| {
                reference
                    .path
                    .iter()
                    .map(|(name, _)| name.as_str())
                    .collect::<Vec<_>>()
                    .join(".")
            })
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_reference_knows_its_place() {
        let template = "ä {{ node.home }}";
        let found = scan(template).references.remove(0);
        assert_eq!(&template[found.path[1].1.clone()], "home");
    }

    #[test]
    fn an_expression_made_safe_is_told_apart() {
        let segments = scan("{{ a | safe }}{{ a }}").segments;
        let safe: Vec<bool> = segments
            .iter()
            .map(|segment| matches!(segment, Segment::Expression { is_safe: true, .. }))
            .collect();
        assert_eq!(safe, [true, false]);
    }

    proptest! {
        #[test]
        fn any_text_is_read(template in "[{}%# a-z.\"'|=-]{0,40}") {
            scan(&template);
        }

        #[test]
        fn any_characters_are_read(template in "\\PC{0,20}\\{\\{\\PC{0,20}") {
            scan(&template);
        }
    }
}
