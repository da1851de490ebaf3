//! The process itself: no core dumps, private files, and a stop on Ctrl-C that leaves nothing half-done.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rustix::process::{DumpableBehavior, Resource, Rlimit};
use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};

/// Keeps keys out of core dumps and other users out of new files. Best effort: nothing depends on it.
pub(super) fn harden() {
    let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let _ = rustix::process::setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    // A file-size limit becomes an error that is reported, not a signal that kills.
    let _ = signal_hook::flag::register(SIGXFSZ, Arc::default());
}

/// From here on Ctrl-C and SIGTERM set `stop`; a second one ends the process at once.
pub(super) fn stop_on_signals(stop: &Arc<AtomicBool>) {
    for signal in [SIGINT, SIGTERM] {
        // In this order: the second signal finds the flag set.
        let _ = signal_hook::flag::register_conditional_shutdown(
            signal,
            super::failure::code::INTERRUPTED.into(),
            Arc::clone(stop),
        );
        let _ = signal_hook::flag::register(signal, Arc::clone(stop));
    }
}
