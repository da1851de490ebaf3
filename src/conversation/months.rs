//! A conversation cut by month, each part with all that its messages need and nothing of the others; and put together again.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{Cast, Conversation, Message, Part};
use crate::clock::wall_month;

/// What a month has of the whole, by index there.
#[derive(Default)]
struct Share {
    messages: u32,
    authors: BTreeSet<u32>,
    files: BTreeSet<u32>,
}

impl Conversation {
    /// The month of each message, as year · 12 + month: that of the wall clock where the source tells it, else in UTC. A
    /// message without a time is of the month of the one before it, the first ones of that of the first with a time; all
    /// are of month `otherwise` where none has a time.
    pub fn months(&self, otherwise: u32) -> Vec<u32> {
        let of = |message: &Message| {
            let time = message.time.as_ref()?;
            wall_month(&time.text).or_else(|| time.at.map(crate::clock::Instant::month))
        };
        let told: Vec<Option<u32>> = self.messages.iter().map(of).collect();
        let mut month = told.iter().copied().flatten().next().unwrap_or(otherwise);
        told.into_iter()
            .map(|told| {
                month = told.unwrap_or(month);
                month
            })
            .collect()
    }

    /// The parts of it by month, at least one. A message that follows one of another month follows none. Who wrote
    /// nothing at all takes part in every month, others in those they wrote in. What the source says of the beginning
    /// stands in the first month, what it says of the end, and files that no message shows, in the last.
    pub fn by_month(&self, otherwise: u32) -> BTreeMap<u32, Self> {
        let months = self.months(otherwise);
        let mut shares: BTreeMap<u32, Share> = BTreeMap::new();
        let mut places = Vec::with_capacity(months.len());
        let mut shown = BTreeSet::new();
        let mut wrote = BTreeSet::new();
        for (message, month) in self.messages.iter().zip(&months) {
            let share = shares.entry(*month).or_default();
            places.push(share.messages);
            share.messages += 1;
            // What leads nowhere leads nowhere in its month either.
            let files = message.parts.iter().filter_map(|part| part.attachment);
            let files = files.filter(|index| (*index as usize) < self.attachments.len());
            shown.extend(files.clone());
            share.files.extend(files);
            if (message.author as usize) < self.participants.len() {
                share.authors.insert(message.author);
                wrote.insert(message.author);
            }
        }
        if shares.is_empty() {
            shares.insert(otherwise, Share::default());
        }
        let silent = indices(&self.participants).filter(|index| !wrote.contains(index));
        let silent: Vec<u32> = silent.collect();
        for share in shares.values_mut() {
            share.authors.extend(&silent);
        }
        if let Some(mut last) = shares.last_entry() {
            last.get_mut().files.extend(indices(&self.attachments).filter(|index| !shown.contains(index)));
        }
        let (first, last) = (shares.keys().next().copied(), shares.keys().next_back().copied());
        let mut parts = BTreeMap::new();
        let mut moves = HashMap::new();
        for (month, share) in shares {
            let authors: HashMap<u32, u32> = share.authors.into_iter().zip(0..).collect();
            let files: HashMap<u32, u32> = share.files.into_iter().zip(0..).collect();
            parts.insert(
                month,
                Self {
                    created: self.created.clone().filter(|_| Some(month) == first),
                    updated: self.updated.clone().filter(|_| Some(month) == last),
                    participants: chosen(&self.participants, &authors),
                    attachments: chosen(&self.attachments, &files),
                    messages: Vec::new(),
                    text: String::new(),
                    ..self.head()
                },
            );
            moves.insert(month, (authors, files));
        }
        for (message, month) in self.messages.iter().zip(&months) {
            let (Some(part), Some((authors, files))) = (parts.get_mut(month), moves.get(month)) else { continue };
            let parent = message.parent.filter(|parent| months.get(*parent as usize) == Some(month));
            let parent = parent.and_then(|parent| places.get(parent as usize).copied());
            let said = message.parts.iter().map(|said| Part {
                text: part.push_text(self.text_of(said)),
                attachment: said.attachment.and_then(|index| files.get(&index).copied()),
                ..said.clone()
            });
            let parts = said.collect();
            let author = authors.get(&message.author).copied().unwrap_or(u32::MAX);
            part.messages.push(Message { parent, author, parts, ..message.clone() });
        }
        parts
    }

    /// What is said of it besides its messages and its times.
    fn head(&self) -> Self {
        Self {
            native_id: self.native_id.clone(),
            title: self.title.clone(),
            kind: self.kind,
            model: self.model.clone(),
            project: self.project.clone(),
            continues: self.continues.clone(),
            flags: self.flags.clone(),
            ..Self::default()
        }
    }

    /// Puts months together again, in their order; of what each says of the whole the last has the word.
    pub fn of_months(months: impl IntoIterator<Item = Self>) -> Self {
        let mut months = months.into_iter();
        let mut whole = months.next().unwrap_or_default();
        let mut cast = Cast::default();
        for month in months {
            whole.append(&mut cast, month);
        }
        whole
    }

    fn append(&mut self, cast: &mut Cast, month: Self) {
        let index = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        let (text, messages, files) = (self.text.len(), index(self.messages.len()), index(self.attachments.len()));
        let authors: Vec<u32> = month
            .participants
            .iter()
            .map(|one| cast.find(self, one.role, one.native_role.as_deref(), one.name.as_deref()))
            .collect();
        self.text.push_str(&month.text);
        self.messages.extend(month.messages.into_iter().map(|mut message| {
            message.author = authors.get(message.author as usize).copied().unwrap_or(u32::MAX);
            message.parent = message.parent.map(|parent| parent.saturating_add(messages));
            for part in &mut message.parts {
                part.text.start = part.text.start.saturating_add(text);
                part.attachment = part.attachment.map(|at| at.saturating_add(files));
            }
            message
        }));
        self.attachments.extend(month.attachments);
        self.kind = month.kind;
        self.created = self.created.take().or(month.created);
        self.updated = month.updated.or(self.updated.take());
        self.title = month.title.or(self.title.take());
        self.model = month.model.or(self.model.take());
        self.project = month.project.or(self.project.take());
        self.continues = month.continues.or(self.continues.take());
        self.flags = month.flags;
    }
}

fn indices<T>(list: &[T]) -> impl Iterator<Item = u32> {
    (0..).zip(list).map(|(index, _)| index)
}

/// Those of a list that have a place, in its order.
fn chosen<T: Clone>(list: &[T], places: &HashMap<u32, u32>) -> Vec<T> {
    let has_place = |(index, one): (u32, &T)| places.contains_key(&index).then(|| one.clone());
    (0..).zip(list).filter_map(has_place).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock::{Instant, month_word};
    use crate::conversation::{Attachment, Kind, Participant, Role, SourceTime};

    fn time(text: &str) -> Option<SourceTime> {
        Some(SourceTime { text: text.to_owned(), at: Instant::parse(text).ok() })
    }

    /// What a message says, whoever counts its authors and files.
    fn said(whole: &Conversation, message: &Message) -> String {
        let author = whole.participants.get(message.author as usize).and_then(|one| one.name.clone());
        let parts: Vec<_> = message
            .parts
            .iter()
            .map(|part| {
                let file = part.attachment.map(|at| whole.attachments[at as usize].id.clone());
                (whole.text_of(part), file)
            })
            .collect();
        format!("{author:?} {:?} {:?} {parts:?}", message.id, message.time)
    }

    #[test]
    fn a_month_ends_on_the_wall_clock_and_has_what_its_messages_need() {
        let mut chat = Conversation { kind: Kind::Group, created: time("2026-01-30T00:00:00Z"), ..Default::default() };
        let names = ["Ann", "Ben", "Cem"].map(|name| chat.participant(Role::User, None, Some(name)));
        chat.attachments =
            ["a", "b", "c"].map(|id| Attachment { id: Some(id.to_owned()), ..Default::default() }).to_vec();
        for (author, at, parent, file) in [
            (0, None, None, None),
            (0, Some("2026-01-31T23:30:00-05:00"), Some(0), Some(1)),
            (1, None, Some(1), None),
            (1, Some("2026-02-01T05:00:00+00:00"), Some(1), Some(0)),
            (0, Some("1770000000"), Some(3), None),
            (1, Some("2026-01-31T23:59:59-05:00"), Some(4), None),
        ] {
            let text = chat.push_text(&format!("says {}", chat.messages.len()));
            let parts = vec![Part { text, attachment: file, ..Part::default() }];
            let time = at.map(|text| SourceTime {
                text: text.to_owned(),
                at: Instant::parse(text).or_else(|_| Instant::from_epoch_text(text)).ok(),
            });
            chat.messages.push(Message { author: names[author], time, parent, parts, ..Message::default() });
        }
        let parts = chat.by_month(1);
        let words: Vec<_> = parts.keys().map(|month| month_word(*month).unwrap()).collect();
        assert_eq!(words, ["2026-01", "2026-02"]);
        let [january, february] = [0, 1].map(|at| parts.values().nth(at).unwrap());
        let parents = |part: &Conversation| part.messages.iter().map(|message| message.parent).collect::<Vec<_>>();
        assert_eq!(parents(january), [None, Some(0), Some(1), None]);
        assert_eq!(parents(february), [None, Some(0)]);
        let files = |part: &Conversation| {
            part.attachments.iter().map(|file| file.id.clone().unwrap()).collect::<Vec<_>>().concat()
        };
        assert_eq!((files(january), files(february)), ("b".to_owned(), "ac".to_owned()));
        // Who wrote nothing is in both, with nobody's message moved to another.
        assert_eq!(january.participants, chat.participants);
        assert_eq!(february.participants, chat.participants);
        assert_eq!((january.created.is_some(), february.created.is_some()), (true, false));
        assert!(!february.text.contains("says 1"));
        // Without any time it is one month.
        assert_eq!(Conversation::default().by_month(7).into_keys().collect::<Vec<_>>(), [7]);
    }

    /// Messages by author, month of 2026 (0 for no time), parent and file, all of which may lead nowhere.
    fn chats() -> impl Strategy<Value = Conversation> {
        let message = (0..5_u32, 0..13_u32, proptest::option::of(0..20_u32), proptest::option::of(0..4_u32), ".{0,8}");
        proptest::collection::vec(message, 0..20).prop_map(|messages| {
            let mut chat = Conversation { kind: Kind::Group, ..Conversation::default() };
            for name in ["Ann", "Ben", "Cem", "Dan"] {
                chat.participants.push(Participant { name: Some(name.to_owned()), ..Participant::default() });
            }
            let file = |id: u32| Attachment { id: Some(id.to_string()), ..Attachment::default() };
            chat.attachments = (0..4).map(file).collect();
            for (index, (author, month, parent, attachment, text)) in messages.into_iter().enumerate() {
                let text = chat.push_text(&text);
                let time = (month > 0).then(|| format!("2026-{month:02}-28T12:00:00+02:00"));
                chat.messages.push(Message {
                    id: Some(index.to_string()),
                    author,
                    time: time.and_then(|text| self::time(&text)),
                    parent: parent.filter(|parent| *parent as usize != index),
                    parts: vec![Part { text, attachment, ..Part::default() }],
                    ..Message::default()
                });
            }
            chat
        })
    }

    proptest! {
        #[test]
        fn cutting_loses_no_message_and_moves_no_word_to_another(chat in chats()) {
            let months = chat.months(24_312);
            let parts = chat.by_month(24_312);
            let mut before: Vec<(u32, String)> =
                chat.messages.iter().zip(&months).map(|(message, month)| (*month, said(&chat, message))).collect();
            let said_in = |(month, part): (&u32, &Conversation)| {
                part.messages.iter().map(|message| (*month, said(part, message))).collect::<Vec<_>>()
            };
            let after: Vec<(u32, String)> = parts.iter().flat_map(said_in).collect();
            before.sort_by_key(|(month, _)| *month);
            prop_assert_eq!(&before, &after);
            for part in parts.values() {
                for (index, message) in part.messages.iter().enumerate() {
                    let Some(parent) = message.parent else { continue };
                    prop_assert!(parent as usize != index);
                    let parent = part.messages.get(parent as usize).and_then(|parent| parent.id.clone());
                    let own: usize = message.id.as_ref().unwrap().parse().unwrap();
                    prop_assert_eq!(parent, chat.messages[own].parent.map(|parent| parent.to_string()));
                }
            }
            // And together again they say the same, in the order of the months.
            let whole = Conversation::of_months(parts.into_values());
            let again: Vec<String> = whole.messages.iter().map(|message| said(&whole, message)).collect();
            prop_assert_eq!(before.into_iter().map(|(_, said)| said).collect::<Vec<_>>(), again);
            let files = |of: &Conversation| {
                of.attachments.iter().filter_map(|file| file.id.clone()).collect::<BTreeSet<_>>()
            };
            prop_assert_eq!(files(&whole), files(&chat));
        }
    }
}
