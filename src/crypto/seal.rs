//! Sealing: one-use AES-256-GCM keys with a key commitment, every ciphertext bound to its place.
//!
//! `docs/format.md` §3 gives the bytes. Callers never see a nonce: each seal derives a key that is
//! used once from a fresh 32-byte salt, so that no counter can repeat after a restore or a clone.

use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce, Tag};
use hkdf::Hkdf;
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use super::random;

/// The first bytes of every sealed object, so that a residue scan can look for it at memory speed.
pub const MARKER: [u8; 8] = [0xc5, b'c', b'v', b's', b'e', b'a', b'l', 0x01];

/// Plaintext bytes in a chunk.
pub const CHUNK: usize = 65536;

const SALT: usize = 32;
const COMMITMENT: usize = 32;
const TAG: usize = 16;
const HEADER: usize = MARKER.len() + SALT + COMMITMENT;

/// What a sealed object is for; part of the associated data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
#[expect(missing_docs, reason = "each is a line of the table in docs/format.md §3")]
pub enum Purpose {
    Slot = 1,
    Frontier = 2,
    ReadShare = 3,
    Facts = 4,
    Card = 5,
    Body = 6,
    Attachment = 7,
    Sketch = 8,
    Superseded = 9,
    DepositShare = 10,
    Tag = 11,
    Policy = 12,
    Holds = 13,
    Reasons = 14,
    Fingerprints = 15,
    Copy = 16,
    FormerReadKeys = 17,
    FormerFactsKey = 18,
    AnchorPlace = 19,
    FormerAuditor = 20,
}

/// Where a sealed object belongs. It opens nowhere else.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The vault's id.
    pub vault: [u8; 16],
    /// The segment's or credential's id; zeros for what belongs to the vault itself.
    pub owner: [u8; 16],
    /// What it is for.
    pub purpose: Purpose,
    /// Which of several objects of this owner and purpose.
    pub index: u32,
}

impl Place {
    /// The vault's own object of this purpose.
    pub fn of_vault(vault: [u8; 16], purpose: Purpose) -> Self {
        Self { vault, owner: [0; 16], purpose, index: 0 }
    }

    fn associated_data(&self, position: u32, last: bool) -> [u8; 42] {
        let mut data = [0; 42];
        data[..16].copy_from_slice(&self.vault);
        data[16..32].copy_from_slice(&self.owner);
        data[32] = self.purpose as u8;
        data[33..37].copy_from_slice(&self.index.to_be_bytes());
        data[37..41].copy_from_slice(&position.to_be_bytes());
        data[41] = u8::from(last);
        data
    }
}

/// Why a sealed object did not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The commitment names another key. For a password slot: the password is wrong.
    #[error("sealed under another key")]
    WrongKey,
    /// It is not a sealed object, or it was changed, cut, or moved from another place.
    #[error("damaged")]
    Damaged,
}

/// Whether a sealed object with this salt and commitment was sealed under `key`, whatever place it is of.
pub(super) fn is_sealed_under(key: &[u8; 32], salt: &[u8; 32], commitment: &[u8; 32]) -> bool {
    bool::from(one_use(key, salt).1.ct_eq(commitment))
}

/// The identity of a sealed object, for manifests: it changes whenever the object is sealed anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealId {
    /// The salt.
    pub salt: [u8; SALT],
    /// The key commitment.
    pub commitment: [u8; COMMITMENT],
    /// The tag of the last chunk.
    pub tag: [u8; TAG],
}

impl SealId {
    /// Reads the identity off a sealed object; `None` when it cannot be one.
    pub fn of(sealed: &[u8]) -> Option<Self> {
        if sealed.len() < HEADER + TAG || sealed[..8] != MARKER {
            return None;
        }
        Some(Self {
            salt: sealed[8..40].try_into().ok()?,
            commitment: sealed[40..72].try_into().ok()?,
            tag: sealed[sealed.len() - TAG..].try_into().ok()?,
        })
    }
}

/// Bytes that sealing adds to `plain` bytes.
pub fn sealed_len(plain: usize) -> usize {
    HEADER + plain + TAG * plain.div_ceil(CHUNK).max(1)
}

/// The cipher of one seal, and the commitment to its key.
fn one_use(key: &[u8; 32], salt: &[u8]) -> (Aes256Gcm, [u8; COMMITMENT]) {
    let mut okm = Zeroizing::new([0; 64]);
    Hkdf::<Sha256>::new(Some(salt), key)
        .expand(b"convault/1/seal", &mut *okm)
        .expect("64 bytes are less than HKDF's limit of 8160");
    let cipher = Aes256Gcm::new_from_slice(&okm[..32]).expect("the key has 32 bytes");
    let mut commitment = [0; COMMITMENT];
    commitment.copy_from_slice(&okm[32..]);
    (cipher, commitment)
}

/// The STREAM nonce (Hoang, Reyhanitabar, Rogaway, Vizár, CRYPTO 2015): counter and last-chunk flag.
pub(super) fn nonce(position: u32, last: bool) -> Nonce<aes_gcm::aead::consts::U12> {
    let mut bytes = [0; 12];
    bytes[7..11].copy_from_slice(&position.to_be_bytes());
    bytes[11] = u8::from(last);
    bytes.into()
}

/// Seals `plain` for `place`.
pub(super) fn seal(key: &[u8; 32], place: &Place, plain: &[u8]) -> Vec<u8> {
    let salt: [u8; SALT] = random::array();
    let (cipher, commitment) = one_use(key, &salt);
    let mut out = Vec::with_capacity(sealed_len(plain.len()));
    out.extend_from_slice(&MARKER);
    out.extend_from_slice(&salt);
    out.extend_from_slice(&commitment);
    let count = plain.len().div_ceil(CHUNK).max(1);
    for position in 0..count {
        let piece = &plain[position * CHUNK..plain.len().min((position + 1) * CHUNK)];
        let last = position + 1 == count;
        let position = u32::try_from(position).expect("an object is at most 1 GiB, 16384 chunks");
        let start = out.len();
        out.extend_from_slice(piece);
        let tag = cipher
            .encrypt_inout_detached(
                &nonce(position, last),
                &place.associated_data(position, last),
                InOutBuf::from(&mut out[start..]),
            )
            .expect("a chunk is far below AES-GCM's limit of 64 GiB");
        out.extend_from_slice(&tag);
    }
    out
}

/// Opens what [`seal`] made for the same key and place.
pub(super) fn open(key: &[u8; 32], place: &Place, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let mut plain = Zeroizing::default();
    open_into(key, place, sealed, &mut plain)?;
    Ok(plain)
}

/// The same into a buffer, in the place of what was in it. Of what does not open, some may be left in it.
///
/// The commitment is compared first, in constant time, because AES-GCM alone would open one
/// ciphertext under two keys.
pub(super) fn open_into(
    key: &[u8; 32],
    place: &Place,
    sealed: &[u8],
    plain: &mut Zeroizing<Vec<u8>>,
) -> Result<(), OpenError> {
    let chunks = sealed.get(HEADER..).filter(|_| sealed[..8] == MARKER).ok_or(OpenError::Damaged)?;
    let (cipher, commitment) = one_use(key, &sealed[8..40]);
    if !bool::from(commitment.ct_eq(&sealed[40..72])) {
        return Err(OpenError::WrongKey);
    }
    let count = chunks.len().div_ceil(CHUNK + TAG);
    if plain.capacity() < chunks.len() {
        // Wiped here, and not left behind when it grows.
        plain.zeroize();
        plain.reserve_exact(chunks.len());
    }
    plain.clear();
    for (position, chunk) in chunks.chunks(CHUNK + TAG).enumerate() {
        let last = position + 1 == count;
        let text = chunk.len().checked_sub(TAG).ok_or(OpenError::Damaged)?;
        let position = u32::try_from(position).map_err(|_| OpenError::Damaged)?;
        let tag: [u8; TAG] = chunk[text..].try_into().map_err(|_| OpenError::Damaged)?;
        let start = plain.len();
        plain.extend_from_slice(&chunk[..text]);
        let opened = cipher.decrypt_inout_detached(
            &nonce(position, last),
            &place.associated_data(position, last),
            InOutBuf::from(&mut plain[start..]),
            &Tag::from(tag),
        );
        opened.map_err(|_| OpenError::Damaged)?;
        if text == 0 && count > 1 {
            return Err(OpenError::Damaged);
        }
    }
    if count == 0 { Err(OpenError::Damaged) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [7; 32];

    fn place() -> Place {
        Place { vault: [1; 16], owner: [2; 16], purpose: Purpose::Card, index: 3 }
    }

    #[test]
    fn opens_what_it_sealed_at_every_chunk_edge() {
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 5] {
            let plain: Vec<u8> = (0..length).map(|i| i as u8).collect();
            let sealed = seal(&KEY, &place(), &plain);
            assert_eq!(sealed.len(), sealed_len(length));
            assert_eq!(sealed[..8], MARKER);
            assert_eq!(*open(&KEY, &place(), &sealed).unwrap(), plain);
        }
    }

    #[test]
    fn another_key_is_told_from_damage() {
        let sealed = seal(&KEY, &place(), b"hello");
        assert_eq!(open(&[8; 32], &place(), &sealed).unwrap_err(), OpenError::WrongKey);
    }

    #[test]
    fn every_flipped_byte_and_every_cut_is_refused() {
        let sealed = seal(&KEY, &place(), b"a short secret");
        for at in 0..sealed.len() {
            let mut copy = sealed.clone();
            copy[at] ^= 1;
            assert!(open(&KEY, &place(), &copy).is_err(), "byte {at}");
            assert!(open(&KEY, &place(), &sealed[..at]).is_err(), "cut at {at}");
        }
        let mut longer = sealed.clone();
        longer.push(0);
        assert!(open(&KEY, &place(), &longer).is_err());
    }

    #[test]
    fn chunks_cannot_be_dropped_or_swapped() {
        let plain = vec![9; 3 * CHUNK];
        let sealed = seal(&KEY, &place(), &plain);
        let chunk = CHUNK + TAG;
        let shorter = &sealed[..HEADER + 2 * chunk];
        assert_eq!(open(&KEY, &place(), shorter).unwrap_err(), OpenError::Damaged);
        let mut swapped = sealed.clone();
        swapped[HEADER..HEADER + 2 * chunk].rotate_left(chunk);
        assert_eq!(open(&KEY, &place(), &swapped).unwrap_err(), OpenError::Damaged);
    }

    #[test]
    fn nothing_opens_in_another_place() {
        let sealed = seal(&KEY, &place(), b"x");
        let elsewhere = [
            Place { vault: [9; 16], ..place() },
            Place { owner: [9; 16], ..place() },
            Place { purpose: Purpose::Body, ..place() },
            Place { index: 4, ..place() },
        ];
        for other in elsewhere {
            assert_eq!(open(&KEY, &other, &sealed).unwrap_err(), OpenError::Damaged);
        }
    }

    /// Multiplication in GHASH's field, bit by bit (NIST SP 800-38D §6.3).
    fn times(x: u128, y: u128) -> u128 {
        let (mut product, mut v) = (0, y);
        for bit in (0..128).rev() {
            if x >> bit & 1 == 1 {
                product ^= v;
            }
            v = if v & 1 == 1 { (v >> 1) ^ (0xe1 << 120) } else { v >> 1 };
        }
        product
    }

    fn inverse(x: u128) -> u128 {
        // x^(2^128 − 2)
        let (mut result, mut power) = (1 << 127, x);
        for _ in 1..128 {
            power = times(power, power);
            result = times(result, power);
        }
        result
    }

    /// The polynomial value of `blocks` at `h`, as GHASH computes it.
    fn ghash(h: u128, blocks: &[u128]) -> u128 {
        blocks.iter().fold(0, |sum, block| times(sum ^ block, h))
    }

    /// Builds one ciphertext and tag that AES-256-GCM accepts under two keys (Dodis et al., CRYPTO
    /// 2018; Albertini et al., USENIX Security 2022), and shows that the commitment refuses it.
    #[test]
    fn a_ciphertext_valid_under_two_keys_is_refused() {
        let place = place();
        let salt = [5; SALT];
        // The attacker chooses both keys; here, two vault keys with their one-use ciphers.
        let keys = [[1; 32], [2; 32]];
        let ciphers = keys.map(|key| one_use(&key, &salt));
        let (nonce, aad) = (nonce(0, true), place.associated_data(0, true));
        // H = E(0) and the tag mask E(nonce ‖ 1), both read off GCM itself: the tag of nothing is
        // the mask xor GHASH of the lengths alone, and two associated data give H.
        let secrets = ciphers.each_ref().map(|(cipher, _)| {
            let tag = |aad: &[u8]| {
                let tag = cipher.encrypt_inout_detached(&nonce, aad, InOutBuf::from(&mut [][..])).unwrap();
                u128::from_be_bytes(tag.into())
            };
            // tag("") = mask; tag(16 zero bytes) = mask xor times(len, H) with len = 128 << 64.
            let mask = tag(b"");
            let h = times(tag(&[0; 16]) ^ mask, inverse(128 << 64));
            assert_eq!(ghash(h, &[1, 128 << 64]) ^ mask, tag(&1u128.to_be_bytes()));
            (h, mask)
        });
        // One ciphertext of two blocks; solve for the second so that both tags agree.
        let mut padded = [0; 48];
        padded[..42].copy_from_slice(&aad);
        let aad_blocks: Vec<u128> =
            padded.chunks(16).map(|block| u128::from_be_bytes(block.try_into().unwrap())).collect();
        let lengths = (42 * 8) << 64 | 256_u128;
        let first = 0xabad_1dea;
        let base = secrets.map(|(h, mask)| {
            let blocks = [aad_blocks.as_slice(), &[first, 0, lengths]].concat();
            ghash(h, &blocks) ^ mask
        });
        let squares = secrets.map(|(h, _)| times(h, h));
        let second = times(base[0] ^ base[1], inverse(squares[0] ^ squares[1]));
        let mut ciphertext = [0; 32];
        ciphertext[..16].copy_from_slice(&u128::to_be_bytes(first));
        ciphertext[16..].copy_from_slice(&second.to_be_bytes());
        let tag = (base[0] ^ times(second, squares[0])).to_be_bytes();

        // Plain AES-GCM takes it under both keys.
        for (cipher, _) in &ciphers {
            let mut buffer = ciphertext;
            cipher
                .decrypt_inout_detached(&nonce, &aad, InOutBuf::from(&mut buffer[..]), &Tag::from(tag))
                .expect("GCM alone accepts the ciphertext under both keys");
        }
        // Sealed, it opens under at most one of them, whichever commitment it carries.
        for (owner, other) in [(0, 1), (1, 0)] {
            let sealed = [&MARKER[..], &salt, &ciphers[owner].1, &ciphertext, &tag].concat();
            assert!(open(&keys[owner], &place, &sealed).is_ok());
            assert_eq!(open(&keys[other], &place, &sealed).unwrap_err(), OpenError::WrongKey);
        }
    }
}
