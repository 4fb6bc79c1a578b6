//! Sets tera up: its own filters where they could make a short text endless, and what counts the rounds of loops.

use super::marks::quoted;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tera::{Error, Kwargs, State, StringInput, Tera, TeraResult, Value};

/// The longest text that is rendered, and the longest that a filter makes.
pub(super) const LONGEST: usize = 1024 * 1024;

/// The most rounds that the loops of one text take.
pub(super) const MOST_ROUNDS: usize = 10_000;

/// What a template calls at the beginning of each round of a loop.
pub(super) const ROUND: &str = "labctl_round";

/// Counts the rounds of loops.
#[derive(Debug, Clone, Default)]
pub(super) struct Rounds(Arc<AtomicUsize>);

impl Rounds {
    /// Begins to count anew.
    pub(super) fn restart(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    fn count(&self) -> TeraResult<()> {
        if self.0.fetch_add(1, Ordering::Relaxed) < MOST_ROUNDS {
            return Ok(());
        }
        Err(Error::message(format!(
            "its loops take more than {MOST_ROUNDS} rounds together"
        )))
    }
}

/// Sets the engine up: `quote` is a filter, and in shell texts values are quoted without it.
pub(super) fn engine(rounds: &Rounds) -> Tera {
    let mut tera = Tera::new();
    tera.set_escape_fn(|value: &str, output: &mut dyn Write| output.write_all(quoted(value).as_bytes()));
    tera.register_filter("quote", |text: StringInput<'_>, _: Kwargs, _: &State<'_>| {
        let quoted = quoted(text.as_str());
        fits(quoted.len()).map(|()| Value::safe_string(&quoted))
    });
    tera.register_filter("replace", replace);
    tera.register_filter("join", join);
    let rounds = rounds.clone();
    tera.register_function(ROUND, move |_: Kwargs, _: &State<'_>| {
        rounds.count().map(|()| Value::safe_string(""))
    });
    tera
}

fn fits(length: usize) -> TeraResult<()> {
    if length <= LONGEST {
        return Ok(());
    }
    Err(Error::message(format!(
        "what it makes is larger than {} MB",
        LONGEST / 1024 / 1024
    )))
}

/// Does what tera's own filter does, where what comes out has an end.
fn replace(text: StringInput<'_>, arguments: Kwargs, state: &State<'_>) -> TeraResult<Value> {
    let from = arguments.must_get::<&str>("from")?;
    let to = arguments.must_get::<StringInput<'_>>("to")?;
    let replaced = |text: &str, to: &str| {
        let times = text.matches(from).count();
        fits(times.saturating_mul(to.len()).saturating_add(text.len())).map(|()| text.replace(from, to))
    };
    if state.autoescaping_enabled() && (text.is_safe() || to.is_safe()) {
        let replaced = replaced(&text.rendered(state)?, &to.rendered(state)?)?;
        return Ok(Value::safe_string(&replaced));
    }
    Ok(Value::from(replaced(text.as_str(), to.as_str())?))
}

/// Does what tera's own filter does, where what comes out has an end.
fn join(values: &[Value], arguments: Kwargs, state: &State<'_>) -> TeraResult<Value> {
    let separator = arguments.get::<StringInput<'_>>("sep")?;
    let is_safe = values.iter().any(|value| value.is_string() && value.is_safe())
        || separator.as_ref().is_some_and(StringInput::is_safe);
    let is_safe = is_safe && state.autoescaping_enabled();
    let between = match &separator {
        Some(separator) if is_safe => separator.rendered(state)?,
        Some(separator) => separator.as_str().into(),
        None => "".into(),
    };
    let mut joined = String::new();
    for (position, value) in values.iter().enumerate() {
        if position > 0 {
            joined.push_str(&between);
        }
        match is_safe {
            true if value.is_undefined() => {}
            true => joined.push_str(&state.escape_if_needed(value)?),
            false => joined.push_str(&value.to_string()),
        }
        fits(joined.len())?;
    }
    Ok(if is_safe {
        Value::safe_string(&joined)
    } else {
        Value::from(joined)
    })
}

/// Takes rendered text as long as it is not too much.
#[derive(Debug, Default)]
pub(super) struct BoundedText {
    bytes: Vec<u8>,
    pub(super) is_full: bool,
}

impl BoundedText {
    /// Returns the text; `None` where it is none.
    pub(super) fn into_text(self) -> Option<String> {
        String::from_utf8(self.bytes).ok()
    }
}

impl Write for &mut BoundedText {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.bytes.len().saturating_add(bytes.len()) > LONGEST {
            self.is_full = true;
            return Err(std::io::Error::other("the text is too long"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
