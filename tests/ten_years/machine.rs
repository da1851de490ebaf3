//! The parts of the library that decide and destroy, put together as the vault does, without its file.

use std::collections::{BTreeMap, BTreeSet};

use convault::clock::{Duration, Instant, Unit};
use convault::crypto::{Digest, hash};
use convault::keyring::Frontier;
use convault::purge::{clock_is_sound, is_steady};
use convault::retention::{
    self, Action, Breaker, Clock, Condition, Feature, Hold, Holds, Item, Mark, Policy, Rule, Standing, Test, Verdict,
};
use convault::tree;

use super::steps::{Ask, Asked, Crash, Event, Fresh, Law, Length, Reading, Step, What};

const HOUR: i64 = 3_600_000_000;
/// How long a superseded leaf can be read from a backup.
const SUPERSEDED_FOR: i64 = 90 * 24 * HOUR;

/// A segment that lives, or one that a newer version replaced.
struct Segment {
    part: u32,
    item: Item,
    tags: BTreeSet<u8>,
    /// Counts changes of its facts.
    facts: u64,
    commitment: Digest,
    superseded: Option<i64>,
}

impl Segment {
    fn new(fresh: &Fresh, leaf: u64, commitment: Digest, now: Instant) -> Self {
        let item = Item {
            conversation: conversation(fresh.name),
            leaf,
            month: 0,
            is_adopted: true,
            // A clock of the source is never later than the moment its file was read.
            created: Instant(fresh.began).min(now),
            last_activity: Instant(fresh.active).min(now),
            imported: now,
            marked: now,
            source: source(fresh.source),
            marks: Vec::new(),
            attachments: fresh.attachments,
            policy_version: 0,
            holds_version: 0,
        };
        let tags = fresh.tags.iter().copied().collect();
        Self { part: fresh.part, item, tags, facts: 1, commitment, superseded: None }
    }

    fn live_leaf(&self) -> Digest {
        let facts = hash::sha256(&[&self.item.leaf.to_be_bytes(), &self.facts.to_be_bytes()]);
        tree::live_leaf(&segment_id(self.item.leaf), &manifest(self.item.leaf), &facts, &self.commitment)
    }

    fn leaf(&self) -> Digest {
        let live = self.live_leaf();
        if self.superseded.is_some() { tree::superseded_leaf(&live) } else { live }
    }
}

fn segment_id(leaf: u64) -> [u8; 16] {
    u128::from(leaf).to_be_bytes()
}

fn manifest(leaf: u64) -> Digest {
    hash::sha256(&[b"manifest", &leaf.to_be_bytes()])
}

/// What came of a janitor's run.
#[derive(Clone, Debug, Default)]
pub struct Ran {
    /// The clock, or the limits of the policy, stopped it.
    pub refused: bool,
    /// It went through, and the keyring was rotated.
    pub rotated: bool,
    /// The leaves that were given up.
    pub destroyed: Vec<u64>,
}

/// A segment that was just stored: its leaf and the commitment to its first share.
pub type Birth = (u64, Digest);

pub struct Machine {
    pub frontier: Frontier,
    pub root: Digest,
    tiles: BTreeMap<i64, Vec<u8>>,
    segments: BTreeMap<u64, Segment>,
    pub next_leaf: u64,
    policies: Vec<Policy>,
    holds: Holds,
    seen: Option<Instant>,
}

impl Machine {
    pub fn new() -> Self {
        let first = Policy {
            version: 1,
            set: Instant(i64::MIN),
            effective: Instant(i64::MIN),
            grace: days(7),
            breaker: Breaker::default(),
            log: None,
            rules: Vec::new(),
            default: None,
            restored: Vec::new(),
        };
        Self {
            frontier: Frontier::plant(),
            root: tree::empty_root(),
            tiles: BTreeMap::new(),
            segments: BTreeMap::new(),
            next_leaf: 0,
            policies: vec![first],
            holds: Holds { version: 1, list: Vec::new() },
            seen: None,
        }
    }

    /// Does what happens; tells what was born, and what a run did.
    pub fn apply(&mut self, event: &Event) -> (Vec<Birth>, Option<Ran>) {
        let now = Instant(event.now);
        if !matches!(event.step, Step::Run { .. }) && self.seen.is_none_or(|seen| is_steady(seen, now)) {
            self.seen = Some(now);
        }
        let mut born = Vec::new();
        match &event.step {
            Step::Import { skipped, fresh } => {
                self.next_leaf += skipped;
                let mut walker = self.frontier.walker();
                for (one, leaf) in fresh.iter().zip(self.next_leaf..) {
                    let share = walker.erase_share(leaf).expect("a leaf to come can be derived");
                    born.push((leaf, share.commitment()));
                    self.segments.insert(leaf, Segment::new(one, leaf, share.commitment(), now));
                }
                self.next_leaf += fresh.len() as u64;
                self.set_leaves(born.iter().map(|birth| birth.0).collect());
            }
            Step::Update { leaf, active } => born.push(self.replace(*leaf, *active, now)),
            Step::Tag { name, tag, on } => self.tag(*name, *tag, *on, now),
            Step::Compile => self.compile(now),
            Step::Hold { id, about } => {
                let conditions = about.iter().map(condition).collect();
                self.holds.list.push(Hold { id: [*id; 16], placed: now, released: None, conditions });
                self.holds.version += 1;
            }
            Step::Release { id } => {
                let hold = self.holds.list.iter_mut().find(|hold| hold.id == [*id; 16]).unwrap();
                hold.released = Some(now);
                self.holds.version += 1;
            }
            Step::Policy(law) => self.set(law, now),
            Step::Restore { name, until } => {
                let last = self.policies.last().unwrap().clone();
                self.policies.push(last.restoring(conversation(*name), Instant(*until), now));
            }
            Step::Run { acknowledged, crash } => {
                let mut ran = self.run(now, *acknowledged, *crash);
                if *crash != Crash::Never {
                    let again = self.run(now, *acknowledged, Crash::Never);
                    assert!(*crash == Crash::Before || again.destroyed.is_empty(), "a run destroyed twice: {again:?}");
                    ran.destroyed.extend(again.destroyed);
                    (ran.refused, ran.rotated) = (again.refused, again.rotated);
                }
                return (born, Some(ran));
            }
        }
        (born, None)
    }

    /// How everything that lives stands.
    pub fn verdicts(&self, now: i64) -> Vec<(u64, Verdict)> {
        let items: Vec<Item> = self.live().map(|segment| segment.item.clone()).collect();
        let verdicts = retention::evaluate(&self.policies, &self.holds, &items, Instant(now));
        items.iter().map(|item| item.leaf).zip(verdicts).collect()
    }

    /// Checks that the tree says of every segment what the segment is.
    pub fn check_leaves(&self) {
        let leaves: Vec<(u64, Digest)> = self.segments.iter().map(|(leaf, segment)| (*leaf, segment.leaf())).collect();
        if !leaves.is_empty() {
            tree::check_leaves::<tree::Error>(&self.root, |key| Ok(self.tiles.get(&key.to_row()).cloned()), &leaves)
                .unwrap();
        }
    }

    fn live(&self) -> impl Iterator<Item = &Segment> {
        self.segments.values().filter(|segment| segment.superseded.is_none())
    }

    fn replace(&mut self, old: u64, active: i64, now: Instant) -> Birth {
        let leaf = self.next_leaf;
        self.next_leaf += 1;
        let commitment = self.frontier.erase_share(leaf).expect("a leaf to come can be derived").commitment();
        let before = self.segments.get_mut(&old).unwrap();
        before.superseded = Some(now.0);
        let item = Item {
            leaf,
            last_activity: Instant(active).min(now),
            marked: now,
            marks: Vec::new(),
            policy_version: 0,
            holds_version: 0,
            ..before.item.clone()
        };
        let (part, tags) = (before.part, before.tags.clone());
        self.segments.insert(leaf, Segment { part, item, tags, facts: 1, commitment, superseded: None });
        self.set_leaves(vec![old, leaf]);
        (leaf, commitment)
    }

    fn tag(&mut self, name: u32, tag: u8, on: bool, now: Instant) {
        let mut changed = Vec::new();
        for (leaf, segment) in &mut self.segments {
            if segment.item.conversation != conversation(name) || segment.superseded.is_some() {
                continue;
            }
            if if on { segment.tags.insert(tag) } else { segment.tags.remove(&tag) } {
                segment.item.marked = now;
                (segment.item.policy_version, segment.item.holds_version) = (0, 0);
                segment.facts += 1;
                changed.push(*leaf);
            }
        }
        self.set_leaves(changed);
    }

    fn compile(&mut self, now: Instant) {
        let versions = (self.policies.last().unwrap().version, self.holds.version);
        let held: BTreeSet<Mark> = (self.holds.list.iter().filter(|hold| hold.released.is_none_or(|at| at > now)))
            .flat_map(|hold| &hold.conditions)
            .filter_map(|condition| if let Test::Content(mark) = condition.test { Some(mark) } else { None })
            .collect();
        let mut changed = Vec::new();
        for (leaf, segment) in self.segments.iter_mut().filter(|(_, segment)| segment.superseded.is_none()) {
            let item = &mut segment.item;
            if (item.policy_version, item.holds_version) == versions {
                continue;
            }
            let mut marks: Vec<Mark> = segment.tags.iter().map(|tag| [*tag; 16]).collect();
            // What a hold was given to it keeps.
            marks.extend(item.marks.iter().filter(|mark| held.contains(*mark)));
            marks.sort_unstable();
            marks.dedup();
            // It was kept because nobody had looked: its grace begins now.
            item.marked = now;
            item.marks = marks;
            (item.policy_version, item.holds_version) = versions;
            segment.facts += 1;
            changed.push(*leaf);
        }
        self.set_leaves(changed);
    }

    fn set(&mut self, law: &Law, now: Instant) {
        let last = self.policies.last().unwrap();
        let rules = law.clauses.iter().map(|clause| Rule {
            action: match clause.what {
                What::Keep(long) => Action::Keep(length(long)),
                What::Delete(long) => Action::Delete(length(long)),
                What::KeepLast(count) => Action::KeepLast(count),
            },
            clock: clock(clause.reading),
            conditions: clause.about.iter().map(condition).collect(),
        });
        let next = Policy {
            version: last.version + 1,
            set: now,
            effective: now.plus(Duration::new(72, Unit::Hour).unwrap()).unwrap(),
            grace: days(law.grace_days),
            breaker: Breaker { share: law.share, ..Breaker::default() },
            log: None,
            rules: rules.collect(),
            default: law.default.map(|(long, reading)| (length(long), clock(reading))),
            restored: last.restored.iter().filter(|(_, until)| *until > now).copied().collect(),
        };
        self.policies.push(next);
    }

    fn run(&mut self, now: Instant, acknowledged: bool, crash: Crash) -> Ran {
        if let Err(tripped) = clock_is_sound(self.seen, now) {
            let went_back = matches!(tripped, convault::purge::Tripped::ClockWentBack { .. });
            if went_back || !acknowledged {
                return Ran { refused: true, ..Ran::default() };
            }
        }
        self.seen = Some(now);
        let verdicts = self.verdicts(now.0);
        let ripe: BTreeSet<u64> =
            verdicts.iter().filter(|(_, verdict)| verdict.is_ripe(now)).map(|(leaf, _)| *leaf).collect();
        let counting = &self.policies[retention::in_force(&self.policies, now)..];
        let most = counting.iter().map(|policy| policy.breaker.most(verdicts.len() as u64)).min().unwrap();
        if !acknowledged && ripe.len() as u64 > most {
            return Ran { refused: true, ..Ran::default() };
        }
        let of = |segment: &Segment| (segment.item.conversation, segment.part);
        let going: BTreeSet<_> = ripe.iter().map(|leaf| of(&self.segments[leaf])).collect();
        let held: BTreeSet<_> = (verdicts.iter().filter(|(_, verdict)| matches!(verdict.standing, Standing::Held(_))))
            .map(|(leaf, _)| of(&self.segments[leaf]))
            .collect();
        let is_doomed = |segment: &Segment| match segment.superseded {
            None => ripe.contains(&segment.item.leaf),
            Some(since) => {
                going.contains(&of(segment)) || now.0 - since >= SUPERSEDED_FOR && !held.contains(&of(segment))
            }
        };
        let doomed: Vec<u64> =
            self.segments.iter().filter(|(_, segment)| is_doomed(segment)).map(|(leaf, _)| *leaf).collect();

        // A copy is prepared, and counts once it is committed.
        let mut frontier = Frontier::decode(&self.frontier.encode()).unwrap();
        let handed_out = self.frontier.open_from()..self.next_leaf;
        let unused: Vec<u64> = handed_out.filter(|leaf| !self.segments.contains_key(leaf)).collect();
        frontier.puncture_all(&unused).unwrap();
        frontier.puncture_all(&doomed).unwrap();
        frontier.rotate(self.next_leaf).unwrap();
        if crash == Crash::Before {
            return Ran::default();
        }
        self.frontier = frontier;
        let tombs = doomed.iter().map(|leaf| (*leaf, tree::tombstone(&self.segments[leaf].leaf()))).collect();
        self.update(tombs);
        self.segments.retain(|leaf, _| doomed.binary_search(leaf).is_err());
        Ran { refused: false, rotated: true, destroyed: doomed }
    }

    /// Writes what these segments are into the tree.
    fn set_leaves(&mut self, leaves: Vec<u64>) {
        self.update(leaves.into_iter().map(|leaf| (leaf, self.segments[&leaf].leaf())).collect());
    }

    fn update(&mut self, changes: Vec<(u64, Digest)>) {
        if changes.is_empty() {
            return;
        }
        let load = |key: tree::TileKey| Ok(self.tiles.get(&key.to_row()).cloned());
        let update = tree::update::<tree::Error>(&self.root, load, &changes).unwrap();
        let roots = update.proof.verify().unwrap();
        assert_eq!((roots.old, roots.new), (self.root, update.root), "the multiproof has other roots");
        self.tiles.extend(update.tiles.into_iter().map(|(key, bytes)| (key.to_row(), bytes)));
        self.root = update.root;
    }
}

fn conversation(name: u32) -> [u8; 16] {
    u128::from(name).to_be_bytes()
}

fn source(source: u8) -> String {
    format!("source-{source}")
}

fn days(count: u32) -> Duration {
    Duration::new(count, Unit::Day).unwrap()
}

fn length(Length(count, unit): Length) -> Duration {
    let unit = match unit {
        'h' => Unit::Hour,
        'd' => Unit::Day,
        'm' => Unit::Month,
        _ => Unit::Year,
    };
    Duration::new(count, unit).unwrap()
}

fn clock(reading: Reading) -> Clock {
    match reading {
        Reading::Active => Clock::LastActivity,
        Reading::Began => Clock::Created,
        Reading::Imported => Clock::Imported,
    }
}

fn condition(asked: &Asked) -> Condition {
    let test = match &asked.ask {
        Ask::Source(one) => Test::Source(source(*one)),
        Ask::Attachment => Test::Has(Feature::Attachment),
        Ask::Named(names) => Test::Conversation(names.iter().map(|name| conversation(*name)).collect()),
        Ask::Tag(tag) => Test::Content([*tag; 16]),
    };
    Condition { negated: asked.not, test }
}
