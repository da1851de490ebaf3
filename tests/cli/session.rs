//! A first session: the demo, and the bundled sample imported, listed, found, shown, tagged and checked.

use crate::home::{Home, SAMPLE, mode};
use serde_json::{Value, json};

#[test]
fn the_demo_shows_every_step_and_leaves_nothing() {
    let home = Home::new();
    let run = home.finish(home.bare(["demo"])).expect(0);
    let text = run.text();
    assert_eq!(run.stderr, "");
    let steps: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("$ convault ")).collect();
    let words: Vec<&str> = steps.iter().map(|step| step.split(' ').next().unwrap_or_default()).collect();
    assert_eq!(
        words,
        ["init", "import", "import", "list", "search", "show", "export", "verify", "status", "erase", "receipt"]
    );
    for line in [
        "anchor: embedded (class E1)",
        "  4 new, 0 updated, 0 unchanged; 30 messages",
        "  0 new, 0 updated, 4 unchanged",
        "The moon is late every day.",
        "The demo vault is deleted. Make your own: convault init",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    assert_eq!(home.files(), [] as [std::path::PathBuf; 0]);

    let (code, document) = home.json(&["demo"]);
    let schemas: Vec<&Value> =
        document["steps"].as_array().expect("steps").iter().map(|step| &step["result"]["schema"]).collect();
    assert_eq!(
        schemas,
        [
            "convault.init/1",
            "convault.import/1",
            "convault.import/1",
            "convault.list/1",
            "convault.search/1",
            "convault.show/1",
            "convault.export/1",
            "convault.verification/1",
            "convault.status/1",
            "convault.erase/1",
            "convault.receipt-verification/1"
        ]
    );
    assert_eq!((code, &document["schema"]), (0, &json!("convault.demo/1")));
    assert_eq!(home.files(), [] as [std::path::PathBuf; 0]);
}

#[test]
fn a_first_session_reads_as_the_readme_says() {
    let home = Home::new();
    home.run(["init", "--unlock-cost", "minimum"]).said(
        &home,
        0,
        "made the vault TEST/home/.local/share/convault/vault.db\n\
         anchor: embedded (class E1)\n\
         no recovery code: whoever forgets the password loses the vault\n",
        "next: convault import FILE\n",
    );
    home.run(["import", SAMPLE, "--tag", "first"]).said(
        &home,
        0,
        &format!("{SAMPLE} (chatgpt)\n  4 new, 0 updated, 0 unchanged; 30 messages\n"),
        "",
    );
    home.run(["import", SAMPLE]).said(&home, 0, &format!("{SAMPLE} (chatgpt)\n  0 new, 0 updated, 4 unchanged\n"), "");
    home.run(["list"]).said(
        &home,
        0,
        "ID        LAST ACTIVITY  SOURCE   MESSAGES  TAGS   TITLE\n\
         xxxxxxxx  2025-10-11     chatgpt         6  first  Night train to the north\n\
         xxxxxxxx  2025-09-13     chatgpt         8  first  Bread for the supply boat\n\
         xxxxxxxx  2025-08-08     chatgpt         8  first  Why does my tide table drift?\n\
         xxxxxxxx  2025-07-07     chatgpt         8  first  A name for the lighthouse cat\n",
        "4 conversations\n",
    );
    home.run(["list", "before:2025-09", "--limit", "1"]).said(
        &home,
        0,
        "ID        LAST ACTIVITY  SOURCE   MESSAGES  TAGS   TITLE\n\
         xxxxxxxx  2025-08-08     chatgpt         8  first  Why does my tide table drift?\n",
        "1 of 2 conversations\n",
    );
    home.run(["list", "tag:absent"]).said(&home, 1, "", "no conversations\n");
    home.run(["search", "\"moon is late\""]).said(
        &home,
        0,
        "xxxxxxxx#6  2025-08-08  assistant  Why does my tide table drift?\n\
        \x20   The moon is late every day. High water follows the **lunar day** of 24 h 50 …\n",
        "found in 1 conversation\n",
    );
    home.run(["search", "--quiet", "absent-word"]).said(&home, 1, "", "");
    home.run(["tag", "title:bread", "--add", "kitchen", "--remove", "first"]).said(
        &home,
        0,
        "1 conversation matched, 1 changed\n",
        "",
    );
    home.run(["tag", "title:nowhere", "--add", "x"]).said(&home, 1, "no conversations match\n", "");
    home.run(["status"]).said(
        &home,
        0,
        &format!(
            "vault           TEST/home/.local/share/convault/vault.db\n\
             id              xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n\
             conversations   4\n\
             messages        30\n\
             attachments     0\n\
             from, to        2025-07-07 to 2025-10-11\n\
             size            {:.1} kB\n\
             earlier states  0\n\
             anchor          embedded, generation 1\n\
             class           E1: the password opens an older copy of this file\n\
             credentials     1\n\
             log entries     9\n\
             raise it        convault anchor move file:PATH, for what is stored from then on\n",
            std::fs::metadata(home.vault()).expect("a vault").len() as f64 / 1000.0
        ),
        "",
    );
    let check = home.run(["check"]).expect(0);
    let (first, rest) = check.text().split_once(", ").map(|(a, b)| (a.to_owned(), b.to_owned())).expect("a comma");
    assert_eq!(first, "checked 4 segments (12 sealed objects");
    assert!(rest.ends_with("kB) and 9 log entries\nno damage found\n"), "{rest}");
    for path in home.files() {
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

#[test]
fn show_prints_a_conversation_for_reading() {
    let home = Home::with_sample();
    let id = home.id("A name for the lighthouse cat");
    let shown = home.run(["show", &id[..6]]).expect(0);
    assert_eq!(shown.stderr, "4 messages hidden or on abandoned branches: --all shows them\n");
    let text = shown.text();
    let (head, rest) = text.split_once("\n\n").expect("an empty line");
    assert_eq!(
        home.masked(head),
        "A name for the lighthouse cat\n\
         xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx · chatgpt · 2025-07-07 10:10 to 2025-07-07 10:14 · 8 messages · model gpt-4o"
    );
    assert!(rest.starts_with("── user · 2025-07-07 10:10\nA grey cat has moved into the lighthouse"), "{rest}");
    assert!(text.contains("It is the fog that comes in off the sea") && !text.contains("steals cheese"), "{text}");
    let all = home.run(["show", &format!("id:{id}"), "--all", "--no-pager"]).expect(0);
    for line in ["steals cheese", "abandoned branch\n", " · hidden\n"] {
        assert!(all.text().contains(line), "{line} in {}", all.text());
    }
    assert_eq!(all.stderr, "");
    home.run(["show", "0000"]).refused(1, "error: no conversation has the id 0000\n");
    home.run(["show", "xyz!"])
        .refused(2, "error: not an id: xyz!\nhint: give 4 to 32 hexadecimal digits; convault list shows ids\n");
}

/// The names of an object's fields.
fn fields(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

#[test]
fn every_command_has_one_json_document() {
    let home = Home::new();
    let (code, init) = home.json(&["init", "--unlock-cost", "minimum"]);
    assert_eq!((code, &init["schema"], &init["class"]), (0, &json!("convault.init/1"), &json!("E1")));
    assert_eq!((&init["anchor"], &init["recovery_code"]), (&json!("embedded"), &Value::Null));

    let (code, import) = home.json(&["import", SAMPLE, "--tag", "sea"]);
    assert_eq!((code, &import["schema"], &import["stored"]), (0, &json!("convault.import/1"), &json!(true)));
    assert_eq!(
        import["conversations"],
        json!({ "new": 4, "updated": 0, "unchanged": 0, "skipped": 0, "destroyed": 0, "readable": null })
    );
    assert_eq!((&import["messages"], &import["attachments"]), (&json!(30), &json!(0)));
    assert_eq!((&import["problems"], &import["inputs"][0]["format"]), (&json!([]), &json!("chatgpt")));

    let (code, list) = home.json(&["list", "title:tide"]);
    assert_eq!((code, &list["schema"], &list["total"]), (0, &json!("convault.list/1"), &json!(1)));
    let one = &list["conversations"][0];
    for field in
        ["id", "title", "source", "created", "last_activity", "imported", "messages", "tags", "held", "state", "due"]
    {
        assert!(one.get(field).is_some(), "{field} in {one}");
    }
    assert_eq!(one["title"], "Why does my tide table drift?");
    assert_eq!((&one["tags"], &one["messages"], &one["source"]), (&json!(["sea"]), &json!(8), &json!("chatgpt")));
    assert_eq!((&one["held"], &one["state"], &one["due"]), (&json!(false), &json!("live"), &Value::Null));
    assert_eq!(one["created"], "2025-08-08T08:02:07.902611Z");
    let id = one["id"].as_str().expect("text");
    assert!(id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{id}");

    let (code, show) = home.json(&["show", id]);
    assert_eq!((code, &show["schema"], &show["id"]), (0, &json!("convault.show/1"), &json!(id)));
    assert_eq!(show["participants"][0], json!({ "role": "user", "native_role": null, "name": null }));
    let message = &show["messages"][0];
    for field in ["id", "role", "author", "time", "text", "parts", "branch"] {
        assert!(message.get(field).is_some(), "{field} in {message}");
    }
    assert_eq!((&message["role"], &message["branch"]), (&json!("user"), &json!("active")));
    assert_eq!(message["parts"][0]["text"], message["text"]);

    let (code, search) = home.json(&["search", "lunar"]);
    assert_eq!((code, &search["schema"], &search["total"]), (0, &json!("convault.search/1"), &json!(1)));
    assert_eq!(
        fields(&search["hits"][0]),
        [
            "after",
            "author",
            "before",
            "id",
            "last_activity",
            "marks",
            "matches",
            "message",
            "number",
            "open",
            "role",
            "score",
            "snippet",
            "source",
            "time",
            "title"
        ]
    );
    let (code, none) = home.json(&["search", "absentword"]);
    assert_eq!((code, &none["total"], &none["hits"]), (1, &json!(0), &json!([])));

    let (code, tag) = home.json(&["tag", "title:tide", "--add", "moon"]);
    assert_eq!((code, tag), (0, json!({ "schema": "convault.tag/1", "matched": 1, "changed": 1, "ids": [id] })));

    let (code, status) = home.json(&["status"]);
    assert_eq!((code, &status["schema"], &status["conversations"]), (0, &json!("convault.status/1"), &json!(4)));
    for field in ["due_in_7_days", "due_in_30_days", "held", "last_purge", "anchor", "class", "messages", "bytes"] {
        assert!(status.get(field).is_some(), "{field} in {status}");
    }

    let (code, check) = home.json(&["check"]);
    assert_eq!((code, &check["schema"], &check["damage"]), (0, &json!("convault.check/1"), &json!([])));

    let (code, doctor) = home.json(&["doctor"]);
    assert_eq!(doctor["schema"], "convault.doctor/1");
    assert_eq!(code == 0, doctor["weak"] == 0, "{doctor}");
    let core = doctor["looks"].as_array().expect("a list").iter().find(|look| look["subject"] == "core dumps");
    assert_eq!(core, Some(&json!({ "subject": "core dumps", "weak": false, "says": "off" })));

    let (code, credentials) = home.json(&["credential", "list"]);
    assert_eq!((code, &credentials["schema"]), (0, &json!("convault.credentials/1")));
    assert_eq!(credentials["credentials"][0]["role"], "owner");
    assert_eq!(
        credentials["credentials"][0]["cost"],
        json!({ "memory_kib": 65536, "passes": 3, "lanes": credentials["credentials"][0]["cost"]["lanes"] })
    );

    let out = home.path("out/tide.json");
    let (code, export) =
        home.json(&["export", id, "--format", "original", "--plaintext", "-o", out.to_str().expect("text")]);
    assert_eq!((code, &export["schema"], &export["id"]), (0, &json!("convault.export/1"), &json!(id)));
    assert_eq!(export["bytes"], std::fs::metadata(&out).expect("written").len());

    // Failures are a document too, with what stderr says.
    let run = home.run(["show", "0000", "--json"]).expect(1);
    assert_eq!(
        serde_json::from_slice::<Value>(&run.stdout).expect("json"),
        json!({ "schema": "convault.error/1", "error": { "code": 1, "message": "no conversation has the id 0000", "hint": null } })
    );
    assert_eq!(run.stderr, "error: no conversation has the id 0000\n");
}

#[test]
fn completions_and_manual_pages_name_every_command() {
    let home = Home::new();
    for (shell, mark) in [("bash", "complete -F"), ("zsh", "#compdef convault"), ("fish", "complete -c convault")] {
        let run = home.run(["completions", shell]).expect(0);
        assert!(run.text().contains(mark) && run.text().contains("credential"), "{shell}");
        assert_eq!(run.stderr, "");
    }
    let man = home.run(["man"]).expect(0).text();
    assert!(man.contains(".TH convault 1") && man.contains("convault\\-import(1)"), "{man}");
    let man = home.run(["man", "import"]).expect(0).text();
    assert!(man.contains(".TH convault-import 1") && man.contains("\\-\\-check"), "{man}");
    home.run(["man", "nothing"]).refused(2, "error: no such command: nothing\nhint: convault --help lists them\n");
    assert_eq!(home.files(), [] as [std::path::PathBuf; 0]);
}
