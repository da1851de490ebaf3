//! Chats that never end on their way in: cut by month, and each month stored, united or left out by itself.

use super::attach::Input;
use super::merge::{adopt, age, keep_all, keep_files, shows_the_same};
use super::report::{Months, Told};
use super::unite::{Standing, State};
use super::write::{Incoming, Seat, Shared, left_as_it_is, origin, seal_part, store};
use super::{IngestError, Report};
use crate::clock::{Instant, month_word};
use crate::conversation::Conversation;
use crate::import::{Problem, by_name};
use crate::vault::{Entry, Origin, Writer};

/// January 1970: no source is older.
const FIRST_MONTH: u32 = 1970 * 12 + 1;

/// How a month that comes in meets the one that is stored.
struct Meeting {
    /// The chat that comes in is the newer one.
    is_newer: bool,
    /// It is the last month of that chat, whose words for the whole count.
    is_last: bool,
    accumulates: bool,
}

impl Shared<'_> {
    /// Whether it is kept month by month: by its kind, unless it is stored already in another way.
    pub(super) fn is_monthly(&self, incoming: &Incoming) -> bool {
        match self.known.get(&incoming.key()).and_then(|known| known.last()) {
            Some(entry) => entry.is_month(),
            None => incoming.conversation.kind.is_endless(),
        }
    }

    /// Whether it, or a month of it, was destroyed here and is not to come back.
    pub(super) fn was_destroyed(&self, incoming: &Incoming, month: u32) -> bool {
        let native_id = &incoming.conversation.native_id;
        !self.options.allow_resurrect && self.sealer.was_destroyed(&incoming.source, native_id, month)
    }

    /// The months of a chat, without those that were destroyed, which are counted.
    pub(super) fn cut(&self, incoming: &Incoming, months: &mut Months) -> Vec<(u32, Conversation)> {
        let known = self.known.get(&incoming.key()).map_or(&[][..], Vec::as_slice);
        let this = self.options.now.month();
        let otherwise = known.last().map_or(this, |entry| entry.facts.month);
        let has_no_time = incoming.conversation.months(0).iter().all(|month| *month == 0);
        // Messages without any time were of the month in which they came, whichever that was.
        let may_be = |month: u32| if has_no_time { FIRST_MONTH..=this } else { month..=month };
        let is_known = |month: u32| known.iter().any(|entry| entry.facts.month == month);
        let mut parts: Vec<(u32, Conversation)> = incoming.conversation.by_month(otherwise).into_iter().collect();
        parts.retain(|(month, _)| {
            let stays = is_known(*month) || !may_be(*month).any(|month| self.was_destroyed(incoming, month));
            months.destroyed += u64::from(!stays);
            stays
        });
        months.new += parts.iter().filter(|(month, _)| !is_known(*month)).count() as u64;
        parts
    }

    /// Brings in a chat of which months are stored.
    pub(super) fn change_chat(
        &self,
        writer: &mut Writer<'_>,
        known: &[Entry],
        incoming: Incoming,
        report: &mut Report,
    ) -> Result<(), IngestError> {
        let mut months = Months::default();
        let parts = self.cut(&incoming, &mut months);
        let is_newer = is_newer(&incoming.conversation, known, incoming.stood_before);
        let Incoming { source, told, place, is_part, .. } = incoming;
        let accumulates = by_name(&source).unwrap_or(self.options.importer).accumulates() || is_part;
        let last = parts.last().map(|(month, _)| *month);
        let mut told = Told { messages: 0, ..told };
        for (month, part) in parts {
            let place = month_word(month).map_or_else(|| place.clone(), |word| format!("{place}, {word}"));
            let entry = known.iter().find(|entry| entry.facts.month == month);
            let meeting = Meeting { is_newer, is_last: Some(month) == last, accumulates };
            let done = match entry {
                Some(entry) => self.change_month(writer, entry, (part, meeting), (&source, &told, &place), report),
                None => self.add_month(writer, known, (month, part), (&source, &told, &place), report),
            };
            match done {
                Ok(messages) => {
                    told.messages += messages.unwrap_or(0);
                    match messages {
                        Some(_) => months.updated += u64::from(entry.is_some()),
                        None => months.unchanged += 1,
                    }
                }
                Err(error) => {
                    months.new -= u64::from(entry.is_none());
                    report.skip(Problem { place, reason: left_as_it_is(error)? });
                }
            }
        }
        match months.new + months.updated {
            0 => {
                report.count(told.member, |counts| counts.unchanged += 1);
                report.bytes += told.size as u64;
            }
            _ => {
                report.count(told.member, |counts| counts.updated += 1);
                report.add(told);
            }
        }
        report.months.add(months);
        Ok(())
    }

    /// Unites a month with its stored state; how many messages it has then, or none when nothing changes.
    fn change_month(
        &self,
        writer: &mut Writer<'_>,
        entry: &Entry,
        (part, meeting): (Conversation, Meeting),
        (source, told, place): (&str, &Told, &str),
        report: &mut Report,
    ) -> Result<Option<usize>, IngestError> {
        let stored = writer.body(entry)?.conversation;
        let files = stored.attachments.clone();
        let Standing { state, changed, vanished, .. } = unite(stored, part, &meeting);
        let messages = state.conversation.messages.len();
        let seat = Seat { entry, files: &files, source, notes: &told.notes, place };
        let Some(stored) = self.reseal(writer, &seat, state, changed, report)? else { return Ok(None) };
        writer.replace(entry, &stored.segment)?;
        report.vanished += vanished;
        report.take(stored.attachments, stored.absent);
        Ok(Some(messages))
    }

    /// Stores a month that a known chat did not have; with the tags of its last one, for what is asked of the chat.
    fn add_month(
        &self,
        writer: &mut Writer<'_>,
        known: &[Entry],
        (month, part): (u32, Conversation),
        (source, told, place): (&str, &Told, &str),
        report: &mut Report,
    ) -> Result<Option<usize>, IngestError> {
        let (id, tags) = known.last().map(|last| (last.conversation, last.facts.tags.clone())).unwrap_or_default();
        let origin = Origin { month, ..origin(id, source, tags, &told.notes, None) };
        let messages = part.messages.len();
        let (mut thread, mut input) = (self.sealer.thread(), Input::of(self.bundle));
        let mut hand_over = |piece| store(writer, piece);
        let sealed = seal_part(&mut thread, &mut input, part, (&[], origin), place, &mut hand_over)?;
        writer.put(&sealed.segment)?;
        report.take(sealed.attachments, sealed.absent);
        Ok(Some(messages))
    }
}

/// Whether a chat that comes in is at least as new as the one that is stored, by what either says of the whole.
fn is_newer(incoming: &Conversation, known: &[Entry], stood_before: bool) -> bool {
    let updated = known.iter().filter_map(|entry| entry.card.updated.as_ref()?.at).max();
    let clocks = known.iter().map(|entry| &entry.facts).filter(|facts| !facts.last_activity_clamped);
    let stored: Option<Instant> = updated.or_else(|| clocks.map(|facts| facts.last_activity).max());
    match (age(incoming), stored) {
        (Some(incoming), Some(stored)) if incoming != stored => incoming > stored,
        _ => !stood_before,
    }
}

/// What is to stand of a month. No original tells what either state said, so that every message stays.
fn unite(mut stored: Conversation, mut incoming: Conversation, meeting: &Meeting) -> Standing {
    let standing = |conversation, changed, vanished| Standing {
        state: State { conversation, originals: Vec::new(), stood_before: false, is_part: false },
        changed,
        vanished,
        edited: 0,
    };
    adopt(&mut stored, &incoming);
    if !meeting.is_newer {
        let added = keep_all(&mut stored, &incoming, meeting.accumulates);
        return standing(stored, added > 0, if meeting.accumulates { 0 } else { added });
    }
    let gone = |of: &Conversation| of.messages.iter().filter(|message| message.vanished).count() as u64;
    keep_all(&mut incoming, &stored, meeting.accumulates);
    keep_files(&mut incoming, &stored.attachments);
    incoming.created = incoming.created.take().or_else(|| stored.created.clone());
    // A month that is the last no more keeps what it is called: the chat is called what its last month says.
    let head = |of: &Conversation| {
        (of.title.clone(), of.kind, of.model.clone(), of.project.clone(), of.continues.clone(), of.flags.clone())
    };
    if shows_the_same(&incoming, &stored) && (!meeting.is_last || head(&incoming) == head(&stored)) {
        return standing(stored, false, 0);
    }
    let vanished = gone(&incoming).saturating_sub(gone(&stored));
    standing(incoming, true, vanished)
}
