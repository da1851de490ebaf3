//! Secret bytes and passwords: wiped on drop, and neither printed, copied, cloned nor defaulted.

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::random;

/// `N` secret bytes on the heap, wiped when dropped.
///
/// Has no `Debug`, `Clone`, `Copy`, `Default`, `PartialEq` or `Serialize`:
///
/// ```compile_fail
/// let secret = convault::crypto::Secret::<32>::generate();
/// println!("{secret:?}");
/// ```
///
/// ```compile_fail
/// let secret = convault::crypto::Secret::<32>::generate();
/// let copy = secret.clone();
/// ```
///
/// ```compile_fail
/// let secret = convault::crypto::Secret::<32>::default();
/// ```
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Secret<const N: usize>(Box<[u8; N]>);

impl<const N: usize> Secret<N> {
    /// Draws `N` bytes from the operating system's generator.
    pub fn generate() -> Self {
        Self::fill_with(|bytes| random::fill(bytes))
    }

    /// Builds the secret in place, so that no copy of it stays on the stack.
    pub(crate) fn fill_with(fill: impl FnOnce(&mut [u8; N])) -> Self {
        let mut bytes = Box::new([0; N]);
        fill(&mut bytes);
        Self(bytes)
    }

    /// Takes the bytes of a record that was just opened; `None` unless there are exactly `N`.
    pub(crate) fn from_slice(bytes: &[u8]) -> Option<Self> {
        (bytes.len() == N).then(|| Self::fill_with(|out| out.copy_from_slice(bytes)))
    }

    /// The bytes, for derivation and for sealing into another record.
    pub(crate) fn expose(&self) -> &[u8; N] {
        &self.0
    }
}

/// A password, key file or recovery code as it was given.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Password(Zeroizing<Vec<u8>>);

impl Password {
    /// Takes the bytes as they are; the caller has already removed a trailing newline.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Whether nothing was given.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether two entries agree, in time that does not depend on where they differ.
    pub fn matches(&self, other: &Self) -> bool {
        use subtle::ConstantTimeEq;
        self.0.as_slice().ct_eq(other.0.as_slice()).into()
    }

    pub(crate) fn expose(&self) -> &[u8] {
        &self.0
    }
}
