//! `config.json` of VITA-1.5, of its vision tower, `train.yaml` of its speech encoder, and our settings beside them.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::plain_yaml;
use crate::audio::{AdapterActivation, AdapterNorm, WhaleChunks, WhaleConfig};
use crate::config_section::{MOST_IDS, MOST_LAYERS, MOST_PATCH, Section};
use crate::decoder::DecoderConfig;
use crate::error::{ModelError, Result};
use crate::vision::InternVitConfig;

/// `model_type` of the released checkpoint.
pub const MODEL_TYPE: &str = "vita-Qwen2";
/// Our settings in a checkpoint folder.
pub const SETTINGS_FILE: &str = "emomm_settings.json";
/// Settings of the speech encoder, in its folder.
const TRAIN_YAML: &str = "train.yaml";
/// Width of the adapter's convolution where the file names none: the default of the authors' code.
const ADAPTER_KERNEL: usize = 3;
/// Side of a square of tower states that becomes one token: the pixel shuffle by one half.
pub(super) const SHUFFLE: usize = 2;

/// Where the sound stands in the user message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AudioPlace {
    /// After the frames, before the text, as for every other model here: coalitions share prefixes.
    #[default]
    BeforeText,
    /// At the end of the message, as the authors' demonstration puts a spoken question.
    Last,
}

/// The sign that opens the answer and after which the letter is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StateToken {
    /// ☜, the answer to a written question.
    #[default]
    Text,
    /// ☞, the answer to a spoken question.
    Voice,
    /// None: the letter is read where the model itself would write the sign.
    None,
}

impl StateToken {
    /// The sign.
    pub fn sign(self) -> &'static str {
        match self {
            Self::Text => "☜",
            Self::Voice => "☞",
            Self::None => "",
        }
    }
}

/// What the checkpoint leaves open, from the object `vita` of `emomm_settings.json`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VitaSettings {
    /// Where the sound stands.
    pub audio_place: AudioPlace,
    /// The sign before the letter.
    pub state_token: StateToken,
}

/// Shape of the model and where its parts lie.
#[derive(Debug, Clone, PartialEq)]
pub struct VitaConfig {
    /// The decoder.
    pub decoder: DecoderConfig,
    /// The vision tower.
    pub vision: InternVitConfig,
    /// The speech encoder.
    pub audio: WhaleConfig,
    /// Frame length of the filter bank in milliseconds.
    pub frame_length_ms: usize,
    /// Frame shift of the filter bank in milliseconds.
    pub frame_shift_ms: usize,
    /// Sample rate of the filter bank.
    pub sample_rate_hz: u32,
    /// Longest prompt and reply together, in tokens.
    pub max_tokens: usize,
    /// The folder of the vision tower; its weights may lie there.
    pub vision_folder: PathBuf,
    /// Our settings.
    pub settings: VitaSettings,
}

impl VitaConfig {
    /// Reads all files of a checkpoint folder.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("config.json");
        let json = object(&path)?;
        let root = section(&path, &json)?;
        root.expect_word("mm_projector_type", &["mlp2x_gelu"])?;
        root.expect_word("hidden_act", &["silu"])?;
        if root.flag_or("use_sliding_window", false) {
            return Err(root.missing("use_sliding_window", "false: sliding windows are not supported"));
        }
        let n_heads = root.size("num_attention_heads")?;
        let hidden_size = root.size("hidden_size")?;
        let head_dim = root.size_or("head_dim", hidden_size / n_heads.max(1))?;
        let number = |field: &str| root.number(field).ok_or_else(|| root.missing(field, "a number"));
        let decoder = DecoderConfig {
            vocab_size: root.size_up_to("vocab_size", MOST_IDS)?,
            hidden_size,
            intermediate_size: root.size("intermediate_size")?,
            n_layers: root.size_up_to("num_hidden_layers", MOST_LAYERS)?,
            n_heads,
            n_kv_heads: root.size_or("num_key_value_heads", n_heads)?,
            head_dim,
            rms_norm_eps: number("rms_norm_eps")?,
            rope_theta: number("rope_theta")?,
            rope_sections: vec![head_dim / 2],
            qkv_bias: true,
            qk_norm: false,
            tied_embeddings: root.flag_or("tie_word_embeddings", false),
        };
        decoder.validate().map_err(|e| ModelError::config(&path, e))?;
        let vision_folder = part_folder(folder, &root, "mm_vision_tower")?;
        let vision = vision_config(&vision_folder.join("config.json"))?;
        let shuffled = vision.hidden_size * SHUFFLE * SHUFFLE;
        if root.size_or("mm_hidden_size", shuffled)? != shuffled {
            return Err(
                root.missing("mm_hidden_size", &format!("{shuffled}, four widths of the vision tower"))
            );
        }
        let train = part_folder(folder, &root, "mm_audio_encoder")?.join(TRAIN_YAML);
        let text = std::fs::read_to_string(&train).map_err(|e| ModelError::io(&train, e))?;
        let yaml = plain_yaml::parse(&text).map_err(|e| ModelError::config(&train, e))?;
        let yaml = section(&train, &yaml)?;
        let audio = audio_config(&yaml, hidden_size)?;
        let dataset = yaml.child("dataset_conf")?;
        let fbank = dataset.child("fbank_conf")?;
        let bins = fbank.size("num_mel_bins")?;
        if bins != audio.n_mels {
            return Err(fbank.missing("num_mel_bins", &format!("the encoder's input of {}", audio.n_mels)));
        }
        Ok(Self {
            frame_length_ms: fbank.size("frame_length")?,
            frame_shift_ms: fbank.size("frame_shift")?,
            sample_rate_hz: dataset.child("resample_conf")?.size("resample_rate")? as u32,
            max_tokens: root.size_up_to("max_position_embeddings", MOST_IDS)?,
            settings: settings(folder)?,
            decoder,
            vision,
            audio,
            vision_folder,
        })
    }
}

fn object(path: &Path) -> Result<Value> {
    let text = std::fs::read_to_string(path).map_err(|e| ModelError::io(path, e))?;
    serde_json::from_str(&text).map_err(|e| ModelError::config(path, e.to_string()))
}

fn section<'a>(path: &'a Path, json: &'a Value) -> Result<Section<'a>> {
    let object = json.as_object().ok_or_else(|| ModelError::config(path, "expected an object"))?;
    Ok(Section { path, name: String::new(), object })
}

/// The folder of a part: the last name of the path that the config gives, inside the checkpoint or beside it.
fn part_folder(folder: &Path, root: &Section<'_>, field: &str) -> Result<PathBuf> {
    let named = root.object.get(field).and_then(Value::as_str);
    let name = named.and_then(|n| Path::new(n).file_name()).ok_or_else(|| root.missing(field, "a folder"))?;
    let inside = folder.join(name);
    let beside = folder.parent().map(|parent| parent.join(name));
    Ok(match beside {
        Some(beside) if !inside.is_dir() && beside.is_dir() => beside,
        _ => inside,
    })
}

fn vision_config(path: &Path) -> Result<InternVitConfig> {
    let json = object(path)?;
    let vision = section(path, &json)?;
    vision.expect_word("hidden_act", &["gelu"])?;
    vision.expect_word("norm_type", &["layer_norm"])?;
    if vision.flag_or("qk_normalization", false) {
        return Err(vision.missing("qk_normalization", "false"));
    }
    let eps = vision.number("layer_norm_eps");
    let config = InternVitConfig {
        depth: vision.size_up_to("num_hidden_layers", MOST_LAYERS)?,
        hidden_size: vision.size("hidden_size")?,
        intermediate_size: vision.size("intermediate_size")?,
        n_heads: vision.size("num_attention_heads")?,
        in_channels: vision.size_or("num_channels", 3)?,
        image_size: vision.size("image_size")?,
        patch_size: vision.size_up_to("patch_size", MOST_PATCH)?,
        layer_norm_eps: eps.ok_or_else(|| vision.missing("layer_norm_eps", "a number"))?,
        qkv_bias: vision.flag_or("qkv_bias", true),
    };
    if config.patch_size == 0 || !config.image_size.is_multiple_of(SHUFFLE * config.patch_size) {
        return Err(vision.missing("image_size", "an even number of patches"));
    }
    if config.n_heads == 0 || !config.hidden_size.is_multiple_of(config.n_heads) {
        return Err(vision.missing("hidden_size", "a multiple of num_attention_heads"));
    }
    if config.in_channels != 3 {
        return Err(vision.missing("num_channels", "3 colour channels"));
    }
    Ok(config)
}

fn audio_config(train: &Section<'_>, output_dim: usize) -> Result<WhaleConfig> {
    let encoder = train.child("encoder_conf")?;
    let overview = encoder.child("overview_conf")?;
    overview.expect_word("encoder-layer-config", &["subsampling-transformer"])?;
    let parts = encoder.child("para_conf")?;
    let (subsampling, transformer) = (parts.child("subsampling")?, parts.child("transformer")?);
    if subsampling.size_or("subsampling-rate", 4)? != 4 {
        return Err(subsampling.missing("subsampling-rate", "4"));
    }
    transformer.expect_word("transformer-input-layer", &["linear"])?;
    transformer.expect_word("transformer-pos-enc-class", &["rel-enc"])?;
    transformer.expect_word("transformer-positionwise-layer-type", &["linear"])?;
    for (field, expected) in [("transformer-normalize-before", true), ("transformer-concat-after", false)] {
        if transformer.flag_or(field, expected) != expected {
            return Err(transformer.missing(field, if expected { "true" } else { "false" }));
        }
    }
    let whole = |field: &str| transformer.object.get(field).and_then(Value::as_i64);
    // Chunks of random length, as in training, would make the answer a matter of chance: every row sees every row then.
    let dynamic = transformer.flag_or("transformer-dynamic-chunks", true);
    let size = whole("transformer-chunk_size").filter(|size| *size > 0 && !dynamic);
    let chunks = size.map(|size| WhaleChunks {
        size: size as usize,
        left: whole("transformer-left_chunks").filter(|left| *left >= 0).map(|left| left as usize),
    });
    let model = train.child("model_conf")?;
    model.expect_word("adpter_type", &["subsampling"])?;
    model.expect_word("norm", &["batch", "layer"])?;
    model.expect_word("activation_func", &["relu", "gelu"])?;
    let is = |field: &str, word: &str| model.object.get(field).and_then(Value::as_str) == Some(word);
    let width = model.size_or("llm_embed_dim", output_dim)?;
    if width != output_dim {
        return Err(model.missing("llm_embed_dim", &format!("the decoder's hidden size {output_dim}")));
    }
    let config = WhaleConfig {
        n_mels: subsampling.size("subsampling-input-dim")?,
        subsampling_dim: subsampling.size("subsampling-output-dim")?,
        d_model: transformer.size("transformer-attention-dim")?,
        n_layers: transformer.size_up_to("transformer-num-blocks", MOST_LAYERS)?,
        n_heads: transformer.size("transformer-attention-heads")?,
        ffn_dim: transformer.size("transformer-linear-units")?,
        chunks,
        adapter_kernel: model.size_up_to_or("kernel_size", MOST_PATCH, ADAPTER_KERNEL)?,
        adapter_norm: if is("norm", "layer") { AdapterNorm::Layer } else { AdapterNorm::Batch },
        adapter_activation: if is("activation_func", "gelu") {
            AdapterActivation::Gelu
        } else {
            AdapterActivation::Relu
        },
        output_dim,
    };
    if config.n_heads == 0 || !config.d_model.is_multiple_of(config.n_heads) {
        return Err(transformer.missing("transformer-attention-dim", "a multiple of the number of heads"));
    }
    if config.adapter_kernel == 0 || config.n_mels < 7 {
        return Err(model.missing("kernel_size", "at least 1, with an input of at least 7 bands"));
    }
    Ok(config)
}

/// Our settings of a checkpoint folder; the defaults without a file.
fn settings(folder: &Path) -> Result<VitaSettings> {
    #[derive(Deserialize)]
    struct File {
        #[serde(default)]
        vita: VitaSettings,
    }
    let path = folder.join(SETTINGS_FILE);
    if !path.is_file() {
        return Ok(VitaSettings::default());
    }
    let text = std::fs::read_to_string(&path).map_err(|e| ModelError::io(&path, e))?;
    let file: File = serde_json::from_str(&text).map_err(|e| ModelError::config(&path, e.to_string()))?;
    Ok(file.vita)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The settings of a training run as PyYAML writes them, with the sizes that are known of the released encoder; see
    /// `tests/golden/vita_1_5/settings.py`.
    const RELEASED: &str = include_str!("../../../../tests/golden/vita_1_5/train.yaml");
    /// The same by an older PyYAML.
    const IN_BRACES: &str = include_str!("../../../../tests/golden/vita_1_5/train_flow.yaml");

    fn read(text: &str) -> Result<WhaleConfig> {
        let yaml = plain_yaml::parse(text).unwrap();
        let path = Path::new("train.yaml");
        audio_config(&section(path, &yaml)?, 3584)
    }

    /// Every value but the text over several lines, whose breaks become blanks here.
    #[test]
    fn settings_are_read_as_pyyaml_reads_them() {
        let mut expected: Value =
            serde_json::from_str(include_str!("../../../../tests/golden/vita_1_5/train.json")).unwrap();
        let chat = expected["model_conf"].as_object_mut().unwrap().remove("chat_template").unwrap();
        assert!(chat.as_str().unwrap().contains("answer # briefly"));
        for text in [RELEASED, IN_BRACES] {
            let mut found = plain_yaml::parse(text).unwrap();
            let chat = found["model_conf"].as_object_mut().unwrap().remove("chat_template").unwrap();
            assert!(chat.as_str().unwrap().contains("answer # briefly"), "{chat}");
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn a_file_like_the_released_one_is_read() {
        let expected = WhaleConfig {
            n_mels: 80,
            subsampling_dim: 1024,
            d_model: 1024,
            n_layers: 24,
            n_heads: 16,
            ffn_dim: 4096,
            chunks: Some(WhaleChunks { size: 4, left: Some(16) }),
            adapter_kernel: 5,
            adapter_norm: AdapterNorm::Layer,
            adapter_activation: AdapterActivation::Gelu,
            output_dim: 3584,
        };
        assert_eq!(read(RELEASED).unwrap(), expected);
        assert_eq!(read(IN_BRACES).unwrap(), expected);
        // Chunks of random length are a matter of training.
        let dynamic =
            RELEASED.replace("transformer-dynamic-chunks: false", "transformer-dynamic-chunks: true");
        assert_eq!(read(&dynamic).unwrap(), WhaleConfig { chunks: None, ..expected.clone() });
        // What the file leaves out has the defaults of the authors' code.
        let without = |text: &str, key: &str| -> String {
            let kept = text.lines().filter(|line| !line.trim_start().starts_with(key));
            kept.collect::<Vec<_>>().join("\n")
        };
        let short = without(&without(&without(RELEASED, "norm:"), "activation_func:"), "kernel_size:");
        let defaults = WhaleConfig {
            adapter_kernel: 3,
            adapter_norm: AdapterNorm::Batch,
            adapter_activation: AdapterActivation::Relu,
            ..expected
        };
        assert_eq!(read(&short).unwrap(), defaults);
    }

    #[test]
    fn another_encoder_is_refused() {
        for (from, to, named) in [
            ("rel-enc", "abs-enc", "transformer-pos-enc-class"),
            ("adpter_type: subsampling", "adpter_type: cnn", "adpter_type"),
            ("subsampling-rate: 4", "subsampling-rate: 6", "subsampling-rate"),
            ("transformer-concat-after: false", "transformer-concat-after: true", "transformer-concat-after"),
            ("llm_embed_dim: 3584", "llm_embed_dim: 4096", "llm_embed_dim"),
        ] {
            let error = read(&RELEASED.replace(from, to)).unwrap_err().to_string();
            assert!(error.contains(named) && error.contains("train.yaml"), "{error}");
        }
    }
}
