//! Ten years of a vault, a thousand times: what decides and destroys, beside a model that reads the rule book naively.
//!
//! `CONVAULT_SEED=7 cargo test --test ten_years` plays one seed again.

#[path = "ten_years/dice.rs"]
mod dice;

#[path = "ten_years/growth.rs"]
mod growth;

#[path = "ten_years/machine.rs"]
mod machine;

#[path = "ten_years/model.rs"]
mod model;

#[path = "ten_years/steps.rs"]
mod steps;

#[path = "ten_years/story.rs"]
mod story;

use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use machine::{Machine, Ran};
use model::Model;
use steps::Event;
use story::Story;

const SEEDS: u64 = 1000;

/// What the seeds came across, so that a story in which nothing happens does not pass for one that went well.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    events: u64,
    born: u64,
    runs: u64,
    refused: u64,
    destroyed: u64,
}

fn play(seed: u64, trace: &mut Vec<Event>) -> Tally {
    let (mut story, mut machine, mut model) = (Story::new(seed), Machine::new(), Model::new());
    let mut tally = Tally::default();
    while let Some(event) = story.next(&model) {
        trace.push(event.clone());
        let (born, ran) = machine.apply(&event);
        model.apply(&event, &born, ran.as_ref());
        model.check(&machine, event.now);
        tally.events += 1;
        tally.born += born.len() as u64;
        tally.runs += u64::from(ran.is_some());
        let Ran { refused, destroyed, .. } = ran.unwrap_or_default();
        tally.refused += u64::from(refused);
        tally.destroyed += destroyed.len() as u64;
    }
    machine.check_leaves();
    tally
}

/// Plays a seed; what went wrong, with the steps that led there.
fn told(seed: u64) -> Result<Tally, String> {
    let mut trace = Vec::new();
    catch_unwind(AssertUnwindSafe(|| play(seed, &mut trace))).map_err(|panic| {
        let said = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        let mut text = format!("CONVAULT_SEED={seed}: {}\n", said.unwrap_or("no words"));
        for (number, event) in trace.iter().enumerate() {
            let day = (event.now - story::START) as f64 / 86_400e6;
            writeln!(text, "{number:4}  day {day:9.3}  {}  {:?}", event.now, event.step).unwrap();
        }
        text
    })
}

#[test]
fn a_thousand_seeds_live_and_die_by_the_rule_book() {
    if let Some(seed) = std::env::var("CONVAULT_SEED").ok().and_then(|seed| seed.parse().ok()) {
        let tally = told(seed).unwrap_or_else(|text| panic!("{text}"));
        println!("seed {seed}: {tally:?}");
        return;
    }
    let next = AtomicU64::new(0);
    let (all, failed) = (Mutex::new(Tally::default()), Mutex::new(Vec::new()));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= SEEDS || !failed.lock().unwrap().is_empty() {
                return;
            }
            match told(seed) {
                Ok(tally) => {
                    let mut all = all.lock().unwrap();
                    all.events += tally.events;
                    all.born += tally.born;
                    all.runs += tally.runs;
                    all.refused += tally.refused;
                    all.destroyed += tally.destroyed;
                }
                Err(text) => failed.lock().unwrap().push((seed, text)),
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, |count| count.get().max(2)) {
            scope.spawn(work);
        }
    });
    let mut failed = failed.into_inner().unwrap();
    failed.sort();
    if let Some((_, text)) = failed.first() {
        panic!("{text}");
    }
    let all = all.into_inner().unwrap();
    println!("{all:?}");
    assert!(all.events > 60 * SEEDS && all.destroyed > all.born / 4 && all.destroyed < all.born, "{all:?}");
    assert!(all.refused > SEEDS && all.runs > 10 * SEEDS, "{all:?}");
}
