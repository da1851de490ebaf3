//! What a purge costs by the size of the vault, of which it destroys a hundredth: `cargo bench --bench purging`.
//!
//! Vaults of 1,000, 10,000 and 100,000 small conversations whose last activity lies within ten years, under a policy of
//! six rules and three holds that ask for sources, ids, attachments, titles and tags. One in a hundred was replaced by a
//! later version since. Measured in an open vault, so without unlocking: planning at a moment at which a hundredth is
//! ripe; then a purge as `convault purge` runs it, step by step. Once what is oldest was stored first, and once in no
//! order. `CONVAULT_SEGMENTS="1000 10000"` chooses other sizes, and `CONVAULT_REPS` are 3.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant as Clock;

use convault::bundle::Bundle;
use convault::clock::{Duration, Instant, Unit};
use convault::conversation::Kind;
use convault::crypto::{KdfCost, Password};
use convault::erasure::{self, erase};
use convault::import::by_name;
use convault::ingest::{Options, Progress, import};
use convault::purge::{self, Plan};
use convault::retention::{Hold, Written};
use convault::selector::{Item, Selector};
use convault::vault::{AnchorPlace, Entry, HoldNote, Lock, NewVault, NotedHold, Owner, Unopened, Vault};

/// When everything was imported, and its policy set.
const IMPORTED: Instant = Instant(1_800_000_000_000_000);
const TEN_YEARS: i64 = 10 * 365 * 86_400;
const GRACE: i64 = 7 * 86_400;
const SOURCES: [&str; 3] = ["chatgpt", "claude", "codex"];

const POLICY: &str = r#"
schema = "convault.policy/1"
grace = "7d"

[[rule]]
name = "claude"
delete = "3650d"
select = "source:claude"

[[rule]]
name = "codex"
delete = "3650d"
select = "source:codex"

[[rule]]
name = "newest"
keep-last = 50
select = "source:codex"

[[rule]]
name = "taxes"
keep = "30y"
select = "title:taxes"

[[rule]]
name = "favourites"
keep = "30y"
select = "tag:favourite"

[[rule]]
name = "attachments"
keep = "1y"
clock = "imported"
select = "has:attachment"

[default]
delete = "3650d"
"#;

/// The steps of a purge; from the third on as `erase` names them when it begins one. What is under "scanning" and behind
/// it is the verification and the receipt.
const STEPS: [&str; 9] = [
    "planning",
    "choosing what is of it",
    "folding in, drawing a key",
    "taking fingerprints",
    "looking for the canary",
    "giving up the keys",
    "removing rows",
    "shrinking the file",
    "scanning",
];
const BEFORE_VERIFICATION: usize = STEPS.len() - 1;

fn password() -> Password {
    Password::new(b"p".to_vec())
}

/// One small conversation in our own JSONL; `id` is its place among `count` by age.
fn conversation(id: usize, count: usize, versions: usize) -> String {
    let text = "Water the ferns on Tuesday, not on Monday; they sulk. ".repeat(10);
    let ended = IMPORTED.0 / 1_000_000 - TEN_YEARS + TEN_YEARS * id as i64 / count as i64;
    let title = match id % 1000 {
        1 => "taxes",
        2 => "lawsuit",
        _ => "ferns",
    };
    let message = |number| format!("{{\"id\":\"{number}\",\"role\":\"user\",\"text\":\"{id} {text}\"}}");
    let messages: Vec<String> = (1..=versions).map(message).collect();
    format!(
        "{{\"schema\":\"convault.conversation/1\",\"source\":\"{}\",\"native_id\":\"c{id}\",\"title\":\"{title} {id}\",\"updated\":\"{ended}\",\
         \"messages\":[{}]}}\n",
        SOURCES[id % SOURCES.len()],
        messages.join(",")
    )
}

fn store(vault: &mut Vault, texts: impl Iterator<Item = String>) {
    let bundle = Bundle::from_bytes("t.jsonl", texts.collect::<String>().into_bytes()).expect("bytes are a bundle");
    let importer = by_name("convault").expect("the format is registered");
    let options = Options { importer, tags: &[], now: IMPORTED, allow_resurrect: false, besides: &[] };
    import(vault, &bundle, &options, &Progress::default()).expect("the import succeeds");
}

fn hold(vault: &Vault, number: u8, selector: &str) -> NotedHold {
    let conditions = purge::holding(vault, selector).expect("a hold");
    let hold = Hold { id: [number; 16], placed: IMPORTED, released: None, conditions };
    NotedHold { hold, note: HoldNote { reason: "a bench".to_owned(), selector: selector.to_owned() } }
}

/// Whether a selector about titles and tags holds.
fn holds(selector: &Selector, entry: &Entry, tags: &[String]) -> bool {
    selector.matches(&Item {
        id: &entry.conversation,
        source: &entry.card.source,
        title: Some(&entry.card.title),
        kind: Kind::Assistant,
        tags,
        participants: &[],
        created: None,
        last_activity: None,
        imported: IMPORTED,
        attachments: 0,
    })
}

fn filled(path: &Path, count: usize, is_ordered: bool) {
    let new = NewVault {
        password: &password(),
        cost: KdfCost::FLOOR,
        anchor: AnchorPlace::Embedded,
        recovery: false,
        now: IMPORTED,
    };
    let mut vault = Vault::create(Lock::take(path).expect("the lock is free"), &new).expect("a new vault").0;
    // A prime that divides no size: a walk over all of them in no order.
    let place = |at: usize| if is_ordered { at } else { at * 7_919 % count };
    store(&mut vault, (0..count).map(|at| conversation(place(at), count, 1)));
    store(&mut vault, (0..count).map(place).filter(|id| id % 100 == 50).map(|id| conversation(id, count, 2)));
    let entries = vault.listing().expect("it lists").entries;
    let favourites: Vec<Entry> = entries.iter().skip(1).step_by(100).cloned().collect();
    vault.tag(&favourites, &["favourite".to_owned()], &[], IMPORTED).expect("it tags");
    let mut list = vec![hold(&vault, 1, "title:lawsuit"), hold(&vault, 2, "source:messages has:attachment")];
    let named: String = entries[0].conversation.iter().map(|byte| format!("{byte:02x}")).collect();
    list.push(hold(&vault, 3, &format!("id:{named}")));
    vault.set_holds(&list, IMPORTED).expect("holds");
    let written = Written::parse(POLICY).expect("a policy");
    let policy = purge::policy(&vault, &written, IMPORTED, IMPORTED).expect("it compiles");
    vault.set_policy(&policy, POLICY, IMPORTED).expect("it is set");
    assert_eq!(purge::compile(&mut vault, IMPORTED, holds).expect("it compiles"), entries.len() as u64);
    // The first rotation after an import looks at every number that it gave out: as in a vault that has been in use.
    let plan = erasure::Plan::of(&vault, &entries[..1]).expect("a plan");
    erase(&mut vault, plan, IMPORTED, &|_| ()).expect("it erases");
    vault.close().expect("the vault closes");
}

/// When a hundredth is ripe.
fn now() -> Instant {
    Instant(IMPORTED.0 + (TEN_YEARS / 100 + GRACE) * 1_000_000)
}

fn planned(vault: &Vault) -> Plan {
    let plan = Plan::of(vault, now()).expect("a plan");
    assert_eq!((plan.damaged, plan.uncompiled), (0, 0));
    let share = plan.ripe.len() as f64 / plan.all as f64;
    assert!((0.009..0.011).contains(&share), "{share} of {} are ripe", plan.all);
    plan
}

/// Seconds of planning with a warm cache, and of each step of a purge.
fn measure(path: &Path) -> BTreeMap<&'static str, f64> {
    let unopened = Unopened::open(Lock::take(path).expect("the lock is free")).expect("it opens");
    let mut vault: Vault<Owner> = unopened.unlock(&password(), None).expect("it unlocks");
    let mut marks = vec![(STEPS[0], Clock::now())];
    let plan = planned(&vault);
    marks.push((STEPS[1], Clock::now()));
    let old = Duration::new(90, Unit::Day).and_then(|days| now().minus(days)).expect("a day");
    let earlier = erasure::Plan::of_superseded(&vault, old, |id| plan.held.contains(id)).expect("it asks");
    assert!(earlier.is_none(), "earlier versions are kept for 90 days");
    let doomed = erasure::Plan::of_segments(&vault, &plan.targets()).expect("a plan");
    let doomed = doomed.with_tags(&vault).expect("tags").by_policy(plan.rules());
    marks.push((STEPS[2], Clock::now()));
    let marks = RefCell::new(marks);
    let erased =
        erase(&mut vault, doomed, now(), &|step| marks.borrow_mut().push((step, Clock::now()))).expect("it erases");
    let end = Clock::now();
    assert!(erased.receipt.is_some(), "every check passes");
    let marks = marks.into_inner();
    let ends = marks.iter().skip(1).map(|(_, at)| *at).chain([end]);
    let mut times = BTreeMap::from([("the whole purge", (end - marks[0].1).as_secs_f64())]);
    for ((step, begin), end) in marks.iter().zip(ends) {
        *times.entry(*step).or_default() += (end - *begin).as_secs_f64();
    }
    let begin = Clock::now();
    assert!(Plan::of(&vault, now()).expect("a plan").ripe.is_empty(), "nothing ripe is left");
    times.insert("planning again", begin.elapsed().as_secs_f64());
    vault.close().expect("the vault closes");
    times
}

fn report(name: &str, whole: &Path, reps: usize) {
    let path = whole.with_file_name("work.db");
    let mut all: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for _ in 0..reps {
        // As a vault that has no journal yet, in which what an earlier measurement needed would be zero.
        let _ = std::fs::remove_file(path.with_extension("db-journal"));
        std::fs::copy(whole, &path).expect("a copy");
        // Else what is measured would wait for the copy to come to the disk.
        std::fs::File::open(&path).and_then(|copy| copy.sync_all()).expect("the copy is on the disk");
        let times = measure(&path);
        let sum = |steps: &[&str]| steps.iter().filter_map(|step| times.get(step)).sum::<f64>();
        all.entry("after planning, before verification").or_default().push(sum(&STEPS[1..BEFORE_VERIFICATION]));
        all.entry("all before verification").or_default().push(sum(&STEPS[..BEFORE_VERIFICATION]));
        for (step, seconds) in times {
            all.entry(step).or_default().push(seconds);
        }
    }
    let bytes = std::fs::metadata(whole).map_or(0, |about| about.len());
    println!("\n{name}, {:.1} MB; medians of {reps}, least and most, in milliseconds", bytes as f64 / 1e6);
    let sums = ["planning again", "after planning, before verification", "all before verification", "the whole purge"];
    for step in STEPS.into_iter().chain(["writing the receipt"]).chain(sums) {
        let Some(times) = all.get_mut(step) else { continue };
        times.sort_by(f64::total_cmp);
        let [least, median, most] = [0, times.len() / 2, times.len() - 1].map(|at| times[at] * 1e3);
        println!("  {step:36} {median:9.1} {least:9.1} {most:9.1}");
    }
}

fn main() {
    let setting = |name| std::env::var(name).ok();
    let reps = setting("CONVAULT_REPS").and_then(|reps| reps.parse().ok()).unwrap_or(3);
    let folder = tempfile::tempdir().expect("a folder");
    let whole = folder.path().join("whole.db");
    let sizes = setting("CONVAULT_SEGMENTS").unwrap_or_else(|| "1000 10000 100000".to_owned());
    let sizes: Vec<usize> = sizes.split_whitespace().map(|size| size.parse().expect("a number of segments")).collect();
    for (order, is_ordered) in [("oldest first", true), ("in no order", false)] {
        for size in &sizes {
            filled(&whole, *size, is_ordered);
            report(&format!("{size} segments, stored {order}"), &whole, reps);
            std::fs::remove_file(&whole).expect("the vault is removed");
        }
    }
}
