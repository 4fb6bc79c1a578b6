//! The binary that an image holds.
//!
//! Responsible for leaving out of it what only a debugger reads: of a debug build that is most of the bytes, and every
//! node is sent them. It may not find the binary.

/// Where an ELF header says that it is one: 64 bits, little-endian.
const MAGIC: &[u8] = b"\x7fELF\x02\x01";
/// The bytes of an ELF header.
const HEADER: usize = 64;
/// The offset of the program headers' place, of the section headers' place, and of the numbers about both.
const PROGRAM_HEADERS: usize = 0x20;
const SECTION_HEADERS: usize = 0x28;
const PROGRAM_HEADER_SIZE: usize = 0x36;
const PROGRAM_HEADER_COUNT: usize = 0x38;
const SECTION_HEADER_COUNT: usize = 0x3c;
/// The type of the segment that names the loader of a program that is not linked statically.
const LOADER: usize = 3;
/// Within a program header, the place of the segment's offset and of its size in the file. Its type is at the beginning.
const SEGMENT_OFFSET: usize = 0x08;
const SEGMENT_SIZE: usize = 0x20;

/// An executable without symbols and debug information.
#[derive(Clone, PartialEq, Eq)]
pub struct Program(Vec<u8>);

impl std::fmt::Debug for Program {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Program({} bytes)", self.0.len())
    }
}

impl Program {
    /// Takes the bytes of an `executable`; one that is no 64-bit ELF file, or a damaged one, stays as it is.
    pub fn new(executable: Vec<u8>) -> Self {
        match loaded_length(&executable) {
            Some(length) => Self(without_sections(executable, length)),
            None => Self(executable),
        }
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Says whether it needs files besides itself to start: it is not linked statically.
    pub fn needs_loader(&self) -> bool {
        self.0.starts_with(MAGIC)
            && program_headers(&self.0).is_some_and(|mut headers| headers.any(|at| short(&self.0, at) == Some(LOADER)))
    }
}

/// Gives the offsets of the program headers.
fn program_headers(executable: &[u8]) -> Option<impl Iterator<Item = usize>> {
    let start = number(executable, PROGRAM_HEADERS)?;
    let size = short(executable, PROGRAM_HEADER_SIZE)?;
    let count = short(executable, PROGRAM_HEADER_COUNT)?;
    // Where the last one has an offset, they all have.
    start.checked_add(size.checked_mul(count)?)?;
    Some((0..count).map(move |index| start + index * size))
}

/// Gives the number of bytes that a kernel reads: up to the end of the last segment.
fn loaded_length(executable: &[u8]) -> Option<usize> {
    if executable.len() < HEADER || !executable.starts_with(MAGIC) {
        return None;
    }
    let size = short(executable, PROGRAM_HEADER_SIZE)?;
    let mut end = HEADER;
    for header in program_headers(executable)? {
        end = end.max(header.checked_add(size)?);
        let offset = number(executable, header.checked_add(SEGMENT_OFFSET)?)?;
        end = end.max(offset.checked_add(number(executable, header.checked_add(SEGMENT_SIZE)?)?)?);
    }
    (end > HEADER && end <= executable.len()).then_some(end)
}

fn without_sections(mut executable: Vec<u8>, length: usize) -> Vec<u8> {
    executable.truncate(length);
    executable[SECTION_HEADERS..SECTION_HEADERS + 8].fill(0);
    // The count, and beside it the index of the section with the names.
    executable[SECTION_HEADER_COUNT..SECTION_HEADER_COUNT + 4].fill(0);
    executable
}

fn number(bytes: &[u8], at: usize) -> Option<usize> {
    let found = bytes.get(at..)?.first_chunk::<8>()?;
    usize::try_from(u64::from_le_bytes(*found)).ok()
}

fn short(bytes: &[u8], at: usize) -> Option<usize> {
    let found = bytes.get(at..)?.first_chunk::<2>()?;
    Some(usize::from(u16::from_le_bytes(*found)))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn this_very_program_still_runs_when_it_is_stripped() {
        let whole = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let program = Program::new(whole.clone());
        assert!(program.bytes().len() < whole.len(), "nothing was left out");
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("stripped");
        let mut file = std::fs::File::options()
            .create(true)
            .write(true)
            .truncate(true)
            .mode(0o755)
            .open(&path)
            .unwrap();
        file.write_all(program.bytes()).unwrap();
        drop(file);
        let output = loop {
            match Command::new(&path).arg("--list").output() {
                // A test beside this one forked while the file was open for writing.
                Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => {}
                other => break other.unwrap(),
            }
        };
        assert!(output.status.success(), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stdout).contains("stripped: test"));
    }

    #[test]
    fn a_program_that_names_a_loader_is_told_from_one_that_does_not() {
        let mut program = Program::new(std::fs::read(std::env::current_exe().unwrap()).unwrap());
        assert!(!program.needs_loader(), "labctl and its tests are linked statically");
        let first = program_headers(&program.0).unwrap().next().unwrap();
        program.0[first..first + 4].copy_from_slice(&3_u32.to_le_bytes());
        assert!(program.needs_loader());
    }

    #[test]
    fn what_is_no_elf_file_stays_as_it_is() {
        assert_eq!(Program::new(b"#!/bin/sh\n".to_vec()).bytes(), b"#!/bin/sh\n");
    }

    proptest! {
        #[test]
        fn any_bytes_after_the_magic_are_taken(tail in proptest::collection::vec(any::<u8>(), 0..300)) {
            let bytes = [MAGIC, &tail].concat();
            let program = Program::new(bytes.clone());
            prop_assert!(program.bytes().len() <= bytes.len());
            let _ = program.needs_loader();
        }
    }
}
