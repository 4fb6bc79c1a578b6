//! The way to a node: the ssh transport against a real sshd on loopback, and the supervisor on this machine's own shell.

mod supervisor;
mod transport;
