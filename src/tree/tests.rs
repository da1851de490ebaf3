//! The live tree against naive recursion over a map, and the vectors of `docs/format-trees.md`.

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
};

use proptest::prelude::*;

use super::*;
use crate::crypto::hash::sha256;

type Leaves = BTreeMap<u64, Digest>;

/// The hash of the node at `position` on `height`, straight from the definition.
fn naive(leaves: &Leaves, height: u8, position: u64) -> Digest {
    let below = position << height..=(position << height) + ((1 << height) - 1);
    if leaves.range(below).next().is_none() {
        return naive_empty(height);
    }
    match height {
        0 => leaves[&position],
        _ => labelled(
            "convault/1/tree/node",
            &[&naive(leaves, height - 1, 2 * position), &naive(leaves, height - 1, 2 * position + 1)],
        ),
    }
}

fn naive_empty(height: u8) -> Digest {
    (0..height)
        .fold(labelled("convault/1/tree/empty", &[]), |hash, _| labelled("convault/1/tree/node", &[&hash, &hash]))
}

/// The siblings in the order of the specification, from sets of positions.
fn naive_siblings(leaves: &Leaves, changed: impl Iterator<Item = u64>) -> Vec<Digest> {
    let mut siblings = Vec::new();
    let mut paths: BTreeSet<u64> = changed.collect();
    for height in 0..DEPTH {
        let missing = paths.iter().map(|at| at ^ 1).filter(|at| !paths.contains(at));
        siblings.extend(missing.map(|at| naive(leaves, height, at)));
        paths = paths.iter().map(|at| at >> 1).collect();
    }
    siblings
}

/// A store of tiles that counts what is asked of it.
struct Tiles {
    root: Digest,
    rows: BTreeMap<i64, Vec<u8>>,
    loads: Cell<usize>,
}

impl Tiles {
    fn new() -> Self {
        Self { root: empty_root(), rows: BTreeMap::new(), loads: Cell::new(0) }
    }

    fn load(&self, key: TileKey) -> Result<Option<Vec<u8>>, Error> {
        self.loads.set(self.loads.get() + 1);
        Ok(self.rows.get(&key.to_row()).cloned())
    }

    fn update(&mut self, changes: &[(u64, Digest)]) -> Result<Multiproof, Error> {
        let update = update(&self.root, |key| self.load(key), changes)?;
        assert!(update.tiles.is_sorted_by_key(|tile| tile.0));
        self.rows.extend(update.tiles.into_iter().map(|(key, bytes)| (key.to_row(), bytes)));
        self.root = update.root;
        Ok(update.proof)
    }

    fn check(&self, leaves: &[(u64, Digest)]) -> Result<(), Error> {
        check_leaves(&self.root, |key| self.load(key), leaves)
    }

    fn all(&self) -> Result<Vec<(u64, Digest)>, Error> {
        let mut all = Vec::new();
        for_each_leaf(
            &self.root,
            |key| self.load(key),
            |leaf, hash| {
                all.push((leaf, *hash));
                Ok(())
            },
        )?;
        Ok(all)
    }
}

fn some_leaf(number: u64) -> Digest {
    sha256(&[&number.to_be_bytes()])
}

fn leaf_numbers() -> impl Strategy<Value = u64> {
    prop_oneof![3 => 0..20_u64, 2 => 250..262_u64, 1 => 65_530..65_540_u64, 1 => 0..=LAST_LEAF, 1 => Just(LAST_LEAF)]
}

fn batches() -> impl Strategy<Value = Vec<Vec<(u64, Digest)>>> {
    let batch = prop::collection::btree_map(leaf_numbers(), any::<u64>().prop_map(some_leaf), 1..12);
    prop::collection::vec(batch.prop_map(|batch| batch.into_iter().collect()), 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn roots_leaves_and_proofs_are_those_of_the_naive_tree(batches in batches()) {
        let (mut model, mut tiles) = (Leaves::new(), Tiles::new());
        for batch in batches {
            let before = model.clone();
            model.extend(batch.iter().copied());
            let proof = tiles.update(&batch).unwrap();
            prop_assert_eq!(tiles.root, naive(&model, DEPTH, 0));

            let old = |leaf: u64| before.get(&leaf).copied().unwrap_or_else(empty_leaf);
            let leaves: Vec<_> = batch.iter().map(|&(leaf, new)| LeafChange { leaf, old: old(leaf), new }).collect();
            prop_assert_eq!(&proof.leaves, &leaves);
            prop_assert_eq!(&proof.siblings, &naive_siblings(&model, batch.iter().map(|change| change.0)));
            prop_assert_eq!(proof.verify(), Ok(Roots { old: naive(&before, DEPTH, 0), new: tiles.root }));
            prop_assert_eq!(Multiproof::decode(&proof.encode()), Ok(proof));
        }
        let all: Vec<_> = model.clone().into_iter().collect();
        prop_assert_eq!(&tiles.all().unwrap(), &all);
        prop_assert_eq!(tiles.check(&all), Ok(()));
        let absent = (0..300).filter(|leaf| !model.contains_key(leaf)).map(|leaf| (leaf, empty_leaf()));
        prop_assert_eq!(tiles.check(&absent.collect::<Vec<_>>()), Ok(()));
    }

    #[test]
    fn a_changed_tile_or_leaf_is_refused(batches in batches(), at in any::<prop::sample::Index>(), how in 0..3) {
        let mut tiles = Tiles::new();
        for batch in &batches {
            tiles.update(batch).unwrap();
        }
        let mut leaves = tiles.all().unwrap();
        let chosen = at.index(leaves.len());
        leaves[chosen].1[31] ^= 1;
        prop_assert_eq!(tiles.check(&leaves), Err(Error::WrongLeaf(leaves[chosen].0)));
        leaves[chosen].1[31] ^= 1;

        let row = *tiles.rows.keys().nth(at.index(tiles.rows.len())).unwrap();
        let bytes = tiles.rows.get_mut(&row).unwrap();
        let chosen = at.index(bytes.len());
        match how {
            0 => drop(tiles.rows.remove(&row)),
            1 => bytes.truncate(bytes.len() - 32),
            _ => bytes[chosen] ^= 1,
        }
        let damaged = Error::DamagedTile(TileKey::from_row(row).unwrap());
        prop_assert_eq!(tiles.check(&leaves), Err(damaged));
        prop_assert_eq!(tiles.all(), Err(damaged));
        prop_assert_eq!(tiles.update(&leaves), Err(damaged));
    }

    #[test]
    fn a_changed_proof_is_refused_or_leads_elsewhere(
        batches in batches(),
        at in any::<prop::sample::Index>(),
        how in 0..8,
    ) {
        let mut tiles = Tiles::new();
        let proofs: Vec<_> = batches.iter().map(|batch| tiles.update(batch).unwrap()).collect();
        let proof = proofs.last().unwrap();
        let honest = proof.verify().unwrap();
        let mut forged = proof.clone();
        let (leaf, sibling) = (at.index(forged.leaves.len()), at.index(forged.siblings.len()));
        match how {
            0 => forged.siblings[sibling][0] ^= 1,
            1 => forged.siblings.rotate_left(1),
            2 => forged.leaves[leaf].old[0] ^= 1,
            3 => forged.leaves[leaf].new[0] ^= 1,
            4 => forged.leaves[leaf].leaf ^= 1,
            5 => drop(forged.siblings.remove(sibling)),
            6 => forged.siblings.insert(sibling, [0; 32]),
            _ => drop(forged.leaves.remove(leaf)),
        }
        prop_assume!(forged != *proof);
        match (how, forged.verify()) {
            (0 | 1, Ok(roots)) => prop_assert!(roots.old != honest.old && roots.new != honest.new),
            (2, Ok(roots)) => prop_assert!(roots.old != honest.old && roots.new == honest.new),
            (3, Ok(roots)) => prop_assert!(roots.old == honest.old && roots.new != honest.new),
            (5 | 6, result) => prop_assert!(matches!(result, Err(Error::DamagedProof(_)))),
            // Another leaf number, or one leaf less, may need as many siblings by chance.
            (_, result) => prop_assert!(result != Ok(honest)),
        }
    }

    #[test]
    fn arbitrary_proof_bytes_do_not_panic(count in 0..3_u32, tail in prop::collection::vec(any::<u8>(), 0..300)) {
        let bytes = [&count.to_be_bytes(), &tail[..]].concat();
        if let Ok(proof) = Multiproof::decode(&bytes) {
            prop_assert_eq!(&proof.encode(), &bytes);
            prop_assert!(proof.verify().is_err());
        }
    }
}

#[test]
fn what_is_no_change_of_this_tree_is_refused() {
    let mut tiles = Tiles::new();
    let change = |leaf| (leaf, some_leaf(leaf));
    assert_eq!(tiles.update(&[]), Err(Error::NoLeaves));
    assert_eq!(tiles.update(&[change(2), change(1)]), Err(Error::Unsorted));
    assert_eq!(tiles.update(&[change(2), change(2)]), Err(Error::Unsorted));
    assert_eq!(tiles.update(&[change(LAST_LEAF + 1)]), Err(Error::OutOfRange(LAST_LEAF + 1)));
    assert_eq!(tiles.update(&[(3, empty_leaf())]), Err(Error::Emptied(3)));
    let proof = tiles.update(&[change(1), change(2)]).unwrap();
    let with =
        |leaves: &[LeafChange]| Multiproof { leaves: leaves.to_vec(), siblings: proof.siblings.clone() }.verify();
    let [one, two] = proof.leaves[..] else { panic!("two leaves were changed") };
    assert_eq!(with(&[two, one]), Err(Error::Unsorted));
    assert_eq!(with(&[one, one]), Err(Error::Unsorted));
    assert_eq!(with(&[]), Err(Error::NoLeaves));
    assert_eq!(with(&[one, LeafChange { leaf: 1 << 40, ..two }]), Err(Error::OutOfRange(1 << 40)));
    assert_eq!(Multiproof::decode(&[0xff; 100]), Err(Error::DamagedProof("too few leaves")));
}

#[test]
fn tiles_are_loaded_once_and_new_ones_not_at_all() {
    let mut tiles = Tiles::new();
    let batch: Vec<_> = (0..15_000).map(|leaf| (leaf, some_leaf(leaf))).collect();
    let proof = tiles.update(&batch).unwrap();
    assert_eq!(tiles.loads.take(), 0);
    assert_eq!(tiles.rows.len(), 15_000_usize.div_ceil(256) + 4);
    assert!(proof.siblings.len() <= 2 * DEPTH as usize);
    tiles.update(&[(15_000, some_leaf(0))]).unwrap();
    assert_eq!(tiles.loads.take(), 5);
    tiles.check(&batch).unwrap();
    assert_eq!(tiles.loads.take(), tiles.rows.len());
}

#[test]
fn a_tile_has_one_form_only() {
    let mut tiles = Tiles::new();
    tiles.update(&[(0, some_leaf(0)), (2, some_leaf(2))]).unwrap();
    let honest = tiles.rows[&0].clone();
    assert_eq!(honest, [some_leaf(0), empty_leaf(), some_leaf(2)].concat());
    // Each hashes to the same root where it hashes at all, so the form must be looked at.
    let endless = [&honest[..], &empty_leaf().repeat(253), &some_leaf(3)].concat();
    for other in [&[&honest[..], &empty_leaf()].concat()[..], &endless, &[&honest[..], &[0]].concat(), &[]] {
        tiles.rows.insert(0, other.to_vec());
        assert_eq!(tiles.check(&[(0, some_leaf(0))]), Err(Error::DamagedTile(TileKey::from_row(0).unwrap())));
    }
}

#[test]
fn tile_keys_come_back_and_others_are_refused() {
    for (level, index) in [(0, 0), (0, u32::MAX), (1, (1 << 24) - 1), (3, 255), (4, 0)] {
        let row = i64::from(level) << 32 | i64::from(index);
        assert_eq!(TileKey::from_row(row).map(TileKey::to_row), Some(row));
    }
    for row in [-1, i64::MIN, i64::MAX, 4 << 32 | 1, 3 << 32 | 256, 1 << 32 | 1 << 24, 5 << 32, 1 << 62] {
        assert_eq!(TileKey::from_row(row), None, "{row}");
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Computed by other code from the text of `docs/format-trees.md`.
#[test]
fn vectors() {
    assert_eq!(hex(&empty_leaf()), "c92c96ee562117eee99239e42d255c37811b46cef696c8303ba2cffb3247971d");
    assert_eq!(hex(empty(1)), "cc852f08459b7208b62e25e61ff01aafa4c2347de77481b1eeea41a8df06db36");
    assert_eq!(hex(empty(8)), "59251d805018d6e2d61e8c5477d78c9c460aedba961273c3230c757f6480ece4");
    assert_eq!(hex(&empty_root()), "0e7a3837d2144efab8c1cdb6620494bcc214edd8e87ccee8ccf58eb1efbf7685");

    let live = live_leaf(&std::array::from_fn(|at| at as u8), &[0x11; 32], &[0x22; 32], &[0x33; 32]);
    let superseded = superseded_leaf(&live);
    assert_eq!(hex(&live), "f470435fb4a00fc43e3b53fd62fcf0b0529cb9244403478576b19232f0659b95");
    assert_eq!(hex(&superseded), "842f0d87bb7c96aeb45141d352a80dcc95f791c229f9a578eb61216583b74301");
    assert_eq!(hex(&tombstone(&live)), "baea2deca3905fcb4bc18999a1147023e8862195b596938690c116ea4ae7f1d9");
    assert_eq!(hex(&tombstone(&superseded)), "a4661bf493d95c1514951977e296d907fd1ae3aa062962c762c74f08e905c31c");

    let mut tiles = Tiles::new();
    tiles.update(&[(0, live)]).unwrap();
    assert_eq!(hex(&tiles.root), "ea8057cdc36a018a1a811725bfd0bf244910a750cf7eb6b71da22a20f616105e");
    tiles.update(&[(1, superseded), (5, live), (LAST_LEAF, live)]).unwrap();
    assert_eq!(hex(&tiles.root), "e8f81dd87596e95c2b999e090dc40bad4c2ffef4361eebc0b9778e110803b8f5");
    assert_eq!(tiles.rows[&0].len(), 192);
    assert_eq!(hex(&sha256(&[&tiles.rows[&0]])), "88ca9768c72f718fc5e4fcec8c3e9dd775133ed63b8adae96736be2475c16dc3");
    let top = &tiles.rows[&(4 << 32)];
    assert_eq!(hex(&top[..32]), "bc9ec4da139bf06c954f876371443087d194db18f321af275ab395b398c67977");
    assert_eq!(hex(&top[32..64]), "d7687dbb97643e65fa81e93c6a91fee76b3e5c2cd0fb06403e9494a5de6026c4");
    assert_eq!(hex(&top[255 * 32..]), "82829bbef5b64825141f6dea4c2e4de30c1fcf91e0c68bafb74c63e306f247cc");

    let proof = tiles.update(&[(1, tombstone(&superseded)), (5, tombstone(&live))]).unwrap();
    assert_eq!(hex(&tiles.root), "a70fc112172714e88ed02fe0472e3a440523781b39e414653008483ff075fa5d");
    assert_eq!(proof.siblings.len(), 41);
    assert_eq!(
        hex(&sha256(&[proof.siblings.as_flattened()])),
        "38aaad5f978b5b1da97cadc27c277929761d238f2ed8247c736753b151fc54b7"
    );
    assert_eq!(hex(&sha256(&[&proof.encode()])), "832fc8f1177b7c280c07fba28462663e272106c22cfdf21d3f3319d2025b6c12");
}
