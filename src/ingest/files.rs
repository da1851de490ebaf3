//! Attachments of one state found in another, in one step each.

use std::collections::HashMap;

use crate::conversation::Attachment;

/// A list of attachments by what they are known by: their id, or where they have none their name and size.
#[derive(Default)]
pub(super) struct Files {
    by_id: HashMap<String, usize>,
    by_name: HashMap<(Option<String>, u64), Vec<Named>>,
}

/// One of those that share a name and a size.
struct Named {
    index: usize,
    has_id: bool,
    is_taken: bool,
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
            let named = Named { index, has_id: attachment.id.is_some(), is_taken: false };
            self.by_name.entry(key).or_default().push(named);
        }
    }

    /// Where the list has the same file: the same id, or where one of both has none the same name and size.
    ///
    /// Of several that only share those, each is given out once and in order: the second picture is the second.
    pub(super) fn take(&mut self, attachment: &Attachment) -> Option<usize> {
        if let Some(index) = attachment.id.as_ref().and_then(|id| self.by_id.get(id)) {
            return Some(*index);
        }
        let list = self.by_name.get_mut(&key(attachment)?)?;
        let found = list.iter_mut().find(|named| !named.is_taken && (attachment.id.is_none() || !named.has_id))?;
        found.is_taken = true;
        Some(found.index)
    }
}

/// A name alone is no identity: many files are called image.png.
fn key(attachment: &Attachment) -> Option<(Option<String>, u64)> {
    Some((attachment.name.clone(), attachment.size?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(id: Option<&str>, size: Option<u64>) -> Attachment {
        let name = Some("image.png".to_owned());
        Attachment { id: id.map(str::to_owned), name, size, ..Attachment::default() }
    }

    #[test]
    fn a_name_without_a_size_is_no_identity() {
        let same = |one: &Attachment, other: &Attachment| Files::of(std::slice::from_ref(one), |_| true).take(other);
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
        assert_eq!(Files::of(&[file(Some("a"), None)], |_| false).take(&file(Some("a"), None)), None);
    }

    #[test]
    fn files_that_look_alike_are_given_out_in_order_and_once() {
        let list = [file(None, Some(1)), file(Some("a"), Some(1)), file(None, Some(1))];
        let mut files = Files::of(&list, |_| true);
        assert_eq!([0, 1].map(|_| files.take(&file(Some("a"), Some(1)))), [Some(1), Some(1)]);
        assert_eq!(files.take(&file(Some("b"), Some(1))), Some(0));
        assert_eq!([0, 1, 2].map(|_| files.take(&file(None, Some(1)))), [Some(1), Some(2), None]);
    }
}
