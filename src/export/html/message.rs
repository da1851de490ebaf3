//! A message of a page: who wrote it and when, and its parts.

use std::io;

use super::escape::{line, lines};
use super::files::Shown;
use super::prose::{Writer, code_block, link, linked};
use crate::conversation::{Conversation, Message, Part, PartKind, Role, SourceTime};
use crate::export::prose;
use crate::export::words::{author, role_word, states, when};

/// Writes message `index` of the conversation with this number.
pub(super) fn write(
    conversation: &Conversation,
    number: usize,
    index: usize,
    message: &Message,
    files: &mut Shown<'_, '_>,
    out: &mut String,
) -> io::Result<()> {
    let role = conversation.participants.get(message.author as usize).map_or(Role::Other, |author| author.role);
    let id = format!("c{number}m{}", index + 1);
    out.push_str(&format!("<article id=\"{id}\" class=\"role-{}\">\n<header>", role_word(role)));
    out.push_str(&format!("<span class=\"who\" dir=\"auto\">{}</span>", line(&author(conversation, message))));
    let mut say = |class: &str, text: &str| {
        out.push_str(&format!(" <span class=\"{class}\" dir=\"auto\">{}</span>", line(text)));
    };
    if let Some(recipient) = &message.recipient {
        say("to", &format!("to {recipient}"));
    }
    if let Some(model) = &message.model {
        say("model", model);
    }
    for state in states(message) {
        say("state", state);
    }
    for (word, time) in [("", &message.time), ("edited ", &message.edited)] {
        if let Some(time) = time {
            out.push_str(&format!(" {}", clock(word, time)));
        }
    }
    out.push_str(&format!(" <a class=\"number\" href=\"#{id}\">{}</a></header>\n<div class=\"body\">\n", index + 1));
    let length = out.len();
    for part in &message.parts {
        write_part(conversation, role, part, files, out)?;
    }
    if out.len() == length {
        out.push_str("<p class=\"empty\">(no text)</p>\n");
    }
    out.push_str("</div>\n</article>\n");
    Ok(())
}

fn clock(word: &str, time: &SourceTime) -> String {
    match time.at {
        Some(at) => format!("<time datetime=\"{}\">{word}{}</time>", line(&at.to_string()), line(&when(time))),
        None => format!("<span class=\"time\" dir=\"auto\">{word}{}</span>", line(&time.text)),
    }
}

fn write_part(
    conversation: &Conversation,
    role: Role,
    part: &Part,
    files: &mut Shown<'_, '_>,
    out: &mut String,
) -> io::Result<()> {
    let text = conversation.text_of(part);
    let name = part.name.as_deref().unwrap_or_default();
    let of = if name.is_empty() { String::new() } else { format!(" of {name}") };
    match part.kind {
        PartKind::Text => {
            let mut writer = Writer::new(out);
            prose::pieces(role, text, &mut |piece| writer.piece(piece));
        }
        PartKind::Thinking => {
            out.push_str("<details class=\"thinking\"><summary>Thinking</summary>\n");
            let mut writer = Writer::new(out);
            prose::pieces(Role::Assistant, text, &mut |piece| writer.piece(piece));
            out.push_str("</details>\n");
        }
        PartKind::Code => code_block(name, text, out),
        PartKind::ToolCall => folded("call", &format!("Call{of}"), text, out),
        PartKind::ToolResult => folded("result", &format!("Result{of}"), text, out),
        PartKind::Unknown => folded("unknown", &format!("{name}, not understood by this version"), text, out),
        PartKind::Document => {
            out.push_str(&format!("<figure class=\"document\"><figcaption dir=\"auto\">{}</figcaption>\n", line(name)));
            out.push_str(&format!("<pre dir=\"auto\">\n{}</pre></figure>\n", lines(text.trim_end())));
        }
        PartKind::Citation => {
            out.push_str("<p class=\"citation\" dir=\"auto\">Source: ");
            link(text, part.url.as_deref().unwrap_or_default(), out);
            out.push_str("</p>\n");
        }
        PartKind::Attachment => {
            let mut caption = String::new();
            if !text.trim().is_empty() {
                caption.push_str("<p class=\"plain\" dir=\"auto\">");
                linked(crate::inert::inert(text).trim(), &mut caption);
                caption.push_str("</p>\n");
            }
            files.write(conversation, part.attachment, &caption, out)?;
        }
    }
    Ok(())
}

/// What most readers pass over: closed on a screen, open on paper.
fn folded(class: &str, words: &str, text: &str, out: &mut String) {
    out.push_str(&format!("<details class=\"{class}\"><summary dir=\"auto\">{}</summary>\n", line(words)));
    out.push_str(&format!("<pre dir=\"auto\">\n{}</pre></details>\n", lines(text.trim_end())));
}
