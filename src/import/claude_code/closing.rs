//! The end of a session: what can be told only when every line was read.

use std::collections::HashMap;

use super::parts;
use super::session::{Draft, Session, Speaker};
use super::wrapped::command;
use crate::conversation::{Message, Part, Visibility};

impl Session<'_> {
    /// Ends the reading: counts parents that are nowhere, keeps prompts that were queued and never came, and names the
    /// session.
    pub(super) fn close(&mut self) {
        for parent in std::mem::take(&mut self.dangling) {
            if !self.uuids.contains_key(&parent) {
                *self.notes.repaired.entry("missing parent").or_default() += 1;
            }
        }
        self.keep_queued();
        let mut beside: Vec<_> = std::mem::take(&mut self.files.beside).into_iter().collect();
        beside.sort();
        for (name, bytes) in beside {
            parts::attach_file(&mut self.conversation, &mut self.files, &name, bytes);
        }
        let summary = self.summary.take();
        let late = summary.as_ref().filter(|(leaf, _)| self.uuids.contains_key(leaf)).map(|(_, text)| text.clone());
        let title = self.custom_title.take().or(self.ai_title.take()).or(late).or(self.own_summary.take());
        let title = title.or(summary.map(|(_, text)| text)).or(self.prompt.take()).or(self.command.take());
        self.conversation.title = title.filter(|title| !title.is_empty());
    }

    pub(super) fn keep_queued(&mut self) {
        if self.queued.is_empty() {
            return;
        }
        let mut waiting: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, queued) in self.queued.iter().enumerate().rev() {
            waiting.entry(queued.text.clone()).or_default().push(index);
        }
        let mut sent = vec![false; self.queued.len()];
        for draft in &self.drafts {
            let is_prompt = matches!(draft.speaker, Speaker::User | Speaker::ToAgent | Speaker::System);
            if !is_prompt {
                continue;
            }
            let text = self.text_of(&draft.message.parts);
            let command = command(&text);
            for text in command.iter().chain([&text]) {
                if let Some(index) = waiting.get_mut(text).and_then(Vec::pop) {
                    sent[index] = true;
                }
            }
        }
        let mut behind: HashMap<(usize, Option<usize>), Vec<usize>> = HashMap::new();
        for (queued, _) in std::mem::take(&mut self.queued).into_iter().zip(sent).filter(|(_, sent)| !sent) {
            let part = Part { text: self.conversation.push_text(&queued.text), ..Part::default() };
            let message = Message {
                id: Some(queued.id),
                time: queued.time,
                visibility: Visibility::Hidden,
                parts: vec![part],
                ..Message::default()
            };
            let (parent, thread) = (queued.behind, queued.thread);
            let file = if self.threads[thread].is_file { thread } else { 0 };
            behind.entry((file, parent)).or_default().push(self.drafts.len());
            self.drafts.push(Draft { message, speaker: Speaker::User, thread, parent, is_linked: false });
        }
        if behind.is_empty() {
            return;
        }
        for (file, thread) in self.threads.iter_mut().enumerate() {
            let mut order = behind.remove(&(file, None)).unwrap_or_default();
            for at in std::mem::take(&mut thread.order) {
                order.push(at);
                order.append(&mut behind.remove(&(file, Some(at))).unwrap_or_default());
            }
            thread.order = order;
        }
    }
}
