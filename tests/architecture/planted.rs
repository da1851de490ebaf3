//! Violations planted in the house as it is, one at a time: each must be found, or the walls are painted on.

use super::house_as_built;
use super::rules::{Tree, table_violations, violations};

/// A file, what is added to it, and what the checker must say of it.
const PLANTED: &[(&str, &str, &str)] = &[
    // Modules.
    ("store/file.rs", "use crate::vault::Vault;", "`store` may not use `vault::Vault`"),
    ("store/file.rs", "fn f() { crate::clock::f(); }", "`store` may not use `clock::f`"),
    ("store/file.rs", "use super::super::vault::Vault;", "`store` may not use `vault::Vault`"),
    ("fold.rs", "use super::store::Store;", "`fold` may not use `store::Store`"),
    ("fold.rs", "mod inner { use super::super::store::Store; }", "`fold` may not use `store::Store`"),
    ("store/file.rs", "use crate::{clock, vault::{self, Vault}};", "`store` may not use `vault::Vault`"),
    ("store/file.rs", "use crate::{\n    clock,\n};", "`store` may not use `clock`"),
    ("cli/mod.rs", "use crate::store::Store;", "`cli` may not use `store::Store`"),
    ("cli/mod.rs", "use crate::anchor::FileAnchor;", "`cli` may not use `anchor::FileAnchor`"),
    ("cli/mod.rs", "use crate::crypto::{Password, ReadKey};", "`cli` may not use `crypto::ReadKey`"),
    ("cli/mod.rs", "use crate::crypto;", "`cli` may not use `crypto`"),
    ("cli/mod.rs", "use crate::crypto::*;", "`cli` may not use `crypto::*`"),
    ("cli/mod.rs", "use crate::crypto::{self};", "`cli` may not use `crypto::self`"),
    ("import/mod.rs", "use crate::vault::Vault;", "`import` may not use `vault::Vault`"),
    ("import/mod.rs", "use crate::crypto::random;", "`import` may not use `crypto::random`"),
    ("clock/mod.rs", "use convault::vault::Vault;", "`clock` may not use `vault::Vault`"),
    ("main.rs", "use convault::vault::Vault;", "`main` may not use `vault::Vault`"),
    ("lib.rs", "pub use vault::Vault;", "`lib` may not use `vault::Vault`"),
    ("store/file.rs", "use crate as c;", "`crate` as a whole"),
    ("store/file.rs", "use crate::*;", "`crate` as a whole"),
    ("store/file.rs", "use crate::{self as house};", "`crate` as a whole"),
    ("fold.rs", "use super as house;", "`super` as a whole"),
    ("vault/mod.rs", "pub use crate::store::Store;", "`vault` passes on `store::Store`"),
    ("vault/mod.rs", "pub(crate) use crate::{store::Store};", "`vault` passes on `store::Store`"),
    ("newcomer.rs", "//! A module nobody decided on.", "module `newcomer` is missing from the table"),
    ("newcomer/mod.rs", "//! The same as a folder.", "module `newcomer` is missing from the table"),
    // Crates.
    ("vault/mod.rs", "use aes_gcm::Aes256Gcm;", "`aes_gcm` may be named only by crypto/"),
    ("vault/mod.rs", "fn f() { argon2::f(); }", "`argon2` may be named only by crypto/"),
    ("vault/mod.rs", "fn f() { ::rand::random::<u8>(); }", "`rand` may be named only by crypto/"),
    ("keyring/mod.rs", "use hmac::Hmac;", "`hmac` may be named only by crypto/"),
    ("keyring/mod.rs", "use {sha2::Sha256, std::io};", "`sha2` may be named only by crypto/"),
    ("tree/mod.rs", "use hkdf as derivation;", "`hkdf` may be named only by crypto/"),
    ("tree/mod.rs", "use ed25519_dalek;", "`ed25519_dalek` may be named only by crypto/"),
    ("vault/head.rs", "use hpke::Kem;", "`hpke` may be named only by crypto/"),
    ("vault/head.rs", "use subtle::ConstantTimeEq;", "`subtle` may be named only by crypto/"),
    ("vault/open.rs", "use rusqlite::Connection;", "`rusqlite` may be named only by store/"),
    ("import/mod.rs", "use zip::ZipArchive;", "`zip` may be named only by bundle/"),
    ("vault/log.rs", "use zstd::bulk;", "`zstd` may be named only by vault/content.rs, vault/segment.rs"),
    ("conversation.rs", "use jiff::Timestamp;", "`jiff` may be named only by clock/"),
    ("vault/log.rs", "#[derive(clap::Parser)] struct A;", "`clap` may be named only by cli/, main.rs"),
    ("ingest/mod.rs", "use indicatif::ProgressBar;", "`indicatif` may be named only by cli/"),
    ("ingest/mod.rs", "use signal_hook::flag;", "`signal_hook` may be named only by cli/"),
    ("vault/open.rs", "use etcetera::base_strategy;", "`etcetera` may be named only by cli/"),
    ("vault/open.rs", "use rpassword::prompt_password;", "`rpassword` may be named only by cli/"),
    ("crypto/mod.rs", "pub use aes_gcm::Aes256Gcm;", "`crypto` passes on `aes_gcm::Aes256Gcm`"),
    ("store/mod.rs", "extern crate rusqlite as database;", "`extern crate`"),
    // The standard library.
    ("vault/open.rs", "use std::fs;", "`std::fs` is not for this file"),
    ("vault/open.rs", "use std::{fs::File, io};", "`std::fs` is not for this file"),
    ("vault/open.rs", "fn f() { std::fs::read(1); }", "`std::fs` is not for this file"),
    ("vault/open.rs", "use std as s;", "`std` as a whole"),
    ("vault/open.rs", "use std::{self as s};", "`std` as a whole"),
    ("vault/open.rs", "use std::os::unix::fs::symlink;", "`std::os::unix::fs` is not for this file"),
    ("ingest/mod.rs", "fn f() { std::env::var(1); }", "`std::env` is not for this file"),
    ("ingest/mod.rs", "use crate::store::Lock;", "`ingest` may not use `store::Lock`"),
    ("ingest/tests.rs", "use crate::store::Store;", "`ingest` may not use `store::Store`"),
    (
        "ingest/mod.rs",
        "use std::time::Instant;\nfn f() { Instant::now(); }",
        "`std::time::Instant` is not for this file",
    ),
    ("ingest/mod.rs", "use std::io;\nfn f() { io::stdout(); }", "`std::io::stdout` is not for this file"),
    ("ingest/mod.rs", "use std::io as i;\nuse i::stderr;", "`std::io::stderr` is not for this file"),
    ("ingest/mod.rs", "fn f() { std::process::exit(1); }", "`std::process` is not for this file"),
    ("cli/mod.rs", "use std::net::TcpStream;", "`std::net` is not for this file"),
    ("clock/mod.rs", "fn f() { Timestamp::now(); }", "the time and its zone are arguments"),
    ("clock/mod.rs", "use std::time::SystemTime;", "`std::time::SystemTime` is not for this file"),
    ("vault/open.rs", "fn f() { println!(\"{}\", 1); }", "`println!` is for the command line"),
    ("vault/open.rs", "fn f() { std::eprintln!(); }", "`eprintln!` is for the command line"),
    // What no file does.
    ("bundle/zip.rs", "fn f() { archive.extract(folder); }", "`.extract(` writes where an archive says"),
    ("bundle/zip.rs", "fn f() { archive\n    .extract (folder); }", "`.extract(` writes where an archive says"),
    ("vault/open.rs", "fn f() { a.unwrap(); }", "`.unwrap()` outside tests"),
    ("vault/open.rs", "fn f() { a.map(Option::unwrap); }", "`Option::unwrap` outside tests"),
    ("vault/open.rs", "#[cfg(test)] fn f() { a.unwrap(); } fn g() { b.unwrap(); }", "`.unwrap()` outside tests"),
    ("vault/open.rs", "fn f() { todo!() }", "`todo!` is unfinished work"),
    ("vault/open.rs", "fn f() { dbg!(1) }", "`dbg!` is unfinished work"),
    ("vault/open.rs", "include!(\"code.rs\");", "`include!` hides code"),
    ("vault/open.rs", "#[path = \"elsewhere.rs\"] mod elsewhere;", "`#[path]` puts a module"),
    ("vault/open.rs", "mod tests;", "`mod tests` without `#[cfg(test)]`"),
    ("vault/util.rs", "//! Things.", "`util` names no duty"),
    ("cli/helpers/mod.rs", "//! Things.", "`helpers` names no duty"),
];

/// What must pass: the words of a violation where they are none.
const INNOCENT: &[(&str, &str)] = &[
    ("vault/open.rs", "// use rusqlite::Connection; println!(\"\"); a.unwrap(); crate::cli::f();"),
    ("vault/open.rs", "/* std::fs /* nested */ todo!() */"),
    ("vault/open.rs", "/// See [`rusqlite::Connection`] and `std::fs`.\nfn f() {}"),
    ("vault/open.rs", "const A: &str = \"std::fs::read(\\\"a\\\").unwrap() println!()\";"),
    ("vault/open.rs", "const A: &str = r#\"crate::cli::f() \" todo!()\"#;"),
    ("vault/open.rs", "const A: char = '\"'; const B: char = '\\''; fn f<'a>(a: &'a str) -> &'a str { a }"),
    ("vault/open.rs", "#[cfg(test)] mod more { fn f() { std::fs::read(1).unwrap(); println!(\"1\"); } }"),
    ("vault/tests.rs", "fn f() { std::fs::read(1).unwrap(); }"),
    ("vault/open.rs", "fn f() { a.iter().zip(b); hash::hmac(1); }"),
    ("vault/open.rs", "pub(crate) fn f() {}\npub(in crate::vault) fn g() {}\npub(super) fn h() {}"),
    ("vault/open.rs", "use super::head::Role;\nuse crate::vault::Vault;"),
    ("crypto/password.rs", "mod inner { use super::super::seal::Place; }"),
    ("vault/mod.rs", "pub use crate::store::{Lock, StoreError};"),
    ("crypto/password.rs", "fn f() { std::time::Instant::now(); }"),
    ("cli/mod.rs", "use crate::vault::Lock;"),
    ("cli/mod.rs", "use crate::crypto::{KdfCost, Password};\nfn f() { println!(\"1\"); std::env::args(); }"),
    ("import/newcomer.rs", "//! One more format.\nuse crate::bundle::Bundle;\nuse super::Unit;"),
];

/// What is wrong in one file of the house once this text stands at its end, or in a new file of this text, and was
/// not wrong before. Every rule looks at one file at a time, so the others need not be read again.
fn found_after(house: &Tree, file: &str, text: &str) -> Vec<String> {
    let duty = if text.starts_with("//! ") { "" } else { "//! Planted.\n" };
    let before = house.get(file).map(|present| Tree::from([(file.to_owned(), present.clone())])).unwrap_or_default();
    let present = before.get(file).map_or(duty, String::as_str);
    let after = Tree::from([(file.to_owned(), format!("{present}{text}\n"))]);
    let before = violations(&before);
    violations(&after).into_iter().filter(|found| !before.contains(found)).collect()
}

#[test]
fn every_planted_violation_is_found() {
    let house = house_as_built();
    for (file, text, expected) in PLANTED {
        let found = found_after(&house, file, text);
        assert!(found.iter().any(|found| found.contains(expected)), "{file}: `{text}` was not found, only {found:#?}");
    }
}

#[test]
fn the_innocent_pass() {
    let house = house_as_built();
    for (file, text) in INNOCENT {
        assert_eq!(found_after(&house, file, text), Vec::<String>::new(), "{file}: `{text}`");
    }
}

#[test]
fn a_file_without_its_duty_or_with_two_is_found() {
    let mut tree = Tree::new();
    tree.insert("vault/silent.rs".into(), "fn f() {}\n".into());
    tree.insert("vault/endless.rs".into(), format!("//! Long.\n{}", "\n".repeat(700)));
    tree.insert("vault/full.rs".into(), format!("//! Long.\n{}", "\n".repeat(699)));
    let found = violations(&tree);
    assert!(found.contains(&"vault/silent.rs:1: does not open with `//! ` and its duty".to_owned()));
    assert!(found.contains(&"vault/endless.rs:701: has more than 700 lines".to_owned()));
    assert!(!found.iter().any(|found| found.starts_with("vault/full.rs")));
}

#[test]
fn a_ring_and_a_stranger_in_the_table_are_found() {
    let ring: &[(&str, &[&str])] = &[("a", &["b"]), ("b", &["c::Part"]), ("c", &["a"]), ("d", &["e"])];
    let found = table_violations(ring);
    for expected in ["a and b may use each other", "c and a may use each other", "d may use e, which is no module"] {
        assert!(found.contains(&expected.to_owned()), "{expected} in {found:?}");
    }
    assert_eq!(table_violations(&[("a", &[]), ("b", &["a"]), ("c", &["a", "b"])]), Vec::<String>::new());
}
