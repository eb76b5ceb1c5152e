//! p and g of every layer as one variant uses them: the router's in the steered step itself, or given beforehand by a clean
//! step, by chance, by another sample or by the labels.

use crate::config::{
    ConflictSource, GateSource, IntraScope, LayerPlan, RandomUnit, RouterRead, SteeringConfig, ThresholdScope,
};
use crate::error::{ChaseError, Lacking, Result};
use crate::reading::CleanReading;
use crate::rng::Rng;
use crate::router::RouterOutput;
use crate::variant_run::SampleContext;

/// Where a number of each layer comes from.
#[derive(Clone)]
enum Source<T> {
    /// The router, in the steered step itself.
    Online,
    /// One value for each layer.
    Given(Vec<T>),
}

/// p and g of every layer of one variant.
#[derive(Clone)]
pub(crate) struct Outputs {
    conflict: Source<f64>,
    gate: Source<[f64; 3]>,
    sharpness: f64,
    /// What τ is tested on, where it is not p of the layer.
    tested: Option<f64>,
}

impl Outputs {
    /// Takes what the configuration names from what is known of the sample. A variant without effect gets zeros.
    ///
    /// # Errors
    /// The context lacks what is named.
    pub(crate) fn of(
        config: &SteeringConfig,
        plan: LayerPlan,
        context: &SampleContext<'_>,
        is_active: bool,
    ) -> Result<Self> {
        let n = plan.n_layers;
        let sharpness = config.gate_sharpness;
        if !is_active || !asks_router_or_substitute(config) {
            let (conflict, gate) = (Source::Given(vec![0.0; n]), Source::Given(vec![[0.0; 3]; n]));
            return Ok(Self { conflict, gate, sharpness, tested: None });
        }
        let needs = |needs| ChaseError::Needs { variant: config.preset.clone(), needs };
        let clean = || context.clean.map(|(_, reading)| reading).ok_or_else(|| needs(Lacking::CleanStep));
        let other = || context.other.ok_or_else(|| needs(Lacking::OtherSamples));
        let target = || context.target.ok_or_else(|| needs(Lacking::Labels));
        // The outputs of a clean reading as this configuration reads them.
        let given = |reading: &CleanReading| match config.router_read {
            RouterRead::CleanMean => vec![reading.mean(plan.router_first); n],
            _ => reading.layers.clone(),
        };
        let gates = |reading| Source::Given(given(reading).iter().map(|r| r.gate).collect());
        let conflicts = |reading| Source::Given(given(reading).iter().map(|r| r.conflict_prob).collect());
        let mut draws = Rng::named(config.seed, &format!("gate/{}", context.name));
        let present = context.sets.present();
        let (once, chance) = (draws.dirichlet(present), draws.unit());
        let is_online = config.router_read == RouterRead::Online;
        let by_layer = config.random_unit == RandomUnit::Layer;
        let gate = match config.gate {
            GateSource::Router if is_online => Source::Online,
            GateSource::Router => gates(clean()?),
            GateSource::Shuffled => gates(other()?),
            GateSource::Random if by_layer => {
                Source::Given((0..n).map(|_| draws.dirichlet(present)).collect())
            }
            GateSource::Random => Source::Given(vec![once; n]),
            GateSource::Constant => {
                Source::Given(vec![context.mean_gate.ok_or_else(|| needs(Lacking::MeanGate))?; n])
            }
            GateSource::Oracle => Source::Given(vec![target()?.gate; n]),
        };
        let conflict = match config.conflict {
            ConflictSource::Router if is_online => Source::Online,
            ConflictSource::Router => conflicts(clean()?),
            ConflictSource::Shuffled => conflicts(other()?),
            ConflictSource::Random if by_layer => Source::Given((0..n).map(|_| draws.unit()).collect()),
            ConflictSource::Random => Source::Given(vec![chance; n]),
            ConflictSource::Always => Source::Given(vec![1.0; n]),
            ConflictSource::Oracle => Source::Given(vec![target()?.conflict; n]),
        };
        let tested = match &conflict {
            Source::Given(values) if config.threshold_scope == ThresholdScope::Sample => {
                let read = &values[plan.router_first..];
                Some(read.iter().sum::<f64>() / read.len().max(1) as f64)
            }
            _ => None,
        };
        Ok(Self { conflict, gate, sharpness, tested })
    }

    /// Whether the router is asked in the steered step itself.
    pub(crate) fn is_online(&self) -> bool {
        matches!(self.conflict, Source::Online) || matches!(self.gate, Source::Online)
    }

    /// The layer's p and g. `online` are those of the router in this step.
    pub(crate) fn at(&self, layer: usize, online: Option<RouterOutput>) -> RouterOutput {
        let online = online.unwrap_or(RouterOutput { conflict_prob: 0.0, gate: [0.0; 3] });
        let gate = match &self.gate {
            Source::Online => online.gate,
            Source::Given(values) => values[layer],
        };
        RouterOutput {
            conflict_prob: match &self.conflict {
                Source::Online => online.conflict_prob,
                Source::Given(values) => values[layer],
            },
            gate: sharpened(gate, self.sharpness),
        }
    }

    /// Whether τ is exceeded in a layer of which p is known.
    pub(crate) fn exceed(&self, conflict_prob: f64, threshold: f64) -> bool {
        self.tested.unwrap_or(conflict_prob) > threshold
    }
}

/// Whether p and g matter to a configuration at all.
pub(crate) fn asks_router_or_substitute(config: &SteeringConfig) -> bool {
    let inter = config.inter_strength > 0.0 && config.max_steering > 0.0;
    inter || config.intra_scope == IntraScope::Steered || config.needs_router()
}

/// g^s, made to sum to 1 again. A sharpness of 1 leaves the gate bit for bit; missing modalities stay 0.
fn sharpened(gate: [f64; 3], sharpness: f64) -> [f64; 3] {
    if sharpness.to_bits() == 1.0_f64.to_bits() {
        return gate;
    }
    // Over the greatest first, so that no power underflows to a gate of nothing.
    let greatest = gate.iter().copied().fold(0.0, f64::max);
    if greatest <= 0.0 {
        return gate;
    }
    let powers = gate.map(|g| (g / greatest).powf(sharpness));
    let sum: f64 = powers.iter().sum();
    powers.map(|p| p / sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sharper_gate_keeps_its_order_its_sum_and_what_is_missing() {
        let gate = [0.55, 0.0, 0.45];
        assert_eq!(sharpened(gate, 1.0).map(f64::to_bits), gate.map(f64::to_bits));
        let sharp = sharpened([0.6, 0.3, 0.1], 2.0);
        let expected = [0.36 / 0.46, 0.09 / 0.46, 0.01 / 0.46];
        assert!(sharp.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{sharp:?}");
        let two = sharpened([0.7, 0.0, 0.3], 8.0);
        assert!(two[0] > 0.99 && two[1].to_bits() == 0 && (two.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        assert_eq!(sharpened([0.0; 3], 4.0).map(f64::to_bits), [0; 3]);
        assert!(sharpened([1e-3, 1e-200, 0.0], 300.0).iter().all(|g| g.is_finite()));
    }
}
