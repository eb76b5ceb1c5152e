//! The port between evaluation and models: a clip and its coalitions in, one prediction per coalition out.

use std::path::PathBuf;
use std::str::FromStr;

use emomm_dataset::{Corpus, Modality, ModalitySet, PerModality, Sentiment};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::prompt::PromptError;
use crate::reply::Reply;
use crate::run::SteeringTrace;
use crate::served::Served;
use crate::token_maps::TokenMaps;

/// The evidence of one sample. A modality that is `None` does not exist for this clip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clip {
    /// Stable id, used in messages and logs.
    pub id: String,
    /// Transcript, without heading.
    pub text: Option<String>,
    /// File whose sound is used; may be the same file as `video`.
    pub audio: Option<PathBuf>,
    /// File whose picture is used.
    pub video: Option<PathBuf>,
    /// Decides the score sets of the prompt and the class centres.
    pub corpus: Corpus,
}

impl Clip {
    /// The modalities that this clip has.
    pub fn available(&self) -> ModalitySet {
        let present = [self.text.is_some(), self.audio.is_some(), self.video.is_some()];
        Modality::ALL.into_iter().zip(present).filter_map(|(m, here)| here.then_some(m)).collect()
    }
}

/// What to compute beside the letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PredictOptions {
    /// How much of the decision row's attention to return.
    pub attention: AttentionDetail,
    /// Whether to return the importance of visual tokens as well, Eq. (24) and (25): a way back through the decoder for each
    /// coalition with video. Goes with [`AttentionDetail::Full`].
    pub importance: bool,
    /// Whether to continue after the decision ("Score: x") and parse the reply.
    pub generate: bool,
    /// Most tokens to generate, the letter included.
    pub max_new_tokens: usize,
}

impl Default for PredictOptions {
    fn default() -> Self {
        Self { attention: AttentionDetail::None, importance: false, generate: false, max_new_tokens: 32 }
    }
}

/// How much of the decision row's attention to return.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AttentionDetail {
    /// Nothing.
    #[default]
    None,
    /// nMAS and mass per layer, head and modality.
    Summary,
    /// The same, and attention by token; a runner keeps both in tensors beside the log.
    Full,
}

impl AttentionDetail {
    /// The word of the command line: `none`, `summary` or `full`.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Summary => "summary",
            Self::Full => "full",
        }
    }
}

impl FromStr for AttentionDetail {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let all = [Self::None, Self::Summary, Self::Full];
        let found = all.into_iter().find(|d| d.name() == word);
        found.ok_or_else(|| format!("found `{word}`, expected none, summary or full"))
    }
}

/// Tokens of the prompt by class. `text` counts the transcript's own tokens; markers, headings, system prompt,
/// instruction and tokens that straddle the transcript's border are `other`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenCounts {
    /// |K_T|
    pub text: usize,
    /// |K_A|
    pub audio: usize,
    /// |K_V|
    pub video: usize,
    /// Tokens of no modality.
    pub other: usize,
    /// All tokens of the prompt.
    pub total: usize,
}

/// Attention of the decision row, by layer and head.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AttentionSummary {
    /// nMAS, Eq. (5): mean attention per token of the modality, `[layer][head]`.
    pub nmas: PerModality<Option<Vec<Vec<f32>>>>,
    /// Attention mass: the sum over the modality's tokens, `[layer][head]`.
    pub mass: PerModality<Option<Vec<Vec<f32>>>>,
}

/// What was really decoded for a prediction.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct MediaRecord {
    /// Presentation time, in seconds, of every frame shown to the model.
    pub frame_times: Option<Vec<f64>>,
    /// Width and height of the frames after resizing, in pixels.
    pub frame_size: Option<[usize; 2]>,
    /// Fewest and most pixels that a frame was allowed.
    pub frame_pixel_bounds: Option<[f64; 2]>,
    /// How frames were chosen: `qwen` or `time`.
    pub sampling: Option<String>,
    /// What was done to the picture before the model saw it; absent where nothing was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture: Option<PictureRecord>,
    /// Length of the waveform shown to the model, in seconds.
    pub audio_seconds: Option<f64>,
    /// Version of the ffmpeg that decoded.
    pub ffmpeg: Option<String>,
    /// What the decoder had to say, for example a truncated file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// What was done to the picture on purpose.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PictureRecord {
    /// `keep`, `crop` or `mask`.
    pub subtitle_band: String,
    /// First row and end of the band as shares of the height from the top.
    pub subtitle_rows: [f64; 2],
    /// The person-only reading; null for the whole picture.
    pub person: Option<PersonRecord>,
}

/// A person-only reading of the picture (App. C.2).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PersonRecord {
    /// `drop`, `blank` or `suppress`.
    pub reading: String,
    /// `network`, or `truth` for masks that are known.
    pub source: String,
    /// Visual tokens of the whole picture.
    pub tokens: usize,
    /// Those of them that show the person; their share is the chance level of attention on the person.
    pub person_tokens: usize,
}

impl MediaRecord {
    /// Adds what is known of the sound to the record of the picture.
    pub fn add_sound(&mut self, sound: &Self) {
        self.audio_seconds = sound.audio_seconds;
        self.ffmpeg = self.ffmpeg.take().or_else(|| sound.ffmpeg.clone());
        self.warnings.extend(sound.warnings.iter().cloned());
    }
}

/// How much of the next token's probability the letters have: softmax over the whole vocabulary, so that the two parts say
/// both whether a letter is what comes next, and in which spelling.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LetterMass {
    /// Of the bare letters' tokens A to E, from whose logits the answer is read.
    pub bare: f64,
    /// Of those letters with a space before them, as far as the tokenizer has a token for each of them; null where it has
    /// none.
    pub spaced: Option<f64>,
}

impl LetterMass {
    /// From the logits of the whole vocabulary.
    pub fn of(logits: &[f32], bare: &[u32; 5], spaced: &[Option<u32>; 5]) -> Self {
        let greatest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let weight = |logit: f32| (f64::from(logit) - f64::from(greatest)).exp();
        let all: f64 = logits.iter().map(|l| weight(*l)).sum();
        let of = |id: u32| logits.get(id as usize).map_or(0.0, |l| weight(*l) / all);
        let with_space: Vec<f64> = spaced.iter().flatten().map(|id| of(*id)).collect();
        Self {
            bare: bare.iter().map(|id| of(*id)).sum(),
            spaced: (!with_space.is_empty()).then(|| with_space.iter().sum()),
        }
    }

    /// The spaced letters' part of the probability of both spellings; `None` where the tokenizer has no such tokens, or
    /// neither has any probability.
    pub fn spaced_share(&self) -> Option<f64> {
        let spaced = self.spaced?;
        let both = self.bare + spaced;
        (both > 0.0).then(|| spaced / both)
    }
}

/// The answer of a model for one coalition. The field names are the JSON contract of `emomm predict --json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// The modalities that the model was shown.
    pub coalition: ModalitySet,
    /// Tokens of the prompt by class; `None` for a model that does not say.
    pub tokens: Option<TokenCounts>,
    /// Temporal, vertical and horizontal patches of the video before merging.
    pub grid_thw: Option<[usize; 3]>,
    /// Logits of the bare letters' tokens, A to E, Eq. (22); `None` for a model that does not say.
    #[serde(with = "letter_map")]
    pub letter_logits: Option<[f32; 5]>,
    /// What part of the next token's probability the letters have; absent for a model that does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub letter_mass: Option<LetterMass>,
    /// The letter of the greatest logit.
    pub letter: Option<char>,
    /// Class of `letter`.
    pub label: Option<Sentiment>,
    /// Centre of the class's score set.
    pub centre_score: Option<f64>,
    /// What the model wrote; `None` unless generation was asked for.
    #[serde(default, flatten, skip_serializing_if = "Option::is_none")]
    pub reply: Option<Reply>,
    /// Attention of the decision row; `None` unless asked for.
    #[serde(default, flatten, skip_serializing_if = "Option::is_none")]
    pub attention: Option<AttentionSummary>,
    /// Attention and importance by token; `None` unless attention was asked for in full. Not part of the JSON.
    #[serde(skip)]
    pub token_maps: Option<TokenMaps>,
    /// What a steering did to the decision row; `None` without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steering: Option<SteeringTrace>,
    /// What a server said beside its reply; `None` for a model that is computed here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub served: Option<Served>,
    /// What was decoded.
    pub media: MediaRecord,
    /// Milliseconds spent on this coalition, shared work counted where it was done first.
    pub ms: f64,
}

/// Five letter logits as the JSON object `{"A": …, …, "E": …}`.
pub(crate) mod letter_map {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(non_snake_case, reason = "the field names are the letters of the prompt")]
    struct Letters {
        A: f32,
        B: f32,
        C: f32,
        D: f32,
        E: f32,
    }

    #[expect(clippy::ref_option, reason = "the signature is serde's")]
    pub(crate) fn serialize<S: Serializer>(
        logits: &Option<[f32; 5]>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        logits.map(|[a, b, c, d, e]| Letters { A: a, B: b, C: c, D: d, E: e }).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<[f32; 5]>, D::Error> {
        let letters = Option::<Letters>::deserialize(deserializer)?;
        Ok(letters.map(|l| [l.A, l.B, l.C, l.D, l.E]))
    }
}

/// Why a prediction could not be made. A failed sample is a record, not a failed run.
#[derive(Debug, Clone, Error)]
#[error("{message}")]
pub struct PredictError {
    /// Which part failed.
    pub kind: PredictErrorKind,
    /// What was found, what was expected, in which file.
    pub message: String,
    /// What to do about it, where something can be said.
    pub hint: Option<String>,
}

impl From<PromptError> for PredictError {
    fn from(error: PromptError) -> Self {
        Self { kind: PredictErrorKind::Request, message: error.to_string(), hint: Some(error.hint()) }
    }
}

/// Which part of a prediction failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PredictErrorKind {
    /// Something that every prediction needs is missing, for example ffmpeg.
    Setup,
    /// The request makes no sense, for example a coalition with a modality that the clip lacks.
    Request,
    /// A media file is missing, broken or over a limit.
    Media,
    /// The model failed.
    Model,
    /// No answer came in time.
    Timeout,
    /// A server wanted fewer requests until the patience ended.
    RateLimited,
    /// A server was shown a modality that the coalition does not hold.
    Leak,
    /// A server cannot be reached, or does not let us in: no request can succeed.
    Access,
    /// A quota or a budget is used up: nothing more can be asked now, and everything can be asked later.
    Exhausted,
}

impl PredictErrorKind {
    /// Whether no clip is to blame, and asking on makes no sense.
    pub fn ends_the_run(self) -> bool {
        matches!(self, Self::Setup | Self::Access | Self::Exhausted)
    }
}

/// Takes what came of one coalition, by its place in the list that was asked for.
pub type Deliver<'a> = dyn FnMut(usize, Result<Prediction, PredictError>) + 'a;

/// What `each` delivers for `n` coalitions, in their order; a coalition for which nothing came has an error.
pub fn in_order(n: usize, each: impl FnOnce(&mut Deliver<'_>)) -> Vec<Result<Prediction, PredictError>> {
    let mut found: Vec<Option<Result<Prediction, PredictError>>> = (0..n).map(|_| None).collect();
    each(&mut |place, result| {
        if let Some(slot) = found.get_mut(place) {
            *slot = Some(result);
        }
    });
    let nothing = || PredictError {
        kind: PredictErrorKind::Model,
        message: "the model gave no answer to this coalition".to_owned(),
        hint: None,
    };
    found.into_iter().map(|result| result.unwrap_or_else(|| Err(nothing()))).collect()
}

/// A model that answers the paper's prompt. Implemented by the models, called by the runner.
pub trait Predictor {
    /// The prompt of one coalition as the model's tokenizer would get it, with one unexpanded placeholder for each
    /// medium.
    fn render_prompt(&self, clip: &Clip, coalition: ModalitySet) -> Result<String, PredictError>;

    /// Answers `clip` under every one of `coalitions`. Each result is delivered as soon as it is there, once and in any order:
    /// what was delivered is kept when the call is given up or panics later on.
    ///
    /// All coalitions of a clip come in one call, so that a model may decode the media once and share the
    /// prompt's common prefixes.
    fn predict_each(
        &mut self,
        clip: &Clip,
        coalitions: &[ModalitySet],
        options: &PredictOptions,
        deliver: &mut Deliver<'_>,
    );

    /// As [`Predictor::predict_each`], one result for each of `coalitions`, in their order.
    fn predict(
        &mut self,
        clip: &Clip,
        coalitions: &[ModalitySet],
        options: &PredictOptions,
    ) -> Vec<Result<Prediction, PredictError>> {
        in_order(coalitions.len(), |deliver| self.predict_each(clip, coalitions, options, deliver))
    }

    /// A second predictor of the same model that shares its weights, so that one may decode while the other computes;
    /// `None` where that cannot be.
    fn another(&self) -> Option<Box<dyn Predictor + Send>> {
        None
    }

    /// Reads ahead of a later call what it will need of the clip's files, where that is kept. What cannot be read is left to that
    /// call to complain of.
    fn read_ahead(&self, _clip: &Clip, _coalitions: &[ModalitySet]) {}

    /// What the prompts of all calls so far have cost; `None` for a model that does not say.
    fn token_cost(&self) -> Option<TokenCost> {
        None
    }
}

/// Tokens of prompts: what was read, and what could have been.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenCost {
    /// Tokens really read, decision rows included.
    pub read: u64,
    /// Tokens of the prompts' prefix tree: the coalitions of a clip cannot be read with fewer.
    pub floor: u64,
    /// Tokens of all prompts: what reading each on its own would cost.
    pub separate: u64,
}

impl std::ops::AddAssign for TokenCost {
    fn add_assign(&mut self, other: Self) {
        self.read += other.read;
        self.floor += other.floor;
        self.separate += other.separate;
    }
}

impl std::ops::Sub for TokenCost {
    type Output = Self;

    /// What was added since `earlier`; zero where a predictor was replaced.
    fn sub(self, earlier: Self) -> Self {
        Self {
            read: self.read.saturating_sub(earlier.read),
            floor: self.floor.saturating_sub(earlier.floor),
            separate: self.separate.saturating_sub(earlier.separate),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Weights 1, 2, 4 … of eight tokens: 255 in all.
    #[test]
    fn the_mass_of_letters_is_a_part_of_the_whole_vocabulary() {
        let logits: Vec<f32> = (0..8).map(|i| f32::ln(2.0) * i as f32).collect();
        let bare = [0, 1, 2, 3, 4];
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-6, "{a} {b}");
        let found = LetterMass::of(&logits, &bare, &[Some(5), None, None, None, Some(6)]);
        close(found.bare, 31.0 / 255.0);
        close(found.spaced.unwrap(), 96.0 / 255.0);
        close(found.spaced_share().unwrap(), 96.0 / 127.0);
        let without = LetterMass::of(&logits, &bare, &[None; 5]);
        close(without.bare, 31.0 / 255.0);
        assert_eq!((without.spaced, without.spaced_share()), (None, None));
        let shifted: Vec<f32> = logits.iter().map(|l| l + 5e4).collect();
        assert!(LetterMass::of(&shifted, &bare, &[None; 5]).bare > 0.1);
    }
}
