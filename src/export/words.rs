//! How a message is spoken of wherever it is shown: who wrote it, and what sets it apart.

use std::collections::HashSet;

use super::Given;
use crate::clock::Zone;
use crate::conversation::{Attachment, Conversation, Message, Role, SourceTime, Visibility};

/// Stands for a title that is missing.
pub const NO_TITLE: &str = "(no title)";

/// Characters of a day: `2026-01-31`.
const DAY: usize = 10;

/// Who wrote a message: the name and the part played.
pub fn author(conversation: &Conversation, message: &Message) -> String {
    let Some(participant) = conversation.participants.get(message.author as usize) else {
        return "unknown".to_owned();
    };
    let role = match participant.role {
        Role::Other => participant.native_role.as_deref().unwrap_or("other"),
        role => role_word(role),
    };
    match &participant.name {
        Some(name) => format!("{name} ({role})"),
        None => role.to_owned(),
    }
}

/// The word of a part that is played.
pub fn role_word(role: Role) -> &'static str {
    match role {
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::System => "system",
        Role::Tool => "tool",
        Role::Other => "other",
    }
}

/// What sets a message apart from those that the source shows.
pub fn states(message: &Message) -> impl Iterator<Item = &'static str> {
    let states = [
        (message.visibility == Visibility::Hidden, "hidden"),
        (message.visibility == Visibility::Deleted, "deleted at the source"),
        (message.vanished, "gone from a later export"),
        (message.abandoned && !message.vanished, "abandoned branch"),
    ];
    states.into_iter().filter(|(holds, _)| *holds).map(|(_, word)| word)
}

/// A time in UTC; the source's own text when nobody knows which instant it means.
pub(super) fn when(time: &SourceTime) -> String {
    time.at.map_or_else(|| time.text.clone(), |at| format!("{} UTC", at.in_zone(&Zone::utc())))
}

/// A number and a noun.
pub(super) fn count(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// What stands where messages are missing.
pub(super) fn gap(messages: u64) -> String {
    format!("({} left out)", count(messages, "message"))
}

/// The title of a conversation in the index.
pub(super) fn title(title: &str) -> &str {
    if title.is_empty() { NO_TITLE } else { title }
}

/// The days a conversation reaches over, by UTC.
pub(super) fn days(listed: &super::Listed) -> String {
    let (from, to) = (listed.created.day_in_zone(&Zone::utc()), listed.last_activity.day_in_zone(&Zone::utc()));
    if from == to { from } else { format!("{from} to {to}") }
}

/// What there is to say of a conversation below its title.
pub(super) fn about(given: &Given<'_>) -> Vec<String> {
    let (listed, conversation) = (given.listed, given.conversation);
    let utc = Zone::utc();
    let (from, to) = (listed.created.in_zone(&utc), listed.last_activity.in_zone(&utc));
    let mut words = vec![listed.source.clone()];
    words.push(match (to.strip_prefix(&from[..from.len().min(DAY)]), from == to) {
        (_, true) => format!("{from} UTC"),
        (Some(time), _) if time.starts_with(' ') => format!("{from} to{time} UTC"),
        _ => format!("{from} to {to} UTC"),
    });
    words.push(count(listed.messages, "message"));
    let named =
        [("model", &conversation.model), ("project", &conversation.project), ("continues", &conversation.continues)];
    words.extend(named.iter().filter_map(|(word, value)| Some(format!("{word} {}", value.as_ref()?))));
    words.extend(conversation.flags.iter().cloned());
    if !given.tags.is_empty() {
        words.push(format!("tags {}", given.tags.join(" ")));
    }
    words
}

/// What an attachment is called.
pub(super) fn file_name(attachment: &Attachment) -> &str {
    let named = [&attachment.name, &attachment.id].into_iter().flatten().find(|name| !name.is_empty());
    named.map_or("without a name", String::as_str)
}

/// A size for people.
pub(super) fn size(bytes: u64) -> String {
    let (mut amount, mut unit) = (bytes as f64, "B");
    for larger in ["kB", "MB", "GB", "TB"] {
        if amount < 999.95 {
            break;
        }
        (amount, unit) = (amount / 1000.0, larger);
    }
    if unit == "B" { format!("{bytes} B") } else { format!("{amount:.1} {unit}") }
}

/// The attachments that no message names. None of an excerpt: they would hand out more than was chosen.
pub(super) fn loose_files(given: &Given<'_>) -> Vec<u32> {
    let messages = &given.conversation.messages;
    let is_excerpt = messages.iter().zip(given.shown).any(|(message, shown)| !shown && message.is_visible());
    if is_excerpt {
        return Vec::new();
    }
    let named: HashSet<u32> =
        messages.iter().flat_map(|message| &message.parts).filter_map(|part| part.attachment).collect();
    let all = u32::try_from(given.conversation.attachments.len()).unwrap_or(u32::MAX);
    (0..all).filter(|index| !named.contains(index)).collect()
}
