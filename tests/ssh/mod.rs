//! The way to a node: the ssh transport, and the agent at its end, against a real sshd on loopback.

mod transport;
mod version_before;
