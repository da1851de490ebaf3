//! convault's own JSONL: everything a vault knows of a conversation, in lines that any program can read.
//!
//! `docs/formats/convault.md` is the specification.

use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use crate::conversation::{
    Attachment, Conversation, Kind, Message, Part, PartKind, Participant, SourceTime, Visibility,
};

/// Bytes of a piece: a line of 1 MiB.
const PIECE: usize = 768 << 10;

/// What a vault says of a conversation besides its content.
pub struct Beside<'a> {
    /// The word of its source.
    pub source: &'a str,
    /// Names of its tags.
    pub tags: &'a [String],
    /// Sizes of its originals, newest first.
    pub originals: &'a [usize],
}

#[derive(Serialize)]
struct Line<'a> {
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
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    tags: &'a [String],
    participants: &'a [Participant],
    messages: Vec<MessageLine<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attachments: Vec<AttachmentLine<'a>>,
    /// Written even when there are none: a line without it stands for its own original.
    originals: Vec<OriginalLine>,
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
}

#[derive(Serialize)]
struct OriginalLine {
    size: usize,
}

/// Writes the line of a conversation. Its originals and attachments follow as [`Pieces`], the originals first.
pub fn conversation(conversation: &Conversation, beside: &Beside<'_>, out: &mut impl Write) -> io::Result<()> {
    let part = |part: &'_ Part| (part.kind != PartKind::Text).then_some(part.kind);
    let message = |message: &'_ Message| (message.visibility != Visibility::Shown).then_some(message.visibility);
    let line = Line {
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
        tags: beside.tags,
        participants: &conversation.participants,
        messages: conversation
            .messages
            .iter()
            .map(|one| MessageLine {
                id: &one.id,
                parent: one.parent,
                author: one.author,
                recipient: &one.recipient,
                time: &one.time,
                edited: &one.edited,
                visibility: message(one),
                abandoned: one.abandoned,
                vanished: one.vanished,
                model: &one.model,
                parts: one
                    .parts
                    .iter()
                    .map(|one| PartLine {
                        kind: part(one),
                        text: conversation.text_of(one),
                        name: &one.name,
                        url: &one.url,
                        attachment: one.attachment,
                    })
                    .collect(),
            })
            .collect(),
        attachments: conversation.attachments.iter().map(attachment).collect(),
        originals: beside.originals.iter().map(|size| OriginalLine { size: *size }).collect(),
    };
    serde_json::to_writer(&mut *out, &line)?;
    out.write_all(b"\n")
}

fn attachment(attachment: &Attachment) -> AttachmentLine<'_> {
    AttachmentLine {
        id: &attachment.id,
        name: &attachment.name,
        media_type: &attachment.media_type,
        size: attachment.size,
        data: attachment.objects.is_some(),
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

/// Writes bytes as lines of pieces. Nothing of the last piece is written before [`Pieces::finish`].
pub struct Pieces<W> {
    out: W,
    of: Of,
    index: usize,
    piece: u64,
    buffer: Vec<u8>,
}

impl<W: Write> Pieces<W> {
    /// Begins the bytes of an original or an attachment, by its index in the conversation's line.
    pub fn new(out: W, of: Of, index: usize) -> Self {
        Self { out, of, index, piece: 0, buffer: Vec::with_capacity(PIECE) }
    }

    /// Writes what is left. Bytes of length 0 are one empty piece, so that they are there.
    pub fn finish(mut self) -> io::Result<()> {
        self.end()
    }

    /// Ends these bytes and begins those of another index.
    pub fn next(&mut self, index: usize) -> io::Result<()> {
        self.end()?;
        (self.index, self.piece) = (index, 0);
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
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
        let mut out = Vec::new();
        let beside = Beside { source: "test", tags: &["t".to_owned()], originals: &[] };
        conversation(&talk, &beside, &mut out).unwrap();
        let expected = concat!(
            r#"{"schema":"convault.conversation/1","source":"test","native_id":"n","kind":"assistant","tags":["t"],"#,
            r#""participants":[{"role":"user","name":"Ann"}],"messages":[{"author":0,"parts":[{"text":"a \"b\"\n"}]}],"originals":[]}"#,
            "\n"
        );
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn pieces_are_cut_at_their_size_and_empty_bytes_are_one() {
        let lines = |bytes: &[u8]| {
            let mut out = Vec::new();
            let mut pieces = Pieces::new(&mut out, Of::Attachment, 3);
            pieces.write_all(bytes).unwrap();
            pieces.finish().unwrap();
            String::from_utf8(out).unwrap().lines().map(str::len).collect::<Vec<_>>()
        };
        let frame = r#"{"schema":"convault.piece/1","of":"attachment","index":3,"piece":0,"data":""}"#.len();
        assert_eq!(lines(b""), [frame]);
        assert_eq!(lines(&[7; PIECE]), [frame + (1 << 20)]);
        assert_eq!(lines(&[7; PIECE + 1]), [frame + (1 << 20), frame + 4]);
    }
}
