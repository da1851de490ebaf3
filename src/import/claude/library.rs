//! What the account keeps beside its conversations: projects with their documents, and memories.
//!
//! It is text that a person wrote or relied on, so each project and each memory is a conversation of its
//! own, its texts documents. Nothing follows from anything in it: every message is a root.

use super::source::Entry;
use super::{begin, source_time};
use crate::conversation::{Conversation, Message, Part, PartKind, Role, SourceTime};
use crate::crypto::hash::labelled;
use crate::import::{Unit, hex_id};

/// A project: its description, its instructions, its documents.
pub(super) fn project(entry: &Entry<'_>, id: String) -> Conversation {
    let mut conversation = begin(entry, format!("project:{id}"));
    conversation.project = conversation.title.clone();
    let creator = entry.creator.full_name.get().or(entry.creator.name.get());
    let author = conversation.participant(Role::User, None, creator);
    let at = || conversation_time(entry);
    if let Some(text) = entry.description.get() {
        let message = Message { id: Some("description".to_owned()), author, time: at(), ..Message::default() };
        add(&mut conversation, message, PartKind::Text, None, text);
    }
    if let Some(text) = entry.prompt_template.get() {
        // Whoever wrote it, it speaks to the model in every conversation of the project.
        let author = conversation.participant(Role::System, None, None);
        let message = Message { id: Some("prompt_template".to_owned()), author, time: at(), ..Message::default() };
        add(&mut conversation, message, PartKind::Document, Some("prompt_template"), text);
    }
    for doc in &entry.docs.items {
        let name = doc.filename.get().or(doc.file_name.get());
        let text = doc.content.get().unwrap_or("");
        if name.is_none() && text.is_empty() {
            continue;
        }
        let message = Message {
            id: doc.uuid.owned().or_else(|| name.map(|name| format!("docs/{name}"))),
            author,
            time: source_time(doc.created_at),
            edited: super::edit_time(doc.created_at, doc.updated_at),
            ..Message::default()
        };
        add(&mut conversation, message, PartKind::Document, name, text);
    }
    conversation
}

fn conversation_time(entry: &Entry<'_>) -> Option<SourceTime> {
    source_time(entry.created_at)
}

/// A memory: what the model keeps in mind of a person and of each project. None when it is empty.
pub(super) fn memory(entry: &Entry<'_>, unit: &Unit) -> Option<Conversation> {
    let account = entry.account_uuid.owned().or_else(|| entry.uuid.owned());
    let id = account.unwrap_or_else(|| hex_id(&labelled("convault/claude/id", &[&unit.bytes])));
    let mut conversation = begin(entry, format!("memory:{id}"));
    conversation.title = conversation.title.take().or_else(|| Some("memory".to_owned()));
    let author = conversation.participant(Role::Assistant, None, None);
    let message = |id: String, time| Message { id: Some(id), author, time, ..Message::default() };
    if let Some(text) = entry.conversations_memory.get() {
        let name = "conversations_memory";
        add(&mut conversation, message(name.to_owned(), None), PartKind::Document, Some(name), text);
    }
    for (project, text) in &entry.project_memories.entries {
        if let Some(text) = text.get() {
            let name = format!("project_memories/{project}");
            add(&mut conversation, message(name.clone(), None), PartKind::Document, Some(&name), text);
        }
    }
    for file in &entry.memory_files.items {
        if let (path, Some(text)) = (file.path.get(), file.content.get()) {
            let mut message = message(String::new(), source_time(file.created_at).or(source_time(file.updated_at)));
            message.id = path.map(str::to_owned);
            message.edited = source_time(file.updated_at).filter(|time| message.time.as_ref() != Some(time));
            add(&mut conversation, message, PartKind::Document, path, text);
        }
    }
    (!conversation.messages.is_empty()).then_some(conversation)
}

fn add(conversation: &mut Conversation, mut message: Message, kind: PartKind, name: Option<&str>, text: &str) {
    let text = conversation.push_text(text);
    message.parts.push(Part { kind, text, name: name.map(str::to_owned), ..Part::default() });
    conversation.messages.push(message);
}
