//! Checkpoints: a log's size and root as a signed note that witnesses can cosign.
//!
//! C2SP `tlog-checkpoint` and `signed-note`; `docs/receipt.md` gives the lines.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::crypto::{Digest, SignatureBytes, VerifyKey, hash};
use crate::vault::{Log, StateEvidence, Vault, VaultError, hex};

/// The type of a signature in a note, which is part of its key's id.
const ED25519: u8 = 1;

/// What a checkpoint that was kept elsewhere says of a vault's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compared {
    /// The log goes on from it.
    Continued {
        /// Entries there were then.
        size: u64,
    },
    /// The log is shorter than it was: its end was cut off.
    Truncated {
        /// Entries there were then.
        size: u64,
    },
    /// The log is another one: it was written anew.
    Forked {
        /// Entries there were then.
        size: u64,
    },
    /// The entries to tell it by are not in this file.
    Unknown {
        /// Entries there were then.
        size: u64,
    },
    /// It is no checkpoint of this vault signed by its owner.
    NotOurs,
}

/// The checkpoint of a vault's log as it is.
pub fn checkpoint(vault: &Vault) -> Result<String, VaultError> {
    let text = text(&vault.state_evidence()?);
    Ok(note(&text, &vault.id(), &vault.owner_key(), &vault.sign_checkpoint(&text)))
}

/// Compares a checkpoint with the log as it is. Cosignatures behind the owner's are left to whoever knows the witnesses.
pub fn compare(checkpoint: &str, log: &Log<'_>) -> Result<Compared, VaultError> {
    let read = || {
        let (text, lines) = checkpoint.split_once("\n\n")?;
        let text = format!("{text}\n");
        let name = name(&log.vault());
        let mut parts = text.strip_prefix(name.as_str())?.strip_prefix('\n')?.lines();
        let size: u64 = parts.next().filter(|size| *size == "0" || !size.starts_with('0'))?.parse().ok()?;
        let root: Digest = STANDARD.decode(parts.next()?).ok()?.try_into().ok()?;
        let is_signed = |line: &str| is_line_of(line, &text, &name, &log.owner_key());
        (parts.next().is_none() && lines.lines().any(is_signed)).then_some((size, root))
    };
    let Some((size, root)) = read() else { return Ok(Compared::NotOurs) };
    if size > log.size() {
        return Ok(Compared::Truncated { size });
    }
    Ok(match log.root_at(size)? {
        Some(own) if own == root => Compared::Continued { size },
        Some(_) => Compared::Forked { size },
        None => Compared::Unknown { size },
    })
}

/// Whether a line of a note is this key's signature over its text.
fn is_line_of(line: &str, text: &str, name: &str, key: &VerifyKey) -> bool {
    let read = || {
        let line = line.strip_prefix("\u{2014} ")?.strip_prefix(name)?.strip_prefix(' ')?;
        let signed = STANDARD.decode(line).ok()?;
        let (id, signature) = signed.split_first_chunk()?;
        Some(*id == key_id(name, key) && key.verifies_text("", text.as_bytes(), signature.try_into().ok()?))
    };
    read().unwrap_or(false)
}

/// The lines that are signed.
pub(super) fn text(state: &StateEvidence) -> String {
    format!("{}\n{}\n{}\n", name(&state.vault), state.log_size, STANDARD.encode(state.log_root))
}

/// The note of a signed text.
pub(super) fn note(text: &str, vault: &[u8; 16], key: &VerifyKey, signature: &SignatureBytes) -> String {
    let name = name(vault);
    let line = [&key_id(&name, key)[..], signature].concat();
    format!("{text}\n\u{2014} {name} {}\n", STANDARD.encode(line))
}

/// Whether a note is that of this state's log, signed by this key and nobody else.
pub(super) fn is_of(note: &str, state: &StateEvidence, key: &VerifyKey) -> bool {
    let (text, name) = (text(state), name(&state.vault));
    let line = note.strip_prefix(text.as_str()).and_then(|rest| rest.strip_prefix('\n')?.strip_suffix('\n'));
    line.is_some_and(|line| is_line_of(line, &text, &name, key))
}

fn name(vault: &[u8; 16]) -> String {
    format!("convault/{}", hex(vault))
}

/// Tells the keys of one name apart.
fn key_id(name: &str, key: &VerifyKey) -> [u8; 4] {
    let digest: Digest = hash::sha256(&[name.as_bytes(), b"\n", &[ED25519], &key.0]);
    [digest[0], digest[1], digest[2], digest[3]]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the note format's first implementation, golang.org/x/mod/sumdb/note.
    #[test]
    fn the_key_id_and_the_signature_are_those_of_others() {
        let key = STANDARD.decode("ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW").unwrap();
        let key = VerifyKey(key[1..].try_into().unwrap());
        assert_eq!(key_id("PeterNeumann", &key), [0xc7, 0x4f, 0x20, 0xa3]);
        let text =
            "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
        let line = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=";
        let line = STANDARD.decode(line).unwrap();
        assert_eq!(line[..4], key_id("PeterNeumann", &key));
        assert!(key.verifies_text("", text.as_bytes(), &line[4..].try_into().unwrap()));
    }
}
