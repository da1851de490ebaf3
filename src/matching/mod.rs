//! Matching text terms against text, exactly as `docs/search.md` specifies.
//!
//! Text is folded first ([`crate::fold`]) and then read as words; nothing is looked up in an index
//! and nothing is approximate. Pure: no file, clock or terminal.

mod ascii;
mod pattern;

use std::ops::Range;

use memchr::memmem::Finder;
use unicode_normalization::char::is_combining_mark;
use zeroize::Zeroizing;

pub use pattern::{Pattern, PatternError};

use crate::fold::{FoldMap, Folder, ascii_prefix, exact, fold};

/// Why a text term can match nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TermError {
    /// Nothing is left to compare.
    #[error("nothing to look for")]
    Empty,
    /// A star that does not follow the beginning of a word.
    #[error("a star stands only at the end of a word")]
    StarPlace,
}

impl TermError {
    /// What to do about it, on a line of its own.
    pub fn hint(self) -> &'static str {
        match self {
            Self::Empty => "write a word, a \"phrase in quotes\", the beginning of a word as bud*, or ~part",
            Self::StarPlace => "write bud* for words that begin so, or put the text in quotes",
        }
    }
}

/// One thing to look for: words in a row, or a piece of text.
#[derive(Clone, Debug)]
pub struct TextTerm {
    shape: Shape,
    /// The same as it was typed, with its case and accents.
    exact: Shape,
    /// Looks for the first word, or for the piece.
    first: Finder<'static>,
    /// Looks for the longest word, to turn most texts away at once.
    longest: Finder<'static>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Shape {
    /// Consecutive words, folded, at least one; of the last one perhaps only the beginning.
    Words { words: Vec<String>, open_ended: bool },
    /// Folded text, not empty, wherever it stands.
    Piece(String),
}

impl PartialEq for TextTerm {
    fn eq(&self, other: &Self) -> bool {
        self.shape == other.shape
    }
}

impl Eq for TextTerm {}

impl TextTerm {
    /// Reads an unquoted term: `word`, `begin*`, `~part`; `foo-bar` is the phrase `foo bar`.
    pub fn parse(text: &str) -> Result<Self, TermError> {
        if let Some(part) = text.strip_prefix('~') {
            return Self::piece(part);
        }
        let (text, open_ended) = match text.strip_suffix('*') {
            Some(beginning) => (beginning, true),
            None => (text, false),
        };
        if text.contains('*') || (text.is_empty() && open_ended) {
            return Err(TermError::StarPlace);
        }
        let term = Self::phrase(text)?;
        if !open_ended {
            return Ok(term);
        }
        match (term.shape, term.exact) {
            (Shape::Words { words, .. }, Shape::Words { words: exact, .. }) if fold(text).ends_with(is_word_char) => {
                Ok(Self::new(Shape::Words { words, open_ended }, Shape::Words { words: exact, open_ended }))
            }
            _ => Err(TermError::StarPlace),
        }
    }

    /// Consecutive words, as between quotes. Text without any letter or digit, such as an emoji, is
    /// looked for as it stands.
    pub fn phrase(text: &str) -> Result<Self, TermError> {
        let shape = |form: &str| {
            let words = words(form).map(|range| form[range].to_owned()).collect();
            Shape::Words { words, open_ended: false }
        };
        let (folded, typed) = (shape(&fold(text)), shape(&exact(text)));
        match &folded {
            Shape::Words { words, .. } if words.is_empty() => Self::piece(text.trim()),
            _ => Ok(Self::new(folded, typed)),
        }
    }

    /// Any piece of text, inside words too.
    pub fn piece(text: &str) -> Result<Self, TermError> {
        let folded = fold(text).into_owned();
        match folded.is_empty() {
            true => Err(TermError::Empty),
            false => Ok(Self::new(Shape::Piece(folded), Shape::Piece(exact(text)))),
        }
    }

    fn new(shape: Shape, exact: Shape) -> Self {
        let (first, longest) = match &shape {
            Shape::Words { words, .. } => {
                let longest = words.iter().max_by_key(|word| word.len()).unwrap_or(&words[0]);
                (words[0].as_str(), longest.as_str())
            }
            Shape::Piece(piece) => (piece.as_str(), piece.as_str()),
        };
        let (first, longest) = (Finder::new(first).into_owned(), Finder::new(longest).into_owned());
        Self { shape, exact, first, longest }
    }

    /// The words, folded, that are whole words of every text in which it stands, and the pairs of them, joined, that are
    /// neighbours there and of a script without spaces.
    pub fn whole_words(&self) -> (Vec<String>, Vec<String>) {
        let whole: Vec<Option<&str>> = match &self.shape {
            Shape::Words { words, open_ended } => {
                let last = words.len() - usize::from(*open_ended);
                words.iter().enumerate().map(|(index, word)| Some(word.as_str()).filter(|_| index < last)).collect()
            }
            // A word of a piece is whole where the piece says what stands before and after it.
            Shape::Piece(piece) => words(piece)
                .map(|range| {
                    let word = &piece[range.clone()];
                    let begins = match piece[..range.start].chars().next_back() {
                        Some(before) => word.starts_with(is_unspaced) || !is_word_char(before),
                        None => word.starts_with(is_unspaced),
                    };
                    Some(word).filter(|_| begins && range.end < piece.len())
                })
                .collect(),
        };
        let is_alone = |word: &Option<&str>| word.is_some_and(|word| word.starts_with(is_unspaced));
        let pairs = whole.windows(2).filter(|pair| pair.iter().all(is_alone));
        let pairs = pairs.map(|pair| pair.iter().flatten().copied().collect()).collect();
        (whole.into_iter().flatten().map(str::to_owned).collect(), pairs)
    }

    /// Whether a text that was folded before, as by [`Scratch::fold`], has it.
    pub fn is_in_folded(&self, folded: &str) -> bool {
        self.occurrences(folded).next().is_some()
    }

    /// How often a text that was folded before has it.
    pub fn count_in_folded(&self, folded: &str) -> usize {
        self.occurrences(folded).count()
    }

    /// Whether a text has it.
    pub fn is_in(&self, text: &str) -> bool {
        self.is_in_folded(&fold(text))
    }

    /// Where a text has it, in order; pieces may overlap. With `case`, where it stands as it was typed, letter case and
    /// accents too.
    pub fn find_in<'a>(&'a self, text: &'a Folded<'a>, case: bool) -> impl Iterator<Item = Range<usize>> + 'a {
        let original = move |range| text.map.original(range);
        self.occurrences(&text.folded)
            .map(original)
            .filter(move |range| !case || self.is_exactly(&text.text[range.clone()]))
    }

    /// Whether a text in which it was found folded says it as it was typed.
    fn is_exactly(&self, text: &str) -> bool {
        let text = exact(text);
        match &self.exact {
            Shape::Piece(piece) => text == *piece,
            Shape::Words { words: typed, open_ended } => {
                let mut found = words(&text).map(|range| &text[range]);
                let is_same = |(index, word): (usize, &String)| {
                    let may_go_on = *open_ended && index + 1 == typed.len();
                    found.next().is_some_and(|one| one == word || (may_go_on && one.starts_with(word.as_str())))
                };
                typed.iter().enumerate().all(is_same) && found.next().is_none()
            }
        }
    }

    /// The ranges of the folded text where it stands, in order; pieces may overlap.
    fn occurrences<'a>(&'a self, folded: &'a str) -> impl Iterator<Item = Range<usize>> + 'a {
        let mut from = 0;
        if self.longest.find(folded.as_bytes()).is_none() {
            from = folded.len();
        }
        std::iter::from_fn(move || {
            loop {
                let start = from + self.first.find(folded.as_bytes().get(from..)?)?;
                from = start + folded[start..].chars().next().map_or(1, char::len_utf8);
                if let Some(end) = self.end_at(folded, start) {
                    return Some(start..end);
                }
            }
        })
    }

    /// Where the term ends when it stands at `start`, where its first word or the piece was found.
    fn end_at(&self, folded: &str, start: usize) -> Option<usize> {
        let (words, open_ended) = match &self.shape {
            Shape::Piece(piece) => return Some(start + piece.len()),
            Shape::Words { words, open_ended } => (words, *open_ended),
        };
        if !is_word_start(folded, start) {
            return None;
        }
        let mut at = start;
        for (index, word) in words.iter().enumerate() {
            let found = next_word(folded, at)?;
            let may_go_on = open_ended && index + 1 == words.len();
            let text = &folded[found.clone()];
            if !(text == word || (may_go_on && text.starts_with(word.as_str()))) {
                return None;
            }
            at = found.end;
        }
        Some(at)
    }
}

/// A text and its folded form, with the way back.
pub struct Folded<'a> {
    text: &'a str,
    folded: Zeroizing<String>,
    map: FoldMap,
}

impl<'a> Folded<'a> {
    /// Folds a text.
    pub fn new(text: &'a str) -> Self {
        let mut folded = Zeroizing::new(String::with_capacity(text.len() + text.len() / 8));
        let map = Folder::for_one(text).fold_mapped(text, &mut folded);
        Self { text, folded, map }
    }
}

/// Ranges in order and apart from each other: those that overlap are one.
pub fn apart(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.sort_by_key(|range| (range.start, range.end));
    ranges.dedup_by(|next, kept| {
        let overlaps = next.start < kept.end;
        if overlaps {
            kept.end = kept.end.max(next.end);
        }
        overlaps
    });
    ranges
}

/// A folder and its buffer, kept from text to text and wiped at the end.
#[derive(Default)]
pub struct Scratch {
    folder: Folder,
    folded: Zeroizing<String>,
}

impl Scratch {
    /// Folds a text; the result stands until the next call.
    pub fn fold(&mut self, text: &str) -> &str {
        use zeroize::Zeroize;
        // Folding rarely lengthens a text. A buffer that must grow is wiped here, not left behind
        // by a reallocation.
        let wanted = text.len() + text.len() / 8;
        if self.folded.capacity() < wanted {
            self.folded.zeroize();
            self.folded.reserve_exact(wanted);
        }
        self.folded.clear();
        self.folder.fold_into(text, &mut self.folded);
        &self.folded
    }
}

/// The words of a folded text, in order: runs of letters, digits and their marks, and in scripts
/// written without spaces every character for itself.
pub fn words(folded: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        let word = next_word(folded, at)?;
        at = word.end;
        Some(word)
    })
}

/// A word of a folded text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word<'a> {
    /// The word.
    pub text: &'a str,
    /// Where in the text it begins, in bytes.
    pub at: usize,
    /// It is one character, with its marks, of a script that puts no space between words.
    pub is_alone: bool,
}

/// Hands on the same words as [`words`], several times faster where they are ASCII.
pub fn each_word<'a>(folded: &'a str, mut each: impl FnMut(Word<'a>)) {
    let mut at = 0;
    while at < folded.len() {
        let end = at + ascii_prefix(&folded.as_bytes()[at..]);
        // A word that reaches the end of the ASCII may go on behind it.
        let mut unfinished = end;
        ascii::each_word(&folded.as_bytes()[at..end], |word| {
            let word = at + word.start..at + word.end;
            if word.end == end && end < folded.len() {
                unfinished = word.start;
            } else {
                each(Word { at: word.start, text: &folded[word], is_alone: false });
            }
        });
        at = unfinished;
        match folded[at..].chars().next() {
            Some(c) if is_word_char(c) => {
                let Some(word) = next_word(folded, at) else { return };
                let text = &folded[word.clone()];
                each(Word { at: word.start, text, is_alone: text.starts_with(is_unspaced) });
                at = word.end;
            }
            Some(c) => at += c.len_utf8(),
            None => return,
        }
    }
}

/// The first word at or after a place that is no middle of a word.
fn next_word(folded: &str, at: usize) -> Option<Range<usize>> {
    let rest = folded.get(at..)?;
    let (offset, first) = rest.char_indices().find(|&(_, c)| is_word_char(c))?;
    let start = at + offset;
    let alone = is_unspaced(first);
    let tail = &folded[start + first.len_utf8()..];
    let goes_on = |c: char| {
        if alone { is_combining(c) } else { is_word_char(c) && !is_unspaced(c) }
    };
    let end = tail.char_indices().find(|&(_, c)| !goes_on(c)).map_or(tail.len(), |(offset, _)| offset);
    Some(start..start + first.len_utf8() + end)
}

/// Whether a word begins at `at`, where a word's first character stands.
fn is_word_start(folded: &str, at: usize) -> bool {
    let Some(first) = folded[at..].chars().next() else { return false };
    let mut before = folded[..at].chars().rev();
    let Some(previous) = before.next().filter(|&c| is_word_char(c)) else { return true };
    if is_combining(first) {
        return false;
    }
    if is_unspaced(first) || is_unspaced(previous) {
        return true;
    }
    // A mark belongs to the character it follows: the word ends here if that one stands alone.
    is_combining(previous) && before.find(|&c| !is_combining(c)).is_some_and(is_unspaced)
}

fn is_word_char(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_alphanumeric() } else { c.is_alphanumeric() || is_combining(c) }
}

fn is_combining(c: char) -> bool {
    !c.is_ascii() && is_combining_mark(c)
}

/// Letters of scripts that put no space between words, or, as Korean, glue particles to them.
fn is_unspaced(c: char) -> bool {
    // Thai and Lao; Myanmar; Hangul; Khmer; Tai Le to Tai Tham; kana, bopomofo and Han.
    let is_in_block = matches!(u32::from(c),
        0x0E00..=0x0EFF | 0x1000..=0x109F | 0x1100..=0x11FF | 0x1780..=0x17FF | 0x1950..=0x19DF | 0x1A20..=0x1AAF
        | 0x3005..=0x3007 | 0x3021..=0x3029 | 0x3041..=0x31BF | 0x31F0..=0x31FF | 0x3400..=0x4DBF | 0x4E00..=0x9FFF
        | 0xA960..=0xA97F | 0xA9E0..=0xA9FF | 0xAA60..=0xAADF | 0xAC00..=0xD7FF | 0x20000..=0x3FFFF);
    is_in_block && c.is_alphanumeric() && !is_combining(c)
}

#[cfg(test)]
mod tests;
