//! The vocabulary of the benchmark: what a modality, a coalition, a sentiment class and a corpus are.
//!
//! Everything else in the workspace speaks in these words. The crate does no IO.

mod corpus;
mod error;
mod modality;
mod per_modality;
mod sentiment;

pub use corpus::Corpus;
pub use error::VocabularyError;
pub use modality::{Modality, ModalitySet};
pub use per_modality::PerModality;
pub use sentiment::{GridScore, Polarity, Sentiment};
