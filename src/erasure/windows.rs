//! Fingerprints of destroyed bytes: keyed hashes of 16-byte windows, so dense that no surviving sector escapes.
//!
//! A scan asks for every window of a file whether it is one of them. The fingerprints are kept while an
//! erasure is under way; being hashes, they are no remnant themselves.

use crate::crypto::random;

/// Bytes of a window.
pub const WINDOW: usize = 16;

/// From one window to the next. An overflow page of the database holds 4092 bytes of a row and a sector 512 of its
/// bytes, at least 508 of them in a row: any 508 bytes in a row hold a whole window when they begin at most 492 apart.
pub const STEP: usize = 480;

/// From one window to the next at the beginning of a row, which shares a page with others: any 80 bytes hold one.
const NEAR: usize = 64;
/// How far that beginning reaches: of a row that spills, SQLite keeps 489 bytes and more in the page.
const LOCAL: usize = 512;

/// Bytes at the beginning of a row that say nothing: an epoch, and the marker of every sealed object.
const HEADER: usize = 16;

/// Bits of a fingerprint that follow from all its bytes; those above follow from the first eight, so that a scan settles
/// nearly every place with one multiplication.
const FIRST: u32 = 40;

/// Fingerprints in one stored row.
const IN_ROW: usize = 1 << 17;

/// The key of the hashes, drawn for each erasure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key([u64; 3]);

impl Key {
    /// Draws a key.
    pub fn generate() -> Self {
        Self::from_bytes(&random::array())
    }

    /// The key in these bytes.
    pub fn from_bytes(bytes: &[u8; 24]) -> Self {
        let word = |at: usize| u64::from_le_bytes(std::array::from_fn(|index| bytes[at * 8 + index]));
        // Odd, so that multiplying loses nothing.
        Self([word(0) | 1, word(1) | 1, word(2)])
    }

    /// The key's bytes.
    pub fn to_bytes(self) -> [u8; 24] {
        let mut bytes = [0; 24];
        for (out, word) in bytes.chunks_exact_mut(8).zip(self.0) {
            out.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// What of a fingerprint follows from the first eight bytes alone; its top bits.
    fn first(self, low: u64) -> u64 {
        (low ^ self.0[2]).wrapping_mul(self.0[0])
    }

    fn hash(self, low: u64, high: u64) -> u64 {
        let first = self.first(low);
        let mixed = first ^ high.wrapping_mul(self.0[1]).rotate_left(32);
        let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        first >> FIRST << FIRST | mixed >> (64 - FIRST)
    }
}

fn word(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes)
}

/// The fingerprints of some bytes.
pub struct Windows {
    key: Key,
    hashes: Vec<u64>,
}

impl Windows {
    /// None yet.
    pub fn new(key: Key) -> Self {
        Self { key, hashes: Vec::new() }
    }

    /// Takes the fingerprints of a row.
    pub fn add(&mut self, row: &[u8]) {
        let Some(last) = row.len().checked_sub(WINDOW) else { return };
        let first = if row.len() >= 4 * WINDOW { HEADER } else { 0 };
        let mut at = first;
        while at < last {
            self.push(row, at);
            // What a row has beside others in a page of the tree: sectors may hold little of it.
            at += if at < LOCAL { NEAR } else { STEP };
        }
        self.push(row, last);
    }

    fn push(&mut self, row: &[u8], at: usize) {
        self.hashes.push(self.key.hash(word(row, at), word(row, at + 8)));
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.hashes.len()
    }

    /// Fingerprints that were taken before.
    pub fn from_hashes(key: Key, hashes: Vec<u64>) -> Self {
        Self { key, hashes }
    }

    /// The rows to store.
    pub fn encode(&self) -> Vec<Vec<u8>> {
        let rows = self.hashes.chunks(IN_ROW);
        rows.map(|row| row.iter().flat_map(|hash| hash.to_le_bytes()).collect()).collect()
    }

    /// Reads stored rows; none when they are not whole.
    pub fn decode(key: Key, rows: &[Vec<u8>]) -> Option<Self> {
        let mut hashes = Vec::new();
        for row in rows {
            let (words, rest) = row.as_chunks::<8>();
            if !rest.is_empty() {
                return None;
            }
            hashes.extend(words.iter().map(|word| u64::from_le_bytes(*word)));
        }
        Some(Self { key, hashes })
    }

    /// The fingerprints of one row.
    pub fn of(key: Key, row: &[u8]) -> Vec<u64> {
        let mut windows = Self::new(key);
        windows.add(row);
        windows.hashes
    }

    /// Ready to look for these, and for a canary beside them.
    pub fn finder(&self, canary: &[u8]) -> Finder {
        self.finder_of(Self::of(self.key, canary))
    }

    /// The same, where the canary is known by its fingerprints.
    pub fn finder_of(&self, mut canary: Vec<u64>) -> Finder {
        let mut doomed = self.hashes.clone();
        for list in [&mut doomed, &mut canary] {
            list.sort_unstable();
            list.dedup();
        }
        let count = doomed.len() + canary.len();
        // Some sixty bits for each, so that nearly every byte of a file is settled by one bit; and at most 2 MiB of
        // them, which is what stays near a core.
        let bits = (usize::BITS - count.leading_zeros() + 6).clamp(16, 24);
        let shift = 64 - bits;
        let [mut filter, mut second] = [(); 2].map(|()| vec![0_u64; 1 << (bits - 6)]);
        for hash in doomed.iter().chain(&canary) {
            set(&mut filter, hash >> shift);
            set(&mut second, hash << (64 - FIRST) >> shift);
        }
        Finder { key: self.key, shift, filter, second, doomed, canary }
    }
}

/// At most `most` of these fingerprints, evenly spread.
pub fn sample(hashes: &[u64], most: usize) -> Vec<u64> {
    let step = hashes.len().div_ceil(most.max(1)).max(1);
    hashes.iter().step_by(step).copied().collect()
}

fn set(filter: &mut [u64], bit: u64) {
    filter[(bit >> 6) as usize] |= 1 << (bit & 63);
}

/// Whether a bit is set; a mask spares the check of bounds.
fn has(filter: &[u64], bit: u64) -> bool {
    filter[(bit >> 6) as usize & (filter.len() - 1)] >> (bit & 63) & 1 == 1
}

/// Looks for fingerprints in bytes.
pub struct Finder {
    key: Key,
    shift: u32,
    /// By the upper bits of a fingerprint, which follow from its first eight bytes.
    filter: Vec<u64>,
    /// By the bits below, for the one place in sixty that the first lets through.
    second: Vec<u64>,
    doomed: Vec<u64>,
    canary: Vec<u64>,
}

/// What a window was found to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hit {
    /// Of what is to be gone.
    Doomed,
    /// Of the canary.
    Canary,
}

impl Finder {
    /// How many fingerprints of destroyed bytes are looked for.
    pub fn count(&self) -> usize {
        self.doomed.len()
    }

    /// Calls `found` for every window of `block` that is known, with its place. Windows overlap: there is one at every
    /// byte.
    pub fn search(&self, block: &[u8], mut found: impl FnMut(usize, Hit)) {
        let count = (block.len() + 1).saturating_sub(WINDOW);
        // A local copy of what the loop needs.
        let (key, shift) = (self.key, self.shift);
        for (at, bytes) in block.windows(8).enumerate().take(count) {
            let bit = key.first(bytes.try_into().map_or(0, u64::from_le_bytes)) >> shift;
            if has(&self.filter, bit)
                && let Some(hit) = self.knows(word(block, at), word(block, at + 8))
            {
                found(at, hit);
            }
        }
    }

    #[cold]
    fn knows(&self, low: u64, high: u64) -> Option<Hit> {
        let hash = self.key.hash(low, high);
        if !has(&self.second, hash << (64 - FIRST) >> self.shift) {
            None
        } else if self.doomed.binary_search(&hash).is_ok() {
            Some(Hit::Doomed)
        } else if self.canary.binary_search(&hash).is_ok() {
            Some(Hit::Canary)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        random::fill(&mut bytes);
        bytes
    }

    fn hits(finder: &Finder, block: &[u8]) -> (usize, usize) {
        let (mut doomed, mut canary) = (0, 0);
        finder.search(block, |_, hit| match hit {
            Hit::Doomed => doomed += 1,
            Hit::Canary => canary += 1,
        });
        (doomed, canary)
    }

    #[test]
    fn no_sector_of_a_row_escapes_wherever_it_was_cut() {
        let row = noise(20_000);
        let mut windows = Windows::new(Key::generate());
        windows.add(&row);
        let finder = windows.finder(b"");
        // A sector of an overflow page holds 508 bytes of a row or more.
        for start in HEADER..row.len() - 508 {
            assert!(hits(&finder, &row[start..start + 508]).0 > 0, "cut at {start}");
        }
        assert_eq!(hits(&finder, &noise(1 << 20)), (0, 0));
    }

    #[test]
    fn short_rows_and_the_ends_of_long_ones_are_covered() {
        for length in [16, 17, 32, 63, 64, 200, 4096] {
            let row = noise(length);
            let mut windows = Windows::new(Key::generate());
            windows.add(&row);
            let finder = windows.finder(&noise(2048));
            assert!(hits(&finder, &row).0 > 0, "{length}");
            assert_eq!(hits(&finder, &row[length - 16..]), (1, 0), "{length}");
        }
        let mut windows = Windows::new(Key::generate());
        windows.add(b"too short");
        assert_eq!(windows.count(), 0);
    }

    #[test]
    fn a_canary_is_told_from_what_is_doomed_and_fingerprints_come_back_from_their_rows() {
        let (row, canary) = (noise(5_000), noise(2048));
        let key = Key::generate();
        let mut windows = Windows::new(key);
        windows.add(&row);
        let again = Windows::decode(Key::from_bytes(&key.to_bytes()), &windows.encode()).unwrap();
        assert_eq!(again.hashes, windows.hashes);
        let finder = again.finder(&canary);
        let file = [noise(1000), canary, noise(999), row, noise(77)].concat();
        let (doomed, found) = hits(&finder, &file);
        assert_eq!((doomed, found > 2), (windows.count(), true));
        assert!(Windows::decode(key, &[vec![1, 2, 3]]).is_none());
    }
}
