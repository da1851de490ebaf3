//! What every command starts from: the time, the zone, the vault's path, and how it is opened.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use etcetera::base_strategy::{BaseStrategy, Xdg};

use super::arguments::{Global, UnlockCost};
use super::failure::{Failure, code};
use super::read::short;
use super::secrets::{Environment, Flags, Sources};
use super::seen::{self, Seen};
use crate::bundle::FileId;
use crate::clock::{self, Instant, Unit, Zone};
use crate::crypto::{KdfCost, Password};
use crate::retention::{Standing, in_force};
use crate::selector::{Scope, Selector};
use crate::vault::{
    Auditing, CanErase, CanJudge, CanRead, Entry, Lock, Log, Reader, StoreError, Unopened, Vault, VaultError, Who,
};

/// Days without a purge after which one is missed.
const OVERDUE_DAYS: u32 = 2;

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
                credential: self.global.credential.clone(),
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

    /// Who acts: by the key file that was named, or by a password.
    pub(super) fn who(&self, unopened: &Unopened) -> Result<Who, Failure> {
        Ok(unopened.who(&self.sources().ask("Password")?)?)
    }

    /// Opens the vault for an owner.
    pub(super) fn open(&self) -> Result<Vault, Failure> {
        let unopened = self.unopened()?;
        match self.who(&unopened)? {
            Who::Owner(keys) => self.warned(self.owned(unopened.open_as(keys, self.anchor())?)?),
            other => Err(VaultError::NotAllowed(other.role()).into()),
        }
    }

    /// Opens the vault for who may read it.
    pub(super) fn open_reading(&self) -> Result<Reading, Failure> {
        let unopened = self.unopened()?;
        match self.who(&unopened)? {
            Who::Owner(keys) => Ok(Reading::Owner(self.warned(self.owned(unopened.open_as(keys, self.anchor())?)?)?)),
            Who::Reader(keys) => {
                Ok(Reading::Reader(self.warned(self.looked_at(unopened.open_as(keys, self.anchor())?)?)?))
            }
            other => Err(VaultError::NotAllowed(other.role()).into()),
        }
    }

    /// Opens the log for who may read it.
    pub(super) fn open_log(&self) -> Result<OpenLog, Failure> {
        let unopened = self.unopened()?;
        match self.who(&unopened)? {
            Who::Owner(keys) => Ok(OpenLog::Owner(self.settled(unopened.open_as(keys, self.anchor())?)?)),
            Who::Auditor(keys) => Ok(OpenLog::Auditor(unopened.audit_as(keys))),
            other => Err(VaultError::NotAllowed(other.role()).into()),
        }
    }

    /// The files that the vault is made of, and those that open it: no command takes them for anything else.
    pub(super) fn own_files(&self, anchor: Option<PathBuf>) -> Vec<FileId> {
        let mut paths = vec![(self.path.clone(), &["", "-journal", ".lock", ".ballast"][..])];
        paths.extend(anchor.map(|anchor| (anchor, &["", ".keyring0", ".keyring1"][..])));
        paths.extend(self.global.credential.clone().map(|key| (key, &[""][..])));
        let beside = |(path, endings): (PathBuf, &'static [&'static str])| {
            endings.iter().filter_map(move |ending| {
                let mut name = path.clone().into_os_string();
                name.push(ending);
                FileId::at(Path::new(&name))
            })
        };
        paths.into_iter().flat_map(beside).collect()
    }

    /// Where the anchor was said to be.
    pub(super) fn anchor(&self) -> Option<&Path> {
        self.global.anchor_file.as_deref()
    }

    /// Says when nobody purges any more.
    fn warned<A: CanJudge>(&self, vault: Vault<A>) -> Result<Vault<A>, Failure> {
        if let Some(last) = self.overdue(&vault)? {
            warn(&format!(
                "nothing was purged since {}, and it should be every day: convault schedule show",
                self.minute(last)
            ));
        }
        Ok(vault)
    }

    /// Since when no purge ran, where one should run every day: there is a janitor, and a policy that destroys.
    pub(super) fn overdue<A: CanJudge>(&self, vault: &Vault<A>) -> Result<Option<Instant>, Failure> {
        let Some(last) = vault.unattended_since().map(|since| vault.purged().map_or(since, |at| at.max(since))) else {
            return Ok(None);
        };
        let latest = clock::Duration::new(OVERDUE_DAYS, Unit::Day).and_then(|days| last.plus(days));
        if latest.is_none_or(|latest| self.now <= latest) {
            return Ok(None);
        }
        let policies = vault.policies()?;
        let destroys = policies.get(in_force(&policies, self.now)).is_some_and(|policy| policy.destroys());
        Ok(destroys.then_some(last))
    }

    /// A vault opened by an owner: nothing half-done, and deposits taken in.
    pub(super) fn owned(&self, vault: Vault) -> Result<Vault, Failure> {
        let mut vault = self.settled(vault)?;
        let taken = super::deposits::take_in(self, &mut vault);
        let (notes, warnings) = match taken {
            Ok(said) => said,
            Err(failure) if !vault.is_awake() => return Err(failure),
            // They wait on; nothing else waits for them.
            Err(failure) => (Vec::new(), vec![format!("deposits are not all taken in: {}", failure.message)]),
        };
        warnings.iter().for_each(|said| warn(said));
        if !self.global.quiet && !self.global.json {
            notes.iter().for_each(|said| eprintln!("{}", crate::inert::inert_line(said)));
        }
        Ok(vault)
    }

    /// An opened vault in which nothing is left half-done: what was begun is finished before anything else.
    pub(super) fn settled<A: CanErase>(&self, mut vault: Vault<A>) -> Result<Vault<A>, Failure> {
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

    /// A vault opened by who changes nothing of it: what is left half-done stays so, and is told.
    pub(super) fn looked_at(&self, vault: Vault<Reader>) -> Result<Vault<Reader>, Failure> {
        if Seen::of(&vault).map_or(Ok(true), |seen| seen.is_continued_by(&vault))? {
            if vault.under_way()?.is_some() {
                warn(
                    "an erasure that was begun is not finished: the next command of an owner, or the next purge, does that",
                );
            }
            return Ok(vault);
        }
        let hint = match self.global.accept_rollback {
            true => "an owner has to go on from it with --accept-rollback",
            false => "find the later one",
        };
        Err(Failure { hint: Some(hint.to_owned()), ..older_copy(&vault) })
    }

    /// The segments of a conversation that may be read; refuses one of which everything is due.
    pub(super) fn serve<A: CanRead>(&self, vault: &Vault<A>, mut segments: Vec<Entry>) -> Result<Vec<Entry>, Failure> {
        let standings = vault.standing(&segments, self.now)?;
        let last = segments.last().cloned();
        segments.retain(|entry| standings.serves(entry));
        match last.as_ref().and_then(|last| Some((last, &standings.of(last)?.standing))) {
            Some((last, Standing::Due { since, destroyed_from })) if segments.is_empty() => Err(Failure::failed(format!(
                "this conversation is due since {since} and is not read any more; a purge destroys it from {destroyed_from} on"
            ))
            .with_hint(format!("convault restore {} brings it back", short(&last.conversation)))),
            _ => Ok(segments),
        }
    }

    /// Writes a read down. Only when that is durable may what was read leave the program.
    pub(super) fn log_reading<A: CanRead>(
        &self,
        vault: &mut Vault<A>,
        reading: crate::vault::Reading<'_>,
    ) -> Result<(), Failure> {
        match vault.log_reading(reading, self.now) {
            // The entry stands; what is behind is the copy beside the anchor.
            Err(error @ VaultError::CopyNotRenewed(_)) => warn(&error.to_string()),
            done => done?,
        }
        Ok(())
    }

    /// Closes the vault, and remembers what was seen of it.
    pub(super) fn close<A: CanJudge>(&self, vault: Vault<A>) -> Result<(), Failure> {
        seen::remember(&vault, self.now, &[]);
        Ok(vault.close()?)
    }

    /// Refuses a vault that is older than what this machine has seen of it, unless that was accepted.
    fn check_seen<A: CanErase>(&self, vault: &mut Vault<A>) -> Result<(), Failure> {
        let Some(seen) = Seen::of(vault) else { return Ok(()) };
        if seen.is_continued_by(vault)? {
            return Ok(());
        }
        if !self.global.accept_rollback {
            return Err(older_copy(vault));
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

/// A vault that is open to read.
#[expect(clippy::large_enum_variant, reason = "there is one of them")]
pub(super) enum Reading {
    Owner(Vault),
    Reader(Vault<Reader>),
}

/// A vault whose log is open.
#[expect(clippy::large_enum_variant, reason = "there is one of them")]
pub(super) enum OpenLog {
    Owner(Vault),
    Auditor(Auditing),
}

impl OpenLog {
    pub(super) fn log(&self) -> Log<'_> {
        match self {
            Self::Owner(vault) => vault.log(),
            Self::Auditor(vault) => vault.log(),
        }
    }

    pub(super) fn close(self, session: &Session) -> Result<(), Failure> {
        match self {
            Self::Owner(vault) => session.close(vault),
            Self::Auditor(vault) => Ok(vault.close()?),
        }
    }
}

/// Runs the same for an owner and for a reader.
macro_rules! reading {
    ($session:expr, $vault:ident => $work:expr) => {
        match $session.open_reading()? {
            crate::cli::session::Reading::Owner($vault) => $work,
            crate::cli::session::Reading::Reader($vault) => $work,
        }
    };
}
pub(super) use reading;

fn warn(said: &str) {
    eprintln!("warning: {}", crate::inert::inert_line(said));
}

fn older_copy<A: CanJudge>(vault: &Vault<A>) -> Failure {
    let path = vault.path().display();
    Failure {
        message: format!("{path} is an older copy: this machine has seen a later state of this vault"),
        hint: Some("find the later one; or go on from this one with --accept-rollback, which is logged".to_owned()),
        code: code::DAMAGE,
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
