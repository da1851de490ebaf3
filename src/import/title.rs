//! A title for what has none: the beginning of the first prompt, as people would find it in a list.

use crate::conversation::{Conversation, PartKind, Role, Visibility};

/// Characters of a line that make a title.
const LONGEST: usize = 80;

/// A line cut to the length of a title; none for an empty one.
pub(super) fn cut(line: &str) -> Option<String> {
    let line = line.trim();
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => Some(format!("{}…", line.get(..end)?.trim_end())),
        None => Some(line.to_owned()).filter(|line| !line.is_empty()),
    }
}

/// The first line that a person wrote and that is shown.
pub(super) fn of_first_prompt(conversation: &Conversation) -> Option<String> {
    let prompts = conversation.messages.iter().filter(|message| {
        let author = conversation.participants.get(message.author as usize);
        message.visibility == Visibility::Shown && author.is_some_and(|author| author.role == Role::User)
    });
    let mut texts = prompts.flat_map(|message| &message.parts).filter(|part| part.kind == PartKind::Text);
    texts.find_map(|part| conversation.text_of(part).lines().find_map(cut))
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn a_title_is_one_line_of_at_most_eighty_characters() {
        assert_eq!(cut("  Is the boat in?  ").as_deref(), Some("Is the boat in?"));
        assert_eq!(cut(&"é".repeat(80)).as_deref(), Some("é".repeat(80).as_str()));
        assert_eq!(cut(&"é".repeat(81)), Some("é".repeat(80) + "…"));
        assert_eq!(cut(" \t "), None);
    }
}
