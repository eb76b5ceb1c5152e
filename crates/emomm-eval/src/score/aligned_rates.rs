//! GTAR of Eq. (3) and (4) with intervals: how often the model is right where a modality is right and another wrong.

use emomm_dataset::{ModalitySet, PerModality};
use emomm_metrics::{AlignedRate, Gtar, GtarOptions, GtarSample, MetricError};
use serde::Serialize;

use super::answers::AnswerRow;
use super::interval::{Interval, by_cluster, intervals};
use super::rows::is_pooled;
use super::{ScoreOptions, corpora};

/// GTAR over full clips and pairs, and over parts of them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GtarReport {
    /// Over the full clips and pairs of all corpora.
    #[serde(flatten)]
    pub all: GtarFigures,
    /// Over the full clips, and over their pairs (Figure 9a).
    pub subsets: GtarBySubset,
    /// Over the clips under one coalition, by its word.
    pub coalitions: serde_json::Map<String, serde_json::Value>,
    /// Over the full clips and pairs of one corpus, by its name.
    pub corpora: serde_json::Map<String, serde_json::Value>,
}

/// GTAR by what a sample shows. No sample without a conflict enters, so the words are those of the subsets.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct GtarBySubset {
    /// Of full clips.
    pub conflict: Option<GtarFigures>,
    /// Of their pairs of modalities.
    pub missing_conflict: Option<GtarFigures>,
}

/// GTAR of some samples.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GtarFigures {
    /// GTAR_m; n is Σ a_x^m, the denominator of Eq. (4). Null where that is 0.
    #[serde(flatten)]
    pub rates: PerModality<Option<Interval>>,
    /// Σ a_x^m c_x by modality: the numerators.
    pub numerators: PerModality<usize>,
    /// Σ a_x^m by modality: the denominators.
    pub denominators: PerModality<usize>,
    /// Samples in conflict.
    pub n_conflict: usize,
    /// Samples left out because a modality that was shown has no label.
    pub n_unlabelled: usize,
    /// Samples in conflict that were left out because there is no answer; 0 where those count as wrong.
    pub n_unparsed: usize,
}

#[derive(Debug, Default)]
struct Sums(Gtar);

impl std::ops::AddAssign<&Sums> for Sums {
    fn add_assign(&mut self, Sums(other): &Self) {
        for (m, rate) in other.rates.iter() {
            let sum = self.0.rates.get_mut(m);
            sum.numerator += rate.numerator;
            sum.denominator += rate.denominator;
        }
        self.0.n_conflict += other.n_conflict;
        self.0.n_unlabelled += other.n_unlabelled;
        self.0.n_unparsed += other.n_unparsed;
    }
}

/// Computes GTAR; `None`, with a note, where no row has the labels of the modalities that it was shown.
pub(super) fn report(
    rows: &[AnswerRow],
    options: &ScoreOptions,
) -> Result<(Option<GtarReport>, Vec<String>), MetricError> {
    let pooled: Vec<&AnswerRow> = rows.iter().filter(|row| is_pooled(row.coalition)).collect();
    let is_labelled = |row: &&AnswerRow| row.coalition.iter().all(|m| row.labels.modality(m).is_some());
    if pooled.is_empty() {
        return Ok((None, vec!["no GTAR: it needs rows that show two modalities or three".to_owned()]));
    }
    if !pooled.iter().any(is_labelled) {
        let note = "no GTAR: no row has label_T, label_A and label_V of the modalities that it shows";
        return Ok((None, vec![note.to_owned()]));
    }
    let of = |keep: &dyn Fn(&AnswerRow) -> bool| {
        let part: Vec<&AnswerRow> = pooled.iter().copied().filter(|row| keep(row)).collect();
        if part.is_empty() { Ok(None) } else { figures(&part, options).map(Some) }
    };
    let Some(all) = of(&|_| true)? else { return Ok((None, Vec::new())) };
    let subsets = GtarBySubset {
        conflict: of(&|row| row.coalition == ModalitySet::FULL)?,
        missing_conflict: of(&|row| row.coalition != ModalitySet::FULL)?,
    };
    let mut coalitions = serde_json::Map::new();
    for coalition in ModalitySet::ALL {
        if let Some(figures) = of(&|row| row.coalition == coalition)? {
            coalitions.insert(coalition.to_string(), serde_json::json!(figures));
        }
    }
    let mut by_corpus = serde_json::Map::new();
    for name in corpora(rows) {
        by_corpus.insert(name.to_owned(), serde_json::json!(of(&|row| row.corpus.name == name)?));
    }
    let mut notes = Vec::new();
    if all.n_unlabelled > 0 {
        notes
            .push(format!("GTAR leaves out {} rows that lack a label of a shown modality", all.n_unlabelled));
    }
    Ok((Some(GtarReport { all, subsets, coalitions, corpora: by_corpus }), notes))
}

fn figures(rows: &[&AnswerRow], options: &ScoreOptions) -> Result<GtarFigures, MetricError> {
    let reading = GtarOptions { reading: options.gtar, unparsed: options.unparsed };
    let clusters: Vec<Sums> = by_cluster(rows.iter().copied(), options.cluster, |sum: &mut Sums, row| {
        let sample = GtarSample { available: row.coalition, labels: row.labels, predicted: row.answer };
        *sum += &Sums(Gtar::of([sample], reading));
    });
    let mut all = Sums::default();
    for cluster in &clusters {
        all += cluster;
    }
    let [text, audio, video] = intervals(&clusters, options.bootstrap, |Sums(sum): &Sums| {
        let rates = sum.rates;
        [rates.text, rates.audio, rates.video].map(AlignedRate::figure)
    })?;
    let Sums(sum) = all;
    Ok(GtarFigures {
        rates: PerModality { text, audio, video },
        numerators: sum.rates.map(|rate| rate.numerator),
        denominators: sum.rates.map(|rate| rate.denominator),
        n_conflict: sum.n_conflict,
        n_unlabelled: sum.n_unlabelled,
        n_unparsed: sum.n_unparsed,
    })
}
