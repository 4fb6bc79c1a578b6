//! How much BSON is read from a stranger.
//!
//! Responsible for turning bytes into a document only when its depth and its number of values are bounded, since
//! the bson crate follows any depth and a small message can hold millions of values. It may not interpret them.

use bson::{Document, RawBsonRef, RawDocument};

use super::error::CommandError;

/// The most bytes a document may have, as MongoDB says.
pub(crate) const LARGEST_DOCUMENT: usize = 16 * 1024 * 1024;
/// How deeply documents and arrays may be nested.
const DEEPEST: usize = 100;
/// How many values one message may hold.
const MOST_VALUES: usize = 1_000_000;

/// The number of values that may still be read of one message.
#[derive(Debug)]
pub(crate) struct Allowance(usize);

impl Default for Allowance {
    fn default() -> Self {
        Self(MOST_VALUES)
    }
}

impl Allowance {
    /// Decodes `bytes`, exactly one document, if it stays within the bounds.
    pub(crate) fn decode(&mut self, bytes: &[u8]) -> Result<Document, CommandError> {
        let raw = RawDocument::from_bytes(bytes).map_err(malformed)?;
        self.walk(raw, 0)?;
        Document::try_from(raw).map_err(malformed)
    }

    fn walk(&mut self, document: &RawDocument, depth: usize) -> Result<(), CommandError> {
        if depth > DEEPEST {
            return Err(CommandError::invalid_bson(format!(
                "documents nested deeper than {DEEPEST} levels"
            )));
        }
        for element in document {
            let (_, value) = element.map_err(malformed)?;
            self.0 = self
                .0
                .checked_sub(1)
                .ok_or_else(|| CommandError::invalid_bson(format!("more than {MOST_VALUES} values in one message")))?;
            match value {
                RawBsonRef::Document(inner) => self.walk(inner, depth + 1)?,
                RawBsonRef::Array(inner) => {
                    self.walk(RawDocument::from_bytes(inner.as_bytes()).map_err(malformed)?, depth + 1)?;
                }
                RawBsonRef::JavaScriptCodeWithScope(code) => self.walk(code.scope, depth + 1)?,
                _ => {}
            }
        }
        Ok(())
    }
}

fn malformed(error: bson::error::Error) -> CommandError {
    CommandError::invalid_bson(format!("malformed BSON: {error}"))
}

#[cfg(test)]
mod tests {
    use bson::{Bson, doc};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_document_of_any_depth_is_refused_and_not_followed() {
        let depth = 100_000_i32;
        let mut bytes = Vec::new();
        for level in 0..depth {
            bytes.extend_from_slice(&(5 + 7 * (depth - level)).to_le_bytes());
            bytes.extend_from_slice(&[3, 0]);
        }
        bytes.extend_from_slice(&[5, 0, 0, 0, 0]);
        bytes.resize(5 + 7 * depth as usize, 0);
        let error = Allowance::default().decode(&bytes).unwrap_err();
        assert!(error.to_string().contains("nested deeper"), "{error}");
    }

    #[test]
    fn a_message_of_too_many_values_is_refused() {
        let many = doc! { "a": vec![Bson::Null; 100] }.to_vec().unwrap();
        assert!(Allowance(200).decode(&many).is_ok());
        assert!(Allowance(50).decode(&many).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_decoded_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = Allowance::default().decode(&bytes);
        }

        #[test]
        fn a_damaged_document_is_decoded_or_refused(at in 0usize..200, value in any::<u8>()) {
            let mut bytes = doc! {
                "text": "hello", "n": 3, "array": [1, "two", { "deep": [Bson::Null] }], "when": bson::DateTime::MIN,
                "regex": bson::Regex { pattern: "a".try_into().unwrap(), options: "i".try_into().unwrap() },
                "code": bson::JavaScriptCodeWithScope { code: "x".into(), scope: doc! { "y": 1 } },
                "binary": bson::Binary { subtype: bson::spec::BinarySubtype::BinaryOld, bytes: vec![1, 2, 3] },
            }.to_vec().unwrap();
            let at = at % bytes.len();
            bytes[at] = value;
            let _ = Allowance::default().decode(&bytes);
        }
    }
}
