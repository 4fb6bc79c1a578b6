//! The manager's HTTP API: Docker's, for a cluster.
//!
//! Responsible for understanding what a client asks, in whichever version, for sending it to the engine or engines it concerns in a
//! version that they speak, and for answers that say where things are. It may not decide where containers go.
//!
//! Decisions:
//! - Lists are asked of the engines when a client asks, and not taken from the manager's picture: filters mean then what the
//!   engine's version says they mean, and nobody sees what was.
//! - A request about one container, image, network or volume is passed on as it is, bodies and hijacked streams included, once it is
//!   known whose it is. Only the path changes: the version, and names such as `node-1/web`, which an engine does not know.
//! - What an engine that does not answer has is not shown; `info` says which that are.

mod answer;
mod containers;
mod create;
mod events;
mod everywhere;
#[cfg(test)]
mod fuzz_tests;
mod images;
mod names;
mod networks;
mod old_clients;
mod proxy;
mod route;
mod server;
mod views;
mod volumes;

pub(super) use server::Server;
