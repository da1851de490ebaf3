//! The records of a log as they are read: fields that mean something, fields that are known, and the rest counted.

use std::borrow::Cow;
use std::fmt;

use serde::Deserializer;
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, SeqAccess, Visitor};

use crate::import::json::tolerant::{
    Fields, Flag, Raw, Recorder, Seed, Text, Tolerant, other_types, tolerant,
};

tolerant! {
    /// One line.
    struct Record at "record" {
        "type" => kind: Text<'de>,
        "subtype" => subtype: Text<'de>,
        "uuid" => uuid: Text<'de>,
        "parentUuid" => parent: Text<'de>,
        "logicalParentUuid" => logical_parent: Text<'de>,
        "sessionId" => session: Text<'de>,
        "timestamp" => timestamp: Raw<'de>,
        "cwd" => cwd: Text<'de>,
        "isSidechain" => is_sidechain: Flag,
        "isMeta" => is_meta: Flag,
        "isCompactSummary" => is_compact_summary: Flag,
        "isVisibleInTranscriptOnly" => is_transcript_only: Flag,
        "agentId" => agent: Text<'de>,
        "forkedFrom" => forked_from: Raw<'de>,
        "message" => message: Said<'de>,
        "toolUseResult" => tool_use_result: Raw<'de>,
        "attachment" => attachment: Raw<'de>,
        "content" => content: Content<'de>,
        "operation" => operation: Text<'de>,
        "summary" => summary: Text<'de>,
        "leafUuid" => leaf: Text<'de>,
        "customTitle" => custom_title: Text<'de>,
        "aiTitle" => ai_title: Text<'de>,
    }
    ignore {
        "gitBranch" "version" "userType" "entrypoint" "requestId" "slug" "promptId" "permissionMode" "teamName"
        "agentName" "agentColor" "agentSetting" "lastPrompt" "todos" "thinkingMetadata" "sourceToolAssistantUUID"
        "sourceToolUseID" "sourceToolUseId" "toolUseID" "toolUseId" "parentToolUseID" "level" "hookCount" "hookInfos"
        "hookErrors" "hookAdditionalContext" "preventedContinuation" "stopReason" "hasOutput" "durationMs"
        "messageCount" "isApiErrorMessage" "apiErrorStatus" "error" "errorDetails" "cause" "retryInMs" "retryAttempt"
        "maxRetries" "compactMetadata" "microcompactMetadata" "summarizeMetadata" "isSnapshotUpdate" "messageId"
        "snapshot" "data" "mode" "prNumber" "prUrl" "prRepository" "worktreeSession" "origin" "mcpMeta" "imagePasteIds"
        "url" "upgradeNudge" "isVisibleInTranscript" "planContent" "attribution" "tag" "promptSource" "reason"
        "interruptedMessageId" "attributionSkill" "attributionPlugin" "attributionAgent" "attributionMcpServer"
        "attributionMcpTool" "costUSD" "duration" "ttftMs" "sessionKind"
    }
}

tolerant! {
    /// A message of the Messages API.
    struct MessageFields at "message" {
        "role" => role: Text<'de>,
        "id" => id: Text<'de>,
        "model" => model: Text<'de>,
        "content" => content: Content<'de>,
    }
    ignore {
        "type" "stop_reason" "stop_sequence" "stop_details" "usage" "container" "context_management" "diagnostics"
    }
}

tolerant! {
    /// A block of a message, of whatever type.
    struct Block at "message.content" {
        "type" => kind: Text<'de>,
        "text" => text: Text<'de>,
        "thinking" => thinking: Text<'de>,
        "id" => id: Text<'de>,
        "name" => name: Text<'de>,
        "input" => input: Raw<'de>,
        "tool_use_id" => tool_use_id: Text<'de>,
        "tool_name" => tool_name: Text<'de>,
        "content" => content: Raw<'de>,
        "source" => source: Raw<'de>,
        "title" => title: Text<'de>,
        "context" => context: Text<'de>,
        "citations" => citations: Raw<'de>,
        "url" => url: Text<'de>,
    }
    ignore {
        "signature" "data" "is_error" "cache_control" "caller" "server_name" "encrypted_content" "page_age"
        "error_code" "cache_reference"
    }
}

tolerant! {
    /// Where the bytes of a picture or a document are.
    struct Source at "message.content.source" {
        "type" => kind: Text<'de>,
        "media_type" => media_type: Text<'de>,
        "data" => data: Text<'de>,
        "url" => url: Text<'de>,
        "file_id" => file_id: Text<'de>,
        "content" => content: Raw<'de>,
    }
    ignore {}
}

tolerant! {
    /// A page an answer refers to.
    struct Citation at "message.content.citations" {
        "title" => title: Text<'de>,
        "document_title" => document_title: Text<'de>,
        "url" => url: Text<'de>,
        "cited_text" => cited_text: Text<'de>,
    }
    ignore {
        "type" "encrypted_index" "encrypted_content" "page_age" "document_index" "start_char_index" "end_char_index"
        "start_page_number" "end_page_number" "start_block_index" "end_block_index" "file_id" "source"
        "search_result_index"
    }
}

tolerant! {
    /// The input of a call that starts an agent.
    struct AgentCall at "input" {
        "description" => description: Text<'de>,
        "prompt" => prompt: Text<'de>,
        "subagent_type" => subagent_type: Text<'de>,
    }
    ignore {}
}

tolerant! {
    /// What stands beside the log of an agent: `agent-….meta.json`.
    struct Meta at "meta" {
        "agentType" => agent_type: Text<'de>,
        "description" => description: Text<'de>,
        "toolUseId" => tool_use_id: Text<'de>,
        "toolUseID" => tool_use_id_2: Text<'de>,
    }
    ignore { "worktreePath" "worktreeBranch" "isolation" "name" "model" "teamName" "color" "spawnDepth" "parentAgentId" }
}

/// The value of `message`: an object, or a bare string that is taken for what it says.
#[derive(Default)]
pub(super) struct Said<'de> {
    pub(super) is_given: bool,
    pub(super) fields: MessageFields<'de>,
}

impl<'de> Tolerant<'de> for Said<'de> {
    fn read<D: Deserializer<'de>>(recorder: &Recorder, deserializer: D) -> Result<Self, D::Error> {
        struct SaidVisitor<'n>(&'n Recorder);
        impl SaidVisitor<'_> {
            fn bare<'de>(&self, text: Cow<'de, str>) -> Said<'de> {
                self.0.repaired("unexpected type");
                let content = Content { text: Some(text), ..Content::default() };
                Said { is_given: true, fields: MessageFields { content, ..MessageFields::default() } }
            }
        }
        impl<'de> Visitor<'de> for SaidVisitor<'_> {
            type Value = Said<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a message")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Said<'de>, A::Error> {
                let fields = MessageFields::read(self.0, MapAccessDeserializer::new(map))?;
                Ok(Said { is_given: true, fields })
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Said<'de>, E> {
                Ok(self.bare(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Said<'de>, E> {
                Ok(self.bare(Cow::Owned(text.to_owned())))
            }
            other_types!(null bool number list);
        }
        deserializer.deserialize_any(SaidVisitor(recorder))
    }
}

/// Content: a string, or a list of blocks that are read one by one.
#[derive(Default)]
pub(super) struct Content<'de> {
    pub(super) text: Option<Cow<'de, str>>,
    pub(super) blocks: Vec<Raw<'de>>,
    /// A single object where the list is due, written again.
    pub(super) single: Option<String>,
}

impl Content<'_> {
    pub(super) fn is_given(&self) -> bool {
        self.text.is_some() || !self.blocks.is_empty() || self.single.is_some()
    }
}

impl<'de> Tolerant<'de> for Content<'de> {
    fn read<D: Deserializer<'de>>(recorder: &Recorder, deserializer: D) -> Result<Self, D::Error> {
        struct ContentVisitor<'n>(&'n Recorder);
        impl<'de> Visitor<'de> for ContentVisitor<'_> {
            type Value = Content<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("content")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Content<'de>, E> {
                Ok(Content { text: Some(Cow::Borrowed(text)), ..Content::default() })
            }
            fn visit_str<E>(self, text: &str) -> Result<Content<'de>, E> {
                Ok(Content { text: Some(Cow::Owned(text.to_owned())), ..Content::default() })
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Content<'de>, A::Error> {
                let mut blocks = Vec::new();
                while let Some(block) = list.next_element_seed(Seed::<Raw<'de>>::new(self.0))? {
                    blocks.push(block);
                }
                Ok(Content { blocks, ..Content::default() })
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Content<'de>, A::Error> {
                self.0.repaired("unexpected type");
                Ok(Content { single: Some(Fields::from_map(map)?.to_json()), ..Content::default() })
            }
            other_types!(null bool number);
        }
        deserializer.deserialize_any(ContentVisitor(recorder))
    }
}

/// The words under which records that are no part of the conversation are counted, by their type.
pub(super) fn bookkeeping(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "progress" => "progress record",
        "queue-operation" => "queue-operation record",
        "file-history-snapshot" => "file-history-snapshot record",
        "file-history-delta" => "file-history-delta record",
        "permission-mode" => "permission-mode record",
        "mode" => "mode record",
        "pr-link" => "pr-link record",
        "worktree-state" => "worktree-state record",
        "last-prompt" => "last-prompt record",
        "summary" => "summary record",
        "custom-title" => "custom-title record",
        "ai-title" => "ai-title record",
        "agent-name" => "agent-name record",
        "agent-color" => "agent-color record",
        "agent-setting" => "agent-setting record",
        "tag" => "tag record",
        "task-summary" => "task-summary record",
        "tool_use_summary" => "tool_use_summary record",
        "content-replacement" => "content-replacement record",
        "attribution-snapshot" => "attribution-snapshot record",
        "speculation-accept" => "speculation-accept record",
        "bridge-session" => "bridge-session record",
        "marble-origami-commit" | "marble-origami-snapshot" => "context-collapse record",
        _ => return None,
    })
}
