//! What a model adds to the shared decoder: its towers, its preprocessing, its chat format.
//!
//! [`crate::predictor::ClipPredictor`] does the rest for every front end alike: coalitions, prompt tree, decision row,
//! hooks, reply.

use std::cell::OnceCell;
use std::path::Path;

use candle_core::Tensor;
use emomm_eval::MediaRecord;
use emomm_eval::prompt::Prompt;
use emomm_media::{
    DecodeLimits, Ffmpeg, RgbImage, SamplingMode, VideoScan, Waveform, decode_audio, read_frames, scan_video,
};
use serde::{Deserialize, Serialize};

use crate::decoder::Decoder;
use crate::error::Result;
use crate::media_cache::MediaCache;
use crate::picture::{PersonReading, PersonTokens, PictureView};
use crate::prompt_tree::PromptRow;
use crate::vision::Grid;

/// How files are decoded: ffmpeg, looked up on first use, and what the caller allows.
#[derive(Debug)]
pub struct MediaReader {
    ffmpeg: OnceCell<Ffmpeg>,
    /// How frames are chosen.
    pub sampling: SamplingMode,
    /// Limits on each file.
    pub limits: DecodeLimits,
    /// What is done to pictures.
    pub picture: PictureView,
    /// Decoded media that runs share; `None` to decode every time.
    pub media: Option<MediaCache>,
}

impl MediaReader {
    /// Nothing is looked up yet.
    pub fn new(sampling: SamplingMode, limits: DecodeLimits) -> Self {
        Self { ffmpeg: OnceCell::new(), sampling, limits, picture: PictureView::default(), media: None }
    }

    /// The same with something done to pictures.
    #[must_use]
    pub fn with_picture(self, picture: PictureView) -> Self {
        Self { picture, ..self }
    }

    /// A reader of the same settings for another thread.
    #[must_use]
    pub fn another(&self) -> Self {
        let media = self.media.clone();
        Self { media, ..Self::new(self.sampling, self.limits.clone()).with_picture(self.picture.clone()) }
    }

    /// As [`emomm_media::scan_video`], from what runs share where it is there.
    pub fn scan(&self, video: &Path) -> Result<VideoScan> {
        let ffmpeg = self.ffmpeg()?;
        Ok(match &self.media {
            Some(media) => media.scan(ffmpeg, video, &self.limits)?,
            None => scan_video(ffmpeg, video, &self.limits)?,
        })
    }

    /// As [`emomm_media::read_frames`], from what runs share where it is there.
    pub fn frames(
        &self,
        video: &Path,
        scan: &VideoScan,
        indices: &[usize],
        take: impl FnMut(RgbImage),
    ) -> Result<Vec<String>> {
        // Frames are shrunk one at a time as they come, so the limit on decoded bytes would count what is not kept.
        let limits = DecodeLimits { max_bytes: u64::MAX, ..self.limits.clone() };
        let ffmpeg = self.ffmpeg()?;
        Ok(match &self.media {
            Some(media) => media.frames(ffmpeg, video, scan, indices, &limits, take)?,
            None => read_frames(ffmpeg, video, scan, indices, &limits, take)?,
        })
    }

    /// As [`emomm_media::decode_audio`] of the first `seconds`, from what runs share where it is there.
    pub fn sound(&self, audio: &Path, sample_rate_hz: u32, seconds: f64) -> Result<Waveform> {
        let limits = DecodeLimits { max_output_seconds: Some(seconds), ..self.limits.clone() };
        let ffmpeg = self.ffmpeg()?;
        Ok(match &self.media {
            Some(media) => media.sound(ffmpeg, audio, sample_rate_hz, &limits)?,
            None => decode_audio(ffmpeg, audio, sample_rate_hz, &limits)?,
        })
    }

    /// The decoder.
    pub fn ffmpeg(&self) -> Result<&Ffmpeg> {
        if let Some(found) = self.ffmpeg.get() {
            return Ok(found);
        }
        let found = Ffmpeg::locate()?;
        Ok(self.ffmpeg.get_or_init(|| found))
    }
}

/// A medium of one clip after its tower.
#[derive(Debug, Clone)]
pub struct Encoded {
    /// `[tokens, hidden]`
    pub embeddings: Tensor,
    /// Patches of a video before merging, where the model has such a grid.
    pub grid: Option<Grid>,
    /// The visual tokens that `embeddings` has, by their number in the grid; `None` for all.
    pub kept: Option<Vec<u32>>,
    /// Visual tokens that the decision row may not attend to, by their number in the grid.
    pub suppressed: Vec<u32>,
    /// What the visual tokens of the whole picture show, where somebody looked.
    pub regions: Regions,
    /// What was decoded and how.
    pub record: MediaRecord,
}

/// For each visual token of the whole picture whether it shows a region, in the order of reading.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Regions {
    /// The person; `None` where nobody looked.
    pub person: Option<Vec<bool>>,
    /// The face; `None` where it is not known.
    pub face: Option<Vec<bool>>,
}

impl Encoded {
    /// A whole medium as its tower gives it.
    pub(crate) fn whole(embeddings: Tensor, grid: Option<Grid>, record: MediaRecord) -> Self {
        let regions = Regions::default();
        Self { embeddings, grid, kept: None, suppressed: Vec::new(), regions, record }
    }

    /// What is left of a picture in a person-only reading. Without a person, or with nothing else, all is left.
    pub(crate) fn reading_person(
        self,
        reading: Option<PersonReading>,
        person: &PersonTokens,
    ) -> candle_core::Result<Self> {
        let this = Self { regions: person.regions(), ..self };
        match reading {
            Some(PersonReading::Drop) => {
                let Some(kept) = person.numbers(true) else { return Ok(this) };
                let numbers = Tensor::from_slice(&kept, kept.len(), this.embeddings.device())?;
                Ok(Self { embeddings: this.embeddings.index_select(&numbers, 0)?, kept: Some(kept), ..this })
            }
            Some(PersonReading::Suppress) => {
                Ok(Self { suppressed: person.numbers(false).unwrap_or_default(), ..this })
            }
            Some(PersonReading::Blank | PersonReading::Observe) | None => Ok(this),
        }
    }
}

/// The encoded media that a prompt shows; `None` for what its coalition lacks.
#[derive(Debug, Clone, Copy, Default)]
pub struct Evidence<'a> {
    /// The picture.
    pub video: Option<&'a Encoded>,
    /// The voice.
    pub audio: Option<&'a Encoded>,
}

/// A model's own part.
pub trait FrontEnd: Send + Sync {
    /// The decoder that reads the rows.
    fn decoder(&self) -> &Decoder;

    /// The checkpoint folder, for messages.
    fn folder(&self) -> &Path;

    /// Ids of the bare letters A to E, id(ℓ) of Eq. (22).
    fn letters(&self) -> [u32; 5];

    /// Ids of those letters with a space before them; `None` for what is not one token.
    fn spaced_letters(&self) -> [Option<u32>; 5];

    /// Ids that end a reply.
    fn stop_tokens(&self) -> &[u32];

    /// Text of generated tokens.
    fn text(&self, ids: &[u32]) -> Result<String>;

    /// Side of the square of patches that make one visual token.
    fn patches_per_side(&self) -> usize;

    /// Longest prompt and reply together, in tokens.
    fn max_tokens(&self) -> usize;

    /// Decodes and encodes a video's picture.
    ///
    /// # Errors
    /// A clip whose tokens alone exceed [`FrontEnd::max_tokens`] is refused before its frames are decoded.
    fn see(&self, reader: &MediaReader, video: &Path) -> Result<Encoded>;

    /// Decodes what [`FrontEnd::see`] will ask for, so that it is kept.
    fn look_ahead(&self, reader: &MediaReader, video: &Path) -> Result<()>;

    /// Decodes what [`FrontEnd::hear`] will ask for, so that it is kept.
    fn listen_ahead(&self, reader: &MediaReader, audio: &Path) -> Result<()>;

    /// Decodes and encodes a file's sound.
    fn hear(&self, reader: &MediaReader, audio: &Path) -> Result<Encoded>;

    /// The token that stands for each token of a blank transcript.
    fn blank_token(&self) -> Result<u32>;

    /// Embeddings of black frames in the number and size of a video's own: as many rows as its whole picture has.
    fn black(&self, like: &Encoded) -> Result<Tensor>;

    /// Embeddings of silence as long as a file's own sound.
    fn silence(&self, like: &Encoded) -> Result<Tensor>;

    /// The prompt as the tokenizer would get it, with one placeholder for each medium.
    fn render(&self, prompt: &Prompt) -> String;

    /// The prompt as tokens, positions and token classes.
    fn row(&self, prompt: &Prompt, evidence: Evidence<'_>) -> Result<PromptRow>;
}
