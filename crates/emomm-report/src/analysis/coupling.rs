//! Figure 3, right: is a modality that gets more attention per token also followed more often when it is right?
//!
//! A point is a modality under one missing pattern in one corpus (and, in the table, one band of layers): nMAS averaged over
//! the target-conflict samples, against GTAR over the same samples, by the reading that the scores have. The rank correlation's interval draws whole clusters
//! and computes all points again.

use emomm_dataset::{Modality, ModalitySet};
use emomm_metrics::{Figure, Gtar, GtarOptions, GtarSample, pearson};

use super::attention::{attention_of, n_layers};
use super::sums::{ByCluster, intervals};
use crate::error::ReportError;
use crate::study::{Study, StudyRun};
use emomm_eval::score::{Interval, ScoreOptions};

/// Fewer points say little about a correlation.
pub const FEW_POINTS: usize = 10;

/// A part of the layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Band {
    /// All.
    All,
    /// The first third.
    Early,
    /// The second third.
    Middle,
    /// The last third.
    Late,
}

impl Band {
    /// All bands.
    pub const ALL: [Self; 4] = [Self::All, Self::Early, Self::Middle, Self::Late];

    /// Its word.
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Early => "early",
            Self::Middle => "middle",
            Self::Late => "late",
        }
    }

    fn range(self, depth: usize) -> std::ops::Range<usize> {
        let third = |k: usize| k * depth / 3;
        match self {
            Self::All => 0..depth,
            Self::Early => 0..third(1),
            Self::Middle => third(1)..third(2),
            Self::Late => third(2)..depth,
        }
    }
}

/// One point.
#[derive(Debug, Clone, PartialEq)]
pub struct CouplingPoint {
    /// The corpus.
    pub corpus: String,
    /// What was shown.
    pub coalition: ModalitySet,
    /// The modality.
    pub modality: Modality,
    /// Mean nMAS over the target-conflict samples.
    pub nmas: f64,
    /// GTAR.
    pub gtar: f64,
    /// Target-conflict samples.
    pub n: usize,
    /// Those in which the modality is right: the denominator of GTAR.
    pub n_right: usize,
}

/// The points of one band and how they correlate.
#[derive(Debug, Clone, PartialEq)]
pub struct Coupling {
    /// The layers over which nMAS is averaged.
    pub band: Band,
    /// The points.
    pub points: Vec<CouplingPoint>,
    /// Spearman's rank correlation.
    pub spearman: Option<Interval>,
    /// Pearson's r.
    pub pearson: Option<Interval>,
}

/// The four coalitions of the benchmark's samples.
const SHOWN: [&str; 4] = ["TA", "TV", "AV", "TAV"];

#[derive(Debug, Default, Clone)]
struct Sums {
    /// Σ nMAS, samples, Σ a c, Σ a; by point.
    points: Vec<[f64; 4]>,
}

impl std::ops::AddAssign<&Sums> for Sums {
    fn add_assign(&mut self, other: &Self) {
        if self.points.len() < other.points.len() {
            self.points.resize(other.points.len(), [0.0; 4]);
        }
        for (sum, value) in self.points.iter_mut().zip(&other.points) {
            for (s, v) in sum.iter_mut().zip(value) {
                *s += v;
            }
        }
    }
}

/// The points of all bands; empty where there is no attention.
pub fn coupling(study: &Study, run: &StudyRun, options: &ScoreOptions) -> Result<Vec<Coupling>, ReportError> {
    let mut corpora: Vec<&str> = study.clips.iter().map(|c| c.corpus.name.as_str()).collect();
    corpora.dedup();
    let shown: Vec<ModalitySet> = SHOWN.iter().filter_map(|s| s.parse().ok()).collect();
    let keys: Vec<(&str, ModalitySet, Modality)> = corpora
        .iter()
        .flat_map(|corpus| shown.iter().flat_map(move |s| s.iter().map(move |m| (*corpus, *s, m))))
        .collect();
    let mut found = Vec::new();
    for band in Band::ALL {
        let reading = GtarOptions { reading: options.gtar, unparsed: options.unparsed };
        let clusters = sums(study, run, (band, reading), &keys, &shown);
        let mut all = Sums::default();
        for cluster in &clusters {
            all += cluster;
        }
        let points: Vec<CouplingPoint> = keys
            .iter()
            .zip(&all.points)
            .filter_map(|((corpus, coalition, modality), sum)| {
                let (nmas, gtar) = place(sum)?;
                Some(CouplingPoint {
                    corpus: (*corpus).to_owned(),
                    coalition: *coalition,
                    modality: *modality,
                    nmas,
                    gtar,
                    n: sum[1] as usize,
                    n_right: sum[3] as usize,
                })
            })
            .collect();
        if points.is_empty() {
            continue;
        }
        let [spearman, pearson] =
            intervals(&clusters, options.bootstrap, "nMAS against GTAR", |s: &Sums| {
                let places: Vec<(f64, f64)> = s.points.iter().filter_map(place).collect();
                [spearman_of(&places), pearson(&places).ok().flatten()]
            })?;
        found.push(Coupling { band, points, spearman, pearson });
    }
    Ok(found)
}

fn place(sum: &[f64; 4]) -> Option<(f64, f64)> {
    let [nmas, n, hits, right] = *sum;
    (n > 0.0 && right > 0.0).then(|| (nmas / n, hits / right))
}

fn sums(
    study: &Study,
    run: &StudyRun,
    (band, reading): (Band, GtarOptions),
    keys: &[(&str, ModalitySet, Modality)],
    shown: &[ModalitySet],
) -> Vec<Sums> {
    let mut clusters: ByCluster<'_, Sums> = ByCluster::default();
    for (index, clip) in study.clips.iter().enumerate() {
        for coalition in shown {
            let Some(record) = run.record(index, *coalition) else { continue };
            let sample =
                GtarSample { available: *coalition, labels: clip.labels, predicted: record.answer() };
            let followed = Gtar::of([sample], reading);
            if followed.n_conflict == 0 {
                continue;
            }
            let Some(attention) = attention_of(record) else { continue };
            let layers = band.range(n_layers(attention));
            if layers.is_empty() {
                continue;
            }
            let sum = clusters.of(clip);
            sum.points.resize(keys.len(), [0.0; 4]);
            for m in coalition.iter() {
                let key = (clip.corpus.name.as_str(), *coalition, m);
                let Some(at) = keys.iter().position(|k| *k == key) else { continue };
                let Some(nmas) = attention.nmas.get(m).as_ref().and_then(|t| t.get(layers.clone())) else {
                    continue;
                };
                let point = &mut sum.points[at];
                point[0] += nmas.iter().sum::<f64>() / nmas.len() as f64;
                point[1] += 1.0;
                let rate = followed.rates.get(m);
                point[2] += rate.numerator as f64;
                point[3] += rate.denominator as f64;
            }
        }
    }
    clusters.into_sums()
}

/// Spearman's rank correlation: Pearson's r of ranks, ties sharing the mean of theirs.
pub(crate) fn spearman_of(points: &[(f64, f64)]) -> Option<Figure> {
    let xs = ranks(&points.iter().map(|p| p.0).collect::<Vec<f64>>());
    let ys = ranks(&points.iter().map(|p| p.1).collect::<Vec<f64>>());
    let pairs: Vec<(f64, f64)> = xs.into_iter().zip(ys).collect();
    pearson(&pairs).ok().flatten()
}

fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut at = 0;
    while at < order.len() {
        let same =
            order[at..].iter().take_while(|i| values[**i].total_cmp(&values[order[at]]).is_eq()).count();
        let rank = at as f64 + f64::midpoint(same as f64, 1.0);
        for i in &order[at..at + same] {
            ranks[*i] = rank;
        }
        at += same;
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_share_a_rank() {
        assert_eq!(ranks(&[10.0, 20.0, 10.0, 5.0]), [2.5, 4.0, 2.5, 1.0]);
    }

    /// scipy.stats.spearmanr([1, 2, 3, 4, 5], [5, 6, 7, 8, 7]) gives 0.8207826816681233.
    #[test]
    fn ranks_correlate_as_in_scipy() {
        let points = [(1.0, 5.0), (2.0, 6.0), (3.0, 7.0), (4.0, 8.0), (5.0, 7.0)];
        let r = spearman_of(&points).unwrap().value;
        assert!((r - 0.820_782_681_668_123_3).abs() < 1e-12, "{r}");
    }

    #[test]
    fn thirds_cover_all_layers_once() {
        let all: Vec<usize> =
            [Band::Early, Band::Middle, Band::Late].into_iter().flat_map(|b| b.range(28)).collect();
        assert_eq!(all, (0..28).collect::<Vec<usize>>());
    }
}
