//! What every command starts from: the time, the zone, the vault's path, and how it is opened.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use etcetera::base_strategy::{BaseStrategy, Xdg};

use super::arguments::{Global, UnlockCost};
use super::failure::{Failure, code};
use super::read::short;
use super::secrets::{Environment, Flags, Sources};
use super::seen::{self, Seen};
use crate::clock::{Instant, Zone};
use crate::crypto::{KdfCost, Password};
use crate::retention::Standing;
use crate::selector::{Scope, Selector};
use crate::vault::{Entry, Lock, StoreError, Unopened, Vault};

/// The surroundings of one command.
pub(super) struct Session {
    pub(super) global: Global,
    pub(super) now: Instant,
    pub(super) zone: Zone,
    pub(super) path: PathBuf,
}

impl Session {
    pub(super) fn new(global: Global) -> Result<Self, Failure> {
        let path = match &global.vault {
            Some(path) => path.clone(),
            None => Xdg::new()
                .map_err(|_| {
                    Failure::usage("cannot tell where the vault is: there is no home folder", "name it: --vault PATH")
                })?
                .data_dir()
                .join("convault/vault.db"),
        };
        let anchor_file = global.anchor_file.as_deref().map(absolute).transpose()?;
        let global = Global { anchor_file, ..global };
        let since = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|_| {
            Failure::failed("the clock is set before 1970")
                .with_hint("set the clock; times of import are kept for ever")
        })?;
        let now = Instant(i64::try_from(since.as_micros()).unwrap_or(i64::MAX));
        Ok(Self { global, now, zone: Zone::system(), path })
    }

    pub(super) fn sources(&self) -> Sources {
        Sources {
            flags: Flags {
                file: self.global.password_file.clone(),
                command: self.global.password_command.clone(),
                fd: self.global.password_fd,
            },
            environment: Environment::read(),
            no_input: self.global.no_input,
        }
    }

    /// Checks the vault's structure, before any password is asked for.
    pub(super) fn unopened(&self) -> Result<Unopened, Failure> {
        // Before the lock, which would leave its file behind where no vault is.
        if !self.path.exists() {
            return Err(StoreError::Missing(self.path.clone()).into());
        }
        if !self.path.is_file() {
            return Err(StoreError::Foreign("not a file").into());
        }
        Ok(Unopened::open(Lock::take(&self.path)?)?)
    }

    /// Opens the vault.
    pub(super) fn open(&self) -> Result<Vault, Failure> {
        let unopened = self.unopened()?;
        let password = self.sources().ask("Password")?;
        self.settled(unopened.unlock(&password, self.global.anchor_file.as_deref())?)
    }

    /// An opened vault in which nothing is left half-done: what was begun is finished before anything else.
    pub(super) fn settled(&self, mut vault: Vault) -> Result<Vault, Failure> {
        let warn = |said: &str| eprintln!("warning: {}", super::terminal::inert_line(said));
        if let Some(paths) = vault.left_behind()? {
            vault.leave_behind(self.now)?;
            warn(&format!(
                "the anchor was moved and the old one is not at {} to be overwritten: what it opens is class E1 from now on",
                paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
            ));
        }
        self.check_seen(&mut vault)?;
        match super::erase::resume(self, &mut vault) {
            Ok(Some(said)) => warn(&said),
            Ok(None) => {}
            Err(failure) if !vault.is_awake() => return Err(failure),
            // What can be read is still there to be read; what changes the vault is refused by the vault itself.
            Err(failure) => warn(&format!("an erasure that was begun is not finished: {}", failure.message)),
        }
        Ok(vault)
    }

    /// Refuses a conversation that is due.
    pub(super) fn serve(&self, vault: &Vault, entry: &Entry) -> Result<(), Failure> {
        match vault.standing(entry, self.now)?.of(entry).map(|verdict| &verdict.standing) {
            Some(Standing::Due { since, destroyed_from }) => Err(Failure::failed(format!(
                "this conversation is due since {since} and is not read any more; a purge destroys it from {destroyed_from} on"
            ))
            .with_hint(format!("convault restore {} brings it back", short(&entry.conversation)))),
            _ => Ok(()),
        }
    }

    /// Closes the vault, and remembers what was seen of it.
    pub(super) fn close(&self, vault: Vault) -> Result<(), Failure> {
        seen::remember(&vault, self.now, &[]);
        Ok(vault.close()?)
    }

    /// Refuses a vault that is older than what this machine has seen of it, unless that was accepted.
    fn check_seen(&self, vault: &mut Vault) -> Result<(), Failure> {
        let Some(seen) = Seen::of(vault) else { return Ok(()) };
        if seen.is_continued_by(vault)? {
            return Ok(());
        }
        if !self.global.accept_rollback {
            return Err(Failure {
                message: format!(
                    "{} is an older copy: this machine has seen a later state of this vault",
                    vault.path().display()
                ),
                hint: Some(
                    "find the later one; or go on from this one with --accept-rollback, which is logged".to_owned(),
                ),
                code: code::DAMAGE,
            });
        }
        vault.accept_rollback(seen.next_leaf(), self.now)?;
        let again = crate::erasure::erase_again(vault, &seen.destroyed(), self.now)?;
        if let Some(erased) = again {
            eprintln!(
                "warning: {} that had been erased before came back with this copy and {} erased again",
                super::import::count(erased.segments.len() as u64, "segment"),
                if erased.segments.len() == 1 { "is" } else { "are" }
            );
        }
        seen::forget(vault);
        Ok(())
    }

    /// A new password: from a source, or asked for twice.
    pub(super) fn new_password(&self) -> Result<Password, Failure> {
        Ok(self.sources().ask_new("New password")?)
    }

    /// A selector as it was typed.
    pub(super) fn selector(&self, words: &[String], scope: Scope) -> Result<Selector, Failure> {
        Ok(Selector::parse_args(words, scope, self.now, &self.zone)?)
    }

    /// A day for a table.
    pub(super) fn day(&self, instant: Instant) -> String {
        instant.day_in_zone(&self.zone)
    }

    /// A minute for a reader.
    pub(super) fn minute(&self, instant: Instant) -> String {
        instant.in_zone(&self.zone)
    }
}

/// The cost that was asked for.
pub(super) fn cost(wanted: UnlockCost) -> KdfCost {
    match wanted {
        UnlockCost::Minimum => KdfCost::FLOOR,
        UnlockCost::Calibrated => KdfCost::calibrate(Duration::from_secs(1), KdfCost::measure),
    }
}

/// A path as a person wants it: absolute.
pub(super) fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| Failure::io(path, &error))
}
