//! A query made ready: what is looked for in texts, in which messages, and what a sketch has to have of it.

use std::ops::Range;

use crate::conversation::{Conversation, Message, PartKind};
use crate::matching::{Folded, Pattern, Scratch, TextTerm, apart};
use crate::selector::{MessageTerm, Selector, TermKind};
use crate::sketch::{Evidence, Sketch};

/// Places of one term that are looked for to be marked: more do not fit a snippet.
const MOST_MARKS: usize = 100;

/// How texts are looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Hidden messages and abandoned branches too.
    pub all: bool,
    /// Letter case and accents have to be as they were typed.
    pub case: bool,
}

/// What is looked for.
pub(super) struct Question<'q> {
    /// Terms that must stand somewhere.
    pub(super) wanted: Vec<Sought<'q>>,
    /// Terms that must stand nowhere.
    pub(super) unwanted: Vec<Sought<'q>>,
    /// What a message must be to be looked at, each negated or not.
    messages: Vec<(bool, &'q MessageTerm)>,
    pub(super) scope: Scope,
}

/// One thing that is looked for.
pub(super) struct Sought<'q> {
    matcher: Matcher<'q>,
    pub(super) evidence: Evidence,
}

enum Matcher<'q> {
    Words(&'q TextTerm),
    Pattern(&'q Pattern),
}

impl<'q> Question<'q> {
    pub(super) fn new(selector: &'q Selector, scope: Scope) -> Self {
        let mut question = Self { wanted: Vec::new(), unwanted: Vec::new(), messages: Vec::new(), scope };
        for term in &selector.terms {
            let sought = match &term.kind {
                TermKind::Text(words) => Sought { matcher: Matcher::Words(words), evidence: Evidence::of(words) },
                TermKind::Pattern(pattern) => {
                    Sought { matcher: Matcher::Pattern(pattern), evidence: Evidence::default() }
                }
                TermKind::Message(message) => {
                    question.messages.push((term.negated, message));
                    continue;
                }
                _ => continue,
            };
            let side = if term.negated { &mut question.unwanted } else { &mut question.wanted };
            side.push(sought);
        }
        question
    }

    /// Whether texts have to be looked at.
    pub(super) fn asks_of_texts(&self) -> bool {
        !(self.wanted.is_empty() && self.unwanted.is_empty() && self.messages.is_empty())
    }

    /// Whether not all messages count, and so no title does.
    pub(super) fn narrows(&self) -> bool {
        !self.messages.is_empty()
    }

    /// Whether the sketches say something of all that is wanted.
    pub(super) fn is_sketched(&self) -> bool {
        !self.wanted.is_empty() && self.wanted.iter().all(|sought| sought.evidence.is_some())
    }

    /// How often each wanted term stands in a segment at most, and behind them each unwanted one. None when nothing does.
    pub(super) fn most(&self, sketch: Option<&Sketch<'_>>) -> Option<Vec<u32>> {
        let of = |sought: &Sought<'_>| sketch.map_or(u32::MAX, |sketch| sketch.most(&sought.evidence));
        let most: Vec<u32> = self.wanted.iter().chain(&self.unwanted).map(of).collect();
        (self.wanted.is_empty() || most.iter().any(|most| *most > 0)).then_some(most)
    }

    /// Whether a message is looked at.
    pub(super) fn takes(&self, conversation: &Conversation, message: &Message) -> bool {
        let author = conversation.participants.get(message.author as usize);
        let holds = |term: &MessageTerm| match term {
            MessageTerm::From(words) => {
                author.and_then(|author| author.name.as_ref()).is_some_and(|name| words.is_in(name))
            }
            MessageTerm::Role(role) => author.is_some_and(|author| author.role == *role),
            MessageTerm::Code => has_code(conversation, message),
        };
        (self.scope.all || message.is_visible()) && self.messages.iter().all(|(negated, term)| holds(term) != *negated)
    }

    /// What is wanted and is surely in none of the texts that these are, one after the other.
    pub(super) fn lacking(&self, text: &str, scratch: &mut Scratch) -> Vec<&Sought<'q>> {
        let folds = self.wanted.iter().any(|sought| matches!(sought.matcher, Matcher::Words(_)));
        let folded = if folds { scratch.fold(text) } else { "" };
        let is_lacking = |sought: &&Sought<'_>| match sought.matcher {
            Matcher::Words(term) => !term.is_in_folded(folded),
            Matcher::Pattern(pattern) => pattern.is_local() && !pattern.is_in(text),
        };
        self.wanted.iter().filter(is_lacking).collect()
    }
}

/// A part that is code, or a fence of Markdown around some.
fn has_code(conversation: &Conversation, message: &Message) -> bool {
    message.parts.iter().any(|part| match part.kind {
        PartKind::Code => true,
        PartKind::Text | PartKind::Document => {
            let is_fence = |line: &str| line.trim_start().starts_with("```") || line.trim_start().starts_with("~~~");
            conversation.text_of(part).lines().any(is_fence)
        }
        _ => false,
    })
}

impl Sought<'_> {
    /// How often it stands in a text.
    pub(super) fn count(&self, text: &str, scratch: &mut Scratch, case: bool) -> u32 {
        let count = match self.matcher {
            Matcher::Words(term) if case && term.is_in_folded(scratch.fold(text)) => {
                term.find_in(&Folded::new(text), true).count()
            }
            Matcher::Words(_) if case => 0,
            Matcher::Words(term) => term.count_in_folded(scratch.fold(text)),
            Matcher::Pattern(pattern) => pattern.find(text).count(),
        };
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// Where it stands in a text.
    fn find(&self, text: &str, folded: &Folded<'_>, case: bool) -> Vec<Range<usize>> {
        match self.matcher {
            Matcher::Words(term) => term.find_in(folded, case).take(MOST_MARKS).collect(),
            Matcher::Pattern(pattern) => pattern.find(text).take(MOST_MARKS).collect(),
        }
    }
}

impl Question<'_> {
    /// Where what is wanted stands in a text first, in order and apart from each other: what a reader wants to see marked.
    pub(super) fn find(&self, text: &str) -> Vec<Range<usize>> {
        let folded = Folded::new(text);
        apart(self.wanted.iter().flat_map(|sought| sought.find(text, &folded, self.scope.case)).collect())
    }
}
