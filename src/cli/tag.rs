//! `tag`: tags added to and removed from the conversations a selector chooses.

use serde_json::json;

use super::arguments::Tag;
use super::failure::{Failure, code};
use super::import::count;
use super::output::Outcome;
use super::purge::compile_what_came;
use super::read::{Named, choose};
use super::session::Session;
use crate::selector::Scope;
use crate::vault::{Reading, hex};

pub(super) fn run(session: &Session, options: &Tag) -> Result<Outcome, Failure> {
    if options.add.is_empty() && options.remove.is_empty() {
        return Err(Failure::usage("no tag is given", "convault tag SELECTOR --add work --remove inbox"));
    }
    let selector = session.selector(&options.selector, Scope::Items)?;
    let mut vault = session.open()?;
    let (chosen, warnings) = choose(session, &vault, &selector)?;
    let chosen: Vec<Named> = chosen.into_iter().filter(Named::is_served).collect();
    // Of a chat every month, also those that are due: what is said of it is said of all.
    let entries: Vec<_> = chosen.iter().flat_map(Named::segments).cloned().collect();
    let changed = vault.tag(&entries, &options.add, &options.remove, session.now)?;
    compile_what_came(session, &mut vault)?;
    let matched = chosen.len() as u64;
    if changed == 0 {
        // Which match is told all the same, and no other entry says so.
        let reading = Reading::List { query: &options.selector.join(" "), conversations: matched };
        session.log_reading(&mut vault, reading)?;
    }
    session.close(vault)?;
    let text = match matched {
        0 => "no conversations match\n".to_owned(),
        _ => format!("{} matched, {changed} changed\n", count(matched, "conversation")),
    };
    let ids: Vec<String> = chosen.iter().map(|named| hex(&named.entry.conversation)).collect();
    let json = json!({ "schema": "convault.tag/1", "matched": matched, "changed": changed, "ids": ids });
    let code = match (warnings.is_empty(), matched) {
        (false, _) => code::DAMAGE,
        (true, 0) => code::FAILED,
        _ => 0,
    };
    Ok(Outcome { text, json, warnings, code, ..Outcome::default() })
}
