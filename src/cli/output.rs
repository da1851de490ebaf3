//! One renderer for every command: a result goes to stdout, everything else to stderr.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use serde_json::{Value, json};

use super::failure::Failure;
use crate::inert::{inert, inert_line, needs_escape};

/// What a command has to say.
#[derive(Default)]
pub(super) struct Outcome {
    /// For people, on stdout. Already inert.
    pub(super) text: String,
    /// For programs, on stdout with `--json`.
    pub(super) json: Value,
    /// Raw bytes for stdout in place of both; an export.
    pub(super) bytes: Option<Vec<u8>>,
    /// Remarks for stderr behind the result, each a line; not with `--quiet`.
    pub(super) notes: Vec<String>,
    /// Warnings for stderr, each a line; always.
    pub(super) warnings: Vec<String>,
    /// The exit code.
    pub(super) code: u8,
    /// Show the text in a pager when stdout is a terminal.
    pub(super) paged: bool,
    /// Where the text is to be opened, when that is not its beginning.
    pub(super) opened_at: Option<OpenedAt>,
}

/// A place in a text to begin at.
pub(super) struct OpenedAt {
    /// Its line, from 1, for a pager that can go there and back.
    pub(super) line: usize,
    /// The text from there on, for everything else.
    pub(super) text: String,
}

/// Prints outcomes and failures.
#[derive(Clone, Copy)]
pub(super) struct Printer {
    pub(super) json: bool,
    pub(super) quiet: bool,
}

impl Printer {
    /// Prints what a command has to say; its exit code.
    pub(super) fn print(self, outcome: Outcome) -> ExitCode {
        let mut stderr = std::io::stderr().lock();
        for warning in &outcome.warnings {
            let _ = writeln!(stderr, "warning: {}", inert_line(warning));
        }
        drop(stderr);
        let written = if let Some(bytes) = &outcome.bytes {
            write_stdout(bytes)
        } else if self.json {
            let text = serde_json::to_string_pretty(&outcome.json).unwrap_or_default();
            write_stdout(format!("{}\n", escaped(&text)).as_bytes())
        } else if outcome.paged && std::io::stdout().is_terminal() {
            super::pager::show(&outcome.text, outcome.opened_at.as_ref())
        } else {
            write_stdout(outcome.opened_at.as_ref().map_or(&outcome.text, |at| &at.text).as_bytes())
        };
        if written.is_ok() && !self.quiet && !self.json {
            let mut stderr = std::io::stderr().lock();
            for note in &outcome.notes {
                let _ = writeln!(stderr, "{}", inert_line(note));
            }
        }
        match written {
            Ok(()) => ExitCode::from(outcome.code),
            // Whoever reads has seen enough: `convault list | head`.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::from(outcome.code),
            Err(error) => self.fail(&Failure::failed(format!("cannot write the output: {error}"))),
        }
    }

    /// Prints a failure; its exit code.
    pub(super) fn fail(self, failure: &Failure) -> ExitCode {
        let mut stderr = std::io::stderr().lock();
        let _ = writeln!(stderr, "error: {}", inert_line(&failure.message));
        if let Some(hint) = &failure.hint {
            let _ = writeln!(stderr, "hint: {}", inert_line(hint));
        }
        if self.json {
            let error = json!({
                "schema": "convault.error/1",
                "error": { "code": failure.code, "message": failure.message, "hint": failure.hint },
            });
            let _ = write_stdout(format!("{}\n", escaped(&error.to_string())).as_bytes());
        }
        ExitCode::from(failure.code)
    }
}

/// Prints what clap has to say: help and version on stdout with code 0, mistakes on stderr with code 2.
pub(super) fn mistake(error: &clap::Error) -> ExitCode {
    if error.use_stderr() {
        // It repeats what was typed, and a shell may have put hostile file names there.
        let _ = std::io::stderr().write_all(inert(&error.render().to_string()).as_bytes());
    } else {
        let _ = error.print();
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(super::failure::code::USAGE))
}

fn write_stdout(bytes: &[u8]) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(bytes)?;
    stdout.flush()
}

/// JSON in which no character could act on a terminal: the same document, with more escapes.
fn escaped(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if c != '\n' && needs_escape(c) {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_the_same_document_without_a_character_that_acts() {
        let value = json!({ "title": "a\u{202e}b\u{9b}31m\u{feff}\u{e0041}é🚀\u{1b}[0m" });
        let text = escaped(&serde_json::to_string_pretty(&value).unwrap());
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        assert!(text.contains("é🚀") && !text.contains(['\u{202e}', '\u{9b}', '\u{feff}', '\u{e0041}', '\u{1b}']));
    }
}
