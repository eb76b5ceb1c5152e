//! Two sets of answers to the same samples: paired differences, tests by cluster, flips.
//!
//! Differences are second minus first. Intervals draw whole clusters; p-values swap the two answers of whole clusters,
//! and are those of McNemar's exact test where every cluster holds one sample. The p-values of each figure over the
//! subsets are a family and are corrected after Holm.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use emomm_dataset::{ModalitySet, Sentiment};
use emomm_metrics::{
    Acc2, BootstrapOptions, Clusters, Comparison, Family, Figure, Flips, MetricError, PermutationOptions,
    Unparsed, mcnemar, swap_test,
};
use serde::Serialize;
use thiserror::Error;

use super::answers::AnswerRow;
use super::clip;
use super::interval::{ClusterBy, by_cluster, intervals};
use super::rows::is_pooled;
use super::tally::Tally;

/// Samples that only one side has, named in an error.
const NAMED: usize = 3;

/// What is drawn and swapped, how often, from which seed.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct CompareOptions {
    /// What is drawn and swapped.
    pub cluster: ClusterBy,
    /// Intervals.
    pub bootstrap: BootstrapOptions,
    /// Tests.
    pub permutation: PermutationOptions,
}

/// Why two sets of answers cannot be compared.
#[derive(Debug, Error)]
pub enum CompareError {
    /// One side has samples that the other lacks.
    #[error(
        "the sample sets differ: {only_a} rows only in the first, {only_b} only in the second ({examples})"
    )]
    UnlikeSamples {
        /// Rows that only the first has.
        only_a: usize,
        /// Rows that only the second has.
        only_b: usize,
        /// Some of them.
        examples: String,
    },
    /// The sides do not agree on what is true.
    #[error("the true labels of {sample} differ")]
    UnlikeTruth {
        /// The clip.
        sample: String,
    },
    /// There is nothing to compare.
    #[error("there is no row to compare")]
    Empty,
    /// A figure could not be computed.
    #[error(transparent)]
    Metric(#[from] MetricError),
}

impl CompareError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::UnlikeSamples { .. } => Some(
                "let both runs end, on the same selection; or compare what both have with --common"
                    .to_owned(),
            ),
            Self::UnlikeTruth { .. } => Some("compare runs on the same benchmark".to_owned()),
            Self::Empty => Some("let the runs compute something first".to_owned()),
            Self::Metric(error) => error.hint(),
        }
    }
}

/// A figure of both sides and their difference.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Difference {
    /// Of the first.
    pub a: f64,
    /// Of the second.
    pub b: f64,
    /// Second minus first.
    pub delta: f64,
    /// Lower end of the 95 % interval of `delta`; null with fewer than two clusters.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
    /// Two-sided p-value of no difference; null where there is none.
    pub p: Option<f64>,
    /// Samples behind it.
    pub n: usize,
}

/// One part of the rows, compared.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComparedPart {
    /// Rows of each side.
    pub n: usize,
    /// Clusters behind intervals and tests.
    pub n_clusters: usize,
    /// Acc; a missing answer is wrong.
    pub acc: Option<Difference>,
    /// Macro F1; a missing answer is wrong.
    pub macro_f1: Option<Difference>,
    /// MAE with stated scores, over the rows that both sides answered.
    pub mae: Option<Difference>,
    /// How right and wrong changed from the first to the second.
    pub flips: FlipCounts,
    /// McNemar's exact p-value of the flips, which takes samples as independent.
    pub mcnemar: Option<f64>,
}

/// Flips.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct FlipCounts {
    /// Rows that only the first got right.
    pub right_to_wrong: usize,
    /// Rows that only the second got right.
    pub wrong_to_right: usize,
}

/// A row whose answer is right on one side only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FlippedRow {
    /// The clip.
    pub sample: String,
    /// What was shown.
    pub coalition: ModalitySet,
    /// Answer of the first.
    pub a: Option<Sentiment>,
    /// Answer of the second.
    pub b: Option<Sentiment>,
    /// The true class.
    pub ground_truth: Sentiment,
}

/// What `emomm compare --json` prints.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CompareReport {
    /// Which rows stand at the top: `overall` (full clips and pairs, as the paper pools them), or `all` where there are
    /// none of these.
    pub rows: &'static str,
    /// Those rows.
    #[serde(flatten)]
    pub top: ComparedPart,
    /// By subset of those rows.
    pub subsets: BTreeMap<String, ComparedPart>,
    /// By coalition, of all rows.
    pub coalitions: BTreeMap<String, ComparedPart>,
    /// By corpus of those rows.
    pub corpora: BTreeMap<String, ComparedPart>,
    /// p-values of Acc over the subsets, corrected after Holm.
    pub holm: Family,
    /// Those of macro F1.
    pub holm_macro_f1: Family,
    /// Those of MAE.
    pub holm_mae: Family,
    /// How it was computed.
    pub options: CompareOptions,
    /// Rows that were left out because only one side has them.
    pub n_left_out: usize,
    /// The flips.
    pub flipped: Vec<FlippedRow>,
}

/// A row of both sides.
type Pair<'a> = (&'a AnswerRow, &'a AnswerRow);

/// Compares answers, sorted as [`super::read`] and [`super::of_run`] give them. `common` leaves out what only one side
/// has.
pub fn compare(
    a: &[AnswerRow],
    b: &[AnswerRow],
    common: bool,
    options: &CompareOptions,
) -> Result<CompareReport, CompareError> {
    let (pairs, n_left_out) = paired(a, b, common)?;
    if let Some((a, _)) = pairs.iter().find(|(a, b)| a.labels.ground_truth != b.labels.ground_truth) {
        return Err(CompareError::UnlikeTruth { sample: a.id.clone() });
    }
    let pooled: Vec<Pair<'_>> = pairs.iter().copied().filter(|(a, _)| is_pooled(a.coalition)).collect();
    let (rows, top) = if pooled.is_empty() { ("all", pairs.clone()) } else { ("overall", pooled) };
    let subsets = parts(&top, options, super::rows::subset_words)?;
    let corpora = parts(&top, options, |row| vec![row.corpus.name.clone()])?;
    let coalitions = parts(&pairs, options, |row| vec![row.coalition.to_string()])?;
    let family = |title: &str, word: &str, of: fn(&ComparedPart) -> Option<Difference>| {
        let comparisons = subsets.iter().filter_map(|(name, part)| {
            Some(Comparison { name: format!("{name}, {word}"), p_value: of(part)?.p? })
        });
        Family::adjust(title, comparisons.collect())
    };
    let holm = family("accuracy by subset", "acc", |part| part.acc)?;
    let holm_macro_f1 = family("macro F1 by subset", "macro_f1", |part| part.macro_f1)?;
    let holm_mae = family("MAE by subset", "mae", |part| part.mae)?;
    let flipped = top.iter().filter(|(a, b)| is_right(a) != is_right(b)).map(|(a, b)| FlippedRow {
        sample: a.id.clone(),
        coalition: a.coalition,
        a: a.answer,
        b: b.answer,
        ground_truth: a.labels.ground_truth,
    });
    Ok(CompareReport {
        rows,
        flipped: flipped.collect(),
        top: part(&top, options)?,
        subsets,
        coalitions,
        corpora,
        holm,
        holm_macro_f1,
        holm_mae,
        options: *options,
        n_left_out,
    })
}

fn is_right(row: &AnswerRow) -> bool {
    row.answer == Some(row.labels.ground_truth)
}

/// Rows of both sides by corpus, clip and coalition.
fn paired<'a>(
    a: &'a [AnswerRow],
    b: &'a [AnswerRow],
    common: bool,
) -> Result<(Vec<Pair<'a>>, usize), CompareError> {
    let of_b: BTreeMap<_, &AnswerRow> = b.iter().map(|row| (clip::key(row), row)).collect();
    let of_a: BTreeMap<_, &AnswerRow> = a.iter().map(|row| (clip::key(row), row)).collect();
    let only_a: Vec<&AnswerRow> = a.iter().filter(|row| !of_b.contains_key(&clip::key(row))).collect();
    let only_b: Vec<&AnswerRow> = b.iter().filter(|row| !of_a.contains_key(&clip::key(row))).collect();
    let n_left_out = only_a.len() + only_b.len();
    if n_left_out > 0 && !common {
        let named = only_a.iter().chain(&only_b).take(NAMED);
        let examples: Vec<String> = named.map(|r| format!("{} under {}", r.id, r.coalition)).collect();
        return Err(CompareError::UnlikeSamples {
            only_a: only_a.len(),
            only_b: only_b.len(),
            examples: examples.join(", "),
        });
    }
    let pairs: Vec<Pair<'a>> =
        a.iter().filter_map(|row| of_b.get(&clip::key(row)).map(|other| (row, *other))).collect();
    if pairs.is_empty() { Err(CompareError::Empty) } else { Ok((pairs, n_left_out)) }
}

fn parts(
    pairs: &[Pair<'_>],
    options: &CompareOptions,
    names: impl Fn(&AnswerRow) -> Vec<String>,
) -> Result<BTreeMap<String, ComparedPart>, CompareError> {
    let mut members: BTreeMap<String, Vec<Pair<'_>>> = BTreeMap::new();
    for pair in pairs {
        for name in names(pair.0) {
            members.entry(name).or_default().push(*pair);
        }
    }
    members.into_iter().map(|(name, pairs)| Ok((name, part(&pairs, options)?))).collect()
}

/// Sums of both sides.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    a: Tally,
    b: Tally,
    /// Of the rows that both answered.
    both_a: Tally,
    both_b: Tally,
}

impl Sums {
    fn add(&mut self, (a, b): Pair<'_>) {
        let (of_a, of_b) = (Tally::of(a), Tally::of(b));
        self.a += &of_a;
        self.b += &of_b;
        if a.answer.is_some() && b.answer.is_some() {
            self.both_a += &of_a;
            self.both_b += &of_b;
        }
    }

    fn swapped(&self) -> Self {
        Self { a: self.b, b: self.a, both_a: self.both_b, both_b: self.both_a }
    }

    /// Acc, macro F1 and MAE of both sides.
    fn figures(&self) -> [Option<(Figure, Figure)>; 3] {
        let classes = |t: &Tally| t.classification(Unparsed::Wrong, Acc2::default());
        let (a, b) = (classes(&self.a), classes(&self.b));
        [a.acc.zip(b.acc), a.macro_f1.zip(b.macro_f1), self.both_a.mae_reply().zip(self.both_b.mae_reply())]
    }
}

impl AddAssign<&Sums> for Sums {
    fn add_assign(&mut self, other: &Self) {
        self.a += &other.a;
        self.b += &other.b;
        self.both_a += &other.both_a;
        self.both_b += &other.both_b;
    }
}

fn part(pairs: &[Pair<'_>], options: &CompareOptions) -> Result<ComparedPart, CompareError> {
    let other: BTreeMap<_, &AnswerRow> = pairs.iter().map(|(a, b)| (clip::key(a), *b)).collect();
    let clusters: Vec<Sums> =
        by_cluster(pairs.iter().map(|(a, _)| *a), options.cluster, |sums: &mut Sums, a| {
            if let Some(b) = other.get(&clip::key(a)) {
                sums.add((a, b));
            }
        });
    let mut all = Sums::default();
    for cluster in &clusters {
        all += cluster;
    }
    let deltas = |sums: &Sums| {
        sums.figures().map(|both| both.map(|(a, b)| Figure { value: b.value - a.value, n: a.n }))
    };
    let spread = intervals(&clusters, options.bootstrap, deltas)?;
    let flips = Flips::of(pairs.iter().map(|(a, b)| (is_right(a), is_right(b))));
    let exact = mcnemar(flips);
    let is_single = clusters.len() == pairs.len();
    let mut found: [Option<Difference>; 3] = [None; 3];
    for (i, both) in all.figures().into_iter().enumerate() {
        let (Some((a, b)), Some(spread)) = (both, spread[i]) else { continue };
        let p = if i == 0 && is_single { exact } else { p_value(&clusters, i, options)? };
        found[i] = Some(Difference {
            a: a.value,
            b: b.value,
            delta: b.value - a.value,
            low: spread.low,
            high: spread.high,
            p,
            n: a.n,
        });
    }
    let [acc, macro_f1, mae] = found;
    let counts = FlipCounts { right_to_wrong: flips.right_to_wrong, wrong_to_right: flips.wrong_to_right };
    let (n, n_clusters) = (pairs.len(), clusters.len());
    Ok(ComparedPart { n, n_clusters, acc, macro_f1, mae, flips: counts, mcnemar: exact })
}

/// Swaps the sides of whole clusters.
fn p_value(clusters: &[Sums], figure: usize, options: &CompareOptions) -> Result<Option<f64>, MetricError> {
    let swapped: Vec<Sums> = clusters.iter().map(Sums::swapped).collect();
    let test = swap_test(&Clusters::singletons(clusters.len()), options.permutation, |swap| {
        let mut sums = Sums::default();
        for (cluster, is_swapped) in swap.iter().enumerate() {
            sums += if *is_swapped { &swapped[cluster] } else { &clusters[cluster] };
        }
        sums.figures()[figure].map(|(a, b)| b.value - a.value)
    })?;
    Ok(test.map(|t| t.p_value))
}
