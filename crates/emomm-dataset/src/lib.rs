//! The vocabulary of the benchmark and, with the feature `build`, the way from corpus files to a manifest.
//!
//! The vocabulary says what a modality, a coalition, a sentiment class, a score, a subset and a corpus are; everything
//! else in the workspace speaks in these words. It does no IO and compiles in a moment.
//!
//! With the feature `build`: `readers` turn label files into clips and findings, `build` maps labels, curates, splits
//! and masks, and `manifest` holds, writes, reads and verifies the result. `FolderLock` keeps a folder to one process.

mod civil_date;
mod corpus;
mod decimal;
mod error;
mod labels;
mod modality;
mod per_modality;
mod score;
mod seeded;
mod sentiment;
mod subset;
mod votes;

#[cfg(feature = "build")]
pub mod build;
#[cfg(feature = "build")]
mod finding;
#[cfg(feature = "build")]
mod folder_lock;
#[cfg(feature = "build")]
pub mod manifest;
#[cfg(feature = "build")]
pub mod parquet_file;
#[cfg(feature = "build")]
mod parquet_table;
#[cfg(feature = "build")]
mod policy;
#[cfg(feature = "build")]
mod quiet_panic;
#[cfg(feature = "build")]
pub mod readers;

pub use civil_date::{civil_date, day_of, days_since_1970};
pub use corpus::Corpus;
pub use decimal::{Decimal, NotADecimal};
#[cfg(feature = "build")]
pub use error::DatasetError;
pub use error::VocabularyError;
#[cfg(feature = "build")]
pub use finding::{Action, Finding, FindingKind};
#[cfg(feature = "build")]
pub use folder_lock::{FolderLock, LockError};
pub use labels::{Classed, Label, Labels, PolaritySource, Source};
pub use modality::{Modality, ModalitySet};
#[cfg(feature = "build")]
pub use parquet_table::{TableColumn, write_table};
pub use per_modality::PerModality;
#[cfg(feature = "build")]
pub use policy::{Policies, Policy};
#[cfg(feature = "build")]
pub use readers::text_file::digest_of_bytes;
pub use score::{OffGrid, ScoreFault, ScoreReading, ScoreScale, read_score};
pub use seeded::{Seeded, mix, seeded_key};
pub use sentiment::{GridScore, Polarity, Sentiment};
pub use subset::{Agreement, ConflictLevel, Equality, Subset, SubsetRules};
pub use votes::{VoteMap, mean_of_votes};
