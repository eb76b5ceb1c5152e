//! Aggregation of nMAS over heads and samples: the curves of Figures 9(b) and 10.
//!
//! nMAS of one attention row, Eq. (5), is computed where the attention is. Here its heads are averaged by layer,
//! turned into shares of the present modalities, and averaged over samples. Attention mass aggregates in the same
//! way.

use emomm_dataset::{Modality, ModalitySet, PerModality};
use serde::{Deserialize, Serialize};

use crate::error::MetricError;

/// nMAS of one sample by modality, `[layer][head]`; `None` for an absent modality.
pub type HeadScores = PerModality<Option<Vec<Vec<f32>>>>;

/// Mean nMAS and mean share by layer, of samples of one coalition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LayerProfile {
    /// The modalities that all samples show.
    pub coalition: ModalitySet,
    /// Samples.
    pub n: usize,
    /// Mean over samples of the head mean, `[layer]`; `None` for absent modalities.
    pub scores: PerModality<Option<Vec<f64>>>,
    /// Mean over samples of the modality's share of the head means, `[layer]`, each in [0, 1]. The shares of a
    /// layer sum to 1. A layer in which no sample pays attention to any modality is `None`.
    pub shares: PerModality<Option<Vec<Option<f64>>>>,
    /// Samples behind the shares, `[layer]`: those whose attention to the modalities is above zero.
    pub n_shares: Vec<usize>,
}

impl LayerProfile {
    /// Averages samples. `None` without samples.
    ///
    /// # Errors
    /// All samples must show the same modalities with equally many layers, every layer at least one head and
    /// equally many for each modality, and no negative or infinite score.
    ///
    /// ```
    /// use emomm_dataset::PerModality;
    /// use emomm_metrics::LayerProfile;
    ///
    /// // One layer with two heads: head means 0.3 and 0.1.
    /// let sample = PerModality { text: Some(vec![vec![0.2, 0.4]]), audio: None, video: Some(vec![vec![0.1, 0.1]]) };
    /// let profile = LayerProfile::of([&sample]).unwrap().unwrap();
    /// assert!((profile.shares.text.unwrap()[0].unwrap() - 0.75).abs() < 1e-6);
    /// assert_eq!(profile.shares.audio, None);
    /// ```
    pub fn of<'a>(samples: impl IntoIterator<Item = &'a HeadScores>) -> Result<Option<Self>, MetricError> {
        let mut sums: Option<Sums> = None;
        for (index, sample) in samples.into_iter().enumerate() {
            let found: ModalitySet = Modality::ALL.into_iter().filter(|m| sample.get(*m).is_some()).collect();
            let sums = sums.get_or_insert_with(|| Sums::new(found, n_layers(sample)));
            if sums.coalition != found {
                return Err(MetricError::MixedCoalitions { index, found, expected: sums.coalition });
            }
            sums.add(sample)?;
        }
        Ok(sums.map(Sums::into_profile))
    }
}

fn n_layers(sample: &HeadScores) -> usize {
    sample.iter().find_map(|(_, layers)| layers.as_ref().map(Vec::len)).unwrap_or(0)
}

/// Running sums, `[layer]` for each modality.
struct Sums {
    coalition: ModalitySet,
    n: usize,
    scores: PerModality<Vec<f64>>,
    shares: PerModality<Vec<f64>>,
    n_shares: Vec<usize>,
}

impl Sums {
    fn new(coalition: ModalitySet, n_layers: usize) -> Self {
        let zeros = || PerModality::from_fn(|_| vec![0.0; n_layers]);
        Self { coalition, n: 0, scores: zeros(), shares: zeros(), n_shares: vec![0; n_layers] }
    }

    fn add(&mut self, sample: &HeadScores) -> Result<(), MetricError> {
        let n_layers = self.n_shares.len();
        for (_, layers) in sample.iter() {
            if let Some(layers) = layers {
                MetricError::check_length("layers of a sample", layers.len(), n_layers)?;
            }
        }
        for layer in 0..n_layers {
            let means = head_means(sample, layer)?;
            let total: f64 = means.iter().map(|(_, mean)| mean).sum();
            self.n_shares[layer] += usize::from(total > 0.0);
            for (m, mean) in means.iter() {
                self.scores.get_mut(m)[layer] += mean;
                if total > 0.0 {
                    self.shares.get_mut(m)[layer] += mean / total;
                }
            }
        }
        self.n += 1;
        Ok(())
    }

    fn into_profile(self) -> LayerProfile {
        let Self { coalition, n, scores, shares, n_shares } = self;
        let mean = |sum: f64, n: usize| (n > 0).then(|| sum / n as f64);
        LayerProfile {
            coalition,
            n,
            scores: PerModality::from_fn(|m| {
                coalition.contains(m).then(|| scores.get(m).iter().map(|s| s / n as f64).collect())
            }),
            shares: PerModality::from_fn(|m| {
                let layers = shares.get(m).iter().zip(&n_shares);
                coalition.contains(m).then(|| layers.map(|(s, n)| mean(*s, *n)).collect())
            }),
            n_shares,
        }
    }
}

/// The mean over the heads of a layer, 0 for absent modalities.
fn head_means(sample: &HeadScores, layer: usize) -> Result<PerModality<f64>, MetricError> {
    let mut means = PerModality::default();
    let mut n_heads = None;
    for (m, layers) in sample.iter() {
        let Some(layers) = layers else { continue };
        let heads = &layers[layer];
        MetricError::check_length("heads of a layer", heads.len(), *n_heads.get_or_insert(heads.len()))?;
        if heads.is_empty() {
            return Err(MetricError::Length { what: "heads of a layer", found: 0, expected: 1 });
        }
        if let Some(found) = heads.iter().find(|x| !x.is_finite() || **x < 0.0) {
            let (what, expected) = ("attention", "a number from 0 to 1");
            return Err(MetricError::Range { what, found: f64::from(*found), expected });
        }
        let sum: f64 = heads.iter().map(|x| f64::from(*x)).sum();
        *means.get_mut(m) = sum / heads.len() as f64;
    }
    Ok(means)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(text: &[&[f32]], video: &[&[f32]]) -> HeadScores {
        let table = |t: &[&[f32]]| Some(t.iter().map(|row| row.to_vec()).collect());
        PerModality { text: table(text), audio: None, video: table(video) }
    }

    /// Two samples, one layer: shares 0.75 and 0.5 of the text; scores 0.375 and 0.25.
    #[test]
    fn shares_are_taken_before_the_mean_over_samples() {
        let a = sample(&[&[0.25, 0.5]], &[&[0.125, 0.125]]);
        let b = sample(&[&[0.25, 0.25]], &[&[0.5, 0.0]]);
        let profile = LayerProfile::of([&a, &b]).unwrap().unwrap();
        assert_eq!((profile.n, profile.coalition.to_string()), (2, "TV".to_owned()));
        assert_eq!(profile.scores.text, Some(vec![0.3125]));
        assert_eq!(profile.shares.text, Some(vec![Some(0.625)]));
        assert_eq!(profile.shares.video, Some(vec![Some(0.375)]));
        assert_eq!((profile.scores.audio, profile.shares.audio), (None, None));
    }

    #[test]
    fn a_layer_without_attention_has_no_share() {
        let silent = sample(&[&[0.0], &[0.5]], &[&[0.0], &[0.5]]);
        let profile = LayerProfile::of([&silent]).unwrap().unwrap();
        assert_eq!(profile.shares.text, Some(vec![None, Some(0.5)]));
        assert_eq!(profile.n_shares, [0, 1]);
        assert_eq!(profile.scores.text, Some(vec![0.0, 0.5]));
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        let tv = sample(&[&[0.5]], &[&[0.5]]);
        let t = PerModality { video: None, ..tv.clone() };
        let error = LayerProfile::of([&tv, &t]).unwrap_err();
        assert_eq!(error.to_string(), "sample 1 shows T, expected TV as in sample 0");
        for wrong in [
            sample(&[&[0.5], &[0.5]], &[&[0.5], &[0.5]]),
            sample(&[&[0.5, 0.5]], &[&[0.5]]),
            sample(&[&[]], &[&[]]),
            sample(&[&[f32::NAN]], &[&[0.5]]),
        ] {
            assert!(LayerProfile::of([&tv, &wrong]).is_err(), "{wrong:?}");
        }
        assert_eq!(LayerProfile::of([]).unwrap(), None);
    }
}
