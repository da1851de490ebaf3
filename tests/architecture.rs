//! The walls of the house: who may use whom, which crate has which door, and what no file does.
//!
//! The tables are the architecture; `docs/architecture.md` and `docs/dependencies.md` repeat them and
//! are compared with them. The checker reads text. It does not see a dependency under another name in
//! `Cargo.toml`, a type that leaks through a public signature, a file touched through
//! `Path::exists` or a macro that builds a path; visibility and review are for those.

#[path = "architecture/paths.rs"]
mod paths;

#[path = "architecture/planted.rs"]
mod planted;

#[path = "architecture/rules.rs"]
mod rules;

#[path = "architecture/tokens.rs"]
mod tokens;

#[path = "architecture/written.rs"]
mod written;

use std::path::Path;

use rules::{Tree, table_violations, violations};

/// Who may use whom, lowest first. `crypto::hash` means nothing of `crypto` but that.
/// A module that is not there yet stands here already, so that its place was decided beforehand.
const HOUSE: &[(&str, &[&str])] = &[
    ("clock", &[]),
    ("bytes", &[]),
    ("fold", &[]),
    ("inert", &[]),
    ("conversation", &["clock"]),
    ("matching", &["fold"]),
    ("selector", &["clock", "conversation", "fold", "matching"]),
    ("sketch", &["bytes", "conversation", "fold", "matching"]),
    // These two know no type of the domain: ids and plaintexts cross as bytes.
    ("crypto", &[]),
    ("sabotage", &[]),
    ("store", &["sabotage"]),
    ("bundle", &[]),
    ("facts", &["bytes", "clock", "crypto"]),
    // Pure: bytes in, conversations out, and back. Hashing makes an id where the source has none.
    ("import", &["bundle", "clock", "conversation", "crypto::hash"]),
    ("export", &["clock", "conversation", "crypto::Digest", "crypto::hash", "inert"]),
    ("signed_json", &[]),
    ("retention", &["clock"]),
    ("keyring", &["crypto"]),
    ("tree", &["crypto"]),
    ("log_tree", &["crypto"]),
    ("anchor", &["bytes", "crypto"]),
    (
        "vault",
        &[
            "anchor",
            "bytes",
            "clock",
            "conversation",
            "crypto",
            "facts",
            "keyring",
            "log_tree",
            "retention",
            "sabotage",
            "sketch",
            "store",
            "tree",
        ],
    ),
    // The verifier of receipts needs hashes, one signature and the shape of the tree; no key, no database.
    (
        "erasure",
        &[
            "clock",
            "crypto::Digest",
            "crypto::MARKER",
            "crypto::SignatureBytes",
            "crypto::VerifyKey",
            "crypto::hash",
            "crypto::random",
            "sabotage",
            "signed_json",
            "tree",
            "vault",
        ],
    ),
    // What goes out, and its check, which needs no vault: hashes and one signature.
    (
        "disclosure",
        &[
            "bundle",
            "clock",
            "conversation",
            "crypto::Digest",
            "crypto::VerifyKey",
            "crypto::hash",
            "export",
            "signed_json",
            "vault",
        ],
    ),
    (
        "ingest",
        &[
            "bundle",
            "clock",
            "conversation",
            "crypto::Digest",
            "crypto::hash",
            "crypto::random",
            "facts::TagId",
            "import",
            "vault",
        ],
    ),
    ("purge", &["clock", "retention", "selector", "vault"]),
    (
        "search",
        &["bytes", "clock", "conversation", "export::words", "facts::TagId", "matching", "selector", "sketch", "vault"],
    ),
    // Texts and nothing else: what they are put into is for the command line.
    ("schedule", &[]),
    // The command line names no database, no anchor and no key: only what a person types, a digest to show, and
    // randomness for names that nobody guesses.
    (
        "cli",
        &[
            "bundle",
            "clock",
            "conversation",
            "crypto::Digest",
            "crypto::KdfCost",
            "crypto::Password",
            "crypto::age",
            "crypto::hash",
            "crypto::page",
            "crypto::random",
            "disclosure",
            "erasure",
            "export",
            "facts",
            "fold",
            "import",
            "inert",
            "ingest",
            "matching",
            "purge",
            "retention",
            "schedule",
            "search",
            "selector",
            "vault",
        ],
    ),
    ("lib", &[]),
    ("main", &["cli"]),
];

/// The library's own name, by which the program calls it.
const LIBRARY: &str = "convault";

/// What a module passes on from below under its own name. Every line is a hole that was wanted.
const REEXPORTS: &[(&str, &str)] = &[
    // Whoever opens a vault takes its lock first and is told why the store refused, and may not name the store.
    ("vault", "store::Lock"),
    ("vault", "store::StoreError"),
    // Whoever chooses where an anchor lies is told what speaks against the place.
    ("vault", "anchor::AnchorError"),
    ("vault", "anchor::place::file_system"),
    ("vault", "anchor::place::Weakness"),
    ("vault", "anchor::place::weaknesses"),
];

/// What the tests of a module may use besides: a vault to test on.
const IN_TESTS: &[(&str, &[&str])] = &[
    ("ingest", &["crypto::KdfCost", "crypto::Password", "store::Lock"]),
    // And rows in it to look for afterwards, by other means than the erasure's own.
    ("erasure", &["bundle", "crypto::KdfCost", "crypto::Password", "import", "ingest", "store"]),
    ("search", &["bundle", "crypto::KdfCost", "crypto::Password", "import", "ingest", "store"]),
];

/// Every direct dependency: its name, the name it has in code, and the files and folders that may use that name.
const CRATES: &[(&str, &str, &[&str])] = &[
    ("aes-gcm", "aes_gcm", &["crypto/"]),
    ("age", "age", &["crypto/"]),
    ("argon2", "argon2", &["crypto/"]),
    ("base64", "base64", &["crypto/page.rs", "disclosure/", "erasure/", "export/", "import/", "signed_json.rs"]),
    ("clap", "clap", &["cli/", "main.rs"]),
    ("clap_complete", "clap_complete", &["cli/"]),
    ("clap_mangen", "clap_mangen", &["cli/"]),
    ("ed25519-dalek", "ed25519_dalek", &["crypto/"]),
    ("etcetera", "etcetera", &["cli/"]),
    ("flate2", "flate2", &["bundle/"]),
    ("hkdf", "hkdf", &["crypto/"]),
    ("hmac", "hmac", &["crypto/"]),
    ("hpke", "hpke", &["crypto/"]),
    ("indicatif", "indicatif", &["cli/"]),
    ("jiff", "jiff", &["clock/"]),
    (
        "memchr",
        "memchr",
        &[
            "bundle/",
            "disclosure/",
            "erasure/",
            "import/",
            "matching/",
            "vault/content.rs",
            "vault/erase.rs",
            "vault/original.rs",
        ],
    ),
    ("pbkdf2", "pbkdf2", &["crypto/"]),
    ("pulldown-cmark", "pulldown_cmark", &["export/"]),
    ("rand", "rand", &["crypto/"]),
    ("regex", "regex", &["matching/"]),
    ("rpassword", "rpassword", &["cli/"]),
    ("rusqlite", "rusqlite", &["store/"]),
    ("rustix", "rustix", &["anchor/", "bundle/", "cli/", "store/"]),
    (
        "serde",
        "serde",
        &[
            "cli/",
            "clock/",
            "conversation.rs",
            "disclosure/",
            "erasure/",
            "export/",
            "import/",
            "retention/",
            "schedule/",
            "vault/",
        ],
    ),
    (
        "serde_json",
        "serde_json",
        &[
            "cli/",
            "disclosure/",
            "erasure/",
            "export/",
            "import/",
            "inert.rs",
            "schedule/",
            "search/tests.rs",
            "signed_json.rs",
            "vault/",
        ],
    ),
    ("sha2", "sha2", &["crypto/"]),
    ("signal-hook", "signal_hook", &["cli/"]),
    ("subtle", "subtle", &["crypto/"]),
    ("thiserror", "thiserror", &["*"]),
    ("toml", "toml", &["retention/"]),
    ("twox-hash", "twox_hash", &["sketch/"]),
    ("unicode-normalization", "unicode_normalization", &["fold.rs", "inert.rs", "matching/", "vault/tags.rs"]),
    ("unicode-segmentation", "unicode_segmentation", &["cli/", "fold.rs"]),
    ("unicode-width", "unicode_width", &["cli/"]),
    ("zeroize", "zeroize", &["*"]),
    ("zip", "zip", &["bundle/"]),
    ("zstd", "zstd", &["vault/content.rs", "vault/segment.rs"]),
];

/// The program's side of the house: it alone meets arguments, environment, terminal and clock.
const UNITED: &[&str] = &["cli/", "main.rs"];

/// Files that touch the file system, one by one: a new one is a decision.
const FILES: &[&str] = &[
    "anchor/copy.rs",
    "anchor/device.rs",
    "anchor/file.rs",
    "anchor/folders.rs",
    "anchor/place.rs",
    "bundle/folder.rs",
    "bundle/mod.rs",
    "bundle/shared.rs",
    "bundle/zip.rs",
    "cli/",
    "erasure/scan.rs",
    "store/ballast.rs",
    "store/file.rs",
    "store/free.rs",
    "store/journal.rs",
    "store/lock.rs",
    "vault/create.rs",
];

/// Parts of the standard library that have a door.
const DOORS: &[(&str, &[&str])] = &[
    ("std::env", UNITED),
    ("std::fs", FILES),
    ("std::io::Stderr", UNITED),
    ("std::io::Stdin", UNITED),
    ("std::io::Stdout", UNITED),
    ("std::io::stderr", UNITED),
    ("std::io::stdin", UNITED),
    ("std::io::stdout", UNITED),
    // A vault speaks to no network.
    ("std::net", &[]),
    ("std::os::unix::fs", FILES),
    ("std::os::unix::net", &[]),
    ("std::process", UNITED),
    // Calibrating Argon2id measures a stretch of time, not a time.
    ("std::time::Instant", &["cli/", "main.rs", "crypto/password.rs"]),
    ("std::time::SystemTime", UNITED),
];

/// Names that say where something was put and not what it does.
const NAMES_TO_AVOID: &[&str] =
    &["common", "core", "handler", "helper", "helpers", "manager", "misc", "service", "types", "util", "utils"];

/// Longer than this a file has two duties.
const LONGEST_FILE: usize = 700;

/// The files below `src/` as they are.
fn house_as_built() -> Tree {
    let mut tree = Tree::new();
    gather(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), "", &mut tree);
    tree
}

fn gather(folder: &Path, prefix: &str, tree: &mut Tree) {
    for entry in std::fs::read_dir(folder).expect("src can be listed") {
        let path = entry.expect("src can be listed").path();
        let name = path.file_name().expect("an entry has a name").to_string_lossy().into_owned();
        if path.is_dir() {
            gather(&path, &format!("{prefix}{name}/"), tree);
        } else if name.ends_with(".rs") {
            let text = std::fs::read_to_string(&path).expect("a source file is text");
            tree.insert(format!("{prefix}{name}"), text);
        }
    }
}

#[test]
fn the_table_has_no_ring_and_no_stranger() {
    assert_eq!(table_violations(HOUSE), Vec::<String>::new());
}

#[test]
fn every_file_keeps_to_the_walls() {
    let tree = house_as_built();
    assert!(tree.len() > 60, "only {} files were found", tree.len());
    let found = violations(&tree);
    assert!(found.is_empty(), "{} break the rules of the house:\n{}", found.len(), found.join("\n"));
}
