//! Why a report or a figure could not be made.

use std::io;
use std::path::PathBuf;

use emomm_dataset::DatasetError;
use emomm_eval::run::RunError;
use emomm_metrics::MetricError;
use thiserror::Error;

/// What went wrong, where.
#[derive(Debug, Error)]
pub enum ReportError {
    /// A file could not be written or read.
    #[error("{path}: {source}", path = .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A drawing could not be turned into a picture.
    #[error("figure {name} as PNG: {reason}")]
    Picture {
        /// The figure.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A run could not be read.
    #[error(transparent)]
    Run(RunError),
    /// A benchmark could not be read.
    #[error(transparent)]
    Benchmark(DatasetError),
    /// A run of another benchmark than the one that was read.
    #[error("run {run} is of a benchmark with digest {found}, expected {expected}")]
    OtherBenchmark {
        /// The run.
        run: String,
        /// Digest in its log.
        found: String,
        /// Digest of the manifest.
        expected: String,
    },
    /// A run that holds nothing about the clips of the benchmark.
    #[error("run {run}: found {n} records, expected at least one of a clip of the benchmark")]
    NoRecords {
        /// The run.
        run: String,
        /// Its records.
        n: usize,
    },
    /// The page could not be filled.
    #[error("page: {reason}")]
    Template {
        /// What the template says.
        reason: String,
    },
    /// A page too large for a browser.
    #[error("{path}: found {found} bytes, expected at most {expected}", path = .path.display())]
    TooLarge {
        /// The page.
        path: PathBuf,
        /// Its bytes.
        found: usize,
        /// What is allowed.
        expected: usize,
    },
    /// A metric refused its input.
    #[error("{what}: {source}")]
    Metric {
        /// What was computed.
        what: &'static str,
        /// Why it was refused.
        source: MetricError,
    },
}

impl ReportError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                Some("free some space on the disk".to_owned())
            }
            Self::Run(error) => error.hint(),
            Self::Benchmark(error) => error.hint().or_else(|| {
                Some("give the benchmark's folder with --bench; the log names where it lay".to_owned())
            }),
            Self::OtherBenchmark { .. } => {
                Some("report runs of one benchmark together, and give its folder".to_owned())
            }
            Self::NoRecords { .. } => {
                Some("let the run compute something first, or give another benchmark".to_owned())
            }
            Self::TooLarge { .. } => Some("report fewer clips or runs at once, or give --force".to_owned()),
            Self::Picture { .. } => Some("the SVG beside it holds the same drawing".to_owned()),
            _ => None,
        }
    }
}
