//! How a message is spoken of wherever it is shown: who wrote it, and what sets it apart.

use crate::conversation::{Conversation, Message, Role, Visibility};

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
