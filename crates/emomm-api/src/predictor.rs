//! The predictor: prompt and media of each coalition, one question each, as often as is wanted.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use emomm_dataset::{Modality, ModalitySet};
use emomm_eval::{
    Clip, Deliver, MediaRecord, PredictError, PredictErrorKind, PredictOptions, Prediction, Predictor,
    Served, ServedRepeat, prompt, reply,
};
use emomm_media::{DecodeLimits, Ffmpeg};

use crate::ask::{Ask, allowed_replies};
use crate::ledger::Purpose;
use crate::medium::{ClipMedia, Medium, PictureForm, Place};
use crate::options::Condition;
use crate::service::{Answered, Question, Service, ms_since};
use crate::wire::unseen;

/// Asks a server about clips. Copies share one budget and one pace.
#[derive(Debug, Clone)]
pub struct ServedPredictor {
    service: Arc<Service>,
    condition: Condition,
    ffmpeg: Option<Ffmpeg>,
    limits: DecodeLimits,
    inline_limit_bytes: u64,
}

/// Media of one clip that lie on the server.
#[derive(Debug, Default)]
struct Stored {
    /// Addresses by hash.
    addresses: BTreeMap<String, String>,
    /// All names under which something may lie there.
    names: RefCell<Vec<String>>,
}

impl ServedPredictor {
    pub(crate) fn new(
        service: Arc<Service>,
        condition: Condition,
        ffmpeg: Option<Ffmpeg>,
        limits: DecodeLimits,
        inline_limit_bytes: u64,
    ) -> Self {
        Self { service, condition, ffmpeg, limits, inline_limit_bytes }
    }

    /// One coalition.
    fn answer(
        &self,
        clip: &Clip,
        coalition: ModalitySet,
        options: &PredictOptions,
        media: &mut Option<ClipMedia<'_>>,
        stored: &mut Stored,
    ) -> Result<Prediction, PredictError> {
        let began = Instant::now();
        let About { mut ask, n_pictures, sound } = about(clip, coalition, options.max_new_tokens, media)?;
        if self.condition.constrain {
            ask.choices = allowed_replies(clip.corpus);
        }
        let mut answers = Vec::with_capacity(self.condition.repeats);
        let mut notes = Vec::new();
        for repeat in 0..self.condition.repeats {
            ask.seed = self.condition.seed.map(|seed| seed.wrapping_add(repeat as u64));
            let purpose = Purpose { sample: clip.id.clone(), coalition: coalition.to_string(), repeat };
            let question = Question { ask: &ask, purpose: &purpose, coalition, corpus: clip.corpus };
            match self.asked(&question, stored) {
                Ok(answered) => answers.push(answered),
                // The answer is that of the first asking, and it is there; the record says that others are missing.
                Err(error)
                    if repeat > 0 && !error.kind.ends_the_run() && error.kind != PredictErrorKind::Leak =>
                {
                    notes.push(format!("asking {} came to nothing: {}", repeat + 1, error.message));
                }
                Err(error) => return Err(error),
            }
        }
        let mut record = MediaRecord {
            ffmpeg: self.ffmpeg.as_ref().map(|f| f.version().to_owned()),
            ..MediaRecord::default()
        };
        record.audio_seconds = sound.map(|s| s.seconds);
        record.sampling = (n_pictures > 0).then(|| self.sampling(n_pictures));
        if let Some(media) = media {
            record
                .warnings
                .extend(media.warnings.iter().filter(|_| coalition.contains(Modality::Audio)).cloned());
        }
        record.warnings.extend(notes);
        Ok(prediction(clip, coalition, &answers, record, ms_since(began)))
    }

    /// One asking. Media go to the server beforehand where they are too large and no reply was kept.
    fn asked(&self, question: &Question<'_>, stored: &mut Stored) -> Result<Answered, PredictError> {
        let is_large = question.ask.media_bytes() > self.inline_limit_bytes;
        if is_large && self.service.wire.stores() && self.service.kept(question).is_none() {
            self.store(question.ask, stored)?;
        }
        self.service.ask(question, &|medium: &Medium| match stored.addresses.get(&medium.sha256) {
            Some(address) => Place::Stored(address.clone()),
            None => Place::Inline(medium.base64()),
        })
    }

    /// How frames come about, in words for the record.
    fn sampling(&self, n: usize) -> String {
        match self.service.wire.picture() {
            PictureForm::Frames { height, .. } => format!("{n} frames as image_url, {height} rows"),
            PictureForm::Video => self.service.wire.sampling(),
        }
    }

    /// Puts the media of a question on the server, each once.
    fn store(&self, ask: &Ask, stored: &mut Stored) -> Result<(), PredictError> {
        let till = &self.service.till;
        for medium in ask.media() {
            if !stored.addresses.contains_key(&medium.sha256) {
                let note = |name: &str| {
                    stored.names.borrow_mut().push(name.to_owned());
                    Ok(till.ledger.stored(name)?)
                };
                let address = self.service.wire.store(&till.caller, medium, &note)?;
                stored.addresses.insert(medium.sha256.clone(), address);
            }
        }
        Ok(())
    }

    /// Removes what was stored for a clip. What cannot be removed now is removed when the ledger is opened again.
    fn clean(&self, stored: Stored) {
        for name in stored.names.into_inner() {
            self.service.forget(&name);
        }
    }

    /// Removes all that this server was given to keep, also by workers that have not ended.
    pub fn clean_up(&self) {
        for name in self.service.till.ledger.left_on_server() {
            self.service.forget(&name);
        }
    }
}

/// A question about a clip, and what its media are.
pub(crate) struct About {
    pub(crate) ask: Ask,
    n_pictures: usize,
    sound: Option<Arc<Medium>>,
}

/// The question about a clip under one coalition. `media` are those of the clip; `None` without ffmpeg.
pub(crate) fn about(
    clip: &Clip,
    coalition: ModalitySet,
    most_tokens: usize,
    media: &mut Option<ClipMedia<'_>>,
) -> Result<About, PredictError> {
    let prompt = prompt::build(clip.corpus, coalition, clip.text.as_deref())?;
    let picture = if coalition.contains(Modality::Video) {
        media.as_mut().ok_or_else(no_ffmpeg)?.picture()?
    } else {
        Vec::new()
    };
    let sound = if coalition.contains(Modality::Audio) {
        Some(media.as_mut().ok_or_else(no_ffmpeg)?.sound()?)
    } else {
        None
    };
    let ask = Ask::of(&prompt, &picture, sound.as_ref(), most_tokens);
    Ok(About { ask, n_pictures: picture.len(), sound })
}

impl Predictor for ServedPredictor {
    /// The neutral rendering: only the server knows its template.
    fn render_prompt(&self, clip: &Clip, coalition: ModalitySet) -> Result<String, PredictError> {
        let prompt = prompt::build(clip.corpus, coalition, clip.text.as_deref())?;
        Ok(prompt.plain_text())
    }

    fn predict_each(
        &mut self,
        clip: &Clip,
        coalitions: &[ModalitySet],
        options: &PredictOptions,
        deliver: &mut Deliver<'_>,
    ) {
        let ffmpeg = self.ffmpeg.clone();
        let form = self.service.wire.picture();
        let mut media = ffmpeg.as_ref().map(|f| ClipMedia::new(clip, f, &self.limits, form));
        let mut stored = Stored::default();
        let mut over: Option<PredictError> = None;
        for (place, coalition) in coalitions.iter().enumerate() {
            let result = match &over {
                Some(error) => Err(error.clone()),
                None => self.answer(clip, *coalition, options, &mut media, &mut stored),
            };
            if let Err(error) = &result
                && error.kind.ends_the_run()
            {
                over = Some(error.clone());
            }
            deliver(place, result);
        }
        self.clean(stored);
    }

    fn another(&self) -> Option<Box<dyn Predictor + Send>> {
        Some(Box::new(self.clone()))
    }
}

fn prediction(
    clip: &Clip,
    coalition: ModalitySet,
    answers: &[Answered],
    mut media: MediaRecord,
    ms: f64,
) -> Prediction {
    let Some(first) = answers.first() else {
        // `repeats` is at least 1.
        return empty(coalition, media, ms);
    };
    let mut read = reply::parse(&first.reply.text, clip.corpus);
    let label = read.class().filter(|_| !first.reply.end.withholds());
    if let Some(modality) = first.reply.usage.as_ref().and_then(|u| unseen(u, coalition)) {
        media.warnings.push(format!("the server counted no token of {}", modality.name()));
    }
    let repeats = answers[1..].iter().map(|answer| {
        let read = reply::parse(&answer.reply.text, clip.corpus);
        let is_answer = !answer.reply.end.withholds();
        ServedRepeat {
            ended: answer.reply.end,
            reply_letter: read.reply_letter.filter(|_| is_answer),
            reply_score: read.reply_score.filter(|_| is_answer),
            reply: (!read.reply.is_empty()).then_some(read.reply),
        }
    });
    let costs: Option<Vec<f64>> = answers.iter().map(|a| a.cost_usd).collect();
    let served = Served {
        ended: first.reply.end,
        finish_reason: first.reply.finish_reason.clone(),
        detail: first.reply.detail.clone(),
        model_version: first.reply.model_version.clone(),
        response_id: first.reply.response_id.clone(),
        notes: first.reply.notes.clone(),
        usage: first.reply.usage.clone(),
        letter_logprobs: first.reply.letter_logprobs.clone(),
        cost_usd: costs.map(|all| all.iter().sum()),
        attempts: first.attempts,
        request_sha256: first.request_sha256.clone(),
        repeats: repeats.collect(),
    };
    read.reply_notes = served.with_notes(read.reply_notes);
    Prediction {
        label,
        centre_score: label.map(|l| clip.corpus.centre_score(l)),
        reply: Some(read),
        served: Some(served),
        ..empty(coalition, media, ms)
    }
}

/// What a served model never says.
fn empty(coalition: ModalitySet, media: MediaRecord, ms: f64) -> Prediction {
    Prediction {
        coalition,
        tokens: None,
        grid_thw: None,
        letter_logits: None,
        letter_mass: None,
        letter: None,
        label: None,
        centre_score: None,
        reply: None,
        attention: None,
        token_maps: None,
        steering: None,
        served: None,
        media,
        ms,
    }
}

fn no_ffmpeg() -> PredictError {
    PredictError {
        kind: PredictErrorKind::Request,
        message: "the server was made ready for coalitions without media".to_owned(),
        hint: None,
    }
}
