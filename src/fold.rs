//! Folding: the one form in which words are compared, whatever their case, accents or Unicode form.
//!
//! `docs/search.md` specifies it. Text is cut into *clusters* (a character and the marks after it)
//! and each is folded for itself, so that folding a text piecewise gives the same as folding it
//! whole, and every place in the folded text leads back to a place in the original.

use std::borrow::Cow;
use std::ops::Range;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::{canonical_combining_class, is_combining_mark};

/// The versions of Unicode by which letters are told and text is decomposed. Words that were folded by other ones may
/// differ.
pub const TABLES: [u8; 2] = [char::UNICODE_VERSION.0, unicode_normalization::UNICODE_VERSION.0];

/// Slots of the cache of folded characters: more than any one script in everyday use needs.
const CACHE_SLOTS: usize = 4096;

/// The composed form (NFC) of a text, in which the same characters are the same bytes however they were typed.
pub fn composed(text: &str) -> String {
    text.nfc().collect()
}

/// The form in which case and accents differ and nothing else does: compatibility forms composed, without what shows
/// nothing, and with one apostrophe.
pub fn exact(text: &str) -> String {
    text.nfkc().filter(|c| !is_invisible(*c)).map(apostrophe).nfc().collect()
}

/// Folds a text: compatibility forms, case, accents and invisible characters no longer differ.
///
/// Folding twice changes nothing more.
pub fn fold(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        if text.bytes().any(|b| b.is_ascii_uppercase()) {
            return Cow::Owned(text.to_ascii_lowercase());
        }
        return Cow::Borrowed(text);
    }
    let mut folded = String::with_capacity(text.len());
    Folder::for_one(text).fold_into(text, &mut folded);
    Cow::Owned(folded)
}

/// How many bytes of ASCII a text begins with.
pub fn ascii_prefix(bytes: &[u8]) -> usize {
    // Whole blocks are looked at at once, and the one that is not ASCII byte by byte.
    let blocks = bytes.chunks(64).take_while(|block| block.is_ascii()).count();
    let from = (64 * blocks).min(bytes.len());
    from + bytes[from..].iter().take(64).position(|byte| !byte.is_ascii()).unwrap_or(bytes.len() - from)
}

/// A folder that remembers characters it has met, for folding much text.
pub struct Folder {
    cache: Vec<Entry>,
    remembers: bool,
}

impl Default for Folder {
    fn default() -> Self {
        Self { cache: Vec::new(), remembers: true }
    }
}

/// A character that folds to one character, and whether it continues the cluster before it.
#[derive(Clone, Copy)]
struct Entry {
    original: char,
    folded: char,
    kind: EntryKind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum EntryKind {
    /// Nothing known.
    Empty,
    /// Begins a cluster and folds to one character.
    Simple,
    /// Begins a cluster and folds to none or several.
    Complex,
    /// Continues the cluster before it.
    Extender,
}

impl Folder {
    /// A folder for one text: filling a cache costs more than it saves when that is a title.
    pub fn for_one(text: &str) -> Self {
        Self { cache: Vec::new(), remembers: text.len() > CACHE_SLOTS }
    }

    /// Appends the folded text.
    pub fn fold_into(&mut self, text: &str, out: &mut String) {
        self.fold_with(text, out, |_| {});
    }

    /// Appends the folded text and returns how to find back.
    pub fn fold_mapped(&mut self, text: &str, out: &mut String) -> FoldMap {
        let mut pieces = Vec::new();
        self.fold_with(text, out, |piece| pieces.push(piece));
        FoldMap { pieces }
    }

    fn fold_with(&mut self, text: &str, out: &mut String, mut each: impl FnMut(Piece)) {
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            let mut plain_end = at + ascii_prefix(&bytes[at..]);
            // A mark belongs to the character before it, even to an ASCII one.
            if plain_end > at && text[plain_end..].chars().next().is_some_and(|next| self.entry(next).is_extender()) {
                plain_end -= 1;
            }
            if plain_end > at {
                let folded_start = out.len();
                out.push_str(&text[at..plain_end]);
                out[folded_start..].make_ascii_lowercase();
                each(Piece { folded_start, original: at..plain_end, is_plain: true });
                at = plain_end;
                continue;
            }
            let end = self.cluster_end(text, at);
            let folded_start = out.len();
            self.fold_cluster(&text[at..end], out);
            each(Piece { folded_start, original: at..end, is_plain: false });
            at = end;
        }
    }

    fn cluster_end(&mut self, text: &str, start: usize) -> usize {
        let mut chars = text[start..].char_indices().skip(1);
        let end = chars.find(|&(_, c)| c.is_ascii() || !self.entry(c).is_extender());
        end.map_or(text.len(), |(offset, _)| start + offset)
    }

    fn fold_cluster(&mut self, cluster: &str, out: &mut String) {
        let mut chars = cluster.chars();
        if let (Some(only), None) = (chars.next(), chars.next()) {
            let entry = self.entry(only);
            if entry.kind == EntryKind::Simple {
                out.push(entry.folded);
                return;
            }
        }
        out.extend(folded_chars(cluster));
    }

    fn entry(&mut self, c: char) -> Entry {
        let code = u32::from(c);
        // The two blocks that fold to themselves and would crowd everything else out.
        if matches!(code, 0x4E00..=0x9FFF | 0xAC00..=0xD7A3) {
            return Entry { original: c, folded: c, kind: EntryKind::Simple };
        }
        if !self.remembers {
            return Entry::of(c);
        }
        if self.cache.is_empty() {
            let empty = Entry { original: '\0', folded: '\0', kind: EntryKind::Empty };
            self.cache = vec![empty; CACHE_SLOTS];
        }
        let slot = &mut self.cache[code as usize % CACHE_SLOTS];
        if slot.original != c || slot.kind == EntryKind::Empty {
            *slot = Entry::of(c);
        }
        *slot
    }
}

impl Entry {
    fn of(c: char) -> Self {
        if continues_cluster(c) {
            return Self { original: c, folded: c, kind: EntryKind::Extender };
        }
        let mut buffer = [0; 4];
        let mut folded = folded_chars(c.encode_utf8(&mut buffer));
        match (folded.next(), folded.next()) {
            (Some(folded), None) => Self { original: c, folded, kind: EntryKind::Simple },
            _ => Self { original: c, folded: c, kind: EntryKind::Complex },
        }
    }

    fn is_extender(self) -> bool {
        self.kind == EntryKind::Extender
    }
}

/// What one cluster folds to.
fn folded_chars(cluster: &str) -> impl Iterator<Item = char> + '_ {
    cluster.nfkd().flat_map(char::to_lowercase).nfkd().filter(|&c| !is_accent(c) && !is_invisible(c)).nfc().flat_map(
        |c| {
            let (first, second) = match c {
                'ß' => ('s', Some('s')),
                'ς' => ('σ', None),
                '\u{200b}' => (' ', None),
                other => (apostrophe(other), None),
            };
            std::iter::once(first).chain(second)
        },
    )
}

/// The apostrophes that are typed for the same.
fn apostrophe(c: char) -> char {
    if matches!(c, '\u{2019}' | '\u{2018}' | '\u{2bc}') { '\'' } else { c }
}

fn continues_cluster(c: char) -> bool {
    is_combining_mark(c)
        || is_invisible(c)
        // Vowels and finals of decomposed Hangul, and the half-width voicing marks.
        || matches!(c, '\u{1160}'..='\u{11ff}' | '\u{d7b0}'..='\u{d7fb}' | '\u{ff9e}' | '\u{ff9f}')
}

/// Whether a mark only changes how a letter sounds to those who write it.
///
/// By combining class: accents, breathings, and Hebrew, Arabic and Syriac points. Kept are marks
/// that make another letter: the voicing marks of kana, nuktas, viramas, and the vowel and tone
/// signs of Thai, Lao, Tibetan and the Indic scripts.
fn is_accent(c: char) -> bool {
    matches!(canonical_combining_class(c), 1..=6 | 10..=36 | 200..=240)
}

/// Characters that show nothing and say nothing about the word they stand in.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180b}'..='\u{180f}' | '\u{200c}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{e0000}'..='\u{e0fff}')
}

/// The way back from a folded text to the original.
pub struct FoldMap {
    pieces: Vec<Piece>,
}

struct Piece {
    folded_start: usize,
    original: Range<usize>,
    /// ASCII, byte for byte as long as its folded form.
    is_plain: bool,
}

impl FoldMap {
    /// The smallest range of whole original clusters that covers a range, not empty, of the folded
    /// text.
    pub fn original(&self, folded: Range<usize>) -> Range<usize> {
        let start = self.piece(folded.start).map_or(0, |piece| {
            if piece.is_plain {
                piece.original.start + (folded.start - piece.folded_start)
            } else {
                piece.original.start
            }
        });
        let end = self.piece(folded.end.saturating_sub(1)).map_or(0, |piece| {
            if piece.is_plain { piece.original.start + (folded.end - piece.folded_start) } else { piece.original.end }
        });
        start..end.max(start)
    }

    /// The last piece that begins at or before the place, so that pieces folded to nothing lose.
    fn piece(&self, folded_at: usize) -> Option<&Piece> {
        let after = self.pieces.partition_point(|piece| piece.folded_start <= folded_at);
        self.pieces.get(after.checked_sub(1)?)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn folds_case_accents_and_forms() {
        for (text, folded) in [
            ("Budget", "budget"),
            ("Café", "cafe"),
            ("Cafe\u{301}", "cafe"),
            ("STRASSE Straße STRAẞE", "strasse strasse strasse"),
            ("ΟΔΟΣ οδος Οδός", "οδοσ οδοσ οδοσ"),
            ("İstanbul", "istanbul"),
            ("ﬁne ＡＢＣ ℌ ²", "fine abc h 2"),
            ("Ёлка йод", "елка иод"),
            ("don’t", "don't"),
            ("in\u{ad}visible \u{200f}mark\u{feff}", "invisible mark"),
            ("zero\u{200b}width", "zero width"),
            ("がぎ", "がぎ"),
            ("か\u{3099}", "が"),
            ("ｶﾞ", "ガ"),
            ("한국", "한국"),
            ("\u{1112}\u{1161}\u{11ab}", "한"),
            ("हिन्दी", "हिन्दी"),
            ("ภาษาไทย", "ภาษาไทย"),
            ("שָׁלוֹם", "שלום"),
            ("مُحَمَّد", "محمد"),
            ("❤\u{fe0f} 👨\u{200d}👩", "❤ 👨👩"),
            ("\u{301}", ""),
            ("", ""),
        ] {
            assert_eq!(fold(text), folded, "{text:?}");
        }
    }

    #[test]
    fn leads_back_to_whole_clusters() {
        let text = "x \u{200f}Cafe\u{301} Straße";
        let mut folded = String::new();
        let map = Folder::default().fold_mapped(text, &mut folded);
        assert_eq!(folded, "x cafe strasse");
        let original = |word: &str| {
            let start = folded.find(word).expect("is in it");
            &text[map.original(start..start + word.len())]
        };
        assert_eq!(original("cafe"), "Cafe\u{301}");
        assert_eq!(original("af"), "af");
        assert_eq!(original("strasse"), "Straße");
        // Half of an ß is shown as the whole.
        assert_eq!(original("stras"), "Straß");
    }

    /// Text with more marks, jamo and invisible characters than chance would bring.
    fn text() -> impl Strategy<Value = String> {
        let odd = prop::sample::select(vec![
            'a', 'E', ' ', '\u{301}', '\u{3099}', 'か', 'ｶ', 'ﾞ', '\u{1112}', '\u{1161}', '\u{11ab}', '\u{200d}',
            '\u{ad}', 'ß', 'ẞ', 'İ', 'Σ', 'ﬁ', '½', 'ำ', '\u{200b}', '가', '\u{11a8}', '\u{f71}', '\u{f72}',
            '\u{fb1d}', '\u{1f88}',
        ]);
        prop::collection::vec(prop_oneof![odd, any::<char>()], 0..12).prop_map(String::from_iter)
    }

    proptest! {
        #[test]
        fn folding_twice_changes_nothing(text in text()) {
            let once = fold(&text).into_owned();
            prop_assert_eq!(fold(&once), once.as_str());
        }

        #[test]
        fn the_cache_changes_nothing(texts in prop::collection::vec(text(), 1..4)) {
            let mut folder = Folder::default();
            for text in &texts {
                let mut folded = String::new();
                let map = folder.fold_mapped(text, &mut folded);
                prop_assert_eq!(&folded, &fold(text));
                for (at, c) in folded.char_indices() {
                    let range = map.original(at..at + c.len_utf8());
                    prop_assert!(fold(&text[range]).contains(c));
                }
            }
        }
    }
}
