//! The golden cases and how to read them.

use std::collections::HashMap;
use std::path::PathBuf;

use candle_core::{DType, Device, Tensor};
use emomm_dataset::{Corpus, ModalitySet};
use emomm_eval::prompt;
use emomm_media::{FloatImage, RgbImage, Waveform, resize_bicubic_float};
use emomm_models::DeviceKind;
use emomm_models::prompt_tree::{MediaEmbeddings, PromptRow};
use emomm_models::qwen2_5_omni::{
    MediaShape, Omni, OmniTokenizer, log_mel, patchify, prompt_row, smart_resize,
};
use serde_json::Value;

/// Thinker alone, f32, one file; full model, prefixed, bf16, three shards; f16, no settings file; sizes of every part
/// unlike the released ones, tied embeddings.
pub(super) const CASES: [&str; 4] = ["gqa", "full_prefixed", "no_settings", "other_sizes"];

/// Where to compute: the processor, or what `EMOMM_TEST_DEVICE` names. `benches/gpu/parity.sh` sets it.
pub(super) fn device() -> Device {
    let Ok(name) = std::env::var("EMOMM_TEST_DEVICE") else { return Device::Cpu };
    name.parse::<DeviceKind>().unwrap().open().unwrap()
}

pub(super) fn golden_folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/qwen2_5_omni")
}

pub(super) fn read_json(path: &str) -> Value {
    let path = golden_folder().join(path);
    serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap()
}

pub(super) fn read_tensors(path: &str) -> HashMap<String, Tensor> {
    candle_core::safetensors::load(golden_folder().join(path), &device()).unwrap()
}

/// One checkpoint with its inputs and expected values.
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) model: Omni,
    pub(super) expected: HashMap<String, Tensor>,
    pub(super) json: Value,
    pub(super) frames: Vec<RgbImage>,
    pub(super) waveform: Waveform,
    pub(super) transcript: String,
    pub(super) corpus: Corpus,
}

impl Case {
    pub(super) fn open(name: &'static str) -> Self {
        let checkpoint = golden_folder().join(name).join("checkpoint");
        let model = Omni::load(&checkpoint, &device(), DType::F32).unwrap();
        let inputs = read_tensors(&format!("{name}/inputs.safetensors"));
        let info = read_json(&format!("{name}/case.json"));
        let frames = pictures(&inputs["frames"]);
        let samples: Vec<f32> = inputs["waveform"].to_vec1().unwrap();
        Self {
            name,
            model,
            expected: read_tensors(&format!("{name}/expected.safetensors")),
            json: read_json(&format!("{name}/expected.json")),
            frames,
            waveform: waveform(samples),
            transcript: info["transcript"].as_str().unwrap().to_owned(),
            corpus: info["corpus"].as_str().unwrap().parse().unwrap(),
        }
    }

    pub(super) fn all() -> impl Iterator<Item = Self> {
        CASES.into_iter().map(Self::open)
    }

    pub(super) fn prompt(&self, coalition: ModalitySet) -> prompt::Prompt {
        prompt::build(self.corpus, coalition, Some(&self.transcript)).unwrap()
    }

    /// Both media through our own preprocessing and towers, frames as the reference's first stage gives them: one grey
    /// level of difference would hide what the towers do. The resize has a test of its own.
    pub(super) fn media(&self) -> (MediaEmbeddings, MediaShape) {
        let frames = self.both_stages();
        let patches = patchify(&frames, &self.model.processor, &self.model.config.vision).unwrap();
        let mel = log_mel(&self.waveform, &self.model.processor).unwrap();
        let video = self.model.encode_video(&patches).unwrap();
        let audio = self.model.encode_audio(&mel.data, mel.n_frames).unwrap();
        let shape = MediaShape {
            grid: Some(patches.grid),
            audio_tokens: audio.dim(0).unwrap(),
            ..self.model.media_shape()
        };
        (MediaEmbeddings { audio: Some(audio), video: Some(video) }, shape)
    }

    /// The frames that the reference's first stage gives.
    pub(super) fn first_stage(&self) -> Vec<FloatImage> {
        pictures(&self.expected["pixels_stage1"]).iter().map(FloatImage::from).collect()
    }

    /// The reference's frames after our second stage, which changes nothing where merge groups have the first stage's
    /// side of 28 pixels.
    pub(super) fn both_stages(&self) -> Vec<FloatImage> {
        let frames = self.first_stage();
        let (width, height, factor) = (frames[0].width, frames[0].height, self.model.merge_pixels());
        let bounds = self.model.processor.processor_pixels;
        let (height, width) = smart_resize(height, width, factor, bounds).unwrap();
        frames.iter().map(|frame| resize_bicubic_float(frame, width, height)).collect()
    }

    /// The reference's own embeddings, so that the decoder is tested apart from the towers.
    pub(super) fn reference_media(&self) -> MediaEmbeddings {
        MediaEmbeddings {
            audio: Some(self.expected["audio_embeddings"].clone()),
            video: Some(self.expected["video_embeddings"].clone()),
        }
    }

    pub(super) fn rows(&self, shape: &MediaShape) -> Vec<PromptRow> {
        let tokenizer: &OmniTokenizer = &self.model.tokenizer;
        ModalitySet::ALL.iter().map(|c| prompt_row(&self.prompt(*c), tokenizer, shape).unwrap()).collect()
    }

    pub(super) fn expect(&self, coalition: ModalitySet, what: &str) -> &Tensor {
        &self.expected[&format!("{coalition}.{what}")]
    }

    pub(super) fn expect_json(&self, coalition: ModalitySet) -> &Value {
        &self.json["coalitions"][&coalition.to_string()]
    }
}

/// `[n, height, width, 3]` bytes as pictures.
pub(super) fn pictures(tensor: &Tensor) -> Vec<RgbImage> {
    let (count, height, width, _) = tensor.dims4().unwrap();
    let pixels: Vec<u8> = tensor.flatten_all().unwrap().to_vec1().unwrap();
    let picture = |data: &[u8]| RgbImage::new(width, height, data.to_vec()).unwrap();
    pixels.chunks(pixels.len() / count).map(picture).collect()
}

/// A decoded sound at the models' rate.
pub(super) fn waveform(samples: Vec<f32>) -> Waveform {
    Waveform {
        samples,
        sample_rate_hz: 16_000,
        source_rate_hz: 16_000,
        source_channels: 1,
        warnings: Vec::new(),
    }
}

/// Greatest absolute difference of two tensors of one shape.
pub(super) fn max_difference(a: &Tensor, b: &Tensor) -> f32 {
    assert_eq!(a.dims(), b.dims());
    let values = |tensor: &Tensor| -> Vec<f32> {
        tensor.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1().unwrap()
    };
    worst_difference(&values(a), &values(b))
}

/// Greatest absolute difference of two lists.
pub(super) fn worst_difference(a: &[f32], b: &[f32]) -> f32 {
    finite_difference(a, b).expect("two lists of one length without NaN or infinity")
}

/// Nothing for lists of two lengths, or with a NaN or an infinity on either side: a maximum alone would pass over a NaN.
fn finite_difference(a: &[f32], b: &[f32]) -> Option<f32> {
    let comparable = a.len() == b.len() && a.iter().chain(b).all(|x| x.is_finite());
    comparable.then(|| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max))
}

#[test]
fn differences_are_of_finite_numbers() {
    assert_eq!(finite_difference(&[1.0, -2.0, 3.0], &[1.0, 2.0, 3.5]), Some(4.0));
    assert_eq!(finite_difference(&[], &[]), Some(0.0));
    assert_eq!(finite_difference(&[0.0], &[0.0, 0.0]), None);
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        assert_eq!(finite_difference(&[0.0, bad], &[0.0, 0.0]), None, "{bad}");
        assert_eq!(finite_difference(&[0.0, 0.0], &[bad, 0.0]), None, "{bad}");
        assert_eq!(finite_difference(&[0.0, bad], &[0.0, bad]), None, "{bad}");
    }
}
