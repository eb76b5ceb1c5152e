//! Where in the picture the attention on video lies (Sec. 4.3): how evenly it is spread over the visual tokens, and what
//! person and face take of it against their share of the tokens.
//!
//! Entropy is that of the attention over visual tokens, mean over heads, divided by the entropy of an even spread: 1 is even, 0
//! is all on one token. Importance is Î_k of Eq. (25).

use emomm_dataset::{Modality, ModalitySet};
use emomm_eval::run::{RegionAttention, SpatialAttention};
use emomm_eval::score::Interval;
use emomm_metrics::BootstrapOptions;

use super::attention::Condition;
use super::sums::{ByCluster, add_fields, intervals, share};
use crate::error::ReportError;
use crate::study::{Study, StudyRun};

/// What one sample's attention on video is like, means over layers.
const FIGURES: usize = 8;
/// Figures of a layer: entropy, person, face.
const OF_LAYER: usize = 3;

/// A region against its share of the tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RegionFigures {
    /// Its share of the visual tokens.
    pub tokens: Option<Interval>,
    /// Its share of the attention on video, mean over layers.
    pub attention: Option<Interval>,
    /// Its share of importance.
    pub importance: Option<Interval>,
}

/// One layer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SpatialLayer {
    /// Counted from 1.
    pub layer: usize,
    /// Relative entropy.
    pub entropy: Option<Interval>,
    /// The person's share of the attention on video.
    pub person: Option<Interval>,
    /// The face's.
    pub face: Option<Interval>,
}

/// The samples of a condition.
#[derive(Debug, Clone, PartialEq)]
pub struct SpatialProfile {
    /// Which.
    pub condition: Condition,
    /// Their number.
    pub n: usize,
    /// Visual tokens of a sample, mean.
    pub tokens: f64,
    /// Relative entropy of the attention, mean over layers.
    pub entropy: Option<Interval>,
    /// Relative entropy of importance.
    pub importance_entropy: Option<Interval>,
    /// The person; `None` where nobody looked for it.
    pub person: Option<RegionFigures>,
    /// The face; `None` where it is not known.
    pub face: Option<RegionFigures>,
    /// By layer.
    pub layers: Vec<SpatialLayer>,
}

#[derive(Debug, Clone, Default)]
struct Sums {
    values: [f64; FIGURES],
    n: [usize; FIGURES],
}

add_fields!(Sums, values, n);

#[derive(Debug, Clone, Default)]
struct LayerSums {
    values: [f64; OF_LAYER],
    n: [usize; OF_LAYER],
}

add_fields!(LayerSums, values, n);

#[derive(Debug, Default)]
struct OfCluster {
    whole: Sums,
    layers: Vec<LayerSums>,
}

/// All conditions of a run of which some records were kept by token: every coalition with video, on all samples, and on
/// Align and Conflict where there are two modalities.
pub fn spatial_profiles(
    study: &Study,
    run: &StudyRun,
    options: BootstrapOptions,
) -> Result<Vec<SpatialProfile>, ReportError> {
    let mut profiles = Vec::new();
    for coalition in ModalitySet::ALL.into_iter().filter(|s| s.contains(Modality::Video)) {
        profiles.extend(profile(study, run, Condition::All(coalition), options)?);
        if coalition.len() >= 2 {
            profiles.extend(profile(study, run, Condition::Align(coalition), options)?);
            profiles.extend(profile(study, run, Condition::Conflict(coalition), options)?);
        }
    }
    Ok(profiles)
}

fn profile(
    study: &Study,
    run: &StudyRun,
    condition: Condition,
    options: BootstrapOptions,
) -> Result<Option<SpatialProfile>, ReportError> {
    let mut clusters: ByCluster<'_, OfCluster> = ByCluster::default();
    let (mut n, mut tokens) = (0, 0);
    for (index, clip) in study.clips.iter().enumerate() {
        let record = run.record(index, condition.coalition());
        let Some(spatial) = record.and_then(|r| r.attention.as_ref()?.spatial.as_ref()) else { continue };
        if condition.holds(clip) {
            n += 1;
            tokens += spatial.tokens;
            add(clusters.of(clip), spatial);
        }
    }
    if n == 0 {
        return Ok(None);
    }
    let clusters = clusters.into_sums();
    let depth = clusters.iter().map(|c| c.layers.len()).max().unwrap_or(0);
    let what = "attention over the picture";
    let whole: Vec<Sums> = clusters.iter().map(|c| c.whole.clone()).collect();
    let found = intervals(&whole, options, what, |sums: &Sums| {
        std::array::from_fn::<_, FIGURES, _>(|i| share(sums.values[i], sums.n[i]))
    })?;
    let mut layers = Vec::with_capacity(depth);
    for layer in 0..depth {
        let sums: Vec<LayerSums> =
            clusters.iter().map(|c| c.layers.get(layer).cloned().unwrap_or_default()).collect();
        let [entropy, person, face] = intervals(&sums, options, what, |sums: &LayerSums| {
            std::array::from_fn::<_, OF_LAYER, _>(|i| share(sums.values[i], sums.n[i]))
        })?;
        layers.push(SpatialLayer { layer: layer + 1, entropy, person, face });
    }
    let region = |at: usize| {
        found[at].is_some().then(|| RegionFigures {
            tokens: found[at],
            attention: found[at + 1],
            importance: found[at + 2],
        })
    };
    Ok(Some(SpatialProfile {
        condition,
        n,
        tokens: tokens as f64 / n as f64,
        entropy: found[0],
        importance_entropy: found[1],
        person: region(2),
        face: region(5),
        layers,
    }))
}

fn mean(values: &[Option<f64>]) -> Option<f64> {
    let known: Vec<f64> = values.iter().copied().flatten().collect();
    (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
}

fn add(cluster: &mut OfCluster, spatial: &SpatialAttention) {
    let region = |region: &Option<RegionAttention>| {
        let region = region.as_ref();
        [region.map(|r| r.tokens), region.and_then(|r| mean(&r.attention)), region.and_then(|r| r.importance)]
    };
    let [person, face] = [region(&spatial.person), region(&spatial.face)];
    let whole: [Option<f64>; FIGURES] = [
        mean(&spatial.entropy),
        spatial.importance_entropy,
        person[0],
        person[1],
        person[2],
        face[0],
        face[1],
        face[2],
    ];
    for (i, value) in whole.into_iter().enumerate() {
        if let Some(value) = value {
            cluster.whole.values[i] += value;
            cluster.whole.n[i] += 1;
        }
    }
    let depth = spatial.entropy.len();
    if cluster.layers.len() < depth {
        cluster.layers.resize(depth, LayerSums::default());
    }
    let of = |region: &Option<RegionAttention>, layer: usize| {
        region.as_ref().and_then(|r| *r.attention.get(layer)?)
    };
    for (layer, sums) in cluster.layers.iter_mut().enumerate().take(depth) {
        let values = [spatial.entropy[layer], of(&spatial.person, layer), of(&spatial.face, layer)];
        for (i, value) in values.into_iter().enumerate() {
            if let Some(value) = value {
                sums.values[i] += value;
                sums.n[i] += 1;
            }
        }
    }
}
