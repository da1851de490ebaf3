//! The reach of an erasure: which tables hold rows of segments, and how these are read, removed and looked for afterwards.

use std::ops::Range;

use super::access::CanJudge;
use super::erase::{Doomed, DoomedLeaf, UnderWay};
use super::segment::{attachment_row, facts_row};
use super::{Damage, Vault, VaultError};
use crate::sabotage::{self, Fault};
use crate::store::{Store, StoreError, Table};

/// Bytes at the beginning of a segment's row that others may see: its id and the commitment.
const PUBLIC: usize = 48;
/// Segments removed in one transaction: its journal holds the pages that their rows begin in, and none of the others.
const BATCH_LEAVES: usize = 4096;

/// Every table that holds rows of segments: the reach of every deletion.
const BY_LEAF: [Table; 9] = [
    Table::Segment,
    Table::ReadShare,
    Table::DepositShare,
    Table::Facts,
    Table::Card,
    Table::Body,
    Table::Attachment,
    Table::Sketch,
    Table::Superseded,
];

/// Those of them that have any row.
fn used_tables(store: &Store) -> Result<Vec<Table>, StoreError> {
    let mut used = Vec::new();
    for table in BY_LEAF {
        if store.last(table)?.is_some() {
            used.push(table);
        }
    }
    Ok(used)
}

/// The leaf that a row of such a table belongs to.
fn leaf_of(table: Table, id: u64) -> u64 {
    if matches!(table, Table::Facts | Table::Attachment) { id >> 20 } else { id }
}

/// The rows of a run of neighbours in these tables.
fn rows_of(run: &[DoomedLeaf], tables: &[Table]) -> Vec<(Table, Range<u64>)> {
    let Some(first) = run.first().map(|one| one.leaf) else { return Vec::new() };
    rows_between(first..first + run.len() as u64, tables)
}

/// The rows of one segment, in every table that can have any.
pub(super) fn rows_of_leaf(leaf: u64) -> Vec<(Table, Range<u64>)> {
    rows_between(leaf..leaf + 1, &BY_LEAF)
}

fn rows_between(leaves: Range<u64>, tables: &[Table]) -> Vec<(Table, Range<u64>)> {
    let Range { start, end } = leaves;
    let ids = |table: &Table| match table {
        Table::Facts => facts_row(start, 0)..facts_row(end, 0),
        Table::Attachment => attachment_row(start, 0)..attachment_row(end, 0),
        _ => start..end,
    };
    tables.iter().map(|table| (*table, ids(table))).collect()
}

/// Tables whose rows are not numbered by leaves.
const NOT_BY_LEAF: &[Table] = &[
    Table::Header,
    Table::StaticHead,
    Table::StateHead,
    Table::Slot,
    Table::Anchor,
    Table::Frontier,
    Table::KeyHistory,
    Table::Tile,
    Table::Tag,
    Table::Inbox,
    Table::Log,
    Table::Transition,
    Table::Policy,
    Table::Hold,
    Table::Intent,
    Table::Receipt,
    Table::Fingerprint,
    Table::Copy,
    Table::Canary,
];

impl<A: CanJudge> Vault<A> {
    /// Bytes of the rows of these segments, found without reading them.
    pub(super) fn bytes_of(&self, leaves: &[DoomedLeaf]) -> Result<u64, StoreError> {
        let used = used_tables(&self.store)?;
        let mut bytes = 0;
        for run in leaves.chunk_by(DoomedLeaf::is_before) {
            for (table, ids) in rows_of(run, &used) {
                bytes += self.store.bytes(table, ids)?;
            }
        }
        Ok(bytes)
    }

    /// Everything whose bytes must be gone when these segments are destroyed: their rows, and the anchor and the
    /// keyring in force, which lead to their keys.
    ///
    /// `each` is given the number of the segment, and `None` for what is no segment's; rows come table by table.
    pub fn each_doomed(&self, doomed: &Doomed, mut each: impl FnMut(Option<usize>, &[u8])) -> Result<(), VaultError> {
        let used = used_tables(&self.store)?;
        let mut before = 0;
        for run in doomed.leaves.chunk_by(DoomedLeaf::is_before) {
            for (table, ids) in rows_of(run, &used) {
                self.store.scan::<StoreError>(table, ids, |id, row| {
                    // A segment's id and commitment are no secret, and stand in the intent and in the receipt.
                    let public = if table == Table::Segment { PUBLIC.min(row.len()) } else { 0 };
                    each(Some(before + (leaf_of(table, id) - run[0].leaf) as usize), &row[public..]);
                    Ok(())
                })?;
            }
            before += run.len();
        }
        for (row, _) in &doomed.tags {
            each(None, &self.store.get(Table::Tag, *row)?.ok_or(Damage::Record("tag"))?);
        }
        for (_, bytes) in self.store.all(Table::Frontier)? {
            each(None, &bytes);
        }
        each(None, self.anchor_in_force()?.expose());
        Ok(())
    }

    /// Removes the rows of destroyed segments in transactions of their own, so that it can go on after any of them. On a
    /// full disk one by one, with the room of each given back before the next.
    pub fn remove_rows(&mut self, under_way: &UnderWay) -> Result<(), VaultError> {
        if !under_way.is_destroyed {
            return Err(VaultError::Refused("rows of segments whose keys exist are not removed"));
        }
        if !self.store.is_awake() {
            self.store.wake()?;
        }
        // What is left in them is overwritten before the file shrinks, all at once.
        self.store.leave_free_pages(true)?;
        let removed = self.remove_rows_of(&under_way.leaves);
        self.store.leave_free_pages(false)?;
        match removed {
            Err(StoreError::DiskFull) => self.remove_one_by_one(under_way)?,
            done => done?,
        }
        if self.store.count(Table::Canary)? > 0 {
            let tags = self.tags_left(under_way)?;
            let mut transaction = self.store.begin()?;
            for row in tags {
                transaction.delete(Table::Tag, row..row + 1)?;
            }
            transaction.delete(Table::Canary, 0..i64::MAX as u64)?;
            transaction.commit()?;
        }
        Ok(())
    }

    fn remove_rows_of(&mut self, leaves: &[DoomedLeaf]) -> Result<(), StoreError> {
        let used = used_tables(&self.store)?;
        for batch in leaves.chunks(BATCH_LEAVES) {
            let mut transaction = self.store.begin()?;
            for run in batch.chunk_by(DoomedLeaf::is_before) {
                for (table, ids) in rows_of(run, &used) {
                    if table == Table::Sketch && sabotage::is(Fault::SketchLeft) {
                        continue;
                    }
                    transaction.delete(table, ids)?;
                }
            }
            transaction.commit()?;
        }
        Ok(())
    }

    /// Rows of the tag names that go too and are still there.
    fn tags_left(&self, under_way: &UnderWay) -> Result<Vec<u64>, VaultError> {
        let mut left = Vec::new();
        for (row, hash) in &under_way.tags {
            if self.tag_hash(*row)?.as_ref() == Some(hash) {
                left.push(*row);
            }
        }
        Ok(left)
    }

    /// Rows of these segments that are still there, looked for in every table that is not known to hold others: not by
    /// the list that the rows were removed by.
    pub fn rows_left(&self, under_way: &UnderWay) -> Result<u64, VaultError> {
        let mut left = self.tags_left(under_way)?.len() as u64;
        for table in Table::ALL.iter().filter(|table| !NOT_BY_LEAF.contains(table)) {
            let shift = if matches!(table, Table::Facts | Table::Attachment) { 20 } else { 0 };
            for run in under_way.leaves.chunk_by(DoomedLeaf::is_before) {
                let first = run[0].leaf;
                left += self.store.ids_in(*table, first << shift..(first + run.len() as u64) << shift)?.len() as u64;
            }
        }
        Ok(left)
    }
}
