//! OpenAI chat messages: the words most programs use, and the documented way in for those without an importer.
//!
//! `docs/formats/messages.md` describes the source, `docs/formats/generic.md` how to write it.

use super::generic::files::{self, Shape};
use super::generic::{self, has_role};
use super::json::outline::Outline;
use super::{Context, Emit, Evidence, Importer, Parsed, Sample, Unit, Unread};
use crate::bundle::{Bundle, BundleError};

/// Fields of a conversation that other programs' files have beside `messages` with roles. Claude's design chats
/// have an object for content, where a text or a list belongs.
const RIVALS: &[&str] = &["mapping", "chat_messages", "conversationId", "guild", "history", "messages/[]/content/*"];
/// The same for files whose lines or elements are messages: Le Chat's, Codex's.
const LINE_RIVALS: &[&str] =
    &["chatId", "contentChunks", "record_type", "instructions", "mapping", "sessionId", "parentUuid"];

/// The format.
pub struct Format;

impl Importer for Format {
    fn name(&self) -> &'static str {
        "messages"
    }

    fn about(&self) -> &'static str {
        "OpenAI chat messages: JSON or JSON Lines with messages of role and content; a generic input"
    }

    fn keeps(&self) -> &'static str {
        "roles and names, hidden system messages, reasoning, tool calls and results, inline files, ids, titles and times where given"
    }

    fn loses(&self) -> &'static str {
        "usually ids, titles and times; then what the messages say tells which conversation it is"
    }

    fn probe(&self, sample: &Sample) -> Option<Evidence> {
        files::evidence(sample, judge)
    }

    fn prepare(&self, bundle: &Bundle) -> Result<Context, BundleError> {
        files::survey(bundle, judge)
    }

    fn split(&self, bundle: &Bundle, context: &Context, emit: Emit<'_>) -> Result<(), BundleError> {
        files::split(bundle, context, emit)
    }

    fn parse(&self, context: &Context, unit: &Unit) -> Result<Parsed, Unread> {
        generic::parse(context, unit)
    }
}

fn judge(outline: &Outline, head: &[u8]) -> Option<Shape> {
    if super::convault::is_ours(Some(outline), head) || !has_role(head, "role") {
        return None;
    }
    for top in ["", "[]/"] {
        let has = |path: &str| outline.has(&format!("{top}{path}"));
        if has("messages/[]/role") {
            let said = has("messages/[]/content") || has("messages/[]/tool_calls");
            return (said && !RIVALS.iter().any(|field| has(field)))
                .then_some(Shape::Conversations("`messages` with `role` and `content`"));
        }
        if has("role") && has("content") && !has("messages") {
            return (!LINE_RIVALS.iter().any(|field| has(field)))
                .then_some(Shape::Messages("messages with `role` and `content`"));
        }
    }
    None
}
