//! Chats that never end as a person meets them: one line in a list, kept and destroyed month by month.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::home::{Home, Run, unsigned};
use crate::later::{Later, document};

const DAY: i64 = 24 * 3600;

/// How many months the chat has, the one before this month the last.
const MONTHS: i64 = 30;

/// A month as year · 12 + month − 1, by a calendar of its own.
fn this_month() -> i64 {
    let days = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs() as i64 / 86_400;
    // Days since 1 March of year 0, in eras of 400 years.
    let shifted = days + 719_468;
    let (era, day) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let in_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * in_year + 2) / 153;
    (era * 400 + year) * 12 + month + 2
}

fn word(month: i64) -> String {
    format!("{:04}-{:02}", month / 12, month % 12 + 1)
}

/// A vault with a group chat, a clock that can be set ahead, and a janitor.
struct Chat {
    later: Later,
    janitor: String,
    file: String,
    /// Its months, ascending.
    months: Vec<i64>,
}

impl Chat {
    fn new() -> Self {
        let home = Home::with_vault();
        let janitor = home.path("janitor.key").to_str().expect("text").to_owned();
        home.run(["credential", "add", "janitor", "--key-file", &janitor]).expect(0);
        let months: Vec<i64> = (this_month() - MONTHS..this_month()).collect();
        let file = home.input("chat.jsonl", Self::line(&months));
        home.run(["import", &file]).expect(0);
        Self { later: Later::on(home), janitor, file, months }
    }

    /// Two messages each month, the second an answer to the first, the first to the last of the month before.
    fn line(months: &[i64]) -> String {
        let message = |(at, month): (usize, &i64)| {
            let (word, parent) = (word(*month), (at * 2).checked_sub(1));
            [
                json!({ "id": format!("{word}-a"), "author": 0, "time": format!("{word}-05T10:00:00+02:00"),
                    "text": format!("asked in {word}"), "parent": parent }),
                json!({ "id": format!("{word}-b"), "author": 1, "time": format!("{word}-06T10:00:00+02:00"),
                    "text": format!("answered in {word}"), "parent": at * 2 }),
            ]
        };
        let messages: Vec<Value> = months.iter().enumerate().flat_map(message).collect();
        let participants = [json!({ "name": "Ann" }), json!({ "name": "Ben" })];
        let line = json!({ "schema": "convault.conversation/1", "source": "my-messenger", "native_id": "g",
            "title": "Boat crew", "kind": "group", "participants": participants, "messages": messages });
        format!("{line}\n")
    }

    fn at(&self, ahead: i64, words: &[&str]) -> Run {
        self.later.at(ahead, words)
    }

    fn json(&self, ahead: i64, words: &[&str]) -> (i32, Value) {
        self.later.json(ahead, words)
    }

    /// A purge with nobody there, by who reads nothing.
    fn purge(&self, ahead: i64) -> (i32, Value) {
        let words = ["purge", "--yes", "--json", "--credential", &self.janitor];
        document(&self.later.finish(ahead, self.later.home.bare(words)))
    }

    fn delete_after_a_year(&self) {
        let text = "schema = \"convault.policy/1\"\nmax-share = 100\n[default]\ndelete = \"1y\"\n";
        let file = self.later.home.input("policy.toml", text);
        self.at(0, &["policy", "set", &file]).expect(0);
    }

    fn id(&self) -> String {
        self.later.home.id("Boat crew")
    }

    /// The messages that `show` shows, in order.
    fn shown(&self, ahead: i64) -> Vec<String> {
        let (code, shown) = self.json(ahead, &["show", &self.id(), "--all"]);
        assert_eq!(code, 0, "{shown}");
        let messages = shown["messages"].as_array().expect("messages").iter();
        messages.map(|one| format!("{}: {}", one["author"].as_str().unwrap(), one["text"].as_str().unwrap())).collect()
    }

    fn said(months: &[i64]) -> Vec<String> {
        let both = |month: &i64| {
            let word = word(*month);
            [format!("Ann (user): asked in {word}"), format!("Ben (user): answered in {word}")]
        };
        months.iter().flat_map(both).collect()
    }
}

#[test]
fn a_chat_is_one_conversation_in_every_command() {
    let chat = Chat::new();
    let home = &chat.later.home;
    let id = chat.id();
    let again = home.run(["import", &chat.file]).expect(0).text();
    assert!(
        again.contains("0 new, 0 updated, 1 unchanged\n  chats kept month by month: 0 months new, 0 updated, 30 unchanged; without the source's own bytes"),
        "{again}"
    );
    let (_, list) = home.json(&["list"]);
    assert_eq!((&list["total"], &list["conversations"][0]["messages"]), (&json!(1), &json!(60)), "{list}");
    assert_eq!(list["conversations"][0]["created"], format!("{}-05T08:00:00Z", word(chat.months[0])));
    assert_eq!(list["conversations"][0]["last_activity"], format!("{}-06T08:00:00Z", word(chat.months[29])));
    assert_eq!(list["conversations"][0]["participants"], json!(["Ann", "Ben"]));
    assert_eq!(chat.shown(0), Chat::said(&chat.months));
    let (_, shown) = home.json(&["show", &id[..8]]);
    // An answer leads to what it answers, within its month.
    assert_eq!(shown["messages"][1]["parent"], shown["messages"][0]["id"]);
    assert_eq!(shown["messages"][2]["parent"], Value::Null);
    // Words of two months are words of one conversation.
    let words = [word(chat.months[3]), word(chat.months[20])];
    let (_, found) = home.json(&["search", &words[0], &words[1]]);
    assert_eq!((&found["total"], &found["hits"][0]["matches"]), (&json!(1), &json!(4)), "{found}");
    let (_, status) = home.json(&["status"]);
    assert_eq!((&status["conversations"], &status["messages"]), (&json!(1), &json!(60)));
    let (_, tagged) = home.json(&["tag", &format!("id:{id}"), "--add", "work"]);
    assert_eq!((&tagged["matched"], &tagged["changed"]), (&json!(1), &json!(1)));
    assert_eq!(home.json(&["list", "tag:work"]).1["conversations"][0]["messages"], 60);
    let (_, said) = home.json(&["explain", &id]);
    assert_eq!((said["months"].as_array().map(Vec::len), &said["state"]), (Some(30), &json!("kept")));
    assert_eq!(said["months"][0]["month"], word(chat.months[0]));

    // Out as one line, and in elsewhere as the same chat. There are no source bytes to give out.
    let out = home.path("out/chat.jsonl");
    let out = out.to_str().expect("text");
    home.run(["export", &id, "--format", "jsonl", "--plaintext", "-o", out]).expect(0);
    let run = home.run(["export", &id, "--format", "original", "--plaintext", "-o", "x"]).expect(1);
    assert!(run.stderr.contains("month by month") && run.stderr.contains("--format jsonl"), "{}", run.stderr);
    assert_eq!(fs::read_to_string(out).expect("text").lines().count(), 3, "the chat, its proof, the manifest");
    let other = Home::with_vault();
    other.run(["import", out]).expect(0);
    let out_again = home.path("out/again.jsonl");
    let out_again = out_again.to_str().expect("text");
    other.run(["export", &other.id("Boat crew"), "--format", "jsonl", "--plaintext", "-o", out_again]).expect(0);
    assert_eq!(unsigned(&fs::read(out).expect("read")), unsigned(&fs::read(out_again).expect("read")));

    let (code, erased) = home.json(&["erase", &format!("id:{id}"), "--yes"]);
    assert_eq!((code, &erased["destroyed"], erased["segments"].as_array().map(Vec::len)), (0, &json!(1), Some(30)));
    let (_, back) = home.json(&["import", &chat.file]);
    assert_eq!((&back["conversations"]["destroyed"], &back["months"]["destroyed"]), (&json!(1), &json!(30)));
    assert_eq!(home.json(&["list"]).1["total"], 0);
    home.run(["check"]).expect(0);
}

#[test]
#[cfg(target_os = "linux")]
fn months_that_are_over_are_destroyed_and_the_others_shown_in_full() {
    let chat = Chat::new();
    chat.delete_after_a_year();
    let id = chat.id();
    // In force, and the grace over: what was written more than a year and a week ago goes.
    let later = 12 * DAY;
    let (_, plan) = chat.json(later, &["purge", "--dry-run"]);
    let ripe: Vec<String> =
        plan["conversations"].as_array().expect("a list").iter().map(|one| one["month"].to_string()).collect();
    let over = ripe.len();
    assert!((16..=19).contains(&over), "{plan}");
    let expected: Vec<String> = chat.months[..over].iter().map(|month| format!("\"{}\"", word(*month))).collect();
    assert_eq!(ripe, expected);
    // Due is not read, and the rest is; also before anything is destroyed.
    let served = chat.shown(later);
    assert!(served.len() <= 2 * (30 - over) && served.len() >= 2 * (30 - over - 1));
    let run = chat.at(later, &["show", &id]).expect(0);
    assert!(run.stderr.contains("due and not read any more"), "{}", run.stderr);
    let first = word(chat.months[0]);
    assert_eq!(chat.json(later, &["search", &first]).1["total"], 0);
    let (_, said) = chat.json(later, &["explain", &id]);
    let states: Vec<&str> =
        said["months"].as_array().expect("months").iter().map(|one| one["state"].as_str().expect("a word")).collect();
    assert_eq!((states[0], states[29]), ("due", "live"));

    let (code, done) = chat.purge(later);
    assert_eq!((code, &done["destroyed"]), (0, &json!(1)), "{done}");
    assert_eq!(done["segments"].as_array().map(Vec::len), Some(over), "{done}");
    let file = done["receipt"].as_str().expect("a path");
    let receipt: Value = serde_json::from_slice(&fs::read(file).expect("read")).expect("JSON");
    assert_eq!(receipt["reason"], "policy");
    chat.later.home.run(["receipt", "verify", file]).expect(0);
    assert_eq!(chat.shown(later), served);
    assert!(served.iter().eq(&Chat::said(&chat.months)[60 - served.len()..]));

    // Nothing comes back, nothing changes, and what is new comes in.
    let before = chat.json(later, &["list"]).1;
    let (_, again) = chat.json(later, &["import", &chat.file]);
    assert_eq!(
        again["months"],
        json!({ "new": 0, "updated": 0, "unchanged": 30 - over, "destroyed": over }),
        "{again}"
    );
    assert_eq!(chat.json(later, &["list"]).1, before);
    let longer: Vec<i64> = chat.months.iter().copied().chain([this_month()]).collect();
    let file = chat.later.home.input("longer.jsonl", Chat::line(&longer));
    let (_, more) = chat.json(later, &["import", &file]);
    assert_eq!((&more["months"]["new"], &more["months"]["destroyed"]), (&json!(1), &json!(over)), "{more}");
    assert_eq!(chat.json(later, &["list"]).1["total"], 1);
    assert_eq!(chat.shown(later).len(), served.len() + 2);
    assert_eq!(chat.json(later, &["check"]).0, 0);
}

#[test]
#[cfg(target_os = "linux")]
fn a_hold_keeps_every_month_and_a_restored_chat_comes_back_whole() {
    let chat = Chat::new();
    chat.delete_after_a_year();
    let (_, held) = chat.json(0, &["hold", "place", "--reason", "case 12", "with:Ben", "title:boat"]);
    assert_eq!(held["held"], 1);
    let later = 12 * DAY;
    assert_eq!(chat.shown(later), Chat::said(&chat.months));
    let (code, done) = chat.purge(later);
    assert_eq!((code, &done["destroyed"]), (0, &json!(0)), "{done}");
    assert_eq!(chat.at(later, &["erase", &format!("id:{}", chat.id()), "--yes"]).code, Some(14));
    // A month that comes later is held too, although Ben wrote nothing in it.
    let line = Chat::line(&[chat.months.clone(), vec![this_month()]].concat()).replace(
        &format!("\"author\":1,\"id\":\"{}-b\"", word(this_month())),
        &format!("\"author\":0,\"id\":\"{}-b\"", word(this_month())),
    );
    let file = chat.later.home.input("longer.jsonl", line);
    chat.at(later, &["import", &file]).expect(0);
    let (_, said) = chat.json(later, &["explain", &chat.id()]);
    let months = said["months"].as_array().expect("months");
    assert!(months.len() == 31 && months.iter().all(|one| one["state"] == "held"), "{said}");

    chat.at(later, &["hold", "release", held["id"].as_str().expect("an id")]).expect(0);
    assert!(chat.shown(later).len() < 60);
    chat.at(later, &["restore", &chat.id()]).expect(0);
    assert_eq!(chat.shown(later).len(), 62);
    assert_eq!(chat.json(later, &["check"]).0, 0);
}

#[test]
#[cfg(target_os = "linux")]
fn a_deposited_chat_is_cut_when_an_owner_comes_and_brings_nothing_back() {
    let chat = Chat::new();
    chat.delete_after_a_year();
    let key = chat.later.home.path("depositor.key").to_str().expect("text").to_owned();
    chat.at(0, &["credential", "add", "depositor", "--key-file", &key]).expect(0);
    let deposit = |ahead: i64, file: &str| {
        chat.later.finish(ahead, chat.later.home.bare(["import", file, "--credential", &key])).expect(0)
    };
    let longer: Vec<i64> = chat.months.iter().copied().chain([this_month()]).collect();
    let file = chat.later.home.input("longer.jsonl", Chat::line(&longer));
    deposit(0, &file);
    let (_, list) = chat.json(0, &["list"]);
    assert_eq!((&list["total"], &list["conversations"][0]["messages"]), (&json!(1), &json!(62)), "{list}");
    // What was deposited held every month: its keys go with the first that is destroyed.
    let later = 12 * DAY;
    let (_, done) = chat.purge(later);
    let superseded = done["segments"].as_array().expect("segments").iter().filter(|one| one["superseded"] == true);
    assert!(superseded.count() >= 1, "{done}");
    let shown = chat.shown(later);
    deposit(later, &file);
    let run = chat.at(later, &["list"]).expect(0);
    assert!(run.stderr.contains("erased before: erased again"), "{}", run.stderr);
    assert_eq!(chat.shown(later), shown);
    assert_eq!(chat.json(later, &["list"]).1["total"], 1);
    assert_eq!(chat.json(later, &["check"]).0, 0);
}

#[test]
fn files_go_with_the_months_that_show_them() {
    let home = Home::with_vault();
    let line = |with_bytes: bool, last: bool| {
        let mut messages = vec![
            json!({ "id": "1", "time": "2026-01-05T10:00:00Z", "parts": [{ "kind": "attachment", "attachment": 1, "text": "" }] }),
            json!({ "id": "2", "time": "2026-02-05T10:00:00Z", "parts": [{ "kind": "attachment", "attachment": 1, "text": "" },
                { "kind": "attachment", "attachment": 0, "text": "" }] }),
        ];
        if last {
            messages.push(json!({ "id": "3", "time": "2026-02-06T10:00:00Z", "text": "more" }));
        }
        let file = |id: &str, size: u32| json!({ "id": id, "name": id, "size": size, "data": with_bytes });
        let line = json!({ "schema": "convault.conversation/1", "native_id": "d", "title": "Two", "kind": "direct",
            "messages": messages, "attachments": [file("one", 3), file("two", 6)] });
        let piece = |index: u32, data: &str| json!({ "schema": "convault.piece/1", "of": "attachment", "index": index, "piece": 0, "data": data });
        match with_bytes {
            true => format!("{line}\n{}\n{}\n", piece(0, "b25l"), piece(1, "dHdvdHdv")),
            false => format!("{line}\n"),
        }
    };
    let months = |words: &[&str]| {
        let (code, said) = home.json(words);
        assert_eq!(code, 0, "{said}");
        (said["months"].clone(), said["attachments"].clone())
    };
    let of = |new: u64, updated: u64, unchanged: u64| json!({ "new": new, "updated": updated, "unchanged": unchanged, "destroyed": 0 });
    let bare = home.input("bare.jsonl", line(false, false));
    assert_eq!(months(&["import", &bare]), (of(2, 0, 0), json!(0)));
    // Bytes that come later find their place in each month, and stay when a later export has none.
    let full = home.input("full.jsonl", line(true, false));
    assert_eq!(months(&["import", &full]), (of(0, 2, 0), json!(3)));
    assert_eq!(months(&["import", &full]), (of(0, 0, 2), json!(0)));
    let grown = home.input("grown.jsonl", line(false, true));
    assert_eq!(months(&["import", &grown]), (of(0, 1, 1), json!(0)));
    let id = home.id("Two");
    let export = |home: &Home, id: &str, name: &str| {
        let out = home.path("out").join(name).to_str().expect("text").to_owned();
        home.run(["export", id, "--format", "jsonl", "--plaintext", "-o", &out]).expect(0);
        (fs::read_to_string(&out).expect("read"), out)
    };
    let (text, out) = export(&home, &id, "one.jsonl");
    assert_eq!(text.matches("dHdvdHdv").count(), 2, "{text}");
    assert_eq!(text.matches("b25l").count(), 1, "{text}");
    let other = Home::with_vault();
    other.run(["import", &out]).expect(0);
    assert_eq!(unsigned(export(&other, &other.id("Two"), "two.jsonl").0.as_bytes()), unsigned(text.as_bytes()));
    home.run(["check"]).expect(0);
}
