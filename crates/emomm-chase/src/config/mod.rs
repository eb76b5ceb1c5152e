//! The settings of a steering: the paper's hyper-parameters, and a named field for every choice that the paper leaves open.
//! A steering file is these fields in TOML; what it leaves out is the preset's.

mod heads;
mod intra;
mod layers;
mod ranges;
mod sources;

use emomm_dataset::PerModality;
use serde::{Deserialize, Serialize};

pub use heads::{AllHeads, HeadCount, HeadSelection};
pub use intra::{ImportanceKind, IntraForm, IntraScale, IntraScope, TargetMassForm};
pub use layers::{LayerPlan, scaled_first_layer};
pub use sources::{ConflictSource, GateSource, RandomUnit, RouterRead, ThresholdScope};

use crate::divergence::Smoothing;
use crate::intervention::Intervention;
use crate::preference::{PreferenceForm, PreferenceOptions};
use crate::token_sets::TextScope;

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

fn one() -> f64 {
    1.0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde calls")]
fn is_one(value: &f64) -> bool {
    value.to_bits() == 1.0_f64.to_bits()
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
    /// Exponent on g before it is used, after which it sums to 1 again: 1 leaves it, more makes it more decided. Left out
    /// where it is 1, so that the settings of older runs stay what they were.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub gate_sharpness: f64,
    /// How often random ones are drawn.
    pub random_unit: RandomUnit,
    /// Seed of everything random.
    pub seed: u64,
    /// A bias on the tokens of each modality in every head from `steer_first_layer` on, conflict or not.
    pub static_bias: PerModality<f64>,
    /// The user's own biases.
    pub intervention: Vec<Intervention>,
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

    /// Whether some modality has a bias of its own, conflict or not.
    pub fn has_static_bias(&self) -> bool {
        self.static_bias.iter().any(|(_, b)| *b != 0.0)
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

    /// Whether the router, where it is read in the steered step itself, reads a clean row as long as Eq. (13) and (14) have
    /// not acted: no bias of the user's own moves it before, and no later row is read, too.
    pub(crate) fn reads_clean_until_steered(&self) -> bool {
        let is_alone = !self.has_static_bias()
            && self.intervention.is_empty()
            && self.steer_scope == SteerScope::DecisionOnly;
        self.router_read != RouterRead::Online || is_alone
    }

    /// Whether router outputs of other samples are needed.
    pub fn needs_shuffled(&self) -> bool {
        self.has_bias() && (self.gate == GateSource::Shuffled || self.conflict == ConflictSource::Shuffled)
    }

    /// Whether labels of the sample are needed.
    pub fn needs_labels(&self) -> bool {
        self.has_bias() && (self.gate == GateSource::Oracle || self.conflict == ConflictSource::Oracle)
    }
}
