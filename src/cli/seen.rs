//! What this machine last saw of each vault, so that an older copy put in its place is noticed.
//!
//! A small file without secrets for each vault, below `$XDG_STATE_HOME/convault`. It is written after
//! a command, so it may lag; where it goes back together with the vault nothing is noticed.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;

use etcetera::base_strategy::{BaseStrategy, Xdg};
use serde::{Deserialize, Serialize};

use crate::clock::Instant;
use crate::vault::{CanJudge, DoomedLeaf, Vault, VaultError, hex, unhex};

const SCHEMA: &str = "convault.state/1";
/// Largest state that is read.
const LARGEST: u64 = 256 << 20;

/// What was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Seen {
    schema: String,
    vault: String,
    generation: u64,
    next_leaf: u64,
    log_size: u64,
    log_root: String,
    clock: Instant,
    /// Segments that were destroyed: their leaves, and the commitments to the shares that are gone.
    destroyed: Vec<(u64, String)>,
}

impl Seen {
    /// What was seen of a vault before; none when it was not seen on this machine.
    pub(super) fn of<A: CanJudge>(vault: &Vault<A>) -> Option<Self> {
        let path = path(vault)?;
        let about = std::fs::metadata(&path).ok().filter(|about| about.len() <= LARGEST)?;
        let seen: Self =
            about.is_file().then(|| std::fs::read(&path).ok())?.and_then(|b| serde_json::from_slice(&b).ok())?;
        (seen.schema == SCHEMA && seen.vault == hex(&vault.id())).then_some(seen)
    }

    /// Whether the vault as it is now goes on from what was seen.
    pub(super) fn is_continued_by<A: CanJudge>(&self, vault: &Vault<A>) -> Result<bool, VaultError> {
        if vault.generation() < self.generation
            || vault.log_size() < self.log_size
            || vault.next_leaf() < self.next_leaf
        {
            return Ok(false);
        }
        // None is a stretch that a recovery left out, which nobody can compare.
        Ok(vault.log_root_at(self.log_size)?.is_none_or(|root| hex(&root) == self.log_root))
    }

    /// Segments that were destroyed as far as this machine knows.
    pub(super) fn destroyed(&self) -> Vec<(u64, [u8; 32])> {
        self.destroyed.iter().filter_map(|(leaf, commitment)| Some((*leaf, unhex(commitment)?))).collect()
    }

    /// When it was.
    pub(super) fn clock(&self) -> Instant {
        self.clock
    }

    /// The clock of a look at `now`: as it was where it went back, or on further than a clock goes by itself.
    fn advanced(&self, now: Instant) -> Instant {
        if crate::purge::is_steady(self.clock, now) { now } else { self.clock }
    }

    /// The next leaf number that was seen.
    pub(super) fn next_leaf(&self) -> u64 {
        self.next_leaf
    }
}

/// Remembers a vault as it is now, with segments that were just destroyed. What cannot be written is not remembered.
pub(super) fn remember<A: CanJudge>(vault: &Vault<A>, now: Instant, destroyed: &[DoomedLeaf]) {
    let before = Seen::of(vault);
    let mut all = before.as_ref().map(|seen| seen.destroyed.clone()).unwrap_or_default();
    all.extend(destroyed.iter().map(|one| (one.leaf, hex(&one.commitment))));
    all.sort_unstable();
    all.dedup();
    let Ok(Some(root)) = vault.log_root_at(vault.log_size()) else { return };
    let seen = Seen {
        schema: SCHEMA.to_owned(),
        vault: hex(&vault.id()),
        generation: vault.generation(),
        next_leaf: vault.next_leaf(),
        log_size: vault.log_size(),
        log_root: hex(&root),
        clock: before.as_ref().map_or(now, |before| before.advanced(now)),
        destroyed: all,
    };
    // Most commands change nothing of it.
    let clock = seen.clock;
    if before.is_none_or(|before| Seen { clock, ..before } != seen) {
        let _ = write(vault, &seen);
    }
}

/// Remembers that a vault was looked at, also where nothing of it changed. Where the clock jumped, only somebody who saw
/// what would be destroyed acknowledges that.
pub(super) fn look<A: CanJudge>(vault: &Vault<A>, now: Instant, is_acknowledged: bool) {
    if let Some(seen) = Seen::of(vault) {
        let clock = if is_acknowledged { now } else { seen.advanced(now) };
        let _ = write(vault, &Seen { clock, ..seen });
    }
}

/// Forgets a vault that was destroyed.
pub(super) fn forget<A: CanJudge>(vault: &Vault<A>) {
    if let Some(path) = path(vault) {
        let _ = std::fs::remove_file(path);
    }
}

fn path<A: CanJudge>(vault: &Vault<A>) -> Option<PathBuf> {
    Some(Xdg::new().ok()?.state_dir()?.join("convault").join(format!("{}.json", hex(&vault.id()))))
}

fn write<A: CanJudge>(vault: &Vault<A>, seen: &Seen) -> std::io::Result<()> {
    let Some(path) = path(vault) else { return Ok(()) };
    if let Some(folder) = path.parent() {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let part = path.with_extension("part");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
    file.write_all(&serde_json::to_vec(seen)?)?;
    file.sync_all()?;
    std::fs::rename(&part, &path)
}
