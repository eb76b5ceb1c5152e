//! The router's loss, Eq. (10), with the divergences of Eq. (19) and (20), and its gradient at the router's outputs.

use crate::divergence::{Smoothing, kl};
use crate::preference::softmax;

/// Weights and smoothing of the loss.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LossOptions {
    /// λ1, the weight of the KL term.
    pub lambda_gate: f64,
    /// λ2, the weight of the cross-entropy.
    pub lambda_conflict: f64,
    /// ε of Eq. (19) and (20).
    pub epsilon: f64,
    /// Weight of samples with p* = 1 in the cross-entropy.
    pub positive_weight: f64,
}

/// BCE(y, p), Eq. (20).
pub fn bce(y: f64, p: f64, epsilon: f64) -> f64 {
    -(y * (p + epsilon).ln() + (1.0 - y) * (1.0 - p + epsilon).ln())
}

/// Loss of one sample at one layer, and its gradient with respect to the router's logits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RowLoss {
    /// λ1 KL + λ2 BCE
    pub value: f64,
    /// ∂ / ∂ (w_p x + b_p)
    pub conflict_logit: f64,
    /// ∂ / ∂ (W_g x + b_g); 0 where the modality is missing.
    pub gate_logits: [f64; 3],
}

/// p = σ(logit)
pub fn sigmoid(logit: f64) -> f64 {
    if logit >= 0.0 { 1.0 / (1.0 + (-logit).exp()) } else { logit.exp() / (1.0 + logit.exp()) }
}

/// The summand of Eq. (10). Without a target gate the KL term is left out.
pub fn row_loss(
    (conflict_logit, gate_logits): (f64, [f64; 3]),
    present: [bool; 3],
    (target_conflict, target_gate): (f64, Option<[f64; 3]>),
    options: &LossOptions,
) -> RowLoss {
    let eps = options.epsilon;
    let p = sigmoid(conflict_logit);
    let weight = options.lambda_conflict * if target_conflict > 0.5 { options.positive_weight } else { 1.0 };
    let mut value = weight * bce(target_conflict, p, eps);
    let slope = -target_conflict / (p + eps) + (1.0 - target_conflict) / (1.0 - p + eps);
    let conflict_gradient = weight * slope * p * (1.0 - p);
    let mut gate_gradient = [0.0; 3];
    if let Some(target) = target_gate {
        let gate = softmax(gate_logits, present);
        value += options.lambda_gate * kl(target, gate, eps, Smoothing::Denominator);
        let slopes = [0, 1, 2].map(|m| -target[m] / (gate[m] + eps));
        let mean: f64 = (0..3).map(|m| slopes[m] * gate[m]).sum();
        gate_gradient = [0, 1, 2].map(|m| options.lambda_gate * gate[m] * (slopes[m] - mean));
    }
    RowLoss { value, conflict_logit: conflict_gradient, gate_logits: gate_gradient }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: LossOptions =
        LossOptions { lambda_gate: 0.7, lambda_conflict: 1.3, epsilon: 1e-8, positive_weight: 1.0 };

    /// The gradient is that of the value, by central differences.
    #[test]
    fn the_gradient_is_the_slope() {
        let present = [true, false, true];
        let target = (1.0, Some([0.8, 0.0, 0.2]));
        let (c, g) = (0.4, [0.3, 9.0, -0.5]);
        let at = row_loss((c, g), present, target, &OPTIONS);
        let step = 1e-6;
        let slope = |plus: f64, minus: f64| (plus - minus) / (2.0 * step);
        let by_conflict = slope(
            row_loss((c + step, g), present, target, &OPTIONS).value,
            row_loss((c - step, g), present, target, &OPTIONS).value,
        );
        assert!((by_conflict - at.conflict_logit).abs() < 1e-7);
        for m in 0..3 {
            let moved = |by: f64| {
                let mut g = g;
                g[m] += by;
                row_loss((c, g), present, target, &OPTIONS).value
            };
            assert!((slope(moved(step), moved(-step)) - at.gate_logits[m]).abs() < 1e-7, "{m}");
        }
        assert_eq!(at.gate_logits[1].to_bits(), 0);
    }

    #[test]
    fn a_perfect_router_has_no_loss() {
        let row = row_loss((40.0, [0.0, 0.0, -60.0]), [true; 3], (1.0, Some([0.5, 0.5, 0.0])), &OPTIONS);
        assert!(row.value.abs() < 1e-6, "{}", row.value);
    }
}
