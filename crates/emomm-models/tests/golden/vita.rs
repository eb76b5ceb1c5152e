//! VITA-1.5 whole, against `tests/golden/vita_1_5`: files of a checkpoint, frames, sound, prompts, logits and attention of all
//! eight coalitions.
//!
//! Tolerances: 1e-4 on logits and embeddings, 1e-5 on attention, as for the other model. The first stage of the pixels may differ by
//! one grey level, which moves a normalised pixel by 0.018; the towers are given the reference's pixels.

use std::collections::HashMap;
use std::path::PathBuf;

use candle_core::{DType, Device, Tensor};
use emomm_dataset::{Corpus, Modality, ModalitySet};
use emomm_eval::{AttentionDetail, Clip, PredictOptions, prompt};
use emomm_media::{DecodeLimits, SamplingMode};
use emomm_models::attention_summary::AttentionRecorder;
use emomm_models::decoder::{Keep, Prefill};
use emomm_models::importance::{token_importance, token_importance_after};
use emomm_models::prompt_tree::{MediaEmbeddings, PromptRow, embed, walk_from};
use emomm_models::vision::Grid;
use emomm_models::vita_1_5::{
    AudioPlace, MediaTokens, StateToken, Vita, VitaSettings, patchify, prompt_row, render,
};
use emomm_models::{ComputeType, DeviceKind, LoadOptions};
use serde_json::Value;

use super::cases::{device, max_difference, pictures, worst_difference};

/// Vision tower inside and f32; apart, f16, chunks, the demonstration's order.
pub(super) const CASES: [&str; 2] = ["inside", "apart"];
const SAME: f32 = 1e-4;

pub(super) struct Case {
    name: &'static str,
    pub(super) model: Vita,
    expected: HashMap<String, Tensor>,
    json: Value,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/vita_1_5")
}

impl Case {
    pub(super) fn open(name: &'static str) -> Self {
        let folder = folder().join(name);
        let model = Vita::load(&folder.join("checkpoint"), &device(), DType::F32).unwrap();
        let expected =
            candle_core::safetensors::load(folder.join("expected.safetensors"), &device()).unwrap();
        let json = std::fs::read_to_string(folder.join("expected.json")).unwrap();
        Self { name, model, expected, json: serde_json::from_str(&json).unwrap() }
    }

    fn prompt(&self, coalition: ModalitySet) -> prompt::Prompt {
        let corpus: Corpus = self.json["corpus"].as_str().unwrap().parse().unwrap();
        prompt::build(corpus, coalition, self.json["transcript"].as_str()).unwrap()
    }

    /// Our towers on the reference's pixels and our own features.
    pub(super) fn media(&self) -> MediaEmbeddings {
        let pixels = &self.expected["pixels"];
        let patches: Vec<f32> = cut(pixels, self.model.config.vision.patch_size);
        let samples: Vec<f32> = self.expected["waveform"].to_vec1().unwrap();
        let features = self.model.features(&samples).unwrap();
        MediaEmbeddings {
            video: Some(self.model.encode_video(&patches).unwrap()),
            audio: Some(self.model.encode_audio(&features).unwrap()),
        }
    }

    /// What the reference made.
    pub(super) fn expect(&self, name: &str) -> &Tensor {
        &self.expected[name]
    }

    /// Patches of the frames.
    pub(super) fn grid(&self) -> Grid {
        let side = self.model.config.vision.side();
        Grid { t: self.expected["frames"].dim(0).unwrap(), h: side, w: side }
    }

    /// Length of the sound.
    pub(super) fn seconds(&self) -> f64 {
        let samples = self.expected["waveform"].dim(0).unwrap();
        samples as f64 / f64::from(self.model.config.sample_rate_hz)
    }

    pub(super) fn rows(&self, media: &MediaEmbeddings) -> Vec<PromptRow> {
        let count = |x: &Option<Tensor>| x.as_ref().unwrap().dim(0).unwrap();
        let tokens = MediaTokens { video: count(&media.video), audio: count(&media.audio) };
        let settings = self.model.config.settings;
        let row = |c| prompt_row(&self.prompt(c), &self.model.tokenizer, tokens, settings).unwrap();
        ModalitySet::ALL.into_iter().map(row).collect()
    }
}

/// `[frames, 3, side, side]` as patches in raster order.
fn cut(pixels: &Tensor, patch: usize) -> Vec<f32> {
    let (frames, channels, side, _) = pixels.dims4().unwrap();
    let half = side / patch;
    let x = pixels.reshape(vec![frames, channels, half, patch, half, patch]).unwrap();
    let x = x.permute(vec![0, 2, 4, 1, 3, 5]).unwrap().contiguous().unwrap();
    x.flatten_all().unwrap().to_vec1().unwrap()
}

#[test]
fn prompts_and_settings_are_the_reference_s() {
    for name in CASES {
        let case = Case::open(name);
        let expected = if name == "apart" {
            VitaSettings { audio_place: AudioPlace::Last, state_token: StateToken::Voice }
        } else {
            VitaSettings::default()
        };
        assert_eq!(case.model.config.settings, expected);
        assert_eq!(serde_json::json!(case.model.tokenizer.letters), case.json["letter_ids"]);
        for coalition in ModalitySet::ALL {
            let ours = render(&case.prompt(coalition), case.model.config.settings);
            assert_eq!(ours, case.json["prompts"][coalition.to_string()].as_str().unwrap(), "{name}");
        }
    }
}

#[test]
fn frames_sound_and_towers_agree() {
    for name in CASES {
        let case = Case::open(name);
        let vit = &case.model.config.vision;
        let ours: Vec<f32> =
            pictures(&case.expected["frames"]).iter().flat_map(|frame| patchify(frame, vit)).collect();
        let difference = worst_difference(&ours, &cut(&case.expected["pixels"], vit.patch_size));
        assert!(difference < 0.018, "{name}: pixels differ by {difference}");
        let samples: Vec<f32> = case.expected["waveform"].to_vec1().unwrap();
        let features = case.model.features(&samples).unwrap();
        let theirs: Vec<f32> = case.expected["features"].flatten_all().unwrap().to_vec1().unwrap();
        let difference = worst_difference(&features.data, &theirs);
        assert!(difference < 1e-3, "{name}: features differ by {difference}");
        let media = case.media();
        for (ours, what) in [(media.video, "video_embeddings"), (media.audio, "audio_embeddings")] {
            let difference = max_difference(&ours.unwrap(), &case.expected[what]);
            assert!(difference < SAME, "{name}: {what} differ by {difference}");
        }
    }
}

#[test]
fn the_whole_model_agrees_for_all_coalitions() {
    for name in CASES {
        let case = Case::open(name);
        let media = case.media();
        let rows = case.rows(&media);
        let (decoder, letters) = (&case.model.decoder, &case.model.tokenizer.letters);
        let mut leaves = 0;
        let mut leaf = |i: usize, prefill: &Prefill| {
            leaves += 1;
            let (coalition, row) = (ModalitySet::ALL[i], &rows[i]);
            let label = format!("{} {coalition}", case.name);
            let expected = |what: &str| &case.expected[&format!("{coalition}.{what}")];
            let kinds: Vec<i64> = expected("kinds").to_vec1().unwrap();
            let kind = |at: usize| match row.layout.class(at) {
                None => 0,
                Some(Modality::Text) => 1,
                Some(Modality::Audio) => 2,
                Some(Modality::Video) => 3,
            };
            assert_eq!((0..row.tokens.len()).map(kind).collect::<Vec<i64>>(), kinds, "{label}");

            let token = embed(decoder, &[row.decision_token()], &media)?;
            let mut recorder = AttentionRecorder::new(&row.layout);
            let decision = decoder.decide(prefill, &token, row.decision_position(), Some(&mut recorder))?;
            let difference = max_difference(&decision.logits.get(0)?, expected("logits"));
            assert!(difference < SAME, "{label}: logits differ by {difference}");
            let attention = Tensor::new(recorder.patterns().to_vec(), decoder.device())?;
            let difference = max_difference(&attention, expected("attention"));
            assert!(difference < 1e-5, "{label}: attention differs by {difference}");

            // The gradient knows no model either.
            let after = token_importance_after(decoder, letters, row, prefill, &media, Modality::Video, 0)?;
            let scratch =
                token_importance(decoder, letters, row, &media, Modality::Video, (0, Keep::LayerInputs))?;
            assert_eq!(after.is_some(), coalition.contains(Modality::Video));
            if let (Some(after), Some(scratch)) = (after, scratch) {
                let most = scratch.raw.iter().fold(0.0, |most: f32, x| most.max(*x));
                assert!(worst_difference(&after.raw, &scratch.raw) / most < 1e-4, "{label}");
            }
            Ok(())
        };
        walk_from(&decoder.root_keeping_inputs(), decoder, &rows, &media, &mut leaf).unwrap();
        assert_eq!(leaves, 8);
    }
}

/// The registry knows the model by its type, and says what is missing.
#[test]
fn a_checkpoint_is_recognised_and_its_parts_are_missed() {
    for name in CASES {
        let summary = emomm_models::inspect(&folder().join(name).join("checkpoint")).unwrap();
        assert_eq!((summary.model_type.as_str(), summary.n_layers, summary.n_heads), ("vita-Qwen2", 3, 4));
    }
    let copy = tempfile::tempdir().unwrap();
    let from = folder().join("inside/checkpoint");
    for file in ["config.json", "tokenizer.json", "model.safetensors"] {
        std::fs::copy(from.join(file), copy.path().join(file)).unwrap();
    }
    let refused = |what: &str| {
        let error = Vita::load(copy.path(), &Device::Cpu, DType::F32).err().unwrap().to_string();
        assert!(error.contains(what), "{error}");
    };
    refused("InternViT-tiny-56px");
    std::fs::create_dir(copy.path().join("InternViT-tiny-56px")).unwrap();
    std::fs::copy(
        from.join("InternViT-tiny-56px/config.json"),
        copy.path().join("InternViT-tiny-56px/config.json"),
    )
    .unwrap();
    refused("train.yaml");
    let audio = copy.path().join("audio-encoder-tiny");
    std::fs::create_dir(&audio).unwrap();
    let yaml = std::fs::read_to_string(from.join("audio-encoder-tiny/train.yaml")).unwrap();
    let write = |yaml: &str| std::fs::write(audio.join("train.yaml"), yaml).unwrap();
    write(&yaml.replace("llm_embed_dim: 32", "llm_embed_dim: 31"));
    refused("llm_embed_dim");
    write(&yaml.replace("subsampling-transformer", "subsampling-mamba"));
    refused("encoder-layer-config");
    write(&yaml.replace("  kernel_size: 5", "  kernel_size 5"));
    refused("expected `key: value`");
    write(&yaml);
    std::fs::write(copy.path().join("emomm_settings.json"), r#"{"vita":{"state_token":"maybe"}}"#).unwrap();
    refused("maybe");
    std::fs::remove_file(copy.path().join("emomm_settings.json")).unwrap();
    assert!(Vita::load(copy.path(), &Device::Cpu, DType::F32).is_ok());
}

/// From files to answers through the registry: two seconds of picture and tone.
#[test]
fn files_become_answers_of_all_coalitions() {
    let media = tempfile::tempdir().unwrap();
    let file = media.path().join("clip.mp4");
    let made = std::process::Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", "testsrc=size=120x90:rate=10:duration=2"])
        .args(["-f", "lavfi", "-i", "sine=frequency=300:duration=2", "-pix_fmt", "yuv420p", "-shortest"])
        .arg(&file)
        .status()
        .expect("ffmpeg starts");
    assert!(made.success());
    let options = LoadOptions {
        device: DeviceKind::Cpu,
        dtype: ComputeType::F32,
        sampling: SamplingMode::Qwen,
        limits: DecodeLimits::default(),
    };
    let mut model = emomm_models::open(&folder().join("inside/checkpoint"), &options).unwrap();
    let clip = Clip {
        id: "clip".to_owned(),
        text: Some("fine".to_owned()),
        audio: Some(file.clone()),
        video: Some(file),
        corpus: Corpus::CmuMosi,
    };
    let asked = PredictOptions {
        attention: AttentionDetail::Summary,
        importance: false,
        generate: true,
        max_new_tokens: 3,
    };
    for (coalition, answer) in
        ModalitySet::ALL.into_iter().zip(model.predict(&clip, &ModalitySet::ALL, &asked))
    {
        let answer = answer.unwrap();
        let tokens = answer.tokens.unwrap();
        let video = coalition.contains(Modality::Video);
        // Frames 0 and 10, repeated to four, of four tokens each; 198 feature frames are 25 tokens.
        assert_eq!(tokens.video, if video { 16 } else { 0 }, "{coalition}");
        assert_eq!(tokens.audio, if coalition.contains(Modality::Audio) { 25 } else { 0 }, "{coalition}");
        assert_eq!(answer.grid_thw, video.then_some([4, 4, 4]));
        assert_eq!(answer.media.sampling.as_deref(), video.then_some("vita"));
        assert!(answer.letter_logits.unwrap().iter().all(|l| l.is_finite()));
        assert_eq!(answer.attention.unwrap().mass.video.is_some(), video);
    }
}
