//! JSON of strangers that is too much to be held as a whole.
//!
//! Responsible for taking a stream or a list apart into its objects as the bytes come, each byte looked at once; and for an object
//! whose members are not read. It does not know what the objects mean.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// What came is not what it is said to be, or an object of it is too large.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Garbled;

/// Where the next byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before the list, or at this byte of `null` in its place.
    Start(usize),
    /// Behind `[`.
    First,
    /// Behind a comma.
    Next,
    /// Inside an object.
    Object,
    /// Behind an object of the list.
    Behind,
    /// Behind the list.
    End,
    /// Between the objects of a stream.
    Between,
}

/// Takes JSON objects out of bytes.
#[derive(Debug)]
pub(crate) struct Pieces {
    place: Place,
    /// What has come of the object that is not whole yet.
    rest: Vec<u8>,
    depth: usize,
    quoted: bool,
    escaped: bool,
    in_list: bool,
    largest: usize,
}

impl Pieces {
    /// Takes apart objects of at most `largest` bytes that follow one another.
    pub(crate) fn of_stream(largest: usize) -> Self {
        Self::new(Place::Between, largest)
    }

    /// Takes apart a list of objects of at most `largest` bytes; `null` is as good as a list of none.
    pub(crate) fn of_list(largest: usize) -> Self {
        Self::new(Place::Start(0), largest)
    }

    fn new(place: Place, largest: usize) -> Self {
        Self {
            place,
            rest: Vec::new(),
            depth: 0,
            quoted: false,
            escaped: false,
            in_list: place != Place::Between,
            largest,
        }
    }

    /// Hands the objects that `bytes` complete to `each`.
    ///
    /// # Errors
    ///
    /// Where something else stands there, or where `each` fails.
    pub(crate) fn feed(
        &mut self,
        bytes: &[u8],
        mut each: impl FnMut(&[u8]) -> Result<(), Garbled>,
    ) -> Result<(), Garbled> {
        let mut left = bytes;
        while !left.is_empty() {
            if self.place != Place::Object {
                left = self.step(left)?;
                continue;
            }
            let end = self.end_of_object(left);
            let (piece, after) = left.split_at(end.unwrap_or(left.len()));
            if self.rest.len() + piece.len() > self.largest {
                return Err(Garbled);
            }
            left = after;
            if end.is_none() {
                self.rest.extend_from_slice(piece);
            } else if self.rest.is_empty() {
                each(piece)?;
            } else {
                self.rest.extend_from_slice(piece);
                let whole = std::mem::take(&mut self.rest);
                each(&whole)?;
            }
        }
        Ok(())
    }

    /// Says whether the list is whole.
    pub(crate) fn is_whole(&self) -> bool {
        matches!(self.place, Place::End | Place::Start(4))
    }

    /// Goes over one byte between objects, and returns what is left; the byte that begins an object is left.
    fn step<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], Garbled> {
        let Some((byte, after)) = bytes.split_first() else {
            return Ok(bytes);
        };
        if byte.is_ascii_whitespace() && !matches!(self.place, Place::Start(1..=3)) {
            return Ok(after);
        }
        self.place = match (self.place, byte) {
            (Place::Start(0), b'[') => Place::First,
            (Place::Start(at @ 0..=3), byte) if b"null".get(at) == Some(byte) => Place::Start(at + 1),
            (Place::First | Place::Behind, b']') => Place::End,
            (Place::Behind, b',') => Place::Next,
            (Place::First | Place::Next | Place::Between, b'{') => {
                // Its own bracket is counted with the others.
                self.place = Place::Object;
                return Ok(bytes);
            }
            _ => return Err(Garbled),
        };
        Ok(after)
    }

    /// Returns where the object ends that goes on in `bytes`.
    fn end_of_object(&mut self, bytes: &[u8]) -> Option<usize> {
        for (index, byte) in bytes.iter().enumerate() {
            if self.quoted {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => self.quoted = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.quoted = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        self.place = if self.in_list { Place::Behind } else { Place::Between };
                        return Some(index + 1);
                    }
                }
                _ => {}
            }
        }
        None
    }
}

/// An object's members in their order, their values as they were written.
#[derive(Debug)]
pub(crate) struct Members<'a>(pub(crate) Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Members<'a> {
    /// Returns the value of `name` as it was written: the last one where there are several, as everybody reads JSON.
    pub(crate) fn get(&self, name: &str) -> Option<&'a str> {
        let found = self.0.iter().rev().find(|(known, _)| known == name);
        found.map(|(_, value)| value.get())
    }

    /// Returns the value of `name`; nothing where it is of another kind than `T`.
    pub(crate) fn read<T: Deserialize<'a>>(&self, name: &str) -> Option<T> {
        serde_json::from_str(self.get(name)?).ok()
    }
}

impl<'a> Deserialize<'a> for Members<'a> {
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

/// A name, without a copy where it has no escapes.
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

struct MembersVisitor;

impl<'a> Visitor<'a> for MembersVisitor {
    type Value = Members<'a>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Members<'a>, A::Error> {
        let mut members = Vec::new();
        while let Some((Name(name), value)) = map.next_entry()? {
            members.push((name, value));
        }
        Ok(Members(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzing::Target;
    use rstest::rstest;
    use serde_json::Value;

    fn pieces_of(mut pieces: Pieces, bytes: &[u8], size: usize) -> Option<(Vec<String>, bool)> {
        let mut found = Vec::new();
        for part in bytes.chunks(size) {
            let took = pieces.feed(part, |piece| {
                found.push(String::from_utf8_lossy(piece).into_owned());
                Ok(())
            });
            took.ok()?;
        }
        Some((found, pieces.is_whole()))
    }

    #[rstest]
    #[case("[]", 0)]
    #[case(" null\n", 0)]
    #[case(r#"[{"a":"]}\""},{"b":[{}]} , {}]"#, 3)]
    fn a_list_is_taken_apart_wherever_it_is_cut(#[case] text: &str, #[case] count: usize) {
        for size in 1..=text.len() {
            let (found, is_whole) = pieces_of(Pieces::of_list(100), text.as_bytes(), size).unwrap();
            assert_eq!((found.len(), is_whole), (count, true), "{size}: {found:?}");
        }
    }

    #[rstest]
    #[case("{}")]
    #[case("[1]")]
    #[case("[{}{}]")]
    #[case("[{},]")]
    #[case("[,{}]")]
    #[case("[{}]]")]
    #[case("nul l")]
    #[case("<html>")]
    #[case(r#"[{"a":"0123456789"}]"#)]
    fn what_is_no_list_of_objects_or_one_too_large_is_garbled(#[case] text: &str) {
        for size in 1..=text.len() {
            assert_eq!(pieces_of(Pieces::of_list(10), text.as_bytes(), size), None, "{size}");
        }
    }

    #[test]
    fn a_list_that_breaks_off_is_not_whole() {
        for text in ["", "[", "[{}", "[{},", "nul", "[{\"a\":1"] {
            assert_eq!(
                pieces_of(Pieces::of_list(100), text.as_bytes(), 3).map(|(_, is_whole)| is_whole),
                Some(false),
                "{text}"
            );
        }
    }

    #[test]
    fn fuzz_json_lists() {
        let seeds = [
            r#"[{"Id":"0a","Names":["/web"],"Ports":[{"IP":"0.0.0.0"}]},{"Id":"0b","State":"a \" ] }"}]"#,
            "null",
            " [ { } ] ",
        ];
        Target::new("json-lists").seeds(seeds).run(|bytes| {
            let at_once = pieces_of(Pieces::of_list(1 << 20), bytes, bytes.len().max(1));
            assert_eq!(at_once, pieces_of(Pieces::of_list(1 << 20), bytes, bytes.len() / 7 + 1));
            // Whatever serde reads as a list of objects is read in the same way.
            let Ok(list) = serde_json::from_slice::<Option<Vec<serde_json::Map<String, Value>>>>(bytes) else {
                return false;
            };
            let (found, is_whole) = at_once.expect("a list of objects");
            let read: Vec<serde_json::Map<String, Value>> =
                found.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
            assert_eq!((read, is_whole), (list.unwrap_or_default(), true));
            true
        });
    }
}
