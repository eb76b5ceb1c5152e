//! CHASE (Sec. 5, App. D): a router that reads conflicts between modalities off a frozen model, and a bias on the decision
//! row's attention that moves it towards the modalities that the router trusts.
//!
//! - *Reading*: [`Features`] of one clean decision step, [`preference`] Eq. (6), [`Router`] Eq. (7) and (8).
//! - *Training*: [`TargetRules`] Eq. (9), [`loss`] Eq. (10), (19) and (20), [`train`].
//! - *Steering*: [`SteeringConfig`], [`SteeringHook`] Eq. (11) to (15), [`significant_tokens`] Eq. (25).
//! - *Evidence*: placebos, bounds and controls through the same hook, [`TraceHook`] for knock-out traces.
//!
//! Only the decision row is read and steered, so one prefill serves every variant: ablations, controls and sweep points are
//! rows of one batch. The crate sees token spans, scores and residuals, never a model's name.

mod adamw;
mod answers;
mod bias;
mod calibration;
mod config;
mod decision_record;
mod diagnose;
mod divergence;
mod error;
mod evaluate;
mod feature_store;
mod features;
mod figures;
mod fusion;
mod heads;
mod hook;
mod importance;
mod importance_cache;
mod intervention;
pub mod loss;
mod outputs;
mod preference;
mod presets;
mod reading;
mod rng;
mod router;
mod router_file;
mod router_shape;
mod significant;
mod steered_batch;
mod target;
mod token_sets;
mod trace;
mod traced;
mod train;
mod training_set;
mod variant_run;

pub use adamw::AdamW;
pub use answers::{Answered, VariantAnswer};
pub use bias::{HeadBias, head_bias, inter_bias, intra_bias};
pub use calibration::{Calibration, brier, expected_calibration_error};
pub use config::{
    AllHeads, ConflictSource, GateSource, HeadCount, HeadSelection, ImportanceKind, IntraForm, IntraScale,
    IntraScope, LayerPlan, RandomUnit, RouterRead, SteerScope, SteeringConfig, TargetMassForm,
    ThresholdScope, scaled_first_layer,
};
pub use decision_record::DecisionRecord;
pub use diagnose::{DiagnosedSample, Diagnosis, TargetReading, auroc, diagnose};
pub use divergence::{Smoothing, jsd, kl};
pub use error::{ChaseError, Lacking, Result, model_error};
pub use evaluate::{ClipKnowledge, Steerer, Variant, VariantKind};
pub use feature_store::{FeatureStore, StoreKey, StoredRecord};
pub use features::{FeatureHook, Features, LayerFeatures};
pub use figures::{ALL, Delta, JudgedSample, SubsetFigures, by_subset};
pub use fusion::Fusion;
pub use heads::{divergences, select_heads};
pub use hook::SteeringHook;
pub use importance::{ImportanceSource, attention_importance, gradient_importance};
pub use importance_cache::ImportanceCache;
pub use intervention::{BiasValue, Intervention, ModalityWord};
pub use preference::{PreferenceForm, PreferenceOptions, mean_preference, preference};
pub use presets::{PRESETS, preset, with_overrides};
pub use reading::{CleanReading, LayerReading};
pub use rng::Rng;
pub use router::{Router, RouterOutput};
pub use router_file::{ROUTER_FILE, RouterCard, load_router, router_digest, save_router};
pub use router_shape::{BlockNorm, RouterForm, RouterShape, RouterTiming};
pub use significant::significant_tokens;
pub use target::{LabelLevel, NeutralPolarity, NoneCorrect, Target, TargetKind, TargetRules};
pub use token_sets::{TextScope, TokenSets};
pub use trace::{KnockOut, TraceHook, TraceMode};
pub use traced::TraceCell;
pub use train::{
    EpochRecord, KeepEpoch, LayerReduction, Precision, TrainOptions, Trained, train, train_step,
};
pub use training_set::TrainingSet;
pub use variant_run::{LoadedRouter, SampleContext, VariantRun};
