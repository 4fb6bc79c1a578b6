//! Has labctl built again when a file is added to a lab: labs are built into it, and the compiler itself only watches the
//! files that were there the last time.

fn main() {
    println!("cargo::rerun-if-changed=labs");
}
