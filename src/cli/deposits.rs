//! Deposits on their way in, whenever an owner opens the vault: folded in, taken over, united with what they continue.

use std::collections::{HashMap, HashSet};

use zeroize::Zeroizing;

use super::erase::erased_outcome;
use super::export::jsonl;
use super::failure::Failure;
use super::import::count;
use super::purge::folded_warnings;
use super::seen;
use super::session::Session;
use crate::bundle::Bundle;
use crate::erasure::{self, Plan};
use crate::import::by_name;
use crate::ingest::{self, Options, Progress, Report};
use crate::vault::{Entry, Vault};

/// Larger deposits stay conversations of their own: uniting holds them in memory.
const LARGEST: u64 = 64 << 20;

/// Deposits united at once.
const TOGETHER: usize = 8;

/// Takes in what was deposited since; what there is to say of it.
pub(super) fn take_in(session: &Session, vault: &mut Vault) -> Result<Vec<String>, Failure> {
    if vault.under_way()?.is_some() {
        return Ok(Vec::new());
    }
    let mut said = folded_warnings(&vault.fold_deposits(session.now)?);
    let dropped = vault.drop_quarantined(session.now)?;
    if dropped > 0 {
        said.push(format!("{} put aside in the inbox before: removed", count(dropped, "row")));
    }
    if !vault.has_deposited()? {
        return Ok(said);
    }
    let entries = vault.listing()?.entries;
    let deposits: Vec<Entry> = vault.deposited(&entries)?.into_iter().cloned().collect();
    let mut known: HashSet<Key> =
        entries.iter().filter(|entry| !deposits.iter().any(|one| one.is_same_as(entry))).map(key).collect();
    let (mut alone, mut united, mut chats, mut destroyed) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    // The oldest first: what is deposited twice at once is united with that.
    for deposit in deposits.into_iter().rev() {
        let list = match vault.was_destroyed(&deposit)? {
            true => &mut destroyed,
            // One is deposited whole, and kept month by month.
            false if is_chat(&deposit) && !known.contains(&key(&deposit)) => &mut chats,
            false if known.insert(key(&deposit)) || deposit.facts.size > LARGEST => &mut alone,
            false => &mut united,
        };
        list.push(deposit);
    }
    if !alone.is_empty() {
        vault.adopt(&alone, session.now)?;
    }
    let besides: Vec<Entry> = united.iter().chain(&chats).cloned().collect();
    for batch in united.chunks(TOGETHER) {
        unite(session, vault, batch, &besides)?;
    }
    let came = (alone.len() + united.len() + chats.len()) as u64;
    let mut continued = united.len();
    for chat in &chats {
        let was_here = known.iter().any(|(source, id, _)| (source, id) == (&chat.card.source, &chat.card.native_id));
        continued += usize::from(was_here);
        if cut(session, vault, chat, &besides)? {
            destroyed.push(chat.clone());
        }
        known.insert(key(chat));
    }
    if came > 0 {
        said.push(format!(
            "{} taken in, {continued} of them into conversations that were here",
            count(came, "deposit"),
        ));
    }
    if !destroyed.is_empty() {
        let plan = Plan::of(vault, &destroyed)?;
        let erased = erasure::erase(vault, plan, session.now, &|_| ())?;
        seen::remember(vault, session.now, &erased.segments);
        let outcome = erased_outcome(vault, &erased, Vec::new())?;
        said.push(format!("{} of what was erased before: erased again", count(destroyed.len() as u64, "deposit")));
        said.extend(outcome.warnings);
    }
    Ok(said)
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

/// Brings a chat in once more, cut by month. Whether the deposit holds what was destroyed, so that it must go itself.
fn cut(session: &Session, vault: &mut Vault, deposit: &Entry, besides: &[Entry]) -> Result<bool, Failure> {
    let report = bring_in(session, vault, std::slice::from_ref(deposit), besides, false)?;
    if report.months.destroyed > 0 {
        return Ok(true);
    }
    let entries = vault.listing()?.entries;
    let is_of = |entry: &&Entry| {
        entry.is_month()
            && (&entry.card.source, &entry.card.native_id) == (&deposit.card.source, &deposit.card.native_id)
    };
    match entries.iter().find(is_of) {
        Some(by) => vault.supersede(deposit, by, session.now)?,
        // What cannot be brought in again stays as it came.
        None => vault.adopt(std::slice::from_ref(deposit), session.now)?,
    }
    Ok(false)
}

/// Brings deposits in once more, in the lines that have everything of them, so that they are united as any import is;
/// what they were becomes earlier versions of the conversations that have it all then.
fn unite(session: &Session, vault: &mut Vault, batch: &[Entry], besides: &[Entry]) -> Result<(), Failure> {
    bring_in(session, vault, batch, besides, true)?;
    let entries = vault.listing()?.entries;
    let now: HashMap<Key, &Entry> = entries
        .iter()
        .filter(|entry| !besides.iter().any(|one| one.is_same_as(entry)))
        .map(|entry| (key(entry), entry))
        .collect();
    for deposit in batch {
        let by = now.get(&key(deposit)).copied();
        let by = by.ok_or_else(|| Failure::failed("a deposit could not be united with what it continues"))?;
        vault.supersede(deposit, by, session.now)?;
    }
    Ok(())
}

/// Imports deposits in the lines that have everything of them.
fn bring_in(
    session: &Session,
    vault: &mut Vault,
    batch: &[Entry],
    besides: &[Entry],
    allow_resurrect: bool,
) -> Result<Report, Failure> {
    let mut lines = Zeroizing::new(Vec::new());
    for deposit in batch {
        jsonl(vault, std::slice::from_ref(deposit), &mut *lines, |error| Failure::failed(error.to_string()))?;
    }
    let bundle = Bundle::from_bytes("deposits.jsonl", std::mem::take(&mut lines));
    let bundle = bundle.map_err(|error| Failure::failed(error.to_string()))?;
    let importer = by_name("convault").ok_or_else(|| Failure::failed("this version reads no JSONL of its own"))?;
    let options = Options { importer, tags: &[], now: session.now, allow_resurrect, besides };
    Ok(ingest::import(vault, &bundle, &options, &Progress::default())?)
}
