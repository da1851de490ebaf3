//! Regular expressions, matched against text as it was written.

use std::ops::Range;

use regex::{Regex, RegexBuilder};

/// Bytes that a compiled expression may take: a class of all letters repeated a hundred times fits.
const LARGEST: usize = 4 << 20;

/// Why an expression was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatternError {
    /// It is not one.
    #[error("not a regular expression: {0}")]
    Syntax(String),
    /// It would take too much memory.
    #[error("a regular expression that is too large")]
    TooLarge,
    /// It matches where nothing is, and so everywhere.
    #[error("a regular expression that matches the empty text finds everything")]
    Empty,
}

impl PatternError {
    /// What to do about it, on a line of its own.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Syntax(_) => "put a backslash before what is meant as it stands, as in \\( or \\*",
            Self::TooLarge => "repeat fewer times",
            Self::Empty => "write + in place of *, or more around it",
        }
    }
}

/// An expression, compiled. Takes time in proportion to the text, whatever it is.
#[derive(Clone, Debug)]
pub struct Pattern {
    regex: Regex,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.regex.as_str() == other.regex.as_str()
    }
}

impl Pattern {
    /// Compiles an expression; `^` and `$` stand for the ends of lines.
    pub fn new(text: &str, case: bool) -> Result<Self, PatternError> {
        let built = RegexBuilder::new(text).case_insensitive(!case).multi_line(true).size_limit(LARGEST).build();
        let regex = built.map_err(|error| match error {
            // Its text draws the expression and points into it; what is wrong is said last.
            regex::Error::Syntax(said) => {
                let what = said.lines().last().unwrap_or_default();
                PatternError::Syntax(what.trim_start_matches("error: ").to_owned())
            }
            _ => PatternError::TooLarge,
        })?;
        if regex.is_match("") { Err(PatternError::Empty) } else { Ok(Self { regex }) }
    }

    /// Where it matches, in order and apart from each other.
    pub fn find<'a>(&'a self, text: &'a str) -> impl Iterator<Item = Range<usize>> + 'a {
        // Where nothing is, nothing was found: `\b` is at every word.
        self.regex.find_iter(text).map(|found| found.range()).filter(|range| !range.is_empty())
    }

    /// Whether it matches in a text wherever it matches in lines of it: nothing in it speaks of the beginning or the end of
    /// the whole. Where it says no, it may all the same.
    pub fn is_local(&self) -> bool {
        let text = self.regex.as_str();
        // Flags can take back that `^` and `$` are the ends of lines, make them those of CR LF, or allow spaces in what they are
        // looked for by here.
        let takes_back =
            |flags: &str| flags.split([':', ')', '<']).next().is_some_and(|flags| flags.contains(['-', 'x', 'R']));
        !text.contains(r"\A") && !text.contains(r"\z") && !text.split("(?").skip(1).any(takes_back)
    }

    /// Whether it matches anywhere.
    pub fn is_in(&self, text: &str) -> bool {
        self.find(text).next().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_match_lines_in_any_case_unless_asked_otherwise() {
        let pattern = Pattern::new(r"^err(or)?s?\b", false).unwrap();
        assert_eq!(pattern.find("no error\nErrors and\nerr").collect::<Vec<_>>(), [9..15, 20..23]);
        assert!(!Pattern::new("Error", true).unwrap().is_in("error"));
        assert!(Pattern::new("É", false).unwrap().is_in("é"));
    }

    #[test]
    fn what_speaks_of_the_whole_text_is_known() {
        for (text, expected) in [
            ("a|b", true),
            ("(?i:a)^b$", true),
            ("(?<n>a)(?P<m>b)", true),
            (r"\Aa", false),
            (r"a\z", false),
            ("(?-m)^a", false),
            ("(?i-m:^a)", false),
            ("(?x)( ?-m:^a)", false),
            (r"(?R)a\r$", false),
        ] {
            assert_eq!(Pattern::new(text, false).unwrap().is_local(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_none_is_told_in_a_line() {
        let said = |text| Pattern::new(text, false).unwrap_err().to_string();
        assert_eq!(said("(a"), "not a regular expression: unclosed group");
        assert_eq!(said("a{1000}{1000}"), "a regular expression that is too large");
        assert_eq!(said("a*"), "a regular expression that matches the empty text finds everything");
    }
}
