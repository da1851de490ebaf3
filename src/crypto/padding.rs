//! Padding inside the seal, so that sizes tell little (`docs/format.md` §3).

use zeroize::Zeroizing;

/// The smallest body or attachment piece, so that its row spills to overflow pages.
const FLOOR: usize = 4096;

/// Small records: the smallest of 512, 8192, 16384, 32768 … bytes that holds `length u32 ‖ plain`.
pub fn bucket(plain: &[u8]) -> Zeroizing<Vec<u8>> {
    let need = plain.len() + 4;
    let size = if need <= 512 { 512 } else { need.next_power_of_two().max(8192) };
    filled(&u32::try_from(plain.len()).expect("records are below 4 GiB").to_be_bytes(), plain, size)
}

/// Large records: `length u64 ‖ plain`, filled to at least 4096 bytes and then by Padmé.
pub fn stretch(plain: &[u8]) -> Zeroizing<Vec<u8>> {
    filled(&(plain.len() as u64).to_be_bytes(), plain, padme(plain.len() + 8).max(FLOOR))
}

/// The keyring: `length u32 ‖ plain`, filled to a multiple of 1024 up to 16384 bytes, then by Padmé.
pub fn ledger(plain: &[u8]) -> Zeroizing<Vec<u8>> {
    let need = plain.len() + 4;
    let size = if need <= 16384 { need.next_multiple_of(1024) } else { padme(need) };
    filled(&u32::try_from(plain.len()).expect("records are below 4 GiB").to_be_bytes(), plain, size)
}

/// Search sketches: `length u32 ‖ plain`, filled to at least 256 bytes and then by Padmé.
pub fn close(plain: &[u8]) -> Zeroizing<Vec<u8>> {
    let length = u32::try_from(plain.len()).expect("records are below 4 GiB").to_be_bytes();
    filled(&length, plain, padme(plain.len() + 4).max(256))
}

/// Log entries: `length u32 ‖ plain`, filled to a multiple of 512 bytes.
pub fn lines(plain: &[u8]) -> Zeroizing<Vec<u8>> {
    let size = (plain.len() + 4).next_multiple_of(512);
    filled(&u32::try_from(plain.len()).expect("records are below 4 GiB").to_be_bytes(), plain, size)
}

/// Padmé (Nikitin et al., PETS 2019): rounds up by at most 12 %, leaking O(log log) bits of the length.
pub fn padme(length: usize) -> usize {
    if length < 2 {
        return length;
    }
    let exponent = length.ilog2();
    let keep = exponent.ilog2() + 1;
    let mask = (1_usize << exponent.saturating_sub(keep)) - 1;
    (length + mask) & !mask
}

fn filled(length: &[u8], plain: &[u8], size: usize) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(Vec::with_capacity(size));
    out.extend_from_slice(length);
    out.extend_from_slice(plain);
    out.resize(size, 0);
    out
}

/// The record inside a `u32` padding; `None` when the length or the filling is wrong.
pub fn trimmed(padded: &[u8]) -> Option<&[u8]> {
    let (length, rest) = padded.split_first_chunk()?;
    exact(rest, usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

/// The record inside a `u64` padding; `None` when the length or the filling is wrong.
pub fn unstretched(padded: &[u8]) -> Option<&[u8]> {
    let (length, rest) = padded.split_first_chunk()?;
    exact(rest, usize::try_from(u64::from_be_bytes(*length)).ok()?)
}

fn exact(rest: &[u8], length: usize) -> Option<&[u8]> {
    let (plain, filling) = rest.split_at_checked(length)?;
    filling.iter().all(|byte| *byte == 0).then_some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_fall_into_buckets() {
        assert_eq!(bucket(&[1; 508]).len(), 512);
        assert_eq!(bucket(&[1; 509]).len(), 8192);
        assert_eq!(bucket(&[1; 8189]).len(), 16384);
        assert_eq!(stretch(b"").len(), 4096);
        assert_eq!(ledger(&[0; 1021]).len(), 2048);
        assert_eq!(lines(&[0; 508]).len(), 512);
        assert_eq!((close(b"").len(), close(&[0; 253]).len(), close(&[0; 2000]).len()), (256, 272, 2048));
    }

    #[test]
    fn padme_adds_at_most_12_percent_and_matches_the_paper() {
        // The paper's formula, in its own terms.
        for length in (2_usize..70_000).chain([1 << 20, (1 << 20) + 1, 123_456_789]) {
            let e = length.ilog2();
            let s = (f64::from(e).log2().floor() as u32) + 1;
            let last = e.saturating_sub(s);
            let expected = length.div_ceil(1 << last) << last;
            assert_eq!(padme(length), expected, "{length}");
            assert!(expected as f64 <= length as f64 * 1.12 + 1.0, "{length}");
        }
    }

    #[test]
    fn filling_must_be_zero_and_lengths_must_fit() {
        let padded = bucket(b"abc");
        assert_eq!(trimmed(&padded), Some(&b"abc"[..]));
        let mut dirty = padded.to_vec();
        dirty[100] = 1;
        assert_eq!(trimmed(&dirty), None);
        assert_eq!(trimmed(&[0, 0, 0, 9, 1]), None);
        assert_eq!(unstretched(&stretch(b"abc")), Some(&b"abc"[..]));
        assert_eq!(unstretched(&[255; 9]), None);
    }
}
