//! Handing out: every form verifies, a changed one does not, excerpts show what they show, and it is known where it went.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::exports::{conversation, conversation_of, export};
use crate::home::{Home, Run, contains, mode, unsigned};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/fixtures");

/// A path below the outputs of a test, as text.
fn out(home: &Home, name: &str) -> String {
    home.path("out").join(name).to_str().expect("text").to_owned()
}

/// Exports in plaintext; the path.
fn exported(home: &Home, name: &str, words: &[&str]) -> String {
    let path = out(home, name);
    home.run(["export"].iter().chain(words).chain(&["--plaintext", "-o", &path])).expect(0);
    path
}

/// Checks an export where there is no vault and no password.
fn verify(home: &Home, path: &str) -> Run {
    home.finish(home.bare(["verify", path, "--json", "--no-input"]))
}

fn verified(home: &Home, path: &str) -> Value {
    serde_json::from_slice(&verify(home, path).expect(0).stdout).expect("JSON")
}

#[test]
fn every_form_verifies_anywhere_and_no_changed_byte_does() {
    let home = Home::with_sample();
    let id = home.id("Bread for the supply boat");
    let forms = [
        exported(&home, "a.jsonl", &["source:chatgpt", "--format", "jsonl"]),
        exported(&home, "a.html", &["source:chatgpt", "--format", "html"]),
        exported(&home, "a.md", &["source:chatgpt", "--format", "md"]),
        exported(&home, "a.zip", &["source:chatgpt", "--format", "original"]),
        exported(&home, "one.json", &[&id, "--format", "original"]),
    ];
    let other = Home::new();
    for path in &forms {
        let shown = verified(&other, path);
        assert_eq!((&shown["holds"], &shown["signer_role"]), (&json!(true), &json!("owner")), "{path}");
        let count = if path.ends_with("one.json") { 1 } else { 4 };
        assert_eq!(shown["conversations"].as_array().map(Vec::len), Some(count), "{path}");
        assert_eq!(mode(Path::new(path)), 0o600);
        let bytes = fs::read(path).expect("written");
        let mut refused = 0;
        for at in (0..bytes.len()).step_by(bytes.len() / 40 + 1).chain([0, bytes.len() - 1]) {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            fs::write(path, &changed).expect("written");
            let run = verify(&other, path);
            // A zip has bytes that say nothing: times, and sizes that stand twice.
            let may_hold = path.ends_with(".zip") && run.code == Some(0);
            assert!(may_hold || run.code == Some(15) || run.code == Some(1), "{path} at {at}: {run:?}");
            refused += u32::from(run.code != Some(0));
        }
        assert!(refused >= 30, "{path}: {refused}");
        // Less of it, and more.
        for changed in [&bytes[..bytes.len() - 1], &[&bytes[..], b"\n"].concat()[..], &bytes[..bytes.len() / 2], b""] {
            if path.ends_with(".zip") && changed.len() > bytes.len() {
                continue;
            }
            fs::write(path, changed).expect("written");
            assert_ne!(verify(&other, path).code, Some(0), "{path} of {} bytes", changed.len());
        }
        fs::write(path, &bytes).expect("written");
        verify(&other, path).expect(0);
    }
    // Without its manifest an original is a file like any other.
    fs::remove_file(format!("{}.manifest", forms[4])).expect("it was there");
    let run = verify(&other, &forms[4]).expect(15);
    assert!(run.stderr.contains("has no manifest") && run.stderr.contains("FILE.manifest"), "{}", run.stderr);
}

#[test]
fn who_signed_is_compared_with_what_is_known() {
    let home = Home::with_sample();
    let path = exported(&home, "a.jsonl", &["title:bread", "--format", "jsonl"]);
    let owner = verified(&home, &path)["owner"].as_str().expect("a key").to_owned();
    home.finish(home.bare(["verify", &path, "--owner", &owner])).expect(0);
    let run = home.finish(home.bare(["verify", &path, "--owner", &owner.replace(&owner[..4], "0000")])).expect(15);
    assert!(run.stderr.contains("its owner key is another one"), "{}", run.stderr);
    let vault = home.vault();
    let vault = vault.to_str().expect("text");
    let run = home.finish(home.bare(["--vault", vault, "verify", &path])).expect(0);
    assert!(run.text().contains("the owner is the one that was named"), "{}", run.text());
    let stranger = Home::with_vault();
    let theirs = stranger.vault();
    let run = home.finish(home.bare(["--vault", theirs.to_str().expect("text"), "verify", &path])).expect(15);
    assert!(run.stderr.contains("another vault"), "{}", run.stderr);
    // A reader signs as what it is.
    let key = out(&home, "reader.key");
    home.run(["credential", "add", "reader", "--key-file", &key]).expect(0);
    let path = out(&home, "r.jsonl");
    let words = ["export", "title:bread", "--format", "jsonl", "--plaintext", "-o", &path, "--credential", &key];
    home.finish(home.bare(words)).expect(0);
    assert_eq!(verified(&home, &path)["signer_role"], "reader");
}

/// Lines of an export as JSON, which may be put together again as they were.
fn lines(path: &str) -> Vec<String> {
    fs::read_to_string(path).expect("text").lines().map(str::to_owned).collect()
}

fn write(path: &str, lines: &[String]) {
    fs::write(path, lines.join("\n") + "\n").expect("written");
}

/// A vault with one conversation of ten messages, the fifth of which is nobody else's business.
fn ten() -> (Home, String) {
    let home = Home::with_vault();
    let texts: Vec<String> =
        (1..=10).map(|n| if n == 5 { "the safe is 4711".to_owned() } else { format!("word{n}") }).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let input = home.input("ten.json", export(&[conversation("t", "Ten", &texts)]));
    home.run(["import", &input, "--tag", "privateword"]).expect(0);
    let id = home.id("Ten");
    (home, id)
}

#[test]
fn an_excerpt_shows_what_it_shows_and_nothing_of_the_rest() {
    let (home, id) = ten();
    // The first message stands behind the empty root of the tree, if there is one: numbers are those of `show`.
    let shown = home.run(["show", &id, "--numbers", "--all"]).expect(0).text();
    let number = |word: &str| {
        let at = shown.find(&format!("\n{word}\n")).unwrap_or_else(|| panic!("{word} in {shown}"));
        let heading = shown[..at].rsplit("── ").next().expect("a heading");
        heading.split(' ').next().expect("a number").parse::<usize>().expect("a number")
    };
    let (second, fourth, sixth) = (number("word2"), number("word4"), number("word6"));
    let asked = format!("{second}-{fourth},{sixth}");
    let whole = exported(&home, "whole.jsonl", &[&id, "--format", "jsonl"]);
    let part = exported(&home, "part.jsonl", &[&id, "--format", "jsonl", "--messages", &asked]);
    let bytes = fs::read(&part).expect("written");
    for word in ["word2", "word3", "word4", "word6"] {
        assert!(contains(&bytes, word.as_bytes()), "{word}");
    }
    for word in ["4711", "NDcxM", "privateword", "\"word1\"", "word7", "word10", "piece"] {
        assert!(!contains(&bytes, word.as_bytes()), "{word}");
    }
    let root = |path: &str| verified(&home, path)["conversations"][0]["root"].clone();
    let seen = verified(&home, &part);
    assert_eq!(root(&part), root(&whole), "an excerpt and the whole are of one conversation");
    let left_out = seen["conversations"][0]["left_out"].as_array().expect("ranges").clone();
    let covers = |number: usize| {
        left_out.iter().any(|range| {
            let (first, count) = (range[0].as_u64().expect("one"), range[1].as_u64().expect("two"));
            (first..first + count).contains(&(number as u64))
        })
    };
    assert!(covers(number("the safe is 4711")) && !covers(second) && !covers(sixth), "{left_out:?}");
    let told = home.finish(home.bare(["verify", &part])).expect(0).text();
    assert!(told.contains("4 of ") && told.contains("unaltered and in order; left out: "), "{told}");

    // Whoever holds the whole takes the same part out of it, and less out of that.
    let by_holder = out(&home, "holder.jsonl");
    home.finish(home.bare(["excerpt", &whole, "--messages", &asked, "-o", &by_holder, "--plaintext"])).expect(0);
    assert_eq!(root(&by_holder), root(&whole));
    assert_eq!(lines(&by_holder)[..2], lines(&part)[..2], "line and proof are the same, whoever makes them");
    let less = out(&home, "less.jsonl");
    home.finish(home.bare(["excerpt", &by_holder, "--messages", &sixth.to_string(), "-o", &less, "--plaintext"]))
        .expect(0);
    assert_eq!(root(&less), root(&whole));
    assert!(!contains(&fs::read(&less).expect("written"), b"word2"));
    let run = home.finish(home.bare([
        "excerpt",
        &less,
        "--messages",
        &second.to_string(),
        "-o",
        &out(&home, "no"),
        "--plaintext",
    ]));
    assert!(run.code == Some(2) && run.stderr.contains("was left out before"), "{run:?}");
    assert!(!Path::new(&out(&home, "no")).exists());

    // Anything that is moved, added, changed or taken away shows.
    let good = lines(&part);
    let line: Value = serde_json::from_str(&good[0]).expect("JSON");
    let refused = |what: &str, change: &dyn Fn(&str) -> String| {
        let changed = change(&good[0]);
        assert_ne!(changed, good[0], "{what}");
        let path = out(&home, "forged.jsonl");
        write(&path, &[&[changed][..], &good[1..]].concat());
        let run = verify(&home, &path);
        assert_eq!(run.code, Some(15), "{what}: {} {}", run.text(), run.stderr);
    };
    let message = |at: usize| line["messages"][at].to_string();
    let raw = |at: usize| {
        let word = ["word2", "word3", "word4"][at];
        let start = good[0][..good[0].find(word).expect("there")].rfind("{\"id\"").expect("a message");
        let end = start + good[0][start..].find("]}").expect("its end") + 2;
        good[0][start..end].to_owned()
    };
    assert!(message(1).contains("word2"));
    refused("a text", &|line| line.replace("word3", "w0rd3"));
    refused("the title", &|line| line.replace("\"Ten\"", "\"Tem\""));
    refused("the author's role", &|line| line.replace("\"role\":\"assistant\"", "\"role\":\"user\""));
    refused("two swapped", &|line| line.replace(&raw(0), "@").replace(&raw(1), &raw(0)).replace('@', &raw(1)));
    refused("one away", &|line| line.replace(&format!("{},", raw(1)), ""));
    refused("one hidden", &|line| line.replace(&raw(1), "{\"left_out\":1}"));
    refused("one twice", &|line| line.replace(&raw(1), &format!("{0},{0}", raw(1))));
    refused("a gap that is smaller", &|line| line.replacen("{\"left_out\":", "{\"left_out\":1},{\"left_out\":", 1));
    refused("the counts", &|line| line.replace("\"counts\":[", "\"counts\":[1"));
    refused("a tag", &|line| line.replace(",\"participants\"", ",\"tags\":[\"x\"],\"participants\""));
    refused("another field", &|line| line.replace(",\"kind\"", ",\"note\":\"x\",\"kind\""));
    refused("a key twice", &|line| line.replace(",\"kind\"", ",\"title\":\"Ten\",\"kind\""));
}

#[test]
fn conversations_are_those_that_were_signed_in_their_order() {
    let home = Home::with_sample();
    let all = exported(&home, "all.jsonl", &["source:chatgpt", "--format", "jsonl"]);
    let good = lines(&all);
    let blocks: Vec<Vec<String>> = good[..good.len() - 1]
        .split_inclusive(|line| line.contains("convault.proof/1"))
        .map(<[String]>::to_vec)
        .collect();
    assert_eq!(blocks.len(), 4);
    let manifest = good[good.len() - 1].clone();
    let path = out(&home, "forged.jsonl");
    let holds = |blocks: Vec<&Vec<String>>| {
        let all: Vec<String> = blocks.into_iter().flatten().cloned().chain([manifest.clone()]).collect();
        write(&path, &all);
        verify(&home, &path).code == Some(0)
    };
    let [a, b, c, d] = &blocks[..] else { panic!("four") };
    assert!(holds(vec![a, b, c, d]));
    assert!(!holds(vec![b, a, c, d]) && !holds(vec![a, b, c]) && !holds(vec![a, b, c, d, d]) && !holds(vec![]));
    // One of them, taken out by whoever holds the file, and nothing of the others in it.
    let one = out(&home, "one.jsonl");
    home.finish(home.bare(["excerpt", &all, "--conversation", "2", "-o", &one, "--plaintext"])).expect(0);
    let shown = verified(&home, &one);
    assert_eq!((&shown["signed_conversations"], shown["conversations"].as_array().map(Vec::len)), (&json!(4), Some(1)));
    let (_, list) = home.json(&["list"]);
    let titles: Vec<&str> =
        list["conversations"].as_array().expect("a list").iter().filter_map(|one| one["title"].as_str()).collect();
    let text = fs::read_to_string(&one).expect("text");
    assert_eq!(titles.iter().filter(|title| text.contains(*title)).count(), 1);
    let run = home
        .finish(home.bare(["excerpt", &all, "--conversation", "9", "-o", &out(&home, "x"), "--plaintext"]))
        .expect(2);
    assert!(run.stderr.contains("there is no conversation 9: the file has 4"), "{}", run.stderr);
    // Another vault's manifest behind these conversations.
    let other = Home::with_sample();
    let theirs = lines(&exported(&other, "all.jsonl", &["source:chatgpt", "--format", "jsonl"]));
    write(&path, &[&good[..good.len() - 1], &theirs[theirs.len() - 1..]].concat());
    verify(&home, &path).expect(15);
}

#[test]
fn excerpts_come_in_together_and_take_nothing_from_what_is_there() {
    let (home, id) = ten();
    let first = exported(&home, "first.jsonl", &[&id, "--format", "jsonl", "--messages", "2-4"]);
    let later = exported(&home, "later.jsonl", &[&id, "--format", "jsonl", "--messages", "7-9"]);
    let whole = exported(&home, "whole.jsonl", &[&id, "--format", "jsonl"]);
    let counts = |home: &Home, path: &str| {
        let (code, report) = home.json(&["import", path]);
        let counts = &report["conversations"];
        (code, counts["new"].as_u64(), counts["updated"].as_u64(), counts["unchanged"].as_u64())
    };
    // Where the whole is, an excerpt is nothing new, and nothing counts as gone.
    assert_eq!(counts(&home, &first), (0, Some(0), Some(0), Some(1)));
    let other = Home::with_vault();
    assert_eq!(counts(&other, &first), (0, Some(1), Some(0), Some(0)));
    assert_eq!(counts(&other, &later), (0, Some(0), Some(1), Some(0)));
    let (_, shown) = other.json(&["show", &other.id("Ten"), "--all"]);
    let messages = shown["messages"].as_array().expect("a list");
    assert_eq!(messages.len(), 6);
    assert!(messages.iter().all(|message| message["branch"] != "vanished"), "{messages:?}");
    assert_eq!(counts(&other, &whole), (0, Some(0), Some(1), Some(0)));
    let (_, mine) = home.json(&["show", &id, "--all"]);
    let (_, theirs) = other.json(&["show", &other.id("Ten"), "--all"]);
    assert_eq!(mine["messages"], theirs["messages"]);
}

#[test]
fn what_is_due_or_erased_is_in_no_export() {
    let home = Home::with_sample();
    let bread = home.id("Bread for the supply boat");
    home.run(["erase", "title:bread", "--yes"]).expect(0);
    for format in ["jsonl", "html", "md", "original"] {
        let path = exported(&home, &format!("all.{format}"), &["source:chatgpt", "--format", format]);
        let bytes = fs::read(&path).expect("written");
        assert!(!contains(&bytes, b"supply boat") && !contains(&bytes, b"sourdough"), "{format}");
        assert_eq!(verified(&home, &path)["conversations"].as_array().map(Vec::len), Some(3));
    }
    let run = home.run(["export", &bread, "--format", "jsonl", "--plaintext", "-o", &out(&home, "x")]);
    assert!(run.code == Some(1) && !Path::new(&out(&home, "x")).exists(), "{run:?}");
}

#[test]
fn an_export_is_known_and_later_receipts_say_so_without_saying_where() {
    let home = Home::with_sample();
    exported(&home, "secret-place.jsonl", &["title:bread", "--format", "jsonl"]);
    exported(&home, "cat.md", &["title:cat", "--format", "md"]);
    home.run(["copies", "add", "blue stick"]).expect(0);
    home.run(["copies", "add", "Ann", "title:cat", "-title:train"]).expect(0);
    let (_, known) = home.json(&["copies", "list"]);
    let known = known["copies"].as_array().expect("a list");
    let kinds: Vec<(&str, &str)> =
        known.iter().map(|one| (one["kind"].as_str().unwrap_or(""), one["place"].as_str().unwrap_or(""))).collect();
    assert_eq!(kinds.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), ["export", "export", "named", "named"]);
    assert!(kinds[0].1.ends_with("/out/secret-place.jsonl") && kinds[2].1 == "blue stick", "{kinds:?}");
    assert_eq!(known[2]["conversations"], Value::Null);
    let gone = known[0]["id"].as_str().expect("an id").to_owned();

    // What came later is not in a copy of everything.
    let later = home.input("later.json", export(&[conversation("new", "Newcomer", &["x"])]));
    home.run(["import", &later]).expect(0);
    home.run(["audit", "log"]).expect(0);
    let (_, erased) = home.json(&["erase", "title:newcomer", "--yes"]);
    assert_eq!(erased["copies"], json!([]));

    let (_, erased) = home.json(&["erase", "title:bread", "--yes"]);
    let copies: BTreeSet<&str> =
        erased["copies"].as_array().expect("a list").iter().filter_map(|one| one["protection"].as_str()).collect();
    assert_eq!(copies, BTreeSet::from(["plaintext", "unknown"]));
    let receipt = erased["receipt"].as_str().expect("a path");
    let text = fs::read_to_string(receipt).expect("written");
    assert!(text.contains(&gone) && !text.contains("secret-place") && !text.contains("blue stick"), "{text}");
    let run = home.finish(home.bare(["receipt", "verify", receipt])).expect(0);
    assert!(run.text().contains(&format!("{} export of ", &gone[..8])), "{}", run.text());

    // Said to be gone, it is on no later receipt; the new keys of a password change open all of them.
    let cat = known[1]["id"].as_str().expect("an id").to_owned();
    home.run(["copies", "gone", &cat[..8]]).expect(0);
    let new = home.secret("new", "another");
    home.run(["credential", "passwd", "--unlock-cost", "minimum", "--new-password-file", &new]).expect(0);
    home.secret("password", "another");
    assert_eq!(home.json(&["copies", "list"]).1["copies"].as_array().map(Vec::len), Some(3));
    assert_eq!(home.json(&["copies", "list", "--all"]).1["copies"].as_array().map(Vec::len), Some(4));
    let (_, erased) = home.json(&["erase", "title:cat", "--yes"]);
    let ids: Vec<&str> =
        erased["copies"].as_array().expect("a list").iter().filter_map(|one| one["id"].as_str()).collect();
    assert!(ids.len() == 2 && !ids.contains(&cat.as_str()), "{ids:?}");
    home.run(["check"]).expect(0);
    let log = home.run(["audit", "log"]).expect(0).text();
    assert!(log.contains("copy-gone") && log.contains("plaintext"), "{log}");
    assert!(!log.contains("secret-place"), "where a copy is does not stand in the log");
}

#[test]
fn what_is_asked_wrong_is_told_and_changes_nothing() {
    let home = Home::with_sample();
    let id = home.id("Bread for the supply boat");
    let x = out(&home, "x");
    let identity = "AGE-SECRET-KEY-1QQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQ0";
    for (words, code, said) in [
        (&["--format", "jsonl"][..], 2, "it is not said how the export is protected"),
        (&["--format", "jsonl", "--plaintext", "--passphrase"], 2, "cannot be used with"),
        (&["--format", "jsonl", "--to", "age1xyz"], 2, "not an age recipient"),
        (&["--format", "jsonl", "--to", "ssh-ed25519 AAAA"], 2, "keys of SSH are not supported"),
        (&["--format", "jsonl", "--to", identity], 2, "it is secret"),
        (&["--format", "jsonl", "--plaintext", "--messages", "0"], 2, "not a list of messages"),
        (&["--format", "jsonl", "--plaintext", "--messages", "900"], 2, "there is no message 900"),
        (&["--format", "original", "--plaintext", "--messages", "1"], 2, "are whole"),
        (&["--format", "jsonl", "--plaintext", "--earlier", "1"], 2, "--earlier goes with --format original"),
        (&["--format", "jsonl", "--passphrase", "--no-input"], 1, "no passphrase: --no-input forbids asking"),
    ] {
        let run = home.run(["export", &id, "-o", &x].iter().chain(words));
        assert_eq!(run.code, Some(code), "{words:?}: {}", run.stderr);
        assert!(run.stderr.contains(said), "{words:?}: {}", run.stderr);
        assert!(!run.stderr.contains("QQQQ"), "a secret is not repeated: {}", run.stderr);
    }
    let run = home.run(["export", "source:chatgpt", "--format", "md", "--plaintext", "--messages", "1", "-o", &x]);
    assert!(run.code == Some(2) && run.stderr.contains("of one conversation only, and 4 match"), "{run:?}");
    let run = home.run(["export", "title:nothing", "--format", "md", "--plaintext", "-o", &x]);
    assert!(run.code == Some(1) && run.stderr.contains("no conversation matches"), "{run:?}");
    assert_eq!(home.json(&["copies", "list"]).1["copies"], json!([]), "none of these went anywhere");
    assert_eq!(fs::read_dir(home.path("out")).expect("a folder").count(), 0);

    // What would go out is listed, and nothing does.
    let (code, plan) = home.json(&["export", "source:chatgpt", "--format", "html", "--dry-run"]);
    assert_eq!((code, &plan["dry_run"], plan["conversations"].as_array().map(Vec::len)), (0, &json!(true), Some(4)));
    assert_eq!(home.json(&["copies", "list"]).1["copies"], json!([]));

    // What is there stays, a link too, unless it is to be replaced.
    fs::write(&x, "mine").expect("written");
    let link = home.path("out/link");
    std::os::unix::fs::symlink(&x, &link).expect("a link");
    let words = |path: &str| ["export", &id, "--format", "md", "--plaintext", "-o", path].map(str::to_owned);
    for path in [x.as_str(), link.to_str().expect("text")] {
        let run = home.run(words(path));
        assert!(run.code == Some(1) && run.stderr.contains("exists already"), "{run:?}");
    }
    home.run(words(link.to_str().expect("text")).iter().map(String::as_str).chain(["--force"])).expect(0);
    assert_eq!(fs::read(&x).expect("there"), b"mine", "a link is replaced, and not what it leads to");
    assert!(!link.symlink_metadata().expect("there").is_symlink());
    home.run(words(&x).iter().map(String::as_str).chain(["--force"])).expect(0);
    verify(&home, &x).expect(0);
}

#[test]
fn an_output_that_cannot_be_written_leaves_nothing_behind() {
    let home = Home::with_sample();
    for words in
        ["--format jsonl --plaintext", "--format html --passphrase-file PW", "--format md --passphrase-file PW"]
    {
        let script = format!(
            "ulimit -f 4; exec \"$0\" export source:chatgpt {} -o OUT",
            words.replace("PW", home.path("password").to_str().expect("text"))
        );
        let script = script.replace("OUT", &out(&home, "big"));
        let mut command = Command::new("sh");
        command.args(["-c", &script, env!("CARGO_BIN_EXE_convault")]).env_clear();
        command.env("HOME", home.path("home")).env("CONVAULT_PASSWORD_FILE", home.path("password"));
        command.env("CONVAULT_ANCHOR", "").env_remove("CONVAULT_ANCHOR");
        let run = home.finish(command);
        assert_ne!(run.code, Some(0), "{words}: {}", run.stderr);
        assert_eq!(fs::read_dir(home.path("out")).expect("a folder").count(), 0, "{words}: {}", run.stderr);
    }
    home.run(["check"]).expect(0);
}

#[test]
fn an_interrupted_export_ends_as_such() {
    let home = Home::with_vault();
    let long = "a line of a long conversation\n".repeat(400_000);
    let input = home.input("long.json", export(&[conversation("l", "Long", &[&long])]));
    home.run(["import", &input]).expect(0);
    // Nobody reads, so it waits with the rest when it is told to stop.
    let mut command = home.command(["export", "title:long", "--format", "jsonl", "--plaintext"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let mut stdout = child.stdout.take().expect("a pipe");
    stdout.read_exact(&mut [0; 1]).expect("it writes");
    let told = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill");
    assert!(told.success());
    stdout.read_to_end(&mut Vec::new()).expect("read");
    let ended = child.wait_with_output().expect("it ends");
    assert_eq!(ended.status.code(), Some(130));
    assert!(String::from_utf8_lossy(&ended.stderr).contains("interrupted"), "{ended:?}");
}

#[test]
fn files_and_hostile_words_go_out_harmless() {
    let home = Home::with_vault();
    let hostile = "<script>alert(1)</script>\u{202e}\u{1b}[31m\u{9b}31m</template>";
    let text = json!({ "content_type": "text", "parts": [hostile] });
    let mut made = conversation_of("h", hostile, &[text]);
    made["mapping"]["h-0"]["message"]["author"]["name"] = hostile.into();
    let input = home.input("h.json", export(&[made]));
    home.run(["import", &input]).expect(0);
    let acts = |text: &str| {
        text.chars()
            .any(|c| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{80}'..='\u{9f}' | '\u{7f}'))
            || text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t'))
    };
    for format in ["jsonl", "html", "md"] {
        let path = exported(&home, &format!("h.{format}"), &["source:chatgpt", "--format", format]);
        let text = fs::read_to_string(&path).expect("text");
        assert!(!acts(&text), "{format}");
        if format == "html" {
            assert_eq!(text.matches("<script").count(), 1, "our own");
            assert_eq!(text.matches("</template>").count(), 1, "the manifest's");
        }
        let run = home.finish(home.bare(["verify", &path])).expect(0);
        assert!(!acts(&run.text()), "{}", run.text());
    }
    // In JSONL everything is still there.
    let line: Value = serde_json::from_str(&lines(&out(&home, "h.jsonl"))[0]).expect("JSON");
    assert_eq!(line["title"], hostile);
    assert_eq!(line["participants"][0]["name"], hostile);
}

#[test]
fn every_line_fits_the_schema_and_nothing_else_does() {
    let schema: Value = serde_json::from_str(include_str!("../../docs/export.schema.json")).expect("JSON");
    let mut schemas = boon::Schemas::new();
    let mut compiler = boon::Compiler::new();
    compiler.add_resource("https://convault.invalid/export.schema.json", schema).expect("a schema");
    let index = compiler.compile("https://convault.invalid/export.schema.json", &mut schemas).expect("a schema");
    let fits = |line: &Value| schemas.validate(line, index).is_ok();

    let home = Home::with_sample();
    let picture = json!({ "schema": "convault.conversation/1", "native_id": "p", "title": "P", "attachments": [
        { "id": "f", "name": "n.bin", "size": 3, "data": true }, { "name": "absent.bin" }],
        "messages": [{ "role": "user", "text": "t", "parts": [{ "kind": "attachment", "text": "", "attachment": 0 }] }] });
    let piece = json!({ "schema": "convault.piece/1", "of": "attachment", "index": 0, "piece": 0, "data": "AAEC" });
    let input = home.input("p.jsonl", format!("{picture}\n{piece}\n"));
    home.run(["import", &input]).expect(0);
    for name in ["claude-ai", "claude-code", "codex", "sharegpt", "openai-messages"] {
        let path = format!("{FIXTURES}/{name}");
        if Path::new(&path).exists() {
            let run = home.run(["import", &path]);
            assert!(matches!(run.code, Some(0 | 3)), "{name}: {}", run.stderr);
        }
    }
    let all = exported(&home, "all.jsonl", &["imported:today", "--format", "jsonl"]);
    let id = home.id("Bread for the supply boat");
    let part = exported(&home, "part.jsonl", &[&id, "--format", "jsonl", "--messages", "2-3"]);
    verify(&home, &all).expect(0);
    let mut seen = BTreeSet::new();
    for line in lines(&all).iter().chain(&lines(&part)) {
        let value: Value = serde_json::from_str(line).expect("JSON");
        let kind = value["schema"].as_str().expect("a schema").to_owned();
        assert!(fits(&value), "{}", &line[..line.len().min(2000)]);
        // A field more, and one of another kind.
        let mut more = value.clone();
        more["more"] = json!(1);
        assert!(!fits(&more), "{kind}");
        let mut other = value.clone();
        other["schema"] = json!("convault.other/1");
        assert!(!fits(&other), "{kind}");
        seen.insert(kind);
    }
    let names = ["conversation", "manifest", "piece", "proof"].map(|name| format!("convault.{name}/1"));
    assert_eq!(seen, BTreeSet::from(names));
    // And all of it comes back.
    let other = Home::with_vault();
    other.run(["import", &all]).expect(0);
    let again = exported(&other, "again.jsonl", &["imported:today", "--format", "jsonl"]);
    let sorted = |path: &str| {
        let bytes = unsigned(&fs::read(path).expect("read"));
        let mut lines: Vec<Vec<u8>> = bytes.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        lines.sort();
        lines
    };
    assert!(sorted(&all) == sorted(&again), "without loss");
}

#[test]
fn a_commit_that_fails_half_way_is_rolled_back_by_the_next_command() {
    let home = Home::with_vault();
    // Nothing that compresses, so that the vault is larger than the limits.
    let mut state = 1_u64;
    let mut noise = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        format!("{:016x}", state ^ (state >> 29))
    };
    let texts: Vec<String> = (0..3).map(|_| (0..30_000).map(|_| noise()).collect()).collect();
    let talks: Vec<Value> = (0..3).map(|n| conversation(&n.to_string(), &format!("Noise {n}"), &[&texts[n]])).collect();
    home.run(["import", &home.input("noise.json", export(&talks))]).expect(0);
    let size = fs::metadata(home.vault()).expect("a vault").len();
    let mut failed = 0;
    for share in [4, 8, 12, 15] {
        let script =
            format!("ulimit -f {}; exec \"$0\" export title:noise --format jsonl --plaintext", size * share / 16 / 512);
        let mut command = Command::new("sh");
        command.args(["-c", &script, env!("CARGO_BIN_EXE_convault")]).env_clear().stdout(Stdio::null());
        command.env("HOME", home.path("home")).env("CONVAULT_PASSWORD_FILE", home.path("password"));
        failed += u32::from(home.finish(command).code != Some(0));
        home.run(["check"]).expect(0);
        assert_eq!(home.json(&["list"]).1["total"], 3);
    }
    assert!(failed >= 2, "only {failed} commits failed, of which nothing is learnt");
}

#[test]
fn no_export_takes_the_place_of_the_vault_or_of_its_own_input() {
    let home = Home::with_sample();
    let vault = home.vault();
    let words = |path: &str| {
        ["export", "source:chatgpt", "--format", "md", "--plaintext", "--force", "-o", path].map(str::to_owned)
    };
    for ending in ["", ".lock", ".ballast"] {
        let path = format!("{}{ending}", vault.to_str().expect("text"));
        let run = home.run(words(&path));
        assert!(run.code == Some(1) && run.stderr.contains("a file of the vault itself"), "{run:?}");
    }
    home.run(["check"]).expect(0);
    let path = exported(&home, "a.jsonl", &["source:chatgpt", "--format", "jsonl"]);
    let before = fs::read(&path).expect("written");
    home.finish(home.bare(["excerpt", &path, "--plaintext", "--force", "-o", &path])).expect(1);
    assert_eq!(fs::read(&path).expect("there"), before);
    let run = home.finish(home.bare(["excerpt", &path, "-o", &out(&home, "x")])).expect(2);
    assert!(run.stderr.contains("it is not said how the excerpt is protected"), "{}", run.stderr);
}

#[test]
fn what_stands_around_and_beside_is_looked_at_too() {
    let home = Home::with_sample();
    // The shell of a page that opens itself.
    let passphrase = home.secret("passphrase", "an arm of haar");
    let page = out(&home, "page.html");
    home.run(["export", "title:bread", "--format", "html", "--passphrase-file", &passphrase, "-o", &page]).expect(0);
    let good = fs::read_to_string(&page).expect("text");
    let opened = |text: String| {
        fs::write(&page, text).expect("written");
        home.finish(home.bare(["verify", &page, "--passphrase-file", &passphrase]))
    };
    opened(good.clone()).expect(0);
    let run = opened(good.replace("This page is locked", "Type your password")).expect(3);
    assert!(run.stderr.contains("was not checked"), "{}", run.stderr);
    opened(good.replace("</template></body>", "</template><p>more</p></body>")).expect(15);
    opened(format!("{good}<p>more</p>")).expect(15);

    // A zip with a stranger in it, or in another order.
    let zip = exported(&home, "a.zip", &["source:chatgpt", "--format", "original"]);
    let bytes = fs::read(&zip).expect("read");
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(&bytes)).expect("a zip");
    let mut members = Vec::new();
    for at in 0..archive.len() {
        let mut member = archive.by_index(at).expect("a member");
        let mut content = Vec::new();
        member.read_to_end(&mut content).expect("read");
        members.push((member.name().expect("text").to_string(), content));
    }
    let repacked = |members: &[(String, Vec<u8>)]| {
        let members: Vec<(&str, &[u8])> =
            members.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
        fs::write(&zip, crate::exports::zip(&members)).expect("written");
        verify(&home, &zip).code
    };
    assert_eq!(repacked(&members), Some(0));
    for stranger in ["__MACOSX/x", ".DS_Store", "0000-x.json"] {
        let mut more = members.clone();
        more.insert(0, (stranger.to_owned(), b"x".to_vec()));
        assert_eq!(repacked(&more), Some(15), "{stranger}");
    }
    let mut turned = members.clone();
    turned.swap(0, 1);
    assert_eq!(repacked(&turned), Some(15));
    fs::write(&zip, [&bytes[..], b"more"].concat()).expect("written");
    assert_eq!(verify(&home, &zip).code, Some(15));

    // A manifest that is left of another file, and an original that is itself in our own form.
    let path = exported(&home, "s", &["title:bread", "--format", "original"]);
    home.run(["export", "title:bread", "--format", "md", "--plaintext", "--force", "-o", &path]).expect(0);
    verify(&home, &path).expect(0);
    let line = json!({ "schema": "convault.conversation/1", "source": "my", "native_id": "1", "title": "Own",
        "messages": [{ "id": "1", "role": "user", "text": "t" }] });
    home.run(["import", &home.input("own.jsonl", format!("{line}\n"))]).expect(0);
    let path = exported(&home, "own", &["source:my", "--format", "original"]);
    verify(&home, &path).expect(0);

    // What the environment names is one's own vault, and not whose exports may be checked.
    let other = Home::with_vault();
    let mut command = home.bare(["verify", &path]);
    command.env("CONVAULT_VAULT", other.vault());
    home.finish(command).expect(0);
}

#[test]
fn a_small_file_that_claims_much_costs_little() {
    let home = Home::with_sample();
    let path = exported(&home, "a.md", &["title:bread", "--format", "md"]);
    let text = fs::read_to_string(&path).expect("text");
    let entry =
        text.split("\"contents\":[").nth(1).and_then(|rest| rest.split(']').next()).expect("contents").to_owned()
            + "]}";
    let entry = entry.split("},").next().expect("one").trim_end_matches("]}").to_owned();
    let forged = text.replace("\"messages\":8", "\"messages\":4294967296");
    assert_ne!(forged, text, "{entry}");
    fs::write(&path, forged).expect("written");
    verify(&home, &path).expect(15);
    let gap = r#"{"left_out":67108864}"#;
    let bomb = format!(
        "{{\"schema\":\"convault.conversation/1\",\"counts\":[67108864,67108864,67108864,67108864],\"participants\":[{gap}],\"messages\":[{gap}],\"attachments\":[{gap}],\"originals\":[{gap}]}}\n"
    );
    let bomb = home.input("bomb.jsonl", bomb);
    verify(&home, &bomb).expect(15);
    let run = home.run(["import", "--check", &bomb]);
    assert!(matches!(run.code, Some(0 | 1 | 3)), "{run:?}");
}
