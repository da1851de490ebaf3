//! What a search promises: all that a look at every text finds, nothing that is due or erased, the best first.

use serde_json::{Value, json};

use super::*;
use crate::bundle::Bundle;
use crate::clock::Zone;
use crate::conversation::Conversation;
use crate::crypto::Password;
use crate::import::by_name;
use crate::ingest;
use crate::selector::{self, TermKind};
use crate::store::{Lock, Store, Table};
use crate::vault::{AnchorPlace, Unopened, vault_for_tests};

const NOW: Instant = Instant(1_800_000_000_000_000);

fn password() -> Password {
    Password::new(b"p".to_vec())
}

fn vault() -> (tempfile::TempDir, Vault) {
    let folder = tempfile::tempdir().unwrap();
    let vault = vault_for_tests(&folder.path().join("v.db"), AnchorPlace::Embedded, NOW);
    (folder, vault)
}

fn bring(vault: &mut Vault, lines: &[Value]) {
    let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let bundle = Bundle::from_bytes("t.jsonl", lines.into_bytes()).unwrap();
    let options = ingest::Options {
        importer: by_name("convault").unwrap(),
        tags: &["t".to_owned()],
        now: NOW,
        allow_resurrect: false,
        besides: &[],
    };
    ingest::import(vault, &bundle, &options, &ingest::Progress::default()).unwrap();
}

fn talk(id: &str, messages: Value) -> Value {
    json!({ "schema": "convault.conversation/1", "source": "test", "native_id": id, "title": id, "messages": messages })
}

fn says(text: &str) -> Value {
    json!({ "text": text })
}

fn parse(query: &str, scope: selector::Scope) -> Selector {
    Selector::parse(query, scope, NOW, &Zone::utc()).unwrap()
}

fn find(vault: &Vault, query: &str, options: Options) -> Found {
    search(vault, &parse(query, selector::Scope::Text), options, NOW).unwrap()
}

/// The source's ids of what is found, in order.
fn ids(vault: &Vault, query: &str, options: Options) -> Vec<String> {
    find(vault, query, options).hits.into_iter().map(|hit| hit.entry.card.native_id).collect()
}

fn found(vault: &Vault, query: &str) -> Vec<String> {
    ids(vault, query, Options::default())
}

fn all() -> Options {
    Options { scope: Scope { all: true, case: false }, ..Options::default() }
}

#[test]
fn words_phrases_beginnings_and_pieces_are_found() {
    let (_folder, mut vault) = vault();
    bring(
        &mut vault,
        &[
            talk("one", json!([says("The Budget of the quarterly\nreport"), says("Un CAFÉ, Straße")])),
            talk("two", json!([says("來年的預算，以及會議"), says("fn parse_header(&self) 🚀 สวัสดีครับ")])),
            talk("three", json!([says("a draft of the budget"), says("東京のカフェ")])),
        ],
    );
    for (query, expected) in [
        ("budget", &["one", "three"][..]),
        ("budget -draft", &["one"]),
        ("\"quarterly report\"", &["one"]),
        ("\"report quarterly\"", &[]),
        ("bud*", &["one", "three"]),
        ("~udge", &["one", "three"]),
        ("~\"y\nre\"", &["one"]),
        ("cafe strasse", &["one"]),
        ("ＣＡＦＥ", &["one"]),
        ("預算", &["two"]),
        ("算預", &[]),
        ("会議", &[]),
        ("カフェ", &["three"]),
        ("สวัสดี", &["two"]),
        ("🚀", &["two"]),
        ("parse_header", &["two"]),
        ("parse", &["two"]),
        // The title is searched too, and what stands in several places together.
        ("three budget", &["three"]),
        ("title:three", &["three"]),
        ("-budget", &["two"]),
        ("nowhere", &[]),
    ] {
        let mut ids = found(&vault, query);
        ids.sort();
        assert_eq!(ids, expected, "{query}");
    }
    let hit = &find(&vault, "report café", Options::default()).hits[0];
    let best = hit.best.as_ref().unwrap();
    assert_eq!((best.number, hit.snippet.as_str(), hit.matches), (1, "The Budget of the quarterly report", 2));
    assert_eq!(&hit.snippet[hit.marks[0].clone()], "report");
    let titled = &find(&vault, "three", Options::default()).hits[0];
    assert_eq!((titled.best.as_ref(), titled.snippet.as_str()), (None, "three"));
}

#[test]
fn case_and_expressions_are_asked_for() {
    let (_folder, mut vault) = vault();
    bring(
        &mut vault,
        &[
            talk("up", json!([says("Error 42 in é")])),
            talk("down", json!([says("error 7 in E")])),
            talk("more", json!([says("first"), says("only\nlast")])),
        ],
    );
    let case = Options { scope: Scope { all: false, case: true }, ..Options::default() };
    assert_eq!(ids(&vault, "Error", case), ["up"]);
    assert_eq!(ids(&vault, "error", case), ["down"]);
    assert_eq!(ids(&vault, "é", case), ["up"]);
    assert_eq!(found(&vault, "é error").len(), 2);
    let expression = |text: &str, case| {
        let selector = parse(text, selector::Scope::Patterns { case });
        let mut hits = search(&vault, &selector, Options::default(), NOW).unwrap().hits;
        hits.sort_by(|a, b| a.entry.card.native_id.cmp(&b.entry.card.native_id));
        hits.into_iter()
            .map(|hit| (hit.entry.card.native_id, hit.snippet[hit.marks[0].clone()].to_owned()))
            .collect::<Vec<_>>()
    };
    let pair = |id: &str, text: &str| (id.to_owned(), text.to_owned());
    assert_eq!(expression(r"error\s\d+", false), [pair("down", "error 7"), pair("up", "Error 42")]);
    assert_eq!(expression(r"error\s\d+", true), [pair("down", "error 7")]);
    assert_eq!(expression(r#""r \d{2}\b""#, false), [pair("up", "r 42")]);
    // Each text is one, wherever it stands.
    assert_eq!(expression(r"\Aonly$", false), [pair("more", "only")]);
    assert_eq!(expression(r"(?-m)first$", false), [pair("more", "first")]);
    // A title is text as well.
    assert_eq!(expression("^up$", false), [pair("up", "up")]);
}

#[test]
fn messages_are_chosen_by_author_part_and_code() {
    let (_folder, mut vault) = vault();
    let by = |role: &str, name: &str, text: &str| json!({ "role": role, "name": name, "text": text });
    bring(
        &mut vault,
        &[
            talk("a", json!([by("user", "Alice Smith", "the budget"), by("assistant", "Bot", "```\nlet x = 1;\n```")])),
            talk("b", json!([by("user", "Bob", "the budget"), by("assistant", "Bot", "a plan, Alice")])),
            talk(
                "budget",
                json!([
                    by("user", "Alice Smith", "nothing"),
                    json!({"role": "tool", "parts": [{"kind": "code", "text": "budget()"}]})
                ]),
            ),
        ],
    );
    for (query, expected) in [
        ("budget from:alice", &["a"][..]),
        ("budget from:\"alice smith\" role:user", &["a"]),
        ("budget -from:alice", &["b", "budget"]),
        ("budget role:user", &["a", "b"]),
        ("plan role:assistant", &["b"]),
        ("plan role:user", &[]),
        ("has:code", &["a", "budget"]),
        ("let has:code", &["a"]),
        ("budget has:code", &["budget"]),
        ("role:tool", &["budget"]),
        ("from:bob", &["b"]),
        ("from:bob -budget", &[]),
        ("from:nobody", &[]),
    ] {
        let mut ids = found(&vault, query);
        ids.sort();
        assert_eq!(ids, expected, "{query}");
    }
    let hit = &find(&vault, "from:bob", Options::default()).hits[0];
    assert_eq!((hit.snippet.as_str(), hit.matches), ("the budget", 1));
}

#[test]
fn hidden_and_abandoned_messages_count_only_when_asked_for() {
    let (_folder, mut vault) = vault();
    let chat = json!([
        { "text": "seen" }, { "text": "secret", "visibility": "hidden" }, { "text": "draft", "abandoned": true }
    ]);
    bring(&mut vault, &[talk("a", chat)]);
    for word in ["secret", "draft"] {
        assert_eq!(found(&vault, word), [""; 0], "{word}");
        assert_eq!(ids(&vault, word, all()), ["a"], "{word}");
        assert_eq!(found(&vault, &format!("seen -{word}")), ["a"]);
    }
}

#[test]
fn files_documents_and_sources_are_found_by_name() {
    let (_folder, mut vault) = vault();
    let mut chat = talk(
        "a",
        json!([{ "parts": [
            { "kind": "attachment", "attachment": 0, "text": "a caption" },
            { "kind": "document", "name": "Marzipan plan", "text": "x" },
            { "kind": "citation", "text": "y", "url": "https://example.org/saffron" },
        ] }]),
    );
    chat["attachments"] = json!([{ "id": "1", "name": "quince.pdf" }]);
    bring(&mut vault, &[chat]);
    for word in ["caption", "quince.pdf", "marzipan", "saffron", "~uinc", "~arzi", "~affr"] {
        assert_eq!(found(&vault, word), ["a"], "{word}");
    }
}

#[test]
fn context_is_given_with_the_numbers_that_show_counts() {
    let (_folder, mut vault) = vault();
    let hidden = json!({ "text": "hidden", "visibility": "hidden" });
    bring(&mut vault, &[talk("a", json!([says("one"), hidden, says("two"), says("needle"), says("four")]))]);
    let hits = find(&vault, "needle", Options { context: 1, ..Options::default() }).hits;
    let best = hits[0].best.as_ref().unwrap();
    let near = |list: &[Neighbour]| list.iter().map(|one| (one.number, one.text.clone())).collect::<Vec<_>>();
    assert_eq!(
        (best.number, near(&best.before), near(&best.after)),
        (4, vec![(3, "two".to_owned())], vec![(5, "four".to_owned())])
    );
    let hits = find(&vault, "needle", Options { context: 9, ..Options::default() }).hits;
    assert_eq!(near(&hits[0].best.as_ref().unwrap().before).len(), 2, "what is hidden is not beside it");
}

#[test]
fn months_of_a_chat_are_searched_together() {
    let (_folder, mut vault) = vault();
    let at = |time: &str, text: &str| json!({ "time": time, "text": text, "name": "Ann" });
    let mut chat = talk(
        "chat",
        json!([
            at("2026-01-05T10:00:00Z", "the budget"),
            at("2026-01-06T10:00:00Z", "more"),
            at("2026-02-05T10:00:00Z", "a report"),
            at("2026-03-05T10:00:00Z", "a draft, budget, budget")
        ]),
    );
    chat["kind"] = json!("group");
    bring(&mut vault, &[chat, talk("other", json!([says("budget")]))]);
    let hits = find(&vault, "budget report", Options::default()).hits;
    assert_eq!(hits.len(), 1);
    let best = hits[0].best.as_ref().unwrap();
    assert_eq!((best.number, hits[0].snippet.as_str(), hits[0].matches), (4, "a draft, budget, budget", 3));
    assert_eq!(found(&vault, "report -draft"), [""; 0]);
    assert_eq!(found(&vault, "~udget ~eport"), ["chat"]);
    assert_eq!(find(&vault, "report", Options::default()).hits[0].best.as_ref().unwrap().number, 3);
    assert_eq!(find(&vault, "budget", Options { limit: Some(1), ..Options::default() }).hits.len(), 1);
}

/// Words by Zipf's law, from a simple generator.
fn corpus(conversations: usize) -> Vec<Value> {
    let mut state = 7_u64;
    let mut draw = move |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let vocabulary =
        ["the", "Budget", "Café", "予算", "会議", "plan*", "fn_main", "🚀", "Straße", "report", "draft", "of"];
    (0..conversations)
        .map(|id| {
            let messages: Vec<Value> = (0..1 + draw(4))
                .map(|_| {
                    let words: Vec<String> = (0..draw(40))
                        .map(|_| {
                            let rank = draw(300) * draw(300) / 300;
                            vocabulary
                                .get(rank as usize)
                                .map_or_else(|| format!("word{rank}"), |word| (*word).to_owned())
                        })
                        .collect();
                    says(&words.join(if draw(3) == 0 { "" } else { " " }))
                })
                .collect();
            talk(&format!("c{id}"), Value::Array(messages))
        })
        .collect()
}

/// Whether a conversation matches, by a look at each text and nothing else.
fn is_match(selector: &Selector, conversation: &Conversation) -> bool {
    let texts = || {
        let said = conversation.messages.iter().flat_map(|message| conversation.texts_of(message));
        said.chain(conversation.title.as_deref())
    };
    selector.terms.iter().all(|term| match &term.kind {
        TermKind::Text(words) => texts().any(|text| words.is_in(text)) != term.negated,
        _ => true,
    })
}

#[test]
fn nothing_is_missed_and_the_best_are_the_first_of_all() {
    let (folder, mut vault) = vault();
    bring(&mut vault, &corpus(300));
    let entries = vault.listing().unwrap().entries;
    let bodies: Vec<(String, Conversation)> =
        entries.iter().map(|entry| (entry.card.native_id.clone(), vault.body(entry).unwrap().conversation)).collect();
    let queries = [
        "budget",
        "the",
        "word40",
        "word299",
        "absent",
        "cafe report",
        "the -budget",
        "予算",
        "予算会議",
        "会議予算",
        "plan*",
        "~lan",
        "\"the budget\"",
        "fn_main",
        "strasse of",
        "🚀",
        "~ord29",
        "wor* budget",
        "c17",
        "-the",
        "~\"t the\"",
    ];
    for query in queries {
        let selector = parse(query, selector::Scope::Text);
        let expected: std::collections::BTreeSet<&String> =
            bodies.iter().filter(|(_, body)| is_match(&selector, body)).map(|(id, _)| id).collect();
        let whole = find(&vault, query, Options::default());
        let found: std::collections::BTreeSet<&String> =
            whole.hits.iter().map(|hit| &hit.entry.card.native_id).collect();
        assert_eq!(found, expected, "{query}");
        assert_eq!((whole.total, whole.certainty), (expected.len(), Total::Exact));
        for limit in [1, 5, 400] {
            let best = find(&vault, query, Options { limit: Some(limit), ..Options::default() });
            let scores = |hits: &[Hit]| hits.iter().map(|hit| (hit.score, hit.entry.leaf)).collect::<Vec<_>>();
            assert_eq!(scores(&best.hits), scores(&whole.hits[..limit.min(whole.hits.len())]), "{query}, {limit}");
            assert!(best.total <= expected.len() && best.total >= limit.min(expected.len()));
        }
    }
    // One that stops early says so.
    let early = find(&vault, "the", Options { limit: Some(1), ..Options::default() });
    assert_eq!(early.certainty, Total::AtLeast);
    // Without the sketches the same is found, only later.
    vault.close().unwrap();
    let mut store = Store::open(Lock::take(&folder.path().join("v.db")).unwrap()).unwrap();
    let mut transaction = store.begin().unwrap();
    transaction.delete(Table::Sketch, 0..i64::MAX as u64).unwrap();
    transaction.commit().unwrap();
    store.close().unwrap();
    let vault =
        Unopened::open(Lock::take(&folder.path().join("v.db")).unwrap()).unwrap().unlock(&password(), None).unwrap();
    for query in queries {
        let selector = parse(query, selector::Scope::Text);
        let expected = bodies.iter().filter(|(_, body)| is_match(&selector, body)).count();
        assert_eq!(found(&vault, query).len(), expected, "{query}");
    }
}

#[test]
fn the_latest_come_first_when_asked_for() {
    let (_folder, mut vault) = vault();
    let at = |day: &str, text: &str| json!([{ "time": format!("2026-01-{day}T10:00:00Z"), "text": text }]);
    bring(
        &mut vault,
        &[
            talk("old", at("01", "budget budget budget")),
            talk("new", at("09", "the budget and more")),
            talk("mid", at("05", "budget")),
        ],
    );
    let time = Options { order: Order::Time, ..Options::default() };
    assert_eq!(ids(&vault, "budget", time), ["new", "mid", "old"]);
    assert_eq!(ids(&vault, "budget", Options { limit: Some(2), ..time }), ["new", "mid"]);
    assert_eq!(found(&vault, "budget"), ["old", "mid", "new"]);
    assert_eq!(ids(&vault, "source:test", time), ["new", "mid", "old"]);
}

#[test]
fn a_damaged_sketch_hides_nothing_and_is_told() {
    let (folder, mut vault) = vault();
    bring(&mut vault, &[talk("a", json!([says("budget")])), talk("b", json!([says("nothing")]))]);
    vault.close().unwrap();
    let path = folder.path().join("v.db");
    let mut store = Store::open(Lock::take(&path).unwrap()).unwrap();
    let rows = store.all(Table::Sketch).unwrap();
    assert_eq!(rows.len(), 2);
    let mut transaction = store.begin().unwrap();
    // Each under the other's number: whole, and of another segment.
    for ((id, _), (_, other)) in rows.iter().zip(rows.iter().rev()) {
        transaction.delete(Table::Sketch, *id..id + 1).unwrap();
        transaction.insert(Table::Sketch, *id, other).unwrap();
    }
    transaction.commit().unwrap();
    store.close().unwrap();
    let vault = Unopened::open(Lock::take(&path).unwrap()).unwrap().unlock(&password(), None).unwrap();
    let found = find(&vault, "budget", Options::default());
    assert_eq!(found.hits.iter().map(|hit| hit.entry.card.native_id.as_str()).collect::<Vec<_>>(), ["a"]);
    let damaged: Vec<String> = found.damaged.iter().map(ToString::to_string).collect();
    assert_eq!(damaged.len(), 2);
    assert!(damaged[0].contains("sketch"), "{damaged:?}");
    assert!(!vault.check(|_| ()).unwrap().findings.is_empty());
}
