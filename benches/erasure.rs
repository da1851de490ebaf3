//! What an erasure costs by the size of the vault and not of what is erased: `cargo bench --bench erasure`.
//!
//! Erases 100 segments, neighbours and then scattered ones, out of vaults of 1,000, 10,000 and 100,000, step by step, and
//! puts the verification beside `cat` of the same files. `CONVAULT_SEGMENTS="1000 10000"` chooses other sizes,
//! `CONVAULT_CORPUS=conversations.json` erases the older half of that export instead, and `CONVAULT_REPS` are 3.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant as Clock;

use convault::bundle::Bundle;
use convault::clock::Instant;
use convault::crypto::{KdfCost, Password};
use convault::erasure::{Plan, erase};
use convault::import::by_name;
use convault::ingest::{Options, Progress, import};
use convault::vault::{AnchorPlace, Entry, Lock, NewVault, Unopened, Vault};

const NOW: Instant = Instant(1_800_000_000_000_000);
const ERASED: usize = 100;

/// The steps by what `erase` says when it begins one; what is under the last two is the verification and the receipt.
const STEPS: [&str; 8] = [
    "choosing what is of it",
    "taking fingerprints",
    "looking for the canary",
    "giving up the keys",
    "removing rows",
    "shrinking the file",
    "scanning",
    "writing the receipt",
];

fn password() -> Password {
    Password::new(b"p".to_vec())
}

fn filled(path: &Path, importer: &str, bundle: &Bundle) {
    let new = NewVault {
        password: &password(),
        cost: KdfCost::FLOOR,
        anchor: AnchorPlace::Embedded,
        recovery: false,
        now: NOW,
    };
    let mut vault = Vault::create(Lock::take(path).expect("the lock is free"), &new).expect("a new vault").0;
    let importer = by_name(importer).expect("the format is registered");
    let options = Options { importer, tags: &[], now: NOW, allow_resurrect: false, besides: &[] };
    import(&mut vault, bundle, &options, &Progress::default()).expect("the import succeeds");
    // The first rotation after an import looks at every number that it gave out: as in a vault that has been in use.
    let entries = vault.listing().expect("it lists").entries;
    let plan = Plan::of(&vault, &entries[..1]).expect("a plan");
    erase(&mut vault, plan, NOW, &|_| ()).expect("it erases");
    vault.close().expect("the vault closes");
}

/// Small conversations in our own JSONL, oldest first.
fn made_up(count: usize) -> Bundle {
    let text = "Water the ferns on Tuesday, not on Monday; they sulk. ".repeat(10);
    let one = |id: usize| {
        format!(
            "{{\"schema\":\"convault.conversation/1\",\"source\":\"x\",\"native_id\":\"c{id}\",\"title\":\"Ferns {id}\",\"updated\":\"{}\",\
             \"messages\":[{{\"id\":\"1\",\"role\":\"user\",\"text\":\"{id} {text}\"}}]}}\n",
            1_600_000_000 + id
        )
    };
    Bundle::from_bytes("t.jsonl", (0..count).map(one).collect::<String>().into_bytes()).expect("bytes are a bundle")
}

/// Times one erasure; seconds by step, and those of `cat` of the files that were verified.
fn measure(path: &Path, choose: &dyn Fn(&[Entry]) -> Vec<Entry>) -> BTreeMap<&'static str, f64> {
    let unopened = Unopened::open(Lock::take(path).expect("the lock is free")).expect("it opens");
    let mut vault = unopened.unlock(&password(), None).expect("it unlocks");
    let mut entries = vault.listing().expect("it lists").entries;
    entries.reverse();
    let chosen = choose(&entries);
    let marks = RefCell::new(vec![(STEPS[0], Clock::now())]);
    let plan = Plan::of(&vault, &chosen).expect("a plan");
    let erased =
        erase(&mut vault, plan, NOW, &|step| marks.borrow_mut().push((step, Clock::now()))).expect("it erases");
    let end = Clock::now();
    assert!(erased.receipt.is_some(), "every check passes");
    vault.close().expect("the vault closes");
    let marks = marks.into_inner();
    let ends = marks.iter().skip(1).map(|(_, at)| *at).chain([end]);
    let mut times = BTreeMap::new();
    for ((step, begin), end) in marks.iter().zip(ends) {
        *times.entry(*step).or_default() += (end - *begin).as_secs_f64();
    }
    let journal = path.with_extension("db-journal");
    let begin = Clock::now();
    let cat = Command::new("cat").arg(path).arg(journal).stdout(Stdio::null()).status().expect("cat runs");
    assert!(cat.success());
    times.insert("cat", begin.elapsed().as_secs_f64());
    times
}

fn report(name: &str, whole: &Path, reps: usize, choose: &dyn Fn(&[Entry]) -> Vec<Entry>) {
    let path = whole.with_file_name("work.db");
    let mut all: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for _ in 0..reps {
        // As a vault that has no journal yet, in which what an earlier measurement needed would be zero.
        let _ = std::fs::remove_file(path.with_extension("db-journal"));
        std::fs::copy(whole, &path).expect("a copy");
        // Else what is measured would wait for the copy to come to the disk.
        std::fs::File::open(&path).and_then(|copy| copy.sync_all()).expect("the copy is on the disk");
        let times = measure(&path, choose);
        let sum = |steps: &[&str]| steps.iter().filter_map(|step| times.get(step)).sum::<f64>();
        all.entry("before verification").or_default().push(sum(&STEPS[..6]));
        all.entry("verification").or_default().push(sum(&STEPS[6..7]));
        for (step, seconds) in times {
            all.entry(step).or_default().push(seconds);
        }
    }
    let bytes = std::fs::metadata(whole).map_or(0, |about| about.len());
    println!("\n{name}, {:.1} MB; medians of {reps}, in milliseconds", bytes as f64 / 1e6);
    let mut median = |step: &str| {
        let times = all.get_mut(step)?;
        times.sort_by(f64::total_cmp);
        Some(times[times.len() / 2] * 1e3)
    };
    for step in STEPS.into_iter().chain(["before verification", "verification", "cat"]) {
        println!("  {step:24} {:9.1}", median(step).unwrap_or(0.0));
    }
    let ratio = median("verification").unwrap_or(0.0) / median("cat").unwrap_or(f64::NAN);
    println!("  verification is {ratio:.1} times cat");
}

fn main() {
    let setting = |name| std::env::var(name).ok();
    let reps = setting("CONVAULT_REPS").and_then(|reps| reps.parse().ok()).unwrap_or(3);
    let folder = tempfile::tempdir().expect("a folder");
    let whole = folder.path().join("whole.db");
    if let Some(corpus) = setting("CONVAULT_CORPUS") {
        let bundle = Bundle::open_path(Path::new(&corpus)).expect("the corpus can be read");
        filled(&whole, "chatgpt", &bundle);
        report("the older half", &whole, reps, &|entries| entries[..entries.len() / 2].to_vec());
        return;
    }
    let sizes = setting("CONVAULT_SEGMENTS").unwrap_or_else(|| "1000 10000 100000".to_owned());
    for size in sizes.split_whitespace().map(|size| size.parse::<usize>().expect("a number of segments")) {
        filled(&whole, "convault", &made_up(size + 1));
        report(&format!("{ERASED} neighbours of {size}"), &whole, reps, &|entries| {
            entries[entries.len() / 2..][..ERASED].to_vec()
        });
        report(&format!("{ERASED} of {size}, scattered"), &whole, reps, &|entries| {
            entries.iter().step_by(entries.len() / ERASED).cloned().collect()
        });
        std::fs::remove_file(&whole).expect("the vault is removed");
    }
}
