//! The figures of variants on the same samples: Acc, macro F1, MAE by subset, and the difference to the baseline with its
//! interval and test by cluster.

use std::collections::BTreeMap;

use emomm_dataset::{Corpus, GridScore, ModalitySet, Sentiment};
use emomm_metrics::{
    BootstrapOptions, Clusters, Flips, MetricError, PermutationOptions, Unparsed, cluster_bootstrap,
    five_class, sign_flip_test,
};
use serde::Serialize;

/// The word for all samples together.
pub const ALL: &str = "all";

/// One sample: a clip under a coalition.
#[derive(Debug, Clone, PartialEq)]
pub struct JudgedSample {
    /// Unit of the bootstrap: speaker or video.
    pub group: String,
    /// What was shown.
    pub shown: ModalitySet,
    /// The subsets that it belongs to, by their words.
    pub subsets: Vec<&'static str>,
    /// The true class.
    pub ground_truth: Sentiment,
    /// The true score.
    pub score: GridScore,
    /// Class map of the corpus.
    pub corpus: Corpus,
}

/// A difference to the baseline, in shares.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Delta {
    /// Acc of the variant minus Acc of the baseline.
    pub value: f64,
    /// Lower end of the 95 % interval; null with fewer than two clusters.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
    /// Two-sided p-value of no difference, by swapping the answers of whole clusters.
    pub p: Option<f64>,
}

/// A variant on one subset.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SubsetFigures {
    /// Samples.
    pub n: usize,
    /// Clusters behind interval and test.
    pub n_clusters: usize,
    /// Accuracy over five classes; a missing answer is wrong.
    pub acc: Option<f64>,
    /// Macro F1; a missing answer is wrong.
    pub macro_f1: Option<f64>,
    /// Mean absolute error of the class centre; samples without an answer are left out.
    pub mae: Option<f64>,
    /// Acc against the baseline.
    pub delta: Option<Delta>,
    /// Answers that the baseline got right and the variant wrong.
    pub right_to_wrong: usize,
    /// The other way.
    pub wrong_to_right: usize,
}

/// A variant on every subset that occurs, and on all samples.
pub fn by_subset(
    samples: &[JudgedSample],
    answers: &[Option<Sentiment>],
    baseline: &[Option<Sentiment>],
    seed: u64,
) -> Result<BTreeMap<&'static str, SubsetFigures>, MetricError> {
    let mut parts: BTreeMap<&'static str, Vec<usize>> = BTreeMap::new();
    for (i, sample) in samples.iter().enumerate() {
        for subset in sample.subsets.iter().chain([&ALL]) {
            parts.entry(subset).or_default().push(i);
        }
    }
    parts
        .into_iter()
        .map(|(name, members)| Ok((name, figures(samples, answers, baseline, &members, seed)?)))
        .collect()
}

/// A variant on some of the samples.
fn figures(
    samples: &[JudgedSample],
    answers: &[Option<Sentiment>],
    baseline: &[Option<Sentiment>],
    members: &[usize],
    seed: u64,
) -> Result<SubsetFigures, MetricError> {
    let pairs: Vec<_> = members.iter().map(|i| (samples[*i].ground_truth, answers[*i])).collect();
    let matrix = five_class(pairs);
    let right = |answers: &[Option<Sentiment>], i: usize| answers[i] == Some(samples[i].ground_truth);
    let errors: Vec<f64> = members
        .iter()
        .filter_map(|i| {
            let answer = answers[*i]?;
            Some((samples[*i].score.value() - samples[*i].corpus.centre_score(answer)).abs())
        })
        .collect();
    let differences: Vec<f64> = members
        .iter()
        .map(|i| f64::from(u8::from(right(answers, *i))) - f64::from(u8::from(right(baseline, *i))))
        .collect();
    let clusters = Clusters::by_key(members.iter().map(|i| samples[*i].group.as_str()));
    let options = BootstrapOptions { seed, ..BootstrapOptions::default() };
    let estimate = cluster_bootstrap(&clusters, options, |drawn| {
        (!drawn.is_empty()).then(|| drawn.iter().map(|i| differences[*i]).sum::<f64>() / drawn.len() as f64)
    })?;
    let test = sign_flip_test(
        &differences,
        &clusters,
        PermutationOptions { seed, ..PermutationOptions::default() },
    )?;
    let flips = Flips::of(members.iter().map(|i| (right(baseline, *i), right(answers, *i))));
    Ok(SubsetFigures {
        n: members.len(),
        n_clusters: clusters.len(),
        acc: matrix.accuracy(Unparsed::Wrong).map(|f| f.value),
        macro_f1: matrix.macro_f1(Unparsed::Wrong).map(|f| f.value),
        mae: (!errors.is_empty()).then(|| errors.iter().sum::<f64>() / errors.len() as f64),
        delta: estimate.map(|e| Delta {
            value: e.value,
            low: e.low,
            high: e.high,
            p: test.map(|t| t.p_value),
        }),
        right_to_wrong: flips.right_to_wrong,
        wrong_to_right: flips.wrong_to_right,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use Sentiment::{Negative, Neutral, Positive};

    #[test]
    fn by_hand() {
        let sample = |group: &str, subset, truth: Sentiment, steps| JudgedSample {
            group: group.to_owned(),
            shown: ModalitySet::FULL,
            subsets: vec![subset],
            ground_truth: truth,
            score: GridScore::from_steps(steps).unwrap(),
            corpus: Corpus::ChSims,
        };
        let samples = [
            sample("a", "conflict", Positive, 5),
            sample("a", "conflict", Negative, -5),
            sample("b", "align", Neutral, 0),
            sample("c", "conflict", Neutral, 0),
        ];
        let baseline = [Some(Negative), Some(Negative), Some(Neutral), None];
        let steered = [Some(Positive), Some(Negative), Some(Positive), Some(Neutral)];
        let found = by_subset(&samples, &steered, &baseline, 0).unwrap();
        let conflict = &found["conflict"];
        assert_eq!((conflict.n, conflict.n_clusters), (3, 2));
        assert_eq!((conflict.right_to_wrong, conflict.wrong_to_right), (0, 2));
        assert!((conflict.delta.unwrap().value - 2.0 / 3.0).abs() < 1e-12);
        assert_eq!(found["align"].acc, Some(0.0));
        assert_eq!((found[ALL].right_to_wrong, found[ALL].wrong_to_right), (1, 2));
        // Centres are ±0.9 and 0.
        assert!((conflict.mae.unwrap() - 0.2 / 3.0).abs() < 1e-9);
    }
}
