//! Checking a receipt: by itself, with nothing but the document, or beside the vault it speaks of.
//!
//! `docs/receipt.md` gives the rules, and a verifier in another language follows the same page.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::checkpoint;
use super::receipt::SCHEMA;
use super::shape;
use super::windows::{Finder, Key, Windows};
use crate::crypto::{Digest, VerifyKey};
use crate::signed_json::{self, canonical};
use crate::tree::{self, Multiproof};
use crate::vault::{
    CopyNote, CredentialEvidence, KnownReceipt, Role, StateEvidence, Unopened, VaultError, receipt_is_signed_by, unhex,
};

/// Why a receipt is refused. Each is one thing that somebody changed, cut, reordered or forged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Not JSON in the one form of RFC 8785.
    #[error("not a receipt in its one form: it was cut, edited or written anew")]
    Form,
    /// Another kind of document, or of a later version.
    #[error("not of the schema `{SCHEMA}`")]
    Schema,
    /// A field is missing or not of its kind.
    #[error("the field `{0}` is missing or malformed")]
    Field(&'static str),
    /// A field that no receipt has.
    #[error("it has a field that receipts of this version do not have")]
    Unknown,
    /// The signature is not the signer's over these bytes.
    #[error("the signature is not that of the signer it names: the receipt was changed after it was signed")]
    Signature,
    /// A credential has no certificate of the owner.
    #[error("a credential is not certified by the owner key")]
    Certificate,
    /// The signer may not erase.
    #[error("the signer's role may not erase")]
    Role,
    /// A state head is not signed by a credential of the receipt.
    #[error("the state {0} the erasure is not signed by a credential of this vault")]
    Head(&'static str),
    /// The heads are of another vault.
    #[error("the signed states are of another vault")]
    OtherVault,
    /// The generations do not follow each other, or the anchor stayed.
    #[error("the anchor was not replaced between the two states")]
    Anchor,
    /// The multiproof does not lead from one root to the other.
    #[error("the proof does not lead from the live root before to the one after")]
    Proof,
    /// The proof is of other segments.
    #[error("the proof changes other segments than those the receipt names")]
    Segments,
    /// A segment did not become a tombstone.
    #[error("a segment of the receipt did not become a tombstone")]
    Tombstone,
    /// The class is better than a segment's.
    #[error("the class is better than the weakest of its segments")]
    Class,
    /// The checkpoint is not of the log in the state after.
    #[error("the checkpoint is not the signer's of the log in the state after the erasure")]
    Checkpoint,
    /// A check that a receipt must have did not pass.
    #[error("the check `{0}` is not among those that passed")]
    Check(&'static str),
    /// The vault is another one, or has another owner.
    #[error("the vault is not the one of the receipt")]
    VaultMismatch,
    /// The vault is from before the erasure.
    #[error("the vault is in a state from before the erasure: an older copy")]
    OlderVault,
    /// The vault's log is another one than that in which the erasure stands.
    #[error("the log of the vault as it is does not go on from the one of the receipt: its history was written anew")]
    Log,
    /// A segment lives again, or was never destroyed, in the vault as it is.
    #[error("in the vault as it is, a segment of the receipt is no tombstone")]
    Alive,
}

/// What a receipt that holds shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The vault's id, in hexadecimal.
    pub vault: String,
    /// The receipt's number in it.
    pub sequence: u64,
    /// What asked for it.
    pub reason: String,
    /// The class.
    pub class: String,
    /// Segments destroyed.
    pub segments: u64,
    /// When, by the signer's word.
    pub verified_at: String,
    /// The role of the credential that signed it, in a word.
    pub role: &'static str,
    /// Checks by name, with their results.
    pub checks: Vec<(String, String)>,
    /// The owner's key, to compare with one that is known from elsewhere.
    pub owner: String,
    /// What is not covered.
    pub not_covered: Vec<String>,
    /// Copies that were known then.
    pub copies: Vec<CopyNote>,
    leaves: Vec<Segment>,
    after: StateEvidence,
    signer: [u8; 16],
    key: Key,
}

/// What a vault says of a receipt that its live tree agrees with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beside {
    /// Its log goes on from the one that the receipt's state signs; false when the entries to tell it by are not there.
    pub is_log_known: bool,
    /// The signer's role in it today; none when its head does not know the signer any more.
    pub signer: Option<&'static str>,
}

/// A segment that a receipt shows as destroyed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Segment {
    leaf: u64,
    tombstone: Digest,
    commitment: Digest,
    fingerprints: Vec<u64>,
}

impl Shown {
    /// Ready to look for what the receipt says is destroyed, by the fingerprints it carries.
    pub fn finder(&self) -> Finder {
        let hashes = self.leaves.iter().flat_map(|one| one.fingerprints.iter().copied()).collect();
        Windows::from_hashes(self.key, hashes).finder(b"")
    }

    /// What a vault with this id and owner takes back in when it is recovered: none of a receipt of another.
    pub fn known_to(&self, vault: &Unopened, bytes: Vec<u8>) -> Option<KnownReceipt> {
        let is_its = unhex(&self.vault) == Some(vault.id()) && unhex(&self.owner) == Some(vault.owner_key().0);
        let tombstones = self.leaves.iter().map(|one| (one.leaf, one.tombstone)).collect();
        is_its.then_some(KnownReceipt { sequence: self.sequence, bytes, tombstones })
    }

    /// Of how many of its segments the erase shares can still be derived from an older copy of the vault, and from the
    /// anchors at these places with the keyring copies beside them; none when nothing could be tried.
    pub fn derived_from(&self, copy: &Unopened, anchors: &[PathBuf]) -> Result<Option<u64>, VaultError> {
        copy.derives(anchors, &self.leaves.iter().map(|one| (one.leaf, one.commitment)).collect::<Vec<_>>())
    }
}

/// Checks a receipt by itself.
pub fn verify(bytes: &[u8]) -> Result<Shown, Refusal> {
    let mut receipt = signed_json::parse(bytes).ok_or(Refusal::Form)?;
    if receipt.get("schema").and_then(Value::as_str) != Some(SCHEMA) {
        return Err(Refusal::Schema);
    }
    let signature = take_hex(&receipt, "signature")?;
    receipt.remove("signature");
    shape::check(&receipt)?;
    let vault: [u8; 16] = take_hex(&receipt, "vault")?;
    let owner = VerifyKey(take_hex(&receipt, "owner")?);
    let credentials = credentials(&receipt, &owner, &vault)?;
    let credential = |id: &[u8; 16]| credentials.iter().find(|one| one.id() == *id);
    let signer: [u8; 16] = take_hex(&receipt, "signer")?;
    let signer = credential(&signer).ok_or(Refusal::Signature)?;
    if !receipt_is_signed_by(&signer.verify_key(), canonical(&receipt).as_bytes(), &signature) {
        return Err(Refusal::Signature);
    }
    let erases = [Role::Owner, Role::Janitor];
    if !erases.contains(&signer.role()) {
        return Err(Refusal::Role);
    }
    let head = |name: &'static str, may: &dyn Fn([Role; 2]) -> bool| {
        let state = StateEvidence::decode(&take_base64(&receipt, name)?).ok_or(Refusal::Field(name))?;
        let roles = state.signers.map(|signer| credential(&signer).map(CredentialEvidence::role));
        let may = matches!(roles, [Some(root), Some(rest)] if may([root, rest]));
        let is_signed = may && state.is_signed_by(|id| credential(id).map(CredentialEvidence::verify_key));
        if is_signed { Ok(state) } else { Err(Refusal::Head(name)) }
    };
    // A credential that signed the state before may have been retired since, and others write in the log.
    let before =
        head("before", &|[root, rest]| (erases.contains(&root) || root == Role::Retired) && rest != Role::Auditor)?;
    let after = head("after", &|roles| roles.iter().all(|role| erases.contains(role)))?;
    if before.vault != vault || after.vault != vault {
        return Err(Refusal::OtherVault);
    }
    if after.generation != before.generation + 1 || after.anchor_hash == before.anchor_hash {
        return Err(Refusal::Anchor);
    }
    let proof = take_base64(&receipt, "multiproof")?;
    let proof = Multiproof::decode(&proof).map_err(|_| Refusal::Proof)?;
    let roots = proof.verify().map_err(|_| Refusal::Proof)?;
    if roots.old != before.live_root || roots.new != after.live_root {
        return Err(Refusal::Proof);
    }
    let leaves = segments(&receipt, &proof, &after)?;
    let rules: Vec<u64> =
        receipt.get("rules").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_u64).collect();
    let is_by_policy = take_text(&receipt, "reason")? == "policy";
    if rules.is_empty() == is_by_policy || rules.contains(&0) || !rules.is_sorted_by(|a, b| a < b) {
        return Err(Refusal::Field("rules"));
    }
    let checks = checks(&receipt)?;
    if !checkpoint::is_of(take_text(&receipt, "checkpoint")?, &after, &signer.verify_key()) {
        return Err(Refusal::Checkpoint);
    }
    let not_covered = receipt.get("not_covered").and_then(Value::as_array).ok_or(Refusal::Field("not_covered"))?;
    let copies = receipt.get("copies").and_then(|copies| serde_json::from_value(copies.clone()).ok());
    Ok(Shown {
        copies: copies.ok_or(Refusal::Field("copies"))?,
        vault: take_text(&receipt, "vault")?.to_owned(),
        sequence: take_number(&receipt, "sequence")?,
        reason: take_text(&receipt, "reason")?.to_owned(),
        class: take_text(&receipt, "class")?.to_owned(),
        segments: leaves.len() as u64,
        verified_at: take_text(&receipt, "verified_at")?.to_owned(),
        role: signer.role().word(),
        checks,
        owner: take_text(&receipt, "owner")?.to_owned(),
        not_covered: not_covered.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        leaves,
        signer: signer.id(),
        after,
        key: Key::from_bytes(&take_hex(&receipt, "fingerprint_key")?),
    })
}

/// Checks what a receipt shows against today's vault; needs no password.
pub fn verify_with_vault(shown: &Shown, vault: &Unopened) -> Result<Result<Beside, Refusal>, VaultError> {
    let id: Option<[u8; 16]> = unhex(&shown.vault);
    let owner: Option<[u8; 32]> = unhex(&shown.owner);
    if id != Some(vault.id()) || owner != Some(vault.owner_key().0) {
        return Ok(Err(Refusal::VaultMismatch));
    }
    if vault.generation() < shown.after.generation {
        return Ok(Err(Refusal::OlderVault));
    }
    if !vault.has_leaves(&shown.leaves.iter().map(|one| (one.leaf, one.tombstone)).collect::<Vec<_>>())? {
        return Ok(Err(Refusal::Alive));
    }
    let continues = vault.continues(&shown.after)?;
    if continues == Some(false) {
        return Ok(Err(Refusal::Log));
    }
    Ok(Ok(Beside { is_log_known: continues.is_some(), signer: vault.role_of(&shown.signer) }))
}

fn credentials(
    receipt: &Map<String, Value>,
    owner: &VerifyKey,
    vault: &[u8; 16],
) -> Result<Vec<CredentialEvidence>, Refusal> {
    let list = receipt.get("credentials").and_then(Value::as_array).ok_or(Refusal::Field("credentials"))?;
    let read = |value: &Value| {
        let one = CredentialEvidence::from_fields(|name| Some(value.get(name)?.as_str()?.to_owned()));
        one.ok_or(Refusal::Field("credentials"))
    };
    let all: Vec<CredentialEvidence> = list.iter().map(read).collect::<Result<_, _>>()?;
    // Which of two of one id had signed would depend on who reads.
    if all.iter().enumerate().any(|(at, one)| all.iter().skip(at + 1).any(|other| other.id() == one.id())) {
        return Err(Refusal::Field("credentials"));
    }
    match all.iter().all(|one| one.is_certified_by(owner, vault)) {
        true => Ok(all),
        false => Err(Refusal::Certificate),
    }
}

/// The tombstones that the proof has to show, and shows.
fn segments(receipt: &Map<String, Value>, proof: &Multiproof, after: &StateEvidence) -> Result<Vec<Segment>, Refusal> {
    let field = || Refusal::Field("segments");
    let list = receipt.get("segments").and_then(Value::as_array).ok_or_else(field)?;
    if list.len() != proof.leaves.len() {
        return Err(Refusal::Segments);
    }
    let class = take_text(receipt, "class")?;
    let mut leaves = Vec::with_capacity(list.len());
    for (one, change) in list.iter().zip(&proof.leaves) {
        let one = one.as_object().ok_or_else(field)?;
        let hash = |name| take_hex::<32>(one, name).map_err(|_| field());
        let live = tree::live_leaf(
            &take_hex(one, "segment").map_err(|_| field())?,
            &hash("manifest")?,
            &hash("facts")?,
            &hash("commitment")?,
        );
        let before = match one.get("superseded") {
            Some(Value::Bool(false)) => live,
            Some(Value::Bool(true)) => tree::superseded_leaf(&live),
            _ => return Err(field()),
        };
        let leaf = one.get("leaf").and_then(Value::as_u64).ok_or_else(field)?;
        if change.leaf != leaf || change.old != before {
            return Err(Refusal::Segments);
        }
        if change.new != tree::tombstone(&before) {
            return Err(Refusal::Tombstone);
        }
        // Words of classes are in the order of what they say: E1 before E2 before E3.
        let own = take_text(one, "class").map_err(|_| field())?;
        if own != after.class_at(leaf).word() || class > own {
            return Err(Refusal::Class);
        }
        let words = one.get("fingerprints").and_then(Value::as_array).ok_or_else(field)?;
        let fingerprint = |word: &Value| Some(u64::from_be_bytes(unhex(word.as_str()?)?));
        let fingerprints = words.iter().map(fingerprint).collect::<Option<Vec<u64>>>().ok_or_else(field)?;
        leaves.push(Segment { leaf, tombstone: change.new, commitment: hash("commitment")?, fingerprints });
    }
    Ok(leaves)
}

fn checks(receipt: &Map<String, Value>) -> Result<Vec<(String, String)>, Refusal> {
    let list = receipt.get("checks").and_then(Value::as_array).ok_or(Refusal::Field("checks"))?;
    let mut checks = Vec::new();
    for one in list {
        let one = one.as_object().ok_or(Refusal::Field("checks"))?;
        checks.push((take_text(one, "name")?.to_owned(), take_text(one, "result")?.to_owned()));
    }
    for name in ["logical", "cryptographic", "physical"] {
        if !checks.iter().any(|(other, result)| other == name && result == "PASS") {
            return Err(Refusal::Check(name));
        }
    }
    if checks.iter().any(|(_, result)| result != "PASS" && result != "NOT RUN") {
        return Err(Refusal::Check("other"));
    }
    // One that is there twice could pass once and not be run another time.
    let is_twice = |at: usize, name: &String| checks.iter().skip(at + 1).any(|(other, _)| other == name);
    match checks.iter().enumerate().any(|(at, (name, _))| is_twice(at, name)) {
        true => Err(Refusal::Field("checks")),
        false => Ok(checks),
    }
}

fn take_text<'a>(object: &'a Map<String, Value>, name: &'static str) -> Result<&'a str, Refusal> {
    object.get(name).and_then(Value::as_str).ok_or(Refusal::Field(name))
}

fn take_number(object: &Map<String, Value>, name: &'static str) -> Result<u64, Refusal> {
    object.get(name).and_then(Value::as_u64).ok_or(Refusal::Field(name))
}

fn take_hex<const N: usize>(object: &Map<String, Value>, name: &'static str) -> Result<[u8; N], Refusal> {
    unhex(take_text(object, name)?).ok_or(Refusal::Field(name))
}

fn take_base64(object: &Map<String, Value>, name: &'static str) -> Result<Vec<u8>, Refusal> {
    STANDARD.decode(take_text(object, name)?).map_err(|_| Refusal::Field(name))
}
