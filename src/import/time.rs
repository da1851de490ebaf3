//! Times as sources write them, turned into instants by exact decimal arithmetic.

use crate::clock::Instant;
use crate::conversation::SourceTime;

/// Microseconds of 9999-12-31T23:59:59.999999Z: later numbers are no times.
const LATEST: i64 = 253_402_300_799_999_999;

/// Reads a JSON value as a time: a number or a string of seconds since 1970, or a date in RFC 3339.
///
/// The text is kept digit for digit; no number passes through a float. Digits beyond the microsecond
/// are cut off in the instant only.
pub fn from_json(json: &str) -> Option<SourceTime> {
    let text = match json.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"')?.trim(),
        None => json,
    };
    if text.is_empty() || text == "null" || text.starts_with(['{', '[']) {
        return None;
    }
    let at = seconds(text).or_else(|| rfc3339(text));
    Some(SourceTime { text: text.to_owned(), at })
}

/// A decimal number of seconds, with an exponent or without.
pub fn seconds(text: &str) -> Option<Instant> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (mantissa, exponent) = match digits.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (digits, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    // The digits left of the point once it is moved six places and by the exponent.
    let places = i32::try_from(whole.len()).ok()?.checked_add(exponent)?.checked_add(6)?;
    let mut value: i64 = 0;
    let mut source = whole.bytes().chain(fraction.bytes());
    for place in 0..places {
        let digit = source.next().map_or(0, |byte| i64::from(byte - b'0'));
        value = value.checked_mul(10)?.checked_add(digit)?;
        if value > LATEST || place > 40 {
            return None;
        }
    }
    Some(Instant(if negative { -value } else { value }))
}

/// An RFC 3339 date with a zone.
pub fn rfc3339(text: &str) -> Option<Instant> {
    Instant::parse(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(json: &str) -> Option<i64> {
        from_json(json).and_then(|time| time.at).map(|at| at.0)
    }

    #[test]
    fn decimals_are_exact() {
        assert_eq!(at("1756000000.123456"), Some(1_756_000_000_123_456));
        assert_eq!(at("1704629915.775304"), Some(1_704_629_915_775_304));
        assert_eq!(at("1756000000.123456789"), Some(1_756_000_000_123_456));
        assert_eq!(at("1756000000"), Some(1_756_000_000_000_000));
        assert_eq!(at("1.7560000001e9"), Some(1_756_000_000_100_000));
        assert_eq!(at("17560000001E-1"), Some(1_756_000_000_100_000));
        assert_eq!(at("-1.5"), Some(-1_500_000));
        assert_eq!(at("0"), Some(0));
    }

    #[test]
    fn strings_and_dates_are_times_too() {
        assert_eq!(at("\"1704629915.775304\""), Some(1_704_629_915_775_304));
        assert_eq!(at("\"2024-01-07T12:18:35.775304Z\""), Some(1_704_629_915_775_304));
        assert_eq!(at("\"2024-01-07T13:18:35.775304+01:00\""), Some(1_704_629_915_775_304));
    }

    #[test]
    fn the_text_stays_even_when_it_means_no_instant() {
        assert_eq!(
            from_json("1756000000.1234567891234").map(|time| time.text).as_deref(),
            Some("1756000000.1234567891234")
        );
        assert_eq!(from_json("\"last Tuesday\""), Some(SourceTime { text: "last Tuesday".into(), at: None }));
        assert_eq!(at("1e400"), None);
        assert_eq!(at("999999999999999999999"), None);
        assert_eq!(at("1e2147483647"), None);
        assert_eq!(from_json("null"), None);
        assert_eq!(from_json("\"\""), None);
        assert_eq!(from_json("{}"), None);
    }
}
