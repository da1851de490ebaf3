//! Events: what the program told its own window. Most repeat an item or count something.

use super::item::picture_at;
use super::record::{Event, EventItem, KindOnly, Loose, field};
use super::session::{Session, Teller, Voice};
use crate::conversation::{SourceTime, Visibility};
use crate::import::json::tolerant::{Raw, Recorder, Text, from_slice};

/// Events that are bookkeeping of the program, by the beginning of their name, with what they are.
const BOOKKEEPING: &[(&str, &str)] = &[
    ("token_count", "count of tokens"),
    ("account/rateLimits", "count of tokens"),
    ("task_", "beginning or end of a turn"),
    ("turn_aborted", "turn that was broken off"),
    ("turn_diff", "event of a tool"),
    ("turn_", "beginning or end of a turn"),
    ("turn.", "beginning or end of a turn"),
    ("context_compacted", "notice of a compaction"),
    ("thread_settings", "settings"),
    ("session_configured", "settings"),
    ("model_", "settings"),
    ("exec_", "event of a tool"),
    ("terminal_interaction", "event of a tool"),
    ("patch_apply_", "event of a tool"),
    ("apply_patch_", "event of a tool"),
    ("mcp_", "event of a tool"),
    ("web_search_", "event of a tool"),
    ("image_generation_", "event of a tool"),
    ("view_image_tool_call", "event of a tool"),
    ("dynamic_tool_call_", "event of a tool"),
    ("request_", "event of a tool"),
    ("elicitation_request", "event of a tool"),
    ("collab_", "event of another agent"),
    ("sub_agent_", "event of another agent"),
    ("guardian_", "review of a command"),
    ("entered_review_mode", "beginning or end of a review"),
    ("exited_review_mode", "beginning or end of a review"),
    ("thread_goal_", "goal of the session"),
    ("undo_", "undoing of changes"),
    ("agent_message_", "stream of an answer"),
    ("agent_reasoning_section_break", "stream of an answer"),
    ("agent_reasoning_delta", "stream of an answer"),
    ("agent_reasoning_raw_content_delta", "stream of an answer"),
    ("reasoning_", "stream of an answer"),
    ("plan_delta", "stream of an answer"),
    ("raw_response_item", "stream of an answer"),
    ("codex/event/raw_item", "stream of an answer"),
    ("item_started", "stream of an answer"),
    ("plan_update", "event of a tool"),
    ("background_event", "notice of the program"),
    ("shutdown_complete", "notice of the program"),
    ("hook_", "notice of the program"),
    ("realtime_conversation_", "notice of the program"),
    ("list_", "notice of the program"),
    ("skills_update_available", "notice of the program"),
    ("get_history_entry_response", "notice of the program"),
];

/// Reads one event. `json` is its payload.
pub(super) fn read(session: &mut Session, json: &str, time: Option<SourceTime>, recorder: &Recorder) {
    let slow: KindOnly<'_>;
    let kind = match first_kind(json) {
        Some(kind) => kind,
        None => {
            slow = from_slice(json.as_bytes(), recorder).unwrap_or_default();
            slow.0.get().unwrap_or("untyped")
        }
    };
    let says = matches!(
        kind,
        "user_message"
            | "agent_message"
            | "agent_reasoning"
            | "agent_reasoning_raw_content"
            | "item_completed"
            | "error"
            | "warning"
            | "stream_error"
            | "deprecation_notice"
            | "thread_rolled_back"
            | "thread_name_updated"
    );
    if !says {
        match BOOKKEEPING.iter().find(|(beginning, _)| kind.starts_with(beginning)) {
            Some((_, what)) => session.count(what, 1),
            None => session.unknown("event_msg", kind, json, time, recorder),
        }
        return;
    }
    let event: Event<'_> = from_slice(json.as_bytes(), recorder).unwrap_or_default();
    let said = |text: &Text<'_>| text.owned().filter(|text| !text.trim().is_empty());
    match kind {
        "user_message" => {
            let urls: Vec<String> = event.images.0.iter().filter_map(Text::owned).collect();
            let files = urls.iter().map(|url| picture_at(session, url, recorder)).collect();
            session.event(Voice::User, Teller::Event, said(&event.message).into_iter().collect(), files, time);
        }
        "agent_message" => tell(session, Voice::Assistant, said(&event.message), time),
        "agent_reasoning" | "agent_reasoning_raw_content" => tell(session, Voice::Reasoning, said(&event.text), time),
        "item_completed" => completed(session, event.item, time, recorder),
        "thread_rolled_back" => {
            let turns = event.num_turns.get().and_then(|number| number.parse().ok()).unwrap_or(0);
            session.rollback(turns);
        }
        "thread_name_updated" => {
            session.count("name of the session", 1);
            if let Some(name) = said(&event.thread_name) {
                session.name(event.thread_id.owned(), name);
            }
        }
        _ => {
            let nested = match event.error {
                Loose::Other => field(json, "error", recorder),
                _ => Raw::default(),
            };
            let nested = || field(nested.get()?, "message", recorder).parse::<Text<'_>>(recorder).owned();
            match said(&event.message).or_else(nested) {
                Some(text) => session.system(kind, &text, Visibility::Shown, time),
                None => session.unknown("event_msg", kind, json, time, recorder),
            }
        }
    }
}

/// The type where it stands first, as Codex writes it: events that are only counted need not be read.
fn first_kind(json: &str) -> Option<&str> {
    let kind = json.strip_prefix("{\"type\":\"")?.split('"').next()?;
    Some(kind).filter(|kind| !kind.is_empty() && !kind.contains('\\'))
}

fn tell(session: &mut Session, voice: Voice, text: Option<String>, time: Option<SourceTime>) {
    match text {
        Some(text) => session.event(voice, Teller::Event, vec![text], Vec::new(), time),
        None => session.count("event without a text", 1),
    }
}

/// An item of the window: since 2026 it repeats what the older events repeated.
fn completed(session: &mut Session, item: Raw<'_>, time: Option<SourceTime>, recorder: &Recorder) {
    let json = item.get().unwrap_or_default();
    let kind: KindOnly<'_> = from_slice(json.as_bytes(), recorder).unwrap_or_default();
    let voice = match kind.0.get() {
        Some("UserMessage") => Voice::User,
        Some("AgentMessage" | "Plan") => Voice::Assistant,
        Some("Reasoning") => Voice::Reasoning,
        _ => return session.count("event of a tool", 1),
    };
    let item: EventItem<'_> = from_slice(json.as_bytes(), recorder).unwrap_or_default();
    let blocks = item.content.0.iter().map(|block| &block.text);
    let texts = blocks.chain([&item.text]).chain(&item.summary.0).chain(&item.raw.0);
    let texts: Vec<String> = texts.filter_map(Text::owned).filter(|text| !text.trim().is_empty()).collect();
    match texts.is_empty() {
        true => session.count("event without a text", 1),
        false => session.event(voice, Teller::Completed, texts, Vec::new(), time),
    }
}
