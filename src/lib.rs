//! convault: an encrypted conversation vault.

#![forbid(unsafe_code)]
#![deny(missing_docs, rustdoc::broken_intra_doc_links)]

pub mod anchor;
pub mod bundle;
pub mod bytes;
pub mod cli;
pub mod clock;
pub mod conversation;
pub mod crypto;
pub mod disclosure;
pub mod erasure;
pub mod export;
pub mod facts;
pub mod fold;
pub mod import;
pub mod inert;
pub mod ingest;
pub mod keyring;
pub mod log_tree;
pub mod matching;
pub mod purge;
pub mod retention;
mod sabotage;
pub mod schedule;
pub mod search;
pub mod selector;
pub mod signed_json;
pub mod sketch;
pub mod store;
pub mod tree;
pub mod vault;
