//! The cryptographic check: from everything in the files and every key in reach, no destroyed key can be derived.

use super::check::{Outcome, Verdict};
use super::scan::Found;
use crate::vault::{CanErase, UnderWay, Vault, VaultError};

/// Tries what was carved out of the files. Objects that stand where they belong are the survivors'; every other one is
/// asked whether the anchor in force opens it, since only a keyring leads to an erase share.
pub(super) fn check<A: CanErase>(vault: &Vault<A>, under_way: &UnderWay, found: &Found) -> Result<Outcome, VaultError> {
    let known = vault.known_salts()?;
    let strays: Vec<_> = found.carved.iter().filter(|one| known.binary_search(&one.salt).is_err()).collect();
    let keyring = vault.keyring_key()?;
    let keyrings = strays.iter().filter(|one| keyring.seals(&one.salt, &one.commitment)).count() as u64;
    let derived = !vault.derives_none_of(&under_way.leaves)?;
    let holds = !derived && keyrings == 0;
    let says = match (derived, keyrings) {
        (true, _) => "the keyring in force derives a destroyed key",
        (false, 1..) => "a keyring that the anchor in force opens is left beside the one in force",
        (false, 0) => {
            "the keyring in force derives none of the destroyed keys, and no other keyring in the files opens"
        }
    };
    let counts = vec![
        ("sealed_objects", found.carved.len() as u64),
        ("strays", strays.len() as u64),
        ("stray_keyrings", keyrings),
        ("old_copies", 0),
    ];
    let verdict = Verdict::of(holds);
    Ok(Outcome { name: "cryptographic", verdict, says: says.to_owned(), bytes: found.bytes, counts })
}
