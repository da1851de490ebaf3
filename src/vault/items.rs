//! Reading: every live segment opened by all cores, and one conversation found by its id.

use std::collections::BTreeSet;
use std::ops::Range;

use zeroize::Zeroizing;

use super::access::{CanJudge, CanRead, FactsKeys, ReadKeys};
use super::commit::load_tile;
use super::content::{Body, Card, hex};
use super::segment::{Content, Opener, SegmentRow, attachment_row, facts_row, unwrap_read_share};
use super::spread::spread;
use super::{Damage, Vault, VaultError};
use crate::crypto::Digest;
use crate::facts::FactsRecord;
use crate::keyring::{Frontier, Walker};
use crate::store::{Store, StoreError, Table};
use crate::tree;

/// Rows handed to a worker at once, at most: enough to make handing over cheap, little to hold.
const BATCH_ROWS: usize = 128;
const BATCH_BYTES: usize = 1 << 20;
/// Leaves that lie no further apart are read in one pass over what is between them: passing ten rows costs a look-up.
const NEAR: u64 = 10;

/// A conversation in a list.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The conversation's id.
    pub conversation: [u8; 16],
    /// What lists show.
    pub card: Card,
    /// Its clocks and tags.
    pub facts: crate::facts::Facts,
    /// The number of its leaf.
    pub leaf: u64,
    pub(crate) facts_version: u32,
}

impl Entry {
    /// Whether both are the same version of the same segment.
    pub fn is_same_as(&self, other: &Self) -> bool {
        self.leaf == other.leaf
    }
}

/// All conversations that could be opened, and what could not.
#[derive(Default)]
pub struct Listing {
    /// The conversations, latest activity first.
    pub entries: Vec<Entry>,
    /// What was damaged; everything else is in `entries`.
    pub damaged: Vec<Damage>,
}

/// The leaves of the live tree, as the signed root has them.
pub struct LiveTree {
    /// Ascending.
    leaves: Vec<(u64, Digest)>,
    /// What of the tree could not be read; where there is any, leaves may be missing.
    damaged: Vec<Damage>,
}

impl LiveTree {
    /// Whether this hash stands at this leaf.
    fn has(&self, leaf: u64, hash: &Digest) -> bool {
        self.leaves.binary_search_by_key(&leaf, |(leaf, _)| *leaf).is_ok_and(|at| self.leaves[at].1 == *hash)
    }
}

/// What was made of each segment, by its leaf, ascending.
pub type ByLeaf<T> = Vec<(u64, T)>;

/// The rows of one segment.
#[derive(Default)]
pub(super) struct Rows {
    pub(super) leaf: u64,
    segment: Vec<u8>,
    deposit_share: Option<Vec<u8>>,
    pub(super) read_share: Vec<u8>,
    facts: Option<(u32, Vec<u8>)>,
    card: Vec<u8>,
    pub(super) body: Vec<u8>,
}

/// Which rows a pass needs beside the segment's own.
#[derive(Clone, Copy)]
pub(super) enum Depth {
    /// The facts.
    Facts,
    /// The read share: who is it.
    Id,
    /// Facts and card besides.
    Card,
    /// The body too.
    Body,
    /// The read share and the body.
    Text,
}

/// The rows of `leaves` (ascending), without bodies.
fn rows_of_all(store: &Store, leaves: &[u64], depth: Depth) -> Result<Vec<Rows>, StoreError> {
    let mut rows: Vec<Rows> = leaves.iter().map(|leaf| Rows { leaf: *leaf, ..Rows::default() }).collect();
    let mut fill = |table, shift: u32, place: fn(&mut Rows, u64, &[u8])| -> Result<(), StoreError> {
        let mut at = 0;
        for run in leaves.chunk_by(|one, next| next - one <= NEAR) {
            let (rows, ids) = (&mut rows[at..at + run.len()], run[0] << shift..(run[run.len() - 1] + 1) << shift);
            store.scan::<StoreError>(table, ids, |id, bytes| {
                if let Ok(index) = run.binary_search(&(id >> shift)) {
                    place(&mut rows[index], id, bytes);
                }
                Ok(())
            })?;
            at += run.len();
        }
        Ok(())
    };
    fill(Table::Segment, 0, |rows, _, bytes| rows.segment = bytes.to_vec())?;
    fill(Table::DepositShare, 0, |rows, _, bytes| rows.deposit_share = Some(bytes.to_vec()))?;
    if !matches!(depth, Depth::Facts) {
        fill(Table::ReadShare, 0, |rows, _, bytes| rows.read_share = bytes.to_vec())?;
    }
    if matches!(depth, Depth::Card | Depth::Body) {
        fill(Table::Card, 0, |rows, _, bytes| rows.card = bytes.to_vec())?;
    }
    if !matches!(depth, Depth::Id | Depth::Text) {
        // The row number's low 20 bits are the version.
        fill(Table::Facts, 20, |rows, id, bytes| rows.facts = Some(((id & 0xf_ffff) as u32, bytes.to_vec())))?;
    }
    Ok(rows)
}

pub(super) fn rows_of(store: &Store, leaf: u64, depth: Depth) -> Result<Rows, StoreError> {
    let mut rows = rows_of_all(store, &[leaf], depth)?.pop().unwrap_or_default();
    if matches!(depth, Depth::Body | Depth::Text) {
        rows.body = store.get(Table::Body, leaf)?.unwrap_or_default();
    }
    Ok(rows)
}

impl Rows {
    pub(super) fn opener<'v>(&self, keys: &'v FactsKeys, walker: &mut Walker<'_>) -> Result<Opener<'v>, VaultError> {
        Opener::new(keys, walker, self.leaf, &self.segment, self.deposit_share.as_deref())
    }

    fn record(&self, opener: &Opener<'_>) -> Result<FactsRecord, VaultError> {
        let (version, facts) = self.facts.as_ref().ok_or(Damage::Record("facts"))?;
        opener.facts(*version, facts)
    }

    pub(super) fn size(&self) -> usize {
        self.segment.len() + self.read_share.len() + self.card.len() + self.body.len()
    }
}

/// A card with what proves it: the hash that must stand in the live tree.
struct Opened {
    entry: Entry,
    leaf_hash: Digest,
}

fn open_entry<A: CanRead>(keys: &A, walker: &mut Walker<'_>, rows: &Rows) -> Result<Opened, VaultError> {
    let opener = rows.opener(keys.facts(), walker)?;
    let record = rows.record(&opener)?;
    let content = opener.content(keys.read(), &rows.read_share)?;
    let card = content.card(&rows.card)?;
    if record.facts.conversation != content.conversation {
        return Err(Damage::Record("facts").into());
    }
    let leaf_hash = opener.row.leaf(&record.hash());
    let entry = Entry {
        conversation: content.conversation,
        card,
        facts: record.facts,
        leaf: rows.leaf,
        facts_version: record.version,
    };
    Ok(Opened { entry, leaf_hash })
}

/// Names the segment in a damage that did not.
pub(super) fn at(leaf: u64, error: VaultError) -> VaultError {
    match error {
        VaultError::Damaged(Damage::Record(what)) => Damage::Segment(leaf, what).into(),
        VaultError::Damaged(Damage::Keyring) => Damage::Segment(leaf, "keyring").into(),
        other => other,
    }
}

impl<A: CanJudge> Vault<A> {
    /// The leaves that live, ascending.
    pub(super) fn live_leaves(&self) -> Result<Vec<u64>, VaultError> {
        let (mut leaves, mut lives) = (self.store.ids(Table::Segment)?, self.living()?);
        leaves.retain(|leaf| lives(*leaf));
        Ok(leaves)
    }

    /// Tells of leaves that are asked about in ascending order whether they were not superseded.
    pub(super) fn living(&self) -> Result<impl FnMut(u64) -> bool, VaultError> {
        let mut superseded = self.store.ids(Table::Superseded)?.into_iter().peekable();
        Ok(move |leaf| {
            while superseded.next_if(|other| *other < leaf).is_some() {}
            superseded.peek() != Some(&leaf)
        })
    }

    /// Runs `work` over the rows of every live segment on all cores; results by ascending leaf.
    fn each<T: Send>(
        &self,
        depth: Depth,
        leaves: &[u64],
        work: impl Fn(&mut Walker<'_>, &Rows) -> Result<T, VaultError> + Sync,
    ) -> Result<(ByLeaf<T>, Vec<Damage>), VaultError> {
        self.each_with(depth, leaves, || (), |(), walker, rows| work(walker, rows))
    }

    /// The same with something that a thread keeps from one segment to the next.
    pub(super) fn each_with<S, T: Send>(
        &self,
        depth: Depth,
        leaves: &[u64],
        start: impl Fn() -> S + Sync,
        work: impl Fn(&mut S, &mut Walker<'_>, &Rows) -> Result<T, VaultError> + Sync,
    ) -> Result<(ByLeaf<T>, Vec<Damage>), VaultError> {
        let mut batch = Vec::new();
        let mut bytes = 0;
        let read = |send: &mut dyn FnMut(Vec<Rows>)| -> Result<(), StoreError> {
            for group in leaves.chunks(BATCH_ROWS) {
                for mut rows in rows_of_all(&self.store, group, depth)? {
                    if matches!(depth, Depth::Body | Depth::Text) {
                        rows.body = self.store.get(Table::Body, rows.leaf)?.unwrap_or_default();
                    }
                    bytes += rows.size();
                    batch.push(rows);
                    if bytes >= BATCH_BYTES {
                        bytes = 0;
                        send(std::mem::take(&mut batch));
                    }
                }
                send(std::mem::take(&mut batch));
                bytes = 0;
            }
            Ok(())
        };
        let frontier: &Frontier = &self.frontier;
        let start = || (start(), frontier.walker());
        let open = |(state, walker): &mut (S, Walker<'_>), batch: Vec<Rows>, done: &mut Vec<_>| {
            done.extend(batch.iter().map(|rows| (rows.leaf, work(state, walker, rows))));
        };
        let done = spread(read, start, open)?;
        let mut good = Vec::with_capacity(done.len());
        let mut damaged = Vec::new();
        for (leaf, result) in done {
            match result.map_err(|error| at(leaf, error)) {
                Ok(value) => good.push((leaf, value)),
                Err(VaultError::Damaged(damage)) => damaged.push((leaf, damage)),
                Err(other) => return Err(other),
            }
        }
        good.sort_unstable_by_key(|(leaf, _)| *leaf);
        damaged.sort_unstable_by_key(|(leaf, _)| *leaf);
        Ok((good, damaged.into_iter().map(|(_, damage)| damage).collect()))
    }

    /// What the signed tree says lives, found in one walk through all of it.
    pub fn live_tree(&self) -> Result<LiveTree, VaultError> {
        let (mut leaves, mut damaged) = (Vec::new(), Vec::new());
        let load = |key| load_tile(&self.store, key);
        let walked = tree::for_each_leaf::<VaultError>(&self.state.live_root, load, |leaf, hash| {
            leaves.push((leaf, *hash));
            Ok(())
        });
        match walked {
            Ok(()) => {}
            Err(VaultError::Damaged(damage)) => damaged.push(damage),
            Err(other) => return Err(other),
        }
        Ok(LiveTree { leaves, damaged })
    }

    /// What the signed tree says is there and is not, and what of the tree itself is damaged.
    pub fn missing(&self, tree: &LiveTree) -> Result<Vec<Damage>, VaultError> {
        let stored = self.store.ids(Table::Segment)?;
        // What the keyring cannot derive any more was destroyed; then its rows have to be gone.
        let is_missing = |leaf: &u64| stored.binary_search(leaf).is_err() && self.frontier.covers(*leaf);
        let missing = tree.leaves.iter().map(|(leaf, _)| *leaf).filter(is_missing);
        let missing = missing.map(|leaf| Damage::Segment(leaf, "rows, which are gone"));
        Ok(missing.chain(tree.damaged.iter().cloned()).collect())
    }

    /// Checks leaves against the signed root; which of them do not agree.
    pub(super) fn untrue(&self, leaves: &[(u64, Digest)]) -> Result<Vec<u64>, VaultError> {
        if leaves.is_empty() {
            return Ok(Vec::new());
        }
        let check = |leaves: &[(u64, Digest)]| {
            let load = |key| load_tile(&self.store, key);
            match tree::check_leaves::<VaultError>(&self.state.live_root, load, leaves) {
                Ok(()) => Ok(true),
                Err(VaultError::Damaged(_)) => Ok(false),
                Err(other) => Err(other),
            }
        };
        if check(leaves)? {
            return Ok(Vec::new());
        }
        let mut untrue = Vec::new();
        for leaf in leaves {
            if !check(std::slice::from_ref(leaf))? {
                untrue.push(leaf.0);
            }
        }
        Ok(untrue)
    }

    /// Runs `work` over the facts of these segments, with the hash that has to stand at each leaf.
    pub(super) fn each_facts<T: Send>(
        &self,
        leaves: &[u64],
        work: impl Fn(u64, &SegmentRow, FactsRecord) -> Result<T, VaultError> + Sync,
    ) -> Result<(ByLeaf<T>, Vec<Damage>), VaultError> {
        let keys = self.keys.facts();
        self.each(Depth::Facts, leaves, |walker, rows| {
            let opener = rows.opener(keys, walker)?;
            let record = rows.record(&opener)?;
            work(rows.leaf, &opener.row, record)
        })
    }
}

impl<A: CanRead> Vault<A> {
    /// All conversations, latest activity first, each checked against the live tree.
    pub fn listing(&self) -> Result<Listing, VaultError> {
        let tree = self.live_tree()?;
        let mut listing = self.entries(&self.live_leaves()?, &tree)?;
        listing.damaged.extend(self.missing(&tree)?);
        listing.entries.sort_by(|a, b| b.facts.last_activity.cmp(&a.facts.last_activity).then(a.leaf.cmp(&b.leaf)));
        Ok(listing)
    }

    /// The conversations of these leaves (ascending), in their order, each checked against the live tree.
    pub fn entries(&self, leaves: &[u64], tree: &LiveTree) -> Result<Listing, VaultError> {
        let keys = &self.keys;
        let (opened, mut damaged) = self.each(Depth::Card, leaves, |walker, rows| open_entry(keys, walker, rows))?;
        let hashes = opened.iter().map(|(leaf, opened)| (*leaf, opened.leaf_hash));
        let untrue: Vec<u64> = match tree.damaged.is_empty() {
            true => hashes.filter(|(leaf, hash)| !tree.has(*leaf, hash)).map(|(leaf, _)| leaf).collect(),
            // The walk ended at what is damaged; what stands behind it may be whole.
            false => self.untrue(&hashes.collect::<Vec<_>>())?,
        };
        damaged.extend(untrue.iter().map(|leaf| Damage::Segment(*leaf, "place in the live tree")));
        let true_ones = opened.into_iter().filter(|(leaf, _)| untrue.binary_search(leaf).is_err());
        Ok(Listing { entries: true_ones.map(|(_, opened)| opened.entry).collect(), damaged })
    }

    /// Runs `work` over the conversations' ids of these segments, which their wrapped shares say without a look at the
    /// facts.
    pub(super) fn owners_of<T: Send>(
        &self,
        leaves: &[u64],
        work: impl Fn([u8; 16]) -> T + Sync,
    ) -> Result<(ByLeaf<T>, Vec<Damage>), VaultError> {
        let keys = self.keys.read();
        self.each(Depth::Id, leaves, |_, rows| {
            let segment = rows.segment.first_chunk().ok_or(Damage::Record("segment"))?;
            Ok(work(unwrap_read_share(keys, *segment, &rows.read_share)?.1))
        })
    }

    /// The ids of all conversations that begin with `digits` (lower-case hexadecimal), each segment with its leaf.
    ///
    /// When none does and some could not be opened, that is an error: it may have been one of those.
    pub fn find(&self, digits: &str) -> Result<Vec<([u8; 16], u64)>, VaultError> {
        let (found, damaged) = self.owners_of(&self.live_leaves()?, |conversation| {
            hex(&conversation).starts_with(digits).then_some(conversation)
        })?;
        let found: Vec<_> = found.into_iter().filter_map(|(leaf, id)| Some((id?, leaf))).collect();
        match damaged.into_iter().next() {
            Some(damage) if found.is_empty() => Err(damage.into()),
            _ => Ok(found),
        }
    }

    /// The one conversation whose id begins with `digits`, or the last month of one that never ends.
    pub fn entry(&self, digits: &str) -> Result<Entry, VaultError> {
        self.segments(digits)?.pop().ok_or_else(|| VaultError::NotFound(digits.to_owned()))
    }

    /// The segments of the one conversation whose id begins with `digits`, ascending by month.
    pub fn segments(&self, digits: &str) -> Result<Vec<Entry>, VaultError> {
        let found = self.find(digits)?;
        let ids: BTreeSet<[u8; 16]> = found.iter().map(|(id, _)| *id).collect();
        if ids.len() > 1 {
            let ids = ids.iter().map(|id| hex(id)).collect();
            return Err(VaultError::Ambiguous { prefix: digits.to_owned(), ids });
        }
        let mut segments =
            found.into_iter().map(|(_, leaf)| self.entry_at(leaf)).collect::<Result<Vec<Entry>, VaultError>>()?;
        segments.sort_by_key(|entry| entry.facts.month);
        match segments.is_empty() {
            true => Err(VaultError::NotFound(digits.to_owned())),
            false => Ok(segments),
        }
    }

    fn entry_at(&self, leaf: u64) -> Result<Entry, VaultError> {
        let rows = rows_of(&self.store, leaf, Depth::Card)?;
        let opened = open_entry(&self.keys, &mut self.frontier.walker(), &rows).map_err(|error| at(leaf, error))?;
        if self.untrue(&[(leaf, opened.leaf_hash)])?.is_empty() {
            Ok(opened.entry)
        } else {
            Err(Damage::Segment(leaf, "place in the live tree").into())
        }
    }

    /// Whether what lists show of a segment can be opened.
    pub(super) fn has_card(&self, leaf: u64) -> bool {
        self.entry_at(leaf).is_ok()
    }

    /// A conversation's body: messages, text and source bytes.
    pub fn body(&self, entry: &Entry) -> Result<Body, VaultError> {
        read_body(&self.store, &self.keys, &self.frontier, entry.leaf)
    }

    /// Reads attachments, each given by its pieces, in order: `each` is given the number of the attachment and a piece,
    /// and after its last piece nothing.
    pub fn attachments(
        &self,
        entry: &Entry,
        attachments: &[(u32, u32)],
        mut each: impl FnMut(usize, Option<&[u8]>) -> Result<(), VaultError>,
    ) -> Result<(), VaultError> {
        let pieces = Pieces::open(&self.store, &self.keys, &self.frontier, entry.leaf)?;
        let pieces = pieces.content()?;
        for (number, attachment) in attachments.iter().enumerate() {
            for index in pieces.indices(*attachment)? {
                each(number, Some(&pieces.read(&self.store, index)?))?;
            }
            each(number, None)?;
        }
        Ok(())
    }
}

/// Opens the body at a leaf.
pub(super) fn read_body<A: CanRead>(
    store: &Store,
    keys: &A,
    frontier: &Frontier,
    leaf: u64,
) -> Result<Body, VaultError> {
    let read = || {
        let rows = rows_of(store, leaf, Depth::Body)?;
        let opener = rows.opener(keys.facts(), &mut frontier.walker())?;
        let content = opener.content(keys.read(), &rows.read_share)?;
        Body::decode(&content.body(&rows.body)?).map_err(|_| Damage::Record("body").into())
    };
    read().map_err(|error| at(leaf, error))
}

/// The attachments of one segment, opened once for all of them: its list of objects may be long.
pub(super) struct Pieces<'v> {
    opener: Opener<'v>,
    keys: &'v ReadKeys,
    read_share: Vec<u8>,
    leaf: u64,
}

impl<'v> Pieces<'v> {
    pub(super) fn open<A: CanRead>(
        store: &Store,
        keys: &'v A,
        frontier: &Frontier,
        leaf: u64,
    ) -> Result<Self, VaultError> {
        let rows = rows_of(store, leaf, Depth::Id)?;
        let opener = rows.opener(keys.facts(), &mut frontier.walker()).map_err(|error| at(leaf, error))?;
        Ok(Self { opener, keys: keys.read(), read_share: rows.read_share, leaf })
    }

    /// Ready to open pieces.
    pub(super) fn content(&self) -> Result<OpenPieces<'_>, VaultError> {
        let content = self.opener.content(self.keys, &self.read_share).map_err(|error| at(self.leaf, error))?;
        Ok(OpenPieces { content, leaf: self.leaf })
    }
}

/// See [`Pieces`].
pub(super) struct OpenPieces<'p> {
    content: Content<'p>,
    leaf: u64,
}

impl OpenPieces<'_> {
    /// The indices of an attachment's pieces.
    pub(super) fn indices(&self, (first, count): (u32, u32)) -> Result<Range<u32>, VaultError> {
        Ok(first..first.checked_add(count).ok_or(Damage::Segment(self.leaf, "attachment"))?)
    }

    /// One piece.
    pub(super) fn read(&self, store: &Store, index: u32) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let row = store.get(Table::Attachment, attachment_row(self.leaf, index))?;
        let row = row.ok_or(Damage::Segment(self.leaf, "attachment"))?;
        self.content.piece(index, &row).map_err(|error| at(self.leaf, error))
    }
}

/// Every facts row of a segment with its version, ascending.
pub(super) fn facts_rows(store: &Store, leaf: u64) -> Result<Vec<(u32, Vec<u8>)>, StoreError> {
    let mut rows = Vec::new();
    store.scan::<StoreError>(Table::Facts, facts_row(leaf, 0)..facts_row(leaf + 1, 0), |id, bytes| {
        rows.push(((id & 0xf_ffff) as u32, bytes.to_vec()));
        Ok(())
    })?;
    Ok(rows)
}

/// The facts record of a live leaf, opened.
pub(super) fn facts_at(
    store: &Store,
    keys: &FactsKeys,
    walker: &mut Walker<'_>,
    leaf: u64,
) -> Result<(FactsRecord, SegmentRow, crate::crypto::SegmentFactsKey), VaultError> {
    let rows = rows_of(store, leaf, Depth::Facts)?;
    let mut read = || {
        let opener = rows.opener(keys, walker)?;
        let record = rows.record(&opener)?;
        let key = opener.facts_key();
        Ok((record, opener.row, key))
    };
    read().map_err(|error: VaultError| at(leaf, error))
}
