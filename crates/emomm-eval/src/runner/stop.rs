//! How a run is asked to end: first by draining, then at once.

use std::sync::atomic::{AtomicU8, Ordering};

/// Shared by whoever asks (a signal handler) and the runner.
#[derive(Debug, Default)]
pub struct Stop(AtomicU8);

impl Stop {
    /// Nobody has asked.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks once more: the first time clips that have begun are finished, the second time nothing is waited for. Gives
    /// the number of times.
    pub fn ask(&self) -> u8 {
        let before = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| Some(n.saturating_add(1)));
        before.unwrap_or(0).saturating_add(1)
    }

    /// How often it was asked.
    pub fn asked(&self) -> u8 {
        self.0.load(Ordering::SeqCst)
    }
}
