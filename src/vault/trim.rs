//! The log's own retention: its oldest entries go, and what the rest has to follow from stays.
//!
//! When entries were written is sealed to the auditor, so the keyring remembers how long the log was at some
//! moments. `docs/format.md` §11.

use super::access::{CanErase, CanJudge, Identity};
use super::head::{Role, StaticHead};
use super::log::Action;
use super::{Damage, Vault, VaultError};
use crate::bytes::{Malformed, Reader, put_var};
use crate::clock::{Duration, Instant, Unit};
use crate::crypto::{Digest, SignatureBytes};
use crate::log_tree::{self, RightEdge};
use crate::retention::in_force;
use crate::store::{Store, StoreError, Table};
use crate::tree::{self, Multiproof};

const MAGIC: &[u8; 8] = b"cvtrimmd";
const TRIM: &str = "convault/1/log-trim";

/// The row of table `transition` that says where the log begins.
const ROW: u64 = 0;

/// Days between two moments that are remembered.
const APART_DAYS: u32 = 7;

/// The most moments that are remembered.
const MOST_MARKS: usize = 4096;

/// How long the log was at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LogMark {
    pub(super) size: u64,
    pub(super) at: Instant,
}

/// The moments a keyring remembers, ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct LogMarks(Vec<LogMark>);

impl LogMarks {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&u16::try_from(self.0.len()).expect("at most 4096").to_be_bytes());
        for LogMark { size, at } in &self.0 {
            out.extend_from_slice(&size.to_be_bytes());
            out.extend_from_slice(&at.0.to_be_bytes());
        }
    }

    pub(super) fn take(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let count = usize::from(reader.u16()?);
        if count > MOST_MARKS {
            return Err(Malformed);
        }
        let mark = |_| Ok(LogMark { size: reader.u64()?, at: Instant(reader.i64()?) });
        let marks: Vec<LogMark> = (0..count).map(mark).collect::<Result<_, Malformed>>()?;
        let ascends = marks.is_sorted_by(|a, b| a.size <= b.size && a.at < b.at);
        if ascends { Ok(Self(marks)) } else { Err(Malformed) }
    }

    /// The same with this moment, where the last one is long enough ago.
    pub(super) fn with(mut self, size: u64, at: Instant) -> Self {
        let apart = Duration::new(APART_DAYS, Unit::Day);
        let is_next = |last: &LogMark| {
            last.size <= size && apart.and_then(|apart| last.at.plus(apart)).is_some_and(|next| next <= at)
        };
        if self.0.len() < MOST_MARKS && self.0.last().is_none_or(is_next) {
            self.0.push(LogMark { size, at });
        }
        self
    }

    /// How long the log was, at least, at a time or before it.
    fn size_at(&self, at: Instant) -> u64 {
        self.0.iter().rev().find(|mark| mark.at <= at).map_or(0, |mark| mark.size)
    }
}

/// Where a log begins whose first entries are gone: signed by who removed them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Beginning {
    /// The right edge of the entries that are gone.
    pub(super) edge: RightEdge,
    /// The live root after them.
    pub(super) live_root: Digest,
}

impl Beginning {
    /// Reads where the log of a store begins; an empty edge and tree when nothing of it is gone.
    pub(super) fn of(store: &Store, head: &StaticHead) -> Result<Self, VaultError> {
        let Some(row) = store.get(Table::Transition, ROW)? else {
            return Ok(Self { edge: RightEdge::new(), live_root: tree::empty_root() });
        };
        Self::decode(&row, head).map_err(|_| Damage::Record("beginning of the log").into())
    }

    fn encode(&self, by: &Identity) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        put_var(&mut out, &self.edge.encode());
        out.extend_from_slice(&self.live_root);
        out.extend_from_slice(&by.credential);
        let signature = by.own.signer.sign(TRIM, &[&by.vault, &out]);
        out.extend_from_slice(&signature);
        out
    }

    fn decode(row: &[u8], head: &StaticHead) -> Result<Self, Malformed> {
        let (signed, signature): (&[u8], &SignatureBytes) = row.split_last_chunk().ok_or(Malformed)?;
        let mut reader = Reader::new(signed);
        if reader.take(MAGIC.len())? != MAGIC {
            return Err(Malformed);
        }
        let edge = RightEdge::decode(reader.var()?).map_err(|_| Malformed)?;
        let (live_root, signer) = (reader.array()?, reader.array()?);
        reader.end()?;
        let signer = head.credential(&signer).ok_or(Malformed)?;
        // One that was retired since was an owner's or a janitor's when it signed.
        let may = matches!(signer.role, Role::Owner | Role::Janitor | Role::Retired);
        let is_signed = may && signer.verify_key.verifies(TRIM, &[&head.vault, signed], signature);
        if is_signed { Ok(Self { edge, live_root }) } else { Err(Malformed) }
    }
}

impl<A: CanJudge> Vault<A> {
    /// How long entries are kept by every version of the policy that counts; none for ever.
    fn log_kept(&self, now: Instant) -> Result<Option<Duration>, VaultError> {
        let policies = self.policies()?;
        let counting = &policies[in_force(&policies, now)..];
        let kept: Option<Vec<Duration>> = counting.iter().map(|policy| policy.log).collect();
        Ok(kept.and_then(|kept| kept.into_iter().max_by_key(|length| now.plus(*length))))
    }
}

impl<A: CanErase> Vault<A> {
    /// Removes the entries that are older than the policy keeps them; how many went. What a janitor's word on what lives
    /// has to follow from stays.
    pub fn trim_log(&mut self, now: Instant) -> Result<u64, VaultError> {
        let Some(cut) = self.log_kept(now)?.and_then(|length| now.minus(length)) else { return Ok(0) };
        let base = self.state.base().map_or(self.state.log.size(), |base| base.log_size);
        let end = self.marks.size_at(cut).min(base);
        let Some((before, beginning)) = self.beginning_at(end)? else { return Ok(0) };
        let row = beginning.encode(self.keys.identity());
        let action = Action::counted("trim", vec![("entries", end - before)]);
        self.append_log(&action, now, |transaction| {
            transaction.delete(Table::Log, 0..end + 1)?;
            transaction.delete(Table::Transition, 0..end + 1)?;
            transaction.insert(Table::Transition, ROW, &row)
        })?;
        Ok(end - before)
    }

    /// Where the log begins now, and where it would begin without its first `end` entries; none when that is no further, or
    /// when the entries in between are not there to tell it by.
    fn beginning_at(&self, end: u64) -> Result<Option<(u64, Beginning)>, VaultError> {
        let Beginning { mut edge, mut live_root } = Beginning::of(&self.store, &self.static_head)?;
        let before = edge.size();
        if end <= before {
            return Ok(None);
        }
        self.store.scan::<StoreError>(Table::Log, before + 1..end + 1, |_, row| {
            edge.append(&log_tree::leaf_hash(row));
            Ok(())
        })?;
        let mut follows = edge.size() == end;
        self.store.scan::<StoreError>(Table::Transition, before + 1..end + 1, |_, row| {
            match Multiproof::decode(row).and_then(|proof| proof.verify()) {
                Ok(roots) if roots.old == live_root => live_root = roots.new,
                _ => follows = false,
            }
            Ok(())
        })?;
        // A log that does not hold, or was recovered in between, is left for who checks it.
        Ok(follows.then_some((before, Beginning { edge, live_root })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000_000;

    #[test]
    fn a_moment_is_remembered_once_a_week_and_never_backwards() {
        let mut marks = LogMarks::default();
        for (size, day) in [(3, 0), (4, 1), (9, 7), (8, 20), (12, 5), (30, 21)] {
            marks = marks.with(size, Instant(day * DAY));
        }
        let kept: Vec<(u64, i64)> = marks.0.iter().map(|mark| (mark.size, mark.at.0 / DAY)).collect();
        assert_eq!(kept, [(3, 0), (9, 7), (30, 21)]);
        assert_eq!([-1, 0, 6, 7, 20, 99].map(|day| marks.size_at(Instant(day * DAY))), [0, 3, 3, 9, 9, 30]);
        let mut bytes = Vec::new();
        marks.encode(&mut bytes);
        assert_eq!(LogMarks::take(&mut Reader::new(&bytes)), Ok(marks));
        for length in 0..bytes.len() {
            assert!(LogMarks::take(&mut Reader::new(&bytes[..length])).is_err());
        }
    }
}
