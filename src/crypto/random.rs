//! The operating system's random number generator; the only source of randomness in the program.

use rand::{TryRng, rngs::SysRng};

/// Fills `bytes` from the operating system.
///
/// # Panics
/// When the operating system has no randomness to give: no key may be made then.
pub fn fill(bytes: &mut [u8]) {
    SysRng.try_fill_bytes(bytes).expect("the operating system's random number generator answers");
}

/// `N` random bytes that are not secret: ids and salts.
pub fn array<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    fill(&mut bytes);
    bytes
}
