//! Does the router find conflicts, and the modality that is right? Table 6 in three readings, with what the table leaves
//! out: false alarms, and how often there is a conflict to find.

use emomm_dataset::{ModalitySet, Sentiment};
use serde::{Deserialize, Serialize};

use crate::calibration::Calibration;
use crate::reading::CleanReading;
use crate::router::RouterOutput;
use crate::target::{LabelLevel, Target, TargetRules};

/// One sample as the router read it, with its labels.
pub struct DiagnosedSample<'a> {
    /// What was shown.
    pub shown: ModalitySet,
    /// The multimodal label.
    pub ground_truth: Sentiment,
    /// Labels of T, A, V.
    pub unimodal: [Option<Sentiment>; 3],
    /// The router's clean outputs.
    pub reading: &'a CleanReading,
}

/// What a gate's first choice must be. The paper does not say what it is where several modalities are right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetReading {
    /// Any modality that is right.
    #[default]
    Any,
    /// The one that is right; conflicts with several are left out of the top-1 rates.
    Unique,
}

/// Table 6 on some samples, under one level of labels.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Diagnosis {
    /// `class` or `polarity`: the level of p* and r_m.
    pub level: &'static str,
    /// Samples with the labels that are needed.
    pub n: usize,
    /// Samples without.
    pub n_unlabelled: usize,
    /// Samples with p* = 1.
    pub n_conflict: usize,
    /// Conflicts in which no modality is right; they have no target modality and are left out of the top-1 rates.
    pub n_none_correct: usize,
    /// Conflicts in which several modalities are right; left out of the top-1 rates where the target is unique.
    pub n_several_correct: usize,
    /// Which conflicts have a target.
    pub target: TargetReading,
    /// n_conflict / n.
    pub base_rate: Option<f64>,
    /// Share of conflicts that are steered in at least one layer.
    pub recall: Option<f64>,
    /// Share of samples without conflict that are steered in at least one layer.
    pub false_positive_rate: Option<f64>,
    /// Share of steered samples that are conflicts.
    pub precision: Option<f64>,
    /// The gate's first choice is right: over pairs of sample and steered layer.
    pub top1_by_layer: Option<f64>,
    /// The same with the mean gate over the steered layers of a sample.
    pub top1_by_mean_gate: Option<f64>,
    /// The same, where most of the steered layers choose right.
    pub top1_by_majority: Option<f64>,
    /// Share of all conflicts with a right modality that are steered and choose right, by pairs: steered layers that
    /// choose right over all read layers.
    pub joint_by_layer: Option<f64>,
    /// The same with the mean gate.
    pub joint_by_mean_gate: Option<f64>,
    /// The same by majority.
    pub joint_by_majority: Option<f64>,
    /// p against p*, one row for each sample and layer.
    pub calibration: Option<Calibration>,
    /// Area under the ROC curve of the mean p.
    pub auroc: Option<f64>,
}

/// Computes the table. `first` is the router's first layer, counted from 0; a layer is steered where p > `threshold`.
pub fn diagnose(
    samples: &[DiagnosedSample<'_>],
    rules: &TargetRules,
    level: LabelLevel,
    first: usize,
    threshold: f64,
    reading: TargetReading,
) -> Diagnosis {
    let rules = TargetRules { correctness: level, conflict: level, ..*rules };
    let mut counts = Counts::default();
    let (mut pairs, mut scored) = (Vec::new(), Vec::new());
    for sample in samples {
        let Some(target) = rules.target(sample.ground_truth, sample.unimodal, sample.shown) else {
            counts.unlabelled += 1;
            continue;
        };
        let layers = &sample.reading.layers[first.min(sample.reading.layers.len())..];
        pairs.extend(layers.iter().map(|l| (l.conflict_prob, target.conflict)));
        let mean = layers.iter().map(|l| l.conflict_prob).sum::<f64>() / layers.len().max(1) as f64;
        scored.push((mean, target.conflict > 0.5));
        counts.add(&target, sample.shown, layers, threshold, reading);
    }
    let share = |a: usize, b: usize| (b > 0).then(|| a as f64 / b as f64);
    let left_out = if reading == TargetReading::Unique { counts.several_correct } else { 0 };
    let with_target = counts.conflict - counts.none_correct - left_out;
    Diagnosis {
        level: if level == LabelLevel::Polarity { "polarity" } else { "class" },
        n: scored.len(),
        n_unlabelled: counts.unlabelled,
        n_conflict: counts.conflict,
        n_none_correct: counts.none_correct,
        n_several_correct: counts.several_correct,
        target: reading,
        base_rate: share(counts.conflict, scored.len()),
        recall: share(counts.found, counts.conflict),
        false_positive_rate: share(counts.false_alarms, scored.len() - counts.conflict),
        precision: share(counts.found, counts.found + counts.false_alarms),
        top1_by_layer: share(counts.hit_layers, counts.steered_layers),
        top1_by_mean_gate: share(counts.hit_mean, counts.steered_with_target),
        top1_by_majority: share(counts.hit_majority, counts.steered_with_target),
        joint_by_layer: share(counts.hit_layers, counts.read_layers),
        joint_by_mean_gate: share(counts.hit_mean, with_target),
        joint_by_majority: share(counts.hit_majority, with_target),
        calibration: Calibration::of(&pairs),
        auroc: auroc(&scored),
    }
}

#[derive(Default)]
struct Counts {
    unlabelled: usize,
    conflict: usize,
    none_correct: usize,
    several_correct: usize,
    found: usize,
    false_alarms: usize,
    /// Of conflicts with a right modality: layers read, layers steered, steered layers that choose right.
    read_layers: usize,
    steered_layers: usize,
    hit_layers: usize,
    /// Of the same, those that are steered, and those of them that choose right.
    steered_with_target: usize,
    hit_mean: usize,
    hit_majority: usize,
}

impl Counts {
    fn add(
        &mut self,
        target: &Target,
        shown: ModalitySet,
        layers: &[RouterOutput],
        threshold: f64,
        reading: TargetReading,
    ) {
        let steered: Vec<&RouterOutput> = layers.iter().filter(|l| l.conflict_prob > threshold).collect();
        if target.conflict < 0.5 {
            self.false_alarms += usize::from(!steered.is_empty());
            return;
        }
        self.conflict += 1;
        self.found += usize::from(!steered.is_empty());
        let hits = steered.iter().filter_map(|l| target.hit(l.gate, shown)).filter(|hit| *hit).count();
        let n = steered.len().max(1) as f64;
        let mean = [0, 1, 2].map(|m| steered.iter().map(|l| l.gate[m]).sum::<f64>() / n);
        let Some(mean_hit) = target.hit(mean, shown) else {
            self.none_correct += 1;
            return;
        };
        if target.correct.iter().filter(|c| **c).count() > 1 {
            self.several_correct += 1;
            if reading == TargetReading::Unique {
                return;
            }
        }
        self.read_layers += layers.len();
        if !steered.is_empty() {
            self.steered_with_target += 1;
            self.steered_layers += steered.len();
            self.hit_layers += hits;
            self.hit_mean += usize::from(mean_hit);
            self.hit_majority += usize::from(2 * hits > steered.len());
        }
    }
}

/// Probability that a positive scores higher than a negative, ties counting half; `None` without both.
pub fn auroc(scored: &[(f64, bool)]) -> Option<f64> {
    let mut sorted = scored.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let n_positive = sorted.iter().filter(|s| s.1).count();
    let n_negative = sorted.len() - n_positive;
    if n_positive == 0 || n_negative == 0 {
        return None;
    }
    let (mut below, mut wins, mut at) = (0_usize, 0.0, 0);
    while at < sorted.len() {
        let tied = sorted[at..].iter().take_while(|s| s.0.total_cmp(&sorted[at].0).is_eq()).count();
        let positive = sorted[at..at + tied].iter().filter(|s| s.1).count();
        let negative = tied - positive;
        wins += positive as f64 * (below as f64 + negative as f64 / 2.0);
        below += negative;
        at += tied;
    }
    Some(wins / (n_positive as f64 * n_negative as f64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use Sentiment::{Negative, Positive};

    fn reading(layers: &[(f64, [f64; 3])]) -> CleanReading {
        let layers = layers.iter().map(|(p, g)| RouterOutput { conflict_prob: *p, gate: *g }).collect();
        CleanReading { layers }
    }

    #[test]
    fn three_readings_by_hand() {
        let (v, t) = ([0.1, 0.1, 0.8], [0.8, 0.1, 0.1]);
        // V is right: steered in two layers, one of them right; the mean gate ties and goes to the first, which is wrong.
        let a = reading(&[(0.9, v), (0.8, t), (0.1, v)]);
        // V is right, steered right in all.
        let b = reading(&[(0.9, v), (0.9, v), (0.9, v)]);
        // V is right, not steered.
        let c = reading(&[(0.1, v); 3]);
        // No conflict, steered.
        let d = reading(&[(0.9, t); 3]);
        // Conflict without a right modality.
        let e = reading(&[(0.9, t); 3]);
        let sample = |reading, unimodal: [Sentiment; 3]| DiagnosedSample {
            shown: ModalitySet::FULL,
            ground_truth: Positive,
            unimodal: unimodal.map(Some),
            reading,
        };
        let only_v = [Negative, Negative, Positive];
        let samples = [
            sample(&a, only_v),
            sample(&b, only_v),
            sample(&c, only_v),
            sample(&d, [Positive; 3]),
            sample(&e, [Negative; 3]),
        ];
        let of = |samples: &[DiagnosedSample<'_>], reading| {
            diagnose(samples, &TargetRules::default(), LabelLevel::Class, 0, 0.7, reading)
        };
        let found = of(&samples, TargetReading::Any);
        assert_eq!((found.n, found.n_conflict, found.n_none_correct), (5, 4, 1));
        let close = |a: Option<f64>, b: f64| assert!((a.unwrap() - b).abs() < 1e-12, "{a:?} {b}");
        close(found.recall, 0.75);
        close(found.false_positive_rate, 1.0);
        close(found.precision, 0.75);
        close(found.top1_by_layer, 0.8);
        close(found.joint_by_layer, 4.0 / 9.0);
        close(found.top1_by_mean_gate, 0.5);
        close(found.top1_by_majority, 0.5);
        close(found.joint_by_mean_gate, 1.0 / 3.0);
        // Text and video are right: a target of any kind, but no unique one.
        let two = [sample(&b, [Positive, Negative, Positive]), sample(&c, only_v)];
        let (any, unique) = (of(&two, TargetReading::Any), of(&two, TargetReading::Unique));
        assert_eq!((any.n_several_correct, unique.n_several_correct, unique.n_conflict), (1, 1, 2));
        close(any.joint_by_mean_gate, 0.5);
        close(unique.joint_by_mean_gate, 0.0);
        assert_eq!(unique.top1_by_mean_gate, None);
        close(unique.recall, 0.5);
    }

    #[test]
    fn auroc_counts_ties_half() {
        assert_eq!(auroc(&[(0.1, false), (0.9, true)]), Some(1.0));
        assert_eq!(auroc(&[(0.5, false), (0.5, true)]), Some(0.5));
        assert_eq!(auroc(&[(0.9, false), (0.1, true), (0.95, true)]), Some(0.5));
        assert_eq!(auroc(&[(0.9, true)]), None);
    }
}
