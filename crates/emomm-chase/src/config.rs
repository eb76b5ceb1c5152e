//! The settings of a steering: the paper's hyper-parameters, and a named field for every choice that the paper leaves open.
//! A steering file is these fields in TOML; what it leaves out is the preset's.

use emomm_dataset::PerModality;
use emomm_models::white_box::DecoderShape;
use serde::{Deserialize, Serialize};

use crate::divergence::Smoothing;
use crate::error::{ChaseError, Result};
use crate::intervention::Intervention;
use crate::preference::{PreferenceForm, PreferenceOptions};
use crate::token_sets::TextScope;

/// The paper's first router layer and depth: 13 of 28.
const PAPER_FIRST: (usize, usize) = (13, 28);

/// l_r for a model of `n_layers`: 13 of 28, scaled and rounded, counted from 1.
pub fn scaled_first_layer(n_layers: usize) -> usize {
    ((PAPER_FIRST.0 * n_layers) as f64 / PAPER_FIRST.1 as f64).round().max(1.0) as usize
}

/// Where p and g come from in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RouterRead {
    /// In each layer of the steered step itself, as Algorithm 1.
    #[default]
    Online,
    /// Of the same layer in a clean decision step before.
    CleanLayer,
    /// Their mean over the router's layers in a clean decision step; τ is tested on the mean p.
    CleanMean,
}

/// What τ is tested on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThresholdScope {
    /// p of each layer.
    #[default]
    Layer,
    /// The mean of the clean p over the router's layers: a sample is steered or it is not.
    Sample,
}

/// Which heads of a layer are steered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeadSelection {
    /// Eq. (11): the K heads of the greatest divergence in each layer; ties go to the lower head.
    #[default]
    TopK,
    /// K times the number of steered layers, chosen among all of them by the clean step.
    TopKGlobal,
    /// The groups of heads that share a key head, whole, by their mean divergence, until K heads are reached.
    KvGroups,
    /// Every head whose divergence is at least `head_threshold`.
    Threshold,
    /// `heads`, chosen beforehand.
    Fixed,
    /// K heads at random.
    Random,
}

/// Which rows are steered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SteerScope {
    /// The decision row, whose logits are the letter.
    #[default]
    DecisionOnly,
    /// Every token of the reply, too.
    EveryToken,
}

impl SteerScope {
    /// The default is not written, so that the settings of older runs stay what they were.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde calls")]
    fn is_default(&self) -> bool {
        *self == Self::DecisionOnly
    }
}

/// K: a number, or the word `all`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum HeadCount {
    /// So many.
    Count(usize),
    /// Every head.
    All(AllHeads),
}

/// The word `all`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AllHeads {
    /// The word.
    #[serde(rename = "all")]
    All,
}

impl HeadCount {
    /// The number of heads out of H.
    pub fn of(self, n_heads: usize) -> usize {
        match self {
            Self::Count(k) => k.min(n_heads),
            Self::All(_) => n_heads,
        }
    }
}

/// How Eq. (14) turns a gap of mass into a bias.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IntraForm {
    /// As written: log of the ratio, which reaches ψ̂ / (1 − ψ + ψ̂) instead of ψ̂.
    #[default]
    AsWritten,
    /// Difference of log-odds, which reaches ψ̂.
    Exact,
}

/// What ψ̂ is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetMassForm {
    /// `target_mass` itself.
    #[default]
    Absolute,
    /// `target_mass` times the present mass ψ.
    Relative,
    /// g_V times the mass of all modalities.
    GateShare,
}

/// What scales the intra-modality bias.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IntraScale {
    /// β alone, as Algorithm 1.
    #[default]
    None,
    /// β times g_V, so that a video that is not trusted is not pushed.
    Gate,
}

/// Where the intra-modality bias acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IntraScope {
    /// On the steered heads of steered layers, as Algorithm 1.
    #[default]
    Steered,
    /// On every head of every layer from `steer_first_layer` on, conflict or not.
    Always,
}

/// Which importance chooses the significant video tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportanceKind {
    /// Gradient × Input at the input embeddings, Eq. (24).
    #[default]
    GradientInput,
    /// Mean attention of the clean decision step over layers and heads: no gradient.
    Attention,
}

/// Where the gate comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GateSource {
    /// g of the router.
    #[default]
    Router,
    /// A point of Dirichlet(1).
    Random,
    /// The router's g for another sample.
    Shuffled,
    /// The mean g* of the training conflicts of the same coalition.
    Constant,
    /// g* of this sample.
    Oracle,
}

/// Where the conflict probability comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConflictSource {
    /// p of the router.
    #[default]
    Router,
    /// Uniform in (0, 1).
    Random,
    /// The router's p for another sample.
    Shuffled,
    /// 1.
    Always,
    /// p* of this sample.
    Oracle,
}

/// How often random gates and probabilities are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RandomUnit {
    /// Once for a sample, since the router's gates agree across layers.
    #[default]
    Sample,
    /// In each layer anew.
    Layer,
}

/// A steering, complete.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SteeringConfig {
    /// The preset that it began with.
    pub preset: String,
    /// τ in [0, 1]: a layer is steered where p exceeds it.
    pub conflict_threshold: f64,
    /// η in [0, 1], the share of the way from π to g at p = 1.
    pub max_steering: f64,
    /// K.
    pub n_heads_steered: HeadCount,
    /// γ
    pub inter_strength: f64,
    /// β
    pub intra_strength: f64,
    /// ψ̂ in (0, 1); with the relative form a factor.
    pub target_mass: f64,
    /// What ψ̂ is.
    pub target_mass_form: TargetMassForm,
    /// P in [0, 100]: video tokens from this percentile of importance on are significant; 0 takes all of them.
    pub significant_percentile: f64,
    /// Takes so many tokens instead of a percentile.
    pub significant_count: Option<usize>,
    /// Which importance.
    pub importance: ImportanceKind,
    /// l_r, counted from 1; without it the layer that the router was trained from.
    pub router_first_layer: Option<usize>,
    /// First layer, counted from 1, that may be steered; without it `router_first_layer`.
    pub steer_first_layer: Option<usize>,
    /// Where p and g are read.
    pub router_read: RouterRead,
    /// What τ is tested on.
    pub threshold_scope: ThresholdScope,
    /// Form of π in Eq. (11) to (13). The router's own input keeps the form that it was trained with.
    pub preference: PreferenceForm,
    /// Temperature of `softmax_scaled`.
    pub preference_temperature: f64,
    /// Which tokens are K_T; without it the router's.
    pub text_scope: Option<TextScope>,
    /// First tokens that belong to no modality; without it the router's.
    pub n_sinks: Option<usize>,
    /// ε_a of Eq. (13).
    pub epsilon_a: f64,
    /// ε_b of Eq. (14).
    pub epsilon_b: f64,
    /// ε of Eq. (19) and (21) in the choice of heads.
    pub epsilon_divergence: f64,
    /// Where that ε stands.
    pub smoothing: Smoothing,
    /// Form of Eq. (14).
    pub intra_form: IntraForm,
    /// Whether ψ is taken after the inter-modality bias instead of before.
    pub intra_after_inter: bool,
    /// What scales the intra-modality bias.
    pub intra_scale: IntraScale,
    /// Where the intra-modality bias acts.
    pub intra_scope: IntraScope,
    /// Which rows are steered. The decision row alone, or every token of a reply.
    #[serde(default, skip_serializing_if = "SteerScope::is_default")]
    pub steer_scope: SteerScope,
    /// Bound on |γ b|.
    pub bias_clip: Option<f64>,
    /// Whether b is shifted so that the mass of all modalities together stays.
    pub preserve_mass: bool,
    /// Which heads.
    pub head_selection: HeadSelection,
    /// Least divergence for `head_selection = "threshold"`.
    pub head_threshold: f64,
    /// Pairs of layer, counted from 1, and head, counted from 0, for `head_selection = "fixed"`.
    pub heads: Vec<[usize; 2]>,
    /// Where g comes from.
    pub gate: GateSource,
    /// Where p comes from.
    pub conflict: ConflictSource,
    /// How often random ones are drawn.
    pub random_unit: RandomUnit,
    /// Seed of everything random.
    pub seed: u64,
    /// A bias on the tokens of each modality in every head from `steer_first_layer` on, conflict or not.
    pub static_bias: PerModality<f64>,
    /// The user's own biases.
    pub intervention: Vec<Intervention>,
}

/// The layers of a steering on a model, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerPlan {
    /// First layer that the router reads.
    pub router_first: usize,
    /// First layer that may be steered.
    pub steer_first: usize,
    /// Number of layers.
    pub n_layers: usize,
}

impl SteeringConfig {
    /// Form of π.
    pub fn preference_options(&self) -> PreferenceOptions {
        PreferenceOptions { form: self.preference, temperature: self.preference_temperature }
    }

    /// Whether the biases of Eq. (13) and (14) can act at all.
    pub fn has_bias(&self) -> bool {
        let gated = self.inter_strength > 0.0 && self.max_steering > 0.0;
        gated || self.intra_strength > 0.0
    }

    /// Whether a router must be there.
    pub fn needs_router(&self) -> bool {
        if !self.has_bias() {
            return false;
        }
        // An intra-modality bias that acts always asks nobody.
        let asks =
            self.inter_strength > 0.0 && self.max_steering > 0.0 || self.intra_scope == IntraScope::Steered;
        let router = |is: bool| asks && is;
        router(matches!(self.gate, GateSource::Router | GateSource::Shuffled))
            || router(matches!(self.conflict, ConflictSource::Router | ConflictSource::Shuffled))
    }

    /// Whether the importance of video tokens is needed.
    pub fn needs_importance(&self) -> bool {
        self.intra_strength > 0.0 && (self.significant_percentile > 0.0 || self.significant_count.is_some())
    }

    /// Whether router outputs of other samples are needed.
    pub fn needs_shuffled(&self) -> bool {
        self.has_bias() && (self.gate == GateSource::Shuffled || self.conflict == ConflictSource::Shuffled)
    }

    /// Whether labels of the sample are needed.
    pub fn needs_labels(&self) -> bool {
        self.has_bias() && (self.gate == GateSource::Oracle || self.conflict == ConflictSource::Oracle)
    }

    /// Checks all ranges that do not depend on a model.
    pub fn check(&self) -> Result<()> {
        let unit = [("conflict_threshold", self.conflict_threshold), ("max_steering", self.max_steering)];
        for (field, value) in unit {
            if !(0.0..=1.0).contains(&value) {
                return Err(ChaseError::setting(field, value, "a number from 0 to 1"));
            }
        }
        if !(0.0..=100.0).contains(&self.significant_percentile) {
            return Err(ChaseError::setting(
                "significant_percentile",
                self.significant_percentile,
                "a number from 0 to 100",
            ));
        }
        let not_negative = [
            ("inter_strength", self.inter_strength),
            ("intra_strength", self.intra_strength),
            ("epsilon_a", self.epsilon_a),
            ("epsilon_b", self.epsilon_b),
            ("epsilon_divergence", self.epsilon_divergence),
            ("head_threshold", self.head_threshold),
        ];
        for (field, value) in not_negative {
            if !(value.is_finite() && value >= 0.0) {
                return Err(ChaseError::setting(field, value, "0 or a positive number"));
            }
        }
        let mass_fits = match self.target_mass_form {
            TargetMassForm::Relative => self.target_mass > 0.0 && self.target_mass.is_finite(),
            _ => self.target_mass > 0.0 && self.target_mass < 1.0,
        };
        if !mass_fits {
            return Err(ChaseError::setting("target_mass", self.target_mass, "a number between 0 and 1"));
        }
        if self.preference_temperature <= 0.0 || !self.preference_temperature.is_finite() {
            let found = self.preference_temperature;
            return Err(ChaseError::setting("preference_temperature", found, "a positive number"));
        }
        if let Some(clip) = self.bias_clip.filter(|c| !(c.is_finite() && *c > 0.0)) {
            return Err(ChaseError::setting("bias_clip", clip, "a positive number"));
        }
        if self.n_heads_steered == HeadCount::Count(0) {
            return Err(ChaseError::setting("n_heads_steered", 0, "at least 1, or \"all\""));
        }
        if self.significant_count == Some(0) {
            return Err(ChaseError::setting("significant_count", 0, "at least 1"));
        }
        let biases = [self.static_bias.text, self.static_bias.audio, self.static_bias.video];
        if let Some(bad) = biases.iter().find(|b| !b.is_finite()) {
            return Err(ChaseError::setting("static_bias", bad, "finite numbers"));
        }
        if self.threshold_scope == ThresholdScope::Sample && self.router_read == RouterRead::Online {
            let expected = "\"layer\" with router_read = \"online\", which has no p of the whole sample";
            return Err(ChaseError::setting("threshold_scope", "\"sample\"", expected));
        }
        if self.head_selection == HeadSelection::TopKGlobal && self.router_read == RouterRead::Online {
            let expected = "another selection with router_read = \"online\", which knows no later layer";
            return Err(ChaseError::setting("head_selection", "\"top_k_global\"", expected));
        }
        if self.head_selection == HeadSelection::Fixed && self.heads.is_empty() {
            return Err(ChaseError::setting("heads", "[]", "pairs of layer and head with \"fixed\""));
        }
        self.intervention.iter().try_for_each(Intervention::check)
    }

    /// The layers on a model. `trained_from` is the router's own first layer, counted from 1.
    pub fn layers(&self, shape: DecoderShape, trained_from: Option<usize>) -> Result<LayerPlan> {
        let n_layers = shape.n_layers;
        let router = self.router_first_layer.or(trained_from).unwrap_or_else(|| scaled_first_layer(n_layers));
        let steer = self.steer_first_layer.unwrap_or(router);
        for (field, layer) in [("router_first_layer", router), ("steer_first_layer", steer)] {
            if !(1..=n_layers).contains(&layer) {
                return Err(ChaseError::setting(field, layer, format!("a layer from 1 to {n_layers}")));
            }
        }
        let by_layer = self.router_read != RouterRead::CleanMean && self.needs_router();
        if steer < router && by_layer {
            let expected = format!(
                "at least router_first_layer {router}, or router_read = \"clean_mean\": no p is read before"
            );
            return Err(ChaseError::setting("steer_first_layer", steer, expected));
        }
        for [layer, head] in &self.heads {
            if !(1..=n_layers).contains(layer) || *head >= shape.n_heads {
                let expected = format!("layers 1 to {n_layers} and heads 0 to {}", shape.n_heads - 1);
                return Err(ChaseError::setting("heads", format!("[{layer}, {head}]"), expected));
            }
        }
        for intervention in &self.intervention {
            intervention.check_model(shape)?;
        }
        Ok(LayerPlan { router_first: router - 1, steer_first: steer - 1, n_layers })
    }

    /// What a user should know of this steering on a model with H heads.
    pub fn warnings(&self, n_heads: usize) -> Vec<String> {
        let k = self.n_heads_steered.of(n_heads);
        let chooses = !matches!(self.head_selection, HeadSelection::Fixed | HeadSelection::Threshold);
        let mut warnings = Vec::new();
        if self.has_bias() && chooses && 4 * k > n_heads {
            warnings.push(format!(
                "K = {k} of H = {n_heads} heads is more than a quarter: which heads are chosen means little"
            ));
        }
        warnings
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::presets::preset;

    fn paper() -> SteeringConfig {
        preset("paper").unwrap()
    }

    fn shape() -> DecoderShape {
        DecoderShape { n_layers: 28, n_heads: 28, n_kv_heads: 4, hidden_size: 3584 }
    }

    #[test]
    fn the_first_layer_is_thirteen_of_twenty_eight() {
        assert_eq!([28, 8, 4, 24, 1].map(scaled_first_layer), [13, 4, 2, 11, 1]);
        let plan = paper().layers(shape(), None).unwrap();
        assert_eq!((plan.router_first, plan.steer_first), (12, 12));
        let two_pass = preset("two_pass").unwrap().layers(shape(), Some(13)).unwrap();
        assert_eq!((two_pass.router_first, two_pass.steer_first), (12, 0));
    }

    #[test]
    fn impossible_settings_name_the_field() {
        let cases: [(&str, SteeringConfig); 9] = [
            ("conflict_threshold", SteeringConfig { conflict_threshold: 1.5, ..paper() }),
            ("conflict_threshold", SteeringConfig { conflict_threshold: f64::NAN, ..paper() }),
            ("max_steering", SteeringConfig { max_steering: -0.1, ..paper() }),
            ("significant_percentile", SteeringConfig { significant_percentile: 101.0, ..paper() }),
            ("target_mass", SteeringConfig { target_mass: 1.0, ..paper() }),
            ("n_heads_steered", SteeringConfig { n_heads_steered: HeadCount::Count(0), ..paper() }),
            ("threshold_scope", SteeringConfig { threshold_scope: ThresholdScope::Sample, ..paper() }),
            ("heads", SteeringConfig { head_selection: HeadSelection::Fixed, ..paper() }),
            ("bias_clip", SteeringConfig { bias_clip: Some(0.0), ..paper() }),
        ];
        for (field, config) in cases {
            let error = config.check().unwrap_err().to_string();
            assert!(error.starts_with(&format!("`{field}`")), "{error}");
        }
        let early = SteeringConfig { steer_first_layer: Some(3), ..paper() };
        assert!(early.layers(shape(), None).unwrap_err().to_string().contains("clean_mean"));
        let late = SteeringConfig { router_first_layer: Some(29), ..paper() };
        assert!(late.layers(shape(), None).unwrap_err().to_string().contains("1 to 28"));
    }

    #[test]
    fn many_heads_are_warned_of() {
        assert!(paper().warnings(28).is_empty());
        assert!(paper().warnings(16).is_empty());
        assert!(paper().warnings(6)[0].contains("K = 4 of H = 6"));
    }
}
