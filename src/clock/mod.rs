//! Instants in microseconds of UTC, durations and dates; `now` and the zone are always arguments.
//!
//! The only module that names jiff. Nothing here reads the clock, and only [`Zone::system`], which
//! is for the command line, looks at the machine.

mod date;
mod duration;
mod month;

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

pub use date::{Period, parse_date};
pub use duration::{Duration, Unit};
pub use month::{month_word, wall_month};

/// Microseconds since 1970-01-01T00:00:00Z, without leap seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Instant(pub i64);

/// Why a time, a date or a duration was not understood. Carries nothing of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TimeError {
    /// Not an RFC 3339 instant.
    #[error("not a time")]
    NotATime,
    /// Not a decimal number of seconds.
    #[error("not a number of seconds")]
    NotSeconds,
    /// Not a date in any form that is accepted.
    #[error("not a date")]
    NotADate,
    /// The day does not exist: `2026-02-30`.
    #[error("no such date")]
    NoSuchDate,
    /// `1/2/2026`: day or month first?
    #[error("a date with slashes can be read in two ways")]
    SlashDate,
    /// `1.2.2026`: day or month first?
    #[error("a date with dots can be read in two ways")]
    DottedDate,
    /// Not a number and a unit.
    #[error("not a duration")]
    NotADuration,
    /// `5m`: minutes or months?
    #[error("the unit m can mean minutes or months")]
    BareM,
    /// Longer than a thousand years, or outside the years -9999 to 9999.
    #[error("too far away")]
    OutOfRange,
}

impl TimeError {
    /// What to do about it, on a line of its own.
    pub fn hint(self) -> &'static str {
        match self {
            Self::NotATime => "write 2026-01-31T10:00:00Z, or with an offset 2026-01-31T10:00:00+01:00",
            Self::NotSeconds => "write a decimal number such as 1756000000.123456",
            Self::NotADate => "write 2026-01-31, 2026-01, 2026, today, yesterday, or a duration such as 90d",
            Self::NoSuchDate => "write year-month-day, such as 2026-01-31",
            Self::SlashDate | Self::DottedDate => "write year-month-day with hyphens, such as 2026-01-31",
            Self::NotADuration => "write a whole number and one unit: 12h, 90d, 2w, 6mo or 1y",
            Self::BareM => "write mo for months; minutes are not offered",
            Self::OutOfRange => "dates reach from year 0000 to 9999, durations to 1000 years",
        }
    }
}

impl Instant {
    /// Reads a strict RFC 3339 time (`2026-01-02T03:04:05Z`, any offset); digits past the
    /// microsecond are dropped.
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        if !has_rfc3339_shape(text.as_bytes()) {
            return Err(TimeError::NotATime);
        }
        let timestamp: Timestamp = text.parse().map_err(|_| TimeError::NotATime)?;
        Self::from_timestamp(timestamp)
    }

    /// Reads decimal seconds since 1970 without going through a float, so that no digit moves;
    /// digits past the microsecond are dropped.
    pub fn from_epoch_text(text: &str) -> Result<Self, TimeError> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = match digits.split_once('.') {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (digits, None),
        };
        let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !is_digits(whole) || !fraction.is_none_or(is_digits) {
            return Err(TimeError::NotSeconds);
        }
        let seconds: i64 = whole.parse().map_err(|_| TimeError::OutOfRange)?;
        let places = fraction.unwrap_or_default().bytes().chain(std::iter::repeat(b'0')).take(6);
        let fraction = places.fold(0_i64, |sum, digit| sum * 10 + i64::from(digit - b'0'));
        let micros = seconds.checked_mul(1_000_000).and_then(|m| m.checked_add(fraction));
        let micros = micros.ok_or(TimeError::OutOfRange)?;
        let instant = Self(if negative { -micros } else { micros });
        instant.timestamp().map(|_| instant)
    }

    /// This long after the instant; none when that leaves the calendar.
    pub fn plus(self, duration: Duration) -> Option<Self> {
        duration.applied_to(self, 1)
    }

    /// This long before the instant; none when that leaves the calendar.
    ///
    /// Months differ in length, so a month before a month after is not always the same day.
    pub fn minus(self, duration: Duration) -> Option<Self> {
        duration.applied_to(self, -1)
    }

    /// For people: `2026-01-02 03:04` on the wall clock of the zone.
    pub fn in_zone(self, zone: &Zone) -> String {
        match self.timestamp() {
            Ok(timestamp) => zone.0.to_datetime(timestamp).strftime("%Y-%m-%d %H:%M").to_string(),
            Err(_) => self.to_string(),
        }
    }

    /// For people, the day alone: `2026-01-02` on the wall clock of the zone.
    pub fn day_in_zone(self, zone: &Zone) -> String {
        match self.timestamp() {
            Ok(timestamp) => zone.0.to_datetime(timestamp).strftime("%Y-%m-%d").to_string(),
            Err(_) => self.to_string(),
        }
    }

    fn timestamp(self) -> Result<Timestamp, TimeError> {
        Timestamp::from_microsecond(self.0).map_err(|_| TimeError::OutOfRange)
    }

    fn from_timestamp(timestamp: Timestamp) -> Result<Self, TimeError> {
        let micros = timestamp.as_nanosecond().div_euclid(1000);
        i64::try_from(micros).map(Self).map_err(|_| TimeError::OutOfRange)
    }
}

/// RFC 3339 in UTC with as many digits as needed: `2026-01-02T03:04:05.5Z`.
///
/// An instant outside the calendar, which no parser here makes, prints as `@` and its microseconds.
impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.timestamp() {
            Ok(timestamp) => write!(f, "{timestamp}"),
            Err(_) => write!(f, "@{}us", self.0),
        }
    }
}

impl FromStr for Instant {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        Self::parse(text)
    }
}

/// A time zone, for what people type and read; everything stored is UTC.
#[derive(Clone, Debug)]
pub struct Zone(TimeZone);

impl Zone {
    /// UTC.
    pub fn utc() -> Self {
        Self(TimeZone::UTC)
    }

    /// The zone with this IANA name, such as `Europe/Zurich`.
    pub fn named(name: &str) -> Option<Self> {
        TimeZone::get(name).ok().map(Self)
    }

    /// The zone this machine is set to, else UTC. Reads the machine: for the command line only.
    pub fn system() -> Self {
        Self(TimeZone::try_system().unwrap_or(TimeZone::UTC))
    }
}

/// Whether the bytes have the shape of RFC 3339; jiff alone accepts several other standards too.
fn has_rfc3339_shape(text: &[u8]) -> bool {
    let matches_pattern = |text: &[u8], pattern: &[u8]| {
        text.len() == pattern.len()
            && text.iter().zip(pattern).all(|(b, p)| match p {
                b'0' => b.is_ascii_digit(),
                b'T' => matches!(b, b'T' | b't' | b' '),
                b'+' => matches!(b, b'+' | b'-'),
                _ => b == p,
            })
    };
    let Some((head, mut tail)) = text.split_at_checked(19) else { return false };
    if let [b'.', rest @ ..] = tail {
        let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        // jiff keeps nine places; more than that is no clock but an attempt at something else.
        if !(1..=9).contains(&digits) {
            return false;
        }
        tail = &rest[digits..];
    }
    matches_pattern(head, b"0000-00-00T00:00:00") && (matches!(tail, b"Z" | b"z") || matches_pattern(tail, b"+00:00"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: i64 = 1_000_000;

    #[test]
    fn reads_rfc3339() {
        for (text, micros) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2026-01-02T03:04:05Z", 1_767_323_045 * SECOND),
            ("2026-01-02t03:04:05z", 1_767_323_045 * SECOND),
            ("2026-01-02 03:04:05Z", 1_767_323_045 * SECOND),
            ("2026-01-02T04:04:05+01:00", 1_767_323_045 * SECOND),
            ("2026-01-01T22:04:05-05:00", 1_767_323_045 * SECOND),
            ("2026-01-02T03:04:05.123456Z", 1_767_323_045 * SECOND + 123_456),
            ("2026-01-02T03:04:05.123456999Z", 1_767_323_045 * SECOND + 123_456),
            ("1969-12-31T23:59:59.999999999Z", -1),
        ] {
            assert_eq!(Instant::parse(text), Ok(Instant(micros)), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_not_rfc3339() {
        for text in [
            "",
            "2026",
            "2026-01-02",
            "2026-01-02T03:04Z",
            "20260102T030405Z",
            "2026-01-02T03:04:05",
            "2026-01-02T03:04:05.Z",
            "2026-01-02T03:04:05.1234567890Z",
            "2026-01-02T03:04:05+01",
            "2026-01-02T03:04:05+0100",
            "2026-01-02T03:04:05Z[Europe/Paris]",
            "2026-13-02T03:04:05Z",
            "2026-02-30T03:04:05Z",
            "2026-01-02T24:00:00Z",
            " 2026-01-02T03:04:05Z",
            "+002026-01-02T03:04:05Z",
            "2026-01-02T03:04:05\u{661}",
        ] {
            assert_eq!(Instant::parse(text), Err(TimeError::NotATime), "{text}");
        }
    }

    #[test]
    fn reads_epoch_seconds_to_the_digit() {
        for (text, expected) in [
            ("0", Ok(0)),
            ("-0", Ok(0)),
            ("1756000000", Ok(1_756_000_000 * SECOND)),
            ("1756000000.123456", Ok(1_756_000_000 * SECOND + 123_456)),
            ("1756000000.1", Ok(1_756_000_000 * SECOND + 100_000)),
            ("1756000000.1234569999999999999999", Ok(1_756_000_000 * SECOND + 123_456)),
            ("-1.5", Ok(-1_500_000)),
            ("0000001", Ok(SECOND)),
            ("9999999999999", Err(TimeError::OutOfRange)),
            ("99999999999999999999999", Err(TimeError::OutOfRange)),
            ("9223372036854775807", Err(TimeError::OutOfRange)),
            ("", Err(TimeError::NotSeconds)),
            ("-", Err(TimeError::NotSeconds)),
            ("+1", Err(TimeError::NotSeconds)),
            (".5", Err(TimeError::NotSeconds)),
            ("5.", Err(TimeError::NotSeconds)),
            ("1.2.3", Err(TimeError::NotSeconds)),
            ("1e9", Err(TimeError::NotSeconds)),
            ("0x10", Err(TimeError::NotSeconds)),
            ("--1", Err(TimeError::NotSeconds)),
            (" 1", Err(TimeError::NotSeconds)),
            ("١", Err(TimeError::NotSeconds)),
            ("NaN", Err(TimeError::NotSeconds)),
        ] {
            assert_eq!(Instant::from_epoch_text(text), expected.map(Instant), "{text}");
        }
    }

    #[test]
    fn shows_people_their_own_clock() {
        let instant = Instant::parse("2026-07-02T23:04:05Z").expect("valid");
        assert_eq!(instant.in_zone(&Zone::utc()), "2026-07-02 23:04");
        let zurich = Zone::named("Europe/Zurich").expect("the zone data has it");
        assert_eq!(instant.in_zone(&zurich), "2026-07-03 01:04");
        assert_eq!(instant.day_in_zone(&zurich), "2026-07-03");
    }

    #[test]
    fn prints_any_number_without_panicking() {
        assert_eq!(Instant(i64::MAX).to_string(), "@9223372036854775807us");
        assert_eq!(Instant(i64::MIN).in_zone(&Zone::utc()), "@-9223372036854775808us");
        assert_eq!(Instant(1).to_string(), "1970-01-01T00:00:00.000001Z");
    }

    proptest! {
        #[test]
        fn formatting_and_parsing_agree(micros in -62_000_000_000_000_000_i64..253_000_000_000_000_000) {
            prop_assert_eq!(Instant::parse(&Instant(micros).to_string()), Ok(Instant(micros)));
        }

        #[test]
        fn epoch_text_is_exact(micros in -62_000_000_000_000_000_i64..253_000_000_000_000_000) {
            let (sign, size) = (if micros < 0 { "-" } else { "" }, micros.unsigned_abs());
            let text = format!("{sign}{}.{:06}", size / 1_000_000, size % 1_000_000);
            prop_assert_eq!(Instant::from_epoch_text(&text), Ok(Instant(micros)));
        }

        #[test]
        fn no_input_panics(text in "\\PC{0,30}|[-0-9T:.Z+]{0,30}") {
            let _ = Instant::parse(&text);
            let _ = Instant::from_epoch_text(&text);
            let _ = Duration::parse(&text);
            let _ = parse_date(&text, Instant(0), &Zone::utc());
        }
    }
}
