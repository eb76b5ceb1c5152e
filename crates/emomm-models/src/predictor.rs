//! Any front end behind the evaluation's port: media decoded and encoded once, coalitions read as one tree, the decision
//! row read or steered.

use std::time::Instant;

use candle_core::Tensor;
use emomm_dataset::{Modality, ModalitySet, Sentiment};
use emomm_eval::{
    AttentionDetail, AttentionSummary, Clip, PredictError, PredictErrorKind, PredictOptions, Prediction,
    Predictor, prompt, reply,
};
use emomm_media::MediaError;

use crate::attention_summary::AttentionRecorder;
use crate::decoder::{Decision, DecisionHook, DecisionLayer, Prefill};
use crate::error::{ModelError, Result};
use crate::front_end::{Encoded, Evidence, FrontEnd, MediaReader};
use crate::prompt_tree::{MediaEmbeddings, PromptRow, embed, walk};

/// Gives the hook that acts on the decision row of one coalition, or `None` to leave it alone.
pub type Steering<'a> = dyn FnMut(ModalitySet, &PromptRow) -> Option<Box<dyn DecisionHook>> + 'a;

/// A loaded model with its way of decoding media.
pub struct ClipPredictor<F> {
    front_end: F,
    reader: MediaReader,
}

/// Media of one clip; `Err` where they could not be read or were not asked for.
struct ClipMedia {
    video: Result<Encoded, PredictError>,
    audio: Result<Encoded, PredictError>,
}

struct Answer {
    letter_logits: [f32; 5],
    reply: Option<reply::Reply>,
    attention: Option<AttentionSummary>,
}

impl<F: FrontEnd> ClipPredictor<F> {
    /// Wraps a loaded model.
    pub fn new(front_end: F, reader: MediaReader) -> Self {
        Self { front_end, reader }
    }

    /// The model.
    pub fn front_end(&self) -> &F {
        &self.front_end
    }

    /// As [`Predictor::predict`], with a hook on the decision row of each coalition. Attention is recorded as the
    /// steered row really used it.
    pub fn predict_steered(
        &mut self,
        clip: &Clip,
        coalitions: &[ModalitySet],
        options: &PredictOptions,
        steering: &mut Steering<'_>,
    ) -> Vec<Result<Prediction, PredictError>> {
        let mut clock = Instant::now();
        let media = self.encode(clip, coalitions);

        // Coalitions whose evidence could not be read fail alone.
        let mut results: Vec<Option<Result<Prediction, PredictError>>> = vec![None; coalitions.len()];
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

        let embeddings = media.embeddings();
        let mut leaf = |i: usize, prefill: &Prefill| {
            let (coalition, row) = (coalitions[owners[i]], &rows[i]);
            let hook = steering(coalition, row);
            let answer = self.answer(clip, row, prefill, &embeddings, options, hook);
            let ms = clock.elapsed().as_secs_f64() * 1e3;
            clock = Instant::now();
            let prediction = answer.map_err(predict_error);
            results[owners[i]] = Some(prediction.map(|a| prediction_of(clip, coalition, row, a, &media, ms)));
            Ok(())
        };
        let walked = walk(self.front_end.decoder(), &rows, &embeddings, &mut leaf).map_err(predict_error);
        results
            .into_iter()
            .map(|r| r.unwrap_or_else(|| Err(walked.clone().err().unwrap_or_else(unreached))))
            .collect()
    }

    fn encode(&self, clip: &Clip, coalitions: &[ModalitySet]) -> ClipMedia {
        let shown = |m: Modality| coalitions.iter().any(|c| c.contains(m));
        let medium = |modality: Modality, path: Option<&std::path::PathBuf>| {
            let path = path.filter(|_| shown(modality)).ok_or_else(|| missing(modality))?;
            match modality {
                Modality::Video => self.front_end.see(&self.reader, path),
                _ => self.front_end.hear(&self.reader, path),
            }
        };
        ClipMedia {
            video: medium(Modality::Video, clip.video.as_ref()).map_err(predict_error),
            audio: medium(Modality::Audio, clip.audio.as_ref()).map_err(predict_error),
        }
    }

    fn row(&self, clip: &Clip, coalition: ModalitySet, media: &ClipMedia) -> Result<PromptRow, PredictError> {
        let evidence = media.evidence(coalition)?;
        let prompt = build_prompt(clip, coalition).map_err(predict_error)?;
        let row = self.front_end.row(&prompt, evidence).map_err(predict_error)?;
        let (tokens, most) = (row.tokens.len(), self.front_end.max_tokens());
        if tokens > most {
            let message = format!(
                "clip {}, coalition {coalition}: the prompt has {tokens} tokens, expected at most {most} \
                 (`max_position_embeddings`)",
                clip.id
            );
            let hint = "shorten the clip or its transcript, or ask for a coalition with less evidence";
            return Err(predict_error(ModelError::request(message, hint)));
        }
        Ok(row)
    }

    /// Reads the letters, the attention and, if wanted, the reply of one coalition.
    fn answer(
        &self,
        clip: &Clip,
        row: &PromptRow,
        prefill: &Prefill,
        media: &MediaEmbeddings,
        options: &PredictOptions,
        mut steering: Option<Box<dyn DecisionHook>>,
    ) -> Result<Answer> {
        let decoder = self.front_end.decoder();
        let decision_row = embed(decoder, &[row.decision_token()], media)?;
        let mut recorder =
            (options.attention != AttentionDetail::None).then(|| AttentionRecorder::new(&row.layout));
        let mut both = SteerAndRecord { steering: steering.as_deref_mut(), recorder: recorder.as_mut() };
        let hook: Option<&mut dyn DecisionHook> =
            if both.steering.is_some() || both.recorder.is_some() { Some(&mut both) } else { None };
        let decision = decoder.decide(prefill, &decision_row, row.decision_position(), hook)?;
        let logits: Vec<f32> = decision.logits.get(0)?.to_vec1()?;
        let letter_logits = self.front_end.letters().map(|id| logits[id as usize]);
        if letter_logits.iter().any(|l| !l.is_finite()) {
            return Err(ModelError::NotFinite { path: self.front_end.folder().to_owned(), letter_logits });
        }
        let reply = if options.generate {
            Some(reply::parse(&self.generate(row, prefill, decision, options.max_new_tokens)?, clip.corpus))
        } else {
            None
        };
        Ok(Answer { letter_logits, reply, attention: recorder.map(|r| r.summary()) })
    }

    /// Greedy continuation after the decision, on the decision's own rows: the prefix is not copied. The decision row
    /// alone is steered.
    fn generate(&self, row: &PromptRow, prefill: &Prefill, first: Decision, most: usize) -> Result<String> {
        let decoder = self.front_end.decoder();
        let most = most.min(self.front_end.max_tokens().saturating_sub(row.tokens.len()).max(1));
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
            decision = decoder.resume(prefill, &decision, &next, [next_position; 3], None)?;
            next_position += 1;
        }
        self.front_end.text(&ids)
    }
}

impl<F: FrontEnd> Predictor for ClipPredictor<F> {
    fn render_prompt(&self, clip: &Clip, coalition: ModalitySet) -> Result<String, PredictError> {
        Ok(self.front_end.render(&build_prompt(clip, coalition).map_err(predict_error)?))
    }

    fn predict(
        &mut self,
        clip: &Clip,
        coalitions: &[ModalitySet],
        options: &PredictOptions,
    ) -> Vec<Result<Prediction, PredictError>> {
        self.predict_steered(clip, coalitions, options, &mut |_, _| None)
    }
}

impl ClipMedia {
    /// The media of a coalition, or the first error among them.
    fn evidence(&self, coalition: ModalitySet) -> Result<Evidence<'_>, PredictError> {
        let shown = |m: Modality, medium| if coalition.contains(m) { Some(medium) } else { None };
        let video: Option<&Result<_, _>> = shown(Modality::Video, &self.video);
        let audio: Option<&Result<_, _>> = shown(Modality::Audio, &self.audio);
        Ok(Evidence {
            video: video.map(Result::as_ref).transpose().map_err(Clone::clone)?,
            audio: audio.map(Result::as_ref).transpose().map_err(Clone::clone)?,
        })
    }

    fn embeddings(&self) -> MediaEmbeddings {
        let tensor = |medium: &Result<Encoded, PredictError>| -> Option<Tensor> {
            medium.as_ref().ok().map(|e| e.embeddings.clone())
        };
        MediaEmbeddings { audio: tensor(&self.audio), video: tensor(&self.video) }
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

fn prediction_of(
    clip: &Clip,
    coalition: ModalitySet,
    row: &PromptRow,
    answer: Answer,
    media: &ClipMedia,
    ms: f64,
) -> Prediction {
    let label = Sentiment::from_index(greatest(&answer.letter_logits));
    // A row exists, so its evidence does.
    let evidence = media.evidence(coalition).unwrap_or_default();
    let mut record = evidence.video.map(|v| v.record.clone()).unwrap_or_default();
    if let Some(audio) = evidence.audio {
        record.add_sound(&audio.record);
    }
    Prediction {
        coalition,
        tokens: Some(row.layout.token_counts()),
        grid_thw: evidence.video.and_then(|v| v.grid).map(|g| [g.t, g.h, g.w]),
        letter_logits: Some(answer.letter_logits),
        letter: label.map(Sentiment::letter),
        label,
        centre_score: label.map(|l| clip.corpus.centre_score(l)),
        reply: answer.reply,
        attention: answer.attention,
        media: record,
        ms,
    }
}

/// ℓ* of Eq. (22): index of the greatest letter logit; ties go to the earlier letter.
fn greatest(letter_logits: &[f32; 5]) -> usize {
    (0..5).fold(0, |best, i| if letter_logits[i] > letter_logits[best] { i } else { best })
}

fn build_prompt(clip: &Clip, coalition: ModalitySet) -> Result<prompt::Prompt> {
    Ok(prompt::build(clip.corpus, coalition, clip.text.as_deref())?)
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

#[expect(clippy::needless_pass_by_value, reason = "the form that `map_err` takes")]
fn predict_error(error: ModelError) -> PredictError {
    let kind = match error {
        ModelError::Media(MediaError::FfmpegNotFound { .. } | MediaError::FfmpegUnusable { .. }) => {
            PredictErrorKind::Setup
        }
        ModelError::Media(_) => PredictErrorKind::Media,
        ModelError::Request { .. } | ModelError::Prompt(_) => PredictErrorKind::Request,
        _ => PredictErrorKind::Model,
    };
    PredictError { kind, hint: error.hint(), message: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_go_to_the_earlier_letter() {
        assert_eq!(greatest(&[0.0; 5]), 0);
        assert_eq!(greatest(&[-1.0, 2.0, 2.0, -3.0, 1.0]), 1);
        assert_eq!(greatest(&[-5.0, -4.0, -3.0, -2.0, -1.0]), 4);
    }
}
