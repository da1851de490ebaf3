//! Which files of an export are what, by what stands in them.

use crate::bundle::{Bundle, BundleError};
use crate::import::detect::readable;
use crate::import::json::outline::Outline;
use crate::import::{Context, MemberUse, Problem};

/// Bytes of a member looked at to tell what it holds.
const HEAD: usize = 64 << 10;
/// Bytes of a member looked at to tell whether it may be JSON at all.
const FIRST: usize = 512;

/// The key some programs wrap the list of conversations in.
pub(super) const WRAPPER: &str = "conversations";

/// What the entries of a file are, in the order in which files are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Shape {
    Conversations,
    /// A list of them under [`WRAPPER`].
    Wrapped,
    DesignChats,
    Projects,
    Memories,
}

/// Whether an outline is one of this vendor's, and the clause that says so.
pub(super) fn evidence(outline: &Outline) -> Option<(Shape, &'static str)> {
    for top in ["[]/", "", "conversations/[]/"] {
        let has = |path: &str| outline.has(&format!("{top}{path}"));
        let is_answered = has("chat_messages/[]/uuid") && has("chat_messages/[]/sender");
        if has("chat_messages") && (has("uuid") || is_answered) {
            let shape = if top.starts_with(WRAPPER) { Shape::Wrapped } else { Shape::Conversations };
            return Some((shape, "entries with `uuid` and `chat_messages`"));
        }
        if top.starts_with(WRAPPER) {
            continue;
        }
        if has("uuid") && has("docs") && ["prompt_template", "is_starter_project", "is_private"].into_iter().any(has) {
            return Some((Shape::Projects, "projects with `docs`"));
        }
        if has("conversations_memory") || (has("account_uuid") && (has("project_memories") || has("memory_files"))) {
            return Some((Shape::Memories, "memories with `conversations_memory`"));
        }
        let is_design = has("messages/[]/content/authorAccountUuid") || has("messages/[]/content/contentBlocks");
        if has("uuid") && is_design {
            return Some((Shape::DesignChats, "design chats with `messages` of `contentBlocks`"));
        }
    }
    None
}

/// Whether the entries of a source stand under [`WRAPPER`].
pub(super) fn is_wrapped(context: &Context, member: usize) -> bool {
    let wrapped = context.own.as_ref().and_then(|own| own.downcast_ref::<Vec<usize>>());
    wrapped.is_some_and(|wrapped| wrapped.binary_search(&member).is_ok())
}

/// What a file is that holds no entries.
fn left_out(outline: &Outline, file_name: &str) -> Option<&'static str> {
    for top in ["[]/", ""] {
        let has = |path: &str| outline.has(&format!("{top}{path}"));
        if has("uuid") && (has("email_address") || has("verified_phone_number")) {
            return Some("account data");
        }
        if has("versions/[]/id") && has("owner_account") {
            return Some("published artifacts, not read yet");
        }
    }
    match file_name {
        "login_history.json" => Some("account data"),
        name if name.starts_with("manifest") => Some("list of the export's files"),
        _ => None,
    }
}

/// `conversations.json`, `conversations-012.json`.
fn is_shard_name(file_name: &str) -> bool {
    let middle = file_name.strip_prefix("conversations").and_then(|rest| rest.strip_suffix(".json"));
    middle.is_some_and(|m| m.is_empty() || m.strip_prefix('-').is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit())))
}

/// Whether a shard by name that shows no conversation may be one all the same: an empty or damaged list,
/// or one that stops before its first message. Other vendors use the name too.
fn may_be_shard(outline: Option<&Outline>) -> bool {
    outline.is_none_or(|outline| outline.has("[]/uuid") || !(outline.has("[]/*") || outline.has("*")))
}

/// Decides what every member is.
pub(super) fn survey(bundle: &Bundle) -> Result<Context, BundleError> {
    let mut context = Context::of(bundle);
    let mut found: Vec<(Shape, usize)> = Vec::new();
    let mut maybe: Vec<usize> = Vec::new();
    for (index, member) in bundle.members().iter().enumerate() {
        let used = match outline(bundle, index) {
            Err(error) if error.is_refusal() => return Err(error),
            Err(error) => {
                context.problems.push(Problem { place: member.name.clone(), reason: error.to_string() });
                MemberUse::Ignored("could not be read")
            }
            Ok(outline) => {
                let shape = outline.as_ref().and_then(evidence).map(|(shape, _)| shape);
                let is_shard = || is_shard_name(member.file_name()) && may_be_shard(outline.as_ref());
                if outline.is_some() {
                    maybe.push(index);
                }
                if let Some(shape) = shape.or_else(|| is_shard().then_some(Shape::Conversations)) {
                    found.push((shape, index));
                    MemberUse::Conversations
                } else {
                    let reason = outline.and_then(|outline| left_out(&outline, member.file_name()));
                    reason.map_or(MemberUse::Unknown, MemberUse::Ignored)
                }
            }
        };
        if let Some(slot) = context.uses.get_mut(index) {
            *slot = used;
        }
    }
    if found.is_empty() {
        // The user said it is an export and nothing looks like one: read what may be, so that every
        // entry is named as a problem instead of nothing being said.
        if bundle.members().len() == 1 && context.problems.is_empty() {
            maybe = vec![0];
        }
        for index in maybe {
            if let Some(slot) = context.uses.get_mut(index).filter(|used| **used == MemberUse::Unknown) {
                *slot = MemberUse::Conversations;
                found.push((Shape::Conversations, index));
            }
        }
    }
    // Shorter names first, so that shard 9 stands before shard 10.
    let names = bundle.members();
    found.sort_by_cached_key(|(shape, index)| {
        let name = names.get(*index).map(|member| member.name.clone()).unwrap_or_default();
        (*shape, name.len(), name)
    });
    let wrapped = found.iter().filter(|(shape, _)| *shape == Shape::Wrapped).map(|(_, index)| *index);
    let mut wrapped: Vec<usize> = wrapped.collect();
    wrapped.sort_unstable();
    context.own = Some(Box::new(wrapped));
    context.sources = found.into_iter().map(|(_, index)| index).collect();
    Ok(context)
}

/// The outline of a member; none when it does not begin like JSON.
fn outline(bundle: &Bundle, index: usize) -> Result<Option<Outline>, BundleError> {
    // Most members of a folder may be pictures: a few bytes tell.
    if readable(bundle.head(index, FIRST))?.is_some_and(|first| Outline::of(&first).is_none()) {
        return Ok(None);
    }
    Ok(Outline::of(&bundle.head(index, HEAD)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_known_by_name_unless_they_show_another_vendor() {
        assert!(is_shard_name("conversations.json") && is_shard_name("conversations-000.json"));
        assert!(!is_shard_name("conversations-a.json") && !is_shard_name("shared_conversations.json"));
        let maybe = |json: &str| may_be_shard(Outline::of(json.as_bytes()).as_ref());
        assert!(maybe("[]") && maybe("hello") && maybe("[{\"uuid\":\"1\",\"name\":\"n"));
        assert!(!maybe("[{\"id\":\"1\",\"mapping\":{}}]") && !maybe("{\"conversations\":[]}"));
    }
}
