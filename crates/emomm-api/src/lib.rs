//! Models behind servers as predictors like any other: the same plan, prompt, log, resume, metrics and report.
//!
//! ```text
//! clip, coalition ─► prompt ─► ask ─► wire (gemini, openai) ─► request ─► ledger, pace, retries ─► server
//!                     media: muted mp4, wav, frames ─┘                              │
//! prediction ◄─ reply parser ◄──────────────────────── reply ◄──────────────────────┘
//! ```
//!
//! A server sees the media of the coalition and nothing else: the picture is always sent without its sound, and the sound
//! by itself. White-box fields are null. Every reply is kept as it came in [`LEDGER_FILE`]; a reply that came is never paid
//! for twice.

mod ask;
mod caller;
mod capability;
mod error;
mod gemini;
mod ledger;
mod medium;
mod name;
mod openai;
mod options;
mod pace;
mod paid;
mod predictor;
mod prices;
mod retry;
mod secret;
mod server;
mod service;
mod transport;
mod trial;
mod wire;

pub use capability::{AudioForm, CAPABILITIES_FILE, Capabilities, LengthField};
pub use error::ApiError;
pub use ledger::{LEDGER_FILE, Purpose, SERVED_FOLDER, spent_by};
pub use name::{GEMINI_BASE_URL, ServedName, WireFormat};
pub use options::{Access, Condition, KeptReplies, VideoForm};
pub use predictor::ServedPredictor;
pub use prices::ModelPrices;
pub use secret::Secret;
pub use server::Server;

/// A model that [`Server`] can reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServedModel {
    /// What `--model` is given.
    pub word: &'static str,
    /// What it is.
    pub name: &'static str,
    /// What is available of it.
    pub access: &'static str,
}

/// All forms that `--model` takes beside folders.
pub const SERVED: [ServedModel; 2] = [
    ServedModel {
        word: "gemini:MODEL",
        name: "Gemini through Google's API",
        access: "reply; log-probabilities where the API gives them",
    },
    ServedModel {
        word: "openai:BASE_URL#MODEL",
        name: "any server of OpenAI's chat format (vLLM, llama.cpp, OpenAI)",
        access: "reply; log-probabilities where the server gives them",
    },
];
