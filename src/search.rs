//! Search by a plain scan: candidates by selector, then every word checked in the opened text.
//!
//! A conversation matches when each wanted term stands in its title or in one of its messages, and no
//! unwanted term stands in any. Hidden messages and abandoned branches count only when asked for.

use std::collections::HashMap;

use crate::conversation::{Conversation, Message, PartKind, Visibility};
use crate::matching::{Scratch, TextQuery};
use crate::selector::{Item, Selector};
use crate::vault::{CanRead, Damage, Entry, Vault, VaultError};

/// Characters of a snippet before and after the first match.
const AROUND: usize = 60;

/// A conversation that matched, at its first best message.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// Index in the entries that were searched.
    pub entry: usize,
    /// Index of the message in the conversation; `None` when only the title matched.
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

/// Whether a reader sees a message without asking for all.
pub fn is_visible(message: &Message) -> bool {
    message.visibility == Visibility::Shown && !message.abandoned
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

/// Searches `entries`, which a selector has chosen already; hits in their order, and what was damaged.
pub fn search<A: CanRead>(
    vault: &Vault<A>,
    entries: &[Entry],
    selector: &Selector,
    all: bool,
) -> Result<(Vec<Hit>, Vec<Damage>), VaultError> {
    let query = selector.text();
    let (found, damaged) = vault.each_conversation(entries, |entry, conversation| {
        hit(&entry.card.title, conversation, &query, all).map(|hit| (entry.conversation, hit))
    })?;
    let places: HashMap<[u8; 16], usize> =
        (0..).zip(entries).map(|(place, entry)| (entry.conversation, place)).collect();
    let hits = found.into_iter().flatten().map(|(id, hit)| Hit { entry: places[&id], ..hit });
    Ok((hits.collect(), damaged))
}

fn hit(title: &str, conversation: &Conversation, query: &TextQuery, all: bool) -> Option<Hit> {
    let mut scratch = Scratch::default();
    let mut missing: Vec<bool> = vec![true; query.wanted.len()];
    // Each text is folded once and every term looked for in it.
    let mut look = |text: &str| -> Option<usize> {
        let folded = scratch.fold(text);
        if query.unwanted.iter().any(|term| term.is_in_folded(folded)) {
            return None;
        }
        let mut count = 0;
        for (term, missing) in query.wanted.iter().zip(&mut missing) {
            if term.is_in_folded(folded) {
                *missing = false;
                count += 1;
            }
        }
        Some(count)
    };
    let in_title = look(title)?;
    let mut best: Option<(usize, usize)> = None;
    let mut matching_messages = 0;
    for (index, message) in conversation.messages.iter().enumerate() {
        if !all && !is_visible(message) {
            continue;
        }
        let mut count = 0;
        for part in &message.parts {
            if part.kind != PartKind::Attachment {
                count += look(conversation.text_of(part))?;
            }
        }
        if count > 0 {
            matching_messages += 1;
            if best.is_none_or(|(_, most)| count > most) {
                best = Some((index, count));
            }
        }
    }
    if missing.contains(&true) {
        return None;
    }
    let best = best.filter(|(_, count)| *count > 0).map(|(index, _)| index);
    let (snippet, marks) = match best.map(|index| &conversation.messages[index]) {
        Some(message) => {
            let text = message.parts.iter().map(|part| conversation.text_of(part));
            text.map(|text| snippet(text, query)).find(|(_, marks)| !marks.is_empty()).unwrap_or_default()
        }
        None if in_title > 0 => snippet(title, query),
        None => Default::default(),
    };
    let message = best.map(|index| &conversation.messages[index]);
    Some(Hit {
        entry: 0,
        message: best,
        message_id: message.and_then(|message| message.id.clone()),
        time: message.and_then(|message| message.time.clone()),
        snippet,
        marks,
        matching_messages,
    })
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
    use crate::conversation::{Part, Role};
    use crate::selector::Scope;

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
