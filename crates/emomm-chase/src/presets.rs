//! Named settings: the paper's, placebos, bounds, controls and the ideas of others, all through one hook.

use emomm_dataset::PerModality;

use crate::config::{
    AllHeads, ConflictSource, GateSource, HeadCount, HeadSelection, ImportanceKind, IntraForm, IntraScale,
    IntraScope, RandomUnit, RouterRead, SteerScope, SteeringConfig, TargetMassForm, ThresholdScope,
};
use crate::divergence::Smoothing;
use crate::error::{ChaseError, Result};
use crate::preference::PreferenceForm;

/// A preset's name and what it is.
pub const PRESETS: [(&str, &str); 18] = [
    ("baseline", "no steering"),
    ("paper", "the paper's hyper-parameters, Algorithm 1"),
    ("exact", "paper with γ = 1, ε_a = 0 and an Eq. (14) that reaches its target"),
    ("two_pass", "p and g as means over layers of a clean step; steering from the first layer on"),
    ("random_gate", "placebo: a random gate at the router's conflict probability"),
    ("random_heads", "placebo: K heads at random"),
    ("shuffled_router", "placebo: the router's outputs for another sample"),
    ("no_router", "Table 2: a random gate and a random conflict probability"),
    ("no_inter", "Table 2: without the inter-modality bias"),
    ("no_intra", "Table 2: without the intra-modality bias"),
    ("oracle_gate", "bound: g* of the sample at the router's conflict probability"),
    ("oracle", "bound: g* and p* of the sample"),
    ("constant_gate", "control: the mean g* of the training conflicts"),
    ("always_on", "control: p = 1 everywhere"),
    ("video_boost", "a constant bias on video tokens, twice their odds, in every head"),
    ("target_mass", "a target mass for the whole video in every head, after SpotLight"),
    (
        "fixed_heads",
        "heads chosen beforehand, after PASTA; the list comes from the router's training features",
    ),
    ("tuned", "chosen on the validation split by `emomm chase sweep --tune`"),
];

/// The paper's hyper-parameters; what it does not state as `design/chase.md` argues.
fn paper() -> SteeringConfig {
    SteeringConfig {
        preset: "paper".to_owned(),
        conflict_threshold: 0.7,
        max_steering: 0.6,
        n_heads_steered: HeadCount::Count(4),
        inter_strength: 1.4,
        intra_strength: 0.5,
        target_mass: 0.1,
        target_mass_form: TargetMassForm::Absolute,
        significant_percentile: 90.0,
        significant_count: None,
        importance: ImportanceKind::GradientInput,
        router_first_layer: None,
        steer_first_layer: None,
        router_read: RouterRead::Online,
        threshold_scope: ThresholdScope::Layer,
        preference: PreferenceForm::Share,
        preference_temperature: 1.0,
        text_scope: None,
        n_sinks: None,
        epsilon_a: 1e-3,
        epsilon_b: 1e-3,
        epsilon_divergence: 1e-8,
        smoothing: Smoothing::Denominator,
        intra_form: IntraForm::AsWritten,
        intra_after_inter: false,
        intra_scale: IntraScale::None,
        intra_scope: IntraScope::Steered,
        steer_scope: SteerScope::DecisionOnly,
        bias_clip: None,
        preserve_mass: false,
        head_selection: HeadSelection::TopK,
        head_threshold: 0.0,
        heads: Vec::new(),
        gate: GateSource::Router,
        conflict: ConflictSource::Router,
        gate_sharpness: 1.0,
        random_unit: RandomUnit::Sample,
        seed: 0,
        static_bias: PerModality { text: 0.0, audio: 0.0, video: 0.0 },
        intervention: Vec::new(),
    }
}

/// A preset. `BASE+NAME` puts a placebo, bound, control or ablation on another base than `paper`, for example
/// `two_pass+random_gate`; `NAME@SEED` gives a seed.
pub fn preset(name: &str) -> Result<SteeringConfig> {
    let (parts, seed) = match name.split_once('@') {
        Some((parts, seed)) => (parts, Some(seed.parse::<u64>().map_err(|_| unknown(name))?)),
        None => (name, None),
    };
    let mut names = parts.split('+');
    let mut config = paper();
    let first = names.next().unwrap_or_default();
    apply(&mut config, first).ok_or_else(|| unknown(name))?;
    for part in names {
        apply(&mut config, part).ok_or_else(|| unknown(name))?;
    }
    config.seed = seed.unwrap_or(config.seed);
    name.clone_into(&mut config.preset);
    Ok(config)
}

/// Puts a preset's or a steering file's table over a base, and checks the result. Names that do not exist are refused.
pub fn with_overrides(base: &SteeringConfig, overrides: &toml::Table) -> Result<SteeringConfig> {
    let failed = |message: String| ChaseError::SteeringFile { path: "steering".into(), message };
    let mut table = toml::Table::try_from(base).map_err(|e| failed(e.to_string()))?;
    for (name, value) in overrides {
        table.insert(name.clone(), value.clone());
    }
    let config: SteeringConfig =
        table.try_into().map_err(|e: toml::de::Error| failed(e.message().to_owned()))?;
    config.check()?;
    Ok(config)
}

/// Changes a configuration as a name says; `None` for an unknown name, and for `tuned`, which is a file.
fn apply(config: &mut SteeringConfig, name: &str) -> Option<()> {
    match name {
        "baseline" => (config.inter_strength, config.intra_strength) = (0.0, 0.0),
        "paper" => {}
        "exact" => {
            (config.inter_strength, config.epsilon_a) = (1.0, 0.0);
            config.intra_form = IntraForm::Exact;
        }
        "two_pass" => {
            config.router_read = RouterRead::CleanMean;
            config.steer_first_layer = Some(1);
        }
        "random_gate" => config.gate = GateSource::Random,
        "random_heads" => config.head_selection = HeadSelection::Random,
        "shuffled_router" => {
            (config.gate, config.conflict) = (GateSource::Shuffled, ConflictSource::Shuffled);
        }
        "no_router" => (config.gate, config.conflict) = (GateSource::Random, ConflictSource::Random),
        "no_inter" => config.inter_strength = 0.0,
        "no_intra" => config.intra_strength = 0.0,
        "oracle_gate" => config.gate = GateSource::Oracle,
        "oracle" => (config.gate, config.conflict) = (GateSource::Oracle, ConflictSource::Oracle),
        "constant_gate" => config.gate = GateSource::Constant,
        "always_on" => config.conflict = ConflictSource::Always,
        "video_boost" => {
            (config.inter_strength, config.intra_strength) = (0.0, 0.0);
            config.static_bias.video = std::f64::consts::LN_2;
        }
        "target_mass" => {
            config.inter_strength = 0.0;
            config.intra_strength = 1.0;
            config.significant_percentile = 0.0;
            config.target_mass = 0.3;
            config.intra_scope = IntraScope::Always;
        }
        "fixed_heads" => config.head_selection = HeadSelection::Fixed,
        "all_heads" => config.n_heads_steered = HeadCount::All(AllHeads::All),
        "full_strength" => (config.max_steering, config.inter_strength) = (1.0, 1.0),
        _ => return None,
    }
    Some(())
}

fn unknown(name: &str) -> ChaseError {
    let names: Vec<&str> = PRESETS.iter().map(|(name, _)| *name).collect();
    ChaseError::setting("preset", format!("\"{name}\""), format!("one of {}", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_but_tuned_exists_and_is_sound_or_says_what_it_lacks() {
        for (name, _) in PRESETS {
            match name {
                "tuned" => assert!(preset(name).is_err()),
                "fixed_heads" => assert!(preset(name).unwrap().check().is_err()),
                _ => preset(name).unwrap().check().unwrap(),
            }
        }
    }

    #[test]
    fn a_placebo_stands_on_any_base_with_any_seed() {
        let config = preset("two_pass+random_gate@5").unwrap();
        assert_eq!(
            (config.router_read, config.gate, config.seed),
            (RouterRead::CleanMean, GateSource::Random, 5)
        );
        assert_eq!(config.preset, "two_pass+random_gate@5");
        for bad in ["", "nonsense", "paper+nonsense", "paper@x"] {
            assert!(preset(bad).unwrap_err().to_string().contains("one of baseline, paper"), "{bad}");
        }
    }

    #[test]
    fn a_file_overrides_its_preset_and_unknown_names_are_refused() {
        let file: toml::Table =
            "n_heads_steered = \"all\"\nmax_steering = 1.0\nstatic_bias = { text = 0.0, audio = 0.0, video = 0.5 }\n\
             [[intervention]]\nlayers = [1, 2]\nmodality = \"video\"\nbias = \"-inf\"\n"
                .parse()
                .unwrap();
        let config = with_overrides(&paper(), &file).unwrap();
        assert_eq!(config.n_heads_steered, HeadCount::All(AllHeads::All));
        assert_eq!(config.intervention.len(), 1);
        for bad in ["max_sterring = 1.0", "conflict_threshold = 2.0", "n_heads_steered = \"some\""] {
            assert!(with_overrides(&paper(), &bad.parse().unwrap()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_configuration_survives_toml() {
        for (name, _) in PRESETS.iter().filter(|(name, _)| *name != "tuned") {
            let config = preset(name).unwrap();
            let text = toml::to_string(&config).unwrap();
            assert_eq!(toml::from_str::<SteeringConfig>(&text).unwrap(), config);
        }
    }
}
