//! Changing the owner's password: a new credential in the place of the old one, under new keys.

use super::access::Identity;
use super::credential::{Proof, issue};
use super::epoch::{add_slot, rekey, reseal, retire};
use super::head::{Credential, CredentialKind, Role};
use super::log::Action;
use super::rotate::Successor;
use super::{Damage, Vault, VaultError};
use crate::clock::Instant;
use crate::crypto::{CostOutOfBounds, KdfCost, Password};
use crate::store::Table;

/// What a change of keys wrapped anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rewrapped {
    /// Segments whose read share and facts were sealed under the new keys.
    pub segments: u64,
    /// Credentials, this one included, that were given the new keys.
    pub credentials: u64,
}

impl Vault {
    /// Gives the credential that opened the vault a new password, and the vault new keys.
    ///
    /// The credential is retired and a new one comes in its place. Opened by a recovery code, that one stays, the
    /// passwords are lost, and the owners' credentials by password are retired. An older copy of the vault with the old
    /// password still opens what it holds, as long as its anchor exists.
    pub fn change_password(
        &mut self,
        password: &Password,
        cost: KdfCost,
        now: Instant,
    ) -> Result<Rewrapped, VaultError> {
        if !cost.is_enough() {
            return Err(CostOutOfBounds(cost).into());
        }
        self.fold_deposits(now)?;
        let segments = self.store.count(Table::ReadShare)?;
        let action = Action::counted("passwd", vec![("segments", segments)]);
        let mut credentials = 0;
        self.rotate(&action, now, |transaction, before| {
            let (mut keys, mut head) = rekey(transaction, before)?;
            let Identity { vault, credential: id, .. } = keys.identity;
            let own = head.credential(&id).ok_or(Damage::Record("credential"))?.kind;
            retire(transaction, &mut head, &keys.keys.signer, |credential: &Credential| match own {
                CredentialKind::RecoveryCode => {
                    credential.role == Role::Owner && credential.kind == CredentialKind::Password
                }
                _ => credential.id == id,
            })?;
            // A new key pair too: with the old one, the old slot and the old password would open the new bundle.
            let kind = CredentialKind::Password;
            let proof = Proof { kind, secret: password, cost };
            let (credential, new_own, slot) = issue(&keys, Role::Owner, kind.words(), &proof, now)?;
            if own != CredentialKind::RecoveryCode {
                keys.identity = Identity { vault, credential: credential.id, own: new_own };
            }
            head.credentials.push(credential);
            add_slot(transaction, &slot)?;
            credentials = reseal(&mut head, &keys)?;
            let signed = head.sign(&keys.keys.signer);
            Ok(Successor { keys: Some(keys), static_head: Some((head, signed)) })
        })?;
        Ok(Rewrapped { segments, credentials })
    }
}
