//! A multiproof: shows to someone without the vault which leaves changed, and that no other did.

use super::{DEPTH, Error, check_order, node};
use crate::crypto::Digest;

/// Bytes of the count, and of one leaf: number, old and new hash.
const COUNT_LEN: usize = 4;
const LEAF_LEN: usize = 8 + 32 + 32;

/// One leaf before and after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeafChange {
    /// The leaf number.
    pub leaf: u64,
    /// Its hash under the old root.
    pub old: Digest,
    /// Its hash under the new root; the same as `old` where a leaf is only shown.
    pub new: Digest,
}

/// The roots that a multiproof leads to; it means nothing until they are compared with signed ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Roots {
    /// The root before the change.
    pub old: Digest,
    /// The root after it.
    pub new: Digest,
}

/// Leaves before and after, and the hashes that are the same under both roots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Multiproof {
    /// The leaves, strictly ascending.
    pub leaves: Vec<LeafChange>,
    /// For each height from 0 to 39 and on it from left to right: the sibling of every node above
    /// (or equal to) a leaf of `leaves`, where that sibling is not itself such a node.
    pub siblings: Vec<Digest>,
}

impl Multiproof {
    /// Recomputes both roots from the same siblings, so that only the listed leaves can differ.
    pub fn verify(&self) -> Result<Roots, Error> {
        check_order(self.leaves.iter().map(|change| change.leaf))?;
        let mut siblings = self.siblings.iter();
        // `leaf` serves as the position on the height reached.
        let mut level = self.leaves.clone();
        for _ in 0..DEPTH {
            let mut above = Vec::with_capacity(level.len().div_ceil(2));
            for pair in level.chunk_by(|a, b| a.leaf >> 1 == b.leaf >> 1) {
                let (left, right) = match *pair {
                    [left, right] => (left, right),
                    _ => {
                        let (alone, &hash) = (pair[0], siblings.next().ok_or(Error::DamagedProof("too few siblings"))?);
                        let sibling = LeafChange { leaf: alone.leaf ^ 1, old: hash, new: hash };
                        if alone.leaf & 1 == 0 { (alone, sibling) } else { (sibling, alone) }
                    }
                };
                let (old, new) = (node(&left.old, &right.old), node(&left.new, &right.new));
                above.push(LeafChange { leaf: left.leaf >> 1, old, new });
            }
            level = above;
        }
        if siblings.next().is_some() {
            return Err(Error::DamagedProof("too many siblings"));
        }
        // `check_order` has refused the empty proof, and all paths have met.
        let top = level.first().ok_or(Error::NoLeaves)?;
        Ok(Roots { old: top.old, new: top.new })
    }

    /// Encodes as `count u32 ‖ count × (leaf u64 ‖ old 32 ‖ new 32) ‖ siblings, 32 each`, big-endian.
    pub fn encode(&self) -> Vec<u8> {
        let count = u32::try_from(self.leaves.len()).expect("2^32 leaves would take 300 GB in memory");
        let mut bytes =
            Vec::with_capacity(COUNT_LEN + LEAF_LEN * self.leaves.len() + self.siblings.as_flattened().len());
        bytes.extend_from_slice(&count.to_be_bytes());
        for change in &self.leaves {
            bytes.extend_from_slice(&change.leaf.to_be_bytes());
            bytes.extend_from_slice(&change.old);
            bytes.extend_from_slice(&change.new);
        }
        bytes.extend_from_slice(self.siblings.as_flattened());
        bytes
    }

    /// Reads the shape of [`Multiproof::encode`]; only [`Multiproof::verify`] judges what it says.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let (count, body) = bytes.split_first_chunk::<COUNT_LEN>().ok_or(Error::DamagedProof("no leaf count"))?;
        let length = usize::try_from(u32::from_be_bytes(*count)).ok().and_then(|count| count.checked_mul(LEAF_LEN));
        let (leaves, siblings) =
            length.and_then(|length| body.split_at_checked(length)).ok_or(Error::DamagedProof("too few leaves"))?;
        let (siblings, rest) = siblings.as_chunks::<32>();
        if !rest.is_empty() {
            return Err(Error::DamagedProof("a sibling is cut short"));
        }
        let leaves = leaves.as_chunks::<LEAF_LEN>().0.iter().map(decode_leaf).collect();
        Ok(Self { leaves, siblings: siblings.to_vec() })
    }
}

fn decode_leaf(record: &[u8; LEAF_LEN]) -> LeafChange {
    let mut change = LeafChange { leaf: 0, old: [0; 32], new: [0; 32] };
    let (leaf, hashes) = record.split_at(8);
    change.leaf = leaf.iter().fold(0, |number, &byte| number << 8 | u64::from(byte));
    change.old.copy_from_slice(&hashes[..32]);
    change.new.copy_from_slice(&hashes[32..]);
    change
}
