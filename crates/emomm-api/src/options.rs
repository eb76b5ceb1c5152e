//! How a served model is asked: what decides an answer, and what does not.

use std::path::PathBuf;
use std::time::Duration;

use emomm_media::DecodeLimits;
use serde::{Deserialize, Serialize};

/// How the picture goes to an OpenAI-compatible server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VideoForm {
    /// As a video where the server takes one, else as frames.
    #[default]
    Auto,
    /// `video_url`: the server chooses the frames.
    VideoUrl,
    /// `image_url` parts, one a frame, chosen here: another condition than a video.
    Frames,
}

impl VideoForm {
    /// The word of the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::VideoUrl => "video_url",
            Self::Frames => "frames",
        }
    }
}

/// What decides an answer beside clip, prompt and model. All of it stands in the settings of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// Frames a second that Gemini takes of a video.
    pub fps: f64,
    /// How the picture goes to an OpenAI-compatible server.
    pub video: VideoForm,
    /// Frames that are sent where frames are sent; their number for a `video_url` too, if the server listens.
    pub frames: Option<usize>,
    /// Height of frames that are sent, in pixels.
    pub frame_height: usize,
    /// Sampling temperature; the server's own without it.
    pub temperature: Option<f64>,
    /// Seed of the first asking; each further one adds one. None is sent without it.
    pub seed: Option<u64>,
    /// Whether the reply is held to the eleven replies that the prompt allows.
    pub constrain: bool,
    /// Askings of every question.
    pub repeats: usize,
    /// Gemini's `thinkingLevel`.
    pub thinking: Option<String>,
    /// Gemini's `mediaResolution`: `low`, `medium` or `high`.
    pub resolution: Option<String>,
}

impl Default for Condition {
    fn default() -> Self {
        Self {
            fps: 1.0,
            video: VideoForm::Auto,
            frames: None,
            frame_height: 448,
            temperature: None,
            seed: None,
            constrain: false,
            repeats: 1,
            thinking: None,
            resolution: None,
        }
    }
}

/// Which replies that were kept are used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeptReplies {
    /// All: to go on.
    #[default]
    All,
    /// Those that hold an answer: to ask again for what has none. A record without an answer rests on none of these, so
    /// they came after it, and their record was lost.
    Answers,
    /// None: to ask anew.
    None,
}

/// How the server is reached and spared. None of it changes an answer.
#[derive(Debug, Clone)]
pub struct Access {
    /// File of the key; the environment without it.
    pub key_file: Option<PathBuf>,
    /// Another server than the name's own.
    pub base_url: Option<String>,
    /// `off`, or the address of a proxy; the environment's without it.
    pub proxy: Option<String>,
    /// Certificates to trust, PEM, instead of the public ones.
    pub ca_file: Option<PathBuf>,
    /// Longest time to connect.
    pub connect_timeout: Duration,
    /// Longest time for one request, its reply included.
    pub request_timeout: Duration,
    /// Further tries after the first; the format's own number without it.
    pub retries: Option<usize>,
    /// Requests in a minute.
    pub requests_per_minute: Option<u32>,
    /// Tokens in a minute, prompts and replies.
    pub tokens_per_minute: Option<u32>,
    /// Requests at a time: the limit that is found by trying never exceeds it.
    pub most_at_once: usize,
    /// Most US dollars of the whole run, earlier sessions included.
    pub max_cost: Option<f64>,
    /// Price table; the built-in one without it.
    pub prices: Option<PathBuf>,
    /// Whether clips may leave the machine.
    pub consent: bool,
    /// Larger media go through Gemini's Files API.
    pub inline_limit_bytes: u64,
    /// Limits on decoding.
    pub limits: DecodeLimits,
    /// Which replies that were kept before are used again.
    pub reuses: KeptReplies,
}

impl Default for Access {
    fn default() -> Self {
        Self {
            key_file: None,
            base_url: None,
            proxy: None,
            ca_file: None,
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_mins(10),
            retries: None,
            requests_per_minute: None,
            tokens_per_minute: None,
            most_at_once: 256,
            max_cost: None,
            prices: None,
            consent: false,
            inline_limit_bytes: 20_000_000,
            limits: DecodeLimits::default(),
            reuses: KeptReplies::All,
        }
    }
}
