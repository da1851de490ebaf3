//! Encrypted exports on their way back in: opened with an age identity or a passphrase, as a stream.

use std::cell::OnceCell;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use super::arguments::Unsealing;
use super::export::protection::{asked, composed_passphrase};
use super::failure::Failure;
use super::secrets::Sources;
use super::session::Session;
use crate::bundle::Seekable;
use crate::crypto::Password;
use crate::crypto::age::{self, Identities, Opener};
use crate::crypto::page::PageKey;
use crate::export::html::sealed::{self, Shell};

/// The keys that were named; each is read, or asked for, once and when it is needed.
pub(super) struct Unsealer<'a> {
    session: &'a Session,
    options: &'a Unsealing,
    identities: OnceCell<Identities>,
    passphrase: OnceCell<Password>,
}

/// A page that was sealed in another.
pub(super) struct SealedPage {
    pub(super) page: Vec<u8>,
    /// What stands around it, its script above all, is byte for byte what this version writes.
    pub(super) is_ours: bool,
}

impl<'a> Unsealer<'a> {
    pub(super) fn new(session: &'a Session, options: &'a Unsealing) -> Self {
        Self { session, options, identities: OnceCell::new(), passphrase: OnceCell::new() }
    }

    /// What is in a file: of an age file the plaintext, of any other itself.
    pub(super) fn open(&self, path: &Path) -> Result<Box<dyn Seekable>, Failure> {
        Ok(match self.plaintext(path)? {
            Some(plaintext) => plaintext,
            None => Box::new(File::open(path).map_err(|error| Failure::io(path, &error))?),
        })
    }

    /// The plaintext of an age file; none of any other.
    pub(super) fn plaintext(&self, path: &Path) -> Result<Option<Box<dyn Seekable>>, Failure> {
        let read = |path: &Path| {
            let mut file = File::open(path)?;
            let mut head = Vec::new();
            (&mut file).take(age::HEAD as u64).read_to_end(&mut head)?;
            file.seek(SeekFrom::Start(0))?;
            Ok((file, age::is_age(&head)))
        };
        let (file, is_age) = read(path).map_err(|error| Failure::io(path, &error))?;
        if !is_age {
            return Ok(None);
        }
        let named = |error: age::AgeError| Failure::from(error).at(path);
        let opener = Opener::read(file).map_err(named)?;
        let opened = match (opener.needs_passphrase(), self.has_passphrase(), !self.options.identity.is_empty()) {
            (true, true, _) => opener.with_passphrase(self.passphrase()?),
            (false, _, true) => opener.with_identities(self.identities()?),
            (true, false, _) => Err(age::AgeError::NeedsPassphrase),
            (false, _, false) => Err(age::AgeError::NeedsIdentity),
        };
        Ok(Some(Box::new(opened.map_err(named)?)))
    }

    /// Refuses an age file for which nothing was named that could open it, before anything else is asked for.
    pub(super) fn refuse_without_key(&self, path: &Path) -> Result<(), Failure> {
        match self.has_passphrase() || !self.options.identity.is_empty() {
            true => Ok(()),
            false => self.plaintext(path).map(drop),
        }
    }

    /// What a page that opens itself holds; none of any other.
    pub(super) fn page(&self, file: &mut Box<dyn Seekable>) -> Result<Option<SealedPage>, Failure> {
        let unread = |error: std::io::Error| Failure::failed(format!("cannot read the page: {error}"));
        let damaged = |what: &str| Failure { code: super::failure::code::DAMAGE, ..Failure::failed(what) };
        file.seek(SeekFrom::Start(0)).map_err(unread)?;
        let mut reader = BufReader::new(file);
        let Some((parameters, before)) = sealed::parameters(&mut reader).map_err(unread)? else { return Ok(None) };
        if !self.has_passphrase() {
            return Err(Failure::usage(
                "the page is encrypted with a passphrase",
                "give it: --passphrase asks, --passphrase-file FILE reads it",
            ));
        }
        let passphrase = composed_passphrase(self.passphrase()?)?;
        let key = PageKey::derive(&passphrase, &parameters.salt, parameters.iterations, &parameters.check)?;
        let (mut lines, mut behind) = (Vec::new(), Vec::new());
        // Up to what ends the page: a line of Base64 has no `<`.
        loop {
            let begin = lines.len();
            let count = reader.read_until(b'\n', &mut lines).map_err(unread)?;
            if count == 0 || lines[begin..].starts_with(b"<") {
                behind.extend_from_slice(&lines[begin..]);
                lines.truncate(begin);
                break;
            }
        }
        reader.take(1 << 10).read_to_end(&mut behind).map_err(unread)?;
        if behind != Shell::END.as_bytes() {
            return Err(damaged("the page is refused: something stands behind what is sealed"));
        }
        let mut page = Vec::new();
        key.reader(&lines[..]).read_to_end(&mut page).map_err(|error| damaged(&error.to_string()))?;
        Ok(Some(SealedPage { page, is_ours: before == Shell::begin(&parameters).as_bytes() }))
    }

    fn has_passphrase(&self) -> bool {
        self.options.passphrase || self.options.passphrase_file.is_some()
    }

    fn sources(&self, file: Option<&Path>) -> Sources {
        Sources::beside_the_vaults(file, self.session.global.no_input)
    }

    fn passphrase(&self) -> Result<&Password, Failure> {
        if let Some(passphrase) = self.passphrase.get() {
            return Ok(passphrase);
        }
        let sources = self.sources(self.options.passphrase_file.as_deref());
        let passphrase = sources.ask("Passphrase of the export").map_err(asked)?;
        Ok(self.passphrase.get_or_init(|| passphrase))
    }

    fn identities(&self) -> Result<&Identities, Failure> {
        if let Some(identities) = self.identities.get() {
            return Ok(identities);
        }
        let mut all = Identities::default();
        for path in &self.options.identity {
            // As secret as a password, and read under the same rules.
            let file = self.sources(Some(path)).ask("Identity").map_err(Failure::from)?;
            all.append(Identities::read(&file).map_err(|error| Failure::from(error).at(path))?);
        }
        Ok(self.identities.get_or_init(|| all))
    }
}
