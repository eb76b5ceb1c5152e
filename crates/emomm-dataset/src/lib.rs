//! The vocabulary of the benchmark: what a modality, a coalition, a sentiment class, a score, a subset and a corpus are.
//!
//! Everything else in the workspace speaks in these words. The crate does no IO.

mod corpus;
mod decimal;
mod error;
mod modality;
mod score;
mod sentiment;
mod subset;
mod votes;


pub use corpus::Corpus;
pub use decimal::{Decimal, NotADecimal};
pub use error::VocabularyError;
pub use modality::{Modality, ModalitySet};
pub use score::{OffGrid, ScoreFault, ScoreReading, ScoreScale, read_score};
pub use sentiment::{GridScore, Polarity, Sentiment};
pub use subset::{Agreement, ConflictLevel, Equality, Label, Labels, Subset, SubsetRules};
pub use votes::{VoteMap, mean_of_votes};
