//! The one selector language: what `list`, `search`, `export`, `tag`, `hold` and `erase` act on.
//!
//! `docs/search.md` specifies it. A selector is a list of terms that must all hold. It is parsed
//! here and evaluated against a plain [`Item`]; nothing here knows a vault. An unknown key is an
//! error, never a word to look for: a selector must not become broader by a typing mistake.

mod lex;
mod parse;

use crate::clock::{Instant, Period, TimeError};
use crate::conversation::{Kind, Role};
use crate::fold::fold;
use crate::matching::{Pattern, PatternError, TermError, TextTerm};

/// What a command accepts beside `key:value` terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Conversations: a bare word must be the beginning of an id.
    Items,
    /// Conversations and their text: bare words and phrases are text terms.
    Text,
    /// The same, and bare words and phrases are regular expressions.
    Patterns {
        /// Whether upper and lower case differ.
        case: bool,
    },
}

impl Scope {
    /// Whether messages can be spoken of.
    fn is_search(self) -> bool {
        self != Self::Items
    }
}

/// Terms that must all hold. Without terms it selects everything, which the caller must want.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Selector {
    /// The terms, in the order written.
    pub terms: Vec<Term>,
}

/// One term.
#[derive(Clone, Debug, PartialEq)]
pub struct Term {
    /// Written with a leading `-`: it must not hold.
    pub negated: bool,
    /// What it says.
    pub kind: TermKind,
}

/// What a term says.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum TermKind {
    /// `source:chatgpt`, folded.
    Source(String),
    /// `tag:work`, folded; a second one narrows further.
    Tag(String),
    /// `before:2026-01`: the last activity lies before the beginning of that time.
    Before(Period),
    /// `after:2026-01`: the last activity lies at or after the beginning of that time.
    After(Period),
    /// `on:2026-01`: the last activity lies within that time.
    On(Period),
    /// `created:2026-01`: it was created within that time.
    Created(Period),
    /// `imported:today`: it was imported within that time.
    Imported(Period),
    /// `with:"Alice"`: the words stand in the name of a participant.
    With(TextTerm),
    /// `title:budget`: the words stand in the title.
    Title(TextTerm),
    /// `has:attachment`.
    Has(Feature),
    /// `kind:group`.
    Kind(Kind),
    /// `id:3fa2`, or without the key.
    Id(IdPrefix),
    /// A bare word or phrase: the text has it. Only in [`Scope::Text`].
    Text(TextTerm),
    /// A bare word or phrase: the text has what the expression describes. Only in [`Scope::Patterns`].
    Pattern(Pattern),
    /// What the messages must be in which the text is looked for. Not in [`Scope::Items`].
    Message(MessageTerm),
}

/// What a message must be.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum MessageTerm {
    /// `from:alice`: the words stand in its author's name.
    From(Box<TextTerm>),
    /// `role:assistant`: its author plays this part.
    Role(Role),
    /// `has:code`: there is code in it.
    Code,
}

/// What `has:` can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Feature {
    /// At least one attachment.
    Attachment,
    /// At least one tag.
    Tag,
    /// A title.
    Title,
}

/// The beginning of an id, at least four hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdPrefix {
    digits: String,
    /// Written without `id:`, so that a command that destroys can ask for more digits.
    pub is_bare: bool,
}

impl IdPrefix {
    /// Fewer digits than this are refused.
    pub const SHORTEST: usize = 4;

    /// Reads 4 to 32 hexadecimal digits of either case.
    pub fn parse(text: &str, is_bare: bool) -> Option<Self> {
        let fits = (Self::SHORTEST..=32).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit());
        fits.then(|| Self { digits: text.to_ascii_lowercase(), is_bare })
    }

    /// The digits, in lower case.
    pub fn digits(&self) -> &str {
        &self.digits
    }

    /// Whether an id begins so.
    pub fn matches(&self, id: &[u8; 16]) -> bool {
        self.digits.bytes().enumerate().all(|(place, digit)| {
            let byte = id[place / 2];
            let half = if place % 2 == 0 { byte >> 4 } else { byte & 15 };
            char::from(digit).to_digit(16) == Some(u32::from(half))
        })
    }
}

/// What a selector looks at: one conversation, without its text.
#[derive(Clone, Copy, Debug)]
pub struct Item<'a> {
    /// The conversation's id.
    pub id: &'a [u8; 16],
    /// The word for its source.
    pub source: &'a str,
    /// The title, when it has one.
    pub title: Option<&'a str>,
    /// What sort it is.
    pub kind: Kind,
    /// The tags.
    pub tags: &'a [String],
    /// The names of the participants.
    pub participants: &'a [String],
    /// When it was created, when the source says so.
    pub created: Option<Instant>,
    /// The last activity, when the source says so; otherwise the import counts.
    pub last_activity: Option<Instant>,
    /// When it was first imported.
    pub imported: Instant,
    /// How many attachments it has.
    pub attachments: u32,
}

impl Item<'_> {
    fn activity(&self) -> Instant {
        self.last_activity.unwrap_or(self.imported)
    }
}

impl Selector {
    /// Whether it has no terms and selects everything.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Whether any term speaks of conversations, and not of their messages and texts alone.
    pub fn has_item_terms(&self) -> bool {
        let speaks =
            |term: &Term| !matches!(term.kind, TermKind::Text(_) | TermKind::Pattern(_) | TermKind::Message(_));
        self.terms.iter().any(speaks)
    }

    /// Whether every term about the conversation holds. Terms about texts and messages are not judged here.
    pub fn matches(&self, item: &Item<'_>) -> bool {
        self.terms.iter().all(|term| term.kind.holds(item) != Some(term.negated))
    }

    /// The beginnings of ids that are wanted; the caller decides what an ambiguous one means.
    pub fn ids(&self) -> impl Iterator<Item = &IdPrefix> {
        self.terms.iter().filter(|term| !term.negated).filter_map(|term| match &term.kind {
            TermKind::Id(prefix) => Some(prefix),
            _ => None,
        })
    }
}

impl TermKind {
    /// Whether it holds for the item; nothing for what only its messages can answer.
    fn holds(&self, item: &Item<'_>) -> Option<bool> {
        Some(match self {
            Self::Source(source) => fold(item.source) == source.as_str(),
            Self::Tag(tag) => item.tags.iter().any(|own| fold(own) == tag.as_str()),
            Self::Before(period) => item.activity() < period.start,
            Self::After(period) => item.activity() >= period.start,
            Self::On(period) => period.contains(item.activity()),
            Self::Created(period) => item.created.is_some_and(|created| period.contains(created)),
            Self::Imported(period) => period.contains(item.imported),
            Self::With(name) => item.participants.iter().any(|own| name.is_in(own)),
            Self::Title(words) => item.title.is_some_and(|title| words.is_in(title)),
            Self::Has(Feature::Attachment) => item.attachments > 0,
            Self::Has(Feature::Tag) => !item.tags.is_empty(),
            Self::Has(Feature::Title) => item.title.is_some_and(|title| !title.trim().is_empty()),
            Self::Kind(kind) => item.kind == *kind,
            Self::Id(prefix) => prefix.matches(item.id),
            Self::Text(_) | Self::Pattern(_) | Self::Message(_) => return None,
        })
    }
}

/// Why a selector was refused, and where.
///
/// The message may repeat what was typed, escaped; it never has anything of a vault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct SelectorError {
    /// What is wrong.
    pub kind: SelectorErrorKind,
    /// Which argument, from 0.
    pub argument: usize,
    /// The byte in the argument where the term begins.
    pub at: usize,
}

/// What is wrong with a selector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SelectorErrorKind {
    /// A key that does not exist.
    #[error("unknown key \"{}\"", .typed.escape_debug())]
    UnknownKey {
        /// The key that was typed.
        typed: String,
        /// The keys there are.
        known: String,
    },
    /// A value that the key does not have.
    #[error("{key}: does not know \"{}\"", .value.escape_debug())]
    UnknownValue {
        /// The key.
        key: &'static str,
        /// The value that was typed.
        value: String,
        /// The values there are.
        known: String,
    },
    /// A key without a value.
    #[error("{0}: has no value")]
    NoValue(&'static str),
    /// A quote that is never closed.
    #[error("a quote is not closed")]
    OpenQuote,
    /// Something directly after a closing quote.
    #[error("text follows a closing quote without a space")]
    AfterQuote,
    /// A `-` with nothing to negate.
    #[error("nothing follows the minus sign")]
    LoneMinus,
    /// A bare word where only conversations are selected.
    #[error("\"{}\" is neither a key with a value nor the beginning of an id", .0.escape_debug())]
    BareWord(String),
    /// `OR`, `AND` or `NOT`, as other languages have them.
    #[error("{0} is no word of this language")]
    Operator(&'static str),
    /// A quote within a word.
    #[error("a quote stands inside a word")]
    QuoteInside,
    /// `~"…"` where words are regular expressions.
    #[error("a regular expression is no ~piece")]
    PieceOfPattern,
    /// A term about messages where only conversations are selected.
    #[error("{0} is asked of messages, which only a search looks at")]
    OnlyInSearch(&'static str),
    /// Not a regular expression.
    #[error("{0}")]
    Pattern(PatternError),
    /// Not the beginning of an id.
    #[error("\"{}\" is not the beginning of an id", .0.escape_debug())]
    NotAnId(String),
    /// A date that was not understood.
    #[error("{key}: {error}")]
    Time {
        /// The key.
        key: &'static str,
        /// Why.
        error: TimeError,
    },
    /// A duration where a day, month or year is meant.
    #[error("{0}: a duration names no day")]
    DurationNamesNoDay(&'static str),
    /// Words that can match nothing.
    #[error("{0}")]
    Words(TermError),
}

impl SelectorError {
    /// What to do about it, on a line of its own.
    pub fn hint(&self) -> String {
        match &self.kind {
            SelectorErrorKind::UnknownKey { known, .. } => {
                format!("keys are {known}; put text that has a colon in quotes")
            }
            SelectorErrorKind::UnknownValue { key, known, .. } => format!("{key}: knows {known}"),
            SelectorErrorKind::NoValue(key) => format!("write {key}:value or {key}:\"a value with spaces\""),
            SelectorErrorKind::OpenQuote => "close it with \"; write \\\" for a quote inside".to_owned(),
            SelectorErrorKind::AfterQuote => "put a space after the quote".to_owned(),
            SelectorErrorKind::LoneMinus => "write -tag:draft, without a space".to_owned(),
            SelectorErrorKind::BareWord(_) => {
                "write title:word for a word of the title; to look in the text, use search".to_owned()
            }
            SelectorErrorKind::QuoteInside => {
                "put a space before a phrase; to look for a quote, write \"5\\\"\"".to_owned()
            }
            SelectorErrorKind::PieceOfPattern => "it matches inside words as it is: leave the ~ out".to_owned(),
            SelectorErrorKind::Operator("OR" | "|" | "||") => {
                "all terms must hold and there is no or: search twice; in quotes it is a word".to_owned()
            }
            SelectorErrorKind::Operator(_) => {
                "all terms must hold, and -term is one that must not; in quotes it is a word".to_owned()
            }
            SelectorErrorKind::OnlyInSearch(_) => {
                "search finds such messages; with:name selects conversations by who takes part".to_owned()
            }
            SelectorErrorKind::Pattern(error) => error.hint().to_owned(),
            SelectorErrorKind::NotAnId(_) => "an id is 4 to 32 hexadecimal digits, as list shows them".to_owned(),
            SelectorErrorKind::Time { error, .. } => error.hint().to_owned(),
            SelectorErrorKind::DurationNamesNoDay(_) => {
                "write a day, month or year such as 2026-01, or after:90d".to_owned()
            }
            SelectorErrorKind::Words(error) => error.hint().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests;
