//! One variant of a decision row: what is known of the sample, and what is done to the row layer by layer, Eq. (11) to (15).

use std::sync::Arc;

use emomm_dataset::PerModality;
use emomm_eval::run::{SteeredLayer, SteeringTrace};
use emomm_models::white_box::DecoderShape;

use crate::bias::{HeadBias, head_bias, significant_bias};
use crate::config::{HeadSelection, IntraScope, LayerPlan, SteerScope, SteeringConfig};
use crate::error::{ChaseError, Lacking, Result};
use crate::features::Features;
use crate::heads::{divergences, ranked, select_heads};
use crate::outputs::{Outputs, asks_router_or_substitute};
use crate::preference::{PreferenceOptions, mean_preference, preference, scores};
use crate::reading::CleanReading;
use crate::router::{Router, RouterOutput};
use crate::router_file::RouterCard;
use crate::significant::significant_tokens;
use crate::target::Target;
use crate::token_sets::TokenSets;

/// A router with its card.
pub type LoadedRouter = Arc<(Router, RouterCard)>;

/// Token sets other than the router's would give it inputs that it was not trained on.
pub(crate) fn check_scope(config: &SteeringConfig, router: Option<&LoadedRouter>) -> Result<()> {
    let Some(card) = router.map(|r| &r.1).filter(|_| config.needs_router()) else { return Ok(()) };
    if let Some(scope) = config.text_scope.filter(|s| *s != card.text_scope) {
        let expected = format!("\"{}\", with which the router was trained", card.text_scope.name());
        return Err(ChaseError::setting("text_scope", format!("\"{}\"", scope.name()), expected));
    }
    if config.n_sinks.is_some_and(|n| n != card.n_sinks) {
        let expected = format!("{}, with which the router was trained", card.n_sinks);
        return Err(ChaseError::setting("n_sinks", config.n_sinks.unwrap_or(0), expected));
    }
    Ok(())
}

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

/// One variant of a decision row.
#[derive(Clone)]
pub struct VariantRun {
    config: Arc<SteeringConfig>,
    sets: Arc<TokenSets>,
    plan: LayerPlan,
    sample: String,
    outputs: Outputs,
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
            return Err(needs(Lacking::Router));
        }
        let plan = config.layers(context.shape, card.map(|c| c.first_layer))?;
        config.intervention.iter().try_for_each(|i| i.check_prompt(context.sets.n_keys()))?;
        let is_active = config.has_bias() && !context.sets.available().is_empty();
        let outputs = Outputs::of(&config, plan, context, is_active)?;
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
            outputs,
            significant,
            chosen: None,
            group,
            layers: Vec::new(),
        };
        if run.config.head_selection == HeadSelection::TopKGlobal && is_active {
            let (features, _) = context.clean.ok_or_else(|| needs_of(&run.config, Lacking::CleanStep))?;
            run.chosen = Some(run.global_heads(features));
        }
        Ok(run)
    }

    /// The same variant, to which nothing has been done yet.
    pub(crate) fn afresh(&self) -> Self {
        Self { layers: Vec::new(), ..self.clone() }
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

    /// Whether the router is asked in a layer of the steered step itself.
    pub(crate) fn reads_online(&self, layer: usize) -> bool {
        self.outputs.is_online() && layer >= self.plan.router_first
    }

    /// The token sets.
    pub(crate) fn sets(&self) -> &TokenSets {
        &self.sets
    }

    /// Whether anything may happen in a layer, counted from 0.
    pub(crate) fn acts_in(&self, layer: usize) -> bool {
        let first = self.plan.router_first.min(self.plan.steer_first);
        let biased = self.config.has_bias() && layer >= first && !self.sets.available().is_empty();
        let fixed = layer >= self.plan.steer_first && self.config.has_static_bias();
        biased || fixed || self.config.intervention.iter().any(|i| i.acts_in(layer))
    }

    fn is_steered(&self, layer: usize, conflict_prob: f64) -> bool {
        layer >= self.plan.steer_first && self.outputs.exceed(conflict_prob, self.config.conflict_threshold)
    }

    /// K · |𝓛| heads over all steered layers by the divergences of the clean step.
    fn global_heads(&self, features: &Features) -> Vec<Vec<usize>> {
        let options = self.config.preference_options();
        let (mut places, mut values, mut n_steered) = (Vec::new(), Vec::new(), 0);
        for (layer, read) in features.layers.iter().enumerate() {
            let output = self.outputs.at(layer, None);
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
    pub(crate) fn steer(
        &mut self,
        layer: usize,
        pattern: &[Vec<f32>],
        preferences: &[[f64; 3]],
        online: Option<RouterOutput>,
        rows: &mut [f32],
    ) -> bool {
        let config = Arc::clone(&self.config);
        let n_keys = pattern.first().map_or(0, Vec::len);
        let output = self.outputs.at(layer, online);
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
        let (mut greatest_bias, mut below_target) = (0.0_f64, 0);
        for (head, row) in pattern.iter().enumerate() {
            let is_chosen = heads.binary_search(&head).is_ok();
            if is_chosen {
                let bias = head_bias(row, &self.sets, preferences[head], output, &self.significant, &config);
                greatest_bias = bias.modality.iter().fold(greatest_bias, |most, b| most.max(b.abs()));
                below_target += usize::from(bias.significant > 0.0);
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
        if layer >= self.plan.steer_first && self.config.has_static_bias() {
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
        let of_steered = (!heads.is_empty()).then(|| by_modality(mean_over(&heads, preferences)));
        let reads = config.has_bias() && asks_router_or_substitute(&config);
        self.layers.push(SteeredLayer {
            layer: layer + 1,
            conflict_prob: reads.then_some(output.conflict_prob),
            gate: if reads { by_modality(output.gate) } else { PerModality::default() },
            steered,
            greatest_bias: steered.then_some(greatest_bias),
            heads_below_target: (steered && !self.significant.is_empty()).then_some(below_target),
            greatest_mass_after: None,
            heads,
            preference_before: by_modality(mean_preference(preferences)),
            preference_after: by_modality(mean_preference(preferences)),
            steered_heads_before: of_steered,
            steered_heads_after: of_steered,
        });
        added
    }

    /// Whether a row of so many keys is the one that this variant was prepared for. Rows after the decision see what was
    /// generated, too: keys of no modality.
    pub(crate) fn fits(&self, n_keys: usize) -> bool {
        match self.config.steer_scope {
            SteerScope::DecisionOnly => self.sets.n_keys() == n_keys,
            SteerScope::EveryToken => self.sets.n_keys() <= n_keys,
        }
    }

    /// π of each head's row.
    pub(crate) fn preferences(&self, rows: &[Vec<f32>]) -> Vec<[f64; 3]> {
        let options = self.config.preference_options();
        rows.iter().map(|row| preference(row, &self.sets, options)).collect()
    }

    /// π of these rows as the router reads it: its own form, the mean over heads.
    pub(crate) fn router_preference(&self, rows: &[Vec<f32>], card: &RouterCard) -> [f64; 3] {
        let options = PreferenceOptions { form: card.preference, temperature: card.preference_temperature };
        let heads: Vec<[f64; 3]> = rows.iter().map(|row| preference(row, &self.sets, options)).collect();
        mean_preference(&heads)
    }

    /// Whether this variant acted in a layer last.
    pub(crate) fn has_just_acted(&self, layer: usize) -> bool {
        self.layers.last().is_some_and(|l| l.layer == layer + 1)
    }

    /// Writes down the attention that was really used in the layer that was acted in last.
    pub(crate) fn observe(&mut self, rows: &[Vec<f32>]) {
        let (preferences, shown) = (self.preferences(rows), self.sets.present());
        let by_modality =
            |values: [f64; 3]| PerModality::from_fn(|m| shown[m.index()].then_some(values[m.index()]));
        let Some(last) = self.layers.last_mut() else { return };
        last.preference_after = by_modality(mean_preference(&preferences));
        if !last.heads.is_empty() {
            last.steered_heads_after = Some(by_modality(mean_over(&last.heads, &preferences)));
        }
        let masses = last.heads.iter().filter_map(|h| rows.get(*h)).flat_map(|row| scores(row, &self.sets).0);
        last.greatest_mass_after = last.steered.then(|| masses.fold(0.0, f64::max));
    }
}

/// Mean π of some heads.
fn mean_over(heads: &[usize], preferences: &[[f64; 3]]) -> [f64; 3] {
    let chosen: Vec<[f64; 3]> = heads.iter().filter_map(|h| preferences.get(*h)).copied().collect();
    mean_preference(&chosen)
}

fn needs_of(config: &SteeringConfig, needs: Lacking) -> ChaseError {
    ChaseError::Needs { variant: config.preset.clone(), needs }
}
