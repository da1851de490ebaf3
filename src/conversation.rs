//! Conversations as every importer hands them over and every reader shows them.
//!
//! All text of a conversation stands in one string, its *text section*; parts point into it with
//! [`Span`]s. So an importer allocates once, a search reads one block, and the stored record keeps
//! text apart from structure. Nothing here reads a clock, a file or a terminal.

mod months;

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::clock::Instant;

/// A range of the text section, in bytes; stored as `[start, len]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u64, u64)", into = "(u64, u64)")]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// Number of bytes.
    pub len: usize,
}

impl From<(u64, u64)> for Span {
    fn from((start, len): (u64, u64)) -> Self {
        Self { start: usize::try_from(start).unwrap_or(usize::MAX), len: usize::try_from(len).unwrap_or(usize::MAX) }
    }
}

impl From<Span> for (u64, u64) {
    fn from(span: Span) -> Self {
        (span.start as u64, span.len as u64)
    }
}

/// A time as the source wrote it, beside the instant it means.
///
/// Stored as the text alone when the instant follows from it, else as `{"text": …, "at": …}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StoredTime", into = "StoredTime")]
pub struct SourceTime {
    /// The source's own text, digit for digit: `1756000000.123456`, `2026-01-02 03:04`.
    pub text: String,
    /// The instant, when the source says enough to know it (a zone, or an epoch number).
    pub at: Option<Instant>,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum StoredTime {
    Plain(String),
    Full { text: String, at: Option<Instant> },
}

/// The instant that follows from a text by itself: seconds since 1970, or RFC 3339.
fn meant(text: &str) -> Option<Instant> {
    Instant::from_epoch_text(text).or_else(|_| Instant::parse(text)).ok()
}

impl From<SourceTime> for StoredTime {
    fn from(SourceTime { text, at }: SourceTime) -> Self {
        if at.is_some() && meant(&text) == at { Self::Plain(text) } else { Self::Full { text, at } }
    }
}

impl From<StoredTime> for SourceTime {
    fn from(stored: StoredTime) -> Self {
        match stored {
            StoredTime::Plain(text) => Self { at: meant(&text), text },
            StoredTime::Full { text, at } => Self { text, at },
        }
    }
}

/// What sort of conversation it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A chat with an AI assistant.
    #[default]
    Assistant,
    /// A session of a coding agent.
    AgentSession,
    /// A chat between two people.
    Direct,
    /// A chat of several people.
    Group,
    /// A channel.
    Channel,
    /// A file kept as it is, with nothing read out of it.
    Opaque,
}

impl Kind {
    /// Whether it goes on for as long as somebody writes: then it is kept month by month.
    pub fn is_endless(self) -> bool {
        matches!(self, Self::Direct | Self::Group | Self::Channel)
    }
}

/// The part a participant plays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A person.
    #[default]
    User,
    /// An AI model.
    Assistant,
    /// Instructions that no person typed in this conversation.
    System,
    /// The output of a tool.
    Tool,
    /// A role of the source that has no counterpart here; see [`Participant::native_role`].
    Other,
}

/// Somebody or something that writes messages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Participant {
    /// The part played.
    pub role: Role,
    /// The role in the source's own word, when it differs from ours.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub native_role: Option<String>,
    /// The name shown, when the source has one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name: Option<String>,
}

/// Whether the source shows a message to its user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Visibility {
    /// Shown.
    #[default]
    Shown,
    /// Present in the export and hidden in the source's own window.
    Hidden,
    /// Deleted or unsent in the source; only the trace is left.
    Deleted,
}

impl Visibility {
    fn is_shown(&self) -> bool {
        *self == Self::Shown
    }
}

/// One message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The source's id.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub id: Option<String>,
    /// Index in [`Conversation::messages`] of the message this one follows; none for a root.
    /// A conversation may be a forest. Always smaller or larger than the own index, never equal.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub parent: Option<u32>,
    /// Index in [`Conversation::participants`].
    pub author: u32,
    /// Whom it is addressed to, when that is not everybody: a tool call's tool.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub recipient: Option<String>,
    /// When it was written.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub time: Option<SourceTime>,
    /// When it was last edited.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub edited: Option<SourceTime>,
    /// Whether the source shows it.
    #[serde(skip_serializing_if = "Visibility::is_shown", default)]
    pub visibility: Visibility,
    /// It stands on a branch that was left: a regenerated answer, an edited question.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub abandoned: bool,
    /// A later export no longer had it; it is kept from an earlier one.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub vanished: bool,
    /// The model that wrote it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub model: Option<String>,
    /// What it says, in order.
    pub parts: Vec<Part>,
}

impl Message {
    /// Whether the source shows it, on the branch that was not left.
    pub fn is_visible(&self) -> bool {
        self.visibility == Visibility::Shown && !self.abandoned
    }
}

/// What a part is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartKind {
    /// Prose, usually Markdown.
    #[default]
    Text,
    /// A model's reasoning.
    Thinking,
    /// A call of a tool: `name` is the tool, the text its input.
    ToolCall,
    /// What a tool returned: `name` is the tool.
    ToolResult,
    /// Code, `name` the language.
    Code,
    /// A document written beside the chat (a canvas, an artifact), `name` its title.
    Document,
    /// An attachment: `attachment` is its index, the text its caption, often empty.
    Attachment,
    /// A source that is cited: the text is its title or the marker, `url` its address.
    Citation,
    /// Something this version has no word for: `name` is the source's word, the text its JSON.
    Unknown,
}

impl PartKind {
    fn is_text(&self) -> bool {
        *self == Self::Text
    }
}

/// A piece of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// What it is.
    #[serde(skip_serializing_if = "PartKind::is_text", default)]
    pub kind: PartKind,
    /// Its text.
    pub text: Span,
    /// A tool, a language, a title, or the source's word for an unknown part.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name: Option<String>,
    /// An address.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub url: Option<String>,
    /// Index in [`Conversation::attachments`].
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub attachment: Option<u32>,
}

/// A file that belongs to the conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// The source's id or pointer.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub id: Option<String>,
    /// The file name it had.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name: Option<String>,
    /// The media type the source declares.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub media_type: Option<String>,
    /// The size the source declares, in bytes; after storing, the size that was read.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub size: Option<u64>,
    /// First index and count of its pieces in the vault, when its bytes are there. Set by the vault, not by an importer.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub objects: Option<(u32, u32)>,
    /// Where its bytes are while it is imported; none when the input does not hold them.
    #[serde(skip)]
    pub payload: Option<Payload>,
}

/// Where the bytes of an attachment are while it is imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// They are a member of the bundle, by its index.
    Member(usize),
    /// They stood inside the conversation's own source bytes: a picture in Base64.
    Inside(Vec<u8>),
    /// They stand as lines of pieces in a member, between these places (`docs/formats/convault.md`).
    Pieces {
        /// The member's index.
        member: usize,
        /// Where the first line begins, in bytes.
        start: u64,
        /// Where the last line ends.
        end: u64,
        /// How many bytes they are together, where that is told.
        size: Option<u64>,
    },
}

impl Attachment {
    /// The member of the bundle that is the attachment.
    pub fn member(&self) -> Option<usize> {
        match self.payload {
            Some(Payload::Member(member)) => Some(member),
            _ => None,
        }
    }
}

/// A conversation, whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversation {
    /// The source's id; without one the importer derives a stable one from the content.
    pub native_id: String,
    /// The title.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub title: Option<String>,
    /// What sort it is.
    pub kind: Kind,
    /// When it began, in the source's words.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub created: Option<SourceTime>,
    /// When it last changed, in the source's words.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub updated: Option<SourceTime>,
    /// Who takes part.
    pub participants: Vec<Participant>,
    /// The model, project or folder words of the source that have a place in a list.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub model: Option<String>,
    /// The project or folder it stands in.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub project: Option<String>,
    /// The source's id of the conversation this one goes on from: a session that was resumed or forked.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub continues: Option<String>,
    /// Flags the source sets: `archived`, `starred`, `temporary`.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub flags: Vec<String>,
    /// The messages in source order; the active branch is what is not `abandoned`.
    pub messages: Vec<Message>,
    /// The files.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub attachments: Vec<Attachment>,
    /// The text section. Stored apart from the structure.
    #[serde(skip)]
    pub text: String,
}

impl Conversation {
    /// Adds text to the text section, one newline after it, and returns where it stands.
    pub fn push_text(&mut self, text: &str) -> Span {
        let start = self.text.len();
        self.text.push_str(text);
        self.text.push('\n');
        Span { start, len: text.len() }
    }

    /// The text of a part; empty when the span does not lie inside the text section.
    pub fn text_of(&self, part: &Part) -> &str {
        part.text.start.checked_add(part.text.len).and_then(|end| self.text.get(part.text.start..end)).unwrap_or("")
    }

    /// Everything a search looks at in a message: the text of each part, and what names it, which is a tool, a language, a
    /// document's title, an attachment's file name or the address of a source.
    pub fn texts_of<'a>(&'a self, message: &'a Message) -> impl Iterator<Item = &'a str> {
        message.parts.iter().flat_map(|part| {
            let name = match part.kind {
                PartKind::Attachment => {
                    part.attachment.and_then(|index| self.attachments.get(index as usize)?.name.as_deref())
                }
                PartKind::Citation => part.url.as_deref(),
                PartKind::Text => None,
                _ => part.name.as_deref(),
            };
            std::iter::once(self.text_of(part)).chain(name)
        })
    }

    /// Index of the participant with this role and name, added when new. Looks through the whole list: where an
    /// input may name as many as it has messages, see [`Cast`].
    pub fn participant(&mut self, role: Role, native_role: Option<&str>, name: Option<&str>) -> u32 {
        let known = self
            .participants
            .iter()
            .position(|p| p.role == role && p.name.as_deref() == name && p.native_role.as_deref() == native_role);
        let index = known.unwrap_or_else(|| {
            self.participants.push(Participant {
                role,
                native_role: native_role.map(str::to_owned),
                name: name.map(str::to_owned),
            });
            self.participants.len() - 1
        });
        u32::try_from(index).expect("fewer than 2^32 participants fit in memory")
    }

    /// The latest instant any message or the conversation itself names.
    pub fn last_activity(&self) -> Option<Instant> {
        let messages = self.messages.iter().filter_map(|m| m.time.as_ref());
        messages.chain(&self.updated).chain(&self.created).filter_map(|t| t.at).max()
    }

    /// The earliest instant the conversation or any message names.
    pub fn first_activity(&self) -> Option<Instant> {
        let own = self.created.as_ref().and_then(|t| t.at);
        own.or_else(|| self.span_of_messages().0)
    }

    /// The earliest and the latest instant of its messages.
    pub fn span_of_messages(&self) -> (Option<Instant>, Option<Instant>) {
        let times = || self.messages.iter().filter_map(|m| m.time.as_ref()?.at);
        (times().min(), times().max())
    }
}

/// Participants found again in one step: a group or a log may name as many as it has messages.
#[derive(Debug, Default)]
pub struct Cast {
    known: HashMap<Participant, u32>,
    /// How many of the list are in `known`.
    seen: usize,
}

impl Cast {
    /// Participants that are looked through before the map is asked, so that a chat of two builds no key.
    const FEW: usize = 4;

    /// Index of the participant with this role and name in `conversation`, added when new.
    pub fn find(
        &mut self,
        conversation: &mut Conversation,
        role: Role,
        native_role: Option<&str>,
        name: Option<&str>,
    ) -> u32 {
        let list = &mut conversation.participants;
        let same =
            |p: &Participant| p.role == role && p.name.as_deref() == name && p.native_role.as_deref() == native_role;
        if let Some(index) = list.iter().take(Self::FEW).position(same) {
            return u32::try_from(index).unwrap_or(u32::MAX);
        }
        for (index, participant) in (0..).zip(list.iter()).skip(self.seen) {
            self.known.entry(participant.clone()).or_insert(index);
        }
        let next = u32::try_from(list.len()).expect("fewer than 2^32 participants fit in memory");
        let key = Participant { role, native_role: native_role.map(str::to_owned), name: name.map(str::to_owned) };
        let index = *self.known.entry(key).or_insert_with_key(|key| {
            list.push(key.clone());
            next
        });
        self.seen = list.len();
        index
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cast_of_any_size_has_each_once() {
        let mut talk = Conversation::default();
        let mut cast = Cast::default();
        for round in 0..2 {
            for at in 0..100 {
                assert_eq!(cast.find(&mut talk, Role::User, None, Some(&at.to_string())), at, "round {round}");
            }
        }
        assert_eq!(talk.participants.len(), 100);
        // Also one that came in by another way, and the same name in another role is another.
        let added = talk.participant(Role::Tool, Some("t"), None);
        assert_eq!(cast.find(&mut talk, Role::Tool, Some("t"), None), added);
        assert_eq!(cast.find(&mut talk, Role::Tool, None, Some("1")), 101);
        assert_eq!(talk.participants.len(), 102);
    }
}
