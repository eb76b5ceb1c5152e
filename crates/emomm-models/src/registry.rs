//! Which loader opens which checkpoint: one line for each model.

use std::path::Path;

use candle_core::{DType, Device};
use emomm_eval::Predictor;
use emomm_media::{DecodeLimits, SamplingMode};

use crate::device::{ComputeType, DeviceKind};
use crate::error::{ModelError, Result};
use crate::front_end::MediaReader;
use crate::picture::PictureView;
use crate::predictor::ClipPredictor;
use crate::prompt_size::Outline;
use crate::qwen2_5_omni::{self, Omni};
use crate::vita_1_5::{self, Vita};
use crate::weights::Weights;
use crate::white_box::WhiteBox;

/// A model that a checkpoint folder may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SupportedModel {
    /// `model_type` of `config.json`.
    pub model_type: &'static str,
    /// Name of the model.
    pub name: &'static str,
    /// What is available: attention, hidden states, steering.
    pub access: &'static str,
}

/// All models that [`open`] knows.
pub const SUPPORTED: [SupportedModel; 3] = [
    SupportedModel {
        model_type: qwen2_5_omni::FULL_MODEL_TYPE,
        name: "Qwen2.5-Omni (thinker; speech output is skipped)",
        access: "logits, attention, hidden states, steering",
    },
    SupportedModel {
        model_type: qwen2_5_omni::THINKER_MODEL_TYPE,
        name: "Qwen2.5-Omni thinker",
        access: "logits, attention, hidden states, steering",
    },
    SupportedModel {
        model_type: vita_1_5::MODEL_TYPE,
        name: "VITA-1.5",
        access: "logits, attention, hidden states, steering",
    },
];

/// How to load a model and how to decode its media.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// Where to compute.
    pub device: DeviceKind,
    /// In which type.
    pub dtype: ComputeType,
    /// How frames are chosen.
    pub sampling: SamplingMode,
    /// Limits on decoding.
    pub limits: DecodeLimits,
}

/// A checkpoint as its headers describe it, without reading weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelSummary {
    /// `model_type` of `config.json`.
    pub model_type: String,
    /// Parameters that are loaded.
    pub parameters: u64,
    /// Bytes of those in the files.
    pub stored_bytes: u64,
    /// Parameters of matrices, which may be kept in two bytes.
    pub matrix_parameters: u64,
    /// Bytes of the matrices in the files.
    pub matrix_stored_bytes: u64,
    /// Parameters of the matrices of the decoder's layers.
    pub layer_parameters: u64,
    /// Parameters of the embedding and the output matrix.
    pub vocabulary_parameters: u64,
    /// Bytes of both in the files.
    pub decoder_stored_bytes: u64,
    /// Decoder layers L.
    pub n_layers: usize,
    /// Query heads H.
    pub n_heads: usize,
    /// Width d.
    pub hidden_size: usize,
    /// Bytes of keys and values for each token, per byte of the compute type.
    pub cache_values_per_token: u64,
}

impl ModelSummary {
    /// Bytes of the weights in memory.
    ///
    /// On the processor `f32` keeps matrices that are stored in two bytes as they are, and what is no matrix is f32
    /// whatever the type. Blocks hold the decoder's matrices alone; the towers' stay as they are stored.
    pub fn weight_bytes(&self, device: DeviceKind, dtype: ComputeType) -> u64 {
        if device != DeviceKind::Cpu {
            return self.parameters * dtype.bytes();
        }
        // Of 256 numbers: 8 blocks of 34 bytes, or one of 148.
        let blocks = |layers: u64| (self.layer_parameters * layers + self.vocabulary_parameters * 272) / 256;
        let towers = self.matrix_stored_bytes - self.decoder_stored_bytes;
        let matrices = match dtype {
            ComputeType::F32 => self.matrix_stored_bytes,
            ComputeType::Bf16 | ComputeType::F16 => self.matrix_parameters * dtype.bytes(),
            ComputeType::Q8_0 => towers + blocks(272),
            ComputeType::Q4K => towers + blocks(148),
        };
        matrices + (self.parameters - self.matrix_parameters) * ComputeType::F32.bytes()
    }

    /// Bytes of keys and values of a prompt. On the processor they are f32 whatever the type.
    pub fn cache_bytes(&self, device: DeviceKind, dtype: ComputeType, tokens: u64) -> u64 {
        let dtype = if device == DeviceKind::Cpu { ComputeType::F32 } else { dtype };
        self.cache_values_per_token * dtype.bytes() * tokens
    }
}

/// Loads the model of a checkpoint folder.
pub fn open(folder: &Path, options: &LoadOptions) -> Result<Box<dyn Predictor + Send>> {
    Ok(open_white_box(folder, options)?)
}

/// Loads the model of a checkpoint folder so that its decision rows can be read and steered.
pub fn open_white_box(folder: &Path, options: &LoadOptions) -> Result<Box<dyn WhiteBox + Send>> {
    open_with_picture(folder, options, PictureView::default())
}

/// As [`open_white_box`], for a model that is to see pictures in another way.
pub fn open_with_picture(
    folder: &Path,
    options: &LoadOptions,
    picture: PictureView,
) -> Result<Box<dyn WhiteBox + Send>> {
    let reader = MediaReader::new(options.sampling, options.limits.clone()).with_picture(picture);
    match model_type(folder)?.as_str() {
        qwen2_5_omni::FULL_MODEL_TYPE | qwen2_5_omni::THINKER_MODEL_TYPE => {
            let model = Omni::load(folder, &options.device.open()?, options.dtype.kept())?;
            Ok(Box::new(ClipPredictor::new(model, reader)))
        }
        vita_1_5::MODEL_TYPE => {
            let model = Vita::load(folder, &options.device.open()?, options.dtype.kept())?;
            Ok(Box::new(ClipPredictor::new(model, reader)))
        }
        found => Err(unsupported(folder, found)),
    }
}

/// What lays the prompts of a checkpoint's model out.
pub(crate) fn outline(folder: &Path) -> Result<Box<dyn Outline>> {
    match model_type(folder)?.as_str() {
        qwen2_5_omni::FULL_MODEL_TYPE | qwen2_5_omni::THINKER_MODEL_TYPE => {
            Ok(Box::new(qwen2_5_omni::OmniOutline::read(folder)?))
        }
        vita_1_5::MODEL_TYPE => Ok(Box::new(vita_1_5::VitaOutline::read(folder)?)),
        found => Err(unsupported(folder, found)),
    }
}

/// Reads config and headers of a checkpoint folder.
pub fn inspect(folder: &Path) -> Result<ModelSummary> {
    let model_type = model_type(folder)?;
    let (decoder, weights) = match model_type.as_str() {
        qwen2_5_omni::FULL_MODEL_TYPE | qwen2_5_omni::THINKER_MODEL_TYPE => {
            let config = qwen2_5_omni::OmniConfig::read(&folder.join("config.json"))?;
            let weights = Weights::open(folder, &Device::Cpu, DType::F32, qwen2_5_omni::normalise)?;
            (config.decoder, weights)
        }
        vita_1_5::MODEL_TYPE => {
            let config = vita_1_5::VitaConfig::read(folder)?;
            let weights = vita_1_5::open_weights(folder, &config, &Device::Cpu, DType::F32)?;
            (config.decoder, weights)
        }
        found => return Err(unsupported(folder, found)),
    };
    Ok(ModelSummary {
        model_type,
        parameters: weights.parameters(),
        stored_bytes: weights.stored_bytes(),
        matrix_parameters: weights.matrix_parameters(),
        matrix_stored_bytes: weights.matrix_stored_bytes(),
        layer_parameters: weights.layer_parameters(),
        vocabulary_parameters: weights.decoder_parameters() - weights.layer_parameters(),
        decoder_stored_bytes: weights.decoder_stored_bytes(),
        n_layers: decoder.n_layers,
        n_heads: decoder.n_heads,
        hidden_size: decoder.hidden_size,
        cache_values_per_token: (2 * decoder.n_layers * decoder.n_kv_heads * decoder.head_dim) as u64,
    })
}

fn model_type(folder: &Path) -> Result<String> {
    let path = folder.join("config.json");
    let text = std::fs::read_to_string(&path).map_err(|e| ModelError::io(&path, e))?;
    let json: serde_json::Value =
        serde_json::from_str(&text).map_err(|e| ModelError::config(&path, e.to_string()))?;
    let found = json.get("model_type").and_then(serde_json::Value::as_str);
    let found =
        found.ok_or_else(|| ModelError::config(&path, "no field `model_type`, expected a model's name"))?;
    Ok(found.to_owned())
}

fn unsupported(folder: &Path, found: &str) -> ModelError {
    ModelError::UnsupportedModel {
        path: folder.join("config.json"),
        found: found.to_owned(),
        expected: "qwen2_5_omni, qwen2_5_omni_thinker, vita-Qwen2",
    }
}
