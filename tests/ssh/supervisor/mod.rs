//! The supervisor on this machine's own shell: deadlines, signals, output of any size, re-attaching.
//!
//! Responsible for what the shell program does; how its orders reach a node is tested with ssh.

mod bench;
mod commands;
mod endings;
mod outputs;
mod records;
