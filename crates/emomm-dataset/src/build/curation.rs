//! The choice of clips (App. A.1): seeded, and independent of the order of rows.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::sample::Sample;
use crate::corpus::Corpus;
use crate::error::VocabularyError;
use crate::modality::ModalitySet;
use crate::seeded::seeded_key;
use crate::sentiment::Sentiment;
use crate::subset::{Agreement, Subset, SubsetRules};

/// How many clips are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Curation {
    /// 1000 Conflict, 500 Equal and 500 Same-polarity clips of CH-SIMS, each filled evenly over the classes of the
    /// ground truth; 408, 491, 232, 462 and 407 clips of CMU-MOSI by class (Table 3). Other corpora stay whole.
    #[default]
    Paper,
    /// Everything.
    All,
}

impl FromStr for Curation {
    type Err = VocabularyError;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        match word {
            "paper" => Ok(Self::Paper),
            "all" => Ok(Self::All),
            _ => Err(VocabularyError::new("curation", word, "paper or all")),
        }
    }
}

/// Clips of CH-SIMS in Conflict, Equal and Same-polarity.
const CH_SIMS_TARGETS: [(&str, usize); 3] = [("conflict", 1000), ("equal", 500), ("same-polarity", 500)];

/// Clips of CMU-MOSI by class of the ground truth, row GT of Table 3.
const MOSI_TARGETS: [usize; 5] = [408, 491, 232, 462, 407];

/// Fewer clips than the target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shortfall {
    /// The corpus.
    pub corpus: String,
    /// The subset or class.
    pub stratum: String,
    /// The target.
    pub wanted: usize,
    /// What there was.
    pub taken: usize,
}

/// The chosen samples in their order, and what fell short.
pub(crate) fn curate(
    samples: Vec<Sample>,
    curation: Curation,
    rules: SubsetRules,
    seed: u64,
) -> (Vec<Sample>, Vec<Shortfall>) {
    if curation == Curation::All {
        return (samples, Vec::new());
    }
    let mut chosen = vec![false; samples.len()];
    let mut shortfalls = Vec::new();
    let cells = cells(&samples, rules, seed);
    let empty = Vec::new();
    let none_of = |corpus: Corpus| !samples.iter().any(|s| s.corpus == corpus.name());
    let mut take = |corpus: Corpus, stratum: &str, quotas: [usize; 5], wanted: usize, in_cell: &str| {
        let mut taken = 0;
        for (class, quota) in Sentiment::ALL.into_iter().zip(quotas) {
            let cell = cells.get(&(corpus, in_cell.to_owned(), class)).unwrap_or(&empty);
            for index in cell.iter().take(quota) {
                chosen[*index] = true;
                taken += 1;
            }
        }
        if taken < wanted {
            shortfalls.push(Shortfall {
                corpus: corpus.name().to_owned(),
                stratum: stratum.to_owned(),
                wanted,
                taken,
            });
        }
    };
    if !none_of(Corpus::ChSims) {
        for (stratum, wanted) in CH_SIMS_TARGETS {
            let available = Sentiment::ALL
                .map(|class| cells.get(&(Corpus::ChSims, stratum.to_owned(), class)).map_or(0, Vec::len));
            take(Corpus::ChSims, stratum, even_quotas(wanted, available), wanted, stratum);
        }
    }
    if !none_of(Corpus::CmuMosi) {
        for (class, wanted) in Sentiment::ALL.into_iter().zip(MOSI_TARGETS) {
            let mut quotas = [0; 5];
            quotas[class.index()] = wanted;
            take(Corpus::CmuMosi, class.name(), quotas, wanted, "");
        }
    }
    let is_free = |s: &Sample| Corpus::ALL.iter().all(|c| c.name() != s.corpus);
    let chosen_samples =
        samples.into_iter().zip(chosen).filter(|(s, c)| *c || is_free(s)).map(|(s, _)| s).collect();
    (chosen_samples, shortfalls)
}

/// Corpus, stratum and class of the ground truth.
type Cell = (Corpus, String, Sentiment);

/// Indices by corpus, stratum and class, in seeded order of the ids. The stratum of CMU-MOSI is empty.
fn cells(samples: &[Sample], rules: SubsetRules, seed: u64) -> BTreeMap<Cell, Vec<usize>> {
    let mut cells: BTreeMap<Cell, Vec<(u64, String, usize)>> = BTreeMap::new();
    for (index, sample) in samples.iter().enumerate() {
        let Some(corpus) = Corpus::ALL.into_iter().find(|c| c.name() == sample.corpus) else { continue };
        let stratum = match corpus {
            Corpus::CmuMosi => String::new(),
            Corpus::ChSims => match stratum(sample, rules) {
                Some(stratum) => stratum.to_owned(),
                None => continue,
            },
        };
        let id = sample.id();
        cells.entry((corpus, stratum, sample.labels.ground_truth.class)).or_default().push((
            seeded_key(seed, &id),
            id,
            index,
        ));
    }
    cells
        .into_iter()
        .map(|(cell, mut members)| {
            members.sort_unstable();
            (cell, members.into_iter().map(|(_, _, index)| index).collect())
        })
        .collect()
}

/// `conflict`, `equal` or `same-polarity`; `None` where labels are missing.
pub(crate) fn stratum(sample: &Sample, rules: SubsetRules) -> Option<&'static str> {
    match rules.subset(&sample.labels, ModalitySet::FULL)? {
        Subset::Conflict => Some(Subset::Conflict.name()),
        _ => rules.agreement(&sample.labels).map(Agreement::name),
    }
}

/// Shares `wanted` evenly over classes that hold `available`: what a class cannot give is asked of the others.
fn even_quotas(wanted: usize, available: [usize; 5]) -> [usize; 5] {
    let mut quotas = [0; 5];
    let mut left = wanted.min(available.iter().sum());
    while left > 0 {
        let open = (0..5).filter(|c| quotas[*c] < available[*c]).count();
        let share = (left / open).max(1);
        for class in 0..5 {
            let more = share.min(available[class] - quotas[class]).min(left);
            quotas[class] += more;
            left -= more;
        }
    }
    quotas
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_are_even_where_there_is_enough() {
        assert_eq!(even_quotas(1000, [400; 5]), [200; 5]);
        assert_eq!(even_quotas(7, [9; 5]), [2, 2, 1, 1, 1]);
    }

    /// Same-polarity has no Neutral clip: a Neutral clip whose modalities are Neutral is Equal.
    #[test]
    fn what_a_class_lacks_the_others_give() {
        assert_eq!(even_quotas(500, [300, 300, 0, 300, 300]), [125, 125, 0, 125, 125]);
        assert_eq!(even_quotas(500, [20, 300, 0, 300, 300]), [20, 160, 0, 160, 160]);
    }

    #[test]
    fn a_shortage_takes_everything() {
        assert_eq!(even_quotas(100, [1, 2, 3, 4, 5]), [1, 2, 3, 4, 5]);
        assert_eq!(even_quotas(0, [5; 5]), [0; 5]);
        assert_eq!(even_quotas(5, [0; 5]), [0; 5]);
    }
}
