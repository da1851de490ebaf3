//! Cutting a selector into terms: signs, keys, quotes.

use super::SelectorErrorKind;

/// One term as it was typed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Token {
    /// Byte of the argument where it begins.
    pub at: usize,
    /// Whether a `-` stands before it.
    pub negated: bool,
    /// The word before the colon, as typed.
    pub key: Option<String>,
    /// The value or the bare word, quotes removed.
    pub value: String,
    /// How the value was written.
    pub form: Form,
}

/// How a value was written, which decides whether `*` and `~` mean something in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Plain,
    Quoted,
    /// `~"in quotes"`.
    QuotedPiece,
}

/// Cuts one argument into its terms.
pub(super) fn tokens(argument: &str) -> Result<Vec<Token>, (usize, SelectorErrorKind)> {
    let mut tokens = Vec::new();
    let mut at = skip_spaces(argument, 0);
    while at < argument.len() {
        let (token, end) = token(argument, at).map_err(|kind| (at, kind))?;
        tokens.push(token);
        at = skip_spaces(argument, end);
    }
    Ok(tokens)
}

/// The whole argument as one term `key:value with spaces`, when it can mean nothing else.
///
/// A shell takes the quotes of `with:"Alice Smith"` away before we see them. The value is taken
/// whole only if nothing after the first space looks like a term of its own, so that no term is
/// ever swallowed by the value of another.
pub(super) fn whole_argument(argument: &str) -> Option<Token> {
    if argument.contains('"') || !argument.contains(char::is_whitespace) {
        return None;
    }
    let (key, value) = split_key(argument)?;
    let mut words = value.split_whitespace();
    let first_is_attached = value.starts_with(|c: char| !c.is_whitespace());
    let is_term = |word: &str| word.starts_with(['-', '~']) || split_key(word).is_some();
    if !first_is_attached || words.by_ref().skip(1).any(is_term) {
        return None;
    }
    Some(Token {
        at: 0,
        negated: false,
        key: Some(key.to_owned()),
        value: value.trim_end().to_owned(),
        form: Form::Quoted,
    })
}

fn token(argument: &str, at: usize) -> Result<(Token, usize), SelectorErrorKind> {
    let (negated, rest) = sign(&argument[at..]);
    let (key, rest) = match split_key(rest) {
        Some((key, value)) => (Some(key.to_owned()), value),
        None => (None, rest),
    };
    let start = argument.len() - rest.len();
    let (form, quoted) = match (rest.strip_prefix('"'), rest.strip_prefix("~\"")) {
        (Some(quoted), _) => (Form::Quoted, quoted),
        (None, Some(quoted)) => (Form::QuotedPiece, quoted),
        (None, None) => {
            let end = start + rest.find(char::is_whitespace).unwrap_or(rest.len());
            let value = argument[start..end].to_owned();
            if negated && key.is_none() && value.is_empty() {
                return Err(SelectorErrorKind::LoneMinus);
            }
            return Ok((Token { at, negated, key, value, form: Form::Plain }, end));
        }
    };
    let (value, rest) = unquote(quoted)?;
    if rest.starts_with(|c: char| !c.is_whitespace()) {
        return Err(SelectorErrorKind::AfterQuote);
    }
    Ok((Token { at, negated, key, value, form }, argument.len() - rest.len()))
}

fn sign(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    }
}

/// Splits `key:value`. A key is ASCII letters; `std::fs` and `10:30` have none.
fn split_key(text: &str) -> Option<(&str, &str)> {
    let (key, value) = text.split_once(':')?;
    let is_key = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphabetic()) && !value.starts_with(':');
    is_key.then_some((key, value))
}

/// The text up to the closing quote, and what follows it.
fn unquote(text: &str) -> Result<(String, &str), SelectorErrorKind> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((value, &text[at + 1..])),
            '\\' if text[at + 1..].starts_with(['"', '\\']) => value.extend(chars.next().map(|(_, escaped)| escaped)),
            other => value.push(other),
        }
    }
    Err(SelectorErrorKind::OpenQuote)
}

fn skip_spaces(text: &str, at: usize) -> usize {
    text.len() - text[at..].trim_start().len()
}
