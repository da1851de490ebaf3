//! `copies`: where else conversations are: exports, and what somebody says there is.

use serde_json::{Value, json};

use super::arguments::{Copies, CopiesCommand};
use super::failure::{Failure, code};
use super::import::count;
use super::output::Outcome;
use super::read::{Named, choose, short, table_width};
use super::session::{Session, reading};
use super::terminal::{Column, Table};
use crate::selector::Scope;
use crate::vault::{CanRead, Copy, CopyKind, Holding, Vault, hex};

pub(super) fn run(session: &Session, options: &Copies) -> Result<Outcome, Failure> {
    match &options.command {
        CopiesCommand::List { all } => reading!(session, vault => list(session, vault, *all)),
        CopiesCommand::Add { name, selector } => add(session, name, selector),
        CopiesCommand::Gone { id } => gone(session, id),
    }
}

fn list<A: CanRead>(session: &Session, vault: Vault<A>, all: bool) -> Result<Outcome, Failure> {
    let mut copies = vault.copies()?;
    session.close(vault)?;
    copies.sort_by_key(|copy| copy.made);
    let total = copies.len();
    let gone = copies.iter().filter(|copy| copy.gone.is_some()).count();
    copies.retain(|copy| all || copy.gone.is_none());
    let mut table = Table::new(vec![
        Column::left("ID"),
        Column::left("SINCE"),
        Column::left("KIND"),
        Column::right("CONVERSATIONS"),
        Column::left("PROTECTION"),
        Column::flexible("PLACE"),
    ]);
    for copy in &copies {
        let place = match copy.gone {
            Some(at) => format!("{} (said to be gone on {})", copy.place, session.day(at)),
            None => copy.place.clone(),
        };
        let kind =
            copy.format.as_ref().map_or(copy.kind.word().to_owned(), |format| format!("{} {format}", copy.kind.word()));
        let holding = match &copy.holding {
            Holding::These(ids) => ids.len().to_string(),
            Holding::Below(_) => "all then".to_owned(),
        };
        let protection = copy.protection.clone().unwrap_or_default();
        table.row([short(&copy.id), session.day(copy.made), kind, holding, protection, place]);
    }
    let text = if table.is_empty() { String::new() } else { table.render(table_width()) };
    let json = json!({ "schema": "convault.copies/1", "copies": copies.iter().map(document).collect::<Vec<Value>>() });
    let mut notes = vec![count(copies.len() as u64, "known copy").replace("copys", "copies")];
    if gone > 0 && !all {
        notes.push(format!("{gone} of {total} are said to be gone: --all lists them"));
    }
    Ok(Outcome { text, json, notes, ..Outcome::default() })
}

fn document(copy: &Copy) -> Value {
    json!({
        "id": hex(&copy.id),
        "kind": copy.kind.word(),
        "made": copy.made.to_string(),
        "place": copy.place,
        "format": copy.format,
        "protection": copy.protection,
        "conversations": match &copy.holding {
            Holding::These(ids) => ids.iter().map(|id| hex(id)).collect::<Vec<String>>().into(),
            Holding::Below(_) => Value::Null,
        },
        "gone": copy.gone.map(|at| at.to_string()),
    })
}

fn add(session: &Session, name: &str, selector: &[String]) -> Result<Outcome, Failure> {
    let chosen = session.selector(selector, Scope::Items)?;
    let mut vault = session.open()?;
    let holding = match selector.is_empty() {
        true => vault.everything_now(),
        false => {
            let (named, _) = choose(session, &vault, &chosen)?;
            let mut ids: Vec<[u8; 16]> = named.iter().map(|Named { entry, .. }| entry.conversation).collect();
            ids.sort_unstable();
            if ids.is_empty() {
                session.close(vault)?;
                return Err(Failure::failed("no conversation matches"));
            }
            Holding::These(ids)
        }
    };
    let what = match &holding {
        Holding::These(ids) => count(ids.len() as u64, "conversation"),
        Holding::Below(_) => "everything that is in the vault now".to_owned(),
    };
    let copy = Copy::new(CopyKind::Named, name.to_owned(), holding, session.now);
    vault.add_copy(&copy, session.now)?;
    session.close(vault)?;
    let text = format!("known copy {} of {what}\n", short(&copy.id));
    Ok(Outcome { text, json: json!({ "schema": "convault.copies-add/1", "id": hex(&copy.id) }), ..Outcome::default() })
}

fn gone(session: &Session, typed: &str) -> Result<Outcome, Failure> {
    let mut vault = session.open()?;
    let digits = typed.to_ascii_lowercase();
    let copies = vault.copies()?;
    let found: Vec<&Copy> = copies.iter().filter(|copy| hex(&copy.id).starts_with(&digits)).collect();
    let [copy] = found[..] else {
        let message =
            if found.is_empty() { "no known copy has this id" } else { "several known copies have ids that begin so" };
        session.close(vault)?;
        return Err(
            Failure { code: code::USAGE, ..Failure::failed(message) }.with_hint("convault copies list shows them")
        );
    };
    if copy.gone.is_some() {
        session.close(vault)?;
        return Err(Failure::failed("it is said to be gone already"));
    }
    let id = copy.id;
    vault.forget_copy(&id, session.now)?;
    session.close(vault)?;
    let text = format!("known copy {} is said to be gone: your word, which nothing here can check\n", short(&id));
    Ok(Outcome { text, json: json!({ "schema": "convault.copies-gone/1", "id": hex(&id) }), ..Outcome::default() })
}
