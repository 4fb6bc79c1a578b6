//! One file per verb. Composes the layers: nothing else sees both runner and report.

mod carry_out;
mod cleanup;
mod clearing;
mod connect;
mod dispatch;
mod failure;
mod hosts;
mod images;
mod interrupts;
mod inventory;
mod junit;
mod listing;
mod opening;
mod own_images;
mod playground;
mod recover;
mod report;
mod report_files;
mod run;
mod session;
mod ssh;
mod status;
mod target;
mod values;
mod verify;
mod watching;

pub use dispatch::dispatch;
