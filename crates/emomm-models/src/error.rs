//! What can go wrong between a checkpoint folder and a prediction.

use std::path::{Path, PathBuf};

use emomm_eval::prompt::PromptError;
use emomm_media::MediaError;
use thiserror::Error;

use crate::decoder::HookError;

/// An error of this crate. The message says what was found, what was expected and where; [`ModelError::hint`]
/// says what to do.
#[derive(Debug, Error)]
pub enum ModelError {
    /// A file of the checkpoint could not be opened or read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A JSON file of the checkpoint lacks a field or holds an impossible value.
    #[error("{}: {message}", path.display())]
    Config {
        /// The JSON file.
        path: PathBuf,
        /// Field, value found, value expected.
        message: String,
    },
    /// No loader knows this architecture.
    #[error("{}: model type `{found}` is not supported, expected one of {expected}", path.display())]
    UnsupportedModel {
        /// The config file.
        path: PathBuf,
        /// `model_type` as found.
        found: String,
        /// The known model types.
        expected: &'static str,
    },
    /// The tokenizer could not be read, or lacks a token that the model needs.
    #[error("{}: {message}", path.display())]
    Tokenizer {
        /// The tokenizer file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// A safetensors file is damaged.
    #[error("{}: not a valid safetensors file: {message}", path.display())]
    Safetensors {
        /// The shard.
        path: PathBuf,
        /// What the header check found.
        message: String,
    },
    /// A GGUF file is damaged, or is none of a decoder that is known.
    #[error("{}: not a GGUF file of a known decoder: {message}", path.display())]
    Gguf {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// Tensors are missing, superfluous or of the wrong shape; all of them are listed.
    #[error("{}: the weights do not fit the config ({} problems)\n{}", path.display(), problems.len(), list(problems))]
    Weights {
        /// The checkpoint folder.
        path: PathBuf,
        /// One line each.
        problems: Vec<String>,
    },
    /// The requested device cannot be used by this build or machine.
    #[error("device `{device}` is not usable: {reason}")]
    Device {
        /// The device asked for.
        device: String,
        /// Why not.
        reason: String,
    },
    /// A clip's media could not be decoded.
    #[error(transparent)]
    Media(#[from] MediaError),
    /// The prompt cannot be built for this clip.
    #[error(transparent)]
    Prompt(#[from] PromptError),
    /// The request cannot be answered, for example a coalition with a modality that the clip lacks.
    #[error("{message}")]
    Request {
        /// What was asked and what is possible.
        message: String,
        /// What to do about it.
        hint: &'static str,
    },
    /// The model computes no numbers that could be compared.
    #[error("{}: the letters' logits are {letter_logits:?}, expected finite numbers", path.display())]
    NotFinite {
        /// The checkpoint folder.
        path: PathBuf,
        /// Logits of A to E.
        letter_logits: [f32; 5],
    },
    /// What looks at the decision row, or steers it, found what it cannot act on.
    #[error(transparent)]
    Hook(HookError),
    /// The tensor engine failed.
    #[error("tensor engine: {}", first_line(.0))]
    Engine(candle_core::Error),
}

impl From<candle_core::Error> for ModelError {
    /// Errors of hooks come out of the engine as they went in.
    fn from(error: candle_core::Error) -> Self {
        match error {
            candle_core::Error::WrappedContext { wrapped, context } => {
                match wrapped.downcast::<HookError>() {
                    Ok(found) => Self::Hook(*found),
                    Err(wrapped) => Self::Engine(candle_core::Error::WrappedContext { wrapped, context }),
                }
            }
            other => Self::Engine(other),
        }
    }
}

impl ModelError {
    pub(crate) fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }

    pub(crate) fn config(path: &Path, message: impl Into<String>) -> Self {
        Self::Config { path: path.to_owned(), message: message.into() }
    }

    pub(crate) fn request(message: impl Into<String>, hint: &'static str) -> Self {
        Self::Request { message: message.into(), hint }
    }

    /// The same error with the file named, for requests that fail on a medium whose file the callee does not know.
    pub(crate) fn in_file(self, file: &Path) -> Self {
        match self {
            Self::Request { message, hint } => {
                Self::Request { message: format!("{}: {message}", file.display()), hint }
            }
            other => other,
        }
    }

    pub(crate) fn tokenizer(path: &Path, message: impl Into<String>) -> Self {
        Self::Tokenizer { path: path.to_owned(), message: message.into() }
    }

    /// What the user can do, where something can be said.
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Io { .. } => {
                "give --model a Hugging Face model folder with config.json, tokenizer.json and *.safetensors"
            }
            Self::Config { .. } => "compare the file with that of the released checkpoint",
            Self::UnsupportedModel { .. } => {
                "run `emomm models` for the list; predictions of other models can be scored from a file"
            }
            Self::Tokenizer { .. } => {
                "copy tokenizer.json from the released checkpoint into the model folder"
            }
            Self::Safetensors { .. } => {
                "the file is incomplete or damaged: download it again and compare its size"
            }
            Self::Gguf { .. } => {
                "convert the thinker's text model of the same checkpoint with llama.cpp's tools, or remove the file: \
                 the decoder is then read from the safetensors files"
            }
            Self::Weights { .. } => {
                "check that config.json and the files of weights belong to the same checkpoint"
            }
            Self::Device { .. } => "run with --device cpu, or build with --features cuda (or metal)",
            Self::Media(error) => return error.hint(),
            Self::Prompt(error) => return Some(error.hint()),
            Self::Request { hint, .. } => hint,
            Self::NotFinite { .. } => "compute in --dtype f32; if that fails too, the weights are damaged",
            Self::Hook(error) => return error.hint.clone(),
            Self::Engine(_) => return None,
        };
        Some(text.to_owned())
    }
}

fn list(problems: &[String]) -> String {
    problems.iter().map(|p| format!("  {p}")).collect::<Vec<_>>().join("\n")
}

/// The engine's message without the stack trace that it adds when `RUST_BACKTRACE` is set.
fn first_line(error: &candle_core::Error) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

/// Result of this crate.
pub type Result<T, E = ModelError> = std::result::Result<T, E>;
