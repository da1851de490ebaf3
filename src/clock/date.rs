//! Dates as people type them in selectors, read as the span of time they name.

use jiff::civil::Date;
use jiff::{Span, ToSpan};

use super::{Duration, Instant, TimeError, Zone};

/// A span of time from `start` up to, and without, `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// The first instant inside.
    pub start: Instant,
    /// The first instant after it.
    pub end: Instant,
}

impl Period {
    /// Whether the instant lies inside.
    pub fn contains(&self, instant: Instant) -> bool {
        self.start <= instant && instant < self.end
    }
}

/// Reads a date and returns the time it spans.
///
/// `2026`, `2026-01` and `2026-01-31` are a year, a month and a day on the zone's clock, `today` and
/// `yesterday` the days around `now`; `2026-01-31T10:00` (with seconds, fraction and offset if
/// wanted) is that minute, second or microsecond; a duration such as `90d` is the time from that
/// long before `now` up to `now`.
pub fn parse_date(text: &str, now: Instant, zone: &Zone) -> Result<Period, TimeError> {
    match text {
        "today" => return days(local_day(now, zone)?, 1.day(), zone),
        "yesterday" => {
            let day = local_day(now, zone)?.yesterday().map_err(|_| TimeError::OutOfRange)?;
            return days(day, 1.day(), zone);
        }
        _ => {}
    }
    let shape = shape(text);
    match shape.as_str() {
        "0" => days(date(text, "-01-01")?, 1.year(), zone),
        "0-0" => days(date(text, "-01")?, 1.month(), zone),
        "0-0-0" => days(date(text, "")?, 1.day(), zone),
        _ if shape.starts_with("0-0-0T") || shape.starts_with("0-0-0t") => moment(text, zone),
        "0/0" | "0/0/0" => Err(TimeError::SlashDate),
        "0.0" | "0.0." | "0.0.0" => Err(TimeError::DottedDate),
        _ if text.as_bytes().first().is_some_and(u8::is_ascii_digit) && !text.contains(['-', ':']) => {
            let duration = Duration::parse(text)?;
            Ok(Period { start: now.minus(duration).ok_or(TimeError::OutOfRange)?, end: now })
        }
        _ => Err(TimeError::NotADate),
    }
}

/// The text with every run of ASCII digits shown as one `0`.
fn shape(text: &str) -> String {
    let mut shape = String::new();
    for c in text.chars() {
        match c {
            '0'..='9' if shape.ends_with('0') => {}
            '0'..='9' => shape.push('0'),
            other => shape.push(other),
        }
    }
    shape
}

/// Reads `text` completed by `rest` as exactly `YYYY-MM-DD`.
fn date(text: &str, rest: &str) -> Result<Date, TimeError> {
    let whole = format!("{text}{rest}");
    // Digits and hyphens are already sure; the length settles how many stand in each field.
    let fields: Vec<usize> = whole.split('-').map(str::len).collect();
    if fields != [4, 2, 2] {
        return Err(TimeError::NotADate);
    }
    whole.parse().map_err(|_| TimeError::NoSuchDate)
}

fn local_day(now: Instant, zone: &Zone) -> Result<Date, TimeError> {
    Ok(zone.0.to_datetime(now.timestamp()?).date())
}

/// From the first instant of a day on the zone's clock to the first instant of the day `span` later.
fn days(first: Date, span: Span, zone: &Zone) -> Result<Period, TimeError> {
    let beginning = |day: Date| {
        let zoned = day.to_zoned_datetime(zone.0.clone()).and_then(|zoned| zoned.start_of_day());
        Instant::from_timestamp(zoned.map_err(|_| TimeError::OutOfRange)?.timestamp())
    };
    let next = first.checked_add(span).map_err(|_| TimeError::OutOfRange)?;
    Ok(Period { start: beginning(first)?, end: beginning(next)? })
}

/// A time of day: as long as its last written place.
fn moment(text: &str, zone: &Zone) -> Result<Period, TimeError> {
    let (day, time) = text.split_at_checked(10).ok_or(TimeError::NotADate)?;
    let clock = &time[1..];
    let offset_at = clock.find(['Z', 'z', '+', '-']).unwrap_or(clock.len());
    let (clock, offset) = clock.split_at(offset_at);
    let (clock, length) = match shape(clock).as_str() {
        "0:0" => (format!("{clock}:00"), 60_000_000),
        "0:0:0" => (clock.to_owned(), 1_000_000),
        "0:0:0.0" => (clock.to_owned(), 1),
        _ => return Err(TimeError::NotATime),
    };
    // One strict parser judges both forms: without an offset the text is read as UTC first.
    let whole = format!("{day}T{clock}{}", if offset.is_empty() { "Z" } else { offset });
    let mut start = Instant::parse(&whole)?;
    if offset.is_empty() {
        let wall = jiff::tz::TimeZone::UTC.to_datetime(start.timestamp()?);
        let zoned = wall.to_zoned_datetime(zone.0.clone()).map_err(|_| TimeError::OutOfRange)?;
        start = Instant::from_timestamp(zoned.timestamp())?;
    }
    Ok(Period { start, end: Instant(start.0 + length) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-11-24T02:00:00Z";

    fn read(text: &str, zone: &str) -> Result<(String, String), TimeError> {
        let zone = Zone::named(zone).expect("the zone data has it");
        let now = Instant::parse(NOW).expect("valid");
        parse_date(text, now, &zone).map(|period| (period.start.to_string(), period.end.to_string()))
    }

    #[test]
    fn reads_every_form_as_a_half_open_span() {
        for (text, zone, start, end) in [
            ("2026", "UTC", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"),
            ("2026-01", "UTC", "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"),
            ("2026-12", "UTC", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"),
            ("2026-01-31", "UTC", "2026-01-31T00:00:00Z", "2026-02-01T00:00:00Z"),
            ("2026-01-31", "Europe/Zurich", "2026-01-30T23:00:00Z", "2026-01-31T23:00:00Z"),
            // The clock jumps ahead at midnight in Beirut: the day begins at 01:00 and has 23 hours.
            ("2024-03-31", "Asia/Beirut", "2024-03-30T22:00:00Z", "2024-03-31T21:00:00Z"),
            ("2026-10-25", "Europe/Zurich", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"),
            ("2026-01-31T10:00", "UTC", "2026-01-31T10:00:00Z", "2026-01-31T10:01:00Z"),
            ("2026-01-31T10:00:07", "Europe/Zurich", "2026-01-31T09:00:07Z", "2026-01-31T09:00:08Z"),
            ("2026-01-31T10:00:07Z", "Europe/Zurich", "2026-01-31T10:00:07Z", "2026-01-31T10:00:08Z"),
            ("2026-01-31T10:00:07-02:00", "UTC", "2026-01-31T12:00:07Z", "2026-01-31T12:00:08Z"),
            ("2026-01-31T10:00+02:00", "UTC", "2026-01-31T08:00:00Z", "2026-01-31T08:01:00Z"),
            ("2026-01-31T10:00:07.5Z", "UTC", "2026-01-31T10:00:07.5Z", "2026-01-31T10:00:07.500001Z"),
            ("90d", "UTC", "2026-08-26T02:00:00Z", NOW),
            ("6mo", "Europe/Zurich", "2026-05-24T02:00:00Z", NOW),
            ("0d", "UTC", NOW, NOW),
            ("today", "UTC", "2026-11-24T00:00:00Z", "2026-11-25T00:00:00Z"),
            ("today", "America/New_York", "2026-11-23T05:00:00Z", "2026-11-24T05:00:00Z"),
            ("yesterday", "UTC", "2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z"),
        ] {
            assert_eq!(read(text, zone), Ok((start.to_owned(), end.to_owned())), "{text} in {zone}");
        }
    }

    #[test]
    fn refuses_what_could_mean_two_things() {
        for (text, error) in [
            ("1/2/2026", TimeError::SlashDate),
            ("2026/01/31", TimeError::SlashDate),
            ("1/2", TimeError::SlashDate),
            ("31.1.2026", TimeError::DottedDate),
            ("31.1.", TimeError::DottedDate),
            ("5m", TimeError::BareM),
            ("", TimeError::NotADate),
            ("26", TimeError::NotADate),
            ("20260131", TimeError::NotADate),
            ("26-01-31", TimeError::NotADate),
            ("2026-1-31", TimeError::NotADate),
            ("2026-1", TimeError::NotADate),
            ("2026-02-30", TimeError::NoSuchDate),
            ("2026-13", TimeError::NoSuchDate),
            ("-90d", TimeError::NotADate),
            ("Today", TimeError::NotADate),
            ("last week", TimeError::NotADate),
            ("2026-01-31T10", TimeError::NotATime),
            ("2026-01-31T25:00", TimeError::NotATime),
            ("2026-01-31T10:00 ", TimeError::NotATime),
            ("2026-01-31Tü", TimeError::NotATime),
            ("9999-12-31", TimeError::OutOfRange),
            ("99999999999d", TimeError::OutOfRange),
            ("٢٠٢٦", TimeError::NotADate),
        ] {
            assert_eq!(read(text, "UTC"), Err(error), "{text}");
        }
    }
}
