//! What every export says of itself, signed: whose vault, when, which conversations; written and checked.
//!
//! `docs/export.md` gives the fields.

use serde_json::{Map, Value, json};

use super::tree::{Node, prove_over, root_over, root_over_some};
use crate::clock::Instant;
use crate::crypto::{Digest, VerifyKey};
use crate::signed_json::{self, CREDENTIAL, Fields, Kind, canonical};
use crate::vault::{CanRead, CredentialEvidence, Role, Vault, export_is_signed_by, hex, unhex};

/// The schema of a manifest.
pub const SCHEMA: &str = "convault.manifest/1";
const STATEMENT: &str = "convault.statement/1";

const MANY: usize = usize::MAX;
const RANGES: Kind = Kind::List(&Kind::List(&Kind::Number, 2, 2), 0, MANY);

const MANIFEST: Fields = &[
    ("left_out", RANGES),
    ("nodes", Kind::List(&Kind::Hex(32), 0, MANY)),
    ("schema", Kind::Word(&[SCHEMA])),
    ("signature", Kind::Hex(64)),
    (
        "statement",
        Kind::Fields(&[
            ("schema", Kind::Word(&[STATEMENT])),
            ("vault", Kind::Hex(16)),
            ("owner", Kind::Hex(32)),
            ("credential", CREDENTIAL),
            ("exported_at", Kind::Time),
            ("tool", Kind::Fields(&[("name", Kind::Text), ("version", Kind::Text)])),
            ("format", Kind::Word(&["html", "jsonl", "md", "original"])),
            ("conversations", Kind::Number),
            ("root", Kind::Hex(32)),
            (
                "contents",
                Kind::OrNull(&Kind::List(
                    &Kind::Fields(&[("root", Kind::Hex(32)), ("messages", Kind::Number), ("left_out", RANGES)]),
                    0,
                    MANY,
                )),
            ),
            ("file", Kind::OrNull(&Kind::Fields(&[("bytes", Kind::Number), ("sha256", Kind::Hex(32))]))),
            (
                "members",
                Kind::OrNull(&Kind::List(
                    &Kind::Fields(&[("name", Kind::Text), ("bytes", Kind::Number), ("sha256", Kind::Hex(32))]),
                    0,
                    MANY,
                )),
            ),
        ]),
    ),
];

/// Bytes with their hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hashed {
    /// How many.
    pub bytes: u64,
    /// Their SHA-256.
    pub sha256: Digest,
}

/// A conversation of an export, and which of its messages are not in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// The root of its tree.
    pub root: Digest,
    /// How many messages it has.
    pub messages: usize,
    /// Those that are not there, as ranges of first and count.
    pub left_out: Vec<(usize, usize)>,
}

/// What an export says it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims<'a> {
    /// The word of its format.
    pub format: &'static str,
    /// Its conversations.
    pub contents: &'a [Content],
    /// What holds its bytes.
    pub bytes: Bytes,
}

/// How the bytes of an export are held to what was signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bytes {
    /// The file shows its conversations leaf by leaf, and their roots hold it; the manifest does not say what they are.
    Leaves,
    /// The file up to the manifest, or all of it where the manifest stands beside.
    File(Hashed),
    /// The files of a zip, by name.
    Members(Vec<(String, Hashed)>),
}

/// Why an export is refused. Each is one thing that somebody changed, cut, reordered or forged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// There is no manifest.
    #[error("it has no manifest of convault: it was cut, or is no signed export")]
    NoManifest,
    /// The manifest is not in its one form, or something stands behind it.
    #[error("the manifest is not in its one form: it was cut, edited or written anew")]
    Form,
    /// The credential has no certificate of the owner.
    #[error("the credential is not certified by the owner key")]
    Certificate,
    /// The signature is not the credential's over the statement.
    #[error("the signature is not that of the credential it names: what is signed was changed")]
    Signature,
    /// The credential may not export.
    #[error("the credential's role may not export")]
    Role,
    /// The file is not the one that was signed.
    #[error("the file is not the one that was signed: {0}")]
    File(String),
    /// A line is not what the format has there.
    #[error("line {0}: {1}")]
    Line(u64, &'static str),
    /// The proof of a conversation does not hold.
    #[error("conversation {0}: a part of it was changed, moved, added or taken away")]
    Conversation(usize),
    /// The conversations do not lead to the signed root.
    #[error("the conversations are not those that were signed, or not in their order")]
    Root,
}

/// Ranges of what is left out, as first and count.
pub fn ranges(left_out: &[bool]) -> Vec<(usize, usize)> {
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for (at, _) in left_out.iter().enumerate().filter(|(_, is_left_out)| **is_left_out) {
        match ranges.last_mut().filter(|(first, count)| first + count == at) {
            Some((_, count)) => *count += 1,
            None => ranges.push((at, 1)),
        }
    }
    ranges
}

/// Ranges among so many, read; none when they are not ascending, touch, are empty or go beyond.
fn ranges_of(value: &Value, count: u64) -> Option<Vec<(usize, usize)>> {
    let mut ranges = Vec::new();
    let mut end = None;
    for range in value.as_array()? {
        let [first, length] = range.as_array()?.as_slice() else { return None };
        let (first, length) = (first.as_u64()?, length.as_u64()?);
        let stop = first.checked_add(length).filter(|stop| *stop <= count)?;
        if length == 0 || end.is_some_and(|end| first <= end) {
            return None;
        }
        ranges.push((usize::try_from(first).ok()?, usize::try_from(length).ok()?));
        end = Some(stop);
    }
    Some(ranges)
}

/// What ranges say of each of `count`, which is bounded by who asks.
pub fn flags(ranges: &Value, count: usize) -> Option<Vec<bool>> {
    let ranges = ranges_of(ranges, count as u64)?;
    let mut flags = vec![false; count];
    for (first, length) in ranges {
        flags.get_mut(first..first + length)?.fill(true);
    }
    Some(flags)
}

/// Ranges as they are written.
pub fn ranges_json(ranges: &[(usize, usize)]) -> Value {
    ranges.iter().map(|(first, count)| json!([first, count])).collect()
}

/// The nodes of a proof as they are written.
pub fn nodes_json(nodes: &[Node]) -> Value {
    let word = |node: &Node| match node {
        Node::Seed(seed) => format!("s{}", hex(seed)),
        Node::Hash(hash) => format!("h{}", hex(hash)),
    };
    nodes.iter().map(word).collect()
}

/// The nodes of a proof, read.
pub fn nodes_of(value: &Value) -> Option<Vec<Node>> {
    let node = |value: &Value| match value.as_str()?.split_at_checked(1)? {
        ("s", digits) => Some(Node::Seed(unhex(digits)?)),
        ("h", digits) => Some(Node::Hash(unhex(digits)?)),
        _ => None,
    };
    value.as_array()?.iter().map(node).collect()
}

/// The signed manifest of an export, in one line without a line feed.
pub fn sign<A: CanRead>(vault: &Vault<A>, claims: &Claims<'_>, now: Instant) -> String {
    let credential = vault.credentials_of(&[vault.credential_id()]);
    let fields = credential.iter().flat_map(CredentialEvidence::fields);
    let credential: Map<String, Value> = fields.map(|(key, word)| (key.to_owned(), word.into())).collect();
    let hashed = |one: &Hashed| json!({ "bytes": one.bytes, "sha256": hex(&one.sha256) });
    let content = |one: &Content| json!({ "root": hex(&one.root), "messages": one.messages, "left_out": ranges_json(&one.left_out) });
    let member =
        |(name, one): &(String, Hashed)| json!({ "name": name, "bytes": one.bytes, "sha256": hex(&one.sha256) });
    let (told, file, members) = match &claims.bytes {
        Bytes::Leaves => (None, None, None),
        Bytes::File(one) => (Some(claims.contents), Some(hashed(one)), None),
        Bytes::Members(all) => (Some(claims.contents), None, Some(all.iter().map(member).collect::<Vec<Value>>())),
    };
    let roots: Vec<Digest> = claims.contents.iter().map(|one| one.root).collect();
    let statement = json!({
        "schema": STATEMENT,
        "vault": hex(&vault.id()),
        "owner": hex(&vault.owner_key().0),
        "credential": credential,
        "exported_at": now.to_string(),
        "tool": { "name": env!("CARGO_PKG_NAME"), "version": env!("CARGO_PKG_VERSION") },
        "format": claims.format,
        "conversations": roots.len(),
        "root": hex(&root_over(&roots)),
        "contents": told.map(|all| all.iter().map(content).collect::<Vec<Value>>()),
        "file": file,
        "members": members,
    });
    let Value::Object(statement) = statement else { return String::new() };
    let signature = vault.sign_export(canonical(&statement).as_bytes());
    manifest(statement, hex(&signature), &[], &[])
}

fn manifest(statement: Map<String, Value>, signature: String, left_out: &[(usize, usize)], nodes: &[Digest]) -> String {
    let manifest = json!({
        "schema": SCHEMA,
        "statement": statement,
        "signature": signature,
        "left_out": ranges_json(left_out),
        "nodes": nodes.iter().map(|node| hex(node)).collect::<Vec<String>>(),
    });
    manifest.as_object().map(canonical).unwrap_or_default()
}

/// A manifest whose form, certificate, signature and role hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The vault's id, in hexadecimal.
    pub vault: String,
    /// The owner's key, in hexadecimal.
    pub owner: String,
    /// The role of the credential that signed it, in a word.
    pub role: &'static str,
    /// When, by the signer's word.
    pub exported_at: String,
    /// The word of its format.
    pub format: String,
    /// How many conversations were signed.
    pub conversations: usize,
    /// Which of them were taken out afterwards.
    pub left_out: Vec<bool>,
    /// The signed conversations, where the file does not show them leaf by leaf.
    pub contents: Option<Vec<Content>>,
    pub(super) file: Option<Hashed>,
    pub(super) members: Option<Vec<(String, Hashed)>>,
    root: Digest,
    nodes: Vec<Digest>,
    statement: Map<String, Value>,
    signature: String,
}

impl Statement {
    /// Reads and checks a manifest.
    pub fn read(bytes: &[u8]) -> Result<Self, Refusal> {
        let object = signed_json::parse(bytes).ok_or(Refusal::Form)?;
        signed_json::check(&object, MANIFEST).map_err(|_| Refusal::Form)?;
        let read = || Self::of(&object);
        let (this, credential, signature) = read().ok_or(Refusal::Form)?;
        let (owner, vault) = (unhex(&this.owner).ok_or(Refusal::Form)?, unhex(&this.vault).ok_or(Refusal::Form)?);
        if !credential.is_certified_by(&VerifyKey(owner), &vault) {
            return Err(Refusal::Certificate);
        }
        if !export_is_signed_by(&credential.verify_key(), canonical(&this.statement).as_bytes(), &signature) {
            return Err(Refusal::Signature);
        }
        match credential.role() {
            Role::Owner | Role::Reader => Ok(this),
            _ => Err(Refusal::Role),
        }
    }

    fn of(object: &Map<String, Value>) -> Option<(Self, CredentialEvidence, [u8; 64])> {
        let statement = object.get("statement")?.as_object()?;
        let text = |name: &str| Some(statement.get(name)?.as_str()?.to_owned());
        let credential = statement.get("credential")?;
        let credential = CredentialEvidence::from_fields(|name| Some(credential.get(name)?.as_str()?.to_owned()))?;
        let conversations = usize::try_from(statement.get("conversations")?.as_u64()?).ok()?;
        let hashed = |value: &Value| {
            Some(Hashed { bytes: value.get("bytes")?.as_u64()?, sha256: unhex(value.get("sha256")?.as_str()?)? })
        };
        let content = |value: &Value| {
            let messages = value.get("messages")?.as_u64().filter(|count| *count <= MOST_MESSAGES)?;
            let left_out = ranges_of(value.get("left_out")?, messages)?;
            let messages = usize::try_from(messages).ok()?;
            Some(Content { root: unhex(value.get("root")?.as_str()?)?, messages, left_out })
        };
        let member = |value: &Value| Some((value.get("name")?.as_str()?.to_owned(), hashed(value)?));
        let list = |name: &str| statement.get(name)?.as_array();
        let file = statement.get("file").filter(|file| !file.is_null());
        let nodes = object.get("nodes")?.as_array()?.iter().map(|node| unhex(node.as_str()?));
        let signature = object.get("signature")?.as_str()?;
        let this = Self {
            vault: text("vault")?,
            owner: text("owner")?,
            role: credential.role().word(),
            exported_at: text("exported_at")?,
            format: text("format")?,
            conversations: Some(conversations).filter(|count| *count <= MOST)?,
            left_out: flags(object.get("left_out")?, conversations)?,
            contents: list("contents")
                .map(|all| all.iter().map(content).collect::<Option<_>>())
                .map_or(Some(None), |all| all.map(Some))?,
            file: file.map(hashed).map_or(Some(None), |file| file.map(Some))?,
            members: list("members")
                .map(|all| all.iter().map(member).collect::<Option<_>>())
                .map_or(Some(None), |all| all.map(Some))?,
            root: unhex(&text("root")?)?,
            nodes: nodes.collect::<Option<_>>()?,
            statement: statement.clone(),
            signature: signature.to_owned(),
        };
        Some((this, credential, unhex(signature)?))
    }

    /// Whether these conversations, in this order, are those that were signed, but for those that were taken out.
    pub fn check_roots(&self, roots: &[Digest]) -> Result<(), Refusal> {
        match root_over_some(&self.placed(roots).ok_or(Refusal::Root)?, &self.nodes) {
            Ok(root) if root == self.root => Ok(()),
            _ => Err(Refusal::Root),
        }
    }

    /// The roots in the places of their conversations; none when they are not as many as there should be.
    fn placed(&self, roots: &[Digest]) -> Option<Vec<Option<Digest>>> {
        let mut roots = roots.iter().copied();
        let mut placed = Vec::with_capacity(self.conversations);
        for is_left_out in &self.left_out {
            placed.push(if *is_left_out { None } else { Some(roots.next()?) });
        }
        roots.next().is_none().then_some(placed)
    }

    /// The manifest of a file that has only some of the conversations of this one, whose roots are `roots`: `kept` says of
    /// each of them whether it stays.
    pub fn narrowed(&self, roots: &[Digest], kept: &[bool]) -> Option<String> {
        let placed = self.placed(roots)?;
        let mut kept = kept.iter();
        let mut left_out = Vec::with_capacity(placed.len());
        for root in &placed {
            left_out.push(root.is_none() || !*kept.next()?);
        }
        // What was taken out before is known by hashes of nodes; below them nothing can be told apart any more.
        let nodes = match (self.left_out.contains(&true), left_out == self.left_out) {
            // All that is there stays, and with it the proof.
            (true, true) => self.nodes.clone(),
            (true, false) => return None,
            (false, _) => prove_over(&placed.into_iter().collect::<Option<Vec<Digest>>>()?, &left_out),
        };
        Some(manifest(self.statement.clone(), self.signature.clone(), &ranges(&left_out), &nodes))
    }
}

/// More conversations, and more messages, than any file has.
const MOST: usize = 1 << 20;
const MOST_MESSAGES: u64 = 1 << 32;
