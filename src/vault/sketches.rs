//! A look at the search sketch of every segment that lives.
//!
//! A sketch that opens under its segment's own key is that segment's: there is only one, since content never changes.
//! So what a sketch denies is not looked up in the live tree; what is found is ([`Vault::entries`]).

use std::ops::Range;

use zeroize::Zeroizing;

use super::access::CanRead;
use super::content::{BodyReader, Spoken};
use super::items::{ByLeaf, Depth, at};
use super::segment::{erase_share, unwrap_read_share};
use super::spread::spread;
use super::{Damage, Vault, VaultError};
use crate::bytes::Malformed;
use crate::crypto::{ContentKey, Place, Purpose, padding};
use crate::keyring::{Frontier, Walker};
use crate::store::{StoreError, Table};

/// Segments handed to a worker at once: few enough that their memory is used again. From 128 KiB on the allocator asks the
/// system for each anew.
const BATCH: usize = 32;
/// Bytes of rows of one segment, about.
const ROOM: usize = 3000;

/// A segment and what was made of its sketch.
pub struct Sketched<T> {
    /// Its leaf.
    pub leaf: u64,
    /// The conversation it belongs to.
    pub conversation: [u8; 16],
    /// What was made of its sketch.
    pub made: T,
}

/// The rows of some segments, in one piece of memory.
#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    rows: Vec<SketchRows>,
}

#[derive(Default)]
struct SketchRows {
    leaf: u64,
    segment: [u8; 16],
    read_share: Range<usize>,
    deposit_share: Range<usize>,
    sketch: Range<usize>,
}

/// Where the place of a row is kept.
type Field = fn(&mut SketchRows) -> &mut Range<usize>;

impl Batch {
    /// Takes a row in, of the segment at a leaf that it is in.
    fn put(&mut self, leaf: u64, bytes: &[u8], field: Field) {
        if let Ok(index) = self.rows.binary_search_by_key(&leaf, |rows| rows.leaf) {
            let start = self.bytes.len();
            self.bytes.extend_from_slice(bytes);
            *field(&mut self.rows[index]) = start..self.bytes.len();
        }
    }
}

/// Opens one. The damage of a sketch alone does not hide its segment.
fn open<A: CanRead, T>(
    keys: &A,
    (walker, plain): &mut (Walker<'_>, Zeroizing<Vec<u8>>),
    (bytes, rows): (&[u8], &SketchRows),
    work: impl Fn(Option<&[u8]>) -> T,
) -> Result<(Sketched<T>, Option<Damage>), VaultError> {
    let (leaf, vault, segment) = (rows.leaf, keys.facts().vault, rows.segment);
    let deposit = Some(&bytes[rows.deposit_share.clone()]).filter(|share| !share.is_empty());
    let erase = erase_share(walker, leaf, (vault, segment), deposit)?;
    let (read, conversation) = unwrap_read_share(keys.read(), segment, &bytes[rows.read_share.clone()])?;
    let sealed = &bytes[rows.sketch.clone()];
    if sealed.is_empty() {
        return Ok((Sketched { leaf, conversation, made: work(None) }, None));
    }
    let key = ContentKey::derive(&read, &erase, &vault, &segment);
    let place = Place { vault, owner: segment, purpose: Purpose::Sketch, index: 0 };
    let opened = key.open_into(&place, sealed, plain).ok();
    let sketch = opened.and_then(|()| padding::trimmed(plain));
    let damage = sketch.is_none().then_some(Damage::Segment(leaf, "sketch"));
    Ok((Sketched { leaf, conversation, made: work(sketch) }, damage))
}

impl<A: CanRead> Vault<A> {
    /// Runs `work` over the sketch of every segment that lives, on all cores; of one that has none, or a damaged one,
    /// over nothing. By ascending leaf, and beside it what was damaged.
    pub fn each_sketch<T: Send>(
        &self,
        work: impl Fn(Option<&[u8]>) -> T + Sync,
    ) -> Result<(Vec<Sketched<T>>, Vec<Damage>), VaultError> {
        let (frontier, keys): (&Frontier, &A) = (&self.frontier, &self.keys);
        let read = |send: &mut dyn FnMut(Batch)| -> Result<(), VaultError> {
            let (mut segments, mut lives) = (Vec::with_capacity(BATCH), self.living()?);
            self.store.scan::<VaultError>(Table::Segment, 0..i64::MAX as u64, |leaf, bytes| {
                if lives(leaf) {
                    // One whose row is damaged has an id that opens nothing, and is told as damaged.
                    segments.push((leaf, bytes.first_chunk().copied().unwrap_or_default()));
                }
                if segments.len() == BATCH {
                    send(self.sketch_rows(&segments)?);
                    segments.clear();
                }
                Ok(())
            })?;
            send(self.sketch_rows(&segments)?);
            Ok(())
        };
        let start = || (frontier.walker(), Zeroizing::default());
        let open = |state: &mut (Walker<'_>, Zeroizing<Vec<u8>>), batch: Batch, made: &mut Vec<_>| {
            let each = batch.rows.iter().map(|rows| (rows.leaf, open(keys, state, (&batch.bytes, rows), &work)));
            made.extend(each.map(|(leaf, opened)| opened.map_err(|error| at(leaf, error))));
        };
        let (mut sketched, mut damaged) = (Vec::new(), Vec::new());
        for opened in spread(read, start, open)? {
            match opened {
                Ok((one, damage)) => {
                    sketched.push(one);
                    damaged.extend(damage);
                }
                Err(VaultError::Damaged(damage)) => damaged.push(damage),
                Err(other) => return Err(other),
            }
        }
        sketched.sort_unstable_by_key(|one| one.leaf);
        Ok((sketched, damaged))
    }

    fn sketch_rows(&self, segments: &[(u64, [u8; 16])]) -> Result<Batch, StoreError> {
        let (Some(first), Some(last)) = (segments.first(), segments.last()) else { return Ok(Batch::default()) };
        let rows =
            segments.iter().map(|(leaf, segment)| SketchRows { leaf: *leaf, segment: *segment, ..Default::default() });
        let bytes = Vec::with_capacity(segments.len() * ROOM);
        let mut batch = Batch { rows: rows.collect(), bytes };
        let ids = || first.0..last.0 + 1;
        let fields: [(Table, Field); 3] = [
            (Table::ReadShare, |rows| &mut rows.read_share),
            (Table::DepositShare, |rows| &mut rows.deposit_share),
            (Table::Sketch, |rows| &mut rows.sketch),
        ];
        for (table, field) in fields {
            self.store.scan::<StoreError>(table, ids(), |leaf, bytes| {
                batch.put(leaf, bytes, field);
                Ok(())
            })?;
        }
        Ok(batch)
    }

    /// Runs `work` over what the segments at these leaves (ascending) say, on all cores, each with what its thread keeps;
    /// by ascending leaf.
    pub fn each_spoken<S, T: Send>(
        &self,
        leaves: &[u64],
        start: impl Fn() -> S + Sync,
        work: impl Fn(&mut S, u64, Spoken<'_>) -> Result<T, Malformed> + Sync,
    ) -> Result<(ByLeaf<T>, Vec<Damage>), VaultError> {
        let keys = &self.keys;
        let start = || (start(), BodyReader::new(), Zeroizing::default());
        self.each_with(Depth::Text, leaves, start, |(state, reader, body), walker, rows| {
            let opener = rows.opener(keys.facts(), walker)?;
            let content = opener.content(keys.read(), &rows.read_share)?;
            content.body_into(&rows.body, body)?;
            let spoken = reader.read(body).and_then(|spoken| work(state, rows.leaf, spoken));
            spoken.map_err(|_| Damage::Record("body").into())
        })
    }
}
