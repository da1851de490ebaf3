//! The line of a conversation, read as it stands: its leaves byte for byte, and what is left out of it.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::crypto::Digest;
use crate::crypto::hash::sha256;
use crate::export::jsonl::LISTS;
use crate::vault::unhex;

/// More leaves than any conversation has.
const MOST_LEAVES: usize = 1 << 22;

/// An element of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Element<'a> {
    Here(&'a str),
    LeftOut(usize),
}

/// A conversation's line.
pub struct Read<'a> {
    /// Keys with their values as they stand, but those of tags and lists.
    head: Vec<(Cow<'a, str>, &'a str)>,
    tags: Option<&'a str>,
    lists: [Option<Vec<Element<'a>>>; 4],
    counts: [usize; 4],
}

struct Pairs<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Pairs<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut pairs = Vec::new();
                while let Some((key, value)) = map.next_entry::<Key<'de>, &'de RawValue>()? {
                    pairs.push((key.0, value));
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(All)
    }
}

#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Gap {
    left_out: usize,
}

/// What of a message names others.
#[derive(Deserialize)]
struct Names {
    author: Option<usize>,
    #[serde(default)]
    parts: Vec<PartNames>,
}

#[derive(Deserialize)]
struct PartNames {
    attachment: Option<usize>,
}

#[derive(Deserialize)]
struct Hash {
    #[serde(default)]
    data: bool,
    sha256: Option<String>,
}

impl<'a> Read<'a> {
    /// Reads a line; why not, when it is none that can be checked.
    pub fn of(line: &'a [u8]) -> Result<Self, &'static str> {
        let text = std::str::from_utf8(line).map_err(|_| "not UTF-8")?;
        let Pairs(pairs) = serde_json::from_str(text).map_err(|_| "not a JSON object")?;
        let mut keys = BTreeSet::new();
        if !pairs.iter().all(|(key, _)| keys.insert(key.as_ref())) {
            return Err("a key twice");
        }
        let mut read = Self { head: Vec::new(), tags: None, lists: Default::default(), counts: [0; 4] };
        let mut counts = None;
        for (key, value) in &pairs {
            if let Some(which) = LISTS.iter().position(|list| list == key) {
                read.lists[which] = Some(elements(value.get())?);
            } else if key == "tags" {
                read.tags = Some(value.get());
            } else {
                if key == "counts" {
                    counts = serde_json::from_str::<[usize; 4]>(value.get()).ok();
                }
                read.head.push((key.clone(), value.get()));
            }
        }
        read.counts = counts.ok_or("no `counts`: it was not written by an export that can be checked")?;
        if read
            .counts
            .iter()
            .try_fold(2, |sum: usize, count| sum.checked_add(*count))
            .is_none_or(|sum| sum > MOST_LEAVES)
        {
            return Err("more leaves than a conversation has");
        }
        for (list, count) in read.lists.iter().zip(read.counts) {
            let length = |element: &Element<'_>| match element {
                Element::Here(_) => 1,
                Element::LeftOut(count) => *count,
            };
            let sum = list.iter().flatten().map(length).try_fold(0, usize::checked_add);
            if sum != Some(count) {
                return Err("a list has not as many elements as `counts` says");
            }
        }
        Ok(read)
    }

    /// The leaves: the SHA-256 of each that is there. `are_tags_left_out` tells no tags from tags that are left out.
    pub fn leaves(&self, are_tags_left_out: bool) -> Vec<Option<Digest>> {
        let head = self.head.iter().map(|(key, value)| format!("{}:{value}", quoted(key))).collect::<Vec<String>>();
        let head = format!("{{{}}}", head.join(","));
        let tags = (!are_tags_left_out).then(|| sha256(&[self.tags.unwrap_or("[]").as_bytes()]));
        let mut leaves = vec![Some(sha256(&[head.as_bytes()])), tags];
        for element in self.lists.iter().flatten().flatten() {
            match element {
                Element::Here(item) => leaves.push(Some(sha256(&[item.as_bytes()]))),
                Element::LeftOut(count) => leaves.extend(std::iter::repeat_n(None, *count)),
            }
        }
        leaves
    }

    /// How many elements each list has, those that are left out among them.
    pub fn counts(&self) -> [usize; 4] {
        self.counts
    }

    /// Whether it has tags.
    pub fn has_tags(&self) -> bool {
        self.tags.is_some()
    }

    /// The title.
    pub fn title(&self) -> Option<String> {
        let title = self.head.iter().find(|(key, _)| key == "title")?;
        serde_json::from_str(title.1).ok()
    }

    /// How many messages, and whether each is there.
    pub fn shown(&self) -> Vec<bool> {
        self.each(1).iter().map(Option::is_some).collect()
    }

    /// The elements of a list in their places; none where one is left out.
    fn each(&self, which: usize) -> Vec<Option<&'a str>> {
        let mut all = Vec::with_capacity(self.counts[which]);
        for element in self.lists[which].iter().flatten() {
            match element {
                Element::Here(item) => all.push(Some(*item)),
                Element::LeftOut(count) => all.extend(std::iter::repeat_n(None, *count)),
            }
        }
        all
    }

    /// The SHA-256 that the bytes must have which follow: of originals, and of attachments that have some, by index.
    pub fn followed(&self) -> Result<[Vec<Option<Digest>>; 2], &'static str> {
        let hash = |item: Option<&str>, is_original: bool| {
            let Some(item) = item else { return Ok(None) };
            let said: Hash =
                serde_json::from_str(item).map_err(|_| "an attachment or original that is not an object")?;
            match (said.data || is_original, said.sha256.as_deref().and_then(unhex)) {
                (true, Some(digest)) => Ok(Some(digest)),
                (true, None) => Err("bytes follow of which no hash is given"),
                (false, _) => Ok(None),
            }
        };
        let originals = self.each(3).into_iter().map(|item| hash(item, true)).collect::<Result<_, _>>()?;
        let attachments = self.each(2).into_iter().map(|item| hash(item, false)).collect::<Result<_, _>>()?;
        Ok([originals, attachments])
    }

    /// What goes out of it when only these messages stay: of each leaf whether it is left out. The head stays; tags and
    /// originals go, and so do participants and attachments that no message names which stays.
    pub fn excerpt(&self, shown: &[bool]) -> Result<Vec<bool>, &'static str> {
        let mut used: [BTreeSet<usize>; 2] = Default::default();
        for (item, _) in self.each(1).into_iter().zip(shown).filter(|(_, is_shown)| **is_shown) {
            let item = item.ok_or("a message that is left out already")?;
            let names: Names = serde_json::from_str(item).map_err(|_| "a message that is not an object")?;
            used[0].extend(names.author);
            used[1].extend(names.parts.iter().filter_map(|part| part.attachment));
        }
        let mut left_out = vec![false, true];
        let (people, files) = (self.each(0), self.each(2));
        left_out.extend(people.iter().enumerate().map(|(at, one)| one.is_none() || !used[0].contains(&at)));
        left_out.extend(shown.iter().map(|is_shown| !is_shown));
        left_out.extend(files.iter().enumerate().map(|(at, one)| one.is_none() || !used[1].contains(&at)));
        left_out.extend(std::iter::repeat_n(true, self.counts[3]));
        Ok(left_out)
    }

    /// The line without what is left out, with its line feed.
    pub fn without(&self, left_out: &[bool]) -> Vec<u8> {
        let mut out = String::from("{");
        for (key, value) in &self.head {
            out.push_str(&format!("{}:{value},", quoted(key)));
        }
        if let Some(tags) = self.tags.filter(|_| left_out.get(1) == Some(&false)) {
            out.push_str(&format!("\"tags\":{tags},"));
        }
        let mut first = 2;
        for (which, name) in LISTS.iter().enumerate() {
            let count = self.counts[which];
            let mut items: Vec<String> = Vec::new();
            let mut gap = 0;
            let close = |gap: &mut usize, items: &mut Vec<String>| {
                if *gap > 0 {
                    items.push(format!("{{\"left_out\":{gap}}}"));
                    *gap = 0;
                }
            };
            for (at, item) in self.each(which).into_iter().enumerate() {
                match item.filter(|_| left_out.get(first + at) == Some(&false)) {
                    Some(item) => {
                        close(&mut gap, &mut items);
                        items.push(item.to_owned());
                    }
                    None => gap += 1,
                }
            }
            close(&mut gap, &mut items);
            first += count;
            if self.lists[which].is_some() {
                out.push_str(&format!("\"{name}\":[{}],", items.join(",")));
            }
        }
        out.pop();
        out.push_str("}\n");
        out.into_bytes()
    }
}

/// A key as JSON.
fn quoted(key: &str) -> String {
    serde_json::to_string(key).unwrap_or_default()
}

fn elements(json: &str) -> Result<Vec<Element<'_>>, &'static str> {
    let items: Vec<&RawValue> = serde_json::from_str(json).map_err(|_| "a list that is none")?;
    let element = |item: &'_ RawValue| match serde_json::from_str::<Gap>(item.get()) {
        Ok(gap) => (gap.left_out > 0).then_some(Element::LeftOut(gap.left_out)),
        Err(_) => None,
    };
    items
        .into_iter()
        .map(|item| match item.get().starts_with("{\"left_out\"") {
            true => element(item).ok_or("a gap that is none"),
            false => Ok(Element::Here(item.get())),
        })
        .collect()
}
