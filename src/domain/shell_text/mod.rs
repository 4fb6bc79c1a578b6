//! Reads a text for a POSIX shell as the shell would, to say what a value would be at each place where one stands.
//!
//! A value is quoted when it is put in. That keeps it one word where a word is read, and nowhere else: quotes around it take its own off
//! again, a here-document shows them and expands what is between them, and a comment ends at the first line break in it. What cannot be
//! followed for certain is refused: every doubt is a place where no value may stand.

mod opaque;

use std::collections::VecDeque;

/// A piece of a text for a shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShellPiece<'a> {
    /// What the author wrote.
    Text(&'a str),
    /// A value that is quoted.
    Value {
        /// Whether it could be empty, so that what follows it begins the word.
        may_be_empty: bool,
    },
    /// Code that the author vouches for.
    Code,
}

/// What a value is where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValuePlace {
    /// A part of a word, and no option whatever it is.
    Word,
    /// The beginning of an argument, which is an option where the value begins with `-`.
    Argument,
    /// Something that is not what it looks like; no value may stand there.
    Misread(Misreading),
}

/// Why a value may not stand where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misreading {
    /// It is inside quotes, which take its own off.
    Quotes,
    /// It is in a here-document, where it is not quoted, and `$(...)` in it runs.
    HereDocument,
    /// It is between backquotes, which take backslashes away.
    Backquotes,
    /// It is inside `$((...))` or `${...}`.
    Expansion,
    /// It is in a comment, which the first line break in it ends.
    Comment,
    /// It follows a `$` or a backslash, which changes what its quotes mean.
    Escaped,
    /// A shell reads it a second time: it follows `eval`, `trap` or `sh -c`.
    Code,
    /// It follows something that is read in more than one way.
    Unclear,
}

/// Says for each value in `pieces`, in order, what it is where it stands.
pub fn places_of_values(pieces: &[ShellPiece<'_>]) -> Vec<ValuePlace> {
    let mut items = Vec::new();
    for piece in pieces {
        match piece {
            ShellPiece::Text(text) => items.extend(text.chars().map(Item::Char)),
            ShellPiece::Value { may_be_empty } => items.push(Item::Value {
                may_be_empty: *may_be_empty,
            }),
            ShellPiece::Code => items.push(Item::Code),
        }
    }
    let mut reader = Reader {
        items,
        at: 0,
        contexts: vec![Context::Command(SimpleCommand::default())],
        here_documents: VecDeque::new(),
        is_lost: false,
        places: Vec::new(),
    };
    reader.read();
    reader.places
}

/// Says whether `word` names a shell, which takes the argument of `-c` for code.
pub fn is_shell(word: &str) -> bool {
    let name = word.rsplit('/').next().unwrap_or(word);
    ["sh", "bash", "dash", "ash", "ksh", "zsh", "su"].contains(&name)
}

/// Says whether `word` holds the option `-c` of a shell, alone or with others.
pub fn is_code_option(word: &str) -> bool {
    word.strip_prefix('-')
        .is_some_and(|letters| letters.contains('c') && letters.chars().all(|c| c.is_ascii_alphabetic()))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Item {
    Char(char),
    Value { may_be_empty: bool },
    Code,
}

/// What the reader is inside of.
#[derive(Debug)]
enum Context {
    /// Commands: the text itself, a subshell, or `$(...)`.
    Command(SimpleCommand),
    Double,
    /// `$((...))`, with the parentheses that are open.
    Arithmetic(usize),
    /// `${...}`, with whether it stands inside double quotes.
    Parameter {
        is_quoted: bool,
    },
}

/// What was read of a simple command.
#[derive(Debug, Default)]
struct SimpleCommand {
    /// How it is enclosed in others.
    nesting: Nesting,
    /// What its present word is as far as it is literal.
    word: String,
    /// Whether the present word has begun, be it with a pair of quotes.
    in_word: bool,
    /// Whether the present word begins with a character for certain.
    has_begun: bool,
    /// Whether the present word is where something is read from or written to.
    is_redirected: bool,
    /// Whether `--` ended the options.
    options_ended: bool,
    /// Whether one of its words reads others as code.
    reads_code: bool,
    has_shell: bool,
    /// Whether a shell's `-c` waits for its code.
    awaits_code: bool,
}

/// How commands are enclosed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Nesting {
    #[default]
    None,
    /// `(...)`.
    Subshell,
    /// `$(...)`, which is a part of a word.
    Substitution,
}

#[derive(Debug)]
struct HereDocument {
    /// How deep in others the command is that it is for.
    depth: usize,
    delimiter: String,
    is_quoted: bool,
    strips_tabs: bool,
}

impl SimpleCommand {
    fn new(nesting: Nesting) -> Self {
        Self {
            nesting,
            ..Self::default()
        }
    }

    fn end(&mut self) {
        *self = Self::new(self.nesting);
    }

    fn end_word(&mut self) {
        if !self.in_word {
            return;
        }
        let word = std::mem::take(&mut self.word);
        if !self.is_redirected {
            self.options_ended |= word == "--";
            self.reads_code |= matches!(word.as_str(), "eval" | "trap");
            self.awaits_code = self.has_shell && (is_code_option(&word) || self.awaits_code && word.starts_with('-'));
            self.has_shell |= is_shell(&word);
        }
        self.in_word = false;
        self.has_begun = false;
        self.is_redirected = false;
    }
}

struct Reader {
    items: Vec<Item>,
    at: usize,
    contexts: Vec<Context>,
    here_documents: VecDeque<HereDocument>,
    /// Whether something was read that shells do not agree on.
    is_lost: bool,
    places: Vec<ValuePlace>,
}

impl Reader {
    fn read(&mut self) {
        while let Some(item) = self.items.get(self.at).copied() {
            self.at += 1;
            match item {
                Item::Char(character) => self.character(character),
                Item::Value { may_be_empty } => self.value(may_be_empty),
                Item::Code => self.code(),
            }
        }
    }

    /// Returns what stands `ahead` of the reader, where a backslash before a line break counts for nothing.
    fn peek(&self, ahead: usize) -> Option<Item> {
        let mut at = self.at;
        let mut left = ahead;
        loop {
            while self.continues_line(at) {
                at += 2;
            }
            if left == 0 {
                return self.items.get(at).copied();
            }
            left -= 1;
            at += 1;
        }
    }

    fn continues_line(&self, at: usize) -> bool {
        self.items.get(at) == Some(&Item::Char('\\')) && self.items.get(at + 1) == Some(&Item::Char('\n'))
    }

    fn next_is(&self, character: char) -> bool {
        self.peek(0) == Some(Item::Char(character))
    }

    /// Goes past the next item, which was peeked at.
    fn skip(&mut self) {
        while self.continues_line(self.at) {
            self.at += 2;
        }
        self.at += 1;
    }

    /// Returns the command whose word is read now, through the quotes that it is in.
    fn command(&mut self) -> Option<&mut SimpleCommand> {
        self.contexts.iter_mut().rev().find_map(|context| match context {
            Context::Command(command) => Some(command),
            _ => None,
        })
    }

    fn value(&mut self, may_be_empty: bool) {
        let place = self.place();
        self.places.push(place);
        if let Some(command) = self.command() {
            command.in_word = true;
            command.has_begun |= !may_be_empty;
            // What it is is not known, and surely no word of the author's.
            command.word.push('\u{fffd}');
        }
    }

    fn place(&mut self) -> ValuePlace {
        if self.is_lost {
            return ValuePlace::Misread(Misreading::Unclear);
        }
        match self.contexts.last() {
            Some(Context::Double) => return ValuePlace::Misread(Misreading::Quotes),
            Some(Context::Arithmetic(_) | Context::Parameter { .. }) => {
                return ValuePlace::Misread(Misreading::Expansion);
            }
            _ => {}
        }
        let Some(command) = self.command() else {
            return ValuePlace::Misread(Misreading::Unclear);
        };
        if command.reads_code || command.awaits_code {
            ValuePlace::Misread(Misreading::Code)
        } else if command.has_begun || command.is_redirected || command.options_ended {
            ValuePlace::Word
        } else {
            ValuePlace::Argument
        }
    }

    fn code(&mut self) {
        if let Some(command) = self.command() {
            command.in_word = true;
            command.has_begun = true;
            command.word.push('\u{fffd}');
        }
    }

    fn literal(&mut self, character: char) {
        if let Some(command) = self.command() {
            command.in_word = true;
            command.has_begun = true;
            command.word.push(character);
        }
    }

    fn character(&mut self, character: char) {
        match self.contexts.last() {
            Some(Context::Double) => self.in_double(character),
            Some(Context::Arithmetic(open)) => {
                let open = *open;
                self.in_arithmetic(character, open);
            }
            Some(Context::Parameter { is_quoted }) => {
                let is_quoted = *is_quoted;
                self.in_parameter(character, is_quoted);
            }
            _ => self.in_command(character),
        }
    }

    fn in_double(&mut self, character: char) {
        match character {
            '"' => {
                self.contexts.pop();
            }
            '\\' => self.escaped(),
            '$' => self.dollar(true),
            '`' => self.backquoted(),
            character => self.literal(character),
        }
    }

    fn in_arithmetic(&mut self, character: char, open: usize) {
        match character {
            '(' => self.set_arithmetic(open + 1),
            ')' if open == 1 => {
                self.contexts.pop();
            }
            ')' => self.set_arithmetic(open - 1),
            '\'' | '"' | '`' | '\\' | '#' => self.is_lost = true,
            '$' => self.dollar(true),
            _ => {}
        }
    }

    fn set_arithmetic(&mut self, open: usize) {
        if let Some(context) = self.contexts.last_mut() {
            *context = Context::Arithmetic(open);
        }
    }

    fn in_parameter(&mut self, character: char, is_quoted: bool) {
        match character {
            '}' => {
                self.contexts.pop();
            }
            // Shells do not agree on quotes in there.
            '\'' | '"' if is_quoted => self.is_lost = true,
            '\'' => self.single_quoted(),
            '"' => self.contexts.push(Context::Double),
            '\\' => self.escaped(),
            '`' => self.backquoted(),
            '$' => self.dollar(is_quoted),
            _ => {}
        }
    }

    fn in_command(&mut self, character: char) {
        match character {
            '\\' => self.escaped(),
            '\'' => self.single_quoted(),
            '"' => {
                self.open_word();
                self.contexts.push(Context::Double);
            }
            '`' => self.backquoted(),
            '$' => self.dollar(false),
            '#' if self.command().is_some_and(|command| !command.in_word) => self.comment(),
            '\n' => {
                self.end_command();
                self.here_document_bodies();
            }
            ';' | '&' | '|' => self.end_command(),
            '(' => {
                self.end_command();
                self.open(Nesting::Subshell);
            }
            ')' => self.close(),
            '<' | '>' => self.redirection(character),
            ' ' | '\t' => self.end_word(),
            character => self.literal(character),
        }
    }

    fn open_word(&mut self) {
        if let Some(command) = self.command() {
            command.in_word = true;
        }
    }

    fn end_word(&mut self) {
        let depth = self.contexts.len();
        let Some(command) = self.command() else { return };
        // The parenthesis behind a pattern of `case` looks like the end of `$(...)`.
        let is_case = depth > 1 && command.word == "case";
        command.end_word();
        self.is_lost |= is_case;
    }

    fn end_command(&mut self) {
        self.end_word();
        if let Some(command) = self.command() {
            command.end();
        }
    }

    fn open(&mut self, nesting: Nesting) {
        self.contexts.push(Context::Command(SimpleCommand::new(nesting)));
    }

    fn close(&mut self) {
        self.end_command();
        let nesting = self.command().map_or(Nesting::None, |command| command.nesting);
        if nesting == Nesting::None {
            // It ends a pattern of `case`.
            return;
        }
        self.contexts.pop();
        // Its text would come after the parenthesis, and not every shell looks for it there.
        let depth = self.contexts.len();
        self.is_lost |= self.here_documents.iter().any(|document| document.depth > depth);
        if nesting == Nesting::Substitution {
            self.open_word();
        }
    }

    fn redirection(&mut self, character: char) {
        // What stands right before it is its number.
        self.end_word();
        let mut is_here_document = false;
        if character == '<' && self.next_is('<') {
            self.skip();
            if self.next_is('<') {
                self.skip();
            } else {
                is_here_document = true;
            }
        } else if ['>', '&', '|'].into_iter().any(|next| self.next_is(next)) {
            self.skip();
        } else if self.next_is('(') {
            // The name of a pipe, in shells that know this.
            self.skip();
            self.open(Nesting::Substitution);
            return;
        }
        if is_here_document {
            self.here_document();
        } else if let Some(command) = self.command() {
            command.is_redirected = true;
        }
    }

    /// Reads what follows a backslash.
    fn escaped(&mut self) {
        match self.items.get(self.at).copied() {
            Some(Item::Char('\n')) => self.at += 1,
            Some(Item::Char(character)) => {
                self.at += 1;
                self.literal(character);
            }
            Some(Item::Value { .. }) => self.refuse_next(Misreading::Escaped),
            Some(Item::Code) => self.is_lost = true,
            None => {}
        }
    }

    /// Refuses the value that comes next.
    fn refuse_next(&mut self, why: Misreading) {
        self.at += 1;
        self.places.push(ValuePlace::Misread(why));
        self.code();
    }

    fn dollar(&mut self, is_quoted: bool) {
        self.open_word();
        match self.peek(0) {
            Some(Item::Char('(')) => {
                self.skip();
                if self.next_is('(') {
                    self.skip();
                    self.contexts.push(Context::Arithmetic(2));
                } else {
                    self.open(Nesting::Substitution);
                }
            }
            Some(Item::Char('{')) => {
                self.skip();
                self.contexts.push(Context::Parameter { is_quoted });
            }
            // Some shells know backslashes in there, others do not.
            Some(Item::Char('\'')) if !is_quoted => self.is_lost = true,
            Some(Item::Char('[')) => self.is_lost = true,
            Some(Item::Value { .. }) => {
                while self.continues_line(self.at) {
                    self.at += 2;
                }
                self.refuse_next(Misreading::Escaped);
            }
            Some(Item::Code) => self.is_lost = true,
            _ => self.expansion_of_name(),
        }
    }

    /// Goes past the name behind a `$`. What it stands for may be nothing.
    fn expansion_of_name(&mut self) {
        if let Some(Item::Char('@' | '*' | '#' | '?' | '-' | '$' | '!')) = self.peek(0) {
            self.skip();
        }
        while let Some(Item::Char(character)) = self.peek(0)
            && (character.is_ascii_alphanumeric() || character == '_')
        {
            self.skip();
        }
        if let Some(command) = self.command() {
            command.word.push('\u{fffd}');
        }
    }
}
