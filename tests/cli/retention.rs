//! Policies, holds and purges as a person meets them, on days to come.

use std::fs;

use serde_json::{Value, json};

use crate::home::{Home, Run, SAMPLE};
use crate::later::Later;

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

impl Later {
    fn new() -> Self {
        Self::on(Home::with_sample())
    }

    fn set(&self, ahead: i64, rules: &str) {
        let file = self.home.input("policy.toml", format!("schema = \"convault.policy/1\"\n{rules}"));
        self.at(ahead, &["policy", "set", &file]).expect(0);
    }

    fn states(&self, ahead: i64) -> Vec<(String, String)> {
        let (_, list) = self.json(ahead, &["list"]);
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let all = list["conversations"].as_array().expect("a list").iter();
        all.map(|one| (text(&one["title"]), text(&one["state"]))).collect()
    }
}

fn rule(what: &str, select: &str) -> String {
    format!("[[rule]]\nname = \"{what}\"\n{what}\nselect = \"{select}\"\n").replacen(
        &format!("name = \"{what}\""),
        &format!("name = '{}'", what.replace(['"', ' '], "")),
        1,
    )
}

#[test]
#[cfg(target_os = "linux")]
fn a_conversation_is_due_refused_restored_and_destroyed_in_its_time() {
    let later = Later::new();
    let home = &later.home;
    let bread = home.id("Bread for the supply boat");
    later.set(0, &rule("delete = \"30d\"", "title:bread"));
    // Nothing is destroyed by saving it, and for 72 hours nothing is due by it.
    assert!(later.states(71 * HOUR).iter().all(|(_, state)| state == "live"));
    let (_, said) = later.json(0, &["explain", &bread]);
    assert_eq!(said["state"], "live");
    let explained = later.at(0, &["explain", &bread]).expect(0).text();
    assert!(
        explained.contains("policy version 1:\n  no rule is about it\npolicy version 2, in force from"),
        "{explained}"
    );
    assert_eq!(later.json(0, &["purge", "--dry-run", "--yes"]).1["conversations"], json!([]));
    let (_, ahead) = later.json(0, &["purge", "--dry-run", "--at", "2099-01-01"]);
    assert_eq!(ahead["conversations"][0]["id"], bread.as_str());
    assert_eq!(later.at(0, &["purge", "--at", "2099-01-01"]).code, Some(2));

    // Due: refused at once, everywhere.
    let due = 73 * HOUR;
    assert_eq!(later.states(due).iter().filter(|(title, state)| state == "due" && title == "-").count(), 1);
    let run = later.at(due, &["list"]).expect(0);
    assert!(run.text().contains("(due; destroyed from") && !run.text().contains("Bread"), "{}", run.text());
    for words in [&["show", bread.as_str()][..], &["export", &bread, "--format", "original", "--plaintext", "-o", "x"]]
    {
        let run = later.at(due, words);
        assert_eq!(run.code, Some(1), "{words:?}");
        assert!(run.stderr.contains("is due since") && run.stderr.contains("convault restore"), "{}", run.stderr);
        assert!(!run.stderr.contains("Bread"));
    }
    for query in [&["sourdough"][..], &["sour*"], &["~ourdoug"], &["--regex", "sourdough"], &["--all", "sourdough"]] {
        assert_eq!(later.json(due, &[&["search"], query].concat()).1["total"], 0, "{query:?}");
    }
    // Nor does it count among what is left out.
    let (_, found) = later.json(due, &["search", "the", "--limit", "1", "--context", "5"]);
    assert!(found["total"].as_u64().is_some_and(|total| total <= 3) && !found.to_string().contains("Bread"), "{found}");
    assert_eq!(later.json(due, &["tag", "title:bread", "--add", "x"]).1["changed"], 0);
    assert_eq!(later.json(due, &["purge", "--yes"]).1["destroyed"], 0, "it is in its grace");

    // Back, and due again when that is over.
    later.at(due, &["restore", &bread, "--until", "2020-01-01"]).expect(2);
    later.at(due, &["restore", &bread]).expect(0);
    assert!(later.states(due).iter().all(|(_, state)| state == "live"));
    later.at(due, &["show", &bread]).expect(0);
    let after = due + 30 * DAY;
    assert!(later.states(after - HOUR).iter().all(|(_, state)| state == "live"));
    assert!(later.states(after + HOUR).iter().any(|(_, state)| state == "due"));

    // Destroyed when its grace is over, with a receipt that names the rule by its number.
    assert_eq!(later.json(after + 6 * DAY, &["purge", "--yes"]).1["destroyed"], 0);
    let (code, done) = later.json(after + 8 * DAY, &["purge", "--yes"]);
    assert_eq!((code, &done["destroyed"], &done["class"]), (0, &json!(1), &json!("E1")), "{done}");
    let receipt: Value =
        serde_json::from_slice(&fs::read(done["receipt"].as_str().expect("a path")).expect("read")).expect("JSON");
    assert_eq!((&receipt["reason"], &receipt["rules"]), (&json!("policy"), &json!([1])));
    assert_eq!(receipt["policy"]["version"], 3, "the restoring was a version of its own");
    home.run(["receipt", "verify", done["receipt"].as_str().expect("a path")]).expect(0);
    assert_eq!(later.json(after + 9 * DAY, &["list"]).1["total"], 3);
    assert_eq!(later.json(after + 9 * DAY, &["import", SAMPLE]).1["conversations"]["destroyed"], 1);
    assert_eq!(later.json(after + 9 * DAY, &["check"]).0, 0);
}

#[test]
#[cfg(target_os = "linux")]
fn what_is_held_survives_purge_and_erase_until_every_matter_is_released() {
    let later = Later::new();
    let home = &later.home;
    later.set(0, "[default]\ndelete = \"1d\"\n");
    assert_eq!(later.at(0, &["hold", "place", "--reason", " ", "title:bread"]).code, Some(2));
    let (_, first) = later.json(0, &["hold", "place", "--reason", "case 12", "title:bread"]);
    let (_, second) = later.json(0, &["hold", "place", "--reason", "case 13", "with:Nobody", "source:chatgpt"]);
    let (_, third) = later.json(0, &["hold", "place", "--reason", "case 14", "source:chatgpt", "-title:cat"]);
    assert_eq!((&first["held"], &second["held"], &third["held"]), (&json!(1), &json!(0), &json!(3)));
    let id = |hold: &Value| hold["id"].as_str().expect("an id").to_owned();
    let run = later.at(0, &["erase", "title:bread", "--yes"]);
    assert_eq!(run.code, Some(14), "{}", run.stderr);
    assert!(run.stderr.contains(&id(&first)[..8]) && run.stderr.contains(&id(&third)[..8]), "{}", run.stderr);
    assert_eq!(later.at(0, &["destroy-vault", "--yes-destroy", "vault.db"]).code, Some(14));
    // What is free of them goes, and the rest is named.
    let run = later.at(0, &["erase", "title:cat", "title:~a", "--yes"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let (_, said) = later.json(0, &["explain", &home.id("Bread for the supply boat")]);
    assert_eq!(said["state"], "held");
    // Long after the policy is in force they are there.
    let long = 100 * DAY;
    assert_eq!(later.states(long).len(), 3);
    assert!(later.states(long).iter().all(|(_, state)| state == "live"));
    let (_, list) = later.json(long, &["list", "title:bread"]);
    assert_eq!(list["conversations"][0]["held"], true);
    // Nobody was there for so long, so that nothing is done with nobody there; who looks sees that there is nothing.
    assert_eq!(later.at(long, &["purge", "--yes"]).code, Some(16));
    assert_eq!(later.json(long, &["purge"]).1["destroyed"], 0);

    // Free only when all are released, and then with a whole grace.
    later.at(long, &["hold", "release", &id(&first)[..8]]).expect(0);
    assert_eq!(later.json(long, &["list", "title:bread"]).1["conversations"][0]["held"], true);
    assert_eq!(later.at(long, &["hold", "release", &id(&first)]).code, Some(1));
    later.at(long, &["hold", "release", &id(&third)]).expect(0);
    assert!(later.states(long + HOUR).iter().all(|(_, state)| state == "due"));
    assert_eq!(later.json(long + 6 * DAY, &["purge", "--dry-run"]).1["conversations"], json!([]));
    let (_, plan) = later.json(long + 8 * DAY, &["purge", "--dry-run"]);
    assert_eq!(plan["conversations"].as_array().map(Vec::len), Some(3));
    assert_eq!(later.json(long, &["hold", "list"]).1["holds"].as_array().map(Vec::len), Some(3), "released ones too");
}

#[test]
#[cfg(target_os = "linux")]
fn a_purge_that_nobody_looked_at_stops_at_the_limits_of_the_policy_and_of_the_clock() {
    let later = Later::new();
    later.set(0, "[default]\ndelete = \"1d\"\n");
    let ripe = 11 * DAY;
    later.at(ripe, &["list"]).expect(0);
    let run = later.at(ripe, &["purge", "--yes"]);
    assert_eq!(run.code, Some(16), "{}", run.stderr);
    assert!(run.stderr.contains("it would destroy 4 of 4 segments"), "{}", run.stderr);
    assert_eq!(later.json(ripe, &["list"]).1["total"], 4);
    // What somebody looked at is destroyed, that and nothing else.
    let plan = later.at(ripe, &["purge", "--dry-run", "--json"]).expect(0);
    let mut document: Value = serde_json::from_slice(&plan.stdout).expect("JSON");
    document["conversations"].as_array_mut().expect("a list").truncate(2);
    let file = later.home.input("plan.json", document.to_string());
    let (code, done) = later.json(ripe, &["purge", "--plan", &file, "--yes"]);
    assert_eq!((code, &done["destroyed"]), (0, &json!(2)), "{done}");
    assert_eq!(later.at(ripe, &["purge", "--plan", &later.home.input("no", "{}"), "--yes"]).code, Some(1));

    // A clock that went back, or on further than anybody looked.
    let free = "max-share = 100\n[default]\ndelete = \"1d\"\n";
    later.set(ripe, free);
    for (ahead, why) in [(ripe - DAY, "has seen this vault at"), (ripe + 50 * DAY, "more than 45 days after")] {
        let run = later.at(ahead, &["purge", "--yes"]);
        assert_eq!(run.code, Some(16), "{}", run.stderr);
        assert!(run.stderr.contains(why), "{}", run.stderr);
    }
    let (code, done) = later.json(ripe + 20 * DAY, &["purge", "--yes"]);
    assert_eq!((code, &done["destroyed"]), (0, &json!(2)), "{done}");
}

#[test]
#[cfg(target_os = "linux")]
fn rules_that_read_content_follow_what_comes_and_what_changes() {
    let later = Later::new();
    let home = &later.home;
    later.set(0, &(rule("delete = \"1d\"", "tag:gone") + "[default]\ndelete = \"100y\"\n"));
    let due = 80 * HOUR;
    assert!(later.states(due).iter().all(|(_, state)| state == "live"));
    // A tag that comes, and one that goes.
    later.at(due, &["tag", "title:bread", "title:~boat", "--add", "gone"]).expect(0);
    assert_eq!(later.states(due).iter().filter(|(_, state)| state == "due").count(), 1);
    let bread = later.json(due, &["list"]).1["conversations"]
        .as_array()
        .expect("a list")
        .iter()
        .find(|one| one["state"] == "due")
        .expect("one")["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    later.at(due, &["restore", &bread]).expect(0);
    later.at(due, &["tag", "title:bread", "--remove", "gone"]).expect(0);
    assert!(later.states(due + 40 * DAY).iter().all(|(_, state)| state == "live"));
    // What an import brings is compiled too.
    let text = fs::read_to_string(SAMPLE).expect("the sample");
    let other = home.input("other.json", text.replace("\"id\": \"", "\"id\": \"y").replace("_id\": \"", "_id\": \"y"));
    later.at(due, &["import", &other, "--tag", "gone"]).expect(0);
    let states = later.states(due + HOUR);
    assert!(states.iter().filter(|(_, state)| state == "due").count() >= 3, "{states:?}");
    assert_eq!(later.json(due, &["check"]).0, 0);
}

#[test]
fn policies_are_refused_with_the_place_of_the_mistake_and_kept_in_every_version() {
    let home = Home::with_sample();
    let file = |text: &str| home.input("p.toml", text);
    let refused = |text: &str, words: &[&str]| {
        let path = file(text);
        let run = home.run(words.iter().copied().chain([path.as_str()]));
        assert_eq!(run.code, Some(2), "{text}: {}", run.stderr);
        run.stderr
    };
    let schema = "schema = \"convault.policy/1\"\n";
    assert!(refused("schema = 1", &["policy", "check"]).contains("line 1"));
    assert!(
        refused(&format!("{schema}keep = 1\n"), &["policy", "check"]).contains("p.toml: line 2: unknown field `keep`")
    );
    for (select, said) in [
        ("", "rule \"r\": select: it selects everything"),
        ("before:2020", "rule \"r\": select: it has a time, which neither a hold"),
        ("colour:red", "rule \"r\": select: unknown key \"colour\""),
        ("id:ffffffff", "rule \"r\": select: no conversation has the id ffffffff"),
        ("budget", "rule \"r\": select: \"budget\" is neither"),
    ] {
        let text = format!("{schema}[[rule]]\nname = \"r\"\ndelete = \"1d\"\nselect = \"{select}\"\n");
        assert!(refused(&text, &["policy", "set"]).contains(said), "{select}");
    }
    assert_eq!(home.json(&["policy", "history"]).1["versions"].as_array().map(Vec::len), Some(1));
    home.run(["policy", "show"]).said(&home, 0, "# no policy: everything is kept\n", "");
    let first = format!("{schema}# mine\n[default]\ndelete = \"1y\"\n");
    home.run(["policy", "set", &file(&first)]).expect(0);
    home.run(["policy", "set", &file(schema)]).expect(0);
    let new = home.secret("new", "another");
    home.run(["credential", "passwd", "--unlock-cost", "minimum", "--new-password-file", &new]).expect(0);
    home.secret("password", "another");
    home.run(["policy", "show", "--version", "2"]).said(&home, 0, &first, "");
    home.run(["policy", "show"]).said(&home, 0, schema, "");
    assert_eq!(home.run(["policy", "show", "--version", "9"]).code, Some(1));
    assert_eq!(home.json(&["check"]).0, 0);
}

#[test]
#[cfg(target_os = "linux")]
fn what_was_held_stays_held_whatever_becomes_of_its_tags_and_however_it_was_typed() {
    let later = Later::new();
    let home = &later.home;
    home.run(["tag", "title:bread", "title:~boat", "--add", "case"]).expect(0);
    // One word of a shell with two terms in it, and one with a quoted value.
    let (_, hold) = later.json(0, &["hold", "place", "--reason", "x", "tag:case title:bread"]);
    assert_eq!(hold["held"], 1);
    assert_eq!(later.json(0, &["hold", "place", "--reason", "y", "title:lighthouse cat"]).1["held"], 1);
    assert_eq!(later.at(0, &["erase", "tag:case", "--yes"]).code, Some(14));
    assert_eq!(later.at(0, &["erase", "title:cat", "--yes"]).code, Some(14));
    home.run(["tag", "title:bread", "--remove", "case"]).expect(0);
    assert_eq!(later.at(0, &["erase", "title:bread", "--yes"]).code, Some(14));
    let text = fs::read_to_string(SAMPLE).expect("the sample");
    let newer = home.input("newer.json", text.replace("Bread for the supply boat", "Nothing of the kind"));
    home.run(["import", &newer]).expect(0);
    assert_eq!(later.at(0, &["erase", "title:kind", "--yes"]).code, Some(14), "another title frees nothing");
    home.run(["hold", "release", &hold["id"].as_str().expect("an id")[..8]]).expect(0);
    assert_eq!(later.at(0, &["erase", "title:kind", "--yes"]).code, Some(0));
    assert_eq!(later.json(0, &["check"]).0, 0);
}

#[test]
#[cfg(target_os = "linux")]
fn a_clock_that_jumped_is_believed_by_nobody_whatever_ran_in_between() {
    let later = Later::new();
    later.set(0, "max-share = 100\n[default]\ndelete = \"1d\"\n");
    let far = 20_000 * DAY;
    assert_eq!(later.at(far, &["purge", "--yes"]).code, Some(16));
    later.at(far, &["import", "--format", "opaque", SAMPLE]).expect(0);
    assert_eq!(later.at(far, &["purge", "--yes"]).code, Some(16), "a command in between acknowledges nothing");
    // Nor does a plan of a day that has not come, or of another policy.
    let ahead = later.at(0, &["purge", "--dry-run", "--at", "2099-01-01", "--json"]).expect(0);
    let plan = later.home.input("plan.json", &ahead.stdout);
    let run = later.at(far, &["purge", "--plan", &plan]);
    assert!(matches!(run.code, Some(1 | 16)), "{}", run.stderr);
    let run = later.at(0, &["purge", "--plan", &plan]);
    assert!(run.code == Some(1) && run.stderr.contains("a plan of a day that has not come"), "{}", run.stderr);
    let today = later.at(0, &["purge", "--dry-run", "--json"]).expect(0);
    let mut document: Value = serde_json::from_slice(&today.stdout).expect("JSON");
    document["policy_version"] = json!(9);
    let other = later.home.input("other.json", document.to_string());
    assert!(later.at(0, &["purge", "--plan", &other]).stderr.contains("under another version of the policy"));
    assert_eq!(later.json(0, &["list"]).1["total"], 5);
}

#[test]
#[cfg(target_os = "linux")]
fn a_receipt_names_the_policy_in_force_while_the_next_one_cools_off() {
    let later = Later::new();
    later.set(0, &format!("max-share = 100\n{}", rule("delete = \"1d\"", "title:bread")));
    let ripe = 12 * DAY;
    later.set(ripe, "max-share = 100\n[default]\ndelete = \"1d\"\n");
    let (code, done) = later.json(ripe + HOUR, &["purge", "--yes"]);
    assert_eq!((code, &done["destroyed"]), (0, &json!(1)), "{done}");
    let path = done["receipt"].as_str().expect("a path");
    let receipt: Value = serde_json::from_slice(&fs::read(path).expect("read")).expect("JSON");
    assert_eq!((&receipt["policy"]["version"], &receipt["rules"]), (&json!(2), &json!([1])));
}

#[test]
#[cfg(target_os = "linux")]
fn what_is_due_answers_no_question_about_its_content() {
    let later = Later::new();
    later.set(0, &rule("delete = \"1d\"", "title:bread"));
    let due = 73 * HOUR;
    let run = later.at(due, &["list", "title:bread"]);
    assert_eq!((run.code, run.text().as_str()), (Some(1), ""));
    assert_eq!(later.json(due, &["list", "source:chatgpt"]).1["total"], 4, "its source is no content");
    let file = later.home.input("again.toml", "schema = \"convault.policy/1\"\n[default]\ndelete = \"1d\"\n");
    let run = later.at(due, &["policy", "set", &file]).expect(0);
    assert!(run.text().contains("(due)") && !run.text().contains("Bread"), "{}", run.text());
}

#[test]
#[cfg(target_os = "linux")]
fn a_janitor_destroys_what_is_due_and_tells_no_name_of_it() {
    let later = Later::new();
    let key = later.home.path("janitor.key").to_str().expect("text").to_owned();
    later.at(0, &["credential", "add", "janitor", "--key-file", &key]).expect(0);
    later.set(
        0,
        "grace = \"0d\"\nmax-share = 60\n[[rule]]\nname = \"secret name\"\ndelete = \"1d\"\nselect = \"title:bread\"\n",
    );
    let janitor = |ahead: i64, words: &[&str]| {
        later.finish(ahead, later.home.bare([&["--credential", &key, "purge"], words].concat()))
    };
    let json = |run: &Run| serde_json::from_slice::<Value>(&run.stdout).expect("JSON");
    let ripe = 4 * DAY;
    let shown = janitor(ripe, &["--dry-run"]).expect(0).text();
    assert!(shown.contains("1 conversation to destroy") && shown.contains("by rule 1"), "{shown}");
    let run = janitor(ripe, &["--json"]);
    let done = json(&run);
    assert_eq!((run.code, &done["destroyed"]), (Some(0), &json!(1)), "{done} {}", run.stderr);
    let said = format!("{shown}{done}{}", run.stderr);
    assert!(!said.contains("secret name") && !said.to_lowercase().contains("bread"), "{said}");
    let receipt = done["receipt"].as_str().expect("a path");
    later.home.finish(later.home.bare(["receipt", "verify", receipt])).expect(0);
    let verified = later.at(ripe, &["receipt", "verify", receipt]).expect(0).text();
    assert!(verified.contains("janitor"), "{verified}");
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/verify_receipt.py");
    if let Ok(second) = std::process::Command::new("python3").arg(script).arg(receipt).output() {
        assert!(second.status.success(), "{}", String::from_utf8_lossy(&second.stderr));
    }
    // What it destroyed does not come back, though it never knew what it was.
    assert_eq!(later.json(ripe, &["import", SAMPLE]).1["conversations"]["destroyed"], 1);
    later.at(ripe, &["check"]).expect(0);

    // Nobody runs it any more: who reads is told.
    assert!(!later.at(ripe + DAY, &["list"]).stderr.contains("nothing was purged since"));
    let run = later.at(ripe + 3 * DAY, &["list"]).expect(0);
    assert!(run.stderr.contains("nothing was purged since") && run.stderr.contains("schedule show"), "{}", run.stderr);
    let (_, status) = later.json(ripe + 3 * DAY, &["status"]);
    assert_eq!(status["purge_overdue"], true);
    janitor(ripe + 3 * DAY, &[]).expect(0);
    assert!(!later.at(ripe + 4 * DAY, &["list"]).stderr.contains("nothing was purged since"));
    // The clock that the vault itself remembers counts on a machine that never saw it.
    std::fs::remove_dir_all(later.home.path("home/.local/state")).expect("removed");
    assert_eq!(janitor(ripe + DAY, &[]).code, Some(16));
    assert_eq!(janitor(ripe + 80 * DAY, &[]).code, Some(16));
}

#[test]
#[cfg(target_os = "linux")]
fn keys_of_earlier_versions_go_after_ninety_days_unless_the_conversation_is_held() {
    let later = Later::new();
    let sample = fs::read_to_string(SAMPLE).expect("the sample");
    let grown = later.home.input("conversations.json", sample.replace("bake", "roast"));
    later.at(DAY, &["import", &grown]).expect(0);
    let (_, status) = later.json(DAY, &["status"]);
    let earlier = status["superseded"].as_u64().expect("a number");
    assert!(earlier > 0);
    let (_, hold) = later.json(DAY, &["hold", "place", "--reason", "x", "source:chatgpt"]);
    for day in [30, 60] {
        later.at(day * DAY, &["purge", "--yes"]).expect(0);
    }
    later.at(92 * DAY, &["purge", "--yes"]).expect(0);
    assert_eq!(later.json(92 * DAY, &["status"]).1["superseded"], earlier, "held");
    later.at(92 * DAY, &["hold", "release", hold["id"].as_str().expect("an id")]).expect(0);
    let (code, done) = later.json(92 * DAY, &["purge", "--yes"]);
    assert_eq!((code, &done["destroyed"]), (0, &json!(0)), "{done}");
    let receipt = done["superseded"]["receipt"].as_str().expect("a receipt");
    let text: Value = serde_json::from_slice(&fs::read(receipt).expect("read")).expect("JSON");
    assert_eq!(
        (&text["reason"], text["segments"].as_array().map(Vec::len)),
        (&json!("superseded"), Some(earlier as usize))
    );
    later.home.run(["receipt", "verify", receipt]).expect(0);
    assert_eq!(later.json(92 * DAY, &["status"]).1["superseded"], 0);
    later.at(92 * DAY, &["search", "roast"]).expect(0);
    later.at(92 * DAY, &["check"]).expect(0);
}

#[test]
#[cfg(target_os = "linux")]
fn the_log_keeps_what_the_policy_says_and_goes_on_to_hold() {
    let later = Later::new();
    let checkpoint = |day: i64| {
        let note = later.at(day * DAY, &["audit", "checkpoint"]).expect(0).text();
        later.home.input(&format!("checkpoint-{day}"), note)
    };
    let first = checkpoint(0);
    later.set(0, "log = \"30d\"\n");
    for day in [10, 20] {
        later.at(day * DAY, &["purge", "--yes"]).expect(0);
    }
    let middle = checkpoint(20);
    for day in [30, 40] {
        assert_eq!(
            later.json(day * DAY, &["purge", "--yes"]).1["log_trimmed"],
            if day == 40 { json!(3) } else { json!(0) }
        );
    }
    let (_, log) = later.json(45 * DAY, &["audit", "log"]);
    assert_eq!((&log["trimmed"], &log["entries"][0]["entry"]), (&json!(3), &json!(3)), "{log}");
    later.at(45 * DAY, &["check"]).expect(0);
    let verify = |file: &str| later.json(45 * DAY, &["audit", "verify", "--checkpoint", file]);
    let (code, said) = verify(&first);
    assert_eq!((code, &said["checkpoints"][0]["result"]), (3, &json!("NOT RUN")), "{said}");
    let (code, said) = verify(&middle);
    assert_eq!(
        (code, &said["checkpoints"][0]["result"], &said["log_trimmed"]),
        (0, &json!("PASS"), &json!(3)),
        "{said}"
    );
    let text = later.at(45 * DAY, &["audit", "verify"]).expect(0).text();
    assert!(text.contains("the first 3 are gone: the policy keeps them no longer"), "{text}");
}
