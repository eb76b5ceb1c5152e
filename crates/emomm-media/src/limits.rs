//! How much one file may cost.
//!
//! A clip comes from anywhere, so every decode runs in a child process that is ended when it takes too long, writes too
//! much, or announces pictures too large; what is done with its output is under the same deadline. The defaults fit clips of up to an hour on a small machine.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::error::MediaError;

/// The most that decoding one file may take, in time, output and memory.
#[derive(Debug, Clone, PartialEq)]
pub struct DecodeLimits {
    /// Wall time for one call, all passes and resampling together. Default 120 s.
    pub timeout: Duration,
    /// Frames a video may decode to, chosen or not. Default 250,000.
    pub max_frames: usize,
    /// Bytes of decoded output that one pass may hand over (the chosen RGB frames, or the samples). Default 4 GiB.
    pub max_bytes: u64,
    /// Pixels of one frame. Default 3840 × 2160 × 2.
    pub max_pixels: usize,
    /// Length of a stream in seconds. Default one hour.
    pub max_seconds: f64,
    /// Seconds of sound that the caller uses: decoding stops there, a longer track gets a warning, and the samples
    /// before are the same as without it. `None` (default) decodes the whole track.
    pub max_output_seconds: Option<f64>,
    /// Address space of the child in bytes, `None` for no limit. Default 4 GiB. Enforced on Linux only.
    pub max_memory_bytes: Option<u64>,
    /// Decoding threads of the child. Each costs address space. Default: one per core, at most 4.
    pub threads: usize,
}

impl Default for DecodeLimits {
    fn default() -> Self {
        Self {
            timeout: Duration::from_mins(2),
            max_frames: 250_000,
            max_bytes: 4 << 30,
            max_pixels: 3840 * 2160 * 2,
            max_seconds: 3600.0,
            max_output_seconds: None,
            max_memory_bytes: Some(4 << 30),
            threads: std::thread::available_parallelism().map_or(1, usize::from).min(4),
        }
    }
}

/// The moment by which all passes over one file must have ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    at: Option<Instant>,
    pub(crate) timeout: Duration,
}

impl Deadline {
    /// A deadline `timeout` from now; one too far away to be represented never comes.
    pub(crate) fn after(timeout: Duration) -> Self {
        Self { at: Instant::now().checked_add(timeout), timeout }
    }

    /// The error of a file that was not done in time.
    pub(crate) fn passed(&self, path: &Path) -> MediaError {
        MediaError::TimedOut { path: path.to_owned(), timeout: self.timeout }
    }

    /// Time left, zero when it has passed.
    pub(crate) fn left(&self) -> Duration {
        self.at.map_or(Duration::from_hours(24), |at| at.saturating_duration_since(Instant::now()))
    }
}
