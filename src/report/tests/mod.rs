//! Every reporter and listing, shown a scripted run and compared with what it should look like.

mod ahead;
mod endings;
mod html;
mod json;
mod junit;
mod listings;
mod plain;
mod plans;
mod screen;
mod script;
mod terminal;
mod transcript;
mod verify;
