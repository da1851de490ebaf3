//! ChatGPT exports of the tests' own making, and zips of them.

use std::io::{Cursor, Write};

use serde_json::{Value, json};
use zip::write::SimpleFileOptions;

/// The time of every first message: 2023-11-14 22:13 UTC.
const START: i64 = 1_700_000_000;

/// A conversation of user and assistant in turns, a second apart.
pub fn conversation(id: &str, title: &str, texts: &[&str]) -> Value {
    let contents: Vec<Value> = texts.iter().map(|text| json!({ "content_type": "text", "parts": [text] })).collect();
    conversation_of(id, title, &contents)
}

/// The same of contents.
pub fn conversation_of(id: &str, title: &str, contents: &[Value]) -> Value {
    let mut mapping = serde_json::Map::new();
    let name = |index: usize| format!("{id}-{index}");
    let child = |index: usize| if index < contents.len() { vec![name(index)] } else { Vec::new() };
    mapping.insert("root".into(), json!({ "id": "root", "message": null, "parent": null, "children": child(0) }));
    for (index, content) in contents.iter().enumerate() {
        let parent = if index == 0 { "root".to_owned() } else { name(index - 1) };
        mapping.insert(
            name(index),
            json!({
                "id": name(index),
                "parent": parent,
                "children": child(index + 1),
                "message": {
                    "id": name(index),
                    "author": { "role": if index % 2 == 0 { "user" } else { "assistant" }, "name": null },
                    "create_time": START + index as i64,
                    "content": content,
                    "recipient": "all",
                },
            }),
        );
    }
    let last = if contents.is_empty() { "root".to_owned() } else { name(contents.len() - 1) };
    json!({
        "id": id, "conversation_id": id, "title": title,
        "create_time": START, "update_time": START + contents.len() as i64,
        "mapping": mapping, "current_node": last,
    })
}

/// An export file of these conversations.
pub fn export(conversations: &[Value]) -> String {
    Value::Array(conversations.to_vec()).to_string()
}

/// A deflated zip of these files.
pub fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        writer.start_file(*name, SimpleFileOptions::default()).expect("a new name");
        writer.write_all(bytes).expect("memory takes it");
    }
    writer.finish().expect("memory takes it").into_inner()
}
