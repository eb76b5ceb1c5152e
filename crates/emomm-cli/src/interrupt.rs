//! Ctrl-C and its kin: the first asks a run to drain, the second to stop; `SIGUSR1` asks what is being answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use emomm_eval::runner::Stop;

/// What was asked from outside.
#[derive(Debug, Clone)]
pub(crate) struct Interrupts {
    pub(crate) stop: Arc<Stop>,
    wants_state: Arc<AtomicBool>,
}

impl Interrupts {
    /// Begins to listen; `say` is told of the first two requests. Where signals do not exist, an interrupt ends the
    /// process, and the run can be resumed all the same.
    pub(crate) fn listen(say: impl Fn(&str) + Send + 'static) -> Self {
        let this = Self { stop: Arc::new(Stop::new()), wants_state: Arc::new(AtomicBool::new(false)) };
        this.spawn(say);
        this
    }

    #[cfg(unix)]
    fn spawn(&self, say: impl Fn(&str) + Send + 'static) {
        use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
        use signal_hook::iterator::Signals;

        let Ok(mut signals) = Signals::new([SIGINT, SIGTERM, SIGUSR1]) else {
            say("note: signals cannot be caught; an interrupt ends the process at once");
            return;
        };
        let this = self.clone();
        std::thread::spawn(move || {
            for signal in signals.forever() {
                if signal == SIGUSR1 {
                    this.wants_state.store(true, Ordering::SeqCst);
                    continue;
                }
                match this.stop.ask() {
                    1 => say("interrupted: finishing the clips that have begun; once more to stop at once"),
                    2 => say("interrupted again: stopping"),
                    _ => {
                        // What is acknowledged is on the disk. The default action ends the process.
                        let _ = signal_hook::low_level::emulate_default_handler(signal);
                    }
                }
            }
        });
    }

    #[cfg(not(unix))]
    fn spawn(&self, _say: impl Fn(&str) + Send + 'static) {}

    /// Whether somebody asked what is being answered since the last call.
    pub(crate) fn take_wants_state(&self) -> bool {
        self.wants_state.swap(false, Ordering::SeqCst)
    }
}
