//! Making a vault, its anchor and recovery code, and changing its password.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::home::{Home, SAMPLE, mode};

#[test]
fn a_vault_is_made_once_and_only_where_it_may_be() {
    let home = Home::with_vault();
    let vault = home.vault();
    let before = fs::read(&vault).expect("a vault");
    home.run(["init", "--unlock-cost", "minimum"])
        .refused(1, "error: TEST/home/.local/share/convault/vault.db exists already\nhint: to make another: convault --vault PATH init\n");
    assert_eq!(fs::read(&vault).expect("still there"), before);
    assert_eq!(mode(vault.parent().expect("a folder")), 0o700);

    for place in ["file:", "tpm", ""] {
        let run = home.run(["--vault", "other.db", "init", "--anchor", place]);
        run.refused(2, &format!("error: not a place for an anchor: {place}\nhint: write embedded, or file:PATH\n"));
    }
    assert!(!home.path("in/other.db").exists() && !home.path("in/other.db.lock").exists());

    let named = home.path("named/deep/v.db");
    let named = named.to_str().expect("text");
    home.run(["--vault", named, "init", "--unlock-cost", "minimum"]).said(
        &home,
        0,
        "made the vault TEST/named/deep/v.db\nanchor: embedded (class E1)\n\
         no recovery code: whoever forgets the password loses the vault\n",
        "next: convault --vault TEST/named/deep/v.db import FILE\n",
    );
}

#[test]
fn a_recovery_code_is_shown_once_and_can_be_tried() {
    let home = Home::new();
    let (code, made) = home.json(&["init", "--unlock-cost", "minimum", "--recovery-code"]);
    assert_eq!(code, 0);
    let shown = made["recovery_code"].as_str().expect("a code").to_owned();
    let groups: Vec<&str> = shown.split('-').collect();
    assert!(groups.len() == 7 && groups.iter().all(|group| group.len() == 4), "{shown}");

    home.secret("recovery", &shown.to_lowercase().replace('-', " "));
    let mut command = home.bare(["credential", "list", "--check-recovery"]);
    command.env("CONVAULT_PASSWORD_FILE", home.path("recovery"));
    let run = home.finish(command).expect(0);
    assert!(run.text().ends_with("the recovery code opens this vault\n"), "{}", run.text());

    let run = home.run(["credential", "list", "--check-recovery"]).expect(12);
    assert!(run.text().ends_with("this is not the recovery code of this vault\n"), "{}", run.text());

    let mut command = home.bare(["status", "--quiet"]);
    command.env("CONVAULT_PASSWORD", &shown);
    home.finish(command).expect(0);

    let (_, list) = home.json(&["credential", "list"]);
    let kinds: Vec<_> = list["credentials"].as_array().expect("a list").iter().map(|one| &one["kind"]).collect();
    assert_eq!(kinds, [&json!("password"), &json!("recovery code")]);
}

#[test]
fn a_file_anchor_is_needed_and_guarded() {
    let home = Home::new();
    let anchor = home.path("out/anchor");
    let place = format!("file:{}", anchor.display());
    let (code, made) = home.json(&["init", "--unlock-cost", "minimum", "--anchor", &place]);
    assert_eq!((code, &made["anchor"], &made["anchor_kind"]), (0, &json!(place), &json!("file")));
    let class = made["class"].as_str().expect("text");
    // On a file system that writes copies the class is lowered, and said so.
    assert!(["E1", "E2"].contains(&class), "{class}");
    assert_eq!(mode(&anchor), 0o600);
    home.run(["import", SAMPLE]).expect(0);

    fs::set_permissions(&anchor, fs::Permissions::from_mode(0o644)).expect("allowed");
    let run = home.run(["list"]).expect(1);
    assert_eq!(run.stderr, "error: TEST/out/anchor can be read or changed by others (mode must be 0600)\n");
    fs::set_permissions(&anchor, fs::Permissions::from_mode(0o600)).expect("allowed");

    let moved = home.path("out/moved");
    fs::rename(&anchor, &moved).expect("moved");
    let run = home.run(["list"]).expect(1);
    assert_eq!(run.stderr, "error: no anchor at TEST/out/anchor\nhint: if it was moved: --anchor-file PATH\n");
    assert!(!anchor.exists());
    home.run(["list", "--quiet", "--anchor-file", moved.to_str().expect("text")]).expect(0);

    let other = home.path("out/other.db");
    let again =
        home.run(["--vault", other.to_str().expect("text"), "init", "--anchor", &format!("file:{}", moved.display())]);
    assert_eq!(again.expect(1).stderr, "error: TEST/out/moved exists already\n");
    assert!(!other.exists());
}

#[test]
fn a_new_password_opens_and_the_old_one_does_not() {
    let home = Home::with_sample();
    let id = home.id("Bread for the supply boat");
    let before = home.run(["show", &id]).expect(0).text();
    let new = home.secret("new", "a longer one");
    home.run(["credential", "passwd", "--new-password-file", &new, "--unlock-cost", "minimum"]).said(
        &home,
        0,
        "the password is changed: 4 segments and 1 credential were given new keys, no content was touched\n\
         an older copy of the vault file still opens with the old password\n",
        "",
    );
    home.run(["list"]).refused(12, "error: wrong password\n");
    let with_new = |arguments: &[&str]| home.run(arguments.iter().copied().chain(["--password-file", &new]));
    assert_eq!(with_new(&["show", &id]).expect(0).text(), before);
    let run = with_new(&["credential", "passwd", "--new-password-file", &new, "--unlock-cost", "minimum"]);
    run.refused(1, "error: the new password is the old one; nothing was changed\n");
    with_new(&["check", "--quiet"]).expect(0);
    // A new password is never taken from where the old one came from.
    with_new(&["credential", "passwd", "--no-input"]).refused(
        1,
        "error: no password: --no-input forbids asking\n\
         hint: the new password comes from --new-password-file, or is asked for\n",
    );
}
