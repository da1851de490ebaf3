//! What is to stand of a stored conversation and one that comes in: decided on values, before anything is sealed.

use std::collections::HashSet;

use zeroize::Zeroizing;

use super::merge::{Said, add_missing, adopt, age, count_edited, inherit, is_newer, keep_files};
use crate::conversation::Conversation;
use crate::crypto::{Digest, hash};
use crate::import::Importer;
use crate::import::growth::Growth;

/// The source's bytes of a conversation, with their digest.
pub(super) type Original = (Zeroizing<Vec<u8>>, Digest);

/// A conversation and the originals it was read from, the newest first.
pub(super) struct State {
    pub(super) conversation: Conversation,
    pub(super) originals: Vec<Original>,
    /// It stood in the input before the one it is united with.
    pub(super) stood_before: bool,
    /// It is an excerpt of a state.
    pub(super) is_part: bool,
}

/// What is to stand.
pub(super) struct Standing {
    pub(super) state: State,
    /// It says something that the stored state did not. Else only attachments may have come.
    pub(super) changed: bool,
    /// Messages that only the older state has, of a source that should have had them.
    pub(super) vanished: u64,
    /// Messages of which two versions exist.
    pub(super) edited: u64,
}

/// The source of both states.
pub(super) struct Source<'a> {
    pub(super) importer: &'a dyn Importer,
    /// Reads an original as this version reads it.
    pub(super) read: &'a dyn Fn(&[u8]) -> Option<Conversation>,
}

impl Source<'_> {
    /// Unites both states. `is_stored` says that every original of the incoming one is stored.
    pub(super) fn unite(&self, stored: State, mut incoming: State, is_stored: bool) -> Standing {
        if is_stored {
            return unchanged(stored, &incoming.conversation);
        }
        let stood_before = incoming.stood_before;
        let brought = match incoming.originals.as_mut_slice() {
            [only] if self.importer.accumulates() && !incoming.is_part => std::mem::take(only),
            _ => return self.by_messages(stored, incoming),
        };
        self.by_growth(stored, incoming.conversation, brought, stood_before)
    }

    /// A log that has grown is read anew from the bytes that have all of both states: what its lines mean, and in
    /// what order they stand, may depend on lines that came later.
    fn by_growth(&self, stored: State, incoming: Conversation, brought: Original, stood_before: bool) -> Standing {
        let digest = brought.1;
        let mut grown = brought.clone();
        let mut apart = Vec::new();
        for original in &stored.originals {
            match self.importer.growth(&original.0, &grown.0) {
                Some(Growth::Stored) => grown = original.clone(),
                Some(Growth::Incoming) => {}
                Some(Growth::Both(bytes)) => {
                    let digest = hash::sha256(&[&bytes]);
                    grown = (Zeroizing::new(bytes), digest);
                }
                None => apart.push(original.clone()),
            }
        }
        if stored.originals.iter().any(|(_, known)| *known == grown.1) {
            return unchanged(stored, &incoming);
        }
        let mut conversation = match grown.1 == digest {
            true => incoming,
            false => match (self.read)(&grown.0) {
                // What no line says is known from where the file stood.
                Some(mut read) => {
                    read.native_id.clone_from(&incoming.native_id);
                    read.continues = read.continues.or(incoming.continues);
                    read.flags.extend(incoming.flags);
                    read.flags.sort_unstable();
                    read.flags.dedup();
                    read
                }
                None => {
                    let incoming =
                        State { conversation: incoming, originals: vec![brought], stood_before, is_part: false };
                    return self.by_messages(stored, incoming);
                }
            },
        };
        if conversation.continues.is_none() {
            conversation.continues.clone_from(&stored.conversation.continues);
        }
        let files = stored.conversation.attachments.clone();
        let grown = State { conversation, originals: vec![grown], stood_before, is_part: false };
        let mut standing = match apart.is_empty() {
            true => Standing { state: grown, changed: true, vanished: 0, edited: 0 },
            false => {
                let conversation = self.read_all(&apart).unwrap_or(stored.conversation);
                let united = self
                    .by_messages(State { conversation, originals: apart, stood_before: false, is_part: false }, grown);
                Standing { changed: true, ..united }
            }
        };
        keep_files(&mut standing.state.conversation, &files);
        standing
    }

    /// What several originals say together; none when one of them cannot be read any more.
    fn read_all(&self, originals: &[Original]) -> Option<Conversation> {
        let mut read = originals.iter().map(|(original, _)| (self.read)(original));
        let mut all = read.next()??;
        for older in read {
            let older = older?;
            add_missing(&mut all, &older, true);
            inherit(&mut all, &older);
            keep_files(&mut all, &older.attachments);
        }
        Some(all)
    }

    /// The newer state, with the messages that the older one alone has.
    fn by_messages(&self, stored: State, incoming: State) -> Standing {
        let accumulates = self.importer.accumulates() || incoming.is_part;
        let State { conversation: mut old, mut originals, .. } = stored;
        let State { conversation: mut incoming, originals: brought, stood_before, is_part: is_excerpt } = incoming;
        let same_title = incoming.title.is_none() || incoming.title == old.title;
        let is_part = accumulates && same_title && {
            let mut said = Said::by(accumulates);
            said.add(&old);
            said.has_all(&incoming)
        };
        if is_part {
            return unchanged(State { conversation: old, originals, stood_before: false, is_part: false }, &incoming);
        }
        // What an excerpt says of the whole is what it was cut from, in an order that the stored state knows better.
        if !is_excerpt && is_newer(&incoming, &old, stood_before) {
            let edited = count_edited(&incoming, &old, accumulates);
            let mut said = Said::by(accumulates);
            said.add(&incoming);
            // An older original goes when those that are kept say all that it says.
            originals.retain(|(older, _)| match (self.read)(older) {
                Some(older) if said.has_all(&older) => false,
                Some(older) => {
                    said.add(&older);
                    true
                }
                None => true,
            });
            let added = add_missing(&mut incoming, &old, accumulates);
            if accumulates {
                inherit(&mut incoming, &old);
            }
            keep_files(&mut incoming, &old.attachments);
            originals.retain(|(_, known)| !brought.iter().any(|(_, digest)| digest == known));
            originals.splice(0..0, brought);
            let vanished = if accumulates { 0 } else { added };
            let state = State { conversation: incoming, originals, stood_before, is_part: false };
            return Standing { state, changed: true, vanished, edited };
        }
        let mut said = Said::by(accumulates);
        // The stored state is what its originals say, and vanished messages of some that went.
        said.add(&old);
        // Behind the originals that are newer: the list is newest first.
        let mut place = 1;
        for (index, (older, _)) in originals.iter().enumerate() {
            let Some(older) = (self.read)(older) else { continue };
            said.add(&older);
            if index > 0 && age(&older) > age(&incoming) {
                place = index + 1;
            }
        }
        adopt(&mut old, &incoming);
        if said.has_all(&incoming) {
            // An older export never moves a conversation backwards.
            let state = State { conversation: old, originals, stood_before, is_part: false };
            return Standing { state, changed: false, vanished: 0, edited: 0 };
        }
        let edited = count_edited(&old, &incoming, accumulates);
        let added = add_missing(&mut old, &incoming, accumulates);
        if accumulates {
            inherit(&mut old, &incoming);
        }
        let known: HashSet<Digest> = originals.iter().map(|(_, digest)| *digest).collect();
        let place = place.min(originals.len());
        originals.splice(place..place, brought.into_iter().filter(|(_, digest)| !known.contains(digest)));
        let vanished = if accumulates { 0 } else { added };
        Standing {
            state: State { conversation: old, originals, stood_before, is_part: false },
            changed: true,
            vanished,
            edited,
        }
    }
}

/// The stored state, with the bytes of attachments that it lacks and the incoming one has.
fn unchanged(mut stored: State, incoming: &Conversation) -> Standing {
    adopt(&mut stored.conversation, incoming);
    Standing { state: stored, changed: false, vanished: 0, edited: 0 }
}
