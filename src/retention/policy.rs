//! A policy as its owner writes it: TOML read, every mistake named by its place.

use serde::Deserialize;

use super::{Action, Clock};
use crate::clock::{Duration, TimeError};

const SCHEMA: &str = "convault.policy/1";
const LONGEST_NAME: usize = 64;
/// The longest grace.
pub const LONGEST_GRACE_DAYS: u32 = 90;
/// Rules of one policy: each is asked of every segment.
const MOST_RULES: usize = 1000;

/// What a purge that nobody acknowledged may destroy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Breaker {
    /// Percent of all segments.
    pub share: u8,
    /// Segments.
    pub segments: u64,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { share: 10, segments: 1000 }
    }
}

impl Breaker {
    /// The most segments out of `all`.
    pub fn most(self, all: u64) -> u64 {
        // Of very few a share is none; one may always go.
        (all.saturating_mul(self.share.into()) / 100).max(1).min(self.segments)
    }
}

/// A policy as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Between due and destroyed.
    pub grace: Duration,
    /// What a purge that nobody acknowledged may destroy.
    pub breaker: Breaker,
    /// How long entries of the log are kept; none for ever.
    pub log: Option<Duration>,
    /// The rules.
    pub rules: Vec<WrittenRule>,
    /// The rule for what no delete rule is about.
    pub default: Option<(Duration, Clock)>,
}

/// A rule as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenRule {
    /// Its name.
    pub name: String,
    /// What it does.
    pub action: Action,
    /// What it counts from.
    pub clock: Clock,
    /// The selector, as it is written.
    pub select: String,
}

/// What is wrong with a policy, and where. Repeats names of rules and keys, which the policy's owner wrote.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// Not TOML, or keys and kinds of values that no policy has.
    #[error("line {line}: {says}")]
    Toml {
        /// The line, from 1.
        line: usize,
        /// What the parser says.
        says: String,
    },
    /// Another schema.
    #[error("schema: not \"convault.policy/1\"")]
    Schema,
    /// A rule's name.
    #[error("rule {0}: the name is empty, longer than 64 bytes, has control characters, or is another rule's")]
    Name(usize),
    /// Not exactly one of keep, delete, keep-last.
    #[error("rule \"{0}\": needs exactly one of keep, delete and keep-last")]
    Action(String),
    /// A time.
    #[error("{place}: {error}")]
    Time {
        /// Where.
        place: String,
        /// Why.
        error: TimeError,
    },
    /// An unknown clock.
    #[error("{0}: the clock is not last-activity, created or imported")]
    Clock(String),
    /// A number out of its range.
    #[error("{place}: not from {least} to {most}")]
    Range {
        /// Where.
        place: String,
        /// The least.
        least: u64,
        /// The most.
        most: u64,
    },
    /// Too many rules.
    #[error("more than 1000 rules")]
    TooMany,
}

impl PolicyError {
    /// What to do about it, on a line of its own.
    pub fn hint(&self) -> String {
        match self {
            Self::Time { error, .. } => error.hint().to_owned(),
            Self::Schema => "begin with: schema = \"convault.policy/1\"".to_owned(),
            _ => "docs/retention.md has an example and every key".to_owned(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    schema: String,
    grace: Option<String>,
    max_share: Option<u64>,
    max_segments: Option<u64>,
    log: Option<String>,
    #[serde(default)]
    rule: Vec<FileRule>,
    default: Option<FileDefault>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct FileRule {
    name: String,
    keep: Option<String>,
    delete: Option<String>,
    keep_last: Option<u64>,
    clock: Option<String>,
    select: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct FileDefault {
    delete: String,
    clock: Option<String>,
}

impl Written {
    /// Reads a policy.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let file: File = toml::from_str(text).map_err(|error| PolicyError::Toml {
            line: error.span().map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1),
            says: error.message().to_owned(),
        })?;
        if file.schema != SCHEMA {
            return Err(PolicyError::Schema);
        }
        if file.rule.len() > MOST_RULES {
            return Err(PolicyError::TooMany);
        }
        let grace = duration("grace", file.grace.as_deref().unwrap_or("7d"))?;
        let days = [("h", 24), ("d", 1)].iter().find_map(|(unit, per_day)| {
            let text = grace.to_string();
            text.strip_suffix(unit)?.parse::<u32>().ok().map(|count| count.div_ceil(*per_day))
        });
        if days.is_none_or(|days| days > LONGEST_GRACE_DAYS) {
            return Err(PolicyError::Range {
                place: "grace, in days".to_owned(),
                least: 0,
                most: LONGEST_GRACE_DAYS.into(),
            });
        }
        let standard = Breaker::default();
        let breaker = Breaker {
            share: u8::try_from(within("max-share", file.max_share.unwrap_or(standard.share.into()), 1, 100)?)
                .unwrap_or(100),
            segments: within("max-segments", file.max_segments.unwrap_or(standard.segments), 1, u64::MAX)?,
        };
        let log = file.log.as_deref().map(|log| duration("log", log)).transpose()?;
        let mut rules: Vec<WrittenRule> = Vec::new();
        for (number, rule) in file.rule.into_iter().enumerate() {
            let well =
                !rule.name.is_empty() && rule.name.len() <= LONGEST_NAME && !rule.name.chars().any(char::is_control);
            if !well || rules.iter().any(|other| other.name == rule.name) {
                return Err(PolicyError::Name(number + 1));
            }
            let place = |key: &str| format!("rule \"{}\": {key}", rule.name);
            let action = match (&rule.keep, &rule.delete, rule.keep_last) {
                (Some(keep), None, None) => Action::Keep(duration(&place("keep"), keep)?),
                (None, Some(delete), None) => Action::Delete(duration(&place("delete"), delete)?),
                (None, None, Some(count)) => Action::KeepLast(
                    u32::try_from(within(&place("keep-last"), count, 1, u32::MAX.into())?).unwrap_or(u32::MAX),
                ),
                _ => return Err(PolicyError::Action(rule.name)),
            };
            let clock = clock(&place("clock"), rule.clock.as_deref())?;
            rules.push(WrittenRule { action, clock, select: rule.select, name: rule.name });
        }
        let default = match file.default {
            Some(default) => Some((
                duration("default: delete", &default.delete)?,
                clock("default: clock", default.clock.as_deref())?,
            )),
            None => None,
        };
        Ok(Self { grace, breaker, log, rules, default })
    }
}

fn duration(place: &str, text: &str) -> Result<Duration, PolicyError> {
    Duration::parse(text).map_err(|error| PolicyError::Time { place: place.to_owned(), error })
}

fn clock(place: &str, word: Option<&str>) -> Result<Clock, PolicyError> {
    let Some(word) = word else { return Ok(Clock::default()) };
    Clock::of_word(word).ok_or_else(|| PolicyError::Clock(place.to_owned()))
}

fn within(place: &str, number: u64, least: u64, most: u64) -> Result<u64, PolicyError> {
    if (least..=most).contains(&number) {
        Ok(number)
    } else {
        Err(PolicyError::Range { place: place.to_owned(), least, most })
    }
}
