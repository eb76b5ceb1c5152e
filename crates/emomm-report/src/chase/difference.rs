//! The difference of two variants on the same samples, with its interval over groups.

use emomm_dataset::{ModalitySet, Subset};
use emomm_eval::score::Interval;
use emomm_metrics::{BootstrapOptions, Figure};

use crate::analysis::{ByCluster, add_fields, intervals};
use crate::error::ReportError;
use crate::study::{Study, StudyClip, StudyRun, is_right};

#[derive(Debug, Default, Clone, Copy)]
struct Pair {
    /// Right in the first and in the second.
    right: [usize; 2],
    n: [usize; 1],
}

add_fields!(Pair, right, n);

/// Samples of one kind: a coalition and what must hold of the clip under it.
pub(super) struct Samples {
    pub(super) coalition: ModalitySet,
    pub(super) holds: fn(&StudyClip, ModalitySet) -> bool,
}

impl Samples {
    /// Full clips whose modalities disagree, or agree.
    pub(super) fn full(is_conflict: bool) -> Self {
        let holds: fn(&StudyClip, ModalitySet) -> bool = if is_conflict {
            |c, _| c.is_conflict() == Some(true)
        } else {
            |c, _| c.is_conflict() == Some(false)
        };
        Self { coalition: ModalitySet::FULL, holds }
    }

    /// Masked copies of a coalition by whether what is left contradicts the truth.
    pub(super) fn missing(coalition: ModalitySet, is_conflict: bool) -> Self {
        let holds: fn(&StudyClip, ModalitySet) -> bool = if is_conflict {
            |c, shown| c.subset(shown) == Some(Subset::MissingConflict)
        } else {
            |c, shown| c.subset(shown) == Some(Subset::MissingAlign)
        };
        Self { coalition, holds }
    }
}

/// Accuracies of both and `second` less `first`; `None` where they share no such sample. A sample that either has no answer
/// to is left out: a placebo that could not be computed has not lost.
pub(super) fn difference(
    study: &Study,
    (first, second): (&StudyRun, &StudyRun),
    samples: &Samples,
    options: BootstrapOptions,
) -> Result<Option<([f64; 2], Interval)>, ReportError> {
    let mut sums: ByCluster<'_, Pair> = ByCluster::default();
    let mut all = Pair::default();
    for (index, clip) in study.clips.iter().enumerate() {
        if !(samples.holds)(clip, samples.coalition) {
            continue;
        }
        let record = |run: &StudyRun| {
            let record = run.record(index, samples.coalition)?;
            record.answer().map(|_| is_right(clip, record))
        };
        let (Some(a), Some(b)) = (record(first), record(second)) else { continue };
        let here = Pair { right: [a, b].map(usize::from), n: [1] };
        *sums.of(clip) += &here;
        all += &here;
    }
    if all.n[0] == 0 {
        return Ok(None);
    }
    let [delta] = intervals(&sums.into_sums(), options, "difference of variants", |p: &Pair| {
        let value = (p.right[1] as f64 - p.right[0] as f64) / p.n[0] as f64;
        [(p.n[0] > 0).then_some(Figure { value, n: p.n[0] })]
    })?;
    Ok(delta.map(|delta| (all.right.map(|r| r as f64 / all.n[0] as f64), delta)))
}
