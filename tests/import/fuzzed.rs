//! The fuzzer's seeds, and each of them with a few bytes changed, break no promise.

use std::path::Path;

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
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/chatgpt");
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).expect("the seeds are there").map(|e| e.expect("readable").path()).collect();
    paths.sort();
    assert!(paths.len() >= 10, "the seeds are there");
    let mut sequence = Sequence(2026);
    let marks = b"\"\\{}[]:,0e-.nutf\x00\xff \n";
    for path in paths {
        let seed = std::fs::read(&path).expect("readable");
        replay::chatgpt(&seed);
        for _ in 0..60 {
            let mut bytes = seed.clone();
            for _ in 0..=sequence.below(3) {
                let at = sequence.below(bytes.len());
                match sequence.below(4) {
                    0 => bytes[at] = marks[sequence.below(marks.len())],
                    1 => bytes.insert(at, marks[sequence.below(marks.len())]),
                    2 => drop(bytes.drain(at..(at + sequence.below(40)).min(bytes.len()))),
                    _ => bytes[at] ^= 1 << sequence.below(8),
                }
                if bytes.is_empty() {
                    break;
                }
            }
            replay::chatgpt(&bytes);
        }
    }
}
