//! Reads in the log: the entry is durable before anything that was read leaves the program.

use super::access::CanRead;
use super::log::Action;
use super::{Vault, VaultError};
use crate::clock::Instant;

/// What is about to leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading<'a> {
    /// Titles and what lists show, of what a selector chose.
    List {
        /// The selector as it was typed.
        query: &'a str,
        /// How many.
        conversations: u64,
    },
    /// Pieces of what is said.
    Search {
        /// The query as it was typed, which the auditor alone reads.
        query: &'a str,
        /// Conversations it was found in.
        conversations: u64,
    },
    /// A conversation, shown.
    Show([u8; 16]),
}

impl<A: CanRead> Vault<A> {
    /// Writes down who reads what. Where that cannot be written, nothing may be read.
    pub fn log_reading(&mut self, reading: Reading<'_>, now: Instant) -> Result<(), VaultError> {
        let asked = |word, query: &str, conversations| Action {
            query: Some(query.to_owned()).filter(|query| !query.is_empty()),
            ..Action::counted(word, vec![("conversations", conversations)])
        };
        let of = |word, id| Action { conversations: vec![id], ..Action::counted(word, Vec::new()) };
        let action = match reading {
            Reading::List { query, conversations } => asked("list", query, conversations),
            Reading::Search { query, conversations } => asked("search", query, conversations),
            Reading::Show(id) => of("show", id),
        };
        self.append_log(&action, now, |_| Ok(()))
    }
}
