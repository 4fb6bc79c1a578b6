//! What README.md has people type.

use std::fs;
use std::path::Path;

/// Returns README.md.
pub fn readme() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap()
}

/// Returns the blocks of README.md that are marked as `language`.
pub fn blocks(language: &str) -> Vec<String> {
    let readme = readme();
    let start = format!("```{language}\n");
    let blocks = readme.split(&start).skip(1);
    blocks
        .map(|rest| rest.split("```").next().unwrap().to_owned())
        .collect()
}

/// Returns the arguments of every `$ labctl ...` of README.md, in its order.
pub fn commands() -> Vec<Vec<String>> {
    let blocks = blocks("console");
    let lines = blocks.iter().flat_map(|block| block.lines());
    let commands = lines.map(|line| {
        let words = line
            .strip_prefix("$ labctl ")
            .unwrap_or_else(|| panic!("not a command of labctl: {line}"));
        shlex::split(words).unwrap()
    });
    commands.collect()
}
