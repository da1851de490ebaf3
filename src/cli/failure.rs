//! From errors to words, hints and exit codes; the only place that decides an exit code.

use std::io::ErrorKind as IoKind;

use crate::bundle::BundleError;
use crate::cli::confirm::ConfirmError;
use crate::cli::secrets::SecretError;
use crate::crypto::age::AgeError;
use crate::crypto::page::PageError;
use crate::import::DetectError;
use crate::ingest::IngestError;
use crate::selector::SelectorError;
use crate::vault::{AnchorError, ErrorKind, StoreError, VaultError};

/// Exit codes, as `docs/cli.md` lists them.
pub(super) mod code {
    pub const FAILED: u8 = 1;
    pub const USAGE: u8 = 2;
    pub const PARTIAL: u8 = 3;
    pub const NO_VAULT: u8 = 10;
    pub const BUSY: u8 = 11;
    pub const WRONG_PASSWORD: u8 = 12;
    pub const NOT_ALLOWED: u8 = 13;
    pub const HELD: u8 = 14;
    pub const DAMAGE: u8 = 15;
    pub const BREAKER: u8 = 16;
    pub const DISK_FULL: u8 = 17;
    pub const INTERRUPTED: u8 = 130;
}

/// An error as it is shown.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// Lower case, cause after a colon.
    pub(super) message: String,
    /// What to do, on a line of its own.
    pub(super) hint: Option<String>,
    /// The exit code.
    pub(super) code: u8,
}

impl Failure {
    /// A mistake in what was typed.
    pub(super) fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: Some(hint.into()), code: code::USAGE }
    }

    /// Something that did not work.
    pub(super) fn failed(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, code: code::FAILED }
    }

    /// An operating system error on a path.
    pub(super) fn io(path: &std::path::Path, error: &std::io::Error) -> Self {
        let full = matches!(error.kind(), IoKind::StorageFull | IoKind::QuotaExceeded);
        let code = if full { code::DISK_FULL } else { code::FAILED };
        Self { message: format!("{}: {error}", path.display()), hint: None, code }
    }

    /// The same, of this file.
    pub(super) fn at(self, path: &std::path::Path) -> Self {
        Self { message: format!("{}: {}", path.display(), self.message), ..self }
    }

    pub(super) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl From<VaultError> for Failure {
    fn from(error: VaultError) -> Self {
        let (code, hint) = match error.kind() {
            ErrorKind::NoVault => (code::NO_VAULT, Some("make one: convault init".to_owned())),
            ErrorKind::Busy => (code::BUSY, Some("nothing was changed; try again when it is done".to_owned())),
            ErrorKind::WrongPassword => (code::WRONG_PASSWORD, None),
            ErrorKind::NotAllowed => (code::NOT_ALLOWED, None),
            ErrorKind::Damaged => (code::DAMAGE, None),
            ErrorKind::DiskFull => (code::DISK_FULL, Some("nothing was changed; make room and try again".to_owned())),
            ErrorKind::Usage => (code::USAGE, None),
            ErrorKind::Partial => (
                code::PARTIAL,
                Some("the next command that opens the vault, or changes it, makes up for it".to_owned()),
            ),
            _ => (code::FAILED, None),
        };
        let hint = match &error {
            VaultError::Ambiguous { ids, .. } => {
                let shown: Vec<&str> = ids.iter().take(5).map(|id| &id[..12]).collect();
                Some(format!("give more of the id: {}", shown.join(", ")))
            }
            VaultError::Store(StoreError::Exists(_)) => Some("to make another: convault --vault PATH init".to_owned()),
            VaultError::Anchor(AnchorError::Missing(_)) => Some("if it was moved: --anchor-file PATH".to_owned()),
            _ => hint,
        };
        Self { message: error.to_string(), hint, code }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        VaultError::from(error).into()
    }
}

impl From<IngestError> for Failure {
    fn from(error: IngestError) -> Self {
        match error {
            IngestError::Vault(error) => error.into(),
            IngestError::Interrupted => Self {
                message: error.to_string(),
                hint: Some("run the same import again to complete it".to_owned()),
                code: code::INTERRUPTED,
            },
            IngestError::Bundle(error @ BundleError::Unsealed(_)) => {
                Self { code: code::DAMAGE, ..Self::failed(error.to_string()) }.with_hint("nothing was stored")
            }
            error => Self::failed(error.to_string()).with_hint("nothing was stored"),
        }
    }
}

impl From<DetectError> for Failure {
    fn from(error: DetectError) -> Self {
        let code = match error {
            DetectError::Ambiguous(_) => code::USAGE,
            _ => code::FAILED,
        };
        Self { message: error.to_string(), hint: error.hint(), code }
    }
}

impl From<SelectorError> for Failure {
    fn from(error: SelectorError) -> Self {
        Self::usage(error.to_string(), error.hint())
    }
}

impl From<SecretError> for Failure {
    fn from(error: SecretError) -> Self {
        let code = match &error {
            SecretError::Interrupted => code::INTERRUPTED,
            error if error.is_usage() => code::USAGE,
            _ => code::FAILED,
        };
        Self { message: error.to_string(), hint: error.hint(), code }
    }
}

impl From<AgeError> for Failure {
    fn from(error: AgeError) -> Self {
        let (code, hint) = match &error {
            AgeError::NotARecipient => {
                (code::USAGE, Some("a recipient begins with age1: age-keygen makes an identity, and shows it"))
            }
            AgeError::SecretKey => (
                code::USAGE,
                Some("give its recipient, which age-keygen -y shows; consider the identity known to others"),
            ),
            AgeError::SshKey | AgeError::OtherRecipient(_) | AgeError::NoRecipient => (code::USAGE, None),
            AgeError::NeedsIdentity => (code::USAGE, Some("give an identity file: --identity FILE")),
            AgeError::NeedsPassphrase => {
                (code::USAGE, Some("give it: --passphrase asks, --passphrase-file FILE reads it"))
            }
            AgeError::NoMatchingKey | AgeError::WrongPassphrase => (code::WRONG_PASSWORD, None),
            AgeError::DamagedHeader | AgeError::Damaged | AgeError::Truncated => (code::DAMAGE, None),
            _ => (code::FAILED, None),
        };
        Self { message: error.to_string(), hint: hint.map(str::to_owned), code }
    }
}

impl From<PageError> for Failure {
    fn from(error: PageError) -> Self {
        let code = match error {
            PageError::WrongPassphrase => code::WRONG_PASSWORD,
            PageError::Damaged | PageError::Truncated => code::DAMAGE,
            _ => code::FAILED,
        };
        Self { code, ..Self::failed(error.to_string()) }
    }
}

impl From<ConfirmError> for Failure {
    fn from(error: ConfirmError) -> Self {
        Self { message: error.to_string(), hint: error.hint().map(str::to_owned), code: code::FAILED }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::Role;

    #[test]
    fn every_kind_of_failure_has_its_code_and_words() {
        let cases: [(VaultError, u8, &str, Option<&str>); 9] = [
            (StoreError::Missing("/v.db".into()).into(), 10, "no vault at /v.db", Some("make one: convault init")),
            (
                StoreError::Busy.into(),
                11,
                "the vault is in use by another process",
                Some("nothing was changed; try again when it is done"),
            ),
            (VaultError::WrongPassword, 12, "wrong password", None),
            (VaultError::NotAllowed(Role::Janitor), 13, "a credential of role janitor may not do this", None),
            (StoreError::Foreign("not an SQLite file").into(), 15, "not a convault vault: not an SQLite file", None),
            (StoreError::DiskFull.into(), 17, "the disk is full", Some("nothing was changed; make room and try again")),
            (
                AnchorError::Io { path: "/a".into(), source: IoKind::StorageFull.into() }.into(),
                17,
                "/a: no storage space",
                Some("nothing was changed; make room and try again"),
            ),
            (VaultError::NotFound("abcd".to_owned()), 1, "no conversation has the id abcd", None),
            (
                VaultError::Ambiguous { prefix: "ab".to_owned(), ids: vec!["ab".repeat(16), "abcd".repeat(8)] },
                2,
                "several ids begin with ab",
                Some("give more of the id: abababababab, abcdabcdabcd"),
            ),
        ];
        for (error, code, message, hint) in cases {
            let failure = Failure::from(error);
            assert_eq!((failure.code, failure.message.as_str(), failure.hint.as_deref()), (code, message, hint));
        }
        assert_eq!(Failure::from(IngestError::Interrupted).code, 130);
    }
}
