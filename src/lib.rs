//! convault: an encrypted conversation vault.

#![forbid(unsafe_code)]
#![deny(missing_docs, rustdoc::broken_intra_doc_links)]

pub mod bundle;
pub mod clock;
pub mod conversation;
pub mod crypto;
pub mod import;
