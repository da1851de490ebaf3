//! The fuzzer's seeds, and each of them with a few bytes changed, break no promise.

use std::path::Path;

use convault::import::FORMATS;

#[path = "../../fuzz/replay.rs"]
mod replay;

/// A small generator of its own, so that a failure comes again with the same input.
struct Sequence(u64);

impl Sequence {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound.max(1)
    }
}

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
