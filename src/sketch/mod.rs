//! Search sketches: which words a segment surely has not, and how often it has the others at most.
//!
//! `docs/format.md` §4 gives the bytes, `docs/search.md` what a search makes of them. A sketch is a static quotient
//! filter (Bender et al., "Don't Thrash", VLDB 2012) over the folded words, written as a bucket's keys in unary and eight
//! bits of each (Elias 1974, Fano 1971), with the order of magnitude of each word's count, and a Bloom filter (Bloom,
//! CACM 1970) over neighbours in scripts without spaces. It never misses: what [`Sketch::most`] says is at least what a
//! look at the text finds. Pure: sealed and stored by others.

mod bits;
mod build;

use twox_hash::XxHash3_64;
use zeroize::Zeroizing;

use crate::bytes::{Malformed, Reader};
use crate::fold::TABLES;
use crate::matching::TextTerm;
use bits::Unary;
pub use build::SketchBuilder;

/// The one layout there is.
const VERSION: u8 = 1;

/// Bits of a word's hash that are kept beside its bucket: of words that are not there one in 256 seems to be.
const REMAINDER_BITS: u32 = 8;

/// Bits set in the filter for each pair of neighbours.
const PAIR_HASHES: u32 = 2;

/// What a word in the title counts as: so many in the text.
pub const TITLE_WEIGHT: u32 = 5;

/// Counts end with so many bits: more is not told apart.
const COUNT_BITS: u32 = 24;

/// The hash by which words and pairs are known.
fn hash(word: &str) -> u64 {
    XxHash3_64::oneshot(word.as_bytes())
}

/// A number below `range`, by the upper bits of a hash.
fn scaled(hash: u64, range: u64) -> u64 {
    ((u128::from(hash) * u128::from(range)) >> 64) as u64
}

/// The bits of the filter that stand for a pair.
fn pair_bits(hash: u64, bits: u64) -> impl Iterator<Item = u64> {
    (0..PAIR_HASHES).map(move |turn| scaled(hash.rotate_left(32 * turn), bits))
}

/// A sketch as it was opened.
pub struct Sketch<'a> {
    shown: u32,
    all: u32,
    buckets: u32,
    /// The keys of each bucket.
    upper: Unary<'a>,
    /// Eight bits of each key, in the order of the buckets.
    remainders: &'a [u8],
    /// The class of each key's count.
    classes: Unary<'a>,
    pairs: &'a [u8],
}

impl<'a> Sketch<'a> {
    /// Whether a sketch is of this layout and folded as this program folds. Of any other nothing can be said.
    pub fn is_ours(bytes: &[u8]) -> bool {
        bytes.first() == Some(&VERSION) && bytes[1..].starts_with(&TABLES)
    }

    /// Reads a sketch. One that is not [ours](Self::is_ours) is [`Malformed`] too: then its segment has to be looked at.
    pub fn read(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != VERSION || reader.array()? != TABLES {
            return Err(Malformed);
        }
        let (shown, all, buckets) = (reader.u32()?, reader.u32()?, reader.u32()?);
        let remainders = reader.var()?;
        let (upper, classes, pairs) = (Unary(reader.var()?), Unary(reader.var()?), reader.var()?);
        reader.end()?;
        let keys = remainders.len() as u64;
        // Each bucket ends once, each key is in one; each key has one class.
        let holds = upper.holds(u64::from(buckets), Some(keys)) && classes.holds(keys, None);
        if holds { Ok(Self { shown, all, buckets, upper, remainders, classes, pairs }) } else { Err(Malformed) }
    }

    /// How many words it has: those of visible messages and the title, or all.
    pub fn words(&self, all: bool) -> u32 {
        if all { self.all } else { self.shown }
    }

    /// How often a term stands in the segment at most, a title counted [`TITLE_WEIGHT`] times; 0 when it surely does not.
    pub fn most(&self, evidence: &Evidence) -> u32 {
        let has_pair = |pair: &u64| pair_bits(*pair, 8 * self.pairs.len() as u64).all(|bit| self.pair_bit(bit));
        if !evidence.pairs.iter().all(has_pair) {
            return 0;
        }
        evidence.words.iter().map(|word| self.count(*word)).min().unwrap_or(u32::MAX)
    }

    fn pair_bit(&self, bit: u64) -> bool {
        self.pairs.get((bit / 8) as usize).is_some_and(|byte| byte >> (bit % 8) & 1 == 1)
    }

    /// The most that a word's class allows; 0 when it is not there.
    fn count(&self, hash: u64) -> u32 {
        let value = scaled(hash, u64::from(self.buckets) << REMAINDER_BITS);
        let Some(keys) = self.upper.group(value >> REMAINDER_BITS) else { return 0 };
        let remainder = value as u8;
        let found = keys.into_iter().find(|key| self.remainders.get(*key as usize) == Some(&remainder));
        let class = found.and_then(|key| self.classes.group(key)).map(|ones| ones.end - ones.start);
        class.map_or(0, |class| if class + 1 < u64::from(COUNT_BITS) { (2 << class) - 1 } else { u32::MAX })
    }
}

/// What must be in a sketch where a term is to stand: words, and neighbours in scripts without spaces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    words: Zeroizing<Vec<u64>>,
    pairs: Zeroizing<Vec<u64>>,
}

impl Evidence {
    /// What a term leads to. Of the beginning of a word, or of a piece without a whole word, to nothing.
    pub fn of(term: &TextTerm) -> Self {
        let (words, pairs) = term.whole_words();
        let hashes = |words: Vec<String>| Zeroizing::new(words.iter().map(|word| hash(word)).collect());
        Self { words: hashes(words), pairs: hashes(pairs) }
    }

    /// Whether there is any: without, every text has to be looked at.
    pub fn is_some(&self) -> bool {
        !self.words.is_empty()
    }
}

#[cfg(test)]
mod tests;
