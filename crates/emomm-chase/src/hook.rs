//! Algorithm 1, stage 2, as a hook on the decision row, for any number of variants at once.
//!
//! Every variant carries its own settings and its own sources of p and g; they share scores, pooled summaries and the
//! prefix. A variant that adds nothing leaves its row bit for bit as it is.

use candle_core::{DType, Tensor};
use candle_nn::ops::softmax_last_dim;
use emomm_models::decoder::{DecisionHook, DecisionLayer, HookError};

use crate::error::Result;
use crate::features::{check_finite, pooled};
use crate::router::RouterOutput;
use crate::router_shape::RouterTiming;
use crate::variant_run::{LoadedRouter, VariantRun};

/// Steers a batch of decision rows, one variant each.
pub struct SteeringHook {
    variants: Vec<VariantRun>,
    router: Option<LoadedRouter>,
    /// Whether the preference after steering is measured.
    records_after: bool,
    /// π of each variant as the router reads it, of the layer before; for a router with a lag of one layer.
    before: Vec<Option<[f64; 3]>>,
    /// Whether a bias was added to each variant's row in a layer before.
    is_moved: Vec<bool>,
}

impl SteeringHook {
    /// A hook for these variants, in the order of the batch.
    pub fn new(variants: Vec<VariantRun>, router: Option<LoadedRouter>) -> Self {
        let (before, is_moved) = (vec![None; variants.len()], vec![false; variants.len()]);
        Self { variants, router, records_after: true, before, is_moved }
    }

    /// Leaves out the preference after steering, which costs a look at every pattern.
    #[must_use]
    pub fn without_after(self) -> Self {
        Self { records_after: false, ..self }
    }

    /// The variants, with what was done to them.
    pub fn variants(&self) -> &[VariantRun] {
        &self.variants
    }

    /// The variants alone.
    pub(crate) fn into_variants(self) -> Vec<VariantRun> {
        self.variants
    }

    /// The router's outputs of the variants that read it in this step.
    fn online(
        &self,
        layer: &DecisionLayer<'_>,
        patterns: &[Option<Vec<Vec<f32>>>],
    ) -> Result<Vec<Option<RouterOutput>>> {
        let mut outputs = vec![None; self.variants.len()];
        let reads = |v: &VariantRun| v.acts_in(layer.layer) && v.reads_online(layer.layer);
        let readers: Vec<usize> = (0..self.variants.len())
            .filter(|i| patterns[*i].is_some() && reads(&self.variants[*i]))
            .collect();
        let Some(loaded) = self.router.as_ref().filter(|_| !readers.is_empty()) else { return Ok(outputs) };
        let (router, card) = (&loaded.0, &loaded.1);
        let means = pooled(layer)?;
        let means = [0, 1, 2].map(|m| means[m].as_deref());
        let (mut rows, mut present) = (Vec::new(), Vec::new());
        for i in &readers {
            let query: Vec<f32> = layer.resid_pre.get(*i)?.to_dtype(DType::F32)?.to_vec1()?;
            let own = self.variants[*i].router_preference(patterns[*i].as_deref().unwrap_or_default(), card);
            let read = if self.has_lag() { self.before[*i].unwrap_or(own) } else { own };
            rows.push(router.shape().input(layer.layer, &query, means, read));
            present.push(self.variants[*i].sets().present());
        }
        for (i, output) in readers.into_iter().zip(router.read(&rows, &present)?) {
            outputs[i] = Some(output);
        }
        Ok(outputs)
    }

    /// Whether the router reads the preference of the layer before.
    fn has_lag(&self) -> bool {
        self.router.as_ref().is_some_and(|r| r.0.shape().timing == RouterTiming::OneLayerLag)
    }

    /// Keeps what the router will read of this layer in the next.
    fn remember(&mut self, patterns: &[Option<Vec<Vec<f32>>>]) {
        let Some(loaded) = self.router.as_ref() else { return };
        for ((before, variant), pattern) in self.before.iter_mut().zip(&self.variants).zip(patterns) {
            *before = pattern.as_ref().map(|rows| variant.router_preference(rows, &loaded.1));
        }
    }
}

impl DecisionHook for SteeringHook {
    fn attn_bias(&mut self, layer: &DecisionLayer<'_>) -> candle_core::Result<Option<Tensor>> {
        let (n_variants, n_heads, n_keys) = layer.attn_scores.dims3()?;
        if n_variants != self.variants.len() {
            let (layer, expected) = (layer.layer + 1, self.variants.len());
            let message = format!(
                "layer {layer}: {n_variants} decision rows, expected one for each of {expected} variants"
            );
            return Err(HookError { message, hint: None }.into());
        }
        let active: Vec<bool> = self.variants.iter().map(|v| v.acts_in(layer.layer)).collect();
        // With a lag the attention before the first layer read is looked at, too.
        let lag = self.has_lag();
        let seen: Vec<bool> = self
            .variants
            .iter()
            .zip(&active)
            .map(|(v, active)| *active || lag && v.reads_online(layer.layer + 1))
            .collect();
        if !seen.contains(&true) {
            return Ok(None);
        }
        let weights = softmax_last_dim(layer.attn_scores)?;
        let mut patterns = Vec::with_capacity(n_variants);
        for (i, seen) in seen.iter().enumerate() {
            let pattern = seen.then(|| weights.get(i)?.to_vec2::<f32>()).transpose()?;
            if let Some(pattern) = &pattern {
                let found = check_finite(layer.layer, pattern);
                found.map_err(|error| if self.is_moved[i] { error.of_steered_row() } else { error })?;
                if let Some(v) = self.variants.get(i).filter(|v| !v.fits(n_keys)) {
                    let (layer, expected) = (layer.layer + 1, v.sets().n_keys());
                    let message = format!(
                        "layer {layer}: {n_keys} keys of the decision row, expected the prompt's {expected}"
                    );
                    return Err(HookError { message, hint: None }.into());
                }
            }
            patterns.push(pattern);
        }
        let online = self.online(layer, &patterns)?;
        if lag {
            self.remember(&patterns);
        }
        let mut bias = vec![0_f32; n_variants * n_heads * n_keys];
        let mut any = false;
        let rows = bias.chunks_mut(n_heads * n_keys);
        let variants = self.variants.iter_mut().zip(&mut self.is_moved).zip(active);
        for ((((variant, is_moved), active), (pattern, output)), rows) in
            variants.zip(patterns.iter().zip(online)).zip(rows)
        {
            let Some(pattern) = pattern.as_ref().filter(|_| active) else { continue };
            let preferences = variant.preferences(pattern);
            let added = variant.steer(layer.layer, pattern, &preferences, output, rows);
            *is_moved |= added;
            any |= added;
        }
        if !any {
            return Ok(None);
        }
        Tensor::from_vec(bias, (n_variants, n_heads, n_keys), layer.attn_scores.device()).map(Some)
    }

    fn observe_pattern(&mut self, layer: usize, pattern: &Tensor) -> candle_core::Result<()> {
        if !self.records_after {
            return Ok(());
        }
        for (i, variant) in self.variants.iter_mut().enumerate().filter(|(_, v)| v.has_just_acted(layer)) {
            variant.observe(&pattern.get(i)?.to_vec2::<f32>()?);
        }
        Ok(())
    }
}
