//! Erasure on real vaults: what is gone, what stays, and which check turns red when a step is left out.

mod reach;

use std::path::{Path, PathBuf};

use super::*;
use crate::bundle::Bundle;
use crate::crypto::{KdfCost, Password};
use crate::import::by_name;
use crate::ingest::{self, Options, Progress as IngestProgress, Report};
use crate::sabotage::Sabotage;
use crate::signed_json::canonical;
use crate::store::{Lock, Store, Table};
use crate::vault::{AnchorPlace, Damage, Unopened, vault_for_tests};

const NOW: Instant = Instant(1_800_000_000_000_000);

struct Home {
    folder: tempfile::TempDir,
    anchor: Option<PathBuf>,
}

fn password() -> Password {
    Password::new(b"p".to_vec())
}

impl Home {
    fn new(is_file: bool) -> (Self, Vault) {
        let folder = crate::vault::sound_folder();
        let anchor = is_file.then(|| folder.path().join("anchor"));
        let place = anchor.clone().map_or(AnchorPlace::Embedded, AnchorPlace::File);
        let vault = vault_for_tests(&folder.path().join("v.db"), place, NOW);
        (Self { folder, anchor }, vault)
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("v.db")
    }

    fn open(&self) -> Vault {
        let unopened = Unopened::open(Lock::take(&self.path()).unwrap()).unwrap();
        unopened.unlock(&password(), self.anchor.as_deref()).unwrap()
    }
}

/// A conversation of some length with an attachment, in our own JSONL.
fn talk(id: &str, updated: u32, words: &str) -> String {
    let text = format!("{words} ").repeat(2_000);
    format!(
        "{{\"schema\":\"convault.conversation/1\",\"source\":\"test\",\"native_id\":\"{id}\",\"title\":\"Talk {id}\",\"updated\":\"{updated}\",\
         \"messages\":[{{\"id\":\"1\",\"text\":\"{text}\"}}],\"attachments\":[{{\"id\":\"f{id}\",\"size\":6,\"data\":true}}]}}\n\
         {{\"schema\":\"convault.piece/1\",\"of\":\"attachment\",\"index\":0,\"piece\":0,\"data\":\"b25ldHdv\"}}\n"
    )
}

fn bring(vault: &mut Vault, lines: &str) -> Report {
    let bundle = Bundle::from_bytes("t.jsonl", lines.as_bytes().to_vec()).unwrap();
    let options = Options {
        importer: by_name("convault").unwrap(),
        tags: &["t".to_owned()],
        now: NOW,
        allow_resurrect: false,
        besides: &[],
    };
    ingest::import(vault, &bundle, &options, &IngestProgress::default()).unwrap()
}

/// A vault with conversations 0 to 5, of which 1 was changed once.
fn filled(is_file: bool) -> (Home, Vault) {
    let (home, mut vault) = Home::new(is_file);
    bring(&mut vault, &(0..6).map(|id| talk(&id.to_string(), 1, &format!("word{id}"))).collect::<String>());
    bring(&mut vault, &talk("1", 2, "changed"));
    (home, vault)
}

fn titles(vault: &Vault) -> Vec<String> {
    let mut titles: Vec<String> = vault.listing().unwrap().entries.iter().map(|e| e.card.title.clone()).collect();
    titles.sort();
    titles
}

fn plan(vault: &Vault, ids: &[&str]) -> Plan {
    let entries = vault.listing().unwrap().entries;
    let chosen: Vec<Entry> = entries.into_iter().filter(|e| ids.contains(&e.card.native_id.as_str())).collect();
    assert_eq!(chosen.len(), ids.len());
    Plan::of(vault, &chosen).unwrap()
}

fn erase_now(vault: &mut Vault, ids: &[&str]) -> Result<Erased, ErasureError> {
    let plan = plan(vault, ids);
    erase(vault, plan, NOW, &|_| ())
}

fn verdicts(erased: &Erased) -> Vec<(&'static str, Verdict)> {
    erased.checks.iter().map(|check| (check.name, check.verdict)).collect()
}

const PASSED: [(&str, Verdict); 4] = [
    ("logical", Verdict::Pass),
    ("cryptographic", Verdict::Pass),
    ("physical", Verdict::Pass),
    ("witnessed", Verdict::NotRun),
];

#[test]
fn what_was_chosen_is_gone_with_its_versions_and_the_rest_is_whole() {
    for is_file in [false, true] {
        let (home, mut vault) = filled(is_file);
        let chosen = plan(&vault, &["1", "4"]);
        assert_eq!((chosen.conversations(), chosen.segments(), chosen.superseded()), (2, 3, 1));
        let size = vault.size().unwrap();
        let erased = erase(&mut vault, chosen, NOW, &|_| ()).unwrap();
        assert_eq!(verdicts(&erased), PASSED);
        assert_eq!(erased.class, if is_file { Class::E2 } else { Class::E1 });
        let (sequence, receipt) = erased.receipt.unwrap();
        let shown = verify(&receipt).unwrap();
        assert_eq!((sequence, shown.sequence, shown.segments), (1, 1, 3));
        assert_eq!(titles(&vault), ["Talk 0", "Talk 2", "Talk 3", "Talk 5"]);
        assert_eq!(vault.check(|_| ()).unwrap().findings, []);
        assert!(vault.size().unwrap() < size, "the file shrinks");
        vault.close().unwrap();
        let vault = home.open();
        assert_eq!(titles(&vault).len(), 4);
        assert_eq!(vault.receipts().unwrap(), [(1, receipt)]);
        vault.close().unwrap();
        let unopened = Unopened::open(Lock::take(&home.path()).unwrap()).unwrap();
        assert!(verify_with_vault(&shown, &unopened).unwrap().is_ok());
    }
}

#[test]
fn an_older_copy_opens_what_was_erased_with_an_embedded_anchor_and_not_with_one_in_a_file() {
    for is_file in [false, true] {
        let (home, vault) = filled(is_file);
        vault.close().unwrap();
        let copy = home.folder.path().join("copy.db");
        std::fs::copy(home.path(), &copy).unwrap();
        let mut vault = home.open();
        erase_now(&mut vault, &["4"]).unwrap();
        vault.close().unwrap();
        let unopened = Unopened::open(Lock::take(&copy).unwrap()).unwrap();
        match unopened.unlock(&password(), home.anchor.as_deref()) {
            Ok(vault) => assert!(!is_file && titles(&vault).contains(&"Talk 4".to_owned()), "class E1 says so"),
            Err(VaultError::Anchor(_)) => assert!(is_file),
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn erasing_again_and_all_works_and_receipts_are_counted_up() {
    let (home, mut vault) = filled(true);
    for (number, ids) in [&["0"][..], &["1", "2"], &["3", "4", "5"]].iter().enumerate() {
        let erased = erase_now(&mut vault, ids).unwrap();
        assert_eq!(verdicts(&erased), PASSED);
        let (sequence, receipt) = erased.receipt.unwrap();
        assert_eq!(sequence, number as u64 + 1);
        verify(&receipt).unwrap();
        assert_eq!(vault.check(|_| ()).unwrap().findings, []);
    }
    assert_eq!(titles(&vault), [""; 0]);
    // What comes later is sealed under a keyring of its own and can be read.
    bring(&mut vault, &talk("9", 1, "later"));
    vault.close().unwrap();
    assert_eq!(titles(&home.open()), ["Talk 9"]);
}

#[test]
fn a_crash_behind_any_step_loses_nothing_that_lives_and_the_next_run_finishes() {
    for is_file in [false, true] {
        for step in 1..=5 {
            let (home, mut vault) = filled(is_file);
            let sabotage = Sabotage::on(Fault::Crash(step));
            assert!(erase_now(&mut vault, &["1", "4"]).is_err());
            drop(sabotage);
            drop(vault);
            let mut vault = home.open();
            assert_eq!(vault.receipts().unwrap(), [], "step {step}: no receipt for unfinished work");
            let erased = resume(&mut vault, NOW, &|_| ()).unwrap().expect("it is under way");
            assert_eq!(verdicts(&erased), PASSED, "step {step}");
            verify(&erased.receipt.unwrap().1).unwrap();
            assert_eq!(vault.receipts().unwrap().len(), 1);
            assert!(resume(&mut vault, NOW, &|_| ()).unwrap().is_none(), "and only once");
            assert_eq!(titles(&vault), ["Talk 0", "Talk 2", "Talk 3", "Talk 5"], "step {step}");
            assert_eq!(vault.check(|_| ()).unwrap().findings, [], "step {step}");
        }
    }
}

#[test]
fn every_step_that_is_left_out_turns_a_check_red() {
    for (fault, red) in [
        (Fault::PunctureSkipped, "cryptographic"),
        (Fault::OldSlotKept, "physical"),
        (Fault::JournalKept, "physical"),
        (Fault::SketchLeft, "logical"),
        (Fault::TombstoneSkipped, "logical"),
        (Fault::SupersededForgotten, "logical"),
    ] {
        let (_home, mut vault) = filled(true);
        let sabotage = Sabotage::on(fault);
        let plan = plan(&vault, &["1", "4"]);
        assert_eq!(plan.superseded(), u64::from(fault != Fault::SupersededForgotten));
        let erased = erase(&mut vault, plan, NOW, &|_| ()).unwrap();
        drop(sabotage);
        assert_red(&erased, red);
        assert_eq!(vault.receipts().unwrap(), [], "{fault:?}: no receipt");
    }
}

fn assert_red(erased: &Erased, red: &str) {
    let failed: Vec<&str> =
        erased.checks.iter().filter(|check| check.verdict == Verdict::Fail).map(|check| check.name).collect();
    assert!(failed.contains(&red), "{red} should fail, and {failed:?} did");
    assert!(erased.receipt.is_none());
}

#[test]
fn a_receipt_for_what_was_not_verified_is_refused_by_whoever_checks_it() {
    let (_home, mut vault) = filled(false);
    let plan = plan(&vault, &["1", "4"]);
    // A step is left out, and then a receipt is written all the same.
    let sabotage = Sabotage::on(Fault::TombstoneSkipped);
    assert_red(&erase(&mut vault, plan, NOW, &|_| ()).unwrap(), "logical");
    drop(sabotage);
    let sabotage = Sabotage::on(Fault::ReceiptUnverified);
    let (_, receipt) = resume(&mut vault, NOW, &|_| ()).unwrap().unwrap().receipt.unwrap();
    drop(sabotage);
    assert_eq!(verify(&receipt), Err(Refusal::Segments), "the tree shows one tombstone less");
}

#[test]
fn a_scanner_that_sees_nothing_destroys_nothing() {
    let (_home, mut vault) = filled(false);
    let plan = plan(&vault, &["4"]);
    let sabotage = Sabotage::on(Fault::BlindScanner);
    assert!(matches!(erase(&mut vault, plan, NOW, &|_| ()), Err(ErasureError::BlindScan)));
    drop(sabotage);
    assert_eq!(titles(&vault).len(), 6);
    assert!(resume(&mut vault, NOW, &|_| ()).unwrap().is_none());
    assert_eq!(vault.check(|_| ()).unwrap().findings, []);
}

#[test]
fn a_scanner_that_went_blind_in_between_destroys_nothing_either() {
    let (home, mut vault) = filled(true);
    let plan = plan(&vault, &["4"]);
    let sabotage = Sabotage::on(Fault::Crash(1));
    assert!(erase(&mut vault, plan, NOW, &|_| ()).is_err());
    drop(sabotage);
    vault.close().unwrap();
    let mut vault = home.open();
    let sabotage = Sabotage::on(Fault::BlindScanner);
    assert!(matches!(resume(&mut vault, NOW, &|_| ()), Err(ErasureError::BlindScan)));
    drop(sabotage);
    assert!(vault.under_way().unwrap().is_none(), "the promise is taken back");
    assert_eq!((titles(&vault).len(), vault.check(|_| ()).unwrap().findings), (6, vec![]));
}

#[test]
fn while_an_erasure_is_promised_nothing_else_changes_the_vault() {
    let (_home, mut vault) = filled(true);
    let promised = plan(&vault, &["4"]);
    let other = plan(&vault, &["5"]);
    let sabotage = Sabotage::on(Fault::Crash(1));
    assert!(erase(&mut vault, promised, NOW, &|_| ()).is_err());
    assert!(matches!(erase(&mut vault, other, NOW, &|_| ()), Err(ErasureError::Vault(VaultError::Refused(_)))));
    drop(sabotage);
    let entries = vault.listing().unwrap().entries;
    assert!(matches!(vault.tag(&entries, &["x".to_owned()], &[], NOW), Err(VaultError::Refused(_))));
    assert!(matches!(vault.move_anchor(&AnchorPlace::Embedded, NOW), Err(VaultError::Refused(_))));
    assert_eq!(verdicts(&resume(&mut vault, NOW, &|_| ()).unwrap().unwrap()), PASSED);
    assert_eq!(titles(&vault).len(), 5);
}

/// The verdict of the verifier in Python, where there is one: both have to agree about what the owner may have signed.
fn second_verifier(folder: &Path, receipt: &[u8]) -> Option<bool> {
    let python = std::env::var("CONVAULT_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let run = |arguments: &[&std::ffi::OsStr]| std::process::Command::new(&python).args(arguments).output();
    let has = run(&["-c".as_ref(), "import cryptography".as_ref()]).is_ok_and(|output| output.status.success());
    assert!(has || std::env::var_os("CONVAULT_REQUIRE_TOOLS").is_none(), "{python} has no package `cryptography`");
    let file = folder.join("receipt.json");
    std::fs::write(&file, receipt).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/verify_receipt.py");
    let output = has.then(|| run(&[script.as_ref(), file.as_ref()]).unwrap())?;
    match output.status.code() {
        Some(0) => Some(true),
        Some(15) => Some(false),
        _ => panic!("{}", String::from_utf8_lossy(&output.stderr)),
    }
}

/// A receipt with one field put in another's place, signed anew by whoever holds the vault: only its structure speaks.
fn forged(vault: &Vault, receipt: &[u8], change: impl Fn(&mut serde_json::Map<String, serde_json::Value>)) -> Vec<u8> {
    let Ok(serde_json::Value::Object(mut object)) = serde_json::from_slice(receipt) else { panic!("an object") };
    object.remove("signature");
    change(&mut object);
    let signature = vault.sign_receipt(canonical(&object).as_bytes());
    object.insert("signature".to_owned(), hex(&signature).into());
    canonical(&object).into_bytes()
}

#[test]
fn edited_cut_reordered_and_forged_receipts_are_each_refused_by_name() {
    let (home, mut vault) = filled(true);
    let (_, first) = erase_now(&mut vault, &["1", "4"]).unwrap().receipt.unwrap();
    let (_, second) = erase_now(&mut vault, &["2"]).unwrap().receipt.unwrap();
    let text = String::from_utf8(first.clone()).unwrap();
    // By anyone, without a key.
    for (edited, refusal) in [
        (text.replacen("\"sequence\":1", "\"sequence\":2", 1), Refusal::Signature),
        (text[..text.len() / 2].to_owned(), Refusal::Form),
        (text.replacen(',', ", ", 1), Refusal::Form),
        (text.replacen("{\"after\"", "{\"zz\":1,\"after\"", 1), Refusal::Form),
        (text.replacen("\"bytes\":", "\"bytes\":1,\"bytes\":", 1), Refusal::Form),
        (text.replacen("convault.receipt/1", "convault.receipt/2", 1), Refusal::Schema),
        (text.replacen("\"bytes\":", "\"bytes\":0.", 1), Refusal::Form),
        ("{}".to_owned(), Refusal::Schema),
        (String::new(), Refusal::Form),
    ] {
        assert_eq!(verify(edited.as_bytes()), Err(refusal), "{}", &edited[..edited.len().min(60)]);
    }
    // By the owner, who can sign anything and cannot make the structure agree.
    let other = serde_json::from_slice::<serde_json::Value>(&second).unwrap();
    let field = |name: &'static str| {
        let value = other[name].clone();
        move |object: &mut serde_json::Map<String, serde_json::Value>| {
            drop(object.insert(name.to_owned(), value.clone()))
        }
    };
    let set = |name: &'static str, value: serde_json::Value| {
        move |object: &mut serde_json::Map<String, serde_json::Value>| {
            drop(object.insert(name.to_owned(), value.clone()))
        }
    };
    let segment = |name: &'static str, value: serde_json::Value| {
        move |object: &mut serde_json::Map<String, serde_json::Value>| {
            object["segments"][0][name] = value.clone();
        }
    };
    let parsed = serde_json::from_slice::<serde_json::Value>(&first).unwrap();
    let is_padded = |name: &&&'static str| parsed[**name].as_str().unwrap().ends_with('=');
    let padded = *["before", "after", "multiproof"].iter().find(is_padded).expect("one of them has padding");
    type Change<'a> = Box<dyn Fn(&mut serde_json::Map<String, serde_json::Value>) + 'a>;
    let changes: Vec<(Change<'_>, Refusal)> = vec![
        (Box::new(field("before")), Refusal::Anchor),
        (Box::new(field("after")), Refusal::Anchor),
        (Box::new(field("multiproof")), Refusal::Proof),
        (Box::new(set("vault", hex(&[9; 16]).into())), Refusal::Certificate),
        (Box::new(set("owner", hex(&[9; 32]).into())), Refusal::Certificate),
        (Box::new(set("not_covered", serde_json::json!([]))), Refusal::Field("not_covered")),
        (Box::new(set("class", "E3".into())), Refusal::Class),
        (Box::new(set("class", "".into())), Refusal::Field("class")),
        (Box::new(set("class", "E0".into())), Refusal::Field("class")),
        (Box::new(set("verified_at", "yesterday".into())), Refusal::Field("verified_at")),
        (Box::new(set("sequence", serde_json::json!(-1))), Refusal::Form),
        (Box::new(set("sequence", "1".into())), Refusal::Field("sequence")),
        (Box::new(set("sequence", serde_json::json!(true))), Refusal::Field("sequence")),
        (Box::new(set("tool", serde_json::json!({ "name": "x" }))), Refusal::Field("tool")),
        (Box::new(set("verdict", "everything was destroyed everywhere".into())), Refusal::Unknown),
        (Box::new(segment("leaf", true.into())), Refusal::Field("segments")),
        (Box::new(segment("note", "x".into())), Refusal::Field("segments")),
        (Box::new(segment("fingerprints", serde_json::json!(vec![hex(&[1; 8]); 17]))), Refusal::Field("segments")),
        (Box::new(|object| twice(&mut object["checks"])), Refusal::Field("checks")),
        (Box::new(|object| twice(&mut object["credentials"])), Refusal::Field("credentials")),
        (Box::new(|object| object["checks"][0]["found"] = "none".into()), Refusal::Field("checks")),
        (Box::new(move |object| loosen(&mut object[padded])), Refusal::Field(padded)),
        (Box::new(|object| drop(object.remove("requested_at"))), Refusal::Field("requested_at")),
        (Box::new(|object| drop(object.insert("copies".to_owned(), nested(100)))), Refusal::Field("copies")),
        (Box::new(field("checkpoint")), Refusal::Checkpoint),
        (
            Box::new(|object| {
                object["checkpoint"] = object["checkpoint"].as_str().unwrap().replace('\n', "\r\n").into()
            }),
            Refusal::Checkpoint,
        ),
        (
            Box::new(|object| {
                object["checkpoint"] = format!("{}\u{2014} a b\n", object["checkpoint"].as_str().unwrap()).into()
            }),
            Refusal::Checkpoint,
        ),
        (
            Box::new(|object| object["checkpoint"] = object["checkpoint"].as_str().unwrap().trim_end().into()),
            Refusal::Checkpoint,
        ),
        (Box::new(segment("class", "E3".into())), Refusal::Class),
        (Box::new(segment("leaf", 0.into())), Refusal::Segments),
        (Box::new(segment("commitment", hex(&[9; 32]).into())), Refusal::Segments),
        (Box::new(segment("superseded", serde_json::json!(3))), Refusal::Field("segments")),
        (Box::new(|object| object["segments"].as_array_mut().unwrap().reverse()), Refusal::Segments),
        (Box::new(|object| drop(object["segments"].as_array_mut().unwrap().pop())), Refusal::Segments),
        (Box::new(|object| drop(object["checks"].as_array_mut().unwrap().pop())), Refusal::Field("")),
        (Box::new(|object| drop(object["checks"].as_array_mut().unwrap().remove(2))), Refusal::Check("physical")),
        (Box::new(|object| object["checks"][0]["result"] = "FAIL".into()), Refusal::Check("logical")),
        (Box::new(|object| object["checks"][0]["result"] = "PENDING".into()), Refusal::Check("logical")),
        (Box::new(|object| object["checks"][3]["result"] = "FAIL".into()), Refusal::Check("other")),
        (Box::new(set("credentials", serde_json::json!([]))), Refusal::Field("credentials")),
    ];
    for (number, (change, refusal)) in changes.iter().enumerate() {
        let forged = forged(&vault, &first, change);
        let result = verify(&forged);
        let second = second_verifier(home.folder.path(), &forged);
        assert!(second.is_none_or(|second| second == result.is_ok()), "change {number}: {second:?}");
        match refusal {
            // The check of a witness may be missing; it says nothing.
            Refusal::Field("") => assert!(result.is_ok()),
            refusal => assert_eq!(result.as_ref(), Err(refusal), "change {number}"),
        }
    }
    for receipt in [&first, &second] {
        assert!(verify(receipt).is_ok() && second_verifier(home.folder.path(), receipt) != Some(false));
    }
}

/// A list with its first element there twice.
fn twice(list: &mut serde_json::Value) {
    let list = list.as_array_mut().unwrap();
    list.push(list[0].clone());
}

/// Base64 with bits set that stand for nothing.
fn loosen(text: &mut serde_json::Value) {
    let word = text.as_str().unwrap();
    let at = word.trim_end_matches('=').len() - 1;
    let (spare, last) = (word.len() - at - 1, word.as_bytes()[at]);
    assert!(spare > 0, "nothing to set in a text without padding");
    *text = format!("{}{}{}", &word[..at], char::from(last + 1), &word[at + 1..]).into();
}

/// Lists in lists.
fn nested(depth: u32) -> serde_json::Value {
    (0..depth).fold(serde_json::json!([]), |inner, _| serde_json::json!([inner]))
}

#[test]
fn a_receipt_is_told_from_another_vaults_and_from_an_older_copy() {
    let (home, vault) = filled(false);
    vault.close().unwrap();
    let copy = home.folder.path().join("copy.db");
    std::fs::copy(home.path(), &copy).unwrap();
    let mut vault = home.open();
    let (_, receipt) = erase_now(&mut vault, &["4"]).unwrap().receipt.unwrap();
    vault.close().unwrap();
    let shown = verify(&receipt).unwrap();
    let beside = |path: &Path| {
        let unopened = Unopened::open(Lock::take(path).unwrap()).unwrap();
        verify_with_vault(&shown, &unopened).unwrap()
    };
    assert_eq!(beside(&home.path()), Ok(Beside { is_log_known: true, signer: Some("owner") }));
    assert_eq!(beside(&copy), Err(Refusal::OlderVault));
    let (other, vault) = filled(false);
    vault.close().unwrap();
    assert_eq!(beside(&other.path()), Err(Refusal::VaultMismatch));
    // The same conversation erased from the older copy: the same tombstone, and another history.
    let mut vault = Unopened::open(Lock::take(&copy).unwrap()).unwrap().unlock(&password(), None).unwrap();
    bring(&mut vault, &talk("9", 1, "another course"));
    erase_now(&mut vault, &["4"]).unwrap();
    vault.close().unwrap();
    assert_eq!(beside(&copy), Err(Refusal::Log));
}

#[test]
fn damage_among_what_is_erased_is_named_and_nothing_is_destroyed() {
    let (home, vault) = filled(false);
    let leaf = plan(&vault, &["4"]).doomed.leaves[0].leaf;
    let entries = vault.listing().unwrap().entries;
    vault.close().unwrap();
    let mut store = Store::open(Lock::take(&home.path()).unwrap()).unwrap();
    let mut transaction = store.begin().unwrap();
    transaction.delete(Table::Facts, leaf << 20..(leaf + 1) << 20).unwrap();
    transaction.commit().unwrap();
    store.close().unwrap();
    let vault = home.open();
    let targets: Vec<Target> = entries.iter().map(Target::of_entry).collect();
    let found = vault.doom(&targets);
    assert!(matches!(found, Err(VaultError::Damaged(Damage::Segment(found, "facts"))) if found == leaf), "{found:?}");
}

#[test]
fn a_segment_whose_rows_are_gone_keeps_its_keys_through_later_rotations() {
    let (home, mut vault) = filled(true);
    erase_now(&mut vault, &["0"]).unwrap();
    let leaf = plan(&vault, &["2"]).doomed.leaves[0].leaf;
    vault.close().unwrap();
    let mut store = Store::open(Lock::take(&home.path()).unwrap()).unwrap();
    let mut transaction = store.begin().unwrap();
    transaction.delete(Table::Segment, leaf..leaf + 1).unwrap();
    transaction.commit().unwrap();
    store.close().unwrap();
    let mut vault = home.open();
    assert_eq!(verdicts(&erase_now(&mut vault, &["4"]).unwrap()), PASSED);
    assert_eq!(vault.listing().unwrap().damaged, [Damage::Segment(leaf, "rows, which are gone")]);
}

#[test]
fn damage_of_another_conversation_is_in_no_ones_way() {
    let (home, vault) = filled(true);
    let leaves: Vec<u64> = ["0", "2"].map(|id| plan(&vault, &[id]).doomed.leaves[0].leaf).to_vec();
    vault.close().unwrap();
    let mut store = Store::open(Lock::take(&home.path()).unwrap()).unwrap();
    let share = store.get(Table::ReadShare, leaves[0]).unwrap().unwrap();
    let mut transaction = store.begin().unwrap();
    for leaf in leaves {
        transaction.delete(Table::ReadShare, leaf..leaf + 1).unwrap();
        transaction.insert(Table::ReadShare, leaf, &share.iter().map(|byte| byte ^ 1).collect::<Vec<_>>()).unwrap();
    }
    transaction.commit().unwrap();
    store.close().unwrap();
    let mut vault = home.open();
    assert_eq!(titles(&vault), ["Talk 1", "Talk 3", "Talk 4", "Talk 5"]);
    let erased = erase_now(&mut vault, &["1", "4"]).unwrap();
    assert_eq!((verdicts(&erased), erased.segments.len()), (PASSED.to_vec(), 3));
    assert_eq!(titles(&vault), ["Talk 3", "Talk 5"]);
}

#[test]
fn a_tag_nobody_has_goes_and_one_that_takes_its_number_stays() {
    let (home, mut vault) = filled(false);
    let only = |vault: &Vault, id: &str| -> Vec<Entry> {
        vault.listing().unwrap().entries.into_iter().filter(|entry| entry.card.native_id == id).collect()
    };
    let (four, five) = (only(&vault, "4"), only(&vault, "5"));
    vault.tag(&five, &["was-here".to_owned()], &[], NOW).unwrap();
    vault.tag(&five, &[], &["was-here".to_owned()], NOW).unwrap();
    vault.tag(&four, &["four".to_owned()], &[], NOW).unwrap();
    let plan = plan(&vault, &["4"]);
    let sabotage = Sabotage::on(Fault::Crash(3));
    assert!(erase(&mut vault, plan, NOW, &|_| ()).is_err());
    drop(sabotage);
    let five = only(&vault, "5");
    vault.tag(&five, &["new".to_owned()], &[], NOW).unwrap();
    vault.close().unwrap();
    let mut vault = home.open();
    assert_eq!(verdicts(&resume(&mut vault, NOW, &|_| ()).unwrap().unwrap()), PASSED);
    let names: Vec<String> = vault.tag_names().unwrap().into_values().collect();
    assert_eq!((names.len(), names.contains(&"new".to_owned()), names.contains(&"t".to_owned())), (2, true, true));
}

#[test]
fn an_import_does_not_bring_back_what_was_erased_unless_it_is_told_to() {
    let (home, mut vault) = filled(true);
    erase_now(&mut vault, &["1"]).unwrap();
    let again = talk("1", 3, "back") + &talk("0", 1, "word0") + &talk("7", 1, "new");
    let report = bring(&mut vault, &again);
    assert_eq!((report.counts.new, report.counts.unchanged, report.counts.destroyed), (1, 1, 1));
    // Also under another password.
    vault.change_password(&Password::new(b"q".to_vec()), KdfCost::FLOOR, NOW).unwrap();
    assert_eq!(bring(&mut vault, &again).counts.destroyed, 1);
    let bundle = Bundle::from_bytes("t.jsonl", again.into_bytes()).unwrap();
    let importer = by_name("convault").unwrap();
    let options = Options { importer, tags: &[], now: NOW, allow_resurrect: true, besides: &[] };
    let report = ingest::import(&mut vault, &bundle, &options, &IngestProgress::default()).unwrap();
    assert_eq!((report.counts.new, report.counts.destroyed), (1, 0));
    drop((vault, home));
}

#[test]
fn after_a_password_change_an_erasure_still_shows_who_signed_what() {
    let (_home, mut vault) = filled(true);
    // The state before the erasure is signed by a credential that is retired when the receipt is checked.
    vault.change_password(&Password::new(b"q".to_vec()), KdfCost::FLOOR, NOW).unwrap();
    let (_, receipt) = erase_now(&mut vault, &["1"]).unwrap().receipt.unwrap();
    verify(&receipt).unwrap();
}

#[test]
fn moving_the_anchor_raises_the_class_of_what_comes_and_never_of_what_is_there() {
    let (home, mut vault) = filled(false);
    let anchor = home.folder.path().join("moved");
    vault.move_anchor(&AnchorPlace::File(anchor.clone()), NOW).unwrap();
    assert_eq!(vault.check(|_| ()).unwrap().findings, []);
    bring(&mut vault, &talk("7", 1, "after the move"));
    assert_eq!(vault.classes().unwrap(), [(Class::E1, 7), (Class::E2, 1)]);
    assert_eq!(plan(&vault, &["7"]).class(), Class::E2);
    assert_eq!(plan(&vault, &["0", "7"]).class(), Class::E1, "the weakest of them");
    vault.close().unwrap();
    let copy = home.folder.path().join("copy.db");
    std::fs::copy(home.path(), &copy).unwrap();
    let open = || Unopened::open(Lock::take(&home.path()).unwrap()).unwrap().unlock(&password(), None);
    let mut vault = open().unwrap();
    let erased = erase_now(&mut vault, &["7"]).unwrap();
    assert_eq!((erased.class, verdicts(&erased)), (Class::E2, PASSED.to_vec()));
    verify(&erased.receipt.unwrap().1).unwrap();
    let old = Unopened::open_copy(&copy).unwrap().unlock(&password(), None);
    assert!(matches!(old, Err(VaultError::Anchor(_))), "the copy has no anchor any more");
    // To another file, and back into the vault: from there on nothing in it is better than E1.
    let second = home.folder.path().join("second");
    vault.move_anchor(&AnchorPlace::File(second.clone()), NOW).unwrap();
    assert!(!anchor.exists() && second.exists());
    bring(&mut vault, &talk("8", 1, "in the second file"));
    assert!(vault.move_anchor(&AnchorPlace::File(second.clone()), NOW).is_err());
    vault.move_anchor(&AnchorPlace::Embedded, NOW).unwrap();
    assert!(!second.exists());
    assert_eq!(vault.classes().unwrap(), [(Class::E1, 8)]);
    vault.close().unwrap();
    assert_eq!(titles(&open().unwrap()).len(), 7);
    // A place that is taken, or that is not there, moves nothing.
    let mut vault = open().unwrap();
    std::fs::write(&anchor, b"somebody's").unwrap();
    assert!(vault.move_anchor(&AnchorPlace::File(anchor.clone()), NOW).is_err());
    assert!(vault.move_anchor(&AnchorPlace::File(home.folder.path().join("no/where")), NOW).is_err());
    drop(vault);
    let vault = open().unwrap();
    assert_eq!((vault.anchor().1, vault.check(|_| ()).unwrap().findings), (None, Vec::new()));
    assert_eq!(std::fs::read(&anchor).unwrap(), b"somebody's");
}
