//! The difference of two variants on the same samples, with its interval over groups.

use emomm_dataset::{ModalitySet, Subset};
use emomm_eval::run::Record;
use emomm_eval::score::Interval;
use emomm_metrics::{BootstrapOptions, Figure};

use crate::analysis::{ByCluster, add_fields, intervals};
use crate::error::ReportError;
use crate::study::{Study, StudyClip, StudyRun, is_right};

/// Samples of a group.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Group {
    /// Right in the first and in the second.
    pub(super) right: [usize; 2],
    /// Samples.
    pub(super) n: [usize; 1],
}

add_fields!(Group, right, n);

/// What must hold of a clip under a coalition.
type Condition = dyn Fn(&StudyClip, ModalitySet) -> bool;

/// Samples of one kind: a coalition and what must hold of the clip under it.
pub(super) struct Samples {
    coalition: ModalitySet,
    holds: Box<Condition>,
}

impl Samples {
    /// Samples under a coalition of which `holds` holds.
    pub(super) fn of(
        coalition: ModalitySet,
        holds: impl Fn(&StudyClip, ModalitySet) -> bool + 'static,
    ) -> Self {
        Self { coalition, holds: Box::new(holds) }
    }

    /// Full clips whose modalities disagree, or agree.
    pub(super) fn full(is_conflict: bool) -> Self {
        Self::of(ModalitySet::FULL, move |clip, _| clip.is_conflict() == Some(is_conflict))
    }

    /// Masked copies of a coalition by whether what is left contradicts the truth.
    pub(super) fn missing(coalition: ModalitySet, is_conflict: bool) -> Self {
        let wanted = if is_conflict { Subset::MissingConflict } else { Subset::MissingAlign };
        Self::of(coalition, move |clip, shown| clip.subset(shown) == Some(wanted))
    }
}

/// What the second of two runs does differently on the samples that both have.
pub(super) struct Difference {
    /// Accuracies of the first and of the second.
    pub(super) acc: [f64; 2],
    /// Accuracy of the second less that of the first, over groups.
    pub(super) delta: Interval,
    /// What is known of each group.
    pub(super) groups: Vec<Group>,
}

/// The difference of two runs; `None` where they share no such sample. A record without an answer is not right, whichever
/// run it is of, as in the other paired comparisons of a report.
pub(super) fn difference(
    study: &Study,
    runs: (&StudyRun, &StudyRun),
    samples: &Samples,
    options: BootstrapOptions,
) -> Result<Option<Difference>, ReportError> {
    paired(study, runs, samples, options, |_| true)
}

/// The difference of a placebo and the run that is held against it, and how many of the shared samples were left out because
/// the placebo has no answer there: one that could not be computed is not outdone. The run's own missing answers are wrong.
pub(super) fn against_placebo(
    study: &Study,
    (placebo, run): (&StudyRun, &StudyRun),
    samples: &Samples,
    options: BootstrapOptions,
) -> Result<(Option<Difference>, usize), ReportError> {
    let mut left_out = 0;
    let found = paired(study, (placebo, run), samples, options, |of_placebo| {
        let has_answer = of_placebo.answer().is_some();
        left_out += usize::from(!has_answer);
        has_answer
    })?;
    Ok((found, left_out))
}

/// The difference over the shared samples whose record of the first run is kept.
fn paired(
    study: &Study,
    (first, second): (&StudyRun, &StudyRun),
    samples: &Samples,
    options: BootstrapOptions,
    mut is_kept: impl FnMut(&Record) -> bool,
) -> Result<Option<Difference>, ReportError> {
    let mut sums: ByCluster<'_, Group> = ByCluster::default();
    let mut all = Group::default();
    for (index, clip) in study.clips.iter().enumerate() {
        if !(samples.holds)(clip, samples.coalition) {
            continue;
        }
        let [a, b] = [first, second].map(|run| run.record(index, samples.coalition));
        let (Some(a), Some(b)) = (a, b) else { continue };
        if !is_kept(a) {
            continue;
        }
        let here = Group { right: [is_right(clip, a), is_right(clip, b)].map(usize::from), n: [1] };
        *sums.of(clip) += &here;
        all += &here;
    }
    if all.n[0] == 0 {
        return Ok(None);
    }
    let groups = sums.into_sums();
    let [delta] = intervals(&groups, options, "difference of variants", |p: &Group| {
        let value = (p.right[1] as f64 - p.right[0] as f64) / p.n[0] as f64;
        [(p.n[0] > 0).then_some(Figure { value, n: p.n[0] })]
    })?;
    let acc = all.right.map(|r| r as f64 / all.n[0] as f64);
    Ok(delta.map(|delta| Difference { acc, delta, groups }))
}
