//! Entries of the audit log: sealed to the auditor, signed by the actor, hashed into the log tree.

use serde::Serialize;
use zeroize::Zeroizing;

use super::access::Identity;
use super::content::hex;
use super::epoch::MOST_RETIRED;
use crate::bytes::{Malformed, Reader, put_var};
use crate::clock::Instant;
use crate::crypto::{Digest, EnvelopeKey, EnvelopeSecret, SignatureBytes, padding};
use crate::vault::head::{Role, StaticHead};

const ENTRY: &str = "convault/1/log-entry";
const ENVELOPE: &str = "convault/1/log";

/// What is done, in counts, ids and the words of who asked; never titles, names or text of conversations.
pub(super) struct Action {
    pub(super) word: &'static str,
    pub(super) counts: Vec<(&'static str, u64)>,
    /// SHA-256 of the receipt that was written.
    pub(super) receipt: Option<Digest>,
    /// The credential that was given out or taken back.
    pub(super) subject: Option<(Role, [u8; 16])>,
    /// The conversations that were read or handed out, where they are named.
    pub(super) conversations: Vec<[u8; 16]>,
    /// How what was handed out is protected.
    pub(super) protection: Option<String>,
    /// The known copy that it is about.
    pub(super) copy: Option<[u8; 16]>,
    /// What was asked for, in the words of who asked.
    pub(super) query: Option<String>,
}

impl Action {
    pub(super) fn counted(word: &'static str, counts: Vec<(&'static str, u64)>) -> Self {
        Self {
            word,
            counts,
            receipt: None,
            subject: None,
            conversations: Vec::new(),
            protection: None,
            copy: None,
            query: None,
        }
    }
}

#[derive(Serialize)]
struct EntryJson<'a> {
    at: Instant,
    action: &'static str,
    live_root: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    transition: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    credential: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conversation: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    conversations: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    protection: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    copy: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    query: Option<&'a str>,
    counts: serde_json::Map<String, serde_json::Value>,
}

/// The log row of an action.
pub(super) fn row(
    action: &Action,
    now: Instant,
    live_root: &Digest,
    transition: Option<Digest>,
    index: u64,
    actor: &Identity,
    auditor: &EnvelopeKey,
) -> Result<Vec<u8>, Malformed> {
    let ids: Vec<String> = action.conversations.iter().map(|id| hex(id)).collect();
    let (conversation, conversations) = match <[String; 1]>::try_from(ids) {
        Ok([one]) => (Some(one), Vec::new()),
        Err(several) => (None, several),
    };
    let entry = EntryJson {
        at: now,
        action: action.word,
        live_root: hex(live_root),
        transition: transition.map(|digest| hex(&digest)),
        receipt: action.receipt.map(|digest| hex(&digest)),
        role: action.subject.map(|(role, _)| role.word()),
        credential: action.subject.map(|(_, id)| hex(&id)),
        conversation,
        conversations,
        protection: action.protection.as_deref(),
        copy: action.copy.map(|id| hex(&id)),
        query: action.query.as_deref(),
        counts: action.counts.iter().map(|(word, count)| ((*word).to_owned(), (*count).into())).collect(),
    };
    let json = serde_json::to_vec(&entry).expect("strings and numbers are valid JSON");
    let mut out = actor.credential.to_vec();
    put_var(&mut out, &auditor.seal(ENVELOPE, &actor.vault, &padding::lines(&json)).ok_or(Malformed)?);
    let signature = actor.own.signer.sign(ENTRY, &[&actor.vault, &index.to_be_bytes(), &out]);
    out.extend_from_slice(&signature);
    Ok(out)
}

/// Opens a row with the auditor's key: who signed it, and its JSON.
pub(super) fn open(row: &[u8], vault: &[u8; 16], auditor: &EnvelopeSecret) -> Option<([u8; 16], Zeroizing<Vec<u8>>)> {
    let mut reader = Reader::new(row);
    let credential = reader.array().ok()?;
    let plain = auditor.open(ENVELOPE, vault, reader.var().ok()?).ok()?;
    Some((credential, Zeroizing::new(padding::trimmed(&plain)?.to_vec())))
}

/// Whether a row is an entry that a credential of this vault signed at this index.
pub(super) fn is_signed(row: &[u8], index: u64, owner: &StaticHead) -> bool {
    let check = || {
        let (signed, signature): (&[u8], &SignatureBytes) = row.split_last_chunk().ok_or(Malformed)?;
        let mut reader = Reader::new(signed);
        let credential: [u8; 16] = reader.array()?;
        reader.var()?;
        reader.end()?;
        let credential = owner.credential(&credential).ok_or(Malformed)?;
        let parts: [&[u8]; 3] = [&owner.vault, &index.to_be_bytes(), signed];
        Ok::<_, Malformed>(credential.verify_key.verifies(ENTRY, &parts, signature))
    };
    check().unwrap_or(false)
}

/// Whether the credential that a row names is still in the head; one that a recovery replaced is not.
pub(super) fn signer_is_known(row: &[u8], owner: &StaticHead) -> bool {
    row.first_chunk().is_some_and(|id| owner.credential(id).is_some())
}

/// Whether an owner wrote a row, as far as the head can tell: of one that was retired it knows the key for long, and not
/// for ever.
pub(super) fn is_an_owners(row: &[u8], index: u64, head: &StaticHead) -> bool {
    let signer = row.first_chunk().and_then(|id| head.credential(id)).map(|signer| signer.role);
    match signer {
        Some(Role::Owner | Role::Retired) => is_signed(row, index, head),
        Some(_) => false,
        None => head.credentials.iter().filter(|one| one.role == Role::Retired).count() >= MOST_RETIRED,
    }
}
