//! The trees that exports are checked by: salted leaves of a conversation, and the roots of several.
//!
//! `docs/export.md` specifies them. Leaves are cut as RFC 6962 §2.1 cuts them. Every node of a conversation's tree has a
//! seed, from which the salts of all leaves below it follow and no others, so that a proof shows what it shows and lets
//! nobody guess at the rest.

use crate::crypto::Digest;
use crate::crypto::hash::labelled;

/// A node of a proof: everything below it is there, or nothing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Node {
    /// The seed of a node below which everything is there.
    Seed(Digest),
    /// The hash of a node below which nothing is.
    Hash(Digest),
}

/// Why a proof does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the proof has not the nodes that its leaves ask for")]
pub struct BadProof;

/// Where `count` leaves are cut: the largest power of two below it. Of two leaves or more.
fn cut(count: usize) -> usize {
    count.next_power_of_two() / 2
}

fn node(left: &Digest, right: &Digest) -> Digest {
    labelled("convault/export/node", &[left, right])
}

fn child(seed: &Digest, side: u8) -> Digest {
    labelled("convault/export/seed", &[seed, &[side]])
}

/// The hash of leaves of which the node's seed is known; `contents` are the SHA-256 of what they say.
pub fn root(seed: &Digest, contents: &[Digest]) -> Digest {
    match contents {
        [] => labelled("convault/export/leaf", &[]),
        [content] => labelled("convault/export/leaf", &[seed, content]),
        _ => {
            let (left, right) = contents.split_at(cut(contents.len()));
            node(&root(&child(seed, 0), left), &root(&child(seed, 1), right))
        }
    }
}

/// What shows a part of a conversation: `left_out` says of each leaf whether it is not there.
pub fn prove(seed: &Digest, contents: &[Digest], left_out: &[bool]) -> Vec<Node> {
    let mut nodes = Vec::new();
    prove_into(seed, contents, left_out, &mut nodes);
    nodes
}

fn prove_into(seed: &Digest, contents: &[Digest], left_out: &[bool], nodes: &mut Vec<Node>) {
    match all(left_out) {
        Some(false) => nodes.push(Node::Seed(*seed)),
        Some(true) => nodes.push(Node::Hash(root(seed, contents))),
        None => {
            let at = cut(contents.len());
            prove_into(&child(seed, 0), &contents[..at], &left_out[..at], nodes);
            prove_into(&child(seed, 1), &contents[at..], &left_out[at..], nodes);
        }
    }
}

/// The root that a proof leads to: `contents` are the SHA-256 of the leaves that are there.
pub fn root_of(contents: &[Option<Digest>], nodes: &[Node]) -> Result<Digest, BadProof> {
    let left_out: Vec<bool> = contents.iter().map(Option::is_none).collect();
    let mut nodes = nodes.iter();
    let found = root_of_part(contents, &left_out, &mut nodes)?;
    if nodes.next().is_none() { Ok(found) } else { Err(BadProof) }
}

fn root_of_part<'n>(
    contents: &[Option<Digest>],
    left_out: &[bool],
    nodes: &mut impl Iterator<Item = &'n Node>,
) -> Result<Digest, BadProof> {
    match all(left_out) {
        Some(is_left_out) => match (is_left_out, nodes.next()) {
            (false, Some(Node::Seed(seed))) => {
                Ok(root(seed, &contents.iter().copied().collect::<Option<Vec<Digest>>>().ok_or(BadProof)?))
            }
            (true, Some(Node::Hash(hash))) => Ok(*hash),
            _ => Err(BadProof),
        },
        None => {
            let at = cut(contents.len());
            let left = root_of_part(&contents[..at], &left_out[..at], nodes)?;
            Ok(node(&left, &root_of_part(&contents[at..], &left_out[at..], nodes)?))
        }
    }
}

/// What is left out of an excerpt of something that was shown in part already: the nodes that show less of it. `contents`
/// and `nodes` are those of the proof there is; leaves that are not there stay so.
pub fn narrow(contents: &[Option<Digest>], nodes: &[Node], left_out: &[bool]) -> Result<Vec<Node>, BadProof> {
    let mut out = Vec::new();
    let mut nodes = nodes.iter();
    narrow_part(contents, None, left_out, &mut nodes, &mut out)?;
    if nodes.next().is_none() { Ok(out) } else { Err(BadProof) }
}

fn narrow_part<'n>(
    contents: &[Option<Digest>],
    seed: Option<Digest>,
    left_out: &[bool],
    nodes: &mut impl Iterator<Item = &'n Node>,
    out: &mut Vec<Node>,
) -> Result<(), BadProof> {
    let was_left_out: Vec<bool> = contents.iter().map(Option::is_none).collect();
    // With a seed, everything below was there, and nothing is taken from the proof any more.
    if let Some(seed) = seed {
        let contents = contents.iter().copied().collect::<Option<Vec<Digest>>>().ok_or(BadProof)?;
        prove_into(&seed, &contents, left_out, out);
        return Ok(());
    }
    match all(&was_left_out) {
        Some(true) => match nodes.next() {
            Some(Node::Hash(hash)) => out.push(Node::Hash(*hash)),
            _ => return Err(BadProof),
        },
        Some(false) => match nodes.next() {
            Some(Node::Seed(seed)) => narrow_part(contents, Some(*seed), left_out, nodes, out)?,
            _ => return Err(BadProof),
        },
        None => {
            let (at, before) = (cut(contents.len()), out.len());
            narrow_part(&contents[..at], None, &left_out[..at], nodes, out)?;
            narrow_part(&contents[at..], None, &left_out[at..], nodes, out)?;
            // Where nothing is left of either side, both are one hash.
            if all(left_out) == Some(true)
                && let [Node::Hash(left), Node::Hash(right)] = out[before..]
            {
                out.truncate(before);
                out.push(Node::Hash(node(&left, &right)));
            }
        }
    }
    Ok(())
}

/// Whether all are the same, and what; of an empty list that nothing is left out.
fn all(left_out: &[bool]) -> Option<bool> {
    let first = left_out.first().copied().unwrap_or(false);
    left_out.iter().all(|one| *one == first).then_some(first)
}

/// The root over the roots of conversations, none of which is salted once more.
pub fn root_over(roots: &[Digest]) -> Digest {
    match roots {
        [] => labelled("convault/export/node", &[]),
        [root] => *root,
        _ => {
            let (left, right) = roots.split_at(cut(roots.len()));
            node(&root_over(left), &root_over(right))
        }
    }
}

/// The hashes of the largest nodes of which no conversation is there.
pub fn prove_over(roots: &[Digest], left_out: &[bool]) -> Vec<Digest> {
    match all(left_out) {
        Some(true) => vec![root_over(roots)],
        Some(false) => Vec::new(),
        None => {
            let at = cut(roots.len());
            let mut nodes = prove_over(&roots[..at], &left_out[..at]);
            nodes.extend(prove_over(&roots[at..], &left_out[at..]));
            nodes
        }
    }
}

/// The root that the conversations which are there and the hashes of the others lead to.
pub fn root_over_some(roots: &[Option<Digest>], nodes: &[Digest]) -> Result<Digest, BadProof> {
    let mut nodes = nodes.iter();
    let found = over_part(roots, &mut nodes)?;
    if nodes.next().is_none() { Ok(found) } else { Err(BadProof) }
}

fn over_part<'n>(roots: &[Option<Digest>], nodes: &mut impl Iterator<Item = &'n Digest>) -> Result<Digest, BadProof> {
    if !roots.is_empty() && roots.iter().all(Option::is_none) {
        return nodes.next().copied().ok_or(BadProof);
    }
    match roots {
        [] => Ok(root_over(&[])),
        [root] => root.ok_or(BadProof),
        _ => {
            let at = cut(roots.len());
            let left = over_part(&roots[..at], nodes)?;
            Ok(node(&left, &over_part(&roots[at..], nodes)?))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::crypto::hash::sha256;

    fn contents(count: usize) -> Vec<Digest> {
        (0..count).map(|at| sha256(&[&at.to_be_bytes()])).collect()
    }

    fn shown(contents: &[Digest], left_out: &[bool]) -> Vec<Option<Digest>> {
        contents.iter().zip(left_out).map(|(content, out)| (!out).then_some(*content)).collect()
    }

    #[test]
    fn a_tree_has_the_hashes_of_the_page() {
        let (seed, three) = ([7; 32], contents(3));
        let salt =
            |path: &[u8]| path.iter().fold(seed, |seed, side| labelled("convault/export/seed", &[&seed, &[*side]]));
        let leaf = |path: &[u8], at: usize| labelled("convault/export/leaf", &[&salt(path), &three[at]]);
        let pair = |left: Digest, right: Digest| labelled("convault/export/node", &[&left, &right]);
        assert_eq!(root(&seed, &three), pair(pair(leaf(&[0, 0], 0), leaf(&[0, 1], 1)), leaf(&[1], 2)));
        assert_eq!(root_over(&three), pair(pair(three[0], three[1]), three[2]));
        assert_eq!(
            prove(&seed, &three, &[false, true, false]),
            [Node::Seed(salt(&[0, 0])), Node::Hash(leaf(&[0, 1], 1)), Node::Seed(salt(&[1]))]
        );
        assert_eq!(prove(&seed, &three, &[false; 3]), [Node::Seed(seed)]);
    }

    proptest! {
        #[test]
        fn a_part_leads_to_the_root_and_a_changed_one_to_another(
            (left_out, more, at) in (1_usize..40).prop_flat_map(|count| {
                let flags = || proptest::collection::vec(any::<bool>(), count);
                (flags(), flags(), 0..count)
            })
        ) {
            let (seed, all) = ([3; 32], contents(left_out.len()));
            let whole = root(&seed, &all);
            let nodes = prove(&seed, &all, &left_out);
            let part = shown(&all, &left_out);
            prop_assert_eq!(root_of(&part, &nodes), Ok(whole));
            // Something else in its place, something that was left out brought in, something taken away.
            let mut changed = part.clone();
            changed[at] = match changed[at] { Some(_) => Some([9; 32]), None => Some(all[at]) };
            prop_assert_ne!(root_of(&changed, &nodes), Ok(whole));
            changed[at] = None;
            prop_assert!(part[at].is_none() || root_of(&changed, &nodes) != Ok(whole));
            // Two in the other order.
            if let Some(next) = (at + 1 < part.len() && part[at].is_some() && part[at + 1].is_some()).then_some(at + 1) {
                let mut swapped = part.clone();
                swapped.swap(at, next);
                prop_assert_ne!(root_of(&swapped, &nodes), Ok(whole));
            }
            // Showing less of it is what a proof of less would have been.
            let less: Vec<bool> = left_out.iter().zip(&more).map(|(one, other)| one | other).collect();
            prop_assert_eq!(narrow(&part, &nodes, &less), Ok(prove(&seed, &all, &less)));
            // The seeds of a proof lead to no salt of what is left out.
            let salts: Vec<Digest> = (0..all.len()).map(|leaf| salt_of(&seed, all.len(), leaf)).collect();
            let known = nodes.iter().filter_map(|node| match node { Node::Seed(seed) => Some(*seed), Node::Hash(_) => None });
            let reached: Vec<Digest> = known.flat_map(|seed| below(&seed, 7)).collect();
            for (leaf, salt) in salts.iter().enumerate() {
                prop_assert_eq!(reached.contains(salt), !left_out[leaf]);
            }
        }

        #[test]
        fn conversations_lead_to_the_root_over_them(left_out in proptest::collection::vec(any::<bool>(), 1..40)) {
            let all = contents(left_out.len());
            let nodes = prove_over(&all, &left_out);
            let part = shown(&all, &left_out);
            prop_assert_eq!(root_over_some(&part, &nodes), Ok(root_over(&all)));
            let mut more = nodes.clone();
            more.push([0; 32]);
            prop_assert_eq!(root_over_some(&part, &more), Err(BadProof));
        }
    }

    fn salt_of(seed: &Digest, count: usize, leaf: usize) -> Digest {
        match count {
            1 => *seed,
            _ if leaf < cut(count) => salt_of(&child(seed, 0), cut(count), leaf),
            _ => salt_of(&child(seed, 1), count - cut(count), leaf - cut(count)),
        }
    }

    /// Every seed that follows from one, to a depth.
    fn below(seed: &Digest, depth: u32) -> Vec<Digest> {
        let mut all = vec![*seed];
        if depth > 0 {
            all.extend([0, 1].iter().flat_map(|side| below(&child(seed, *side), depth - 1)));
        }
        all
    }
}
