//! The encryption of a page that opens itself: PBKDF2, HKDF and AES-256-GCM, which is what browsers have.
//!
//! `docs/export.md` has the bytes. The passphrase is taken as it is given: whoever calls this brings it into NFC
//! before, on both sides, because this module knows no Unicode.

use std::io::{self, BufRead, Read, Write};

use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes256Gcm, Tag};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hkdf::Hkdf;
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::random;
use super::seal::nonce;
use super::secret::{Password, Secret};

/// Iterations of PBKDF2 of a new page: OWASP asks for 600,000 (2023), and a browser takes about a second for these.
pub const ITERATIONS: u32 = 1_000_000;

/// The most that is tried, about half a minute. Fewer than [`ITERATIONS`] are refused: an edited page would cost
/// whoever guesses less.
pub const MOST_ITERATIONS: u32 = 20_000_000;

/// Plaintext bytes in a chunk, which is a line.
pub const CHUNK: usize = 1 << 20;

const TAG: usize = 16;

/// Characters of a full line, with its line feed and what some editors put before that.
const LINE: usize = (CHUNK + TAG).div_ceil(3) * 4 + 2;

/// Why a page is not sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PageError {
    /// Not a character of a passphrase.
    #[error("the passphrase is empty")]
    EmptyPassphrase,
    /// Iterations out of bounds; nothing was derived.
    #[error("refused: the page wants {0} iterations (allowed: 1000000 to 20000000)")]
    Iterations(u32),
    /// Another passphrase, or a check value that was changed.
    #[error("wrong passphrase of the page")]
    WrongPassphrase,
    /// A chunk was changed, moved, put in or left out.
    #[error("the page is damaged")]
    Damaged,
    /// Chunks at the end are missing.
    #[error("the page is damaged: its end is missing")]
    Truncated,
}

impl From<PageError> for io::Error {
    fn from(error: PageError) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

/// The key of the chunks, and the value in the clear that tells a wrong passphrase.
struct Derived {
    key: Secret<32>,
    check: [u8; 32],
}

fn derive(passphrase: &Password, salt: &[u8; 32], iterations: u32) -> Derived {
    let k0 = Secret::<32>::fill_with(|out| {
        pbkdf2::pbkdf2_hmac::<Sha256>(passphrase.expose(), salt, iterations, out);
    });
    let hkdf = Hkdf::<Sha256>::new(None, k0.expose());
    let expand = |info: &[u8], out: &mut [u8; 32]| {
        hkdf.expand(info, out).expect("32 bytes are less than HKDF's limit of 8160");
    };
    let mut check = [0; 32];
    expand(b"convault/page/1 check", &mut check);
    Derived { key: Secret::fill_with(|out| expand(b"convault/page/1 key", out)), check }
}

/// What a new page is sealed with. It seals one page, because a second would repeat the nonces of the first:
///
/// ```compile_fail
/// let password = convault::crypto::Password::new(b"x".to_vec());
/// let page = convault::crypto::page::NewPage::under(&password).unwrap();
/// let one = page.writer(Vec::new());
/// let two = page.writer(Vec::new());
/// ```
pub struct NewPage {
    salt: [u8; 32],
    derived: Derived,
}

impl NewPage {
    /// Derives it from the passphrase, in NFC, and a fresh salt.
    pub fn under(passphrase: &Password) -> Result<Self, PageError> {
        if passphrase.is_empty() {
            return Err(PageError::EmptyPassphrase);
        }
        Ok(Self::salted(passphrase, random::array(), ITERATIONS))
    }

    fn salted(passphrase: &Password, salt: [u8; 32], iterations: u32) -> Self {
        Self { salt, derived: derive(passphrase, &salt, iterations) }
    }

    /// For `data-iterations`.
    pub fn iterations(&self) -> u32 {
        ITERATIONS
    }

    /// For `data-salt`.
    pub fn salt(&self) -> &[u8; 32] {
        &self.salt
    }

    /// For `data-check`.
    pub fn check(&self) -> &[u8; 32] {
        &self.derived.check
    }

    /// Begins the lines.
    pub fn writer<W: Write>(self, output: W) -> PageWriter<W> {
        PageWriter { output, cipher: cipher(&self.derived.key), piece: Zeroizing::new(Vec::new()), position: 0 }
    }
}

fn cipher(key: &Secret<32>) -> Aes256Gcm {
    Aes256Gcm::new_from_slice(key.expose()).expect("the key has 32 bytes")
}

/// Seals what is written to it, and writes a line of Base64 for each chunk.
///
/// Without [`Self::finish`] the last chunk is missing, and the page is refused as cut off.
pub struct PageWriter<W: Write> {
    output: W,
    cipher: Aes256Gcm,
    piece: Zeroizing<Vec<u8>>,
    position: u32,
}

impl<W: Write> PageWriter<W> {
    fn seal(&mut self, last: bool) -> io::Result<()> {
        let tag = self
            .cipher
            .encrypt_inout_detached(&nonce(self.position, last), &[], InOutBuf::from(&mut self.piece[..]))
            .expect("a chunk is far below AES-GCM's limit of 64 GiB");
        self.piece.extend_from_slice(&tag);
        // Before the output can fail: no position is used twice.
        self.position = self.position.checked_add(1).ok_or(io::ErrorKind::FileTooLarge)?;
        let mut line = STANDARD.encode(&*self.piece);
        line.push('\n');
        self.piece.clear();
        self.output.write_all(line.as_bytes())
    }

    /// Seals the last chunk, and gives the output back.
    pub fn finish(mut self) -> io::Result<W> {
        self.seal(true)?;
        Ok(self.output)
    }
}

impl<W: Write> Write for PageWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.piece.len() == CHUNK && !bytes.is_empty() {
            // Something follows, so it is not the last.
            self.seal(false)?;
        }
        if self.piece.capacity() < CHUNK + TAG {
            // All at once: growing would leave plaintext behind.
            self.piece.reserve_exact(CHUNK + TAG);
        }
        let count = bytes.len().min(CHUNK - self.piece.len());
        self.piece.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    /// Flushes the output. What is of a chunk that is not full stays here.
    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

/// What opens the lines of a page.
pub struct PageKey(Secret<32>);

impl PageKey {
    /// Derives it from the passphrase, in NFC, and what the page says in the clear.
    pub fn derive(
        passphrase: &Password,
        salt: &[u8; 32],
        iterations: u32,
        check: &[u8; 32],
    ) -> Result<Self, PageError> {
        if !(ITERATIONS..=MOST_ITERATIONS).contains(&iterations) {
            return Err(PageError::Iterations(iterations));
        }
        Self::checked(derive(passphrase, salt, iterations), check)
    }

    fn checked(derived: Derived, check: &[u8; 32]) -> Result<Self, PageError> {
        match bool::from(derived.check.ct_eq(check)) {
            true => Ok(Self(derived.key)),
            false => Err(PageError::WrongPassphrase),
        }
    }

    /// Opens the lines, which end where `lines` ends. Empty lines are passed over.
    pub fn reader<R: BufRead>(&self, lines: R) -> PageReader<R> {
        PageReader {
            lines,
            cipher: cipher(&self.0),
            ahead: None,
            piece: Zeroizing::new(Vec::new()),
            at: 0,
            position: 0,
            state: State::Before,
        }
    }
}

/// How far a page was read.
#[derive(Clone, Copy)]
enum State {
    Before,
    Between,
    Ended,
    Failed(PageError),
}

/// The page that stands in the lines. What is wrong with it is an error of the kind
/// [`io::ErrorKind::InvalidData`] that carries a [`PageError`], and never a shorter page.
pub struct PageReader<R> {
    lines: R,
    cipher: Aes256Gcm,
    /// The line behind the one that was opened: only one without such a line is the last.
    ahead: Option<Vec<u8>>,
    piece: Zeroizing<Vec<u8>>,
    at: usize,
    position: u32,
    state: State,
}

impl<R: BufRead> PageReader<R> {
    /// The next line that is not empty.
    fn line(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        loop {
            line.clear();
            if (&mut self.lines).take(LINE as u64 + 1).read_until(b'\n', &mut line)? == 0 {
                return Ok(None);
            }
            if line.len() > LINE {
                return Err(PageError::Damaged.into());
            }
            let length = line.trim_ascii_end().len();
            line.truncate(length);
            if !line.is_empty() {
                return Ok(Some(line));
            }
        }
    }

    /// Opens the next chunk into `piece`.
    fn advance(&mut self) -> io::Result<()> {
        let line = match self.state {
            State::Before => self.line()?,
            State::Between => self.ahead.take(),
            State::Ended => return Ok(()),
            State::Failed(error) => return Err(error.into()),
        };
        // A page has one chunk at least.
        let line = line.ok_or(PageError::Truncated)?;
        self.ahead = self.line()?;
        let last = self.ahead.is_none();
        let sealed = STANDARD.decode(&line).map_err(|_| PageError::Damaged)?;
        drop(line);
        if self.open(&sealed, last).is_err() {
            let is_cut = last && self.open(&sealed, false).is_ok();
            return Err(if is_cut { PageError::Truncated } else { PageError::Damaged }.into());
        }
        let is_whole = if last { self.piece.len() <= CHUNK } else { self.piece.len() == CHUNK };
        if !is_whole || (self.piece.is_empty() && self.position > 0) {
            return Err(PageError::Damaged.into());
        }
        self.position = self.position.checked_add(1).ok_or(PageError::Damaged)?;
        self.state = if last { State::Ended } else { State::Between };
        Ok(())
    }

    fn open(&mut self, sealed: &[u8], last: bool) -> Result<(), PageError> {
        let (text, tag) = sealed.split_last_chunk::<TAG>().ok_or(PageError::Damaged)?;
        // Wiped whole before it is filled anew.
        self.piece = Zeroizing::new(text.to_vec());
        self.at = 0;
        let place = nonce(self.position, last);
        let piece = InOutBuf::from(&mut self.piece[..]);
        self.cipher.decrypt_inout_detached(&place, &[], piece, &Tag::from(*tag)).map_err(|_| PageError::Damaged)
    }
}

impl<R: BufRead> Read for PageReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.piece.len() && !buffer.is_empty() {
            self.piece.clear();
            self.at = 0;
            self.advance().inspect_err(|error| {
                // It opened, and is none that a page has: nobody reads it.
                self.piece.clear();
                let own = error.get_ref().and_then(|inner| inner.downcast_ref::<PageError>()).copied();
                // The lines themselves failed: where they stand is not known any more.
                self.state = State::Failed(own.unwrap_or(PageError::Damaged));
            })?;
        }
        let count = buffer.len().min(self.piece.len() - self.at);
        buffer[..count].copy_from_slice(&self.piece[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALT: [u8; 32] = [7; 32];

    fn password(text: &str) -> Password {
        Password::new(text.as_bytes().to_vec())
    }

    /// Lines of a page, cheaply derived.
    fn sealed(plain: &[u8]) -> String {
        let mut writer = NewPage::salted(&password("x"), SALT, 1).writer(Vec::new());
        writer.write_all(plain).unwrap();
        String::from_utf8(writer.finish().unwrap()).unwrap()
    }

    fn key(passphrase: &str) -> Result<PageKey, PageError> {
        PageKey::checked(derive(&password(passphrase), &SALT, 1), &derive(&password("x"), &SALT, 1).check)
    }

    fn opened(lines: &str) -> Result<Vec<u8>, PageError> {
        let mut reader = key("x").unwrap().reader(lines.as_bytes());
        let mut plain = Vec::new();
        match reader.read_to_end(&mut plain) {
            Ok(_) => Ok(plain),
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::InvalidData);
                let again = reader.read(&mut [0]).unwrap_err();
                assert_eq!(again.to_string(), error.to_string(), "it stays");
                Err(*error.get_ref().unwrap().downcast_ref::<PageError>().unwrap())
            }
        }
    }

    fn bytes(length: usize) -> Vec<u8> {
        (0..length).map(|n| (n.wrapping_mul(2_654_435_761) >> 9) as u8).collect()
    }

    #[test]
    fn what_is_sealed_opens_at_every_edge_of_a_chunk() {
        for (length, lines) in [(0, 1), (1, 1), (CHUNK - 1, 1), (CHUNK, 1), (CHUNK + 1, 2), (2 * CHUNK, 2)] {
            let plain = bytes(length);
            let text = sealed(&plain);
            assert_eq!(text.lines().count(), lines, "{length}");
            assert!(text.ends_with('\n') && text.lines().all(|line| line.len() < LINE));
            assert!(opened(&text).unwrap() == plain, "{length}");
            // As it stands in a page.
            assert!(opened(&format!("\n{}\r\n\n", text.replace('\n', "\r\n"))).unwrap() == plain);
        }
    }

    #[test]
    fn damage_is_told_from_a_cut_and_both_from_a_wrong_passphrase() {
        assert_eq!(key("y").err(), Some(PageError::WrongPassphrase));
        let text = sealed(&bytes(2 * CHUNK + 5));
        let lines: Vec<&str> = text.lines().collect();
        let with = |lines: &[&str]| opened(&lines.join("\n"));
        assert_eq!(with(&lines[..2]), Err(PageError::Truncated));
        assert_eq!(with(&lines[..1]), Err(PageError::Truncated));
        assert_eq!(with(&[]), Err(PageError::Truncated));
        for wrong in [
            vec![lines[1], lines[0], lines[2]],
            vec![lines[0], lines[2]],
            vec![lines[1], lines[2]],
            vec![lines[0], lines[0], lines[1], lines[2]],
            vec![lines[0], lines[1], lines[2], lines[2]],
            vec![lines[0], "not Base64!", lines[2]],
            vec![lines[0], "AAAA", lines[2]],
            vec![lines[0], &lines[1][..1000], lines[2]],
            vec![lines[2]],
        ] {
            assert_eq!(with(&wrong), Err(PageError::Damaged));
        }
        let mut flipped = text.clone().into_bytes();
        flipped[2_000_000] = if flipped[2_000_000] == b'A' { b'B' } else { b'A' };
        assert_eq!(opened(std::str::from_utf8(&flipped).unwrap()), Err(PageError::Damaged));
        let endless = "A".repeat(LINE + 4);
        assert_eq!(opened(&endless), Err(PageError::Damaged));
    }

    #[test]
    fn a_chunk_of_another_length_is_refused_though_its_key_is_right() {
        let two = |first: usize, second: usize| {
            let mut writer = NewPage::salted(&password("x"), SALT, 1).writer(Vec::new());
            writer.piece.extend_from_slice(&bytes(first));
            writer.seal(false).unwrap();
            writer.piece.extend_from_slice(&bytes(second));
            String::from_utf8(writer.finish().unwrap()).unwrap()
        };
        assert_eq!(opened(&two(10, 10)), Err(PageError::Damaged));
        assert_eq!(opened(&two(CHUNK, 0)), Err(PageError::Damaged));
        assert!(opened(&two(CHUNK, 1)).is_ok());
    }

    #[test]
    fn iterations_out_of_bounds_cost_nothing() {
        for iterations in [0, 1, ITERATIONS - 1, MOST_ITERATIONS + 1, u32::MAX] {
            let refused = PageKey::derive(&password("x"), &SALT, iterations, &[0; 32]);
            assert_eq!(refused.err(), Some(PageError::Iterations(iterations)));
        }
        assert_eq!(NewPage::under(&password("")).err(), Some(PageError::EmptyPassphrase));
    }

    /// RFC 7914 §11 has two vectors of PBKDF2-HMAC-SHA-256.
    #[test]
    fn pbkdf2_agrees_with_the_vectors_of_rfc_7914() {
        let mut out = [0; 64];
        pbkdf2::pbkdf2_hmac::<Sha256>(b"passwd", b"salt", 1, &mut out);
        assert_eq!(hex(&out[..32]), "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc");
        assert_eq!(hex(&out[32..]), "49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783");
        pbkdf2::pbkdf2_hmac::<Sha256>(b"Password", b"NaCl", 80000, &mut out);
        assert_eq!(hex(&out[..32]), "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56");
        assert_eq!(hex(&out[32..]), "a1d425a1225833549adb841b51c9b3176a272bdebba1d078478f62b397f33c8d");
    }

    /// Made by Python: `hashlib.pbkdf2_hmac`, and `HKDF` and `AESGCM` of the package `cryptography` 48.
    #[test]
    fn the_whole_construction_agrees_with_python() {
        let salt: [u8; 32] = std::array::from_fn(|n| n as u8);
        let passphrase = password("Grüße aus der Gruft");
        let page = || NewPage::salted(&passphrase, salt, ITERATIONS);
        let one = page();
        let check = *one.check();
        assert_eq!(hex(&check), "c1cdf22cd299c897625f212872cf879d1897e6cc1b24156e108310b1e41baed0");
        let mut writer = one.writer(Vec::new());
        writer.write_all(b"<!doctype html><title>x</title>").unwrap();
        let line = "b2+L7El37RoEN9Xk4aZhdkYD344CdmUcbueXj0e/91wOLd2JLjEKN6bR4DH14mw=\n";
        assert_eq!(String::from_utf8(writer.finish().unwrap()).unwrap(), line);
        // A mebibyte and three bytes of `a`.
        let mut writer = page().writer(Vec::new());
        writer.write_all(&vec![b'a'; CHUNK + 3]).unwrap();
        let lines = writer.finish().unwrap();
        let digest = crate::crypto::hash::sha256(&[&lines]);
        assert_eq!(hex(&digest), "c3a721a88dbc2c19983d624b7d9cd7eb49cd057d8d5cb0bac2eb426d2bf2ea36");
        assert!(lines.ends_with(b"\nYCfDLxNUFSToNtjF92QXualt0w==\n"));
        let mut plain = String::new();
        let key = PageKey::derive(&passphrase, &salt, ITERATIONS, &check).unwrap();
        key.reader(line.as_bytes()).read_to_string(&mut plain).unwrap();
        assert_eq!(plain, "<!doctype html><title>x</title>");
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
