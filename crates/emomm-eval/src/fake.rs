//! A predictor that is none: answers made up from the clip's id, and faults on demand. For tests of runners and reports.
//!
//! The command line takes it as `--model fake:WORDS`, with the words of [`FakeSettings`], separated by commas:
//! `fake:seed=3,ms=20,panic=0007`. Its answers mean nothing.

use std::str::FromStr;
use std::thread;
use std::time::Duration;

use emomm_dataset::{Modality, ModalitySet, PerModality, Sentiment};
use sha2::{Digest, Sha256};

use crate::predictor::{
    AttentionDetail, AttentionSummary, Clip, Deliver, MediaRecord, PredictError, PredictErrorKind,
    PredictOptions, Prediction, Predictor, TokenCounts,
};
use crate::token_maps::{TokenMaps, TokenPlaces};
use crate::{prompt, reply};

/// Tokens of a made-up modality.
const TOKENS: usize = 16;

/// Where the tokens of a made-up picture lie: steps, rows, columns.
const TOKEN_GRID: [usize; 3] = [2, 2, 4];

/// Layers and heads of made-up attention.
const LAYERS: usize = 4;
const HEADS: usize = 2;

/// What the fake does. A fault hits the clips whose id holds its word, or the clip and coalition `ID@TA`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FakeSettings {
    /// Answers follow from it.
    pub seed: u64,
    /// Milliseconds that a clip takes.
    pub ms: u64,
    /// Panics.
    pub panic: Option<String>,
    /// Never answers.
    pub hang: Option<String>,
    /// Logits that are not numbers.
    pub nan: Option<String>,
    /// An answer for another coalition.
    pub garbage: Option<String>,
    /// A medium that cannot be read.
    pub media: Option<String>,
    /// No logits, and a reply in which there is no letter.
    pub mute: Option<String>,
    /// Fewer answers than were asked for.
    pub short: Option<String>,
    /// ffmpeg is missing, as it were.
    pub setup: Option<String>,
}

impl FromStr for FakeSettings {
    type Err = String;

    fn from_str(words: &str) -> Result<Self, Self::Err> {
        let mut settings = Self::default();
        for word in words.split(',').filter(|w| !w.is_empty()) {
            let unknown = || {
                format!(
                    "found `{word}`, expected seed=N, ms=N, or one of panic, hang, nan, garbage, media, mute, short, \
                     setup with =ID or =ID@COALITION"
                )
            };
            let (name, value) = word.split_once('=').ok_or_else(unknown)?;
            let place = match name {
                "seed" => {
                    settings.seed = value.parse().map_err(|_| unknown())?;
                    continue;
                }
                "ms" => {
                    settings.ms = value.parse().map_err(|_| unknown())?;
                    continue;
                }
                "panic" => &mut settings.panic,
                "hang" => &mut settings.hang,
                "nan" => &mut settings.nan,
                "garbage" => &mut settings.garbage,
                "media" => &mut settings.media,
                "mute" => &mut settings.mute,
                "short" => &mut settings.short,
                "setup" => &mut settings.setup,
                _ => return Err(unknown()),
            };
            *place = Some(value.to_owned());
        }
        Ok(settings)
    }
}

/// Whether a fault's word hits a clip under a coalition.
fn hits(word: Option<&String>, clip: &Clip, coalition: ModalitySet) -> bool {
    word.is_some_and(|word| match word.split_once('@') {
        Some((id, only)) => clip.id.contains(id) && only == coalition.to_string(),
        None => clip.id.contains(word.as_str()),
    })
}

/// The predictor.
#[derive(Debug, Clone, Default)]
pub struct FakePredictor {
    settings: FakeSettings,
}

impl FakePredictor {
    /// With its faults.
    pub fn new(settings: FakeSettings) -> Self {
        Self { settings }
    }

    fn answer(
        &self,
        clip: &Clip,
        coalition: ModalitySet,
        options: &PredictOptions,
    ) -> Result<Prediction, PredictError> {
        let settings = &self.settings;
        let hit = |word: &Option<String>| hits(word.as_ref(), clip, coalition);
        assert!(!hit(&settings.panic), "made-up panic for {} under {coalition}", clip.id);
        while hit(&settings.hang) {
            thread::sleep(Duration::from_mins(1));
        }
        let failed = |kind, message: &str| {
            Err(PredictError { kind, message: format!("{}: {message}", clip.id), hint: None })
        };
        if hit(&settings.setup) {
            let hint = Some("leave out the word setup".to_owned());
            let message = "made-up missing program".to_owned();
            return Err(PredictError { kind: PredictErrorKind::Setup, message, hint });
        }
        if hit(&settings.media) {
            return failed(PredictErrorKind::Media, "made-up broken file");
        }
        let digest = Sha256::digest(format!("{}/{}/{coalition}", settings.seed, clip.id).as_bytes());
        let mut letter_logits: [f32; 5] = std::array::from_fn(|i| f32::from(digest[i]) / 32.0 - 4.0);
        let best = (0..5).fold(0, |b, i| if letter_logits[i] > letter_logits[b] { i } else { b });
        if hit(&settings.nan) {
            letter_logits[2] = f32::NAN;
        }
        let label = Sentiment::from_index(best);
        let shown = |m: Modality| if coalition.contains(m) { TOKENS } else { 0 };
        let (text, audio, video) = (shown(Modality::Text), shown(Modality::Audio), shown(Modality::Video));
        let other = 100;
        let is_mute = hit(&settings.mute);
        let written = if is_mute {
            Some("I would rather not say.".to_owned())
        } else {
            let score = label.map_or(0.0, |l| clip.corpus.centre_score(l));
            let letter = label.map_or('C', Sentiment::letter);
            options.generate.then(|| format!("{letter}\nScore: {score:.1}"))
        };
        let label = label.filter(|_| !is_mute);
        Ok(Prediction {
            coalition: if hit(&settings.garbage) { ModalitySet::NONE } else { coalition },
            tokens: Some(TokenCounts { text, audio, video, other, total: text + audio + video + other }),
            grid_thw: coalition.contains(Modality::Video).then_some([2, 4, 8]),
            letter_logits: (!is_mute).then_some(letter_logits),
            letter_mass: None,
            letter: label.map(Sentiment::letter),
            label,
            centre_score: label.map(|l| clip.corpus.centre_score(l)),
            reply: written.map(|w| reply::parse(&w, clip.corpus)),
            attention: (options.attention != AttentionDetail::None).then(|| attention(&digest, coalition)),
            token_maps: (options.attention == AttentionDetail::Full)
                .then(|| token_maps(&digest, coalition, options.importance)),
            steering: None,
            served: None,
            media: MediaRecord::default(),
            ms: settings.ms as f64,
        })
    }
}

/// Attention of which a tenth is on the prompt.
fn attention(digest: &[u8], coalition: ModalitySet) -> AttentionSummary {
    let weight = |m: Modality, layer: usize, head: usize| {
        f32::from(digest[(5 + m.index() + 3 * layer + 12 * head) % digest.len()]) + 1.0
    };
    let mass = PerModality::from_fn(|m| {
        coalition.contains(m).then(|| {
            let of = |layer: usize, head: usize| {
                let sum: f32 = coalition.iter().map(|other| weight(other, layer, head)).sum();
                0.9 * weight(m, layer, head) / sum
            };
            (0..LAYERS)
                .map(|layer| (0..HEADS).map(|head| of(layer, head)).collect())
                .collect::<Vec<Vec<f32>>>()
        })
    });
    let nmas = PerModality::from_fn(|m| {
        let per_token = |heads: &Vec<f32>| heads.iter().map(|v| v / TOKENS as f32).collect();
        mass.get(m).as_ref().map(|layers| layers.iter().map(per_token).collect())
    });
    AttentionSummary { nmas, mass }
}

/// The mass of [`attention`], spread over the tokens in proportions that the digest says.
fn token_maps(digest: &[u8], coalition: ModalitySet, with_importance: bool) -> TokenMaps {
    let mass = attention(digest, coalition).mass;
    let weight = |token: usize| f32::from(digest[token % digest.len()]) + 1.0;
    let whole: f32 = (0..TOKENS).map(weight).sum();
    let by_token = |heads: &Vec<f32>| {
        let mean = heads.iter().sum::<f32>() / heads.len() as f32;
        (0..TOKENS).map(|token| mean * weight(token) / whole).collect::<Vec<f32>>()
    };
    let has_video = coalition.contains(Modality::Video);
    TokenMaps {
        attention: PerModality::from_fn(|m| {
            mass.get(m).as_ref().map(|layers| layers.iter().map(by_token).collect())
        }),
        places: has_video.then(|| TokenPlaces {
            grid: TOKEN_GRID,
            numbers: (0..TOKENS as u32).collect(),
            person: None,
            face: None,
        }),
        importance: (has_video && with_importance)
            .then(|| (0..TOKENS).map(|token| weight(token + 1) / whole).collect()),
    }
}

impl Predictor for FakePredictor {
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
        thread::sleep(Duration::from_millis(self.settings.ms));
        let is_short = coalitions.iter().any(|c| hits(self.settings.short.as_ref(), clip, *c));
        let most = coalitions.len() - usize::from(is_short);
        for (place, coalition) in coalitions.iter().take(most).enumerate() {
            deliver(place, self.answer(clip, *coalition, options));
        }
    }
}
