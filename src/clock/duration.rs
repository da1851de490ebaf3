//! Durations as people write them: one whole number and one unit, `90d`.

use std::fmt;
use std::str::FromStr;

use jiff::Span;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::{Instant, TimeError};

const HOUR_MICROS: i64 = 3_600_000_000;

/// The unit of a [`Duration`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unit {
    /// 60 minutes.
    Hour,
    /// 24 hours, whatever a local clock does that day.
    Day,
    /// 7 days.
    Week,
    /// A calendar month in UTC; a day that the month lacks becomes its last one.
    Month,
    /// A calendar year in UTC; 29 February becomes the 28th.
    Year,
}

impl Unit {
    const ALL: [Self; 5] = [Self::Hour, Self::Day, Self::Week, Self::Month, Self::Year];

    fn word(self) -> &'static str {
        match self {
            Self::Hour => "h",
            Self::Day => "d",
            Self::Week => "w",
            Self::Month => "mo",
            Self::Year => "y",
        }
    }

    /// A thousand years: past any retention rule, and safely inside the calendar.
    fn largest_count(self) -> u32 {
        match self {
            Self::Hour => 8_766_000,
            Self::Day => 365_250,
            Self::Week => 52_178,
            Self::Month => 12_000,
            Self::Year => 1_000,
        }
    }
}

/// A length of time as it was written; what it spans depends on where it is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Duration {
    count: u32,
    unit: Unit,
}

impl Duration {
    /// A number of units; none beyond a thousand years.
    pub fn new(count: u32, unit: Unit) -> Option<Self> {
        (count <= unit.largest_count()).then_some(Self { count, unit })
    }

    /// Reads `12h`, `90d`, `2w`, `6mo` or `1y`: ASCII digits without a leading zero, one unit,
    /// nothing else.
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, word) = text.split_at(digits);
        if number.is_empty() || (number.len() > 1 && number.starts_with('0')) {
            return Err(TimeError::NotADuration);
        }
        if word == "m" {
            return Err(TimeError::BareM);
        }
        let unit = Unit::ALL.into_iter().find(|unit| unit.word() == word).ok_or(TimeError::NotADuration)?;
        let count = number.parse().map_err(|_| TimeError::OutOfRange)?;
        Self::new(count, unit).ok_or(TimeError::OutOfRange)
    }

    /// The number of units.
    pub fn count(self) -> u32 {
        self.count
    }

    /// The unit.
    pub fn unit(self) -> Unit {
        self.unit
    }

    /// Moves an instant by the duration, `sign` being 1 or -1.
    pub(super) fn applied_to(self, instant: Instant, sign: i64) -> Option<Instant> {
        let count = sign * i64::from(self.count);
        let months = match self.unit {
            Unit::Hour => return exact(instant, count, HOUR_MICROS),
            Unit::Day => return exact(instant, count, 24 * HOUR_MICROS),
            Unit::Week => return exact(instant, count, 7 * 24 * HOUR_MICROS),
            Unit::Month => count,
            Unit::Year => count * 12,
        };
        let span = Span::new().try_months(months).ok()?;
        let start = instant.timestamp().ok()?;
        let moved = TimeZone::UTC.to_datetime(start).checked_add(span).ok()?;
        Instant::from_timestamp(TimeZone::UTC.to_timestamp(moved).ok()?).ok()
    }
}

fn exact(instant: Instant, count: i64, unit: i64) -> Option<Instant> {
    let moved = Instant(instant.0.checked_add(count.checked_mul(unit)?)?);
    moved.timestamp().ok().map(|_| moved)
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.count, self.unit.word())
    }
}

impl FromStr for Duration {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Duration {
    type Error = TimeError;

    fn try_from(text: String) -> Result<Self, TimeError> {
        Self::parse(&text)
    }
}

impl From<Duration> for String {
    fn from(duration: Duration) -> Self {
        duration.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Instant {
        Instant::parse(text).expect("valid")
    }

    #[test]
    fn reads_and_prints_the_grammar() {
        for (text, count, unit) in [
            ("12h", 12, Unit::Hour),
            ("90d", 90, Unit::Day),
            ("0d", 0, Unit::Day),
            ("2w", 2, Unit::Week),
            ("6mo", 6, Unit::Month),
            ("1y", 1, Unit::Year),
        ] {
            let duration = Duration::parse(text).expect(text);
            assert_eq!((duration.count(), duration.unit()), (count, unit));
            assert_eq!(duration.to_string(), text);
        }
    }

    #[test]
    fn refuses_everything_else() {
        let not = TimeError::NotADuration;
        for (text, error) in [
            ("", not),
            ("d", not),
            ("90", not),
            ("-90d", not),
            ("+90d", not),
            ("90 d", not),
            (" 90d", not),
            ("90d ", not),
            ("90D", not),
            ("90days", not),
            ("1y6mo", not),
            ("1.5y", not),
            ("0x10d", not),
            ("007d", not),
            ("1e3d", not),
            ("1_000d", not),
            ("٩d", not),
            ("９d", not),
            ("5M", not),
            ("5min", not),
            ("5m", TimeError::BareM),
            ("1001y", TimeError::OutOfRange),
            ("99999999999999999999d", TimeError::OutOfRange),
            ("4294967296h", TimeError::OutOfRange),
        ] {
            assert_eq!(Duration::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn months_and_years_follow_the_calendar() {
        for (start, duration, after, before) in [
            ("2026-01-31T12:00:00Z", "1mo", "2026-02-28T12:00:00Z", "2025-12-31T12:00:00Z"),
            ("2024-01-31T12:00:00Z", "1mo", "2024-02-29T12:00:00Z", "2023-12-31T12:00:00Z"),
            ("2024-02-29T00:00:00Z", "1y", "2025-02-28T00:00:00Z", "2023-02-28T00:00:00Z"),
            ("2026-03-29T02:30:00Z", "1d", "2026-03-30T02:30:00Z", "2026-03-28T02:30:00Z"),
            ("2026-03-29T02:30:00Z", "2w", "2026-04-12T02:30:00Z", "2026-03-15T02:30:00Z"),
            ("2026-03-29T02:30:00Z", "12h", "2026-03-29T14:30:00Z", "2026-03-28T14:30:00Z"),
        ] {
            let duration = Duration::parse(duration).expect("valid");
            assert_eq!(at(start).plus(duration), Some(at(after)), "{start} + {duration}");
            assert_eq!(at(start).minus(duration), Some(at(before)), "{start} - {duration}");
        }
    }

    #[test]
    fn leaving_the_calendar_is_none() {
        for text in ["1000y", "12000mo", "365250d"] {
            let duration = Duration::parse(text).expect("valid");
            assert_eq!(at("9990-01-01T00:00:00Z").plus(duration), None, "{text}");
            assert_eq!(Instant(i64::MAX).plus(duration), None, "{text}");
            assert_eq!(Instant(i64::MIN).minus(duration), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn longer_never_ends_earlier(start in -60_000_000_000_000_000_i64..200_000_000_000_000_000, count in 0_u32..900) {
            for unit in Unit::ALL {
                let shorter = Duration::new(count, unit).expect("small");
                let longer = Duration::new(count + 1, unit).expect("small");
                prop_assert!(Instant(start).plus(shorter) < Instant(start).plus(longer));
                prop_assert!(Instant(start).minus(shorter) > Instant(start).minus(longer));
            }
        }
    }
}
