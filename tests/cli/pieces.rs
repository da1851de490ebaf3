//! Attachments in convault's own JSONL: whole, or named as missing; never half and never another's.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::exports::zip;
use crate::home::Home;

/// A conversation's line.
fn talk(updated: u32, messages: &[&str], attachments: &Value) -> String {
    let messages: Vec<Value> = messages.iter().map(|id| json!({ "id": id, "text": format!("says {id}") })).collect();
    let line = json!({ "schema": "convault.conversation/1", "source": "boats", "native_id": "b", "title": "Boats",
        "updated": updated.to_string(), "messages": messages, "attachments": attachments });
    format!("{line}\n")
}

/// A piece of an attachment, as the program writes it.
fn piece(index: usize, piece: u32, bytes: &[u8]) -> String {
    let data = STANDARD.encode(bytes);
    format!(
        "{{\"schema\":\"convault.piece/1\",\"of\":\"attachment\",\"index\":{index},\"piece\":{piece},\"data\":\"{data}\"}}\n"
    )
}

/// The bytes of each attachment of the only conversation, when they are stored.
fn stored(home: &Home) -> Vec<Option<Vec<u8>>> {
    let out = home.path("out").join(format!("{}.jsonl", std::fs::read_dir(home.path("out")).expect("there").count()));
    home.run(["export", &home.id("Boats"), "--format", "jsonl", "--plaintext", "-o", out.to_str().expect("text")])
        .expect(0);
    let text = std::fs::read_to_string(out).expect("written");
    let mut lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let count = lines.next().expect("a line")["attachments"].as_array().map_or(0, Vec::len);
    let mut stored = vec![None; count];
    for line in lines.filter(|line| line["of"] == "attachment") {
        let index = usize::try_from(line["index"].as_u64().expect("a number")).expect("small");
        let bytes = STANDARD.decode(line["data"].as_str().expect("text")).expect("Base64");
        stored[index].get_or_insert_with(Vec::new).extend(bytes);
    }
    stored
}

fn file(size: usize) -> Value {
    json!([{ "id": "f", "name": "film", "size": size, "data": true }])
}

/// The places and reasons of an import's problems.
fn problems(document: &Value) -> Vec<String> {
    let problems = document["problems"].as_array().expect("a list");
    problems.iter().map(|one| format!("{}: {}", one["place"], one["reason"]).replace('"', "")).collect()
}

#[test]
fn an_attachment_that_is_cut_short_is_absent_until_it_comes_whole() {
    let home = Home::with_vault();
    let line = talk(1, &["1"], &file(9));
    let cut = home.input("cut.jsonl", format!("{line}{}{}", piece(0, 0, b"one"), piece(0, 1, b"two")));
    for check in [true, false] {
        let (code, document) = home.json(&if check { vec!["import", "--check", &cut] } else { vec!["import", &cut] });
        assert_eq!(code, 3);
        let expected = "cut.jsonl line 1, attachment 0: cannot read the input: a piece of it is damaged or missing";
        assert_eq!(problems(&document), [expected]);
    }
    assert_eq!(stored(&home), [None]);
    let whole = [piece(0, 0, b"one"), piece(0, 1, b"two"), piece(0, 2, b"six")].concat();
    let whole = home.input("whole.jsonl", line.clone() + &whole);
    assert_eq!(home.json(&["import", &whole]).1["conversations"]["updated"], 1);
    assert_eq!(stored(&home), [Some(b"onetwosix".to_vec())]);
    // More than there should be is no better than less.
    let home = Home::with_vault();
    let more = home.input("more.jsonl", format!("{line}{}", piece(0, 0, b"more than nine bytes")));
    assert_eq!(home.json(&["import", &more]).0, 3);
    assert_eq!(stored(&home), [None]);
}

#[test]
fn pieces_are_known_however_their_json_is_written() {
    for (write, is_read) in [
        // As Python writes it; with the data first; with a blank line and with damage between them.
        (piece(0, 0, b"one").replace("\":", "\": ").replace(",\"", ", \"") + &piece(0, 1, b"two"), 0),
        (
            r#"{"data":"b25l","piece":0,"index":0,"of":"attachment","schema":"convault.piece/1"}"#.to_owned()
                + "\n"
                + &piece(0, 1, b"two"),
            0,
        ),
        (piece(0, 0, b"one") + "\n \n" + &piece(0, 1, b"two"), 0),
        (piece(0, 0, b"onetwo") + "garbage\n" + &piece(1, 0, b"x"), 3),
    ] {
        let home = Home::with_vault();
        let attachments = json!([{ "id": "f", "size": 6, "data": true }, { "id": "g" }]);
        let attachments = if is_read == 3 {
            json!([{ "id": "f", "size": 6, "data": true }, { "id": "g", "data": true }])
        } else {
            attachments
        };
        let input = home.input("in.jsonl", talk(1, &["1"], &attachments) + &write);
        let (code, document) = home.json(&["import", &input]);
        assert_eq!(code, is_read, "{write}: {document}");
        let second = (is_read == 3).then(|| b"x".to_vec());
        assert_eq!(stored(&home), [Some(b"onetwo".to_vec()), second], "{write}");
    }
}

#[test]
fn what_is_wrong_with_pieces_is_named() {
    let attachments =
        json!([{ "id": "f", "data": true }, { "id": "g", "data": true }, { "id": "h" }, { "id": "i", "data": true }]);
    let pieces =
        [piece(0, 0, b"a"), piece(1, 0, b"b"), piece(0, 1, b"c"), piece(2, 0, b"d"), piece(9, 0, b"e")].concat();
    let home = Home::with_vault();
    let input = home.input("in.jsonl", talk(1, &["1"], &attachments) + &pieces);
    let (code, document) = home.json(&["import", &input]);
    assert_eq!(code, 3);
    assert_eq!(
        problems(&document),
        [
            "in.jsonl line 1: the pieces of attachment 0 do not stand together",
            "in.jsonl line 1: attachment 2 should have no bytes, and pieces of it are there",
            "in.jsonl line 1: attachment 3 should have bytes, and no piece of it is there",
            "in.jsonl line 1: pieces of an attachment that it does not have",
        ]
    );
    assert_eq!(stored(&home), [None, Some(b"b".to_vec()), None, None]);
}

#[test]
fn files_that_look_alike_keep_their_own_bytes_through_updates() {
    let home = Home::with_vault();
    let alike = json!([{ "name": "image.png", "size": 4, "data": true }, { "name": "image.png", "size": 4, "data": true },
        { "media_type": "image/png", "data": true }]);
    let pieces = [piece(0, 0, b"AAAA"), piece(1, 0, b"BBBB"), piece(2, 0, b"CC")].concat();
    let newer = home.input("newer.jsonl", talk(20, &["1", "2"], &alike) + &pieces);
    home.run(["import", &newer]).expect(0);
    let expected = [b"AAAA".to_vec(), b"BBBB".to_vec(), b"CC".to_vec()].map(Some);
    assert_eq!(stored(&home), expected);
    // An older state with another message, and a later one: both without any bytes.
    let bare = json!([{ "name": "image.png", "size": 4 }, { "name": "image.png", "size": 4 }]);
    for (updated, messages) in [(10, ["1", "old"]), (30, ["1", "new"])] {
        let input = home.input("more.jsonl", talk(updated, &messages, &bare));
        assert_eq!(home.json(&["import", &input]).1["conversations"]["updated"], 1, "{updated}");
        assert_eq!(stored(&home), expected, "{updated}");
    }
    home.run(["check"]).expect(0);
}

#[test]
fn a_line_that_says_it_has_no_originals_is_its_own() {
    let home = Home::with_vault();
    let line =
        |messages: &[&str]| talk(1, messages, &json!([])).replace("\"messages\"", "\"originals\":[],\"messages\"");
    let first = home.input("one.jsonl", line(&["1"]));
    home.run(["import", &first]).expect(0);
    let second = home.input("two.jsonl", line(&["1", "2"]));
    assert_eq!(home.json(&["import", &second]).1["conversations"]["updated"], 1);
    assert_eq!(home.json(&["import", &second]).1["conversations"]["unchanged"], 1);
    assert_eq!(home.json(&["show", &home.id("Boats")]).1["messages"].as_array().map(Vec::len), Some(2));
}

#[test]
fn bytes_that_come_with_the_second_of_two_are_kept_and_a_zip_is_read_in_one_go() {
    let line =
        talk(1, &["1"], &json!([{ "id": "f", "size": 3, "data": true }, { "id": "g", "size": 3, "data": true }]));
    let pieces = [piece(0, 0, b"one"), piece(1, 0, b"two")].concat();
    let expected = [b"one".to_vec(), b"two".to_vec()].map(Some);
    let home = Home::with_vault();
    let input = home.input("in.jsonl", line.clone() + &line + &pieces);
    home.run(["import", &input]).expect(3);
    assert_eq!(stored(&home), expected);
    let again = home.json(&["import", &input]).1;
    assert_eq!((&again["conversations"]["updated"], &again["conversations"]["unchanged"]), (&json!(0), &json!(2)));
    let home = Home::with_vault();
    let archive = home.input("in.zip", zip(&[("in.jsonl", (line + &pieces).as_bytes())]));
    home.run(["import", &archive]).expect(0);
    assert_eq!(stored(&home), expected);
}
