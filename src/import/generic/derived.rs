//! Identity where the source has none: ids of conversations and messages made from what they say.
//!
//! A conversation is known by its beginning, so that it is found again when it went on. Where two
//! conversations of one input begin alike, what begins so is known by its bytes instead: two
//! conversations must never be taken for one, and the same one twice is the smaller evil.

use std::collections::{HashMap, HashSet};

use crate::conversation::{Conversation, Message, Role};
use crate::crypto::hash::{Digest, Hasher, labelled, sha256};
use crate::import::hex_id;

/// Messages beside the system's that make a beginning: a question and its answer.
const BEGINNING: usize = 2;
/// The same where the first of them has a time.
const BEGINNING_WITH_TIME: usize = 1;
/// Most beginnings of one input that are told apart: a hundred MiB of them. Beyond, bytes decide alone.
const MOST_BEGINNINGS: usize = 4 << 20;

/// The beginnings in one input, and which of them several different conversations share.
#[derive(Default)]
pub(in crate::import) struct Beginnings {
    /// By the first bytes of the digest: the same of the whole unit. Two that agree by chance cost an id, no text.
    known: HashMap<u64, u64>,
    shared: HashSet<u64>,
    is_full: bool,
}

impl Beginnings {
    /// Adds a unit with this beginning.
    pub(super) fn add(&mut self, beginning: &Digest, unit: &[u8]) {
        if self.known.len() >= MOST_BEGINNINGS {
            self.is_full = true;
        }
        if self.is_full {
            return;
        }
        let (beginning, whole) = (first_bytes(beginning), first_bytes(&sha256(&[unit])));
        if *self.known.entry(beginning).or_insert(whole) != whole {
            self.shared.insert(beginning);
        }
    }

    /// Whether a beginning tells its conversation from every other of the input.
    fn tells(&self, beginning: &Digest) -> bool {
        !self.is_full && !self.shared.contains(&first_bytes(beginning))
    }
}

fn first_bytes(digest: &Digest) -> u64 {
    digest.iter().take(8).fold(0, |value, byte| value << 8 | u64::from(*byte))
}

/// The id of a conversation that has none.
pub(super) fn native_id(beginning: &Digest, unit: &[u8], beginnings: &Beginnings) -> String {
    match beginnings.tells(beginning) {
        true => hex_id(beginning),
        false => hex_id(&labelled("convault/generic/whole", &[unit])),
    }
}

/// How many messages make the beginning; none when there are not yet enough.
fn extent(conversation: &Conversation) -> Option<usize> {
    let is_system = |message: &Message| {
        conversation.participants.get(message.author as usize).is_some_and(|author| author.role == Role::System)
    };
    let mut wanted = BEGINNING;
    let mut met = 0;
    for (index, message) in conversation.messages.iter().enumerate() {
        if is_system(message) {
            continue;
        }
        if met == 0 && (conversation.created.is_some() || message.time.is_some()) {
            wanted = BEGINNING_WITH_TIME;
        }
        met += 1;
        if met == wanted {
            return Some(index + 1);
        }
    }
    None
}

/// Whether the beginning is complete, so that further messages do not change it.
pub(super) fn has_begun(conversation: &Conversation) -> bool {
    extent(conversation).is_some()
}

/// The digest of the beginning, who says what, and when where a time is given; and, unless `only_beginning`, an id for
/// every message without one: what it says, and how many before it say the same. So a message that is put in elsewhere
/// changes no other's id.
pub(super) fn identify(conversation: &mut Conversation, only_beginning: bool) -> Digest {
    let mut beginning = FieldHasher::new("convault/generic/beginning");
    beginning.field(conversation.created.as_ref().map(|time| time.text.as_bytes()));
    let count = extent(conversation).unwrap_or(conversation.messages.len());
    let mut said: HashMap<Digest, u64> = HashMap::new();
    let mut ids = Vec::new();
    for (index, message) in conversation.messages.iter().enumerate() {
        let (begins, is_nameless) = (index < count, !only_beginning && message.id.is_none());
        if !begins && !is_nameless {
            continue;
        }
        // Hashed once for both: it is a third of the time that reading takes.
        let mut fields = FieldHasher::new("convault/generic/message");
        fields.message(conversation, message);
        let content = fields.0.finish();
        if begins {
            beginning.field(Some(&content));
            beginning.field(message.time.as_ref().map(|time| time.text.as_bytes()));
        }
        if is_nameless {
            let count = said.entry(content).or_default();
            let again = || hex_id(&labelled("convault/generic/message-again", &[&content, &count.to_be_bytes()]));
            ids.push((index, if *count == 0 { hex_id(&content) } else { again() }));
            *count += 1;
        }
    }
    for (index, id) in ids {
        if let Some(message) = conversation.messages.get_mut(index) {
            message.id = Some(id);
        }
    }
    beginning.0.finish()
}

/// Hashes fields with their lengths, so that no two lists of fields flow into the same bytes.
struct FieldHasher(Hasher);

impl FieldHasher {
    fn new(label: &str) -> Self {
        let mut hasher = Hasher::new();
        hasher.update(label.as_bytes());
        hasher.update(&[0]);
        Self(hasher)
    }

    fn field(&mut self, bytes: Option<&[u8]>) {
        self.0.update(&bytes.map_or(u64::MAX, |bytes| bytes.len() as u64).to_be_bytes());
        self.0.update(bytes.unwrap_or_default());
    }

    fn message(&mut self, conversation: &Conversation, message: &Message) {
        let Some(author) = conversation.participants.get(message.author as usize) else { return };
        let role: &[u8] = match author.role {
            Role::User => b"user",
            Role::Assistant => b"assistant",
            Role::System => b"system",
            Role::Tool => b"tool",
            Role::Other => b"other",
        };
        self.field(Some(role));
        self.field(author.native_role.as_ref().map(String::as_bytes));
        self.field(author.name.as_ref().map(String::as_bytes));
        self.field(Some(&(message.parts.len() as u64).to_be_bytes()));
        for part in &message.parts {
            let file = part.attachment.and_then(|index| conversation.attachments.get(index as usize));
            let file = file.and_then(|file| file.id.as_ref().or(file.name.as_ref()));
            self.field(Some(&[part.kind as u8]));
            self.field(Some(conversation.text_of(part).as_bytes()));
            for word in [part.name.as_ref(), part.url.as_ref(), file] {
                self.field(word.map(String::as_bytes));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::Part;

    fn said(turns: &[(Role, &str)]) -> Conversation {
        let mut made = Conversation::default();
        for (role, text) in turns {
            let author = made.participant(*role, None, None);
            let parts = vec![Part { text: made.push_text(text), ..Part::default() }];
            made.messages.push(Message { author, parts, ..Message::default() });
        }
        made
    }

    fn beginning(conversation: &Conversation) -> Digest {
        identify(&mut conversation.clone(), true)
    }

    const OPENING: [(Role, &str); 3] = [(Role::System, "be kind"), (Role::User, "hi"), (Role::Assistant, "hello")];

    #[test]
    fn a_beginning_ends_with_the_first_answer() {
        let short = said(&OPENING);
        let long = said(&[&OPENING[..], &[(Role::User, "and now?")]].concat());
        assert!(has_begun(&short) && !has_begun(&said(&OPENING[..2])));
        assert_eq!(beginning(&short), beginning(&long));
        assert_ne!(beginning(&short), beginning(&said(&OPENING[1..])), "what the system says belongs to it");
        assert_ne!(beginning(&short), beginning(&said(&[OPENING[0], OPENING[1], (Role::User, "hello")])));
    }

    #[test]
    fn a_shared_beginning_tells_nothing_and_the_same_unit_twice_shares_nothing() {
        let begun = beginning(&said(&OPENING));
        let mut beginnings = Beginnings::default();
        beginnings.add(&begun, b"one");
        beginnings.add(&begun, b"one");
        assert_eq!(native_id(&begun, b"one", &beginnings), hex_id(&begun));
        beginnings.add(&begun, b"two");
        beginnings.add(&begun, b"one");
        let ids = [&b"one"[..], b"two"].map(|unit| native_id(&begun, unit, &beginnings));
        assert!(ids[0] != ids[1] && !ids.contains(&hex_id(&begun)));
    }

    #[test]
    fn equal_messages_have_ids_of_their_own_that_others_do_not_move() {
        let ids = |turns: &[(Role, &str)]| {
            let mut made = said(turns);
            identify(&mut made, false);
            made.messages.into_iter().filter_map(|message| message.id).collect::<Vec<_>>()
        };
        let (ok, go) = ((Role::User, "ok"), (Role::Assistant, "go on"));
        let first = ids(&[ok, go, ok, go]);
        assert!((0..4).all(|a| (0..a).all(|b| first[a] != first[b])));
        assert_eq!(ids(&[(Role::System, "new"), ok, go, ok, go, ok])[1..5], first[..]);
    }
}
