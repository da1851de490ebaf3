//! How large the sealed keyring is after ten years of three segments a day.
//!
//! `cargo test --test ten_years keyring -- --nocapture` prints the curve of `docs/performance.md`.

use std::time::Instant;

use convault::crypto::{Anchor, Place, Purpose, padding, sealed_len};
use convault::keyring::Frontier;

const A_DAY: u64 = 3;
const KEPT_DAYS: u64 = 365;
const DAYS: u64 = 3650;
/// What the issue allows for the sealed row.
const MOST: usize = 65_536;
/// The version, the generation and the secret of the deposit epoch, before the frontier in its row.
const BEFORE: usize = 1 + 8 + 32;

struct Year {
    nodes: usize,
    sealed: usize,
    /// The largest row of any day so far.
    largest: usize,
    nanos_a_share: u128,
}

fn plain(frontier: &Frontier) -> Vec<u8> {
    [&[0; BEFORE][..], &frontier.encode()].concat()
}

/// Every day three segments, a janitor's run, and what is a year old goes, unless it is kept for ever.
fn ten_years(is_kept: impl Fn(u64) -> bool) -> Vec<Year> {
    let mut frontier = Frontier::plant();
    let (mut years, mut largest) = (Vec::new(), 0);
    for day in 1..=DAYS {
        let next_leaf = day * A_DAY;
        if let Some(old) = day.checked_sub(KEPT_DAYS + 1) {
            let gone: Vec<u64> = (old * A_DAY..(old + 1) * A_DAY).filter(|leaf| !is_kept(*leaf)).collect();
            frontier.puncture_all(&gone).unwrap();
        }
        frontier.rotate(next_leaf).unwrap();
        let padded = padding::ledger(&plain(&frontier));
        let sealed = sealed_len(padded.len());
        largest = largest.max(sealed);
        if day % 365 == 0 {
            let key = Anchor::generate().derive_frontier_key(&[7; 16], day);
            assert_eq!(key.seal(&Place::of_vault([7; 16], Purpose::Frontier), &padded).len(), sealed);
            let alive: Vec<u64> = (0..next_leaf).filter(|leaf| frontier.covers(*leaf)).collect();
            let expected = (0..next_leaf).filter(|leaf| is_kept(*leaf) || leaf / A_DAY + KEPT_DAYS >= day).count();
            assert_eq!(alive.len(), expected);
            let begun = Instant::now();
            for leaf in &alive {
                frontier.erase_share(*leaf).unwrap();
            }
            let nanos_a_share = begun.elapsed().as_nanos() / alive.len() as u128;
            years.push(Year { nodes: frontier.node_count(), sealed, largest, nanos_a_share });
        }
    }
    years
}

#[test]
fn the_sealed_keyring_stays_below_64_kib_for_ten_years() {
    let (all_go, some_stay) = (ten_years(|_| false), ten_years(|leaf| leaf % 10 == 0));
    println!("| year | nodes | sealed bytes | ns a share | nodes, 10 % kept | sealed bytes | ns a share |");
    println!("|---|---|---|---|---|---|---|");
    for (number, (go, stay)) in all_go.iter().zip(&some_stay).enumerate() {
        println!(
            "| {} | {} | {} | {} | {} | {} | {} |",
            number + 1,
            go.nodes,
            go.sealed,
            go.nanos_a_share,
            stay.nodes,
            stay.sealed,
            stay.nanos_a_share
        );
    }
    assert!(all_go.iter().all(|year| year.largest < MOST));
    // After the first year as much goes as comes.
    assert!(all_go[1..].iter().all(|year| year.nodes <= all_go[0].nodes + 4));
    // What is kept for ever costs a node at most, each.
    let kept = (DAYS * A_DAY / 10) as usize;
    assert!(some_stay[9].nodes <= all_go[9].nodes + kept);
}
