//! Any front end behind the evaluation's port: media decoded and encoded once, coalitions read as one tree, the decision
//! row read or steered.

use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use candle_core::Tensor;
use emomm_dataset::{Modality, ModalitySet};
use emomm_eval::{
    AttentionDetail, Clip, Deliver, Missingness, PredictError, PredictErrorKind, PredictOptions, Prediction,
    Predictor, TokenCost, TokenMaps, prompt, reply,
};

use crate::attention_summary::AttentionRecorder;
use crate::clip_media::{ClipMedia, blank_rows};
use crate::decoder::{Decision, DecisionHook, DecisionLayer, Prefill};
use crate::encoder_cache::{EncoderCache, Medium};
use crate::error::{ModelError, Result};
use crate::front_end::{Encoded, FrontEnd, MediaReader};
use crate::importance::token_importance_after;
use crate::media_cache::MediaCache;
use crate::prompt_tree::{PromptRow, token_floor, walk_from};
use crate::token_maps::attention_by_token;
use crate::white_box::{DecisionPoint, DecoderShape, Steering, Visit, WhiteBox};

/// A loaded model with its way of decoding media.
pub struct ClipPredictor<F> {
    /// Shared by the predictors that [`Predictor::another`] gives.
    front_end: Arc<F>,
    reader: MediaReader,
    cache: Option<Arc<EncoderCache>>,
    cost: Cell<TokenCost>,
    /// A line of its own in every prompt.
    hint: Option<String>,
    /// How modalities that a coalition lacks are kept from the model.
    missing: Missingness,
}

impl<F: FrontEnd> ClipPredictor<F> {
    /// Wraps a loaded model.
    pub fn new(front_end: F, reader: MediaReader) -> Self {
        Self {
            front_end: Arc::new(front_end),
            reader,
            cache: None,
            cost: Cell::default(),
            hint: None,
            missing: Missingness::Omit,
        }
    }

    /// The model.
    pub fn front_end(&self) -> &F {
        &self.front_end
    }

    /// One more of the same model, which shares its weights and caches.
    fn twin(&self) -> Self {
        Self {
            front_end: Arc::clone(&self.front_end),
            reader: self.reader.another(),
            cache: self.cache.clone(),
            cost: Cell::default(),
            hint: self.hint.clone(),
            missing: self.missing,
        }
    }

    /// Calls `leaf` with the index and the decision point of every coalition whose evidence could be read. A tree that is
    /// read backwards keeps the inputs of all layers.
    fn walk(
        &self,
        clip: &Clip,
        coalitions: &[ModalitySet],
        is_read_backwards: bool,
        leaf: &mut dyn FnMut(usize, &DecisionPoint<'_>) -> Result<()>,
    ) -> Vec<Result<(), PredictError>> {
        let media = match self.encode(clip, coalitions) {
            Ok(media) => media,
            Err(error) => return vec![Err(PredictError::from(error)); coalitions.len()],
        };

        // Coalitions whose evidence could not be read fail alone.
        let mut results: Vec<Option<Result<(), PredictError>>> = vec![None; coalitions.len()];
        let (mut rows, mut owners) = (Vec::new(), Vec::new());
        for (i, coalition) in coalitions.iter().enumerate() {
            match self.row(clip, *coalition, &media) {
                Ok(row) => {
                    rows.push(row);
                    owners.push(i);
                }
                Err(error) => results[i] = Some(Err(error)),
            }
        }

        let embeddings = match media.embeddings() {
            Ok(embeddings) => embeddings,
            Err(error) => return vec![Err(PredictError::from(error)); coalitions.len()],
        };
        let (decoder, letters) = (self.front_end.decoder(), self.front_end.letters());
        let mut visit = |i: usize, prefill: &Prefill| {
            let coalition = coalitions[owners[i]];
            let mut point = DecisionPoint::new(coalition, decoder, &rows[i], prefill, &embeddings, letters)?;
            point.evidence = media.record(coalition, self.front_end.patches_per_side());
            point.spaced_letters = self.front_end.spaced_letters();
            point.suppressed = media.suppressed(coalition, &rows[i]);
            results[owners[i]] = Some(leaf(owners[i], &point).map_err(PredictError::from));
            Ok(())
        };
        let root = if is_read_backwards { decoder.root_keeping_inputs() } else { decoder.root() };
        let walked = walk_from(&root, decoder, &rows, &embeddings, &mut visit).map_err(PredictError::from);
        if let Ok(cost) = &walked {
            let mut sum = self.cost.get();
            sum += TokenCost {
                read: (cost.read + rows.len()) as u64,
                floor: token_floor(&rows) as u64,
                separate: (cost.separate + rows.len()) as u64,
            };
            self.cost.set(sum);
        }
        results
            .into_iter()
            .map(|r| r.unwrap_or_else(|| Err(walked.clone().err().unwrap_or_else(unreached))))
            .collect()
    }

    fn encode(&self, clip: &Clip, coalitions: &[ModalitySet]) -> Result<ClipMedia> {
        let available = clip.available();
        let shown = |m: Modality| coalitions.iter().any(|c| self.laid_out(clip, *c).contains(m));
        let medium = |modality: Modality, path: Option<&std::path::PathBuf>| {
            let path = path.filter(|_| shown(modality)).ok_or_else(|| missing(modality))?;
            match modality {
                Modality::Video => self.kept(Medium::Video, path, || self.front_end.see(&self.reader, path)),
                _ => self.kept(Medium::Audio, path, || self.front_end.hear(&self.reader, path)),
            }
        };
        let video = medium(Modality::Video, clip.video.as_ref());
        let audio = medium(Modality::Audio, clip.audio.as_ref());
        // A place is blank where a prompt has it and its coalition lacks it.
        let is_blank = |m: Modality| {
            self.missing == Missingness::Blank
                && available.contains(m)
                && coalitions.iter().any(|c| !c.contains(m))
        };
        let blank = |m: Modality, real: &Result<Encoded>| match real {
            Ok(real) if is_blank(m) => blank_rows(self.front_end.as_ref(), m, real).map(Some),
            _ => Ok(None),
        };
        Ok(ClipMedia {
            black: blank(Modality::Video, &video)?,
            silence: blank(Modality::Audio, &audio)?,
            video: video.map_err(PredictError::from),
            audio: audio.map_err(PredictError::from),
        })
    }

    /// The modalities that the prompt of a coalition has places for.
    fn laid_out(&self, clip: &Clip, coalition: ModalitySet) -> ModalitySet {
        self.missing.laid_out(coalition, clip.available())
    }

    /// An encoding from the cache, if there is one.
    fn kept(&self, medium: Medium, path: &Path, encode: impl FnOnce() -> Result<Encoded>) -> Result<Encoded> {
        let Some(cache) = &self.cache else { return encode() };
        cache.encoded(medium, path, &self.treatment(medium), self.front_end.decoder().device(), encode)
    }

    /// What is done to a medium before the model gets it; empty for nothing.
    fn treatment(&self, medium: Medium) -> String {
        match medium {
            Medium::Video => self.reader.picture.treatment(),
            Medium::Audio => String::new(),
        }
    }

    fn row(&self, clip: &Clip, coalition: ModalitySet, media: &ClipMedia) -> Result<PromptRow, PredictError> {
        let laid_out = self.laid_out(clip, coalition);
        if let Some(lacking) = coalition.iter().find(|m| !laid_out.contains(*m)) {
            return Err(PredictError::from(missing(lacking)));
        }
        let evidence = media.evidence(laid_out)?;
        let prompt = self.prompt(clip, coalition).map_err(PredictError::from)?;
        let mut row = self.front_end.row(&prompt, evidence).map_err(PredictError::from)?;
        if let Some(kept) = evidence.video.and_then(|v| v.kept.as_ref()) {
            row = row.with_video_tokens(kept);
        }
        let blank = || self.front_end.blank_token();
        let row = row.shown_to(coalition, laid_out, self.missing, blank).map_err(PredictError::from)?;
        let (tokens, most) = (row.reach(), self.front_end.max_tokens());
        if tokens > most {
            let message = format!(
                "clip {}, coalition {coalition}: the prompt has {tokens} tokens, expected at most {most} \
                 (`max_position_embeddings`)",
                clip.id
            );
            let hint = "shorten the clip or its transcript, or ask for a coalition with less evidence";
            return Err(PredictError::from(ModelError::request(message, hint)));
        }
        Ok(row)
    }

    fn prompt(&self, clip: &Clip, coalition: ModalitySet) -> Result<prompt::Prompt> {
        let laid_out = self.laid_out(clip, coalition);
        let plain = prompt::build(clip.corpus, laid_out, clip.text.as_deref())?;
        Ok(match &self.hint {
            Some(hint) => plain.with_hint(hint),
            None => plain,
        })
    }

    /// Reads the letters, the attention and, if wanted, the reply of one coalition.
    fn answer(
        &self,
        clip: &Clip,
        point: &DecisionPoint<'_>,
        options: &PredictOptions,
        mut steering: Option<Box<dyn DecisionHook>>,
        clock: &mut Instant,
    ) -> Result<Prediction> {
        let mut recorder =
            (options.attention != AttentionDetail::None).then(|| AttentionRecorder::new(point.layout()));
        let mut both = SteerAndRecord { steering: steering.as_deref_mut(), recorder: recorder.as_mut() };
        let hook: Option<&mut dyn DecisionHook> =
            if both.steering.is_some() || both.recorder.is_some() { Some(&mut both) } else { None };
        let decision = point.decide(1, hook)?;
        let letter_logits = point.letter_logits(&decision)?[0];
        if letter_logits.iter().any(|l| !l.is_finite()) {
            return Err(ModelError::NotFinite { path: self.front_end.folder().to_owned(), letter_logits });
        }
        let letter_mass = point.letter_masses(&decision)?.pop();
        let reply = if options.generate {
            let later = steering.as_deref_mut().filter(|hook| hook.continues());
            let text =
                self.generate(point.row(), point.prefill(), decision, options.max_new_tokens, later)?;
            Some(reply::parse(&text, clip.corpus))
        } else {
            None
        };
        let importance = if options.importance { self.importance(point)? } else { None };
        let ms = clock.elapsed().as_secs_f64() * 1e3;
        *clock = Instant::now();
        let plain = point.prediction(letter_logits, clip.corpus, ms);
        let token_maps = match &recorder {
            Some(recorder) if options.attention == AttentionDetail::Full => Some(TokenMaps {
                attention: attention_by_token(recorder.patterns(), point.layout()),
                places: point.evidence.token_places.clone(),
                importance,
            }),
            _ => None,
        };
        Ok(Prediction { letter_mass, reply, attention: recorder.map(|r| r.summary()), token_maps, ..plain })
    }

    /// Î_k of the visual tokens, of the answer without steering, as Algorithm 1 takes it; `None` without video.
    fn importance(&self, point: &DecisionPoint<'_>) -> Result<Option<Vec<f32>>> {
        let (letters, media) = (self.front_end.letters(), point.media());
        let decoder = self.front_end.decoder();
        let found = token_importance_after(
            decoder,
            &letters,
            point.row(),
            point.prefill(),
            media,
            Modality::Video,
            0,
        )?;
        Ok(found.map(|f| f.normalised))
    }

    /// Greedy continuation after the decision, on the decision's own rows: the prefix is not copied. Later rows are steered
    /// where `hook` is given.
    fn generate(
        &self,
        row: &PromptRow,
        prefill: &Prefill,
        first: Decision,
        most: usize,
        mut hook: Option<&mut (dyn DecisionHook + 'static)>,
    ) -> Result<String> {
        let decoder = self.front_end.decoder();
        let most = most.min(self.front_end.max_tokens().saturating_sub(row.reach()).max(1));
        let mut next_position = row.positions.max().map_or(0, |p| p + 1);
        let mut ids = Vec::new();
        let mut decision = first;
        loop {
            let token = decision.logits.get(0)?.argmax(0)?.to_scalar::<u32>()?;
            if self.front_end.stop_tokens().contains(&token) {
                break;
            }
            ids.push(token);
            if ids.len() == most {
                break;
            }
            let next = decoder.embed(&[token])?;
            let hook = hook.as_mut().map(|h| &mut **h as &mut dyn DecisionHook);
            decision = decoder.resume(prefill, &decision, &next, [next_position; 3], hook)?;
            next_position += 1;
        }
        self.front_end.text(&ids)
    }
}

impl<F: FrontEnd + 'static> Predictor for ClipPredictor<F> {
    fn render_prompt(&self, clip: &Clip, coalition: ModalitySet) -> Result<String, PredictError> {
        Ok(self.front_end.render(&self.prompt(clip, coalition).map_err(PredictError::from)?))
    }

    fn predict_each(
        &mut self,
        clip: &Clip,
        coalitions: &[ModalitySet],
        options: &PredictOptions,
        deliver: &mut Deliver<'_>,
    ) {
        self.predict_steered_each(clip, coalitions, options, &mut |_| Ok(None), deliver);
    }

    fn another(&self) -> Option<Box<dyn Predictor + Send>> {
        Some(Box::new(self.twin()))
    }

    fn read_ahead(&self, clip: &Clip, coalitions: &[ModalitySet]) {
        // Without a place to keep it, reading ahead would be for nothing.
        if self.reader.media.is_none() {
            return;
        }
        let shown = |m: Modality| coalitions.iter().any(|c| self.laid_out(clip, *c).contains(m));
        let is_wanted = |medium: Medium, path: &Path| {
            self.cache.as_ref().is_none_or(|cache| !cache.holds(medium, path, &self.treatment(medium)))
        };
        // What fails here fails in its turn, where it is recorded.
        if let Some(path) =
            clip.video.as_ref().filter(|p| shown(Modality::Video) && is_wanted(Medium::Video, p))
        {
            let _ = self.front_end.look_ahead(&self.reader, path);
        }
        if let Some(path) =
            clip.audio.as_ref().filter(|p| shown(Modality::Audio) && is_wanted(Medium::Audio, p))
        {
            let _ = self.front_end.listen_ahead(&self.reader, path);
        }
    }

    fn token_cost(&self) -> Option<TokenCost> {
        Some(self.cost.get())
    }
}

impl<F: FrontEnd + 'static> WhiteBox for ClipPredictor<F> {
    fn another_white_box(&self) -> Option<Box<dyn WhiteBox + Send>> {
        Some(Box::new(self.twin()))
    }

    fn keep_encodings(&mut self, cache: Arc<EncoderCache>) {
        self.cache = Some(cache);
    }

    fn keep_media(&mut self, cache: MediaCache) {
        self.reader.media = Some(cache);
    }

    fn set_hint(&mut self, hint: Option<&str>) {
        self.hint = hint.map(str::to_owned);
    }

    fn set_missing(&mut self, missing: Missingness) {
        self.missing = missing;
    }

    fn shape(&self) -> DecoderShape {
        DecoderShape::of(self.front_end.decoder())
    }

    fn folder(&self) -> &Path {
        self.front_end.folder()
    }

    fn visit(
        &mut self,
        clip: &Clip,
        coalitions: &[ModalitySet],
        visit: &mut Visit<'_>,
    ) -> Vec<Result<(), PredictError>> {
        self.walk(clip, coalitions, false, &mut |_, point| visit(point))
    }

    fn predict_steered_each(
        &mut self,
        clip: &Clip,
        coalitions: &[ModalitySet],
        options: &PredictOptions,
        steering: &mut Steering<'_>,
        deliver: &mut Deliver<'_>,
    ) {
        let mut clock = Instant::now();
        let done = self.walk(clip, coalitions, options.importance, &mut |i, point| {
            let hook = steering(point)?;
            deliver(i, Ok(self.answer(clip, point, options, hook, &mut clock)?));
            Ok(())
        });
        for (i, failed) in done.into_iter().enumerate() {
            if let Err(error) = failed {
                deliver(i, Err(error));
            }
        }
    }
}

/// Lets one hook act and another look on.
struct SteerAndRecord<'a, 'r> {
    steering: Option<&'a mut (dyn DecisionHook + 'static)>,
    recorder: Option<&'a mut AttentionRecorder<'r>>,
}

impl DecisionHook for SteerAndRecord<'_, '_> {
    fn attn_bias(&mut self, layer: &DecisionLayer<'_>) -> candle_core::Result<Option<Tensor>> {
        self.steering.as_mut().map_or(Ok(None), |hook| hook.attn_bias(layer))
    }

    fn observe_pattern(&mut self, layer: usize, pattern: &Tensor) -> candle_core::Result<()> {
        if let Some(hook) = &mut self.steering {
            hook.observe_pattern(layer, pattern)?;
        }
        self.recorder.as_mut().map_or(Ok(()), |recorder| recorder.observe_pattern(layer, pattern))
    }
}

fn missing(modality: Modality) -> ModelError {
    ModelError::request(
        format!("the coalition holds {modality}, but the clip has none"),
        "ask for a coalition of what the clip has",
    )
}

fn unreached() -> PredictError {
    PredictError { kind: PredictErrorKind::Model, message: "the model gave no answer".to_owned(), hint: None }
}

impl From<ModelError> for PredictError {
    fn from(error: ModelError) -> Self {
        let kind = match &error {
            ModelError::Media(media) if media.is_of_ffmpeg() => PredictErrorKind::Setup,
            ModelError::Media(_) => PredictErrorKind::Media,
            ModelError::Request { .. } | ModelError::Prompt(_) => PredictErrorKind::Request,
            _ => PredictErrorKind::Model,
        };
        Self { kind, hint: error.hint(), message: error.to_string() }
    }
}
