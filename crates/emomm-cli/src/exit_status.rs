//! Exit codes, and the error that carries one.

use std::process::ExitCode;

use emomm_annotate::AnnotateError;
use emomm_chase::ChaseError;
use emomm_dataset::DatasetError;
use emomm_eval::run::RunError;
use emomm_eval::runner::SelectError;
use emomm_eval::{PredictError, PredictErrorKind};
use emomm_media::MediaError;
use emomm_models::ModelError;
use emomm_report::ReportError;

/// How a command ended. The numbers are part of the contract. Where a command keeps no state, an interrupt ends the
/// process with 130 by the shell's own rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExitStatus {
    /// 0: done.
    Done,
    /// 1: finished, but some samples failed or a check did not hold.
    Partial,
    /// 2: wrong usage, or could not start.
    Usage,
    /// 3: bad data: corpora, a benchmark, media or text given by hand.
    Data,
    /// 4: the model: checkpoint, device or computation.
    Model,
    /// 130: interrupted in a state that can be resumed.
    Interrupted,
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(match status {
            ExitStatus::Done => 0,
            ExitStatus::Partial => 1,
            ExitStatus::Usage => 2,
            ExitStatus::Data => 3,
            ExitStatus::Model => 4,
            ExitStatus::Interrupted => 130,
        })
    }
}

/// Why a command ended early: what happened, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) status: ExitStatus,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

impl Failure {
    pub(crate) fn new(status: ExitStatus, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), hint: None }
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl From<ModelError> for Failure {
    fn from(error: ModelError) -> Self {
        match error {
            ModelError::Media(error) => error.into(),
            ModelError::Prompt(_) => {
                Self { status: ExitStatus::Data, hint: error.hint(), message: error.to_string() }
            }
            error => Self { status: ExitStatus::Model, hint: error.hint(), message: error.to_string() },
        }
    }
}

impl From<MediaError> for Failure {
    fn from(error: MediaError) -> Self {
        let status = if error.is_of_ffmpeg() { ExitStatus::Usage } else { ExitStatus::Data };
        Self { status, hint: error.hint(), message: error.to_string() }
    }
}

impl From<PredictError> for Failure {
    fn from(error: PredictError) -> Self {
        let status = match error.kind {
            PredictErrorKind::Setup => ExitStatus::Usage,
            PredictErrorKind::Request | PredictErrorKind::Media => ExitStatus::Data,
            PredictErrorKind::Exhausted => ExitStatus::Interrupted,
            _ => ExitStatus::Model,
        };
        Self { status, hint: error.hint, message: error.message }
    }
}

impl From<ChaseError> for Failure {
    fn from(error: ChaseError) -> Self {
        let status = match error {
            ChaseError::Model(error) => return error.into(),
            ChaseError::Setting { .. } | ChaseError::SteeringFile { .. } | ChaseError::Needs { .. } => {
                ExitStatus::Usage
            }
            ChaseError::Io { .. } | ChaseError::Artifact { .. } | ChaseError::Empty { .. } => {
                ExitStatus::Data
            }
            _ => ExitStatus::Model,
        };
        Self { status, hint: error.hint(), message: error.to_string() }
    }
}

impl From<DatasetError> for Failure {
    fn from(error: DatasetError) -> Self {
        let status = match error {
            DatasetError::Option { .. } => ExitStatus::Usage,
            _ => ExitStatus::Data,
        };
        Self { status, hint: error.hint(), message: error.to_string() }
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        let status = match error {
            RunError::NoRun { .. }
            | RunError::Line { .. }
            | RunError::Version { .. }
            | RunError::Tensors { .. } => ExitStatus::Data,
            _ => ExitStatus::Usage,
        };
        Self { status, hint: error.hint(), message: error.to_string() }
    }
}

impl From<SelectError> for Failure {
    fn from(error: SelectError) -> Self {
        let status = match error {
            SelectError::NoRoot(_) => ExitStatus::Data,
            _ => ExitStatus::Usage,
        };
        Self { status, hint: Some(error.hint()), message: error.to_string() }
    }
}

impl From<AnnotateError> for Failure {
    fn from(error: AnnotateError) -> Self {
        let status = match error {
            AnnotateError::Media(error) => return error.into(),
            AnnotateError::Dataset(error) => return error.into(),
            AnnotateError::Project { .. } | AnnotateError::Version { .. } | AnnotateError::Row { .. } => {
                ExitStatus::Data
            }
            _ => ExitStatus::Usage,
        };
        Self { status, hint: error.hint(), message: error.to_string() }
    }
}

impl From<ReportError> for Failure {
    fn from(error: ReportError) -> Self {
        let hint = error.hint();
        let status = match &error {
            ReportError::Run(RunError::NoRun { .. } | RunError::Line { .. } | RunError::Version { .. }) => {
                ExitStatus::Data
            }
            ReportError::Run(_) | ReportError::Io { .. } | ReportError::TooLarge { .. } => ExitStatus::Usage,
            _ => ExitStatus::Data,
        };
        Self { status, hint, message: error.to_string() }
    }
}
