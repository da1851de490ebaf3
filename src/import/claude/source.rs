//! The source schema of a Claude.ai export, as far as it means something here.
//!
//! Every field is optional and any of them may be of another type. Keys that are known and carry no
//! meaning for a transcript are listed as ignored; what is in neither list is counted and reported.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};

use crate::import::json::tolerant::{
    Fields, Flag, List, Raw, Recorder, Table, Text, Tolerant, other_types, tolerant,
};

tolerant! {
    /// An entry of any file of the export. What it is, its fields tell: `chat_messages` a conversation,
    /// `docs` a project, `conversations_memory` a memory, `messages` a design chat.
    struct Entry at "entry" {
        "uuid" => uuid: Text<'de>,
        "id" => id: Text<'de>,
        "conversation_id" => conversation_id: Text<'de>,
        "name" => name: Text<'de>,
        "title" => title: Text<'de>,
        "created_at" => created_at: Raw<'de>,
        "updated_at" => updated_at: Raw<'de>,
        "model" => model: Text<'de>,
        "project" => project: Named<'de>,
        "project_uuid" => project_uuid: Text<'de>,
        "is_starred" => is_starred: Flag,
        "is_temporary" => is_temporary: Flag,
        "is_archived" => is_archived: Flag,
        "archived_at" => archived_at: Raw<'de>,
        "current_leaf_message_uuid" => current_leaf: Text<'de>,
        "chat_messages" => chat_messages: Listed<MessageSource<'de>>,
        "description" => description: Text<'de>,
        "prompt_template" => prompt_template: Text<'de>,
        "docs" => docs: Listed<Doc<'de>>,
        "creator" => creator: Named<'de>,
        "account_uuid" => account_uuid: Text<'de>,
        "conversations_memory" => conversations_memory: Text<'de>,
        "project_memories" => project_memories: Table<'de, Text<'de>>,
        "memory_files" => memory_files: Listed<MemoryFile<'de>>,
        "messages" => messages: Listed<DesignMessage<'de>>,
    }
    ignore {
        "summary" "account" "settings" "platform" "is_private" "is_starter_project" "is_public" "organization_uuid"
        "last_read_at" "session_id" "snapshot_name" "docs_count" "files_count" "permissions" "archiver" "type"
        "subtype" "prompt_template_updated_at" "effective_model" "enabled_connectors" "exported_at" "created_by"
    }
}

tolerant! {
    /// A project or a person, where another thing names it.
    struct Named at "entry.project" {
        "uuid" => uuid: Text<'de>,
        "name" => name: Text<'de>,
        "full_name" => full_name: Text<'de>,
    }
    ignore { "description" "prompt_template" "is_private" "is_starter_project" "created_at" "updated_at" "email_address" }
}

tolerant! {
    /// A message.
    struct MessageSource at "message" {
        "uuid" => uuid: Text<'de>,
        "parent_message_uuid" => parent: Text<'de>,
        "sender" => sender: Text<'de>,
        "index" => index: Raw<'de>,
        "text" => text: Raw<'de>,
        "content" => content: List<Block<'de>>,
        "created_at" => created_at: Raw<'de>,
        "updated_at" => updated_at: Raw<'de>,
        "model" => model: Text<'de>,
        "attachments" => attachments: List<AttachmentSource<'de>>,
        "files" => files: List<FileSource<'de>>,
        "files_v2" => files_v2: List<FileSource<'de>>,
    }
    ignore {
        "truncated" "stop_reason" "sync_sources" "chat_feedback" "feedback" "nOptions" "selectedOption" "input_mode"
        "metadata" "request_id" "input_locale" "is_regenerated" "compaction_status"
    }
}

tolerant! {
    /// A pasted or uploaded text, of which the export has the text and not the file.
    struct AttachmentSource at "message.attachments" {
        "id" => id: Text<'de>,
        "file_uuid" => file_uuid: Text<'de>,
        "file_name" => file_name: Text<'de>,
        "file_size" => file_size: Raw<'de>,
        "file_type" => file_type: Text<'de>,
        "extracted_content" => extracted_content: Text<'de>,
    }
    ignore { "created_at" "origin" "kind" "path" "totalPages" }
}

tolerant! {
    /// An uploaded file, of which the export has the name.
    struct FileSource at "message.files" {
        "file_uuid" => file_uuid: Text<'de>,
        "uuid" => uuid: Text<'de>,
        "file_name" => file_name: Text<'de>,
        "file_size" => file_size: Raw<'de>,
        "size_bytes" => size_bytes: Raw<'de>,
        "file_type" => file_type: Text<'de>,
    }
    ignore {
        "file_kind" "created_at" "thumbnail_url" "preview_url" "document_url" "thumbnail_asset" "preview_asset"
        "document_asset" "success" "page_count" "path" "sanitized_name" "image_width" "image_height" "error"
    }
}

tolerant! {
    /// A document of a project.
    struct Doc at "project.docs" {
        "uuid" => uuid: Text<'de>,
        "filename" => filename: Text<'de>,
        "file_name" => file_name: Text<'de>,
        "content" => content: Text<'de>,
        "created_at" => created_at: Raw<'de>,
        "updated_at" => updated_at: Raw<'de>,
    }
    ignore { "project_uuid" "estimated_token_count" "type" }
}

tolerant! {
    /// A file of the memory that exports have since 2026.
    struct MemoryFile at "memory.memory_files" {
        "path" => path: Text<'de>,
        "content" => content: Text<'de>,
        "created_at" => created_at: Raw<'de>,
        "updated_at" => updated_at: Raw<'de>,
    }
    ignore { "uuid" "size" }
}

tolerant! {
    /// A message of a design chat. What it says stands in `content`, itself an object.
    struct DesignMessage at "design.messages" {
        "uuid" => uuid: Text<'de>,
        "role" => role: Text<'de>,
        "created_at" => created_at: Raw<'de>,
        "content" => content: Block<'de>,
    }
    ignore { "updated_at" "index" }
}

/// A list, and whether it stands there at all.
pub(super) struct Listed<T> {
    /// Whether its key was there.
    pub(super) given: bool,
    /// What is in it.
    pub(super) items: Vec<T>,
}

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Self { given: false, items: Vec::new() }
    }
}

impl<'de, T: Tolerant<'de>> Tolerant<'de> for Listed<T> {
    fn read<D: Deserializer<'de>>(recorder: &Recorder, deserializer: D) -> Result<Self, D::Error> {
        Ok(Self { given: true, items: List::read(recorder, deserializer)?.0 })
    }
}

/// A piece of content: an object whose fields depend on its type, or a bare text.
#[derive(Default)]
pub(super) enum Block<'de> {
    Fields(Fields<'de>),
    Text(Cow<'de, str>),
    #[default]
    Nothing,
}

impl<'de> Tolerant<'de> for Block<'de> {
    fn read<D: Deserializer<'de>>(recorder: &Recorder, deserializer: D) -> Result<Self, D::Error> {
        struct BlockVisitor<'n>(&'n Recorder);
        impl<'de> Visitor<'de> for BlockVisitor<'_> {
            type Value = Block<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a block")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Block<'de>, A::Error> {
                Fields::from_map(map).map(Block::Fields)
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Block<'de>, E> {
                Ok(Block::Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Block<'de>, E> {
                Ok(Block::Text(Cow::Owned(text.to_owned())))
            }
            other_types!(null bool number list);
        }
        deserializer.deserialize_any(BlockVisitor(recorder))
    }
}
