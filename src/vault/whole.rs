//! A conversation as people know it: one segment, or the months of one that never ends taken together.

use std::collections::HashMap;

use super::content::Card;
use super::items::Entry;
use crate::facts::Facts;

impl Entry {
    /// Whether it is a month of a chat that never ends.
    pub fn is_month(&self) -> bool {
        self.facts.month > 0
    }

    /// One entry for segments of one conversation, ascending by month: counts are summed, the first tells when it began,
    /// the last what it is called. None of none. Of several it is for showing: it names no segment to destroy.
    pub fn whole(segments: &[Self]) -> Option<Self> {
        let last = segments.last()?;
        if segments.len() == 1 {
            return Some(last.clone());
        }
        let mut participants: Vec<String> = Vec::new();
        for name in segments.iter().flat_map(|one| &one.card.participants) {
            if !participants.contains(name) {
                participants.push(name.clone());
            }
        }
        let facts = segments.iter().map(|one| &one.facts);
        let first = facts.clone().min_by_key(|facts| facts.created)?;
        let latest = facts.clone().max_by_key(|facts| facts.last_activity)?;
        let mut tags: Vec<_> = facts.clone().flat_map(|facts| &facts.tags).copied().collect();
        tags.sort_unstable();
        tags.dedup();
        let named = segments.iter().rev().find(|one| !one.card.title.is_empty());
        let card = Card {
            title: named.map(|one| one.card.title.clone()).unwrap_or_default(),
            messages: segments.iter().map(|one| one.card.messages).sum(),
            attachments: segments.iter().map(|one| one.card.attachments).sum(),
            created: segments.iter().find_map(|one| one.card.created.clone()),
            updated: segments.iter().rev().find_map(|one| one.card.updated.clone()),
            participants,
            ..last.card.clone()
        };
        let facts = Facts {
            created: first.created,
            created_clamped: first.created_clamped,
            last_activity: latest.last_activity,
            last_activity_clamped: latest.last_activity_clamped,
            imported: facts.clone().map(|facts| facts.imported).min()?,
            size: facts.clone().map(|facts| facts.size).sum(),
            attachments: facts.map(|facts| facts.attachments).fold(0, u32::saturating_add),
            month: 0,
            tags,
            ..last.facts.clone()
        };
        Some(Self { card, facts, ..last.clone() })
    }
}

/// Segments by their conversation, in the order in which the first of each comes; each ascending by month.
pub fn by_conversation(entries: Vec<Entry>) -> Vec<Vec<Entry>> {
    let mut places: HashMap<[u8; 16], usize> = HashMap::new();
    let mut all: Vec<Vec<Entry>> = Vec::new();
    for entry in entries {
        let place = *places.entry(entry.conversation).or_insert(all.len());
        match all.get_mut(place) {
            Some(segments) => segments.push(entry),
            None => all.push(vec![entry]),
        }
    }
    for segments in &mut all {
        segments.sort_by_key(|entry| entry.facts.month);
    }
    all
}
