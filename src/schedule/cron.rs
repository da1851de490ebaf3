//! A block of the user's crontab, and the crontab around it.
//!
//! cron catches up with nothing that it missed, so the block also runs the purge when the machine starts. Twice a day
//! does no harm: the second finds nothing left to do.

use super::{Job, ScheduleError, shell_word};

/// A crontab with one of our blocks taken out.
#[derive(Debug, PartialEq, Eq)]
pub struct Cut {
    /// Every other line, byte for byte.
    pub rest: Vec<u8>,
    /// The block, marks included; none when there is none.
    pub block: Option<String>,
}

fn marks(name: &str) -> [String; 2] {
    ["begin", "end"].map(|edge| format!("# convault purge {name} {edge}"))
}

/// The block, a line at the end.
pub fn block(job: &Job) -> Result<String, ScheduleError> {
    job.check()?;
    let [begin, end] = marks(&job.name);
    // Whatever cron is told on stdout it sends as mail, every day.
    let command = format!("{} >/dev/null{}", command(job, word), on_failure(job, word));
    let (hour, minute) = (job.at.hour, job.at.minute);
    let record = job.record();
    Ok(format!("{begin}\n# {record}\n{minute} {hour} * * * {command}\n@reboot {command}\n{end}\n"))
}

/// The purge as a shell runs it.
pub(super) fn command(job: &Job, word: impl Fn(&str) -> String) -> String {
    let state = job.state_home.as_ref().map(|folder| format!("XDG_STATE_HOME={} ", word(folder)));
    let words: Vec<String> = job.command().iter().map(|one| word(one)).collect();
    format!("{}{}", state.unwrap_or_default(), words.join(" "))
}

/// What a shell runs when that ended with any code but 0. A shell of its own: whatever is wrong in the command is wrong there.
pub(super) fn on_failure(job: &Job, word: impl Fn(&str) -> String) -> String {
    job.on_failure.as_ref().map(|command| format!(" || /bin/sh -c {}", word(command))).unwrap_or_default()
}

/// A word as the shell reads it back behind cron, which ends a command at a percent sign without a backslash. Some
/// crons take that backslash away and some leave it to the shell, so it stands outside of the quotes, where both agree.
fn word(word: &str) -> String {
    shell_word(word).replace('%', r"'\%'")
}

/// Takes the block of this name out of a crontab.
pub fn cut(crontab: &[u8], name: &str) -> Result<Cut, ScheduleError> {
    let [begin, end] = marks(name);
    let (mut rest, mut block) = (Vec::with_capacity(crontab.len()), Vec::new());
    let mut is_inside = false;
    for line in crontab.split_inclusive(|byte| *byte == b'\n') {
        let bare = line.strip_suffix(b"\n").unwrap_or(line);
        let (begins, ends) = (bare == begin.as_bytes(), bare == end.as_bytes());
        if begins == is_inside && (begins || ends) || ends && !is_inside {
            return Err(ScheduleError::Unpaired(if begins { begin } else { end }));
        }
        is_inside |= begins;
        if is_inside { &mut block } else { &mut rest }.extend_from_slice(line);
        is_inside &= !ends;
    }
    if is_inside {
        return Err(ScheduleError::Unpaired(begin));
    }
    let block = (!block.is_empty()).then(|| String::from_utf8_lossy(&block).into_owned());
    Ok(Cut { rest, block })
}

/// A crontab with a block behind all that is there.
pub fn with(mut rest: Vec<u8>, block: &str) -> Vec<u8> {
    if rest.last().is_some_and(|last| *last != b'\n') {
        rest.push(b'\n');
    }
    rest.extend_from_slice(block.as_bytes());
    rest
}
