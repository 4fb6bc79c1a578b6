//! Finds one form of a secret, telling apart "not here" from "not yet to be told".

use crate::forms::Writing;
use crate::gaps::Spot;
use crate::reader::Reader;
use crate::set::ByteSet;

/// A form of a secret, ready to be looked for.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    pub(crate) writing: Writing,
    /// Its bytes, as places in the table of sets that all patterns share.
    pub(crate) units: Vec<u32>,
    pub(crate) over_lines: bool,
}

/// What stands at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Found {
    /// Where the longest match ends.
    pub(crate) end: Option<usize>,
    /// How many units were seen where the very next bytes could make a match, or a longer one.
    pub(crate) undecided: Option<usize>,
    /// How many units were seen where bytes behind a gap could, in which all the same the match may not go on.
    pub(crate) open: Option<usize>,
}

impl Found {
    pub(crate) fn join(&mut self, other: Self) {
        self.end = self.end.max(other.end);
        self.undecided = self.undecided.max(other.undecided);
        self.open = self.open.max(other.open);
    }
}

/// How many units one reading takes at most: the bytes of a character.
const STEP: usize = 4;

/// Room to work in, kept between calls.
#[derive(Debug, Default)]
pub(crate) struct Room {
    /// The spots reached, by how many units were read, modulo one more than [`STEP`].
    reached: [Vec<Spot>; STEP + 1],
    here: Vec<Spot>,
    spots: Vec<Spot>,
}

impl Room {
    fn reached(&mut self, unit: usize) -> Option<&mut Vec<Spot>> {
        self.reached.get_mut(unit % (STEP + 1))
    }

    fn reach(&mut self, unit: usize, spot: Spot) {
        if let Some(reached) = self.reached(unit)
            && !reached.contains(&spot)
        {
            reached.push(spot);
        }
    }
}

impl Pattern {
    /// Looks for the pattern at `start` of what `reader` reads. `sets` is the table that the pattern's units are in.
    pub(crate) fn find_at(&self, reader: &mut Reader<'_>, start: usize, sets: &[ByteSet], room: &mut Room) -> Found {
        let mut found = Found::default();
        room.reached.iter_mut().for_each(Vec::clear);
        let first = Spot {
            at: start,
            far: false,
            dump: false,
        };
        room.reach(0, first);
        if reader.bytes.get(start + 1) == Some(&0x08)
            && let Some(at) = reader.erased(start)
        {
            room.reach(0, Spot { at, ..first });
        }
        let set = |unit: usize| self.units.get(unit).and_then(|at| sets.get(*at as usize)).copied();
        for unit in 0..self.units.len() {
            let mut here = std::mem::take(&mut room.here);
            here.clear();
            here.append(room.reached(unit).unwrap_or(&mut Vec::new()));
            reader.cuts = crate::reader::Cuts::default();
            let line_end = set(unit).is_some_and(|set| set == ByteSet::of(*b"\n"));
            for spot in &here {
                let mut spots = std::mem::take(&mut room.spots);
                spots.clear();
                self.pass_gap(reader, *spot, unit, &mut spots);
                if line_end && self.writing == Writing::Text {
                    let mut next = Vec::new();
                    reader.pass_line_end(*spot, &mut next);
                    next.into_iter().for_each(|spot| room.reach(unit + 1, spot));
                }
                for spot in &spots {
                    reader.behind_gap = spot.far;
                    let wanted = |offset: usize, byte: u8| set(unit + offset).is_some_and(|set| set.has(byte));
                    self.read(reader, *spot, &wanted, |read, spot| room.reach(unit + read, spot));
                }
                reader.behind_gap = false;
                room.spots = spots;
            }
            room.here = here;
            found.undecided = found.undecided.max(reader.cuts.near.then_some(unit));
            found.open = found.open.max(reader.cuts.far.then_some(unit));
            if room.reached.iter().all(Vec::is_empty) {
                return found;
            }
        }
        let ends = room.reached(self.units.len()).map_or(&[][..], |spots| spots.as_slice());
        for spot in ends {
            let end = if spot.dump {
                // The text beside the last line has the end of the secret, too.
                let rest = reader.bytes.get(spot.at..).unwrap_or_default();
                let line = rest.iter().take(DUMP_LINE).position(|byte| *byte == b'\n');
                let is_cut = line.is_none() && rest.len() < DUMP_LINE;
                found.undecided = found.undecided.max(is_cut.then_some(self.units.len()));
                spot.at + line.unwrap_or(rest.len().min(DUMP_LINE))
            } else {
                spot.at
            };
            found.end = found.end.max(Some(end));
        }
        found
    }

    /// Puts into `spots` every place that the unit may stand at which follows what ended at `spot`.
    fn pass_gap(&self, reader: &mut Reader<'_>, spot: Spot, unit: usize, spots: &mut Vec<Spot>) {
        let is_first = unit == 0;
        let is_apart = matches!(self.writing, Writing::Apart | Writing::Octal | Writing::Decimal);
        if is_first || !is_apart {
            spots.push(spot);
        }
        if is_first {
            return;
        }
        if !is_apart {
            reader.pass_unseen(spot, spots);
        }
        let numbers = matches!(self.writing, Writing::Hexadecimal | Writing::Octal | Writing::Decimal);
        if numbers || self.writing == Writing::Apart {
            self.pass_apart(reader, spot, spots);
        } else if self.over_lines {
            reader.pass_line_end(spot, spots);
        }
        if numbers {
            for at in 0..spots.len() {
                if let Some(spot) = spots.get(at).copied() {
                    reader.pass_number_mark(spot, spots);
                }
            }
        }
    }

    /// Passes over separators, the end of a line, and separators at the start of the next.
    fn pass_apart(&self, reader: &mut Reader<'_>, spot: Spot, spots: &mut Vec<Spot>) {
        let mut separated = vec![spot];
        reader.pass_separators(spot, &mut separated);
        let mut begun = Vec::new();
        for spot in &separated {
            reader.pass_dump_line(*spot, &mut begun);
            reader.pass_line_end(*spot, &mut begun);
        }
        for spot in &begun {
            reader.pass_separators(*spot, spots);
        }
        spots.extend(begun);
        spots.extend(separated.into_iter().skip(1));
        spots.sort_unstable_by_key(|spot| spot.at);
        spots.dedup();
    }

    /// Reads what stands at `spot`, and tells `reach` how many units that is, if they are `wanted`, and where they end.
    fn read(
        &self,
        reader: &mut Reader<'_>,
        spot: Spot,
        wanted: &impl Fn(usize, u8) -> bool,
        mut reach: impl FnMut(usize, Spot),
    ) {
        let behind = |at| Spot { at, far: false, ..spot };
        match self.writing {
            Writing::Hexadecimal => {
                if let Some((byte, end)) = self.digits(reader, spot.at, 16, 2)
                    && wanted(0, byte)
                {
                    reach(1, behind(end));
                }
            }
            Writing::Octal => {
                if let Some((byte, end)) = self.digits(reader, spot.at, 8, 3)
                    && wanted(0, byte)
                {
                    reach(1, behind(end));
                }
            }
            Writing::Decimal => {
                for count in 1..=3 {
                    if let Some((byte, end)) = self.digits(reader, spot.at, 10, count)
                        && wanted(0, byte)
                    {
                        reach(1, behind(end));
                    }
                }
            }
            Writing::Text | Writing::Base64 | Writing::Apart => {
                let Some(byte) = reader.raw(spot.at) else { return };
                if wanted(0, byte) {
                    reach(1, behind(spot.at + 1));
                }
                for decoded in reader.escaped(spot.at).iter() {
                    let bytes = decoded.bytes();
                    if bytes.iter().enumerate().all(|(offset, byte)| wanted(offset, *byte)) {
                        reach(bytes.len(), behind(decoded.end));
                    }
                }
                if self.writing == Writing::Apart
                    && byte.is_ascii_digit()
                    && let Some((byte, end)) = self.digits(reader, spot.at, 8, 3)
                    && wanted(0, byte)
                {
                    reach(1, behind(end));
                }
            }
        }
    }

    /// Reads `count` digits at `at`, with what is not seen between them, or where a line ends.
    fn digits(&self, reader: &mut Reader<'_>, at: usize, radix: u32, count: usize) -> Option<(u8, usize)> {
        let (mut number, mut place) = (0, at);
        for digit in 0..count {
            let mut byte = reader.raw(place)?;
            if digit > 0 && !byte.is_ascii_alphanumeric() {
                let mut spots = Vec::new();
                let spot = Spot {
                    at: place,
                    far: reader.behind_gap,
                    dump: false,
                };
                reader.pass_unseen(spot, &mut spots);
                reader.pass_line_end(spot, &mut spots);
                place = spots.iter().map(|spot| spot.at).find(|at| {
                    let byte = reader.bytes.get(*at).copied();
                    byte.is_some_and(|byte| char::from(byte).is_digit(radix))
                })?;
                byte = reader.raw(place)?;
            }
            number = number * radix + char::from(byte).to_digit(radix)?;
            place += 1;
        }
        Some((u8::try_from(number).ok()?, place))
    }
}

/// How long a line of a dump may be.
const DUMP_LINE: usize = 160;
