//! Deriving many erase shares in order: about two HMACs for each leaf and one for its share.

use zeroize::Zeroizing;

use super::{Frontier, Node, ROOT_LEVEL, share_of_leaf};
use crate::crypto::EraseShare;
use crate::crypto::hash::hmac_into;

/// A deriver that keeps the seeds between the covering node and the leaf it was last asked for.
///
/// It borrows the frontier, so none can outlive a puncture. Its seeds are wiped when it is dropped.
pub struct Walker<'a> {
    frontier: &'a Frontier,
    /// The covering node's place in the frontier, and the leaf the path leads to.
    reached: Option<(usize, u64)>,
    /// The seed of each level below the covering node, leaf first.
    path: Zeroizing<Box<[[u8; 32]]>>,
}

impl<'a> Walker<'a> {
    pub(super) fn new(frontier: &'a Frontier) -> Self {
        let path = Zeroizing::new(vec![[0; 32]; usize::from(ROOT_LEVEL)].into_boxed_slice());
        Self { frontier, reached: None, path }
    }

    /// Derives the erase share of a leaf; `None` if it is punctured or in no tree. Any order works.
    pub fn erase_share(&mut self, leaf: u64) -> Option<EraseShare> {
        let (at, stale) = match self.reached {
            Some((at, last)) if self.frontier.nodes[at].contains(leaf) => {
                (at, differing_levels(self.frontier.nodes[at].first, last, leaf))
            }
            _ => {
                let at = self.frontier.position(leaf)?;
                (at, self.frontier.nodes[at].level)
            }
        };
        let node = &self.frontier.nodes[at];
        for level in (0..usize::from(stale)).rev() {
            let half = ((leaf - node.first) >> level & 1) as u8;
            let (below, above) = self.path.split_at_mut(level + 1);
            hmac_into(seed_at(node, level + 1, above), &[&[half]], &mut below[level]);
        }
        self.reached = Some((at, leaf));
        Some(share_of_leaf(seed_at(node, 0, &self.path)))
    }
}

/// How many levels, from the leaf up, the paths to two leaves of the node at `first` do not share.
fn differing_levels(first: u64, last: u64, leaf: u64) -> u8 {
    // At most 40: both lie in one node.
    (u64::BITS - ((last - first) ^ (leaf - first)).leading_zeros()) as u8
}

/// The seed of `level` on the path: the node's own at its top, else the first of `path`.
fn seed_at<'s>(node: &'s Node, level: usize, path: &'s [[u8; 32]]) -> &'s [u8; 32] {
    if level == usize::from(node.level) { node.seed.expose() } else { &path[0] }
}
