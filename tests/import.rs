//! Imports, from files to conversations.

#[path = "import/reading.rs"]
mod reading;

#[path = "import/fixtures.rs"]
mod fixtures;
