//! How text looks: colour and width as the caller decided them.

/// Whether colour is used, and how wide lines may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Style {
    /// Whether colour and weight are used.
    pub colour: bool,
    /// The columns there are; `None` where lines are not cut, as in a file or a pipe.
    pub width: Option<usize>,
}

/// What a piece of text is, and so how it looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ink {
    /// Ordinary text.
    Text,
    /// What came out well.
    Good,
    /// What did not.
    Bad,
    /// What needs attention and is no failure.
    Warning,
    /// What only some readers look for.
    Quiet,
    /// A heading.
    Strong,
    /// A node, or a command to type.
    Accent,
}

impl Style {
    /// Makes text in no colour, with lines of any length.
    pub fn plain() -> Self {
        Self::default()
    }

    /// Paints `text` with `ink`.
    pub(crate) fn paint(self, ink: Ink, text: &str) -> String {
        if !self.colour || text.is_empty() {
            return text.to_owned();
        }
        let style = console::Style::new();
        let style = match ink {
            Ink::Text => return text.to_owned(),
            Ink::Good => style.green(),
            Ink::Bad => style.red().bold(),
            Ink::Warning => style.yellow(),
            Ink::Quiet => style.dim(),
            Ink::Strong => style.bold(),
            Ink::Accent => style.cyan(),
        };
        style.force_styling(true).apply_to(text).to_string()
    }
}
