//! The command line: the only door to arguments, environment, stdout, stderr and terminal.

pub mod confirm;
pub mod secrets;
pub mod terminal;
