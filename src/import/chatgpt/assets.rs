//! Which files of an export are what, and how a pointer in a message finds its file.

use std::collections::HashMap;

use crate::bundle::{Bundle, BundleError};
use crate::import::detect::readable;
use crate::import::json::outline::Outline;
use crate::import::json::repair::repair;
use crate::import::json::tolerant::{Recorder, Table, Text, from_slice};
use crate::import::{Context, MemberUse, Problem};

/// Largest table of original names read: a million files of 64 bytes.
const MAX_NAME_TABLE: usize = 64 << 20;
/// Bytes of a member looked at to tell whether it holds conversations.
const HEAD: usize = 64 << 10;

/// Bytes of a member looked at to tell whether it may be JSON at all.
const FIRST: usize = 512;

/// Files every export has beside the conversations, with the reason why they are left out.
const KNOWN: &[(&str, &str)] = &[
    ("user.json", "account data"),
    ("user_settings.json", "account settings"),
    ("message_feedback.json", "ratings of answers"),
    ("shared_conversations.json", "list of shared links"),
    ("model_comparisons.json", "ratings of answers"),
    ("group_chats.json", "group chats, not read yet"),
    ("shopping.json", "shopping data, not read yet"),
    ("sora.json", "Sora data, not read yet"),
    ("export_manifest.json", "list of the export's files"),
    ("conversations.json.index", "list of the export's files"),
];

/// The table from the names of the 2026 exports to the names the files had.
const NAME_TABLE: &str = "conversation_asset_file_names.json";

/// Whether an outline is that of conversations, and the clause that says so.
pub(super) fn evidence(outline: &Outline) -> Option<&'static str> {
    for top in ["[]/", ""] {
        let has = |path: &str| outline.has(&format!("{top}{path}"));
        // DeepSeek uses the same tree and keeps its text in `fragments`.
        if has("mapping/*/message/fragments") || has("inserted_at") {
            continue;
        }
        if has("mapping/*/message/author") && has("mapping/*/message/content") {
            return Some("entries with a `mapping` of messages with author and content");
        }
        if has("mapping") && has("current_node") {
            return Some("entries with `mapping` and `current_node`");
        }
    }
    None
}

/// Whether an outline is that of another vendor's `conversations.json`: Claude's or DeepSeek's.
fn is_foreign(outline: &Outline) -> bool {
    ["[]/chat_messages", "chat_messages", "[]/mapping/*/message/fragments", "mapping/*/message/fragments"]
        .into_iter()
        .any(|path| outline.has(path))
}

/// The id inside a pointer: `file-service://file-AbC`, `sediment://file_00ff`, `sediment://1f#file_00ff#p_0.png`.
pub(super) fn pointer_id(pointer: &str) -> &str {
    let rest = pointer.split_once("://").map_or(pointer, |(_, rest)| rest);
    rest.split('#').find(|piece| piece.starts_with("file")).unwrap_or(rest)
}

/// The id at the front of an asset's file name: `file-AbC-photo.png`, `file_00ff-uuid.wav`, `file-AbC.dat`.
fn leading_id(file_name: &str) -> Option<&str> {
    let rest = file_name.strip_prefix("file-").or_else(|| file_name.strip_prefix("file_"))?;
    let length = rest.bytes().take_while(u8::is_ascii_alphanumeric).count();
    if length == 0 { None } else { file_name.get(..5 + length) }
}

/// What follows the id in a name of the old kind: the name the user's file had.
fn name_behind_id(file_name: &str) -> Option<&str> {
    let rest = file_name.get(leading_id(file_name)?.len()..)?;
    rest.strip_prefix('-').filter(|name| !name.is_empty())
}

fn stem(file_name: &str) -> &str {
    file_name.rsplit_once('.').map_or(file_name, |(stem, _)| stem)
}

fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn is_asset(name: &str) -> bool {
    let folder = name.split_once('/').map(|(folder, _)| folder);
    leading_id(base(name)).is_some()
        || folder.is_some_and(|folder| folder == "dalle-generations" || folder.starts_with("user-"))
        || name.contains("/audio/")
}

/// `conversations.json`, `conversations-012.json`: taken for a source even when nothing in it can be
/// read, so that its entries come out as problems and are not passed over.
fn is_shard_name(file_name: &str) -> bool {
    let middle = file_name.strip_prefix("conversations").and_then(|rest| rest.strip_suffix(".json"));
    middle.is_some_and(|m| m.is_empty() || m.strip_prefix('-').is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit())))
}

/// Sorts `conversations-10` behind `conversations-9`: every run of digits is padded.
fn numeric_key(name: &str) -> String {
    let mut key = String::with_capacity(name.len() + 20);
    let mut digits = String::new();
    for c in name.chars().chain(['\0']) {
        if c.is_ascii_digit() {
            digits.push(c);
        } else {
            if !digits.is_empty() {
                key.push_str(&format!("{:0>20}", digits.trim_start_matches('0')));
                digits.clear();
            }
            key.push(c);
        }
    }
    key
}

/// Decides what every member is.
pub(super) fn survey(bundle: &Bundle) -> Result<Context, BundleError> {
    let mut context = Context::of(bundle);
    for (index, member) in bundle.members().iter().enumerate() {
        let file_name = member.file_name();
        let used = match classify(bundle, index, &member.name, file_name) {
            Ok(used) => used,
            Err(error) if error.is_refusal() => return Err(error),
            Err(error) => {
                context.problems.push(Problem { place: member.name.clone(), reason: error.to_string() });
                MemberUse::Ignored("could not be read")
            }
        };
        match used {
            MemberUse::Conversations => context.sources.push(index),
            MemberUse::Index => read_name_table(bundle, index, &mut context)?,
            MemberUse::Asset => {
                if let Some(id) = leading_id(file_name) {
                    know(&mut context.members, id, index);
                }
                know(&mut context.members, stem(file_name), index);
            }
            _ => {}
        }
        if let Some(slot) = context.uses.get_mut(index) {
            *slot = used;
        }
    }
    // A pointer may carry the id the file had before it was renamed.
    let renamed: Vec<(usize, String)> = context
        .original_names
        .iter()
        .filter_map(|(now, before)| Some((*context.members.get(now)?.first()?, base(before).to_owned())))
        .collect();
    for (index, before) in renamed {
        if let Some(slot) = context.uses.get_mut(index).filter(|used| **used == MemberUse::Unknown) {
            *slot = MemberUse::Asset;
        }
        if let Some(id) = leading_id(&before) {
            know(&mut context.members, id, index);
        }
        know(&mut context.members, stem(&before), index);
    }
    if context.sources.is_empty() {
        // The user said it is an export and nothing looks like one: read what may be, so that every
        // entry is named as a problem instead of nothing being said.
        for (index, used) in context.uses.iter_mut().enumerate() {
            if *used == MemberUse::Unknown && (bundle.members().len() == 1 || looks_like_json(bundle, index)?) {
                *used = MemberUse::Conversations;
                context.sources.push(index);
            }
        }
    }
    let names = bundle.members();
    context.sources.sort_by_cached_key(|index| names.get(*index).map(|member| numeric_key(&member.name)));
    Ok(context)
}

fn looks_like_json(bundle: &Bundle, index: usize) -> Result<bool, BundleError> {
    Ok(readable(bundle.head(index, FIRST))?.is_some_and(|head| Outline::of(&head).is_some()))
}

fn know(members: &mut HashMap<String, Vec<usize>>, key: &str, index: usize) {
    let list = members.entry(key.to_owned()).or_default();
    if !list.contains(&index) {
        list.push(index);
    }
}

fn classify(bundle: &Bundle, index: usize, name: &str, file_name: &str) -> Result<MemberUse, BundleError> {
    if file_name == NAME_TABLE {
        return Ok(MemberUse::Index);
    }
    if is_asset(name) {
        // Whatever it holds: an upload may itself be an export, and is not this account's.
        return Ok(MemberUse::Asset);
    }
    let outline = Outline::of(&bundle.head(index, HEAD)?);
    let is_shard = || is_shard_name(file_name) && !outline.as_ref().is_some_and(is_foreign);
    if outline.as_ref().is_some_and(|outline| evidence(outline).is_some()) || is_shard() {
        return Ok(MemberUse::Conversations);
    }
    if let Some((_, reason)) = KNOWN.iter().find(|(known, _)| *known == file_name) {
        return Ok(MemberUse::Ignored(reason));
    }
    if file_name.starts_with("chat") && file_name.ends_with(".html") {
        return Ok(MemberUse::Ignored("repeats the conversations as a page"));
    }
    Ok(MemberUse::Unknown)
}

fn read_name_table(bundle: &Bundle, index: usize, context: &mut Context) -> Result<(), BundleError> {
    let Some(bytes) = readable(bundle.head(index, MAX_NAME_TABLE))? else { return Ok(()) };
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    match from_slice::<Table<'_, Text<'_>>>(&repair(bytes).0, &Recorder::default()) {
        Ok(table) => {
            for (now, before) in table.entries {
                if let Some(before) = before.owned() {
                    context.original_names.insert(base(&now).to_owned(), before);
                }
            }
        }
        Err(_) => {
            let place = bundle.members().get(index).map(|member| member.name.clone()).unwrap_or_default();
            context.problems.push(Problem { place, reason: "not valid JSON: original file names are unknown".to_owned() });
        }
    }
    Ok(())
}

/// The member an id points to.
pub(super) fn resolve(context: &Context, id: &str) -> Option<usize> {
    let found = context.members.get(id).or_else(|| context.members.get(leading_id(id)?))?;
    found.iter().copied().find(|index| context.uses.get(*index) == Some(&MemberUse::Asset))
}

/// The best name known for a member: the original one, or what its name says behind the id.
pub(super) fn original_name(context: &Context, member: usize) -> Option<String> {
    let file_name = context.file_names.get(member)?;
    let original = context.original_names.get(file_name).map(|name| base(name));
    original.or_else(|| name_behind_id(file_name)).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_found_in_pointers_and_names() {
        assert_eq!(pointer_id("file-service://file-AbC123"), "file-AbC123");
        assert_eq!(pointer_id("sediment://file_00ff"), "file_00ff");
        assert_eq!(pointer_id("sediment://1f2e#file_00ff#p_0.png"), "file_00ff");
        assert_eq!(pointer_id("file-AbC123"), "file-AbC123");
        assert_eq!(leading_id("file-AbC123-my-photo.png"), Some("file-AbC123"));
        assert_eq!(leading_id("file_00ff-9f8a.wav"), Some("file_00ff"));
        assert_eq!(leading_id("file-.dat"), None);
        assert_eq!(name_behind_id("file-AbC123-my-photo.png"), Some("my-photo.png"));
        assert_eq!(name_behind_id("file-AbC123.dat"), None);
    }

    #[test]
    fn shards_sort_by_number() {
        let mut names = ["conversations-10.json", "conversations-9.json", "conversations-009.json", "a"];
        names.sort_by_key(|name| numeric_key(name));
        assert_eq!(names, ["a", "conversations-9.json", "conversations-009.json", "conversations-10.json"]);
        assert!(is_shard_name("conversations.json") && is_shard_name("conversations-000.json"));
        assert!(!is_shard_name("conversations-a.json") && !is_shard_name("shared_conversations.json"));
    }
}
