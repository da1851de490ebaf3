//! A tile: the 256 hashes of one height below one node, eight levels of the tree in one row.

use std::fmt;

use super::{DEPTH, empty, node};
use crate::crypto::Digest;

/// The levels of the tree that one tile spans.
pub(super) const SLOT_BITS: u8 = 8;
const SLOTS: usize = 1 << SLOT_BITS;
/// The slots and all nodes above them, the tile's root last.
const NODES: usize = 2 * SLOTS - 1;
const LEVELS: u8 = DEPTH / SLOT_BITS;

/// Names a tile: its level L (0 to 4) and, of the nodes of height 8·(L+1), which one it lies below.
///
/// Level 0 holds leaves; the one tile of level 4 hashes to the root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TileKey {
    level: u8,
    index: u32,
}

impl TileKey {
    pub(super) const TOP: Self = Self { level: LEVELS - 1, index: 0 };

    /// The tile as an integer key: `level · 2^32 + index`.
    pub fn to_row(self) -> i64 {
        i64::from(self.level) << 32 | i64::from(self.index)
    }

    /// Reads [`TileKey::to_row`]; `None` for a number that names no tile.
    pub fn from_row(row: i64) -> Option<Self> {
        let key = Self { level: u8::try_from(row >> 32).ok()?, index: row as u32 };
        let tiles = 1_u64.checked_shl(u32::from(DEPTH - SLOT_BITS).checked_sub(u32::from(key.level) * 8)?)?;
        (key.level < LEVELS && u64::from(key.index) < tiles).then_some(key)
    }

    /// The height of the tile's slots above the leaves.
    pub(super) fn base_height(self) -> u8 {
        self.level * SLOT_BITS
    }

    /// The slot on the way to `leaf`, which must lie below this tile.
    pub(super) fn slot_of(self, leaf: u64) -> u8 {
        (leaf >> self.base_height()) as u8
    }

    /// The leaf in a slot of a level 0 tile.
    pub(super) fn leaf(self, slot: u8) -> u64 {
        u64::from(self.index) << SLOT_BITS | u64::from(slot)
    }

    /// The tile below a slot; `None` if the slots are leaves.
    pub(super) fn child(self, slot: u8) -> Option<Self> {
        let level = self.level.checked_sub(1)?;
        // Level 0 indexes have 32 bits, so those of the levels above have eight to spare for each.
        Some(Self { level, index: self.index << SLOT_BITS | u32::from(slot) })
    }
}

impl fmt::Display for TileKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.level, self.index)
    }
}

/// A tile with every node in it, so that a few changed slots cost eight hashes each and not 255.
pub(super) struct Tile {
    base_height: u8,
    nodes: Box<[Digest; NODES]>,
}

/// Where the nodes `height` above the slots begin.
fn offset(height: u8) -> usize {
    2 * SLOTS - ((2 * SLOTS) >> height)
}

impl Tile {
    pub(super) fn empty(base_height: u8) -> Self {
        let mut nodes = Box::new([[0; 32]; NODES]);
        for height in 0..=SLOT_BITS {
            nodes[offset(height)..offset(height + 1)].fill(*empty(base_height + height));
        }
        Self { base_height, nodes }
    }

    /// Reads [`Tile::encode`]; `None` unless it is what that would write.
    pub(super) fn decode(base_height: u8, bytes: &[u8]) -> Option<Self> {
        let (slots, rest) = bytes.as_chunks::<32>();
        if !rest.is_empty() || slots.len() > SLOTS || slots.last()? == empty(base_height) {
            return None;
        }
        let mut tile = Self::empty(base_height);
        tile.nodes[..slots.len()].copy_from_slice(slots);
        let mut filled = slots.len();
        for height in 1..=SLOT_BITS {
            filled = filled.div_ceil(2);
            for at in 0..filled {
                tile.join(height, at);
            }
        }
        Some(tile)
    }

    /// The slots in order, without the empty ones at the end.
    pub(super) fn encode(&self) -> Vec<u8> {
        let slots = &self.nodes[..SLOTS];
        let used = slots.iter().rposition(|slot| slot != empty(self.base_height)).map_or(0, |last| last + 1);
        slots[..used].as_flattened().to_vec()
    }

    pub(super) fn root(&self) -> &Digest {
        &self.nodes[NODES - 1]
    }

    pub(super) fn slot(&self, slot: u8) -> &Digest {
        &self.nodes[usize::from(slot)]
    }

    /// Sets a slot; the nodes above are stale until [`Tile::rehash`].
    pub(super) fn set_slot(&mut self, slot: u8, hash: Digest) {
        self.nodes[usize::from(slot)] = hash;
    }

    /// Recomputes the nodes above the `changed` slots (ascending, distinct), and appends to
    /// `siblings`, one list for each height, the hashes beside their paths that did not change.
    pub(super) fn rehash(&mut self, changed: Vec<u8>, siblings: &mut [Vec<Digest>]) {
        let mut paths: Vec<usize> = changed.into_iter().map(usize::from).collect();
        for (height, siblings) in (0..SLOT_BITS).zip(siblings) {
            let level = &self.nodes[offset(height)..];
            for pair in paths.chunk_by(|a, b| a >> 1 == b >> 1) {
                if let [alone] = pair {
                    siblings.push(level[alone ^ 1]);
                }
            }
            paths.iter_mut().for_each(|at| *at >>= 1);
            paths.dedup();
            for &at in &paths {
                self.join(height + 1, at);
            }
        }
    }

    fn join(&mut self, height: u8, at: usize) {
        let below = offset(height - 1) + 2 * at;
        self.nodes[offset(height) + at] = node(&self.nodes[below], &self.nodes[below + 1]);
    }
}
