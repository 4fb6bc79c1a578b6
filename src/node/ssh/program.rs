//! The agents that labctl carries.

use flate2::read::GzDecoder;
use std::io::Read;

/// An agent for one architecture.
pub(super) struct Program {
    /// The architecture, as the kernel of a node calls it.
    pub machine: &'static str,
    /// Its size in bytes.
    pub size: usize,
    /// The program, compressed by gzip.
    pub packed: &'static [u8],
}

const PROGRAMS: &[Program] = include!(concat!(env!("OUT_DIR"), "/agents.rs"));

/// Returns the agent for nodes whose kernel says `machine`.
pub(super) fn program_for(machine: &str) -> Option<&'static Program> {
    // 64-bit ARM has two names.
    let machine = if machine == "arm64" { "aarch64" } else { machine };
    PROGRAMS.iter().find(|program| program.machine == machine)
}

/// Returns the architectures that this labctl has an agent for.
pub(super) fn machines() -> Vec<&'static str> {
    PROGRAMS.iter().map(|program| program.machine).collect()
}

impl Program {
    /// Returns the program as it runs.
    ///
    /// # Errors
    ///
    /// Where what was built in is damaged.
    pub(super) fn unpacked(&self) -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(self.size);
        GzDecoder::new(self.packed).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_an_agent_for_the_machine_that_labctl_was_built_for() {
        let program = program_for(std::env::consts::ARCH).unwrap();
        let bytes = program.unpacked().unwrap();
        assert_eq!(bytes.len(), program.size);
        assert!(bytes.starts_with(b"\x7fELF"));
        assert!(program_for("mips").is_none());
    }
}
