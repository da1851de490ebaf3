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

    /// Gives `bytes` back when the guard is dropped, by a panic too.
    pub(super) fn given_back(&self, bytes: usize) -> GivenBack<'_> {
        GivenBack { budget: self, bytes }
    }

    fn give(&self, bytes: usize) {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        *out = out.saturating_sub(bytes);
        self.returned.notify_all();
    }
}

/// Bytes that are given back when this is dropped.
pub(super) struct GivenBack<'a> {
    budget: &'a Budget,
    bytes: usize,
}

impl Drop for GivenBack<'_> {
    fn drop(&mut self) {
        self.budget.give(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_gives_back_what_was_taken() {
        let budget = Budget::new(10);
        budget.take(10);
        std::thread::scope(|scope| {
            let worker = scope.spawn(|| {
                let _given = budget.given_back(10);
                panic!("as a worker might");
            });
            assert!(worker.join().is_err());
        });
        // Would wait for ever.
        budget.take(10);
    }
}
