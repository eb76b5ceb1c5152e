//! A trained router on disk: `router.safetensors` with its card as metadata, and the card for people in `README.md`.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::fs;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use emomm_eval::Missingness;
use emomm_eval::run::hex;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::config::scaled_first_layer;
use crate::error::{ChaseError, Result};
use crate::feature_store::put;
use crate::preference::PreferenceForm;
use crate::router::Router;
use crate::router_shape::RouterShape;
use crate::target::{TargetKind, TargetRules};
use crate::token_sets::TextScope;
use crate::train::{EpochRecord, TrainOptions};

/// Version of the file. Others are refused.
const FORMAT_VERSION: u32 = 1;
/// The tensors' file.
pub const ROUTER_FILE: &str = "router.safetensors";
/// Metadata key of the card.
const CARD: &str = "emomm_router";

/// Everything that is known of a router beside its parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RouterCard {
    /// Version of the file.
    pub format_version: u32,
    /// Digest of the model that it reads.
    pub model_sha256: String,
    /// Name of that model.
    pub model_name: String,
    /// Sizes and form.
    pub shape: RouterShape,
    /// Layers L of the model.
    pub n_layers: usize,
    /// Query heads H of the model.
    pub n_heads: usize,
    /// l_r: first layer, counted from 1, that it was trained on.
    pub first_layer: usize,
    /// Form of π in its input.
    pub preference: PreferenceForm,
    /// Temperature of π.
    pub preference_temperature: f64,
    /// How missing modalities were kept from the model while it was trained; left out of files where that is `omit`.
    #[serde(default, skip_serializing_if = "Missingness::is_omit")]
    pub missing: Missingness,
    /// Which tokens are K_T.
    pub text_scope: TextScope,
    /// First tokens that belong to no modality.
    pub n_sinks: usize,
    /// Who judged the modalities.
    pub targets: TargetKind,
    /// How targets were made.
    pub rules: TargetRules,
    /// The coalitions trained on.
    pub coalitions: Vec<emomm_dataset::ModalitySet>,
    /// How it was trained.
    pub options: TrainOptions,
    /// Digest of the benchmark's manifest.
    pub manifest_sha256: String,
    /// Corpora trained on; all of the benchmark where empty.
    pub corpora: Vec<String>,
    /// Samples (clip and coalition) of the train split, and those left out for want of a label.
    pub n_train: usize,
    /// Samples of the train split without target.
    pub n_without_target: usize,
    /// Clips of the train split.
    pub n_train_clips: usize,
    /// Digests of those clips by their contents, sorted: a benchmark that is built anew may have them in another split. Empty
    /// in files from before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub train_clips: Vec<String>,
    /// Samples of the valid split.
    pub n_valid: usize,
    /// Share of train samples with p* = 1, over all coalitions.
    pub conflict_base_rate: f64,
    /// Mean g* of the train samples with a conflict, by coalition: the constant gate.
    pub mean_gate: BTreeMap<String, [f64; 3]>,
    /// Heads of the greatest mean divergence from g* over the train conflicts, K in each layer: pairs of layer, counted
    /// from 1, and head, counted from 0. For `fixed_heads`.
    pub fixed_heads: Vec<[usize; 2]>,
    /// The kept epoch, counted from 1.
    pub best_epoch: usize,
    /// All epochs.
    pub history: Vec<EpochRecord>,
}

impl RouterCard {
    /// The version that this program writes.
    pub const VERSION: u32 = FORMAT_VERSION;

    /// The card of a router that has learnt nothing, for a model of so many layers and heads that nobody has named.
    pub fn untrained(shape: RouterShape, n_layers: usize, n_heads: usize) -> Self {
        Self {
            format_version: Self::VERSION,
            model_sha256: String::new(),
            model_name: String::new(),
            shape,
            n_layers,
            n_heads,
            first_layer: scaled_first_layer(n_layers),
            preference: PreferenceForm::Share,
            preference_temperature: 1.0,
            missing: Missingness::Omit,
            text_scope: TextScope::Transcript,
            n_sinks: 0,
            targets: TargetKind::UnimodalLabels,
            rules: TargetRules::default(),
            coalitions: Vec::new(),
            options: TrainOptions::default(),
            manifest_sha256: String::new(),
            corpora: Vec::new(),
            n_train: 0,
            n_without_target: 0,
            n_train_clips: 0,
            train_clips: Vec::new(),
            n_valid: 0,
            conflict_base_rate: 0.5,
            mean_gate: BTreeMap::new(),
            fixed_heads: Vec::new(),
            best_epoch: 0,
            history: Vec::new(),
        }
    }

    /// Refuses a model that the router was not trained on.
    pub fn check_model(&self, path: &Path, model_sha256: &str) -> Result<()> {
        if self.model_sha256 == model_sha256 {
            return Ok(());
        }
        Err(ChaseError::OtherModel {
            path: path.to_owned(),
            found: self.model_sha256.clone(),
            expected: model_sha256.to_owned(),
        })
    }
}

/// Writes a router into a folder, which is made if need be.
pub fn save_router(folder: &Path, router: &Router, card: &RouterCard) -> Result<()> {
    fs::create_dir_all(folder).map_err(|e| ChaseError::io(folder, e))?;
    let path = folder.join(ROUTER_FILE);
    let failed =
        |e: &dyn std::fmt::Display| ChaseError::artifact(&path, format!("router as safetensors: {e}"));
    let mut data = Vec::new();
    for ((name, dims), tensor) in card.shape.parameters().into_iter().zip(router.parameters()) {
        let values: Vec<f64> = tensor.to_dtype(DType::F64)?.flatten_all()?.to_vec1()?;
        let bytes: Vec<u8> = values.iter().flat_map(|v| (*v as f32).to_le_bytes()).collect();
        data.push((name, dims, bytes));
    }
    let mut views = Vec::new();
    for (name, dims, bytes) in &data {
        views.push((*name, TensorView::new(Dtype::F32, dims.clone(), bytes).map_err(|e| failed(&e))?));
    }
    let json = serde_json::to_string(card).map_err(|e| failed(&e))?;
    let metadata = HashMap::from([(CARD.to_owned(), json)]);
    let bytes = safetensors::serialize(views, Some(metadata)).map_err(|e| failed(&e))?;
    put(&path, &bytes)?;
    put(&folder.join("README.md"), readme(card).as_bytes())
}

/// Reads a router's folder, or its `router.safetensors`.
pub fn load_router(path: &Path) -> Result<(Router, RouterCard)> {
    let file = if path.is_dir() { path.join(ROUTER_FILE) } else { path.to_owned() };
    let bytes = fs::read(&file).map_err(|e| ChaseError::io(&file, e))?;
    let broken = |message: String| ChaseError::artifact(&file, message);
    let (_, header) =
        SafeTensors::read_metadata(&bytes).map_err(|e| broken(format!("not a safetensors file: {e}")))?;
    let json = header.metadata().as_ref().and_then(|m| m.get(CARD));
    let json = json.ok_or_else(|| broken("not a router: no card in its metadata".to_owned()))?;
    let value: serde_json::Value = serde_json::from_str(json).map_err(|e| broken(e.to_string()))?;
    let found = value.get("format_version").and_then(serde_json::Value::as_u64);
    if found != Some(u64::from(FORMAT_VERSION)) {
        let found = found.map_or("none".to_owned(), |v| v.to_string());
        return Err(broken(format!("router of version {found}, expected {FORMAT_VERSION}")));
    }
    let card: RouterCard = serde_json::from_value(value).map_err(|e| broken(e.to_string()))?;
    let tensors = SafeTensors::deserialize(&bytes).map_err(|e| broken(e.to_string()))?;
    let mut parameters = Vec::new();
    for (name, dims) in card.shape.parameters() {
        let view = tensors.tensor(name).map_err(|e| broken(e.to_string()))?;
        if view.dtype() != Dtype::F32 || view.shape() != dims {
            let found = format!("{:?} {:?}", view.dtype(), view.shape());
            return Err(broken(format!("tensor `{name}` is {found}, expected F32 {dims:?}")));
        }
        let values: Vec<f32> =
            view.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        if let Some(bad) = values.iter().find(|v| !v.is_finite()) {
            return Err(broken(format!("tensor `{name}` holds {bad}, expected finite numbers")));
        }
        parameters.push(Tensor::from_vec(values, dims, &Device::Cpu)?);
    }
    Ok((Router::from_parameters(card.shape, parameters)?, card))
}

/// SHA-256 of a router's tensors and card.
pub fn router_digest(path: &Path) -> Result<String> {
    let file = if path.is_dir() { path.join(ROUTER_FILE) } else { path.to_owned() };
    let bytes = fs::read(&file).map_err(|e| ChaseError::io(&file, e))?;
    Ok(hex(&Sha256::digest(&bytes)))
}

fn readme(card: &RouterCard) -> String {
    let mut text = String::from("# CHASE router\n\n");
    let _ = writeln!(
        text,
        "Reads a conflict probability and a gate over text, audio and video off the frozen model `{}` (sha256 \
         `{}`), layers {} to {} of {}. Loading it with another model is refused.\n",
        card.model_name, card.model_sha256, card.first_layer, card.n_layers, card.n_layers
    );
    let targets = match card.targets {
        TargetKind::UnimodalLabels => "annotators' labels of each modality",
        TargetKind::SelfAnswers => "the model's own answers to each modality alone",
    };
    let _ = writeln!(
        text,
        "- Missing modalities: `{}`.\n- Targets: {targets}; conflicts by {}, correctness by {}, ε = {}.",
        card.missing,
        card.rules.conflict.name(),
        card.rules.correctness.name(),
        card.rules.epsilon
    );
    let _ = writeln!(
        text,
        "- Trained on {} samples of {} clips (manifest `{}`), {} without a target left out; {:.1} % conflicts. Validated \
         on {} samples.",
        card.n_train,
        card.n_train_clips,
        card.manifest_sha256,
        card.n_without_target,
        100.0 * card.conflict_base_rate,
        card.n_valid
    );
    let o = &card.options;
    let _ = writeln!(
        text,
        "- AdamW, learning rate {}, weight decay {}, batch {}, {} epochs, seed {}; epoch {} kept.\n",
        o.learning_rate, o.weight_decay, o.batch_size, o.epochs, o.seed, card.best_epoch
    );
    text.push_str("| epoch | train loss | valid loss | conflict accuracy | Brier | ECE | gate top-1 |\n|---|---|---|---|---|---|---|\n");
    let number = |x: Option<f64>| x.map_or("-".to_owned(), |x| format!("{x:.4}"));
    for e in &card.history {
        let conflict = e.valid_conflict;
        let _ = writeln!(
            text,
            "| {} | {:.4} | {} | {} | {} | {} | {} |",
            e.epoch,
            e.train_loss,
            number(e.valid_loss),
            number(conflict.map(|c| c.accuracy)),
            number(conflict.map(|c| c.brier)),
            number(conflict.map(|c| c.ece)),
            number(e.valid_gate_top1)
        );
    }
    text
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The card of a router for a model of width 2.
    pub(crate) fn card() -> RouterCard {
        let shape = RouterShape { inner_size: 4, ..RouterShape::paper(2) };
        RouterCard {
            model_sha256: "abc".to_owned(),
            model_name: "tiny".to_owned(),
            first_layer: 2,
            coalitions: vec![emomm_dataset::ModalitySet::FULL],
            manifest_sha256: "def".to_owned(),
            n_train: 3,
            n_train_clips: 3,
            best_epoch: 1,
            ..RouterCard::untrained(shape, 4, 2)
        }
    }

    #[test]
    fn a_router_comes_back_and_is_bound_to_its_model() {
        let folder = tempfile::tempdir().unwrap();
        let card = card();
        let router = Router::random(card.shape, 7, DType::F32).unwrap();
        save_router(folder.path(), &router, &card).unwrap();
        let (read, read_card) = load_router(folder.path()).unwrap();
        assert_eq!(read_card, card);
        let values = |r: &Router| -> Vec<Vec<f32>> {
            r.parameters().iter().map(|p| p.flatten_all().unwrap().to_vec1().unwrap()).collect()
        };
        assert_eq!(values(&read), values(&router));
        card.check_model(folder.path(), "abc").unwrap();
        let error = card.check_model(folder.path(), "xyz").unwrap_err();
        assert!(error.to_string().contains("trained on model abc, expected xyz"), "{error}");
        let text = fs::read_to_string(folder.path().join("README.md")).unwrap();
        assert!(
            text.contains("refused") && text.contains("conflicts by class, correctness by class"),
            "{text}"
        );
    }

    #[test]
    fn damaged_and_foreign_files_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(load_router(folder.path()).is_err());
        let router = Router::random(card().shape, 7, DType::F32).unwrap();
        save_router(folder.path(), &router, &RouterCard { format_version: 9, ..card() }).unwrap();
        assert!(load_router(folder.path()).unwrap_err().to_string().contains("version 9, expected"));
        save_router(folder.path(), &router, &card()).unwrap();
        let path = folder.path().join(ROUTER_FILE);
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() - 3]).unwrap();
        assert!(load_router(folder.path()).is_err());
    }
}
