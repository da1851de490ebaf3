//! Deposits on their way in, whenever an owner opens the vault: folded in, taken over, united with what they continue.

use std::collections::HashSet;

use zeroize::Zeroizing;

use super::erase::erased_outcome;
use super::failure::Failure;
use super::import::count;
use super::purge::{compile_what_came, folded_warnings};
use super::seen;
use super::session::Session;
use crate::bundle::Bundle;
use crate::disclosure;
use crate::erasure::{self, Plan};
use crate::import::by_name;
use crate::ingest::{self, Options, Progress};
use crate::retention::Standing;
use crate::search::tag_words;
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
    let (mut alone, mut united, mut chats, mut destroyed) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    // The oldest first: what is deposited twice at once is united with that.
    for deposit in deposits.into_iter().rev() {
        let stands = standings.of(&deposit).map(|verdict| &verdict.standing);
        let is_held = matches!(stands, Some(Standing::Held(_)));
        let list = match known.contains(&key(&deposit)) {
            true if deposit.facts.size <= LARGEST => &mut united,
            false if vault.was_destroyed(&deposit)? && !is_held => &mut destroyed,
            // One is deposited whole, and kept month by month.
            false if is_chat(&deposit) => &mut chats,
            _ => &mut alone,
        };
        if !is_chat(&deposit) {
            known.insert(key(&deposit));
        }
        list.push(deposit);
    }
    if !alone.is_empty() {
        vault.adopt(&alone, session.now)?;
    }
    let mut waiting: Vec<Entry> = united.iter().chain(&chats).cloned().collect();
    let mut continued = 0;
    for (deposit, is_chat) in united.iter().map(|one| (one, false)).chain(chats.iter().map(|one| (one, true))) {
        let of = (&deposit.card.source, &deposit.card.native_id);
        let was_here = known.iter().any(|(source, id, _)| (source, id) == of);
        match unite(session, vault, deposit, is_chat, &waiting)? {
            United::Whole => continued += usize::from(was_here),
            United::Destroyed => destroyed.push(deposit.clone()),
            United::InPart => {
                // What could not be brought over stays what it is, a conversation of its own.
                vault.adopt(std::slice::from_ref(deposit), session.now)?;
                warnings.push(
                    "a deposit could not be united with what it continues: it is a conversation of its own".to_owned(),
                );
            }
        }
        known.insert(key(deposit));
        waiting.retain(|one| !one.is_same_as(deposit));
    }
    let came = (alone.len() + united.len() + chats.len()) as u64;
    if came > 0 {
        let some = count(came, "deposit");
        said.push(format!("{some} taken in, {continued} of them into conversations that were here"));
        compile_what_came(session, vault)?;
    }
    if !destroyed.is_empty() {
        erase(session, vault, Plan::of(vault, &destroyed)?, &mut warnings)?;
        let some = count(destroyed.len() as u64, "deposit");
        warnings.push(format!("{some} of what was erased before: erased again"));
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

/// Whether it is to be kept month by month.
fn is_chat(deposit: &Entry) -> bool {
    deposit.card.kind.is_endless() && deposit.facts.size <= LARGEST
}

/// What came of a deposit that was brought in once more.
enum United {
    /// All of it is in a conversation now, and the deposit is an earlier version of that.
    Whole,
    /// Not all of it could be brought over; nothing of the deposit is gone.
    InPart,
    /// It holds months that were destroyed.
    Destroyed,
}

/// Brings a deposit in once more, in the lines that have everything of it, so that it is united, or cut by month, as any
/// import is.
fn unite(
    session: &Session,
    vault: &mut Vault,
    deposit: &Entry,
    is_chat: bool,
    besides: &[Entry],
) -> Result<United, Failure> {
    let mut lines = Zeroizing::new(Vec::new());
    disclosure::unsigned(vault, std::slice::from_ref(deposit), &tag_words(deposit, &vault.tag_names()?), &mut *lines)?;
    let bundle = Bundle::from_bytes("deposit.jsonl", std::mem::take(&mut lines));
    let bundle = bundle.map_err(|error| Failure::failed(error.to_string()))?;
    let importer = by_name("convault").ok_or_else(|| Failure::failed("this version reads no JSONL of its own"))?;
    let options = Options { importer, tags: &[], now: session.now, allow_resurrect: !is_chat, besides };
    let report = ingest::import(vault, &bundle, &options, &Progress::default())?;
    if report.months.destroyed > 0 {
        return Ok(United::Destroyed);
    }
    if report.counts.skipped > 0 || !report.problems.is_empty() {
        return Ok(United::InPart);
    }
    let entries = vault.listing()?.entries;
    let of = (&deposit.card.source, &deposit.card.native_id);
    let is_it = |one: &&Entry| {
        let is_of = (&one.card.source, &one.card.native_id) == of && one.is_month() == is_chat;
        is_of && !besides.iter().any(|other| other.is_same_as(one))
    };
    let Some(by) = entries.iter().find(is_it) else { return Ok(United::InPart) };
    vault.supersede(deposit, by, session.now)?;
    Ok(United::Whole)
}
