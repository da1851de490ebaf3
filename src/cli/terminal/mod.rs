//! Text on its way to a terminal: made harmless, measured, cut, wrapped and set in columns.
//!
//! Transcripts are hostile input. No text of a vault reaches a terminal except through [`crate::inert`]
//! or the functions of this module that call it.

mod layout;

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsFd;

pub use layout::{Align, Column, Table, fit, width, wrap};

/// The terminal the process was started from, wherever stdin and stdout lead.
pub fn open_tty() -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open("/dev/tty")
}

/// How many columns the terminal behind a stream has; none when it is no terminal or does not say.
pub fn columns(stream: impl AsFd) -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(stream).ok()?;
    Some(usize::from(size.ws_col)).filter(|&columns| columns > 0)
}
