//! A selection of clips with given tables: marginal counts as in Table 3, C_ij as in Table 4, subset sizes.
//!
//! Clips with the same four classes are exchangeable, so the unknowns are how many of each kind are taken: a few hundred
//! integers under at most 30 linear conditions. Every condition may be missed at a cost of one for each unit, and the
//! total is minimized: zero is an exact match; a bound above zero proves that none exists, and a total that reaches its bound
//! is the nearest. The solver counts nodes, not seconds, so that the answer is the same on every machine.

use std::collections::BTreeMap;
use std::path::Path;

use microlp::{ComparisonOp, OptimizationDirection, Problem, SolveOptions};
use serde::{Deserialize, Serialize};

use super::curation::stratum;
use super::nearest::Conditions;
use super::sample::Sample;
use crate::error::DatasetError;
use crate::modality::Modality;
use crate::readers::text_file::read_bytes;
use crate::seeded::seeded_key;
use crate::sentiment::Sentiment;
use crate::subset::SubsetRules;

/// Nodes of branch and bound: where the walk leaves a gap, this many are spent on closing or proving it.
const MAX_NODES: u64 = 2_000;

/// What the relaxed bound may be off by, from the solver's tolerance.
const BOUND_ERROR: f64 = 1e-4;

/// Half a unit of the fourth decimal, to which Table 4 gives C_ij.
const CONSISTENCY_ERROR: f64 = 0.5e-4;

/// What a sum of distances may be off by after it went through doubles: a half unit counts as rounded either way.
const SUM_ERROR: f64 = 1e-6;

/// No corpus has more clips.
const MAX_COUNT: usize = 1_000_000_000;

/// Ground truth and modalities, by the keys of the tables.
const SOURCES: [&str; 4] = ["ground_truth", "text", "audio", "video"];

/// Pairs of [`SOURCES`], by the keys of the tables.
const PAIRS: [(&str, usize, usize); 6] = [
    ("gt_text", 0, 1),
    ("gt_audio", 0, 2),
    ("gt_video", 0, 3),
    ("text_audio", 1, 2),
    ("text_video", 1, 3),
    ("audio_video", 2, 3),
];

/// Keys of the statistics of a corpus; tables are met in the first four.
const TABLES: [&str; 7] = ["n", "classes", "consistency", "subsets", "missing", "splits", "groups"];

/// Subsets of the statistics that follow from the selection and from the others.
const PASSED_OVER: [&str; 4] = ["unknown", "missing-align", "missing-conflict", "missing-unknown"];

/// Subsets that can be asked for.
const SUBSETS: [&str; 4] = ["align", "conflict", "equal", "same-polarity"];

/// Tables of one corpus. What is left out is left free.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct CorpusTables {
    /// Number of clips; if it is left out, the sum of the ground truth's row of classes, or of the row that has most.
    pub n: Option<usize>,
    /// Counts N, WN, Neu, WP, P by `ground_truth`, `text`, `audio`, `video` (Table 3).
    #[serde(default)]
    pub classes: BTreeMap<String, Option<[usize; 5]>>,
    /// C_ij by `gt_text`, …, `audio_video` to four decimals (Eq. 1, Table 4), over the clips that both have labelled.
    #[serde(default)]
    pub consistency: BTreeMap<String, Option<f64>>,
    /// Sizes of `align`, `conflict`, `equal`, `same-polarity`. Others are passed over.
    #[serde(default)]
    pub subsets: BTreeMap<String, usize>,
}

impl CorpusTables {
    /// Clips that a source has labelled, by its row of classes.
    fn labelled(&self, source: &str) -> Option<usize> {
        self.classes.get(source)?.map(|counts| counts.iter().sum())
    }
}

/// Tables by corpus, in the form in which statistics are printed as JSON.
pub type TargetTables = BTreeMap<String, CorpusTables>;

/// How well the tables of a corpus were met.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableMatch {
    /// The corpus.
    pub corpus: String,
    /// Whether every table is met.
    pub is_exact: bool,
    /// Whether it is proven that no selection is nearer; true for every exact match.
    pub is_nearest: bool,
    /// Units by which the selection misses the tables: clips, and for C_ij steps between classes. A clip too few or
    /// too many counts 20.
    #[serde(default)]
    pub missed: i64,
    /// Units by which every selection misses them, proven. Above 0, the tables cannot be met.
    #[serde(default)]
    pub missed_by_all: i64,
    /// What is missed.
    pub deviations: Vec<Deviation>,
}

/// A condition that is not met.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deviation {
    /// For example `text/neutral`, `gt_video`, `conflict`.
    pub table: String,
    /// The target: a count, or C_ij.
    pub wanted: f64,
    /// What the nearest selection has.
    pub found: f64,
}

/// Reads tables from JSON: an object by corpus.
///
/// # Errors
/// Another form, or a key that statistics do not have: a table that is passed over would seem to be met.
pub fn read_target_tables(path: &Path) -> Result<TargetTables, DatasetError> {
    let bytes = read_bytes(path)?;
    let failed = |message: String| DatasetError::Json { path: path.to_owned(), message };
    let keys: BTreeMap<String, BTreeMap<String, serde_json::Value>> =
        serde_json::from_slice(&bytes).map_err(|error| failed(error.to_string()))?;
    for (corpus, tables) in &keys {
        if let Some(key) = tables.keys().find(|key| !TABLES.contains(&key.as_str())) {
            return Err(failed(format!("{corpus}: found {key}, expected {}", TABLES.join(", "))));
        }
    }
    serde_json::from_slice(&bytes).map_err(|error| failed(error.to_string()))
}

/// What it costs to miss the number of clips by one; to miss any other count by one costs 1.
const COUNT_PRICE: i64 = 20;

/// Clips that are exchangeable: classes of GT, T, A, V and stratum.
type Kind = ([Option<Sentiment>; 4], Option<&'static str>);

/// A linear condition on the counts of kinds: at least `low` and at most `high`.
struct Condition {
    table: String,
    wanted: f64,
    /// Weight of each kind, in the order of the kinds.
    weights: Vec<i64>,
    low: i64,
    high: i64,
    /// From a weighted sum to the figure of the table, which is over so many clips.
    figure: fn(i64, usize) -> f64,
    /// The kinds that the figure is over.
    over: Vec<bool>,
    /// How many clips of them `low` and `high` are for.
    n: usize,
}

/// The chosen samples of one corpus.
pub(crate) fn select(
    corpus: &str,
    samples: Vec<Sample>,
    tables: &CorpusTables,
    rules: SubsetRules,
    seed: u64,
) -> Result<(Vec<Sample>, TableMatch), DatasetError> {
    check_counts(tables)?;
    let mut kinds: BTreeMap<Kind, Vec<(u64, usize)>> = BTreeMap::new();
    for (index, sample) in samples.iter().enumerate() {
        kinds.entry(kind_of(sample, rules)).or_default().push((seeded_key(seed, &sample.id()), index));
    }
    let n = tables
        .n
        .or_else(|| tables.labelled("ground_truth"))
        .or_else(|| SOURCES.iter().filter_map(|source| tables.labelled(source)).max())
        .unwrap_or(samples.len());
    let conditions = conditions_of(tables, &kinds.keys().copied().collect::<Vec<_>>(), n)?;
    let sizes: Vec<usize> = kinds.values().map(Vec::len).collect();
    let Selection { counts, missed, missed_by_all } = solve(&sizes, &conditions, seed)?;

    let mut chosen = vec![false; samples.len()];
    for (members, count) in kinds.values_mut().zip(&counts) {
        members.sort_unstable();
        for (_, index) in members.iter().take(*count) {
            chosen[*index] = true;
        }
    }
    let deviations: Vec<Deviation> = conditions
        .iter()
        .filter_map(|condition| {
            let sum: i64 = condition.weights.iter().zip(&counts).map(|(w, c)| w * *c as i64).sum();
            let over = condition.over.iter().zip(&counts).filter(|(is_over, _)| **is_over);
            let taken = over.map(|(_, count)| count).sum();
            let found = (condition.figure)(sum, taken);
            let is_figure = taken == condition.n || (found - condition.wanted).abs() <= CONSISTENCY_ERROR;
            let is_met = (condition.low..=condition.high).contains(&sum) && is_figure;
            (!is_met).then(|| Deviation { table: condition.table.clone(), wanted: condition.wanted, found })
        })
        .collect();
    let is_exact = deviations.is_empty();
    let report = TableMatch {
        corpus: corpus.to_owned(),
        is_exact,
        is_nearest: is_exact || missed == missed_by_all,
        missed,
        missed_by_all,
        deviations,
    };
    let selected = samples.into_iter().zip(chosen).filter(|(_, c)| *c).map(|(s, _)| s).collect();
    Ok((selected, report))
}

/// Refuses counts that no corpus has: their sums would not fit.
fn check_counts(tables: &CorpusTables) -> Result<(), DatasetError> {
    let classes = tables.classes.values().flatten().flatten();
    let mut counts = tables.n.iter().chain(classes).chain(tables.subsets.values());
    match counts.find(|count| **count > MAX_COUNT) {
        None => Ok(()),
        Some(count) => Err(DatasetError::Option {
            option: "tables to match",
            found: format!("a count of {count}"),
            expected: "counts of clips, at most a billion",
        }),
    }
}

fn kind_of(sample: &Sample, rules: SubsetRules) -> Kind {
    let modality = |m: Modality| sample.labels.modality(m).map(|l| l.class);
    let classes = [
        Some(sample.labels.ground_truth.class),
        modality(Modality::Text),
        modality(Modality::Audio),
        modality(Modality::Video),
    ];
    (classes, stratum(sample, rules))
}

fn conditions_of(tables: &CorpusTables, kinds: &[Kind], n: usize) -> Result<Vec<Condition>, DatasetError> {
    let unknown = |option: &'static str, found: &str, expected: &'static str| DatasetError::Option {
        option,
        found: found.to_owned(),
        expected,
    };
    let count = |sum: i64, _| sum as f64;
    let exactly = |table: String, wanted: usize, weights: Vec<i64>| Condition {
        table,
        wanted: wanted as f64,
        weights,
        low: wanted as i64,
        high: wanted as i64,
        figure: count,
        over: vec![true; kinds.len()],
        n,
    };
    // The number of clips comes first: missing it by one costs as much as missing others by many.
    let mut conditions = vec![Condition {
        low: n as i64 * COUNT_PRICE,
        high: n as i64 * COUNT_PRICE,
        figure: |sum, _| (sum / COUNT_PRICE) as f64,
        ..exactly("n".to_owned(), n, vec![COUNT_PRICE; kinds.len()])
    }];
    for (name, counts) in &tables.classes {
        let source = SOURCES
            .iter()
            .position(|s| s == name)
            .ok_or_else(|| unknown("classes of", name, "ground_truth, text, audio or video"))?;
        for (class, wanted) in Sentiment::ALL.into_iter().zip(counts.iter().flatten()) {
            let weights = kinds.iter().map(|(c, _)| i64::from(c[source] == Some(class))).collect();
            conditions.push(exactly(format!("{name}/{}", class.name()), *wanted, weights));
        }
    }
    for (name, wanted) in tables.consistency.iter().filter_map(|(name, c)| Some((name, (*c)?))) {
        let (_, a, b) = PAIRS
            .into_iter()
            .find(|(pair, _, _)| pair == name)
            .ok_or_else(|| unknown("consistency of", name, "gt_text … audio_video"))?;
        if !(0.0..=1.0).contains(&wanted) {
            return Err(unknown("consistency", &wanted.to_string(), "a number from 0 to 1"));
        }
        let distance =
            |(c, _): &Kind| c[a].zip(c[b]).map_or(0, |(a, b)| (a.index() as i64 - b.index() as i64).abs());
        let over: Vec<bool> = kinds.iter().map(|(c, _)| c[a].is_some() && c[b].is_some()).collect();
        // Where labels are missing, the clips that both have labelled are as many as the shorter row of classes has.
        let n = if over.contains(&false) {
            let both = [a, b].into_iter().filter_map(|source| tables.labelled(SOURCES[source])).min();
            let both = both.map_or(n, |both| both.min(n));
            let weights = over.iter().map(|is_over| i64::from(*is_over)).collect();
            conditions.push(exactly(format!("{name}/labelled"), both, weights));
            both
        } else {
            n
        };
        // Eq. (1) solved for the sum of distances; the interval of rounding holds one or more whole numbers if n is
        // large, and the nearest one is taken if it holds none.
        let sum = |c: f64| (1.0 - c) * 4.0 * n as f64;
        let nearest = sum(wanted).round() as i64;
        let low = ((sum(wanted + CONSISTENCY_ERROR) - SUM_ERROR).ceil() as i64).min(nearest);
        let high = ((sum(wanted - CONSISTENCY_ERROR) + SUM_ERROR).floor() as i64).max(nearest);
        conditions.push(Condition {
            table: name.clone(),
            wanted,
            weights: kinds.iter().map(distance).collect(),
            low,
            high,
            figure: |sum, n| 1.0 - sum as f64 / (4 * n.max(1)) as f64,
            over,
            n,
        });
    }
    for (name, wanted) in tables.subsets.iter().filter(|(name, _)| !PASSED_OVER.contains(&name.as_str())) {
        if !SUBSETS.contains(&name.as_str()) {
            return Err(unknown("subsets", name, "align, conflict, equal or same-polarity"));
        }
        let belongs = |stratum: Option<&str>| match name.as_str() {
            "align" => stratum.is_some_and(|s| s != "conflict"),
            name => stratum == Some(name),
        };
        let weights = kinds.iter().map(|(_, stratum)| i64::from(belongs(*stratum))).collect();
        conditions.push(exactly(name.clone(), *wanted, weights));
    }
    Ok(conditions)
}

/// How many of each kind are taken.
#[derive(Debug, PartialEq, Eq)]
struct Selection {
    counts: Vec<usize>,
    /// What it costs.
    missed: i64,
    /// What no choice costs less than.
    missed_by_all: i64,
}

/// The cheapest choice that is found, with a bound.
///
/// The relaxed problem bounds the cost from below; a walk from its answer gives whole numbers; branch and bound is
/// asked only if these leave a gap.
fn solve(sizes: &[usize], conditions: &[Condition], seed: u64) -> Result<Selection, DatasetError> {
    let weighed: Vec<_> = conditions.iter().map(|c| (c.weights.as_slice(), c.low, c.high)).collect();
    let whole = Conditions::new(sizes, &weighed);
    // A cost is a whole number, so what is above the bound is at least the next one.
    let least = |bound: f64| (bound - BOUND_ERROR).ceil().max(0.0) as i64;
    let relaxed = program(sizes, conditions, None)?;
    let start =
        relaxed.counts.iter().zip(sizes).map(|(c, n)| (c.floor().max(0.0) as usize).min(*n)).collect();
    let walked = whole.walk(start, seed);
    let missed = whole.cost(&walked);
    let missed_by_all = least(relaxed.bound);
    if missed <= missed_by_all {
        return Ok(Selection { counts: walked, missed, missed_by_all: missed });
    }
    let integral = program(sizes, conditions, Some(&walked))?;
    let counts: Vec<usize> = integral.counts.iter().map(|c| c.round().max(0.0) as usize).collect();
    let found = whole.cost(&counts);
    let (counts, missed) = if found <= missed { (counts, found) } else { (walked, missed) };
    let missed_by_all = missed_by_all.max(least(integral.bound)).min(missed);
    Ok(Selection { counts, missed, missed_by_all })
}

/// An answer of the solver.
struct Answer {
    /// No answer costs less.
    bound: f64,
    counts: Vec<f64>,
}

/// Solves the relaxed program, or with `hint`, an assignment, the integral one.
fn program(
    sizes: &[usize],
    conditions: &[Condition],
    hint: Option<&[usize]>,
) -> Result<Answer, DatasetError> {
    let failed = |message: String| DatasetError::Option {
        option: "tables to match",
        found: message,
        expected: "tables that the solver can handle",
    };
    let mut problem = Problem::new(OptimizationDirection::Minimize);
    let kinds: Vec<_> = sizes
        .iter()
        .map(|n| match hint {
            Some(_) => problem.add_integer_var(0.0, (0, i32::try_from(*n).unwrap_or(i32::MAX))),
            None => problem.add_var(0.0, (0.0, *n as f64)),
        })
        .collect();
    for condition in conditions {
        let short = problem.add_var(1.0, (0.0, f64::INFINITY));
        let over = problem.add_var(1.0, (0.0, f64::INFINITY));
        let terms: Vec<_> = kinds
            .iter()
            .zip(&condition.weights)
            .filter(|(_, weight)| **weight != 0)
            .map(|(kind, weight)| (*kind, *weight as f64))
            .collect();
        let mut with = |slacks: &[(microlp::Variable, f64)], op, bound: i64| {
            problem.add_constraint([&terms, slacks].concat(), op, bound as f64);
        };
        if condition.low == condition.high {
            with(&[(short, 1.0), (over, -1.0)], ComparisonOp::Eq, condition.low);
        } else {
            with(&[(short, 1.0)], ComparisonOp::Ge, condition.low);
            with(&[(over, -1.0)], ComparisonOp::Le, condition.high);
        }
    }
    let mut options = SolveOptions::default();
    options.node_limit = Some(MAX_NODES);
    options.warm_start = hint.map(|counts| kinds.iter().zip(counts).map(|(k, c)| (*k, *c as f64)).collect());
    let outcome = problem.solve_with(options).map_err(|error| failed(error.to_string()))?;
    let bound = outcome.stats().best_bound.unwrap_or_default();
    let solution = outcome.into_solution().map_err(|_| failed("no selection within the limit".to_owned()))?;
    let counts = kinds.iter().map(|kind| solution.var_value(*kind)).collect();
    Ok(Answer { bound, counts })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(weights: &[i64], wanted: i64) -> Condition {
        Condition {
            table: String::new(),
            wanted: wanted as f64,
            weights: weights.to_vec(),
            low: wanted,
            high: wanted,
            figure: |sum, _| sum as f64,
            over: vec![true; weights.len()],
            n: 0,
        }
    }

    #[test]
    fn a_unique_selection_is_found() {
        let conditions = [condition(&[1, 1, 1], 6), condition(&[1, 0, 0], 1), condition(&[0, 1, 3], 9)];
        let choice = solve(&[5, 5, 5], &conditions, 0).unwrap();
        assert_eq!(choice, Selection { counts: vec![1, 3, 2], missed: 0, missed_by_all: 0 });
    }

    /// Sums of even weights are even: the relaxation has an answer, the integers have none.
    #[test]
    fn the_nearest_is_proven_where_none_matches() {
        let choice = solve(&[9, 9], &[condition(&[2, 4], 7)], 0).unwrap();
        let sum = 2 * choice.counts[0] + 4 * choice.counts[1];
        assert!(sum == 6 || sum == 8, "{choice:?}");
        assert_eq!((choice.missed, choice.missed_by_all), (1, 1));
    }
}
