//! Speed of cutting and reading a ChatGPT export, apart: `cargo bench --bench import`.
//!
//! Set `CONVAULT_CORPUS` to a `conversations.json` to measure a real or a generated one; without it a
//! small export made here is used, whose figures say little.

use std::hint::black_box;
use std::ops::ControlFlow;

use convault::bundle::Bundle;
use convault::import::json::split::Splitter;
use convault::import::{Unit, by_name};
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

fn import(criterion: &mut Criterion) {
    let corpus = match std::env::var_os("CONVAULT_CORPUS") {
        Some(path) => std::fs::read(path).expect("CONVAULT_CORPUS can be read"),
        None => made_up(),
    };
    let mut group = criterion.benchmark_group("import");
    group.sample_size(10);
    group.throughput(Throughput::Bytes(corpus.len() as u64));

    group.bench_function("split", |bencher| {
        bencher.iter(|| {
            let mut splitter = Splitter::new(corpus.as_slice());
            let mut bytes = 0;
            while let Some(element) = splitter.next_element() {
                bytes += element.expect("the corpus is whole").len();
            }
            black_box(bytes)
        });
    });

    let bundle = Bundle::from_bytes("conversations.json", corpus.clone()).expect("bytes are a bundle");
    let format = by_name("chatgpt").expect("the format is registered");
    let context = format.prepare(&bundle).expect("the corpus can be read");
    let mut units: Vec<Unit> = Vec::new();
    format
        .split(&bundle, &context, &mut |unit| {
            units.push(unit.expect("the corpus is whole"));
            ControlFlow::Continue(())
        })
        .expect("the corpus can be read");
    group.bench_function("parse", |bencher| {
        bencher.iter(|| {
            let texts = units.iter().map(|unit| format.parse(&context, unit).expect("parses").conversation.text.len());
            black_box(texts.sum::<usize>())
        });
    });
    group.finish();
}

criterion_group!(benches, import);
criterion_main!(benches);
