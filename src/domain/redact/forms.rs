//! The forms in which a character, and so a secret, may stand in a text: raw, escaped for a URL, JSON, HTML or a shell,
//! in hexadecimal digits, or in base64.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// One way to write one unit of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Form {
    /// Its bytes, in lower case where the case does not matter.
    pub(super) bytes: Vec<u8>,
    /// Whether ASCII letters stand for both cases.
    pub(super) any_case: bool,
}

/// All the ways to write one unit of a secret.
pub(super) type Unit = Vec<Form>;

impl Form {
    fn exact(text: impl AsRef<[u8]>) -> Self {
        Self {
            bytes: text.as_ref().to_vec(),
            any_case: false,
        }
    }

    fn any_case(text: impl AsRef<str>) -> Self {
        Self {
            bytes: text.as_ref().to_ascii_lowercase().into_bytes(),
            any_case: true,
        }
    }
}

/// Returns the units of `secret` as text: each character raw or in any escaped form, the forms mixed at will.
pub(super) fn text_units(secret: &str) -> Vec<Unit> {
    secret.chars().map(character_forms).collect()
}

fn character_forms(c: char) -> Unit {
    let mut buffer = [0; 4];
    let raw = c.encode_utf8(&mut buffer).as_bytes();
    let percent: String = raw.iter().map(|byte| format!("%{byte:02x}")).collect();
    let escaped_bytes: String = raw.iter().map(|byte| format!("\\x{byte:02x}")).collect();
    let octal: String = raw.iter().map(|byte| format!("\\{byte:03o}")).collect();
    let mut units = [0; 2];
    let utf16: String = c
        .encode_utf16(&mut units)
        .iter()
        .map(|unit| format!("\\u{unit:04x}"))
        .collect();
    let code = u32::from(c);
    let mut forms = vec![
        Form::exact(raw),
        Form::any_case(percent),
        Form::any_case(escaped_bytes),
        Form::exact(octal),
        Form::any_case(utf16),
        Form::any_case(format!("\\u{{{code:x}}}")),
    ];
    for zeros in ["", "0", "00", "0000"] {
        forms.push(Form::exact(format!("&#{zeros}{code};")));
        forms.push(Form::any_case(format!("&#x{zeros}{code:x};")));
    }
    let extra: &[&str] = match c {
        ' ' => &["+", "\\ ", "&nbsp;"],
        '\n' => &["\\n", "\r\n", "\\r\\n", "%0d%0a", "%0D%0A"],
        '\t' => &["\\t", "&Tab;"],
        '\'' => &["\\'", "'\\''", "'\"'\"'", "&apos;", "''"],
        '"' => &["\\\"", "&quot;", "\"\"", "\\\\\""],
        '&' => &["\\&", "&amp;"],
        '<' => &["\\<", "&lt;"],
        '>' => &["\\>", "&gt;"],
        _ => &[],
    };
    forms.extend(extra.iter().map(Form::exact));
    if c.is_ascii_punctuation() {
        // A backslash before it, for a shell or in a string.
        forms.push(Form::exact([b'\\', c as u8]));
    }
    forms
}

/// Returns the units of `secret` as hexadecimal digits of either case.
pub(super) fn hex_units(secret: &[u8]) -> Vec<Unit> {
    secret
        .iter()
        .map(|byte| vec![Form::any_case(format!("{byte:02x}"))])
        .collect()
}

/// Returns the units of `secret` as base64, where it starts `offset` bytes (0 to 2) after a multiple of three.
///
/// Characters that hold bits of a neighbour as well stand for all their possibilities, so no bit of the secret is left.
pub(super) fn base64_units(secret: &[u8], offset: usize) -> Vec<Unit> {
    let bits = offset * 8..(offset + secret.len()) * 8;
    let encoded_with = |filler: u8| {
        let mut bytes = vec![filler; offset];
        bytes.extend_from_slice(secret);
        while !bytes.len().is_multiple_of(3) {
            bytes.push(filler);
        }
        STANDARD.encode(bytes).into_bytes()
    };
    let (zeros, ones) = (encoded_with(0x00), encoded_with(0xff));
    let mut units = Vec::new();
    for (at, (&zero, &one)) in zeros.iter().zip(&ones).enumerate() {
        let (first, last) = (at * 6, at * 6 + 6);
        if last <= bits.start || first >= bits.end {
            continue;
        }
        let (low, high) = (value_of(zero), value_of(one));
        // The bits in which both fillings agree are the secret's own.
        let own = !(low ^ high) & 0x3f;
        let fitting = (0..64u8).filter(|value| value & own == low & own);
        let characters: Vec<u8> = fitting.flat_map(characters_of).collect();
        units.push(base64_unit(&characters, !units.is_empty()));
    }
    units
}

/// Returns the forms of a unit that is one of `characters`; within a text it may stand after the end of a line.
fn base64_unit(characters: &[u8], within: bool) -> Unit {
    let mut unit = Unit::new();
    for &character in characters {
        unit.push(Form::exact([character]));
        if !character.is_ascii_alphanumeric() {
            unit.push(Form::any_case(format!("%{character:02x}")));
        }
        if character == b'/' {
            unit.push(Form::exact("\\/"));
        }
    }
    if within {
        let plain = unit.clone();
        for line_end in ["\n", "\r\n", "\\n"] {
            unit.extend(plain.iter().map(|form| Form {
                bytes: [line_end.as_bytes(), &form.bytes].concat(),
                any_case: form.any_case,
            }));
        }
    }
    unit
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn value_of(character: u8) -> u8 {
    let place = ALPHABET.iter().position(|&known| known == character);
    place.and_then(|place| u8::try_from(place).ok()).unwrap_or(0)
}

fn characters_of(value: u8) -> Vec<u8> {
    match value {
        62 => b"+-".to_vec(),
        63 => b"/_".to_vec(),
        value => ALPHABET.get(usize::from(value)).into_iter().copied().collect(),
    }
}
