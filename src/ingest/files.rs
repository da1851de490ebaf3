//! Attachments of one state found in another, in one step each.

use std::collections::HashMap;

use crate::conversation::Attachment;

/// A list of attachments by what they are known by.
#[derive(Default)]
pub(super) struct Files {
    by_id: HashMap<String, usize>,
    by_name: HashMap<(String, u64), usize>,
    /// Those that have no id.
    nameless: HashMap<(String, u64), usize>,
}

impl Files {
    /// Those of a list that `wanted` takes.
    pub(super) fn of(list: &[Attachment], wanted: impl Fn(&Attachment) -> bool) -> Self {
        let mut files = Self::default();
        for (index, attachment) in list.iter().enumerate().filter(|(_, attachment)| wanted(attachment)) {
            files.add(index, attachment);
        }
        files
    }

    /// Adds the attachment at `index` of the list.
    pub(super) fn add(&mut self, index: usize, attachment: &Attachment) {
        if let Some(id) = &attachment.id {
            self.by_id.entry(id.clone()).or_insert(index);
        }
        if let Some(key) = key(attachment) {
            if attachment.id.is_none() {
                self.nameless.entry(key.clone()).or_insert(index);
            }
            self.by_name.entry(key).or_insert(index);
        }
    }

    /// Where the list has the same file: the same id, or where one of both has none the same name and size.
    pub(super) fn find(&self, attachment: &Attachment) -> Option<usize> {
        let named = |map: &HashMap<_, usize>| key(attachment).and_then(|key| map.get(&key).copied());
        match &attachment.id {
            Some(id) => self.by_id.get(id).copied().or_else(|| named(&self.nameless)),
            None => named(&self.by_name),
        }
    }
}

/// A name alone is no identity: many files are called image.png.
fn key(attachment: &Attachment) -> Option<(String, u64)> {
    Some((attachment.name.clone()?, attachment.size?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_a_size_is_no_identity() {
        let file = |id: Option<&str>, size| Attachment {
            id: id.map(str::to_owned),
            name: Some("image.png".to_owned()),
            size,
            ..Attachment::default()
        };
        let same = |one: &Attachment, other: &Attachment| Files::of(std::slice::from_ref(one), |_| true).find(other);
        for (one, other, is_same) in [
            (file(None, None), file(None, None), false),
            (file(None, Some(1)), file(None, Some(2)), false),
            (file(None, Some(1)), file(None, Some(1)), true),
            (file(None, Some(1)), file(Some("a"), Some(1)), true),
            (file(Some("a"), None), file(Some("a"), Some(2)), true),
            (file(Some("a"), Some(1)), file(Some("b"), Some(1)), false),
        ] {
            assert_eq!(same(&one, &other).is_some(), is_same);
            assert_eq!(same(&other, &one).is_some(), is_same);
        }
        assert_eq!(Files::of(&[file(Some("a"), None)], |_| false).find(&file(Some("a"), None)), None);
    }
}
