//! Qwen2.5-Omni behind the evaluation's port: media decoded and encoded once, coalitions read as one tree.

use std::path::PathBuf;
use std::time::Instant;

use candle_core::Tensor;
use emomm_dataset::{Modality, ModalitySet, Sentiment};
use emomm_eval::{
    AttentionDetail, Clip, MediaRecord, PredictError, PredictErrorKind, PredictOptions, Prediction,
    Predictor, prompt, reply,
};
use emomm_media::{DecodeLimits, Ffmpeg, MediaError, SamplingMode, decode_audio, decode_video};

use super::chat::{MediaShape, prompt_row, render};
use super::processor::{log_mel, patchify, scale_frames};
use super::{Omni, OmniTokenizer};
use crate::attention_summary::AttentionRecorder;
use crate::decoder::{Decision, DecisionHook, Prefill};
use crate::error::{ModelError, Result};
use crate::prompt_tree::{MediaEmbeddings, PromptRow, embed, walk};
use crate::vision::Grid;

/// A loaded model with its way of decoding media.
pub struct OmniPredictor {
    model: Omni,
    ffmpeg: Option<Ffmpeg>,
    sampling: SamplingMode,
    limits: DecodeLimits,
}

/// A medium of one clip after its tower.
struct Encoded {
    embeddings: Tensor,
    grid: Option<Grid>,
    record: MediaRecord,
}

impl OmniPredictor {
    /// Wraps a loaded model.
    pub fn new(model: Omni, sampling: SamplingMode, limits: DecodeLimits) -> Self {
        Self { model, ffmpeg: None, sampling, limits }
    }

    /// The model.
    pub fn model(&self) -> &Omni {
        &self.model
    }

    fn ffmpeg(&mut self) -> Result<Ffmpeg> {
        if let Some(found) = &self.ffmpeg {
            return Ok(found.clone());
        }
        let found = Ffmpeg::locate()?;
        self.ffmpeg = Some(found.clone());
        Ok(found)
    }

    fn encode_video(&mut self, path: Option<&PathBuf>) -> Result<Encoded> {
        let path = path.ok_or_else(|| missing(Modality::Video))?;
        let settings = self.model.processor.video.sampling(self.sampling);
        let decoded = decode_video(&self.ffmpeg()?, path, &settings, &self.limits)?;
        let frames = scale_frames(&decoded.frames, &self.model.processor, self.model.merge_pixels())
            .map_err(|e| e.in_file(path))?;
        let patches = patchify(&frames, &self.model.processor, &self.model.config.vision)?;
        let record = MediaRecord {
            frame_times: Some(decoded.times_seconds),
            frame_size: Some(patches.frame_size),
            audio_seconds: None,
            warnings: decoded.warnings,
        };
        Ok(Encoded { embeddings: self.model.encode_video(&patches)?, grid: Some(patches.grid), record })
    }

    fn encode_audio(&mut self, path: Option<&PathBuf>) -> Result<Encoded> {
        let path = path.ok_or_else(|| missing(Modality::Audio))?;
        let rate = self.model.processor.sample_rate_hz;
        let waveform = decode_audio(&self.ffmpeg()?, path, rate, &self.limits)?;
        let mel = log_mel(&waveform, &self.model.processor)?;
        let mut warnings = waveform.warnings;
        let (have, most) = (waveform.samples.len(), self.model.processor.max_samples);
        if have > most {
            let seconds = |n: usize| n as f64 / f64::from(rate);
            warnings.push(format!("sound of {:.1} s cut to the first {:.1} s", seconds(have), seconds(most)));
        }
        let record = MediaRecord {
            audio_seconds: Some(have.min(most) as f64 / f64::from(rate)),
            warnings,
            ..MediaRecord::default()
        };
        let embeddings = self.model.encode_audio(&mel.data, mel.n_frames).map_err(|e| e.in_file(path))?;
        Ok(Encoded { embeddings, grid: None, record })
    }

    fn row(&self, clip: &Clip, coalition: ModalitySet, shape: &MediaShape) -> Result<PromptRow> {
        let prompt = build_prompt(clip, coalition)?;
        let row = prompt_row(&prompt, &self.model.tokenizer, shape)?;
        let (tokens, most) = (row.tokens.len(), self.model.config.max_tokens);
        if tokens > most {
            return Err(ModelError::request(
                format!(
                    "clip {}, coalition {coalition}: the prompt has {tokens} tokens, expected at most {most} \
                     (`max_position_embeddings`)",
                    clip.id
                ),
                "shorten the clip or its transcript, or ask for a coalition with less evidence",
            ));
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
    ) -> Result<Answer> {
        let decoder = &self.model.decoder;
        let decision_row = embed(decoder, &[row.decision_token()], media)?;
        let mut recorder = AttentionRecorder::new(&row.layout);
        let hook: Option<&mut dyn DecisionHook> = match options.attention {
            AttentionDetail::None => None,
            AttentionDetail::Summary => Some(&mut recorder),
        };
        let decision = decoder.decide(prefill, &decision_row, row.decision_position(), hook)?;
        let logits: Vec<f32> = decision.logits.get(0)?.to_vec1()?;
        let letter_logits = self.model.tokenizer.letters.map(|id| logits[id as usize]);
        if letter_logits.iter().any(|l| !l.is_finite()) {
            let path = self.model.folder().to_owned();
            return Err(ModelError::NotFinite { path, letter_logits });
        }
        let reply = if options.generate {
            Some(reply::parse(&self.generate(row, prefill, decision, options.max_new_tokens)?, clip.corpus))
        } else {
            None
        };
        let attention = (options.attention == AttentionDetail::Summary).then(|| recorder.summary());
        Ok(Answer { letter_logits, reply, attention })
    }

    /// Greedy continuation after the decision, on the decision's own rows: the prefix is not copied.
    fn generate(&self, row: &PromptRow, prefill: &Prefill, first: Decision, most: usize) -> Result<String> {
        let decoder = &self.model.decoder;
        let OmniTokenizer { stop, .. } = &self.model.tokenizer;
        let mut next_position = row.positions.max().map_or(0, |p| p + 1);
        let mut ids = Vec::new();
        let mut decision = first;
        while ids.len() < most {
            let token = decision.logits.get(0)?.argmax(0)?.to_scalar::<u32>()?;
            if stop.contains(&token) {
                break;
            }
            ids.push(token);
            let next = decoder.embed(&[token])?;
            decision = decoder.resume(prefill, &decision, &next, [next_position; 3], None)?;
            next_position += 1;
        }
        self.model.tokenizer.decode(&ids)
    }
}

struct Answer {
    letter_logits: [f32; 5],
    reply: Option<reply::Reply>,
    attention: Option<emomm_eval::AttentionSummary>,
}

impl Predictor for OmniPredictor {
    fn render_prompt(&self, clip: &Clip, coalition: ModalitySet) -> Result<String, PredictError> {
        Ok(render(&build_prompt(clip, coalition).map_err(predict_error)?))
    }

    fn predict(
        &mut self,
        clip: &Clip,
        coalitions: &[ModalitySet],
        options: &PredictOptions,
    ) -> Vec<Result<Prediction, PredictError>> {
        let mut clock = Instant::now();
        let wanted = |m: Modality| coalitions.iter().any(|c| c.contains(m));
        let none = || Err(missing(Modality::Text));
        let video = if wanted(Modality::Video) { self.encode_video(clip.video.as_ref()) } else { none() };
        let audio = if wanted(Modality::Audio) { self.encode_audio(clip.audio.as_ref()) } else { none() };
        let (video, audio) = (video.map_err(predict_error), audio.map_err(predict_error));

        // Coalitions whose evidence could not be read fail alone.
        let mut results: Vec<Option<Result<Prediction, PredictError>>> = vec![None; coalitions.len()];
        let mut rows = Vec::new();
        let mut owners = Vec::new();
        for (i, coalition) in coalitions.iter().enumerate() {
            match self.prepare(clip, *coalition, &video, &audio) {
                Ok(row) => {
                    rows.push(row);
                    owners.push(i);
                }
                Err(error) => results[i] = Some(Err(error)),
            }
        }

        let media = MediaEmbeddings {
            audio: audio.as_ref().ok().map(|a| a.embeddings.clone()),
            video: video.as_ref().ok().map(|v| v.embeddings.clone()),
        };
        let mut leaf = |i: usize, prefill: &Prefill| {
            let coalition = coalitions[owners[i]];
            let answer = self.answer(clip, &rows[i], prefill, &media, options);
            let ms = clock.elapsed().as_secs_f64() * 1e3;
            clock = Instant::now();
            let prediction = answer.map_err(predict_error).map(|answer| {
                let shown = |m: Modality, e: &Result<Encoded, PredictError>| {
                    e.as_ref().ok().filter(|_| coalition.contains(m)).map(|e| (e.grid, e.record.clone()))
                };
                let seen = shown(Modality::Video, &video);
                let heard = shown(Modality::Audio, &audio);
                finish(clip, coalition, &rows[i], answer, seen, heard, ms)
            });
            results[owners[i]] = Some(prediction);
            Ok(())
        };
        let walked = walk(&self.model.decoder, &rows, &media, &mut leaf).map_err(predict_error);
        results
            .into_iter()
            .map(|r| r.unwrap_or_else(|| Err(walked.clone().err().unwrap_or_else(unreached))))
            .collect()
    }
}

impl OmniPredictor {
    fn prepare(
        &self,
        clip: &Clip,
        coalition: ModalitySet,
        video: &Result<Encoded, PredictError>,
        audio: &Result<Encoded, PredictError>,
    ) -> Result<PromptRow, PredictError> {
        let mut shape = MediaShape {
            grid: None,
            merge: self.model.config.vision.spatial_merge_size,
            audio_tokens: 0,
            position_id_per_seconds: self.model.config.position_id_per_seconds,
        };
        if coalition.contains(Modality::Video) {
            shape.grid = video.as_ref().map_err(Clone::clone)?.grid;
        }
        if coalition.contains(Modality::Audio) {
            let audio = audio.as_ref().map_err(Clone::clone)?;
            shape.audio_tokens = audio.embeddings.dim(0).map_err(|e| predict_error(e.into()))?;
        }
        self.row(clip, coalition, &shape).map_err(predict_error)
    }
}

fn finish(
    clip: &Clip,
    coalition: ModalitySet,
    row: &PromptRow,
    answer: Answer,
    seen: Option<(Option<Grid>, MediaRecord)>,
    heard: Option<(Option<Grid>, MediaRecord)>,
    ms: f64,
) -> Prediction {
    let best = greatest(&answer.letter_logits);
    let label = Sentiment::from_index(best);
    let (grid, mut media) = seen.unwrap_or_default();
    if let Some((_, sound)) = heard {
        media.audio_seconds = sound.audio_seconds;
        media.warnings.extend(sound.warnings);
    }
    Prediction {
        coalition,
        tokens: Some(row.layout.token_counts()),
        grid_thw: grid.map(|g| [g.t, g.h, g.w]),
        letter_logits: Some(answer.letter_logits),
        letter: label.map(Sentiment::letter),
        label,
        centre_score: label.map(|l| clip.corpus.centre_score(l)),
        reply: answer.reply,
        attention: answer.attention,
        media,
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
