//! What a clip's decision rows gave, made into one answer for each variant.

use std::time::Instant;

use emomm_dataset::{ModalitySet, PerModality, Sentiment};
use emomm_eval::prompt::CONFLICT_HINT;
use emomm_eval::run::{SteeredLayer, SteeringTrace};
use emomm_eval::{Clip, LetterMass, PredictError, PredictErrorKind, Prediction};
use emomm_models::white_box::{WhiteBox, greatest};

use crate::evaluate::{Variant, VariantKind};
use crate::features::Features;
use crate::preference::{PreferenceOptions, flags, mean_preference};
use crate::reading::CleanReading;
use crate::variant_run::LoadedRouter;

/// The answer of one variant to one coalition.
#[derive(Debug, Clone)]
pub struct VariantAnswer {
    /// The answer.
    pub prediction: Prediction,
    /// What was done; for a plain variant what the router read.
    pub trace: Option<SteeringTrace>,
}

/// The answer of a variant, or what it lacked.
pub type Answered = Result<VariantAnswer, PredictError>;

/// What a decision row says of the letters; no mass for an answer that is made of answers.
pub(crate) type LetterRead = ([f32; 5], Option<LetterMass>);

/// What one decision row gave.
pub(crate) struct Answers {
    /// The clean step.
    pub(crate) clean: Features,
    /// The router's outputs on it.
    pub(crate) reading: Option<CleanReading>,
    /// Letters, their mass and trace of each variant that acted, or why it could not.
    pub(crate) steered: Vec<Option<Result<(LetterRead, SteeringTrace), PredictError>>>,
    /// The plain answer.
    pub(crate) plain: Option<Prediction>,
    /// Milliseconds.
    pub(crate) ms: f64,
}

impl Answers {
    /// One answer for each variant, in their order. What one of them lacks fails that one alone.
    pub(crate) fn complete(
        &self,
        variants: &[Variant],
        router: Option<&LoadedRouter>,
        clip: &Clip,
        coalition: ModalitySet,
        plain: &dyn Fn(ModalitySet) -> Option<[f32; 5]>,
        hinted: Option<&Result<Prediction, PredictError>>,
    ) -> Result<Vec<Answered>, PredictError> {
        let base = self.plain.clone().ok_or_else(missing)?;
        let with = |(logits, letter_mass): LetterRead| {
            let label = Sentiment::from_index(greatest(&logits));
            Prediction {
                letter_logits: Some(logits),
                letter_mass,
                letter: label.map(Sentiment::letter),
                label,
                centre_score: label.map(|l| clip.corpus.centre_score(l)),
                ..base.clone()
            }
        };
        let mut all = Vec::with_capacity(variants.len());
        for (variant, steered) in variants.iter().zip(&self.steered) {
            all.push(match (&variant.kind, steered) {
                (VariantKind::Fused(fusion), _) => {
                    let first = router.map_or(0, |r| r.1.first_layer.saturating_sub(1));
                    let gate = self.reading.as_ref().map(|r| r.mean(first).gate);
                    let logits = fusion.logits(coalition, gate, plain).ok_or_else(missing);
                    logits.map(|logits| VariantAnswer { prediction: with((logits, None)), trace: None })
                }
                (VariantKind::Hinted, _) => hinted
                    .cloned()
                    .unwrap_or_else(|| Err(missing()))
                    .map(|prediction| VariantAnswer { prediction, trace: None }),
                (VariantKind::Steered(_), Some(Ok((letters, trace)))) => {
                    Ok(VariantAnswer { prediction: with(*letters), trace: Some(trace.clone()) })
                }
                (VariantKind::Steered(_), Some(Err(error))) => Err(error.clone()),
                (VariantKind::Steered(_), None) => Ok(VariantAnswer {
                    prediction: base.clone(),
                    trace: self.reading_trace(router, &variant.name),
                }),
            });
        }
        Ok(all)
    }

    /// What the router read where nothing was steered.
    fn reading_trace(&self, router: Option<&LoadedRouter>, variant: &str) -> Option<SteeringTrace> {
        let (loaded, reading) = (router?, self.reading.as_ref()?);
        let present = flags(self.clean.shown);
        let options =
            PreferenceOptions { form: loaded.1.preference, temperature: loaded.1.preference_temperature };
        let by_modality =
            |values: [f64; 3]| PerModality::from_fn(|m| present[m.index()].then_some(values[m.index()]));
        let first = loaded.1.first_layer.saturating_sub(1);
        let layers = (first..reading.layers.len()).map(|at| {
            let heads = self.clean.layers[at].preference(options, present, self.clean.n_keys);
            let mean = by_modality(mean_preference(&heads));
            SteeredLayer {
                layer: at + 1,
                conflict_prob: Some(reading.layers[at].conflict_prob),
                gate: by_modality(reading.layers[at].gate),
                preference_before: mean,
                preference_after: mean,
                ..SteeredLayer::default()
            }
        });
        Some(SteeringTrace { variant: variant.to_owned(), layers: layers.collect(), importance: None })
    }
}

/// The plain answers to the hinted prompt.
pub(crate) fn hinted(
    model: &mut dyn WhiteBox,
    clip: &Clip,
    asked: &[ModalitySet],
) -> Vec<(ModalitySet, Result<Prediction, PredictError>)> {
    let mut seen: Vec<(ModalitySet, Prediction)> = Vec::new();
    let mut clock = Instant::now();
    model.set_hint(Some(CONFLICT_HINT));
    let done = model.visit(clip, asked, &mut |point| {
        let decision = point.decide(1, None)?;
        let logits = point.letter_logits(&decision)?[0];
        let letter_mass = point.letter_masses(&decision)?.pop();
        let ms = clock.elapsed().as_secs_f64() * 1e3;
        clock = Instant::now();
        let plain = point.prediction(logits, clip.corpus, ms);
        seen.push((point.coalition(), Prediction { letter_mass, ..plain }));
        Ok(())
    });
    model.set_hint(None);
    let found = |coalition: ModalitySet| {
        seen.iter().find(|(c, _)| *c == coalition).map(|(_, p)| p.clone()).ok_or_else(missing)
    };
    asked.iter().zip(done).map(|(c, done)| (*c, done.and_then(|()| found(*c)))).collect()
}

/// A coalition that was not answered.
pub(crate) fn missing() -> PredictError {
    PredictError {
        kind: PredictErrorKind::Model,
        message: "a coalition that the variant needs could not be answered".to_owned(),
        hint: None,
    }
}
