//! Where crypto, store and keyring meet: a vault that is made, opened, written and read.

mod content;
mod credential;
mod head;
mod recovery;
