//! Searching as people and programs do it: what is printed, what opens it, what stands in the log.

use serde_json::{Value, json};

use crate::home::{Home, contains};

/// A home with a chat of two people and two talks with an assistant.
fn home() -> Home {
    let home = Home::with_vault();
    let says = |role: &str, name: &str, day: u32, text: &str| json!({ "id": format!("m{day}"), "role": role, "name": name, "time": format!("2026-01-{day:02}T10:00:00Z"), "text": text });
    let mut secret = says("system", "Host", 3, "the hidden marzipan");
    secret["visibility"] = json!("hidden");
    let talk = |id: &str, messages: Vec<Value>| json!({ "schema": "convault.conversation/1", "source": "notes", "native_id": id, "title": format!("About {id}"), "messages": messages });
    let lines = [
        talk(
            "budgets",
            vec![
                says("user", "Alice", 1, "What of the budget?"),
                says("assistant", "Helper", 2, "The budget is small.\n```\nbudget = 3\n```"),
                secret,
                says("user", "Alice", 4, "A pity for the quarterly report."),
            ],
        ),
        talk(
            "drafts",
            vec![says("user", "Bob", 9, "A draft of the budget"), says("assistant", "Helper", 10, "来年の予算")],
        ),
        talk("hostile", vec![says("user", "Eve\u{1b}[2J", 11, "nougat \u{1b}]0;owned\u{7} \u{202e}reversed")]),
    ];
    let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let path = home.input("talks.jsonl", lines);
    home.run(["import", "--format", "convault", &path]).expect(0);
    home
}

#[test]
fn hits_say_where_when_and_who_and_show_opens_them() {
    let home = home();
    home.run(["search", "budget report"]).said(
        &home,
        0,
        "xxxxxxxx#2  2026-01-02  Helper (assistant)  About budgets\n\
        \x20   The budget is small. ``` budget = 3 ```\n",
        "found in 1 conversation\n",
    );
    home.run(["search", "pity", "--context", "1"]).said(
        &home,
        0,
        "xxxxxxxx#4  2026-01-04  Alice (user)  About budgets\n\
        \x20   #2 Helper (assistant): The budget is small. ``` budget = 3 ```\n\
        \x20   #4 A pity for the quarterly report.\n",
        "found in 1 conversation\n",
    );
    home.run(["search", "about drafts"]).said(
        &home,
        0,
        "xxxxxxxx  2026-01-10  About drafts\n    About drafts\n",
        "found in 1 conversation\n",
    );
    let (_, found) = home.json(&["search", "pity"]);
    let open = found["hits"][0]["open"].as_str().expect("text").to_owned();
    let text = home.run(["show", &open]).expect(0).text();
    let begins: Vec<&str> = text.lines().skip(2).collect();
    assert_eq!(
        begins,
        ["", "(2 messages before)", "", "── 4 · Alice (user) · 2026-01-04 10:00", "A pity for the quarterly report."]
    );
    // By the source's id of the message it is the same.
    let id = &open[..32];
    assert_eq!(home.run(["show", &format!("{id}#m4")]).expect(0).text(), text);
    assert_eq!(home.json(&["show", &open]).1["open"], 4);
    let none = home.run(["show", &format!("{id}#9")]);
    none.refused(
        1,
        "error: no message #9 in this conversation\nhint: its messages are #1 to #4; show --numbers shows them\n",
    );
    home.run(["show", &format!("{id}#3")])
        .refused(1, "error: message #3 is hidden or on an abandoned branch\nhint: --all shows it\n");
    assert!(home.run(["show", "--all", &format!("{id}#3")]).expect(0).text().contains("marzipan"));
}

#[test]
fn programs_get_the_same_with_places_in_characters() {
    let home = home();
    let (code, found) = home.json(&["search", "予算 draft", "--context", "1"]);
    assert_eq!((code, &found["total"], &found["total_is"]), (0, &json!(1), &json!("exact")));
    let hit = &found["hits"][0];
    assert_eq!(
        (&hit["message"], &hit["number"], &hit["author"], &hit["role"]),
        (&json!("m9"), &json!(1), &json!("Bob (user)"), &json!("user"))
    );
    assert_eq!((&hit["snippet"], &hit["marks"]), (&json!("A draft of the budget"), &json!([[2, 7]])));
    assert_eq!((&hit["time"], &hit["matches"]), (&json!("2026-01-09T10:00:00Z"), &json!(2)));
    assert_eq!(hit["after"][0]["text"], "来年の予算");
    let (_, found) = home.json(&["search", "年の予算"]);
    assert_eq!(found["hits"][0]["marks"], json!([[1, 5]]));
    let (code, none) = home.json(&["search", "予年"]);
    assert_eq!((code, &none["total"], &none["hits"]), (1, &json!(0), &json!([])));
}

#[test]
fn order_limits_and_filters_do_what_they_say() {
    let home = home();
    let titles = |arguments: &[&str]| -> Vec<String> {
        let (_, found) = home.json(&[&["search"], arguments].concat());
        found["hits"]
            .as_array()
            .expect("hits")
            .iter()
            .map(|hit| hit["title"].as_str().expect("text").to_owned())
            .collect()
    };
    assert_eq!(titles(&["budget"]), ["About budgets", "About drafts"]);
    assert_eq!(titles(&["budget", "--sort", "time"]), ["About drafts", "About budgets"]);
    assert_eq!(titles(&["budget", "--limit", "1"]), ["About budgets"]);
    home.run(["search", "the", "--limit", "1"]).expect(0);
    assert_eq!(titles(&["budget from:bob"]), ["About drafts"]);
    assert_eq!(titles(&["budget role:assistant has:code after:2026-01 source:notes"]), ["About budgets"]);
    assert_eq!(titles(&["budget -draft"]), ["About budgets"]);
    assert_eq!(titles(&["--regex", r"budg\w+ = \d"]), ["About budgets"]);
    assert_eq!(titles(&["--case", "Budget"]), [""; 0]);
    assert_eq!(titles(&["marzipan"]), [""; 0]);
    assert_eq!(titles(&["--all", "marzipan"]), ["About budgets"]);
    home.run(["search", "budget OR draft"]).refused(
        2,
        "error: OR is no word of this language\nhint: all terms must hold and there is no or: search twice; in quotes it is a word\n",
    );
    home.run(["search", "--regex", "(open"]).refused(
        2,
        "error: not a regular expression: unclosed group\nhint: put a backslash before what is meant as it stands, as in \\( or \\*\n",
    );
    home.run(["list", "from:bob"]).refused(
        2,
        "error: from: is asked of messages, which only a search looks at\nhint: search finds such messages; with:name selects conversations by who takes part\n",
    );
}

#[test]
fn nothing_of_a_text_acts_on_the_terminal() {
    let home = home();
    let text = home.run(["search", "nougat", "--context", "2"]).expect(0).text();
    assert!(!text.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{text:?}");
    assert!(text.contains("nougat"));
}

#[test]
fn the_words_of_a_conversation_are_nowhere_in_the_files() {
    let home = home();
    home.run(["search", "marzipan --all nougat"]).expect(1);
    for file in home.files().iter().filter(|path| !path.ends_with("password")) {
        let bytes = std::fs::read(file).expect("readable");
        for word in ["marzipan", "nougat", "quarterly", "予算"] {
            assert!(!contains(&bytes, word.as_bytes()), "{word} in {}", file.display());
        }
    }
}

#[test]
fn what_is_erased_is_not_found_any_more() {
    let home = home();
    let id = home.id("About budgets");
    home.run(["erase", "--yes", &format!("id:{id}")]).expect(0);
    for query in ["pity", "~pit", "\"quarterly report\"", "--regex=pity"] {
        let query = query.strip_prefix("--regex=").map_or(vec![query], |query| vec!["--regex", query]);
        assert_eq!(home.json(&[vec!["search"], query].concat()).1["total"], 0);
    }
    assert_eq!(home.json(&["search", "budget"]).1["total"], 1);
    assert_eq!(home.json(&["check"]).0, 0);
}
