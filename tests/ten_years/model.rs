//! The rule book read line by line over a plain list: what lives, what is due, and what is gone.
//!
//! It shares no rule with the library. When something became due it finds by walking back through every moment at
//! which that can have changed; beside it, it writes down when it last saw each record served.

use std::collections::{BTreeMap, BTreeSet};

use convault::clock::Instant;
use convault::crypto::{Digest, hash};
use convault::keyring::Frontier;
use convault::retention::Standing;

use super::machine::{Birth, Machine, Ran};
use super::steps::{Ask, Asked, Event, Fresh, Law, Length, Reading, Step, What};

const DAY: i64 = 86_400_000_000;
const HOUR: i64 = DAY / 24;

/// How a record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stand {
    Held,
    /// Its marks are not those of today's rules.
    Unread,
    Kept,
    /// Served until then.
    Live(i64),
    /// Not served, and a purge may destroy it from then on.
    Due(i64),
}

#[derive(Clone, Debug)]
pub struct Record {
    pub leaf: u64,
    pub name: u32,
    source: u8,
    began: i64,
    active: i64,
    imported: i64,
    changed: i64,
    attachments: u32,
    pub tags: BTreeSet<u8>,
    marks: BTreeSet<u8>,
    read_under: (usize, usize),
    facts: u64,
    /// Older versions of it: leaf, its number of facts, since when it is superseded.
    older: Vec<(u64, u64, i64)>,
    /// When it was last seen to be served.
    served: i64,
}

struct Enacted {
    law: Law,
    set: i64,
    effective: i64,
    restored: Vec<(u32, i64)>,
}

struct HeldFor {
    id: u8,
    about: Vec<Asked>,
    released: Option<i64>,
}

#[derive(Default)]
pub struct Model {
    pub records: Vec<Record>,
    laws: Vec<Enacted>,
    holds: Vec<HeldFor>,
    holds_changed: usize,
    /// The commitment to the first share of every leaf that was ever used.
    first_shares: BTreeMap<u64, Digest>,
    /// The leaf hash of everything that is gone.
    tombs: BTreeMap<u64, Digest>,
    /// Handed out and never used.
    unused: Vec<u64>,
    /// Numbers below it cannot be used any more.
    cut: u64,
    next_leaf: u64,
    seen: Option<i64>,
    /// How everything stood after the last event.
    stood: Vec<(u64, Stand)>,
    looked: Looked,
    hashes: Hashes,
}

/// What was looked at already; the same bytes derive the same shares.
#[derive(Default)]
struct Looked {
    frontier: Vec<u8>,
    alive: BTreeSet<u64>,
    gone: BTreeSet<u64>,
    leaves: BTreeMap<u64, Digest>,
}

/// Hashes of live leaves by leaf and number of facts, each computed once.
#[derive(Default)]
struct Hashes(BTreeMap<(u64, u64), Digest>);

impl Hashes {
    fn live(&mut self, leaf: u64, facts: u64, commitment: &Digest) -> Digest {
        *self.0.entry((leaf, facts)).or_insert_with(|| live(leaf, facts, commitment))
    }
}

impl Model {
    pub fn new() -> Self {
        let keep_all = Law { grace_days: 7, share: 10, clauses: Vec::new(), default: None };
        let first = Enacted { law: keep_all, set: i64::MIN, effective: i64::MIN, restored: Vec::new() };
        Self { laws: vec![first], ..Self::default() }
    }

    pub fn active_holds(&self, now: i64) -> Vec<u8> {
        self.holds.iter().filter(|hold| hold.released.is_none_or(|at| at > now)).map(|hold| hold.id).collect()
    }

    pub fn holds_ever(&self) -> u8 {
        self.holds.len() as u8
    }

    /// What happens, told again; `born` and `ran` are what the machine says it did.
    pub fn apply(&mut self, event: &Event, born: &[Birth], ran: Option<&Ran>) {
        let now = event.now;
        let before = self.see(now);
        for (leaf, commitment) in born {
            assert!(*leaf >= self.next_leaf.max(self.cut), "leaf {leaf} is handed out again");
            assert_eq!(self.first_shares.insert(*leaf, *commitment), None, "leaf {leaf} was used before");
            self.unused.extend(self.next_leaf..*leaf);
            self.next_leaf = leaf + 1;
        }
        // A gap longer than 45 days is believed only when the owner says so.
        let steady = self.seen.is_none_or(|seen| seen <= now && now <= seen + 45 * DAY);
        match &event.step {
            Step::Import { fresh, .. } => {
                for (fresh, (leaf, _)) in fresh.iter().zip(born) {
                    self.records.push(Record::of(fresh, *leaf, now));
                }
            }
            Step::Update { leaf, active } => {
                let record = self.records.iter_mut().find(|record| record.leaf == *leaf).unwrap();
                record.older.push((record.leaf, record.facts, now));
                record.active = (*active).min(now);
                record.changed = now;
                record.marks.clear();
                (record.leaf, record.facts, record.read_under) = (born[0].0, 1, (0, 0));
            }
            Step::Tag { name, tag, on } => {
                for record in self.records.iter_mut().filter(|record| record.name == *name) {
                    let had = record.tags.contains(tag);
                    if *on && !had {
                        record.tags.insert(*tag);
                    } else if !*on && had {
                        record.tags.remove(tag);
                    } else {
                        continue;
                    }
                    record.changed = now;
                    record.facts += 1;
                    record.read_under = (0, 0);
                }
            }
            Step::Compile => self.read(now),
            Step::Hold { id, about } => {
                self.holds.push(HeldFor { id: *id, about: about.clone(), released: None });
                self.holds_changed += 1;
            }
            Step::Release { id } => {
                self.holds.iter_mut().find(|hold| hold.id == *id).unwrap().released = Some(now);
                self.holds_changed += 1;
            }
            Step::Policy(law) => {
                let promised = self.laws.last().unwrap().restored.iter().filter(|(_, until)| *until > now);
                let restored = promised.copied().collect();
                self.laws.push(Enacted { law: law.clone(), set: now, effective: now + 72 * HOUR, restored });
            }
            Step::Restore { name, until } => {
                let last = self.laws.last().unwrap();
                let mut restored = last.restored.clone();
                restored.push((*name, *until));
                let (law, effective) = (last.law.clone(), last.effective.max(now));
                self.laws.push(Enacted { law, set: now, effective, restored });
            }
            Step::Run { acknowledged, .. } => self.run(now, *acknowledged, steady, &before, ran.unwrap()),
        }
        if steady {
            self.seen = Some(now);
        }
        self.stood = self.see(now);
    }

    /// A run was to destroy what is ripe by the rule book, with all its versions, and nothing else.
    fn run(&mut self, now: i64, acknowledged: bool, steady: bool, stands: &[(u64, Stand)], ran: &Ran) {
        let ripe: BTreeSet<u64> =
            stands.iter().filter(|(_, stand)| is_ripe(*stand, now)).map(|(leaf, _)| *leaf).collect();
        let went_back = self.seen.is_some_and(|seen| now < seen);
        if went_back || !steady && !acknowledged {
            assert!(ran.refused && ran.destroyed.is_empty(), "a run believed a wrong clock");
            return;
        }
        self.seen = Some(now);
        let shares = self.counting(now).into_iter().map(|at| usize::from(self.laws[at].law.share));
        let most = shares.map(|share| (self.records.len() * share / 100).clamp(1, 1000)).min().unwrap();
        if !acknowledged && ripe.len() > most {
            assert!(ran.refused && ran.destroyed.is_empty(), "a run went beyond its limits");
            return;
        }
        assert!(ran.rotated && !ran.refused, "a run did nothing");
        let grace = self.grace(now);
        let mut expected = BTreeSet::new();
        for (record, (_, stand)) in self.records.iter().zip(stands) {
            let goes = ripe.contains(&record.leaf);
            // Whatever made it due: since it was last seen to be served its grace is over. A clock that went back saw nothing.
            assert!(!goes || record.served > now || record.served + grace <= now, "{record:?} has had no grace");
            for (leaf, _, since) in &record.older {
                if goes || *since + 90 * DAY <= now && *stand != Stand::Held {
                    expected.insert(*leaf);
                }
            }
            if goes {
                expected.insert(record.leaf);
            }
        }
        let destroyed: BTreeSet<u64> = ran.destroyed.iter().copied().collect();
        assert_eq!(destroyed, expected, "another set of leaves was destroyed; {stands:?}");
        for record in &mut self.records {
            for (leaf, facts, _) in record.older.iter().filter(|older| expected.contains(&older.0)) {
                let before = superseded(live(*leaf, *facts, &self.first_shares[leaf]));
                self.tombs.insert(*leaf, tomb(before));
            }
            record.older.retain(|older| !expected.contains(&older.0));
            if ripe.contains(&record.leaf) {
                let before = live(record.leaf, record.facts, &self.first_shares[&record.leaf]);
                self.tombs.insert(record.leaf, tomb(before));
            }
        }
        self.records.retain(|record| !ripe.contains(&record.leaf));
        self.cut = self.next_leaf;
    }

    /// Compares everything with the machine as it is now.
    pub fn check(&mut self, machine: &Machine, now: i64) {
        let mut alive: BTreeMap<u64, Digest> = BTreeMap::new();
        for record in &self.records {
            let share = |leaf: &u64| &self.first_shares[leaf];
            alive.insert(record.leaf, self.hashes.live(record.leaf, record.facts, share(&record.leaf)));
            for (leaf, facts, _) in &record.older {
                alive.insert(*leaf, superseded(self.hashes.live(*leaf, *facts, share(leaf))));
            }
        }
        let bytes = machine.frontier.encode();
        if *bytes != self.looked.frontier {
            self.looked = Looked { frontier: bytes.to_vec(), leaves: self.looked.leaves.clone(), ..Looked::default() };
        }
        let fresh: Vec<u64> = alive.keys().filter(|leaf| self.looked.alive.insert(**leaf)).copied().collect();
        let cut_off = self.unused.iter().filter(|leaf| **leaf < self.cut);
        let gone = self.tombs.keys().chain(cut_off).filter(|leaf| self.looked.gone.insert(**leaf));
        let gone: Vec<u64> = gone.copied().collect();
        if !fresh.is_empty() || !gone.is_empty() {
            let decoded = Frontier::decode(&bytes).unwrap();
            let (mut as_it_is, mut read_again) = (machine.frontier.walker(), decoded.walker());
            for leaf in fresh {
                assert!(machine.frontier.covers(leaf), "leaf {leaf} is lost");
                let share = read_again.erase_share(leaf).map(|share| share.commitment());
                assert_eq!(share.as_ref(), Some(&self.first_shares[&leaf]), "leaf {leaf} lost its first share");
            }
            for leaf in gone {
                let is_gone = as_it_is.erase_share(leaf).is_none() && read_again.erase_share(leaf).is_none();
                assert!(is_gone, "leaf {leaf} was destroyed and can be derived");
            }
        }
        let leaves: BTreeMap<u64, Digest> = alive.into_iter().chain(self.tombs.clone()).collect();
        if leaves != self.looked.leaves {
            assert_eq!(machine.root, root_of(&leaves), "the live tree has another root");
            self.looked.leaves = leaves;
        }

        let mut verdicts: BTreeMap<u64, _> = machine.verdicts(now).into_iter().collect();
        for &(leaf, stand) in &self.stood {
            let verdict = verdicts.remove(&leaf).unwrap_or_else(|| panic!("leaf {leaf} is not judged"));
            let held = matches!(verdict.standing, Standing::Held(_));
            let ripe = verdict.is_ripe(Instant(now));
            let said = (held, verdict.is_served(), ripe);
            let expected = (stand == Stand::Held, !matches!(stand, Stand::Due(_)), is_ripe(stand, now));
            assert_eq!(said, expected, "held, served, ripe of leaf {leaf}: {verdict:?} and {stand:?}");
        }
        assert!(verdicts.is_empty(), "what does not live is judged: {verdicts:?}");
    }

    /// The moments at which something changes by itself.
    pub fn turns(&self, now: i64) -> Vec<i64> {
        let turn = |(_, stand)| match stand {
            Stand::Live(at) | Stand::Due(at) => Some(at),
            _ => None,
        };
        self.stands(now).into_iter().filter_map(turn).filter(|at| *at > now).collect()
    }

    /// Writes down what is served.
    fn see(&mut self, now: i64) -> Vec<(u64, Stand)> {
        let stands = self.stands(now);
        for (record, (_, stand)) in self.records.iter_mut().zip(&stands) {
            if !matches!(stand, Stand::Due(_)) {
                record.served = now;
            }
        }
        stands
    }

    fn read(&mut self, now: i64) {
        let under = (self.laws.len(), self.holds_changed);
        let active = self.active_holds(now);
        let holding = self.holds.iter().filter(|hold| active.contains(&hold.id)).flat_map(|hold| &hold.about);
        let asked_by_holds: Vec<u8> =
            holding.filter_map(|asked| if let Ask::Tag(tag) = asked.ask { Some(tag) } else { None }).collect();
        for record in self.records.iter_mut().filter(|record| record.read_under != under) {
            let stays = record.marks.iter().filter(|mark| asked_by_holds.contains(mark));
            let marks: BTreeSet<u8> = stays.chain(&record.tags).copied().collect();
            // It was kept because nobody had looked: its grace begins now.
            record.changed = now;
            record.marks = marks;
            record.read_under = under;
            record.facts += 1;
        }
    }

    /// How every record stands, in their order.
    pub fn stands(&self, now: i64) -> Vec<(u64, Stand)> {
        // What ended years ago began no grace that is not over: none is longer than 90 days.
        let ended = |at: usize| self.laws.get(at + 1).is_some_and(|next| next.effective < now - 400 * DAY);
        let first = (0..self.laws.len()).find(|at| !ended(*at)).unwrap();
        let due: Vec<Vec<Option<i64>>> = self.laws[first..].iter().map(|law| self.due_by(law)).collect();
        let stand = |at: usize| self.stand(at, first, &due.iter().map(|by| by[at]).collect::<Vec<_>>(), now);
        self.records.iter().enumerate().map(|(at, record)| (record.leaf, stand(at))).collect()
    }

    fn stand(&self, at: usize, first: usize, due: &[Option<i64>], now: i64) -> Stand {
        let record = &self.records[at];
        let active: Vec<&HeldFor> = self.holds.iter().filter(|hold| hold.released.is_none_or(|at| at > now)).collect();
        if active.iter().any(|hold| record.is(&hold.about)) {
            return Stand::Held;
        }
        let reads = |about: &[Asked]| about.iter().any(|asked| matches!(asked.ask, Ask::Tag(_)));
        for number in self.in_force(now)..self.laws.len() {
            let asks = self.laws[number].law.clauses.iter().any(|clause| reads(&clause.about));
            if asks && record.read_under.0 < number + 1 {
                return Stand::Unread;
            }
        }
        if active.iter().any(|hold| reads(&hold.about)) && record.read_under.1 < self.holds_changed {
            return Stand::Unread;
        }
        // It is due at a moment when every law that counts then has had its day.
        let is_due = |at: i64| {
            self.counting(at).into_iter().all(|law| law >= first && due[law - first].is_some_and(|day| day <= at))
        };
        let edges =
            self.laws[first..].iter().flat_map(|law| [law.set, law.effective]).chain(due.iter().flatten().copied());
        let mut moments: Vec<i64> = edges.collect();
        moments.sort_unstable();
        if !is_due(now) {
            let next = moments.into_iter().find(|at| *at > now && is_due(*at));
            return next.map_or(Stand::Kept, Stand::Live);
        }
        let back = moments.into_iter().rev().filter(|at| *at <= now);
        let since = back.take_while(|at| is_due(*at)).last().unwrap_or(now);
        // What asked for a tag that nobody looked at kept it as well.
        let unread = record.read_under.1 < self.holds_changed;
        let kept_it = |hold: &&HeldFor| record.is(&hold.about) || unread && reads(&hold.about);
        let released = self.holds.iter().filter(kept_it).filter_map(|hold| hold.released);
        let asked = |number: usize| self.laws[number].law.clauses.iter().any(|clause| reads(&clause.about));
        let ended = (first..self.laws.len() - 1).filter(|number| asked(*number) && record.read_under.0 < number + 1);
        let ended = ended.map(|number| self.laws[number + 1].effective);
        let began = released
            .chain(ended)
            .chain([record.imported, record.changed])
            .filter(|at| *at <= now)
            .fold(since, i64::max);
        Stand::Due(began + self.grace(now))
    }

    /// The day of each record by one law alone; none for never.
    fn due_by(&self, law: &Enacted) -> Vec<Option<i64>> {
        let mut days: Vec<Option<i64>> = self.records.iter().map(|record| day_by(law, record)).collect();
        for clause in &law.law.clauses {
            let What::KeepLast(count) = clause.what else { continue };
            // Every conversation with its latest reading, newest first, and when it last changed.
            let mut ranked: Vec<(i64, u32, i64)> = Vec::new();
            for record in self.records.iter().filter(|record| record.is(&clause.about)) {
                let (at, changed) = (record.reading(clause.reading), record.changed.max(record.imported));
                match ranked.iter_mut().find(|other| other.1 == record.name) {
                    Some(other) => *other = (other.0.max(at), other.1, other.2.max(changed)),
                    None => ranked.push((at, record.name, changed)),
                }
            }
            ranked.sort_by_key(|(at, name, _)| (-at, *name));
            for (place, (_, name, _)) in ranked.iter().enumerate() {
                let mut newer: Vec<i64> = ranked[..place].iter().map(|other| other.2).collect();
                newer.sort_unstable();
                // Before that many newer ones were there it was among the newest.
                let displaced = newer.get(count as usize - 1);
                let same = self.records.iter().zip(&mut days).filter(|(record, _)| record.name == *name);
                for (_, day) in same {
                    *day = displaced.and_then(|at| day.map(|day| day.max(*at)));
                }
            }
        }
        days
    }

    fn in_force(&self, at: i64) -> usize {
        (0..self.laws.len()).rev().find(|law| self.laws[*law].effective <= at).unwrap()
    }

    /// The law in force, and those that were set after it and wait.
    fn counting(&self, at: i64) -> Vec<usize> {
        let in_force = self.in_force(at);
        (in_force..self.laws.len()).filter(|law| *law == in_force || self.laws[*law].set <= at).collect()
    }

    fn grace(&self, now: i64) -> i64 {
        self.counting(now).into_iter().map(|law| i64::from(self.laws[law].law.grace_days) * DAY).max().unwrap()
    }
}

impl Record {
    fn of(fresh: &Fresh, leaf: u64, now: i64) -> Self {
        Self {
            leaf,
            name: fresh.name,
            source: fresh.source,
            began: fresh.began.min(now),
            active: fresh.active.min(now),
            imported: now,
            changed: now,
            attachments: fresh.attachments,
            tags: fresh.tags.iter().copied().collect(),
            marks: BTreeSet::new(),
            read_under: (0, 0),
            facts: 1,
            older: Vec::new(),
            served: i64::MIN / 2,
        }
    }

    fn reading(&self, reading: Reading) -> i64 {
        match reading {
            Reading::Active => self.active,
            Reading::Began => self.began,
            Reading::Imported => self.imported,
        }
    }

    fn is(&self, about: &[Asked]) -> bool {
        for asked in about {
            let yes = match &asked.ask {
                Ask::Source(source) => self.source == *source,
                Ask::Attachment => self.attachments > 0,
                Ask::Named(names) => names.contains(&self.name),
                Ask::Tag(tag) => self.marks.contains(tag),
            };
            if yes == asked.not {
                return false;
            }
        }
        true
    }
}

fn is_ripe(stand: Stand, now: i64) -> bool {
    matches!(stand, Stand::Due(from) if from <= now)
}

/// The day of a record by one law, without what keeps the newest.
fn day_by(law: &Enacted, record: &Record) -> Option<i64> {
    let mut keep_until = i64::MIN;
    let mut delete_from: Option<i64> = None;
    for clause in law.law.clauses.iter().filter(|clause| record.is(&clause.about)) {
        match clause.what {
            What::Keep(long) => keep_until = keep_until.max(after(record.reading(clause.reading), long)),
            What::Delete(long) => {
                let at = after(record.reading(clause.reading), long);
                delete_from = Some(delete_from.map_or(at, |before| before.min(at)));
            }
            What::KeepLast(_) => {}
        }
    }
    if let (None, Some((long, reading))) = (delete_from, law.law.default) {
        delete_from = Some(after(record.reading(reading), long));
    }
    let promised = law.restored.iter().filter(|(name, _)| *name == record.name).map(|(_, until)| *until);
    delete_from.map(|from| promised.fold(from.max(keep_until), i64::max))
}

/// So long after; months and years by the calendar, whose days are counted here by hand.
fn after(at: i64, Length(count, unit): Length) -> i64 {
    let months = match unit {
        'h' => return at + i64::from(count) * HOUR,
        'd' => return at + i64::from(count) * DAY,
        'm' => count,
        _ => 12 * count,
    };
    let (mut month, mut day) = (1, at.div_euclid(DAY));
    let mut year = 1970 + day / 366;
    while new_year(year + 1) <= day {
        year += 1;
    }
    day -= new_year(year);
    while day >= days_in(year, month) {
        day -= days_in(year, month);
        month += 1;
    }
    let all = month - 1 + i64::from(months);
    let (to_year, to_month) = (year + all / 12, all % 12 + 1);
    let day = day.min(days_in(to_year, to_month) - 1);
    let before: i64 = (1..to_month).map(|month| days_in(to_year, month)).sum();
    (new_year(to_year) + before + day) * DAY + at.rem_euclid(DAY)
}

/// Days from 1970 to the beginning of a year, up to 2100.
fn new_year(year: i64) -> i64 {
    365 * (year - 1970) + (year - 1969) / 4
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn live(leaf: u64, facts: u64, commitment: &Digest) -> Digest {
    let manifest = hash::sha256(&[b"manifest", &leaf.to_be_bytes()]);
    let facts = hash::sha256(&[&leaf.to_be_bytes(), &facts.to_be_bytes()]);
    hash::labelled("convault/1/tree/live", &[&u128::from(leaf).to_be_bytes(), &manifest, &facts, commitment])
}

fn superseded(live: Digest) -> Digest {
    hash::labelled("convault/1/tree/superseded", &[&live])
}

fn tomb(before: Digest) -> Digest {
    hash::labelled("convault/1/tree/tombstone", &[&before])
}

/// The root over these leaves and no others, height by height, from the text of `docs/format-trees.md`.
fn root_of(leaves: &BTreeMap<u64, Digest>) -> Digest {
    let mut empty = hash::labelled("convault/1/tree/empty", &[]);
    let mut level = leaves.clone();
    for _ in 0..40 {
        let mut above = BTreeMap::new();
        for at in level.keys().map(|at| at / 2) {
            above.entry(at).or_insert_with(|| {
                let child = |number| level.get(&number).unwrap_or(&empty);
                hash::labelled("convault/1/tree/node", &[child(2 * at), child(2 * at + 1)])
            });
        }
        empty = hash::labelled("convault/1/tree/node", &[&empty, &empty]);
        level = above;
    }
    level.get(&0).copied().unwrap_or(empty)
}
