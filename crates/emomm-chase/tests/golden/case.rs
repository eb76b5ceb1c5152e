//! A tiny checkpoint with the reference's media embeddings, its golden router and its golden steering.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use emomm_chase::{
    BlockNorm, CleanReading, Features, ImportanceKind, LoadedRouter, Router, RouterCard, RouterForm,
    RouterShape, SampleContext, SteeringConfig, TextScope, TokenSets, VariantRun,
};
use emomm_dataset::{Corpus, Modality, ModalitySet};
use emomm_eval::prompt;
use emomm_models::decoder::Prefill;
use emomm_models::prompt_tree::{MediaEmbeddings, PromptRow, walk};
use emomm_models::qwen2_5_omni::{MediaShape, Omni, prompt_row};
use emomm_models::vision::Grid;
use emomm_models::white_box::{DecisionPoint, DecoderShape};
use serde_json::Value;

pub(super) const CASES: [&str; 2] = ["gqa", "full_prefixed"];

pub(super) fn golden(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden").join(path)
}

pub(super) fn read_tensors(path: &str) -> HashMap<String, Tensor> {
    candle_core::safetensors::load(golden(path), &Device::Cpu).unwrap()
}

pub(super) fn read_json(path: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(golden(path)).unwrap()).unwrap()
}

pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) model: Omni,
    media: MediaEmbeddings,
    rows: Vec<PromptRow>,
    pub(super) chase: HashMap<String, Tensor>,
}

impl Case {
    pub(super) fn open(name: &'static str) -> Self {
        let folder = format!("qwen2_5_omni/{name}");
        let model = Omni::load(&golden(&folder).join("checkpoint"), &Device::Cpu, DType::F32).unwrap();
        let expected = read_tensors(&format!("{folder}/expected.safetensors"));
        let info = read_json(&format!("{folder}/case.json"));
        let (audio, video) = (expected["audio_embeddings"].clone(), expected["video_embeddings"].clone());
        let grid: Vec<i64> = expected["video_grid_thw"].flatten_all().unwrap().to_vec1().unwrap();
        let shape = MediaShape {
            grid: Some(Grid { t: grid[0] as usize, h: grid[1] as usize, w: grid[2] as usize }),
            audio_tokens: audio.dim(0).unwrap(),
            ..model.media_shape()
        };
        let corpus: Corpus = info["corpus"].as_str().unwrap().parse().unwrap();
        let transcript = info["transcript"].as_str().unwrap();
        let row = |coalition: &ModalitySet| {
            let prompt = prompt::build(corpus, *coalition, Some(transcript)).unwrap();
            prompt_row(&prompt, &model.tokenizer, &shape).unwrap()
        };
        let rows = ModalitySet::ALL.iter().map(row).collect();
        let media = MediaEmbeddings { audio: Some(audio), video: Some(video) };
        let chase = read_tensors(&format!("chase/{name}.safetensors"));
        Self { name, model, media, rows, chase }
    }

    pub(super) fn all() -> impl Iterator<Item = Self> {
        CASES.into_iter().map(Self::open)
    }

    pub(super) fn shape(&self) -> DecoderShape {
        DecoderShape::of(&self.model.decoder)
    }

    /// Calls `visit` at every coalition.
    pub(super) fn visit(&self, mut visit: impl FnMut(&DecisionPoint<'_>)) {
        let decoder = &self.model.decoder;
        let letters = self.model.tokenizer.letters;
        let mut leaf = |i: usize, prefill: &Prefill| {
            let coalition = ModalitySet::ALL[i];
            visit(&DecisionPoint::new(coalition, decoder, &self.rows[i], prefill, &self.media, letters)?);
            Ok(())
        };
        walk(decoder, &self.rows, &self.media, &mut leaf).unwrap();
    }

    /// The golden router.
    pub(super) fn router(&self, text_scope: TextScope, n_sinks: usize) -> LoadedRouter {
        let shape = self.shape();
        let router_shape = RouterShape {
            inner_size: 8,
            form: RouterForm::SharedTrunk,
            norm: BlockNorm::Rms,
            ..RouterShape::paper(shape.hidden_size)
        };
        let parameters = router_shape
            .parameters()
            .iter()
            .map(|(n, _)| self.chase[&format!("router.{n}")].clone())
            .collect();
        let router = Router::from_parameters(router_shape, parameters).unwrap();
        let card = RouterCard {
            model_sha256: self.name.to_owned(),
            model_name: self.name.to_owned(),
            first_layer: ((13 * shape.n_layers) as f64 / 28.0).round() as usize,
            text_scope,
            n_sinks,
            ..RouterCard::untrained(router_shape, shape.n_layers, shape.n_heads)
        };
        Arc::new((router, card))
    }

    /// Prepares a variant with the golden importance.
    pub(super) fn variant(&self, config: &SteeringConfig, point: &DecisionPoint<'_>) -> VariantRun {
        let (scope, sinks) = (config.text_scope.unwrap_or_default(), config.n_sinks.unwrap_or(0));
        let router = self.router(scope, sinks);
        let sets = Arc::new(TokenSets::of(point.layout(), scope, sinks));
        let (features, reading) = {
            let features = Features::read(point, &sets).unwrap();
            let reading = CleanReading::of(&features, &router.0, &router.1).unwrap();
            (features, reading)
        };
        let video: Vec<usize> = point.layout().spans(Modality::Video).iter().cloned().flatten().collect();
        let importance = self.importance(point.coalition(), config.importance);
        let context = SampleContext {
            name: "clip",
            shape: point.shape(),
            sets,
            router: Some(router),
            clean: Some((&features, &reading)),
            target: None,
            other: None,
            mean_gate: None,
            importance: importance.as_ref().map(|values| (video.as_slice(), values.as_slice())),
        };
        VariantRun::new(Arc::new(config.clone()), &context).unwrap()
    }

    /// Golden Î_k by gradient.
    pub(super) fn importance(&self, coalition: ModalitySet, kind: ImportanceKind) -> Option<Vec<f64>> {
        let name = if kind == ImportanceKind::GradientLayerInput { "layer_importance" } else { "importance" };
        let tensor = self.chase.get(&format!("{name}.{coalition}"))?;
        Some(tensor.to_dtype(DType::F64).unwrap().to_vec1().unwrap())
    }
}

/// Greatest absolute difference of two lists of finite numbers.
pub(super) fn worst(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    assert!(a.iter().chain(b).all(|x| x.is_finite()), "{a:?} {b:?}");
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// A golden setting over the paper's.
pub(super) fn setting(overrides: &Value) -> SteeringConfig {
    let table = toml::Table::try_from(overrides).unwrap();
    emomm_chase::with_overrides(&emomm_chase::preset("paper").unwrap(), &table).unwrap()
}
