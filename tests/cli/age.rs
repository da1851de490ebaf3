//! Encrypted exports: out to recipients or under a passphrase, in again as they were, and nothing of a damaged one.
//!
//! That the other programs of this format open what is written here, and the reverse, is `scripts/interop`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::json;

use crate::home::{Home, contains, mode, unsigned};

const IDENTITY: &str = "AGE-SECRET-KEY-12U454WVMTYXD7SSXYMZQF9ZSN82QV89CJC2VLKA8TN4H9K6P884SW03PZJ";
const RECIPIENT: &str = "age1822y98t5gwmhumv92qraydcy0sa26nv269gmxqg5jw468sx9fyzq83nrsn";
const STRANGER: &str = "AGE-SECRET-KEY-1VYJVLSNRUPGH8VN8FKVKNUHWUP2ZRG2NWEVAHHF3XDUZWAA7LJGS8ZS9QF";

fn out(home: &Home, name: &str) -> String {
    home.path("out").join(name).to_str().expect("text").to_owned()
}

#[test]
fn what_is_encrypted_comes_back_as_it_was_and_shows_nothing_before() {
    let home = Home::with_sample();
    let identity = home.secret("identity", &format!("# created: long ago\n{IDENTITY}"));
    let passphrase = home.secret("passphrase", "an arm of haar");
    let plain = out(&home, "plain.jsonl");
    home.run(["export", "source:chatgpt", "--format", "jsonl", "--plaintext", "-o", &plain]).expect(0);
    for (how, opens) in [
        (["--to", RECIPIENT, "--format", "jsonl"], ["--identity", identity.as_str()]),
        (["--passphrase-file", &passphrase, "--format", "jsonl"], ["--passphrase-file", passphrase.as_str()]),
    ] {
        let path = out(&home, "sealed.jsonl.age");
        let words = ["export", "source:chatgpt", "-o", &path, "--force"];
        let run = home.run(words.iter().chain(&how)).expect(0);
        assert!(run.text().contains("age, "), "{}", run.text());
        assert_eq!(mode(Path::new(&path)), 0o600);
        let bytes = fs::read(&path).expect("written");
        assert!(bytes.starts_with(b"age-encryption.org/v1\n") && !contains(&bytes, b"convault"));
        // Without what opens it, it is told what would; with that, it verifies and comes in.
        for command in ["verify", "import"] {
            let run = home.run([command, &path]).expect(2);
            assert!(
                run.stderr.contains(if how[0] == "--to" { "--identity FILE" } else { "--passphrase asks" }),
                "{}",
                run.stderr
            );
        }
        home.finish(home.bare(["verify", &path].iter().chain(&opens))).expect(0);
        let other = Home::with_vault();
        let (code, report) = other.json(&[&["import", &path][..], &opens].concat());
        assert_eq!((code, &report["conversations"]["new"], &report["problems"]), (0, &json!(4), &json!([])));
        let again = out(&other, "again.jsonl");
        other.run(["export", "source:chatgpt", "--format", "jsonl", "--plaintext", "-o", &again]).expect(0);
        assert!(unsigned(&fs::read(&plain).expect("read")) == unsigned(&fs::read(&again).expect("read")));
        assert!(other.files().iter().all(|file| !contains(&fs::read(file).expect("read"), b"supply boat")));
    }
    let (_, copies) = home.json(&["copies", "list"]);
    let said: Vec<&str> =
        copies["copies"].as_array().expect("a list").iter().filter_map(|one| one["protection"].as_str()).collect();
    assert_eq!(said, ["plaintext", "age, 1 recipient", "age, passphrase"]);
}

#[test]
fn a_page_that_opens_itself_is_checked_with_its_passphrase() {
    let home = Home::with_sample();
    // As it is typed on one machine, and as a browser makes it of what is typed on another.
    let decomposed = home.secret("decomposed", "caf\u{65}\u{301}");
    let composed = home.secret("composed", "caf\u{e9}");
    let path = out(&home, "page.html");
    let words = ["export", "title:bread", "--format", "html", "--passphrase-file", &decomposed, "-o", &path];
    home.run(words).expect(0);
    let bytes = fs::read(&path).expect("written");
    assert!(!contains(&bytes, b"supply boat") && !contains(&bytes, b"Bread"));
    let run = home.finish(home.bare(["verify", &path, "--passphrase-file", &composed])).expect(0);
    assert!(run.text().contains("format html"), "{}", run.text());
    let wrong = home.secret("wrong", "cafe");
    let run = home.finish(home.bare(["verify", &path, "--passphrase-file", &wrong])).expect(12);
    assert!(run.stderr.contains("wrong passphrase of the page"), "{}", run.stderr);
    home.finish(home.bare(["verify", &path])).expect(2);
    let mut changed = bytes.clone();
    let at = changed.len() - 200;
    changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
    fs::write(&path, changed).expect("written");
    home.finish(home.bare(["verify", &path, "--passphrase-file", &composed])).expect(15);
}

#[test]
fn nothing_of_a_damaged_file_or_of_somebody_elses_comes_in() {
    let home = Home::with_sample();
    let identity = home.secret("identity", IDENTITY);
    let stranger = home.secret("stranger", STRANGER);
    let path = out(&home, "a.jsonl.age");
    home.run(["export", "source:chatgpt", "--format", "jsonl", "--to", RECIPIENT, "-o", &path]).expect(0);
    let good = fs::read(&path).expect("written");
    let other = Home::with_vault();
    let import = |bytes: &[u8], identity: &str| {
        let input = other.input("in.jsonl.age", bytes);
        other.run(["import", &input, "--identity", identity])
    };
    let run = import(&good, &stranger);
    assert!(run.code == Some(12) && run.stderr.contains("no identity that was given opens"), "{run:?}");
    let header = good.windows(4).position(|window| window == b"--- ").expect("a header");
    let mut places = vec![header - 20, header + 10];
    places.extend((header + 70..good.len()).step_by((good.len() - header) / 12));
    places.push(good.len() - 1);
    for at in places {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        let run = import(&bytes, &identity);
        assert!(matches!(run.code, Some(1 | 12 | 15)), "at {at}: {run:?}");
        assert!(run.stderr.contains("age file") || run.stderr.contains("identity"), "at {at}: {}", run.stderr);
    }
    for length in [0, 10, header, header + 60, good.len() - 17, good.len() - 1] {
        let run = import(&good[..length], &identity);
        assert_ne!(run.code, Some(0), "{length} bytes");
    }
    let (_, list) = other.json(&["list"]);
    assert_eq!(list["total"], 0, "nothing came in");
    other.run(["check"]).expect(0);

    // Secret files are read under the rules of passwords.
    fs::set_permissions(&identity, fs::Permissions::from_mode(0o644)).expect("allowed");
    let run = import(&good, &identity);
    assert!(run.stderr.contains("others may read or change"), "{}", run.stderr);
    // What is no identity is named by its line, and not repeated.
    let none = home.secret("none", &format!("# a comment\n{RECIPIENT}"));
    let run = import(&good, &none);
    assert!(run.stderr.contains("line 2 is a recipient") && !run.stderr.contains(RECIPIENT), "{}", run.stderr);
    import(&good, &stranger).expect(12);
    fs::set_permissions(&identity, fs::Permissions::from_mode(0o600)).expect("allowed");
    import(&good, &identity).expect(0);
}
