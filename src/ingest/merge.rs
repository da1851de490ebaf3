//! Two states of one conversation made one: the newer stands, and nothing the older alone has is lost.

use std::collections::{HashMap, HashSet, VecDeque};

use super::files::Files;
use crate::clock::Instant;
use crate::conversation::{Attachment, Cast, Conversation, Message, Part, PartKind, SourceTime};
use crate::crypto::{Digest, hash};

/// How new a state is, by the source's own clocks.
pub(super) fn age(conversation: &Conversation) -> Option<Instant> {
    conversation.updated.as_ref().and_then(|time| time.at).or_else(|| conversation.last_activity())
}

/// Whether `incoming` is at least as new as `stored`. Without clocks on both sides what comes later counts, which is
/// the incoming one unless it `stood_before` the other in the same input.
pub(super) fn is_newer(incoming: &Conversation, stored: &Conversation, stood_before: bool) -> bool {
    match (age(incoming), age(stored)) {
        (Some(incoming), Some(stored)) if incoming != stored => incoming > stored,
        _ => !stood_before,
    }
}

/// Adds to `newer` the messages that only `older` has; how many. They are marked as vanished, unless the
/// source `accumulates`: then an input that lacks them is only a part of what there is.
///
/// Messages are the same when the source gave them the same id. Those without an id cannot be told
/// apart and are left to the original that is kept beside.
pub(super) fn add_missing(newer: &mut Conversation, older: &Conversation, accumulates: bool) -> u64 {
    let mut places: HashMap<String, u32> = HashMap::new();
    for (index, message) in (0..).zip(&newer.messages) {
        if let Some(id) = &message.id {
            places.insert(id.clone(), index);
        }
    }
    let mut added = 0;
    let mut cast = Cast::default();
    let mut moved = Moved { files: Files::of(&newer.attachments, |_| true), known: HashMap::new() };
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
        let author = cast.find(newer, author.role, author.native_role.as_deref(), author.name.as_deref());
        let parts = message.parts.iter().map(|part| move_part(newer, &mut moved, older, part)).collect();
        let mut message = Message { parent, author, parts, ..message.clone() };
        if !accumulates {
            (message.vanished, message.abandoned) = (true, true);
        }
        newer.messages.push(message);
        added += 1;
    }
    added
}

/// Adds to `newer` every message that only `older` has, of two states of which no original tells what they said: a
/// message without an id is known by all it says, and an earlier text of one with an id is a message of its own. How many
/// it adds. They are marked as vanished as [`add_missing`] does, an earlier text always.
pub(super) fn keep_all(newer: &mut Conversation, older: &Conversation, accumulates: bool) -> u64 {
    let mut known: HashMap<Digest, VecDeque<u32>> = HashMap::new();
    let mut by_id: HashMap<String, u32> = HashMap::new();
    for (index, message) in (0..).zip(&newer.messages) {
        known.entry(told_apart(newer, message)).or_default().push_back(index);
        if let Some(id) = &message.id {
            by_id.entry(id.clone()).or_insert(index);
        }
    }
    let mut places = Vec::with_capacity(older.messages.len());
    let mut missing = Vec::new();
    for message in &older.messages {
        let same = known.get_mut(&told_apart(older, message)).and_then(VecDeque::pop_front);
        let like = message.id.as_ref().and_then(|id| by_id.get(id)).copied();
        // What says nothing is known by its id alone.
        places.push(same.or(like.filter(|_| message.parts.is_empty())).unwrap_or_else(|| {
            missing.push((message, like.is_some()));
            u32::try_from(newer.messages.len() + missing.len() - 1).unwrap_or(u32::MAX)
        }));
    }
    let added = missing.len() as u64;
    let mut cast = Cast::default();
    let mut moved = Moved { files: Files::of(&newer.attachments, |_| true), known: HashMap::new() };
    for (message, is_earlier_text) in missing {
        let parent = message.parent.and_then(|parent| places.get(parent as usize).copied());
        let author = older.participants.get(message.author as usize).cloned().unwrap_or_default();
        let author = cast.find(newer, author.role, author.native_role.as_deref(), author.name.as_deref());
        let parts = message.parts.iter().map(|part| move_part(newer, &mut moved, older, part)).collect();
        let mut message = Message { parent, author, parts, ..message.clone() };
        if is_earlier_text || !accumulates {
            (message.vanished, message.abandoned) = (true, true);
        }
        newer.messages.push(message);
    }
    added
}

/// What tells a message apart from every other: its content, and where it has no id who said it, and when.
fn told_apart(conversation: &Conversation, message: &Message) -> Digest {
    let mut content = Content::of(message);
    for part in &message.parts {
        content.add(conversation, part);
    }
    if message.id.is_none() {
        let author = conversation.participants.get(message.author as usize);
        content.field(message.time.as_ref().map(|time| time.text.as_bytes()));
        content.field(author.and_then(|author| author.name.as_deref()).map(str::as_bytes));
    }
    content.finish()
}

/// Whether two states show the same messages alike, whoever takes part besides and wherever their bytes are.
pub(super) fn shows_the_same(one: &Conversation, other: &Conversation) -> bool {
    let said = |of: &Conversation, part: &Part| {
        let file = part.attachment.and_then(|at| of.attachments.get(at as usize));
        let file = file.map(|file| (file.id.clone(), file.name.clone(), file.media_type.clone()));
        (part.kind, of.text_of(part).to_owned(), part.name.clone(), part.url.clone(), file)
    };
    let bare = |message: &Message| Message { author: 0, parts: Vec::new(), ..message.clone() };
    one.messages.len() == other.messages.len()
        && one.messages.iter().zip(&other.messages).all(|(a, b)| {
            bare(a) == bare(b)
                && one.participants.get(a.author as usize) == other.participants.get(b.author as usize)
                && a.parts.iter().map(|part| said(one, part)).eq(b.parts.iter().map(|part| said(other, part)))
        })
}

/// Attachments of the older state by their index, where they stand in the newer.
struct Moved {
    files: Files,
    known: HashMap<u32, u32>,
}

fn move_part(newer: &mut Conversation, moved: &mut Moved, older: &Conversation, part: &Part) -> Part {
    let text = newer.push_text(older.text_of(part));
    let old = part.attachment.and_then(|at| Some((at, older.attachments.get(at as usize)?)));
    let attachment = old.map(|(at, attachment)| {
        *moved.known.entry(at).or_insert_with(|| {
            let index = moved.files.take(attachment).unwrap_or_else(|| {
                newer.attachments.push(attachment.clone());
                newer.attachments.len() - 1
            });
            u32::try_from(index).unwrap_or(u32::MAX)
        })
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
            let mut content = Content::of(message);
            for (at, part) in (1..).zip(&message.parts) {
                content.add(conversation, part);
                if self.accumulates && message.id.is_some() && at < message.parts.len() {
                    self.messages.insert(content.clone().finish());
                }
            }
            self.messages.insert(content.finish());
        }
    }

    /// Whether nothing of this conversation would be lost with it.
    pub(super) fn has_all(&self, conversation: &Conversation) -> bool {
        conversation.messages.iter().all(|message| {
            // A message that says nothing is known by its id alone.
            (message.parts.is_empty() && message.id.as_ref().is_none_or(|id| self.ids.contains(id)))
                || self.messages.contains(&Content::whole(conversation, message))
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
            && !said.messages.contains(&Content::whole(older, message))
    };
    older.messages.iter().filter(changed).count() as u64
}

/// A digest of what the parts of a message say, part by part.
#[derive(Clone)]
struct Content(hash::Hasher);

impl Content {
    fn of(message: &Message) -> Self {
        let mut content = Self(hash::Hasher::new());
        content.field(message.id.as_ref().map(String::as_bytes));
        content
    }

    fn whole(conversation: &Conversation, message: &Message) -> Digest {
        let mut content = Self::of(message);
        for part in &message.parts {
            content.add(conversation, part);
        }
        content.finish()
    }

    fn add(&mut self, conversation: &Conversation, part: &Part) {
        let attachment = part.attachment.and_then(|index| conversation.attachments.get(index as usize));
        // The name of a file with an id may be known from another file of the export, and is no content.
        let file = attachment.and_then(|file| file.id.as_ref().or(file.name.as_ref()));
        let name = part.name.as_ref().filter(|_| part.kind != PartKind::Attachment);
        self.field(Some(format!("{:?}", part.kind).as_bytes()));
        self.field(Some(conversation.text_of(part).as_bytes()));
        for word in [name, part.url.as_ref(), file] {
            self.field(word.map(String::as_bytes));
        }
    }

    fn field(&mut self, bytes: Option<&[u8]>) {
        // With its length before it, so that no two messages flow into the same bytes.
        self.0.update(&bytes.map_or(u64::MAX, |bytes| bytes.len() as u64).to_be_bytes());
        self.0.update(bytes.unwrap_or_default());
    }

    fn finish(self) -> Digest {
        self.0.finish()
    }
}

/// Gives attachments of `stored` that lack their bytes those that `incoming` has for them.
pub(super) fn adopt(stored: &mut Conversation, incoming: &Conversation) {
    let mut files = Files::of(&incoming.attachments, |_| true);
    for attachment in &mut stored.attachments {
        let found = files.take(attachment).and_then(|index| incoming.attachments.get(index));
        if attachment.objects.is_none() {
            attachment.payload = found.and_then(|other| other.payload.clone());
        }
    }
}

/// Gives `newer` what a part of a log does not tell of the whole: who it is, and when it began and ended.
pub(super) fn inherit(newer: &mut Conversation, older: &Conversation) {
    let or = |newer: &mut Option<String>, older: &Option<String>| {
        if newer.is_none() {
            newer.clone_from(older);
        }
    };
    or(&mut newer.title, &older.title);
    or(&mut newer.model, &older.model);
    or(&mut newer.project, &older.project);
    or(&mut newer.continues, &older.continues);
    let at = |time: &Option<SourceTime>| time.as_ref().and_then(|time| time.at);
    if newer.created.is_none()
        || at(&older.created).is_some_and(|older| at(&newer.created).is_some_and(|newer| older < newer))
    {
        newer.created = older.created.clone().or(newer.created.take());
    }
    if at(&older.updated) > at(&newer.updated) {
        newer.updated.clone_from(&older.updated);
    }
    let missing: Vec<String> = older.flags.iter().filter(|flag| !newer.flags.contains(flag)).cloned().collect();
    newer.flags.extend(missing);
}

/// Adds the stored files among `older` that `newer` no longer names: an edited message may have shown them. Of those
/// it names, what only the older state knew is kept: an export without its files has lost their names.
pub(super) fn keep_files(newer: &mut Conversation, older: &[Attachment]) {
    let mut files = Files::of(&newer.attachments, |_| true);
    for attachment in older {
        match files.take(attachment).and_then(|index| newer.attachments.get_mut(index)) {
            Some(known) => {
                known.name = known.name.take().or_else(|| attachment.name.clone());
                known.media_type = known.media_type.take().or_else(|| attachment.media_type.clone());
            }
            None if attachment.objects.is_some() => newer.attachments.push(attachment.clone()),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::Role;

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
        assert!(is_newer(&newer, &older, false) && !is_newer(&older, &newer, false));
        assert_eq!(add_missing(&mut newer, &older, false), 2);
        let added: Vec<_> = newer.messages[3..].iter().map(|m| (m.id.as_deref(), m.parent, m.vanished)).collect();
        assert_eq!(added, [(Some("gone"), Some(2), true), (Some("gone too"), Some(3), true)]);
        assert_eq!(newer.text_of(&newer.messages[4].parts[0]), "text of gone too");
        // Once united there is nothing to add.
        assert_eq!(add_missing(&mut newer, &older, false), 0);
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
        assert_eq!(add_missing(&mut newer, &older, false), 2);
        assert_eq!(newer.attachments, older.attachments);
        assert!(newer.messages.iter().all(|message| message.parts[0].attachment == Some(0)));
    }

    #[test]
    fn a_part_of_a_growing_log_makes_nothing_vanish() {
        let older = chat(1, &[("a", None), ("b", Some(0))]);
        let mut newer = chat(2, &[("c", None)]);
        assert_eq!(add_missing(&mut newer, &older, true), 2);
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
        assert!(is_newer(&one, &chat(5, &[]), false) && is_newer(&chat(5, &[]), &one, false));
        assert!(!is_newer(&one, &chat(5, &[]), true), "it stood before the other");
    }
}
