//! A small checkpoint with random weights, written in the Hugging Face layout.
//!
//! It has the true architecture and has learnt nothing: its answers are arbitrary. It serves to try the tool and to
//! test loaders without a download, and is called untrained wherever it appears.

use std::collections::HashMap;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::config::OmniConfig;
use super::settings::{SETTINGS_FILE, VideoSettings};
use super::tokenizer::{
    AUDIO, AUDIO_BOS, AUDIO_EOS, END_OF_TEXT, IM_END, IM_START, VIDEO, VISION_BOS, VISION_EOS,
};
use crate::audio::Qwen2_5Audio;
use crate::decoder::Decoder;
use crate::error::{ModelError, Result};
use crate::layout::N_GROUPS;
use crate::vision::Qwen2_5Vit;
use crate::weights::Weights;

/// Special tokens in the order of their ids, which follow the 256 bytes.
const SPECIAL: [&str; 9] =
    [END_OF_TEXT, IM_START, IM_END, AUDIO, AUDIO_BOS, AUDIO_EOS, VISION_BOS, VISION_EOS, VIDEO];
/// Number of bytes, the whole vocabulary beside the special tokens.
const BYTES: u32 = 256;
/// Where the published tokenizer splits words.
const SPLIT: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// Writes an untrained checkpoint into `folder`, which is created if need be.
pub fn write(folder: &Path, seed: u64) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(|e| ModelError::io(folder, e))?;
    let write_json = |name: &str, value: &Value| {
        let path = folder.join(name);
        let text = format!("{value:#}\n");
        std::fs::write(&path, text).map_err(|e| ModelError::io(&path, e))
    };
    let config = config();
    write_json("config.json", &config)?;
    write_json("tokenizer.json", &tokenizer())?;
    write_json("preprocessor_config.json", &preprocessor())?;
    let video = VideoSettings {
        min_pixels: Some(f64::from(112 * 112)),
        max_pixels: Some(f64::from(196 * 196)),
        ..VideoSettings::default()
    };
    write_json(SETTINGS_FILE, &json!({ "video": video }))?;

    let path = folder.join("config.json");
    let shape = OmniConfig::parse(&path, &config.to_string())?;
    // The loaders themselves say which tensors a model of this shape needs.
    let weights = Weights::random(seed);
    Decoder::load(&weights, shape.decoder, N_GROUPS)?;
    Qwen2_5Vit::load(&weights, shape.vision)?;
    Qwen2_5Audio::load(&weights, shape.audio)?;
    let tensors: HashMap<String, candle_core::Tensor> = weights.into_drawn().into_iter().collect();
    candle_core::safetensors::save(&tensors, folder.join("model.safetensors"))?;
    let path = folder.join("README.md");
    let note =
        "# Untrained\n\nRandom weights in the architecture of Qwen2.5-Omni. The answers mean nothing.\n";
    std::fs::write(&path, note).map_err(|e| ModelError::io(&path, e))
}

fn special_id(token: &str) -> u32 {
    BYTES + SPECIAL.iter().position(|t| *t == token).unwrap_or(0) as u32
}

fn config() -> Value {
    json!({
        "architectures": ["Qwen2_5OmniThinkerForConditionalGeneration"],
        "model_type": "qwen2_5_omni_thinker",
        "audio_token_index": special_id(AUDIO),
        "audio_start_token_id": special_id(AUDIO_BOS),
        "audio_end_token_id": special_id(AUDIO_EOS),
        "video_token_index": special_id(VIDEO),
        "vision_start_token_id": special_id(VISION_BOS),
        "vision_end_token_id": special_id(VISION_EOS),
        "position_id_per_seconds": 25,
        "seconds_per_chunk": 2,
        "tie_word_embeddings": false,
        "text_config": {
            "model_type": "qwen2_5_omni_text",
            "vocab_size": BYTES as usize + SPECIAL.len(),
            "hidden_size": 128,
            "intermediate_size": 256,
            "num_hidden_layers": 8,
            "num_attention_heads": 16,
            "num_key_value_heads": 4,
            "head_dim": 16,
            "hidden_act": "silu",
            "rms_norm_eps": 1e-6,
            "rope_theta": 1_000_000.0,
            "rope_scaling": { "mrope_section": [2, 3, 3], "rope_type": "default", "type": "default" }
        },
        "vision_config": {
            "model_type": "qwen2_5_omni_vision_encoder",
            "depth": 4,
            "hidden_size": 64,
            "hidden_act": "silu",
            "intermediate_size": 128,
            "num_heads": 4,
            "in_channels": 3,
            "patch_size": 14,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
            "window_size": 112,
            "out_hidden_size": 128,
            "fullatt_block_indexes": [1, 3]
        },
        "audio_config": {
            "model_type": "qwen2_5_omni_audio_encoder",
            "num_mel_bins": 128,
            "encoder_layers": 2,
            "encoder_attention_heads": 4,
            "encoder_ffn_dim": 128,
            "d_model": 64,
            "activation_function": "gelu",
            "n_window": 100,
            "output_dim": 128
        }
    })
}

fn preprocessor() -> Value {
    json!({
        "feature_extractor_type": "WhisperFeatureExtractor",
        "feature_size": 128,
        "sampling_rate": 16000,
        "n_fft": 400,
        "hop_length": 160,
        "chunk_length": 300,
        "image_processor_type": "Qwen2VLImageProcessor",
        "image_mean": [0.481_454_66, 0.457_827_5, 0.408_210_73],
        "image_std": [0.268_629_54, 0.261_302_58, 0.275_777_11],
        "patch_size": 14,
        "merge_size": 2,
        "temporal_patch_size": 2,
        "processor_class": "Qwen2_5OmniProcessor"
    })
}

/// A byte-level tokenizer without merges: every byte is a token.
fn tokenizer() -> Value {
    let vocab: Map<String, Value> =
        byte_letters().map(|(id, letter)| (letter.to_string(), json!(id))).collect();
    let added: Vec<Value> = SPECIAL
        .iter()
        .map(|token| {
            json!({
                "id": special_id(token), "content": token, "single_word": false, "lstrip": false,
                "rstrip": false, "normalized": false, "special": true
            })
        })
        .collect();
    let byte_level = json!({
        "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false
    });
    json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": added,
        "normalizer": { "type": "NFC" },
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [
                { "type": "Split", "pattern": { "Regex": SPLIT }, "behavior": "Isolated", "invert": false },
                byte_level
            ]
        },
        "post_processor": byte_level,
        "decoder": byte_level,
        "model": {
            "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": "",
            "end_of_word_suffix": "", "fuse_unk": false, "byte_fallback": false, "vocab": vocab, "merges": []
        }
    })
}

/// The byte-level alphabet in the order of its ids: printable bytes stand for themselves, the others for letters
/// from U+0100 on.
fn byte_letters() -> impl Iterator<Item = (u32, char)> {
    let printable = (b'!'..=b'~').chain(0xA1..=0xAC).chain(0xAE..=0xFF).map(char::from);
    let others = (0x100_u32..0x144).filter_map(char::from_u32);
    (0..).zip(printable.chain(others))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alphabet_has_all_bytes() {
        let letters: std::collections::BTreeSet<char> = byte_letters().map(|(_, c)| c).collect();
        assert_eq!(letters.len(), BYTES as usize);
    }

    #[test]
    fn the_checkpoint_loads() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), 1).unwrap();
        let model =
            super::super::Omni::load(folder.path(), &candle_core::Device::Cpu, candle_core::DType::F32);
        assert_eq!(model.unwrap().tokenizer.letters, [32, 33, 34, 35, 36]);
    }
}
