//! One segment looked at: what of the query stands in it, how often, and in which message best.

use std::ops::Range;

use super::question::Question;
use super::snippet::snippet;
use crate::bytes::Malformed;
use crate::conversation::{Conversation, Message, SourceTime};
use crate::export::words::{author, role_word};
use crate::matching::Scratch;
use crate::sketch::TITLE_WEIGHT;
use crate::vault::Spoken;

/// A message beside a hit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Neighbour {
    /// Its number, from 1.
    pub number: usize,
    /// Who wrote it.
    pub author: String,
    /// When, in the source's words.
    pub time: Option<SourceTime>,
    /// What it says, in one line.
    pub text: String,
}

/// The message of a conversation that answers a query best.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Best {
    /// Its number among all messages, from 1, as `show --numbers` counts them.
    pub number: usize,
    /// The source's id of it.
    pub id: Option<String>,
    /// Who wrote it.
    pub author: String,
    /// The part its author plays.
    pub role: &'static str,
    /// When it was written, in the source's words.
    pub time: Option<SourceTime>,
    /// Messages before it, in their order.
    pub before: Vec<Neighbour>,
    /// Messages after it.
    pub after: Vec<Neighbour>,
}

/// What a look through one segment found, before it is known what others of its conversation say.
#[derive(Default)]
pub(super) struct Look {
    /// An unwanted term stands in it.
    is_unwanted: bool,
    /// How often each wanted term stands in its messages, and in its title.
    counts: Vec<u32>,
    titled: Vec<u32>,
    /// Messages in which any stands; where nothing is looked for in them, those that are chosen.
    matches: usize,
    /// Whether there has to be such a message.
    needs_match: bool,
    /// How many different terms stand in the best message, and how often all of them.
    worth: (usize, u32),
    /// That message; none where only the title has any.
    best: Option<Best>,
    snippet: String,
    marks: Vec<Range<usize>>,
}

impl Look {
    /// Looks through a segment; none where it is no hit. What one month of a chat lacks another may have, so of a month what
    /// was found comes back whatever it is.
    pub(super) fn at(
        question: &Question<'_>,
        mut spoken: Spoken<'_>,
        scratch: &mut Scratch,
        (is_part, context): (bool, usize),
    ) -> Result<Option<Self>, Malformed> {
        // Looking for it in the whole text costs a fraction of taking the conversation apart.
        if !is_part && !question.is_sketched() {
            let lacking = question.lacking(spoken.text(), scratch);
            if !lacking.is_empty() && spoken.is_all_text()? {
                let title = spoken.title()?.filter(|_| !question.narrows()).unwrap_or_default();
                if lacking.iter().any(|sought| sought.count(&title, scratch, false) == 0) {
                    return Ok(None);
                }
            }
        }
        let conversation = spoken.conversation()?;
        let look = Self::through(question, &conversation, scratch, context);
        Ok(Some(look).filter(|look| is_part || look.is_hit()))
    }

    fn through(question: &Question<'_>, conversation: &Conversation, scratch: &mut Scratch, context: usize) -> Self {
        let (terms, case) = (question.wanted.len(), question.scope.case);
        let mut look = Self { counts: vec![0; terms], titled: vec![0; terms], ..Self::default() };
        // Where nothing is looked for in the messages that are chosen, one has to be there.
        look.needs_match = terms == 0 && question.narrows();
        let title = conversation.title.as_deref().filter(|_| !question.narrows()).unwrap_or_default();
        let mut is_unwanted = |text: &str, scratch: &mut Scratch| {
            look.is_unwanted |= question.unwanted.iter().any(|sought| sought.count(text, scratch, case) > 0);
        };
        is_unwanted(title, scratch);
        let (mut best, needs_match) = (None, look.needs_match);
        let mut counts = vec![0_u32; terms];
        for (index, message) in conversation.messages.iter().enumerate() {
            if !question.takes(conversation, message) {
                continue;
            }
            counts.fill(0);
            for text in conversation.texts_of(message) {
                is_unwanted(text, scratch);
                for (count, sought) in counts.iter_mut().zip(&question.wanted) {
                    *count = count.saturating_add(sought.count(text, scratch, case));
                }
            }
            let worth = (
                counts.iter().filter(|count| **count > 0).count(),
                counts.iter().fold(0, |sum: u32, count| sum.saturating_add(*count)),
            );
            look.matches += usize::from(worth.0 > 0 || needs_match);
            if worth > look.worth || needs_match && best.is_none() {
                (look.worth, best) = (worth, Some(index));
            }
            look.counts.iter_mut().zip(&counts).for_each(|(sum, count)| *sum = sum.saturating_add(*count));
        }
        for (count, sought) in look.titled.iter_mut().zip(&question.wanted) {
            *count = sought.count(title, scratch, case);
        }
        match best.and_then(|index| conversation.messages.get(index)) {
            Some(message) => look.show(question, conversation, (best.unwrap_or(0), message), context),
            None => (look.snippet, look.marks) = snippet(title, &question.find(title)),
        }
        look
    }

    /// Cuts the snippet out of the best message.
    fn show(
        &mut self,
        question: &Question<'_>,
        conversation: &Conversation,
        (index, message): (usize, &Message),
        context: usize,
    ) {
        let cut = |text| snippet(text, &question.find(text));
        let texts = || conversation.texts_of(message);
        let found = texts().map(cut).find(|(_, marks)| !marks.is_empty());
        let found = found.or_else(|| texts().find(|text| !text.trim().is_empty()).map(|text| snippet(text, &[])));
        (self.snippet, self.marks) = found.unwrap_or_default();
        let seen = |(index, message): (usize, &Message)| {
            let is_seen = (question.scope.all || message.is_visible()) && !message.parts.is_empty();
            is_seen.then(|| Neighbour {
                number: index + 1,
                author: author(conversation, message),
                time: message.time.clone(),
                text: texts_in_line(conversation, message),
            })
        };
        let (before, after) = conversation.messages.split_at(index);
        let mut before: Vec<Neighbour> =
            before.iter().enumerate().rev().filter_map(|(at, one)| seen((at, one))).take(context).collect();
        before.reverse();
        let after = (index + 1..).zip(after.iter().skip(1)).filter_map(seen).take(context).collect();
        let participant = conversation.participants.get(message.author as usize);
        self.best = Some(Best {
            number: index + 1,
            id: message.id.clone(),
            author: author(conversation, message),
            role: participant.map_or("other", |participant| role_word(participant.role)),
            time: message.time.clone(),
            before,
            after,
        });
    }

    /// Takes another month of the same chat into account. Of equals the first has the best message.
    pub(super) fn add(&mut self, other: Self) {
        self.is_unwanted |= other.is_unwanted;
        for (sum, count) in self.counts.iter_mut().zip(&other.counts) {
            *sum = sum.saturating_add(*count);
        }
        for (most, count) in self.titled.iter_mut().zip(&other.titled) {
            *most = (*most).max(*count);
        }
        self.matches += other.matches;
        self.needs_match |= other.needs_match;
        if other.worth > self.worth || (self.best.is_none() && other.best.is_some()) {
            self.worth = other.worth;
            (self.best, self.snippet, self.marks) = (other.best, other.snippet, other.marks);
        }
    }

    /// Moves the numbers of its messages behind those of earlier months.
    pub(super) fn shift(&mut self, by: usize) {
        if let Some(best) = &mut self.best {
            best.number += by;
            best.before.iter_mut().chain(&mut best.after).for_each(|one| one.number += by);
        }
    }

    /// Whether all that is wanted is there and nothing that is not.
    pub(super) fn is_hit(&self) -> bool {
        let is_there = self.counts.iter().zip(&self.titled).all(|(count, titled)| *count > 0 || *titled > 0);
        !self.is_unwanted && is_there && (self.matches > 0 || !self.needs_match)
    }

    /// How often each wanted term stands in it, a title counted several times.
    pub(super) fn weighed(&self) -> Vec<u32> {
        let sums = self.counts.iter().zip(&self.titled);
        sums.map(|(count, titled)| count.saturating_add(titled.saturating_mul(TITLE_WEIGHT))).collect()
    }

    /// Its best message, and in how many there are matches.
    pub(super) fn best(self) -> (Option<Best>, usize, String, Vec<Range<usize>>) {
        (self.best, self.matches, self.snippet, self.marks)
    }
}

/// What a message says, as one line that is no longer than a snippet.
fn texts_in_line(conversation: &Conversation, message: &Message) -> String {
    let texts = message.parts.iter().map(|part| conversation.text_of(part));
    let said: Vec<&str> = texts.flat_map(str::split_whitespace).take(60).collect();
    snippet(&said.join(" "), &[]).0
}
