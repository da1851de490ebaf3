//! Exit codes where there is no vault, another has it, or the file is not what it should be.

use std::fs::{self, OpenOptions};

use crate::exports::{conversation, export};
use crate::home::{Home, SAMPLE};

const NO_VAULT: &str = "error: no vault at TEST/home/.local/share/convault/vault.db\nhint: make one: convault init\n";

#[test]
fn without_a_vault_every_command_says_so_and_makes_nothing() {
    let home = Home::new();
    for arguments in [
        &["list"][..],
        &["show", "0123abcd"],
        &["search", "word"],
        &["tag", "title:x", "--add", "y"],
        &["status"],
        &["check"],
        &["import", SAMPLE],
        &["export", "0123abcd", "--format", "original", "--plaintext"],
        &["credential", "list"],
        &["credential", "passwd"],
    ] {
        home.run(arguments).refused(10, NO_VAULT);
    }
    let doctor = home.run(["doctor"]);
    assert!(doctor.text().contains("none at "), "{}", doctor.text());
    let mut init = home.bare(["init", "--no-input"]);
    init.env_remove("CONVAULT_PASSWORD_FILE");
    assert!(home.finish(init).expect(1).stderr.starts_with("error: no password: --no-input forbids asking\n"));
    assert_eq!(home.files(), [] as [std::path::PathBuf; 0]);
    assert!(!home.path("home/.local").exists());
}

#[test]
fn mistakes_in_what_is_typed_are_named_before_a_password_is_asked_for() {
    let home = Home::new();
    for (arguments, start) in [
        (&["list", "before:1/2/2026"][..], "error: before: "),
        (&["list", "colour:red"], "error: unknown key \"colour\"\nhint: "),
        (&["list", "budget"], "error: \"budget\" is neither a key with a value nor the beginning of an id\nhint: "),
        (&["list", "before:5m"], "error: before: "),
        (&["tag", "title:x"], "error: no tag is given\nhint: convault tag SELECTOR --add work --remove inbox\n"),
        (&["search", "\"open"], "error: a quote is not closed\n"),
        (&["list", "--colour"], "error: unexpected argument '--colour' found\n"),
        (&["forget"], "error: unrecognized subcommand 'forget'\n"),
        (&["show"], "error: the following required arguments were not provided:\n"),
        (&[], "Keep conversations sealed"),
    ] {
        let run = home.finish(home.bare(arguments)).expect(2);
        assert!(run.stderr.starts_with(start), "{arguments:?}: {}", run.stderr);
        assert_eq!(run.text(), "");
    }
}

#[test]
fn a_vault_in_use_is_busy_and_stays_as_it_is() {
    let home = Home::with_vault();
    let before = fs::read(home.vault()).expect("a vault");
    let mut name = home.vault().into_os_string();
    name.push(".lock");
    let lock = OpenOptions::new().write(true).open(name).expect("the lock's file");
    lock.lock().expect("locked");
    let busy = "error: the vault is in use by another process\nhint: nothing was changed; try again when it is done\n";
    home.run(["list"]).refused(11, busy);
    home.run(["import", SAMPLE]).refused(11, busy);
    assert_eq!(fs::read(home.vault()).expect("a vault"), before);
    lock.unlock().expect("unlocked");
    home.run(["list", "--quiet"]).expect(0);
}

#[test]
fn an_id_is_taken_only_when_it_names_one() {
    let home = Home::with_vault();
    // Four characters of 16 values: 2,000 ids share beginnings.
    let many: Vec<_> = (0..2000).map(|n| conversation(&format!("n{n}"), "Same", &["x"])).collect();
    let input = home.input("many.json", export(&many));
    home.run(["import", &input]).expect(0);
    let (_, list) = home.json(&["list"]);
    let mut ids: Vec<&str> =
        list["conversations"].as_array().expect("a list").iter().map(|one| one["id"].as_str().expect("text")).collect();
    ids.sort_unstable();
    let shared = ids.windows(2).find(|pair| pair[0][..4] == pair[1][..4]).expect("a shared beginning");
    let run = home.run(["show", &shared[0][..4]]).expect(2);
    assert!(
        run.stderr
            .starts_with(&format!("error: several ids begin with {}\nhint: give more of the id: ", &shared[0][..4])),
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains(&shared[0][..12]) && run.stderr.contains(&shared[1][..12]), "{}", run.stderr);
    home.run(["show", &shared[0][..3]]).expect(2);
}

#[test]
fn files_that_are_no_vault_or_a_damaged_one_are_refused() {
    let home = Home::with_sample();
    let good = fs::read(home.vault()).expect("a vault");
    let place = home.path("in/other.db");
    let path = place.to_str().expect("text");
    for (bytes, message) in [
        (Vec::new(), "error: not a convault vault: "),
        (b"just words\n".repeat(200), "error: not a convault vault: not an SQLite file\n"),
        (sqlite(), "error: not a convault vault: "),
        (good[..good.len() / 2].to_vec(), "error: the vault file is damaged: "),
        (good[..100].to_vec(), "error: "),
    ] {
        fs::write(&place, &bytes).expect("written");
        let run = home.run(["--vault", path, "list"]).expect(15);
        assert!(run.stderr.starts_with(message) && run.text().is_empty(), "{}", run.stderr);
        assert_eq!(fs::read(&place).expect("there"), bytes, "a refused file is not written to");
    }
    fs::create_dir(home.path("in/folder")).expect("made");
    home.run(["--vault", "folder", "list"]).refused(15, "error: not a convault vault: not a file\n");
    assert!(!home.path("in/folder.lock").exists());
    // Flipped bytes from every region of the file: damage is found on opening or by check, never missed
    // where bytes are in use, and nothing that is shown is wrong.
    let whole = home.run(["search", "--all", "~a", "--json"]).expect(0).stdout;
    let mut found = 0;
    for part in 0..12 {
        let mut bytes = good.clone();
        // The end of a page, from which SQLite fills it. Most of a small vault is free space.
        let at = bytes.len() / 4096 * part / 12 * 4096 + 4000;
        for byte in &mut bytes[at..at + 64] {
            *byte ^= 0x55;
        }
        fs::write(&place, &bytes).expect("written");
        let check = home.run(["--vault", path, "check"]);
        match check.code {
            Some(15) => found += 1,
            Some(0) => {
                let run = home.run(["--vault", path, "search", "--all", "~a", "--json"]).expect(0);
                assert_eq!(run.stdout, whole, "unused bytes changed nothing");
            }
            _ => panic!("{part}: {:?} {} {}", check.code, check.text(), check.stderr),
        }
    }
    assert!(found >= 3, "{found} of 12");
}

/// The beginning of an SQLite file of somebody else's: the header page of an empty database.
fn sqlite() -> Vec<u8> {
    let mut page = vec![0; 4096];
    page[..16].copy_from_slice(b"SQLite format 3\0");
    page[16..18].copy_from_slice(&4096_u16.to_be_bytes());
    page[18..24].copy_from_slice(&[1, 1, 0, 64, 32, 32]);
    page[28..32].copy_from_slice(&1_u32.to_be_bytes());
    page[44..48].copy_from_slice(&4_u32.to_be_bytes());
    page[56..60].copy_from_slice(&1_u32.to_be_bytes());
    page[100] = 13;
    page[105..107].copy_from_slice(&4096_u16.to_be_bytes());
    page
}
