//! Imports, from files to conversations.

#[path = "import/bad_input.rs"]
mod bad_input;

#[path = "import/bundles.rs"]
mod bundles;

#[path = "import/chatgpt.rs"]
mod chatgpt;

#[path = "import/claude.rs"]
mod claude;

#[path = "import/claude_code.rs"]
mod claude_code;

#[path = "import/codex.rs"]
mod codex;

#[path = "import/detection.rs"]
mod detection;

#[path = "import/fixtures.rs"]
mod fixtures;

#[path = "import/fuzzed.rs"]
mod fuzzed;

#[path = "import/generic.rs"]
mod generic;

#[path = "import/messages.rs"]
mod messages;

#[path = "import/reading.rs"]
mod reading;

#[path = "import/sharegpt.rs"]
mod sharegpt;

#[path = "import/traps.rs"]
mod traps;
