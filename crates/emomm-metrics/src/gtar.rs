//! GTAR, the Ground-Truth Aligned Rate: Eq. (3), (4) and (17), Figure 9(a).
//!
//! Of the samples in which modality m is right and another is wrong: how often is the model right? Right and wrong
//! are meant of polarities, and neutral is a polarity of its own.

use emomm_dataset::{Labels, Modality, ModalitySet, PerModality, Sentiment};
use serde::{Deserialize, Serialize};

use crate::figure::{Figure, Unparsed};

/// Which samples are in the target-conflict set 𝓢_tc.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConflictReading {
    /// Exactly one available modality disagrees with the ground truth (Sec. 4.1). The default.
    #[default]
    ExactlyOne,
    /// At least one does, as the example of App. B.2 has it.
    AtLeastOne,
}

/// What GTAR leaves open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct GtarOptions {
    /// Which samples are in conflict.
    pub reading: ConflictReading,
    /// What becomes of samples without an answer.
    pub unparsed: Unparsed,
}

/// One sample x.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GtarSample {
    /// 𝓜ₓ, the available modalities.
    pub available: ModalitySet,
    /// The labels, from which z_x^m and z_x^GT follow.
    pub labels: Labels<Sentiment>,
    /// The model's answer; its polarity is ẑ_x.
    pub predicted: Option<Sentiment>,
}

/// The two sums of Eq. (4) for one modality.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlignedRate {
    /// Σ a_x^m c_x: samples in which modality and model are right.
    pub numerator: usize,
    /// Σ a_x^m: samples in which the modality is right.
    pub denominator: usize,
}

impl AlignedRate {
    /// GTAR_m, Eq. (4), in [0, 1]; `None` where the modality is never right in a conflict.
    pub fn figure(self) -> Option<Figure> {
        Figure::mean(self.numerator as f64, self.denominator)
    }
}

/// GTAR of the three modalities.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gtar {
    /// Numerator and denominator by modality.
    pub rates: PerModality<AlignedRate>,
    /// |𝓢_tc|: conflict samples that entered.
    pub n_conflict: usize,
    /// Samples left out because an available modality has no label.
    pub n_unlabelled: usize,
    /// Conflict samples left out because there is no answer; 0 where those count as wrong.
    pub n_unparsed: usize,
}

impl Gtar {
    /// Goes over the samples once.
    ///
    /// ```
    /// use emomm_dataset::{Labels, ModalitySet, PerModality, Sentiment::{Negative, Positive}};
    /// use emomm_metrics::{Gtar, GtarOptions, GtarSample};
    ///
    /// // Text is wrong, audio and video are right, the model follows the text.
    /// let modalities = PerModality { text: Some(Positive), audio: Some(Negative), video: Some(Negative) };
    /// let labels = Labels { ground_truth: Negative, modalities };
    /// let sample = GtarSample { available: ModalitySet::FULL, labels, predicted: Some(Positive) };
    /// let gtar = Gtar::of([sample], GtarOptions::default());
    /// assert_eq!(gtar.rates.text.figure(), None);
    /// assert_eq!(gtar.rates.video.figure().map(|f| (f.value, f.n)), Some((0.0, 1)));
    /// ```
    pub fn of(samples: impl IntoIterator<Item = GtarSample>, options: GtarOptions) -> Self {
        let mut gtar = Self::default();
        for sample in samples {
            gtar.add(sample, options);
        }
        gtar
    }

    fn add(&mut self, sample: GtarSample, options: GtarOptions) {
        let mut aligned = ModalitySet::NONE;
        for m in sample.available.iter() {
            match sample.labels.is_aligned(m, sample.available) {
                Some(true) => aligned = aligned.with(m),
                Some(false) => {}
                None => {
                    self.n_unlabelled += 1;
                    return;
                }
            }
        }
        let disagreeing = sample.available.len() - aligned.len();
        let in_conflict = match options.reading {
            ConflictReading::ExactlyOne => disagreeing == 1,
            ConflictReading::AtLeastOne => disagreeing >= 1,
        };
        if !in_conflict {
            return;
        }
        if sample.predicted.is_none() && options.unparsed == Unparsed::Excluded {
            self.n_unparsed += 1;
            return;
        }
        let is_right =
            sample.predicted.map(Sentiment::polarity) == Some(sample.labels.ground_truth.polarity());
        self.n_conflict += 1;
        for m in aligned.iter() {
            let rate: &mut AlignedRate = self.rates.get_mut(m);
            rate.denominator += 1;
            rate.numerator += usize::from(is_right);
        }
    }

    /// GTAR_m, Eq. (4); `None` where the denominator is 0.
    pub fn get(&self, modality: Modality) -> Option<Figure> {
        self.rates.get(modality).figure()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Sentiment::{Negative, Neutral, Positive, WeaklyNegative};

    fn sample(
        available: &str,
        ground_truth: Sentiment,
        [text, audio, video]: [Sentiment; 3],
        predicted: Option<Sentiment>,
    ) -> GtarSample {
        GtarSample {
            available: available.parse().unwrap(),
            labels: Labels {
                ground_truth,
                modalities: PerModality { text: Some(text), audio: Some(audio), video: Some(video) },
            },
            predicted,
        }
    }

    fn sums(gtar: &Gtar) -> [(usize, usize); 3] {
        Modality::ALL.map(|m| {
            let rate = gtar.rates.get(m);
            (rate.numerator, rate.denominator)
        })
    }

    /// App. B.2: a {T, V} sample, text positive, video negative, ground truth negative.
    #[test]
    fn the_example_of_app_b2() {
        let labels = [Positive, Positive, Negative];
        let right = sample("TV", Negative, labels, Some(WeaklyNegative));
        let wrong = sample("TV", Negative, labels, Some(Positive));
        let gtar = Gtar::of([right, wrong, right], GtarOptions::default());
        // The audio label is wrong too, but audio is not available.
        assert_eq!(gtar.n_conflict, 3);
        assert_eq!(sums(&gtar), [(0, 0), (0, 0), (2, 3)]);
        assert_eq!(gtar.get(Modality::Video), Some(Figure { value: 2.0 / 3.0, n: 3 }));
        assert_eq!(gtar.get(Modality::Text), None);
    }

    #[test]
    fn two_wrong_modalities_count_only_in_the_looser_reading() {
        let two_wrong = sample("TAV", Positive, [Negative, Neutral, Positive], Some(Positive));
        let aligned = sample("TAV", Positive, [Positive; 3], Some(Positive));
        let all_wrong = sample("TAV", Positive, [Neutral; 3], Some(Positive));
        let samples = [two_wrong, aligned, all_wrong];
        assert_eq!(Gtar::of(samples, GtarOptions::default()).n_conflict, 0);
        let loose = GtarOptions { reading: ConflictReading::AtLeastOne, ..GtarOptions::default() };
        let gtar = Gtar::of(samples, loose);
        assert_eq!(gtar.n_conflict, 2);
        assert_eq!(sums(&gtar), [(0, 0), (0, 0), (1, 1)]);
    }

    #[test]
    fn neutral_is_a_polarity_of_its_own() {
        let conflict = sample("TA", Neutral, [Neutral, Positive, Neutral], Some(Neutral));
        assert_eq!(sums(&Gtar::of([conflict], GtarOptions::default())), [(1, 1), (0, 0), (0, 0)]);
    }

    #[test]
    fn missing_answers_are_wrong_or_left_out() {
        let silent = sample("TA", Positive, [Positive, Negative, Positive], None);
        let wrong = Gtar::of([silent], GtarOptions::default());
        assert_eq!((wrong.n_conflict, sums(&wrong)[0]), (1, (0, 1)));
        let excluded = GtarOptions { unparsed: Unparsed::Excluded, ..GtarOptions::default() };
        let left_out = Gtar::of([silent], excluded);
        assert_eq!((left_out.n_conflict, left_out.n_unparsed), (0, 1));
    }

    #[test]
    fn an_available_modality_without_a_label_is_counted() {
        let mut unknown = sample("TA", Positive, [Positive, Negative, Positive], Some(Positive));
        unknown.labels.modalities.audio = None;
        let gtar = Gtar::of([unknown], GtarOptions::default());
        assert_eq!((gtar.n_unlabelled, gtar.n_conflict), (1, 0));
    }
}
