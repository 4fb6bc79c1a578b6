//! The labctl program.
fn main() {}
