//! The disk full after any number of bytes: an erasure is done with its receipt, in the room of the ballast, or it ends
//! with exit code 17 and no receipt, and the next command goes on with it.
//!
//! A small shim plays the disk; it needs no rights and gives the same every time.

use std::collections::BTreeSet;
use std::fs;

use serde_json::json;

use crate::home::{Home, Run, SAMPLE};
use crate::killed::{Kept, built, titles, vault};

/// More than any command here needs.
const ENOUGH: u64 = 64 << 20;

/// What is erased here.
const CHOSEN: &[&str] = &["erase", "source:test", "--yes"];

/// A vault with the sample and three conversations that do not compress: their rows are longer than small rooms.
fn bulky(is_file: bool) -> Home {
    let home = vault(is_file);
    let mut random = 7_u64;
    let mut lines = String::new();
    for number in 0..3 {
        let mut text = String::new();
        while text.len() < 300_000 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            text.push_str(&format!("{:08x}", random >> 32));
        }
        let message = json!({ "id": "1", "text": text });
        let line = json!({
            "schema": "convault.conversation/1",
            "source": "test",
            "native_id": number.to_string(),
            "title": format!("Bulk {number}"),
            "messages": [message],
        });
        lines.push_str(&format!("{line}\n"));
    }
    home.run(["import", "--format", "convault", &home.input("bulk.jsonl", lines)]).expect(0);
    home
}

fn ballast(home: &Home) -> std::path::PathBuf {
    home.vault().with_extension("db.ballast")
}

/// When the ballast was made, where there is one.
fn made(home: &Home) -> Option<std::time::SystemTime> {
    fs::metadata(ballast(home)).and_then(|about| about.modified()).ok()
}

/// Runs a command on a disk with so much room.
fn on_disk(home: &Home, room: u64, words: &[&str]) -> Run {
    let shim = built(home, "full.c");
    let mut command = home.command(words);
    command.env("LD_PRELOAD", shim).env("FULL_AFTER", room.to_string());
    home.finish(command)
}

fn receipts(home: &Home) -> Vec<String> {
    let list = home.json(&["receipt", "list"]).1;
    let list = list["receipts"].as_array().expect("a list");
    list.iter().map(|one| one["file"].as_str().expect("a path").to_owned()).collect()
}

/// Rooms to try: densely where little is left, then in growing steps, until `look` says that it was enough.
fn rooms(mut look: impl FnMut(u64) -> bool) {
    // An erasure needs little: its journal holds the pages that rows begin in, and none of the others.
    let growth = if std::env::var_os("CONVAULT_SWEEP").is_some() { 16 } else { 2 };
    let mut room = 0;
    while !look(room) {
        room += 1024 + room / growth;
        assert!(room < ENOUGH, "{room} bytes are not enough");
    }
    assert!(room > 0, "nothing was ever missing");
}

#[test]
#[cfg(target_os = "linux")]
fn an_erasure_on_a_full_disk_is_done_in_the_room_of_the_ballast() {
    for is_file in [false, true] {
        let home = bulky(is_file);
        let size = fs::metadata(ballast(&home)).expect("made with the vault").len();
        let kept = Kept::of(&home, is_file);
        let mut spent = 0;
        rooms(|room| {
            kept.restore(&home);
            // A command with room makes it again.
            home.run(["list"]).expect(0);
            assert_eq!(fs::metadata(ballast(&home)).expect("made again").len(), size, "with {room}");
            let before = made(&home);
            let run = on_disk(&home, room, CHOSEN);
            assert_eq!(run.code, Some(0), "with {room}: {}", run.stderr);
            // What the erasure gave back is enough to make it again, or the next command does.
            spent += u32::from(made(&home) != before);
            assert_eq!(titles(&home.json(&["list"]).1).len(), 4, "with {room}");
            let receipts = receipts(&home);
            assert_eq!(receipts.len(), 1, "with {room}");
            home.run(["receipt", "verify", &receipts[0]]).expect(0);
            assert_eq!(home.json(&["check"]).0, 0, "with {room}");
            room >= 400 << 10
        });
        assert!(spent > 2, "the ballast was spent {spent} times only");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn an_erasure_without_any_room_ends_with_17_and_goes_on_later() {
    for is_file in [false, true] {
        let home = bulky(is_file);
        let kept = Kept::of(&home, is_file);
        let all = titles(&home.json(&["list"]).1);
        let rest: BTreeSet<String> = all.iter().filter(|title| !title.contains("Bulk")).cloned().collect();
        let (mut before, mut after, mut round) = (0, 0, 0);
        rooms(|room| {
            kept.restore(&home);
            let _ = fs::remove_file(ballast(&home));
            // Also the journal has to be made anew: its zeros would be room enough for all that comes.
            let _ = fs::remove_file(home.vault().with_extension("db-journal"));
            let run = on_disk(&home, room, CHOSEN);
            if run.code == Some(0) {
                assert_eq!((titles(&home.json(&["list"]).1), receipts(&home).len()), (rest.clone(), 1), "with {room}");
                return true;
            }
            if run.code == Some(3) {
                // All but the copy beside the anchor is done.
                assert_eq!((titles(&home.json(&["list"]).1), receipts(&home).len()), (rest.clone(), 1), "with {room}");
                return false;
            }
            assert_eq!(run.code, Some(17), "with {room}: {}", run.stderr);
            assert!(!run.text().contains("receipt: "), "with {room}: {}", run.text());
            assert!(!home.vault().with_extension("db.receipts").exists(), "with {room}: a receipt of what is not done");
            round += 1;
            if round % 2 == 0 {
                // The disk is as full as before, and now there is a ballast.
                fs::write(ballast(&home), vec![0; 8 << 20]).expect("written");
                let resumed = on_disk(&home, 0, &["status"]).expect(0);
                assert!(!resumed.stderr.contains("is not finished"), "with {room}: {}", resumed.stderr);
            }
            let (code, document) = home.json(&["list"]);
            assert_eq!(code, 0, "with {room}: {document}");
            match titles(&document) == all {
                true => {
                    assert_eq!(receipts(&home).len(), 0, "with {room}: a receipt and nothing erased");
                    before += 1;
                }
                false => {
                    assert_eq!((titles(&document), receipts(&home).len()), (rest.clone(), 1), "with {room}");
                    home.run(["receipt", "verify", &receipts(&home)[0]]).expect(0);
                    after += 1;
                }
            }
            assert_eq!(home.json(&["check"]).0, 0, "with {room}");
            false
        });
        assert!(before > 0 && after > 0, "{before} before the intent, {after} after");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn other_commands_on_a_full_disk_change_nothing_and_say_so() {
    for is_file in [false, true] {
        let home = vault(is_file);
        let kept = Kept::of(&home, is_file);
        let text = fs::read_to_string(SAMPLE).expect("the sample");
        let newer = home.input("again.json", text.replace("Bread for the supply boat", "Bread once more"));
        let moved = format!("file:{}", home.path("moved").display());
        let before = titles(&home.json(&["list"]).1);
        for words in [&["import", &newer][..], &["anchor", "move", &moved, "--yes"]] {
            rooms(|room| {
                kept.restore(&home);
                let run = on_disk(&home, room, words);
                // With a file anchor the change can be stored and the copy beside the anchor not renewed.
                assert!(matches!(run.code, Some(0 | 3 | 17)), "{words:?} with {room}: {:?} {}", run.code, run.stderr);
                if run.code == Some(17) {
                    assert_eq!(titles(&home.json(&["list"]).1), before, "{words:?} with {room}");
                }
                assert!(ballast(&home).exists(), "{words:?} with {room}: the ballast is for erasures");
                assert_eq!(home.json(&["check"]).0, 0, "{words:?} with {room}");
                run.code == Some(0)
            });
        }
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_vault_that_does_not_fit_is_not_made() {
    let home = Home::new();
    let anchor = home.path("anchor");
    let place = format!("file:{}", anchor.display());
    rooms(|room| {
        let run = on_disk(&home, room, &["init", "--unlock-cost", "minimum", "--anchor", &place]);
        assert_eq!(
            (run.code == Some(0), run.code == Some(17)),
            (anchor.exists(), !home.vault().exists()),
            "{}",
            run.stderr
        );
        run.code == Some(0)
    });
    let home = Home::new();
    let words = ["init", "--unlock-cost", "minimum"];
    let made = on_disk(&home, 20 << 10, &words);
    assert_eq!(made.code, Some(17), "{}", made.stderr);
    assert!(!home.vault().exists() && !ballast(&home).exists());
    // Without room for the ballast the vault is made, and the next command makes the ballast.
    on_disk(&home, 1 << 20, &words).expect(0);
    assert!(!ballast(&home).exists());
    home.run(["status"]).expect(0);
    let bytes = fs::read(ballast(&home)).expect("made");
    assert!(!bytes.is_empty() && bytes.iter().all(|byte| *byte == 0));
    assert_eq!(crate::home::mode(&ballast(&home)), 0o600);
    home.run(["destroy-vault", "--yes-destroy", "vault.db"]).expect(0);
    assert!(!ballast(&home).exists());
    assert_eq!(home.json(&["list"]).1["error"]["code"], json!(10));
}
