//! Exporters: conversations in, bytes out; pure.
//!
//! An [`Exporter`] writes one form. It knows no vault: what is chosen, in which order, and what stands in the log before
//! the first byte goes out is `disclosure`'s. Conversations are rendered by several threads at once, so an exporter keeps
//! no state between them. `docs/export.md` specifies every form.

pub mod html;
pub mod jsonl;
pub mod markdown;
mod prose;
pub mod words;

#[cfg(test)]
mod tests;

use std::io::{self, Write};

use crate::clock::Instant;
use crate::conversation::Conversation;

/// What the beginning of an export says of one conversation: its line in the index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The title; empty where there is none.
    pub title: String,
    /// The word of its source.
    pub source: String,
    /// When it began.
    pub created: Instant,
    /// When it was last active.
    pub last_activity: Instant,
    /// Messages it has in all, hidden ones and abandoned branches included.
    pub messages: u64,
}

/// One conversation as it goes out.
#[derive(Clone, Copy)]
pub struct Given<'a> {
    /// Its place in the export, from 0; that of its line in the index.
    pub place: usize,
    /// Its line in the index.
    pub listed: &'a Listed,
    /// All of it.
    pub conversation: &'a Conversation,
    /// The names of its tags, by name.
    pub tags: &'a [String],
    /// Whether each message goes out; as many as the conversation has.
    pub shown: &'a [bool],
}

/// Gives the bytes of an attachment of the conversation that is being written, by its index, piece by piece. Only of one
/// whose bytes are in the vault ([`crate::conversation::Attachment::objects`]).
pub type Files<'f> = dyn FnMut(u32, &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> + 'f;

/// Bytes in lower-case hexadecimal.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes conversations in one form.
pub trait Exporter: Sync {
    /// What stands before the first conversation.
    fn begin(&self, listed: &[Listed], out: &mut dyn Write) -> io::Result<()>;

    /// One conversation.
    fn conversation(&self, given: &Given<'_>, files: &mut Files<'_>, out: &mut dyn Write) -> io::Result<()>;

    /// What stands behind the last conversation and before the manifest.
    fn end(&self, out: &mut dyn Write) -> io::Result<()>;

    /// What stands around the manifest, which is one line of ASCII without `<`, `>`, `&` and `` ` ``; behind it the file ends.
    fn frame(&self) -> (&'static str, &'static str);
}
