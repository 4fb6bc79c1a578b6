//! Rendered text whose only gaps are values that a run captures or secrets that are read when they are needed.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

use super::{Command, ShellPiece, ValuePlace, Values, places_of_values};

/// A named gap in a [`Text`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Hole {
    /// The captured value's or the secret's name.
    pub name: String,
    /// Whether it is a secret.
    pub secret: bool,
    /// Whether the value is quoted for a POSIX shell when it is filled in.
    pub quoted: bool,
}

/// A piece of a [`Text`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Text as it is.
    Literal(String),
    /// A value to be filled in.
    Hole(Hole),
}

/// Text that is complete but for named holes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Text {
    parts: Vec<Part>,
}

/// A hole whose value is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the value `{name}` is not known: no step has captured it in this run or in the instance")]
pub struct MissingValue {
    /// The hole's name.
    pub name: String,
}

/// A command that cannot be put together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnusableValue {
    /// A value is not known.
    #[error(transparent)]
    Missing(#[from] MissingValue),
    /// A value that a step captured would be an option of the command.
    #[error("the captured value `{name}` begins with `-`, and the command would take it for an option")]
    Option {
        /// The value's name.
        name: String,
    },
}

impl Text {
    /// Makes a text of `parts`.
    pub fn new(parts: Vec<Part>) -> Self {
        Self { parts }
    }

    /// Makes a text without holes.
    pub fn literal(text: impl Into<String>) -> Self {
        Self {
            parts: vec![Part::Literal(text.into())],
        }
    }

    /// Returns the parts in order.
    pub fn into_parts(self) -> Vec<Part> {
        self.parts
    }

    /// Returns the holes in order.
    pub fn holes(&self) -> impl Iterator<Item = &Hole> {
        self.parts.iter().filter_map(|part| match part {
            Part::Hole(hole) => Some(hole),
            Part::Literal(_) => None,
        })
    }

    /// Returns how many bytes of it are known.
    pub fn length(&self) -> usize {
        let literal = |part: &Part| match part {
            Part::Literal(text) => text.len(),
            Part::Hole(_) => 0,
        };
        self.parts.iter().map(literal).sum()
    }

    /// Returns the whole text with every hole filled from `values`. The result can hold secrets: it goes to a node,
    /// never to a log.
    pub fn fill(&self, values: &Values) -> Result<String, MissingValue> {
        let mut filled = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(text) => filled.push_str(text),
                Part::Hole(hole) => {
                    let value = values.reveal(&hole.name).ok_or_else(|| MissingValue {
                        name: hole.name.clone(),
                    })?;
                    if hole.quoted {
                        filled.push_str(&shell_quoted(value));
                    } else {
                        filled.push_str(value);
                    }
                }
            }
        }
        Ok(filled)
    }
}

/// Quotes `value` for a POSIX shell: single quotes, with every single quote stepped out of.
pub fn shell_quoted(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=@%+,".contains(c);
    if !value.is_empty() && value.chars().all(plain) {
        return value.to_owned();
    }
    format!("'{}'", value.replace('\'', r"'\''"))
}

impl fmt::Display for Text {
    /// Shows the text with each hole as `<name>`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.parts {
            match part {
                Part::Literal(text) => formatter.write_str(text)?,
                Part::Hole(hole) => write!(formatter, "<{}>", hole.name)?,
            }
        }
        Ok(())
    }
}

/// A command whose words may have holes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandText {
    /// Program and arguments.
    Argv(Vec<Text>),
    /// A text for `sh -c`.
    Shell(Text),
}

impl CommandText {
    /// Returns the command with every hole filled from `values`. The result can hold secrets: it goes to a node, never to a log.
    ///
    /// # Errors
    ///
    /// Where a value is not known, or would become an option only by what it is: a node said it.
    pub fn fill(&self, values: &Values) -> Result<Command, UnusableValue> {
        match self {
            Self::Argv(words) => Ok(Command::Argv(fill_words(words, values)?)),
            Self::Shell(text) => {
                refuse_options(text, values)?;
                Ok(Command::Shell(text.fill(values)?))
            }
        }
    }
}

/// Returns the words of a command with every hole filled from `values`.
///
/// # Errors
///
/// Where a value is not known, or would become an option only by what it is.
pub fn fill_words(words: &[Text], values: &Values) -> Result<Vec<String>, UnusableValue> {
    let mut filled = Vec::new();
    let mut options_ended = false;
    for word in words {
        let text = word.fill(values)?;
        if let (Some(Part::Hole(hole)), false) = (word.parts.first(), options_ended)
            && text.starts_with('-')
        {
            let name = hole.name.clone();
            return Err(UnusableValue::Option { name });
        }
        options_ended |= text == "--";
        filled.push(text);
    }
    Ok(filled)
}

/// Refuses a value in the shell text `text` that would be an option.
fn refuse_options(text: &Text, values: &Values) -> Result<(), UnusableValue> {
    let pieces: Vec<ShellPiece<'_>> = text
        .parts
        .iter()
        .map(|part| match part {
            Part::Literal(text) => ShellPiece::Text(text),
            Part::Hole(hole) if hole.quoted => ShellPiece::Value { may_be_empty: true },
            Part::Hole(_) => ShellPiece::Code,
        })
        .collect();
    let holes = text.holes().filter(|hole| hole.quoted);
    for (hole, place) in holes.zip(places_of_values(&pieces)) {
        let begins_so = values.reveal(&hole.name).is_some_and(|value| value.starts_with('-'));
        if place == ValuePlace::Argument && begins_so {
            let name = hole.name.clone();
            return Err(UnusableValue::Option { name });
        }
    }
    Ok(())
}

impl fmt::Display for CommandText {
    /// Shows the command as one could type it.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Argv(words) => {
                let words: Vec<String> = words
                    .iter()
                    .map(|word| shell_quoted_display(&word.to_string()))
                    .collect();
                formatter.write_str(&words.join(" "))
            }
            Self::Shell(text) => write!(formatter, "{text}"),
        }
    }
}

fn shell_quoted_display(word: &str) -> String {
    if word.starts_with('<') && word.ends_with('>') {
        word.to_owned()
    } else {
        shell_quoted(word)
    }
}

/// Environment variables of a step, by name.
pub type Environment = BTreeMap<String, Text>;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_missing_value_is_named() {
        let hole = Hole {
            name: "token".into(),
            secret: false,
            quoted: false,
        };
        let text = Text::new(vec![Part::Literal("token://".into()), Part::Hole(hole)]);
        assert_eq!(text.to_string(), "token://<token>");
        assert_eq!(
            text.fill(&Values::default()),
            Err(MissingValue { name: "token".into() })
        );
    }

    proptest! {
        #[test]
        fn quoting_is_understood_by_a_posix_shell_reader(value in "\\PC*") {
            let words = shlex::split(&shell_quoted(&value));
            prop_assert_eq!(words, Some(vec![value]));
        }
    }
}
