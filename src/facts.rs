//! Facts: what a policy needs to know of a segment, apart from its content (`docs/format.md` §4).

use crate::bytes::{Malformed, Reader};
use crate::clock::Instant;
use crate::crypto::hash::{self, Digest};
use crate::crypto::{SignatureBytes, Signer, VerifyKey};

/// A tag by its opaque id; names are kept elsewhere.
pub type TagId = [u8; 16];

/// The most tags a segment may have.
const MAX_TAGS: usize = 4096;

const SIGNATURE_LABEL: &str = "convault/1/facts-signature";

/// What policy needs: clocks, source, tags, size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The conversation the segment belongs to.
    pub conversation: [u8; 16],
    /// When the conversation began.
    pub created: Instant,
    /// When anything last happened in it.
    pub last_activity: Instant,
    /// When it was stored.
    pub imported: Instant,
    /// `created` was missing or later than `imported`, and is `imported` instead.
    pub created_clamped: bool,
    /// The same for `last_activity`.
    pub last_activity_clamped: bool,
    /// Size of the source bytes.
    pub size: u64,
    /// Number of attachments.
    pub attachments: u32,
    /// Year · 12 + month of a monthly segment, else 0.
    pub month: u32,
    /// The policy version the tags were compiled under.
    pub policy_version: u64,
    /// The hold-list version the tags were compiled under.
    pub holds_version: u64,
    /// When the tags last changed.
    pub marked: Instant,
    /// The keyed fingerprint of the source id, which whoever destroys the segment hands on; zeros where nobody could make it.
    pub fingerprint: Digest,
    /// The format it came from, in lower-case ASCII, at most 255 bytes.
    pub source: String,
    /// The tags, ascending, each once.
    pub tags: Vec<TagId>,
}

impl Facts {
    /// Takes source clocks, clamped to `imported` where they are missing or in the future.
    pub fn clamp(imported: Instant, time: Option<Instant>) -> (Instant, bool) {
        match time {
            Some(time) if time <= imported => (time, false),
            _ => (imported, true),
        }
    }

    /// Adds or removes a tag; whether anything changed.
    pub fn set_tag(&mut self, tag: TagId, present: bool) -> bool {
        match (self.tags.binary_search(&tag), present) {
            (Err(at), true) => self.tags.insert(at, tag),
            (Ok(at), false) => drop(self.tags.remove(at)),
            _ => return false,
        }
        true
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = vec![1];
        out.extend_from_slice(&self.conversation);
        for time in [self.created, self.last_activity, self.imported] {
            out.extend_from_slice(&time.0.to_be_bytes());
        }
        out.push(u8::from(self.created_clamped) | u8::from(self.last_activity_clamped) << 1);
        out.extend_from_slice(&self.size.to_be_bytes());
        out.extend_from_slice(&self.attachments.to_be_bytes());
        out.extend_from_slice(&self.month.to_be_bytes());
        out.extend_from_slice(&self.policy_version.to_be_bytes());
        out.extend_from_slice(&self.holds_version.to_be_bytes());
        out.extend_from_slice(&self.marked.0.to_be_bytes());
        out.extend_from_slice(&self.fingerprint);
        out.push(u8::try_from(self.source.len()).expect("format names are short words"));
        out.extend_from_slice(self.source.as_bytes());
        out.extend_from_slice(&u16::try_from(self.tags.len()).expect("at most 4096 tags").to_be_bytes());
        for tag in &self.tags {
            out.extend_from_slice(tag);
        }
        out
    }

    fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        reader.version(1)?;
        let conversation = reader.array()?;
        let [created, last_activity, imported] =
            [Instant(reader.i64()?), Instant(reader.i64()?), Instant(reader.i64()?)];
        let clamped = reader.u8()?;
        let size = reader.u64()?;
        let attachments = reader.u32()?;
        let month = reader.u32()?;
        let policy_version = reader.u64()?;
        let holds_version = reader.u64()?;
        let marked = Instant(reader.i64()?);
        let fingerprint = reader.array()?;
        let length = reader.u8()?;
        let source = std::str::from_utf8(reader.take(length.into())?).map_err(|_| Malformed)?;
        let count = usize::from(reader.u16()?);
        if clamped > 3 || !source.is_ascii() || count > MAX_TAGS {
            return Err(Malformed);
        }
        let tags = (0..count).map(|_| reader.array()).collect::<Result<Vec<TagId>, _>>()?;
        if !tags.is_sorted_by(|a, b| a < b) {
            return Err(Malformed);
        }
        reader.end()?;
        Ok(Self {
            conversation,
            created,
            last_activity,
            imported,
            created_clamped: clamped & 1 != 0,
            last_activity_clamped: clamped & 2 != 0,
            size,
            attachments,
            month,
            policy_version,
            holds_version,
            marked,
            fingerprint,
            source: source.to_owned(),
            tags,
        })
    }
}

/// The segment that facts are signed for: its content too, so that nothing else can be put under them.
#[derive(Clone, Copy)]
pub struct About<'a> {
    /// The vault.
    pub vault: &'a [u8; 16],
    /// The segment.
    pub segment: &'a [u8; 16],
    /// The hash of its manifest.
    pub manifest: &'a Digest,
}

/// Facts as they are stored: signed by whoever stored them, with the salt of their hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FactsRecord {
    salt: [u8; 32],
    /// The facts.
    pub facts: Facts,
    /// Rises with every change of this segment's facts.
    pub version: u32,
    /// The credential that signed.
    pub signer: [u8; 16],
    signature: SignatureBytes,
}

impl FactsRecord {
    /// The most facts versions of one segment: a facts row's number has 20 bits for it.
    pub const MAX_VERSION: u32 = (1 << 20) - 1;

    /// Signs facts for a segment.
    pub fn sign(
        facts: Facts,
        version: u32,
        About { vault, segment, manifest }: About<'_>,
        signer: [u8; 16],
        key: &Signer,
    ) -> Self {
        let signature = key.sign(SIGNATURE_LABEL, &[vault, segment, manifest, &version.to_be_bytes(), &facts.encode()]);
        Self { salt: crate::crypto::random::array(), facts, version, signer, signature }
    }

    /// Whether `key` signed it for this segment.
    pub fn is_signed_by(&self, key: &VerifyKey, About { vault, segment, manifest }: About<'_>) -> bool {
        let parts: [&[u8]; 5] = [vault, segment, manifest, &self.version.to_be_bytes(), &self.facts.encode()];
        key.verifies(SIGNATURE_LABEL, &parts, &self.signature)
    }

    /// What the live tree holds of it. Salted, because facts can be guessed.
    pub fn hash(&self) -> Digest {
        hash::labelled("convault/1/facts-hash", &[&self.encode()])
    }

    /// The record's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = self.salt.to_vec();
        crate::bytes::put_var(&mut out, &self.facts.encode());
        out.extend_from_slice(&self.version.to_be_bytes());
        out.extend_from_slice(&self.signer);
        out.extend_from_slice(&self.signature);
        out
    }

    /// Reads a record.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let record = Self {
            salt: reader.array()?,
            facts: Facts::decode(reader.var()?)?,
            version: reader.u32()?,
            signer: reader.array()?,
            signature: reader.array()?,
        };
        reader.end()?;
        if record.version > Self::MAX_VERSION { Err(Malformed) } else { Ok(record) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABOUT: About<'_> = About { vault: &[1; 16], segment: &[2; 16], manifest: &[3; 32] };

    fn facts() -> Facts {
        Facts {
            conversation: [1; 16],
            created: Instant(-5),
            last_activity: Instant(7),
            imported: Instant(9),
            created_clamped: false,
            last_activity_clamped: true,
            size: 10,
            attachments: 2,
            month: 0,
            policy_version: 1,
            holds_version: 1,
            marked: Instant(11),
            fingerprint: [7; 32],
            source: "chatgpt".to_owned(),
            tags: vec![[1; 16], [2; 16]],
        }
    }

    #[test]
    fn a_record_survives_and_its_signature_is_bound_to_vault_segment_content_and_version() {
        let key = Signer::generate();
        let record = FactsRecord::sign(facts(), 3, ABOUT, [3; 16], &key);
        let back = FactsRecord::decode(&record.encode()).unwrap();
        assert_eq!(back, record);
        assert!(back.is_signed_by(&key.public(), ABOUT));
        assert!(!back.is_signed_by(&key.public(), About { vault: &[9; 16], ..ABOUT }));
        assert!(!back.is_signed_by(&key.public(), About { segment: &[9; 16], ..ABOUT }));
        assert!(!back.is_signed_by(&key.public(), About { manifest: &[9; 32], ..ABOUT }));
        assert!(!back.is_signed_by(&Signer::generate().public(), ABOUT));
        let older = FactsRecord { version: 2, ..back.clone() };
        assert!(!older.is_signed_by(&key.public(), ABOUT));
    }

    #[test]
    fn equal_facts_have_different_hashes() {
        let key = Signer::generate();
        let sign = || FactsRecord::sign(facts(), 1, ABOUT, [3; 16], &key);
        assert_ne!(sign().hash(), sign().hash());
    }

    #[test]
    fn cut_and_longer_records_are_refused() {
        let bytes = FactsRecord::sign(facts(), 1, ABOUT, [3; 16], &Signer::generate()).encode();
        for length in 0..bytes.len() {
            assert_eq!(FactsRecord::decode(&bytes[..length]), Err(Malformed));
        }
        assert_eq!(FactsRecord::decode(&[&bytes[..], &[0]].concat()), Err(Malformed));
    }

    #[test]
    fn future_and_missing_clocks_are_clamped_and_say_so() {
        assert_eq!(Facts::clamp(Instant(10), Some(Instant(10))), (Instant(10), false));
        assert_eq!(Facts::clamp(Instant(10), Some(Instant(11))), (Instant(10), true));
        assert_eq!(Facts::clamp(Instant(10), None), (Instant(10), true));
    }

    #[test]
    fn tags_stay_sorted_and_single() {
        let mut facts = facts();
        assert!(facts.set_tag([0; 16], true) && !facts.set_tag([0; 16], true));
        assert_eq!(facts.tags, [[0; 16], [1; 16], [2; 16]]);
        assert!(facts.set_tag([1; 16], false) && !facts.set_tag([1; 16], false));
        assert_eq!(facts.tags, [[0; 16], [2; 16]]);
    }
}
