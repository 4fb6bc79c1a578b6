//! What the lab's containers run: `labctl service` as processes on loopback ports, and the files of DockChat.

mod dockchat;
mod interlock;
mod mongo;
mod swarm;
