//! Deposits on their way in, whenever an owner opens the vault: folded in, taken over, united with what they continue.

use std::collections::HashSet;

use zeroize::Zeroizing;

use super::erase::erased_outcome;
use super::export::jsonl;
use super::failure::Failure;
use super::import::count;
use super::purge::{compile_what_came, folded_warnings};
use super::seen;
use super::session::Session;
use crate::bundle::Bundle;
use crate::erasure::{self, Plan};
use crate::import::by_name;
use crate::ingest::{self, Options, Progress};
use crate::retention::Standing;
use crate::vault::{Entry, Vault};

/// Larger deposits stay conversations of their own: uniting holds them in memory.
const LARGEST: u64 = 64 << 20;

/// Takes in what was deposited since; what there is to say of it, and to warn of.
pub(super) fn take_in(session: &Session, vault: &mut Vault) -> Result<(Vec<String>, Vec<String>), Failure> {
    let mut said = Vec::new();
    if vault.under_way()?.is_some() {
        return Ok((said, Vec::new()));
    }
    let mut warnings = folded_warnings(&vault.fold_deposits(session.now)?);
    let dropped = vault.drop_quarantined(session.now)?;
    if dropped > 0 {
        warnings.push(format!("{} put aside in the inbox before: removed", count(dropped, "row")));
    }
    if !vault.has_deposited()? {
        return Ok((said, warnings));
    }
    let spoiled = vault.spoiled_deposits()?;
    if !spoiled.is_empty() {
        erase(session, vault, Plan::of_segments(vault, &spoiled)?, &mut warnings)?;
        warnings.push(format!("{} that nobody can open: erased", count(spoiled.len() as u64, "deposit")));
    }
    let entries = vault.listing()?.entries;
    let standings = vault.standings(&entries, session.now)?;
    let deposits: Vec<Entry> = vault.deposited(&entries)?.into_iter().cloned().collect();
    let mut known: HashSet<Key> =
        entries.iter().filter(|entry| !deposits.iter().any(|one| one.is_same_as(entry))).map(key).collect();
    let (mut alone, mut united, mut destroyed) = (Vec::new(), Vec::new(), Vec::new());
    // The oldest first: what is deposited twice at once is united with that.
    for deposit in deposits.into_iter().rev() {
        let is_held = || matches!(standings.of(&deposit).map(|one| &one.standing), Some(Standing::Held(_)));
        let list = match known.contains(&key(&deposit)) {
            true if deposit.facts.size <= LARGEST => &mut united,
            false if vault.was_destroyed(&deposit)? && !is_held() => &mut destroyed,
            _ => &mut alone,
        };
        known.insert(key(&deposit));
        list.push(deposit);
    }
    if !alone.is_empty() {
        vault.adopt(&alone, session.now)?;
    }
    let mut waiting = united.clone();
    let mut whole = 0;
    for deposit in &united {
        if unite(session, vault, deposit, &waiting)? {
            whole += 1;
        } else {
            // What could not be brought over stays what it is, a conversation of its own.
            vault.adopt(std::slice::from_ref(deposit), session.now)?;
            warnings.push(
                "a deposit could not be united with what it continues: it is a conversation of its own".to_owned(),
            );
        }
        waiting.retain(|one| !one.is_same_as(deposit));
    }
    let came = (alone.len() + united.len()) as u64;
    if came > 0 {
        said.push(format!("{} taken in, {whole} of them into conversations that were here", count(came, "deposit")));
        compile_what_came(session, vault)?;
    }
    if !destroyed.is_empty() {
        erase(session, vault, Plan::of(vault, &destroyed)?, &mut warnings)?;
        warnings.push(format!(
            "{} of conversations that were erased before: erased again",
            count(destroyed.len() as u64, "deposit")
        ));
    }
    Ok((said, warnings))
}

fn erase(session: &Session, vault: &mut Vault, plan: Plan, warnings: &mut Vec<String>) -> Result<(), Failure> {
    let erased = erasure::erase(vault, plan, session.now, &|_| ())?;
    seen::remember(vault, session.now, &erased.segments);
    warnings.extend(erased_outcome(vault, &erased, Vec::new())?.warnings);
    Ok(())
}

/// What a conversation is known by at its source.
type Key = (String, String, u32);

fn key(entry: &Entry) -> Key {
    (entry.card.source.clone(), entry.card.native_id.clone(), entry.facts.month)
}

/// Brings a deposit in once more, in the lines that have everything of it, so that it is united as any import is; what it
/// was becomes an earlier version of the conversation that has it all then. False when not all of it could be brought over:
/// then nothing of the deposit is gone.
fn unite(session: &Session, vault: &mut Vault, deposit: &Entry, besides: &[Entry]) -> Result<bool, Failure> {
    let mut lines = Zeroizing::new(Vec::new());
    jsonl(vault, deposit, &mut *lines, |error| Failure::failed(error.to_string()))?;
    let bundle = Bundle::from_bytes("deposit.jsonl", std::mem::take(&mut lines));
    let bundle = bundle.map_err(|error| Failure::failed(error.to_string()))?;
    let importer = by_name("convault").ok_or_else(|| Failure::failed("this version reads no JSONL of its own"))?;
    let (tags, allow_resurrect) = (&[][..], true);
    let options = Options { importer, tags, now: session.now, allow_resurrect, besides };
    let report = ingest::import(vault, &bundle, &options, &Progress::default())?;
    if report.counts.skipped > 0 || !report.problems.is_empty() {
        return Ok(false);
    }
    let entries = vault.listing()?.entries;
    let now = entries.iter().find(|one| key(one) == key(deposit) && !besides.iter().any(|other| other.is_same_as(one)));
    let Some(by) = now else { return Ok(false) };
    vault.supersede(deposit, by, session.now)?;
    Ok(true)
}
