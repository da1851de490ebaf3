//! Credentials: slots that passwords open, and the bundles of capabilities sealed to them.

use zeroize::Zeroizing;

use super::access::{Holds, Identity, Owner};
use crate::bytes::{Malformed, Reader, put_var};
use crate::clock::Instant;
use crate::crypto::{
    CostOutOfBounds, EnvelopeSecret, KdfCost, OpenError, Password, Place, Purpose, Secret, Signer, SlotKey, VerifyKey,
    derive_slot_key, random,
};
use crate::vault::head::{Credential, CredentialKind, Role};

const SLOT: &str = "convault/1/slot";
const BUNDLE: &str = "convault/1/bundle";

/// A credential's own key pairs.
pub struct OwnKeys {
    pub(super) signer: Signer,
    pub(super) envelope: EnvelopeSecret,
}

impl OwnKeys {
    pub(super) fn generate() -> Self {
        Self { signer: Signer::generate(), envelope: EnvelopeSecret::generate() }
    }
}

/// A slot as it stands in the file: unopened, its limits checked.
pub(super) struct Slot {
    pub(super) credential: [u8; 16],
    pub(super) kind: CredentialKind,
    pub(super) cost: KdfCost,
    salt: [u8; 32],
    sealed: Vec<u8>,
    signed: Vec<u8>,
    signature: [u8; 64],
}

/// Why a slot in the file is not used.
#[derive(Debug, thiserror::Error)]
pub(super) enum SlotError {
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error(transparent)]
    Cost(#[from] CostOutOfBounds),
}

impl Slot {
    /// Reads a slot and holds its cost to the limits.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, SlotError> {
        let (signed, signature) = bytes.split_last_chunk().ok_or(Malformed)?;
        let mut reader = Reader::new(signed);
        reader.version(1)?;
        let slot = Self {
            credential: reader.array()?,
            kind: CredentialKind::decode(reader.u8()?)?,
            cost: KdfCost { memory_kib: reader.u32()?, passes: reader.u32()?, lanes: reader.u32()? },
            salt: reader.array()?,
            sealed: reader.var()?.to_vec(),
            signed: signed.to_vec(),
            signature: *signature,
        };
        reader.end()?;
        if slot.kind != CredentialKind::KeyFile {
            slot.cost.check()?;
        }
        Ok(slot)
    }

    /// Whether the slot is as its own credential wrote it. Tells damage from a wrong password
    /// before any password is asked for, so that a password's answer is no oracle.
    pub(super) fn is_signed_by(&self, key: &VerifyKey, vault: &[u8; 16]) -> bool {
        key.verifies(SLOT, &[vault, &self.signed], &self.signature)
    }

    /// Opens the slot: the credential's own keys, and the owner key it was made under.
    /// [`OpenError::WrongKey`] when the password is another's.
    pub(super) fn open(&self, password: &Password, vault: [u8; 16]) -> Result<(OwnKeys, VerifyKey), OpenError> {
        let key = slot_key(self.kind, password, &self.salt, self.cost).map_err(|_| OpenError::Damaged)?;
        let plain = key.open(&slot_place(vault, self.credential), &self.sealed)?;
        let (secrets, owner) = plain.split_at_checked(64).ok_or(OpenError::Damaged)?;
        let (envelope, seed) = secrets.split_at(32);
        let own = OwnKeys {
            envelope: EnvelopeSecret::from_slice(envelope).ok_or(OpenError::Damaged)?,
            signer: Signer::from_seed(&Secret::from_slice(seed).ok_or(OpenError::Damaged)?),
        };
        Ok((own, VerifyKey(owner.try_into().map_err(|_| OpenError::Damaged)?)))
    }
}

/// The key of a slot: a password's by Argon2id, a key file's at once, since its 32 bytes cannot be guessed.
fn slot_key(
    kind: CredentialKind,
    secret: &Password,
    salt: &[u8; 32],
    cost: KdfCost,
) -> Result<SlotKey, CostOutOfBounds> {
    match kind {
        CredentialKind::KeyFile => Ok(SlotKey::of_key_file(secret, salt)),
        _ => derive_slot_key(secret, salt, cost),
    }
}

fn slot_place(vault: [u8; 16], credential: [u8; 16]) -> Place {
    Place { vault, owner: credential, purpose: Purpose::Slot, index: 0 }
}

/// Seals a credential's own keys under a password, and the owner key with them: nothing in the file but what the
/// password opens can say who the owner is.
pub(super) fn seal_slot(
    keys: &OwnKeys,
    owner: &VerifyKey,
    credential: [u8; 16],
    Proof { kind, secret, cost }: &Proof<'_>,
    vault: [u8; 16],
) -> Result<Vec<u8>, CostOutOfBounds> {
    let salt: [u8; 32] = random::array();
    let key = slot_key(*kind, secret, &salt, *cost)?;
    let plain = Zeroizing::new([&keys.envelope.expose()[..], keys.signer.expose_seed(), &owner.0].concat());
    let mut out = vec![1];
    out.extend_from_slice(&credential);
    out.push(*kind as u8);
    for field in [cost.memory_kib, cost.passes, cost.lanes] {
        out.extend_from_slice(&field.to_be_bytes());
    }
    out.extend_from_slice(&salt);
    put_var(&mut out, &key.seal(&slot_place(vault, credential), &plain));
    let signature = keys.signer.sign(SLOT, &[&vault, &out]);
    out.extend_from_slice(&signature);
    Ok(out)
}

/// The keys of a bundle, by what they are for; `docs/format.md` §5 gives their types.
#[derive(Default)]
pub struct Fields<'a> {
    pub(super) owner: Option<&'a [u8]>,
    pub(super) owner_key: Option<&'a [u8]>,
    pub(super) read: Option<&'a [u8]>,
    pub(super) read_secret: Option<&'a [u8]>,
    pub(super) facts: Option<&'a [u8]>,
    pub(super) auditor: Option<&'a [u8]>,
    label: Option<&'a [u8]>,
}

impl<'a> Fields<'a> {
    /// What a role's bundle holds, out of everything that an owner has.
    fn of(keys: &'a Owner, role: Role, label: &'a str) -> Self {
        let read = matches!(role, Role::Owner | Role::Reader);
        let facts = matches!(role, Role::Owner | Role::Reader | Role::Janitor);
        let auditor = matches!(role, Role::Owner | Role::Auditor);
        let owner = role == Role::Owner;
        Self {
            owner: owner.then(|| &keys.keys.signer.expose_seed()[..]),
            owner_key: owner.then(|| &keys.keys.key.expose()[..]),
            read: read.then(|| &keys.read.key.expose()[..]),
            read_secret: read.then(|| &keys.read.secret.expose()[..]),
            facts: facts.then(|| &keys.facts.key.expose()[..]),
            auditor: auditor.then(|| &keys.keys.auditor.expose()[..]),
            label: Some(label.as_bytes()),
        }
    }

    /// By type, from 1.
    fn all(&self) -> [Option<&'a [u8]>; 7] {
        [self.owner, self.owner_key, self.read, self.read_secret, self.facts, self.auditor, self.label]
    }

    fn decode(plain: &'a [u8]) -> Result<Self, Malformed> {
        let mut fields: [Option<&[u8]>; 7] = [None; 7];
        let mut reader = Reader::new(plain);
        let mut before = 0;
        while let Ok(kind) = reader.u8() {
            if kind == 0 {
                break;
            }
            let length = usize::from(reader.u16()?);
            let field = fields.get_mut(usize::from(kind) - 1).filter(|_| kind > before).ok_or(Malformed)?;
            *field = Some(reader.take(length)?);
            before = kind;
        }
        if reader.rest().iter().any(|byte| *byte != 0) {
            return Err(Malformed);
        }
        let [owner, owner_key, read, read_secret, facts, auditor, label] = fields;
        Ok(Self { owner, owner_key, read, read_secret, facts, auditor, label })
    }
}

/// Seals what a credential's role holds to its envelope key. `None` when that key is no valid point.
pub(super) fn seal_bundle(keys: &Owner, credential: &Credential, label: &str) -> Option<Vec<u8>> {
    let mut plain = Zeroizing::new(Vec::with_capacity(512));
    for (kind, field) in (1..).zip(Fields::of(keys, credential.role, label).all()) {
        let Some(field) = field else { continue };
        plain.push(kind);
        plain.extend_from_slice(&u16::try_from(field.len()).expect("labels are short").to_be_bytes());
        plain.extend_from_slice(field);
    }
    let size = plain.len().next_multiple_of(256);
    plain.resize(size, 0);
    credential.envelope_key.seal(BUNDLE, &keys.identity.vault, &plain)
}

/// Opens a credential's bundle: its keys, and nothing that its role does not hold.
pub(super) fn open_bundle<A: Holds>(
    own: OwnKeys,
    credential: &Credential,
    vault: [u8; 16],
    epoch: u32,
) -> Result<A, Malformed> {
    let plain = own.envelope.open(BUNDLE, &vault, &credential.bundle).map_err(|_| Malformed)?;
    let fields = Fields::decode(&plain)?;
    // The label has to be text; nothing in this version shows it.
    std::str::from_utf8(fields.label.unwrap_or_default()).map_err(|_| Malformed)?;
    let identity = Identity { vault, credential: credential.id, own };
    A::from_fields(identity, epoch, &fields).ok_or(Malformed)
}

/// How a new credential proves itself.
pub(super) struct Proof<'a> {
    pub(super) kind: CredentialKind,
    pub(super) secret: &'a Password,
    pub(super) cost: KdfCost,
}

/// A new credential: its certified entry, its own keys and its slot's bytes.
pub(super) fn issue(
    keys: &Owner,
    role: Role,
    label: &str,
    proof: &Proof<'_>,
    now: Instant,
) -> Result<(Credential, OwnKeys, Vec<u8>), CostOutOfBounds> {
    let (own, vault, owner) = (OwnKeys::generate(), keys.identity.vault, &keys.keys.signer);
    let mut credential = Credential {
        id: random::array(),
        role,
        kind: proof.kind,
        verify_key: own.signer.public(),
        envelope_key: own.envelope.public(),
        created: now,
        certificate: [0; 64],
        bundle: Vec::new(),
    };
    credential.certify(&vault, owner);
    credential.bundle = seal_bundle(keys, &credential, label).expect("a key we just made is a valid point");
    let slot = seal_slot(&own, &owner.public(), credential.id, proof, vault)?;
    Ok((credential, own, slot))
}
