//! Credentials: slots that passwords open, and the bundles of capabilities sealed to them.

use crate::bytes::{Malformed, Reader, put_var};
use crate::clock::Instant;
use crate::crypto::{
    CostOutOfBounds, EnvelopeSecret, FactsKey, KdfCost, OpenError, OwnerKey, Password, Place, Purpose, ReadKey, Secret,
    Signer, VerifyKey, derive_slot_key, random,
};
use crate::vault::head::{Credential, CredentialKind, Role};
use zeroize::Zeroizing;

const SLOT: &str = "convault/1/slot";
const BUNDLE: &str = "convault/1/bundle";

/// A credential's own key pairs.
pub(super) struct OwnKeys {
    pub(super) signer: Signer,
    pub(super) envelope: EnvelopeSecret,
}

impl OwnKeys {
    fn generate() -> Self {
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
        let key = derive_slot_key(password, &self.salt, self.cost).map_err(|_| OpenError::Damaged)?;
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

fn slot_place(vault: [u8; 16], credential: [u8; 16]) -> Place {
    Place { vault, owner: credential, purpose: Purpose::Slot, index: 0 }
}

/// Seals a credential's own keys under a password, and the owner key with them: nothing in the file but what the
/// password opens can say who the owner is.
fn seal_slot(
    keys: &OwnKeys,
    owner: &VerifyKey,
    credential: [u8; 16],
    kind: CredentialKind,
    password: &Password,
    cost: KdfCost,
    vault: [u8; 16],
) -> Result<Vec<u8>, CostOutOfBounds> {
    let salt: [u8; 32] = random::array();
    let key = derive_slot_key(password, &salt, cost)?;
    let plain = Zeroizing::new([&keys.envelope.expose()[..], keys.signer.expose_seed(), &owner.0].concat());
    let mut out = vec![1];
    out.extend_from_slice(&credential);
    out.push(kind as u8);
    for field in [cost.memory_kib, cost.passes, cost.lanes] {
        out.extend_from_slice(&field.to_be_bytes());
    }
    out.extend_from_slice(&salt);
    put_var(&mut out, &key.seal(&slot_place(vault, credential), &plain));
    let signature = keys.signer.sign(SLOT, &[&vault, &out]);
    out.extend_from_slice(&signature);
    Ok(out)
}

/// What an owner's bundle holds.
pub(super) struct OwnerBundle {
    pub(super) owner: Signer,
    pub(super) owner_key: OwnerKey,
    pub(super) read_key: ReadKey,
    pub(super) read_secret: EnvelopeSecret,
    pub(super) facts_key: FactsKey,
    pub(super) auditor_secret: EnvelopeSecret,
}

impl OwnerBundle {
    /// Draws all keys of a new vault.
    pub(super) fn generate() -> Self {
        Self {
            owner: Signer::generate(),
            owner_key: OwnerKey::generate(),
            read_key: ReadKey::generate(),
            read_secret: EnvelopeSecret::generate(),
            facts_key: FactsKey::generate(),
            auditor_secret: EnvelopeSecret::generate(),
        }
    }

    /// Seals the bundle to a credential's envelope key. `None` when that key is no valid point.
    pub(super) fn seal(&self, credential: &Credential, label: &str, vault: &[u8; 16]) -> Option<Vec<u8>> {
        let mut plain = Zeroizing::new(Vec::with_capacity(512));
        let fields: [&[u8]; 7] = [
            self.owner.expose_seed(),
            self.owner_key.expose(),
            self.read_key.expose(),
            self.read_secret.expose(),
            self.facts_key.expose(),
            self.auditor_secret.expose(),
            label.as_bytes(),
        ];
        for (index, field) in fields.iter().enumerate() {
            plain.push(u8::try_from(index + 1).expect("seven fields"));
            plain.extend_from_slice(&u16::try_from(field.len()).expect("labels are short").to_be_bytes());
            plain.extend_from_slice(field);
        }
        let size = plain.len().next_multiple_of(256);
        plain.resize(size, 0);
        credential.envelope_key.seal(BUNDLE, vault, &plain)
    }

    /// Opens an owner's bundle.
    pub(super) fn open(keys: &OwnKeys, credential: &Credential, vault: &[u8; 16]) -> Result<Self, Malformed> {
        let plain = keys.envelope.open(BUNDLE, vault, &credential.bundle).map_err(|_| Malformed)?;
        let mut fields: [&[u8]; 8] = [&[]; 8];
        let mut reader = Reader::new(&plain);
        let mut before = 0;
        while let Ok(kind) = reader.u8() {
            if kind == 0 {
                break;
            }
            let length = usize::from(reader.u16()?);
            let field = fields.get_mut(usize::from(kind)).filter(|_| kind > before).ok_or(Malformed)?;
            *field = reader.take(length)?;
            before = kind;
        }
        if reader.rest().iter().any(|byte| *byte != 0) {
            return Err(Malformed);
        }
        let bundle = Self {
            owner: Signer::from_seed(&Secret::from_slice(fields[1]).ok_or(Malformed)?),
            owner_key: OwnerKey::from_slice(fields[2]).ok_or(Malformed)?,
            read_key: ReadKey::from_slice(fields[3]).ok_or(Malformed)?,
            read_secret: EnvelopeSecret::from_slice(fields[4]).ok_or(Malformed)?,
            facts_key: FactsKey::from_slice(fields[5]).ok_or(Malformed)?,
            auditor_secret: EnvelopeSecret::from_slice(fields[6]).ok_or(Malformed)?,
        };
        // The label has to be text; nothing in this version shows it.
        std::str::from_utf8(fields[7]).map_err(|_| Malformed)?;
        Ok(bundle)
    }
}

/// A new owner credential: its certified entry, its own keys and its slot's bytes.
pub(super) fn issue_owner(
    bundle: &OwnerBundle,
    kind: CredentialKind,
    label: &str,
    password: &Password,
    cost: KdfCost,
    vault: [u8; 16],
    now: Instant,
) -> Result<(Credential, OwnKeys, Vec<u8>), CostOutOfBounds> {
    let keys = OwnKeys::generate();
    let mut credential = Credential {
        id: random::array(),
        role: Role::Owner,
        kind,
        verify_key: keys.signer.public(),
        envelope_key: keys.envelope.public(),
        created: now,
        certificate: [0; 64],
        bundle: Vec::new(),
    };
    credential.certify(&vault, &bundle.owner);
    credential.bundle = bundle.seal(&credential, label, &vault).expect("a key we just made is a valid point");
    let slot = seal_slot(&keys, &bundle.owner.public(), credential.id, kind, password, cost, vault)?;
    Ok((credential, keys, slot))
}
