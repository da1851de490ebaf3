//! Making the sketch of a segment: every word folded, hashed and counted once.

use zeroize::{Zeroize, Zeroizing};

use super::bits::UnaryWriter;
use super::{COUNT_BITS, REMAINDER_BITS, TITLE_WEIGHT, VERSION, hash, pair_bits, scaled};
use crate::bytes::put_var;
use crate::conversation::Conversation;
use crate::matching::{Scratch, Word, each_word};

/// Bits of the filter for each pair that is in it, and at most so many in a hundred bytes of text: Chinese has one pair in
/// six bytes (measured), and with both the sketch stays below an eighth of the text.
const BITS_PER_PAIR: usize = 4;
const MOST_PAIR_BITS: usize = 44;
/// The highest count.
const MOST: u64 = (1 << COUNT_BITS) - 1;
/// Text so short has no such limit.
const FEW_PAIR_BITS: usize = 64;

/// Makes sketches, and keeps its buffers from one to the next. They are wiped at the end.
#[derive(Default)]
pub struct SketchBuilder {
    scratch: Scratch,
    words: Counts,
    pairs: Counts,
    joined: Zeroizing<String>,
    /// Bucket and remainder, and in the lowest bits the count; ascending.
    keys: Zeroizing<Vec<u64>>,
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
            let words: u32 = conversation.texts_of(message).map(|text| self.take(text, 1)).sum();
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
        each_word(scratch.fold(text), |Word { text, is_alone }| {
            count += 1;
            words.add(hash(text), weight);
            if !is_alone {
                joined.clear();
                return;
            }
            if !joined.is_empty() {
                let first = joined.len();
                joined.push_str(text);
                pairs.add(hash(joined), 1);
                joined.drain(..first);
            } else {
                joined.push_str(text);
            }
        });
        count
    }

    fn write(&mut self, shown: u32, all: u32, bytes: usize) -> &[u8] {
        let Self { words, pairs, keys, upper, classes, out, .. } = self;
        let buckets = words.len() as u64;
        keys.clear();
        keys.extend(words.list.iter().map(|(hash, count)| {
            let value = scaled(*hash, buckets << REMAINDER_BITS);
            value << COUNT_BITS | u64::from(*count).min(MOST)
        }));
        keys.sort_unstable();
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
        for bit in pairs.list.iter().flat_map(|(hash, _)| pair_bits(*hash, 8 * filter as u64)) {
            out[start + (bit / 8) as usize] |= 1 << (bit % 8);
        }
        out
    }
}

/// How often each hash was met: a list in the order of their first appearance, and a table of places in it with open
/// addressing. Half of what sorting costs (measured).
#[derive(Default)]
struct Counts {
    list: Zeroizing<Vec<(u64, u32)>>,
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

    fn add(&mut self, hash: u64, weight: u32) {
        let slot = self.slot(hash);
        match self.slots[slot].checked_sub(1) {
            Some(place) => {
                let count = &mut self.list[place as usize].1;
                *count = count.saturating_add(weight);
            }
            None => {
                self.list.push((hash, weight));
                // A text section has less than 2^30 bytes, so there are fewer words.
                self.slots[slot] = self.list.len() as u32;
                if 2 * self.list.len() > self.slots.len() {
                    self.grow();
                }
            }
        }
    }

    /// Where the place of a hash is kept, or belongs.
    fn slot(&self, hash: u64) -> usize {
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        while let Some(place) = self.slots[at].checked_sub(1) {
            if self.list[place as usize].0 == hash {
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
            let slot = self.slot(self.list[place].0);
            self.slots[slot] = place as u32 + 1;
        }
    }

    fn len(&self) -> usize {
        self.list.len()
    }
}
