//! Paired comparisons: of coalitions within a run and of runs, each within a named family with Holm's correction, and with
//! the smallest difference that so many samples could show.

use emomm_dataset::{ModalitySet, Subset};
use emomm_metrics::{
    BootstrapOptions, Clusters, Comparison, Family, Figure, Flips, PermutationOptions,
    cluster_standard_error, sign_flip_test, smallest_detectable_difference,
};

use super::sums::{ByCluster, add_fields, intervals, share};
use crate::error::ReportError;
use crate::study::{Study, StudyClip, StudyRun, is_right};
use emomm_eval::score::Interval;

/// Level of the tests.
pub const ALPHA: f64 = 0.05;
/// Power at which a difference counts as detectable.
pub const POWER: f64 = 0.8;

/// One comparison: `second` less `first` on the same samples.
#[derive(Debug, Clone, PartialEq)]
pub struct Paired {
    /// What is compared.
    pub first: String,
    /// With what.
    pub second: String,
    /// On which samples.
    pub subset: String,
    /// Samples.
    pub n: usize,
    /// Clusters.
    pub n_clusters: usize,
    /// Accuracy of the first.
    pub first_acc: f64,
    /// Accuracy of the second.
    pub second_acc: f64,
    /// The difference.
    pub delta: Option<Interval>,
    /// Sign-flip permutation test by cluster.
    pub p: Option<f64>,
    /// The same after Holm's correction within the family.
    pub p_holm: Option<f64>,
    /// Samples right in the one and wrong in the other.
    pub flips: Flips,
    /// The smallest difference detectable at level [`ALPHA`] with power [`POWER`].
    pub detectable: Option<f64>,
}

impl Paired {
    /// What the comparison says in a few words.
    pub fn verdict(&self) -> &'static str {
        let delta = self.delta.map_or(0.0, |d| d.value);
        match (self.p_holm, self.detectable) {
            (Some(p), _) if p <= ALPHA && delta > 0.0 => "better",
            (Some(p), _) if p <= ALPHA && delta < 0.0 => "worse",
            (_, Some(detectable)) if detectable > delta.abs() => "underpowered",
            (None, _) => "not tested",
            _ => "no difference shown",
        }
    }
}

/// Comparisons that are corrected together.
#[derive(Debug, Clone, PartialEq)]
pub struct PairedFamily {
    /// What is asked, for readers.
    pub name: String,
    /// The comparisons.
    pub comparisons: Vec<Paired>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Pair {
    right: [usize; 2],
    n: [usize; 1],
}

add_fields!(Pair, right, n);

/// TAV against every other coalition, on Align and on Conflict.
pub fn full_against_others(
    study: &Study,
    run: &StudyRun,
    options: BootstrapOptions,
) -> Result<Option<PairedFamily>, ReportError> {
    let mut comparisons = Vec::new();
    for (subset, wanted) in [("align", false), ("conflict", true)] {
        for coalition in ModalitySet::ALL.into_iter().filter(|s| *s != ModalitySet::FULL) {
            let pairs = study.clips.iter().enumerate().filter_map(|(index, clip)| {
                let other = run.record(index, coalition)?;
                let full = run.record(index, ModalitySet::FULL)?;
                (clip.is_conflict()? == wanted).then(|| (clip, is_right(clip, other), is_right(clip, full)))
            });
            let pairs: Vec<(&StudyClip, bool, bool)> = pairs.collect();
            comparisons.extend(paired(&pairs, (&coalition.to_string(), "TAV"), subset, options)?);
        }
    }
    family(&format!("{}: TAV against each other coalition", run.name), comparisons)
}

/// Every other run against the first, by subset.
pub fn runs_against_first(
    study: &Study,
    options: BootstrapOptions,
) -> Result<Option<PairedFamily>, ReportError> {
    let Some((first, others)) = study.runs.split_first() else { return Ok(None) };
    let mut comparisons = Vec::new();
    for other in others {
        for subset in COMPARED {
            let mut pairs = Vec::new();
            for (index, clip) in study.clips.iter().enumerate() {
                for coalition in ModalitySet::ALL.into_iter().filter(|s| s.len() >= 2) {
                    if !subset.holds(clip, coalition) {
                        continue;
                    }
                    let (Some(a), Some(b)) = (first.record(index, coalition), other.record(index, coalition))
                    else {
                        continue;
                    };
                    pairs.push((clip, is_right(clip, a), is_right(clip, b)));
                }
            }
            comparisons.extend(paired(&pairs, (&first.name, &other.name), subset.name(), options)?);
        }
    }
    family(&format!("Runs against {}", first.name), comparisons)
}

/// Parts of the benchmark on which runs are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Overall,
    Align,
    Conflict,
    Missing,
}

const COMPARED: [Part; 4] = [Part::Overall, Part::Align, Part::Conflict, Part::Missing];

impl Part {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Overall => "overall",
            Self::Align => "align",
            Self::Conflict => "conflict",
            Self::Missing => "missing",
        }
    }

    /// Whether a clip under a coalition of two or three modalities belongs to it.
    pub(crate) fn holds(self, clip: &StudyClip, coalition: ModalitySet) -> bool {
        let is_full = coalition == ModalitySet::FULL;
        match self {
            Self::Overall => true,
            Self::Missing => !is_full,
            Self::Align => is_full && clip.subset(coalition).is_some_and(|s| s.is_within(Subset::Align)),
            Self::Conflict => is_full && clip.subset(coalition) == Some(Subset::Conflict),
        }
    }
}

fn paired(
    pairs: &[(&StudyClip, bool, bool)],
    (first, second): (&str, &str),
    subset: &str,
    options: BootstrapOptions,
) -> Result<Option<Paired>, ReportError> {
    if pairs.is_empty() {
        return Ok(None);
    }
    let metric = |source| ReportError::Metric { what: "paired comparison", source };
    let mut sums: ByCluster<'_, Pair> = ByCluster::default();
    for (clip, a, b) in pairs {
        let sum = sums.of(clip);
        sum.n[0] += 1;
        sum.right[0] += usize::from(*a);
        sum.right[1] += usize::from(*b);
    }
    let sums = sums.into_sums();
    let [delta] = intervals(&sums, options, "paired comparison", |p: &Pair| {
        [share(p.right[1] as f64 - p.right[0] as f64, p.n[0])]
    })?;
    let differences: Vec<f64> =
        pairs.iter().map(|(_, a, b)| f64::from(u8::from(*b)) - f64::from(u8::from(*a))).collect();
    let clusters = Clusters::by_key(pairs.iter().map(|(c, _, _)| (c.corpus.name.as_str(), c.group.as_str())));
    let permutations = PermutationOptions { seed: options.seed, ..PermutationOptions::default() };
    let test = sign_flip_test(&differences, &clusters, permutations).map_err(metric)?;
    let error: Option<Figure> = cluster_standard_error(&differences, &clusters).map_err(metric)?;
    let detectable = error
        .filter(|e| e.value > 0.0)
        .map(|e| smallest_detectable_difference(e.value, ALPHA, POWER))
        .transpose()
        .map_err(metric)?;
    let right = |of: fn(&(&StudyClip, bool, bool)) -> bool| {
        pairs.iter().filter(|p| of(p)).count() as f64 / pairs.len() as f64
    };
    Ok(Some(Paired {
        first: first.to_owned(),
        second: second.to_owned(),
        subset: subset.to_owned(),
        n: pairs.len(),
        n_clusters: clusters.len(),
        first_acc: right(|p| p.1),
        second_acc: right(|p| p.2),
        delta,
        p: test.filter(|t| t.n_clusters >= 2).map(|t| t.p_value),
        p_holm: None,
        flips: Flips::of(pairs.iter().map(|(_, a, b)| (*a, *b))),
        detectable,
    }))
}

/// Corrects the comparisons that were tested.
fn family(name: &str, mut comparisons: Vec<Paired>) -> Result<Option<PairedFamily>, ReportError> {
    if comparisons.is_empty() {
        return Ok(None);
    }
    let tested: Vec<Comparison> = comparisons
        .iter()
        .filter_map(|c| Some(Comparison { name: c.subset.clone(), p_value: c.p? }))
        .collect();
    let adjusted = Family::adjust(name, tested)
        .map_err(|source| ReportError::Metric { what: "Holm's correction", source })?;
    let mut corrected = adjusted.comparisons.into_iter();
    for comparison in comparisons.iter_mut().filter(|c| c.p.is_some()) {
        comparison.p_holm = corrected.next().map(|c| c.adjusted);
    }
    Ok(Some(PairedFamily { name: name.to_owned(), comparisons }))
}
