//! What can go wrong between features and a steered decision.

use std::path::{Path, PathBuf};

use emomm_models::ModelError;
use emomm_models::decoder::HookError;
use thiserror::Error;

/// What a variant may lack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lacking {
    /// A router.
    Router,
    /// The router's clean reading of the sample.
    CleanStep,
    /// The router's outputs for another sample.
    OtherSamples,
    /// Labels of the sample's modalities.
    Labels,
    /// The mean gate of the training samples of its coalition.
    MeanGate,
}

impl std::fmt::Display for Lacking {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Router => "a router",
            Self::CleanStep => "a clean decision step",
            Self::OtherSamples => "router outputs of other samples",
            Self::Labels => "labels of the modalities",
            Self::MeanGate => "a mean gate from training",
        })
    }
}

impl Lacking {
    /// What to do about it.
    fn hint(self) -> &'static str {
        match self {
            Self::Router | Self::CleanStep => {
                "train a router with `emomm chase train`, or leave this variant out"
            }
            Self::OtherSamples => {
                "select more clips, and coalitions that hold two modalities, or leave this variant out"
            }
            Self::Labels => "build the benchmark with labels of the modalities, or leave this variant out",
            Self::MeanGate => {
                "train the router on masked copies, too, or leave out this variant or coalition"
            }
        }
    }
}

/// An error of this crate. The message says what was found, what was expected and where; [`ChaseError::hint`] says what to
/// do.
#[derive(Debug, Error)]
pub enum ChaseError {
    /// A field of the steering or training settings has an impossible value.
    #[error("`{field}` is {found}, expected {expected}")]
    Setting {
        /// Name of the field.
        field: &'static str,
        /// The value.
        found: String,
        /// What it may be.
        expected: String,
    },
    /// A steering file could not be read.
    #[error("{}: {message}", path.display())]
    SteeringFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// A router was trained on another model.
    #[error("{}: the router was trained on model {found}, expected {expected}", path.display())]
    OtherModel {
        /// The router's folder.
        path: PathBuf,
        /// Digest that the router names.
        found: String,
        /// Digest of the loaded model.
        expected: String,
    },
    /// A router or a feature cache is of another version or shape.
    #[error("{}: {message}", path.display())]
    Artifact {
        /// The file or folder.
        path: PathBuf,
        /// What was found and what was expected.
        message: String,
    },
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A number that should be finite is not.
    #[error("{place} is {found}, expected a finite number")]
    NotFinite {
        /// Which number, in which layer, counted from 1, and head, counted from 0.
        place: String,
        /// The number.
        found: f32,
    },
    /// A variant needs what is not there: a router, a tuned file, labels, readings of other samples.
    #[error("variant `{variant}` needs {needs}")]
    Needs {
        /// Name of the variant.
        variant: String,
        /// What is missing.
        needs: Lacking,
    },
    /// There is nothing to train on or to report.
    #[error("{what}: found none, expected at least one")]
    Empty {
        /// What is missing.
        what: &'static str,
    },
    /// The model failed.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The tensor engine failed.
    #[error("tensor engine: {0}")]
    Engine(#[from] candle_core::Error),
}

impl ChaseError {
    pub(crate) fn setting(
        field: &'static str,
        found: impl std::fmt::Display,
        expected: impl Into<String>,
    ) -> Self {
        Self::Setting { field, found: found.to_string(), expected: expected.into() }
    }

    pub(crate) fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }

    pub(crate) fn artifact(path: &Path, message: impl Into<String>) -> Self {
        Self::Artifact { path: path.to_owned(), message: message.into() }
    }

    /// The same of a row that biases have moved: it is the steering that must change first.
    pub(crate) fn of_steered_row(self) -> Self {
        match self {
            Self::NotFinite { .. } => {
                let hint =
                    "the row is finite without this steering: lower its strengths and biases".to_owned();
                ModelError::Hook(HookError { message: self.to_string(), hint: Some(hint) }).into()
            }
            other => other,
        }
    }

    /// What the user can do, where something can be said.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Model(error) => error.hint(),
            other => other.own_hint().map(str::to_owned),
        }
    }

    /// The hint of an error of this crate itself.
    pub(crate) fn own_hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Setting { .. } | Self::SteeringFile { .. } => {
                "names and ranges of options and of steering files stand in docs/contract.md under `emomm chase`"
            }
            Self::OtherModel { .. } => "train a router for this model with `emomm chase train`",
            Self::Artifact { .. } => {
                "remove it, and write it again with `emomm chase features` or `emomm chase train`"
            }
            Self::Io { .. } => "check the path and its permissions",
            Self::NotFinite { .. } => "compute in --dtype f32; if that fails too, the weights are damaged",
            Self::Needs { needs, .. } => needs.hint(),
            Self::Empty { .. } => "choose another split, or a benchmark with labels of the modalities",
            Self::Model(_) | Self::Engine(_) => return None,
        })
    }
}

/// The error in the model's own type, as its visitors return it.
pub fn model_error(error: ChaseError) -> ModelError {
    match error {
        ChaseError::Model(error) => error,
        ChaseError::Engine(error) => error.into(),
        // What the user asked for, found to be impossible once the model is there.
        ref asked @ (ChaseError::Setting { .. } | ChaseError::Needs { .. }) => {
            ModelError::Request { message: asked.to_string(), hint: asked.own_hint().unwrap_or_default() }
        }
        other => ModelError::Hook(other.into()),
    }
}

impl From<ChaseError> for HookError {
    fn from(error: ChaseError) -> Self {
        Self { message: error.to_string(), hint: error.hint() }
    }
}

impl From<ChaseError> for candle_core::Error {
    /// For hooks, whose errors pass through the tensor engine.
    fn from(error: ChaseError) -> Self {
        match error {
            ChaseError::Engine(error) => error,
            other => HookError::from(other).into(),
        }
    }
}

/// Result of this crate.
pub type Result<T, E = ChaseError> = std::result::Result<T, E>;
