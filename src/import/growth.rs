//! How two originals of one log are related: one is the beginning of the other, or they hold different files of it.

/// What two originals of one conversation come to.
#[derive(Debug, PartialEq, Eq)]
pub enum Growth {
    /// The stored one has all of the incoming one.
    Stored,
    /// The incoming one has all of the stored one.
    Incoming,
    /// Each has something the other lacks; these bytes have all of both.
    Both(Vec<u8>),
}

/// Two states of one file that is only ever written on at its end: the longer has all of the shorter. None when
/// neither begins with the other.
pub fn of_file(stored: &[u8], incoming: &[u8]) -> Option<Growth> {
    if stored.starts_with(incoming) {
        Some(Growth::Stored)
    } else if incoming.starts_with(stored) {
        Some(Growth::Incoming)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longer_has_all_of_the_shorter_when_it_begins_with_it() {
        assert_eq!(of_file(b"one\ntwo\n", b"one\n"), Some(Growth::Stored));
        assert_eq!(of_file(b"one\nt", b"one\ntwo\n"), Some(Growth::Incoming));
        assert_eq!(of_file(b"one\n", b"one\n"), Some(Growth::Stored));
        assert_eq!(of_file(b"one\n", b"two\none\n"), None);
    }
}
