//! The source schema of a ChatGPT export, as far as it means something here.
//!
//! Every field is optional and any of them may be of another type. Keys that are known and carry no
//! meaning for a transcript are listed as ignored; what is in neither list is counted and reported.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::import::json::tolerant::{
    Fields, Flag, Key, List, Raw, Recorder, Seed, Table, Text, Tolerant, other_types, tolerant,
};

tolerant! {
    /// An element of `conversations.json`.
    struct Entry at "conversation" {
        "id" => id: Text<'de>,
        "conversation_id" => conversation_id: Text<'de>,
        "title" => title: Text<'de>,
        "create_time" => create_time: Raw<'de>,
        "update_time" => update_time: Raw<'de>,
        "mapping" => mapping: Table<'de, Node<'de>>,
        "current_node" => current_node: Text<'de>,
        "default_model_slug" => model: Text<'de>,
        "gizmo_id" => gizmo_id: Text<'de>,
        "gizmo_type" => gizmo_type: Text<'de>,
        "is_archived" => is_archived: Flag,
        "is_starred" => is_starred: Flag,
        "is_do_not_remember" => is_do_not_remember: Flag,
        "is_temporary_chat" => is_temporary: Flag,
    }
    ignore {
        "moderation_results" "plugin_ids" "conversation_template_id" "safe_urls" "blocked_urls" "voice"
        "async_status" "disabled_tool_ids" "memory_scope" "conversation_origin" "context_scopes"
        "sugar_item_id" "sugar_item_visible" "is_study_mode" "owner" "pinned_time" "is_read_only"
    }
}

tolerant! {
    /// A node of the tree.
    struct Node at "node" {
        "message" => message: Given<MessageSource<'de>>,
        "parent" => parent: Text<'de>,
        "children" => children: List<Text<'de>>,
    }
    ignore { "id" }
}

/// A value that may be absent or `null`, which is not the same as an empty one.
#[derive(Default)]
pub(super) struct Given<T>(pub(super) Option<T>);

impl<'de, T: Tolerant<'de>> Tolerant<'de> for Given<T> {
    fn read<D: Deserializer<'de>>(recorder: &Recorder, deserializer: D) -> Result<Self, D::Error> {
        struct GivenVisitor<'n, T>(&'n Recorder, std::marker::PhantomData<T>);
        impl<'de, T: Tolerant<'de>> Visitor<'de> for GivenVisitor<'_, T> {
            type Value = Given<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object or null")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Given<T>, A::Error> {
                let map = serde::de::value::MapAccessDeserializer::new(map);
                Ok(Given(Some(T::read(self.0, map)?)))
            }
            other_types!(null bool number string list);
        }
        deserializer.deserialize_any(GivenVisitor(recorder, std::marker::PhantomData))
    }
}

tolerant! {
    /// A message.
    struct MessageSource at "message" {
        "id" => id: Text<'de>,
        "author" => author: Author<'de>,
        "create_time" => create_time: Raw<'de>,
        "update_time" => update_time: Raw<'de>,
        "content" => content: Content<'de>,
        "weight" => weight: Raw<'de>,
        "metadata" => metadata: Metadata<'de>,
        "recipient" => recipient: Text<'de>,
    }
    ignore { "status" "end_turn" "channel" }
}

tolerant! {
    /// Who wrote it.
    struct Author at "message.author" {
        "role" => role: Text<'de>,
        "name" => name: Text<'de>,
    }
    ignore { "metadata" }
}

tolerant! {
    /// What hangs on a message.
    struct Metadata at "message.metadata" {
        "is_visually_hidden_from_conversation" => is_hidden: Flag,
        "model_slug" => model: Text<'de>,
        "attachments" => attachments: List<AttachmentSource<'de>>,
        "citations" => citations: List<CitationSource<'de>>,
        "content_references" => references: List<Reference<'de>>,
    }
    ignore {
        "request_id" "timestamp_" "message_type" "finish_details" "gizmo_id" "default_model_slug" "pad"
        "parent_id" "is_complete" "is_user_system_message" "user_context_message_data" "status" "command"
        "args" "_cite_metadata" "aggregate_result" "invoked_plugin" "voice_mode_message" "turn_exchange_id"
        "turn_trace_id" "rebase_developer_message" "rebase_system_message" "reasoning_status" "reasoning_title"
        "finished_duration_sec" "finished_text" "initial_text" "search_result_groups" "search_queries"
        "search_source" "search_display_string" "searched_display_string" "search_turns_count" "image_results"
        "image_gen_title" "image_gen_async" "safe_urls" "selected_sources" "selected_github_repos"
        "serialization_metadata" "thinking_effort" "canvas" "kwargs" "jit_plugin_data" "cot_token_count"
        "content_references_by_file" "can_save" "client_reported_search_source" "debug_sonic_thread_id"
        "developer_mode_connector_ids" "dictation" "dictation_edited" "exclusive_key" "exclude_after_next_user_message"
        "gizmo_pass_through_data" "inline_gizmo_id" "is_async_task_result_message" "is_loading_message"
        "is_redacted" "is_starter_prompt" "is_thinking_preamble_message" "is_error" "message_locale"
        "model_adjustments" "model_switcher_deny" "model_editable_context" "n7jupd_message" "paragen_variants_info"
        "permissions" "recipient" "requested_model_id" "resolved_model_slug" "shared_conversation_id"
        "skip_reasoning_title" "sonic_classification_result" "source_analysis_msg_id" "summarization_headline"
        "system_hints" "targeted_reply" "targeted_reply_label" "temporal_n_turns" "token_limit" "triggered_by_system_hint_suggestion"
        "ui_card_title" "ui_card_shimmer" "update_content" "voice_session_id" "writing_blocks" "caterpillar_selected_sources"
        "real_author" "async_task_id" "async_task_type" "async_task_title" "async_task_prompt"
        "async_task_created_at" "async_task_conversation_id" "async_task_original_message_id"
        "async_task_status_messages" "b1de6e2_s" "b1de6e2_rm" "deep_research_version" "connector_source" "stop_reason"
        "is_compaction_message" "filter_out_for_training" "hazelnut_id" "classifier_response" "mcp_source"
    }
}

tolerant! {
    /// An uploaded file.
    struct AttachmentSource at "message.metadata.attachments" {
        "id" => id: Text<'de>,
        "name" => name: Text<'de>,
        "size" => size: Raw<'de>,
        "mime_type" => mime_type: Text<'de>,
        "mimeType" => mime_type_2023: Text<'de>,
    }
    ignore {
        "width" "height" "file_token_size" "fileTokenSize" "fileSizeTokens" "source" "is_big_paste" "library_file_id"
        "file_size_tokens" "gizmo_id" "url" "context_connector_info"
    }
}

tolerant! {
    /// A citation as exports wrote it until 2024.
    struct CitationSource at "message.metadata.citations" {
        "metadata" => metadata: Given<CitedPage<'de>>,
    }
    ignore { "start_ix" "end_ix" "citation_format_type" "invalid_reason" }
}

tolerant! {
    /// The page an older citation leads to.
    struct CitedPage at "message.metadata.citations.metadata" {
        "type" => kind: Text<'de>,
        "title" => title: Text<'de>,
        "name" => name: Text<'de>,
        "url" => url: Text<'de>,
    }
    ignore { "text" "pub_date" "extra" "id" "source" "og_tags" "original_query" "connector_id" "ids" }
}

tolerant! {
    /// A citation as exports write it since.
    struct Reference at "message.metadata.content_references" {
        "matched_text" => matched_text: Text<'de>,
        "type" => kind: Text<'de>,
        "title" => title: Text<'de>,
        "name" => name: Text<'de>,
        "url" => url: Text<'de>,
        "alt" => alt: Text<'de>,
        "items" => items: List<ReferenceItem<'de>>,
        "sources" => sources: List<ReferenceItem<'de>>,
    }
    ignore {
        "start_idx" "end_idx" "safe_urls" "refs" "prompt_text" "attribution" "attributions" "snippet" "pub_date"
        "status" "error" "style" "invalid" "fallback_items" "has_images" "invalid_reason" "id" "source" "icon_type"
        "input_pointer" "cloud_doc_url" "hue" "category" "extra_params" "images" "thumbnail_url" "supporting_websites"
        "ref_id" "og_tags" "asset_pointer" "medical_file_reference" "connector_id" "library_file_id" "disambiguation"
        "entity_data" "clicked_from_url" "clicked_from_title" "fff_metadata" "attributable_index"
    }
}

tolerant! {
    /// A page inside a reference.
    struct ReferenceItem at "message.metadata.content_references.items" {
        "title" => title: Text<'de>,
        "url" => url: Text<'de>,
    }
    ignore {
        "attribution" "snippet" "pub_date" "attribution_segments" "supporting_websites" "refs" "hue" "attributions"
        "ref_id" "thumbnail_url" "id" "content_type" "image_search_query" "source" "ui_card" "published_date"
        "content_url" "thumbnail_size" "thumbnail_crop_info" "content_size" "query" "image"
    }
}

/// `message.content`: its type, its parts, and whatever other fields the type has.
#[derive(Default)]
pub(super) struct Content<'de> {
    pub(super) kind: Text<'de>,
    pub(super) parts: List<PartSource<'de>>,
    pub(super) fields: Fields<'de>,
}

impl<'de> Tolerant<'de> for Content<'de> {
    fn read<D: Deserializer<'de>>(recorder: &Recorder, deserializer: D) -> Result<Self, D::Error> {
        struct ContentVisitor<'n>(&'n Recorder);
        impl<'de> Visitor<'de> for ContentVisitor<'_> {
            type Value = Content<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a content object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Content<'de>, A::Error> {
                let mut content = Content::default();
                let mut seen = (false, false);
                while let Some(Key(key)) = map.next_key()? {
                    let again = match key.as_ref() {
                        "content_type" => {
                            content.kind = map.next_value_seed(Seed::new(self.0))?;
                            std::mem::replace(&mut seen.0, true)
                        }
                        "parts" => {
                            content.parts = map.next_value_seed(Seed::new(self.0))?;
                            std::mem::replace(&mut seen.1, true)
                        }
                        _ => {
                            let again = content.fields.0.iter().any(|(name, _)| *name == key);
                            content.fields.0.push((key, map.next_value()?));
                            again
                        }
                    };
                    if again {
                        self.0.repaired("duplicate key");
                    }
                }
                Ok(content)
            }
            // A bare string where the content object is due is taken as its text.
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Content<'de>, E> {
                Ok(self.bare(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Content<'de>, E> {
                Ok(self.bare(Cow::Owned(text.to_owned())))
            }
            other_types!(null bool number list);
        }
        impl ContentVisitor<'_> {
            fn bare<'de>(&self, text: Cow<'de, str>) -> Content<'de> {
                self.0.repaired("unexpected type");
                let kind = Text(Some(Cow::Borrowed("text")));
                Content { kind, parts: List(vec![PartSource::Text(text)]), fields: Fields::default() }
            }
        }
        deserializer.deserialize_any(ContentVisitor(recorder))
    }
}

/// An element of `content.parts`.
#[derive(Default)]
pub(super) enum PartSource<'de> {
    Text(Cow<'de, str>),
    Object(Fields<'de>),
    /// A list, which no export is known to have here: its JSON.
    List(String),
    #[default]
    Nothing,
}

impl<'de> Tolerant<'de> for PartSource<'de> {
    fn read<D: Deserializer<'de>>(recorder: &Recorder, deserializer: D) -> Result<Self, D::Error> {
        struct PartVisitor<'n>(&'n Recorder);
        impl PartVisitor<'_> {
            fn written<'de, E>(&self, value: impl ToString) -> Result<PartSource<'de>, E> {
                self.0.repaired("unexpected type");
                Ok(PartSource::Text(Cow::Owned(value.to_string())))
            }
        }
        impl<'de> Visitor<'de> for PartVisitor<'_> {
            type Value = PartSource<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a part")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<PartSource<'de>, E> {
                Ok(PartSource::Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<PartSource<'de>, E> {
                Ok(PartSource::Text(Cow::Owned(text.to_owned())))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<PartSource<'de>, A::Error> {
                Fields::from_map(map).map(PartSource::Object)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<PartSource<'de>, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = list.next_element::<&RawValue>()? {
                    items.push(item.get());
                }
                Ok(PartSource::List(format!("[{}]", items.join(","))))
            }
            fn visit_bool<E>(self, value: bool) -> Result<PartSource<'de>, E> {
                self.written(value)
            }
            fn visit_u64<E>(self, value: u64) -> Result<PartSource<'de>, E> {
                self.written(value)
            }
            fn visit_i64<E>(self, value: i64) -> Result<PartSource<'de>, E> {
                self.written(value)
            }
            fn visit_f64<E>(self, value: f64) -> Result<PartSource<'de>, E> {
                self.written(value)
            }
            other_types!(null);
        }
        deserializer.deserialize_any(PartVisitor(recorder))
    }
}
