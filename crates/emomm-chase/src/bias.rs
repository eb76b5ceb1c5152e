//! The biases of one head, Eq. (12) to (15).

use crate::config::{IntraForm, IntraScale, SteeringConfig, TargetMassForm};
use crate::router::RouterOutput;
use crate::token_sets::TokenSets;

/// Largest distance of a mass from 0 and 1 in log-odds.
const ODDS_MARGIN: f64 = 1e-12;

/// What is added to a head's scores.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct HeadBias {
    /// γ b_m on the tokens of T, A, V.
    pub modality: [f64; 3],
    /// β δ on the significant video tokens.
    pub significant: f64,
}

/// b_m of Eq. (13) towards π̂ of Eq. (12); 0 where a modality is missing.
///
/// `strength` is η p. With ε_a = 0 a modality without any attention gets no bias: there is nothing to scale.
pub fn inter_bias(
    preference: [f64; 3],
    gate: [f64; 3],
    strength: f64,
    epsilon_a: f64,
    present: [bool; 3],
) -> [f64; 3] {
    [0, 1, 2].map(|m| {
        let target = (1.0 - strength) * preference[m] + strength * gate[m];
        let (above, below) = (target + epsilon_a, preference[m] + epsilon_a);
        if present[m] && above > 0.0 && below > 0.0 { (above / below).ln() } else { 0.0 }
    })
}

/// δ of Eq. (14): 0 where the mass already reaches the target.
pub fn intra_bias(mass: f64, target: f64, epsilon_b: f64, form: IntraForm) -> f64 {
    if mass >= target {
        return 0.0;
    }
    match form {
        IntraForm::AsWritten => ((target + epsilon_b) / (mass + epsilon_b)).ln(),
        IntraForm::Exact => log_odds(target) - log_odds(mass),
    }
}

fn log_odds(p: f64) -> f64 {
    let p = p.clamp(ODDS_MARGIN, 1.0 - ODDS_MARGIN);
    (p / (1.0 - p)).ln()
}

/// Both biases of a selected head.
///
/// `pattern` is its attention before steering, `significant` the tokens S_v, empty without video.
pub fn head_bias(
    pattern: &[f32],
    sets: &TokenSets,
    preference: [f64; 3],
    router: RouterOutput,
    significant: &[usize],
    config: &SteeringConfig,
) -> HeadBias {
    let strength = config.max_steering * router.conflict_prob;
    let raw = inter_bias(preference, router.gate, strength, config.epsilon_a, sets.present());
    let mut modality = raw.map(|b| config.inter_strength * b);
    let mass_of = |keys: &[usize]| keys.iter().map(|k| f64::from(pattern[*k])).sum::<f64>();
    let masses = [0, 1, 2].map(|m| mass_of(&sets.all()[m]));
    if config.preserve_mass {
        let before: f64 = masses.iter().sum();
        let after: f64 = (0..3).map(|m| masses[m] * modality[m].exp()).sum();
        if before > 0.0 && after > 0.0 {
            let shift = (before / after).ln();
            modality = [0, 1, 2].map(|m| if sets.present()[m] { modality[m] + shift } else { 0.0 });
        }
    }
    if let Some(clip) = config.bias_clip {
        modality = modality.map(|b| b.clamp(-clip, clip));
    }
    let significant =
        significant_bias(mass_of(significant), masses, modality, router.gate[2], significant, config);
    HeadBias { modality, significant }
}

/// β δ on S_v alone, for heads that get no inter-modality bias.
pub(crate) fn significant_bias(
    mass: f64,
    masses: [f64; 3],
    modality: [f64; 3],
    video_gate: f64,
    significant: &[usize],
    config: &SteeringConfig,
) -> f64 {
    if config.intra_strength <= 0.0 || significant.is_empty() {
        return 0.0;
    }
    let mass = if config.intra_after_inter {
        let others = 1.0 - masses.iter().sum::<f64>();
        let scaled: f64 = (0..3).map(|m| masses[m] * modality[m].exp()).sum();
        mass * modality[2].exp() / (others.max(0.0) + scaled)
    } else {
        mass
    };
    let target = match config.target_mass_form {
        TargetMassForm::Absolute => config.target_mass,
        TargetMassForm::Relative => (config.target_mass * mass).min(1.0),
        TargetMassForm::GateShare => video_gate * masses.iter().sum::<f64>(),
    };
    let scale = match config.intra_scale {
        IntraScale::None => 1.0,
        IntraScale::Gate => video_gate,
    };
    config.intra_strength * scale * intra_bias(mass, target, config.epsilon_b, config.intra_form)
}

impl HeadBias {
    /// Whether nothing is added.
    pub fn is_zero(&self) -> bool {
        self.modality.iter().chain([&self.significant]).all(|b| *b == 0.0)
    }

    /// Adds the bias to one head's row.
    ///
    /// # Shapes
    /// `row [key]`
    pub fn add_to(&self, row: &mut [f32], sets: &TokenSets, significant: &[usize]) {
        for (keys, bias) in sets.all().iter().zip(self.modality) {
            for key in keys {
                row[*key] += bias as f32;
            }
        }
        for key in significant {
            row[*key] += self.significant as f32;
        }
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "values that are exact")]
mod tests {
    use super::*;

    /// The example of the design: γ = 1 and ε_a = 0 reach π̂ exactly in terms of shares.
    #[test]
    fn the_full_bias_reaches_the_target_preference() {
        let (pi, g) = ([0.6, 0.3, 0.1], [0.1, 0.2, 0.7]);
        let b = inter_bias(pi, g, 0.5, 0.0, [true; 3]);
        let weighted = [0, 1, 2].map(|m| pi[m] * b[m].exp());
        let sum: f64 = weighted.iter().sum();
        for m in 0..3 {
            assert!((weighted[m] / sum - (0.5 * pi[m] + 0.5 * g[m])).abs() < 1e-12);
        }
    }

    #[test]
    fn no_bias_where_gate_and_preference_agree_or_a_modality_is_missing() {
        let pi = [0.5, 0.0, 0.5];
        assert_eq!(inter_bias(pi, pi, 0.6, 1e-3, [true, false, true]), [0.0; 3]);
        assert_eq!(inter_bias([1.0, 0.0, 0.0], [1.0, 0.0, 0.0], 1.0, 0.0, [true, false, false]), [0.0; 3]);
        // No attention at all on the video: nothing to scale.
        assert_eq!(
            inter_bias([1.0, 0.0, 0.0], [0.5, 0.0, 0.5], 1.0, 0.0, [true, false, true])[2].to_bits(),
            0
        );
    }

    /// ψ 0.05 → 0.174 with the form as written at β = 1, 0.095 at β = 0.5; 0.20 with the exact one.
    #[test]
    fn the_intra_bias_s_reach_by_hand() {
        let after = |bias: f64| 0.05 * bias.exp() / (0.95 + 0.05 * bias.exp());
        let written = intra_bias(0.05, 0.2, 0.0, IntraForm::AsWritten);
        assert!((after(written) - 0.1739).abs() < 1e-3);
        assert!((after(0.5 * written) - 0.095).abs() < 1e-3);
        assert!((after(intra_bias(0.05, 0.2, 0.0, IntraForm::Exact)) - 0.2).abs() < 1e-12);
        assert_eq!(intra_bias(0.2, 0.2, 0.0, IntraForm::AsWritten).to_bits(), 0);
        assert!(intra_bias(0.0, 0.2, 0.0, IntraForm::Exact).is_finite());
    }
}
