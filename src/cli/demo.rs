//! `demo`: every step on a small bundled export, in a vault that is thrown away.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::json;

use super::arguments::Global;
use super::failure::Failure;
use super::output::Outcome;
use super::session::Session;
use super::{erase, import, init, inspect, read, receipt, search, show, verify};
use crate::bundle::Bundle;
use crate::crypto::{KdfCost, Password, random};
use crate::disclosure::{self, Chosen, Form, Part};
use crate::erasure::{self, Plan};
use crate::import::detect;
use crate::ingest::{self, Options, Progress};
use crate::search::search as find;
use crate::selector::Scope;
use crate::vault::{AnchorPlace, Lock, NewVault, Vault, hex};

const SAMPLE: &[u8] = include_bytes!("../../examples/chatgpt-export.json");

/// The name the sample is shown under.
const NAME: &str = "chatgpt-export.json";

/// What is looked for in the sample.
const PHRASE: &str = "\"moon is late\"";

/// A folder that goes when the demo ends, however it ends.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(super) fn run(session: &Session) -> Result<Outcome, Failure> {
    let name = format!("convault-demo-{}", hex(&random::array::<8>()));
    let folder = Folder(std::env::temp_dir().join(name));
    std::fs::create_dir(&folder.0).map_err(|error| Failure::io(&folder.0, &error))?;
    let session = Session {
        global: Global { vault: None, ..session.global.clone() },
        now: session.now,
        zone: session.zone.clone(),
        path: folder.0.join("vault.db"),
    };
    let mut text = String::new();
    let mut steps = Vec::new();
    let mut step = |command: &str, why: &str, outcome: Outcome| {
        text.push_str(&format!("# {why}\n$ convault {command}\n{}\n", outcome.text));
        steps.push(json!({ "command": command, "why": why, "result": outcome.json }));
    };

    let password = Password::new(hex(&random::array::<16>()).into_bytes());
    let new = NewVault {
        password: &password,
        cost: KdfCost::FLOOR,
        anchor: AnchorPlace::Embedded,
        recovery: true,
        now: session.now,
    };
    let (mut vault, code) = Vault::create(Lock::take(&session.path)?, &new)?;
    step(
        "init --recovery-code",
        "Make a vault. Its password here is random and forgotten at the end.",
        init::describe(&vault, code.as_ref()),
    );

    let bundle = Bundle::from_bytes(NAME, SAMPLE.to_vec()).map_err(|error| Failure::failed(error.to_string()))?;
    for why in [
        "Import an export. The format is told from the content.",
        "Import it again: what is known and unchanged stays as it is.",
    ] {
        let options = Options {
            importer: detect(&bundle)?.0,
            tags: &["demo".to_owned()],
            now: session.now,
            allow_resurrect: false,
            besides: &[],
        };
        let report = ingest::import(&mut vault, &bundle, &options, &Progress::default())?;
        step(
            &format!("import {NAME} --tag demo"),
            why,
            import::outcome(false, &[import::Input { name: NAME.to_owned(), report, unknown: BTreeMap::new() }], &[]),
        );
    }

    let (chosen, _) = read::choose(&session, &vault, &session.selector(&[], Scope::Items)?)?;
    let total = chosen.len();
    step(
        "list",
        "List what is there. Titles, dates and tags are sealed in the file.",
        read::list_outcome(&session, &chosen, total),
    );

    let query = session.selector(&[PHRASE.to_owned()], Scope::Text)?;
    let found = search::outcome(&session, find(&vault, &query, Default::default(), session.now)?);
    let first = found.json["hits"][0]["id"].as_str().unwrap_or_default().to_owned();
    step(
        &format!("search '{PHRASE}'"),
        "Find a phrase. A small sealed sketch beside each conversation rules out the others; no index of words is on disk.",
        found,
    );

    let entry = vault.entry(&first)?;
    let shown = show::outcome(&session, &vault, std::slice::from_ref(&entry), &show::How::default())?;
    step(&format!("show {}", read::short(&entry.conversation)), "Read the conversation it was found in.", shown);

    let chosen = Chosen { segments: vec![entry.clone()], tags: Vec::new() };
    let plan = disclosure::Plan::of(vec![chosen], Form::Jsonl, Part::Messages(vec![0, 1]))?;
    let recorded = plan.record(&mut vault, "part.jsonl", "plaintext", &hex(&entry.conversation), session.now)?;
    let mut part = Vec::new();
    recorded.write(&vault, &mut part)?;
    step(
        &format!("export {} --format jsonl --messages 1-2 --plaintext -o part.jsonl", read::short(&entry.conversation)),
        "Hand a part of it out: to whoever may read it, with --to and --passphrase it is encrypted.",
        Outcome {
            text: format!("wrote part.jsonl ({} bytes, unencrypted)\n", part.len()),
            json: json!({ "schema": "convault.export/1", "bytes": part.len() }),
            ..Outcome::default()
        },
    );
    let checked = disclosure::verify::lines(&part[..]).map_err(|error| Failure::failed(error.to_string()))?;
    step(
        "verify part.jsonl",
        "Check the part, as anybody could without the vault: unaltered, in order, and where something was left out.",
        verify::outcome(&checked, "part.jsonl", false),
    );

    step("status", "See how it is kept.", inspect::status_outcome(&session, &vault)?);

    let selector = format!("id:{}", read::short(&entry.conversation));
    let plan = Plan::of(&vault, &[entry])?;
    let erased = erasure::erase(&mut vault, plan, session.now, &|_| ())?;
    let receipt = erased.receipt.as_ref().map(|(_, receipt)| receipt.clone()).unwrap_or_default();
    let path = erase::path_of(&vault, 1);
    step(
        &format!("erase {selector} --yes"),
        "Erase it. Its key is given up, and what can be checked is checked.",
        erase::erased_outcome(&vault, &erased, Vec::new())?,
    );
    step(
        &format!("receipt verify {}", path.display()),
        "Check the receipt, as anybody could without the vault.",
        receipt::alone(&receipt, &path)?,
    );
    vault.close()?;
    drop(folder);
    text.push_str("The demo vault is deleted. Make your own: convault init\n");
    let json = json!({ "schema": "convault.demo/1", "steps": steps });
    Ok(Outcome { text, json, ..Outcome::default() })
}
