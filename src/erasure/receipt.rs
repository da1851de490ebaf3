//! The receipt: a signed JSON document that shows what an erasure changed and what was checked afterwards.
//!
//! `docs/receipt.md` is the specification. A receipt is written in the one form of RFC 8785, of which it
//! uses texts, whole numbers, lists, objects, `true`, `false` and `null`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::check::{Checks, Outcome};
use super::checkpoint;
use super::windows::Key;
use crate::clock::Instant;
use crate::crypto::Digest;
use crate::signed_json::canonical;
use crate::vault::{CanErase, Class, CopyNote, DoomedLeaf, StateEvidence, Vault, VaultError, hex};

/// The schema of this version.
pub const SCHEMA: &str = "convault.receipt/1";

/// What an erasure was asked for and when; kept in its intent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) id: [u8; 16],
    pub(super) requested: Instant,
    /// Why: `request` or `policy`.
    pub(super) reason: String,
    /// The numbers of the rules by which it was.
    pub(super) rules: Vec<u64>,
    pub(super) conversations: u64,
    /// Bytes of the rows.
    pub(super) bytes: u64,
    /// Known copies of the conversations.
    pub(super) copies: Vec<CopyNote>,
}

/// What the signed live tree shows.
pub(super) struct Change<'a> {
    pub(super) leaves: &'a [DoomedLeaf],
    /// The key of the fingerprints, and those of each segment.
    pub(super) fingerprints: (Key, &'a [Vec<u64>]),
    pub(super) before: Vec<u8>,
    pub(super) after: Vec<u8>,
    pub(super) multiproof: Vec<u8>,
}

/// The weakest class any of the segments reached. A canary, a copy that did not answer or the like lower it further.
pub(super) fn class_of(leaves: &[DoomedLeaf], now: Class) -> Class {
    leaves.iter().map(|leaf| leaf.class).chain([now]).min().unwrap_or(Class::E1)
}

/// The class that was reached and what is not covered: as the signed table says it after the destruction, which may have
/// lowered what was planned, and as the vault knows it now, which may have lost sight of an old anchor since.
pub(super) fn reached<A: CanErase>(
    vault: &Vault<A>,
    leaves: &[DoomedLeaf],
    after: &StateEvidence,
) -> (Class, Vec<&'static str>) {
    let signed = leaves.iter().map(|one| after.class_at(one.leaf)).min().unwrap_or(Class::E1);
    let class = leaves.iter().map(|one| vault.class_at(one.leaf)).fold(signed, Class::min);
    let mut not_covered = not_covered(class);
    if class < signed {
        not_covered.push(
            "an old anchor out of reach: a replica that was dropped, or a place that may keep what is overwritten",
        );
    }
    (class, not_covered)
}

/// What no receipt covers, whatever was checked.
pub(super) fn not_covered(class: Class) -> Vec<&'static str> {
    let copies = match class {
        Class::E1 => "older copies of the vault file: with the password they still open what they hold",
        _ => "older copies of the vault file together with a copy of an old anchor",
    };
    vec![
        copies,
        "exports, what was shown or printed, and what a reader kept",
        "the provider's own copy of the conversations",
        "bytes outside the scanned files: free blocks of the file system, snapshots, remapped flash, swap",
        "fingerprints of the source ids, sealed to the owner, that keep an import from bringing them back",
        "counts, sizes and times of the destroyed segments, which the log keeps",
    ]
}

/// Builds and signs a receipt.
pub(super) fn sign<A: CanErase>(
    vault: &Vault<A>,
    sequence: u64,
    request: &Request,
    change: &Change<'_>,
    checks: &Checks,
    now: Instant,
) -> Result<Vec<u8>, VaultError> {
    let refused = || VaultError::Refused("the signed state does not show the erasure");
    let before = StateEvidence::decode(&change.before).ok_or_else(refused)?;
    let after = StateEvidence::decode(&change.after).ok_or_else(refused)?;
    let (class, not_covered) = reached(vault, change.leaves, &after);
    let text = checkpoint::text(&after);
    let signer = vault.credential_id();
    let mut signers = [before.signers, after.signers, [signer; 2]].concat();
    signers.sort_unstable();
    signers.dedup();
    let credentials: Vec<Value> = vault
        .credentials_of(&signers)
        .iter()
        .map(|one| Value::Object(one.fields().into_iter().map(|(key, word)| (key.to_owned(), word.into())).collect()))
        .collect();
    let [policy, holds] = vault.documents(request.requested)?;
    let document = |(version, hash): (u64, Digest)| json!({ "version": version, "hash": hex(&hash) });
    let (key, samples) = change.fingerprints;
    let samples = samples.iter().map(Vec::as_slice).chain(std::iter::repeat(&[][..]));
    let leaves: Vec<Value> =
        change.leaves.iter().zip(samples).map(|(one, samples)| leaf(one, after.class_at(one.leaf), samples)).collect();
    let receipt = json!({
        "schema": SCHEMA,
        "vault": hex(&vault.id()),
        "sequence": sequence,
        "id": hex(&request.id),
        "reason": request.reason,
        "rules": request.rules,
        "requested_at": request.requested.to_string(),
        "verified_at": now.to_string(),
        "tool": { "name": env!("CARGO_PKG_NAME"), "version": env!("CARGO_PKG_VERSION") },
        "environment": {
            "anchor": vault.anchor().0.word(),
            "file_system": checks.file_system,
            "journal": "persist, zeroed in place",
            "secure_delete": true,
        },
        "class": class.word(),
        "conversations": request.conversations,
        "bytes": request.bytes,
        "segments": leaves,
        "fingerprint_key": hex(&key.to_bytes()),
        "storage_time": "signer's word",
        "before": STANDARD.encode(&change.before),
        "after": STANDARD.encode(&change.after),
        "multiproof": STANDARD.encode(&change.multiproof),
        "checkpoint": checkpoint::note(&text, &vault.id(), &vault.credential_key(), &vault.sign_note(&text)),
        "owner": hex(&vault.owner_key().0),
        "credentials": credentials,
        "signer": hex(&signer),
        "policy": document(policy),
        "holds": document(holds),
        "checks": checks.list.iter().map(Outcome::json).collect::<Vec<_>>(),
        "not_covered": not_covered,
        "copies": request.copies,
    });
    let Value::Object(mut receipt) = receipt else { return Err(refused()) };
    let signature = vault.sign_receipt(canonical(&receipt).as_bytes());
    receipt.insert("signature".to_owned(), hex(&signature).into());
    Ok((canonical(&receipt) + "\n").into_bytes())
}

fn leaf(one: &DoomedLeaf, class: Class, fingerprints: &[u64]) -> Value {
    json!({
        "fingerprints": fingerprints.iter().map(|hash| hex(&hash.to_be_bytes())).collect::<Vec<_>>(),
        "leaf": one.leaf,
        "superseded": one.is_superseded,
        "segment": hex(&one.segment),
        "manifest": hex(&one.manifest),
        "facts": hex(&one.facts),
        "commitment": hex(&one.commitment),
        "class": class.word(),
    })
}
