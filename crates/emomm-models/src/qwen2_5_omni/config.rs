//! `config.json` of Qwen2.5-Omni: the full model with `thinker_config` inside, or the thinker alone; `rope_scaling`
//! of the released files or `rope_parameters` of newer writers.

use std::path::Path;

use serde_json::Value;

use crate::audio::AudioConfig;
use crate::config_section::{MOST_IDS, MOST_LAYERS, MOST_PATCH, MOST_WIDTH, Section};
use crate::decoder::DecoderConfig;
use crate::error::{ModelError, Result};
use crate::vision::VitConfig;

/// `model_type` of the full model.
pub const FULL_MODEL_TYPE: &str = "qwen2_5_omni";
/// `model_type` of the thinker alone.
pub const THINKER_MODEL_TYPE: &str = "qwen2_5_omni_thinker";

/// Shape of the thinker and its token ids.
#[derive(Debug, Clone, PartialEq)]
pub struct OmniConfig {
    /// The decoder.
    pub decoder: DecoderConfig,
    /// The vision tower.
    pub vision: VitConfig,
    /// The audio tower.
    pub audio: AudioConfig,
    /// Placeholder of one audio token.
    pub audio_token: u32,
    /// Placeholder of one video token.
    pub video_token: u32,
    /// Position ids for each second of media.
    pub position_id_per_seconds: u32,
    /// Longest prompt and reply together, in tokens.
    pub max_tokens: usize,
}

/// `max_position_embeddings` of the released models, for a config that does not say.
const DEFAULT_MAX_TOKENS: usize = 32_768;

impl OmniConfig {
    /// Reads `config.json`.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|e| ModelError::io(path, e))?;
        Self::parse(path, &text)
    }

    /// Parses the text of a `config.json`; `path` only serves the messages.
    pub fn parse(path: &Path, text: &str) -> Result<Self> {
        let json: Value = serde_json::from_str(text).map_err(|e| ModelError::config(path, e.to_string()))?;
        let object = json.as_object().ok_or_else(|| ModelError::config(path, "expected a JSON object"))?;
        let root = Section { path, name: String::new(), object };
        let thinker =
            if object.contains_key("thinker_config") { root.child("thinker_config")? } else { root };
        let decoder = decoder_config(&thinker)?;
        decoder
            .validate()
            .map_err(|e| ModelError::config(path, format!("{}: {e}", thinker.field("text_config"))))?;
        let config = Self {
            vision: vision_config(&thinker.child("vision_config")?)?,
            audio: audio_config(&thinker.child("audio_config")?)?,
            audio_token: token_id(&thinker, "audio_token_index", "audio_token_id")?,
            video_token: token_id(&thinker, "video_token_index", "video_token_id")?,
            position_id_per_seconds: thinker.size("position_id_per_seconds")? as u32,
            max_tokens: thinker.child("text_config")?.size_up_to_or(
                "max_position_embeddings",
                MOST_IDS,
                DEFAULT_MAX_TOKENS,
            )?,
            decoder,
        };
        config.validate_widths(path)?;
        Ok(config)
    }

    fn validate_widths(&self, path: &Path) -> Result<()> {
        let hidden = self.decoder.hidden_size;
        for (name, width) in [
            ("vision_config.out_hidden_size", self.vision.out_hidden_size),
            ("audio_config.output_dim", self.audio.output_dim),
        ] {
            if width != hidden {
                let message = format!("`{name}` is {width}, expected the decoder's hidden size {hidden}");
                return Err(ModelError::config(path, message));
            }
        }
        Ok(())
    }
}

fn token_id(thinker: &Section, field: &str, other: &str) -> Result<u32> {
    let field =
        if thinker.object.contains_key(field) || !thinker.object.contains_key(other) { field } else { other };
    Ok(thinker.size_up_to(field, MOST_IDS)? as u32)
}

fn decoder_config(thinker: &Section) -> Result<DecoderConfig> {
    let text = thinker.child("text_config")?;
    text.expect_word("hidden_act", &["silu"])?;
    if text.flag_or("use_sliding_window", false) {
        return Err(text.missing("use_sliding_window", "false: sliding windows are not supported"));
    }
    let n_heads = text.size("num_attention_heads")?;
    let hidden_size = text.size("hidden_size")?;
    let head_dim = text.size_or("head_dim", hidden_size / n_heads.max(1))?;
    let (rope_theta, rope_sections) = rope(&text, head_dim)?;
    Ok(DecoderConfig {
        vocab_size: text.size_up_to("vocab_size", MOST_IDS)?,
        hidden_size,
        intermediate_size: text.size("intermediate_size")?,
        n_layers: text.size_up_to("num_hidden_layers", MOST_LAYERS)?,
        n_heads,
        n_kv_heads: text.size_or("num_key_value_heads", n_heads)?,
        head_dim,
        rms_norm_eps: text.number("rms_norm_eps").ok_or_else(|| text.missing("rms_norm_eps", "a number"))?,
        rope_theta,
        rope_sections,
        qkv_bias: true,
        qk_norm: false,
        tied_embeddings: thinker.flag_or("tie_word_embeddings", false)
            || text.flag_or("tie_word_embeddings", false),
    })
}

/// θ and the sections from `rope_parameters`, or from `rope_scaling` with `rope_theta` beside it.
fn rope(text: &Section, head_dim: usize) -> Result<(f64, Vec<usize>)> {
    let spelling = ["rope_parameters", "rope_scaling"]
        .into_iter()
        .find(|f| text.object.get(*f).is_some_and(Value::is_object));
    let Some(spelling) = spelling else {
        let theta = text.number("rope_theta").ok_or_else(|| text.missing("rope_theta", "a number"))?;
        return Ok((theta, vec![head_dim / 2]));
    };
    let rope = text.child(spelling)?;
    for kind in ["rope_type", "type"] {
        rope.expect_word(kind, &["default", "mrope"])?;
    }
    let theta = rope.number("rope_theta").or_else(|| text.number("rope_theta"));
    let theta = theta.ok_or_else(|| text.missing("rope_theta", "a number, here or in `rope_parameters`"))?;
    let sections = rope
        .sizes("mrope_section")
        .ok_or_else(|| rope.missing("mrope_section", "a list of whole numbers"))?;
    Ok((theta, sections))
}

fn vision_config(vision: &Section) -> Result<VitConfig> {
    vision.expect_word("hidden_act", &["silu"])?;
    let full_attention_blocks = vision
        .sizes("fullatt_block_indexes")
        .ok_or_else(|| vision.missing("fullatt_block_indexes", "a list of block indexes"))?;
    let config = VitConfig {
        depth: vision.size_up_to("depth", MOST_LAYERS)?,
        hidden_size: vision.size("hidden_size")?,
        intermediate_size: vision.size("intermediate_size")?,
        n_heads: vision.size("num_heads")?,
        in_channels: vision.size_or("in_channels", vision.size_or("in_chans", 3)?)?,
        patch_size: vision.size_up_to("patch_size", MOST_PATCH)?,
        temporal_patch_size: vision.size_up_to("temporal_patch_size", MOST_PATCH)?,
        spatial_merge_size: vision.size_up_to("spatial_merge_size", MOST_PATCH)?,
        window_size: vision.size("window_size")?,
        out_hidden_size: vision.size("out_hidden_size")?,
        full_attention_blocks,
    };
    let positive = [
        ("num_heads", config.n_heads),
        ("patch_size", config.patch_size),
        ("temporal_patch_size", config.temporal_patch_size),
        ("spatial_merge_size", config.spatial_merge_size),
    ];
    for (field, value) in positive {
        if value == 0 {
            return Err(vision.missing(field, "at least 1"));
        }
    }
    if config.hidden_size * config.merge_unit() > MOST_WIDTH {
        let expected = format!("hidden_size times its square to be at most {MOST_WIDTH}");
        return Err(vision.missing("spatial_merge_size", &expected));
    }
    if config.in_channels != 3 {
        return Err(vision.missing("in_channels", "3 colour channels"));
    }
    if !config.hidden_size.is_multiple_of(4 * config.n_heads) {
        return Err(vision.missing("hidden_size", "a multiple of 4 · num_heads"));
    }
    Ok(config)
}

fn audio_config(audio: &Section) -> Result<AudioConfig> {
    audio.expect_word("activation_function", &["gelu"])?;
    let config = AudioConfig {
        num_mel_bins: audio.size("num_mel_bins")?,
        n_layers: audio.size_up_to("encoder_layers", MOST_LAYERS)?,
        n_heads: audio.size("encoder_attention_heads")?,
        ffn_dim: audio.size("encoder_ffn_dim")?,
        d_model: audio.size("d_model")?,
        n_window: audio.size("n_window")?,
        output_dim: audio.size("output_dim")?,
    };
    for (field, value) in [("num_mel_bins", config.num_mel_bins), ("n_window", config.n_window)] {
        if value == 0 {
            return Err(audio.missing(field, "at least 1"));
        }
    }
    if config.n_heads == 0
        || !config.d_model.is_multiple_of(config.n_heads)
        || !config.d_model.is_multiple_of(2)
    {
        return Err(audio.missing("d_model", "an even number and a multiple of encoder_attention_heads"));
    }
    Ok(config)
}
