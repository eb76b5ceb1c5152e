//! The rows of the report: every corpus, coalition and subset that occurs, and what is pooled over them.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;

use emomm_dataset::{ModalitySet, Sentiment, Subset};
use emomm_metrics::MetricError;
use serde::Serialize;

use super::answers::AnswerRow;
use super::interval::{Interval, by_cluster, intervals};
use super::subset::{EVERY_ROW, or_all};
use super::tally::Tally;
use super::{ALL_CORPORA, ScoreOptions};

/// A coalition, or what the paper's column "Overall" pools: the full clip and its three masked copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Shown {
    Overall,
    Coalition(ModalitySet),
}

impl Shown {
    /// The word in JSON.
    fn word(self) -> String {
        match self {
            Self::Overall => "overall".to_owned(),
            Self::Coalition(coalition) => coalition.to_string(),
        }
    }
}

/// Whether "Overall" pools this coalition: full clips and pairs, not single modalities and none.
pub(super) fn is_pooled(coalition: ModalitySet) -> bool {
    coalition.len() >= 2
}

/// One row of the report. The field names are the JSON contract of `emomm score --json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScoreRow {
    /// `all` (here `None`), `align`, `conflict`, `equal`, `same-polarity`, `missing-align` or `missing-conflict`.
    #[serde(serialize_with = "or_all")]
    pub subset: Option<Subset>,
    /// The coalition's word, or `overall`.
    pub coalition: String,
    /// A corpus, or `all`.
    pub corpus: String,
    /// Samples.
    pub n: usize,
    /// Samples with an answer.
    pub n_parsed: usize,
    /// Clusters behind the intervals.
    pub n_clusters: usize,
    /// Acc over the five classes.
    pub acc: Option<Interval>,
    /// Macro F1 over the five classes.
    pub macro_f1: Option<Interval>,
    /// Weighted F1 over the five classes.
    pub weighted_f1: Option<Interval>,
    /// Unweighted average recall over the five classes.
    pub uar: Option<Interval>,
    /// ACC-2.
    pub acc2: Option<Interval>,
    /// ACC-3.
    pub acc3: Option<Interval>,
    /// MAE, every answer being its class centre.
    pub mae: Option<Interval>,
    /// MAE, the stated score where it agrees with its class, else the centre.
    pub mae_reply: Option<Interval>,
    /// Pearson's r between true scores and class centres.
    pub pearson: Option<Interval>,
    /// Pearson's r between true scores and the scores of `mae_reply`.
    pub pearson_reply: Option<Interval>,
    /// Samples whose stated score agrees with its class.
    pub n_stated: usize,
    /// Samples with an answer and a stated score that was not used, because it does not agree.
    pub n_disagreeing: usize,
    /// Classes that no sample truly has.
    pub absent: Vec<Sentiment>,
}

impl ScoreRow {
    /// The word of the subset, `all` for none in particular.
    pub fn subset_name(&self) -> &'static str {
        self.subset.map_or(EVERY_ROW, Subset::name)
    }
}

/// Which row: corpus (`None` for all), coalition, subset (`None` for all).
type Key<'a> = (Option<&'a str>, Shown, Option<Subset>);

/// Computes all rows: corpora by name and then all; coalitions with the pooled ones first; subsets in their order.
pub(super) fn rows(answers: &[AnswerRow], options: &ScoreOptions) -> Result<Vec<ScoreRow>, MetricError> {
    let mut members: BTreeMap<Key<'_>, Vec<usize>> = BTreeMap::new();
    for (index, row) in answers.iter().enumerate() {
        for key in keys(row) {
            members.entry(key).or_default().push(index);
        }
    }
    // Rows of the same samples, as those of the only corpus and of all corpora, are computed once.
    let mut distinct: Vec<&Vec<usize>> = members.values().collect();
    distinct.sort_unstable();
    distinct.dedup();
    let computed = in_parallel(&distinct, |samples| row(answers, samples, options))?;
    let mut rows = Vec::with_capacity(members.len());
    // Named corpora first, all corpora last.
    let order =
        members.iter().filter(|(k, _)| k.0.is_some()).chain(members.iter().filter(|(k, _)| k.0.is_none()));
    for ((corpus, shown, subset), samples) in order {
        let Ok(at) = distinct.binary_search(&samples) else { continue };
        rows.push(ScoreRow {
            subset: *subset,
            coalition: shown.word(),
            corpus: corpus.unwrap_or(ALL_CORPORA).to_owned(),
            ..computed[at].clone()
        });
    }
    Ok(rows)
}

/// The words of the subsets that what was shown belongs to.
pub(super) fn subset_words(row: &AnswerRow) -> Vec<String> {
    Subset::ALL.into_iter().filter(|s| row.is_in(*s)).map(|s| s.to_string()).collect()
}

/// The rows that a sample enters, each once.
///
/// A masked copy also enters the rows of its whole clip's subset, for its own coalition: the accuracy of V alone on
/// Conflict (Figure 3) is of clips in Conflict, whatever V by itself says. What is pooled stays by what was shown.
fn keys(row: &AnswerRow) -> BTreeSet<Key<'_>> {
    let own = Shown::Coalition(row.coalition);
    let pooled = is_pooled(row.coalition).then_some(Shown::Overall);
    let mut places = BTreeSet::new();
    for shown in [Some(own), pooled].into_iter().flatten() {
        places.insert((shown, None));
        places.extend(Subset::ALL.into_iter().filter(|s| row.is_in(*s)).map(|s| (shown, Some(s))));
    }
    let of_clip = |s: &Subset| row.clip_subset.is_some_and(|clip| clip.is_within(*s));
    places.extend(Subset::ALL.into_iter().filter(of_clip).map(|s| (own, Some(s))));
    let corpora = [None, Some(row.corpus.name.as_str())];
    let of_corpus = |corpus| places.iter().map(move |(shown, subset)| (corpus, *shown, *subset));
    corpora.into_iter().flat_map(of_corpus).collect()
}

fn row(answers: &[AnswerRow], samples: &[usize], options: &ScoreOptions) -> Result<ScoreRow, MetricError> {
    let chosen = samples.iter().map(|i| &answers[*i]);
    let clusters: Vec<Tally> =
        by_cluster(chosen, options.cluster, |sum: &mut Tally, row| *sum += &Tally::of(row));
    let mut all = Tally::default();
    for cluster in &clusters {
        all += cluster;
    }
    let [acc, macro_f1, weighted_f1, uar, acc2, acc3, mae, mae_reply, pearson, pearson_reply] =
        intervals(&clusters, options.bootstrap, |tally: &Tally| {
            let c = tally.classification(options.unparsed, options.acc2);
            [
                c.acc,
                c.macro_f1,
                c.weighted_f1,
                c.uar,
                c.acc2,
                c.acc3,
                tally.mae(),
                tally.mae_reply(),
                tally.pearson(),
                tally.pearson_reply(),
            ]
        })?;
    let classes = all.classification(options.unparsed, options.acc2);
    Ok(ScoreRow {
        subset: None,
        coalition: String::new(),
        corpus: String::new(),
        n: classes.n,
        n_parsed: classes.n_parsed,
        n_clusters: clusters.len(),
        acc,
        macro_f1,
        weighted_f1,
        uar,
        acc2,
        acc3,
        mae,
        mae_reply,
        pearson,
        pearson_reply,
        n_stated: all.n_stated(),
        n_disagreeing: all.n_offered() - all.n_stated(),
        absent: classes.absent,
    })
}

/// `f` of every item, in order. Every item has resamples of its own, so the number of threads changes nothing.
fn in_parallel<I: Sync, O: Send, E: Send>(
    items: &[I],
    f: impl Fn(&I) -> Result<O, E> + Sync,
) -> Result<Vec<O>, E> {
    let threads = thread::available_parallelism().map_or(1, usize::from).min(items.len().max(1));
    let f = &f;
    let shares: Vec<Vec<(usize, Result<O, E>)>> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|first| {
                scope.spawn(move || {
                    let mine = items.iter().enumerate().skip(first).step_by(threads);
                    mine.map(|(index, item)| (index, f(item))).collect()
                })
            })
            .collect();
        workers.into_iter().map(|w| w.join().expect("a worker does not panic")).collect()
    });
    let mut results: Vec<(usize, Result<O, E>)> = shares.into_iter().flatten().collect();
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}
