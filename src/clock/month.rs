//! Calendar months as one number: year · 12 + month, so that the next month is one more.

use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::Instant;

/// The number of a month, 1 to 12.
fn number(date: Date) -> u32 {
    u32::try_from(date.year()).unwrap_or(0) * 12 + u32::from(date.month().unsigned_abs())
}

impl Instant {
    /// The month in UTC.
    pub fn month(self) -> u32 {
        let date = |instant: Self| instant.timestamp().map(|at| number(TimeZone::UTC.to_datetime(at).date()));
        // Beyond the calendar on either side: the month of 1970 is one that every vault can name.
        date(self).or_else(|_| date(Self(0))).unwrap_or(1)
    }
}

/// The month on the wall clock of whoever wrote the text: it begins with a day, and a time may follow.
pub fn wall_month(text: &str) -> Option<u32> {
    let (day, rest) = text.split_at_checked(10)?;
    let is_day = day.bytes().zip("0000-00-00".bytes()).all(|(byte, shape)| match shape {
        b'0' => byte.is_ascii_digit(),
        other => byte == other,
    });
    let goes_on = rest.bytes().next().is_none_or(|byte| matches!(byte, b'T' | b't' | b' '));
    let date = (is_day && goes_on).then(|| day.parse::<Date>().ok())?;
    date.map(number)
}

/// A month for people: `2026-03`. None for 0, which is no month.
pub fn month_word(month: u32) -> Option<String> {
    let at = month.checked_sub(1)?;
    Some(format!("{:04}-{:02}", at / 12, at % 12 + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_that_of_the_wall_clock_that_was_written() {
        let january = 2026 * 12 + 1;
        for (text, month) in [
            ("2026-01-31T23:30:00-05:00", Some(january)),
            ("2026-02-01T00:30:00+09:00", Some(january + 1)),
            ("2026-01-31 23:30", Some(january)),
            ("2026-01-31", Some(january)),
            ("2026-02-30T00:00:00Z", None),
            ("2026-01-31x", None),
            ("2026-01", None),
            ("1769900000", None),
            ("31.01.2026 23:30", None),
            ("2026-01-3é", None),
        ] {
            assert_eq!(wall_month(text), month, "{text}");
        }
        assert_eq!(Instant::parse("2026-01-31T23:30:00-05:00").map(Instant::month), Ok(january + 1), "in UTC");
        assert_eq!(month_word(january).as_deref(), Some("2026-01"));
        assert_eq!(month_word(january - 1).as_deref(), Some("2025-12"));
        assert_eq!((month_word(0), Instant(i64::MAX).month()), (None, 1970 * 12 + 1));
    }
}
