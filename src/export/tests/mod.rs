//! What the tests of all forms share: conversations with a text in every field, and an export of them.

pub(crate) mod hostile;

use super::{Exporter, Given, Listed};
use crate::clock::Instant;
use crate::conversation::{
    Attachment, Conversation, Kind, Message, Part, PartKind, Participant, Role, SourceTime, Visibility,
};

/// A conversation as it is handed to an exporter.
pub(crate) struct Case {
    pub(crate) listed: Listed,
    pub(crate) conversation: Conversation,
    pub(crate) tags: Vec<String>,
    pub(crate) shown: Vec<bool>,
    /// The bytes of its attachments.
    pub(crate) files: Vec<Vec<u8>>,
}

impl Case {
    /// Of a conversation of which everything goes out.
    pub(crate) fn of(conversation: Conversation) -> Self {
        let listed = Listed {
            title: conversation.title.clone().unwrap_or_default(),
            source: "chatgpt".to_owned(),
            created: instant("2025-10-11T13:40:00Z"),
            last_activity: instant("2025-10-12T08:00:00Z"),
            messages: conversation.messages.len() as u64,
        };
        let shown = vec![true; conversation.messages.len()];
        Self { listed, conversation, tags: Vec::new(), shown, files: Vec::new() }
    }

    /// The export of it alone.
    pub(crate) fn exported(&self, exporter: &dyn Exporter) -> String {
        exported(exporter, &[self])
    }
}

/// The export of several.
pub(crate) fn exported(exporter: &dyn Exporter, cases: &[&Case]) -> String {
    let mut out = Vec::new();
    let listed: Vec<Listed> = cases.iter().map(|case| case.listed.clone()).collect();
    exporter.begin(&listed, &mut out).unwrap();
    for (place, case) in cases.iter().enumerate() {
        let Case { listed, conversation, tags, shown, files } = case;
        let given = Given { place, listed, conversation, tags, shown };
        let mut bytes = |index: u32, sink: &mut dyn FnMut(&[u8]) -> std::io::Result<()>| {
            files[index as usize].chunks(1000).try_for_each(sink)
        };
        exporter.conversation(&given, &mut bytes, &mut out).unwrap();
    }
    exporter.end(&mut out).unwrap();
    let (before, after) = exporter.frame();
    out.extend_from_slice(before.as_bytes());
    out.extend_from_slice(MANIFEST.as_bytes());
    out.extend_from_slice(after.as_bytes());
    String::from_utf8(out).unwrap()
}

/// Stands for a manifest.
pub(crate) const MANIFEST: &str = r#"{"left_out":[],"nodes":[],"schema":"convault.manifest/1"}"#;

pub(crate) fn instant(text: &str) -> Instant {
    Instant::parse(text).unwrap()
}

/// A conversation of one author of each role, without a message.
pub(crate) fn empty(title: &str) -> Conversation {
    let roles = [Role::User, Role::Assistant, Role::System, Role::Tool];
    let participants = roles.map(|role| Participant { role, ..Participant::default() });
    Conversation { title: Some(title.to_owned()), participants: participants.to_vec(), ..Conversation::default() }
}

/// Adds a message of parts that have a kind, a name and a text.
pub(crate) fn say(conversation: &mut Conversation, author: u32, parts: &[(PartKind, Option<&str>, &str)]) {
    let parts = parts
        .iter()
        .map(|(kind, name, text)| Part {
            kind: *kind,
            text: conversation.push_text(text),
            name: name.map(str::to_owned),
            ..Part::default()
        })
        .collect();
    let at = instant("2025-10-11T13:40:00Z");
    let time = Some(SourceTime { text: "1760190000".to_owned(), at: Some(at) });
    conversation.messages.push(Message { author, parts, time, ..Message::default() });
}

/// A conversation with this text in every field that has a text.
pub(crate) fn everywhere(text: &str) -> Case {
    let own = || Some(text.to_owned());
    let mut conversation = Conversation {
        native_id: text.to_owned(),
        title: own(),
        kind: Kind::Assistant,
        created: Some(SourceTime { text: text.to_owned(), at: None }),
        updated: Some(SourceTime { text: text.to_owned(), at: None }),
        model: own(),
        project: own(),
        continues: own(),
        flags: vec![text.to_owned()],
        ..Conversation::default()
    };
    for role in [Role::User, Role::Assistant, Role::System, Role::Tool, Role::Other] {
        conversation.participants.push(Participant { role, native_role: own(), name: own() });
    }
    // A picture, a file, one too large, one that is missing, and one that no message names.
    for (objects, size) in [
        (Some((0, 1)), None),
        (Some((1, 1)), None),
        (Some((2, 1)), Some(1 << 30)),
        (None, Some(7)),
        (Some((3, 1)), None),
    ] {
        conversation.attachments.push(Attachment {
            id: own(),
            name: own(),
            media_type: own(),
            size,
            objects,
            payload: None,
        });
    }
    conversation.attachments[0].name = None;
    let kinds = [
        PartKind::Text,
        PartKind::Thinking,
        PartKind::Text,
        PartKind::ToolCall,
        PartKind::ToolResult,
        PartKind::Code,
        PartKind::Document,
        PartKind::Citation,
        PartKind::Unknown,
        PartKind::Attachment,
        PartKind::Attachment,
        PartKind::Attachment,
        PartKind::Attachment,
        PartKind::Attachment,
        PartKind::Text,
    ];
    for author in 0..6 {
        let mut attachment = 0;
        let mut parts = Vec::new();
        for kind in kinds {
            let is_file = kind == PartKind::Attachment;
            let index = is_file.then_some(if attachment == 4 { 99 } else { attachment });
            attachment += u32::from(is_file);
            parts.push(Part { kind, text: conversation.push_text(text), name: own(), url: own(), attachment: index });
        }
        // A fence makes what a person typed Markdown too.
        let fenced = conversation.push_text(&format!("```\nx\n```\n\n{text}"));
        parts.push(Part { text: fenced, ..Part::default() });
        let time = Some(SourceTime { text: text.to_owned(), at: None });
        let (visibility, vanished) = if author == 1 { (Visibility::Deleted, true) } else { (Visibility::Shown, false) };
        let message = Message {
            id: own(),
            author,
            recipient: own(),
            time: time.clone(),
            edited: time,
            visibility,
            vanished,
            model: own(),
            parts,
            ..Message::default()
        };
        conversation.messages.push(message);
    }
    let mut case = Case::of(conversation);
    case.listed.source = text.to_owned();
    case.tags = vec![text.to_owned(), "tag".to_owned()];
    let files: [&[u8]; 5] =
        [PNG, b"<svg xmlns=\"http://www.w3.org/2000/svg\" onload=\"alert(1)\"/>", b"", b"", b"text"];
    case.files = files.map(<[u8]>::to_vec).to_vec();
    case
}

/// A picture of one dot.
pub(crate) const PNG: &[u8] = &[
    0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48, 0x44, 0x52, 0x00, 0x00, 0x00,
    0x01, 0x00, 0x00, 0x00, 0x01, 0x08, 0x06, 0x00, 0x00, 0x00, 0x1f, 0x15, 0xc4, 0x89, 0x00, 0x00, 0x00, 0x0d, 0x49,
    0x44, 0x41, 0x54, 0x78, 0x9c, 0x63, 0x60, 0x60, 0x60, 0xf8, 0x0f, 0x00, 0x01, 0x04, 0x01, 0x00, 0x5f, 0xe5, 0xc3,
    0x4b, 0x00, 0x00, 0x00, 0x00, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82,
];
