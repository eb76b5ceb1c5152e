//! Figures 9b and 10: where the attention of the decision row goes, by layer.
//!
//! The share of a modality is nMAS renormalised over the modalities that were shown, averaged over heads, then over samples.
//! nMAS itself (mean attention per token) and mass (its sum over the tokens) are reported beside it.

use emomm_dataset::{Modality, ModalitySet, PerModality, Subset};
use emomm_eval::run::{LayerAttention, Record};
use emomm_eval::score::Interval;
use emomm_metrics::BootstrapOptions;

use super::sums::{ByCluster, intervals, share};
use crate::error::ReportError;
use crate::study::{Study, StudyClip, StudyRun};

/// The samples over which attention is averaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Condition {
    /// All clips, under one coalition.
    All(ModalitySet),
    /// Clips of which every shown modality agrees: Align, or Missing-Align of a pair.
    Align(ModalitySet),
    /// Clips of which a shown modality contradicts: Conflict, or Missing-Conflict of a pair.
    Conflict(ModalitySet),
}

impl Condition {
    /// What was shown.
    pub fn coalition(self) -> ModalitySet {
        match self {
            Self::All(s) | Self::Align(s) | Self::Conflict(s) => s,
        }
    }

    /// The word of the subset.
    pub fn subset(self) -> &'static str {
        let is_missing = self.coalition() != ModalitySet::FULL;
        match self {
            Self::All(_) => "all",
            Self::Align(_) if is_missing => "missing-align",
            Self::Align(_) => "align",
            Self::Conflict(_) if is_missing => "missing-conflict",
            Self::Conflict(_) => "conflict",
        }
    }

    pub(super) fn holds(self, clip: &StudyClip) -> bool {
        let subset = clip.subset(self.coalition());
        let is = |wanted: Subset| subset.is_some_and(|s| s.is_within(wanted));
        match self {
            Self::All(_) => true,
            Self::Align(_) => is(Subset::Align) || is(Subset::MissingAlign),
            Self::Conflict(_) => is(Subset::Conflict) || is(Subset::MissingConflict),
        }
    }
}

/// One layer: means over samples.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerMeans {
    /// Counted from 1, as in the paper.
    pub layer: usize,
    /// Shares with intervals.
    pub share: PerModality<Option<Interval>>,
    /// nMAS.
    pub nmas: PerModality<Option<f64>>,
    /// Mass.
    pub mass: PerModality<Option<f64>>,
}

/// The attention of one condition.
#[derive(Debug, Clone, PartialEq)]
pub struct AttentionProfile {
    /// The samples.
    pub condition: Condition,
    /// Their number.
    pub n: usize,
    /// All layers.
    pub layers: Vec<LayerMeans>,
}

#[derive(Debug, Default, Clone)]
struct LayerSum {
    share: [f64; 3],
    n_share: usize,
    nmas: [f64; 3],
    mass: [f64; 3],
    n: usize,
}

impl std::ops::AddAssign<&LayerSum> for LayerSum {
    fn add_assign(&mut self, other: &Self) {
        for i in 0..3 {
            self.share[i] += other.share[i];
            self.nmas[i] += other.nmas[i];
            self.mass[i] += other.mass[i];
        }
        self.n_share += other.n_share;
        self.n += other.n;
    }
}

/// The share of every shown modality in a layer; `None` where the layer pays them no attention.
pub(crate) fn layer_shares(attention: &LayerAttention, shown: ModalitySet, layer: usize) -> Option<[f64; 3]> {
    let mut shares = [0.0; 3];
    for m in shown.iter() {
        shares[m.index()] = (*attention.share.get(m).as_ref()?.get(layer)?)?;
    }
    Some(shares)
}

/// Layers of a record's attention.
pub(crate) fn n_layers(attention: &LayerAttention) -> usize {
    Modality::ALL.into_iter().filter_map(|m| attention.nmas.get(m).as_ref().map(Vec::len)).max().unwrap_or(0)
}

/// Averages the records of a condition; `None` where none has attention.
pub fn attention_profile(
    study: &Study,
    run: &StudyRun,
    condition: Condition,
    options: BootstrapOptions,
) -> Result<Option<AttentionProfile>, ReportError> {
    let shown = condition.coalition();
    let mut clusters: ByCluster<'_, Vec<LayerSum>> = ByCluster::default();
    let mut n = 0;
    for (index, clip) in study.clips.iter().enumerate() {
        let Some(attention) = run.record(index, shown).and_then(attention_of) else { continue };
        if condition.holds(clip) {
            n += 1;
            add(clusters.of(clip), attention, shown);
        }
    }
    if n == 0 {
        return Ok(None);
    }
    let clusters = clusters.into_sums();
    let depth = clusters.iter().map(Vec::len).max().unwrap_or(0);
    let mut layers = Vec::with_capacity(depth);
    for layer in 0..depth {
        let sums: Vec<LayerSum> =
            clusters.iter().map(|c| c.get(layer).cloned().unwrap_or_default()).collect();
        let mut all = LayerSum::default();
        for sum in &sums {
            all += sum;
        }
        let [text, audio, video] = intervals(&sums, options, "attention by layer", |s: &LayerSum| {
            [0, 1, 2].map(|i| share(s.share[i], s.n_share))
        })?;
        let here = |m: Modality, value: Option<Interval>| value.filter(|_| shown.contains(m));
        let mean = |values: &[f64; 3]| {
            PerModality::from_fn(|m| {
                (shown.contains(m) && all.n > 0).then(|| values[m.index()] / all.n as f64)
            })
        };
        layers.push(LayerMeans {
            layer: layer + 1,
            share: PerModality {
                text: here(Modality::Text, text),
                audio: here(Modality::Audio, audio),
                video: here(Modality::Video, video),
            },
            nmas: mean(&all.nmas),
            mass: mean(&all.mass),
        });
    }
    Ok(Some(AttentionProfile { condition, n, layers }))
}

/// The attention of a record that ended well.
pub(crate) fn attention_of(record: &Record) -> Option<&LayerAttention> {
    record.attention.as_ref().filter(|a| n_layers(a) > 0)
}

fn add(sums: &mut Vec<LayerSum>, attention: &LayerAttention, shown: ModalitySet) {
    let depth = n_layers(attention);
    if sums.len() < depth {
        sums.resize(depth, LayerSum::default());
    }
    for (layer, sum) in sums.iter_mut().enumerate().take(depth) {
        if let Some(shares) = layer_shares(attention, shown, layer) {
            sum.n_share += 1;
            for (total, value) in sum.share.iter_mut().zip(shares) {
                *total += value;
            }
        }
        sum.n += 1;
        for m in shown.iter() {
            let at = |table: &PerModality<Option<Vec<f64>>>| {
                table.get(m).as_ref().and_then(|t| t.get(layer)).copied().unwrap_or(0.0)
            };
            sum.nmas[m.index()] += at(&attention.nmas);
            sum.mass[m.index()] += at(&attention.mass);
        }
    }
}
