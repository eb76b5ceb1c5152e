//! Variants of a clip's decision rows: one clean step for what the router reads, one batch for all that is steered, and
//! what is made of answers afterwards.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use emomm_dataset::{Modality, ModalitySet};
use emomm_eval::run::SteeringTrace;
use emomm_eval::{Clip, PredictError, Prediction};
use emomm_models::ModelError;
use emomm_models::decoder::{DecisionHook, HookError};
use emomm_models::white_box::{DecisionPoint, WhiteBox};

use crate::answers::{Answered, Answers, hinted, missing};
use crate::config::SteeringConfig;
use crate::error::{ChaseError, Lacking, Result, model_error};
use crate::features::Features;
use crate::fusion::Fusion;
use crate::hook::SteeringHook;
use crate::importance::ImportanceSource;
use crate::importance_cache::ImportanceCache;
use crate::reading::CleanReading;
use crate::steered_batch::steered;
use crate::target::{Target, TargetRules};
use crate::token_sets::{TextScope, TokenSets};
use crate::traced::{TraceCell, TracedHook};
use crate::variant_run::{LoadedRouter, SampleContext, VariantRun, check_scope};

/// What a variant does.
#[derive(Debug, Clone)]
pub enum VariantKind {
    /// Biases on the decision row.
    Steered(Arc<SteeringConfig>),
    /// An answer made of answers.
    Fused(Fusion),
    /// The plain answer to a prompt that asks in words for what the method does, [`emomm_eval::prompt::CONFLICT_HINT`].
    Hinted,
}

/// A variant with the name of its run folder.
#[derive(Debug, Clone)]
pub struct Variant {
    /// Name.
    pub name: String,
    /// What it does.
    pub kind: VariantKind,
}

impl Variant {
    /// A variant that leaves the row alone.
    pub fn is_plain(&self) -> bool {
        let idle = |c: &SteeringConfig| !c.has_bias() && !c.has_static_bias() && c.intervention.is_empty();
        matches!(&self.kind, VariantKind::Steered(config) if idle(config))
    }
}

/// What is known of a clip beside its evidence.
pub struct ClipKnowledge<'a> {
    /// p* and g* of a coalition, where labels are known.
    pub target: &'a dyn Fn(ModalitySet) -> Option<Target>,
    /// The router's clean outputs for another clip under the same coalition.
    pub other: &'a dyn Fn(ModalitySet) -> Option<Arc<CleanReading>>,
}

/// Runs a set of variants, clip by clip.
pub struct Steerer {
    variants: Vec<Variant>,
    router: Option<LoadedRouter>,
    /// Whether the preference after steering is measured for the traces.
    pub traces: bool,
    /// Where importances of Gradient × Input are kept.
    pub importances: Option<ImportanceCache>,
}

impl Steerer {
    /// Checks what can be checked before a clip is read.
    pub fn new(variants: Vec<Variant>, router: Option<LoadedRouter>) -> Result<Self> {
        for variant in &variants {
            let needs = |needs| Err(ChaseError::Needs { variant: variant.name.clone(), needs });
            match &variant.kind {
                VariantKind::Steered(config) => {
                    config.check()?;
                    if config.needs_router() && router.is_none() {
                        return needs(Lacking::Router);
                    }
                    check_scope(config, router.as_ref())?;
                }
                VariantKind::Fused(Fusion::LateFusion) if router.is_none() => return needs(Lacking::Router),
                VariantKind::Fused(_) | VariantKind::Hinted => {}
            }
        }
        Ok(Self { variants, router, traces: true, importances: None })
    }

    /// The variants.
    pub fn variants(&self) -> &[Variant] {
        &self.variants
    }

    /// How the router's targets were made.
    pub fn router_rules(&self) -> Option<TargetRules> {
        self.router.as_ref().map(|r| r.1.rules)
    }

    /// Whether router outputs of other clips are needed.
    pub fn needs_shuffled(&self) -> bool {
        self.configs().any(SteeringConfig::needs_shuffled)
    }

    fn configs(&self) -> impl Iterator<Item = &SteeringConfig> {
        self.variants.iter().filter_map(|v| match &v.kind {
            VariantKind::Steered(config) => Some(config.as_ref()),
            VariantKind::Fused(_) | VariantKind::Hinted => None,
        })
    }

    /// The coalitions that must be read for those that are asked, in the order of [`ModalitySet::ALL`].
    pub fn coalitions(&self, asked: &[ModalitySet]) -> Vec<ModalitySet> {
        let mut all: Vec<ModalitySet> = asked.to_vec();
        for variant in &self.variants {
            if let VariantKind::Fused(fusion) = variant.kind {
                all.extend(asked.iter().flat_map(|c| fusion.needs(*c)));
            }
        }
        ModalitySet::ALL.into_iter().filter(|c| all.contains(c)).collect()
    }

    /// Answers a clip under the coalitions that are asked: for each, one answer of every variant, in their order. A variant
    /// that needs what the clip lacks, labels for example, fails alone.
    pub fn run(
        &self,
        model: &mut dyn WhiteBox,
        clip: &Clip,
        asked: &[ModalitySet],
        knowledge: &ClipKnowledge<'_>,
    ) -> Vec<(ModalitySet, Result<Vec<Answered>, PredictError>)> {
        let read = self.coalitions(asked);
        let mut seen: Vec<(ModalitySet, Answers)> = Vec::new();
        let mut clock = Instant::now();
        let done = model.visit(clip, &read, &mut |point| {
            let is_asked = asked.contains(&point.coalition());
            let answers = self.at(point, clip, is_asked, knowledge, &mut clock).map_err(model_error)?;
            seen.push((point.coalition(), answers));
            Ok(())
        });
        let is_hinted = self.variants.iter().any(|v| matches!(v.kind, VariantKind::Hinted));
        let hinted = if is_hinted { hinted(model, clip, asked) } else { Vec::new() };
        let plain = |coalition: ModalitySet| {
            seen.iter().find(|(c, _)| *c == coalition).map(|(_, a)| a.clean.letter_logits)
        };
        let mut results = Vec::new();
        for (coalition, done) in read.iter().zip(done).filter(|(c, _)| asked.contains(c)) {
            let result = done.and_then(|()| {
                let answers =
                    seen.iter().find(|(c, _)| c == coalition).map(|(_, a)| a).ok_or_else(missing)?;
                let hinted = hinted.iter().find(|(c, _)| c == coalition).map(|(_, p)| p);
                answers.complete(&self.variants, self.router.as_ref(), clip, *coalition, &plain, hinted)
            });
            results.push((*coalition, result));
        }
        results
    }

    /// Runs one decision row.
    fn at(
        &self,
        point: &DecisionPoint<'_>,
        clip: &Clip,
        is_asked: bool,
        knowledge: &ClipKnowledge<'_>,
        clock: &mut Instant,
    ) -> Result<Answers> {
        let (scope, sinks) = self.token_scope();
        let sets = Arc::new(TokenSets::of(point.layout(), scope, sinks));
        let (features, step) = Features::of_step(point, &sets)?;
        let mut answers = self.read(features)?;
        if is_asked {
            self.steer(point, clip, &sets, knowledge, &mut answers);
        }
        answers.ms = clock.elapsed().as_secs_f64() * 1e3;
        let plain = point.prediction(answers.clean.letter_logits, clip.corpus, answers.ms);
        answers.plain = Some(Prediction { letter_mass: point.letter_masses(&step)?.pop(), ..plain });
        *clock = Instant::now();
        Ok(answers)
    }

    /// Prepares the variants that act, with their places in the list.
    fn prepare(
        &self,
        point: &DecisionPoint<'_>,
        clip: &Clip,
        sets: &Arc<TokenSets>,
        knowledge: &ClipKnowledge<'_>,
        answers: &Answers,
    ) -> Prepared {
        let coalition = point.coalition();
        let name = format!("{}/{coalition}", clip.id);
        let other = if self.needs_shuffled() { (knowledge.other)(coalition) } else { None };
        let importances = self.importances_of(point, clip, answers);
        let mean_gate = self.router.as_ref().and_then(|r| r.1.mean_gate.get(&coalition.to_string()).copied());
        // The importance counts the layout's video tokens, whatever a scope leaves out.
        let video: Vec<usize> = point.layout().spans(Modality::Video).iter().cloned().flatten().collect();
        let (scope, sinks) = self.token_scope();
        let (mut runs, mut owners, mut failed) = (Vec::new(), Vec::new(), Vec::new());
        for (i, variant) in self.variants.iter().enumerate().filter(|(_, v)| !v.is_plain()) {
            let VariantKind::Steered(config) = &variant.kind else { continue };
            let own = (config.text_scope.unwrap_or(scope), config.n_sinks.unwrap_or(sinks));
            let sets = if own == (scope, sinks) {
                Arc::clone(sets)
            } else {
                Arc::new(TokenSets::of(point.layout(), own.0, own.1))
            };
            let prepared = self.importance_source(config, point).and_then(|source| {
                let importance = match importances.get(&source) {
                    Some(Err(error)) if config.needs_importance() && self.may_act(config, answers) => {
                        return Err(ModelError::Hook(error.clone()).into());
                    }
                    Some(Ok(values)) => values.as_deref(),
                    _ => None,
                };
                let context = SampleContext {
                    name: &name,
                    shape: point.shape(),
                    sets,
                    router: self.router.clone(),
                    clean: answers.reading.as_ref().map(|reading| (&answers.clean, reading)),
                    target: (knowledge.target)(coalition),
                    other: other.as_deref(),
                    mean_gate,
                    importance: importance.map(|values| (video.as_slice(), values)),
                };
                VariantRun::new(Arc::clone(config), &context)
            });
            match prepared {
                Ok(run) => {
                    runs.push(run);
                    owners.push(i);
                }
                // What the sample lacks for this variant, others do not need.
                Err(error) => failed.push((i, error)),
            }
        }
        Prepared { runs, owners, failed, importances }
    }

    /// The hook of the first variant that acts on a decision row, with the place where its trace will stand; `None`
    /// where none acts.
    pub fn hook(
        &self,
        point: &DecisionPoint<'_>,
        clip: &Clip,
        knowledge: &ClipKnowledge<'_>,
    ) -> Result<Option<(Box<dyn DecisionHook>, TraceCell)>> {
        let (scope, sinks) = self.token_scope();
        let sets = Arc::new(TokenSets::of(point.layout(), scope, sinks));
        let clean = Features::read(point, &sets)?;
        let answers = self.read(clean)?;
        let Prepared { mut runs, owners, failed, .. } = self.prepare(point, clip, &sets, knowledge, &answers);
        if let Some((_, error)) = failed.into_iter().next() {
            return Err(error);
        }
        let Some(&owner) = owners.first() else { return Ok(None) };
        runs.truncate(1);
        let cell = TraceCell::default();
        let inner = SteeringHook::new(runs, self.router.clone());
        let name = self.variants[owner].name.clone();
        let hook = TracedHook { inner, name, cell: Arc::clone(&cell), last: None };
        Ok(Some((Box::new(hook), cell)))
    }

    fn read(&self, clean: Features) -> Result<Answers> {
        let reading = match &self.router {
            Some(loaded) => Some(CleanReading::of(&clean, &loaded.0, &loaded.1)?),
            None => None,
        };
        Ok(Answers { clean, reading, steered: vec![None; self.variants.len()], plain: None, ms: 0.0 })
    }

    fn steer(
        &self,
        point: &DecisionPoint<'_>,
        clip: &Clip,
        sets: &Arc<TokenSets>,
        knowledge: &ClipKnowledge<'_>,
        answers: &mut Answers,
    ) {
        let Prepared { runs, owners, failed, mut importances } =
            self.prepare(point, clip, sets, knowledge, answers);
        let failed = failed.into_iter().map(|(i, error)| (i, Err(error)));
        let steered = owners.into_iter().zip(steered(point, runs, self.router.as_ref(), self.traces));
        for (i, result) in failed.chain(steered) {
            answers.steered[i] = Some(match result {
                Ok((letters, run)) => Ok((letters, self.trace(i, &run, point, &mut importances))),
                Err(error) => Err(model_error(error).into()),
            });
        }
    }

    /// What was done to a variant; of those with the same importance, the first has it.
    fn trace(
        &self,
        i: usize,
        run: &VariantRun,
        point: &DecisionPoint<'_>,
        importances: &mut Importances,
    ) -> SteeringTrace {
        let mut trace = run.trace(&self.variants[i].name);
        if self.traces && uses_gradient(run.config()) {
            // Five decimals: shares of some hundred tokens, for pictures.
            let rounded = |v: f64| (v * 1e5).round() as f32 / 1e5;
            let source = self.importance_source(run.config(), point).ok();
            let own = source.and_then(|source| importances.remove(&source)?.ok()?);
            trace.importance = own.map(|i| i.into_iter().map(rounded).collect());
        }
        trace
    }

    /// Whether some layer may be steered. Where no clean p exceeds the threshold of a variant whose row nothing else moves,
    /// the row stays clean, so its later p are clean, too.
    fn may_act(&self, config: &SteeringConfig, answers: &Answers) -> bool {
        let asks = config.needs_router() && config.intra_scope == crate::config::IntraScope::Steered;
        let is_routed = asks
            && config.conflict == crate::config::ConflictSource::Router
            && config.router_first_layer.is_none()
            && config.reads_clean_until_steered();
        match (&answers.reading, &self.router) {
            (Some(reading), Some(loaded)) if is_routed => {
                let first = loaded.1.first_layer.saturating_sub(1);
                reading.layers[first..].iter().any(|l| l.conflict_prob > config.conflict_threshold)
            }
            _ => true,
        }
    }

    /// Importances of the video tokens that some variant may use, or why they could not be had: none without video, or
    /// where no such variant may act.
    fn importances_of(&self, point: &DecisionPoint<'_>, clip: &Clip, answers: &Answers) -> Importances {
        let mut found = Importances::new();
        if !point.coalition().contains(Modality::Video) {
            return found;
        }
        for config in self.configs().filter(|c| c.needs_importance() && self.may_act(c, answers)) {
            // Layers that do not fit are told where the variant is prepared.
            let Ok(source) = self.importance_source(config, point) else { continue };
            if found.contains_key(&source) {
                continue;
            }
            let values = match (source, &self.importances) {
                (ImportanceSource::Gradient(layer), Some(kept)) => {
                    kept.kept(&clip.id, (point.coalition(), layer), || source.compute(point))
                }
                _ => source.compute(point),
            };
            found.insert(source, values.map_err(HookError::from));
        }
        found
    }

    /// Where a variant's importance comes from.
    fn importance_source(
        &self,
        config: &SteeringConfig,
        point: &DecisionPoint<'_>,
    ) -> Result<ImportanceSource> {
        let trained_from = self.router.as_ref().map(|r| r.1.first_layer);
        let plan = config.layers(point.shape(), trained_from)?;
        Ok(ImportanceSource::of(config.importance, plan.router_first))
    }

    /// The token sets of the router, or the defaults.
    fn token_scope(&self) -> (TextScope, usize) {
        self.router.as_ref().map_or((TextScope::Transcript, 0), |r| (r.1.text_scope, r.1.n_sinks))
    }
}

/// Importances of the video tokens by where they come from.
type Importances = BTreeMap<ImportanceSource, Result<Option<Vec<f64>>, HookError>>;

/// Variants that act on a row, with their places in the list, those that cannot, and the importances.
struct Prepared {
    runs: Vec<VariantRun>,
    owners: Vec<usize>,
    failed: Vec<(usize, ChaseError)>,
    importances: Importances,
}

fn uses_gradient(config: &SteeringConfig) -> bool {
    config.importance.is_gradient() && config.needs_importance()
}
