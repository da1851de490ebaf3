//! Search by a plain scan: candidates by selector, then every word checked in the opened text.
//!
//! A conversation matches when each wanted term stands in its title or in one of its messages, and no
//! unwanted term stands in any. Hidden messages and abandoned branches count only when asked for.

use std::collections::HashMap;

use crate::conversation::{Conversation, PartKind};
use crate::matching::{Scratch, TextQuery};
use crate::selector::{Item, Selector};
use crate::vault::{CanRead, Damage, Entry, Vault, VaultError};

/// Characters of a snippet before and after the first match.
const AROUND: usize = 60;

/// A conversation that matched, at its first best message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hit {
    /// The conversation.
    pub conversation: [u8; 16],
    /// Index of the message in its segment; `None` when only the title matched.
    pub message: Option<usize>,
    /// The source's id of that message.
    pub message_id: Option<String>,
    /// When the message was written, in the source's words.
    pub time: Option<crate::conversation::SourceTime>,
    /// The text around the first match, in one line.
    pub snippet: String,
    /// Where in the snippet the matches stand, in bytes.
    pub marks: Vec<std::ops::Range<usize>>,
    /// Messages in which a wanted term stands.
    pub matching_messages: usize,
}

/// The view of an entry that selectors judge.
pub fn item<'a>(entry: &'a Entry, tags: &'a [String]) -> Item<'a> {
    Item {
        id: &entry.conversation,
        source: &entry.card.source,
        title: Some(entry.card.title.as_str()).filter(|title| !title.is_empty()),
        kind: entry.card.kind,
        tags,
        participants: &entry.card.participants,
        created: Some(entry.facts.created).filter(|_| !entry.facts.created_clamped),
        last_activity: Some(entry.facts.last_activity),
        imported: entry.facts.imported,
        attachments: entry.facts.attachments,
    }
}

/// Searches segments, which a selector has chosen already: of a chat all its months together. One hit for each
/// conversation, in their order, and what was damaged.
pub fn search<A: CanRead>(
    vault: &Vault<A>,
    segments: &[Entry],
    selector: &Selector,
    all: bool,
) -> Result<(Vec<Hit>, Vec<Damage>), VaultError> {
    let query = selector.text();
    let (found, damaged) = vault.each_conversation(segments, |entry, conversation| {
        (entry.conversation, Look::at(&entry.card.title, conversation, &query, all, entry.is_month()))
    })?;
    let mut places: HashMap<[u8; 16], usize> = HashMap::new();
    let mut whole: Vec<([u8; 16], Look)> = Vec::new();
    for (id, look) in found {
        let place = *places.entry(id).or_insert(whole.len());
        match whole.get_mut(place) {
            Some((_, months)) => months.add(look),
            None => whole.push((id, look)),
        }
    }
    let hits = whole.into_iter().filter_map(|(id, look)| Some(Hit { conversation: id, ..look.hit()? }));
    Ok((hits.collect(), damaged))
}

/// What a look through one segment found, before it is known what others of its conversation say.
#[derive(Default)]
struct Look {
    /// An unwanted term stands in it.
    is_unwanted: bool,
    /// Which of the wanted terms do not.
    missing: Vec<bool>,
    /// How many stand in the best message.
    terms: usize,
    /// That message, or else the title.
    hit: Hit,
}

impl Look {
    fn at(title: &str, conversation: &Conversation, query: &TextQuery, all: bool, is_part: bool) -> Self {
        let mut look = Self { missing: vec![true; query.wanted.len()], ..Self::default() };
        look.is_unwanted = look.count(title, conversation, query, all).is_none();
        // What one month lacks another may have; of anything else nobody sees a snippet then.
        if !look.is_unwanted && (is_part || !look.missing.contains(&true)) {
            look.show(title, conversation, query);
        }
        look
    }

    /// Looks for every term; none when there is an unwanted one.
    fn count(&mut self, title: &str, conversation: &Conversation, query: &TextQuery, all: bool) -> Option<()> {
        let mut scratch = Scratch::default();
        let missing = &mut self.missing;
        // Each text is folded once and every term looked for in it.
        let mut look = |text: &str| -> Option<usize> {
            let folded = scratch.fold(text);
            if query.unwanted.iter().any(|term| term.is_in_folded(folded)) {
                return None;
            }
            let mut count = 0;
            for (term, missing) in query.wanted.iter().zip(missing.iter_mut()) {
                if term.is_in_folded(folded) {
                    *missing = false;
                    count += 1;
                }
            }
            Some(count)
        };
        look(title)?;
        for (index, message) in conversation.messages.iter().enumerate() {
            if !all && !message.is_visible() {
                continue;
            }
            let mut count = 0;
            for part in &message.parts {
                if part.kind != PartKind::Attachment {
                    count += look(conversation.text_of(part))?;
                }
            }
            self.hit.matching_messages += usize::from(count > 0);
            if count > self.terms {
                (self.terms, self.hit.message) = (count, Some(index));
            }
        }
        Some(())
    }

    /// Cuts the snippet out of the best message; where there is none, out of the title.
    fn show(&mut self, title: &str, conversation: &Conversation, query: &TextQuery) {
        let message = self.hit.message.and_then(|index| conversation.messages.get(index));
        let (snippet, marks) = match message {
            Some(message) => {
                let text = message.parts.iter().map(|part| conversation.text_of(part));
                text.map(|text| snippet(text, query)).find(|(_, marks)| !marks.is_empty()).unwrap_or_default()
            }
            None => snippet(title, query),
        };
        (self.hit.snippet, self.hit.marks) = (snippet, marks);
        self.hit.message_id = message.and_then(|message| message.id.clone());
        self.hit.time = message.and_then(|message| message.time.clone());
    }

    /// Takes another month of the same chat into account. Of equals the first has the best message.
    fn add(&mut self, other: Self) {
        self.is_unwanted |= other.is_unwanted;
        for (missing, other) in self.missing.iter_mut().zip(other.missing) {
            *missing &= other;
        }
        let matching_messages = self.hit.matching_messages + other.hit.matching_messages;
        if other.terms > self.terms {
            (self.terms, self.hit) = (other.terms, other.hit);
        }
        self.hit.matching_messages = matching_messages;
    }

    /// The hit, when all that is wanted is there and nothing that is not.
    fn hit(self) -> Option<Hit> {
        (!self.is_unwanted && !self.missing.contains(&true)).then_some(self.hit)
    }
}

/// The text around the first match, its line breaks made spaces.
fn snippet(text: &str, query: &TextQuery) -> (String, Vec<std::ops::Range<usize>>) {
    let found = query.find(text);
    let Some(first) = found.first() else { return Default::default() };
    let start = text[..first.start].char_indices().rev().nth(AROUND).map_or(0, |(at, _)| at);
    let end = text[first.end..].char_indices().nth(AROUND).map_or(text.len(), |(at, _)| first.end + at);
    let mut out = String::new();
    if start > 0 {
        out.push('…');
    }
    let shift = out.len();
    // A line break is one byte and becomes one byte, so the marks stay where they are.
    out.extend(text[start..end].chars().map(|c| if c == '\n' || c == '\t' || c == '\r' { ' ' } else { c }));
    let marks = found.iter().filter(|mark| mark.start >= start && mark.end <= end);
    let marks = marks.map(|mark| mark.start - start + shift..mark.end - start + shift).collect();
    if end < text.len() {
        out.push('…');
    }
    (out, marks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Instant, Zone};
    use crate::conversation::{Message, Part, Role, Visibility};
    use crate::selector::Scope;

    fn hit(title: &str, conversation: &Conversation, query: &TextQuery, all: bool) -> Option<Hit> {
        Look::at(title, conversation, query, all, false).hit()
    }

    fn query(text: &str) -> TextQuery {
        Selector::parse(text, Scope::Text, Instant(0), &Zone::utc()).unwrap().text()
    }

    fn chat() -> Conversation {
        let mut made = Conversation::default();
        let author = made.participant(Role::User, None, None);
        for (text, abandoned, visibility) in [
            ("the budget\nof March", false, Visibility::Shown),
            ("a secret plan", false, Visibility::Hidden),
            ("another draft", true, Visibility::Shown),
            ("Budget and report", false, Visibility::Shown),
        ] {
            let text = made.push_text(text);
            made.messages.push(Message {
                author,
                abandoned,
                visibility,
                parts: vec![Part { text, ..Part::default() }],
                ..Message::default()
            });
        }
        made
    }

    #[test]
    fn all_words_must_stand_somewhere_and_the_best_message_is_shown() {
        let found = hit("Title", &chat(), &query("budget report"), false).unwrap();
        assert_eq!((found.message, found.matching_messages), (Some(3), 2));
        assert_eq!(found.snippet, "Budget and report");
        assert_eq!(found.marks, [0..6, 11..17]);
        let found = hit("Title", &chat(), &query("march title"), false).unwrap();
        assert_eq!((found.message, found.snippet.as_str()), (Some(0), "the budget of March"));
        assert_eq!(hit("Title", &chat(), &query("budget nowhere"), false), None);
        assert_eq!(hit("Title", &chat(), &query("budget -report"), false), None);
        let found = hit("Title", &chat(), &query("title"), false).unwrap();
        assert_eq!((found.message, found.snippet.as_str()), (None, "Title"));
    }

    #[test]
    fn months_are_searched_together() {
        let mut other = Conversation::default();
        let text = other.push_text("report, report and March");
        other.messages.push(Message { parts: vec![Part { text, ..Part::default() }], ..Message::default() });
        let both = |words: &str| {
            let mut look = Look::at("", &chat(), &query(words), false, true);
            look.add(Look::at("", &other, &query(words), false, true));
            look.hit().map(|hit| (hit.snippet, hit.matching_messages))
        };
        assert_eq!(both("report march"), Some(("report, report and March".to_owned(), 3)));
        assert_eq!(both("budget report"), Some(("Budget and report".to_owned(), 3)));
        assert_eq!((both("budget nowhere"), both("budget -march")), (None, None));
    }

    #[test]
    fn hidden_and_abandoned_messages_count_only_when_asked_for() {
        for word in ["secret", "draft"] {
            assert_eq!(hit("", &chat(), &query(word), false), None);
            assert!(hit("", &chat(), &query(word), true).is_some());
        }
    }

    #[test]
    fn long_texts_are_cut_around_the_match() {
        let text = format!("{} needle {}", "é".repeat(500), "x ".repeat(500));
        let (snippet, marks) = snippet(&text, &query("needle"));
        assert!(snippet.starts_with('…') && snippet.ends_with('…') && snippet.chars().count() < 140);
        assert_eq!(&snippet[marks[0].clone()], "needle");
    }
}
