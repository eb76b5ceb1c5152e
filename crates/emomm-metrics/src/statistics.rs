//! What a benchmark holds: distributions of classes (Table 3), C_ij (Table 4), sizes of subsets (Figure 2) and splits.
//!
//! Clips are counted once. Their masked copies count towards the subsets of Missing and nowhere else.

use std::collections::{BTreeMap, BTreeSet};

use emomm_dataset::{Agreement, Labels, ModalitySet, PerModality, Sentiment, Source, Subset};
use serde::{Serialize, Serializer};

use crate::consistency::ConsistencyMatrix;

/// The key under which all corpora are counted together.
pub const ALL_CORPORA: &str = "all";

/// What is counted about a clip or a masked copy of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DescribedSample<'a> {
    /// Name of the corpus.
    pub corpus: &'a str,
    /// What may be shown; all three modalities for a clip.
    pub coalition: ModalitySet,
    /// Labels of the clip, those of masked modalities included.
    pub labels: Labels<Sentiment>,
    /// The subset; `None` where unimodal labels are unknown.
    pub subset: Option<Subset>,
    /// How close the labels of a clip in Align are.
    pub agreement: Option<Agreement>,
    /// The split.
    pub split: &'a str,
    /// Speaker or video group.
    pub group: &'a str,
}

/// Clips or masked copies by subset. In JSON the keys are the words of the subsets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct SubsetCounts {
    /// Clips of which every modality agrees with the ground truth.
    pub align: usize,
    /// Those of them whose classes are equal.
    pub equal: usize,
    /// Those of them whose classes are not.
    pub same_polarity: usize,
    /// Clips of which a modality differs.
    pub conflict: usize,
    /// Clips whose unimodal labels do not say.
    pub unknown: usize,
    /// Masked copies of which every observed modality agrees.
    pub missing_align: usize,
    /// Masked copies of which an observed modality differs.
    pub missing_conflict: usize,
    /// Masked copies whose unimodal labels do not say.
    pub missing_unknown: usize,
}

impl SubsetCounts {
    /// The words and counts in the order of the fields.
    pub fn entries(&self) -> [(&'static str, usize); 8] {
        [
            ("align", self.align),
            ("equal", self.equal),
            ("same-polarity", self.same_polarity),
            ("conflict", self.conflict),
            ("unknown", self.unknown),
            ("missing-align", self.missing_align),
            ("missing-conflict", self.missing_conflict),
            ("missing-unknown", self.missing_unknown),
        ]
    }

    fn add(&mut self, sample: &DescribedSample<'_>) {
        let is_full = sample.coalition == ModalitySet::FULL;
        let count = match sample.subset {
            Some(Subset::Align | Subset::Equal | Subset::SamePolarity) => &mut self.align,
            Some(Subset::Conflict) => &mut self.conflict,
            Some(Subset::MissingAlign) => &mut self.missing_align,
            Some(Subset::MissingConflict) => &mut self.missing_conflict,
            None if is_full => &mut self.unknown,
            None => &mut self.missing_unknown,
        };
        *count += 1;
        match sample.agreement {
            Some(Agreement::Equal) => self.equal += 1,
            Some(Agreement::SamePolarity) => self.same_polarity += 1,
            None => {}
        }
    }
}

/// Masked copies that show one pair of modalities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct MissingCounts {
    /// Both agree with the ground truth.
    pub missing_align: usize,
    /// One differs.
    pub missing_conflict: usize,
    /// The labels do not say.
    pub missing_unknown: usize,
}

/// Counts of the five classes, N to P, by source; `None` where no clip has such a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ClassCounts {
    /// Of the ground truth.
    pub ground_truth: Option<[usize; 5]>,
    /// Of the modalities alone.
    #[serde(flatten)]
    pub unimodal: PerModality<Option<[usize; 5]>>,
}

impl ClassCounts {
    /// The counts of a source.
    pub fn get(&self, source: Source) -> Option<[usize; 5]> {
        match source {
            Source::GroundTruth => self.ground_truth,
            Source::Unimodal(m) => *self.unimodal.get(m),
        }
    }
}

/// What one corpus, or all together, hold.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Statistics {
    /// Clips.
    pub n: usize,
    /// Table 3.
    pub classes: ClassCounts,
    /// Table 4. In JSON the values alone, each over the clips that both sources have labelled.
    #[serde(serialize_with = "values_alone")]
    pub consistency: ConsistencyMatrix,
    /// Clips and masked copies by subset.
    pub subsets: SubsetCounts,
    /// Masked copies by the pair of modalities that they show.
    pub missing: BTreeMap<String, MissingCounts>,
    /// Clips by split.
    pub splits: BTreeMap<String, usize>,
    /// Groups.
    pub groups: usize,
}

impl Statistics {
    /// Counts samples. `splits` are named even where they are empty.
    pub fn of<'a>(samples: impl IntoIterator<Item = &'a DescribedSample<'a>>, splits: &[&str]) -> Self {
        let mut clips = Vec::new();
        let mut subsets = SubsetCounts::default();
        let mut missing: BTreeMap<String, MissingCounts> = BTreeMap::new();
        let mut by_split: BTreeMap<String, usize> = splits.iter().map(|s| ((*s).to_owned(), 0)).collect();
        let mut groups = BTreeSet::new();
        for sample in samples {
            subsets.add(sample);
            groups.insert(sample.group);
            if sample.coalition == ModalitySet::FULL {
                clips.push(sample.labels);
                *by_split.entry(sample.split.to_owned()).or_default() += 1;
                continue;
            }
            let of_pair = missing.entry(sample.coalition.to_string()).or_default();
            match sample.subset {
                Some(Subset::MissingAlign) => of_pair.missing_align += 1,
                Some(Subset::MissingConflict) => of_pair.missing_conflict += 1,
                _ => of_pair.missing_unknown += 1,
            }
        }
        let counts = |source| class_counts(clips.iter().filter_map(|labels| labels.get(source)));
        Self {
            n: clips.len(),
            classes: ClassCounts {
                ground_truth: counts(Source::GroundTruth),
                unimodal: PerModality::from_fn(|m| counts(Source::Unimodal(m))),
            },
            consistency: ConsistencyMatrix::of(&clips),
            subsets,
            missing,
            splits: by_split,
            groups: groups.len(),
        }
    }

    /// The statistics of each corpus by its name, sorted, and those of all together under [`ALL_CORPORA`] at the end.
    pub fn by_corpus(samples: &[DescribedSample<'_>], splits: &[&str]) -> Vec<(String, Self)> {
        let mut corpora: BTreeMap<&str, Vec<&DescribedSample<'_>>> = BTreeMap::new();
        for sample in samples {
            corpora.entry(sample.corpus).or_default().push(sample);
        }
        let mut statistics: Vec<(String, Self)> =
            corpora.into_iter().map(|(name, samples)| (name.to_owned(), Self::of(samples, splits))).collect();
        statistics.push((ALL_CORPORA.to_owned(), Self::of(samples, splits)));
        statistics
    }
}

/// Counts of labels by class; `None` without labels.
fn class_counts(labels: impl Iterator<Item = Sentiment>) -> Option<[usize; 5]> {
    let mut counts = [0; 5];
    for label in labels {
        counts[label.index()] += 1;
    }
    (counts != [0; 5]).then_some(counts)
}

fn values_alone<S: Serializer>(matrix: &ConsistencyMatrix, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(matrix.pairs().map(|(name, figure)| (name, figure.map(|f| f.value))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use Sentiment::{Negative, Neutral, Positive, WeaklyPositive};

    fn sample(corpus: &'static str, coalition: &str, subset: Option<Subset>) -> DescribedSample<'static> {
        let is_labelled = subset.is_some();
        let label = |class| is_labelled.then_some(class);
        DescribedSample {
            corpus,
            coalition: coalition.parse().unwrap(),
            labels: Labels {
                ground_truth: Positive,
                modalities: PerModality {
                    text: label(WeaklyPositive),
                    audio: label(Neutral),
                    video: label(Negative),
                },
            },
            subset,
            agreement: None,
            split: "train",
            group: corpus,
        }
    }

    /// One labelled clip of corpus `a` with its copies, one unlabelled of corpus `b`.
    fn samples() -> Vec<DescribedSample<'static>> {
        vec![
            sample("b", "TAV", None),
            sample("b", "AV", None),
            sample("a", "TAV", Some(Subset::Conflict)),
            sample("a", "TA", Some(Subset::MissingConflict)),
            sample("a", "TV", Some(Subset::MissingConflict)),
        ]
    }

    #[test]
    fn copies_count_towards_missing_only() {
        let statistics = Statistics::by_corpus(&samples(), &["train", "test"]);
        let names: Vec<&str> = statistics.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["a", "b", "all"]);
        let all = &statistics[2].1;
        assert_eq!((all.n, all.groups), (2, 2));
        assert_eq!(all.classes.ground_truth, Some([0, 0, 0, 0, 2]));
        assert_eq!(all.classes.unimodal.text, Some([0, 0, 0, 1, 0]));
        assert_eq!((all.splits["train"], all.splits["test"]), (2, 0));
        let counts = all.subsets;
        assert_eq!((counts.conflict, counts.unknown), (1, 1));
        assert_eq!((counts.missing_conflict, counts.missing_unknown), (2, 1));
        assert_eq!(all.missing["TA"].missing_conflict, 1);
        assert_eq!(all.missing["AV"].missing_unknown, 1);
    }

    #[test]
    fn what_is_not_labelled_is_null() {
        let statistics = Statistics::by_corpus(&samples(), &[]);
        let json = serde_json::to_value(&statistics[1].1).unwrap();
        assert_eq!(json["classes"]["text"], serde_json::Value::Null);
        assert_eq!(json["consistency"]["gt_text"], serde_json::Value::Null);
        let json = serde_json::to_value(&statistics[0].1).unwrap();
        assert_eq!(json["classes"]["audio"], serde_json::json!([0, 0, 1, 0, 0]));
        assert_eq!(json["consistency"]["gt_text"], serde_json::json!(0.75));
        let keys: Vec<&str> = json["subsets"].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, statistics[0].1.subsets.entries().map(|(word, _)| word));
    }
}
