//! Which layers the router reads and which may be steered.

use emomm_models::white_box::DecoderShape;

use super::{ImportanceKind, RouterRead, SteeringConfig};
use crate::error::{ChaseError, Result};

/// The paper's first router layer and depth: 13 of 28.
const PAPER_FIRST: (usize, usize) = (13, 28);

/// l_r for a model of `n_layers`: 13 of 28, scaled and rounded, counted from 1.
pub fn scaled_first_layer(n_layers: usize) -> usize {
    ((PAPER_FIRST.0 * n_layers) as f64 / PAPER_FIRST.1 as f64).round().max(1.0) as usize
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
        let at_input = self.importance == ImportanceKind::GradientLayerInput && self.needs_importance();
        if at_input && router == n_layers {
            let expected = format!(
                "router_first_layer below {n_layers}: a token acts on the last layer through its normed state alone, so that \
                 Gradient × Input is zero there"
            );
            return Err(ChaseError::setting("importance", "\"gradient_layer_input\"", expected));
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
    fn layers_that_no_router_reads_are_refused() {
        let early = SteeringConfig { steer_first_layer: Some(3), ..paper() };
        assert!(early.layers(shape(), None).unwrap_err().to_string().contains("clean_mean"));
        let last = SteeringConfig {
            router_first_layer: Some(28),
            importance: ImportanceKind::GradientLayerInput,
            ..paper()
        };
        assert!(last.layers(shape(), None).unwrap_err().to_string().contains("below 28"));
        let late = SteeringConfig { router_first_layer: Some(29), ..paper() };
        assert!(late.layers(shape(), None).unwrap_err().to_string().contains("1 to 28"));
    }
}
