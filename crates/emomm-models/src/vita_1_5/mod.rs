//! VITA-1.5: InternViT, the Whale speech encoder and a Qwen2 decoder.
//!
//! Only what is this model's own lies here: configuration, preprocessing, projector, chat format. The towers and the
//! decoder are shared.

mod chat;
mod config;
mod front_end;
mod outline;
mod plain_yaml;
mod processor;

use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use emomm_media::{KaldiFbank, LogFbank};

pub use chat::{MediaTokens, prompt_row, render};
pub use config::{AudioPlace, MODEL_TYPE, SETTINGS_FILE, StateToken, VitaConfig, VitaSettings};
pub(crate) use outline::VitaOutline;
pub use processor::{features, filter_bank, frame_indices, patchify};

use crate::audio::{Whale, WhaleConfig};
use crate::chat_tokenizer::ChatTokenizer;
use crate::cpu;
use crate::decoder::Decoder;
use crate::error::{ModelError, Result};
use crate::layout::N_GROUPS;
use crate::linear::Linear;
use crate::vision::InternVit;
use crate::weights::{Kept, Weights};
use config::SHUFFLE;

/// Factor on the vision tower's states. It is the scale of the pixel shuffle, applied to the numbers as well; the authors'
/// own serving code does the same, and the projector was trained with it.
const STATE_FACTOR: f64 = 0.5;

/// The loaded model.
pub struct Vita {
    /// Shape, settings, folders.
    pub config: VitaConfig,
    /// Tokenizer.
    pub tokenizer: ChatTokenizer,
    /// The decoder.
    pub decoder: Decoder,
    filter_bank: KaldiFbank,
    towers: Towers,
    folder: PathBuf,
}

struct Towers {
    vision: InternVit,
    /// Two layers with a Gaussian unit between them.
    projector: [Linear; 2],
    audio: Whale,
}

impl Vita {
    /// Loads a checkpoint folder. The vision tower's weights are taken from it, or, where it has none, from the tower's own
    /// folder.
    pub fn load(folder: &Path, device: &Device, kept: impl Into<Kept>) -> Result<Self> {
        let config = VitaConfig::read(folder)?;
        let tokenizer = outline::tokenizer(folder, &config)?;
        let weights = open_weights(folder, &config, device, kept)?;
        load_parts(&weights, &config)?;
        let weights = weights.check()?;
        let (decoder, towers) = load_parts(&weights, &config)?;
        let filter_bank = filter_bank(&config)?;
        Ok(Self { config, tokenizer, decoder, filter_bank, towers, folder: folder.to_owned() })
    }

    /// The checkpoint folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Video tokens of one frame.
    pub fn tokens_of_frame(&self) -> usize {
        self.config.vision.patches() / (SHUFFLE * SHUFFLE)
    }

    /// Video embeddings of frames as [`patchify`] gives them, one after another.
    ///
    /// # Shapes
    /// → `[frames · tokens_of_frame, hidden]`
    pub fn encode_video(&self, patches: &[f32]) -> Result<Tensor> {
        let vit = &self.config.vision;
        let rows = patches.len() / vit.patch_dim().max(1);
        let pixels = Tensor::from_slice(patches, (rows, vit.patch_dim()), self.decoder.device())?;
        let states = self.towers.vision.forward(&pixels.to_dtype(self.decoder.dtype())?)?;
        let shuffled = shuffle(&(states * STATE_FACTOR)?, vit.side())?;
        let [first, second] = &self.towers.projector;
        Ok(second.forward(&cpu::gelu(&first.forward(&shuffled)?)?)?)
    }

    /// Audio embeddings.
    ///
    /// # Shapes
    /// → `[WhaleConfig::tokens(frames), hidden]`
    ///
    /// # Errors
    /// A sound too short for one token (seven feature frames, 85 ms) is refused.
    pub fn encode_audio(&self, features: &LogFbank) -> Result<Tensor> {
        if WhaleConfig::tokens(features.n_frames) == 0 {
            return Err(ModelError::request(
                format!("the sound has {} feature frames, expected at least 7", features.n_frames),
                "evaluate this clip without the audio modality",
            ));
        }
        let shape = (features.n_frames, features.n_mels);
        let x = Tensor::from_slice(&features.data, shape, self.decoder.device())?;
        Ok(self.towers.audio.forward(&x.to_dtype(self.decoder.dtype())?)?)
    }

    /// Features of a sound.
    pub fn features(&self, samples: &[f32]) -> Result<LogFbank> {
        features(samples, &self.filter_bank)
    }
}

/// Four neighbouring states become one row, in the order of the reference's pixel shuffle.
///
/// # Shapes
/// `[frames, side², d]` → `[frames · side² / 4, 4 d]`
fn shuffle(states: &Tensor, side: usize) -> candle_core::Result<Tensor> {
    let (frames, _, d) = states.dims3()?;
    let half = side / SHUFFLE;
    let x = states.reshape((frames, side, half, SHUFFLE * d))?.permute((0, 2, 1, 3))?.contiguous()?;
    let x = x.reshape((frames, half, half, SHUFFLE * SHUFFLE * d))?.permute((0, 2, 1, 3))?.contiguous()?;
    x.reshape((frames * half * half, SHUFFLE * SHUFFLE * d))
}

fn load_parts(weights: &Weights, config: &VitaConfig) -> Result<(Decoder, Towers)> {
    let decoder = Decoder::load(weights, config.decoder.clone(), N_GROUPS)?;
    let hidden = config.decoder.hidden_size;
    let shuffled = config.vision.hidden_size * SHUFFLE * SHUFFLE;
    let projector = [
        Linear::load(weights, "mm_projector.0", shuffled, hidden, true)?,
        Linear::load(weights, "mm_projector.2", hidden, hidden, true)?,
    ];
    let vision = InternVit::load(weights, "vision", config.vision.clone())?;
    let audio = Whale::load(weights, "audio", config.audio.clone())?;
    Ok((decoder, Towers { vision, projector, audio }))
}

/// The weights of all parts, wherever they lie.
pub(crate) fn open_weights(
    folder: &Path,
    config: &VitaConfig,
    device: &Device,
    kept: impl Into<Kept>,
) -> Result<Weights> {
    let weights = Weights::open(folder, device, kept, normalise)?;
    if weights.contains("vision.embeddings.class_embedding") {
        return Ok(weights);
    }
    // The pooling head of a classifier, if the tower's folder has one, is no part of the tower.
    let tower = |name: &str| {
        let part = name.starts_with("embeddings.") || name.starts_with("encoder.");
        part.then(|| format!("vision.{name}"))
    };
    weights.and_open(&config.vision_folder, tower)
}

/// Names of the released checkpoint as the loaders ask for them.
fn normalise(name: &str) -> Option<String> {
    if name.ends_with("rotary_emb.inv_freq") {
        return None;
    }
    let parts = [
        ("model.vision_tower.vision_tower.", "vision."),
        ("model.mm_projector.", "mm_projector."),
        ("model.audio_encoder.", "audio."),
    ];
    let renamed =
        parts.iter().find_map(|(from, to)| name.strip_prefix(from).map(|rest| format!("{to}{rest}")));
    Some(renamed.unwrap_or_else(|| name.to_owned()))
}
