//! The fuzzer's seeds, and each of them with a few bytes changed, break no promise.

use std::path::Path;

use convault::import::FORMATS;

use mutate::Sequence;

#[path = "../../fuzz/mutate.rs"]
mod mutate;

#[path = "../../fuzz/replay.rs"]
mod replay;

#[test]
fn the_seeds_and_their_neighbours_break_no_promise() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let mut sequence = Sequence(2026);
    for format in FORMATS.iter().map(|format| format.name()).filter(|format| *format != "opaque") {
        let entries = std::fs::read_dir(folder.join(format)).unwrap_or_else(|_| panic!("{format} has no seeds"));
        let mut paths: Vec<_> = entries.map(|entry| entry.expect("readable").path()).collect();
        paths.sort();
        assert!(paths.len() >= 6, "{format} has {} seeds", paths.len());
        for path in paths {
            let seed = std::fs::read(&path).expect("readable");
            replay::replay(format, &seed);
            for _ in 0..60 {
                replay::replay(format, &neighbour(&seed, &mut sequence));
                replay::replay(format, &mutate::mutate(&seed, &mut sequence));
            }
        }
    }
}

/// The seed with a few bytes changed.
fn neighbour(seed: &[u8], sequence: &mut Sequence) -> Vec<u8> {
    let marks = b"\"\\{}[]:,0e-.nutf\x00\xff \n";
    let mut bytes = seed.to_vec();
    for _ in 0..=sequence.below(3) {
        if bytes.is_empty() {
            break;
        }
        let at = sequence.below(bytes.len());
        match sequence.below(4) {
            0 => bytes[at] = marks[sequence.below(marks.len())],
            1 => bytes.insert(at, marks[sequence.below(marks.len())]),
            2 => drop(bytes.drain(at..(at + sequence.below(40)).min(bytes.len()))),
            _ => bytes[at] ^= 1 << sequence.below(8),
        }
    }
    bytes
}

/// The mutator is worth its name only when what it makes is still JSON, and another one.
#[test]
fn changed_values_mostly_stay_json() {
    let seed = br#"{"id":"a","list":[{"id":"b","parent":"a"},{"id":"c","parent":null}],"n":-1.5e3}"#;
    let mut sequence = Sequence(7);
    let made: Vec<_> = (0..400).map(|_| mutate::mutate(seed, &mut sequence)).collect();
    let json = made.iter().filter(|bytes| serde_json::from_slice::<serde_json::Value>(bytes).is_ok()).count();
    let different: std::collections::BTreeSet<_> = made.iter().collect();
    assert!(json > 200 && different.len() > 200, "{json} of 400 are JSON, {} differ", different.len());
    let text: Vec<_> = made.iter().map(|bytes| String::from_utf8_lossy(bytes)).collect();
    assert!(text.iter().any(|text| text.contains(r#""id":"b","parent":"b""#)), "an id comes to point at itself");
}
