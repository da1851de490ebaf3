//! The bytes of a frontier: one canonical form, and nothing else is read.

use zeroize::Zeroizing;

use super::{Error, Frontier, Node, ROOT_LEVEL};
use crate::crypto::Secret;

/// Bytes of the count.
const COUNT_LEN: usize = 4;
/// Bytes of a node: first leaf, level, seed.
const NODE_LEN: usize = 8 + 1 + 32;

impl Frontier {
    /// Encodes as `count u32 ‖ count × (first leaf u64 ‖ level u8 ‖ seed 32)`, big-endian.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let count = u32::try_from(self.nodes.len()).expect("2^32 nodes would take 100 GB of seeds in memory");
        // The full capacity at once: a buffer that grows would leave seeds behind unwiped.
        let mut bytes = Zeroizing::new(Vec::with_capacity(COUNT_LEN + NODE_LEN * self.nodes.len()));
        bytes.extend_from_slice(&count.to_be_bytes());
        for node in &self.nodes {
            bytes.extend_from_slice(&node.first.to_be_bytes());
            bytes.push(node.level);
            bytes.extend_from_slice(node.seed.expose());
        }
        bytes
    }

    /// Reads what [`Frontier::encode`] wrote; allocates nothing before the length is known to be right.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let (count, body) = bytes.split_first_chunk::<COUNT_LEN>().ok_or(Error::Damaged("no node count"))?;
        if u64::from(u32::from_be_bytes(*count)).checked_mul(NODE_LEN as u64) != Some(body.len() as u64) {
            return Err(Error::Damaged("the node count does not match the length"));
        }
        let mut nodes: Vec<Node> = Vec::with_capacity(body.len() / NODE_LEN);
        for record in body.chunks_exact(NODE_LEN) {
            let node = decode_node(record).ok_or(Error::Damaged("a node is out of range"))?;
            if nodes.last().is_some_and(|before| node.first <= before.last()) {
                return Err(Error::Damaged("nodes are unsorted or overlap"));
            }
            nodes.push(node);
        }
        Ok(Self { nodes })
    }
}

fn decode_node(record: &[u8]) -> Option<Node> {
    let (first, rest) = record.split_first_chunk()?;
    let (&level, seed) = rest.split_first()?;
    let first = u64::from_be_bytes(*first);
    if level > ROOT_LEVEL {
        return None;
    }
    first.checked_add((1 << level) - 1)?;
    Some(Node { first, level, seed: Secret::from_slice(seed)? })
}
