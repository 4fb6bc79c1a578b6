//! Goes past what a shell does not read as commands: quotes, comments and here-documents.

use super::{HereDocument, Item, Misreading, Reader, ValuePlace};

impl Reader {
    pub(super) fn single_quoted(&mut self) {
        self.open_word();
        while let Some(item) = self.items.get(self.at).copied() {
            self.at += 1;
            match item {
                Item::Char('\'') => return,
                Item::Char(character) => self.literal(character),
                Item::Value { .. } => self.places.push(ValuePlace::Misread(Misreading::Quotes)),
                Item::Code => {}
            }
        }
    }

    pub(super) fn backquoted(&mut self) {
        self.open_word();
        while let Some(item) = self.items.get(self.at).copied() {
            self.at += 1;
            match item {
                Item::Char('`') => break,
                Item::Char('\\') if matches!(self.items.get(self.at), Some(Item::Char(_))) => self.at += 1,
                Item::Value { .. } => self.places.push(ValuePlace::Misread(Misreading::Backquotes)),
                _ => {}
            }
        }
        if let Some(command) = self.command() {
            command.word.push('\u{fffd}');
        }
    }

    pub(super) fn comment(&mut self) {
        while let Some(item) = self.items.get(self.at).copied() {
            match item {
                Item::Char('\n') => return,
                Item::Value { .. } => self.places.push(ValuePlace::Misread(Misreading::Comment)),
                _ => {}
            }
            self.at += 1;
        }
    }

    /// Reads the word that ends a here-document, behind its `<<`.
    pub(super) fn here_document(&mut self) {
        let strips_tabs = self.next_is('-');
        if strips_tabs {
            self.skip();
        }
        while self.next_is(' ') || self.next_is('\t') {
            self.skip();
        }
        let mut delimiter = String::new();
        let mut is_quoted = false;
        let mut quote: Option<char> = None;
        while let Some(item) = self.peek(0) {
            let Item::Char(character) = item else {
                // What would end it is not known.
                self.is_lost = true;
                return;
            };
            match (quote, character) {
                (None, '\'' | '"') => (quote, is_quoted) = (Some(character), true),
                (Some(open), _) if open == character => quote = None,
                (Some(_), '\n' | '\\') | (_, '`' | '$') => {
                    self.is_lost = true;
                    return;
                }
                (None, '\\') => {
                    is_quoted = true;
                    self.skip();
                    if let Some(Item::Char(character)) = self.items.get(self.at).copied() {
                        delimiter.push(character);
                    }
                }
                (None, character) if " \t\n;&|<>()".contains(character) => break,
                (_, character) => delimiter.push(character),
            }
            self.skip();
        }
        self.is_lost |= delimiter.is_empty() && !is_quoted;
        self.here_documents.push_back(HereDocument {
            depth: self.contexts.len(),
            delimiter,
            is_quoted,
            strips_tabs,
        });
    }

    pub(super) fn here_document_bodies(&mut self) {
        while let Some(document) = self.here_documents.pop_front() {
            // Whether this line break begins its text is a matter of taste.
            self.is_lost |= document.depth != self.contexts.len();
            self.here_document_body(&document);
        }
    }

    /// Goes to the end of `document`.
    fn here_document_body(&mut self, document: &HereDocument) {
        // A backslash at the end of a line joins it to the next, where the delimiter is not quoted.
        let mut is_joined = false;
        while self.at < self.items.len() {
            let mut line = String::new();
            let mut has_value = false;
            while let Some(item) = self.items.get(self.at).copied() {
                self.at += 1;
                match item {
                    Item::Char('\n') => break,
                    Item::Char(character) => line.push(character),
                    Item::Value { .. } => {
                        has_value = true;
                        self.places.push(ValuePlace::Misread(Misreading::HereDocument));
                    }
                    Item::Code => has_value = true,
                }
            }
            let text = if document.strips_tabs {
                line.trim_start_matches('\t')
            } else {
                &line
            };
            if text == document.delimiter && !has_value && !is_joined {
                return;
            }
            let backslashes = line.chars().rev().take_while(|character| *character == '\\').count();
            is_joined = !document.is_quoted && backslashes % 2 == 1;
        }
    }
}
