//! A vault of format 1 that was kept: every later build opens it, reads all of it, and goes on with it.
//!
//! `CONVAULT_KEEP=1 cargo test --test cli kept` makes it anew, which a frozen format never needs.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::home::{Home, PASSWORD, SAMPLE};

/// The files of a kept vault, its anchor's and its credentials'.
const FILES: [&str; 8] = [
    "vault.db",
    "anchor",
    "anchor.keyring0",
    "anchor.keyring1",
    "reader.key",
    "depositor.key",
    "janitor.key",
    "auditor.key",
];

fn kept() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vaults/1")
}

/// Everything that a vault can have: two key epochs, an earlier version, tags, a policy, holds, every role, a receipt,
/// a deposit that was taken in and one that waits.
fn make() {
    let home = Home::new();
    let anchor = format!("file:{}", home.path("anchor").display());
    home.run(["init", "--unlock-cost", "minimum", "--anchor", &anchor]).expect(0);
    home.run(["import", SAMPLE, "--tag", "sea"]).expect(0);
    let text = fs::read_to_string(SAMPLE).expect("the sample");
    let newer = home.input("newer.json", text.replace("Bread for the supply boat", "Bread for the boat"));
    home.run(["import", &newer]).expect(0);
    let same = home.secret("new", &format!("{PASSWORD} changed"));
    home.run(["credential", "passwd", "--unlock-cost", "minimum", "--new-password-file", &same]).expect(0);
    let run = |words: &[&str]| {
        let mut command = home.command(words);
        command.env("CONVAULT_PASSWORD_FILE", &same);
        home.finish(command)
    };
    for role in ["reader", "depositor", "janitor", "auditor"] {
        let key = home.path(&format!("{role}.key"));
        run(&["credential", "add", role, "--key-file", key.to_str().expect("text")]).expect(0);
    }
    let rules = "grace = \"30d\"\nlog = \"10y\"\n[[rule]]\nname = \"sea\"\nkeep = \"50y\"\nselect = \"tag:sea\"\n";
    let policy = home.input("policy.toml", format!("schema = \"convault.policy/1\"\n{rules}"));
    run(&["policy", "set", &policy]).expect(0);
    run(&["hold", "place", "--reason", "case 12", "title:tide"]).expect(0);
    run(&["erase", "title:cat", "--yes"]).expect(0);
    let note = |name: &str| home.input(name, format!("the deposited text of {name}"));
    let deposit = |path: &str| {
        let mut command = home.bare(["import", "--format", "opaque", path]);
        command.arg("--credential").arg(home.path("depositor.key"));
        home.finish(command).expect(0);
    };
    deposit(&note("first.txt"));
    run(&["list"]).expect(0);
    deposit(&note("second.txt"));
    fs::create_dir_all(kept()).expect("a folder");
    for name in FILES {
        let from = if name == "vault.db" { home.vault() } else { home.path(name) };
        fs::copy(from, kept().join(name)).expect("copied");
    }
    fs::copy(home.vault().with_extension("db.receipts").join("000001.json"), kept().join("receipt.json"))
        .expect("copied");
}

#[test]
fn a_vault_that_was_kept_opens_is_whole_and_goes_on() {
    if std::env::var_os("CONVAULT_KEEP").is_some() {
        make();
    }
    let home = Home::new();
    let vault = home.vault();
    fs::create_dir_all(vault.parent().expect("a folder")).expect("a folder");
    for name in FILES {
        let to = if name == "vault.db" { vault.clone() } else { home.path(name) };
        fs::copy(kept().join(name), &to).expect("copied");
        fs::set_permissions(&to, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("allowed");
    }
    let password = home.secret("new", &format!("{PASSWORD} changed"));
    let run = |role: &str, words: &[&str]| {
        let mut command = home.bare(words);
        command.arg("--anchor-file").arg(home.path("anchor")).arg("--json");
        match role {
            "owner" => command.env("CONVAULT_PASSWORD_FILE", &password),
            role => command.env("CONVAULT_CREDENTIAL", home.path(&format!("{role}.key"))),
        };
        let run = home.finish(command);
        let document: Value = serde_json::from_slice(&run.stdout)
            .unwrap_or_else(|error| panic!("{role} {words:?}: {error} {}", run.stderr));
        assert_eq!(run.code, Some(0), "{role} {words:?}: {document} {}", run.stderr);
        document
    };
    // By a reader first, who sees it as it was left, with a deposit that waits.
    let list = run("reader", &["list"]);
    assert_eq!(list["total"], 4);
    assert_eq!(run("reader", &["status"])["deposits"], 1);
    assert_eq!(run("reader", &["search", "\"moon is late\""])["total"], 1);
    let before = run("auditor", &["audit", "verify"])["log_entries"].as_u64().expect("a number");
    assert!(before > 15);
    let receipt = kept().join("receipt.json");
    let steps = run("auditor", &["receipt", "verify", receipt.to_str().expect("text")])["steps"].clone();
    assert!(steps.as_array().expect("a list").iter().all(|step| step["result"] == "PASS"), "{steps}");
    // It goes on: the deposit comes in, keys change, and all of it still holds.
    let run_of_janitor = run("janitor", &["purge"]);
    assert_eq!(run_of_janitor["destroyed"], 0);
    assert_eq!(run("owner", &["list", "tag:sea"])["total"], 3);
    assert_eq!(run("owner", &["list"])["total"], 5);
    assert_eq!(run("owner", &["check"])["damage"], json!([]));
    assert_eq!(run("owner", &["hold", "list"])["holds"][0]["reason"], "case 12");
    let erased = run("owner", &["erase", "title:boat", "--yes"]);
    assert_eq!((&erased["destroyed"], erased["segments"].as_array().map(Vec::len)), (&json!(1), Some(2)));
    assert_eq!(run("owner", &["import", SAMPLE])["conversations"]["destroyed"], 2);
    assert_eq!(run("owner", &["check"])["damage"], json!([]));
}
