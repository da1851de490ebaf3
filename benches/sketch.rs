//! What search sketches cost and how often they are wrong, over a ChatGPT export: `cargo bench --bench sketch`.
//!
//! Set `CONVAULT_CORPUS` to a `conversations.json` (`scripts/corpus.rs` makes some; `chinese` one in a script without
//! spaces); without it a small one is made here, whose figures say little. One core; ratios of one run are to be quoted.

use std::collections::{BTreeMap, HashSet};
use std::ops::ControlFlow;
use std::time::Instant;

use convault::bundle::Bundle;
use convault::conversation::Conversation;
use convault::fold::fold;
use convault::import::by_name;
use convault::matching::{TextTerm, Word, each_word};
use convault::sketch::{Evidence, Sketch, SketchBuilder};

/// Words of each class that are asked for.
const QUERIES: usize = 200;

fn made_up() -> Vec<u8> {
    let entries: Vec<String> = (0..200)
        .map(|id| {
            let words: Vec<String> = (0..800).map(|word| format!("word{}", (word * word + id * 31) % 4001)).collect();
            format!(
                r#"{{"id": "c{id}", "title": "Talk", "current_node": "n", "mapping": {{"n": {{"id": "n", "parent": null, "children": [],
                "message": {{"id": "n", "author": {{"role": "user"}}, "content": {{"content_type": "text", "parts": ["{}"]}}}}}}}}}}"#,
                words.join(" ")
            )
        })
        .collect();
    format!("[{}]", entries.join(",")).into_bytes()
}

fn conversations(corpus: Vec<u8>) -> Vec<Conversation> {
    let bundle = Bundle::from_bytes("input", corpus).expect("bytes are a bundle");
    let format = by_name("chatgpt").expect("the format is registered");
    let context = format.prepare(&bundle).expect("the corpus can be read");
    let mut conversations = Vec::new();
    format
        .split(&bundle, &context, &mut |unit| {
            let unit = unit.expect("the corpus is whole");
            conversations.push(format.parse(&context, &unit).expect("it parses").conversation);
            ControlFlow::Continue(())
        })
        .expect("the corpus can be read");
    conversations
}

/// The words of a conversation, folded, and neighbours in scripts without spaces, each once.
fn words(conversation: &Conversation) -> HashSet<String> {
    let mut found = HashSet::new();
    let said = conversation.messages.iter().flat_map(|message| conversation.texts_of(message));
    for text in said.chain(conversation.title.as_deref()) {
        let mut before: Option<String> = None;
        each_word(&fold(text), |Word { text, is_alone, .. }| {
            if is_alone && let Some(before) = &before {
                found.insert(format!("{before}{text}"));
            }
            before = is_alone.then(|| text.to_owned());
            found.insert(text.to_owned());
        });
    }
    found
}

fn main() {
    let corpus = match std::env::var_os("CONVAULT_CORPUS") {
        Some(path) => std::fs::read(path).expect("CONVAULT_CORPUS can be read"),
        None => made_up(),
    };
    let conversations = conversations(corpus);
    let text: usize = conversations.iter().map(|conversation| conversation.text.len()).sum();
    let mut builder = SketchBuilder::default();
    let started = Instant::now();
    let sketches: Vec<Vec<u8>> = conversations.iter().map(|one| builder.build(one).to_vec()).collect();
    let seconds = started.elapsed().as_secs_f64();
    let bytes: usize = sketches.iter().map(Vec::len).sum();
    println!("{} conversations, {:.1} MB of text", conversations.len(), text as f64 / 1e6);
    println!("sketches: {:.2} % of the text, without padding and seal", 100.0 * bytes as f64 / text as f64);
    println!("built at {:.0} MB of text a second on one core", text as f64 / 1e6 / seconds);

    let has: Vec<HashSet<String>> = conversations.iter().map(words).collect();
    let mut in_how_many: BTreeMap<&String, usize> = BTreeMap::new();
    has.iter().flatten().for_each(|word| *in_how_many.entry(word).or_default() += 1);
    let all = conversations.len();
    let rarity = |least: usize, most: usize| {
        let of: Vec<&String> =
            in_how_many.iter().filter(|(_, count)| (least..=most).contains(*count)).map(|(word, _)| *word).collect();
        let step = of.len().div_ceil(QUERIES).max(1);
        of.into_iter().step_by(step).cloned().collect::<Vec<String>>()
    };
    let classes = [
        ("in none", (0..QUERIES).map(|number| format!("qx{number}zv")).collect()),
        ("in 1 to 3", rarity(1, 3)),
        ("in 1 % to 10 %", rarity(all.div_ceil(100), all / 10)),
        ("in 30 % to 70 %", rarity(all * 3 / 10, all * 7 / 10)),
    ];
    println!("\n| words that are | asked | opened, % of all | in vain, % of those without | missed |");
    println!("|---|---|---|---|---|");
    for (name, queries) in classes {
        let (mut opened, mut vain, mut without, mut missed) = (0_usize, 0_usize, 0_usize, 0_usize);
        for query in &queries {
            let term = TextTerm::phrase(query).expect("a word");
            let evidence = Evidence::of(&term);
            for (sketch, has) in sketches.iter().zip(&has) {
                let may = Sketch::read(sketch).expect("it was just made").most(&evidence) > 0;
                let is = has.contains(query);
                opened += usize::from(may);
                without += usize::from(!is);
                vain += usize::from(may && !is);
                missed += usize::from(is && !may);
            }
        }
        let percent = |part: usize, of: usize| 100.0 * part as f64 / of.max(1) as f64;
        let share = percent(opened, queries.len() * all);
        println!("| {name} | {} | {share:.2} | {:.2} | {missed} |", queries.len(), percent(vain, without));
        assert_eq!(missed, 0, "a sketch never misses");
    }
}
