//! What is done about a full disk: a step done again in the room of the ballast, and nothing half-made left.

use super::access::CanJudge;
use super::reach::rows_of_leaf;
use super::rotate::{self, Intent};
use super::{Place, UnderWay, Vault, VaultError};
use crate::store::{Store, StoreError, Table};

/// Does a step, and does it once more when the disk was full and the ballast gave room. A step that failed has left
/// nothing half-done, or does again what it did.
pub(super) fn with_room<T>(
    store: &mut Store,
    mut step: impl FnMut(&mut Store) -> Result<T, VaultError>,
) -> Result<T, VaultError> {
    match step(store) {
        Err(error) if error.met_a_full_disk() && store.free_ballast() => step(store),
        done => done,
    }
}

impl<A: CanJudge> Vault<A> {
    /// Gives the room of the ballast up; whether there was any. Closing the vault makes it again when there is room.
    pub fn free_ballast(&mut self) -> bool {
        self.store.free_ballast()
    }

    /// Removes the rows of a destruction that was made, in the room of the ballast where there is no other.
    pub(super) fn remove_rows_with_room(&mut self, under_way: &UnderWay) -> Result<(), VaultError> {
        match self.remove_rows(under_way) {
            Err(error) if error.met_a_full_disk() && self.free_ballast() => self.remove_rows(under_way),
            done => done,
        }
    }

    /// Removes the rows of a destruction one by one: the journal holds what one transaction removes, and here that is
    /// never more than one row.
    pub(super) fn remove_one_by_one(&mut self, under_way: &UnderWay) -> Result<(), VaultError> {
        for leaf in under_way.leaves.iter().map(|one| one.leaf) {
            for (table, ids) in rows_of_leaf(leaf) {
                let mut rows = Vec::new();
                self.store.scan::<StoreError>(table, ids, |id, _| {
                    rows.push(id);
                    Ok(())
                })?;
                for row in rows {
                    self.store.leave_free_pages(true)?;
                    let mut transaction = self.store.begin()?;
                    transaction.delete(table, row..row + 1)?;
                    transaction.commit()?;
                    self.store.leave_free_pages(false)?;
                    self.store.shrink()?;
                }
            }
        }
        Ok(())
    }

    /// Ends a rotation that met a full disk half-way, forwards when its transaction came and backwards when not.
    pub(super) fn settle_rotation(&mut self) -> Result<(), VaultError> {
        let Place::File(files) = &self.place else { return Ok(()) };
        let Some(intent) = self.store.get(Table::Intent, rotate::ROTATION)? else { return Ok(()) };
        // A move that is not settled is told by the vault itself, and stops a rotation.
        let Ok(intent) = Intent::decode(&intent) else { return Ok(()) };
        let anchor = self.anchor_in_force()?;
        rotate::settle(&mut self.store, &self.state, files, &anchor, &intent)
    }
}
