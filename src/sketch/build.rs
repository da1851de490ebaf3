//! Making the sketch of a segment: every word folded, hashed and counted once.

use zeroize::{Zeroize, Zeroizing};

use super::bits::UnaryWriter;
use super::{COUNT_BITS, REMAINDER_BITS, TITLE_WEIGHT, VERSION, hash, pair_bits, scaled};
use crate::bytes::put_var;
use crate::conversation::Conversation;
use crate::fold::TABLES;
use crate::matching::{Scratch, Word, each_word};

/// Bits of the filter for each pair that is in it, and at most so many in a hundred bytes of text: Chinese has one pair in
/// six bytes (measured), and with both the sketch stays below an eighth of the text.
const BITS_PER_PAIR: usize = 4;
const MOST_PAIR_BITS: usize = 44;
/// The highest count.
const MOST: u64 = (1 << COUNT_BITS) - 1;
/// Text so short has no such limit.
const FEW_PAIR_BITS: usize = 64;

/// Makes sketches, and keeps its buffers from one to the next. They are wiped at the end; what one has grown out of is not:
/// it has hashes of words, and short words.
#[derive(Default)]
pub struct SketchBuilder {
    scratch: Scratch,
    words: Counts,
    pairs: Counts,
    joined: Zeroizing<String>,
    /// Bucket and remainder, and in the lowest bits the count; ascending.
    keys: Zeroizing<Vec<u64>>,
    /// Where the keys of each bucket begin.
    starts: Zeroizing<Vec<u32>>,
    upper: UnaryWriter,
    classes: UnaryWriter,
    out: Zeroizing<Vec<u8>>,
}

impl SketchBuilder {
    /// The sketch of a conversation's title and all its messages, hidden ones and abandoned branches too.
    pub fn build(&mut self, conversation: &Conversation) -> &[u8] {
        let bytes = conversation.text.len();
        self.words.start(bytes / 16);
        self.pairs.start(0);
        let title = self.take(conversation.title.as_deref().unwrap_or_default(), TITLE_WEIGHT);
        let (mut shown, mut all) = (title, title);
        for message in &conversation.messages {
            let words = conversation.texts_of(message).map(|text| self.take(text, 1)).fold(0, u32::saturating_add);
            all = all.saturating_add(words);
            shown = shown.saturating_add(if message.is_visible() { words } else { 0 });
        }
        self.write(shown, all, bytes)
    }

    /// Takes the words of one text in, each counting so much; how many there are.
    fn take(&mut self, text: &str, weight: u32) -> u32 {
        let Self { scratch, words, pairs, joined, .. } = self;
        let mut count = 0;
        // Where the word before was of a script without spaces, it is in there.
        joined.zeroize();
        let folded = scratch.fold(text);
        each_word(folded, |Word { at, text, is_alone }| {
            count += 1;
            words.add(text, packed(text.len(), &folded.as_bytes()[at..]), weight);
            if !is_alone {
                joined.clear();
                return;
            }
            let first = joined.len();
            joined.push_str(text);
            if first > 0 {
                pairs.add(joined, 0, 1);
                joined.drain(..first);
            }
        });
        count
    }

    fn write(&mut self, shown: u32, all: u32, bytes: usize) -> &[u8] {
        let Self { words, pairs, starts, keys, upper, classes, out, .. } = self;
        let buckets = words.len() as u64;
        let key =
            |one: &Counted| scaled(one.hash, buckets << REMAINDER_BITS) << COUNT_BITS | u64::from(one.count).min(MOST);
        by_bucket(words.list.iter().map(key), words.len(), starts, keys);
        // Words that cannot be told apart are one, as frequent as they are together.
        keys.dedup_by(|next, kept| {
            let same = *next >> COUNT_BITS == *kept >> COUNT_BITS;
            if same {
                *kept = *kept & !MOST | ((*kept & MOST) + (*next & MOST)).min(MOST);
            }
            same
        });
        upper.start(words.len() + keys.len());
        let mut at = 0;
        for bucket in 0..buckets {
            let first = at;
            while keys.get(at).is_some_and(|key| key >> (COUNT_BITS + REMAINDER_BITS) == bucket) {
                at += 1;
            }
            upper.push(at - first);
        }
        let class = |key: &u64| (key & MOST).ilog2() as usize;
        classes.start(keys.iter().map(|key| class(key) + 1).sum());
        keys.iter().for_each(|key| classes.push(class(key)));
        out.clear();
        out.push(VERSION);
        out.extend_from_slice(&TABLES);
        for number in [shown, all, words.len() as u32, keys.len() as u32] {
            out.extend_from_slice(&number.to_be_bytes());
        }
        out.extend(keys.iter().map(|key| (key >> COUNT_BITS) as u8));
        put_var(out, upper.bytes());
        put_var(out, classes.bytes());
        let most = (bytes * MOST_PAIR_BITS / 100).max(FEW_PAIR_BITS);
        let filter = (pairs.len() * BITS_PER_PAIR).min(most).div_ceil(8);
        out.extend_from_slice(&(filter as u32).to_be_bytes());
        let start = out.len();
        out.resize(start + filter, 0);
        for bit in pairs.list.iter().flat_map(|pair| pair_bits(pair.hash, 8 * filter as u64)) {
            out[start + (bit / 8) as usize] |= 1 << (bit % 8);
        }
        out
    }
}

/// Puts keys in ascending order: each bucket has one on average, so that placing them costs less than sorting.
fn by_bucket(keys: impl Iterator<Item = u64> + Clone, buckets: usize, starts: &mut Vec<u32>, out: &mut Vec<u64>) {
    let bucket = |key: u64| (key >> (COUNT_BITS + REMAINDER_BITS)) as usize;
    starts.clear();
    starts.resize(buckets + 1, 0);
    keys.clone().for_each(|key| starts[bucket(key) + 1] += 1);
    for at in 1..starts.len() {
        starts[at] += starts[at - 1];
    }
    out.clear();
    out.resize(buckets, 0);
    // Each start moves on to the end of its bucket, which is the start of the next.
    for key in keys {
        let start = &mut starts[bucket(key)];
        out[*start as usize] = key;
        *start += 1;
    }
    let mut from = 0;
    for end in starts.iter().take(buckets).map(|end| *end as usize) {
        if end - from > 1 {
            out[from..end].sort_unstable();
        }
        from = end;
    }
}

/// A word or a pair, and how often it was met.
#[derive(Clone, Copy, Default, Zeroize)]
struct Counted {
    /// The word itself when it is short, see [`packed`]; zero when it is not.
    packed: u64,
    hash: u64,
    count: u32,
}

/// How often each word was met: a list in the order of their first appearance, and a table of places in it with open
/// addressing. Half of what sorting costs; and short words, which are most, are hashed once each (measured).
#[derive(Default)]
struct Counts {
    list: Zeroizing<Vec<Counted>>,
    /// One more than the place in the list; zero where there is none.
    slots: Zeroizing<Vec<u32>>,
}

impl Counts {
    /// Empties it, with room for about so many.
    fn start(&mut self, expected: usize) {
        let size = (2 * expected).next_power_of_two().clamp(256, 1 << 20);
        self.list.clear();
        self.slots.clear();
        self.slots.resize(size, 0);
    }

    /// Counts a word, which is `packed` where that is not zero.
    fn add(&mut self, word: &str, packed: u64, weight: u32) {
        let hashed = if packed == 0 { hash(word) } else { 0 };
        let slot = self.slot(packed, hashed);
        if let Some(place) = self.slots[slot].checked_sub(1) {
            let count = &mut self.list[place as usize].count;
            *count = count.saturating_add(weight);
            return;
        }
        let hash = if packed == 0 { hashed } else { hash(word) };
        self.list.push(Counted { packed, hash, count: weight });
        // Four billion different words are more than memory holds.
        self.slots[slot] = self.list.len() as u32;
        if 2 * self.list.len() > self.slots.len() {
            self.grow();
        }
    }

    /// Where the place of a word is kept, or belongs. `hash` matters only where the word is not packed.
    fn slot(&self, packed: u64, hash: u64) -> usize {
        let mask = self.slots.len() - 1;
        // The golden ratio spreads what differs in few bits; its upper half is spread best.
        let spread = (if packed == 0 { hash } else { packed }).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut at = (spread >> 32) as usize & mask;
        while let Some(place) = self.slots[at].checked_sub(1) {
            let one = &self.list[place as usize];
            if one.packed == packed && (packed != 0 || one.hash == hash) {
                return at;
            }
            at = (at + 1) & mask;
        }
        at
    }

    fn grow(&mut self) {
        let size = 2 * self.slots.len();
        self.slots.clear();
        self.slots.resize(size, 0);
        for place in 0..self.list.len() {
            let Counted { packed, hash, .. } = self.list[place];
            let slot = self.slot(packed, hash);
            self.slots[slot] = place as u32 + 1;
        }
    }

    fn len(&self) -> usize {
        self.list.len()
    }
}

/// A word of up to seven bytes as a number that no other word has: its bytes, and its length in the highest. Zero for one
/// that is longer. `from` is the text from the word on.
fn packed(length: usize, from: &[u8]) -> u64 {
    if length > 7 {
        return 0;
    }
    let eight = from.first_chunk().copied().unwrap_or_else(|| {
        let mut eight = [0; 8];
        eight[..length].copy_from_slice(&from[..length]);
        eight
    });
    // One load and a mask: a branch for each length would be guessed wrong most of the time.
    u64::from_le_bytes(eight) & ((1 << (8 * length)) - 1) | (length as u64) << 56
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_short_words_are_the_same_number() {
        let letters = ["", "a", "b", "z", "\u{7f}", "é", "0"];
        let mut words: Vec<String> = vec![String::new()];
        for _ in 0..4 {
            words = words.iter().flat_map(|word| letters.map(|letter| format!("{word}{letter}"))).collect();
        }
        words.extend(
            ["abcde", "abcdf", "bbcde", "abcdef", "abcdeg", "abcdefg", "abcdefh", "abcxefg"].map(str::to_owned),
        );
        words.sort();
        words.dedup();
        words.retain(|word| word.len() < 8);
        let of = |word: &String| packed(word.len(), word.as_bytes());
        let mut numbers: Vec<u64> = words.iter().map(of).collect();
        assert!(numbers.len() > 300);
        // What stands behind a word makes no difference.
        assert!(words.iter().all(|word| packed(word.len(), format!("{word} and more").as_bytes()) == of(word)));
        numbers.sort_unstable();
        assert!(numbers.windows(2).all(|pair| pair[0] != pair[1]));
        assert_eq!(packed(8, b"abcdefgh"), 0);
    }

    #[test]
    fn counts_are_right_however_many_there_are() {
        let mut counts = Counts::default();
        counts.start(1);
        for turn in 0..3 {
            for word in 0..5000_u32 {
                let word = format!("{}{word}", if word % 2 == 0 { "w" } else { "much longer " });
                counts.add(&word, packed(word.len(), word.as_bytes()), turn);
            }
        }
        assert_eq!(counts.len(), 5000);
        assert!(counts.list.iter().all(|one| one.count == 3));
        assert!(counts.list.iter().zip(0..).all(|(one, word)| {
            one.hash == hash(&format!("{}{word}", if word % 2 == 0 { "w" } else { "much longer " }))
        }));
    }
}
