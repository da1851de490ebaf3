//! Faults that tests switch on, to see that a check turns red; in any other build they are constants that are off.
//!
//! A switch is of one thread, and gone with the guard that set it.

/// What can be broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The keyring is not punctured.
    PunctureSkipped,
    /// The old anchor's slot is not overwritten.
    OldSlotKept,
    /// The journal is not zeroed.
    JournalKept,
    /// A receipt is written whatever the checks say.
    ReceiptUnverified,
    /// The rows of the search sketch are left.
    SketchLeft,
    /// The first segment gets no tombstone.
    TombstoneSkipped,
    /// Earlier versions of a conversation are not looked for.
    SupersededForgotten,
    /// The scanner reads nothing.
    BlindScanner,
    /// The process ends behind this step of an erasure.
    Crash(u8),
}

#[cfg(test)]
pub(crate) use switched::{Sabotage, is};

/// No fault is ever on.
#[cfg(not(test))]
pub(crate) const fn is(_: Fault) -> bool {
    false
}

#[cfg(test)]
mod switched {
    use std::cell::Cell;

    use super::Fault;

    thread_local!(static FAULT: Cell<Option<Fault>> = const { Cell::new(None) });

    /// Whether this fault is switched on.
    pub(crate) fn is(fault: Fault) -> bool {
        FAULT.get() == Some(fault)
    }

    /// Keeps a fault switched on.
    pub(crate) struct Sabotage;

    impl Sabotage {
        /// Switches a fault on, in this thread.
        pub(crate) fn on(fault: Fault) -> Self {
            FAULT.set(Some(fault));
            Self
        }
    }

    impl Drop for Sabotage {
        fn drop(&mut self) {
            FAULT.set(None);
        }
    }
}
