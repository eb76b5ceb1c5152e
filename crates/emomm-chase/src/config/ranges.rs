//! Ranges of a steering's settings: what no model can make sense of, and what a user should know.

use super::{HeadCount, HeadSelection, RouterRead, SteeringConfig, TargetMassForm, ThresholdScope};
use crate::error::{ChaseError, Result};
use crate::intervention::Intervention;

impl SteeringConfig {
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
        if !(self.gate_sharpness.is_finite() && self.gate_sharpness > 0.0) {
            return Err(ChaseError::setting("gate_sharpness", self.gate_sharpness, "a positive number"));
        }
        self.preference_options().check()?;
        if let Some(clip) = self.bias_clip.filter(|c| !(c.is_finite() && *c > 0.0)) {
            return Err(ChaseError::setting("bias_clip", clip, "a positive number"));
        }
        if self.n_heads_steered == HeadCount::Count(0) {
            return Err(ChaseError::setting("n_heads_steered", 0, "at least 1, or \"all\""));
        }
        if self.significant_count == Some(0) {
            return Err(ChaseError::setting("significant_count", 0, "at least 1"));
        }
        if let Some((_, bad)) = self.static_bias.iter().find(|(_, b)| !(**b as f32).is_finite()) {
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
        self.intervention.iter().try_for_each(Intervention::check)?;
        self.check_sums()
    }

    /// The biases of a file that fall on one token, and they may all, add up to an f32 as each of them is one. What removes a
    /// token adds nothing.
    fn check_sums(&self) -> Result<()> {
        let sum = |sign: f64| -> f64 {
            let greatest = self.static_bias.iter().fold(0.0_f64, |most, (_, b)| most.max(sign * b));
            let own = self.intervention.iter().map(|i| i.bias.0).filter(|b| b.is_finite());
            greatest + own.map(|b| (sign * b).max(0.0)).sum::<f64>()
        };
        match [1.0, -1.0].map(|sign| sign * sum(sign)).into_iter().find(|sum| !(*sum as f32).is_finite()) {
            Some(sum) => {
                let expected = format!("a sum from -{0:e} to {0:e}", f32::MAX);
                Err(ChaseError::setting("intervention.bias", format!("{sum:e} in all"), expected))
            }
            None => Ok(()),
        }
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

    #[test]
    fn impossible_settings_name_the_field() {
        let cases: [(&str, SteeringConfig); 10] = [
            ("conflict_threshold", SteeringConfig { conflict_threshold: 1.5, ..paper() }),
            ("conflict_threshold", SteeringConfig { conflict_threshold: f64::NAN, ..paper() }),
            ("max_steering", SteeringConfig { max_steering: -0.1, ..paper() }),
            ("significant_percentile", SteeringConfig { significant_percentile: 101.0, ..paper() }),
            ("target_mass", SteeringConfig { target_mass: 1.0, ..paper() }),
            ("n_heads_steered", SteeringConfig { n_heads_steered: HeadCount::Count(0), ..paper() }),
            ("threshold_scope", SteeringConfig { threshold_scope: ThresholdScope::Sample, ..paper() }),
            ("heads", SteeringConfig { head_selection: HeadSelection::Fixed, ..paper() }),
            ("gate_sharpness", SteeringConfig { gate_sharpness: 0.0, ..paper() }),
            ("bias_clip", SteeringConfig { bias_clip: Some(0.0), ..paper() }),
        ];
        for (field, config) in cases {
            let error = config.check().unwrap_err().to_string();
            assert!(error.starts_with(&format!("`{field}`")), "{error}");
        }
    }

    #[test]
    fn biases_that_add_up_beyond_f32_are_refused() {
        let of = |biases: &[f64], video: f64| {
            let entry = |b: &f64| format!("[[intervention]]\nmodality = \"text\"\nbias = {b:e}\n");
            let fixed = format!("static_bias = {{ text = 0.0, audio = 0.0, video = {video:e} }}\n");
            let text = fixed + &biases.iter().map(entry).collect::<String>();
            crate::presets::with_overrides(&paper(), &text.parse().unwrap())
        };
        for (biases, video) in [(&[3e38, 3e38][..], 0.0), (&[-3e38, 1.0, -3e38], 0.0), (&[3e38], 3e38)] {
            let error = of(biases, video).unwrap_err().to_string();
            assert!(error.contains("`intervention.bias` is") && error.contains("6e38 in all"), "{error}");
        }
        assert!(of(&[3e38, -3e38], 1e37).is_ok());
    }

    #[test]
    fn many_heads_are_warned_of() {
        assert!(paper().warnings(28).is_empty());
        assert!(paper().warnings(16).is_empty());
        assert!(paper().warnings(6)[0].contains("K = 4 of H = 6"));
    }
}
