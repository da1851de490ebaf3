//! The lines of convault's own JSONL, read with tolerance: others write them too.

use crate::import::json::tolerant::{Flag, List, Raw, Text, tolerant};

tolerant! {
    /// A conversation.
    struct Line at "conversation" {
        "schema" => schema: Text<'de>,
        "source" => source: Text<'de>,
        "native_id" => native_id: Text<'de>,
        "title" => title: Text<'de>,
        "kind" => kind: Text<'de>,
        "created" => created: Raw<'de>,
        "updated" => updated: Raw<'de>,
        "model" => model: Text<'de>,
        "project" => project: Text<'de>,
        "continues" => continues: Text<'de>,
        "flags" => flags: List<Text<'de>>,
        "tags" => tags: List<Text<'de>>,
        "participants" => participants: List<ParticipantLine<'de>>,
        "messages" => messages: List<MessageLine<'de>>,
        "attachments" => attachments: List<AttachmentLine<'de>>,
        "originals" => originals: Raw<'de>,
    }
    ignore { "counts" }
}

tolerant! {
    /// What the first pass wants of a conversation.
    struct TagsOf at "conversation" {
        "tags" => tags: List<Text<'de>>,
    }
    ignore {}
}

tolerant! {
    /// Somebody who writes.
    struct ParticipantLine at "participants" {
        "role" => role: Text<'de>,
        "native_role" => native_role: Text<'de>,
        "name" => name: Text<'de>,
        "left_out" => left_out: Raw<'de>,
    }
    ignore {}
}

tolerant! {
    /// A message.
    struct MessageLine at "messages" {
        "id" => id: Text<'de>,
        "parent" => parent: Raw<'de>,
        "author" => author: Raw<'de>,
        "role" => role: Text<'de>,
        "name" => name: Text<'de>,
        "recipient" => recipient: Text<'de>,
        "time" => time: Raw<'de>,
        "edited" => edited: Raw<'de>,
        "visibility" => visibility: Text<'de>,
        "abandoned" => abandoned: Flag,
        "vanished" => vanished: Flag,
        "model" => model: Text<'de>,
        "text" => text: Text<'de>,
        "parts" => parts: List<PartLine<'de>>,
        "left_out" => left_out: Raw<'de>,
    }
    ignore {}
}

tolerant! {
    /// A piece of a message.
    struct PartLine at "messages.parts" {
        "kind" => kind: Text<'de>,
        "text" => text: Text<'de>,
        "name" => name: Text<'de>,
        "url" => url: Text<'de>,
        "attachment" => attachment: Raw<'de>,
    }
    ignore {}
}

tolerant! {
    /// A file.
    struct AttachmentLine at "attachments" {
        "id" => id: Text<'de>,
        "name" => name: Text<'de>,
        "media_type" => media_type: Text<'de>,
        "size" => size: Raw<'de>,
        "data" => data: Flag,
        "left_out" => left_out: Raw<'de>,
    }
    ignore { "sha256" }
}

tolerant! {
    /// A state of the source's own bytes.
    struct OriginalLine at "originals" {
        "size" => size: Raw<'de>,
        "left_out" => left_out: Raw<'de>,
    }
    ignore { "sha256" }
}

tolerant! {
    /// Bytes that stand behind a conversation.
    struct PieceLine at "piece" {
        "schema" => schema: Text<'de>,
        "of" => of: Text<'de>,
        "index" => index: Raw<'de>,
        "piece" => piece: Raw<'de>,
        "data" => data: Text<'de>,
    }
    ignore {}
}
