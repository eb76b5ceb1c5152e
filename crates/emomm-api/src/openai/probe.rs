//! Asks a server what it can do.
//!
//! A server that does not know a field may refuse the request, or leave the field out and say nothing. So what is asked for
//! is looked for in the reply: a choice of one odd word must come back as that word, probabilities must be there, and a
//! medium must make the prompt longer.

use std::sync::Arc;

use serde_json::{Value, json};

use super::OpenAi;
use crate::ask::{Ask, AskPart, WireReply};
use crate::capability::{AudioForm, Capabilities, LengthField, Wanted};
use crate::error::ApiError;
use crate::medium::{Medium, MediumKind};
use crate::options::VideoForm;
use crate::paid::Till;
use crate::trial::{Outcome, trial};
use crate::wire::{Rejection, Wire};

/// Eight frames of 64 by 64 pixels in a second, and the first of them: ffmpeg's `testsrc`.
const TRIAL_VIDEO: &[u8] = include_bytes!("trial.mp4");
const TRIAL_FRAME: &[u8] = include_bytes!("trial.jpg");

/// Numbers of frames of it whose prompts must differ in length where a server heeds what it is asked for.
const TRIAL_FRAMES: [usize; 2] = [2, 8];

/// A word that no model writes by itself.
const ODD_WORD: &str = "QZX";

/// Tokens of a reply to a trial; a model that thinks may use them up, which is no harm.
const MAX_TOKENS: usize = 16;

/// Asks about whatever is wanted.
pub(crate) fn probe(wire: &OpenAi, till: &Till, wanted: &Wanted) -> Result<Capabilities, ApiError> {
    let mut trial = Trial { wire: wire.clone(), till, n_sent: 0, ids: Vec::new() };
    trial.wire.can = Capabilities { server: wanted.server.clone(), ..Capabilities::default() };
    let base = trial.first()?;
    trial.wire.can.model_version.clone_from(&base.model_version);
    let plain = base.usage.as_ref().map(|u| u.prompt).filter(|n| *n > 0);
    trial.strictness()?;
    trial.logprobs()?;
    if wanted.choice {
        trial.choice()?;
    }
    if wanted.video {
        trial.video(wanted, plain)?;
    }
    if wanted.audio {
        trial.audio(plain)?;
    }
    let mut can = trial.wire.can;
    let n_named = trial.ids.len();
    trial.ids.sort();
    trial.ids.dedup();
    can.names_replies = n_named >= 2 && trial.ids.len() == n_named;
    Ok(can)
}

/// What a server made of a medium.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    /// It refused it.
    Refused,
    /// It answered, and does not count tokens.
    Uncounted,
    /// It answered to a prompt of so many tokens.
    Counted(u64),
}

struct Trial<'a> {
    wire: OpenAi,
    till: &'a Till,
    n_sent: usize,
    ids: Vec<String>,
}

impl Trial<'_> {
    /// Sends a question with changes to its body.
    fn send(&mut self, ask: &Ask, change: &dyn Fn(&mut Value)) -> Result<Outcome, ApiError> {
        let outcome = trial(self.till, &self.wire, ask, self.n_sent, change)?;
        self.n_sent += 1;
        self.ids.extend(outcome.read().and_then(|r| r.response_id.clone()));
        Ok(outcome)
    }

    fn fault(&self, message: &str) -> ApiError {
        ApiError::Server { url: self.wire.base_url.clone(), message: message.to_owned() }
    }

    fn note(&mut self, note: impl Into<String>) {
        self.wire.can.notes.push(note.into());
    }

    /// A question that every server of this form answers.
    fn first(&mut self) -> Result<WireReply, ApiError> {
        let ask = Ask::trial("Answer with the letter A.", MAX_TOKENS);
        let mut outcome = self.send(&ask, &|_| {})?;
        if let Outcome::Refused(reply) = &outcome
            && reply.status == 400
            && reply.text(4000).contains(LengthField::MaxCompletionTokens.name())
        {
            self.wire.can.length_field = LengthField::MaxCompletionTokens;
            outcome = self.send(&ask, &|_| {})?;
        }
        let reply = match outcome {
            Outcome::Read(reply, _) => return Ok(*reply),
            Outcome::Refused(reply) => reply,
        };
        if reply.is_success() {
            return Err(self.fault("the reply to a first question is no chat completion"));
        }
        let complaint = self.till.caller.complaint(&reply);
        Err(match self.wire.rejection(reply.status, &reply.text(4000)) {
            Rejection::Closed if matches!(reply.status, 401 | 403) => {
                ApiError::Key { message: format!("{}: {complaint}", self.wire.base_url) }
            }
            _ => self.fault(&complaint),
        })
    }

    /// Whether unknown fields are refused.
    fn strictness(&mut self) -> Result<(), ApiError> {
        let ask = Ask::trial("Answer with the letter B.", MAX_TOKENS);
        let outcome = self.send(&ask, &|body| body["emomm_unknown_field"] = json!(true))?;
        let is_answered = outcome.read().is_some();
        self.wire.can.is_strict = Some(!is_answered);
        if is_answered {
            self.note("the server leaves out fields that it does not know, without saying so");
        }
        Ok(())
    }

    /// Whether probabilities are given, and whether of the letters alone.
    fn logprobs(&mut self) -> Result<(), ApiError> {
        let ask = Ask::trial("Answer with the letter C.", MAX_TOKENS);
        self.wire.can.logprobs = true;
        let outcome = self.send(&ask, &|_| {})?;
        // They may be of other tokens than letters.
        if listed(&outcome).is_none_or(|n| n == 0)
            && outcome.read().is_none_or(|r| r.letter_logprobs.is_none())
        {
            self.wire.can.logprobs = false;
            self.note("the server gives no log-probabilities");
            return Ok(());
        }
        let Some(ids) = self.letter_ids() else { return Ok(()) };
        self.wire.can.letter_ids = Some(ids);
        let outcome = self.send(&ask, &|_| {})?;
        if !listed(&outcome).is_some_and(|n| (5..=6).contains(&n)) {
            self.wire.can.letter_ids = None;
            self.note("the server does not give the probabilities of chosen tokens (logprob_token_ids)");
        }
        Ok(())
    }

    /// Tokens of the letters, by vLLM's `/tokenize`.
    fn letter_ids(&mut self) -> Option<Vec<u32>> {
        let root = self.wire.base_url.strip_suffix("/v1").unwrap_or(&self.wire.base_url);
        let url = format!("{root}/tokenize");
        let of = |letter: char| {
            let body = json!({ "model": self.wire.model, "prompt": letter.to_string(), "add_special_tokens": false });
            let caller = &self.till.caller;
            let reply = caller.post(&url, self.wire.headers(caller.key.as_ref()), &body).ok()?;
            let reply: Value = serde_json::from_slice(&reply.body).ok().filter(|_| reply.is_success())?;
            match reply.get("tokens")?.as_array()?.as_slice() {
                [one] => u32::try_from(one.as_u64()?).ok(),
                _ => None,
            }
        };
        ('A'..='E').map(of).collect()
    }

    /// Whether a choice of replies is kept to.
    fn choice(&mut self) -> Result<(), ApiError> {
        let ask =
            Ask { choices: vec![ODD_WORD.to_owned()], ..Ask::trial("Answer with the letter D.", MAX_TOKENS) };
        let outcome = self.send(&ask, &|_| {})?;
        self.wire.can.choice = Some(outcome.read().is_some_and(|read| read.text.trim() == ODD_WORD));
        Ok(())
    }

    /// What a server makes of a medium.
    fn shown(&mut self, kind: MediumKind, mime: &'static str, bytes: &[u8]) -> Result<Shown, ApiError> {
        let medium = Arc::new(Medium::new(kind, mime, bytes.to_vec(), 1.0));
        let mut ask = Ask::trial("Answer with the letter A.", MAX_TOKENS);
        ask.parts.insert(0, AskPart::Medium(medium));
        let outcome = self.send(&ask, &|_| {})?;
        Ok(match outcome.read().map(|read| read.usage.as_ref().map_or(0, |u| u.prompt)) {
            None => Shown::Refused,
            Some(0) => Shown::Uncounted,
            Some(n) => Shown::Counted(n),
        })
    }

    /// Whether a medium is taken: `None` refused, `Some(false)` left out silently, `Some(true)` seen.
    fn sees(
        &mut self,
        kind: MediumKind,
        mime: &'static str,
        bytes: &[u8],
        plain: Option<u64>,
    ) -> Result<Option<bool>, ApiError> {
        Ok(match (self.shown(kind, mime, bytes)?, plain) {
            (Shown::Refused, _) => None,
            // A few tokens may be markers of a list of parts.
            (Shown::Counted(prompt), Some(plain)) => Some(prompt > plain + 3),
            _ => {
                self.note("the server does not count tokens: whether it looked at a medium is not known");
                Some(true)
            }
        })
    }

    fn video(&mut self, wanted: &Wanted, plain: Option<u64>) -> Result<(), ApiError> {
        let form = wanted.form;
        self.wire.can.video_asked = form;
        if form != VideoForm::Frames {
            // Whether a number of frames is heeded is another question.
            self.wire.condition.frames = None;
            match self.sees(MediumKind::Video, "video/mp4", TRIAL_VIDEO, plain)? {
                Some(true) => {
                    self.wire.can.video = Some(VideoForm::VideoUrl);
                    return if wanted.frames { self.frames() } else { Ok(()) };
                }
                seen if form == VideoForm::VideoUrl => return Err(self.blind("video_url", seen)),
                Some(false) => {
                    self.note("the server takes video_url and does not look at it; frames are sent");
                }
                None => self.note("the server refuses video_url; frames are sent as image_url"),
            }
        }
        match self.sees(MediumKind::Frame, "image/jpeg", TRIAL_FRAME, plain)? {
            Some(true) => {
                self.wire.can.video = Some(VideoForm::Frames);
                Ok(())
            }
            seen => Err(self.blind("image_url", seen)),
        }
    }

    /// Refuses a server that leaves out the number of frames that it is asked for, or refuses it.
    fn frames(&mut self) -> Result<(), ApiError> {
        let mut lengths = Vec::new();
        for n in TRIAL_FRAMES {
            self.wire.condition.frames = Some(n);
            lengths.push(self.shown(MediumKind::Video, "video/mp4", TRIAL_VIDEO)?);
        }
        let what = match lengths.as_slice() {
            [Shown::Counted(few), Shown::Counted(many)] if few < many => {
                self.wire.can.heeds_frames = Some(true);
                return Ok(());
            }
            [Shown::Uncounted, Shown::Uncounted] => {
                self.note("the server does not count tokens: whether it heeds --video-frames is not known");
                return Ok(());
            }
            [Shown::Counted(_), Shown::Counted(_)] => "leaves out media_io_kwargs, and says nothing of it",
            _ => "refuses media_io_kwargs",
        };
        Err(ApiError::option(
            format!("--video-frames: {}: the server {what}", self.wire.base_url),
            "leave it out, or send frames with --video-as frames",
        ))
    }

    fn audio(&mut self, plain: Option<u64>) -> Result<(), ApiError> {
        let sound = emomm_media::Waveform {
            samples: (0..16_000).map(|i| (i as f32 * 0.17).sin() * 0.3).collect(),
            sample_rate_hz: 16_000,
            source_rate_hz: 16_000,
            source_channels: 1,
            warnings: Vec::new(),
        };
        let wav = sound.to_wav();
        for form in [AudioForm::InputAudio, AudioForm::AudioUrl] {
            self.wire.can.audio = Some(form);
            if self.sees(MediumKind::Audio, "audio/wav", &wav, plain)? == Some(true) {
                return Ok(());
            }
        }
        Err(self.blind("input_audio and audio_url", None))
    }

    fn blind(&self, part: &str, seen: Option<bool>) -> ApiError {
        let what = match seen {
            Some(_) => "is taken and not looked at: the prompt does not get longer by it",
            None => "is refused",
        };
        ApiError::option(
            format!("{}: {part} {what}", self.wire.base_url),
            "leave out coalitions with this modality, or serve a model that takes it",
        )
    }
}

/// Tokens that are listed at the first place of a reply.
fn listed(outcome: &Outcome) -> Option<usize> {
    let Outcome::Read(_, raw) = outcome else { return None };
    let place = raw.get("choices")?.get(0)?.get("logprobs")?.get("content")?.get(0)?;
    Some(place.get("top_logprobs")?.as_array()?.len())
}
