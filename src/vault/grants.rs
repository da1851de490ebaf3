//! Credentials given out and taken back.

use super::access::Owner;
use super::credential::{Proof, Slot, issue};
use super::epoch::{add_slot, rekey, reseal, retire};
use super::head::{Credential, CredentialKind, MAX_CREDENTIALS, Role};
use super::log::Action;
use super::open::MOST_COST;
use super::passwd::Rewrapped;
use super::rotate::Successor;
use super::{Damage, KeyFile, Vault, VaultError};
use crate::clock::Instant;
use crate::crypto::{CostOutOfBounds, KdfCost, Password, hash};
use crate::store::Table;

/// By what a new credential will prove itself.
pub enum Secret<'a> {
    /// A password, and what deriving a key from it costs.
    Password(&'a Password, KdfCost),
    /// A key file.
    KeyFile(&'a KeyFile),
}

impl Vault {
    /// Gives out a credential of a role; its id. Nothing is rotated: what it may do it may do from now on.
    pub fn grant(&mut self, role: Role, secret: &Secret<'_>, now: Instant) -> Result<[u8; 16], VaultError> {
        self.refuse_while_promised()?;
        let by_key;
        let proof = match secret {
            Secret::Password(password, cost) if cost.is_enough() => {
                Proof { kind: CredentialKind::Password, secret: password, cost: *cost }
            }
            Secret::Password(_, cost) => return Err(CostOutOfBounds(*cost).into()),
            Secret::KeyFile(key) => {
                by_key = key.password();
                Proof { kind: CredentialKind::KeyFile, secret: &by_key, cost: KdfCost::NONE }
            }
        };
        if role == Role::Retired || self.static_head.credentials.len() >= MAX_CREDENTIALS {
            return Err(VaultError::Refused("this vault takes no more credentials; revoke one"));
        }
        // Beyond it nobody would open this vault any more.
        if proof.cost.times() + self.slots_cost()? > MOST_COST {
            return Err(VaultError::Refused(
                "the passwords of this vault would cost too much to try together: use a key file, or --unlock-cost minimum",
            ));
        }
        let (credential, _, slot) = issue(&self.keys, role, proof.kind.words(), &proof, now)?;
        let id = credential.id;
        let mut head = self.static_head.clone();
        head.version += 1;
        head.credentials.push(credential);
        let bytes = head.sign(&self.keys.keys.signer);
        let mut state = self.state.clone();
        state.static_hash = hash::sha256(&[&bytes]);
        let action = Action { subject: Some((role, id)), ..Action::counted("grant", Vec::new()) };
        let version = head.version;
        let before = std::mem::replace(&mut self.static_head, head);
        let done = self.commit_action(state, &action, now, |transaction| {
            transaction.delete(Table::StaticHead, 0..version)?;
            transaction.insert(Table::StaticHead, version, &bytes)?;
            add_slot(transaction, &slot)
        });
        if !matches!(done, Ok(()) | Err(VaultError::CopyNotRenewed(_))) {
            self.static_head = before;
        }
        done.map(|()| id)
    }

    /// What trying one password costs, over all slots.
    fn slots_cost(&self) -> Result<u64, VaultError> {
        let mut cost = 0;
        for (_, row) in self.store.all(Table::Slot)? {
            cost += Slot::decode(&row).map_err(|_| Damage::Record("slot"))?.cost.times();
        }
        Ok(cost)
    }

    /// Takes a credential's slot and capabilities away, and gives the vault new keys. What it read it has read; an older
    /// copy of the file still opens with it, as long as the anchor of that time exists.
    pub fn revoke(&mut self, id: &[u8; 16], now: Instant) -> Result<Rewrapped, VaultError> {
        let credential = self.static_head.credential(id).filter(|one| one.role != Role::Retired);
        let role = credential.ok_or(VaultError::Refused("no credential has this id"))?.role;
        if *id == self.keys.identity.credential {
            return Err(VaultError::Refused(
                "this is the credential that opened the vault; another owner can revoke it",
            ));
        }
        self.fold_deposits(now)?;
        let segments = self.store.count(Table::ReadShare)?;
        let action = Action { subject: Some((role, *id)), ..Action::counted("revoke", vec![("segments", segments)]) };
        let mut credentials = 0;
        self.rotate(&action, now, |transaction, before| {
            let (keys, mut head): (Owner, _) = rekey(transaction, before)?;
            retire(transaction, &mut head, &keys.keys.signer, |credential: &Credential| credential.id == *id)?;
            credentials = reseal(&mut head, &keys)?;
            let signed = head.sign(&keys.keys.signer);
            Ok(Successor { keys: Some(keys), static_head: Some((head, signed)) })
        })?;
        Ok(Rewrapped { segments, credentials })
    }

    /// The credentials whose ids begin with these digits, retired ones left out.
    pub fn credentials_with(&self, digits: &str) -> Vec<&Credential> {
        let is_it = |one: &&Credential| one.role != Role::Retired && super::hex(&one.id).starts_with(digits);
        self.static_head.credentials.iter().filter(is_it).collect()
    }
}

impl<A: super::CanRead> Vault<A> {
    /// Seals a reader's own keys under another password. The keys stay: an older copy of the file opens with the old one.
    pub fn change_own_password(&mut self, password: &Password, cost: KdfCost, now: Instant) -> Result<(), VaultError> {
        if !cost.is_enough() {
            return Err(CostOutOfBounds(cost).into());
        }
        let (identity, owner) = (self.keys.identity(), self.static_head.owner);
        let proof = Proof { kind: CredentialKind::Password, secret: password, cost };
        let slot = super::credential::seal_slot(&identity.own, &owner, identity.credential, &proof, identity.vault)?;
        let mut number = None;
        for (row, bytes) in self.store.all(Table::Slot)? {
            let found = super::credential::Slot::decode(&bytes).map_err(|_| Damage::Record("slot"))?;
            if found.credential == identity.credential && found.kind == CredentialKind::Password {
                number = Some(row);
            }
        }
        let number = number.ok_or(VaultError::Refused("this credential has no password to change"))?;
        self.append_log(&Action::counted("passwd", Vec::new()), now, |transaction| {
            transaction.delete(Table::Slot, number..number + 1)?;
            add_slot(transaction, &slot)
        })
    }
}
