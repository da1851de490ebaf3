//! The Merkle tree of the audit log (RFC 6962 §2.1, RFC 9162 §2.1): roots, right edge, proofs.
//!
//! Pure functions over leaf hashes; what an entry says, and who signed it, is not known here.

use crate::crypto::{Digest, hash::sha256};

/// What a log tree refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes are not a right edge.
    #[error("damaged log edge: {0}")]
    Damaged(&'static str),
    /// The entry or the older size lies outside the tree.
    #[error("entry {asked} is not in a log of {size} entries")]
    OutOfRange {
        /// What was asked for.
        asked: u64,
        /// The entries there are.
        size: u64,
    },
    /// The proof does not lead to the root it was checked against.
    #[error("the proof does not match the log's root")]
    Refused,
}

/// The hash of one entry: SHA-256(0x00 ‖ entry).
pub fn leaf_hash(entry: &[u8]) -> Digest {
    sha256(&[&[0], entry])
}

fn node_hash(left: &Digest, right: &Digest) -> Digest {
    sha256(&[&[1], left, right])
}

/// The root over all leaf hashes; for no entries SHA-256 of nothing.
pub fn root_of(leaves: &[Digest]) -> Digest {
    let mut edge = RightEdge::new();
    for leaf in leaves {
        edge.append(leaf);
    }
    edge.root()
}

/// Everything needed to extend a log without its entries: its size and its complete subtrees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RightEdge {
    size: u64,
    /// One for each bit set in `size`, the largest subtree (the oldest entries) first.
    subtrees: Vec<Digest>,
}

impl RightEdge {
    /// The edge of a log with no entries.
    #[expect(clippy::new_without_default, reason = "a log is started on purpose")]
    pub fn new() -> Self {
        Self { size: 0, subtrees: Vec::new() }
    }

    /// The number of entries.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds the next entry's [`leaf_hash`].
    pub fn append(&mut self, leaf: &Digest) {
        let mut hash = *leaf;
        for _ in 0..self.size.trailing_ones() {
            let left = self.subtrees.pop().expect("there is one subtree for each bit set in the size");
            hash = node_hash(&left, &hash);
        }
        self.subtrees.push(hash);
        self.size += 1;
    }

    /// The root of the log.
    pub fn root(&self) -> Digest {
        let joined = self.subtrees.iter().rev().copied().reduce(|right, left| node_hash(&left, &right));
        joined.unwrap_or_else(|| sha256(&[]))
    }

    /// Encodes as `size u64 ‖ one 32-byte hash for each bit set in size`, largest subtree first.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = self.size.to_be_bytes().to_vec();
        bytes.extend_from_slice(self.subtrees.as_flattened());
        bytes
    }

    /// Reads what [`RightEdge::encode`] wrote. Sizes from 2^63 on are refused, as C2SP checkpoints do.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let (size, body) = bytes.split_first_chunk().ok_or(Error::Damaged("no size"))?;
        let size = u64::from_be_bytes(*size);
        if size >> 63 != 0 {
            return Err(Error::Damaged("the size is out of range"));
        }
        let (subtrees, rest) = body.as_chunks::<32>();
        if !rest.is_empty() || subtrees.len() != size.count_ones() as usize {
            return Err(Error::Damaged("the number of hashes does not match the size"));
        }
        Ok(Self { size, subtrees: subtrees.to_vec() })
    }
}

/// The largest power of two below `size`, which must be at least 2: where RFC 6962 splits a tree.
fn split(size: u64) -> u64 {
    1 << (u64::BITS - 1 - (size - 1).leading_zeros())
}

/// Shows that entry `index` is in the log over `leaves` (RFC 9162 §2.1.3.1); sibling of the leaf first.
pub fn inclusion_proof(leaves: &[Digest], index: u64) -> Result<Vec<Digest>, Error> {
    if index >= leaves.len() as u64 {
        return Err(Error::OutOfRange { asked: index, size: leaves.len() as u64 });
    }
    let (mut proof, mut tree, mut index) = (Vec::new(), leaves, index as usize);
    while tree.len() > 1 {
        let (left, right) = tree.split_at(split(tree.len() as u64) as usize);
        if index < left.len() {
            proof.push(root_of(right));
            tree = left;
        } else {
            proof.push(root_of(left));
            index -= left.len();
            tree = right;
        }
    }
    proof.reverse();
    Ok(proof)
}

/// Checks that `leaf` is entry `index` of the log of `size` entries with this root (RFC 9162 §2.1.3.2).
pub fn verify_inclusion(root: &Digest, size: u64, index: u64, leaf: &Digest, proof: &[Digest]) -> Result<(), Error> {
    if index >= size {
        return Err(Error::OutOfRange { asked: index, size });
    }
    let (mut at, mut last, mut hash) = (index, size - 1, *leaf);
    for sibling in proof {
        if last == 0 {
            return Err(Error::Refused);
        }
        if at & 1 == 1 || at == last {
            hash = node_hash(sibling, &hash);
            while at & 1 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    if last == 0 && hash == *root { Ok(()) } else { Err(Error::Refused) }
}

/// Shows that the log's first `old_size` entries are still its beginning (RFC 9162 §2.1.4.1).
///
/// Empty when `old_size` is 0 or all of them.
pub fn consistency_proof(leaves: &[Digest], old_size: u64) -> Result<Vec<Digest>, Error> {
    if old_size > leaves.len() as u64 {
        return Err(Error::OutOfRange { asked: old_size, size: leaves.len() as u64 });
    }
    let (mut proof, mut tree, mut old) = (Vec::new(), leaves, old_size as usize);
    if old == 0 {
        return Ok(proof);
    }
    // Only while every cut went left is the older root itself known to the verifier.
    let mut is_old_root = true;
    while old < tree.len() {
        let (left, right) = tree.split_at(split(tree.len() as u64) as usize);
        if old <= left.len() {
            proof.push(root_of(right));
            tree = left;
        } else {
            proof.push(root_of(left));
            old -= left.len();
            tree = right;
            is_old_root = false;
        }
    }
    if !is_old_root {
        proof.push(root_of(tree));
    }
    proof.reverse();
    Ok(proof)
}

/// Checks that the log with `root` continues the one with `old_root` (RFC 9162 §2.1.4.2).
///
/// Every log continues the empty one, whose root must then be the empty root.
pub fn verify_consistency(
    old_size: u64,
    old_root: &Digest,
    size: u64,
    root: &Digest,
    proof: &[Digest],
) -> Result<(), Error> {
    if old_size > size {
        return Err(Error::OutOfRange { asked: old_size, size });
    }
    if old_size == size || old_size == 0 {
        let begins = old_size > 0 || *old_root == sha256(&[]);
        let stays = old_size < size || old_root == root;
        return if proof.is_empty() && begins && stays { Ok(()) } else { Err(Error::Refused) };
    }
    let mut hashes = proof.iter();
    // A complete older tree is a subtree of the newer one and is not repeated in the proof.
    let start = if old_size.is_power_of_two() { Some(old_root) } else { hashes.next() };
    let start = *start.ok_or(Error::Refused)?;
    let shift = (old_size - 1).trailing_ones();
    let (mut at, mut last) = ((old_size - 1) >> shift, (size - 1) >> shift);
    let (mut older, mut newer) = (start, start);
    for sibling in hashes {
        if last == 0 {
            return Err(Error::Refused);
        }
        if at & 1 == 1 || at == last {
            older = node_hash(sibling, &older);
            newer = node_hash(sibling, &newer);
            while at & 1 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            newer = node_hash(&newer, sibling);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    if last == 0 && older == *old_root && newer == *root { Ok(()) } else { Err(Error::Refused) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// RFC 6962 §2.1 as it is written.
    fn naive_root(leaves: &[Digest]) -> Digest {
        match leaves {
            [] => sha256(&[]),
            [leaf] => *leaf,
            _ => {
                let mut half = 1;
                while half * 2 < leaves.len() {
                    half *= 2;
                }
                node_hash(&naive_root(&leaves[..half]), &naive_root(&leaves[half..]))
            }
        }
    }

    fn leaves(count: usize) -> Vec<Digest> {
        (0..count).map(|entry| leaf_hash(&entry.to_be_bytes())).collect()
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The eight entries that Certificate Transparency implementations test with.
    fn known_leaves() -> Vec<Digest> {
        let entries: [&[u8]; 8] = [
            b"",
            b"\x00",
            b"\x10",
            b"\x20\x21",
            b"\x30\x31",
            b"\x40\x41\x42\x43",
            b"\x50\x51\x52\x53\x54\x55\x56\x57",
            b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
        ];
        entries.map(leaf_hash).to_vec()
    }

    #[test]
    fn known_roots_and_proofs() {
        let roots = [
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ];
        let known = known_leaves();
        for (size, root) in roots.into_iter().enumerate() {
            assert_eq!(hex(&root_of(&known[..size])), root);
        }
        let mut edge = RightEdge::new();
        known[..7].iter().for_each(|leaf| edge.append(leaf));
        assert_eq!(
            hex(&edge.encode()),
            concat!(
                "0000000000000007",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
                "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f"
            )
        );
        let texts = |proof: Vec<Digest>| proof.iter().map(|hash| hex(hash)).collect::<Vec<_>>();
        assert_eq!(
            texts(inclusion_proof(&known[..7], 4).unwrap()),
            [
                "4271a26be0d8a84f0bd54c8c302e7cb3a3b5d1fa6780a40bcce2873477dab658",
                "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"
            ]
        );
        assert_eq!(
            texts(consistency_proof(&known, 6).unwrap()),
            [
                "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"
            ]
        );
    }

    #[test]
    fn every_small_proof_verifies_and_leads_to_no_other_root() {
        let all = leaves(20);
        for size in 1..=20_u64 {
            let (tree, root) = (&all[..size as usize], naive_root(&all[..size as usize]));
            for index in 0..size {
                let (leaf, proof) = (&all[index as usize], inclusion_proof(tree, index).unwrap());
                verify_inclusion(&root, size, index, leaf, &proof).unwrap();
                for other in (0..size).filter(|&other| other != index) {
                    assert!(verify_inclusion(&root, size, other, leaf, &proof).is_err());
                }
            }
            for old_size in 0..=size {
                let (old, proof) = (naive_root(&all[..old_size as usize]), consistency_proof(tree, old_size).unwrap());
                verify_consistency(old_size, &old, size, &root, &proof).unwrap();
                assert!(verify_consistency(old_size, &[7; 32], size, &root, &proof).is_err());
                if old_size > 0 {
                    assert!(verify_consistency(old_size, &old, size, &[7; 32], &proof).is_err());
                }
            }
        }
    }

    #[test]
    fn what_lies_outside_the_log_is_refused() {
        let outside = Err(Error::OutOfRange { asked: 3, size: 2 });
        assert_eq!(inclusion_proof(&leaves(3), 3).unwrap_err(), Error::OutOfRange { asked: 3, size: 3 });
        assert_eq!(consistency_proof(&leaves(2), 3).map(drop), outside);
        assert_eq!(verify_inclusion(&[0; 32], 2, 3, &[0; 32], &[]), outside);
        assert_eq!(verify_consistency(3, &[0; 32], 2, &[0; 32], &[]), outside);
        assert_eq!(verify_consistency(0, &root_of(&[]), 0, &root_of(&[]), &[]), Ok(()));
        assert_eq!(verify_consistency(0, &root_of(&[]), 0, &[7; 32], &[]), Err(Error::Refused));
        assert_eq!(verify_consistency(0, &root_of(&[]), 2, &[7; 32], &[[0; 32]]), Err(Error::Refused));
        // Sizes and proofs that no log has, from an untrusted receipt.
        let endless = [[0; 32]; 70];
        assert_eq!(verify_inclusion(&[0; 32], u64::MAX, u64::MAX - 1, &[0; 32], &endless), Err(Error::Refused));
        assert_eq!(verify_consistency(u64::MAX - 1, &[0; 32], u64::MAX, &[0; 32], &endless), Err(Error::Refused));
        assert_eq!(verify_consistency(1 << 63, &[0; 32], u64::MAX, &[0; 32], &endless), Err(Error::Refused));
    }

    #[test]
    fn damaged_edges_are_refused() {
        let mut edge = RightEdge::new();
        leaves(6).iter().for_each(|leaf| edge.append(leaf));
        let bytes = edge.encode();
        assert_eq!(RightEdge::decode(&bytes), Ok(edge));
        for wrong in [&bytes[..7], &bytes[..40], &bytes[..71], &[&bytes[..], &[0; 32]].concat(), &[0xff; 8 + 64 * 32]] {
            assert!(RightEdge::decode(wrong).is_err());
        }
        let mut other_size = bytes;
        other_size[7] = 7;
        assert!(RightEdge::decode(&other_size).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_edge_grows_to_the_naive_root(size in 0..300_usize, more in 0..40_usize) {
            let all = leaves(size + more);
            let mut edge = RightEdge::new();
            all[..size].iter().for_each(|leaf| edge.append(leaf));
            prop_assert_eq!(edge.root(), naive_root(&all[..size]));
            let mut edge = RightEdge::decode(&edge.encode()).unwrap();
            all[size..].iter().for_each(|leaf| edge.append(leaf));
            prop_assert_eq!(edge.size(), all.len() as u64);
            prop_assert_eq!(edge.root(), naive_root(&all));
        }

        #[test]
        fn a_changed_proof_is_refused(
            size in 2..300_u64,
            (a, b, at) in any::<(prop::sample::Index, prop::sample::Index, prop::sample::Index)>(),
            tampering in 0..3,
        ) {
            let all = leaves(size as usize);
            let root = naive_root(&all);
            let tamper = |mut proof: Vec<Digest>| {
                let chosen = at.index(proof.len());
                match tampering {
                    0 => proof[chosen][0] ^= 1,
                    1 => drop(proof.remove(chosen)),
                    _ => proof.insert(at.index(proof.len() + 1), [9; 32]),
                }
                proof
            };
            // A root does not tell its size, but a proof is as long as the tree is high.
            let higher = 2 * size.next_power_of_two();
            let index = a.index(size as usize) as u64;
            let proof = inclusion_proof(&all, index).unwrap();
            prop_assert_eq!(verify_inclusion(&root, size, index, &all[index as usize], &proof), Ok(()));
            prop_assert!(verify_inclusion(&root, higher, index, &all[index as usize], &proof).is_err());
            prop_assert!(verify_inclusion(&root, size, index, &all[index as usize], &tamper(proof)).is_err());

            let old_size = 1 + b.index(size as usize - 1) as u64;
            let old_root = naive_root(&all[..old_size as usize]);
            let proof = consistency_proof(&all, old_size).unwrap();
            prop_assert_eq!(verify_consistency(old_size, &old_root, size, &root, &proof), Ok(()));
            prop_assert!(verify_consistency(old_size, &old_root, higher, &root, &proof).is_err());
            prop_assert!(verify_consistency(old_size, &old_root, size, &root, &tamper(proof)).is_err());
        }
    }
}
