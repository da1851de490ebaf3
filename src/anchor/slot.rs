//! One slot of an anchor file: the anchor of a generation, bound to its vault, whole or not at all.

use zeroize::Zeroizing;

use crate::bytes::Reader;
use crate::crypto::{Anchor, Digest};

/// Bytes of a slot; a file has two.
pub(super) const SLOT: usize = 4096;

const MAGIC: &[u8; 8] = b"cvanchor";

/// What a slot holds.
pub(super) enum Slot {
    /// Zeros: free to be written.
    Blank,
    /// An anchor that is whole and of this vault.
    Anchor {
        /// What the state head may name.
        hash: Digest,
        /// Its generation.
        generation: u64,
        /// The anchor.
        anchor: Anchor,
    },
    /// Anything else: a torn write, another vault's anchor, damage.
    Other,
}

/// The bytes of a slot.
pub(super) fn encode(anchor: &Anchor, vault: &[u8; 16], generation: u64) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(Vec::with_capacity(SLOT));
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&1_u16.to_be_bytes());
    out.extend_from_slice(vault);
    out.extend_from_slice(&generation.to_be_bytes());
    out.extend_from_slice(anchor.expose());
    out.extend_from_slice(&anchor.hash(vault, generation));
    let mac = anchor.mac(vault, &out);
    out.extend_from_slice(&mac);
    out.resize(SLOT, 0);
    out
}

/// Reads a slot.
pub(super) fn decode(bytes: &[u8], vault: &[u8; 16]) -> Slot {
    if bytes.iter().all(|byte| *byte == 0) {
        return Slot::Blank;
    }
    let parse = || {
        let mut reader = Reader::new(bytes);
        if reader.take(8).ok()? != MAGIC || reader.u16().ok()? != 1 || reader.array().ok()? != *vault {
            return None;
        }
        let generation = reader.u64().ok()?;
        let anchor = Anchor::from_slice(reader.take(32).ok()?)?;
        let hash: Digest = reader.array().ok()?;
        let whole = encode(&anchor, vault, generation);
        (*whole == bytes).then_some(Slot::Anchor { hash, generation, anchor })
    };
    parse().unwrap_or(Slot::Other)
}
