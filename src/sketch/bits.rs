//! Numbers in unary, one after the other: so many ones and then a zero, lowest bit of a byte first.

use std::ops::Range;

use zeroize::Zeroizing;

/// Numbers as they are written. What fills the last byte is ones, so every zero is the end of a number.
#[derive(Clone, Copy)]
pub(super) struct Unary<'a>(pub(super) &'a [u8]);

impl Unary<'_> {
    /// Whether these are exactly so many numbers, of this sum where one is given.
    pub(super) fn holds(self, count: u64, sum: Option<u64>) -> bool {
        let zeros: u64 = self.words().map(|word| u64::from(word.count_zeros())).sum();
        let filling = self.0.last().map_or(0, |last| u64::from(last.leading_ones()));
        let ones = || 8 * self.0.len() as u64 - zeros - filling;
        zeros == count && filling < 8 && sum.is_none_or(|sum| ones() == sum)
    }

    /// Where the ones of a number stand among all ones: a range as long as the number is high. None behind the last.
    pub(super) fn group(self, index: u64) -> Option<Range<u64>> {
        let end = self.zero(index)?;
        let is_one = |place: &u64| self.0[(place / 8) as usize] >> (place % 8) & 1 == 1;
        let ones = (0..end).rev().take_while(is_one).count() as u64;
        // Before the zero of this number stand as many zeros as there are numbers before it.
        Some(end - index - ones..end - index)
    }

    /// The place of a zero, by its number from 0.
    fn zero(self, number: u64) -> Option<u64> {
        let mut left = number;
        for (word, place) in self.words().zip((0..).step_by(64)) {
            let zeros = u64::from(word.count_zeros());
            if left < zeros {
                return Some(place + nth_zero(word, left));
            }
            left -= zeros;
        }
        None
    }

    /// Sixty-four bits at a time, the last ones filled with ones.
    fn words(self) -> impl Iterator<Item = u64> {
        let (whole, rest) = self.0.as_chunks::<8>();
        let mut last = [0xff; 8];
        last[..rest.len()].copy_from_slice(rest);
        let last = (!rest.is_empty()).then_some(last);
        whole.iter().copied().chain(last).map(u64::from_le_bytes)
    }
}

fn nth_zero(word: u64, number: u64) -> u64 {
    let mut zeros = !word;
    for _ in 0..number {
        zeros &= zeros - 1;
    }
    u64::from(zeros.trailing_zeros())
}

/// Writes numbers in unary.
#[derive(Default)]
pub(super) struct UnaryWriter {
    bytes: Zeroizing<Vec<u8>>,
    bits: usize,
}

impl UnaryWriter {
    /// Forgets everything and makes room for so many numbers and ones.
    pub(super) fn start(&mut self, bits: usize) {
        self.bytes.clear();
        self.bytes.resize(bits.div_ceil(8), 0xff);
        self.bits = 0;
    }

    pub(super) fn push(&mut self, number: usize) {
        self.bits += number;
        self.bytes[self.bits / 8] ^= 1 << (self.bits % 8);
        self.bits += 1;
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(numbers: &[usize]) -> Vec<u8> {
        let mut writer = UnaryWriter::default();
        writer.start(numbers.len() + numbers.iter().sum::<usize>());
        numbers.iter().for_each(|number| writer.push(*number));
        writer.bytes().to_vec()
    }

    #[test]
    fn the_bytes_are_those_of_the_format() {
        assert!(written(&[]).is_empty());
        assert_eq!(written(&[0]), [0b1111_1110]);
        assert_eq!(written(&[2, 0, 1]), [0b1101_0011]);
        assert_eq!(written(&[8]), [0xff, 0xfe]);
    }

    #[test]
    fn what_is_too_long_or_too_short_is_not_taken() {
        let bytes = written(&[2, 0, 1]);
        assert!(Unary(&bytes).holds(3, Some(3)) && Unary(&bytes).holds(3, None));
        assert!(!Unary(&bytes).holds(2, None) && !Unary(&bytes).holds(3, Some(2)));
        assert!(!Unary(&[&bytes[..], &[0xff]].concat()).holds(3, None));
        assert!(Unary(&[]).holds(0, Some(0)) && !Unary(&[0xff]).holds(0, None));
        assert_eq!(Unary(&bytes).group(3), None);
    }

    proptest! {
        #[test]
        fn every_number_is_found_again(numbers in prop::collection::vec(0_usize..70, 0..200)) {
            let bytes = written(&numbers);
            prop_assert!(Unary(&bytes).holds(numbers.len() as u64, Some(numbers.iter().sum::<usize>() as u64)));
            let mut before = 0;
            for (index, number) in (0..).zip(&numbers) {
                let end = before + *number as u64;
                prop_assert_eq!(Unary(&bytes).group(index), Some(before..end));
                before = end;
            }
        }
    }
}
