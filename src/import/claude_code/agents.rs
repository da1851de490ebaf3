//! Agents that a session calls: which lines are theirs, and which call started them.

use std::collections::HashMap;

use super::parts::AgentTask;
use super::record::Record;
use super::session::Session;
use crate::conversation::Message;
use crate::import::json::tolerant::{Fields, Recorder};

/// A run of messages: the session itself, or an agent it called.
#[derive(Default)]
pub(super) struct Thread {
    /// The drafts of its file in order. An agent inside the session's own file has its drafts among the session's.
    pub(super) order: Vec<usize>,
    /// The last of its own.
    pub(super) last: Option<usize>,
    /// It is an agent with a file of its own.
    pub(super) is_file: bool,
    pub(super) agent: Option<String>,
    pub(super) name: Option<String>,
    pub(super) description: Option<String>,
    pub(super) tool_use_id: Option<String>,
    pub(super) prompt: Option<String>,
    /// The call that started it.
    pub(super) call: Option<usize>,
}

/// A call of a tool.
pub(super) struct Call {
    pub(super) draft: usize,
    pub(super) name: String,
    pub(super) task: Option<AgentTask>,
    pub(super) is_taken: bool,
}

impl Session<'_> {
    /// The thread of a record: that of its file, or inside the session's own file that of an agent.
    pub(super) fn thread_of(&mut self, record: &Record<'_>, thread: usize) -> usize {
        if self.threads[thread].is_file {
            if self.threads[thread].agent.is_none() {
                self.threads[thread].agent = record.agent.owned();
            }
            return thread;
        }
        if !record.is_sidechain.0 {
            return thread;
        }
        let parent = record.parent.get().and_then(|parent| self.uuids.get(parent)?.draft);
        let above = parent.and_then(|parent| self.drafts.get(parent)).map(|draft| draft.thread);
        let is_inside = |at: usize| at > 0 && !self.threads[at].is_file;
        if let Some(above) = above.filter(|at| is_inside(*at)) {
            return above;
        }
        let last = self.threads.len() - 1;
        let same_agent = record.agent.get() == self.threads[last].agent.as_deref();
        if record.parent.get().is_some() && is_inside(last) && same_agent {
            return last;
        }
        self.threads.push(Thread { agent: record.agent.owned(), ..Thread::default() });
        last + 1
    }

    /// Remembers which agent a call started.
    pub(super) fn note_agent(&mut self, record: &Record<'_>, call: usize, recorder: &Recorder) {
        let Some(json) = record.tool_use_result.get().filter(|json| json.contains("\"agentId\"")) else { return };
        if json.starts_with('{') {
            let result: Fields<'_> = record.tool_use_result.parse(recorder);
            if let Some(agent) = result.text("agentId", recorder).owned() {
                self.calls_by_agent.insert(agent, call);
            }
        }
    }

    /// An agent inside the session's own file begins: it was called with its first message, or last.
    pub(super) fn start_inside(&mut self, thread: usize, first: &Message) {
        let prompt = self.text_of(&first.parts);
        let calls = &self.calls;
        let free = |list: &mut Vec<usize>| {
            while let Some(index) = list.pop() {
                if calls.get(index).is_some_and(|call| !call.is_taken) {
                    return Some(index);
                }
            }
            None
        };
        let found = self.tasks_by_prompt.get_mut(prompt.trim()).and_then(free);
        let found = found.or_else(|| free(&mut self.tasks));
        self.link(thread, found);
    }

    pub(super) fn link(&mut self, thread: usize, call: Option<usize>) {
        let Some(index) = call else { return };
        let Some(call) = self.calls.get_mut(index) else { return };
        call.is_taken = true;
        let thread = &mut self.threads[thread];
        thread.call = Some(index);
        if thread.name.is_none() {
            thread.name = call.task.as_ref().and_then(|task| task.kind.clone());
        }
    }

    /// Finds the call of every agent that has a file: by what the result says, by the note beside the file, by the
    /// prompt, by the description.
    pub(super) fn link_agents(&mut self) {
        let mut by_prompt: HashMap<String, Vec<usize>> = HashMap::new();
        let mut by_description: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, call) in self.calls.iter().enumerate().rev() {
            if let Some(task) = call.task.as_ref().filter(|_| !call.is_taken) {
                let add = |map: &mut HashMap<String, Vec<usize>>, key: &Option<String>| {
                    if let Some(key) = key {
                        map.entry(key.trim().to_owned()).or_default().push(index);
                    }
                };
                add(&mut by_prompt, &task.prompt);
                add(&mut by_description, &task.description);
            }
        }
        let files: Vec<usize> = (0..self.threads.len()).filter(|at| self.threads[*at].is_file).collect();
        // What is certain first, so that a guess never takes it away.
        for &at in &files {
            let thread = &self.threads[at];
            let said = thread.agent.as_ref().and_then(|agent| self.calls_by_agent.get(agent));
            let noted = || thread.tool_use_id.as_ref().and_then(|id| self.calls_by_id.get(id));
            let call = said.or_else(noted).copied();
            self.link(at, call);
        }
        for &at in files.iter().filter(|at| self.threads[**at].call.is_none()).collect::<Vec<_>>() {
            let thread = &self.threads[at];
            let free = |map: &mut HashMap<String, Vec<usize>>, key: &Option<String>| {
                let list = map.get_mut(key.as_ref()?.trim())?;
                while let Some(index) = list.pop() {
                    if !self.calls[index].is_taken {
                        return Some(index);
                    }
                }
                None
            };
            let call = free(&mut by_prompt, &thread.prompt);
            let call = call.or_else(|| free(&mut by_description, &thread.description));
            self.link(at, call);
        }
    }

    /// The message that holds a call.
    pub(super) fn draft_of(&self, call: usize) -> Option<usize> {
        self.calls.get(call).map(|call| call.draft)
    }
}
