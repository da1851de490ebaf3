//! Two states of one conversation made one: the newer stands, and nothing the older alone has is lost.

use std::collections::{HashMap, HashSet};

use crate::clock::Instant;
use crate::conversation::{Attachment, Conversation, Message, Part, PartKind};
use crate::crypto::{Digest, hash};

/// How new a state is, by the source's own clocks.
fn age(conversation: &Conversation) -> Option<Instant> {
    conversation.updated.as_ref().and_then(|time| time.at).or_else(|| conversation.last_activity())
}

/// Whether `incoming` is at least as new as `stored`. Without clocks on both sides what comes later counts.
pub(super) fn is_newer(incoming: &Conversation, stored: &Conversation) -> bool {
    match (age(incoming), age(stored)) {
        (Some(incoming), Some(stored)) => incoming >= stored,
        _ => true,
    }
}

/// Adds to `newer` the messages that only `older` has; how many. They are marked as vanished, unless the
/// source `accumulates`: then an input that lacks them is only a part of what there is.
///
/// Messages are the same when the source gave them the same id. Those without an id cannot be told
/// apart and are left to the original that is kept beside.
pub(super) fn unite(newer: &mut Conversation, older: &Conversation, accumulates: bool) -> u64 {
    let mut places: HashMap<String, u32> = HashMap::new();
    for (index, message) in (0..).zip(&newer.messages) {
        if let Some(id) = &message.id {
            places.insert(id.clone(), index);
        }
    }
    let mut added = 0;
    let mut missing = Vec::new();
    for message in &older.messages {
        if let Some(id) = &message.id
            && !places.contains_key(id)
        {
            let index = u32::try_from(newer.messages.len() + missing.len()).unwrap_or(u32::MAX);
            places.insert(id.clone(), index);
            missing.push(message);
        }
    }
    for message in missing {
        let parent = message.parent.and_then(|parent| older.messages.get(parent as usize));
        let parent = parent.and_then(|parent| places.get(parent.id.as_ref()?).copied());
        let author = older.participants.get(message.author as usize).cloned().unwrap_or_default();
        let author = newer.participant(author.role, author.native_role.as_deref(), author.name.as_deref());
        let parts = message.parts.iter().map(|part| move_part(newer, older, part)).collect();
        let mut message = Message { parent, author, parts, ..message.clone() };
        if !accumulates {
            (message.vanished, message.abandoned) = (true, true);
        }
        newer.messages.push(message);
        added += 1;
    }
    added
}

fn move_part(newer: &mut Conversation, older: &Conversation, part: &Part) -> Part {
    let text = newer.push_text(older.text_of(part));
    let attachment = part.attachment.and_then(|index| older.attachments.get(index as usize)).map(|attachment| {
        let known = newer.attachments.iter().position(|other| same_file(other, attachment));
        let index = known.unwrap_or_else(|| {
            newer.attachments.push(attachment.clone());
            newer.attachments.len() - 1
        });
        u32::try_from(index).unwrap_or(u32::MAX)
    });
    Part { text, attachment, ..part.clone() }
}

/// What messages say: their ids, texts and attachments. Times and places in the tree do not count.
#[derive(Default)]
pub(super) struct Said {
    ids: HashSet<String>,
    messages: HashSet<Digest>,
    /// A message may have grown since: its first parts are said too.
    accumulates: bool,
}

impl Said {
    /// Nothing yet, of a source that accumulates or not.
    pub(super) fn by(accumulates: bool) -> Self {
        Self { accumulates, ..Self::default() }
    }

    /// Adds what this conversation says.
    pub(super) fn add(&mut self, conversation: &Conversation) {
        for message in &conversation.messages {
            self.ids.extend(message.id.clone());
            self.messages.insert(content(conversation, message, message.parts.len()));
            if self.accumulates && message.id.is_some() {
                let shorter = (1..message.parts.len()).map(|parts| content(conversation, message, parts));
                self.messages.extend(shorter);
            }
        }
    }

    /// Whether nothing of this conversation would be lost with it.
    pub(super) fn has_all(&self, conversation: &Conversation) -> bool {
        conversation.messages.iter().all(|message| {
            // A message that says nothing is known by its id alone.
            (message.parts.is_empty() && message.id.as_ref().is_none_or(|id| self.ids.contains(id)))
                || self.messages.contains(&content(conversation, message, message.parts.len()))
        })
    }
}

/// Messages of `older` that `newer` has under the same id with other content, or has not and which have no id.
pub(super) fn count_edited(newer: &Conversation, older: &Conversation, accumulates: bool) -> u64 {
    let mut said = Said::by(accumulates);
    said.add(newer);
    let changed = |message: &&Message| {
        !message.parts.is_empty()
            && message.id.as_ref().is_none_or(|id| said.ids.contains(id))
            && !said.messages.contains(&content(older, message, message.parts.len()))
    };
    older.messages.iter().filter(changed).count() as u64
}

/// One digest for what the first `parts` of a message say.
fn content(conversation: &Conversation, message: &Message, parts: usize) -> Digest {
    let mut fields = Vec::new();
    let mut field = |bytes: Option<&[u8]>| {
        // With its length before it, so that no two messages flow into the same bytes.
        fields.extend_from_slice(&bytes.map_or(u64::MAX, |bytes| bytes.len() as u64).to_be_bytes());
        fields.extend_from_slice(bytes.unwrap_or_default());
    };
    field(message.id.as_ref().map(String::as_bytes));
    for part in message.parts.iter().take(parts) {
        let attachment = part.attachment.and_then(|index| conversation.attachments.get(index as usize));
        // The name of a file with an id may be known from another file of the export, and is no content.
        let file = attachment.and_then(|file| file.id.as_ref().or(file.name.as_ref()));
        let name = part.name.as_ref().filter(|_| part.kind != PartKind::Attachment);
        field(Some(format!("{:?}", part.kind).as_bytes()));
        field(Some(conversation.text_of(part).as_bytes()));
        for word in [name, part.url.as_ref(), file] {
            field(word.map(String::as_bytes));
        }
    }
    let digest = hash::sha256(&[&fields]);
    drop(zeroize::Zeroizing::new(fields));
    digest
}

/// Gives attachments of `stored` that lack their bytes those that `incoming` has for them.
pub(super) fn adopt(stored: &mut Conversation, incoming: &Conversation) {
    for attachment in stored.attachments.iter_mut().filter(|attachment| attachment.objects.is_none()) {
        let found = incoming.attachments.iter().find(|other| other.payload.is_some() && same_file(other, attachment));
        attachment.payload = found.and_then(|other| other.payload.clone());
    }
}

/// Adds the stored files of `older` that `newer` no longer names: an edited message may have shown them. Of those
/// it names, what only the older state knew is kept: an export without its files has lost their names.
pub(super) fn keep_files(newer: &mut Conversation, older: &Conversation) {
    for attachment in &older.attachments {
        match newer.attachments.iter_mut().find(|other| same_file(other, attachment)) {
            Some(known) => {
                known.name = known.name.take().or_else(|| attachment.name.clone());
                known.media_type = known.media_type.take().or_else(|| attachment.media_type.clone());
            }
            None if attachment.objects.is_some() => newer.attachments.push(attachment.clone()),
            None => {}
        }
    }
}

/// Whether two records name the same file.
pub(super) fn same_file(a: &Attachment, b: &Attachment) -> bool {
    match (&a.id, &b.id) {
        (Some(a), Some(b)) => a == b,
        // A name alone is no identity: many files are called image.png.
        _ => a.name.is_some() && a.name == b.name && a.size.is_some() && a.size == b.size,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::{Role, SourceTime};

    fn chat(updated: i64, ids: &[(&str, Option<u32>)]) -> Conversation {
        let time = SourceTime { text: updated.to_string(), at: Some(Instant(updated)) };
        let mut made = Conversation { native_id: "c".to_owned(), updated: Some(time), ..Conversation::default() };
        let author = made.participant(Role::User, None, None);
        for (id, parent) in ids {
            let text = made.push_text(&format!("text of {id}"));
            let parts = vec![Part { text, ..Part::default() }];
            made.messages.push(Message {
                id: Some((*id).to_owned()),
                parent: *parent,
                author,
                parts,
                ..Default::default()
            });
        }
        made
    }

    #[test]
    fn what_only_the_older_has_is_added_and_marked() {
        let older = chat(1, &[("a", None), ("b", Some(0)), ("gone", Some(1)), ("gone too", Some(2))]);
        let mut newer = chat(2, &[("a", None), ("c", Some(0)), ("b", Some(0))]);
        assert!(is_newer(&newer, &older) && !is_newer(&older, &newer));
        assert_eq!(unite(&mut newer, &older, false), 2);
        let added: Vec<_> = newer.messages[3..].iter().map(|m| (m.id.as_deref(), m.parent, m.vanished)).collect();
        assert_eq!(added, [(Some("gone"), Some(2), true), (Some("gone too"), Some(3), true)]);
        assert_eq!(newer.text_of(&newer.messages[4].parts[0]), "text of gone too");
        // Once united there is nothing to add.
        assert_eq!(unite(&mut newer, &older, false), 0);
    }

    #[test]
    fn attachments_come_along_once() {
        let file = Attachment { id: Some("file-1".to_owned()), objects: Some((0, 1)), ..Attachment::default() };
        let mut older = chat(1, &[("a", None), ("b", None)]);
        older.attachments.push(file);
        for message in &mut older.messages {
            message.parts[0].attachment = Some(0);
        }
        let mut newer = chat(2, &[]);
        assert_eq!(unite(&mut newer, &older, false), 2);
        assert_eq!(newer.attachments, older.attachments);
        assert!(newer.messages.iter().all(|message| message.parts[0].attachment == Some(0)));
    }

    #[test]
    fn a_name_without_a_size_is_no_identity() {
        let file = |id: Option<&str>, size| Attachment {
            id: id.map(str::to_owned),
            name: Some("image.png".to_owned()),
            size,
            ..Attachment::default()
        };
        assert!(!same_file(&file(None, None), &file(None, None)));
        assert!(!same_file(&file(None, Some(1)), &file(None, Some(2))));
        assert!(same_file(&file(None, Some(1)), &file(Some("a"), Some(1))));
        assert!(same_file(&file(Some("a"), None), &file(Some("a"), Some(2))));
        assert!(!same_file(&file(Some("a"), Some(1)), &file(Some("b"), Some(1))));
    }

    #[test]
    fn a_part_of_a_growing_log_makes_nothing_vanish() {
        let older = chat(1, &[("a", None), ("b", Some(0))]);
        let mut newer = chat(2, &[("c", None)]);
        assert_eq!(unite(&mut newer, &older, true), 2);
        assert!(newer.messages.iter().all(|message| !message.vanished && !message.abandoned));
        // An answer that was cut off when it was first read.
        let grown = |said: &[&str]| {
            let mut log = chat(1, &[("a", None)]);
            log.messages[0].parts =
                said.iter().map(|text| Part { text: log.push_text(text), ..Part::default() }).collect();
            log
        };
        let (short, long) = (grown(&["one"]), grown(&["one", "two"]));
        let mut said = Said::by(true);
        said.add(&long);
        assert!(said.has_all(&short));
        assert_eq!(count_edited(&long, &short, true), 0);
        assert_eq!(count_edited(&grown(&["other", "two"]), &short, true), 1);
        assert_eq!(count_edited(&long, &short, false), 1);
    }

    #[test]
    fn without_clocks_the_later_import_counts() {
        let mut one = chat(1, &[]);
        one.updated = None;
        assert!(is_newer(&one, &chat(5, &[])) && is_newer(&chat(5, &[]), &one));
    }
}
