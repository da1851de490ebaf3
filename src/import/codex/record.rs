//! The source schema of a Codex log, as far as it means something here.
//!
//! Codex writes each record through serde and never rewrites one, so a line keeps the shape of the
//! version that wrote it. Values whose shape depends on version or tool are [`Loose`].

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::import::json::tolerant::{
    Fields, Key, List, Raw, Recorder, Seed, Text, Tolerant, from_slice, other_types, tolerant,
};

/// A line: the envelope when it has one, else only its keys.
#[derive(Default)]
pub(super) struct Record<'de> {
    pub(super) timestamp: Raw<'de>,
    pub(super) kind: Text<'de>,
    pub(super) payload: Payload<'de>,
    /// `record_type`, which says that the line is a mark of the program.
    pub(super) is_mark: bool,
    /// Keys that no envelope has.
    pub(super) others: Vec<Cow<'de, str>>,
}

/// What a record is about. Codex writes the type first, so that the largest kinds are read at once and not
/// passed over to be read again.
#[derive(Default)]
pub(super) enum Payload<'de> {
    #[default]
    Nothing,
    Item(Box<Item<'de>>),
    Turn(TurnContext<'de>),
    Raw(Raw<'de>),
}

impl<'de> Tolerant<'de> for Record<'de> {
    fn read<D: Deserializer<'de>>(recorder: &Recorder, deserializer: D) -> Result<Self, D::Error> {
        struct RecordVisitor<'n>(&'n Recorder);
        impl<'de> Visitor<'de> for RecordVisitor<'_> {
            type Value = Record<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a record")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Record<'de>, A::Error> {
                let mut record = Record::default();
                while let Some(Key(key)) = map.next_key()? {
                    match key.as_ref() {
                        "timestamp" => record.timestamp = map.next_value_seed(Seed::new(self.0))?,
                        "type" => record.kind = map.next_value_seed(Seed::new(self.0))?,
                        "payload" => {
                            record.payload = match record.kind.get() {
                                Some("response_item") => Payload::Item(map.next_value_seed(Seed::new(self.0))?),
                                Some("turn_context") => Payload::Turn(map.next_value_seed(Seed::new(self.0))?),
                                _ => Payload::Raw(map.next_value_seed(Seed::new(self.0))?),
                            };
                        }
                        "ordinal" => drop(map.next_value::<IgnoredAny>()?),
                        _ => {
                            record.is_mark |= key == "record_type";
                            map.next_value::<IgnoredAny>()?;
                            record.others.push(key);
                        }
                    }
                }
                Ok(record)
            }
            other_types!(null bool number string list);
        }
        deserializer.deserialize_any(RecordVisitor(recorder))
    }
}

impl<'de, T: Tolerant<'de>> Tolerant<'de> for Box<T> {
    fn read<D: Deserializer<'de>>(recorder: &Recorder, deserializer: D) -> Result<Self, D::Error> {
        T::read(recorder, deserializer).map(Box::new)
    }
}

/// A value that is a text, or a list, or anything else, which its reader then asks for by name.
#[derive(Default)]
pub(super) enum Loose<'de> {
    #[default]
    Nothing,
    Text(Cow<'de, str>),
    List(Vec<&'de RawValue>),
    Other,
}

impl Loose<'_> {
    /// The text, when it is one.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn is_given(&self) -> bool {
        !matches!(self, Self::Nothing)
    }
}

impl<'de> Tolerant<'de> for Loose<'de> {
    fn read<D: Deserializer<'de>>(_: &Recorder, deserializer: D) -> Result<Self, D::Error> {
        struct LooseVisitor;
        impl<'de> Visitor<'de> for LooseVisitor {
            type Value = Loose<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Loose<'de>, E> {
                Ok(Loose::Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Loose<'de>, E> {
                Ok(Loose::Text(Cow::Owned(text.to_owned())))
            }
            fn visit_string<E>(self, text: String) -> Result<Loose<'de>, E> {
                Ok(Loose::Text(Cow::Owned(text)))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Loose<'de>, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = list.next_element::<&RawValue>()? {
                    items.push(item);
                }
                Ok(Loose::List(items))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Loose<'de>, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Loose::Other)
            }
            fn visit_unit<E>(self) -> Result<Loose<'de>, E> {
                Ok(Loose::Nothing)
            }
            fn visit_bool<E>(self, _: bool) -> Result<Loose<'de>, E> {
                Ok(Loose::Other)
            }
            fn visit_u64<E>(self, _: u64) -> Result<Loose<'de>, E> {
                Ok(Loose::Other)
            }
            fn visit_i64<E>(self, _: i64) -> Result<Loose<'de>, E> {
                Ok(Loose::Other)
            }
            fn visit_f64<E>(self, _: f64) -> Result<Loose<'de>, E> {
                Ok(Loose::Other)
            }
        }
        deserializer.deserialize_any(LooseVisitor)
    }
}

/// A field of an object as its JSON: for a [`Loose`] that is neither text nor list.
pub(super) fn field<'de>(object: &'de str, key: &str, recorder: &Recorder) -> Raw<'de> {
    from_slice::<Fields<'de>>(object.as_bytes(), recorder).map(|fields| fields.get(key)).unwrap_or_default()
}

tolerant! {
    /// What a session says of itself: the payload of `session_meta`, the bare first line of 2025, `session`.
    struct Meta at "session_meta" {
        "id" => id: Text<'de>,
        "session_id" => session_id: Text<'de>,
        "timestamp" => timestamp: Raw<'de>,
        "cwd" => cwd: Text<'de>,
        "instructions" => instructions: Loose<'de>,
        "base_instructions" => base_instructions: Loose<'de>,
        "forked_from_id" => forked_from: Text<'de>,
        "source" => source: Loose<'de>,
        "thread_source" => thread_source: Text<'de>,
        "model" => model: Text<'de>,
    }
    ignore {
        "originator" "cli_version" "model_provider" "git" "dynamic_tools" "memory_mode" "history_mode" "context_window"
        "multi_agent_version" "multi_agent_mode" "agent_nickname" "agent_role" "agent_type" "agent_path"
        "parent_thread_id" "selected_capability_roots" "record_type" "type"
    }
}

tolerant! {
    /// The payload of `turn_context`.
    struct TurnContext at "turn_context" {
        "model" => model: Text<'de>,
        "cwd" => cwd: Text<'de>,
    }
    ignore {
        "turn_id" "trace_id" "workspace_roots" "current_date" "timezone" "approval_policy" "approvals_reviewer"
        "sandbox_policy" "permission_profile" "active_permission_profile" "network" "file_system_sandbox_policy"
        "personality" "collaboration_mode" "realtime_active" "effort" "summary" "user_instructions"
        "developer_instructions" "base_instructions" "final_output_json_schema" "truncation_policy"
        "multi_agent_version" "multi_agent_mode" "comp_hash"
    }
}

tolerant! {
    /// The payload of `compacted`.
    struct Compacted at "compacted" {
        "message" => message: Text<'de>,
        "replacement_history" => history: List<IgnoredAny>,
    }
    ignore { "window_id" "window_number" "previous_window_id" "first_window_id" }
}

tolerant! {
    /// A response item of any kind, with an envelope or bare, and the bare lines of other writers.
    struct Item at "response_item" {
        "type" => kind: Text<'de>,
        "id" => id: Text<'de>,
        "role" => role: Text<'de>,
        "content" => content: Loose<'de>,
        "message" => message: Loose<'de>,
        "text" => text: Loose<'de>,
        "summary" => summary: Loose<'de>,
        "encrypted_content" => encrypted: Loose<'de>,
        "call_id" => call_id: Text<'de>,
        "name" => name: Text<'de>,
        "namespace" => namespace: Text<'de>,
        "function" => function: Loose<'de>,
        "arguments" => arguments: Loose<'de>,
        "input" => input: Loose<'de>,
        "output" => output: Loose<'de>,
        "result" => result: Loose<'de>,
        "action" => action: Loose<'de>,
        "tools" => tools: Loose<'de>,
        "revised_prompt" => revised_prompt: Text<'de>,
        "author" => author: Text<'de>,
        "recipient" => recipient: Text<'de>,
        "model" => model: Text<'de>,
        "timestamp" => timestamp: Raw<'de>,
        "created_at" => created_at: Raw<'de>,
    }
    ignore {
        "status" "phase" "execution" "metadata" "internal_chat_message_metadata_passthrough" "ghost_commit" "end_turn"
        "duration_ms" "trigger_turn" "other_recipients" "saved_path"
    }
}

tolerant! {
    /// An element of `content`, `summary` or `output`.
    struct Block at "response_item.content" {
        "type" => kind: Text<'de>,
        "text" => text: Text<'de>,
        "refusal" => refusal: Text<'de>,
        "image_url" => image_url: Loose<'de>,
        "encrypted_content" => encrypted: Loose<'de>,
    }
    ignore { "detail" "annotations" "logprobs" "text_elements" }
}

tolerant! {
    /// The payload of `event_msg`, of the kinds that say something.
    struct Event at "event_msg" {
        "type" => kind: Text<'de>,
        "message" => message: Text<'de>,
        "text" => text: Text<'de>,
        "error" => error: Loose<'de>,
        "images" => images: List<Text<'de>>,
        "num_turns" => num_turns: Raw<'de>,
        "thread_id" => thread_id: Text<'de>,
        "thread_name" => thread_name: Text<'de>,
        "item" => item: Raw<'de>,
    }
    ignore {
        "kind" "phase" "memory_citation" "local_images" "audio" "local_audio" "text_elements" "client_id" "turn_id"
        "started_at_ms" "completed_at_ms" "codex_error_info" "additional_details" "details"
    }
}

tolerant! {
    /// `item` of an `item_completed` event.
    struct EventItem at "event_msg.item" {
        "type" => kind: Text<'de>,
        "text" => text: Text<'de>,
        "content" => content: List<Block<'de>>,
        "summary_text" => summary: List<Text<'de>>,
        "raw_content" => raw: List<Text<'de>>,
    }
    ignore { "id" "client_id" "phase" "memory_citation" }
}

/// The `type` of an object, and nothing else of it.
#[derive(Default)]
pub(super) struct KindOnly<'de>(pub(super) Text<'de>);

impl<'de> Tolerant<'de> for KindOnly<'de> {
    fn read<D: Deserializer<'de>>(recorder: &Recorder, deserializer: D) -> Result<Self, D::Error> {
        struct KindVisitor<'n>(&'n Recorder);
        impl<'de> Visitor<'de> for KindVisitor<'_> {
            type Value = KindOnly<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<KindOnly<'de>, A::Error> {
                let mut kind = KindOnly::default();
                while let Some(Key(key)) = map.next_key()? {
                    match key.as_ref() {
                        "type" => kind.0 = map.next_value_seed(Seed::new(self.0))?,
                        _ => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(kind)
            }
            other_types!(null bool number string list);
        }
        deserializer.deserialize_any(KindVisitor(recorder))
    }
}

tolerant! {
    /// A session as Codex kept it until April 2025: one JSON document.
    struct Document at "session_file" {
        "session" => session: Meta<'de>,
        "items" => items: Loose<'de>,
    }
    ignore { }
}

tolerant! {
    /// The output of the shell tool in its older wrapping, JSON inside the text.
    struct ShellOutput at "output" {
        "output" => output: Loose<'de>,
        "metadata" => metadata: Loose<'de>,
    }
    ignore { }
}
