//! How the vocabulary and the building of a benchmark can fail.

use thiserror::Error;

/// A word that is not part of the vocabulary.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("unknown {kind} `{found}`, expected {expected}")]
pub struct VocabularyError {
    /// What was being read, for example `coalition`.
    pub kind: &'static str,
    /// The word as it was found.
    pub found: String,
    /// The words that would have been accepted.
    pub expected: &'static str,
}

impl VocabularyError {
    pub(crate) fn new(kind: &'static str, found: &str, expected: &'static str) -> Self {
        Self { kind, found: found.to_owned(), expected }
    }
}

#[cfg(feature = "build")]
pub use building::DatasetError;

#[cfg(feature = "build")]
mod building {
    use std::path::PathBuf;

    use thiserror::Error;

    use crate::finding::Finding;

    /// Why a corpus or a manifest could not be read, built or written.
    #[derive(Debug, Error)]
    pub enum DatasetError {
        /// The operating system refused.
        #[error("{}: {source}", path.display())]
        Io {
            /// File or folder.
            path: PathBuf,
            /// Its answer.
            source: std::io::Error,
        },
        /// A folder is not laid out as expected.
        #[error("{}: expected {expected}", path.display())]
        Layout {
            /// The folder.
            path: PathBuf,
            /// What was looked for.
            expected: String,
            /// What to do.
            hint: &'static str,
        },
        /// A text file in no encoding that is known.
        #[error("{}: neither UTF-8 nor UTF-16 with a mark nor GB18030", path.display())]
        Encoding {
            /// The file.
            path: PathBuf,
        },
        /// A table without columns that are needed.
        #[error("{}: missing columns {}", path.display(), missing.join(", "))]
        Columns {
            /// The file.
            path: PathBuf,
            /// Their names.
            missing: Vec<String>,
        },
        /// A row or value of a table that cannot be read.
        #[error("{} row {row}: found {found}, expected {expected}", path.display())]
        Table {
            /// The file.
            path: PathBuf,
            /// Counted from 1.
            row: u64,
            /// What should stand there.
            expected: String,
            /// What stands there.
            found: String,
        },
        /// A file beyond a limit that bounds memory.
        #[error("{}: more than {limit} {what}", path.display())]
        TooLarge {
            /// The file.
            path: PathBuf,
            /// What is counted.
            what: &'static str,
            /// How many are allowed.
            limit: u64,
        },
        /// Faults whose policy is to refuse the build; all of them.
        #[error("{} findings refuse the build; the first: {}", findings.len(), findings.first().map(ToString::to_string).unwrap_or_default())]
        Refused {
            /// Every finding that refuses.
            findings: Vec<Finding>,
        },
        /// A Parquet file that cannot be read or written.
        #[error("{}: {message}", path.display())]
        Parquet {
            /// The file.
            path: PathBuf,
            /// What the reader or writer said.
            message: String,
        },
        /// JSON that cannot be read or written.
        #[error("{}: {message}", path.display())]
        Json {
            /// The file.
            path: PathBuf,
            /// What the parser said.
            message: String,
        },
        /// A spreadsheet that cannot be read.
        #[error("{}: {message}", path.display())]
        Spreadsheet {
            /// The file.
            path: PathBuf,
            /// What the reader said.
            message: String,
        },
        /// A sequence of the CMU Multimodal SDK that cannot be read.
        #[error("{}: {message}", path.display())]
        Sequence {
            /// The file.
            path: PathBuf,
            /// What is wrong with it.
            message: String,
        },
        /// An option outside its range.
        #[error("{option} is {found}, expected {expected}")]
        Option {
            /// Its name.
            option: &'static str,
            /// Its value.
            found: String,
            /// What would have been accepted.
            expected: &'static str,
        },
        /// A manifest of another format.
        #[error("{}: format version {found}, this version reads {expected}", path.display())]
        Version {
            /// The file.
            path: PathBuf,
            /// As written in the file.
            found: u32,
            /// What can be read.
            expected: u32,
        },
    }

    impl DatasetError {
        /// What to do about it.
        pub fn hint(&self) -> Option<String> {
            match self {
                Self::Io { .. } | Self::Json { .. } => None,
                Self::Parquet { .. } => {
                    Some("write the file again with the program that it came from".to_owned())
                }
                Self::Layout { hint, .. } => Some((*hint).to_owned()),
                Self::Encoding { .. } => Some("convert the file to UTF-8".to_owned()),
                Self::Columns { .. } => Some("columns are found by name; check the header row".to_owned()),
                Self::Table { .. } => Some("correct the row, or leave it out".to_owned()),
                Self::TooLarge { .. } => {
                    Some("split the file, or keep only the columns that are read".to_owned())
                }
                Self::Refused { .. } => {
                    Some("correct the files, or choose another policy for such rows".to_owned())
                }
                Self::Spreadsheet { .. } => Some("save the sheet as CSV".to_owned()),
                Self::Sequence { .. } => {
                    Some("tools/mosi/csd_to_label_csv.py turns labels and words into label.csv".to_owned())
                }
                Self::Option { expected, .. } => Some(format!("give {expected}")),
                Self::Version { .. } => Some("build the benchmark again with this version".to_owned()),
            }
        }
    }
}
