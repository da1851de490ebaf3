//! Erasure: chosen conversations destroyed, the destruction checked by other means, and a receipt for it.
//!
//! One function does it, and every path that destroys goes through it. The order is that of
//! `docs/format.md` §12: a durable intent, the keys given up, the old anchor overwritten, the rows
//! removed, the journal zeroed, the file shrunk, the checks, the receipt. After a crash anywhere
//! [`resume`] goes on; a receipt exists only for finished work, and exactly one.

mod check;
mod checkpoint;
mod closure;
mod receipt;
mod scan;
mod shape;
#[cfg(test)]
mod tests;
mod verify;
mod windows;

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use self::check::{Checks, Outcome};
use self::receipt::{Change, Request};
use self::windows::{Finder, Key, Windows};
use crate::clock::Instant;
use crate::crypto::{Digest, hash, random};
use crate::sabotage::{self, Fault};
use crate::vault::{
    self, CanErase, Class, CopyNote, Doomed, DoomedLeaf, Entry, StateEvidence, Target, UnderWay, Vault, VaultError,
    hex, unhex,
};

pub use check::{Outcome as CheckOutcome, Verdict};
pub use checkpoint::{Compared, checkpoint, compare};
pub use receipt::SCHEMA;
pub use scan::{Found, scan};
pub use verify::{Beside, Refusal, Shown, verify, verify_with_vault};

/// Why an erasure did not come to a receipt.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ErasureError {
    /// The vault failed. Nothing is lost; what was begun goes on the next time.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The scanner does not find what was put there for it to find, so its word would be worth nothing. Nothing was
    /// destroyed.
    #[error("the scan does not find the bytes planted for it; nothing was destroyed")]
    BlindScan,
    /// A file could not be read.
    #[error("cannot scan {0}")]
    Scan(io::Error),
}

/// What will be destroyed: shown before, and executed as it was shown.
pub struct Plan {
    doomed: Doomed,
    /// Conversations, each with the month of one that never ends.
    chosen: BTreeSet<([u8; 16], u32)>,
    /// The conversations they are of, ascending.
    of: Vec<[u8; 16]>,
    /// Why, as receipts say it.
    reason: &'static str,
    class: Class,
    /// The numbers of the rules by which it is; none for a request.
    rules: Vec<u64>,
}

impl Plan {
    /// All versions of these conversations, and the names of tags that no other has.
    pub fn of(vault: &Vault, entries: &[Entry]) -> Result<Self, VaultError> {
        let targets: Vec<Target> = entries.iter().map(Target::of_entry).collect();
        Self::of_segments(vault, &targets)?.with_tags(vault)
    }

    /// The same with the names of tags that no other conversation has.
    pub fn with_tags(mut self, vault: &Vault) -> Result<Self, VaultError> {
        if vault.has_tags()? {
            let chosen = &self.chosen;
            vault.doom_tags(&mut self.doomed, |conversation, month| chosen.contains(&(*conversation, month)))?;
        }
        Ok(self)
    }

    /// Earlier versions that were replaced before a time, but of conversations that are kept; none when there are none.
    pub fn of_superseded<A: CanErase>(
        vault: &Vault<A>,
        before: Instant,
        is_kept: impl Fn(&[u8; 16]) -> bool,
    ) -> Result<Option<Self>, VaultError> {
        let (doomed, of) = vault.doom_superseded(before, is_kept)?;
        let of = of.into_iter().collect();
        let class = receipt::class_of(&doomed.leaves, vault.class());
        let plan = Self { doomed, chosen: BTreeSet::new(), of, class, reason: "superseded", rules: Vec::new() };
        Ok((plan.segments() > 0).then_some(plan))
    }

    /// All versions of these segments. Names of tags are left, which only a reader could tell.
    pub fn of_segments<A: CanErase>(vault: &Vault<A>, targets: &[Target]) -> Result<Self, VaultError> {
        let doomed = vault.doom(targets)?;
        let class = receipt::class_of(&doomed.leaves, vault.class());
        let chosen: BTreeSet<_> = targets.iter().map(|target| (target.conversation, target.month)).collect();
        let of: BTreeSet<[u8; 16]> = chosen.iter().map(|(conversation, _)| *conversation).collect();
        Ok(Self { doomed, chosen, of: of.into_iter().collect(), class, reason: "request", rules: Vec::new() })
    }

    /// The same because the policy says so, by these of its rules.
    pub fn by_policy(mut self, rules: Vec<u64>) -> Self {
        (self.reason, self.rules) = ("policy", rules);
        self
    }

    /// How many conversations.
    pub fn conversations(&self) -> u64 {
        self.of.len() as u64
    }

    /// How many segments, earlier versions among them.
    pub fn segments(&self) -> u64 {
        self.doomed.leaves.len() as u64
    }

    /// Of these, earlier versions.
    pub fn superseded(&self) -> u64 {
        self.doomed.leaves.iter().filter(|leaf| leaf.is_superseded).count() as u64
    }

    /// Bytes of their rows.
    pub fn bytes(&self) -> u64 {
        self.doomed.bytes
    }

    /// The class that a receipt can say.
    pub fn class(&self) -> Class {
        self.class
    }

    /// What no receipt will cover.
    pub fn not_covered(&self) -> Vec<&'static str> {
        receipt::not_covered(self.class)
    }
}

/// What came of an erasure.
#[derive(Debug)]
pub struct Erased {
    /// Conversations destroyed.
    pub conversations: u64,
    /// Their segments.
    pub segments: Vec<DoomedLeaf>,
    /// The class the receipt says, the weakest of them.
    pub class: Class,
    /// The checks.
    pub checks: Vec<Outcome>,
    /// The receipt and its sequence; none while a check failed or is outstanding.
    pub receipt: Option<(u64, Vec<u8>)>,
    /// What is not covered.
    pub not_covered: Vec<&'static str>,
    /// Copies of these conversations that were known.
    pub copies: Vec<CopyNote>,
}

/// Fingerprints of a segment that its receipt carries, for scans of other places later.
const SAMPLES: usize = 16;

/// Told of what is going on, in words for a person.
pub type Progress<'a> = &'a dyn Fn(&'static str);

/// What an erasure has to know after a crash.
#[derive(Serialize, Deserialize)]
struct Detail {
    id: String,
    requested: Instant,
    reason: String,
    rules: Vec<u64>,
    /// How many conversations they are of.
    conversations: u64,
    /// Hashes of the conversations' ids and months, to look for them afterwards.
    names: Vec<String>,
    bytes: u64,
    key: String,
    /// Fingerprints of each segment for its receipt.
    samples: Vec<Vec<u64>>,
    /// Fingerprints of the canary, whose row goes with the others.
    canary: Vec<u64>,
    /// Copies of these conversations that were known; facts, which say whose a segment is, are gone with it.
    #[serde(default)]
    copies: Vec<CopyNote>,
}

/// A conversation's id as an intent may hold it.
fn name(key: Key, conversation: &[u8; 16], month: u32) -> String {
    hex(&hash::labelled("convault/1/erasure", &[&key.to_bytes(), conversation, &month.to_be_bytes()]))
}

/// Destroys what the plan says.
pub fn erase<A: CanErase>(
    vault: &mut Vault<A>,
    plan: Plan,
    now: Instant,
    progress: Progress<'_>,
) -> Result<Erased, ErasureError> {
    // Before the promise, so that nothing but what is promised changes between it and its keeping.
    vault.fold_deposits(now)?;
    let Plan { doomed, chosen, of, reason, rules, .. } = plan;
    let conversations = of.len() as u64;
    let key = Key::generate();
    progress("taking fingerprints");
    let mut of_segments = vec![Vec::new(); doomed.leaves.len()];
    let mut hashes = Vec::new();
    vault.each_doomed(&doomed, |segment, row| {
        segment.and_then(|segment| of_segments.get_mut(segment)).unwrap_or(&mut hashes).extend(Windows::of(key, row));
    })?;
    let samples = of_segments.iter().map(|own| windows::sample(own, SAMPLES)).collect();
    hashes.extend(of_segments.iter().flatten());
    drop(of_segments);
    let windows = Windows::from_hashes(key, hashes);
    let canary = vault::canary();
    let detail = Detail {
        canary: Windows::of(key, &canary),
        id: hex(&random::array::<16>()),
        requested: now,
        reason: reason.to_owned(),
        rules,
        conversations,
        names: chosen.iter().map(|(id, month)| name(key, id, *month)).collect(),
        bytes: doomed.bytes,
        key: hex(&key.to_bytes()),
        samples,
        copies: vault.copies_of(&of, &doomed.leaves.iter().map(|one| one.leaf).collect::<Vec<u64>>())?,
    };
    let detail = serde_json::to_vec(&detail).expect("texts and numbers are valid JSON");
    let kept = windows.encode();
    let mut under_way = with_room(vault, |vault| vault.intend(doomed.clone(), detail.clone(), &kept, &canary))?;
    finish(vault, &mut under_way, &windows.finder(&canary), now, progress)
}

/// Does a step, and once more in the room of the ballast when the disk was full.
fn with_room<A: CanErase, T>(
    vault: &mut Vault<A>,
    mut step: impl FnMut(&mut Vault<A>) -> Result<T, VaultError>,
) -> Result<T, VaultError> {
    match step(vault) {
        Err(error) if error.met_a_full_disk() && vault.free_ballast() => step(vault),
        done => done,
    }
}

/// The scanner has to find what is there before its word counts that nothing is; else the promise is taken back.
fn control<A: CanErase>(vault: &mut Vault<A>, under_way: &UnderWay, finder: &Finder) -> Result<(), ErasureError> {
    let path = vault.path().to_owned();
    match vault.at_rest(|_| scan::sees(&path, finder))? {
        Ok(true) => Ok(()),
        seen => {
            vault.forsake(under_way)?;
            Err(seen.map_or_else(ErasureError::Scan, |_| ErasureError::BlindScan))
        }
    }
}

/// Destroys again what had been destroyed and came back with an older copy of the vault: segments whose leaf and
/// commitment are known. None when none of them is there.
pub fn erase_again<A: CanErase>(
    vault: &mut Vault<A>,
    destroyed: &[(u64, Digest)],
    now: Instant,
) -> Result<Option<Erased>, ErasureError> {
    let back = vault.targets_at(destroyed)?;
    if back.is_empty() {
        return Ok(None);
    }
    let mut plan = Plan::of_segments(vault, &back)?;
    // Nothing that came since is destroyed with it: only what had been.
    plan.doomed.leaves.retain(|one| destroyed.contains(&(one.leaf, one.commitment)));
    if plan.doomed.leaves.is_empty() {
        return Ok(None);
    }
    erase(vault, plan, now, &|_| ()).map(Some)
}

/// Goes on with an erasure that was begun; none when there is none.
pub fn resume<A: CanErase>(
    vault: &mut Vault<A>,
    now: Instant,
    progress: Progress<'_>,
) -> Result<Option<Erased>, ErasureError> {
    let Some(mut under_way) = vault.under_way()? else { return Ok(None) };
    let detail = read(&under_way)?;
    if !under_way.is_destroyed && detail.reason != "request" {
        // Nobody asked for it by name, and holds or days may have changed: the next purge judges anew.
        vault.forsake(&under_way)?;
        return Ok(None);
    }
    let kept = vault.kept()?;
    let windows = Windows::decode(detail.key()?, &kept).ok_or(VaultError::damaged("intent"))?;
    if windows.count() == 0 {
        return Err(VaultError::damaged("intent").into());
    }
    let finder = windows.finder_of(detail.canary.clone());
    finish(vault, &mut under_way, &finder, now, progress).map(Some)
}

impl Detail {
    fn key(&self) -> Result<Key, VaultError> {
        unhex(&self.key).map(|bytes| Key::from_bytes(&bytes)).ok_or(VaultError::damaged("intent"))
    }
}

fn read(under_way: &UnderWay) -> Result<Detail, VaultError> {
    serde_json::from_slice(&under_way.detail).map_err(|_| VaultError::damaged("intent"))
}

/// From the durable intent to the receipt; every step does nothing where it was done before.
fn finish<A: CanErase>(
    vault: &mut Vault<A>,
    under_way: &mut UnderWay,
    finder: &Finder,
    now: Instant,
    progress: Progress<'_>,
) -> Result<Erased, ErasureError> {
    let detail = read(under_way)?;
    crash(1)?;
    if !under_way.is_destroyed {
        progress("looking for the canary");
        control(vault, under_way, finder)?;
        progress("giving up the keys");
        let word = if detail.reason == "request" { "erase" } else { "purge" };
        if let Err(error) = with_room(vault, |vault| vault.destroy(under_way, word, now)) {
            // What stopped it before anything was destroyed would stop it every time.
            if !vault.under_way()?.is_some_and(|under_way| under_way.is_destroyed) {
                vault.forsake(under_way)?;
            }
            return Err(error.into());
        }
    }
    crash(2)?;
    progress("removing rows");
    with_room(vault, |vault| vault.remove_rows(under_way))?;
    crash(3)?;
    progress("shrinking the file");
    with_room(vault, |vault| vault.shrink())?;
    crash(4)?;
    let mut found = vault
        .at_rest(|paths| {
            progress("scanning");
            scan(paths, finder)
        })?
        .map_err(ErasureError::Scan)?;
    if found.places.iter().any(|(path, _)| path == vault.path()) {
        // Something of a page that was moved stayed behind: written anew there is no such page.
        progress("writing the file anew");
        with_room(vault, |vault| vault.rewrite())?;
        found = vault.at_rest(|paths| scan(paths, finder))?.map_err(ErasureError::Scan)?;
    }
    let checks = Checks {
        list: vec![
            logical(vault, under_way, &detail)?,
            replicas(vault, closure::check(vault, under_way, &found)?)?,
            physical(vault, &found, finder),
            witnessed(),
        ],
        file_system: vault::file_system(vault.path()),
    };
    crash(5)?;
    let (after, _) = vault.shown_change()?;
    let after = StateEvidence::decode(&after).ok_or(VaultError::damaged("intent"))?;
    let (class, not_covered) = receipt::reached(vault, &under_way.leaves, &after);
    let receipt = match checks.pass() || sabotage::is(Fault::ReceiptUnverified) {
        true => {
            progress("writing the receipt");
            Some(issue(vault, under_way, &detail, &checks, now)?)
        }
        // The intent stays, and with it the fingerprints: the next run scans again.
        false => None,
    };
    // Until the last old anchor is overwritten it is as if there were a copy of it.
    let (class, not_covered) = match vault.outstanding()?.is_empty() {
        true => (class, not_covered),
        false => (Class::E1, receipt::not_covered(Class::E1)),
    };
    Ok(Erased {
        conversations: detail.conversations,
        copies: detail.copies,
        segments: under_way.leaves.clone(),
        class,
        checks: checks.list,
        receipt,
        not_covered,
    })
}

fn issue<A: CanErase>(
    vault: &mut Vault<A>,
    under_way: &UnderWay,
    detail: &Detail,
    checks: &Checks,
    now: Instant,
) -> Result<(u64, Vec<u8>), VaultError> {
    let (after, multiproof) = vault.shown_change()?;
    let request = Request {
        id: unhex(&detail.id).ok_or(VaultError::damaged("intent"))?,
        requested: detail.requested,
        reason: detail.reason.clone(),
        rules: detail.rules.clone(),
        conversations: detail.conversations,
        bytes: detail.bytes,
        copies: detail.copies.clone(),
    };
    let fingerprints = (detail.key()?, detail.samples.as_slice());
    let change =
        Change { leaves: &under_way.leaves, fingerprints, before: under_way.before.clone(), after, multiproof };
    let sequence = vault.next_receipt()?;
    let receipt = receipt::sign(vault, sequence, &request, &change, checks, now)?;
    // A receipt that nobody would accept is none.
    if !sabotage::is(Fault::ReceiptUnverified) && verify(&receipt).is_err() {
        return Err(VaultError::Refused("the receipt would not hold; none is written"));
    }
    let ran = detail.reason == "policy";
    with_room(vault, |vault| vault.store_receipt(sequence, &receipt, ran, now))?;
    Ok((sequence, receipt))
}

/// This vault no longer serves them.
fn logical<A: CanErase>(vault: &Vault<A>, under_way: &UnderWay, detail: &Detail) -> Result<Outcome, VaultError> {
    let left = vault.rows_left(under_way)?;
    let key = detail.key()?;
    let names: BTreeSet<&str> = detail.names.iter().map(String::as_str).collect();
    // Every segment that is left is asked whose it is: a version that was forgotten has rows of its own.
    let forgotten = vault.versions_of(|id, month| names.contains(name(key, id, month).as_str()))?;
    let tombstones = vault.are_tombstones(under_way)?;
    let holds = left == 0 && forgotten == 0 && tombstones;
    let says = match holds {
        true => "no row and no earlier version is left, and every leaf is a tombstone under the signed live root",
        false => "rows or earlier versions are left, or a leaf is no tombstone under the signed live root",
    };
    let counts = vec![("segments", under_way.leaves.len() as u64), ("rows_left", left), ("versions_left", forgotten)];
    Ok(Outcome { name: "logical", verdict: Verdict::of(holds), says: says.to_owned(), bytes: 0, counts })
}

/// Their bytes are not in these files.
fn physical<A: CanErase>(vault: &Vault<A>, found: &Found, finder: &Finder) -> Outcome {
    let says = match found.doomed {
        0 => "none of the fingerprints is in the files of the vault; the canary was found before, and is gone",
        _ => "fingerprints of destroyed bytes are still in the files of the vault",
    };
    let counts = vec![
        ("fingerprints", finder.count() as u64),
        ("found", found.doomed),
        ("canary_left", found.canary),
        ("files", found.files.len() as u64),
    ];
    let is_read = found.files.iter().any(|file| file == vault.path()) && found.bytes > 0 && finder.count() > 0;
    let verdict = match is_read {
        true => Verdict::of(found.doomed == 0 && found.canary == 0),
        false => Verdict::Pending,
    };
    Outcome { name: "physical", verdict, says: says.to_owned(), bytes: found.bytes, counts }
}

/// While a replica of the anchor did not acknowledge that the old one is overwritten, nobody can say that it is gone.
fn replicas<A: CanErase>(vault: &Vault<A>, mut check: Outcome) -> Result<Outcome, VaultError> {
    let outstanding = vault.outstanding()?;
    if let (Some(path), Verdict::Pass) = (outstanding.first(), check.verdict) {
        check.verdict = Verdict::Pending;
        check.says = format!(
            "the old anchor stands in a replica that is out of reach ({}): bring it back, or drop it (anchor replicate --forget)",
            path.display()
        );
    }
    Ok(check)
}

fn witnessed() -> Outcome {
    Outcome {
        name: "witnessed",
        verdict: Verdict::NotRun,
        says: "no outside cosignature on the log".to_owned(),
        bytes: 0,
        counts: Vec::new(),
    }
}

/// A test may end an erasure behind this step, as a crash would.
fn crash(step: u8) -> Result<(), VaultError> {
    if sabotage::is(Fault::Crash(step)) { Err(VaultError::Refused("crashed, as a test wants it")) } else { Ok(()) }
}

/// Where receipts are written beside a vault.
pub fn receipts_folder(vault: &std::path::Path) -> PathBuf {
    let mut name = vault.as_os_str().to_owned();
    name.push(".receipts");
    name.into()
}
