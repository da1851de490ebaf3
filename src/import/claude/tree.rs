//! The order of a conversation's messages and the branch that is in force.
//!
//! Newer exports name the message each one answers; older ones are a list. The order of the list is not
//! trusted: parents decide, then the time, then the index, then the place.

use std::collections::HashMap;

use super::source::MessageSource;
use super::source_time;
use crate::clock::Instant;
use crate::import::json::tolerant::{Raw, Recorder};

/// What the first messages of a conversation name as their parent.
const ROOTS: [&str; 2] = ["00000000-0000-4000-8000-000000000000", "00000000-0000-0000-0000-000000000000"];

/// What stands for the one group of all true beginnings: of them only one is in force.
const BEGINNINGS: usize = usize::MAX;

/// Where a message stands in time: its own time or that of the one before, its index, its place.
type Rank = (Option<Instant>, u64, usize);

/// Messages in reading order.
pub(super) struct Tree {
    /// Indices into the list: every parent before its children, siblings in the order of time.
    pub(super) order: Vec<usize>,
    /// The parent of each message, by index into the list.
    pub(super) parent: Vec<Option<usize>>,
    /// Whether each message is on the branch in force, by index into the list.
    pub(super) active: Vec<bool>,
}

/// The places of a list in the order of time, and the rank of each.
pub(super) fn by_time<'de>(places: impl Iterator<Item = (Raw<'de>, Raw<'de>)>) -> (Vec<usize>, Vec<Rank>) {
    let (mut last, mut last_index) = (None, 0);
    let ranks: Vec<Rank> = places
        .enumerate()
        .map(|(at, (written, index))| {
            // What has no time or no index stays behind the one before it.
            last = source_time(written).and_then(|time| time.at).or(last);
            last_index = index.get().and_then(|index| index.parse().ok()).unwrap_or(last_index);
            (last, last_index, at)
        })
        .collect();
    let mut order: Vec<usize> = (0..ranks.len()).collect();
    order.sort_unstable_by_key(|at| ranks[*at]);
    (order, ranks)
}

impl Tree {
    pub(super) fn of(messages: &[MessageSource<'_>], current_leaf: Option<&str>, recorder: &Recorder) -> Self {
        let (sorted, ranks) = by_time(messages.iter().map(|message| (message.created_at, message.index)));
        let mut index: HashMap<&str, usize> = HashMap::with_capacity(messages.len());
        for (at, message) in messages.iter().enumerate() {
            if let Some(id) = message.uuid.get() {
                match index.entry(id) {
                    std::collections::hash_map::Entry::Occupied(_) => recorder.repaired("duplicate id"),
                    std::collections::hash_map::Entry::Vacant(free) => {
                        free.insert(at);
                    }
                }
            }
        }
        let (parent, is_orphan) = parents(messages, &index, recorder);
        if parent.iter().all(Option::is_none) {
            return Self::in_line(sorted);
        }
        let mut tree = Self { order: Vec::with_capacity(messages.len()), parent, active: vec![false; messages.len()] };
        let group = tree.arrange(&sorted, is_orphan, recorder);
        tree.choose(&ranks, &group, current_leaf.map(|id| index.get(id).copied()), recorder);
        tree
    }

    /// Without parents each message follows the one before.
    fn in_line(order: Vec<usize>) -> Self {
        let mut parent = vec![None; order.len()];
        for pair in order.windows(2) {
            parent[pair[1]] = Some(pair[0]);
        }
        Self { parent, active: vec![true; order.len()], order }
    }

    /// Fills the order, cuts rings, and says for each message which group of branches it stands in: what
    /// hangs on no beginning is a group of its own, for nothing says that it was left.
    fn arrange(&mut self, sorted: &[usize], mut is_orphan: Vec<bool>, recorder: &Recorder) -> Vec<usize> {
        let count = sorted.len();
        let mut children: Vec<Vec<usize>> = vec![Vec::new(); count];
        for &at in sorted {
            if let Some(above) = self.parent[at] {
                children[above].push(at);
            }
        }
        let mut visited = vec![false; count];
        for &at in sorted {
            if self.parent[at].is_none() {
                self.descend(at, &children, &mut visited);
            }
        }
        let mut walked = vec![usize::MAX; count];
        for &at in sorted {
            // What no root reaches hangs on a ring: cut the ring where the way up first comes round.
            if !visited[at] {
                let mut cut = at;
                while std::mem::replace(&mut walked[cut], at) != at {
                    cut = self.parent[cut].unwrap_or(cut);
                }
                recorder.repaired("ring of parents");
                self.parent[cut] = None;
                is_orphan[cut] = true;
                self.descend(cut, &children, &mut visited);
            }
        }
        let mut group = vec![BEGINNINGS; count];
        for &at in &self.order {
            group[at] = match self.parent[at] {
                Some(above) => group[above],
                None if is_orphan[at] => at,
                None => BEGINNINGS,
            };
        }
        group
    }

    /// Appends `root` and what hangs on it, without recursion: a chain may be as long as the file.
    fn descend(&mut self, root: usize, children: &[Vec<usize>], visited: &mut [bool]) {
        let mut stack = vec![root];
        while let Some(at) = stack.pop() {
            if !std::mem::replace(&mut visited[at], true) {
                self.order.push(at);
                stack.extend(children[at].iter().rev());
            }
        }
    }

    /// Marks the branch in force: in the group of the current leaf the way to it, in every other the way
    /// to the leaf that was written last.
    fn choose(&mut self, ranks: &[Rank], group: &[usize], leaf: Option<Option<usize>>, recorder: &Recorder) {
        let mut is_leaf = vec![true; ranks.len()];
        for above in self.parent.iter().flatten() {
            is_leaf[*above] = false;
        }
        let mut best: HashMap<usize, usize> = HashMap::new();
        for &at in &self.order {
            if is_leaf[at] {
                let known = best.entry(group[at]).or_insert(at);
                if ranks[at] > ranks[*known] {
                    *known = at;
                }
            }
        }
        match leaf {
            Some(Some(leaf)) => {
                best.insert(group[leaf], leaf);
            }
            Some(None) => recorder.repaired("no current leaf"),
            None => {}
        }
        for leaf in best.into_values() {
            let mut at = Some(leaf);
            while let Some(message) = at {
                self.active[message] = true;
                at = self.parent[message];
            }
        }
    }
}

/// The parent of each message, and whether it names one that is not there.
fn parents(
    messages: &[MessageSource<'_>],
    index: &HashMap<&str, usize>,
    recorder: &Recorder,
) -> (Vec<Option<usize>>, Vec<bool>) {
    let mut is_orphan = vec![false; messages.len()];
    let parent = (0..).zip(messages).map(|(at, message)| {
        let named = message.parent.get().filter(|id| !ROOTS.contains(id))?;
        let found = index.get(named).copied();
        match found {
            Some(parent) if parent != at => return found,
            Some(_) => recorder.repaired("ring of parents"),
            None => recorder.repaired("missing parent"),
        }
        is_orphan[at] = true;
        None
    });
    (parent.collect(), is_orphan)
}
