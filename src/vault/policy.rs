//! The policy and the hold list of a vault: every version signed by the owner, readable by whoever holds J.
//!
//! `docs/format.md` §9 gives the texts, `policy_text.rs` reads and writes them. What they say of a
//! conversation is decided in `retention/`.

use super::access::CanJudge;
use super::commit::{Actor, renew_copy, write_state};
use super::document::{Document, Signed};
use super::log::Action;
use super::policy_text::{self, HoldNote, NotedHold};
use super::{Damage, Vault, VaultError};
use crate::clock::Instant;
use crate::crypto::{Digest, Place, Purpose, hash, padding};
use crate::retention::{Holds, Mark, Policy, in_force};
use crate::store::Table;

impl<A: CanJudge> Vault<A> {
    /// Every version of a document with its hash, ascending: all that were ever set, up to the one that the head names.
    fn documents_of(&self, kind: Document) -> Result<Vec<(u64, Digest, String)>, VaultError> {
        let (vault, facts, head) = (self.id(), &self.keys.facts().key, &self.static_head);
        let (table, key, version, hash) = match kind {
            Document::Policy => (Table::Policy, facts.derive_policy(&vault), head.policy_version, head.policy_hash),
            Document::Holds => (Table::Hold, facts.derive_holds(&vault), head.holds_version, head.holds_hash),
        };
        let damaged = || VaultError::from(Damage::Record(kind.word()));
        let mut all = Vec::new();
        for (number, row) in self.store.all(table)? {
            let document = Signed::open(kind, vault, &key, &head.owner, &row).map_err(|_| damaged())?;
            if document.version() != number || number != all.len() as u64 + 1 {
                return Err(damaged());
            }
            all.push((number, document.hash(kind), document.into_text()));
        }
        // A row that is gone must not bring an earlier version, or an earlier list of holds, back into force.
        let is_head = |(number, digest, _): &(u64, Digest, String)| (*number, *digest) == (version, hash);
        if all.last().is_some_and(is_head) { Ok(all) } else { Err(damaged()) }
    }

    /// Version and hash of the policy in force at a time.
    pub fn policy_in_force(&self, now: Instant) -> Result<(u64, Digest), VaultError> {
        let policies = self.policies()?;
        let version = policies.get(in_force(&policies, now)).map_or(0, |policy| policy.version);
        let found = self.documents_of(Document::Policy)?.into_iter().find(|(number, ..)| *number == version);
        let (version, hash, _) = found.ok_or(Damage::Record("policy"))?;
        Ok((version, hash))
    }

    /// Every version of the policy, ascending.
    pub fn policies(&self) -> Result<Vec<Policy>, VaultError> {
        let all = self.documents_of(Document::Policy)?;
        let read = |(version, _, text): &(u64, Digest, String)| {
            Ok(policy_text::read_policy(*version, text).ok_or(Damage::Record("policy"))?.0)
        };
        all.iter().map(read).collect()
    }

    /// The hold list in force, released holds too.
    pub fn holds(&self) -> Result<Holds, VaultError> {
        let list = policy_text::read_holds(&self.hold_text()?, |_| Some(())).ok_or(Damage::Record("hold list"))?;
        let list = list.into_iter().map(|(hold, ())| hold).collect();
        Ok(Holds { version: self.static_head.holds_version, list })
    }

    fn hold_text(&self) -> Result<String, VaultError> {
        let all = self.documents_of(Document::Holds)?;
        let (.., text) = all.into_iter().next_back().ok_or(Damage::Record("hold list"))?;
        Ok(text)
    }
}

impl Vault {
    /// A version of the policy as its owner wrote it; none when there is no such version.
    pub fn policy_written(&self, version: u64) -> Result<Option<String>, VaultError> {
        let all = self.documents_of(Document::Policy)?;
        let Some((.., text)) = all.into_iter().find(|(number, ..)| *number == version) else { return Ok(None) };
        let (_, written) = policy_text::read_policy(version, &text).ok_or(Damage::Record("policy"))?;
        if written.is_empty() {
            return Ok(Some(String::new()));
        }
        Ok(Some(self.unseal_words(&written).ok_or(Damage::Record("policy"))?))
    }

    /// Stores the next version of the policy, with what its owner wrote. Nothing is destroyed by it.
    pub fn set_policy(&mut self, policy: &Policy, written: &str, now: Instant) -> Result<(), VaultError> {
        let text = policy_text::write_policy(policy, self.seal_words(written));
        self.set_document(Document::Policy, text, now)
    }

    /// The hold list in force with what each hold is for.
    pub fn noted_holds(&self) -> Result<Vec<NotedHold>, VaultError> {
        let unseal = |sealed: &[u8]| serde_json::from_str::<HoldNote>(&self.unseal_words(sealed)?).ok();
        let list = policy_text::read_holds(&self.hold_text()?, unseal).ok_or(Damage::Record("hold list"))?;
        Ok(list.into_iter().map(|(hold, note)| NotedHold { hold, note }).collect())
    }

    /// Stores the next version of the hold list.
    pub fn set_holds(&mut self, holds: &[NotedHold], now: Instant) -> Result<(), VaultError> {
        let seal = |note: &HoldNote| self.seal_words(&serde_json::to_string(note).expect("texts are valid JSON"));
        let text = policy_text::write_holds(holds, seal);
        self.set_document(Document::Holds, text, now)
    }

    /// The mark that stands for what a selector asks of content.
    pub fn mark_of(&self, selector: &str) -> Mark {
        self.keys.keys.key.mark(&self.static_head.vault, selector)
    }

    fn seal_words(&self, words: &str) -> Vec<u8> {
        let key = self.keys.keys.key.derive_reasons(&self.static_head.vault);
        key.seal(&Place::of_vault(self.static_head.vault, Purpose::Reasons), &padding::bucket(words.as_bytes()))
    }

    fn unseal_words(&self, sealed: &[u8]) -> Option<String> {
        let key = self.keys.keys.key.derive_reasons(&self.static_head.vault);
        let plain = key.open(&Place::of_vault(self.static_head.vault, Purpose::Reasons), sealed).ok()?;
        Some(std::str::from_utf8(padding::trimmed(&plain)?).ok()?.to_owned())
    }

    /// Stores the next version of a document, and a static head that names it.
    fn set_document(&mut self, kind: Document, text: String, now: Instant) -> Result<(), VaultError> {
        self.refuse_while_promised()?;
        let (vault, facts) = (self.id(), &self.keys.facts.key);
        let mut head = self.static_head.clone();
        head.version += 1;
        let (table, key, action) = match kind {
            Document::Policy => (Table::Policy, facts.derive_policy(&vault), "policy"),
            Document::Holds => (Table::Hold, facts.derive_holds(&vault), "hold"),
        };
        let (version, hash_of) = match kind {
            Document::Policy => (&mut head.policy_version, &mut head.policy_hash),
            Document::Holds => (&mut head.holds_version, &mut head.holds_hash),
        };
        *version += 1;
        let document = Signed::next(kind, &vault, *version, text, &self.keys.keys.signer);
        *hash_of = document.hash(kind);
        let version = *version;
        let bytes = head.sign(&self.keys.keys.signer);
        let mut state = self.state.clone();
        state.static_hash = hash::sha256(&[&bytes]);
        let mut transaction = self.store.begin()?;
        transaction.insert(table, version, &document.seal(kind, vault, &key))?;
        transaction.delete(Table::StaticHead, 0..head.version)?;
        transaction.insert(Table::StaticHead, head.version, &bytes)?;
        let (action, actor) = (Action::counted(action, vec![("version", version)]), Actor::of(&self.keys, &head));
        write_state(&mut transaction, &mut state, self.state_row, &Default::default(), &action, &actor, now)?;
        transaction.commit()?;
        self.state = state;
        self.state_row += 1;
        self.static_head = head;
        renew_copy(&self.store, &self.place, &vault)
    }
}
