//! The puncturable keyring: gives every live segment its erase share, and can give up any of them for good.
//!
//! A forest of GGM trees (Goldreich, Goldwasser, Micali 1986) over leaf numbers, with HMAC-SHA-256
//! as the generator. What is kept is the *frontier*: the fewest nodes that cover exactly the live
//! leaves and the open part, from which leaves to come are taken. Nothing here reads a file, seals
//! or remembers which leaves were ever in use; `docs/format-trees.md` fixes the bytes.

mod encoding;
#[cfg(test)]
mod tests;
mod walker;

use crate::crypto::hash::hmac_into;
use crate::crypto::{EraseShare, Secret};

pub use walker::Walker;

/// The level of a root: a tree has 2^40 leaves, so that a leaf number fits the live tree as well.
pub const ROOT_LEVEL: u8 = 40;

const ERASE_SHARE: &[u8] = b"convault/1/erase-share";

/// What a keyring refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The leaf was punctured, cut off by a rotation, or never lay in a tree.
    #[error("leaf {0} is not in the keyring")]
    NotDerivable(u64),
    /// Leaf numbers must rise strictly.
    #[error("leaf numbers are not in ascending order")]
    Unsorted,
    /// A tree planted here would reach past the last leaf number.
    #[error("no leaf numbers are left for a new tree")]
    Exhausted,
    /// The bytes are not a frontier; says what is wrong with them.
    #[error("damaged keyring: {0}")]
    Damaged(&'static str),
}

fn share_of_leaf(seed: &[u8; 32]) -> EraseShare {
    EraseShare::new(Secret::fill_with(|out| hmac_into(seed, &[ERASE_SHARE], out)))
}

/// A subtree that is live as a whole.
struct Node {
    first: u64,
    level: u8,
    seed: Secret<32>,
}

impl Node {
    fn root(first: u64) -> Result<Self, Error> {
        let fits = first.checked_add((1 << ROOT_LEVEL) - 1).is_some();
        if fits { Ok(Self { first, level: ROOT_LEVEL, seed: Secret::generate() }) } else { Err(Error::Exhausted) }
    }

    /// The last leaf; every constructor has made sure that it fits.
    fn last(&self) -> u64 {
        self.first + ((1 << self.level) - 1)
    }

    fn contains(&self, leaf: u64) -> bool {
        self.first <= leaf && leaf <= self.last()
    }

    /// The lower (0) or upper (1) half. Must not be asked of a leaf.
    fn child(&self, half: u8) -> Self {
        let level = self.level - 1;
        Self {
            first: self.first + (u64::from(half) << level),
            level,
            seed: Secret::fill_with(|out| hmac_into(self.seed.expose(), &[&[half]], out)),
        }
    }
}

/// The secret state of a keyring: sorted, disjoint nodes that cover exactly what may still be derived.
///
/// Whoever has it derives every erase share it covers, so it leaves memory only sealed under the
/// anchor. Forgetting works by *replacing* this state; an old copy of it still derives what it
/// covered, which is why a puncture is finished only when the anchor of the old copy is gone.
pub struct Frontier {
    nodes: Vec<Node>,
}

impl Frontier {
    /// Plants the first tree of a new vault: one random root over the leaves 0 to 2^40 − 1.
    pub fn plant() -> Self {
        Self { nodes: vec![Node { first: 0, level: ROOT_LEVEL, seed: Secret::generate() }] }
    }

    /// The number of nodes; 41 bytes each when encoded.
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// Whether the leaf's share can be derived, at the cost of a look-up.
    pub fn covers(&self, leaf: u64) -> bool {
        self.position(leaf).is_some()
    }

    /// Derives the erase share of one leaf; `None` if it is punctured or in no tree.
    ///
    /// For many leaves in order a [`Walker`] is about ten times cheaper.
    pub fn erase_share(&self, leaf: u64) -> Option<EraseShare> {
        self.walker().erase_share(leaf)
    }

    /// The first leaf of the part that leaves to come are taken from: where the last rotation planted a tree.
    pub fn open_from(&self) -> u64 {
        self.nodes.last().filter(|node| node.level == ROOT_LEVEL).map_or(0, |node| node.first)
    }

    /// Starts a deriver that remembers its path, for leaves in ascending order; one for each thread.
    pub fn walker(&self) -> Walker<'_> {
        Walker::new(self)
    }

    /// Gives up one leaf; see [`Frontier::puncture_all`].
    pub fn puncture(&mut self, leaf: u64) -> Result<(), Error> {
        self.puncture_all(&[leaf])
    }

    /// Gives up all these leaves (strictly ascending): no node that is left can compute one of them.
    ///
    /// Every other covered leaf keeps its share. All or nothing: on an error nothing has changed.
    pub fn puncture_all(&mut self, leaves: &[u64]) -> Result<(), Error> {
        if !leaves.is_sorted_by(|a, b| a < b) {
            return Err(Error::Unsorted);
        }
        if let Some(&leaf) = leaves.iter().find(|&&leaf| !self.covers(leaf)) {
            return Err(Error::NotDerivable(leaf));
        }
        let mut rest = leaves;
        let mut kept = Vec::with_capacity(self.nodes.len() + leaves.len().min(1 << 16));
        for node in std::mem::take(&mut self.nodes) {
            let (inside, after) = rest.split_at(rest.partition_point(|&leaf| leaf <= node.last()));
            rest = after;
            cut_out(node, inside, &mut kept);
        }
        self.nodes = kept;
        Ok(())
    }

    /// Cuts everything from `next_leaf` on and plants a fresh random tree there.
    ///
    /// **Destroys** every share at or beyond `next_leaf`, so `next_leaf` must be the counter's next
    /// number, above every leaf in use. Afterwards a copy of the older state says nothing about
    /// leaves to come. Trees with no live leaf leave no node behind.
    pub fn rotate(&mut self, next_leaf: u64) -> Result<(), Error> {
        let root = Node::root(next_leaf)?;
        self.nodes.truncate(self.nodes.partition_point(|node| node.first < next_leaf));
        if self.nodes.last().is_some_and(|node| node.last() >= next_leaf) {
            // Below its root, a node that straddles the cut has a positive level: a leaf cannot straddle.
            let mut straddling = self.nodes.pop().expect("the last node was just looked at");
            while straddling.first < next_leaf {
                let upper = straddling.child(1);
                let lower = straddling.child(0);
                if upper.first <= next_leaf {
                    self.nodes.push(lower);
                    straddling = upper;
                } else {
                    straddling = lower;
                }
            }
        }
        self.nodes.push(root);
        Ok(())
    }

    fn position(&self, leaf: u64) -> Option<usize> {
        let at = self.nodes.partition_point(|node| node.first <= leaf).checked_sub(1)?;
        self.nodes[at].contains(leaf).then_some(at)
    }
}

/// Appends to `kept` the fewest nodes that cover `node` without `dead`, in order.
fn cut_out(node: Node, dead: &[u64], kept: &mut Vec<Node>) {
    if dead.is_empty() {
        kept.push(node);
    } else if dead.len() as u64 != 1 << node.level {
        // A subtree that dies as a whole costs no derivation; `dead` is distinct, so counting is enough.
        let (lower, upper) = (node.child(0), node.child(1));
        drop(node);
        let (below, above) = dead.split_at(dead.partition_point(|&leaf| leaf < upper.first));
        cut_out(lower, below, kept);
        cut_out(upper, above, kept);
    }
}
