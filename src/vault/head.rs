//! The two heads: what the owner signed, and the state that every commit signs (`docs/format.md` §6).

use crate::bytes::{Malformed, Reader, put_var};
use crate::clock::Instant;
use crate::crypto::hash::{self, Digest};
use crate::crypto::{EnvelopeKey, SignatureBytes, Signer, VerifyKey};
use crate::log_tree::RightEdge;

/// The algorithms of this version.
pub const SUITE: u16 = 1;

pub(super) const MAX_CREDENTIALS: usize = 256;
const MAX_CLASSES: usize = 4096;
const CERTIFICATE: &str = "convault/1/certificate";
const STATIC_HEAD: &str = "convault/1/static-head";
const STATE_HEAD: &str = "convault/1/state-head";
const STATE_ROOT: &str = "convault/1/state-root";

/// Whether the signature that bytes end in is this key's over the rest.
fn verifies(bytes: &[u8], label: &str, key: &VerifyKey) -> bool {
    let parts: Option<(&[u8], &SignatureBytes)> = bytes.split_last_chunk();
    parts.is_some_and(|(signed, signature)| key.verifies(label, &[signed], signature))
}

/// What a credential may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Role {
    /// Everything.
    Owner = 1,
    /// Read.
    Reader = 2,
    /// Add, and read nothing.
    Depositor = 3,
    /// Purge what is due, and read nothing.
    Janitor = 4,
    /// Check, and read nothing.
    Auditor = 5,
    /// Nothing any more; what it signed before can still be checked.
    Retired = 6,
}

impl Role {
    fn decode(byte: u8) -> Result<Self, Malformed> {
        [Self::Owner, Self::Reader, Self::Depositor, Self::Janitor, Self::Auditor, Self::Retired]
            .into_iter()
            .find(|role| *role as u8 == byte)
            .ok_or(Malformed)
    }

    /// The role's word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Reader => "reader",
            Self::Depositor => "depositor",
            Self::Janitor => "janitor",
            Self::Auditor => "auditor",
            Self::Retired => "retired",
        }
    }
}

/// How a credential proves itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum CredentialKind {
    /// By a password.
    Password = 1,
    /// By a recovery code.
    RecoveryCode = 2,
    /// By a key file.
    KeyFile = 3,
}

impl CredentialKind {
    pub(super) fn decode(byte: u8) -> Result<Self, Malformed> {
        [Self::Password, Self::RecoveryCode, Self::KeyFile]
            .into_iter()
            .find(|kind| *kind as u8 == byte)
            .ok_or(Malformed)
    }

    /// The kind's words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::RecoveryCode => "recovery code",
            Self::KeyFile => "key file",
        }
    }
}

/// A credential as the owner certified it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// Its id.
    pub id: [u8; 16],
    /// What it may do.
    pub role: Role,
    /// How it proves itself.
    pub kind: CredentialKind,
    /// Its own signing key.
    pub verify_key: VerifyKey,
    /// Its own envelope key, to which its bundle is sealed.
    pub envelope_key: EnvelopeKey,
    /// When it was made.
    pub created: Instant,
    pub(super) certificate: SignatureBytes,
    pub(super) bundle: Vec<u8>,
}

impl Credential {
    fn certified(&self) -> Vec<u8> {
        let mut out = self.id.to_vec();
        out.extend_from_slice(&[self.role as u8, self.kind as u8]);
        out.extend_from_slice(&self.verify_key.0);
        out.extend_from_slice(&self.envelope_key.0);
        out
    }

    /// Takes every capability away and keeps what its signatures are checked by.
    pub(super) fn retire(&mut self, vault: &[u8; 16], owner: &Signer) {
        self.role = Role::Retired;
        self.bundle.clear();
        self.certify(vault, owner);
    }

    /// Whether the owner certified it for this vault.
    pub(super) fn is_certified_by(&self, owner: &VerifyKey, vault: &[u8; 16]) -> bool {
        owner.verifies(CERTIFICATE, &[vault, &self.certified()], &self.certificate)
    }

    /// Signs the certificate anew.
    pub(super) fn certify(&mut self, vault: &[u8; 16], owner: &Signer) {
        self.certificate = owner.sign(CERTIFICATE, &[vault, &self.certified()]);
    }
}

/// What the owner signed: keys, credentials, policy and holds by hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaticHead {
    pub(super) vault: [u8; 16],
    pub(super) version: u64,
    pub(super) owner: VerifyKey,
    pub(super) key_epoch: u32,
    pub(super) read_key: EnvelopeKey,
    pub(super) auditor_key: EnvelopeKey,
    pub(super) policy_version: u64,
    pub(super) policy_hash: Digest,
    pub(super) holds_version: u64,
    pub(super) holds_hash: Digest,
    pub(super) key_history_hash: Digest,
    pub(super) anchor_kind: AnchorKind,
    pub(super) credentials: Vec<Credential>,
}

impl StaticHead {
    /// The head's bytes, signed by the owner.
    pub(super) fn sign(&self, owner: &Signer) -> Vec<u8> {
        let mut out = vec![1];
        out.extend_from_slice(&self.vault);
        out.extend_from_slice(&SUITE.to_be_bytes());
        out.extend_from_slice(&self.version.to_be_bytes());
        out.extend_from_slice(&self.owner.0);
        out.extend_from_slice(&self.key_epoch.to_be_bytes());
        out.extend_from_slice(&self.read_key.0);
        out.extend_from_slice(&self.auditor_key.0);
        out.extend_from_slice(&self.policy_version.to_be_bytes());
        out.extend_from_slice(&self.policy_hash);
        out.extend_from_slice(&self.holds_version.to_be_bytes());
        out.extend_from_slice(&self.holds_hash);
        out.extend_from_slice(&self.key_history_hash);
        out.push(self.anchor_kind as u8);
        out.extend_from_slice(&u16::try_from(self.credentials.len()).expect("at most 256 credentials").to_be_bytes());
        for credential in &self.credentials {
            out.extend_from_slice(&credential.certified());
            out.extend_from_slice(&credential.created.0.to_be_bytes());
            out.extend_from_slice(&credential.certificate);
            put_var(&mut out, &credential.bundle);
        }
        let signature = owner.sign(STATIC_HEAD, &[&out]);
        out.extend_from_slice(&signature);
        out
    }

    /// Reads a head of this vault and checks every signature in it.
    pub(super) fn verify(bytes: &[u8], vault: &[u8; 16]) -> Result<Self, Malformed> {
        let (signed, signature) = bytes.split_last_chunk().ok_or(Malformed)?;
        let mut reader = Reader::new(signed);
        reader.version(1)?;
        if reader.array()? != *vault || reader.u16()? != SUITE {
            return Err(Malformed);
        }
        let mut head = Self {
            vault: *vault,
            version: reader.u64()?,
            owner: VerifyKey(reader.array()?),
            key_epoch: reader.u32()?,
            read_key: EnvelopeKey(reader.array()?),
            auditor_key: EnvelopeKey(reader.array()?),
            policy_version: reader.u64()?,
            policy_hash: reader.array()?,
            holds_version: reader.u64()?,
            holds_hash: reader.array()?,
            key_history_hash: reader.array()?,
            anchor_kind: AnchorKind::decode(reader.u8()?)?,
            credentials: Vec::new(),
        };
        let count = usize::from(reader.u16()?);
        if count > MAX_CREDENTIALS {
            return Err(Malformed);
        }
        for _ in 0..count {
            let credential = Credential {
                id: reader.array()?,
                role: Role::decode(reader.u8()?)?,
                kind: CredentialKind::decode(reader.u8()?)?,
                verify_key: VerifyKey(reader.array()?),
                envelope_key: EnvelopeKey(reader.array()?),
                created: Instant(reader.i64()?),
                certificate: reader.array()?,
                bundle: reader.var()?.to_vec(),
            };
            if !credential.is_certified_by(&head.owner, vault) {
                return Err(Malformed);
            }
            head.credentials.push(credential);
        }
        reader.end()?;
        if head.owner.verifies(STATIC_HEAD, &[signed], signature) { Ok(head) } else { Err(Malformed) }
    }

    /// The credential with this id.
    pub(super) fn credential(&self, id: &[u8; 16]) -> Option<&Credential> {
        self.credentials.iter().find(|credential| credential.id == *id)
    }
}

/// How well erased segments are gone, at best (`docs/format.md` §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Class {
    /// Gone from this file; an older copy and the password still open it.
    E1 = 1,
    /// Older copies are dead too, provided the anchor was never copied.
    E2 = 2,
    /// As E2, with the anchor sealed to hardware.
    E3 = 3,
}

impl Class {
    pub(super) fn decode(byte: u8) -> Result<Self, Malformed> {
        [Self::E1, Self::E2, Self::E3].into_iter().find(|class| *class as u8 == byte).ok_or(Malformed)
    }

    /// `E1`, `E2` or `E3`.
    pub fn word(self) -> &'static str {
        match self {
            Self::E1 => "E1",
            Self::E2 => "E2",
            Self::E3 => "E3",
        }
    }
}

/// Where the anchor is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum AnchorKind {
    /// In the vault file.
    Embedded = 0,
    /// In a file of its own.
    File = 1,
}

impl AnchorKind {
    /// The kind's word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::File => "file",
        }
    }

    fn decode(byte: u8) -> Result<Self, Malformed> {
        [Self::Embedded, Self::File].into_iter().find(|kind| *kind as u8 == byte).ok_or(Malformed)
    }
}

/// The state of the vault. What lives and under which keys is its *root*, which owners and janitors sign; log and inbox
/// are signed by whoever wrote there last, over the root as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateHead {
    pub(super) vault: [u8; 16],
    pub(super) generation: u64,
    pub(super) anchor_kind: AnchorKind,
    pub(super) anchor_hash: Digest,
    /// The hash of the row of table `anchor`, which says where its files are.
    pub(super) anchor_row: Digest,
    pub(super) frontier_hash: Digest,
    pub(super) next_leaf: u64,
    pub(super) live_root: Digest,
    pub(super) deposit_epoch: u64,
    pub(super) deposit_key: EnvelopeKey,
    pub(super) static_hash: Digest,
    /// When the last run of a purge ended, by the clock it had.
    pub(super) purged: Instant,
    pub(super) classes: Vec<(u64, Class)>,
    pub(super) log: RightEdge,
    pub(super) inbox_digest: Digest,
    pub(super) signed: SignedRoots,
}

/// The roots as they stand in the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SignedRoots {
    /// The one in force.
    root: Vec<u8>,
    /// The last that an owner signed, where a janitor signed the one in force.
    base: Vec<u8>,
}

/// Who signed a state head: the root, and the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Signers {
    pub(super) root: [u8; 16],
    pub(super) head: [u8; 16],
}

/// The last root that an owner signed, from which a janitor's has to follow.
pub(super) struct Base {
    pub(super) live_root: Digest,
    pub(super) next_leaf: u64,
    pub(super) log_size: u64,
}

impl StateHead {
    fn encode_root(&self, signer: [u8; 16], key: &Signer) -> Vec<u8> {
        let mut out = self.vault.to_vec();
        out.extend_from_slice(&self.generation.to_be_bytes());
        out.push(self.anchor_kind as u8);
        out.extend_from_slice(&self.anchor_hash);
        out.extend_from_slice(&self.anchor_row);
        out.extend_from_slice(&self.frontier_hash);
        out.extend_from_slice(&self.next_leaf.to_be_bytes());
        out.extend_from_slice(&self.live_root);
        out.extend_from_slice(&self.log.size().to_be_bytes());
        out.extend_from_slice(&self.deposit_epoch.to_be_bytes());
        out.extend_from_slice(&self.deposit_key.0);
        out.extend_from_slice(&self.static_hash);
        out.extend_from_slice(&self.purged.0.to_be_bytes());
        out.extend_from_slice(&u16::try_from(self.classes.len()).expect("at most 4096 classes").to_be_bytes());
        for (first, class) in &self.classes {
            out.extend_from_slice(&first.to_be_bytes());
            out.push(*class as u8);
        }
        out.extend_from_slice(&signer);
        let signature = key.sign(STATE_ROOT, &[&out]);
        out.extend_from_slice(&signature);
        out
    }

    /// The head's bytes, signed by this credential: the root too, where its role says what lives.
    pub(super) fn sign(&mut self, signer: [u8; 16], role: Role, key: &Signer) -> Vec<u8> {
        let SignedRoots { root, base } = std::mem::take(&mut self.signed);
        self.signed = match role {
            Role::Owner => SignedRoots { root: self.encode_root(signer, key), base: Vec::new() },
            Role::Janitor => {
                SignedRoots { root: self.encode_root(signer, key), base: if base.is_empty() { root } else { base } }
            }
            _ => SignedRoots { root, base },
        };
        let mut out = vec![1];
        put_var(&mut out, &self.signed.root);
        put_var(&mut out, &self.signed.base);
        put_var(&mut out, &self.log.encode());
        out.extend_from_slice(&self.inbox_digest);
        out.extend_from_slice(&signer);
        let signature = key.sign(STATE_HEAD, &[&out]);
        out.extend_from_slice(&signature);
        out
    }

    /// Reads a head of this vault and checks that credentials signed it, for `static_bytes`, whose roles may.
    pub(super) fn verify(bytes: &[u8], owner: &StaticHead, static_bytes: &[u8]) -> Result<Self, Malformed> {
        let (head, signers) = Self::decode(bytes)?;
        // The owner signs where the anchor is: who may not sign for the owner cannot move it into the file.
        if head.vault != owner.vault || head.anchor_kind != owner.anchor_kind {
            return Err(Malformed);
        }
        if head.static_hash != hash::sha256(&[static_bytes]) {
            return Err(Malformed);
        }
        let role = |id: &[u8; 16]| owner.credential(id).map(|credential| credential.role);
        let key = |id: &[u8; 16]| owner.credential(id).map(|credential| credential.verify_key);
        let writes = [Role::Owner, Role::Reader, Role::Depositor, Role::Janitor];
        let may = match role(&signers.root) {
            Some(Role::Owner) => head.signed.base.is_empty(),
            Some(Role::Janitor) => head.base_follows(owner),
            _ => false,
        };
        let is_signed = may && role(&signers.head).is_some_and(|role| writes.contains(&role));
        if is_signed && Self::is_signed_by(bytes, key) { Ok(head) } else { Err(Malformed) }
    }

    /// Whether the root before a janitor's is an owner's, of no later state.
    fn base_follows(&self, owner: &StaticHead) -> bool {
        let Ok((base, log_size, signer)) = Self::decode_root(&self.signed.base) else { return false };
        let key = owner.credential(&signer).filter(|one| one.role == Role::Owner).map(|one| one.verify_key);
        key.is_some_and(|key| verifies(&self.signed.base, STATE_ROOT, &key))
            && base.vault == self.vault
            && base.static_hash == self.static_hash
            && base.anchor_kind == self.anchor_kind
            && base.generation <= self.generation
            && base.next_leaf <= self.next_leaf
            && log_size <= self.log.size()
            && self.classes_follow(&base)
    }

    /// Whether no leaf that was there has a better class than before.
    fn classes_follow(&self, base: &Self) -> bool {
        let firsts = self.classes.iter().chain(&base.classes).map(|(first, _)| *first);
        let known = firsts.filter(|first| *first < base.next_leaf);
        known.into_iter().all(|first| self.class_at(first) <= base.class_at(first))
    }

    /// The size of the log when the root was signed, which is the number of the entry's row.
    pub(super) fn signed_at(&self) -> u64 {
        Self::decode_root(&self.signed.root).map_or(0, |(_, log_size, _)| log_size)
    }

    /// The owner's root that this one has to follow from; none when an owner signed it.
    pub(super) fn base(&self) -> Option<Base> {
        let (head, log_size, _) = Self::decode_root(&self.signed.base).ok()?;
        Some(Base { live_root: head.live_root, next_leaf: head.next_leaf, log_size })
    }

    /// Reads a root: the state without log and inbox, the size of the log then, and who says to have signed it.
    fn decode_root(bytes: &[u8]) -> Result<(Self, u64, [u8; 16]), Malformed> {
        let (signed, _): (&[u8], &SignatureBytes) = bytes.split_last_chunk().ok_or(Malformed)?;
        let mut reader = Reader::new(signed);
        let vault = reader.array()?;
        let generation = reader.u64()?;
        let anchor_kind = AnchorKind::decode(reader.u8()?)?;
        let [anchor_hash, anchor_row, frontier_hash] = [reader.array()?, reader.array()?, reader.array()?];
        let next_leaf = reader.u64()?;
        let live_root = reader.array()?;
        let log_size = reader.u64()?;
        let deposit_epoch = reader.u64()?;
        let deposit_key = EnvelopeKey(reader.array()?);
        let static_hash = reader.array()?;
        let purged = Instant(reader.i64()?);
        let count = usize::from(reader.u16()?);
        if count == 0 || count > MAX_CLASSES {
            return Err(Malformed);
        }
        let mut classes = Vec::with_capacity(count);
        for _ in 0..count {
            classes.push((reader.u64()?, Class::decode(reader.u8()?)?));
        }
        if classes[0].0 != 0 || !classes.is_sorted_by(|a, b| a.0 < b.0) {
            return Err(Malformed);
        }
        let signer = reader.array()?;
        reader.end()?;
        let head = Self {
            vault,
            generation,
            anchor_kind,
            anchor_hash,
            anchor_row,
            frontier_hash,
            next_leaf,
            live_root,
            deposit_epoch,
            deposit_key,
            static_hash,
            purged,
            classes,
            log: RightEdge::new(),
            inbox_digest: [0; 32],
            signed: SignedRoots::default(),
        };
        Ok((head, log_size, signer))
    }

    /// Reads a head without asking who signed it, and who says to have done so.
    pub(super) fn decode(bytes: &[u8]) -> Result<(Self, Signers), Malformed> {
        let (signed, _): (&[u8], &SignatureBytes) = bytes.split_last_chunk().ok_or(Malformed)?;
        let mut reader = Reader::new(signed);
        reader.version(1)?;
        let (root, base) = (reader.var()?.to_vec(), reader.var()?.to_vec());
        let (mut head, log_size, root_signer) = Self::decode_root(&root)?;
        head.log = RightEdge::decode(reader.var()?).map_err(|_| Malformed)?;
        head.inbox_digest = reader.array()?;
        let signers = Signers { root: root_signer, head: reader.array()? };
        reader.end()?;
        // What lives was signed before, or with, the log as it is.
        if log_size > head.log.size() {
            return Err(Malformed);
        }
        head.signed = SignedRoots { root, base };
        Ok((head, signers))
    }

    /// Whether both signatures of a head are those of the keys that `key` gives for their signers.
    pub(super) fn is_signed_by(bytes: &[u8], key: impl Fn(&[u8; 16]) -> Option<VerifyKey>) -> bool {
        let Ok((head, signers)) = Self::decode(bytes) else { return false };
        let check = |bytes: &[u8], label, signer| key(signer).is_some_and(|key| verifies(bytes, label, &key));
        check(bytes, STATE_HEAD, &signers.head) && check(&head.signed.root, STATE_ROOT, &signers.root)
    }

    /// Leaves to come have this class, and those there are none better: their shares are under the same anchor now.
    pub(super) fn weaken(&mut self, class: Class) {
        self.lower(class);
        self.classes.retain(|(first, _)| *first < self.next_leaf);
        self.classes.push((self.next_leaf, class));
        self.classes.dedup_by_key(|(_, class)| *class);
    }

    /// No leaf that is there, or comes under this anchor, has a better class than this.
    pub(super) fn lower(&mut self, class: Class) {
        for (_, known) in &mut self.classes {
            *known = (*known).min(class);
        }
        self.classes.dedup_by_key(|(_, class)| *class);
    }

    /// Leaves to come have this class, whatever those before have.
    pub(super) fn raise_next(&mut self, class: Class) {
        self.classes.retain(|(first, _)| *first < self.next_leaf.max(1));
        if self.next_leaf > 0 {
            self.classes.push((self.next_leaf, class));
        }
        self.classes.dedup_by_key(|(_, class)| *class);
    }

    /// The class in force at this leaf.
    pub(super) fn class_at(&self, leaf: u64) -> Class {
        let after = self.classes.partition_point(|(first, _)| *first <= leaf);
        self.classes[after.saturating_sub(1)].1
    }
}
