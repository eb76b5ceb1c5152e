//! How a run folder can fail to be read or written.

use std::path::{Path, PathBuf};

use thiserror::Error;

/// Why a run folder could not be used.
#[derive(Debug, Error)]
pub enum RunError {
    /// The operating system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// File or folder.
        path: PathBuf,
        /// Its answer.
        source: std::io::Error,
    },
    /// The folder holds no log.
    #[error("{}: found no log.jsonl, expected the folder of a run", path.display())]
    NoRun {
        /// The folder.
        path: PathBuf,
    },
    /// A line of the log that is neither header nor record.
    #[error("{} line {line}: {message}", path.display())]
    Line {
        /// The log.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What was found and what was expected.
        message: String,
    },
    /// A log of another format.
    #[error("{}: format version {found}, this version reads {expected}", path.display())]
    Version {
        /// The log.
        path: PathBuf,
        /// As written in the log.
        found: u64,
        /// What can be read.
        expected: u32,
    },
    /// Another process writes to the folder.
    #[error("{}: another process writes to this run ({holder})", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// What the lock says of its holder.
        holder: String,
    },
    /// The log exists where a new one was to be made.
    #[error("{}: found a log, expected none", path.display())]
    Exists {
        /// The log.
        path: PathBuf,
    },
    /// A group of records could not be written or synced. What was acknowledged before is kept.
    #[error("{}: {source}; {acknowledged} records are safe", path.display())]
    Append {
        /// The log.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
        /// Records of this process that were acknowledged.
        acknowledged: usize,
    },
    /// The plan is not the one that the log began with.
    #[error("{}: the plan has changed:\n{}", path.display(), diff.join("\n"))]
    PlanChanged {
        /// The log.
        path: PathBuf,
        /// One line for each value that differs.
        diff: Vec<String>,
    },
    /// A tensor file beside the log.
    #[error("{}: {message}", path.display())]
    Tensors {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
}

impl RunError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Io { .. } => None,
            Self::NoRun { .. } => Some("give the folder that was --out of `emomm eval`".to_owned()),
            Self::Line { line: 1, .. } => Some(
                "a run's log begins with its header; if the file is something else give another folder".to_owned(),
            ),
            Self::Line { .. } => Some(
                "remove that line and issue the eval command again: what it held is computed again".to_owned(),
            ),
            Self::Version { .. } => Some("read it with the version of emomm that wrote it".to_owned()),
            Self::Locked { .. } => {
                Some("wait until it has ended, or give another --out; a lock ends with its process".to_owned())
            }
            Self::Exists { .. } => Some("give another folder".to_owned()),
            Self::Append { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
                Some("free space and issue the same command again: it goes on where it stopped".to_owned())
            }
            Self::Append { .. } => {
                Some("see to the disk and issue the same command again: it goes on where it stopped".to_owned())
            }
            Self::PlanChanged { .. } => Some(
                "issue the command as it was, give another --out, or go on with --accept-changes: records that the \
                 new plan cannot use are computed again"
                    .to_owned(),
            ),
            Self::Tensors { .. } => {
                Some("the log holds the summary of the attention; the file can be removed".to_owned())
            }
        }
    }

    pub(crate) fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }
}
