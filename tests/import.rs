//! Imports, from files to conversations.

#[path = "import/reading.rs"]
mod reading;

#[path = "import/chatgpt.rs"]
mod chatgpt;

#[path = "import/codex.rs"]
mod codex;

#[path = "import/traps.rs"]
mod traps;

#[path = "import/fixtures.rs"]
mod fixtures;

#[path = "import/bundles.rs"]
mod bundles;

#[path = "import/detection.rs"]
mod detection;

#[path = "import/fuzzed.rs"]
mod fuzzed;
