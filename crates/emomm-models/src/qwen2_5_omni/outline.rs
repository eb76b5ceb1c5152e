//! Prompts of Qwen2.5-Omni without its weights.

use std::path::Path;

use emomm_eval::prompt::Prompt;
use emomm_media::{VideoScan, Waveform, sample_frames};

use super::chat::{MediaShape, prompt_row};
use super::config::OmniConfig;
use super::positions::seconds_per_grid;
use super::processor::{FrameScale, log_mel};
use super::settings::ProcessorConfig;
use super::tokenizer::OmniTokenizer;
use crate::audio::AudioConfig;
use crate::error::Result;
use crate::front_end::MediaReader;
use crate::prompt_size::Outline;
use crate::prompt_tree::PromptRow;
use crate::vision::Grid;

/// Decoding goes on this much longer than the sound that is used, so that the resampler has its surroundings.
const SOUND_MARGIN_SECONDS: f64 = 1.0;

/// What lays a prompt out.
pub(crate) struct OmniOutline {
    config: OmniConfig,
    processor: ProcessorConfig,
    tokenizer: OmniTokenizer,
}

impl OmniOutline {
    /// Reads a checkpoint folder.
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        let config = OmniConfig::read(&folder.join("config.json"))?;
        let tokenizer = OmniTokenizer::read(&folder.join("tokenizer.json"), config.decoder.vocab_size)?;
        Ok(Self { config, processor: ProcessorConfig::read(folder)?, tokenizer })
    }
}

impl Outline for OmniOutline {
    fn video(&self, reader: &MediaReader, video: &Path) -> Result<Grid> {
        let (scan, indices) = chosen(&self.processor, reader, video)?;
        Ok(scaled(&self.config, &self.processor, reader, &scan, indices.len(), video)?.1)
    }

    fn audio(&self, reader: &MediaReader, audio: &Path) -> Result<usize> {
        let waveform = sound(&self.processor, reader, audio)?;
        Ok(AudioConfig::tokens(log_mel(&waveform, &self.processor)?.n_frames))
    }

    fn row(&self, prompt: &Prompt, video: Option<Grid>, audio_tokens: usize) -> Result<PromptRow> {
        let shape = MediaShape { grid: video, audio_tokens, ..media_shape(&self.config) };
        prompt_row(prompt, &self.tokenizer, &shape)
    }
}

/// A video's frames that are shown, by their numbers.
pub(super) fn chosen(
    processor: &ProcessorConfig,
    reader: &MediaReader,
    video: &Path,
) -> Result<(VideoScan, Vec<usize>)> {
    let scan = reader.scan(video)?;
    let sampling = processor.video.sampling(reader.sampling);
    let indices = sample_frames(scan.total_frames(), scan.avg_fps, &scan.times_seconds, &sampling)
        .map_err(|e| e.in_file(video))?;
    Ok((scan, indices))
}

/// How `count` frames of a video are scaled, and the patches that they give.
pub(super) fn scaled(
    config: &OmniConfig,
    processor: &ProcessorConfig,
    reader: &MediaReader,
    scan: &VideoScan,
    count: usize,
    video: &Path,
) -> Result<(FrameScale, Grid)> {
    let size = (scan.width, reader.picture.subtitles.visible_height(scan.height));
    let side = config.vision.patch_size * config.vision.spatial_merge_size;
    let scale = FrameScale::new(size, count, processor, side).map_err(|e| e.in_file(video))?;
    let grid = scale.grid(count, &config.vision);
    Ok((scale, grid))
}

/// The part of a file's sound that is used, and a little more.
pub(super) fn sound(processor: &ProcessorConfig, reader: &MediaReader, audio: &Path) -> Result<Waveform> {
    let rate = processor.sample_rate_hz;
    let used_seconds = processor.max_samples as f64 / f64::from(rate);
    reader.sound(audio, rate, used_seconds + SOUND_MARGIN_SECONDS)
}

/// Shape of a clip without media, for [`prompt_row`].
pub(super) fn media_shape(config: &OmniConfig) -> MediaShape {
    MediaShape {
        grid: None,
        merge: config.vision.spatial_merge_size,
        seconds_per_grid: seconds_per_grid(config.vision.temporal_patch_size),
        audio_tokens: 0,
        position_id_per_seconds: config.position_id_per_seconds,
    }
}
