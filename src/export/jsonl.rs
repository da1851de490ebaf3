//! convault's own JSONL: everything a vault knows of a conversation, in lines that any program can read.
//!
//! `docs/formats/convault.md` is the specification; `docs/export.md` says what the leaves of a line are.

use std::io::{self, Write};
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, Serializer};

use super::hex;
use crate::conversation::{Attachment, Conversation, Kind, Message, Part, PartKind, SourceTime, Visibility};
use crate::crypto::Digest;
use crate::crypto::hash::sha256;
use crate::inert::needs_escape;

/// Bytes of a piece: a line of 1 MiB.
const PIECE: usize = 768 << 10;

/// What a vault says of a conversation besides its content.
pub struct Beside<'a> {
    /// The word of its source.
    pub source: &'a str,
    /// Names of its tags.
    pub tags: &'a [String],
    /// Sizes and SHA-256 of its originals, newest first.
    pub originals: &'a [(usize, Digest)],
    /// SHA-256 of each attachment whose bytes follow.
    pub attachments: &'a [Option<Digest>],
}

/// The lists of a line, in its order.
pub const LISTS: [&str; 4] = ["participants", "messages", "attachments", "originals"];

/// The line of a conversation, and where its leaves stand in it.
pub struct Line {
    json: Vec<u8>,
    /// Where the head ends, which begins the line.
    head: usize,
    tags: Option<Range<usize>>,
    lists: [Vec<Range<usize>>; 4],
}

#[derive(Serialize)]
struct Head<'a> {
    schema: &'static str,
    source: &'a str,
    native_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: &'a Option<String>,
    kind: Kind,
    #[serde(skip_serializing_if = "Option::is_none")]
    created: &'a Option<SourceTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    updated: &'a Option<SourceTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: &'a Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    project: &'a Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    continues: &'a Option<String>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    flags: &'a [String],
    /// Of each list how many it has, so that a leaf of one cannot pass for one of another.
    counts: [usize; 4],
}

#[derive(Serialize)]
struct MessageLine<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: &'a Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<u32>,
    author: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    recipient: &'a Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: &'a Option<SourceTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    edited: &'a Option<SourceTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    visibility: Option<Visibility>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    abandoned: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    vanished: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: &'a Option<String>,
    parts: Vec<PartLine<'a>>,
}

#[derive(Serialize)]
struct PartLine<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<PartKind>,
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: &'a Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: &'a Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attachment: Option<u32>,
}

#[derive(Serialize)]
struct AttachmentLine<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: &'a Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: &'a Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    media_type: &'a Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    data: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
}

#[derive(Serialize)]
struct OriginalLine {
    size: usize,
    sha256: String,
}

/// JSON in one line in which no character acts on a terminal or hides: such ones are `\u` escapes, which mean the same.
struct Inert(CompactFormatter);

impl Formatter for Inert {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        if fragment.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return writer.write_all(fragment.as_bytes());
        }
        let mut plain = 0;
        for (at, c) in fragment.char_indices().filter(|(_, c)| !c.is_ascii_graphic() && *c != ' ' && needs_escape(*c)) {
            writer.write_all(&fragment.as_bytes()[plain..at])?;
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            plain = at + c.len_utf8();
        }
        writer.write_all(&fragment.as_bytes()[plain..])
    }
}

impl Line {
    /// The line of a conversation. Its originals and attachments follow as [`Pieces`], the originals first.
    pub fn of(conversation: &Conversation, beside: &Beside<'_>) -> Self {
        let mut line = Self {
            json: Vec::with_capacity(2 * conversation.text.len() + 1024),
            head: 0,
            tags: None,
            lists: Default::default(),
        };
        let Conversation { participants, messages, attachments, .. } = conversation;
        line.put(&Head {
            schema: "convault.conversation/1",
            source: beside.source,
            native_id: &conversation.native_id,
            title: &conversation.title,
            kind: conversation.kind,
            created: &conversation.created,
            updated: &conversation.updated,
            model: &conversation.model,
            project: &conversation.project,
            continues: &conversation.continues,
            flags: &conversation.flags,
            counts: [participants.len(), messages.len(), attachments.len(), beside.originals.len()],
        });
        // The brace that ends it comes behind the lists.
        line.json.pop();
        line.head = line.json.len();
        if !beside.tags.is_empty() {
            line.json.extend_from_slice(b",\"tags\":");
            line.tags = Some(line.put(beside.tags));
        }
        line.list(0, participants.iter());
        line.list(1, messages.iter().map(|one| message(conversation, one)));
        if !attachments.is_empty() {
            let digests = beside.attachments.iter().chain(std::iter::repeat(&None));
            line.list(2, attachments.iter().zip(digests).map(|(one, digest)| attachment(one, digest)));
        }
        // Written even when there are none: a line without it stands for its own original.
        line.list(3, beside.originals.iter().map(|(size, digest)| OriginalLine { size: *size, sha256: hex(digest) }));
        line.json.extend_from_slice(b"}\n");
        line
    }

    fn put(&mut self, value: &(impl Serialize + ?Sized)) -> Range<usize> {
        let start = self.json.len();
        let mut serializer = Serializer::with_formatter(&mut self.json, Inert(CompactFormatter));
        value.serialize(&mut serializer).expect("texts and numbers are valid JSON, and memory takes it");
        start..self.json.len()
    }

    fn list<T: Serialize>(&mut self, which: usize, items: impl Iterator<Item = T>) {
        self.json.extend_from_slice(format!(",\"{}\":[", LISTS[which]).as_bytes());
        for (at, item) in items.enumerate() {
            if at > 0 {
                self.json.push(b',');
            }
            let range = self.put(&item);
            self.lists[which].push(range);
        }
        self.json.push(b']');
    }

    /// The line, with its line feed.
    pub fn bytes(&self) -> &[u8] {
        &self.json
    }

    /// The line, with its line feed, taken.
    pub fn into_bytes(self) -> Vec<u8> {
        self.json
    }

    /// The SHA-256 of what each leaf says, in their order.
    pub fn contents(&self) -> Vec<Digest> {
        let tags = self.tags.as_ref().map_or(&b"[]"[..], |range| &self.json[range.clone()]);
        let items = self.lists.iter().flatten().map(|range| sha256(&[&self.json[range.clone()]]));
        [sha256(&[&self.json[..self.head], b"}"]), sha256(&[tags])].into_iter().chain(items).collect()
    }
}

fn message<'a>(conversation: &'a Conversation, one: &'a Message) -> MessageLine<'a> {
    let part = |part: &'a Part| PartLine {
        kind: (part.kind != PartKind::Text).then_some(part.kind),
        text: conversation.text_of(part),
        name: &part.name,
        url: &part.url,
        attachment: part.attachment,
    };
    MessageLine {
        id: &one.id,
        parent: one.parent,
        author: one.author,
        recipient: &one.recipient,
        time: &one.time,
        edited: &one.edited,
        visibility: (one.visibility != Visibility::Shown).then_some(one.visibility),
        abandoned: one.abandoned,
        vanished: one.vanished,
        model: &one.model,
        parts: one.parts.iter().map(part).collect(),
    }
}

fn attachment<'a>(attachment: &'a Attachment, digest: &Option<Digest>) -> AttachmentLine<'a> {
    AttachmentLine {
        id: &attachment.id,
        name: &attachment.name,
        media_type: &attachment.media_type,
        size: attachment.size,
        data: attachment.objects.is_some(),
        sha256: digest.as_ref().filter(|_| attachment.objects.is_some()).map(|digest| hex(digest)),
    }
}

/// What pieces are pieces of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// The source's own bytes.
    Original,
    /// A file.
    Attachment,
}

/// Writes bytes as lines of pieces. Nothing of the last piece is written before [`Pieces::end`].
pub struct Pieces<W> {
    out: W,
    of: Of,
    index: usize,
    piece: u64,
    buffer: Vec<u8>,
}

impl<W: Write> Pieces<W> {
    /// Ready to write bytes of this kind.
    pub fn new(out: W, of: Of) -> Self {
        Self { out, of, index: 0, piece: 0, buffer: Vec::new() }
    }

    /// Begins the bytes of an original or an attachment, by its index in the conversation's line.
    pub fn begin(&mut self, index: usize) {
        (self.index, self.piece) = (index, 0);
        self.buffer.clear();
    }

    /// Writes what is left. Bytes of length 0 are one empty piece, so that they are there.
    pub fn end(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() && self.piece > 0 { Ok(()) } else { self.line() }
    }

    fn line(&mut self) -> io::Result<()> {
        let of = match self.of {
            Of::Original => "original",
            Of::Attachment => "attachment",
        };
        let (index, piece, data) = (self.index, self.piece, STANDARD.encode(&self.buffer));
        let head = format!(r#"{{"schema":"convault.piece/1","of":"{of}","index":{index},"piece":{piece},"data":""#);
        for part in [head.as_bytes(), data.as_bytes(), b"\"}\n"] {
            self.out.write_all(part)?;
        }
        self.buffer.clear();
        self.piece += 1;
        Ok(())
    }
}

impl<W: Write> Write for Pieces<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() == PIECE {
            self.line()?;
        }
        let count = bytes.len().min(PIECE - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_holds_what_is_there_and_nothing_else() {
        let mut talk = Conversation { native_id: "n".to_owned(), ..Conversation::default() };
        let author = talk.participant(crate::conversation::Role::User, None, Some("Ann"));
        let text = talk.push_text("a \"b\"\n");
        talk.messages.push(Message { author, parts: vec![Part { text, ..Part::default() }], ..Message::default() });
        let beside = Beside { source: "test", tags: &["t".to_owned()], originals: &[(3, [171; 32])], attachments: &[] };
        let line = Line::of(&talk, &beside);
        let head = r#"{"schema":"convault.conversation/1","source":"test","native_id":"n","kind":"assistant","counts":[1,1,0,1]"#;
        let original = format!(r#"{{"size":3,"sha256":"{}"}}"#, "ab".repeat(32));
        let (ann, said) = (r#"{"role":"user","name":"Ann"}"#, r#"{"author":0,"parts":[{"text":"a \"b\"\n"}]}"#);
        let expected = format!(
            "{head},\"tags\":[\"t\"],\"participants\":[{ann}],\"messages\":[{said}],\"originals\":[{original}]}}\n"
        );
        assert_eq!(std::str::from_utf8(line.bytes()).unwrap(), expected);
        let leaves = [&format!("{head}}}"), "[\"t\"]", ann, said, &original].map(|leaf| sha256(&[leaf.as_bytes()]));
        assert_eq!(line.contents(), leaves);
        // Without tags their leaf is an empty list.
        let line = Line::of(&talk, &Beside { tags: &[], ..beside });
        assert_eq!(line.contents()[1], sha256(&[b"[]"]));
    }

    #[test]
    fn nothing_in_a_line_acts_on_a_terminal_and_nothing_is_lost() {
        let every: String = (0..0x11_0000).filter_map(char::from_u32).collect();
        let talk = Conversation { native_id: every.clone(), title: Some(every.clone()), ..Conversation::default() };
        let line = Line::of(&talk, &Beside { source: "s", tags: &[], originals: &[], attachments: &[] });
        let text = std::str::from_utf8(line.bytes().trim_ascii_end()).unwrap();
        assert_eq!(text.chars().find(|c| needs_escape(*c)), None);
        let back: serde_json::Value = serde_json::from_str(text).unwrap();
        assert!(back["title"] == every.as_str() && back["native_id"] == every.as_str());
    }

    #[test]
    fn pieces_are_cut_at_their_size_and_empty_bytes_are_one() {
        let lines = |bytes: &[u8]| {
            let mut out = Vec::new();
            let mut pieces = Pieces::new(&mut out, Of::Attachment);
            pieces.begin(3);
            pieces.write_all(bytes).unwrap();
            pieces.end().unwrap();
            String::from_utf8(out).unwrap().lines().map(str::len).collect::<Vec<_>>()
        };
        let frame = r#"{"schema":"convault.piece/1","of":"attachment","index":3,"piece":0,"data":""}"#.len();
        assert_eq!(lines(b""), [frame]);
        assert_eq!(lines(&[7; PIECE]), [frame + (1 << 20)]);
        assert_eq!(lines(&[7; PIECE + 1]), [frame + (1 << 20), frame + 4]);
    }
}
