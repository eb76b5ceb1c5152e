//! What a predictor is, what it is asked, how its reply is read, how runs are kept, and how predictions are scored.
//!
//! This crate owns the *port* [`Predictor`]: models implement it, the runner and the command line call it.
//! It knows neither a tensor engine nor a media decoder.

pub mod fake;
pub mod import;
mod missingness;
mod predictor;
pub mod prompt;
pub mod reply;
pub mod run;
pub mod runner;
pub mod score;
mod served;
mod token_maps;

pub use emomm_dataset::PerModality;
pub use missingness::Missingness;
pub use predictor::{
    AttentionDetail, AttentionSummary, Clip, Deliver, LetterMass, MediaRecord, PersonRecord, PictureRecord,
    PredictError, PredictErrorKind, PredictOptions, Prediction, Predictor, TokenCost, TokenCounts, in_order,
};
pub use served::{Served, ServedEnd, ServedRepeat, ServedUsage};
pub use token_maps::{TokenMaps, TokenPlaces, relative_entropy, share_inside};
