//! A stand-in for MongoDB, for labs on machines that cannot pull the real one.
//!
//! Responsible for what DockChat needs of MongoDB through pymongo 3 and 4: storing, reading, counting and
//! dropping documents over MongoDB's own wire protocol, kept on disk. It may not pretend: its log and its
//! `buildInfo` say what it is, and what it does not know it refuses with an error a driver understands.

mod aggregate;
mod bounds;
mod collection;
mod commands;
mod connection;
mod cursors;
mod error;
mod expression;
mod fields;
mod filter;
#[cfg(test)]
mod fuzz_tests;
mod legacy;
mod log;
mod namespace;
mod options;
mod order;
mod projection;
mod reads;
mod server;
mod sorting;
mod store;
mod wire;
mod writes;

pub use error::MongoError;
pub use options::{Invocation, Options, OptionsError};
pub use server::{Server, run};
