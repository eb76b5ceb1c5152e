//! What can be wrong with a file of predictions, always with the file, the row and what to do.

use std::fmt;
use std::path::PathBuf;

use thiserror::Error;

/// Faults that are spelled out in a message; the others are counted.
const SHOWN: usize = 10;

/// Why a file of predictions could not be scored.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ScoreFileError {
    /// The file cannot be read.
    #[error("{}: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The file is none of the formats that are read.
    #[error("{}: found {found}, expected {expected}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What it looks like.
        found: String,
        /// What would have been read.
        expected: &'static str,
        /// What to do.
        hint: &'static str,
    },
    /// Columns are missing, or two have the same name.
    #[error("{}: {problem}; found the columns {}", path.display(), columns.join(", "))]
    Columns {
        /// The file.
        path: PathBuf,
        /// Which column, and what is wrong with it.
        problem: String,
        /// The columns of the file.
        columns: Vec<String>,
        /// What to do.
        hint: &'static str,
    },
    /// Rows hold what cannot be read, or contradict each other.
    #[error("{}: {}", path.display(), list(faults))]
    Rows {
        /// The file.
        path: PathBuf,
        /// Every fault, in the order of the file; at least one.
        faults: Vec<Fault>,
    },
    /// There is no row to score.
    #[error("{}: found no row, expected at least one prediction", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

impl ScoreFileError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Unreadable { .. } => {
                "give the path of a CSV, JSONL or Parquet file of predictions".to_owned()
            }
            Self::Format { hint, .. } | Self::Columns { hint, .. } => (*hint).to_owned(),
            Self::Rows { faults, .. } => {
                let advice = faults.first().map(|f| f.hint.as_str()).unwrap_or_default();
                let skippable = faults.iter().all(|f| f.skippable);
                let skip = if skippable { "; or leave such rows out with --on-bad-row skip" } else { "" };
                format!("{advice}{skip}")
            }
            Self::Empty { .. } => "a header alone is no prediction: write one row for each answer".to_owned(),
        }
    }
}

/// What is wrong with one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Number of the row, counted from 1 without the header.
    pub row: usize,
    /// Line of the file on which it begins, counted from 1; 0 where a file has no lines.
    pub line: usize,
    /// The column, where it is one.
    pub column: Option<String>,
    /// What was found and what was expected.
    pub message: String,
    /// What to do about it.
    pub hint: String,
    /// Whether leaving the row out mends the file.
    pub skippable: bool,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&place(self.row, self.line))?;
        if let Some(column) = &self.column {
            write!(f, ", column {column}")?;
        }
        write!(f, ": {}", self.message)
    }
}

/// Names a row.
pub(super) fn place(row: usize, line: usize) -> String {
    if line == 0 { format!("row {row}") } else { format!("row {row} (line {line})") }
}

fn list(faults: &[Fault]) -> String {
    let mut text: Vec<String> = faults.iter().take(SHOWN).map(ToString::to_string).collect();
    if faults.len() > SHOWN {
        text.push(format!("and {} more", faults.len() - SHOWN));
    }
    text.join("\n  ")
}
