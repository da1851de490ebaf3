//! What a purge would destroy, and what stops one that nobody looked at.

use std::collections::BTreeSet;

use crate::clock::{Duration, Instant, Unit};
use crate::retention::{self, Item, Kept, Standing, Verdict};
use crate::vault::{CanJudge, Target, Vault, VaultError};

/// How far the clock may go on between two looks at a vault.
const LONGEST_GAP_DAYS: u32 = 45;

/// A segment in a plan: a conversation, or a month of one that never ends.
#[derive(Clone, Debug)]
pub struct Planned {
    /// What the policy knows of it.
    pub item: Item,
    /// How it stands.
    pub verdict: Verdict,
}

/// What a purge at one moment destroys, and what is due and waits for its grace to end.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// What is destroyed, in the order in which it became due.
    pub ripe: Vec<Planned>,
    /// What is due and in its grace.
    pub in_grace: Vec<Planned>,
    /// How many segments there are.
    pub all: u64,
    /// Segments that are kept because they are not compiled.
    pub uncompiled: u64,
    /// Conversations that are held.
    pub held: BTreeSet<[u8; 16]>,
    /// Segments that cannot be read, of which nobody knows whether they are due.
    pub damaged: u64,
}

/// Why a purge that nobody acknowledged does not run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Tripped {
    /// It would destroy more than the policy lets it.
    #[error(
        "it would destroy {ripe} of {all} segments, and the policy lets nobody but you destroy more than {most} at once"
    )]
    TooMany {
        /// What it would destroy.
        ripe: u64,
        /// What there is.
        all: u64,
        /// What it may.
        most: u64,
    },
    /// The clock went back.
    #[error("the clock stands at {now}, and this machine has seen this vault at {seen}")]
    ClockWentBack {
        /// Now.
        now: Instant,
        /// The latest that was seen.
        seen: Instant,
    },
    /// The clock jumped.
    #[error("the clock stands at {now}, more than 45 days after this machine last saw this vault, at {seen}")]
    ClockJumped {
        /// Now.
        now: Instant,
        /// The latest that was seen.
        seen: Instant,
    },
}

/// Whether a clock that stood at `seen` may stand at `now` by itself.
pub fn is_steady(seen: Instant, now: Instant) -> bool {
    clock_is_sound(Some(seen), now).is_ok()
}

/// Whether the clock may be believed; `seen` is when this machine last saw the vault.
pub fn clock_is_sound(seen: Option<Instant>, now: Instant) -> Result<(), Tripped> {
    let Some(seen) = seen else { return Ok(()) };
    if now < seen {
        return Err(Tripped::ClockWentBack { now, seen });
    }
    let gap = Duration::new(LONGEST_GAP_DAYS, Unit::Day);
    match gap.and_then(|gap| seen.plus(gap)).is_none_or(|latest| now > latest) {
        true => Err(Tripped::ClockJumped { now, seen }),
        false => Ok(()),
    }
}

impl Plan {
    /// What a purge at `now` destroys.
    pub fn of<A: CanJudge>(vault: &Vault<A>, now: Instant) -> Result<Self, VaultError> {
        let (items, damaged) = vault.policy_items()?;
        let verdicts = vault.judge(&items, now)?;
        let mut plan = Self { all: items.len() as u64, damaged: damaged.len() as u64, ..Self::default() };
        for (item, verdict) in items.into_iter().zip(verdicts) {
            match verdict.standing {
                Standing::Held(_) => drop(plan.held.insert(item.conversation)),
                Standing::Kept(Kept::NotCompiled) => plan.uncompiled += 1,
                _ => {}
            }
            if verdict.is_served() {
                continue;
            }
            let list = if verdict.is_ripe(now) { &mut plan.ripe } else { &mut plan.in_grace };
            list.push(Planned { item, verdict });
        }
        for list in [&mut plan.ripe, &mut plan.in_grace] {
            list.sort_by_key(|planned| (planned.verdict.due_since(), planned.item.conversation, planned.item.month));
        }
        Ok(plan)
    }

    /// What is ripe, for who destroys it.
    pub fn targets(&self) -> Vec<Target> {
        self.ripe.iter().map(|planned| Target::of_item(&planned.item)).collect()
    }

    /// Conversations of which anything is ripe.
    pub fn conversations(&self) -> u64 {
        self.ripe.iter().map(|planned| planned.item.conversation).collect::<BTreeSet<_>>().len() as u64
    }

    /// Whole conversations that are ripe, and months of chats that never end.
    pub fn wholes_and_months(&self) -> (u64, u64) {
        let months = self.ripe.iter().filter(|planned| planned.item.month > 0).count() as u64;
        (self.ripe.len() as u64 - months, months)
    }

    /// Whether it may run without anybody having looked at it: no more than every version that counts lets it.
    pub fn is_within_limits<A: CanJudge>(
        &self,
        vault: &Vault<A>,
        now: Instant,
    ) -> Result<Result<(), Tripped>, VaultError> {
        let policies = vault.policies()?;
        let counting = &policies[retention::in_force(&policies, now)..];
        let most = counting.iter().map(|policy| policy.breaker.most(self.all)).min().unwrap_or(0);
        let ripe = self.ripe.len() as u64;
        Ok(if ripe > most { Err(Tripped::TooMany { ripe, all: self.all, most }) } else { Ok(()) })
    }

    /// The numbers of the rules by which something is destroyed, from 1.
    pub fn rules(&self) -> Vec<u64> {
        let mut rules: Vec<u64> =
            self.ripe.iter().filter_map(|planned| planned.verdict.rule).map(|rule| rule as u64 + 1).collect();
        rules.sort_unstable();
        rules.dedup();
        rules
    }
}
