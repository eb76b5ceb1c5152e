//! Options of models behind servers: how they are reached, and how they are asked.

use std::path::PathBuf;

use clap::Args;
use emomm_api::{Access, ApiError, Condition, KeptReplies, ServedName, VideoForm};
use emomm_media::DecodeLimits;
use serde::Deserialize;

use crate::commands::eval::Seconds;
use crate::exit_status::{ExitStatus, Failure};

/// Requests at a time without `--jobs`: a server answers many at once.
pub(crate) const SERVED_JOBS: u32 = 8;

/// Tokens of a reply without `--max-new-tokens`: a model that thinks before it writes needs room.
pub(crate) const SERVED_TOKENS: u32 = 1024;

/// How a server is reached and spared. None of it changes an answer.
#[derive(Debug, Clone, Default, Args, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct AccessArgs {
    /// Served models: file of the key, readable by you alone; the environment without it
    #[arg(long, value_name = "FILE", help_heading = "Served models")]
    pub(crate) api_key_file: Option<PathBuf>,
    /// Another server than the model's name says
    #[arg(long, value_name = "URL", help_heading = "Served models")]
    pub(crate) base_url: Option<String>,
    /// Proxy, or off; the environment's without it
    #[arg(long, value_name = "URL|off", help_heading = "Served models")]
    pub(crate) proxy: Option<String>,
    /// Certificates to trust instead of the public ones, PEM
    #[arg(long, value_name = "FILE", help_heading = "Served models")]
    pub(crate) ca_file: Option<PathBuf>,
    /// Longest time to connect in seconds, 10 without this option
    #[arg(long, value_name = "SECONDS", help_heading = "Served models")]
    #[serde(deserialize_with = "crate::commands::eval::word")]
    pub(crate) connect_timeout: Option<Seconds>,
    /// Longest time for one request in seconds, 600 without this option
    #[arg(long, value_name = "SECONDS", help_heading = "Served models")]
    #[serde(deserialize_with = "crate::commands::eval::word")]
    pub(crate) request_timeout: Option<Seconds>,
    /// Further tries after the first; 4 for Gemini and 2 for others without this option
    #[arg(long, value_name = "N", help_heading = "Served models", value_parser = clap::value_parser!(u32).range(0..=100))]
    pub(crate) retries: Option<u32>,
    /// Requests in a minute; no limit without it
    #[arg(long, value_name = "N", help_heading = "Served models", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) requests_per_minute: Option<u32>,
    /// Tokens in a minute, prompts and replies; no limit without it
    #[arg(long, value_name = "N", help_heading = "Served models", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) tokens_per_minute: Option<u32>,
    /// Most US dollars of the whole run: it stops before it could be more
    #[arg(long, value_name = "USD", help_heading = "Served models")]
    pub(crate) max_cost: Option<f64>,
    /// Price table, TOML; the built-in one without it
    #[arg(long, value_name = "FILE", help_heading = "Served models")]
    pub(crate) prices: Option<PathBuf>,
    /// Agree that faces, voices and words of the clips are sent to the server
    #[arg(long, help_heading = "Served models")]
    pub(crate) consent_upload: bool,
    /// Larger media of a question go through Gemini's Files API: megabytes, 20 without this option
    #[arg(long, value_name = "MB", help_heading = "Served models")]
    pub(crate) inline_limit: Option<u64>,
}

/// How a server is asked. All of it is part of the plan.
#[derive(Debug, Clone, Default, Args, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct ConditionArgs {
    /// Askings of every question; the record's answer is that of the first
    #[arg(long, value_name = "K", help_heading = "Served models", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) repeats: Option<u32>,
    /// Sampling temperature; the server's own without it
    #[arg(long, value_name = "T", help_heading = "Served models")]
    pub(crate) temperature: Option<f64>,
    /// Hold replies to the eleven that the prompt allows
    #[arg(long, help_heading = "Served models")]
    pub(crate) constrain: bool,
    /// How pictures are sent: auto, video_url or frames; auto sends frames where the server takes no video
    #[arg(long, value_name = "FORM", help_heading = "Served models", value_parser = crate::cli::word::<VideoForm>)]
    pub(crate) video_as: Option<VideoForm>,
    /// Frames of a video: 8 where frames are sent, else as the server chooses
    #[arg(long, value_name = "N", help_heading = "Served models", value_parser = clap::value_parser!(u32).range(1..=512))]
    pub(crate) video_frames: Option<u32>,
    /// Frames a second that Gemini takes of a video, 1 without this option
    #[arg(long, value_name = "F", help_heading = "Served models")]
    pub(crate) fps: Option<f64>,
    /// Gemini's thinking level, for example low or high
    #[arg(long, value_name = "LEVEL", help_heading = "Served models", value_parser = ["minimal", "low", "medium", "high"])]
    pub(crate) thinking: Option<String>,
    /// Gemini's media resolution
    #[arg(long, value_name = "NAME", help_heading = "Served models", value_parser = ["low", "medium", "high"])]
    pub(crate) media_resolution: Option<String>,
}

impl AccessArgs {
    /// These words, and those of a file where these are silent.
    pub(crate) fn or(self, file: Self) -> Self {
        Self {
            api_key_file: self.api_key_file.or(file.api_key_file),
            base_url: self.base_url.or(file.base_url),
            proxy: self.proxy.or(file.proxy),
            ca_file: self.ca_file.or(file.ca_file),
            connect_timeout: self.connect_timeout.or(file.connect_timeout),
            request_timeout: self.request_timeout.or(file.request_timeout),
            retries: self.retries.or(file.retries),
            requests_per_minute: self.requests_per_minute.or(file.requests_per_minute),
            tokens_per_minute: self.tokens_per_minute.or(file.tokens_per_minute),
            max_cost: self.max_cost.or(file.max_cost),
            prices: self.prices.or(file.prices),
            consent_upload: self.consent_upload || file.consent_upload,
            inline_limit: self.inline_limit.or(file.inline_limit),
        }
    }

    /// How the server is reached, with so many requests at a time.
    pub(crate) fn access(&self, jobs: usize, reuses: KeptReplies) -> Access {
        let usual = Access::default();
        Access {
            key_file: self.api_key_file.clone(),
            base_url: self.base_url.clone(),
            proxy: self.proxy.clone(),
            ca_file: self.ca_file.clone(),
            connect_timeout: self.connect_timeout.map_or(usual.connect_timeout, |s| s.0),
            request_timeout: self.request_timeout.map_or(usual.request_timeout, |s| s.0),
            retries: self.retries.map(|n| n as usize),
            requests_per_minute: self.requests_per_minute,
            tokens_per_minute: self.tokens_per_minute,
            most_at_once: jobs,
            max_cost: self.max_cost,
            prices: self.prices.clone(),
            consent: self.consent_upload,
            inline_limit_bytes: self
                .inline_limit
                .map_or(usual.inline_limit_bytes, |mb| mb.saturating_mul(1_000_000)),
            limits: DecodeLimits::default(),
            reuses,
        }
    }
}

impl ConditionArgs {
    /// These words, and those of a file where these are silent.
    pub(crate) fn or(self, file: Self) -> Self {
        Self {
            repeats: self.repeats.or(file.repeats),
            temperature: self.temperature.or(file.temperature),
            constrain: self.constrain || file.constrain,
            video_as: self.video_as.or(file.video_as),
            video_frames: self.video_frames.or(file.video_frames),
            fps: self.fps.or(file.fps),
            thinking: self.thinking.or(file.thinking),
            media_resolution: self.media_resolution.or(file.media_resolution),
        }
    }

    /// How the server is asked.
    pub(crate) fn condition(&self, seed: Option<u64>) -> Condition {
        let usual = Condition::default();
        Condition {
            fps: self.fps.unwrap_or(usual.fps),
            video: self.video_as.unwrap_or(usual.video),
            frames: self.video_frames.map(|n| n as usize),
            frame_height: usual.frame_height,
            temperature: self.temperature,
            seed,
            constrain: self.constrain,
            repeats: self.repeats.map_or(1, |n| n as usize),
            thinking: self.thinking.clone(),
            resolution: self.media_resolution.clone(),
        }
    }
}

/// The served model that a word names; `None` for a folder.
pub(crate) fn name_of(model: &std::path::Path) -> Result<Option<ServedName>, Failure> {
    match model.to_str().filter(|word| ServedName::is_one(word)) {
        None => Ok(None),
        Some(word) => word.parse().map(Some).map_err(|e: String| {
            Failure::new(ExitStatus::Usage, format!("--model: {e}"))
                .with_hint("for example openai:http://127.0.0.1:8000/v1#Qwen/Qwen2.5-Omni-7B")
        }),
    }
}

/// What a served model cannot do.
pub(crate) fn not_available(option: &str) -> Failure {
    Failure::new(ExitStatus::Usage, format!("{option} is not available: the model is behind a server"))
        .with_hint("leave it out, or load a checkpoint folder")
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        let status = match error {
            ApiError::Server { .. } => ExitStatus::Model,
            _ => ExitStatus::Usage,
        };
        Self { status, hint: error.hint(), message: error.to_string() }
    }
}
