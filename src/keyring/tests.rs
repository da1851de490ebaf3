//! The keyring against a model that keeps every root seed and every dead leaf in the open.

use std::collections::{BTreeSet, HashSet};

use proptest::prelude::*;

use super::*;

/// HMAC down from a root, without any of the code under test: the seeds of levels 40 to 0.
fn seeds_to(root: &[u8; 32], relative: u64) -> Vec<[u8; 32]> {
    let mut seeds = vec![*root];
    for level in (0..ROOT_LEVEL).rev() {
        let mut seed = [0; 32];
        hmac_into(seeds.last().unwrap(), &[&[(relative >> level & 1) as u8]], &mut seed);
        seeds.push(seed);
    }
    seeds
}

fn share_of(leaf_seed: &[u8; 32]) -> [u8; 32] {
    let mut share = [0; 32];
    hmac_into(leaf_seed, &[b"convault/1/erase-share"], &mut share);
    share
}

fn frontier_of(nodes: &[(u64, u8, [u8; 32])]) -> Frontier {
    let node = |&(first, level, ref seed): &(u64, u8, [u8; 32])| Node {
        first,
        level,
        seed: Secret::fill_with(|out| *out = *seed),
    };
    Frontier { nodes: nodes.iter().map(node).collect() }
}

fn copy(frontier: &Frontier) -> Frontier {
    Frontier::decode(&frontier.encode()).unwrap()
}

fn exposed(share: Option<EraseShare>) -> Option<[u8; 32]> {
    share.map(|share| *share.expose())
}

#[derive(Debug, Clone)]
enum Op {
    Allocate(u64),
    Puncture(Vec<prop::sample::Index>),
    PunctureOldest(usize),
    Rotate,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        3 => (1..12_u64).prop_map(Op::Allocate),
        3 => prop::collection::vec(any::<prop::sample::Index>(), 1..6).prop_map(Op::Puncture),
        1 => (1..20_usize).prop_map(Op::PunctureOldest),
        1 => Just(Op::Rotate),
    ];
    prop::collection::vec(op, 1..16)
}

/// Small numbers, the edges of a tree, and the very last place a tree fits.
fn bases() -> impl Strategy<Value = u64> {
    let last = u64::MAX - (1 << ROOT_LEVEL) - 4096;
    prop_oneof![Just(0), 0..5000_u64, Just((1 << 40) - 3), Just(last), 0..last]
}

struct Model {
    frontier: Frontier,
    /// First leaf and root seed of every tree ever planted.
    planted: Vec<(u64, [u8; 32])>,
    live: BTreeSet<u64>,
    dead: BTreeSet<u64>,
    next: u64,
}

impl Model {
    fn new(base: u64) -> Self {
        let mut frontier = Frontier { nodes: Vec::new() };
        frontier.rotate(base).unwrap();
        let mut model =
            Self { frontier, planted: Vec::new(), live: BTreeSet::new(), dead: BTreeSet::new(), next: base };
        model.remember_root();
        model
    }

    fn remember_root(&mut self) {
        let root = self.frontier.nodes.last().unwrap();
        assert_eq!((root.first, root.level), (self.next, ROOT_LEVEL));
        self.planted.push((root.first, *root.seed.expose()));
    }

    fn apply(&mut self, op: &Op) {
        let doomed: BTreeSet<u64> = match op {
            Op::Allocate(count) => {
                self.live.extend(self.next..self.next + count);
                self.next += count;
                return;
            }
            Op::Rotate => {
                self.frontier.rotate(self.next).unwrap();
                return self.remember_root();
            }
            Op::Puncture(picks) if !self.live.is_empty() => {
                let live: Vec<u64> = self.live.iter().copied().collect();
                picks.iter().map(|pick| *pick.get(&live)).collect()
            }
            Op::Puncture(_) => return,
            Op::PunctureOldest(count) => self.live.iter().take(*count).copied().collect(),
        };
        let leaves: Vec<u64> = doomed.iter().copied().collect();
        if let [leaf] = leaves[..] {
            self.frontier.puncture(leaf).unwrap();
        } else {
            self.frontier.puncture_all(&leaves).unwrap();
        }
        self.live.retain(|leaf| !doomed.contains(leaf));
        self.dead.extend(doomed);
    }

    /// The tree a leaf was taken from: the last one planted at or before it.
    fn root_of(&self, leaf: u64) -> (u64, [u8; 32]) {
        *self.planted.iter().rfind(|planted| planted.0 <= leaf).unwrap()
    }

    fn share(&self, leaf: u64) -> [u8; 32] {
        let (first, root) = self.root_of(leaf);
        share_of(seeds_to(&root, leaf - first).last().unwrap())
    }

    fn minimal_node_count(&self) -> usize {
        let mut count = 0;
        for (at, &(first, _)) in self.planted.iter().enumerate() {
            let end = self.planted.get(at + 1).map_or(u128::MAX, |next| u128::from(next.0));
            count += self.minimal_cover(u128::from(first), ROOT_LEVEL, end);
        }
        count
    }

    fn minimal_cover(&self, first: u128, level: u8, end: u128) -> usize {
        let last = first + (1 << level) - 1;
        if first >= end {
            return 0;
        }
        let dead = self.dead.range(first as u64..=last as u64).next().is_some();
        match (dead || last >= end, level) {
            (false, _) => 1,
            (true, 0) => 0,
            (true, _) => {
                self.minimal_cover(first, level - 1, end)
                    + self.minimal_cover(first + (1 << (level - 1)), level - 1, end)
            }
        }
    }

    fn assert_holds(&self) {
        let kept: HashSet<[u8; 32]> = self.frontier.nodes.iter().map(|node| *node.seed.expose()).collect();
        for &leaf in &self.dead {
            let (first, root) = self.root_of(leaf);
            assert!(!self.frontier.covers(leaf) && self.frontier.erase_share(leaf).is_none());
            assert!(self.frontier.nodes.iter().all(|node| leaf < node.first || node.last() < leaf));
            assert!(seeds_to(&root, leaf - first).iter().all(|seed| !kept.contains(seed)), "an ancestor of {leaf}");
        }
        for pair in self.planted.windows(2) {
            let ((first, root), (cut, _)) = (pair[0], pair[1]);
            assert!(seeds_to(&root, cut - first).iter().all(|seed| !kept.contains(seed)), "an ancestor of cut {cut}");
        }
        for &leaf in self.live.iter().chain([&self.next]) {
            assert_eq!(exposed(self.frontier.erase_share(leaf)), Some(self.share(leaf)));
        }
        assert_eq!(self.frontier.node_count(), self.minimal_node_count());
        assert!(self.frontier.node_count() <= self.live.len() + usize::from(ROOT_LEVEL) + 1);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn dead_leaves_are_underivable_live_ones_unchanged_and_the_frontier_minimal(base in bases(), ops in ops()) {
        let mut model = Model::new(base);
        ops.iter().for_each(|op| model.apply(op));
        model.assert_holds();
        // Once rotated, a node is never there for leaves to come: one for each live segment at most.
        model.apply(&Op::Rotate);
        model.assert_holds();
        prop_assert!(model.frontier.node_count() <= model.live.len() + 1);
    }

    #[test]
    fn the_bytes_come_back_and_only_as_they_were(base in bases(), ops in ops(), at in any::<prop::sample::Index>()) {
        let mut model = Model::new(base);
        ops.iter().for_each(|op| model.apply(op));
        let bytes = model.frontier.encode();
        prop_assert_eq!(bytes.len(), 4 + 41 * model.frontier.node_count());
        prop_assert_eq!(&*copy(&model.frontier).encode(), &*bytes);
        prop_assert!(Frontier::decode(&bytes[..at.index(bytes.len())]).is_err());
        prop_assert!(Frontier::decode(&[&bytes[..], &[0]].concat()).is_err());
    }

    #[test]
    fn arbitrary_bytes_do_not_panic_and_what_is_read_is_canonical(
        count in 0..4_u32,
        mut bytes in prop::collection::vec(prop_oneof![Just(0_u8), Just(1), Just(40), any::<u8>()], 0..170),
    ) {
        if let Some(head) = bytes.first_chunk_mut() {
            *head = count.to_be_bytes();
        }
        if let Ok(frontier) = Frontier::decode(&bytes) {
            prop_assert_eq!(&*frontier.encode(), &bytes);
        }
    }

    #[test]
    fn a_walker_gives_what_single_derivations_give(base in bases(), ops in ops(), picks in prop::collection::vec(0..80_u64, 40)) {
        let mut model = Model::new(base);
        ops.iter().for_each(|op| model.apply(op));
        let mut walker = model.frontier.walker();
        // In order, then anyhow, from before the first leaf to far into the open part.
        for leaf in (0..90).chain(picks).map(|step| base.saturating_sub(5) + step).chain([base + (1 << 39)]) {
            prop_assert_eq!(exposed(walker.erase_share(leaf)), exposed(model.frontier.erase_share(leaf)));
        }
    }

    #[test]
    fn an_old_copy_says_nothing_about_leaves_after_a_rotation(base in bases(), before in ops(), steps in 1..40_u64) {
        let mut model = Model::new(base);
        before.iter().for_each(|op| model.apply(op));
        let old = copy(&model.frontier);
        model.apply(&Op::Rotate);
        for leaf in (model.next..model.next + steps).chain([model.next + (1 << 39)]) {
            prop_assert!(exposed(old.erase_share(leaf)) != exposed(model.frontier.erase_share(leaf)));
            prop_assert!(model.frontier.covers(leaf));
        }
    }

    #[test]
    fn a_refused_puncture_changes_nothing(ops in ops(), beyond in 0..4_u64) {
        let mut model = Model::new(7);
        ops.iter().for_each(|op| model.apply(op));
        let before = model.frontier.encode();
        let leaves = [model.next + 3, model.next + 4 + (1 << 40) + beyond];
        prop_assert_eq!(model.frontier.puncture_all(&leaves), Err(Error::NotDerivable(leaves[1])));
        prop_assert_eq!(model.frontier.puncture_all(&[model.next + 1, model.next]), Err(Error::Unsorted));
        prop_assert_eq!(model.frontier.puncture_all(&[model.next, model.next]), Err(Error::Unsorted));
        for &leaf in &model.dead {
            prop_assert_eq!(model.frontier.puncture(leaf), Err(Error::NotDerivable(leaf)));
        }
        prop_assert_eq!(&*model.frontier.encode(), &*before);
    }
}

#[test]
fn oldest_first_needs_few_nodes() {
    let mut frontier = Frontier::plant();
    for purge in 0..10 {
        let doomed: Vec<u64> = (purge * 1000..(purge + 1) * 1000).collect();
        frontier.puncture_all(&doomed).unwrap();
        frontier.rotate(20_000 + purge).unwrap();
        assert!(frontier.node_count() <= 2 * 15 + 10 + 1, "{} nodes", frontier.node_count());
    }
}

#[test]
fn everything_can_be_given_up_and_the_vault_goes_on() {
    let mut frontier = Frontier::plant();
    frontier.puncture_all(&(0..3000).collect::<Vec<_>>()).unwrap();
    frontier.rotate(3000).unwrap();
    assert_eq!(frontier.node_count(), 1);
    assert!(!frontier.covers(2999) && frontier.covers(3000));
}

#[test]
fn a_tree_must_fit_below_the_last_leaf_number() {
    let last = u64::MAX - (1 << 40) + 1;
    let mut frontier = Frontier::plant();
    let before = frontier.encode();
    assert_eq!(frontier.rotate(last + 1), Err(Error::Exhausted));
    assert_eq!(*frontier.encode(), *before);
    frontier.rotate(last).unwrap();
    assert!(frontier.covers(u64::MAX));
    frontier.puncture(u64::MAX).unwrap();
    assert!(!frontier.covers(u64::MAX) && frontier.covers(u64::MAX - 1));
    assert!(copy(&frontier).erase_share(u64::MAX - 1).is_some());
}

#[test]
fn damaged_frontiers_are_refused() {
    let refused = |nodes: &[(u64, u8, [u8; 32])]| Frontier::decode(&frontier_of(nodes).encode()).err();
    assert_eq!(refused(&[(0, 2, [1; 32]), (4, 0, [2; 32])]), None);
    let order = Some(Error::Damaged("nodes are unsorted or overlap"));
    assert_eq!(refused(&[(4, 0, [2; 32]), (0, 2, [1; 32])]), order);
    assert_eq!(refused(&[(0, 2, [1; 32]), (3, 0, [2; 32])]), order);
    assert_eq!(refused(&[(0, 2, [1; 32]), (0, 2, [1; 32])]), order);
    let range = Some(Error::Damaged("a node is out of range"));
    assert_eq!(refused(&[(0, 41, [1; 32])]), range);
    assert_eq!(refused(&[(0, 255, [1; 32])]), range);
    assert_eq!(refused(&[(u64::MAX - 2, 2, [1; 32])]), range);
    assert_eq!(refused(&[(u64::MAX - 3, 2, [1; 32])]), None);
    // A count that would need 164 GB is refused for its length, before anything is allocated.
    let length = Some(Error::Damaged("the node count does not match the length"));
    assert_eq!(Frontier::decode(&[0xff; 45]).err(), length);
    assert_eq!(Frontier::decode(&[0; 3]).err(), Some(Error::Damaged("no node count")));
}

#[test]
fn threads_share_a_frontier() {
    let frontier = Frontier::plant();
    let derive = |from: u64| {
        let mut walker = frontier.walker();
        (from..from + 50).map(|leaf| *walker.erase_share(leaf).unwrap().expose()).collect::<Vec<_>>()
    };
    let (one, two) = std::thread::scope(|scope| {
        let (one, two) = (scope.spawn(|| derive(0)), scope.spawn(|| derive(50)));
        (one.join().unwrap(), two.join().unwrap())
    });
    assert_eq!([one, two].concat(), derive(0).into_iter().chain(derive(50)).collect::<Vec<_>>());
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The vectors of `docs/format-trees.md`, computed there by other code.
#[test]
fn vectors() {
    let seed: [u8; 32] = std::array::from_fn(|at| at as u8);
    let mut frontier = frontier_of(&[(0, 40, seed)]);
    for (leaf, share, commitment) in [
        (
            0,
            "e93c7489d079e2db91e9c0966355edd0a86a429aca878f276f159c98e433ea56",
            "33151a657d1ba2ed2c3ec8e72bcfb3f1d4864c06916d987d3c7cc2d2786a807a",
        ),
        (
            5,
            "bd8759751ed44d5f936d5e4b243d1164b0580cf7b66891868a4dec6f9d175216",
            "3b0dcdb6f0e29da33473d8675b518a439a617652c80b9862265f9a6bf1e3580f",
        ),
        (
            (1 << 40) - 1,
            "b05bd4bd7e9feec887860b487bfd072e37abbdff7aeb340d76798e10127f5b1b",
            "2486efc7db1b2727e8fc70e8510aa58f0abee95ae67f2d2cce91054fc684f520",
        ),
    ] {
        let derived = frontier.erase_share(leaf).unwrap();
        assert_eq!(hex(derived.expose()), share);
        assert_eq!(hex(&derived.commitment()), commitment);
    }
    frontier.puncture(0).unwrap();
    assert_eq!(frontier.node_count(), 40);
    assert_eq!(
        hex(&crate::crypto::hash::sha256(&[&frontier.encode()])),
        "e547c3f6171be75d827b14190a4394110e4dc326285b9da7ae6ae7119c53a458"
    );

    let mut small = frontier_of(&[(8, 2, seed)]);
    small.puncture(9).unwrap();
    assert_eq!(
        hex(&small.encode()),
        concat!(
            "00000002",
            "000000000000000800ba9a2cddf57c631556b0f46e51252e5e2360719f24b69ccf2dc30ee12a1e9bbf",
            "000000000000000a019b4c8120a4823a95f47cde17a244f4507244ee6e3957d1fab9fa29b44d3829b7"
        )
    );
}
