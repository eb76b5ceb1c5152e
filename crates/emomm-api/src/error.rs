//! What can go wrong before a question is asked.

use std::path::PathBuf;

use emomm_eval::{PredictError, PredictErrorKind};
use thiserror::Error;

/// Why a served model cannot be used.
#[derive(Debug, Error)]
pub enum ApiError {
    /// The key is missing or its place is not safe.
    #[error("{message}")]
    Key {
        /// What was found and what was expected, without the key.
        message: String,
    },
    /// An option makes no sense, alone or with others.
    #[error("{message}")]
    Option {
        /// What was found and what was expected.
        message: String,
        /// What to do.
        hint: String,
    },
    /// Media would leave the machine, and nobody has agreed to it.
    #[error("clips would be sent to {url}: faces, voices and words leave this machine")]
    Consent {
        /// The server.
        url: String,
    },
    /// The server cannot be reached, or answers a first question with something else.
    #[error("{url}: {message}")]
    Server {
        /// The address.
        url: String,
        /// What it said.
        message: String,
    },
    /// The price table.
    #[error("{}: {message}", path.display())]
    Prices {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// The ledger or another file beside the log.
    #[error("{}: {message}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
}

/// What every question needs is missing, so the run ends and no clip is blamed.
impl From<ApiError> for PredictError {
    fn from(error: ApiError) -> Self {
        Self { kind: PredictErrorKind::Setup, hint: error.hint(), message: error.to_string() }
    }
}

impl ApiError {
    /// An option with what to do about it.
    pub(crate) fn option(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Option { message: message.into(), hint: hint.into() }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Key { .. } => Some(
                "set GEMINI_API_KEY or OPENAI_API_KEY, or name a file with --api-key-file that only you may read"
                    .to_owned(),
            ),
            Self::Option { hint, .. } => Some(hint.clone()),
            Self::Consent { .. } => Some(
                "give --consent-upload if the people in the clips, and the corpus's licence, allow it".to_owned(),
            ),
            Self::Server { .. } => {
                Some("see that the server runs and serves this model; --proxy and --ca-file say how to reach it".to_owned())
            }
            Self::Prices { .. } => {
                Some("a price table is a TOML file; see the section on served models in docs/contract.md".to_owned())
            }
            Self::File { .. } => None,
        }
    }
}
