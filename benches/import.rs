//! Speed of cutting a ChatGPT export, and of reading each format, on one core: `cargo bench --bench import`.
//!
//! Set `CONVAULT_CORPUS` to a `conversations.json` to measure a real or a generated one; without it a
//! small export made here is used, whose figures say little.

use std::hint::black_box;
use std::ops::ControlFlow;

use convault::bundle::Bundle;
use convault::import::json::split::Splitter;
use convault::import::{FORMATS, Unit, by_name};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn made_up() -> Vec<u8> {
    let text = "Water the ferns on Tuesday, not on Monday; they \\\"sulk\\\".\\n".repeat(12);
    let entries: Vec<String> = (0..300)
        .map(|id| {
            let nodes: Vec<String> = (0..30)
                .map(|n| {
                    let parent = if n == 0 { "null".to_owned() } else { format!("\"n{}\"", n - 1) };
                    let role = if n % 2 == 0 { "user" } else { "assistant" };
                    format!(
                        "\"n{n}\": {{\"id\": \"n{n}\", \"message\": {{\"id\": \"n{n}\", \"author\": {{\"role\": \"{role}\", \
                         \"name\": null, \"metadata\": {{}}}}, \"create_time\": 175600000{}.25, \"content\": \
                         {{\"content_type\": \"text\", \"parts\": [\"{text}\"]}}, \"weight\": 1.0, \"metadata\": {{}}, \
                         \"recipient\": \"all\"}}, \"parent\": {parent}, \"children\": [\"n{}\"]}}",
                        n % 10,
                        n + 1
                    )
                })
                .collect();
            format!("{{\"id\": \"c{id}\", \"title\": \"Ferns\", \"mapping\": {{{}}}, \"current_node\": \"n29\"}}", nodes.join(", "))
        })
        .collect();
    format!("[{}]", entries.join(", ")).into_bytes()
}

const TEXT: &str = "Water the ferns on Tuesday, not on Monday; they \\\"sulk\\\".\\n";

/// A line or element many times, with its number in the place of `@`, and a long text in that of `$`.
fn repeated(count: usize, template: &str, between: &str) -> String {
    let text = TEXT.repeat(12);
    let one = |number: usize| template.replace('@', &number.to_string()).replace('$', &text);
    (0..count).map(one).collect::<Vec<_>>().join(between)
}

/// Some 5 MB of a format.
fn made_up_of(format: &str) -> Vec<u8> {
    let lines = |template: &str| repeated(6_000, template, "\n").into_bytes();
    let array = |template: &str| format!("[{}]", repeated(1_500, template, ",")).into_bytes();
    match format {
        "chatgpt" => made_up(),
        "claude" => array(
            r#"{"uuid":"c@","name":"Ferns","created_at":"2025-01-01T00:00:00.000000Z","updated_at":"2025-01-01T00:00:00.000000Z","account":{"uuid":"a"},"chat_messages":[
            {"uuid":"m@","text":"","content":[{"start_timestamp":null,"stop_timestamp":null,"type":"text","text":"$","citations":[]}],"sender":"human","created_at":"2025-01-01T00:00:00.000000Z","updated_at":"2025-01-01T00:00:00.000000Z","attachments":[],"files":[]},
            {"uuid":"n@","text":"","content":[{"start_timestamp":null,"stop_timestamp":null,"type":"text","text":"$","citations":[]}],"sender":"assistant","created_at":"2025-01-01T00:00:00.000000Z","updated_at":"2025-01-01T00:00:00.000000Z","attachments":[],"files":[]}]}"#,
        ),
        "claude-code" => lines(
            r#"{"parentUuid":null,"isSidechain":false,"userType":"external","cwd":"/home/someone","sessionId":"s","version":"2.0.0","gitBranch":"main","type":"assistant","message":{"id":"msg_@","type":"message","role":"assistant","model":"claude-sonnet-4","content":[{"type":"text","text":"$"}],"stop_reason":null,"usage":{"input_tokens":1,"output_tokens":2}},"requestId":"r","uuid":"u@","timestamp":"2026-01-01T00:00:00.000Z"}"#,
        ),
        "codex" => lines(
            r#"{"timestamp":"2026-01-01T00:00:00.000Z","type":"response_item","payload":{"type":"message","role":"user","content":[{"type":"input_text","text":"@ $"}]}}"#,
        ),
        "messages" => lines(r#"{"messages":[{"role":"user","content":"@ $"},{"role":"assistant","content":"$"}]}"#),
        "sharegpt" => array(r#"{"id":"c@","conversations":[{"from":"human","value":"$"},{"from":"gpt","value":"$"}]}"#),
        "convault" => lines(
            r#"{"schema":"convault.conversation/1","source":"x","native_id":"c@","messages":[{"id":"1","role":"user","time":"2026-01-01T00:00:00Z","text":"$"}]}"#,
        ),
        other => panic!("no corpus for {other}"),
    }
}

fn split(criterion: &mut Criterion) {
    let corpus = match std::env::var_os("CONVAULT_CORPUS") {
        Some(path) => std::fs::read(path).expect("CONVAULT_CORPUS can be read"),
        None => made_up(),
    };
    let mut group = criterion.benchmark_group("split");
    group.sample_size(10);
    group.throughput(Throughput::Bytes(corpus.len() as u64));
    group.bench_function("elements", |bencher| {
        bencher.iter(|| {
            let mut splitter = Splitter::new(corpus.as_slice());
            let mut bytes = 0;
            while let Some(element) = splitter.next_element() {
                bytes += element.expect("the corpus is whole").len();
            }
            black_box(bytes)
        });
    });
    group.finish();
    if std::env::var_os("CONVAULT_CORPUS").is_some() {
        parse(criterion, "the corpus", "chatgpt", corpus);
    }
}

fn formats(criterion: &mut Criterion) {
    for format in FORMATS.iter().map(|format| format.name()).filter(|format| *format != "opaque") {
        parse(criterion, format, format, made_up_of(format));
    }
}

fn parse(criterion: &mut Criterion, name: &str, format: &str, corpus: Vec<u8>) {
    let bundle = Bundle::from_bytes("input", corpus).expect("bytes are a bundle");
    let format = by_name(format).expect("the format is registered");
    let context = format.prepare(&bundle).expect("the corpus can be read");
    let mut units: Vec<Unit> = Vec::new();
    format
        .split(&bundle, &context, &mut |unit| {
            units.push(unit.expect("the corpus is whole"));
            ControlFlow::Continue(())
        })
        .expect("the corpus can be read");
    let mut group = criterion.benchmark_group("parse");
    group.sample_size(10);
    group.throughput(Throughput::Bytes(units.iter().map(|unit| unit.bytes.len() as u64).sum()));
    // What a general parser needs for the same bytes in the same run, so that a ratio can be quoted.
    group.bench_function(format!("{name}, serde_json::Value instead"), |bencher| {
        bencher.iter(|| {
            for unit in &units {
                for value in serde_json::Deserializer::from_slice(&unit.bytes).into_iter::<serde_json::Value>() {
                    black_box(value.expect("the corpus is whole"));
                }
            }
        });
    });
    group.bench_function(name, |bencher| {
        bencher.iter(|| {
            let texts = units.iter().map(|unit| format.parse(&context, unit).expect("parses").conversation.text.len());
            black_box(texts.sum::<usize>())
        });
    });
    group.finish();
}

criterion_group!(benches, split, formats);
criterion_main!(benches);
