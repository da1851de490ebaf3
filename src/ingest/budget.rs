//! A bound on the bytes under way between threads.

use std::sync::{Condvar, Mutex, PoisonError};

/// Counts bytes out and in; taking waits while too many are out.
pub(super) struct Budget {
    limit: usize,
    out: Mutex<usize>,
    returned: Condvar,
}

impl Budget {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, out: Mutex::new(0), returned: Condvar::new() }
    }

    /// Takes `bytes`, waiting for others to come back. More than the limit is given when nothing else is out.
    pub(super) fn take(&self, bytes: usize) {
        let out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        let mut out = self
            .returned
            .wait_while(out, |out| *out > 0 && *out + bytes > self.limit)
            .unwrap_or_else(PoisonError::into_inner);
        *out += bytes;
    }

    /// Gives `bytes` back.
    pub(super) fn give(&self, bytes: usize) {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        *out = out.saturating_sub(bytes);
        self.returned.notify_all();
    }
}
