//! The text around a match, in one line.

use std::ops::Range;

/// Characters of a snippet before and after the first match.
const AROUND: usize = 60;

/// Characters of a match that are shown: an expression may match a whole text.
const LONGEST: usize = 200;

/// The text around the first of these matches, its line breaks made spaces, and where in it the matches stand; the
/// beginning of the text when there is none.
pub(super) fn snippet(text: &str, found: &[Range<usize>]) -> (String, Vec<Range<usize>>) {
    let first = found.first().cloned().unwrap_or(0..0);
    let cut = text[first.clone()].char_indices().nth(LONGEST).map_or(first.end, |(at, _)| first.start + at);
    let first = first.start..cut;
    let start = text[..first.start].char_indices().rev().nth(AROUND).map_or(0, |(at, _)| at);
    let after = if found.is_empty() { 2 * AROUND } else { AROUND };
    let end = text[first.end..].char_indices().nth(after).map_or(text.len(), |(at, _)| first.end + at);
    let mut out = String::new();
    if start > 0 {
        out.push('…');
    }
    let shift = out.len();
    // A line break is one byte and becomes one byte, so the marks stay where they are.
    out.extend(text[start..end].chars().map(|c| if c == '\n' || c == '\t' || c == '\r' { ' ' } else { c }));
    let marks = found.iter().filter(|mark| mark.start < end);
    let marks = marks.map(|mark| mark.start - start + shift..mark.end.min(end) - start + shift).collect();
    if end < text.len() {
        out.push('…');
    }
    (out, marks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_around_the_match() {
        let text = format!("{} needle {}", "é".repeat(500), "x ".repeat(500));
        let (cut, marks) =
            snippet(&text, &text.match_indices("needle").map(|(at, word)| at..at + word.len()).collect::<Vec<_>>());
        assert!(cut.starts_with('…') && cut.ends_with('…') && cut.chars().count() < 140);
        assert_eq!(&cut[marks[0].clone()], "needle");
        let whole = "é".repeat(5000);
        let (cut, marks) = snippet(&whole, std::slice::from_ref(&(0..whole.len())));
        assert_eq!((cut.chars().count(), marks.len()), (LONGEST + AROUND + 1, 1));
        assert_eq!(marks[0], 0..cut.len() - '…'.len_utf8());
        assert_eq!(snippet("a\nb", &[]), ("a b".to_owned(), vec![]));
    }
}
