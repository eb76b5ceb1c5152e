//! Algorithm 1, stage 2, as a hook on the decision row, for any number of variants at once.
//!
//! Every variant carries its own settings and its own sources of p and g; they share scores, pooled summaries and the
//! prefix. A variant that adds nothing leaves its row bit for bit as it is.

use std::sync::Arc;

use candle_core::{DType, Tensor};
use candle_nn::ops::softmax_last_dim;
use emomm_dataset::PerModality;
use emomm_eval::run::{SteeredLayer, SteeringTrace};
use emomm_models::decoder::{DecisionHook, DecisionLayer};
use emomm_models::white_box::DecoderShape;

use crate::bias::{HeadBias, head_bias, significant_bias};
use crate::config::{
    ConflictSource, GateSource, HeadSelection, IntraScope, LayerPlan, RandomUnit, RouterRead, SteerScope,
    SteeringConfig, ThresholdScope,
};
use crate::error::{ChaseError, Result};
use crate::features::{Features, check_finite, pooled};
use crate::heads::{divergences, ranked, select_heads};
use crate::preference::{PreferenceOptions, mean_preference, preference};
use crate::reading::CleanReading;
use crate::rng::Rng;
use crate::router::{Router, RouterOutput};
use crate::router_file::RouterCard;
use crate::significant::significant_tokens;
use crate::target::Target;
use crate::token_sets::TokenSets;

/// A router with its card.
pub type LoadedRouter = Arc<(Router, RouterCard)>;

/// What is known of a sample when its variants are prepared.
pub struct SampleContext<'a> {
    /// Names the sample for random draws: clip and coalition.
    pub name: &'a str,
    /// Sizes of the model.
    pub shape: DecoderShape,
    /// Which tokens belong to which modality.
    pub sets: Arc<TokenSets>,
    /// The router, where one is loaded.
    pub router: Option<LoadedRouter>,
    /// The clean step, where it was run.
    pub clean: Option<(&'a Features, &'a CleanReading)>,
    /// p* and g*, where labels are known.
    pub target: Option<Target>,
    /// The router's clean outputs for another sample of the same coalition.
    pub other: Option<&'a CleanReading>,
    /// Mean g* of the training conflicts of the same coalition.
    pub mean_gate: Option<[f64; 3]>,
    /// Places of the video tokens and their importance.
    pub importance: Option<(&'a [usize], &'a [f64])>,
}

/// Where a number of each layer comes from.
enum Source<T> {
    /// The router, in the steered step itself.
    Online,
    /// One value for each layer.
    Given(Vec<T>),
}

/// One variant of a decision row.
pub struct VariantRun {
    config: Arc<SteeringConfig>,
    sets: Arc<TokenSets>,
    plan: LayerPlan,
    sample: String,
    conflict: Source<f64>,
    gate: Source<[f64; 3]>,
    /// What τ is tested on, where it is not p of the layer.
    tested: Option<f64>,
    significant: Vec<usize>,
    /// The global selection, by layer.
    chosen: Option<Vec<Vec<usize>>>,
    group: usize,
    layers: Vec<SteeredLayer>,
}

impl VariantRun {
    /// Prepares a variant for a sample.
    ///
    /// # Errors
    /// The settings do not fit the model, or need what the context lacks.
    pub fn new(config: Arc<SteeringConfig>, context: &SampleContext<'_>) -> Result<Self> {
        let needs = |needs| ChaseError::Needs { variant: config.preset.clone(), needs };
        let card = context.router.as_ref().map(|r| &r.1);
        if config.needs_router() && card.is_none() {
            return Err(needs("a router"));
        }
        let plan = config.layers(context.shape, card.map(|c| c.first_layer))?;
        let n = plan.n_layers;
        let is_active = config.has_bias() && !context.sets.available().is_empty();
        let clean =
            || context.clean.map(|(_, reading)| reading).ok_or_else(|| needs("a clean decision step"));
        let other = || context.other.ok_or_else(|| needs("router outputs of other samples"));
        let target = || context.target.ok_or_else(|| needs("labels of the modalities"));
        // The outputs of a clean reading as this configuration reads them.
        let given = |reading: &CleanReading| match config.router_read {
            RouterRead::CleanMean => vec![reading.mean(plan.router_first); n],
            _ => reading.layers.clone(),
        };
        let mut draws = Rng::named(config.seed, &format!("gate/{}", context.name));
        let present = context.sets.present();
        let per_layer = config.random_unit == RandomUnit::Layer;

        let (mut gate, mut conflict) = (Source::Given(vec![[0.0; 3]; n]), Source::Given(vec![0.0; n]));
        let mut tested = None;
        if is_active && asks_router_or_substitute(&config) {
            let once = draws.dirichlet(present);
            let chance = draws.unit();
            gate = match config.gate {
                GateSource::Router if config.router_read == RouterRead::Online => Source::Online,
                GateSource::Router => Source::Given(given(clean()?).iter().map(|r| r.gate).collect()),
                GateSource::Shuffled => Source::Given(given(other()?).iter().map(|r| r.gate).collect()),
                GateSource::Random if per_layer => {
                    Source::Given((0..n).map(|_| draws.dirichlet(present)).collect())
                }
                GateSource::Random => Source::Given(vec![once; n]),
                GateSource::Constant => {
                    Source::Given(vec![
                        context.mean_gate.ok_or_else(|| needs("a mean gate from training"))?;
                        n
                    ])
                }
                GateSource::Oracle => Source::Given(vec![target()?.gate; n]),
            };
            conflict = match config.conflict {
                ConflictSource::Router if config.router_read == RouterRead::Online => Source::Online,
                ConflictSource::Router => {
                    Source::Given(given(clean()?).iter().map(|r| r.conflict_prob).collect())
                }
                ConflictSource::Shuffled => {
                    Source::Given(given(other()?).iter().map(|r| r.conflict_prob).collect())
                }
                ConflictSource::Random if per_layer => Source::Given((0..n).map(|_| draws.unit()).collect()),
                ConflictSource::Random => Source::Given(vec![chance; n]),
                ConflictSource::Always => Source::Given(vec![1.0; n]),
                ConflictSource::Oracle => Source::Given(vec![target()?.conflict; n]),
            };
            if config.threshold_scope == ThresholdScope::Sample
                && let Source::Given(values) = &conflict
            {
                let read = &values[plan.router_first..];
                tested = Some(read.iter().sum::<f64>() / read.len().max(1) as f64);
            }
        }
        let video = context.sets.of_modality(emomm_dataset::Modality::Video);
        let significant = if config.intra_strength <= 0.0 || video.is_empty() {
            Vec::new()
        } else if config.needs_importance() {
            match context.importance {
                Some((tokens, importance)) => significant_tokens(
                    tokens,
                    importance,
                    config.significant_percentile,
                    config.significant_count,
                ),
                // Left out by a caller that knows that no layer is steered.
                None => Vec::new(),
            }
        } else {
            video.to_vec()
        };
        let group = context.shape.n_heads / context.shape.n_kv_heads.max(1);
        let mut run = Self {
            config,
            sets: Arc::clone(&context.sets),
            plan,
            sample: context.name.to_owned(),
            conflict,
            gate,
            tested,
            significant,
            chosen: None,
            group,
            layers: Vec::new(),
        };
        if run.config.head_selection == HeadSelection::TopKGlobal && is_active {
            let (features, _) =
                context.clean.ok_or_else(|| needs_of(&run.config, "a clean decision step"))?;
            run.chosen = Some(run.global_heads(features));
        }
        Ok(run)
    }

    /// The settings.
    pub fn config(&self) -> &SteeringConfig {
        &self.config
    }

    /// The significant video tokens S_v.
    pub fn significant(&self) -> &[usize] {
        &self.significant
    }

    /// What was done, for the log.
    pub fn trace(&self, variant: &str) -> SteeringTrace {
        SteeringTrace { variant: variant.to_owned(), layers: self.layers.clone(), importance: None }
    }

    /// Whether the router is asked in the steered step itself.
    fn is_online(&self) -> bool {
        matches!(self.conflict, Source::Online) || matches!(self.gate, Source::Online)
    }

    /// Whether anything may happen in a layer, counted from 0.
    fn acts_in(&self, layer: usize) -> bool {
        let first = self.plan.router_first.min(self.plan.steer_first);
        let biased = self.config.has_bias() && layer >= first && !self.sets.available().is_empty();
        let fixed = layer >= self.plan.steer_first && self.has_static_bias();
        biased || fixed || self.config.intervention.iter().any(|i| i.acts_in(layer))
    }

    fn has_static_bias(&self) -> bool {
        let b = &self.config.static_bias;
        [b.text, b.audio, b.video].iter().any(|b| *b != 0.0)
    }

    /// The layer's p and g. `online` are those of the router in this step.
    fn output(&self, layer: usize, online: Option<RouterOutput>) -> RouterOutput {
        let online = online.unwrap_or(RouterOutput { conflict_prob: 0.0, gate: [0.0; 3] });
        RouterOutput {
            conflict_prob: match &self.conflict {
                Source::Online => online.conflict_prob,
                Source::Given(values) => values[layer],
            },
            gate: match &self.gate {
                Source::Online => online.gate,
                Source::Given(values) => values[layer],
            },
        }
    }

    fn is_steered(&self, layer: usize, conflict_prob: f64) -> bool {
        layer >= self.plan.steer_first
            && self.tested.unwrap_or(conflict_prob) > self.config.conflict_threshold
    }

    /// K · |𝓛| heads over all steered layers by the divergences of the clean step.
    fn global_heads(&self, features: &Features) -> Vec<Vec<usize>> {
        let options = self.config.preference_options();
        let (mut places, mut values, mut n_steered) = (Vec::new(), Vec::new(), 0);
        for (layer, read) in features.layers.iter().enumerate() {
            let output = self.output(layer, None);
            if !self.is_steered(layer, output.conflict_prob) {
                continue;
            }
            n_steered += 1;
            let heads = read.preference(options, self.sets.present(), features.n_keys);
            for (head, jsd) in divergences(&heads, output.gate, &self.config).into_iter().enumerate() {
                places.push((layer, head));
                values.push(jsd);
            }
        }
        let n_heads = features.layers.first().map_or(0, |l| l.nmas.len());
        let k = self.config.n_heads_steered.of(n_heads) * n_steered;
        let mut chosen = vec![Vec::new(); features.layers.len()];
        for at in ranked(&values).into_iter().take(k) {
            chosen[places[at].0].push(places[at].1);
        }
        for heads in &mut chosen {
            heads.sort_unstable();
        }
        chosen
    }

    /// Adds this variant's bias of one layer to `rows [head · key]`; returns whether anything was added.
    fn steer(
        &mut self,
        layer: usize,
        pattern: &[Vec<f32>],
        preferences: &[[f64; 3]],
        online: Option<RouterOutput>,
        rows: &mut [f32],
    ) -> bool {
        let config = Arc::clone(&self.config);
        let n_keys = pattern.first().map_or(0, Vec::len);
        let output = self.output(layer, online);
        let steered = config.has_bias()
            && !self.sets.available().is_empty()
            && self.is_steered(layer, output.conflict_prob);
        let heads = match (&self.chosen, steered) {
            (_, false) => Vec::new(),
            (Some(chosen), true) => chosen[layer].clone(),
            (None, true) => {
                let jsd = divergences(preferences, output.gate, &config);
                select_heads(&jsd, layer, &self.sample, self.group, &config)
            }
        };
        let mut added = false;
        let mut add = |head: usize, bias: HeadBias, significant: &[usize]| {
            if !bias.is_zero() {
                bias.add_to(&mut rows[head * n_keys..(head + 1) * n_keys], &self.sets, significant);
                added = true;
            }
        };
        let always = config.intra_scope == IntraScope::Always && layer >= self.plan.steer_first;
        for (head, row) in pattern.iter().enumerate() {
            let is_chosen = heads.binary_search(&head).is_ok();
            if is_chosen {
                let bias = head_bias(row, &self.sets, preferences[head], output, &self.significant, &config);
                add(head, bias, &self.significant);
            } else if always && !self.significant.is_empty() {
                let mass = |keys: &[usize]| keys.iter().map(|k| f64::from(row[*k])).sum::<f64>();
                let masses = [0, 1, 2].map(|m| mass(&self.sets.all()[m]));
                let own = mass(&self.significant);
                let significant =
                    significant_bias(own, masses, [0.0; 3], output.gate[2], &self.significant, &config);
                add(head, HeadBias { modality: [0.0; 3], significant }, &self.significant);
            }
        }
        if layer >= self.plan.steer_first && self.has_static_bias() {
            let b = &config.static_bias;
            let bias = HeadBias { modality: [b.text, b.audio, b.video], significant: 0.0 };
            (0..pattern.len()).for_each(|head| add(head, bias, &[]));
        }
        for intervention in config.intervention.iter().filter(|i| i.acts_in(layer)) {
            intervention.add_to(rows, n_keys, &self.sets);
            added = true;
        }
        let shown = self.sets.present();
        let by_modality =
            |values: [f64; 3]| PerModality::from_fn(|m| shown[m.index()].then_some(values[m.index()]));
        let reads = config.has_bias() && asks_router_or_substitute(&config);
        self.layers.push(SteeredLayer {
            layer: layer + 1,
            conflict_prob: reads.then_some(output.conflict_prob),
            gate: if reads { by_modality(output.gate) } else { PerModality::default() },
            steered,
            heads,
            preference_before: by_modality(mean_preference(preferences)),
            preference_after: by_modality(mean_preference(preferences)),
        });
        added
    }
}

/// Whether p and g matter to this configuration at all.
fn asks_router_or_substitute(config: &SteeringConfig) -> bool {
    let inter = config.inter_strength > 0.0 && config.max_steering > 0.0;
    inter || config.intra_scope == IntraScope::Steered || config.needs_router()
}

fn needs_of(config: &SteeringConfig, needs: &'static str) -> ChaseError {
    ChaseError::Needs { variant: config.preset.clone(), needs }
}

/// Steers a batch of decision rows, one variant each.
pub struct SteeringHook {
    variants: Vec<VariantRun>,
    router: Option<LoadedRouter>,
    /// Whether the preference after steering is measured.
    records_after: bool,
}

impl SteeringHook {
    /// A hook for these variants, in the order of the batch.
    pub fn new(variants: Vec<VariantRun>, router: Option<LoadedRouter>) -> Self {
        Self { variants, router, records_after: true }
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

    /// The router's outputs of the variants that read it in this step.
    fn online(
        &self,
        layer: &DecisionLayer<'_>,
        patterns: &[Option<Vec<Vec<f32>>>],
    ) -> Result<Vec<Option<RouterOutput>>> {
        let mut outputs = vec![None; self.variants.len()];
        let reads = |v: &VariantRun| v.is_online() && layer.layer >= v.plan.router_first;
        let readers: Vec<usize> = (0..self.variants.len())
            .filter(|i| patterns[*i].is_some() && reads(&self.variants[*i]))
            .collect();
        let Some(loaded) = self.router.as_ref().filter(|_| !readers.is_empty()) else { return Ok(outputs) };
        let (router, card) = (&loaded.0, &loaded.1);
        let options = PreferenceOptions { form: card.preference, temperature: card.preference_temperature };
        let means = pooled(layer)?;
        let means = [0, 1, 2].map(|m| means[m].as_deref());
        let (mut rows, mut present) = (Vec::new(), Vec::new());
        for i in &readers {
            let query: Vec<f32> = layer.resid_pre.get(*i)?.to_dtype(DType::F32)?.to_vec1()?;
            let sets = &self.variants[*i].sets;
            let heads: Vec<[f64; 3]> =
                patterns[*i].iter().flatten().map(|p| preference(p, sets, options)).collect();
            rows.push(router.shape().input(&query, means, mean_preference(&heads)));
            present.push(sets.present());
        }
        for (i, output) in readers.into_iter().zip(router.read(&rows, &present)?) {
            outputs[i] = Some(output);
        }
        Ok(outputs)
    }
}

impl DecisionHook for SteeringHook {
    fn attn_bias(&mut self, layer: &DecisionLayer<'_>) -> candle_core::Result<Option<Tensor>> {
        let (n_variants, n_heads, n_keys) = layer.attn_scores.dims3()?;
        if n_variants != self.variants.len() {
            let message = format!("{n_variants} decision rows, expected {}", self.variants.len());
            return Err(candle_core::Error::Msg(message));
        }
        let active: Vec<bool> = self.variants.iter().map(|v| v.acts_in(layer.layer)).collect();
        if !active.contains(&true) {
            return Ok(None);
        }
        let weights = softmax_last_dim(layer.attn_scores)?;
        let mut patterns = Vec::with_capacity(n_variants);
        for (i, active) in active.iter().enumerate() {
            let pattern = active.then(|| weights.get(i)?.to_vec2::<f32>()).transpose()?;
            if let Some(pattern) = &pattern {
                check_finite(layer.layer, pattern)?;
                // Rows after the decision see what was generated, too: keys of no modality.
                let fits = |v: &VariantRun| match v.config.steer_scope {
                    SteerScope::DecisionOnly => v.sets.n_keys() == n_keys,
                    SteerScope::EveryToken => v.sets.n_keys() <= n_keys,
                };
                if let Some(v) = self.variants.get(i).filter(|v| !fits(v)) {
                    let message = format!("{n_keys} keys, expected the prompt's {}", v.sets.n_keys());
                    return Err(candle_core::Error::Msg(message));
                }
            }
            patterns.push(pattern);
        }
        let online = self.online(layer, &patterns)?;
        let mut bias = vec![0_f32; n_variants * n_heads * n_keys];
        let mut any = false;
        let rows = bias.chunks_mut(n_heads * n_keys);
        for (((variant, pattern), output), rows) in
            self.variants.iter_mut().zip(&patterns).zip(online).zip(rows)
        {
            let Some(pattern) = pattern else { continue };
            let options = variant.config.preference_options();
            let preferences: Vec<[f64; 3]> =
                pattern.iter().map(|row| preference(row, &variant.sets, options)).collect();
            any |= variant.steer(layer.layer, pattern, &preferences, output, rows);
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
        for (i, variant) in self.variants.iter_mut().enumerate() {
            let options = variant.config.preference_options();
            let Some(last) = variant.layers.last_mut().filter(|l| l.layer == layer + 1) else { continue };
            let rows = pattern.get(i)?.to_vec2::<f32>()?;
            let heads: Vec<[f64; 3]> =
                rows.iter().map(|row| preference(row, &variant.sets, options)).collect();
            let (mean, shown) = (mean_preference(&heads), variant.sets.present());
            last.preference_after = PerModality::from_fn(|m| shown[m.index()].then_some(mean[m.index()]));
        }
        Ok(())
    }
}
