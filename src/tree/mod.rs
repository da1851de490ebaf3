//! The live tree: one sparse Merkle tree over leaf numbers, whose signed root says what lives.
//!
//! Its depth is always 40; leaf n is reached by the bits of n, highest first. A leaf is empty, live,
//! superseded or a tombstone, and never empty again once it was set. Hashes are kept in *tiles* that
//! the caller loads and stores as bytes; they are believed only as far as the signed root confirms
//! them. Nothing here knows where a tile lies or who signs. `docs/format-trees.md` fixes the bytes.

mod multiproof;
#[cfg(test)]
mod tests;
mod tile;

use std::sync::LazyLock;

use crate::crypto::{Digest, hash::labelled};

pub use multiproof::{LeafChange, Multiproof, Roots};
pub use tile::TileKey;
use tile::{SLOT_BITS, Tile};

/// The number of levels between a leaf and the root.
pub const DEPTH: u8 = 40;

/// The highest leaf number, 2^40 − 1.
pub const LAST_LEAF: u64 = (1 << DEPTH) - 1;

const NODE: &str = "convault/1/tree/node";

static EMPTY: LazyLock<[Digest; DEPTH as usize + 1]> = LazyLock::new(|| {
    let mut hashes = [labelled("convault/1/tree/empty", &[]); DEPTH as usize + 1];
    for height in 1..hashes.len() {
        hashes[height] = node(&hashes[height - 1], &hashes[height - 1]);
    }
    hashes
});

/// What a tree refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is nothing to change, check or show.
    #[error("no leaves were given")]
    NoLeaves,
    /// Leaf numbers must rise strictly.
    #[error("leaf numbers are not in ascending order")]
    Unsorted,
    /// The tree ends at 2^40.
    #[error("leaf {0} is beyond the tree")]
    OutOfRange(u64),
    /// A leaf that was set cannot become empty.
    #[error("leaf {0} would become empty")]
    Emptied(u64),
    /// A tile is missing, malformed, or not the one the root commits to.
    #[error("damaged tile {0} of the live tree")]
    DamagedTile(TileKey),
    /// The root commits to another hash for this leaf.
    #[error("leaf {0} is not what the live tree says")]
    WrongLeaf(u64),
    /// The bytes or the number of siblings do not make a multiproof.
    #[error("damaged multiproof: {0}")]
    DamagedProof(&'static str),
}

/// The hash of a subtree of this height (0 to 40) in which nothing was ever set.
fn empty(height: u8) -> &'static Digest {
    &EMPTY[usize::from(height)]
}

fn node(left: &Digest, right: &Digest) -> Digest {
    labelled(NODE, &[left, right])
}

/// The leaf that was never set.
pub fn empty_leaf() -> Digest {
    *empty(0)
}

/// The root of a tree in which nothing was ever set.
pub fn empty_root() -> Digest {
    *empty(DEPTH)
}

/// The leaf of a segment that can be read.
///
/// `commitment` is [`EraseShare::commitment`](crate::crypto::EraseShare::commitment).
pub fn live_leaf(segment_id: &[u8; 16], manifest: &Digest, facts: &Digest, commitment: &Digest) -> Digest {
    labelled("convault/1/tree/live", &[segment_id, manifest, facts, commitment])
}

/// The leaf of a segment that a newer version replaced and that is not yet punctured.
pub fn superseded_leaf(live: &Digest) -> Digest {
    labelled("convault/1/tree/superseded", &[live])
}

/// The leaf of a segment whose erase share is gone; `before` is its live or superseded leaf.
pub fn tombstone(before: &Digest) -> Digest {
    labelled("convault/1/tree/tombstone", &[before])
}

/// What a change of leaves comes to. Nothing is stored until the caller stores it.
#[derive(Debug)]
pub struct Update {
    /// The new root.
    pub root: Digest,
    /// The tiles to write, in the order of their keys, each replacing the one before it.
    pub tiles: Vec<(TileKey, Vec<u8>)>,
    /// Shows, without the vault, that these leaves changed so and no other did.
    pub proof: Multiproof,
}

/// Sets leaves (number, new hash; strictly ascending) in the tree that `root` commits to.
///
/// `load` gives the stored bytes of a tile, `None` if there are none. Each tile on the way is loaded
/// once and checked against `root`; tiles in which nothing was ever set are not asked for. The cost
/// is about 255 hashes for each tile that already exists (one for every 256 neighbouring leaves,
/// and at least five) and two for each leaf.
pub fn update<E: From<Error>>(
    root: &Digest,
    load: impl FnMut(TileKey) -> Result<Option<Vec<u8>>, E>,
    changes: &[(u64, Digest)],
) -> Result<Update, E> {
    check_order(changes.iter().map(|change| change.0))?;
    if let Some(&(leaf, _)) = changes.iter().find(|change| change.1 == *empty(0)) {
        return Err(Error::Emptied(leaf).into());
    }
    let mut descent = Descent {
        load,
        tiles: Vec::new(),
        leaves: Vec::with_capacity(changes.len()),
        siblings: std::array::from_fn(|_| Vec::new()),
    };
    let root = descent.set(TileKey::TOP, root, changes)?;
    let Descent { mut tiles, leaves, siblings, .. } = descent;
    tiles.sort_unstable_by_key(|tile| tile.0);
    Ok(Update { root, tiles, proof: Multiproof { leaves, siblings: siblings.concat() } })
}

struct Descent<F> {
    load: F,
    tiles: Vec<(TileKey, Vec<u8>)>,
    leaves: Vec<LeafChange>,
    /// The unchanged siblings of each height; each list fills from left to right.
    siblings: [Vec<Digest>; DEPTH as usize],
}

impl<E: From<Error>, F: FnMut(TileKey) -> Result<Option<Vec<u8>>, E>> Descent<F> {
    /// Applies the changes that lie below the tile whose root should be `expected`; gives its new root.
    fn set(&mut self, key: TileKey, expected: &Digest, changes: &[(u64, Digest)]) -> Result<Digest, E> {
        let mut tile = fetch(&mut self.load, key, expected)?;
        let mut changed = Vec::new();
        for group in changes.chunk_by(|a, b| key.slot_of(a.0) == key.slot_of(b.0)) {
            let slot = key.slot_of(group[0].0);
            let before = *tile.slot(slot);
            let after = match key.child(slot) {
                Some(child) => self.set(child, &before, group)?,
                None => {
                    let (leaf, new) = group[0];
                    self.leaves.push(LeafChange { leaf, old: before, new });
                    new
                }
            };
            tile.set_slot(slot, after);
            changed.push(slot);
        }
        let from = usize::from(key.base_height());
        tile.rehash(changed, &mut self.siblings[from..from + SLOT_BITS as usize]);
        self.tiles.push((key, tile.encode()));
        Ok(*tile.root())
    }
}

/// Checks that the tree under `root` has exactly these hashes at these leaves (strictly ascending).
///
/// Each tile on the way is loaded and hashed once, so a list of all leaves costs about one node
/// hash for each. [`empty_leaf`] checks that a leaf was never set.
pub fn check_leaves<E: From<Error>>(
    root: &Digest,
    mut load: impl FnMut(TileKey) -> Result<Option<Vec<u8>>, E>,
    leaves: &[(u64, Digest)],
) -> Result<(), E> {
    check_order(leaves.iter().map(|leaf| leaf.0))?;
    check_below(TileKey::TOP, root, &mut load, leaves)
}

fn check_below<E: From<Error>>(
    key: TileKey,
    expected: &Digest,
    load: &mut impl FnMut(TileKey) -> Result<Option<Vec<u8>>, E>,
    leaves: &[(u64, Digest)],
) -> Result<(), E> {
    let tile = fetch(load, key, expected)?;
    for group in leaves.chunk_by(|a, b| key.slot_of(a.0) == key.slot_of(b.0)) {
        let found = tile.slot(key.slot_of(group[0].0));
        match key.child(key.slot_of(group[0].0)) {
            Some(child) => check_below(child, found, load, group)?,
            None if *found == group[0].1 => {}
            None => return Err(Error::WrongLeaf(group[0].0).into()),
        }
    }
    Ok(())
}

/// Visits every leaf that was ever set under `root`, in order, with its checked hash.
pub fn for_each_leaf<E: From<Error>>(
    root: &Digest,
    mut load: impl FnMut(TileKey) -> Result<Option<Vec<u8>>, E>,
    mut visit: impl FnMut(u64, &Digest) -> Result<(), E>,
) -> Result<(), E> {
    visit_below(TileKey::TOP, root, &mut load, &mut visit)
}

fn visit_below<E: From<Error>>(
    key: TileKey,
    expected: &Digest,
    load: &mut impl FnMut(TileKey) -> Result<Option<Vec<u8>>, E>,
    visit: &mut impl FnMut(u64, &Digest) -> Result<(), E>,
) -> Result<(), E> {
    let tile = fetch(load, key, expected)?;
    for slot in 0..=u8::MAX {
        let found = tile.slot(slot);
        if found == empty(key.base_height()) {
            continue;
        }
        match key.child(slot) {
            Some(child) => visit_below(child, found, load, visit)?,
            None => visit(key.leaf(slot), found)?,
        }
    }
    Ok(())
}

/// The tile that hashes to `expected`. An empty one needs no bytes, and whatever is stored is no part of the tree.
fn fetch<E: From<Error>>(
    load: &mut impl FnMut(TileKey) -> Result<Option<Vec<u8>>, E>,
    key: TileKey,
    expected: &Digest,
) -> Result<Tile, E> {
    if expected == empty(key.base_height() + SLOT_BITS) {
        return Ok(Tile::empty(key.base_height()));
    }
    let tile = load(key)?.and_then(|bytes| Tile::decode(key.base_height(), &bytes));
    match tile {
        Some(tile) if tile.root() == expected => Ok(tile),
        _ => Err(Error::DamagedTile(key).into()),
    }
}

fn check_order(leaves: impl Iterator<Item = u64>) -> Result<(), Error> {
    let mut before = None;
    for leaf in leaves {
        if leaf > LAST_LEAF {
            return Err(Error::OutOfRange(leaf));
        }
        if before.is_some_and(|before| leaf <= before) {
            return Err(Error::Unsorted);
        }
        before = Some(leaf);
    }
    before.map(|_| ()).ok_or(Error::NoLeaves)
}
