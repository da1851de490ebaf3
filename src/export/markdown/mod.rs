//! Markdown: every conversation in one document of CommonMark, without raw HTML and without pictures that load.
//!
//! Nothing of the source is passed through: prose is read and written anew, everything else stands in fences. Only this form
//! writes headings, so that no text can look like a message, a gap or the manifest.

mod escape;
mod writer;

#[cfg(test)]
mod tests;

use std::io::{self, Write};

use self::escape::{Place, escape};
use self::writer::Writer;
use super::words::{about, author, count, days, file_name, gap, loose_files, size, states, title, when};
use super::{Exporter, Files, Given, Listed, prose};
use crate::conversation::{Attachment, Conversation, Message, Part, PartKind, Role};
use crate::inert::inert_line;

/// CommonMark, for notes, diffs and printing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Markdown;

impl Exporter for Markdown {
    fn begin(&self, listed: &[Listed], out: &mut dyn Write) -> io::Result<()> {
        let number = listed.len() as u64;
        writeln!(out, "# {}\n\nTimes are in UTC.\n", capital(&count(number, "conversation")))?;
        for (place, entry) in listed.iter().enumerate() {
            let messages = count(entry.messages, "message");
            let about = format!("{} · {} · {messages}", entry.source, days(entry));
            writeln!(out, "{}. **{}** · {}", place + 1, line(title(&entry.title)), line(&about))?;
        }
        Ok(())
    }

    fn conversation(&self, given: &Given<'_>, _files: &mut Files<'_>, out: &mut dyn Write) -> io::Result<()> {
        let mut text = format!("\n## {}. {}\n", given.place + 1, line(title(&given.listed.title)));
        text.push_str(&format!("\n{}\n", line(&about(given).join(" · "))));
        let mut missing = 0;
        for (index, message) in given.conversation.messages.iter().enumerate() {
            if !given.shown.get(index).copied().unwrap_or(false) {
                missing += 1;
                continue;
            }
            left_out(&mut missing, &mut text);
            write_message(given.conversation, index, message, &mut text);
            out.write_all(text.as_bytes())?;
            text.clear();
        }
        left_out(&mut missing, &mut text);
        let files = loose_files(given);
        if !files.is_empty() {
            text.push_str("\n### Files\n\n");
        }
        for index in files {
            if let Some(attachment) = given.conversation.attachments.get(index as usize) {
                text.push_str(&format!("* {}\n", line(&file(attachment))));
            }
        }
        out.write_all(text.as_bytes())
    }

    fn end(&self, _out: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }

    fn frame(&self) -> (&'static str, &'static str) {
        ("\n## Manifest\n\n```json\n", "\n```\n")
    }
}

fn capital(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

/// Text of one line, in a heading or behind a mark.
fn line(text: &str) -> String {
    let mut out = String::new();
    escape(inert_line(text).trim(), Place::Heading, &mut out);
    out
}

fn left_out(missing: &mut u64, text: &mut String) {
    if *missing > 0 {
        text.push_str(&format!("\n### {}\n", gap(*missing)));
        *missing = 0;
    }
}

/// What a file is called, and why it is not here.
fn file(attachment: &Attachment) -> String {
    let mut words = vec![file_name(attachment).to_owned()];
    words.extend(attachment.media_type.clone());
    words.extend(attachment.size.map(size));
    let stored = attachment.objects.is_some();
    words.push(if stored { "in the vault, not in this file" } else { "not in the vault" }.to_owned());
    words.join(" · ")
}

fn write_message(conversation: &Conversation, index: usize, message: &Message, text: &mut String) {
    let mut words = vec![author(conversation, message)];
    words.extend(message.recipient.as_ref().map(|recipient| format!("to {recipient}")));
    words.extend(message.time.as_ref().map(when));
    words.extend(message.edited.as_ref().map(|time| format!("edited {}", when(time))));
    words.extend(message.model.clone());
    words.extend(states(message).map(str::to_owned));
    text.push_str(&format!("\n### {}. {}\n", index + 1, line(&words.join(" · "))));
    let role = conversation.participants.get(message.author as usize).map_or(Role::Other, |author| author.role);
    let mut writer = Writer::new(text);
    let mut follows_label = false;
    for part in &message.parts {
        write_part(conversation, role, part, follows_label, &mut writer);
        follows_label |= part.kind != PartKind::Text;
    }
    if !writer.has_written() {
        text.push_str("\n(no text)\n");
    }
}

fn write_part(conversation: &Conversation, role: Role, part: &Part, follows_label: bool, writer: &mut Writer<'_>) {
    let text = conversation.text_of(part);
    let name = part.name.as_deref().unwrap_or_default();
    let of = if name.is_empty() { String::new() } else { format!(" of {name}") };
    match part.kind {
        PartKind::Text => {
            if text.trim().is_empty() {
                return;
            }
            // Without a label it would seem to belong to what stands above it.
            if follows_label {
                writer.label("Text");
            }
            prose::pieces(role, text, &mut |piece| writer.piece(piece));
        }
        PartKind::Thinking => {
            writer.label("Thinking");
            prose::pieces(Role::Assistant, text, &mut |piece| writer.piece(piece));
        }
        PartKind::Code => writer.fenced("Code", name, text),
        PartKind::ToolCall => writer.fenced(&format!("Call{of}"), "", text),
        PartKind::ToolResult => writer.fenced(&format!("Result{of}"), "", text),
        PartKind::Document => writer.fenced(&format!("Document: {name}"), "", text),
        PartKind::Unknown => writer.fenced(&format!("{name}, not understood by this version"), "", text),
        PartKind::Citation => {
            let address = part.url.as_ref().map_or(String::new(), |url| format!(" · {url}"));
            writer.label(&format!("Source: {text}{address}"));
        }
        PartKind::Attachment => {
            let attachment = part.attachment.and_then(|index| conversation.attachments.get(index as usize));
            let file = attachment.map_or_else(|| "without a name · not in the vault".to_owned(), file);
            writer.label(&format!("Attachment: {file}"));
            prose::lines(text, &mut |piece| writer.piece(piece));
        }
    }
}
