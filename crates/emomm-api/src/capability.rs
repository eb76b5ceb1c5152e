//! What a server can do, found by asking it, and kept beside the log so that it is asked once.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::ApiError;
use crate::ledger::SERVED_FOLDER;
use crate::options::VideoForm;

/// The file beside the log.
pub const CAPABILITIES_FILE: &str = "capabilities.json";

/// How a server takes sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AudioForm {
    /// OpenAI's own.
    #[default]
    InputAudio,
    /// vLLM's other.
    AudioUrl,
}

/// How a server is told the longest length of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LengthField {
    /// All servers but OpenAI's newest models.
    #[default]
    MaxTokens,
    /// OpenAI's newest models.
    MaxCompletionTokens,
}

impl LengthField {
    /// The field's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::MaxTokens => "max_tokens",
            Self::MaxCompletionTokens => "max_completion_tokens",
        }
    }
}

/// What a server was found to do.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Capabilities {
    /// The server and the model that were asked.
    pub server: String,
    /// Whether it refuses fields that it does not know. If not, it may leave out silently what it is asked for.
    pub is_strict: Option<bool>,
    /// Whether it gives log-probabilities of what it writes.
    pub logprobs: bool,
    /// Tokens of the letters A to E, where it gives the probabilities of just these.
    pub letter_ids: Option<Vec<u32>>,
    /// Whether it holds a reply to given choices; null where that was not asked.
    pub choice: Option<bool>,
    /// How it takes a picture; null where that was not asked.
    pub video: Option<VideoForm>,
    /// The form of pictures that it was asked about.
    #[serde(default)]
    pub video_asked: VideoForm,
    /// Whether it takes so many frames of a video as it is asked to; null where that was not asked.
    #[serde(default)]
    pub heeds_frames: Option<bool>,
    /// How it takes sound; null where that was not asked.
    pub audio: Option<AudioForm>,
    /// How it is told the longest length.
    pub length_field: LengthField,
    /// Whether its names for replies differ, so that a reply that comes twice can be noticed.
    pub names_replies: bool,
    /// The model's version, as the server states it.
    pub model_version: Option<String>,
    /// What was noticed.
    pub notes: Vec<String>,
    /// US dollars that asking cost; null without a price.
    pub cost_usd: Option<f64>,
}

impl Capabilities {
    /// What an earlier session of a run found, if it asked the same server about at least as much.
    pub(crate) fn kept(run: &Path, wanted: &Wanted) -> Option<Self> {
        let bytes = std::fs::read(run.join(SERVED_FOLDER).join(CAPABILITIES_FILE)).ok()?;
        let kept: Self = serde_json::from_slice(&bytes).ok()?;
        let is_enough = kept.server == wanted.server
            && (!wanted.video
                || kept.video.is_some_and(|v| v == wanted.form || kept.video_asked == wanted.form))
            // Frames that are sent need no heeding.
            && (!wanted.frames || kept.heeds_frames.is_some() || kept.video == Some(VideoForm::Frames))
            && (!wanted.audio || kept.audio.is_some())
            && (!wanted.choice || kept.choice.is_some());
        is_enough.then_some(kept)
    }

    /// Keeps it beside the log.
    pub(crate) fn keep(&self, run: &Path) -> Result<(), ApiError> {
        let folder = run.join(SERVED_FOLDER);
        let path = folder.join(CAPABILITIES_FILE);
        let fault = |message: String| ApiError::File { path: path.clone(), message };
        let bytes = serde_json::to_vec_pretty(self).map_err(|e| fault(e.to_string()))?;
        let beside = path.with_extension("part");
        std::fs::create_dir_all(&folder)
            .and_then(|()| std::fs::write(&beside, bytes))
            .and_then(|()| std::fs::rename(&beside, &path))
            .map_err(|e| fault(e.to_string()))
    }
}

/// What has to be known of a server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) server: String,
    pub(crate) video: bool,
    /// The form that was asked for.
    pub(crate) form: VideoForm,
    /// Whether the server is asked to take so many frames of a video.
    pub(crate) frames: bool,
    pub(crate) audio: bool,
    pub(crate) choice: bool,
}
