//! The schema of generic transcripts: OpenAI's chat messages, ShareGPT, and what programs add to them.
//!
//! One schema for both: their data sets borrow each other's words.

use serde::Deserializer;

use crate::import::json::tolerant::{List, Raw, Recorder, Text, Tolerant, tolerant};

tolerant! {
    /// A conversation.
    struct Entry at "conversation" {
        "messages" => messages: Turns<'de>,
        "conversations" => conversations: Turns<'de>,
        "conversation" => conversation: Turns<'de>,
        "items" => items: Turns<'de>,
        "id" => id: Raw<'de>,
        "conversation_id" => conversation_id: Raw<'de>,
        "session_id" => session_id: Raw<'de>,
        "title" => title: Text<'de>,
        "name" => name: Text<'de>,
        "model" => model: Text<'de>,
        "created" => created: Raw<'de>,
        "created_at" => created_at: Raw<'de>,
        "create_time" => create_time: Raw<'de>,
        "createdAt" => created_js: Raw<'de>,
        "timestamp" => timestamp: Raw<'de>,
        "session_start" => session_start: Raw<'de>,
        "updated" => updated: Raw<'de>,
        "updated_at" => updated_at: Raw<'de>,
        "update_time" => update_time: Raw<'de>,
        "updatedAt" => updated_js: Raw<'de>,
        "last_updated" => last_updated: Raw<'de>,
        "system" => system: Raw<'de>,
        "system_prompt" => system_prompt: Raw<'de>,
        "tools" => tools: Raw<'de>,
        "functions" => functions: Raw<'de>,
        "images" => images: Raw<'de>,
        "videos" => videos: Raw<'de>,
        "audios" => audios: Raw<'de>,
    }
    // What a stored request says beside its messages.
    ignore {
        "temperature" "top_p" "n" "stream" "stream_options" "stop" "max_tokens" "max_completion_tokens"
        "presence_penalty" "frequency_penalty" "logit_bias" "logprobs" "top_logprobs" "user" "seed"
        "response_format" "tool_choice" "parallel_tool_calls" "function_call" "reasoning_effort" "store"
        "message_count"
    }
}

tolerant! {
    /// A message.
    struct TurnSource at "message" {
        "role" => role: Text<'de>,
        "from" => from: Text<'de>,
        "content" => content: Raw<'de>,
        "value" => value: Raw<'de>,
        "text" => text: Raw<'de>,
        "message" => message: Raw<'de>,
        "parts" => parts: Raw<'de>,
        "name" => name: Text<'de>,
        "tool_name" => tool_name: Text<'de>,
        "tool_calls" => tool_calls: Raw<'de>,
        "tool_call_id" => tool_call_id: Text<'de>,
        "function_call" => function_call: Raw<'de>,
        "reasoning_content" => reasoning_content: Raw<'de>,
        "reasoning" => reasoning: Raw<'de>,
        "thinking" => thinking: Raw<'de>,
        "refusal" => refusal: Text<'de>,
        "audio" => audio: Raw<'de>,
        "annotations" => annotations: Raw<'de>,
        "id" => id: Raw<'de>,
        "timestamp" => timestamp: Raw<'de>,
        "created_at" => created_at: Raw<'de>,
        "time" => time: Raw<'de>,
        "created" => created: Raw<'de>,
        "create_time" => create_time: Raw<'de>,
        "createdAt" => created_js: Raw<'de>,
        "model" => model: Text<'de>,
    }
    ignore { "weight" "type" "index" "finish_reason" "status" "usage" }
}

/// A list of messages, which may be missing or empty; the two are not the same.
#[derive(Default)]
pub(super) struct Turns<'de>(pub(super) Option<Vec<TurnSource<'de>>>);

impl<'de> Tolerant<'de> for Turns<'de> {
    fn read<D: Deserializer<'de>>(recorder: &Recorder, deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(Some(List::read(recorder, deserializer)?.0)))
    }
}
