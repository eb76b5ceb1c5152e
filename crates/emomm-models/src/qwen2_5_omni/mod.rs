//! Qwen2.5-Omni: the thinker with its two towers.
//!
//! Only what is this model's own lies here: config names, preprocessing, chat format, positions. The towers and the
//! decoder are shared.

mod chat;
mod config;
mod front_end;
mod outline;
mod positions;
mod processor;
mod settings;
mod tokenizer;
pub mod untrained;

use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};

pub use chat::{MediaShape, prompt_row, render};
pub use config::{FULL_MODEL_TYPE, OmniConfig, THINKER_MODEL_TYPE};
pub(crate) use outline::OmniOutline;
pub use positions::{Run, seconds_per_grid, tmrope};
pub use processor::{FrameScale, Patches, log_mel, patchify, scale_frames};
pub use settings::{ProcessorConfig, SETTINGS_FILE, VideoSettings, smart_resize};
pub use tokenizer::OmniTokenizer;

use crate::audio::{AudioConfig, Qwen2_5Audio};
use crate::decoder::Decoder;
use crate::error::{ModelError, Result};
use crate::layout::N_GROUPS;
use crate::vision::Qwen2_5Vit;
use crate::weights::{Kept, Weights};

/// The loaded model.
pub struct Omni {
    /// Shape and token ids.
    pub config: OmniConfig,
    /// Preprocessing.
    pub processor: ProcessorConfig,
    /// Tokenizer.
    pub tokenizer: OmniTokenizer,
    /// The decoder.
    pub decoder: Decoder,
    vision: Qwen2_5Vit,
    audio: Qwen2_5Audio,
    folder: PathBuf,
}

impl Omni {
    /// Loads a checkpoint folder in the Hugging Face layout.
    pub fn load(folder: &Path, device: &Device, kept: impl Into<Kept>) -> Result<Self> {
        let config = OmniConfig::read(&folder.join("config.json"))?;
        let processor = ProcessorConfig::read(folder)?;
        if processor.mel_bands != config.audio.num_mel_bins {
            let message = format!(
                "`audio_config.num_mel_bins` is {}, expected the preprocessor's `feature_size` {}",
                config.audio.num_mel_bins, processor.mel_bands
            );
            return Err(ModelError::config(&folder.join("config.json"), message));
        }
        let tokenizer = OmniTokenizer::read(&folder.join("tokenizer.json"), config.decoder.vocab_size)?;
        tokenizer.expect_placeholders(config.audio_token, config.video_token)?;
        // Names and shapes are checked against the headers first, so that a wrong checkpoint is refused before anything
        // is read.
        let weights = Weights::open(folder, device, kept, normalise)?;
        load_parts(&weights, &config)?;
        let weights = weights.check()?;
        let (decoder, vision, audio) = load_parts(&weights, &config)?;
        Ok(Self { config, processor, tokenizer, decoder, vision, audio, folder: folder.to_owned() })
    }

    /// The checkpoint folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Video embeddings.
    ///
    /// # Shapes
    /// → `[patches / merge unit, hidden]`
    pub fn encode_video(&self, patches: &Patches) -> Result<Tensor> {
        let shape = (patches.grid.patches(), self.config.vision.patch_dim());
        let pixels = Tensor::from_slice(&patches.data, shape, self.decoder.device())?;
        Ok(self.vision.forward(&pixels.to_dtype(self.decoder.dtype())?, patches.grid)?)
    }

    /// Audio embeddings.
    ///
    /// # Shapes
    /// `mel [bands][frames]` → `[AudioConfig::tokens(frames), hidden]`
    ///
    /// # Errors
    /// A sound too short for one token (three mel frames, 30 ms) is refused.
    pub fn encode_audio(&self, mel: &[f32], frames: usize) -> Result<Tensor> {
        if AudioConfig::tokens(frames) == 0 {
            return Err(ModelError::request(
                format!("the sound has {frames} spectrogram frames, expected at least 3"),
                "evaluate this clip without the audio modality",
            ));
        }
        let mel = Tensor::from_slice(mel, (self.config.audio.num_mel_bins, frames), self.decoder.device())?;
        Ok(self.audio.forward(&mel.to_dtype(self.decoder.dtype())?)?)
    }

    /// Shape of a clip without media, for [`prompt_row`].
    pub fn media_shape(&self) -> MediaShape {
        outline::media_shape(&self.config)
    }

    /// Size of the side of a merge group in pixels.
    pub fn merge_pixels(&self) -> usize {
        self.config.vision.patch_size * self.config.vision.spatial_merge_size
    }
}

fn load_parts(weights: &Weights, config: &OmniConfig) -> Result<(Decoder, Qwen2_5Vit, Qwen2_5Audio)> {
    let decoder = Decoder::load(weights, config.decoder.clone(), N_GROUPS)?;
    let vision = Qwen2_5Vit::load(weights, config.vision.clone())?;
    let audio = Qwen2_5Audio::load(weights, config.audio.clone())?;
    Ok((decoder, vision, audio))
}

/// Names with and without the `thinker.` prefix are one; speech output is another component.
pub(crate) fn normalise(name: &str) -> Option<String> {
    let other = ["talker.", "token2wav."];
    let buffers =
        ["rotary_emb.inv_freq", "rotary_pos_emb.inv_freq", "positional_embedding.positional_embedding"];
    if other.iter().any(|p| name.starts_with(p)) || buffers.iter().any(|b| name.ends_with(b)) {
        return None;
    }
    Some(name.strip_prefix("thinker.").unwrap_or(name).to_owned())
}
