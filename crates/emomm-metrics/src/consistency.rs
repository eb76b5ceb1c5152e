//! C_ij, the consistency of two sources of labels: Eq. (1), Table 4, Figures 6 to 8.

use emomm_dataset::{Labels, Modality, Sentiment, Source};
use serde::{Serialize, Serializer};

use crate::figure::Figure;

/// C_ij, Eq. (1): 1 − Σ |y_i − y_j| / 4N over pairs of labels. `None` without pairs.
///
/// Lies in [0, 1]. 1 says that all labels are equal, 0 that every pair is Negative against Positive. The sum is
/// taken in whole numbers.
///
/// ```
/// use emomm_dataset::Sentiment::{Negative, Neutral, Positive};
/// use emomm_metrics::consistency;
///
/// // |0 − 4| + |2 − 2| = 4 of at most 8.
/// let c = consistency([(Negative, Positive), (Neutral, Neutral)]).unwrap();
/// assert_eq!((c.value, c.n), (0.5, 2));
/// ```
pub fn consistency(pairs: impl IntoIterator<Item = (Sentiment, Sentiment)>) -> Option<Figure> {
    let mut deviation = Deviation::default();
    for (i, j) in pairs {
        deviation.add(i, j);
    }
    deviation.consistency()
}

/// Σ |y_i − y_j| and N of Eq. (1).
#[derive(Debug, Clone, Copy, Default)]
struct Deviation {
    sum: usize,
    n: usize,
}

impl Deviation {
    fn add(&mut self, i: Sentiment, j: Sentiment) {
        self.sum += i.index().abs_diff(j.index());
        self.n += 1;
    }

    fn consistency(self) -> Option<Figure> {
        // The greatest deviation of two classes.
        let greatest = (Sentiment::ALL.len() - 1) as f64;
        let figure = Figure::mean(self.sum as f64, self.n)?;
        Some(Figure { value: 1.0 - figure.value / greatest, n: self.n })
    }
}

/// C_ij of all pairs of sources, each over the samples that both have labelled.
///
/// In JSON an object with the keys `gt_text`, `gt_audio`, `gt_video`, `text_audio`, `text_video` and `audio_video`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ConsistencyMatrix([[Option<Figure>; 4]; 4]);

impl ConsistencyMatrix {
    /// Computes all pairs in one pass over the samples.
    pub fn of<'a>(samples: impl IntoIterator<Item = &'a Labels<Sentiment>>) -> Self {
        let mut sums = [[Deviation::default(); 4]; 4];
        for labels in samples {
            let by_source = Source::ALL.map(|s| labels.get(s));
            for (row, i) in sums.iter_mut().zip(by_source) {
                for (deviation, j) in row.iter_mut().zip(by_source) {
                    if let (Some(i), Some(j)) = (i, j) {
                        deviation.add(i, j);
                    }
                }
            }
        }
        Self(sums.map(|row| row.map(Deviation::consistency)))
    }

    /// C_ij of two sources; `None` where no sample has both labels.
    pub fn get(&self, i: Source, j: Source) -> Option<Figure> {
        self.0[i.index()][j.index()]
    }

    /// The six pairs of different sources with their names, `gt_text` to `audio_video`.
    pub fn pairs(&self) -> impl Iterator<Item = (String, Option<Figure>)> {
        let key = |source| match source {
            Source::GroundTruth => "gt",
            Source::Unimodal(m) => Modality::name(m),
        };
        Source::ALL.into_iter().flat_map(move |i| {
            let after = Source::ALL.into_iter().skip(i.index() + 1);
            after.map(move |j| (format!("{}_{}", key(i), key(j)), self.get(i, j)))
        })
    }
}

impl Serialize for ConsistencyMatrix {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.pairs())
    }
}

#[cfg(test)]
mod tests {
    use emomm_dataset::PerModality;

    use super::*;
    use Sentiment::{Negative, Neutral, Positive, WeaklyPositive};

    fn samples() -> [Labels<Sentiment>; 2] {
        [
            Labels {
                ground_truth: Positive,
                modalities: PerModality { text: Some(Positive), audio: Some(Neutral), video: None },
            },
            Labels {
                ground_truth: Negative,
                modalities: PerModality { text: Some(WeaklyPositive), audio: Some(Negative), video: None },
            },
        ]
    }

    /// GT–T: (0 + 3) / 8. GT–A: (2 + 0) / 8. T–A: (2 + 3) / 8.
    #[test]
    fn three_sources_by_hand() {
        let matrix = ConsistencyMatrix::of(&samples());
        let [gt, t, a, v] = Source::ALL;
        assert_eq!(matrix.get(gt, t), Some(Figure { value: 0.625, n: 2 }));
        assert_eq!(matrix.get(gt, a), Some(Figure { value: 0.75, n: 2 }));
        assert_eq!(matrix.get(t, a), Some(Figure { value: 0.375, n: 2 }));
        assert_eq!(matrix.get(gt, gt), Some(Figure { value: 1.0, n: 2 }));
        assert_eq!(matrix.get(v, t), None);
    }

    #[test]
    fn the_json_names_six_pairs() {
        let json = serde_json::to_value(ConsistencyMatrix::of(&samples())).unwrap();
        let keys: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["gt_text", "gt_audio", "gt_video", "text_audio", "text_video", "audio_video"]);
        assert_eq!(json["gt_video"], serde_json::Value::Null);
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "the numbers are exact in binary")]
    fn the_extremes_are_zero_and_one() {
        assert_eq!(consistency([(Negative, Positive)]).unwrap().value, 0.0);
        assert_eq!(consistency([(Neutral, Neutral)]).unwrap().value, 1.0);
        assert_eq!(consistency([]), None);
    }
}
