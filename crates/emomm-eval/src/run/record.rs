//! A record: what became of one clip under one coalition.

use std::fmt;
use std::str::FromStr;

use emomm_dataset::{ModalitySet, PerModality, Sentiment, VocabularyError};
use serde::{Deserialize, Serialize};

use super::attention::{LayerAttention, SpatialAttention};
use crate::predictor::{
    LetterMass, MediaRecord, PredictError, PredictErrorKind, Prediction, TokenCost, TokenCounts, letter_map,
};
use crate::served::{Served, ServedEnd};

/// How a record ended. Only `ok` has an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordStatus {
    /// There is an answer.
    Ok,
    /// The model wrote something in which no letter could be read.
    ParseError,
    /// A media file is missing, broken or over a limit.
    MediaError,
    /// The model declined to answer.
    Refused,
    /// The provider kept the answer back.
    Blocked,
    /// No answer came in time.
    Timeout,
    /// The provider wanted fewer requests. Asked again on resuming.
    RateLimited,
    /// The run ended before the answer came. Asked again on resuming.
    Aborted,
    /// Anything else; `error` says what.
    Error,
}

impl RecordStatus {
    /// All, in the order of the contract.
    pub const ALL: [Self; 9] = [
        Self::Ok,
        Self::ParseError,
        Self::MediaError,
        Self::Refused,
        Self::Blocked,
        Self::Timeout,
        Self::RateLimited,
        Self::Aborted,
        Self::Error,
    ];

    /// The word used in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::ParseError => "parse_error",
            Self::MediaError => "media_error",
            Self::Refused => "refused",
            Self::Blocked => "blocked",
            Self::Timeout => "timeout",
            Self::RateLimited => "rate_limited",
            Self::Aborted => "aborted",
            Self::Error => "error",
        }
    }

    /// Whether the same command, issued again, should ask again by itself.
    pub fn is_transient(self) -> bool {
        matches!(self, Self::RateLimited | Self::Aborted)
    }
}

impl fmt::Display for RecordStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for RecordStatus {
    type Err = VocabularyError;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|s| s.name() == word).ok_or_else(|| VocabularyError {
            kind: "status",
            found: word.to_owned(),
            expected: "ok, parse_error, media_error, refused, blocked, timeout, rate_limited, aborted or error",
        })
    }
}

/// Why a record has no answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordError {
    /// `setup`, `request`, `media`, `model`, or what the runner found: `panic`, `timeout`, `not_finite`, `garbage`.
    pub kind: String,
    /// What was found, what was expected, where.
    pub message: String,
    /// What to do about it, where something can be said.
    pub hint: Option<String>,
}

impl RecordError {
    /// An error that the runner found itself.
    pub fn new(kind: &str, message: impl Into<String>) -> Self {
        Self { kind: kind.to_owned(), message: message.into(), hint: None }
    }
}

impl From<PredictError> for RecordError {
    fn from(error: PredictError) -> Self {
        let kind = match error.kind {
            PredictErrorKind::Setup => "setup",
            PredictErrorKind::Request => "request",
            PredictErrorKind::Media => "media",
            PredictErrorKind::Model => "model",
            PredictErrorKind::Timeout => "timeout",
            PredictErrorKind::RateLimited => "rate_limited",
            PredictErrorKind::Leak => "leak",
            PredictErrorKind::Access => "access",
            PredictErrorKind::Exhausted => "exhausted",
        };
        Self { kind: kind.to_owned(), message: error.message, hint: error.hint }
    }
}

/// What CHASE did in one layer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SteeredLayer {
    /// The layer, counted from 1 as in the paper.
    pub layer: usize,
    /// p of the router.
    pub conflict_prob: Option<f64>,
    /// g of the router; null for a modality that was not shown.
    pub gate: PerModality<Option<f64>>,
    /// Whether p exceeded the threshold and the layer was steered.
    pub steered: bool,
    /// The heads that were steered, ascending.
    pub heads: Vec<usize>,
    /// Greatest |γ b| of Eq. (13) in a steered head; absent where the layer was not steered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub greatest_bias: Option<f64>,
    /// Steered heads whose mass on the significant video tokens was below the target, so that Eq. (14) acted; absent where
    /// the layer was not steered or has no such tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heads_below_target: Option<usize>,
    /// Greatest share of a steered head's attention that one modality has after steering; absent where the layer was not
    /// steered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub greatest_mass_after: Option<f64>,
    /// π before steering, mean over heads.
    pub preference_before: PerModality<Option<f64>>,
    /// π after steering, mean over heads.
    pub preference_after: PerModality<Option<f64>>,
    /// π before and after steering, mean over the steered heads alone; absent where the layer was not steered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steered_heads_before: Option<PerModality<Option<f64>>>,
    /// See `steered_heads_before`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steered_heads_after: Option<PerModality<Option<f64>>>,
}

/// What CHASE did to the decision row of a record.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SteeringTrace {
    /// Name of the variant.
    pub variant: String,
    /// The layers that the router read, ascending.
    pub layers: Vec<SteeredLayer>,
    /// Importance of each video token, Eq. (25), in the order of the prompt; kept for one variant of those that ran
    /// together, where it was computed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub importance: Option<Vec<f32>>,
}

/// One (clip, coalition). The field names are the JSON contract of `log.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Names what was computed: the run's `settings_id`, then a digest of clip, coalition and evidence.
    pub key: String,
    /// Id of the full clip in the manifest.
    pub sample: String,
    /// The modalities that the model was shown.
    pub coalition: ModalitySet,
    /// How it ended.
    pub status: RecordStatus,
    /// Logits of the bare letters' tokens, A to E, Eq. (22).
    #[serde(with = "letter_map", default)]
    pub letter_logits: Option<[f32; 5]>,
    /// What part of the next token's probability the letters have; absent for a model that does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub letter_mass: Option<LetterMass>,
    /// The letter of the greatest logit.
    pub letter: Option<char>,
    /// Class of `letter`; of `reply_letter` for a model without logits.
    pub label: Option<Sentiment>,
    /// Centre of the class's score set.
    pub centre_score: Option<f64>,
    /// What the model wrote; null unless it wrote.
    pub reply: Option<String>,
    /// The letter read from the reply.
    pub reply_letter: Option<char>,
    /// The score read from the reply.
    pub reply_score: Option<f64>,
    /// What could not be read from the reply or looked odd.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reply_notes: Vec<String>,
    /// Tokens of the prompt by class.
    pub tokens: Option<TokenCounts>,
    /// What reading the prompts of the whole call cost, in tokens. It stands in the first record of a call; absent in others,
    /// and for a model that does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_cost: Option<TokenCost>,
    /// Temporal, vertical and horizontal patches of the video before merging.
    pub grid_thw: Option<[usize; 3]>,
    /// What was decoded.
    pub media: Option<MediaRecord>,
    /// Milliseconds; work that coalitions share counts where it was done first.
    pub ms: f64,
    /// Why there is no answer; null where there is one.
    pub error: Option<RecordError>,
    /// Attention of the decision row by layer; null unless it was asked for.
    pub attention: Option<LayerAttention>,
    /// What CHASE did; null without it.
    pub steering: Option<SteeringTrace>,
    /// What a server said beside its reply; absent for a model that was computed here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub served: Option<Served>,
}

impl Record {
    /// A record without an answer.
    pub fn failed(
        key: String,
        sample: String,
        coalition: ModalitySet,
        status: RecordStatus,
        error: RecordError,
    ) -> Self {
        Self {
            key,
            sample,
            coalition,
            status,
            letter_logits: None,
            letter_mass: None,
            letter: None,
            label: None,
            centre_score: None,
            reply: None,
            reply_letter: None,
            reply_score: None,
            reply_notes: Vec::new(),
            tokens: None,
            token_cost: None,
            grid_thw: None,
            media: None,
            ms: 0.0,
            error: Some(error),
            attention: None,
            steering: None,
            served: None,
        }
    }

    /// The record of what a predictor returned.
    ///
    /// An answer that cannot be one is not believed: a coalition that was not asked for, logits that are not finite, a
    /// letter outside A to E. An answer without logits whose reply holds no letter is a `parse_error`.
    pub fn of(
        key: String,
        sample: String,
        coalition: ModalitySet,
        outcome: Result<Prediction, PredictError>,
    ) -> Self {
        let prediction = match outcome {
            Ok(prediction) => prediction,
            Err(error) => {
                let status = match error.kind {
                    PredictErrorKind::Media => RecordStatus::MediaError,
                    PredictErrorKind::Timeout => RecordStatus::Timeout,
                    PredictErrorKind::RateLimited => RecordStatus::RateLimited,
                    _ => RecordStatus::Error,
                };
                return Self::failed(key, sample, coalition, status, error.into());
            }
        };
        if let Some(error) = implausible(&prediction, coalition) {
            return Self::failed(key, sample, coalition, RecordStatus::Error, error);
        }
        let reply = prediction.reply.unwrap_or_default();
        let wrote = !reply.reply.is_empty() || reply.reply_letter.is_some();
        let ending = prediction.served.as_ref().map_or(ServedEnd::Answered, |s| s.ended);
        let label = prediction.label.or_else(|| reply.class()).filter(|_| !ending.withholds());
        let (status, error) = outcome_of(label, prediction.served.as_ref(), wrote);
        let spatial = prediction.token_maps.as_ref().and_then(SpatialAttention::of);
        let attention = prediction.attention.as_ref();
        let attention = attention.map(|a| LayerAttention { spatial, ..LayerAttention::of(a) });
        Self {
            key,
            sample,
            coalition,
            status,
            letter_logits: prediction.letter_logits,
            letter_mass: prediction.letter_mass,
            letter: prediction.letter,
            label,
            centre_score: prediction.centre_score.filter(|_| !ending.withholds()),
            reply: wrote.then_some(reply.reply),
            reply_letter: reply.reply_letter,
            reply_score: reply.reply_score,
            reply_notes: reply.reply_notes,
            tokens: prediction.tokens,
            token_cost: None,
            grid_thw: prediction.grid_thw,
            media: Some(prediction.media),
            ms: if prediction.ms.is_finite() { prediction.ms } else { 0.0 },
            error,
            attention,
            steering: prediction.steering,
            served: prediction.served,
        }
    }

    /// The class that counts: `label`.
    pub fn answer(&self) -> Option<Sentiment> {
        self.label.filter(|_| self.status == RecordStatus::Ok)
    }
}

/// The status and the error of an answer with or without a class.
pub(super) fn outcome_of(
    label: Option<Sentiment>,
    served: Option<&Served>,
    wrote: bool,
) -> (RecordStatus, Option<RecordError>) {
    if label.is_some() {
        return (RecordStatus::Ok, None);
    }
    let (status, error) = served.and_then(unanswered).unwrap_or_else(|| {
        let message =
            if wrote { "no letter could be read from the reply" } else { "neither letter nor reply" };
        (RecordStatus::ParseError, RecordError::new("parse", message))
    });
    (status, Some(error))
}

/// The status and the error of a server's reply that is none.
fn unanswered(served: &Served) -> Option<(RecordStatus, RecordError)> {
    let (status, kind, what) = match served.ended {
        ServedEnd::Answered => return None,
        ServedEnd::Refused => (RecordStatus::Refused, "refused", "the model declined to answer"),
        ServedEnd::Blocked => (RecordStatus::Blocked, "blocked", "the provider kept the answer back"),
        ServedEnd::Cut => {
            (RecordStatus::ParseError, "cut", "the reply was cut at its longest length before a letter")
        }
        ServedEnd::Empty => (RecordStatus::ParseError, "empty", "the reply is empty"),
    };
    let reason = served.detail.as_ref().or(served.finish_reason.as_ref());
    let message = reason.map_or_else(|| what.to_owned(), |reason| format!("{what}: {reason}"));
    let mut error = RecordError::new(kind, message);
    if served.ended == ServedEnd::Cut {
        error.hint =
            Some("a model that thinks before it writes needs room: raise --max-new-tokens".to_owned());
    }
    Some((status, error))
}

/// Why a prediction cannot be what was asked for.
fn implausible(prediction: &Prediction, coalition: ModalitySet) -> Option<RecordError> {
    if prediction.coalition != coalition {
        let message =
            format!("the model answered for coalition {}, expected {coalition}", prediction.coalition);
        return Some(RecordError::new("garbage", message));
    }
    if let Some(logits) = prediction.letter_logits
        && logits.iter().any(|l| !l.is_finite())
    {
        let message = format!("the letters' logits are {logits:?}, expected finite numbers");
        return Some(RecordError::new("not_finite", message));
    }
    if let Some(mass) = prediction.letter_mass
        && !(mass.bare.is_finite() && mass.spaced.is_none_or(f64::is_finite))
    {
        let message = format!(
            "the letters' part of the next token's probability is {}, expected a finite number",
            mass.bare
        );
        return Some(RecordError::new("not_finite", message));
    }
    let scores = [prediction.centre_score, prediction.reply.as_ref().and_then(|r| r.reply_score)];
    if scores.into_iter().flatten().any(|s| !s.is_finite()) {
        return Some(RecordError::new("not_finite", "a score is not a finite number"));
    }
    let letters = [prediction.letter, prediction.reply.as_ref().and_then(|r| r.reply_letter)];
    if let Some(odd) = letters.into_iter().flatten().find(|l| Sentiment::from_letter(*l).is_none()) {
        return Some(RecordError::new("garbage", format!("the letter is {odd:?}, expected A to E")));
    }
    let of_letter = prediction.letter.and_then(Sentiment::from_letter);
    if prediction.label.is_some() && of_letter.is_some() && of_letter != prediction.label {
        return Some(RecordError::new("garbage", "letter and label name different classes"));
    }
    let attention = prediction.attention.as_ref();
    let tables = attention.into_iter().flat_map(|a| [&a.nmas, &a.mass]);
    let values = tables.flat_map(|t| [&t.text, &t.audio, &t.video]).flatten().flatten().flatten();
    if values.into_iter().any(|v| !v.is_finite()) {
        return Some(RecordError::new("not_finite", "attention is not finite"));
    }
    let importance = prediction.token_maps.as_ref().and_then(|m| m.importance.as_ref());
    if importance.is_some_and(|values| values.iter().any(|v| !v.is_finite())) {
        return Some(RecordError::new("not_finite", "the importance of visual tokens is not finite"));
    }
    None
}
