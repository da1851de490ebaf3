//! What makes a purge run every day: the texts for systemd, cron and launchd, and nothing that puts them anywhere.
//!
//! Paths are hostile input here: a quote, a percent sign or a dollar in one must reach the program as it is, and a
//! character that would end a line reaches no text at all. No text holds a secret; a key file is named, not read.

pub mod cron;
pub mod launchd;
pub mod systemd;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

/// Why a text cannot be made, or not be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScheduleError {
    /// A character that ends a line, or acts on a terminal.
    #[error("{0} has a control character, which cannot be written into a schedule")]
    ControlCharacter(&'static str),
    /// systemd refuses such a path, whatever its quoting.
    #[error("systemd starts no program whose path has a quote or a backslash: {0}")]
    Program(String),
    /// A time of day that is none.
    #[error("{0:?} is no time of day")]
    NotATime(String),
    /// A mark of ours without the other, so that nobody can tell what stands between them.
    #[error("the crontab has the mark {0:?} without its other one")]
    Unpaired(String),
}

/// A minute of the day, local time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Daily {
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
}

impl Daily {
    /// Reads `HH:MM`.
    pub fn parse(typed: &str) -> Result<Self, ScheduleError> {
        let number = |digits: &str, below: u8| {
            let is_number = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
            digits.parse().ok().filter(|number| is_number && *number < below)
        };
        let parts = typed.split_once(':').and_then(|(hour, minute)| Some((number(hour, 24)?, number(minute, 60)?)));
        let (hour, minute) = parts.ok_or_else(|| ScheduleError::NotATime(typed.to_owned()))?;
        Ok(Self { hour, minute })
    }
}

impl std::fmt::Display for Daily {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{:02}:{:02}", self.hour, self.minute)
    }
}

/// A purge that runs every day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Tells the jobs of several vaults apart: hexadecimal digits.
    pub name: String,
    /// The program, absolute, as every path here.
    pub program: String,
    /// The vault file.
    pub vault: String,
    /// The anchor file, where it was named.
    pub anchor_file: Option<String>,
    /// The key file that the purge acts with.
    pub credential: String,
    /// `XDG_STATE_HOME`, where it was set: what this machine saw of the vault has to be found again.
    pub state_home: Option<String>,
    /// When it runs.
    pub at: Daily,
    /// A command for `sh -c` when the purge fails, or was done in part.
    pub on_failure: Option<String>,
}

impl Job {
    /// What the parts of everything are called: units, marks, the label.
    pub fn title(&self) -> String {
        title(&self.name)
    }

    /// The program and its arguments.
    pub fn command(&self) -> Vec<String> {
        let mut words = vec![self.program.clone(), "--vault".to_owned(), self.vault.clone()];
        if let Some(anchor) = &self.anchor_file {
            words.extend(["--anchor-file".to_owned(), anchor.clone()]);
        }
        words.extend(["--no-input".to_owned(), "--credential".to_owned(), self.credential.clone()]);
        words.extend(["purge".to_owned(), "--yes".to_owned()]);
        words
    }

    /// The job in one line, from which [`Job::recorded_in`] reads it back. It has no hyphen, because two of them would
    /// end a comment of XML; JSON has hyphens in its texts only, where an escape stands for one.
    fn record(&self) -> String {
        let line = serde_json::to_string(self).unwrap_or_default();
        format!("{RECORD}{}", line.replace('-', "\\u002d"))
    }

    /// The job that a text of ours was made for; none when it has no readable record.
    pub fn recorded_in(text: &str) -> Option<Self> {
        let (_, record) = text.lines().find_map(|line| line.split_once(RECORD))?;
        let record = record.strip_suffix(" -->").unwrap_or(record);
        serde_json::from_str(record).ok()
    }

    /// Refuses what no text can hold.
    fn check(&self) -> Result<(), ScheduleError> {
        let texts = [
            ("the path of the program", Some(&self.program)),
            ("the path of the vault", Some(&self.vault)),
            ("the path of the anchor", self.anchor_file.as_ref()),
            ("the path of the key file", Some(&self.credential)),
            ("XDG_STATE_HOME", self.state_home.as_ref()),
            ("the command on failure", self.on_failure.as_ref()),
        ];
        let is_bad = |text: &&String| text.chars().any(char::is_control);
        match texts.into_iter().find(|(_, text)| text.filter(is_bad).is_some()) {
            Some((what, _)) => Err(ScheduleError::ControlCharacter(what)),
            None => Ok(()),
        }
    }
}

/// What begins a record.
const RECORD: &str = "convault job: ";

/// What the parts of the job with this name are called.
pub fn title(name: &str) -> String {
    format!("convault-purge-{name}")
}

/// A word as any shell reads it back.
fn shell_word(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}
