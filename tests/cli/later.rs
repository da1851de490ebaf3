//! A home whose clock can be set ahead, by a shim before the program's own.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::home::{Home, Run};
use crate::killed::built;

/// A home with such a clock.
pub struct Later {
    pub home: Home,
    shim: PathBuf,
}

impl Later {
    pub fn on(home: Home) -> Self {
        let shim = built(&home, "clock.c");
        Self { home, shim }
    }

    /// Runs a prepared command so many seconds from now.
    pub fn finish(&self, ahead: i64, mut command: Command) -> Run {
        command.env("LD_PRELOAD", &self.shim).env("CLOCK_AHEAD", ahead.to_string());
        self.home.finish(command)
    }

    /// Runs a command so many seconds from now, with the right password.
    pub fn at(&self, ahead: i64, words: &[&str]) -> Run {
        self.finish(ahead, self.home.command(words))
    }

    pub fn json(&self, ahead: i64, words: &[&str]) -> (i32, Value) {
        document(&self.at(ahead, &[words, &["--json"]].concat()))
    }
}

/// The code and the document of a command that was asked for one.
pub fn document(run: &Run) -> (i32, Value) {
    let document = serde_json::from_slice(&run.stdout);
    (run.code.expect("ended"), document.unwrap_or_else(|error| panic!("{error} {}", run.stderr)))
}
