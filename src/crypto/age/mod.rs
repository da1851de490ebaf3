//! Files in the format of age (age-encryption.org/v1): written to recipients or under a passphrase, and opened.
//!
//! Only the recipients of the first days are known here, X25519 and scrypt: no SSH keys and no plugins, which are
//! programs. Without the feature `age` the same names are there, and each says that this build has no age.

use std::io;

#[cfg(not(feature = "age"))]
mod absent;
#[cfg(feature = "age")]
mod present;
#[cfg(test)]
mod tests;

#[cfg(not(feature = "age"))]
pub use absent::{Encryptor, Identities, Opener, Reader, Recipient};
#[cfg(feature = "age")]
pub use present::{Encryptor, Identities, Opener, Reader, Recipient};

/// Bytes that tell an age file from any other; [`is_age`] needs no more.
pub const HEAD: usize = 40;

/// How every binary age file begins, of whatever version.
const MAGIC: &[u8] = b"age-encryption.org/";

/// How every armored age file begins.
const ARMOR: &[u8] = b"-----BEGIN AGE ENCRYPTED FILE-----";

/// Whether a file that begins so is an age file, binary or armored, of any version.
pub fn is_age(head: &[u8]) -> bool {
    head.starts_with(MAGIC) || head.starts_with(ARMOR)
}

/// Why an age file is not written or opened. Has nothing of a key, a passphrase or a content.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgeError {
    /// The feature `age` was left out.
    #[error("this build of convault has no age")]
    NotBuilt,
    /// What was given as a recipient is no key of any kind.
    #[error("not an age recipient")]
    NotARecipient,
    /// A secret key in the place of a public one.
    #[error("an identity was given in the place of a recipient: it is secret")]
    SecretKey,
    /// A public key of SSH.
    #[error("not an age recipient: keys of SSH are not supported")]
    SshKey,
    /// A recipient of a plugin, or of a kind that came later.
    #[error("not an age recipient of the kind X25519: age1{0}1… is not supported")]
    OtherRecipient(String),
    /// An empty list of recipients.
    #[error("no age recipient was given")]
    NoRecipient,
    /// Not a character of a passphrase.
    #[error("the passphrase is empty")]
    EmptyPassphrase,
    /// A passphrase of arbitrary bytes, which no other age could be given.
    #[error("the passphrase is not UTF-8")]
    PassphraseNotText,
    /// A line of an identity file that is none of an identity file.
    #[error("not an age identity file: line {line} is no identity")]
    NotAnIdentity {
        /// The line, counted from 1.
        line: usize,
    },
    /// Public keys in the place of secret ones.
    #[error("not an age identity file: line {line} is a recipient")]
    RecipientAsIdentity {
        /// The line, counted from 1.
        line: usize,
    },
    /// An identity of a plugin, or of a kind that came later.
    #[error("an age identity of a kind that is not supported: line {line} is not of the kind X25519")]
    OtherIdentity {
        /// The line, counted from 1.
        line: usize,
    },
    /// A private key of SSH.
    #[error("not an age identity file: keys of SSH are not supported")]
    SshIdentity,
    /// An identity file that is an age file itself.
    #[error("the age identity file is encrypted itself, which is not supported")]
    EncryptedIdentities,
    /// An identity file of nothing but comments.
    #[error("the age identity file has no identity in it")]
    NoIdentity,
    /// It begins like no age file.
    #[error("not an age file")]
    NotAge,
    /// A version that did not exist when this was written.
    #[error("an age file of another version than v1")]
    UnknownVersion,
    /// It is under a passphrase, and an identity was given, or nothing.
    #[error("the age file is encrypted with a passphrase")]
    NeedsPassphrase,
    /// It is for recipients, and a passphrase was given, or nothing.
    #[error("the age file is encrypted to recipients")]
    NeedsIdentity,
    /// None of the identities is of a recipient.
    #[error("no identity that was given opens the age file")]
    NoMatchingKey,
    /// Another passphrase.
    #[error("wrong passphrase of the age file")]
    WrongPassphrase,
    /// The header cannot be read, or was changed.
    #[error("the age file is damaged: its header")]
    DamagedHeader,
    /// The header is larger than anybody's.
    #[error("refused: the header of the age file is larger than {limit} bytes")]
    LargeHeader {
        /// The limit.
        limit: usize,
    },
    /// The armor does not end within what is read into memory for it.
    #[error("refused: an armored age file of more than {limit} bytes")]
    LargeArmor {
        /// The limit.
        limit: u64,
    },
    /// Deriving the key would take more memory than is given for it.
    #[error("refused: the passphrase of the age file takes more than 1 GiB of memory to try")]
    TooMuchWork,
    /// A chunk was changed, moved, or left out.
    #[error("the age file is damaged")]
    Damaged,
    /// The end is missing, or was changed.
    #[error("the age file is damaged: its end")]
    Truncated,
    /// The operating system refused.
    #[error("{0}")]
    Io(#[from] io::Error),
}
