//! How the annotation app can fail.

use std::path::PathBuf;

use emomm_dataset::DatasetError;
use emomm_media::MediaError;
use thiserror::Error;

/// Why a project could not be made, served, read or changed.
#[derive(Debug, Error)]
pub enum AnnotateError {
    /// The operating system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// File or folder.
        path: PathBuf,
        /// Its answer.
        source: std::io::Error,
    },
    /// The folder is no project, or not of the state that is needed.
    #[error("{}: {found}, expected {expected}", path.display())]
    Project {
        /// The folder.
        path: PathBuf,
        /// What is there.
        found: String,
        /// What should be there.
        expected: String,
    },
    /// The database was written by another version.
    #[error("{}: schema version {found}, this version reads up to {expected}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// As written in the file.
        found: i64,
        /// The newest that can be read.
        expected: i64,
    },
    /// The database cannot take what is written: disk full, no permission, a fault of the disk.
    #[error("the database cannot be written: {message}")]
    Storage {
        /// SQLite's own words.
        message: String,
    },
    /// The database refused a statement.
    #[error("database: {0}")]
    Database(#[source] rusqlite::Error),
    /// Something is not as the request takes it to be.
    #[error("{what}: found {found}, expected {expected}")]
    Refused {
        /// What was asked for.
        what: &'static str,
        /// What is.
        found: String,
        /// What would have been accepted.
        expected: String,
    },
    /// An option or a value outside its range.
    #[error("{option} is {found}, expected {expected}")]
    Option {
        /// Its name.
        option: String,
        /// Its value.
        found: String,
        /// What would have been accepted.
        expected: String,
    },
    /// A row of a file given by hand.
    #[error("{} row {row}: found {found}, expected {expected}", path.display())]
    Row {
        /// The file.
        path: PathBuf,
        /// Counted from 1, the header included.
        row: u64,
        /// What stands there.
        found: String,
        /// What should stand there.
        expected: String,
    },
    /// A corpus or benchmark that cannot be read.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// ffmpeg, or a medium.
    #[error(transparent)]
    Media(#[from] MediaError),
    /// The server could not start.
    #[error("cannot serve: {message}")]
    Serve {
        /// Why.
        message: String,
        /// What to do.
        hint: String,
    },
    /// The operating system has no random numbers.
    #[error("no random numbers: {message}")]
    Randomness {
        /// Its answer.
        message: String,
    },
}

impl AnnotateError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Dataset(error) => return error.hint(),
            Self::Media(error) => return error.hint(),
            Self::Serve { hint, .. } => return Some(hint.clone()),
            Self::Project { .. } => "name a folder that `emomm annotate init` has made",
            Self::Version { .. } => "use the version of emomm that wrote the project, or a newer one",
            Self::Storage { .. } => {
                "free space on the disk or give write permission; labels wait in the browsers"
            }
            Self::Row { .. } => "correct the row, or leave it out",
            Self::Option { expected, .. } => return Some(format!("give {expected}")),
            Self::Io { .. } | Self::Database(_) | Self::Refused { .. } | Self::Randomness { .. } => {
                return None;
            }
        };
        Some(hint.to_owned())
    }

    /// A refusal.
    pub(crate) fn refused(what: &'static str, found: impl Into<String>, expected: impl Into<String>) -> Self {
        Self::Refused { what, found: found.into(), expected: expected.into() }
    }
}

impl From<rusqlite::Error> for AnnotateError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;

        let cannot_write = [
            ErrorCode::DiskFull,
            ErrorCode::ReadOnly,
            ErrorCode::SystemIoFailure,
            ErrorCode::CannotOpen,
            ErrorCode::PermissionDenied,
            ErrorCode::DatabaseBusy,
            ErrorCode::DatabaseLocked,
        ];
        match error.sqlite_error_code() {
            Some(code) if cannot_write.contains(&code) => Self::Storage { message: error.to_string() },
            _ => Self::Database(error),
        }
    }
}
