//! The order in which a session is read: its lines as they stand, agents behind the call that started them, and of
//! prompts that were written anew the last.

use std::collections::HashMap;

use super::session::{Session, Speaker};
use crate::conversation::{Cast, Role};

/// What an agent is called that nothing names.
const NAMELESS: &str = "agent";

impl Session<'_> {
    /// Writes the messages into the conversation.
    pub(super) fn arrange(&mut self) {
        let order = self.order();
        let lost = self.lost_prompts();
        let mut abandoned = vec![false; self.drafts.len()];
        let mut index: Vec<Option<u32>> = vec![None; self.drafts.len()];
        let mut cast = Cast::default();
        let names: Vec<String> = self.threads.iter().map(|thread| {
            let name = thread.name.as_ref().or(thread.agent.as_ref());
            name.cloned().unwrap_or_else(|| NAMELESS.to_owned())
        }).collect();
        for (next, at) in (0_u32..).zip(order) {
            let thread = &self.threads[self.drafts[at].thread];
            let is_first = thread.is_file && thread.order.first() == Some(&at);
            let called = thread.call.filter(|_| is_first).and_then(|call| self.draft_of(call));
            let draft = &mut self.drafts[at];
            let parent = called.or(draft.parent);
            // A guessed parent says nothing about which branch a message is on, but an agent is where its call is.
            let follows = draft.is_linked || draft.thread > 0;
            abandoned[at] = lost[at] || (follows && parent.is_some_and(|parent| abandoned[parent]));
            let mut message = std::mem::take(&mut draft.message);
            message.abandoned = abandoned[at];
            message.parent = parent.and_then(|parent| index[parent]);
            let name = &names[draft.thread];
            if matches!(draft.speaker, Speaker::ToAgent) {
                message.recipient = Some(name.clone());
            }
            let (role, name) = match &draft.speaker {
                Speaker::User => (Role::User, None),
                Speaker::Assistant | Speaker::ToAgent => (Role::Assistant, None),
                Speaker::System => (Role::System, None),
                Speaker::Tool(name) => (Role::Tool, name.as_deref()),
                Speaker::Agent => (Role::Assistant, Some(name.as_str())),
            };
            message.author = cast.find(&mut self.conversation, role, None, name);
            index[at] = Some(next);
            self.conversation.messages.push(message);
        }
    }

    /// The drafts in reading order, each agent behind the message that called it; without recursion, because agents
    /// call agents.
    fn order(&self) -> Vec<usize> {
        let mut behind: HashMap<usize, Vec<usize>> = HashMap::new();
        let mut uncalled = Vec::new();
        for (at, thread) in self.threads.iter().enumerate().filter(|(_, thread)| thread.is_file) {
            match thread.call.and_then(|call| self.draft_of(call)) {
                Some(draft) => behind.entry(draft).or_default().push(at),
                None => uncalled.push(at),
            }
        }
        let began = |at: &usize| {
            let first = self.threads[*at].order.first().and_then(|first| self.drafts.get(*first));
            first.and_then(|draft| draft.message.time.as_ref()?.at)
        };
        uncalled.sort_by_key(began);
        // Agents that call each other in a ring are reached from nowhere: they come last, as they are.
        let roots = std::iter::once(0).chain(uncalled).chain(1..self.threads.len());
        let mut placed: Vec<bool> = self.threads.iter().map(|thread| !thread.is_file).collect();
        let mut order = Vec::with_capacity(self.drafts.len());
        let mut stack = Vec::new();
        for root in roots {
            if root > 0 && std::mem::replace(&mut placed[root], true) {
                continue;
            }
            stack.push((root, 0));
            while let Some((thread, next)) = stack.last_mut() {
                let Some(draft) = self.threads[*thread].order.get(*next).copied() else {
                    stack.pop();
                    continue;
                };
                *next += 1;
                order.push(draft);
                for agent in behind.remove(&draft).unwrap_or_default().into_iter().rev() {
                    if !std::mem::replace(&mut placed[agent], true) {
                        stack.push((agent, 0));
                    }
                }
            }
        }
        order
    }

    /// Prompts that were written anew. Where two prompts of the session itself name the same parent, the one whose
    /// branch was written to last stands. Nothing else that shares a parent is a branch: results of parallel calls
    /// and hooks do so all the time.
    fn lost_prompts(&self) -> Vec<bool> {
        let mut lost = vec![false; self.drafts.len()];
        let mut latest: Vec<usize> = (0..self.drafts.len()).collect();
        for (at, draft) in self.drafts.iter().enumerate().rev() {
            if let Some(parent) = draft.parent.filter(|_| draft.is_linked) {
                latest[parent] = latest[parent].max(latest[at]);
            }
        }
        for prompts in self.prompts.values().filter(|prompts| prompts.len() > 1) {
            let linked = prompts.iter().copied().filter(|at| self.drafts[*at].is_linked);
            let standing = linked.clone().max_by_key(|at| latest[*at]);
            for at in linked.filter(|at| Some(*at) != standing) {
                lost[at] = true;
            }
        }
        lost
    }
}
