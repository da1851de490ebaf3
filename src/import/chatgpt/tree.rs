//! The tree of a conversation: the order of its nodes and the branch that is in force.
//!
//! Nodes name their parent and their children, and exports contradict themselves: parents that are not
//! there, a `current_node` that is not there, rings. The parent decides; the list of children gives the
//! order of siblings; nothing is left out.

use std::collections::HashMap;

use super::node::{Entry, Node};
use crate::clock::Instant;
use crate::import::json::tolerant::Recorder;
use crate::import::time;

/// Nodes in reading order.
pub(super) struct Tree {
    /// Indices into the mapping: every parent before its children, siblings in source order.
    pub(super) order: Vec<usize>,
    /// The parent of each node, by index into the mapping.
    pub(super) parent: Vec<Option<usize>>,
    /// Whether each node is on the branch in force, by index into the mapping.
    pub(super) active: Vec<bool>,
}

impl Tree {
    pub(super) fn of(entry: &Entry<'_>, recorder: &Recorder) -> Self {
        let nodes = &entry.mapping.entries;
        let count = nodes.len();
        let mut index: HashMap<&str, usize> = HashMap::with_capacity(count);
        let mut replaced = vec![false; count];
        for (at, (key, _)) in nodes.iter().enumerate() {
            if let Some(earlier) = index.insert(key.as_ref(), at) {
                replaced[earlier] = true;
                recorder.repaired("duplicate key");
            }
        }

        let mut parent = parents(nodes, &index, recorder);
        let children = children(nodes, &index, &parent, &replaced);

        let mut order = Vec::with_capacity(count);
        let mut visited = replaced;
        let mut stack = Vec::new();
        let roots: Vec<usize> = (0..count).filter(|at| parent[*at].is_none() && !visited[*at]).collect();
        for root in roots {
            descend(root, &children, &mut visited, &mut stack, &mut order);
        }
        let mut walked = vec![usize::MAX; count];
        for at in 0..count {
            // What no root reaches hangs on a ring: cut the ring where the way up first comes round.
            if !visited[at] {
                let mut cut = at;
                while std::mem::replace(&mut walked[cut], at) != at {
                    cut = parent[cut].unwrap_or(cut);
                }
                recorder.repaired("ring of parents");
                parent[cut] = None;
                descend(cut, &children, &mut visited, &mut stack, &mut order);
            }
        }

        let mut tree = Self { order, parent, active: vec![false; count] };
        match entry.current_node.get().and_then(|id| index.get(id)) {
            Some(leaf) => tree.activate(*leaf),
            None if count == 0 => {}
            None => {
                recorder.repaired("no current node");
                for leaf in tree.latest_leaves(nodes, &children) {
                    tree.activate(leaf);
                }
            }
        }
        tree
    }

    fn activate(&mut self, leaf: usize) {
        let mut at = Some(leaf);
        while let Some(node) = at {
            self.active[node] = true;
            at = self.parent[node];
        }
    }

    /// For each root the leaf that ends latest; of two that end together the one further down.
    fn latest_leaves(&self, nodes: &[(std::borrow::Cow<'_, str>, Node<'_>)], children: &[Vec<usize>]) -> Vec<usize> {
        type Rank = (Option<Instant>, usize);
        let mut leaves: Vec<usize> = Vec::new();
        let mut best: Rank = (None, 0);
        let mut ranks: Vec<Rank> = vec![(None, 0); self.parent.len()];
        for &at in &self.order {
            let above = self.parent[at].map(|parent| ranks[parent]);
            let message = nodes[at].1.message.0.as_ref();
            let own = message.and_then(|m| time::from_json(m.create_time.get()?)?.at);
            let rank = match above {
                Some((time, depth)) => (own.max(time), depth + 1),
                None => (own, 0),
            };
            ranks[at] = rank;
            if above.is_none() {
                leaves.push(at);
                best = rank;
            } else if rank >= best && children[at].iter().all(|child| self.parent[*child] != Some(at)) {
                best = rank;
                if let Some(leaf) = leaves.last_mut() {
                    *leaf = at;
                }
            }
        }
        leaves
    }
}

fn parents(
    nodes: &[(std::borrow::Cow<'_, str>, Node<'_>)],
    index: &HashMap<&str, usize>,
    recorder: &Recorder,
) -> Vec<Option<usize>> {
    let mut parent: Vec<Option<usize>> = Vec::with_capacity(nodes.len());
    let mut orphans = false;
    for (at, (_, node)) in nodes.iter().enumerate() {
        let named = node.parent.get();
        let found = named.and_then(|id| index.get(id).copied());
        if found == Some(at) {
            recorder.repaired("ring of parents");
        } else if named.is_some() && found.is_none() {
            recorder.repaired("missing parent");
        }
        let found = found.filter(|parent| *parent != at);
        orphans |= found.is_none();
        parent.push(found);
    }
    if orphans {
        // A node without a parent of its own may still stand in somebody's list of children.
        let own = parent.clone();
        for (at, (_, node)) in nodes.iter().enumerate() {
            for child in node.children.0.iter().filter_map(|id| index.get(id.get()?).copied()) {
                if own[child].is_none() && parent[child].is_none() && child != at {
                    parent[child] = Some(at);
                }
            }
        }
    }
    parent
}

fn children(
    nodes: &[(std::borrow::Cow<'_, str>, Node<'_>)],
    index: &HashMap<&str, usize>,
    parent: &[Option<usize>],
    replaced: &[bool],
) -> Vec<Vec<usize>> {
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    let mut placed = replaced.to_vec();
    for (at, (_, node)) in nodes.iter().enumerate() {
        for child in node.children.0.iter().filter_map(|id| index.get(id.get()?).copied()) {
            if parent[child] == Some(at) && !std::mem::replace(&mut placed[child], true) {
                children[at].push(child);
            }
        }
    }
    for (at, above) in parent.iter().enumerate() {
        if let (Some(above), false) = (above, placed[at]) {
            children[*above].push(at);
        }
    }
    children
}

/// Appends `root` and what hangs on it, without recursion: a chain may be as long as the file.
fn descend(
    root: usize,
    children: &[Vec<usize>],
    visited: &mut [bool],
    stack: &mut Vec<usize>,
    order: &mut Vec<usize>,
) {
    stack.push(root);
    while let Some(at) = stack.pop() {
        if std::mem::replace(&mut visited[at], true) {
            continue;
        }
        order.push(at);
        stack.extend(children[at].iter().rev());
    }
}
