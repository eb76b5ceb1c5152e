//! Prompts of VITA-1.5 without its weights.

use std::path::Path;

use emomm_eval::prompt::Prompt;
use emomm_media::{KaldiFbank, LogFbank, Waveform};

use super::chat::{self, MediaTokens, prompt_row};
use super::config::{SHUFFLE, VitaConfig};
use super::processor::{features, filter_bank, frame_indices};
use crate::audio::WhaleConfig;
use crate::chat_tokenizer::ChatTokenizer;
use crate::error::Result;
use crate::front_end::MediaReader;
use crate::prompt_size::Outline;
use crate::prompt_tree::PromptRow;
use crate::vision::Grid;

/// Longest sound that is used: the encoder's table of positions ends at 5000 rows of 40 ms.
pub(super) const MOST_SECONDS: f64 = 199.0;
/// Decoding goes on this much longer than the sound that is used, so that the resampler has its surroundings.
const SOUND_MARGIN_SECONDS: f64 = 1.0;

/// What lays a prompt out.
pub(crate) struct VitaOutline {
    config: VitaConfig,
    tokenizer: ChatTokenizer,
    filter_bank: KaldiFbank,
}

impl VitaOutline {
    /// Reads a checkpoint folder.
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        let config = VitaConfig::read(folder)?;
        let (tokenizer, filter_bank) = (tokenizer(folder, &config)?, filter_bank(&config)?);
        Ok(Self { config, tokenizer, filter_bank })
    }
}

impl Outline for VitaOutline {
    fn video(&self, reader: &MediaReader, video: &Path) -> Result<Grid> {
        let scan = reader.scan(video)?;
        Ok(grid(&self.config, frame_indices(scan.total_frames(), scan.avg_fps).len()))
    }

    fn audio(&self, reader: &MediaReader, audio: &Path) -> Result<usize> {
        let waveform = sound(&self.config, reader, audio)?;
        let found: LogFbank = features(used(&self.config, &waveform), &self.filter_bank)?;
        Ok(WhaleConfig::tokens(found.n_frames))
    }

    fn row(&self, prompt: &Prompt, video: Option<Grid>, audio_tokens: usize) -> Result<PromptRow> {
        let media = MediaTokens { video: video.map_or(0, visual_tokens), audio: audio_tokens };
        prompt_row(prompt, &self.tokenizer, media, self.config.settings)
    }
}

/// The tokenizer of a checkpoint folder.
pub(super) fn tokenizer(folder: &Path, config: &VitaConfig) -> Result<ChatTokenizer> {
    ChatTokenizer::read(
        &folder.join("tokenizer.json"),
        config.decoder.vocab_size,
        &[chat::IM_START, chat::IM_END, chat::END_OF_TEXT],
        &[chat::IM_END, chat::END_OF_TEXT],
    )
}

/// Patches of so many frames.
pub(super) fn grid(config: &VitaConfig, frames: usize) -> Grid {
    Grid { t: frames, h: config.vision.side(), w: config.vision.side() }
}

/// Visual tokens of a grid.
pub(super) fn visual_tokens(grid: Grid) -> usize {
    grid.patches() / (SHUFFLE * SHUFFLE)
}

/// The part of a file's sound that is used, and a little more.
pub(super) fn sound(config: &VitaConfig, reader: &MediaReader, audio: &Path) -> Result<Waveform> {
    reader.sound(audio, config.sample_rate_hz, MOST_SECONDS + SOUND_MARGIN_SECONDS)
}

/// The samples that are used.
pub(super) fn used<'a>(config: &VitaConfig, waveform: &'a Waveform) -> &'a [f32] {
    let most = (MOST_SECONDS * f64::from(config.sample_rate_hz)) as usize;
    &waveform.samples[..waveform.samples.len().min(most)]
}
