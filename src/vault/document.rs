//! Documents the owner signs: the policy and the hold list (`docs/format.md` §9).

use crate::bytes::{Malformed, Reader, put_var};
use crate::crypto::{Digest, Place, Purpose, SignatureBytes, Signer, VaultKey, VerifyKey, hash, padding, random};

/// Which document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Document {
    Policy,
    Holds,
}

impl Document {
    fn labels(self) -> (&'static str, &'static str) {
        match self {
            Self::Policy => ("convault/1/policy", "convault/1/policy-hash"),
            Self::Holds => ("convault/1/holds", "convault/1/holds-hash"),
        }
    }

    /// What it is, for messages.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Holds => "hold list",
        }
    }

    fn place(self, vault: [u8; 16]) -> Place {
        let purpose = match self {
            Self::Policy => Purpose::Policy,
            Self::Holds => Purpose::Holds,
        };
        Place::of_vault(vault, purpose)
    }
}

/// A signed document.
pub(super) struct Signed {
    salt: [u8; 32],
    version: u64,
    text: String,
    signature: SignatureBytes,
}

impl Signed {
    /// The document's first version, empty: an empty policy keeps everything, an empty list holds nothing.
    pub(super) fn first(kind: Document, vault: &[u8; 16], owner: &Signer) -> Self {
        Self::next(kind, vault, 1, String::new(), owner)
    }

    /// A later version.
    pub(super) fn next(kind: Document, vault: &[u8; 16], version: u64, text: String, owner: &Signer) -> Self {
        let signature = owner.sign(kind.labels().0, &[vault, &version.to_be_bytes(), text.as_bytes()]);
        Self { salt: random::array(), version, text, signature }
    }

    /// What it says.
    pub(super) fn into_text(self) -> String {
        self.text
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = self.salt.to_vec();
        out.extend_from_slice(&self.version.to_be_bytes());
        put_var(&mut out, self.text.as_bytes());
        out.extend_from_slice(&self.signature);
        out
    }

    pub(super) fn version(&self) -> u64 {
        self.version
    }

    pub(super) fn hash(&self, kind: Document) -> Digest {
        hash::labelled(kind.labels().1, &[&self.encode()])
    }

    pub(super) fn seal(&self, kind: Document, vault: [u8; 16], key: &VaultKey) -> Vec<u8> {
        key.seal(&kind.place(vault), &padding::bucket(&self.encode()))
    }

    pub(super) fn open(
        kind: Document,
        vault: [u8; 16],
        key: &VaultKey,
        owner: &VerifyKey,
        row: &[u8],
    ) -> Result<Self, Malformed> {
        let plain = key.open(&kind.place(vault), row).map_err(|_| Malformed)?;
        let mut reader = Reader::new(padding::trimmed(&plain).ok_or(Malformed)?);
        let document = Self {
            salt: reader.array()?,
            version: reader.u64()?,
            text: std::str::from_utf8(reader.var()?).map_err(|_| Malformed)?.to_owned(),
            signature: reader.array()?,
        };
        reader.end()?;
        let parts: [&[u8]; 3] = [&vault, &document.version.to_be_bytes(), document.text.as_bytes()];
        if owner.verifies(kind.labels().0, &parts, &document.signature) { Ok(document) } else { Err(Malformed) }
    }
}
