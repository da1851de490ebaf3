//! Ten years of events, drawn from a seed: what people do, when, and when the janitor comes by.

use super::dice::Dice;
use super::model::Model;
use super::steps::{Ask, Asked, Clause, Crash, Event, Fresh, Law, Length, Reading, Step, What};

const DAY: i64 = 86_400_000_000;
/// 2026-01-01.
pub const START: i64 = 20_454 * DAY;
const END: i64 = START + 3652 * DAY;

pub struct Story {
    dice: Dice,
    now: i64,
    names: u32,
}

impl Story {
    pub fn new(seed: u64) -> Self {
        Self { dice: Dice::new(seed), now: START, names: 0 }
    }

    /// What happens next; none when the ten years are over.
    pub fn next(&mut self, model: &Model) -> Option<Event> {
        let from = self.now;
        self.now += match self.dice.below(10) {
            0 => self.dice.within(0, DAY),
            1..5 => self.dice.within(5 * DAY, 70 * DAY),
            5..8 => self.dice.within(20 * DAY, 44 * DAY),
            _ => self.dice.within(40 * DAY, 150 * DAY),
        };
        if self.now > END {
            return None;
        }
        let step = self.step(model);
        if matches!(step, Step::Run { .. }) && self.dice.percent(50) {
            // To the very moment at which something turns, or just before it.
            let turns = model.turns(from);
            let near: Vec<i64> = turns.into_iter().filter(|at| *at < from + 150 * DAY).collect();
            if !near.is_empty() {
                self.now = (self.dice.pick(&near) - self.dice.within(0, 1)).max(from);
            }
        }
        // Now and then the clock is wrong for a while.
        let now = match self.dice.below(40) {
            0 => self.now - self.dice.within(1, 60 * DAY),
            1 => self.now + self.dice.within(1, 60 * DAY),
            _ => self.now,
        };
        Some(Event { now, step })
    }

    fn step(&mut self, model: &Model) -> Step {
        let some = !model.records.is_empty();
        match self.dice.below(100) {
            0..9 if some => {
                let leaf = model.records[self.dice.below(model.records.len() as u64) as usize].leaf;
                Step::Update { leaf, active: self.now - self.dice.within(-DAY, 20 * DAY) }
            }
            9..17 if some => {
                Step::Tag { name: self.known(model), tag: self.dice.below(4) as u8, on: self.dice.percent(60) }
            }
            17..26 => Step::Compile,
            26..30 if model.holds_ever() < 250 => Step::Hold { id: model.holds_ever(), about: self.about(model, 60) },
            30..34 => match model.active_holds(self.now)[..] {
                [] => self.run(),
                ref active => Step::Release { id: self.dice.pick(active) },
            },
            34..40 => Step::Policy(self.law(model)),
            40..44 if some => {
                Step::Restore { name: self.known(model), until: self.now + self.dice.within(DAY, 200 * DAY) }
            }
            44..68 => self.run(),
            _ => self.import(model),
        }
    }

    fn run(&mut self) -> Step {
        let crash = self.dice.pick(&[Crash::Never, Crash::Never, Crash::Never, Crash::Before, Crash::After]);
        Step::Run { acknowledged: self.dice.percent(60), crash }
    }

    fn import(&mut self, model: &Model) -> Step {
        let skipped = if self.dice.percent(15) { self.dice.below(4) } else { 0 };
        let count = 1 + self.dice.below(3);
        let fresh = (0..count).map(|_| self.fresh(model)).collect();
        Step::Import { skipped, fresh }
    }

    fn fresh(&mut self, model: &Model) -> Fresh {
        // Sometimes the next month of a chat; mostly something new, now and then out of an old export.
        let goes_on = !model.records.is_empty() && self.dice.percent(15);
        let age = if self.dice.percent(25) { self.dice.within(0, 900 * DAY) } else { self.dice.within(-DAY, 30 * DAY) };
        let active = self.now - age;
        let name = if goes_on { self.known(model) } else { self.names };
        self.names += u32::from(!goes_on);
        Fresh {
            name,
            part: if goes_on { self.names + 1_000 + self.dice.below(1 << 30) as u32 } else { 0 },
            source: self.dice.below(3) as u8,
            began: active - self.dice.within(0, 300 * DAY),
            active,
            tags: (0..4).filter(|_| self.dice.percent(25)).collect(),
            attachments: self.dice.below(2) as u32,
        }
    }

    fn known(&mut self, model: &Model) -> u32 {
        model.records[self.dice.below(model.records.len() as u64) as usize].name
    }

    fn law(&mut self, model: &Model) -> Law {
        let clauses = (0..self.dice.below(5)).map(|_| self.clause(model)).collect();
        let default = self.dice.percent(70).then(|| (self.length(), self.reading()));
        let grace_days = self.dice.pick(&[0, 1, 7, 7, 30, 90]);
        Law { grace_days, share: self.dice.pick(&[10, 10, 30, 100]), clauses, default }
    }

    fn clause(&mut self, model: &Model) -> Clause {
        let what = match self.dice.below(5) {
            0 => What::Keep(self.length()),
            1 => What::KeepLast(1 + self.dice.below(4) as u32),
            _ => What::Delete(self.length()),
        };
        Clause { what, reading: self.reading(), about: self.about(model, 90) }
    }

    fn length(&mut self) -> Length {
        let lengths = [(12, 'h'), (14, 'd'), (30, 'd'), (90, 'd'), (6, 'm'), (13, 'm'), (1, 'y'), (3, 'y')];
        let (count, unit) = self.dice.pick(&lengths);
        Length(count, unit)
    }

    fn reading(&mut self) -> Reading {
        self.dice.pick(&[Reading::Active, Reading::Active, Reading::Began, Reading::Imported])
    }

    fn about(&mut self, model: &Model, single: u64) -> Vec<Asked> {
        let count = if self.dice.percent(single) { 1 } else { self.dice.below(3) };
        (0..count).map(|_| Asked { not: self.dice.percent(20), ask: self.ask(model) }).collect()
    }

    fn ask(&mut self, model: &Model) -> Ask {
        match self.dice.below(6) {
            0..3 => Ask::Source(self.dice.below(3) as u8),
            3 => Ask::Attachment,
            4 if !model.records.is_empty() => Ask::Named(vec![self.known(model), self.known(model)]),
            _ => Ask::Tag(self.dice.below(4) as u8),
        }
    }
}
