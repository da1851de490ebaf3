//! age files by way of the crate `age`, with its bounds drawn tighter and its errors told apart.

use std::fmt;
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom, Write};

use age::armor::ArmoredReader;
use age::secrecy::SecretString;
use age::stream::{StreamReader, StreamWriter};
use age::{DecryptError, Decryptor, EncryptError, scrypt, x25519};
use zeroize::Zeroizing;

use super::super::secret::Password;
use super::{ARMOR, AgeError, MAGIC};

/// scrypt's N = 2^18, as `age` itself has it: 256 MiB and about a second. Measuring this machine, as the crate
/// would, makes files that open slowly elsewhere.
const WORK: u8 = 18;

/// The largest N, 2^20, is 1 GiB: the ceiling of Argon2id here, and four times what others write.
const MOST_WORK: u8 = 20;

/// Most bytes of a header. A recipient takes 130; the parser begins anew with every line.
const MAX_HEADER: usize = 64 << 10;

/// Most bytes inside an armor: a text for mails and clipboards, which cannot be read from a place in it.
const MAX_ARMORED: u64 = 256 << 20;

/// The first line of every binary file of this version.
const VERSION_LINE: &[u8] = b"age-encryption.org/v1\n";

/// Who can open what is encrypted: an X25519 public key, `age1…`.
#[derive(Clone, PartialEq, Eq)]
pub struct Recipient(x25519::Recipient);

impl Recipient {
    /// Reads a recipient as it is written. Nothing of what is refused is repeated but the name of its kind.
    pub fn parse(text: &str) -> Result<Self, AgeError> {
        let text = text.trim();
        let upper = Zeroizing::new(text.to_ascii_uppercase());
        if upper.contains("AGE-SECRET-KEY-") || upper.contains("AGE-PLUGIN-") || upper.contains("PRIVATE KEY") {
            return Err(AgeError::SecretKey);
        }
        if text.starts_with("ssh-") || text.starts_with("ecdsa-") || text.starts_with("sk-") {
            return Err(AgeError::SshKey);
        }
        if let Ok(recipient) = text.parse() {
            return Ok(Self(recipient));
        }
        // Of a Bech32 text the last `1` separates the kind from the key.
        let kind = text.rsplit_once('1').and_then(|(before, _)| before.strip_prefix("age1"));
        let is_word = |kind: &&str| {
            (1..=32).contains(&kind.len()) && kind.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-._".contains(&b))
        };
        match kind.filter(is_word) {
            Some(kind) => Err(AgeError::OtherRecipient(kind.to_owned())),
            None => Err(AgeError::NotARecipient),
        }
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Secret keys that open what was encrypted to their recipients. Has no `Debug`.
#[derive(Default)]
pub struct Identities(Vec<x25519::Identity>);

impl Identities {
    /// Reads an identity file: a key a line, comments and empty lines between.
    pub fn read(file: &Password) -> Result<Self, AgeError> {
        if super::is_age(file.expose()) {
            return Err(AgeError::EncryptedIdentities);
        }
        let text = std::str::from_utf8(file.expose()).map_err(|_| AgeError::NotAnIdentity { line: 1 })?;
        let mut identities = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let (line, number) = (line.trim(), index + 1);
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match line.parse() {
                Ok(identity) => identities.push(identity),
                Err(_) => return Err(no_identity(line, number)),
            }
        }
        if identities.is_empty() { Err(AgeError::NoIdentity) } else { Ok(Self(identities)) }
    }

    /// Takes the identities of another file in as well.
    pub fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What a line is instead of an identity.
fn no_identity(text: &str, line: usize) -> AgeError {
    let upper = Zeroizing::new(text.to_ascii_uppercase());
    if upper.contains("PRIVATE KEY-----") {
        AgeError::SshIdentity
    } else if upper.starts_with("AGE-PLUGIN-") || upper.starts_with("AGE-SECRET-KEY-PQ-") {
        AgeError::OtherIdentity { line }
    } else if upper.starts_with("AGE1") {
        AgeError::RecipientAsIdentity { line }
    } else {
        AgeError::NotAnIdentity { line }
    }
}

/// Writes a binary age file around what is written to it.
///
/// It is not finished by being dropped, because that could not say that it failed. Without [`Self::finish`] the
/// last chunk is missing, up to 64 KiB of what was written with it, and every reader refuses the file as cut off.
pub struct Encryptor<W: Write>(StreamWriter<W>);

impl<W: Write> Encryptor<W> {
    /// Begins a file that each of these recipients can open. The header is written at once.
    pub fn to_recipients(output: W, recipients: &[Recipient]) -> Result<Self, AgeError> {
        let recipients = recipients.iter().map(|recipient| &recipient.0 as &dyn age::Recipient);
        Self::begin(output, age::Encryptor::with_recipients(recipients))
    }

    /// Begins a file that opens with a passphrase, which is taken as it is. Takes about a second.
    pub fn under_passphrase(output: W, passphrase: &Password) -> Result<Self, AgeError> {
        if passphrase.is_empty() {
            return Err(AgeError::EmptyPassphrase);
        }
        let mut recipient = scrypt::Recipient::new(text(passphrase)?);
        recipient.set_work_factor(WORK);
        Self::begin(output, age::Encryptor::with_recipients(std::iter::once(&recipient as &dyn age::Recipient)))
    }

    fn begin(output: W, encryptor: Result<age::Encryptor, EncryptError>) -> Result<Self, AgeError> {
        match encryptor {
            Ok(encryptor) => Ok(Self(encryptor.wrap_output(output)?)),
            Err(EncryptError::Io(error)) => Err(error.into()),
            // Of one passphrase, or of recipients of one kind, nothing else can be wrong.
            Err(_) => Err(AgeError::NoRecipient),
        }
    }

    /// Writes the last chunk, and gives the output back.
    pub fn finish(self) -> io::Result<W> {
        self.0.finish()
    }
}

impl<W: Write> Write for Encryptor<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    /// Flushes the output. What is of a chunk that is not full stays here.
    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// A passphrase as age takes it.
fn text(passphrase: &Password) -> Result<SecretString, AgeError> {
    let text = std::str::from_utf8(passphrase.expose()).map_err(|_| AgeError::PassphraseNotText)?;
    Ok(SecretString::from(text.to_owned()))
}

/// A binary file as it is, or what stood in an armor.
enum Input<R> {
    Binary(R),
    Armored(Cursor<Vec<u8>>),
}

impl<R: Read> Read for Input<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Binary(input) => input.read(buffer),
            Self::Armored(bytes) => bytes.read(buffer),
        }
    }
}

impl<R: Seek> Seek for Input<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match self {
            Self::Binary(input) => input.seek(to),
            Self::Armored(bytes) => bytes.seek(to),
        }
    }
}

/// An age file whose header was read, and no more.
pub struct Opener<R>(Decryptor<BufReader<Input<R>>>);

impl<R: Read + Seek> Opener<R> {
    /// Reads the header of a binary or armored file, which begins at the beginning of `input`.
    pub fn read(mut input: R) -> Result<Self, AgeError> {
        input.rewind()?;
        let mut head = Vec::new();
        input.by_ref().take(MAX_HEADER as u64).read_to_end(&mut head)?;
        input.rewind()?;
        let input = if head.starts_with(ARMOR) {
            let bytes = unarmored(input)?;
            head.clear();
            head.extend_from_slice(&bytes[..bytes.len().min(MAX_HEADER)]);
            Input::Armored(Cursor::new(bytes))
        } else {
            Input::Binary(input)
        };
        if !head.starts_with(MAGIC) {
            return Err(AgeError::NotAge);
        }
        if !head.starts_with(VERSION_LINE) {
            return Err(AgeError::UnknownVersion);
        }
        // The parser has no bound of its own.
        if !head.windows(5).any(|line| line == b"\n--- ") {
            return Err(match head.len() < MAX_HEADER {
                true => AgeError::DamagedHeader,
                false => AgeError::LargeHeader { limit: MAX_HEADER },
            });
        }
        match Decryptor::new_buffered(BufReader::new(input)) {
            Ok(decryptor) => Ok(Self(decryptor)),
            Err(error) => Err(refusal(error, AgeError::DamagedHeader)),
        }
    }

    /// Whether a passphrase opens it, and no identity.
    pub fn needs_passphrase(&self) -> bool {
        self.0.is_scrypt()
    }

    /// Opens it with whichever of the identities fits.
    pub fn with_identities(self, identities: &Identities) -> Result<Reader<R>, AgeError> {
        if self.needs_passphrase() {
            return Err(AgeError::NeedsPassphrase);
        }
        let identities = identities.0.iter().map(|identity| identity as &dyn age::Identity);
        let stream = self.0.decrypt(identities).map_err(|error| refusal(error, AgeError::NoMatchingKey))?;
        Reader::of(stream)
    }

    /// Opens it with the passphrase, which is taken as it is. Takes as long, and as much memory up to 1 GiB, as the
    /// file says.
    pub fn with_passphrase(self, passphrase: &Password) -> Result<Reader<R>, AgeError> {
        if !self.needs_passphrase() {
            return Err(AgeError::NeedsIdentity);
        }
        let mut identity = scrypt::Identity::new(text(passphrase)?);
        identity.set_max_work_factor(MOST_WORK);
        let identities = std::iter::once(&identity as &dyn age::Identity);
        let stream = self.0.decrypt(identities).map_err(|error| refusal(error, AgeError::WrongPassphrase))?;
        Reader::of(stream)
    }
}

/// What stands in an armor, still encrypted.
fn unarmored(input: impl Read) -> Result<Vec<u8>, AgeError> {
    let mut bytes = Vec::new();
    match ArmoredReader::new(input).take(MAX_ARMORED + 1).read_to_end(&mut bytes) {
        Ok(_) if bytes.len() as u64 > MAX_ARMORED => Err(AgeError::LargeArmor { limit: MAX_ARMORED }),
        Ok(_) => Ok(bytes),
        Err(error) if is_damage(&error) => Err(AgeError::Damaged),
        Err(error) => Err(error.into()),
    }
}

/// A refusal of the crate in our words; `no_key` where no key fitted.
fn refusal(error: DecryptError, no_key: AgeError) -> AgeError {
    match error {
        DecryptError::Io(error) if !is_damage(&error) => error.into(),
        DecryptError::Io(_) | DecryptError::InvalidHeader | DecryptError::InvalidMac => AgeError::DamagedHeader,
        // The version was found to be ours before: it is the rest of the header that the crate could not read.
        DecryptError::UnknownFormat => AgeError::DamagedHeader,
        DecryptError::ExcessiveWork { .. } => AgeError::TooMuchWork,
        _ => no_key,
    }
}

/// Whether the bytes are at fault, and not the reading of them.
fn is_damage(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
}

/// The plaintext of an age file, from any place on.
///
/// Its length was proved when it was opened. What is damaged or was cut off since is an error of the kind
/// [`io::ErrorKind::InvalidData`] that carries an [`AgeError`]; it is met when the place is read, and then it stays.
pub struct Reader<R> {
    stream: StreamReader<BufReader<Input<R>>>,
    /// Where the next byte is read.
    at: u64,
    /// Where the stream stands; nowhere after a failure.
    stands: Option<u64>,
    length: u64,
}

impl<R: Read + Seek> Reader<R> {
    fn of(mut stream: StreamReader<BufReader<Input<R>>>) -> Result<Self, AgeError> {
        // Opens the last chunk as the last.
        let length = stream.seek(SeekFrom::End(0)).map_err(|error| match is_damage(&error) {
            true => AgeError::Truncated,
            false => error.into(),
        })?;
        Ok(Self { stream, at: 0, stands: None, length })
    }

    /// How many bytes it has.
    pub fn length(&self) -> u64 {
        self.length
    }

    fn next(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.stands.take() != Some(self.at) {
            self.stream.seek(SeekFrom::Start(self.at))?;
        }
        let count = self.stream.read(buffer)?;
        if count == 0 && self.at < self.length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.at += count as u64;
        self.stands = Some(self.at);
        Ok(count)
    }
}

impl<R: Read + Seek> Read for Reader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // At the end the stream says so itself, unless something follows.
        if buffer.is_empty() || self.at > self.length {
            return Ok(0);
        }
        self.next(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => io::Error::new(io::ErrorKind::InvalidData, AgeError::Truncated),
            io::ErrorKind::InvalidData => io::Error::new(io::ErrorKind::InvalidData, AgeError::Damaged),
            _ => error,
        })
    }
}

impl<R> Seek for Reader<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(place) => Some(place),
            SeekFrom::End(offset) => self.length.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.at.checked_add_signed(offset),
        };
        self.at = target.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}
