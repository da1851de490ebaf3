//! The same names without the crate `age`: none of them can be had, and each says why.

use std::convert::Infallible;
use std::fmt;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::marker::PhantomData;

use super::super::secret::Password;
use super::AgeError;

/// Who can open what is encrypted. This build has none.
#[derive(Clone, PartialEq, Eq)]
pub struct Recipient(Infallible);

impl Recipient {
    /// Says that this build has no age.
    pub fn parse(_: &str) -> Result<Self, AgeError> {
        Err(AgeError::NotBuilt)
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {}
    }
}

/// Secret keys. This build has none.
#[derive(Default)]
pub struct Identities(());

impl Identities {
    /// Says that this build has no age.
    pub fn read(_: &Password) -> Result<Self, AgeError> {
        Err(AgeError::NotBuilt)
    }

    /// Takes nothing to nothing.
    pub fn append(&mut self, _: Self) {}

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        true
    }
}

/// Writes an age file. This build has none.
pub struct Encryptor<W: Write>(Infallible, PhantomData<W>);

impl<W: Write> Encryptor<W> {
    /// Says that this build has no age.
    pub fn to_recipients(_: W, _: &[Recipient]) -> Result<Self, AgeError> {
        Err(AgeError::NotBuilt)
    }

    /// Says that this build has no age.
    pub fn under_passphrase(_: W, _: &Password) -> Result<Self, AgeError> {
        Err(AgeError::NotBuilt)
    }

    /// Writes the last chunk, and gives the output back.
    pub fn finish(self) -> io::Result<W> {
        match self.0 {}
    }
}

impl<W: Write> Write for Encryptor<W> {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        match self.0 {}
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.0 {}
    }
}

/// An age file whose header was read. This build has none.
pub struct Opener<R>(Infallible, PhantomData<R>);

impl<R: Read + Seek> Opener<R> {
    /// Says that this build has no age.
    pub fn read(_: R) -> Result<Self, AgeError> {
        Err(AgeError::NotBuilt)
    }

    /// Whether a passphrase opens it.
    pub fn needs_passphrase(&self) -> bool {
        match self.0 {}
    }

    /// Opens it with whichever of the identities fits.
    pub fn with_identities(self, _: &Identities) -> Result<Reader<R>, AgeError> {
        match self.0 {}
    }

    /// Opens it with the passphrase.
    pub fn with_passphrase(self, _: &Password) -> Result<Reader<R>, AgeError> {
        match self.0 {}
    }
}

/// The plaintext of an age file. This build has none.
pub struct Reader<R>(Infallible, PhantomData<R>);

impl<R: Read + Seek> Reader<R> {
    /// How many bytes it has.
    pub fn length(&self) -> u64 {
        match self.0 {}
    }
}

impl<R: Read + Seek> Read for Reader<R> {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        match self.0 {}
    }
}

impl<R> Seek for Reader<R> {
    fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
        match self.0 {}
    }
}
