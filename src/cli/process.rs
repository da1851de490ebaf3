//! The process itself: no core dumps, private files, and a stop on Ctrl-C that leaves nothing half-done.

use std::fs::File;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use rustix::process::{DumpableBehavior, Resource, Rlimit};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::{Handle, Signals};

/// Whether Ctrl-C and SIGTERM end the process as if there were no handler. A handler once set is never
/// taken back, so after a question one that does what the system would have done stands in for none.
static ENDS: OnceLock<Arc<AtomicBool>> = OnceLock::new();

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
    if let Some(ends) = ENDS.get() {
        ends.store(false, Ordering::Relaxed);
    }
}

/// Until dropped: a signal gives the terminal back as it was before it ends the process. Without this,
/// Ctrl-C at a password leaves a shell in which nothing that is typed is seen.
pub(super) struct TerminalKept {
    signals: Handle,
    waiting: Option<JoinHandle<()>>,
}

impl TerminalKept {
    /// None when the terminal does not say how it is set; then nothing is changed.
    pub(super) fn new(terminal: &File) -> Option<Self> {
        let terminal = terminal.try_clone().ok()?;
        let before = tcgetattr(&terminal).ok()?;
        let mut signals = Signals::new([SIGINT, SIGTERM]).ok()?;
        let ends = ENDS.get_or_init(|| {
            let ends = Arc::new(AtomicBool::new(false));
            for signal in [SIGINT, SIGTERM] {
                let _ = signal_hook::flag::register_conditional_default(signal, Arc::clone(&ends));
            }
            ends
        });
        ends.store(false, Ordering::Relaxed);
        let kept = signals.handle();
        let waiting = std::thread::spawn(move || {
            if let Some(signal) = signals.forever().next() {
                let _ = tcsetattr(&terminal, OptionalActions::Now, &before);
                let _ = signal_hook::low_level::emulate_default_handler(signal);
            }
        });
        Some(Self { signals: kept, waiting: Some(waiting) })
    }
}

impl Drop for TerminalKept {
    fn drop(&mut self) {
        self.signals.close();
        if let Some(waiting) = self.waiting.take() {
            let _ = waiting.join();
        }
        if let Some(ends) = ENDS.get() {
            ends.store(true, Ordering::Relaxed);
        }
    }
}
