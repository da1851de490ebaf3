//! Questions that guard what cannot be undone, asked on the terminal and nowhere else.

use std::io::{self, BufRead, Read, Write};

use super::terminal::open_tty;
use crate::inert::inert_line;

/// A longer answer is no answer.
const LONGEST_ANSWER: u64 = 4096;

/// Why a question got no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfirmError {
    /// `--no-input` was given.
    #[error("this needs an answer: --no-input forbids asking")]
    NoInput,
    /// There is nobody to ask.
    #[error("this needs an answer: there is no terminal to ask on")]
    NoTerminal,
    /// The terminal failed.
    #[error("cannot ask on the terminal: {}", .0.kind())]
    Terminal(#[from] io::Error),
}

impl ConfirmError {
    /// What to do about it, on a line of its own.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoInput | Self::NoTerminal => Some("give --yes to go ahead without being asked"),
            Self::Terminal(_) => None,
        }
    }
}

/// Asks a question that only `y` or `yes` answers with yes; everything else, and the end of input,
/// is no.
pub fn confirm(question: &str, no_input: bool) -> Result<bool, ConfirmError> {
    let (mut input, mut output) = terminal(no_input)?;
    Ok(confirm_on(&mut input, &mut output, question)?)
}

/// Asks that a word be typed out, for what is worst to do by mistake.
pub fn confirm_by_typing(question: &str, word: &str, no_input: bool) -> Result<bool, ConfirmError> {
    let (mut input, mut output) = terminal(no_input)?;
    Ok(confirm_by_typing_on(&mut input, &mut output, question, word)?)
}

/// Asks for a line of text; empty when nothing was typed.
pub fn line(question: &str, no_input: bool) -> Result<String, ConfirmError> {
    let (mut input, mut output) = terminal(no_input)?;
    Ok(answer(&mut input, &mut output, question)?.unwrap_or_default())
}

fn terminal(no_input: bool) -> Result<(impl BufRead, impl Write), ConfirmError> {
    if no_input {
        return Err(ConfirmError::NoInput);
    }
    let output = open_tty().map_err(|_| ConfirmError::NoTerminal)?;
    let input = output.try_clone()?;
    Ok((io::BufReader::new(input), output))
}

fn confirm_on(input: &mut impl BufRead, output: &mut impl Write, question: &str) -> io::Result<bool> {
    let answer = answer(input, output, &format!("{} [y/N] ", inert_line(question)))?;
    Ok(answer.is_some_and(|answer| ["y", "yes"].iter().any(|yes| answer.eq_ignore_ascii_case(yes))))
}

fn confirm_by_typing_on(
    input: &mut impl BufRead,
    output: &mut impl Write,
    question: &str,
    word: &str,
) -> io::Result<bool> {
    let prompt = format!("{}\ntype {} to go ahead: ", inert_line(question), inert_line(word));
    Ok(!word.is_empty() && answer(input, output, &prompt)?.is_some_and(|answer| answer == word))
}

/// One line without the spaces around it; none when the input ended or what came is no text.
fn answer(input: &mut impl BufRead, output: &mut impl Write, prompt: &str) -> io::Result<Option<String>> {
    output.write_all(prompt.as_bytes())?;
    output.flush()?;
    let mut line = Vec::new();
    input.take(LONGEST_ANSWER).read_until(b'\n', &mut line)?;
    if !line.ends_with(b"\n") {
        return Ok(None);
    }
    Ok(String::from_utf8(line).ok().map(|line| line.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_yes_is_yes() {
        for (typed, expected) in [
            ("y\n", true),
            ("Y\n", true),
            ("yes\r\n", true),
            (" YES \n", true),
            ("\n", false),
            ("n\n", false),
            ("yep\n", false),
            ("ye\n", false),
            ("y", false),
            ("", false),
            ("no\ny\n", false),
        ] {
            let mut output = Vec::new();
            let answer = confirm_on(&mut typed.as_bytes(), &mut output, "erase 3 conversations?");
            assert_eq!(answer.ok(), Some(expected), "{typed:?}");
            assert_eq!(output, b"erase 3 conversations? [y/N] ");
        }
        let long = format!("{}y\n", " ".repeat(10_000));
        assert_eq!(confirm_on(&mut long.as_bytes(), &mut Vec::new(), "?").ok(), Some(false));
        assert_eq!(confirm_on(&mut &b"\xff\n"[..], &mut Vec::new(), "?").ok(), Some(false));
    }

    #[test]
    fn a_word_is_typed_out_whole() {
        for (typed, word, expected) in [
            ("vault.db\n", "vault.db", true),
            ("vault\n", "vault.db", false),
            ("y\n", "vault.db", false),
            ("\n", "", false),
        ] {
            let mut output = Vec::new();
            let answer = confirm_by_typing_on(&mut typed.as_bytes(), &mut output, "this destroys the vault", word);
            assert_eq!(answer.ok(), Some(expected), "{typed:?}");
        }
        let mut output = Vec::new();
        confirm_by_typing_on(&mut &b"\n"[..], &mut output, "this destroys\u{1b}[2J the vault", "v\u{202e}")
            .expect("answered");
        assert_eq!(String::from_utf8(output).expect("text"), "this destroys the vault\ntype v to go ahead: ");
    }

    #[test]
    fn without_anybody_to_ask_it_says_so() {
        let error = confirm("erase?", true).expect_err("refused");
        assert_eq!(error.to_string(), "this needs an answer: --no-input forbids asking");
        assert_eq!(error.hint(), Some("give --yes to go ahead without being asked"));
    }
}
