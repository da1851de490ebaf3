//! Words of ASCII text, found sixty-four bytes at a time and without a branch for each byte.

use std::ops::Range;

const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// Hands on the runs of letters and digits of an ASCII text, in order.
pub(super) fn each_word(text: &[u8], mut each: impl FnMut(Range<usize>)) {
    let mut start = None;
    let mut before = 0;
    for (place, block) in (0..).step_by(64).zip(text.chunks(64)) {
        let mask = mask(block);
        // Where a word begins or ends, in turn.
        let mut edges = mask ^ (mask << 1 | before);
        before = mask >> 63;
        while edges != 0 {
            let at = place + edges.trailing_zeros() as usize;
            edges &= edges - 1;
            match start.take() {
                Some(start) => each(start..at),
                None => start = Some(at),
            }
        }
    }
    if let Some(start) = start {
        each(start..text.len());
    }
}

/// A bit for each of up to sixty-four bytes: whether it is a letter or a digit.
fn mask(block: &[u8]) -> u64 {
    let (eights, rest) = block.as_chunks::<8>();
    let mut mask = 0;
    for (index, eight) in eights.iter().enumerate() {
        mask |= mask_of_eight(*eight) << (8 * index);
    }
    if !rest.is_empty() {
        let mut eight = [0; 8];
        eight[..rest.len()].copy_from_slice(rest);
        mask |= mask_of_eight(eight) << (8 * eights.len());
    }
    mask
}

fn mask_of_eight(bytes: [u8; 8]) -> u64 {
    let bytes = u64::from_le_bytes(bytes) & LOW;
    // The high bit of each byte says whether it is at least so much: no sum reaches the next byte.
    let at_least = |bytes: u64, least: u8| bytes + u64::from(0x80 - least) * 0x0101_0101_0101_0101;
    let lower = bytes | 0x2020_2020_2020_2020;
    let digits = at_least(bytes, b'0') & !at_least(bytes, b'9' + 1);
    let letters = at_least(lower, b'a') & !at_least(lower, b'z' + 1);
    // Gathers the eight high bits, lowest byte first.
    ((digits | letters) & HIGH).wrapping_shr(7).wrapping_mul(0x0102_0408_1020_4080) >> 56
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_told_at_every_place() {
        for byte in 0..=0x7f_u8 {
            for place in 0..130 {
                let mut text = vec![b' '; 131];
                text[place] = byte;
                let mut words = Vec::new();
                each_word(&text, |word| words.push(word));
                let expected = byte.is_ascii_alphanumeric().then_some(place..place + 1);
                assert_eq!(words, expected.into_iter().collect::<Vec<_>>(), "{byte:#x} at {place}");
            }
        }
    }

    #[test]
    fn words_reach_over_blocks_and_to_the_end() {
        for length in [0, 1, 63, 64, 65, 127, 128, 200] {
            let mut words = Vec::new();
            each_word(&vec![b'a'; length], |word| words.push(word));
            assert_eq!(words, (length > 0).then_some(0..length).into_iter().collect::<Vec<_>>());
        }
    }
}
